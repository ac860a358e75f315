"""What all tools share on the MCP surface: hints, lean schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import mcp_types as types
from mcp.server import MCPServer
from pydantic import BaseModel

READ_ONLY = types.ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def finish(server: MCPServer, results: Mapping[str, type[BaseModel]]) -> None:
    """Give each tool the schema of its result, and make both its schemas lean.

    The schema of a result that tools share is made once: made by the SDK from each annotation, schemas were two thirds
    of the time to register.
    """
    schemas: dict[type[BaseModel], dict[str, Any]] = {}
    for name, result in results.items():
        tool = server._tool_manager.get_tool(name)  # pyright: ignore[reportPrivateUsage] - no public look-up by name
        if tool is not None:
            if result not in schemas:
                schemas[result] = _lean(result.model_json_schema())
            tool.parameters = _lean(tool.parameters)
            tool.fn_metadata.output_model, tool.fn_metadata.output_schema = result, schemas[result]


def _lean(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that every host can read: its parts stand where they are used, for some hosts follow no `$ref`.

    A generated title costs tokens in each tools/list and says nothing; a default of null is no value of its type.
    """
    parts: dict[str, Any] = schema.get("$defs", {})

    def lean(part: Any) -> Any:
        match part:
            case {"$ref": str(reference)}:
                return lean(parts[reference.rpartition("/")[2]])
            case dict():
                fields = cast("dict[str, Any]", part)
                return {key: lean(value) for key, value in fields.items() if not _noise(key, value)}
            case list():
                return [lean(item) for item in cast("list[Any]", part)]
            case _:
                return part

    return lean(schema)


def _noise(key: str, value: Any) -> bool:
    # A property may itself be named title; its schema is no text.
    return key == "$defs" or (key == "title" and isinstance(value, str)) or (key == "default" and value is None)
