"""The page that draws a picture inside a host (MCP Apps): where tools name it, and how it is served."""

from __future__ import annotations

from pathlib import Path

from mcp.server.apps import APP_MIME_TYPE, Apps, ResourceCsp
from mcp.server.mcpserver.resources import FileResource

URI = "ui://kaiming/signal.html"
OPENS = {"ui": {"resourceUri": URI}}
"""`_meta` of a tool whose result the page draws."""
FILE = Path(__file__).parents[1] / "app" / "signal.html"
_NOTHING = ResourceCsp(connect_domains=[], resource_domains=[], frame_domains=[], base_uri_domains=[])


def page() -> Apps:
    """The extension with the page as its one resource, read from its file when it is asked for.

    The tools are registered beside the others and name the page in their `_meta`: the extension's own way to register
    one has no place for what runs their calls.
    """
    apps = Apps()
    apps.add_resource(
        FileResource(
            uri=URI,
            name="signal.html",
            title="The signal over depth",
            description="Draws the result of trace_signal and diagnose_gradients in hosts that show MCP Apps",
            mime_type=APP_MIME_TYPE,
            meta={"ui": {"csp": _NOTHING.model_dump(by_alias=True), "prefersBorder": True}},
            path=FILE,
            encoding="utf-8",
        )
    )
    return apps
