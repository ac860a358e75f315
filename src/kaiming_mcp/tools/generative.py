"""reframe_as_generative: is it a generative task, which way does the arrow point, what decides."""

from __future__ import annotations

from typing import Annotated

import mcp_types as types
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from kaiming_mcp.diagnosis.generative.reframe import reframe
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import Scaffold, request_line
from kaiming_mcp.tools.surface import LONGEST_ARGUMENT, READ_ONLY, both_forms

NAME = "reframe_as_generative"
EXAMPLE_CALL = (
    '{"problem": "predict rainfall for the next 3 hours from radar", "condition": "the last 6 radar frames, 256x256", '
    '"target": "the next 18 frames", "data": "50,000 sequences, 4 years", "metric": "MSE", "samples_per_query": 20}'
)
MOST_SAMPLES = 10_000_000


def register(server: MCPServer, content: Library) -> None:
    """Register the tool."""

    @server.tool(name=NAME, title="Reframe as a generative task", annotations=READ_ONLY)
    def reframe_as_generative(
        problem: Annotated[str, Field(description="The task in a few sentences")],
        condition: Annotated[str, Field(description="y: what is given at query time, with sizes")] = "",
        target: Annotated[str, Field(description="x: what is wanted, with sizes")] = "",
        data: Annotated[str, Field(description="Number and kind of samples; or pasted pairs as CSV/JSON")] = "",
        metric: Annotated[str, Field(description="How success is scored")] = "",
        samples_per_query: Annotated[int, Field(description="Samples drawn per query; 0: unknown")] = 0,
    ) -> Annotated[types.CallToolResult, Scaffold]:
        """Decides whether a task is generative: direction of the arrow, point posterior or spread and the \
measurement that settles it, families that fit and why, what to predict (x, eps or v), proper scores, baselines, \
hard constraints, and when regression is the better answer.

Use when a task could be posed as p(x|y): forecasting, inverse design, reconstruction, synthesis. Returns verdict, \
numbers, findings, facts, and a frame of steps to fill in."""
        return both_forms(reframe_text(content, problem, condition, target, data, metric, samples_per_query))

    _ = reframe_as_generative


def reframe_text(
    content: Library,
    problem: str,
    condition: str = "",
    target: str = "",
    data: str = "",
    metric: str = "",
    samples_per_query: int = 0,
) -> Scaffold:
    """The whole reframing, or what to send when nothing could be established.

    Raises:
        ToolError: an argument is out of range.
    """
    if not 0 <= samples_per_query <= MOST_SAMPLES:
        raise ToolError(
            f"`samples_per_query` must lie between 1 and {MOST_SAMPLES:,}, got {samples_per_query}. Example: 20"
        )
    for name, text in {"problem": problem, "data": data}.items():
        if len(text) > LONGEST_ARGUMENT:
            raise ToolError(f"`{name}` has {len(text):,} characters; at most {LONGEST_ARGUMENT:,} are read.")
    scaffold = reframe(problem, condition, target, data, metric, samples_per_query, content)
    if scaffold.needs:
        return scaffold
    args = {
        "problem": problem,
        "condition": condition,
        "target": target,
        "data": data,
        "metric": metric,
        "samples_per_query": samples_per_query,
    }
    return scaffold.model_copy(update={"request": request_line(NAME, args, scaffold.established)})
