"""What the rules share that rest on a trace: grades, effects in words, initializations that fit."""

from __future__ import annotations

import math
from typing import NamedTuple

from kaiming_mcp.diagnosis.network.subject import BROKEN, Course, Subject, course_of
from kaiming_mcp.scaffold import Severity, bounded, power
from kaiming_mcp.signal.activations import find
from kaiming_mcp.signal.initialization import HE, Initialization
from kaiming_mcp.signal.moments import moments


def severity(log_change: float) -> Severity:
    """High beyond a factor 10^4, medium beyond 10, low below."""
    size = abs(log_change)
    return "high" if size > math.log(1e4) else "medium" if size > BROKEN else "low"


class Effect(NamedTuple):
    """What a change would do to this network: the fact that holds it, and the sentence of a finding."""

    evidence: tuple[str, ...] = ()
    text: str = ""


def traced(subject: Subject, name: str, then: Course | None) -> Effect:
    """Record the trace of a changed network; nothing where it could not be followed."""
    if then is None:
        return Effect()
    text = f"gradient first/last {power(then.log_backward)}, E[x²] last/first {power(then.log_forward)}"
    fact = subject.facts.add(f"{name}, traced: {text}", "computed", bounded(then.log_backward), "gradient then")
    subject.changed[fact] = then
    return Effect((fact,), f"{name}: {text} [{fact}].")


def predicted(effect: str) -> str:
    """The effect behind its remedy."""
    return f" Predicted: {effect}" if effect else ""


def joined(*effects: Effect) -> Effect:
    """Several changes, side by side."""
    return Effect(tuple(i for e in effects for i in e.evidence), " ".join(e.text for e in effects if e.text))


def signal_evidence(subject: Subject) -> tuple[str, ...]:
    """Ids of the computed facts about the course of the signal."""
    return tuple(f.id for f in subject.facts.items if f.unit in {"second moment", "gradient", "share"})


def gain_candidates(subject: Subject) -> list[tuple[Initialization, Course]]:
    """Textbook initializations traced on this network, the flattest course first.

    For the ReLU family He is the derived answer; the others are tried where no gain is exact.
    """
    act = subject.activation
    known = find(act.name, act.parameter) if act is not None else None
    homogeneous = known is not None and known.slopes is not None
    schemes = (
        [Initialization("he", gain=_relu_family_gain(subject))]
        if homogeneous
        else [
            HE,
            Initialization("lecun"),
            Initialization("xavier"),
            Initialization("xavier", gain=5 / 3),
            Initialization("orthogonal"),
        ]
    )
    traced = [(i, course_of(subject.network, i, subject.batch)) for i in schemes]
    found = [(i, c) for i, c in traced if c is not None]
    return sorted(found, key=lambda pair: pair[1].worst)


def _relu_family_gain(subject: Subject) -> float:
    """Correction of He's sqrt(2) for a leaky slope: 1/sqrt(1 + a^2) (He et al. 2015, eq. 15)."""
    act = subject.activation
    if act is None:
        return 1.0
    return math.sqrt(0.5) * math.exp(-0.5 * moments(act.name, act.parameter, 0.0, 0.0).log_second)
