"""The loss scale of half precision: a healthy search for its level, or steps that are skipped without end."""

from __future__ import annotations

import math
import re
from itertools import pairwise, takewhile

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate

HALF_LARGEST = 65504
EARLY = 50
"""Steps within which a loss scale still finds its level."""
FIRST_EPOCHS = 2
LEAST_SCALE = 16
"""A scale below which an overflow means a gradient above 65504 / 16 = 4094: that is no search for a level."""
MOST_SKIPPED = 24
"""Halvings from the highest usual scale, 2^24, to 1: who skips more steps does not find a level."""
SAYS_NAN = r"\bnans?\b|\binf(?:inity)?\b|not finite|non-?finite"
_FIRST_SKIPPED = (
    r"\bfirst (?:\w+ )?(?:steps?|iterations?|batch\w*)\b[^.\n]{0,40}\bskipp|\bskipp\w+[^.\n]{0,30}\bfirst\b"
)
_SKIPPED = re.compile(r"\bskipp\w+ (?:iterations|steps|updates)\W{1,9}(\d{1,9})\b", re.I)


def inf_norms(e: Evidence) -> int:
    """How many gradient norms of the first steps are infinite, where all others are finite and there are more of them."""
    norms = e.measured.of("gradient norm")
    points = norms.points if norms else ()
    bad = [p for p in points if not p.value.finite]
    if bad and e.learning and not any(not p.value.finite for p in points[len(bad) :]):
        # The mean over an interval with skipped steps is nan too; all that follow are finite.
        return len(bad) if 2 * len(bad) <= len(points) and bad[-1].at <= EARLY else 0
    if any(math.isnan(p.value.x) or p.at > EARLY for p in bad) or 2 * len(bad) >= len(points):
        return 0
    return len(bad)


def nan_norms(e: Evidence) -> str:
    """A gradient norm that is not finite from some step to the last, where no loss scale above 1 is known to catch it."""
    norms = e.measured.of("gradient norm")
    if norms is None or norms.unit == "epoch" or any(x > 1 for x in scales_of(e)):
        return ""
    ends = list(takewhile(lambda p: not p.value.finite, reversed(norms.points)))
    if len(ends) < 2:
        return ""
    return e.facts.add(
        f"the gradient norm is {ends[0].value.text} at the last {len(ends)} of {len(norms.points)} {norms.unit}s that were logged",
        "measured",
        ends[0].value.x,
        "gradient norm",
    )


def scales_of(e: Evidence) -> list[float]:
    """The loss scale over time, from its series, its events and skipped steps."""
    series = e.measured.of("loss scale")
    found = [(p.line, p.value.x) for p in series.points if p.value.finite] if series else []
    seen = {line for line, _ in found}
    found += [
        (event.line, event.value.x)
        for event in e.events("overflow", "loss scale")
        if event.value is not None and event.line not in seen and event.value.x > 0
    ]
    return [x for _, x in sorted(found, key=lambda pair: pair[0])]


def exhausted(e: Evidence) -> bool:
    """Whether the scale falls to where no finite gradient needs it, or steps are skipped without end."""
    scales = scales_of(e)
    return (len(scales) > 1 and scales[-1] <= 1 and scales[-1] < scales[0]) or skipped_steps(e) > MOST_SKIPPED


def spent(e: Evidence) -> tuple[str, ...]:
    """A loss scale below 1 that still falls."""
    scales = scales_of(e)
    if len(scales) < 2 or not scales[-1] < min(1.0, scales[0]):
        return ()
    return (
        e.facts.add(
            f"the loss scale has fallen to {scales[-1]:g}: no finite gradient overflows at it, so the loss or the gradient is nan or "
            "infinite at any scale, and every step is skipped",
            "measured",
            scales[-1],
            "loss scale",
        ),
    )


def skipped_steps(e: Evidence) -> int:
    """The largest count of skipped steps that a line states."""
    found = [_SKIPPED.search(event.text) for event in e.events("overflow", "skipped")]
    return max((int(m[1]) for m in found if m), default=0)


def calibrating(e: Evidence) -> Candidate | None:
    """Halvings of the loss scale in the first steps, with a loss that stays finite."""
    scales = scales_of(e)
    overflows = e.events("overflow", "skipped")
    if skipped_steps(e) > MOST_SKIPPED:
        return None
    if e.losses is not None and e.losses.nan_at is not None:
        return None
    if e.events("anomaly", "error"):
        return None
    halved = [b / a for a, b in pairwise(scales) if a > 0 and b <= 0.75 * a]
    scaled = e.half or bool(e.training.scaler) or bool(scales)
    skipped = inf_norms(e)
    if not scales and not skipped and e.says(r"\bnans?\b"):
        # An overflow of the forward pass that a sentence tells of.
        return None
    if not scaled or not (halved or overflows or skipped or (e.learning and e.says(_FIRST_SKIPPED))):
        return None
    late = [
        at for at in (event.at for event in overflows) if at and at.x > (EARLY if at.unit == "step" else FIRST_EPOCHS)
    ]
    if late or (scales and min(scales) < LEAST_SCALE) or len(halved) > 16:
        return None
    if e.losses is not None and (e.losses.died or e.losses.growing > 10):
        return None
    top, end = (max(scales), scales[-1]) if scales else (math.nan, math.nan)
    what = f"from {top:g} to {end:g}" if scales and top > end else "in the first steps"
    fact = e.facts.add(
        f"the loss scale is halved {what} ({max(len(halved), len(overflows), skipped)} skipped steps) while the loss stays "
        "finite: the scaler starts high (2^16 by default) and halves until no gradient is infinite",
        "measured",
        end if scales else None,
        "loss scale",
    )
    change = (
        "None: skip nothing, change nothing. Expect the scale to stay within a factor of 2 to 4 after these steps; act only "
        "if it goes on falling below 1, or if more than 1 % of later steps are skipped."
    )
    return Candidate("amp_calibrating", 0.9, (fact,), change=change)
