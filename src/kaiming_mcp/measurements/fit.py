"""Straight lines through the logarithms of values over depth, one or two, with errors from scatter and rounding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from kaiming_mcp.measurements.value import Value

_CRITICAL = (
    (2, 999.0), (3, 141.1), (4, 56.2), (5, 33.2), (6, 23.7), (7, 18.8), (8, 15.8), (9, 13.9), (10, 12.6), (12, 10.8),
    (15, 9.34), (20, 8.10), (30, 7.05), (60, 6.17),
)  # fmt: skip
"""Upper 0.1 % points of the F distribution with 3 and k degrees of freedom (closed table, rounded)."""
_SMALLEST_TURN = 0.1
"""Change of ln value per layer below which two slopes count as one: curvature, not a break."""
_SMALLEST_JUMP = math.log(3)
_EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Point:
    """ln value at a depth."""

    depth: int
    y: float
    variance: float
    """Of ln value, from the rounding of the print."""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line through ln value."""

    rate: float
    error: float
    scatter: float
    level: float
    squares: float
    """Weighted sum of squared residuals."""
    middle: float
    weight: float

    def at(self, depth: float) -> float:
        """ln value of the whole."""
        return self.level + self.rate * depth

    def doubt(self, depth: float) -> float:
        """Standard error of the line at a depth."""
        return math.hypot(self.scatter, self.error * (depth - self.middle)) if math.isfinite(self.error) else math.inf


def points_of(values: Sequence[Value], places: Sequence[int], out: set[int]) -> list[Point]:
    """The values that are not left out, in logarithms, each at its depth and with the variance of its rounding."""
    points: list[Point] = []
    for i, value in enumerate(values):
        if i in out:
            continue
        low, high = value.size
        size = min(max(abs(value.x), 1e-320), 1e308)
        low, high = max(low, size / 1e3), min(high, size * 1e3)
        # A number rounded to the print is uniform over its interval.
        points.append(Point(places[i], math.log(size), (math.log(high / low)) ** 2 / 12 if high > low else 0.0))
    return points


def line_through(points: Sequence[Point]) -> Line:
    """Weighted least squares; the scatter beyond rounding is estimated from a first fit."""
    first = _weighted(points, 0.0)
    n = len(points)
    if n < 3:
        spread = math.sqrt(sum(p.variance for p in points)) if n == 2 else math.inf
        span = points[-1].depth - points[0].depth
        return Line(first.rate, spread / span if span else math.inf, 0.0, first.level, 0.0, first.middle, first.weight)
    rounding = sum(p.variance for p in points) / n
    extra = max(0.0, first.scatter**2 * n / (n - 2) - rounding)
    return _weighted(points, extra)


def _weighted(points: Sequence[Point], extra: float) -> Line:
    weights = [1.0 / (p.variance + extra + _EPSILON) for p in points] if extra else [1.0] * len(points)
    total = sum(weights)
    x = sum(w * p.depth for w, p in zip(weights, points, strict=True)) / total
    y = sum(w * p.y for w, p in zip(weights, points, strict=True)) / total
    xx = sum(w * (p.depth - x) ** 2 for w, p in zip(weights, points, strict=True))
    xy = sum(w * (p.depth - x) * (p.y - y) for w, p in zip(weights, points, strict=True))
    rate = xy / xx if xx else 0.0
    level = y - rate * x
    residuals = [p.y - level - rate * p.depth for p in points]
    n = len(points)
    squares = sum(w * r * r for w, r in zip(weights, residuals, strict=True))
    scatter = math.sqrt(sum(r * r for r in residuals) / n)
    rounding = sum(p.variance for p in points) / n
    unit = max(1.0, squares / max(1, n - 2)) if extra else max(rounding, squares / max(1, n - 2))
    return Line(rate, math.sqrt(unit / xx) if xx else math.inf, scatter, level, squares, x, total)


@dataclass(frozen=True, slots=True)
class Turn:
    """Two lines in place of one."""

    at: int
    """Depth of the first row of the upper piece."""
    low: Line
    high: Line
    jump: float
    kind: str


def turn_of(points: Sequence[Point]) -> Turn | None:
    """Two lines in place of one, where that explains significantly more (F test over every place to cut)."""
    n = len(points)
    if n < 6:
        return None
    best, least = 0, math.inf
    errors = _Errors(points)
    one = errors.squares(0, n)
    for k in range(2, n - 1):
        both = errors.squares(0, k) + errors.squares(k, n)
        if both < least * (1 - 1e-9):
            best, least = k, both
    floor = sum(p.variance for p in points) / n + _EPSILON
    degrees = n - 4
    noise = max(least / degrees, floor)
    critical = next((f for k, f in reversed(_CRITICAL) if k <= degrees), math.inf)
    if (one - least) / 3 / noise < critical:
        return None
    low, high = line_through(points[:best]), line_through(points[best:])
    edge = (points[best - 1].depth + points[best].depth) / 2
    jump = high.at(edge) - low.at(edge)
    turned = abs(high.rate - low.rate) > max(_SMALLEST_TURN, 0.25 * min(abs(high.rate), abs(low.rate)))
    if not turned and abs(jump) < _SMALLEST_JUMP:
        return None
    return Turn(points[best].depth, low, high, jump, "slope" if turned else "jump")


class _Errors:
    """Sums of squared residuals of a line through any run of points, each in constant time."""

    def __init__(self, points: Sequence[Point]) -> None:
        x0, y0 = points[len(points) // 2].depth, points[len(points) // 2].y
        columns = [(p.depth - x0, p.y - y0) for p in points]
        self.sums = [
            [0.0, *accumulate(term)] for term in zip(*((x, y, x * x, x * y, y * y) for x, y in columns), strict=True)
        ]

    def squares(self, begin: int, end: int) -> float:
        """Of the points from begin to end."""
        n = end - begin
        x, y, xx, xy, yy = (s[end] - s[begin] for s in self.sums)
        sxx, sxy, syy = xx - x * x / n, xy - x * y / n, yy - y * y / n
        return max(0.0, syy - sxy * sxy / sxx) if sxx > 0 else max(0.0, syy)
