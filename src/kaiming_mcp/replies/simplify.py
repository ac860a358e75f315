"""simplify_method: what is in the method, what of it has evidence, what to remove first, what that costs."""

from __future__ import annotations

from kaiming_mcp.diagnosis.simplify.simplify import NAME, simplify
from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.library import Library
from kaiming_mcp.replies.lengths import check_lengths
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import Scaffold, fitted

EXAMPLE_CALL = EXAMPLES[NAME]


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
