"""translate_to_science as clients see it."""

from __future__ import annotations

from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from pydantic import Field

from kaiming_mcp.calls import Calls
from kaiming_mcp.tools.surface import READ_ONLY


def register(server: MCPServer, calls: Calls) -> None:
    """Register the tool."""

    @server.tool(name="translate_to_science", title="Translate to a science", annotations=READ_ONLY)
    async def translate_to_science(
        field: Annotated[str, Field(description="medicine, chemistry, weather …")] = "",
        problem: Annotated[str, Field(description="What is predicted from what")] = "",
        data: Annotated[str, Field(description="Samples, groups, split, quantities with units; or a CSV")] = "",
        measurements: Annotated[str, Field(description="Scores, noise, baselines; or probe JSON")] = "",
    ) -> types.CallToolResult:
        """Checks machine learning for a science: independent samples, groups that leak, split, symmetry, units, noise \
floor, the field's own baseline, and whether a claimed score survives them.

Use when data come from another field, or a result looks too good. Returns verdict, numbers, findings, and a frame to \
fill in."""
        return await calls.reply(
            "translate_to_science", {"field": field, "problem": problem, "data": data, "measurements": measurements}
        )

    _ = translate_to_science
