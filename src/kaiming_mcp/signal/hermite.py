"""A nonlinearity in Hermite polynomials: all its Gaussian moments, single and of pairs, at once.

For u = m + sigma z and a pair with correlation c, phi(u) = sum a_k h_k(z) gives E[phi(u) phi(v)] =
sum a_k^2 c^k (Mehler), E[phi'(u) phi'(v)] = sum k a_k^2 c^(k-1) / sigma^2, and the half mean square
difference D = sum a_k^2 (1 - c^k), which keeps its digits for a pair that is almost equal.
Smooth activations need few terms; what the terms leave out is known, and where it is too much
there is no expansion.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from kaiming_mcp.signal.activations import Array, Nonlinearity

ORDER = 64
LEFT_OUT = 1e-4
"""Share of E[phi'^2] beyond the last term, above which the expansion is not used; D is then wrong by 1e-6."""
WIDEST = 4.0
"""Standard deviation beyond which panels of one standard deviation miss the bends of tanh."""
_PANELS = np.linspace(-9.0, 9.0, 19)  # the tail beyond 9 standard deviations is below 1e-18
_ORDERS = np.arange(1, ORDER + 1, dtype=np.float64)


class _Rule(NamedTuple):
    nodes: Array
    weights: Array
    polynomials: Array
    """Row k: weight times h_k at each node, h_k of unit norm."""


def _rule(points: int) -> _Rule:
    x, w = np.polynomial.legendre.leggauss(points)
    half = np.diff(_PANELS)[:, None] / 2
    z = (_PANELS[:-1, None] + half * (1 + x)).ravel()
    weights = (half * w).ravel() * np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    rows = [np.ones_like(z), z]
    for k in range(1, ORDER):
        rows.append((z * rows[k] - math.sqrt(k) * rows[k - 1]) / math.sqrt(k + 1))
    return _Rule(z, weights, np.array(rows) * weights)


_COARSE, _FINE = _rule(8), _rule(16)


class Expansion(NamedTuple):
    """E[phi], E[phi^2], E[phi'^2], and the squared coefficients a_1^2, a_2^2, ...; `spread` is sigma^2."""

    mean: float
    second: float
    slope: float
    powers: Array
    spread: float

    def distance(self, d: float) -> float:
        """D for a pair with covariance sigma^2 (1 - d), 0 <= d <= 2."""
        if d < 0.5:
            return float(self.powers @ -np.expm1(_ORDERS * math.log1p(-d)))
        return float(self.powers @ (1 - (1 - d) ** _ORDERS))

    def slope_product(self, d: float) -> float:
        """E[phi'(u) phi'(v)] for such a pair."""
        return float((self.powers * _ORDERS) @ (1 - d) ** (_ORDERS - 1)) / self.spread


def expand(act: Nonlinearity, mean: float, sigma: float) -> Expansion | None:
    """The expansion under N(mean, sigma^2); None for a kinked activation or one too steep for its terms."""
    if act.kinks or not 0 < sigma <= WIDEST:
        return None
    rule = _COARSE if sigma <= 1 else _FINE
    x = mean + sigma * rule.nodes
    value, derivative = act.phi(x), act.dphi(x)
    slope = float(rule.weights @ (derivative * derivative))
    terms = rule.polynomials @ value
    powers = terms[1:] * terms[1:]
    spread = sigma * sigma
    left_out = spread * slope - float(_ORDERS @ powers)
    if abs(left_out) > LEFT_OUT * spread * slope:
        return None
    # Given to the last term, so that D of an almost equal pair has the exact slope.
    powers[-1] += max(left_out, 0.0) / ORDER
    return Expansion(float(terms[0]), float(rule.weights @ (value * value)), slope, powers, spread)
