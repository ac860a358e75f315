"""What measured columns say about their best reference: the one answer, and the questions that it rests on."""

from __future__ import annotations

import re

from kaiming_mcp.diagnosis.residual.columns.measure import Measured, Scored
from kaiming_mcp.diagnosis.residual.columns.stats import Left
from kaiming_mcp.diagnosis.residual.known import Unit

SURE = 2.0
"""Standard errors that separate a share from 1."""
MATTERS = 0.1
"""Part of the share left by which another reference or a fit must lower it to be named first."""
SAME = 1e-6
"""A share left below which the reference may be the target itself."""
HARDLY = 0.9
"""A share left by b R + a above which a reference says almost nothing."""
NEAR_UNIT, FAR_FROM_ONE = 0.03, 5.0


def decide(found: Measured, best: Scored) -> str:
    """The id of the answer in columns.yaml."""
    left = best.left
    if found.ahead is not None:
        return "ahead"
    if not best.own and left.share < SAME:
        return "leak"
    if fit_pays(left) and left.affine < HARDLY:
        return "fit"
    if left.share - SURE * left.error > 1:
        return "hurts"
    if at_floor(found):
        return "noise"
    if is_ratio(found):
        return "ratio"
    return "helps" if left.share + SURE * left.error < 1 else "open"


def fit_pays(left: Left) -> bool:
    """Whether b R + a leaves clearly less than R."""
    sure = abs(left.slope - 1) > 3 * left.slope_error
    return sure and left.share - left.affine > max(SURE * left.fit_error, MATTERS * left.share)


def is_ratio(found: Measured) -> bool:
    """Whether the ratio explains the columns better than the difference, by two standard errors and more than a little."""
    seen = found.ratio
    return seen is not None and seen.gain > max(SURE * seen.error, 0.05)


def at_floor(found: Measured) -> bool:
    """Whether the residual cannot be told from noise."""
    return found.floor is not None and found.floor[0] + SURE * found.floor[1] >= 1


def together_pays(found: Measured, left: Left) -> bool:
    """Whether all references together leave clearly less than the best."""
    return found.together is not None and found.together <= (1 - MATTERS) * min(left.affine, left.share)


def other_pays(found: Measured, left: Left) -> bool:
    """Whether a baseline that was not given leaves clearly less than the best reference."""
    first = next(iter(found.baselines), None)
    return first is not None and first.share <= (1 - MATTERS) * min(left.share, left.affine) - SURE * first.error


def units_of(found: Measured, left: Left, units: tuple[Unit, ...]) -> str:
    """The conversions that a slope is near, where the reference follows the target closely enough to tell.

    A slope of 1.8 may be anything: a factor near 1 counts only where one of its units is named.
    """
    if left.affine > 0.3 or left.slope_error >= NEAR_UNIT * abs(left.slope):
        return ""
    near: list[tuple[str, float]] = []
    for unit in units:
        named = any(re.search(rf"(?<![\w/]){re.escape(n.lower())}(?![\w/])", found.words) for n in (unit.to, unit.of))
        for of, to, factor in ((unit.of, unit.to, unit.factor), (unit.to, unit.of, 1 / unit.factor)):
            telling = named or not 1 / FAR_FROM_ONE <= factor <= FAR_FROM_ONE
            if telling and abs(left.slope / factor - 1) < NEAR_UNIT:
                near.append((f"{of} to {to}", factor))
    return f"{' or '.join(n for n, _ in near[:2])} ({near[0][1]:g})" if near else ""
