"""What all tools share on the MCP surface: hints, results in both forms, lean schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import mcp_types as types
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.scaffold import Scaffold, render

READ_ONLY = types.ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
LONGEST_ARGUMENT = 2_000_000
"""Characters of one argument; the readers are linear, so this bounds the time of a call."""


def check_lengths(texts: Mapping[str, str], example: str = "") -> None:
    """Refuse an argument that is too long to be read.

    Raises:
        ToolError: it names the argument, and shows the example where one is given.
    """
    for name, text in texts.items():
        if len(text) > LONGEST_ARGUMENT:
            shown = f" Example: {example}" if example else ""
            raise ToolError(f"`{name}` has {len(text):,} characters; at most {LONGEST_ARGUMENT:,} are read.{shown}")


def both_forms(scaffold: Scaffold) -> types.CallToolResult:
    """The scaffold as text and, with the same content, as structured data."""
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=render(scaffold))],
        structured_content=scaffold.structured(),
    )


def without_titles(server: MCPServer, names: Iterable[str]) -> None:
    """Drop the generated `title` of every property: it costs tokens in each tools/list and says nothing."""
    for name in names:
        tool = server._tool_manager.get_tool(name)  # pyright: ignore[reportPrivateUsage] - no public look-up by name
        if tool is not None:
            _strip(tool.parameters)
            if tool.output_schema is not None:
                _strip(tool.output_schema)


def _strip(schema: Any) -> None:
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str):  # pyright: ignore[reportUnknownMemberType]
            del schema["title"]
        for value in schema.values():  # pyright: ignore[reportUnknownVariableType]
            _strip(value)
    elif isinstance(schema, list):
        for value in schema:  # pyright: ignore[reportUnknownVariableType]
            _strip(value)
