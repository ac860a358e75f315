"""Gaussian moments of a nonlinearity: closed forms, else a Hermite series, else split quadrature.

For u ~ N(m, v): E[phi(u)], E[phi(u)^2], E[phi'(u)^2]; and for a pair (u, w) of such variables with
Cov = v (1 - d): the half mean square difference D = E[(phi(u) - phi(w))^2] / 2, so that
E[phi(u) phi(w)] = E[phi^2] - D, and E[phi'(u) phi'(w)]. D keeps its digits when the pair is almost
equal, where the product does not.

Arc-cosine kernel for ReLU: Cho & Saul 2009, eq. 6.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from kaiming_mcp.signal import quadrature
from kaiming_mcp.signal.activations import Nonlinearity, find
from kaiming_mcp.signal.hermite import Expansion, expand

# Beyond this scale of the signal every activation is a power law of it: extrapolate in logs.
LOG_SCALE_LIMIT = 60.0
# Below this distance phi is linear between the two inputs to 1e-4.
_NEAR = 1e-9


class Moments(NamedTuple):
    """E[phi], ln E[phi^2], ln E[phi'^2] of one Gaussian input."""

    mean: float
    log_second: float
    log_slope: float


def moments(name: str, parameter: float | None, mean: float, log_variance: float) -> Moments:
    """Moments of a nonlinearity under N(mean, exp(log_variance)).

    `mean` is in units of the standard deviation, so that the scale can be extreme.

    Raises:
        KeyError: the nonlinearity is not modelled.
    """
    if math.isinf(log_variance):
        return _at_zero(name, parameter)
    if abs(log_variance) > LOG_SCALE_LIMIT:
        edge = math.copysign(LOG_SCALE_LIMIT, log_variance)
        near = _moments(name, parameter, mean, edge)
        before = _moments(name, parameter, mean, edge - math.copysign(2.0, edge))
        steps = (log_variance - edge) / math.copysign(2.0, edge)
        log_second = near.log_second + steps * (near.log_second - before.log_second)
        log_slope = near.log_slope + steps * (near.log_slope - before.log_slope)
        share = near.mean / math.exp(0.5 * near.log_second) if near.log_second > -600 else 0.0
        return Moments(share * math.exp(min(0.5 * log_second, 600)), log_second, log_slope)
    return _moments(name, parameter, mean, log_variance)


def pair_distance(name: str, parameter: float | None, mean: float, log_variance: float, distance: float) -> float:
    """ln D for a pair with covariance v (1 - distance), 0 <= distance <= 2; -inf when D is 0."""
    if distance <= 0 or math.isinf(log_variance):
        return -math.inf
    if abs(log_variance) > LOG_SCALE_LIMIT:
        # There phi is a power law: D grows as E[phi^2] does.
        edge = math.copysign(LOG_SCALE_LIMIT, log_variance)
        grown = (
            moments(name, parameter, mean, log_variance).log_second - moments(name, parameter, mean, edge).log_second
        )
        return pair_distance(name, parameter, mean, edge, distance) + grown
    if distance < _NEAR:
        slope = _moments(name, parameter, mean, log_variance).log_slope
        return math.log(distance) + log_variance + slope
    return _pair_distance(name, parameter, mean, log_variance, distance)


def pair_slope(name: str, parameter: float | None, mean: float, log_variance: float, distance: float) -> float:
    """E[phi'(u) phi'(w)] / E[phi'^2] for such a pair, in [-1, 1]."""
    if distance < _NEAR or math.isinf(log_variance):
        return 1.0
    log_variance = max(-LOG_SCALE_LIMIT, min(LOG_SCALE_LIMIT, log_variance))
    return _pair_slope(name, parameter, mean, log_variance, min(distance, 2.0))


@lru_cache(maxsize=8192)
def _moments(name: str, parameter: float | None, mean: float, log_variance: float) -> Moments:
    act = _get(name, parameter)
    sigma = math.exp(0.5 * log_variance)
    if act.slopes is not None and mean == 0:
        left, right = act.slopes
        power = 0.5 * (left**2 + right**2)
        return Moments((right - left) * sigma / math.sqrt(2 * math.pi), math.log(power) + log_variance, math.log(power))
    if name == "sin":
        return _sine(mean * sigma, sigma**2)
    series = _expansion(name, parameter, mean, log_variance)
    if series is not None:
        return Moments(series.mean, _log(series.second), _log(series.slope))
    x, w = quadrature.gaussian_rule(mean * sigma, sigma, act)
    value, slope = act.phi(x), act.dphi(x)
    return Moments(float(w @ value), _log(float(w @ value**2)), _log(float(w @ slope**2)))


@lru_cache(maxsize=8192)
def _pair_distance(name: str, parameter: float | None, mean: float, log_variance: float, distance: float) -> float:
    act = _get(name, parameter)
    sigma = math.exp(0.5 * log_variance)
    if act.slopes is not None and mean == 0:
        return _log(_piecewise_linear_distance(act.slopes, distance)) + log_variance
    if name == "sin":
        return _log(_sine_distance(mean * sigma, sigma**2, distance))
    series = _expansion(name, parameter, mean, log_variance)
    if series is not None:
        return _log(series.distance(distance))
    return _log(quadrature.pair_distance(act, mean * sigma, sigma, distance))


@lru_cache(maxsize=8192)
def _pair_slope(name: str, parameter: float | None, mean: float, log_variance: float, distance: float) -> float:
    act = _get(name, parameter)
    if act.slopes is not None and mean == 0:
        left, right = act.slopes
        apart = math.acos(max(-1.0, min(1.0, 1 - distance))) / math.pi
        return 1 - apart * (right - left) ** 2 / (left**2 + right**2) if left or right else 1.0
    slope = math.exp(_moments(name, parameter, mean, log_variance).log_slope)
    if slope == 0:
        return 1.0
    series = None if name == "sin" else _expansion(name, parameter, mean, log_variance)
    if series is not None:
        return series.slope_product(distance) / slope
    sigma = math.exp(0.5 * log_variance)
    return quadrature.pair_slope(act, mean * sigma, sigma, distance) / slope


@lru_cache(maxsize=64)
def _expansion(name: str, parameter: float | None, mean: float, log_variance: float) -> Expansion | None:
    sigma = math.exp(0.5 * log_variance)
    return expand(_get(name, parameter), mean * sigma, sigma)


def _sine(mean: float, variance: float) -> Moments:
    """Closed form, since no fixed rule resolves sin(u) at a large scale: E[e^{iu}] = e^{im - v/2}."""
    fade = math.exp(-2 * variance)
    square = -math.expm1(-2 * variance) / 2 + fade * math.sin(mean) ** 2
    slope = (1 + fade * math.cos(2 * mean)) / 2
    return Moments(math.exp(-variance / 2) * math.sin(mean), _log(square), _log(slope))


def _sine_distance(mean: float, variance: float, distance: float) -> float:
    near = -math.expm1(-variance * distance)
    far = math.exp(-variance * (2 - distance)) - math.exp(-2 * variance)
    return (near + math.cos(2 * mean) * far) / 2


def relu_distance(distance: float) -> float:
    """D / q of a ReLU's output for a centred pair with D / q = `distance` (Cho & Saul 2009, eq. 6)."""
    return min(2 * _piecewise_linear_distance((0.0, 1.0), min(distance, 2.0)), 2.0)


def _piecewise_linear_distance(slopes: tuple[float, float], distance: float) -> float:
    """D / v for left*min(x,0) + right*max(x,0), mean zero, by the arc-cosine kernel."""
    left, right = slopes
    angle = 2 * math.asin(math.sqrt(min(1.0, distance / 2)))
    # 1 - k(c) with k the normalised ReLU kernel; the series avoids cancellation at small angles.
    if angle < 1e-2:
        kink = angle**3 / (3 * math.pi) * (1 - angle**2 / 10)
    else:
        kink = (math.sin(angle) - angle * math.cos(angle)) / math.pi
    relu = distance - kink  # (1 - k(c)), twice the D/v of ReLU itself
    # phi = right*relu(x) - left*relu(-x); the two halves are exchangeable, their cross term is what
    # is missing to the identity, whose D/v is `distance`.
    cross = distance - relu
    return 0.5 * (left**2 + right**2) * relu + left * right * cross


def _at_zero(name: str, parameter: float | None) -> Moments:
    act = _get(name, parameter)
    value = float(act.phi(np.zeros(1))[0])
    left, right = (float(act.dphi(np.array([x]))[0]) for x in (-1e-12, 1e-12))
    return Moments(value, _log(value**2), _log(0.5 * (left**2 + right**2)))


def _get(name: str, parameter: float | None) -> Nonlinearity:
    act = find(name, parameter)
    if act is None:
        raise KeyError(name)
    return act


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf
