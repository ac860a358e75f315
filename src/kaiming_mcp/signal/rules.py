"""How each operation changes the state forward and the gradient backward.

Definitions and sources: He et al. 2015 (linear layers, eq. 8 and 13), Poole et al. 2016 and Schoenholz
et al. 2017 (activations and correlations), Yang et al. 2019 (batch normalization), De & Smith 2020
(residual sums).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from kaiming_mcp.architecture.ir import (
    Activation,
    Conv,
    Dropout,
    Embedding,
    Linear,
    Norm,
    Op,
    Pool,
    Reshape,
    Shape,
    Upsample,
)
from kaiming_mcp.architecture.shapes import implied_flatten, output_shape
from kaiming_mcp.signal import padding, trunk
from kaiming_mcp.signal.activations import Array, find
from kaiming_mcp.signal.initialization import Initialization, variances
from kaiming_mcp.signal.moments import Moments, moments, pair_distance
from kaiming_mcp.signal.state import Cotangent, State, flat_profile, log_of, log_sum

Backward = Callable[[Cotangent], Cotangent]
UNKNOWN_POSITIONS = 1024
"""Taken for the number of positions where the input size is not given: 1/S is then negligible."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a printout hides: initialization and the size of a batch."""

    init: Initialization
    batch: int


def is_modelled(op: Op) -> bool:
    """Whether `apply` has a rule for the operation."""
    match op:
        case Linear() | Conv() | Dropout() | Reshape() | Upsample() | Embedding() | Pool():
            return True
        case Activation():
            return find(op.name, op.parameter) is not None
        case Norm():
            return op.kind in {"batch", "layer", "rms"}
        case _:
            return False


def apply(op: Op, state: State, setting: Setting) -> tuple[State, Backward]:
    """The state after one operation, and the map of the gradient from its output to its input.

    Raises:
        Mismatch: the shapes do not fit.
        NotImplementedError: `is_modelled(op)` is false.
    """
    shape = output_shape(op, state.shape)
    match op:
        case Linear():
            return _linear(op, state, shape, setting)
        case Conv():
            return _conv(op, state, shape, setting)
        case Activation():
            return _activation(op, state)
        case Norm():
            return _norm(op, state, setting)
        case Pool():
            return _pool(op, state, shape)
        case Dropout():
            return _dropout(op, state)
        case Embedding():
            variance = setting.init.std**2 if setting.init.scheme == "normal" else 1.0
            table = State(log_of(variance), 0.0, 1.0, 1.0, 1.0, shape, flat_profile(shape))
            return table, _unchanged
        case Reshape() | Upsample():
            return replace(state, shape=shape, profile=flat_profile(shape)), _flat_to(state)
        case _:
            raise NotImplementedError(type(op).__name__)


def _linear(op: Linear, state: State, shape: Shape, setting: Setting) -> tuple[State, Backward]:
    gain, bias = variances(setting.init, op)
    flattened = implied_flatten(op, state.shape)
    profile = flat_profile(shape) if flattened else state.profile
    back = _flat_to(state) if flattened else _unchanged
    return _affine(gain, bias, state, shape, profile), _scaled_by(log_of(gain), back)


def _conv(op: Conv, state: State, shape: Shape, setting: Setting) -> tuple[State, Backward]:
    gain, bias = variances(setting.init, op)
    kept, common, profile = padding.through(op, state.profile, shape.positions)
    sizes = state.shape.positions if state.profile is not None else None

    def backward(c: Cotangent) -> Cotangent:
        share, where = padding.back(op, c.profile, sizes)
        return Cotangent(c.log_g + log_of(gain) + log_of(share), where)

    return _affine(gain * kept, bias, state, shape, profile, common / kept if kept > 0 else 1.0), backward


def _affine(
    gain: float,
    bias: float,
    state: State,
    shape: Shape,
    profile: tuple[Array, ...] | None,
    common: float = 1.0,
) -> State:
    """q' = V q + Var[b], D' = V D, m' = 0: the bias is common to all samples and cancels in D.

    Two positions share the fraction `common` of what one has: p' = V common p, so that D grows.
    """
    signal = log_of(gain) + state.log_q
    log_q = log_sum(signal, log_of(bias))
    share = math.exp(signal - log_q) if log_q > -math.inf else 1.0
    if profile is not None:
        profile = tuple(share * u + (1 - share) for u in profile)
    return State(
        log_q,
        0.0,
        share * state.across,
        share * (common * state.within + 1 - common),
        share * (common * state.apart + 1 - common),
        shape,
        profile,
    )


def _activation(op: Activation, state: State) -> tuple[State, Backward]:
    spread = max(1 - state.mean**2, 1e-12)
    log_v = state.log_q + math.log(spread)
    center = state.mean / math.sqrt(spread)
    out = moments(op.name, op.parameter, center, log_v)

    def distance(d: float) -> float:
        log_d = pair_distance(op.name, op.parameter, center, log_v, min(d / spread, 2.0))
        return math.exp(min(log_d - out.log_second, 0.7)) if out.log_second > -math.inf else 1.0

    single = state.shape.positions == ()
    within = state.within if single else distance(state.within)
    across = distance(state.across)
    apart = across if single else distance(state.apart)
    mean = out.mean / math.exp(0.5 * out.log_second) if -600 < out.log_second < 600 else 0.0
    if op.name == "relu" and (state.density is not None or center == 0):
        return _relu(state, out, across, within, apart)
    after = replace(
        state,
        density=None,
        log_q=out.log_second,
        mean=max(-1.0, min(1.0, mean)),
        across=across,
        within=within,
        apart=apart,
    )
    return after, _scaled_by(out.log_slope, _unchanged)


def _relu(state: State, gaussian: Moments, across: float, within: float, apart: float) -> tuple[State, Backward]:
    """ReLU with the law of its input kept: exact for a Gaussian, on a grid for a trunk that passed ReLUs."""
    before = trunk.STANDARD if state.density is None else state.density
    log_unit = state.log_q if state.density is None else state.log_unit
    density = trunk.rectified(before)
    log_q = gaussian.log_second if state.density is None else log_unit + log_of(density.second)
    mean = min(1.0, density.mean / math.sqrt(density.second)) if density.second > 0 else 0.0
    # What a pair shares is mapped as by a Gaussian of the same moments, relative to the spread.
    spread = 1 - (gaussian.mean * math.exp(-0.5 * gaussian.log_second)) ** 2 if gaussian.log_second > -600 else 1.0
    scale = (1 - mean**2) / max(spread, 1e-12)
    after = replace(
        state,
        log_q=log_q,
        mean=mean,
        across=min(2.0, across * scale),
        within=min(2.0, within * scale),
        apart=min(2.0, apart * scale),
        density=density,
        log_unit=log_unit,
    )

    def backward(c: Cotangent) -> Cotangent:
        if state.density is None and c.by_value is None:
            return Cotangent(c.log_g + gaussian.log_slope, c.profile)
        arrived = np.ones(len(density.mass)) if c.by_value is None else c.by_value
        sent = trunk.before_rectified(arrived, before)
        kept = before.expectation(sent)
        if state.density is None or kept <= 0:
            return Cotangent(c.log_g + log_of(kept), c.profile)
        return Cotangent(c.log_g + log_of(kept), c.profile, sent / kept)

    return after, backward


def _norm(op: Norm, state: State, setting: Setting) -> tuple[State, Backward]:
    """Divide by the standard deviation that the norm sees: v = q - m^2, q, or q - pbar."""
    if op.kind == "batch":
        seen = _batch_variance(state, setting.batch)
        mean = 0.0
    elif op.kind == "layer":
        seen, mean = max(1 - state.mean**2, 1e-300), 0.0
    else:
        seen, mean = 1.0, state.mean
    log_seen = state.log_q + log_of(seen)
    log_denominator = log_sum(log_seen, log_of(op.eps))
    log_q = log_seen - log_denominator
    if log_seen == -math.inf:
        after = replace(state, log_q=-math.inf, mean=0.0, density=None)
    else:
        after = replace(
            state,
            log_q=log_q,
            mean=mean,
            across=min(state.across / seen, 2.0),
            within=min(state.within / seen, 2.0),
            apart=min(state.apart / seen, 2.0),
            density=None,
            profile=flat_profile(state.shape) if op.kind != "batch" else state.profile,
        )
    return after, _scaled_by(-log_denominator, _unchanged)


def _batch_variance(state: State, batch: int) -> float:
    """(q - pbar) / q over a batch of B and S positions, from the two distances.

    pbar = q/(BS) + (S-1)/(BS) p_s + (B-1)/B p_x, so q - pbar = (S-1)/(BS) D_s + (B-1)/B D_x, where two
    samples mostly meet at two positions.
    """
    count = state.shape.count
    other = 1 - 1 / (UNKNOWN_POSITIONS if count is None else count)
    between = (1 - other) * state.across + other * state.apart
    return (other * state.within + (batch - 1) * between) / batch


def _pool(op: Pool, state: State, shape: Shape) -> tuple[State, Backward]:
    profile = flat_profile(shape)
    if op.kind == "max":
        # Each output's gradient goes to one input: G is kept. The forward factor is not modelled.
        return replace(state, shape=shape, profile=profile, density=None), _flat_to(state)
    window = _window(op, state.shape, shape)
    # The mean of n values loses (n-1)/n of what they do not share; across samples only the common
    # part stays.
    lost = (window - 1) / window * state.within
    kept = max(1 - lost, 1e-300)
    after = State(
        state.log_q + math.log(kept),
        max(-1.0, min(1.0, state.mean / math.sqrt(kept))),
        max(((window - 1) * state.apart + state.across) / window - lost, 0.0) / kept,
        state.within / window / kept if shape.positions != () else 0.0,
        max(state.apart - lost, 0.0) / kept,
        shape,
        profile,
    )
    return after, _scaled_by(-math.log(window), _flat_to(state))


def _window(op: Pool, before: Shape, after: Shape) -> float:
    if before.count is not None and after.count:
        return max(1.0, before.count / after.count)
    return float(math.prod(op.kernel)) if op.kernel else float(UNKNOWN_POSITIONS)


def _dropout(op: Dropout, state: State) -> tuple[State, Backward]:
    """Training mode: q' = q / (1-p); what two samples share is left as it is."""
    keep = 1 - min(max(op.p, 0.0), 0.999)
    after = replace(
        state,
        density=None,
        log_q=state.log_q - math.log(keep),
        mean=state.mean * math.sqrt(keep),
        across=1 - keep * (1 - state.across),
        within=1 - keep * (1 - state.within),
        apart=1 - keep * (1 - state.apart),
    )
    return after, _scaled_by(-math.log(keep), _unchanged)


def _unchanged(c: Cotangent) -> Cotangent:
    return c


def _flat_to(state: State) -> Backward:
    profile = None if state.profile is None else tuple(np.ones_like(u) for u in state.profile)
    return lambda c: Cotangent(c.log_g, profile)


def _scaled_by(log_factor: float, then: Backward) -> Backward:
    return lambda c: then(Cotangent(c.log_g + log_factor, c.profile))
