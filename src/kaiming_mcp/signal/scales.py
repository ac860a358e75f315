"""Depth scales of a layer that repeats without norm or skip: where its signal settles, and how fast.

q' = V E[phi(sqrt(q) z)^2] + Var[b] (Poole et al. 2016, eq. 3); chi_1 = V E[phi'^2] at the fixed point
(Schoenholz et al. 2017, eq. 6); xi = -1/ln of the slope of either map, in layers (eq. 9 and 12).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from kaiming_mcp.signal.moments import moments, pair_distance

_MOST_STEPS = 2000
_SETTLED = 1e-12


class Scales(NamedTuple):
    """`q_star` None: the scale settles nowhere. `slope` = dq'/dq there, `chi` = chi_1 = gradient factor per layer.

    `distance` is the share that two inputs keep apart for ever (0: they become alike);
    `xi_scale`, `xi_inputs` are in layers, inf where nothing decays.
    """

    q_star: float | None
    slope: float
    chi: float
    distance: float
    xi_scale: float
    xi_inputs: float


def scales(name: str, parameter: float | None, gain: float, bias: float) -> Scales:
    """Of phi after W of V = `gain` with bias variance `bias`; second moments are those before phi.

    Raises:
        KeyError: the nonlinearity is not modelled.
    """

    def step(q: float) -> float:
        return gain * math.exp(moments(name, parameter, 0.0, math.log(q)).log_second) + bias

    q = 1.0
    for _ in range(_MOST_STEPS):
        after = step(q)
        if not 1e-30 < after < 1e30:
            return Scales(
                None, slope_at(name, parameter, gain, bias, 1.0), _chi(name, parameter, gain, q), 0.0, 0.0, 0.0
            )
        if abs(after - q) <= _SETTLED * q:
            break
        q = after
    slope = slope_at(name, parameter, gain, bias, q)
    chi = _chi(name, parameter, gain, q)
    distance = _apart(name, parameter, gain, q)
    at_distance = chi if distance < 1e-9 else _distance_slope(name, parameter, gain, q, distance)
    return Scales(q, slope, chi, distance, _length(slope), _length(at_distance))


def slope_at(name: str, parameter: float | None, gain: float, bias: float, q: float) -> float:
    """d ln q' / d ln q of the signal's part: above 1 no gain holds the scale."""
    step = 1e-4
    up, down = (moments(name, parameter, 0.0, math.log(q) + s).log_second for s in (step, -step))
    signal = gain * math.exp(moments(name, parameter, 0.0, math.log(q)).log_second)
    return (up - down) / (2 * step) * (signal / (signal + bias) if signal + bias > 0 else 1.0)


def _chi(name: str, parameter: float | None, gain: float, q: float) -> float:
    return gain * math.exp(moments(name, parameter, 0.0, math.log(q)).log_slope)


def _apart(name: str, parameter: float | None, gain: float, q: float) -> float:
    d = 1.0
    for _ in range(_MOST_STEPS):
        after = _distance(name, parameter, gain, q, d)
        if abs(after - d) <= 1e-9 * max(d, 1e-9):
            break
        d = after
    return d if d > 1e-6 else 0.0


def _distance(name: str, parameter: float | None, gain: float, q: float, d: float) -> float:
    return min(gain * math.exp(pair_distance(name, parameter, 0.0, math.log(q), d)) / q, 2.0)


def _distance_slope(name: str, parameter: float | None, gain: float, q: float, d: float) -> float:
    step = 1e-4 * d
    up = _distance(name, parameter, gain, q, d + step)
    return (up - _distance(name, parameter, gain, q, d - step)) / (2 * step)


def _length(slope: float) -> float:
    if slope <= 0:
        return 0.0
    return math.inf if abs(slope - 1) < 1e-6 else -1 / math.log(slope) if slope < 1 else math.inf
