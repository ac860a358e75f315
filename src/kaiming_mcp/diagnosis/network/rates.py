"""The factor per step at which a signal settles, apart from what wears off at the start.

The first layer sees the input and no nonlinearity before it, and a fixed point takes some layers to reach: last over
first, divided by the number of steps, mixes such a transient into the rate. Branches that add up have no rate at all.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

from kaiming_mcp.scaffold import power

FLAT = math.log(1.02)
"""Change over the later half within which a course counts as level."""
ALIKE = 0.1
"""Share by which the steps of a geometric course may differ."""


class Rate(NamedTuple):
    """ln of the factor per step, None where it does not settle; before `since` (an index) it was another."""

    log_step: float | None = None
    since: int = 0
    log_before: float = 0.0
    """ln of the change up to there."""

    @property
    def level(self) -> bool:
        """Whether what it settles at is no change."""
        return self.log_step is not None and abs(self.log_step) < 0.01


NO_RATE = Rate()


def settled(logs: list[float]) -> Rate:
    """The rate of a course given by its logarithms, from that of its later half."""
    steps = [after - before for before, after in pairwise(logs)]
    if not steps or not all(math.isfinite(step) for step in steps):
        return NO_RATE
    late = steps[len(steps) // 2 :]
    middle = sorted(late)[len(late) // 2]
    if max(abs(step - middle) for step in late) > max(FLAT / len(late), ALIKE * abs(middle)):
        return NO_RATE
    off = [i for i, step in enumerate(steps) if abs(step - middle) > max(0.02, ALIKE * abs(middle))]
    since = off[-1] + 1 if off else 0
    kept = steps[since:] or late
    return Rate(sum(kept) / len(kept), since, logs[since] - logs[0])


def told(rate: Rate, log_mean: float, step: str) -> str:
    """The rate in words; `step` is what one step is, `log_mean` the average that stands in for a rate."""
    if rate.log_step is None:
        return "no steady rate" if step == "block" else f"x{power(log_mean)} per {step} on average"
    start = f" from place {rate.since + 1} on" if rate.since else ""
    if rate.level and start:
        return f"level{start}"
    return f"x{power(rate.log_step)} per {step}{start}"
