"""How the mean of phi(u)² over units, u a centred Gaussian, fluctuates: its moments, and those of its logarithm."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from kaiming_mcp.signal import quadrature
from kaiming_mcp.signal.activations import Array, find
from kaiming_mcp.signal.moments import moments
from kaiming_mcp.signal.rules.norms import chi_squared
from kaiming_mcp.signal.scales import slope_at

SMALL = 0.01
"""Relative variance below which that of the logarithm is the same."""
_ORDER = 24


def first_term(name: str, parameter: float | None, log_q: float) -> float:
    """E[z phi(u)²] / E[phi²], z the unit at unit variance: how the mean of phi² follows the mean of the units."""
    act = find(name, parameter)
    if act is not None and act.slopes is not None:
        left, right = act.slopes
        even = right**2 + left**2
        return (right**2 - left**2) / even * math.sqrt(8 / math.pi) if even else 0.0
    return float(_terms(name, parameter, log_q)[0])


@lru_cache(maxsize=4096)
def scale_slope(name: str, parameter: float | None, log_q: float) -> float:
    """d ln E[phi²] / d ln q: how the mean of phi² follows the mean square of the units."""
    act = find(name, parameter)
    return 1.0 if act is not None and act.slopes is not None else slope_at(name, parameter, 1.0, 0.0, math.exp(log_q))


def square_covariance(name: str, parameter: float | None, log_q: float, common: float, even: float) -> float:
    """Cov(phi(u)², phi(v)²) / E[phi²]² of centred Gaussians of that variance, averaged over correlations c.

    `common` is E[c], `even` E[c²]; higher powers are taken as products of these.
    """
    act = find(name, parameter)
    if act is not None and act.slopes is not None:
        left, right = act.slopes
        if not (left or right):
            return 0.0
        # phi² is even plus odd, x² and x|x|, whose product moments are known.
        odd = ((right**2 - left**2) / (right**2 + left**2)) ** 2
        c = min(common, 1.0)
        signed = 2 / math.pi * ((1 + 2 * c * c) * math.asin(c) + 3 * c * math.sqrt(1 - c * c))
        return 2 * even + odd * signed
    powers = _terms(name, parameter, log_q) ** 2
    order = np.arange(1, len(powers) + 1)
    return float(powers @ (even ** (order // 2) * np.where(order % 2, common, 1.0)))


@lru_cache(maxsize=4096)
def _terms(name: str, parameter: float | None, log_q: float) -> Array:
    """Hermite coefficients of phi² over E[phi²]; what the terms leave out stands in the last."""
    act = find(name, parameter)
    assert act is not None, "the caller has found it"
    sigma = math.exp(0.5 * log_q)
    x, weights = quadrature.gaussian_rule(0.0, sigma, act)
    second = math.exp(moments(name, parameter, 0.0, log_q).log_second)
    if second <= 0:
        return np.zeros(1)
    z, value = x / sigma, act.phi(x) ** 2 / second
    rows = [np.ones_like(z), z]
    for k in range(1, _ORDER):
        rows.append((z * rows[k] - math.sqrt(k) * rows[k - 1]) / math.sqrt(k + 1))
    terms = np.array([float(weights @ (value * row)) for row in rows[1:]])
    left_out = float(weights @ (value - 1) ** 2) - float(terms @ terms)
    terms[-1] = math.sqrt(terms[-1] ** 2 + max(left_out, 0.0))
    return terms


def of_logarithm(share: float, relative: float) -> float:
    """Variance of ln((1 - share) + share X) where that of the mean is `relative`: X a chi-squared over its freedom."""
    if relative < SMALL:
        return relative
    return _chi_logarithm(round(share, 3), round(2 * share**2 / relative, 2))


@lru_cache(maxsize=1024)
def _chi_logarithm(share: float, freedom: float) -> float:
    x, weights = chi_squared(freedom)
    logs = np.log(1 - share + share * x / freedom)
    mean = float(weights @ logs)
    return float(weights @ (logs - mean) ** 2)
