"""`kaiming-mcp try`: start the real server, call one tool through a real client, print the text."""

from __future__ import annotations

import os
import sys

import anyio
from mcp import Client, StdioServerParameters
from mcp.client.extension import advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent

from kaiming_mcp.cli import read_value
from kaiming_mcp.confined import Roots
from kaiming_mcp.picture.model import META, Picture
from kaiming_mcp.picture.terminal import coloured, wants_color


def run_tool(tool: str, arguments: list[str], roots: Roots = ()) -> int:
    """Print what a model would see; 0 when the tool answered, 1 when it refused, 2 for a bad argument."""
    values: dict[str, str] = {}
    for argument in arguments:
        key, equals, text = argument.partition("=")
        if not equals:
            print(f"kaiming-mcp try: {argument!r} is not key=value", file=sys.stderr)  # noqa: T201 - a command
            return 2
        try:
            values[key] = read_value(text)
        except (OSError, UnicodeDecodeError) as error:
            print(f"kaiming-mcp try: {key}: {error}", file=sys.stderr)  # noqa: T201 - a command
            return 2
    return anyio.run(_call, tool, values, [f"--root={root.given}" for root in roots])


async def _call(tool: str, values: dict[str, str], options: list[str]) -> int:
    server = StdioServerParameters(command=sys.executable, args=["-m", "kaiming_mcp", *options])
    # Only a terminal is shown colours, and only for them the picture is asked for.
    extensions = (
        [advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]})] if wants_color(sys.stdout, os.environ) else []
    )
    async with Client(server, extensions=extensions) as client:
        try:
            result = await client.call_tool(tool, values)
        except MCPError as error:
            print(error.error.message, file=sys.stderr)  # noqa: T201 - a command
            return 1
        stream = sys.stderr if result.is_error else sys.stdout
        drawn = (result.meta or {}).get(META)
        for part in result.content:
            if isinstance(part, TextContent):
                print(coloured(part.text, Picture.model_validate(drawn)) if drawn else part.text, file=stream)
        return int(bool(result.is_error))
