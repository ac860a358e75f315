"""Losses and gradient norms that grow over the steps: a run that diverges, gradients that are never set to zero."""

from __future__ import annotations

from itertools import pairwise, takewhile

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.scaffold import number

_RANGE_TEST = r"\b(?:lr|learning[- ]rate)[- _]?(?:range|finder|find)\b"
"""A rate that is raised until the loss diverges, on purpose."""
ENOUGH = 5
"""Points, and times the first, up to which a gradient norm must rise to show that gradients add up."""
STRAIGHT = 0.95
"""Share of the variance of the norm that a straight line must explain."""


def diverging(e: Evidence) -> Candidate | None:
    """Loss or gradient norm that grows over the steps by decades before it is not finite, or at the end."""
    if e.says(_RANGE_TEST):
        return None
    loss, grown = grows(e)
    ends = bool(e.losses and e.losses.values and e.losses.values[-1] >= max(e.losses.values) * 0.3)
    if not ((loss > 10 and ends) or (grown > 1e3 and not e.learning)):
        return None
    if e.losses is not None and (e.losses.at_chance or e.losses.died):
        return None
    grew = [f"{what} grows x{number(x)}" for what, x in (("the loss", loss), ("the gradient norm", grown)) if x > 1]
    fact = e.facts.add(
        f"over the steps {' and '.join(grew)} before the end",
        "measured",
        loss,
        "growth",
    )
    return Candidate("growth", 0.87, (fact,), "", "divergence: loss and gradient grow from step to step")


def adding_up(e: Evidence) -> Candidate | None:
    """Gradients that were never set to zero: the norm rises by about its first value at every step, and the loss falls."""
    norms = e.measured.of("gradient norm")
    if norms is None or norms.unit != "step" or e.losses is None or not e.losses.values:
        return None
    points = list(takewhile(lambda p: p.value.finite, norms.points))
    rising = 1 + sum(1 for _ in takewhile(lambda pair: pair[0].value.x < pair[1].value.x, pairwise(points)))
    points = points[:rising]
    if len(points) < ENOUGH or points[0].at > 1 or points[-1].value.x < ENOUGH * points[0].value.x:
        return None
    first, slope, fit = points[0].value.x, *_straight([(p.at, p.value.x) for p in points])
    loss = [x for at, x in zip(e.losses.times, e.losses.values, strict=True) if at <= points[-1].at]
    if fit < STRAIGHT or not 0.3 * first < slope < 1.3 * first or not loss or loss[-1] > 1.02 * loss[0]:
        return None
    fact = e.facts.add(
        f"the gradient norm rises from {points[0].value.text} to {points[-1].value.text} over {points[-1].at:g} steps along a straight "
        f"line, by {number(slope)} or x{number(slope / first)} of its first value per step, while the loss does not rise",
        "measured",
        slope,
        "rise of the gradient norm per step",
    )
    change = (
        "Call optimizer.zero_grad() once per optimizer step, before the first backward(): without it every step adds its gradient "
        "to those of all steps before."
    )
    title = "the gradients of all steps add up: they are never set to zero"
    return Candidate("growth", 0.88, (fact,), "", title, change=change, apart=True)


def _straight(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Slope of the line of least squares, and the share of the variance that it explains."""
    n = len(points)
    x, y = sum(a for a, _ in points) / n, sum(b for _, b in points) / n
    xx, yy = sum((a - x) ** 2 for a, _ in points), sum((b - y) ** 2 for _, b in points)
    xy = sum((a - x) * (b - y) for a, b in points)
    return (xy / xx, xy * xy / (xx * yy)) if xx and yy else (0.0, 0.0)


def grows(e: Evidence) -> tuple[float, float]:
    """Factors by which the loss and the gradient norm grow from their least to their last finite number."""
    norms = e.measured.of("gradient norm")
    course = [p.value.x for p in norms.points if p.value.finite and p.value.x > 0] if norms else []
    grown = course[-1] / min(course) if len(course) > 2 and course[-1] == max(course) else 1.0
    # Two losses are no course, unless what follows is not finite.
    enough = e.losses is not None and len(e.losses.values) > (1 if e.losses.nan_at is not None else 2)
    return (e.losses.growing if e.losses is not None and enough else 1.0), grown
