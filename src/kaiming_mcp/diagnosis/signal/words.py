"""The verdict of a trace: a rate apart from what wears off at the start, and a sum apart from a rate."""

from __future__ import annotations

import math

from kaiming_mcp.diagnosis.network.facts import quiet_start, steepest, unit
from kaiming_mcp.diagnosis.network.rules_gain import COLLAPSED
from kaiming_mcp.diagnosis.network.subject import BROKEN, Course, Subject
from kaiming_mcp.diagnosis.signal.facts import passages
from kaiming_mcp.scaffold import power

KEPT = math.log(2)
"""Change over the whole depth within which a quantity counts as kept."""


def verdict(subject: Subject, here: Course) -> str:
    """What the signal does forward, what the gradient does backward, and whether that is a fault."""
    kind = "residual sums" if subject.stations[0].kind == "sum" else "weighted layers"
    forward = _forward(subject, here)
    text = f"Over {here.depth} {kind} {forward}, and {_backward(subject, here)}."
    if here.log_free is not None and abs(here.log_backward) > BROKEN and here.healthy:
        text += " Relative to the signal the gradient is steady: the norms make the scale of each layer irrelevant."
    worst = passages(subject)[:1]
    if worst and abs(worst[0].log_ratio) > BROKEN:
        text += f" Over {worst[0].steps} steps the gradient at the first is x{power(worst[0].log_ratio)} of that at the last."
    if here.across < COLLAPSED:
        text += " The output barely depends on the input."
    return text


def _forward(subject: Subject, here: Course) -> str:
    rate, last = here.forward, subject.stations[-1].state.log_q
    if rate.level and rate.since:
        return (
            f"the signal settles at E[x²] {power(last)} from place {rate.since + 1} on (before it a transient, "
            f"x{power(rate.log_before)})"
        )
    if rate.level or abs(here.log_forward) < KEPT:
        return f"the signal keeps its scale (x{power(here.log_forward)} last/first)"
    verb = "grows" if here.log_forward > 0 else "shrinks"
    if rate.log_step is not None:
        return f"the signal {verb} x{power(rate.log_step)} per {unit(subject.stations)} (x{power(here.log_forward)} last/first)"
    if unit(subject.stations) == "block":
        return f"the signal {verb} as a sum (x{power(here.log_forward)} last/first{quiet_start(subject)})"
    return f"the signal {verb} with depth (x{power(here.log_forward)} last/first{steepest(subject)})"


def _backward(subject: Subject, here: Course) -> str:
    rate, ratio = here.backward, f"x{power(here.log_backward)} first/last"
    if abs(here.log_backward) < KEPT:
        return f"the gradient keeps its scale ({ratio})"
    verb = "grows" if here.log_backward > 0 else "shrinks"
    if rate.log_step is None or rate.level:
        return f"the gradient {verb} towards the input ({ratio})"
    since = f", from place {rate.since + 1} on" if rate.since else ""
    return (
        f"the gradient {verb} x{power(rate.log_step)} per {unit(subject.stations)} towards the input{since} ({ratio})"
    )
