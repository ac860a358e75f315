"""What all tools share on the MCP surface: hints, lean schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp.server import MCPServer
from pydantic import BaseModel

READ_ONLY = types.ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def finish(server: MCPServer, results: Mapping[str, type[BaseModel]]) -> None:
    """Give each tool the schema of its result, and drop the generated titles of its properties.

    A title costs tokens in each tools/list and says nothing. The schema of a result that tools share is made once:
    made by the SDK from each annotation, schemas were two thirds of the time to register.
    """
    schemas: dict[type[BaseModel], dict[str, Any]] = {}
    for name, result in results.items():
        tool = server._tool_manager.get_tool(name)  # pyright: ignore[reportPrivateUsage] - no public look-up by name
        if tool is not None:
            if result not in schemas:
                schemas[result] = result.model_json_schema()
                _strip(schemas[result])
            _strip(tool.parameters)
            tool.fn_metadata.output_model, tool.fn_metadata.output_schema = result, schemas[result]


def _strip(schema: Any) -> None:
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str):  # pyright: ignore[reportUnknownMemberType]
            del schema["title"]
        for value in schema.values():  # pyright: ignore[reportUnknownVariableType]
            _strip(value)
    elif isinstance(schema, list):
        for value in schema:  # pyright: ignore[reportUnknownVariableType]
            _strip(value)
