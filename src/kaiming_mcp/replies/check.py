"""check_answer: what a model filled into a scaffold, held against recomputed facts and the library."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import get_type_hints

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import TypeAdapter, ValidationError

from kaiming_mcp.checking.report import Basis, check
from kaiming_mcp.confined import Roots
from kaiming_mcp.diagnosis.gradients import report as gradients_report
from kaiming_mcp.diagnosis.initialization import derive
from kaiming_mcp.diagnosis.network import frame
from kaiming_mcp.diagnosis.signal import report as signal_report
from kaiming_mcp.examples import EXAMPLE_REQUEST, EXAMPLES
from kaiming_mcp.library import Library
from kaiming_mcp.replies.critique import critique_text
from kaiming_mcp.replies.generative import reframe_text
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.replies.initialization import derive_text
from kaiming_mcp.replies.residual import residual_text
from kaiming_mcp.replies.science import translate_text
from kaiming_mcp.replies.simplify import simplify_text
from kaiming_mcp.replies.trace import trace_text
from kaiming_mcp.request import Request, RequestError, digest, read_request
from kaiming_mcp.results import Checked
from kaiming_mcp.scaffold import FormField, Scaffold, render

NAME = "check_answer"
EXAMPLE_CALL = EXAMPLES[NAME]
LONGEST_ANSWER = 200_000
LONGEST_REASON = 300
_NOT_REPEATED = frozenset({"simulate"})
"""Arguments that change no repeatable fact."""


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A tool whose facts can be recomputed from its arguments.

    `form` is that of its answers where it is the same for all; else it too comes from the arguments.
    """

    run: Callable[..., Scaffold]
    form: list[FormField] = field(default_factory=list[FormField])


REPEATABLE = {
    "critique_architecture": Repeatable(critique_text, frame.ALWAYS),
    "diagnose_gradients": Repeatable(diagnose_text, gradients_report.FORM),
    "trace_signal": Repeatable(trace_text, signal_report.FORM),
    "derive_initialization": Repeatable(derive_text, derive.FORM),
    "reframe_as_generative": Repeatable(reframe_text),
    "reframe_as_residual": Repeatable(residual_text),
    "simplify_method": Repeatable(simplify_text),
    "translate_to_science": Repeatable(translate_text),
}


def check_text(content: Library, answer: str, request: str = "", roots: Roots = ()) -> Checked:
    """The check of an answer.

    Raises:
        ToolError: the answer is empty or too long, or the request is no request line of a known tool.
    """
    if not answer.strip():
        raise ToolError(f"`answer` is empty; send the filled-in form. Example: {EXAMPLE_CALL}")
    if len(answer) > LONGEST_ANSWER:
        raise ToolError(f"`answer` has {len(answer):,} characters; at most {LONGEST_ANSWER:,} are read.")
    return check(answer, _basis(content, request, roots), content)


def _basis(content: Library, text: str, roots: Roots) -> Basis:
    if not text.strip():
        remark = "Without the request line only quotations, sources and the person who speaks were checked."
        return Basis([], None, remarks=(remark,))
    try:
        request = read_request(text)
    except RequestError as error:
        raise ToolError(f"`request`: {error}. Send the line as it came, such as {EXAMPLE_REQUEST}") from error
    tool = REPEATABLE.get(request.tool)
    if tool is None:
        near = difflib.get_close_matches(request.tool, REPEATABLE, 1, 0.4)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(REPEATABLE)}."
        raise ToolError(f"`request`: no scaffold comes from {request.tool!r}; {hint} Example: {EXAMPLE_REQUEST}")
    if not request.args:
        what = "form and library were" if tool.form else "only the library was"
        remark = f"The request line carries the tool alone (its arguments were too long): {what} checked."
        return Basis(tool.form, None, remarks=(remark,))
    return _recomputed(content, request, tool, roots)


def _recomputed(content: Library, request: Request, tool: Repeatable, roots: Roots) -> Basis:
    takes = get_type_hints(tool.run, include_extras=True)
    foreign = [name for name in request.args if name not in takes and name not in _NOT_REPEATED]
    altered = tuple(dict.fromkeys([*request.altered, *foreign]))
    own = tuple(str(v) for v in request.args.values())
    if altered:
        remark = "The request is not the one that came with the scaffold: numbers were not compared."
        return Basis(tool.form, None, own=own, altered=altered, remarks=(remark,))
    try:
        given = {k: TypeAdapter(takes[k]).validate_python(v) for k, v in request.args.items() if k in takes}
        scaffold = tool.run(content, **given, **({"roots": roots} if "roots" in takes else {}))
    except (ToolError, ValidationError) as error:
        remark = f"The facts cannot be recomputed: {str(error)[:LONGEST_REASON]}. Form and library were checked."
        return Basis(tool.form, None, own=own, remarks=(remark,))
    lasting = [f for f in scaffold.established if f.id not in request.apart]
    now = digest(lasting)
    if request.facts and now != request.facts:
        remark = (
            f"The recomputed facts are not those of the scaffold ({now}, not {request.facts}): an argument was altered "
            "or another version wrote the line. Numbers were not compared."
        )
        named = () if request.sums else ("one of " + ", ".join(request.args),)
        return Basis(tool.form, None, own=own, altered=named, remarks=(remark,))
    facts = {f.id: f for f in lasting}
    return Basis(scaffold.answer_form or tool.form, facts, request.apart, own, render(scaffold))
