"""How large a difference must be: seeds, intervals, the best of many, and the noise of a test set.

Textbook statistics without scipy: Student's t for whole degrees of freedom (Abramowitz & Stegun 26.7.3
and 26.7.4), the two-sample size formula with t in place of z, order statistics of the normal law.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LEVEL, POWER = 0.05, 0.8
MOST_SEEDS = 100_000
_NORMAL = NormalDist()
_LARGE = 400
"""Degrees of freedom from which the first corrections of the normal law (26.7.5 and 26.7.8) hold to 6 digits."""
_POINTS, _REACH = 4001, 9.0
_BISECTIONS = 80


def t_below(t: float, freedom: int) -> float:
    """P(T <= t) for Student's t with whole degrees of freedom."""
    if freedom > _LARGE:
        return _NORMAL.cdf(t * (1 - 1 / (4 * freedom)) / math.sqrt(1 + t**2 / (2 * freedom)))
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = (cosine if odd else 1.0), 0.0
    for k in range(freedom // 2):
        total += term
        term *= cosine**2 * ((2 * k + 2) / (2 * k + 3) if odd else (2 * k + 1) / (2 * k + 2))
    inside = 2 / math.pi * (angle + (sine * total if freedom > 1 else 0.0)) if odd else sine * total
    return (1 + inside) / 2


def t_quantile(p: float, freedom: int) -> float:
    """The value below which Student's t lies with probability p, 0.5 <= p < 1."""
    if freedom > _LARGE:
        z = _NORMAL.inv_cdf(p)
        return z + (z**3 + z) / (4 * freedom)
    low, high = 0.0, 1.0
    while t_below(high, freedom) < p:
        high *= 2
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if t_below(middle, freedom) < p else (low, middle)
    return (low + high) / 2


def seeds_needed(effect: float, power: float = POWER, level: float = LEVEL) -> int:
    """Seeds per arm to see an effect given in seed standard deviations, two-sided.

    The least n with n >= 2 (t_{1-level/2} + t_{power})² / effect², t with 2n - 2 degrees of freedom.
    """
    if not effect > 0:
        return MOST_SEEDS
    rough = 2 * (_NORMAL.inv_cdf(1 - level / 2) + _NORMAL.inv_cdf(power)) ** 2 / effect**2
    if rough > MOST_SEEDS:
        return MOST_SEEDS
    n = max(2, math.ceil(rough))
    while least_effect(n, power, level) > effect:
        n += 1
    return n


def least_effect(seeds: int, power: float = POWER, level: float = LEVEL) -> float:
    """The effect, in seed standard deviations, that `seeds` per arm see with this power; 2 or more seeds."""
    freedom = 2 * seeds - 2
    return (t_quantile(1 - level / 2, freedom) + t_quantile(power, freedom)) * math.sqrt(2 / seeds)


def half_width(deviation: float, freedom: int, first: int, second: int) -> float:
    """Half of the 95 % interval of a difference of means over `first` and `second` seeds."""
    return t_quantile(1 - LEVEL / 2, max(freedom, 1)) * deviation * math.sqrt(1 / first + 1 / second)


def expected_maximum(m: int) -> float:
    """E of the largest of m independent standard normals."""
    x = np.linspace(-_REACH, _REACH, _POINTS)
    below = np.array([_NORMAL.cdf(float(v)) for v in x])
    return float(np.trapezoid(m * x * _density(x) * below ** (m - 1), x))


def chance_of_lead(m: int, lead: float) -> float:
    """P that the best of m runs leads one further run of the same method by `lead` standard deviations or more."""
    x = np.linspace(-_REACH, _REACH, _POINTS)
    below = np.array([_NORMAL.cdf(float(v) + lead) for v in x])
    return float(min(1.0, max(0.0, 1 - np.trapezoid(_density(x) * below**m, x))))


def _density(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def binomial_error(share: float, cases: int) -> float:
    """Standard error of a share of right answers over independent cases."""
    return math.sqrt(share * (1 - share) / cases)


def paired_error(difference: float, cases: int, disagreeing: float | None) -> float:
    """Standard error of a difference of two shares on the same cases (McNemar).

    With the share of cases on which exactly one method is right; without it the least that is possible,
    where every disagreement goes one way.
    """
    share = abs(difference) if disagreeing is None else max(disagreeing, abs(difference))
    return math.sqrt(max(share - difference**2, 0.0) / cases)


@dataclass(frozen=True, slots=True)
class CaseErrors:
    """Standard errors of a difference of two scores on the same cases, in units of the score."""

    paired: float
    """The least possible (every disagreement goes one way), or with the stated disagreement."""
    unpaired: float


def case_errors(score: float, difference: float, cases: int, disagreeing: float | None) -> CaseErrors | None:
    """The noise of `cases` test cases on a difference; a score above 1 is in per cent, None outside 0 to 1."""
    scale = 100.0 if score > 1 else 1.0
    share = score / scale
    if not 0 < share < 1:
        return None
    paired = paired_error(min(abs(difference) / scale, 1.0), cases, disagreeing)
    return CaseErrors(paired * scale, binomial_error(share, cases) * math.sqrt(2) * scale)


def screening_runs(parts: int, seeds: int) -> int:
    """Runs of a two-level orthogonal array whose main effects are as sure as `seeds` per arm one at a time.

    A multiple of 4 above the number of parts (Plackett-Burman); the error of an effect is 2s/√N, one at a
    time s·√(2/n), so N = 2n.
    """
    return 4 * math.ceil(max(parts + 1, 2 * seeds) / 4)
