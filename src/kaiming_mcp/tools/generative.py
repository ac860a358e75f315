"""reframe_as_generative as clients see it."""

from __future__ import annotations

from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from pydantic import Field

from kaiming_mcp.calls import Calls
from kaiming_mcp.tools.surface import READ_ONLY


def register(server: MCPServer, calls: Calls) -> None:
    """Register the tool."""

    @server.tool(name="reframe_as_generative", title="Reframe as generative", annotations=READ_ONLY)
    async def reframe_as_generative(
        problem: Annotated[str, Field(description="The task, in prose")],
        condition: Annotated[str, Field(description="y: given, with sizes")] = "",
        target: Annotated[str, Field(description="x: wanted, with sizes")] = "",
        data: Annotated[str, Field(description="Counts; (y, x) pairs; probe JSON")] = "",
        metric: Annotated[str, Field(description="Score")] = "",
        samples_per_query: Annotated[int, Field(description="0: unknown")] = 0,
    ) -> types.CallToolResult:
        """Decides from words, numbers or pairs whether p(x|y) is a point or a spread: generate, regress, classify \
or neither; families, scores.

Use when a task could be p(x|y): forecast, inverse design, reconstruction."""
        return await calls.reply(
            "reframe_as_generative",
            {
                "problem": problem,
                "condition": condition,
                "target": target,
                "data": data,
                "metric": metric,
                "samples_per_query": samples_per_query,
            },
        )

    _ = reframe_as_generative
