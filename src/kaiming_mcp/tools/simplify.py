"""simplify_method as clients see it."""

from __future__ import annotations

from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from pydantic import Field

from kaiming_mcp.calls import Calls
from kaiming_mcp.tools.surface import READ_ONLY


def register(server: MCPServer, calls: Calls) -> None:
    """Register the tool."""

    @server.tool(name="simplify_method", title="Simplify a method", annotations=READ_ONLY)
    async def simplify_method(
        pipeline: Annotated[str, Field(description="The method: prose, list, loss formula, config or script")],
        evidence: Annotated[str, Field(description="Ablation tables, sentences with scores, seeds")] = "",
        metric: Annotated[str, Field(description="Metric, test size, claimed gain")] = "",
        budget: Annotated[str, Field(description="Hours per run; total")] = "",
    ) -> types.CallToolResult:
        """Takes inventory of a method (losses, stages, modules, knobs): parts without a readable ablation, the \
removal order with precedents, seeds and cost to see the claimed effect, luck of the best of many, the boring baseline.

Use when a method has many parts, losses or tricks, or its ablations are in doubt."""
        return await calls.reply(
            "simplify_method", {"pipeline": pipeline, "evidence": evidence, "metric": metric, "budget": budget}
        )

    _ = simplify_method
