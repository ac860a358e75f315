"""Normalization: divide by the standard deviation that the norm sees, with its eps.

Batch norm: Yang et al. 2019, eq. 3 (v = q - pbar over the batch). Statistics taken over few
independent values (few images with a common part, few channels in a group) fluctuate; the mean of
1/variance is then larger than one over the mean variance, and every layer pays for it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from kaiming_mcp.architecture.ir import Norm
from kaiming_mcp.signal.activations import Array
from kaiming_mcp.signal.state import Backward, State, flat_profile, log_of, log_sum, scaled_by

_MOST_FREEDOM = 2000
"""Degrees of freedom beyond which a variance is taken as known: its relative variance is below 0.1 %."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


class Fluctuation(NamedTuple):
    """Of s = (1 - c) + c X, X a chi-squared per degree of freedom: ln E[1/s] and E[cX/s]."""

    log_inverse: float
    common: float


def norm(op: Norm, state: State, batch: int) -> tuple[State, Backward]:
    """Layer, RMS, batch (training mode), group and instance normalization."""
    match op.kind:
        case "batch":
            return _batch(op, state, batch)
        case "group":
            channels = max(1, (op.features or state.shape.features or op.groups) // max(op.groups, 1))
            return _group(op, state, channels)
        case "instance":
            return _group(op, state, 1)
        case "layer":
            return _divided(op, state, max(1 - state.mean**2, 1e-300), 0.0)
        case "rms":
            return _divided(op, state, 1.0, state.mean)


def _divided(op: Norm, state: State, seen: float, mean: float) -> tuple[State, Backward]:
    """x / sqrt(v + eps), v = `seen` q."""
    log_seen = state.log_q + math.log(seen)
    log_denominator = log_sum(log_seen, log_of(op.eps))
    if log_seen == -math.inf:
        after = state._replace(log_q=-math.inf, mean=0.0, density=None)
    else:
        across, within, apart = state.across / seen, state.within / seen, state.apart / seen
        if seen < 1:
            across, within, apart = min(across, 2.0), min(within, 2.0), min(apart, 2.0)
        # Each position is brought to the same scale.
        flat = flat_profile(state.shape)
        after = State(log_seen - log_denominator, mean, across, within, apart, state.shape, flat)
    return after, scaled_by(-log_denominator)


def _batch(op: Norm, state: State, batch: int) -> tuple[State, Backward]:
    """pbar = q/(BS) + (S-1)/(BS) p_s + (B-1)/B p_x, so q - pbar = (S-1)/(BS) D_s + (B-1)/B D_x, where two
    samples mostly meet at two positions. What is common to an image is averaged over B values only.
    """
    other = 1 - 1 / state.positions
    between = (1 - other) * state.across + other * state.apart
    seen = max((other * state.within + (batch - 1) * between) / batch, 0.0)
    after, back = _divided(op, state, max(seen, 1e-300), 0.0)
    if seen <= 0 or batch < 2 or other == 0:
        return after._replace(profile=state.profile), back
    wobble = fluctuation(_share(1 - state.within / seen), batch - 1, batch - 1)
    within = 1 - wobble.common
    # A batch sums to zero: what is left between samples follows from what is within them.
    rest = (batch - other * within) / (batch - 1) / max(after.apart * other + after.across * (1 - other), 1e-12)
    moved = after._replace(
        within=within, across=min(after.across * rest, 2.0), apart=min(after.apart * rest, 2.0), profile=state.profile
    )
    return moved, scaled_by(wobble.log_inverse, back)


def _group(op: Norm, state: State, channels: int) -> tuple[State, Backward]:
    """n channels of one sample, all positions: sigma^2 = (1-c) + c S2, S2 ~ chi^2_(n-1) / n."""
    variance = max(1 - state.mean**2, 1e-300)
    alone = 1 / state.positions
    within = min((1 - alone) * state.within / variance, 1.0)
    common = _share(1 - within)
    seen = 1 - common / channels
    if seen <= 1e-9:
        # One value minus itself: only eps is left.
        return state._replace(log_q=-math.inf, mean=0.0, density=None), scaled_by(-log_of(op.eps))
    after, back = _divided(op, state, variance * seen, 0.0)
    if channels == 1:
        wobble = Fluctuation(-math.log(1 - common) + math.log(seen), 0.0)
    else:
        wobble = fluctuation(common, channels - 1, channels)
        wobble = Fluctuation(wobble.log_inverse + math.log(seen), wobble.common)
    apart = 1 - (1 - min(state.apart / variance, 1.0)) * (1 - 1 / channels) / seen
    # One scale for all positions of a group: a border stays as low as it was.
    moved = after._replace(within=1 - wobble.common, apart=min(max(apart, 0.0), 2.0), profile=state.profile)
    return moved, scaled_by(wobble.log_inverse, back)


def _share(c: float) -> float:
    return min(max(c, 0.0), 1.0)


def fluctuation(common: float, freedom: int, count: int) -> Fluctuation:
    """ln E[1/s] and E[cX/s] for s = (1 - c) + c X, X ~ chi^2_freedom / count.

    Where E[1/s] does not exist (c = 1, at most two degrees) the typical value exp(-E[ln s]) is given.
    """
    if common <= 0 or freedom <= 0:
        return Fluctuation(0.0, 0.0)
    if freedom > _MOST_FREEDOM:
        x = freedom / count
        return Fluctuation(-math.log(1 - common + common * x), common * x / (1 - common + common * x))
    return _fluctuation(round(common, 6), freedom, count)


@lru_cache(maxsize=4096)
def _fluctuation(common: float, freedom: int, count: int) -> Fluctuation:
    x, weight = chi_squared(freedom)
    x = x / count
    s = 1 - common + common * x
    typical = freedom <= 2 and common > 0.999
    log_inverse = -float(weight @ np.log(s)) if typical else math.log(float(weight @ (1 / s)))
    return Fluctuation(log_inverse, float(weight @ (common * x / s)))


@lru_cache(maxsize=256)
def chi_squared(freedom: float) -> tuple[Array, Array]:
    """Nodes and weights for chi^2 with that many degrees of freedom, in the variable ln x."""
    middle, spread = math.log(freedom), math.sqrt(2 / freedom)
    low, high = middle - 12 * spread - 24 / freedom, middle + 8 * spread + 1.5 / freedom
    t = low + (high - low) / 2 * (1 + _NODES)
    log_density = freedom / 2 * (t - math.log(2)) - np.exp(t) / 2 - math.lgamma(freedom / 2)
    weight = (high - low) / 2 * _WEIGHTS * np.exp(log_density)
    return np.exp(t), weight / weight.sum()
