"""Pooling and enlargement: how many positions an output averages, repeats, or takes the largest of.

The largest of n values of one channel: u = sqrt(c) z0 + sqrt(1-c) z_i, so its law is that of the largest
of n independent ones, spread by the common part. A ReLU before the pool commutes with it.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from kaiming_mcp.architecture.ir import Pool, Shape, Upsample
from kaiming_mcp.signal import trunk
from kaiming_mcp.signal.activations import Array
from kaiming_mcp.signal.moments import moments, pair_distance
from kaiming_mcp.signal.state import (
    Backward,
    Cotangent,
    State,
    flat_profile,
    log_of,
    spread_over,
)

UNKNOWN_POOLED = 49
"""Taken for the positions of a global pool whose input's size is not given: 224 x 224 after five halvings."""
LINEAR_KEPT = 0.625
"""Sum of squared weights of linear interpolation by 2, on one axis: (3/4)^2 + (1/4)^2."""


def pool(op: Pool, state: State, shape: Shape) -> tuple[State, Backward]:
    """Average or largest value of a window."""
    window = _window(op, state.shape, shape)
    if window <= 1:
        return state._replace(shape=shape, profile=flat_profile(shape)), spread_over(state)
    return _largest(state, shape, window) if op.kind == "max" else _average(state, shape, window)


def upsample(op: Upsample, state: State, shape: Shape) -> tuple[State, Backward]:
    """Repetition keeps the second moment; interpolation averages neighbours."""
    axes = len(state.shape.positions) if state.shape.positions is not None else 2
    larger = max(op.factor, 1e-9) ** axes
    weight = LINEAR_KEPT**axes if op.linear and op.factor > 1 else 1.0
    kept = max(1 - (1 - weight) * state.within, 1e-12)
    after = state._replace(
        log_q=state.log_q + math.log(kept),
        mean=max(-1.0, min(1.0, state.mean / math.sqrt(kept))),
        shape=shape,
        profile=flat_profile(shape),
        density=state.density if weight == 1 else None,
    )

    flat = flat_profile(state.shape)

    def backward(c: Cotangent) -> Cotangent:
        gathered = weight + max(larger - weight, 0.0) * c.together
        together = min(1.0, c.together * larger / max(gathered, 1e-12))
        return Cotangent(c.log_g + log_of(gathered), together, flat)

    return after, backward


def _average(state: State, shape: Shape, window: float) -> tuple[State, Backward]:
    # The mean of n values loses (n-1)/n of what they do not share; across samples only the common
    # part stays.
    lost = (window - 1) / window * state.within
    kept = max(1 - lost, 1e-300)
    after = State(
        state.log_q + math.log(kept),
        max(-1.0, min(1.0, state.mean / math.sqrt(kept))),
        min(max(((window - 1) * state.apart + state.across) / window - lost, 0.0) / kept, 2.0),
        state.within / window / kept if shape.positions != () else 0.0,
        min(max(state.apart - lost, 0.0) / kept, 2.0),
        shape,
        flat_profile(shape),
    )
    positions = state.positions
    flat = flat_profile(state.shape)

    def backward(c: Cotangent) -> Cotangent:
        near = min(1.0, (window - 1) / max(positions - 1, 1))
        return Cotangent(c.log_g - math.log(window), near + (1 - near) * c.together, flat)

    return after, backward


def _largest(state: State, shape: Shape, window: float) -> tuple[State, Backward]:
    count = min(window, 1e6)
    rectified = state.density is trunk.STANDARD_RECTIFIED
    if state.density is None or rectified:
        common, other, apart = (_latent(state, d, rectified) for d in (state.within, state.across, state.apart))
        center = 0.0 if rectified else state.mean / math.sqrt(max(1 - state.mean**2, 1e-12))
        density, win = _largest_gaussian(round(count, 3), round(min(max(common, 0.0), 0.999), 4), rectified, center)
        # The law of what was rectified has E[x^2] = 1/2 in its own units; a plain one is scaled to q.
        log_unit = state.log_unit if rectified else state.log_q + math.log(max(1 - state.mean**2, 1e-12))
    else:
        mass = np.cumsum(state.density.mass)
        top = np.diff(np.concatenate([[0.0], mass**count]))
        density = trunk.Density(state.density.start, state.density.step, top)
        win = np.divide(top, state.density.mass, out=np.zeros_like(top), where=state.density.mass > 0) / count
        common, other, apart, log_unit = 1 - state.within, 1 - state.across, 1 - state.apart, state.log_unit
    second = density.second
    log_q = log_unit + log_of(second)
    mean = density.mean / math.sqrt(second) if second > 0 else 0.0
    spread = max(1 - mean**2, 1e-12)
    within, across, apart_ = (spread * (1 - _follow(c, count)) for c in (common, other, apart))
    after = State(
        log_q, mean, across, within, apart_, shape, flat_profile(shape), density if rectified else None, log_unit
    )
    flat, source = flat_profile(state.shape), state.density

    def backward(c: Cotangent) -> Cotangent:
        # Each output's gradient goes to its winner: G is kept, and sits where values are large.
        by_value = None
        if rectified and source is not None and len(win) == len(source.mass):
            reached = source.expectation(win)
            by_value = win / reached if reached > 0 else None
        return Cotangent(c.log_g, c.together / count, flat, by_value)

    return after, backward


def _latent(state: State, distance: float, rectified: bool) -> float:
    """Correlation of two values, before the ReLU where there was one."""
    if not rectified:
        return min(max(1 - distance / max(1 - state.mean**2, 1e-12), -1.0), 1.0)
    gaussian = moments("relu", None, 0.0, 0.0)
    low, high = 0.0, 2.0
    for _ in range(40):
        middle = (low + high) / 2
        if math.exp(pair_distance("relu", None, 0.0, 0.0, middle) - gaussian.log_second) < distance:
            low = middle
        else:
            high = middle
    return 1 - low


def _follow(correlation: float, count: float) -> float:
    """Correlation of two windows' largest values, their members correlated one to one.

    The slope at 0 is n P(win)^2 / Var = 1 / (n Var[max]); the rest is taken as a square.
    """
    rho = max(correlation, 0.0)
    density, _ = _largest_gaussian(round(count, 3), 0.0, False, 0.0)
    slope = min(1.0, 1 / (count * max(density.second - density.mean**2, 1e-9)))
    return slope * rho + (1 - slope) * rho**2


@lru_cache(maxsize=128)
def _largest_gaussian(count: float, common: float, rectified: bool, center: float) -> tuple[trunk.Density, Array]:
    """Law of the largest of n correlated N(center, 1), and P(a value wins) on the grid of that value's law.

    Rectified: the law of the largest of the ReLUs, on the positive half.
    """
    one = trunk.gaussian(1.0)
    below = np.cumsum(one.mass) - one.mass / 2
    alone = np.exp((count - 1) * np.log(np.maximum(below, 1e-300)))
    top = one.mass * alone
    top /= top.sum()
    scale = math.sqrt(1 - common)
    density = trunk.Density(one.start * scale, one.step * scale, top)
    if common > 0:
        density = trunk.added(density, math.sqrt(common)) or density
    density = trunk.Density(density.start + center, density.step, density.mass)
    # P(win | own value x): the rest of the window is N(c x, 1 - c^2) in its common part.
    win = alone
    if common > 0:
        z, weight = one.values[::20], one.mass[::20] / one.mass[::20].sum()
        x = one.values
        shift = (x[:, None] * (1 - common) - math.sqrt(common * (1 - common)) * z[None, :]) / scale
        win = np.interp(shift, one.values, alone) @ weight
    if not rectified:
        return density, win
    positive = one.values > one.step / 2
    below_zero = one.mass[~positive]
    kept = np.concatenate([[float(win[~positive] @ below_zero) / below_zero.sum()], win[positive]])
    return _rectified_on(density), kept


def _rectified_on(density: trunk.Density) -> trunk.Density:
    """max(x, 0) of a law whose grid need not have a point at zero."""
    values = density.values
    positive = values > 0
    step = density.step
    count = int(positive.sum()) + 1
    mass = np.zeros(count + 1)
    place = values[positive] / step
    left = np.floor(place).astype(int)
    share = place - left
    np.add.at(mass, np.minimum(left, count), density.mass[positive] * (1 - share))
    np.add.at(mass, np.minimum(left + 1, count), density.mass[positive] * share)
    mass[0] += density.mass[~positive].sum()
    return trunk.Density(0.0, step, mass)


def _window(op: Pool, before: Shape, after: Shape) -> float:
    # Windows that overlap are larger than the ratio of the sizes.
    if op.kernel:
        axes = len(op.kernel) if not before.positions else len(before.positions)
        return float(math.prod(op.kernel if len(op.kernel) == axes else op.kernel[:1] * axes))
    if before.count is not None and after.count:
        return max(1.0, before.count / after.count)
    # A net is written for inputs that leave an adaptive pool its own size, and a global one about 7 x 7.
    return 1.0 if math.prod(op.output) > 1 else float(UNKNOWN_POOLED)
