"""The picture through the protocol: only clients that show MCP Apps are sent it, others get what they always got."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
import pytest
from mcp import Client
from mcp.client.extension import advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from networks import DECAY, PLAIN

from kaiming_mcp.picture.model import META, Picture
from kaiming_mcp.replies import reply
from kaiming_mcp.server import create_server
from kaiming_mcp.serving.workers import InProcesses
from kaiming_mcp.tools.page import FILE, URI

CALLS: dict[str, dict[str, Any]] = {
    "trace_signal": {"architecture": PLAIN},
    "diagnose_gradients": {"architecture": PLAIN, "measurements": DECAY},
}
OTHERS = ("critique_architecture", {"architecture": PLAIN})
both_eras = pytest.mark.parametrize("mode", ["auto", "legacy"])
every = pytest.mark.parametrize("tool", CALLS)


@asynccontextmanager
async def client(mode: Any, mime: str = APP_MIME_TYPE, **server: Any) -> AsyncIterator[Client]:
    """A client that shows pages of a kind; none where the kind is empty."""
    shows = [advertise(EXTENSION_ID, {"mimeTypes": [mime]})] if mime else []
    async with Client(create_server(**server), mode=mode, extensions=shows) as found:
        yield found


@both_eras
@every
async def test_a_client_that_shows_apps_gets_the_picture_beside_the_same_result(mode: str, tool: str) -> None:
    async with client(mode) as shows, client(mode, "") as plain:
        with_page, without = [await c.call_tool(tool, CALLS[tool]) for c in (shows, plain)]
    assert with_page.meta is not None
    picture = Picture.model_validate(with_page.meta[META])
    assert picture.tool == tool
    assert picture.verdict == (with_page.structured_content or {})["verdict"]
    assert with_page.content == without.content
    assert with_page.structured_content == without.structured_content


@both_eras
@every
@pytest.mark.parametrize("mime", ["", "text/html", "text/html;profile=other"])
async def test_a_client_that_shows_none_gets_the_bytes_of_the_reply_without_one(
    mode: str, tool: str, mime: str
) -> None:
    async with client(mode, mime) as plain:
        result = await plain.call_tool(tool, CALLS[tool])
    bare = reply(tool, CALLS[tool])
    assert META not in (result.meta or {})
    assert result.content == bare.content
    assert result.structured_content == bare.structured_content
    assert bare.meta is None


@both_eras
async def test_no_other_tool_has_a_page_or_a_picture(mode: str) -> None:
    async with client(mode) as shows:
        tools = {t.name: t for t in (await shows.list_tools()).tools}
        result = await shows.call_tool(*OTHERS)
    assert META not in (result.meta or {})
    assert {name for name, tool in tools.items() if tool.meta} == set(CALLS)
    for name in CALLS:
        assert tools[name].meta == {"ui": {"resourceUri": URI}}


@both_eras
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("trace_signal", {"architecture": "only prose"}),
        ("diagnose_gradients", {"symptom": "it does not train"}),
    ],
)
async def test_where_nothing_was_established_there_is_no_picture(
    mode: str, tool: str, arguments: dict[str, str]
) -> None:
    async with client(mode) as shows:
        result = await shows.call_tool(tool, arguments)
    assert not result.is_error
    assert META not in (result.meta or {})


@both_eras
async def test_an_error_has_no_picture(mode: str) -> None:
    async with client(mode) as shows:
        result = await shows.call_tool("trace_signal", {"architecture": PLAIN, "initialization": "magic"})
    assert result.is_error
    assert META not in (result.meta or {})


@both_eras
async def test_a_simulation_with_progress_has_a_picture_with_its_points(mode: str) -> None:
    async with client(mode) as shows:
        result = await shows.call_tool(
            "trace_signal", {"architecture": "repeat 3 { linear 8 8 ; relu }", "simulate": True}
        )
    assert result.meta is not None
    assert Picture.model_validate(result.meta[META]).measured


@both_eras
async def test_the_page_is_served_with_the_policy_of_no_network(mode: str) -> None:
    async with client(mode) as shows:
        listed = next(r for r in (await shows.list_resources()).resources if str(r.uri) == URI)
        (part,) = (await shows.read_resource(URI)).contents
    assert listed.mime_type == part.mime_type == APP_MIME_TYPE
    assert isinstance(part, types.TextResourceContents)
    assert part.text == FILE.read_text(encoding="utf-8")
    nothing = {"connectDomains": [], "resourceDomains": [], "frameDomains": [], "baseUriDomains": []}
    for meta in (listed.meta, part.meta):
        assert meta is not None
        assert meta["ui"]["csp"] == nothing


async def test_the_capability_is_advertised_in_the_modern_era() -> None:
    async with client("auto") as shows:
        extensions = shows.server_capabilities.extensions or {}
    assert EXTENSION_ID in extensions
    assert "io.modelcontextprotocol/skills" in extensions


@every
def test_a_picture_travels_between_processes_with_its_result(tool: str) -> None:
    result = reply(tool, CALLS[tool], picture=True)
    assert result.meta is not None
    assert pickle.loads(pickle.dumps(result)) == result


async def test_worker_processes_draw_too() -> None:
    calls = InProcesses((), 1)
    async with client("auto", calls=calls) as shows:
        result = await shows.call_tool("trace_signal", CALLS["trace_signal"])
    assert result.meta is not None
    assert Picture.model_validate(result.meta[META]).variants


def test_nothing_of_the_picture_is_loaded_before_a_picture_is_asked_for() -> None:
    code = (
        "import sys; from kaiming_mcp.server import create_server; create_server(); "
        "print([name for name in sys.modules if name.startswith('kaiming_mcp.picture')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
