"""simplify_method: what is in the method, what of it has evidence, what to remove first, what that costs."""

from __future__ import annotations

from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from pydantic import Field

from kaiming_mcp.diagnosis.simplify.simplify import NAME, simplify
from kaiming_mcp.library import Library
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import Scaffold, fitted
from kaiming_mcp.tools.surface import READ_ONLY, both_forms, check_lengths

EXAMPLE_CALL = (
    '{"pipeline": "L = L_rec + 0.1 L_kl + 0.5 L_adv; EMA 0.999; cosine schedule with warm-up; mixup", '
    '"evidence": "full 71.5 ± 0.3 (3 seeds), without EMA 71.2 ± 0.3 (3 seeds), without mixup 70.1", '
    '"metric": "top-1 on 10,000 test images, claimed gain 0.4", "budget": "8 GPU-hours per run, 500 GPU-hours"}'
)


def register(server: MCPServer, content: Library) -> None:
    """Register the tool."""

    @server.tool(name=NAME, title="Simplify a method", annotations=READ_ONLY)
    def simplify_method(
        pipeline: Annotated[str, Field(description="The method: prose, list, loss formula, config or script")],
        evidence: Annotated[str, Field(description="Ablation tables, sentences with scores, seeds")] = "",
        metric: Annotated[str, Field(description="Metric, test size, claimed gain")] = "",
        budget: Annotated[str, Field(description="Hours per run; total")] = "",
    ) -> Annotated[types.CallToolResult, Scaffold]:
        """Takes inventory of a method (losses, stages, modules, knobs): parts without a readable ablation, the \
removal order with precedents, seeds and cost to see the claimed effect, luck of the best of many, the boring baseline.

Use when a method has many parts, losses or tricks, or its ablations are in doubt."""
        return both_forms(simplify_text(content, pipeline, evidence, metric, budget))

    _ = simplify_method


def simplify_text(content: Library, pipeline: str, evidence: str = "", metric: str = "", budget: str = "") -> Scaffold:
    """The whole scaffold, or what to send when nothing could be established.

    Raises:
        ToolError: an argument is too long.
    """
    args = {"pipeline": pipeline, "evidence": evidence, "metric": metric, "budget": budget}
    check_lengths(args)
    scaffold = simplify(pipeline, evidence, metric, budget, content)
    if scaffold.needs:
        return scaffold
    return fitted(scaffold.model_copy(update={"request": request_line(NAME, args, scaffold.established)}))
