"""reframe_as_generative: is it a generative task, which way does the arrow point, what decides."""

from __future__ import annotations

import json
from functools import partial

from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.diagnosis.generative.compact import compact
from kaiming_mcp.diagnosis.generative.reframe import NAME, read, reframe
from kaiming_mcp.diagnosis.generative.spread import SpreadError
from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.library import Library
from kaiming_mcp.replies.lengths import check_lengths
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import ORDINARY, Fact, Scaffold

EXAMPLE_CALL = EXAMPLES[NAME]
MOST_SAMPLES = 10_000_000
ROOM = 100
"""Characters for the name of the request line and what it excepts."""


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
        ToolError: an argument is out of range, or the probe's document breaks its form.
    """
    if not 0 <= samples_per_query <= MOST_SAMPLES:
        raise ToolError(
            f"`samples_per_query` must lie between 1 and {MOST_SAMPLES:,}, got {samples_per_query}. Example: 20"
        )
    texts = {"problem": problem, "condition": condition, "target": target, "data": data, "metric": metric}
    check_lengths(texts)
    try:
        said = read(problem, condition, target, data, metric, samples_per_query)
    except SpreadError as error:
        raise ToolError(f"`data`: {error}") from error
    scaffold = reframe(said, content)
    if scaffold.needs:
        return scaffold
    again = None
    if said.measured is not None:
        # Pasted pairs stand in the request as the document that they give.
        texts |= {"problem": said.problem, "data": f"{said.data} {said.measured.document}".strip()}
    args = {**texts, "samples_per_query": samples_per_query}
    most = ORDINARY - len(json.dumps(request_line(NAME, args, scaffold.established), ensure_ascii=False)) - ROOM
    if said.measured is not None:
        again = partial(_facts, texts, samples_per_query, content, most)
    scaffold = compact(scaffold, most)
    return scaffold.model_copy(update={"request": request_line(NAME, args, scaffold.established, again)})


def _facts(texts: dict[str, str], samples_per_query: int, content: Library, most: int) -> list[Fact]:
    return compact(reframe(read(**texts, per_query=samples_per_query), content), most).established
