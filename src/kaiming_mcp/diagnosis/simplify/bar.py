"""What a part must show to stay, what shows that it was needed, and how likely luck is."""

from __future__ import annotations

from collections.abc import Sequence

from kaiming_mcp.diagnosis.simplify.noise import chance_of_lead
from kaiming_mcp.diagnosis.simplify.plan import Judged
from kaiming_mcp.diagnosis.simplify.shown import number
from kaiming_mcp.diagnosis.simplify.subject import Subject

LIKELY = 0.05
"""Probability from which luck is an explanation of a lead."""


def threshold(s: Subject) -> str:
    """The drop from which a part stays: 2 seed deviations s, with the value where s is known; McNemar's without training."""
    if not s.trains:
        return "2·sqrt(b + c) paired cases"
    return f"2 s = {number(2 * s.noise.deviation)}" if s.noise else "2 s"


def falls(s: Subject) -> str:
    """What a score does that gets worse."""
    return "falls" if s.evidence.sign > 0 else "rises"


def loss_of(s: Subject) -> str:
    """The way of a score that gets worse, as a noun: a drop, of an error a rise."""
    return "drop" if s.evidence.sign > 0 else "rise"


def meter(each: Judged) -> str:
    """What shows that a part was load-bearing."""
    known = each.part.known
    return known.meter if known and known.meter else "the training loss and the score, at equal steps"


def metric_of(s: Subject) -> str:
    """The metric of the evidence as people call it."""
    return s.evidence.metric.id if s.evidence.metric else "the metric"


def not_excluded(s: Subject, parts: Sequence[Judged]) -> float | None:
    """The largest effect of these parts that their intervals still allow, where it is above 2 s; None where it is not."""
    reach = [
        abs(j.ablation.effect or 0.0) + j.ablation.half for j in parts if j.ablation and j.ablation.half is not None
    ]
    most = max(reach, default=0.0)
    return most if s.noise is not None and most > 2 * s.noise.deviation else None


def luck(s: Subject) -> float | None:
    """The probability that the best of what was tried leads by the gain with no true difference."""
    m = s.context.tuned or s.context.best_of
    return chance_of_lead(m, abs(s.gain) / s.noise.deviation) if m and s.noise and s.gain else None


def cited(ids: dict[str, str], *wanted: str) -> tuple[str, ...]:
    """The ids of those facts that were recorded."""
    return tuple(ids[w] for w in wanted if w in ids)


def effects_of(ids: dict[str, str], parts: Sequence[Judged]) -> tuple[str, ...]:
    """The ids of the facts of these parts, each once; that of the gaps where there are none."""
    found = dict.fromkeys(ids[k] for j in parts if (k := f"effect:{j.part.key}") in ids)
    return tuple(found) or (ids["coverage"],)
