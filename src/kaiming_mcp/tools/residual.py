"""reframe_as_residual as clients see it."""

from __future__ import annotations

from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from pydantic import Field

from kaiming_mcp.calls import Calls
from kaiming_mcp.tools.surface import READ_ONLY


def register(server: MCPServer, calls: Calls) -> None:
    """Register the tool."""

    @server.tool(name="reframe_as_residual", title="Reframe as a residual", annotations=READ_ONLY)
    async def reframe_as_residual(
        mapping: Annotated[str, Field(description="Task in words, or a block: formula, code, layer notation")],
        reference: Annotated[str, Field(description="Cheap estimate R, or its column")] = "",
        data: Annotated[str, Field(description="Columns (target, references) or stated numbers")] = "",
        depth: Annotated[int, Field(description="Blocks; 0: unknown")] = 0,
        initialization: Annotated[str, Field(description='"he", "std 0.02"')] = "",
    ) -> types.CallToolResult:
        """Decides whether to predict X - R: variance share a reference leaves, ± error; when it hurts; branch scale \
for a depth; what keeps a skip from identity.

Use when a target has a cheap estimate, or a block a skip."""
        return await calls.reply(
            "reframe_as_residual",
            {
                "mapping": mapping,
                "reference": reference,
                "data": data,
                "depth": depth,
                "initialization": initialization,
            },
        )

    _ = reframe_as_residual
