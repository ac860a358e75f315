"""Numbers of the evaluation: how many members and conditions a score needs, and what reported calibration says."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.decide import Decision
from kaiming_mcp.diagnosis.generative.quantities import period
from kaiming_mcp.diagnosis.generative.statement import Task
from kaiming_mcp.diagnosis.generative.supply import Found
from kaiming_mcp.scaffold import number

RARE_ERROR = 0.2
COVERAGE_BAND = 0.05
COVERAGE_NOTICED = 0.03
DEFAULT_LEVEL = 0.9
MOST_BINS = 20
UNBIASED = 200
"""Members from which 1/K no longer matters."""
_NORMAL = NormalDist()
_INTERVALS = frozenset(
    {"forecast", "downscaling", "imputation", "reconstruction", "regression", "sampling", "surrogate", "causal"}
)
"""Kinds whose samples are read as intervals."""
_SCALES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0)
_BEST_OF = re.compile(r"min[- ]?(?:ade|fde)|best[- ]of|oracle")


def add_scores(task: Task, decision: Decision, facts: Facts) -> Found:
    """Record them; the ids by name. A point answer needs only what was asked about."""
    found: Found = {}
    if decision.answer == "instead":
        return found
    _reported_coverage(task, facts, found)
    _reported_spread(task, facts, found)
    _guided(task, decision, facts, found)
    _rare(task, facts, found)
    _tail(task, facts, found)
    point = decision.answer in {"regress", "classify"}
    if not point:
        _members(task, facts, found)
        _best_of(task, facts, found)
    numeric = task.kind.id in _INTERVALS if task.kind else decision.measured or bool(task.proper)
    if (
        not point and numeric and not task.two_sample and not {"calibration", "members"} & set(found)
    ) or task.reported.level:
        _conditions(task, facts, found)
    return found


@lru_cache(maxsize=1024)
def best_of_scale(k: int, dimensions: int) -> tuple[float, float]:
    """(spread at which the best-of-K distance to a Gaussian truth is least, that distance over the one of the true law).

    `dimensions` is 1 or 2; the spread is in units of the true one. E min = int int (1 - F(u|r))^K du p(r) dr, by quadrature.
    """
    r = np.linspace(0, 5, 60)
    weight = np.exp(-(r**2) / 2) * (r if dimensions == 2 else np.where(r == 0, 0.5, 1.0))
    error = {s: float((weight * _nearest(r, s, k, dimensions)).sum() / weight.sum()) for s in _SCALES}
    best = min(error, key=lambda s: error[s])
    return best, error[best] / error[1.0]


def _nearest(r: NDArray[np.float64], scale: float, k: int, dimensions: int) -> NDArray[np.float64]:
    """Mean distance of the nearest of K samples of N(0, scale^2) to a point at distance r from the centre."""
    u = np.linspace(0, 12, 800)
    at, from_centre = u[None, :] / scale, r[:, None] / scale
    if dimensions == 1:
        density = (np.exp(-((at - from_centre) ** 2) / 2) + np.exp(-((at + from_centre) ** 2) / 2)) / math.sqrt(
            2 * math.pi
        )
    else:
        density = at * np.exp(-((at**2 + from_centre**2) / 2)) * np.i0(np.minimum(at * from_centre, 700))
    density /= scale
    below = np.cumsum((density[:, 1:] + density[:, :-1]) / 2 * (u[1] - u[0]), axis=1)
    return (np.clip(1 - below, 0, 1) ** k).sum(axis=1) * (u[1] - u[0]) + (u[1] - u[0]) / 2


def chi_square_limit(freedom: int, level: float = 0.95) -> float:
    """The quantile of chi-square by Wilson and Hilferty's cube, right to 1 % from 3 degrees of freedom on."""
    z = _NORMAL.inv_cdf(level)
    return freedom * (1 - 2 / (9 * freedom) + z * math.sqrt(2 / (9 * freedom))) ** 3


def narrowed(level: float, factor: float) -> float:
    """What an interval of that level covers when it is `factor` times its right width, for a Gaussian."""
    return 2 * _NORMAL.cdf(_NORMAL.inv_cdf((1 + level) / 2) * factor) - 1


def guided_width(weight: float, ratio: float) -> float:
    """Standard deviation of p(x|y)^w p(x)^(1-w) over that of p(x|y), Gaussians, Var[X|Y] = R Var[X]; w >= 1."""
    return 1 / math.sqrt(weight - ratio * (weight - 1))


def _best_of(task: Task, facts: Facts, found: Found) -> None:
    k = task.answers.heads or task.per_query
    if not k or k < 2 or k > 1000 or not _BEST_OF.search(task.text):
        return
    one, two = best_of_scale(k, 1), best_of_scale(k, 2)
    found["best_of"] = facts.add(
        f"the best of {k} samples of a Gaussian is nearest to the truth at {one[0]:g} x the true spread in one dimension "
        f"({1 - one[1]:.0%} better than the true law) and at {two[0]:g} x in two ({1 - two[1]:.0%})",
        "computed",
        two[0],
        "x spread",
        "best-of-K distance of Gaussians, by quadrature",
    )


def _conditions(task: Task, facts: Facts, found: Found) -> None:
    level = task.reported.level or DEFAULT_LEVEL
    cases = math.ceil(1.96**2 * level * (1 - level) / COVERAGE_BAND**2)
    text = f"to check {level:.0%} intervals within ±{COVERAGE_BAND:.0%}, {cases} independent test conditions are needed"
    if task.reported.cases:
        band = 1.96 * math.sqrt(level * (1 - level) / task.reported.cases)
        text += f"; {task.reported.cases:,} give ±{band:.2%}"
    found["coverage"] = facts.add(text, "computed", cases, "conditions", "binomial, 95 %")


def _members(task: Task, facts: Facts, found: Found) -> None:
    """The bias of the plain CRPS and energy score, the ratio of spread to skill, and the rank histogram."""
    k = task.per_query
    if k < 2 or task.discrete:
        return
    bins = min(k + 1, MOST_BINS)
    ranks = f"a rank histogram in {bins} bins needs {5 * bins} conditions and is not flat above chi² = {chi_square_limit(bins - 1):.3g}"
    if k > UNBIASED:
        text = f"{k:,} members: {ranks}"
    else:
        text = (
            f"with {k:,} members the plain CRPS (and energy score) of a calibrated model is {1 + 1 / k:.4g} x its true one; use the fair "
            f"form, pairs over K(K-1); error of the mean over spread must be {math.sqrt((k + 1) / k):.4g}; {ranks}"
        )
    found["members"] = facts.add(text, "computed", 1 + 1 / k, "x CRPS", "1 + 1/K; sqrt((K+1)/K); 5 a bin, 95 %")


def _reported_coverage(task: Task, facts: Facts, found: Found) -> None:
    if task.reported.coverage is None:
        return
    nominal, actual = task.reported.coverage
    if actual >= 1:
        text = f"{nominal:.0%} intervals that cover all outcomes are too wide; how much cannot be told before some fall outside"
        found["calibration"] = facts.add(text, "stated", actual, "share")
        return
    factor = _NORMAL.inv_cdf((1 + nominal) / 2) / _NORMAL.inv_cdf((1 + actual) / 2)
    side = f"too narrow: widen by {factor:.3g}" if factor > 1 else f"too wide: shrink by {factor:.3g}"
    text = f"{nominal:.0%} intervals that cover {actual:.3g} are {side} (Gaussian)"
    if task.reported.cases:
        z = abs(actual - nominal) / math.sqrt(nominal * (1 - nominal) / task.reported.cases)
        cases = f"{z:.2g} standard errors over {task.reported.cases:,} cases"
        right = f"{nominal:.0%} intervals cover {actual:.3g}: right within the error, {cases}"
        text = f"{text}; {cases}" if miscalibrated(task) else right
    found["calibration"] = facts.add(text, "computed", factor, "x width", "ratio of normal quantiles")


def miscalibrated(task: Task) -> bool:
    """Whether a reported coverage differs from its level by more than two standard errors, or 3 % where cases are not told."""
    if task.reported.coverage is None:
        return False
    nominal, actual = task.reported.coverage
    error = math.sqrt(nominal * (1 - nominal) / task.reported.cases) if task.reported.cases else COVERAGE_NOTICED / 2
    return abs(actual - nominal) > 2 * error


def narrow(task: Task) -> bool | None:
    """Whether the spread is too small, too large (False), or cannot be said because the location is off as well."""
    r, told = task.reported, task.readouts.central
    if r.coverage is not None and miscalibrated(task):
        return r.coverage[1] < r.coverage[0]
    if r.spread_skill is not None:
        return r.spread_skill < 1
    if r.spread is not None and r.rmse is not None:
        return r.spread < r.rmse
    if told is None or task.readouts.shifted:
        return None
    return told[1] < told[0]


def _reported_spread(task: Task, facts: Facts, found: Found) -> None:
    r, k = task.reported, task.per_query
    wanted = math.sqrt((k + 1) / k) if k else 1.0
    if r.spread_skill is not None:
        seen = 1 / r.spread_skill
        text = f"spread over error {number(r.spread_skill)}"
    elif r.spread is not None and r.rmse is not None:
        seen = r.rmse / r.spread
        text = f"error of the mean {number(r.rmse)} over spread {number(r.spread)}"
    else:
        return
    factor = seen / wanted
    state = "underdispersed" if factor > 1 else "overdispersed"
    text += f": error/spread is {number(seen)}, {wanted:.4g} would be calibrated: {state}, the spread must be {factor:.3g} x as large"
    if factor > 1:
        text += f"; nominal 90 % intervals cover {narrowed(0.9, 1 / factor):.0%} (Gaussian)"
    found["dispersion"] = facts.add(text, "computed", factor, "x spread", "sqrt((K+1)/K)")


def _guided(task: Task, decision: Decision, facts: Facts, found: Found) -> None:
    w = task.reported.guidance
    if w is None or w <= 1 or w > 1000:
        return
    ratio = decision.ratio[0] if decision.ratio is not None else 0.0
    width = guided_width(w, ratio)
    basis = f"R = {number(ratio)}" if decision.ratio is not None else "small R"
    found["guidance"] = facts.add(
        f"guidance {w:g} (1 is none) draws from about p(x|y)^{w:g} p(x)^{1 - w:g}: for Gaussians at {basis} the spread is {width:.3g} x the "
        f"true one and 90 % intervals cover {narrowed(0.9, width):.0%}",
        "computed",
        width,
        "x spread",
        "1/sqrt(w - R (w-1))",
    )


def _tail(task: Task, facts: Facts, found: Found) -> None:
    q, k = task.reported.quantile, task.per_query
    if q is None or k < 2:
        return
    beyond = k * min(q, 1 - q)
    found["tail"] = facts.add(
        f"the {q:g} quantile of {k:,} samples rests on {number(beyond)} beyond it: ±{100 / math.sqrt(max(beyond, 1e-9)):.3g} % on their "
        f"number; ±10 % takes {math.ceil(100 / min(q, 1 - q)):,} samples",
        "computed",
        beyond,
        "samples",
        "1/sqrt(K (1-q))",
    )


def _rare(task: Task, facts: Facts, found: Found) -> None:
    r = task.reported
    if r.rare is None:
        return
    needed = (1 - r.rare) / (r.rare * RARE_ERROR**2)
    text = f"an event of probability {number(r.rare)} needs {needed:,.0f} samples per query for ±{RARE_ERROR:.0%}"
    if task.per_query > 1:
        text += f"; {task.per_query:,} members show nothing rarer than {number(1 / (task.per_query + 1))}"
    if r.rare_unit and task.timing.span:
        expected = r.rare * task.timing.span / period("1", r.rare_unit)
        text += f"; the data hold {number(expected)} of them on average, and none with probability {number(math.exp(-expected))}"
    found["rare"] = facts.add(text, "computed", needed, "samples", "(1-p)/(p e²); Poisson")
