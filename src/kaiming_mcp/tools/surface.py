"""What all tools share on the MCP surface: hints, lean schemas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import mcp_types as types
from mcp.server import MCPServer

READ_ONLY = types.ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
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
