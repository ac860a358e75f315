"""trace_signal: the signal through a network, place by place, with a simulation on request."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.architecture.read import EXAMPLE
from kaiming_mcp.confined import Roots
from kaiming_mcp.diagnosis.network.subject import Subject, examine
from kaiming_mcp.diagnosis.network.wishes import Wishes
from kaiming_mcp.diagnosis.signal.report import NAME, Beside, report
from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.library import Library
from kaiming_mcp.picture.model import Picture
from kaiming_mcp.replies.drawing import Draw, call_of, undrawn
from kaiming_mcp.replies.network import ReadNetwork, Sent, completed, read_network
from kaiming_mcp.request import request_line
from kaiming_mcp.scaffold import Fact, Scaffold, fitted, power
from kaiming_mcp.signal import simulation
from kaiming_mcp.signal.simulation import NotSimulatedError
from kaiming_mcp.signal.trace import trace

EXAMPLE_CALL = EXAMPLES[NAME]

Progress = Callable[[float], None]
Stopped = Callable[[], bool]


def trace_drawn(
    content: Library,
    architecture: str,
    input: str = "",
    batch: int = 0,
    initialization: str = "",
    simulate: bool = False,
    progress: Progress = lambda _: None,
    stopped: Stopped = lambda: False,
    roots: Roots = (),
) -> tuple[Scaffold, Draw]:
    """The report, or what to send when no network was recognised; and what draws it.

    Raises:
        ToolError: an argument is not understood, or the network cannot be traced.
    """
    sent = Sent(architecture, input, batch, initialization)
    found = _reported(content, sent, simulate, progress, stopped, roots)

    def draw(shown: Scaffold) -> Picture | None:
        if found.read is None or found.subject is None:
            return None
        from kaiming_mcp.picture.build import picture_of_trace

        return picture_of_trace(found.subject, shown, call_of(sent, found.read), found.beside, content)

    return found.scaffold, draw


trace_text = undrawn(trace_drawn)


@dataclass(frozen=True, slots=True)
class _Reported:
    scaffold: Scaffold
    read: ReadNetwork | None = None
    subject: Subject | None = None
    beside: Beside | None = None


def _reported(
    content: Library, sent: Sent, simulate: bool, progress: Progress, stopped: Stopped, roots: Roots
) -> _Reported:
    read = read_network(sent, roots)
    if isinstance(read, str):
        return _Reported(Scaffold(tool=NAME, verdict="Nothing was established yet.", needs=read, example=EXAMPLE))

    subject = _traced(read)
    beside, said = None, ""
    if simulate:
        try:
            found = simulation.simulate(read.network, read.init, progress=progress, stopped=stopped)
            beside = Beside(found, trace(read.network, read.init, found.batch))
        except NotSimulatedError as reason:
            said = str(reason)
    scaffold = report(subject, read.reading, read.given, content, beside, said)
    short, again = completed(read, sent)
    args = {**short.args(), "simulate": simulate}

    def traced_again(other: ReadNetwork) -> list[Fact]:
        return report(_traced(other), other.reading, other.given, content, None, "").established

    line = request_line(NAME, args, scaffold.established, again and (lambda: traced_again(again())))
    return _Reported(fitted(scaffold.model_copy(update={"request": line})), read, subject, beside)


def _traced(read: ReadNetwork) -> Subject:
    subject = examine(read.network, read.init, read.batch, Wishes())
    if subject.trace is None or subject.course is None:
        there = [s for s in subject.trace.stations if math.isfinite(s.state.log_q)] if subject.trace is not None else []
        alone = f"; behind `{there[-1].path}` alone E[x²] is {power(there[-1].state.log_q)}" if there else ""
        raise ToolError(
            f"`architecture`: the signal cannot be followed: {subject.untraced}{alone}. Example: {EXAMPLE_CALL}"
        )
    return subject
