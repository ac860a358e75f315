"""Linear layers and convolutions: q' = V q + Var[b] (He et al. 2015, eq. 8 and 13)."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Conv, Embedding, Linear, Shape
from kaiming_mcp.architecture.shapes import implied_flatten
from kaiming_mcp.signal import padding
from kaiming_mcp.signal.initialization import Initialization, embedding_variance, variances
from kaiming_mcp.signal.state import (
    Backward,
    Cotangent,
    Profile,
    State,
    flat_profile,
    log_of,
    log_sum,
    scaled_by,
    spread_over,
    unchanged,
)


def linear(op: Linear, state: State, shape: Shape, init: Initialization) -> tuple[State, Backward]:
    """W x + b at every position, or over all of them laid side by side."""
    gain, bias = variances(init, op)
    flattened = implied_flatten(op, state.shape)
    profile = flat_profile(shape) if flattened else state.profile
    # Flattened positions have weights of their own: their gradients have nothing in common.
    back = spread_over(state, 0.0) if flattened else unchanged
    return affine(gain, bias, state, shape, profile), scaled_by(log_of(gain), back)


def convolution(op: Conv, state: State, shape: Shape, init: Initialization) -> tuple[State, Backward]:
    """A convolution, its zero padding as a profile; positions of unlike phase share no weights."""
    gain, bias = variances(init, op)
    phases = math.prod(op.stride)
    if init.scheme == "delta_orthogonal":
        kept, common, profile = 1.0, 1.0, flat_profile(shape)
    else:
        kept, common, profile = padding.through(op, state.profile, shape.positions)
    sizes = state.shape.positions if state.profile is not None else None

    def backward(c: Cotangent) -> Cotangent:
        if init.scheme == "delta_orthogonal":
            share, where = 1.0, None
        else:
            share, where = padding.back(op, c.profile, sizes)
        together = c.together if op.transposed else c.together / phases
        return Cotangent(c.log_g + log_of(gain) + log_of(share), together, where)

    shared = common / kept if kept > 0 else 1.0
    return affine(gain * kept, bias, state, shape, profile, shared / phases if op.transposed else shared), backward


def embedding(op: Embedding, shape: Shape, init: Initialization) -> tuple[State, Backward]:
    """Rows of a table: independent between tokens."""
    log_q = log_of(embedding_variance(init, op))
    return State(log_q, 0.0, 1.0, 1.0, 1.0, shape, flat_profile(shape)), unchanged


def affine(gain: float, bias: float, state: State, shape: Shape, profile: Profile | None, common: float = 1.0) -> State:
    """q' = V q + Var[b], D' = V D, m' = 0: the bias is common to all samples and cancels in D.

    Two positions share the fraction `common` of what one has: p' = V common p, so that D grows.
    """
    signal = log_of(gain) + state.log_q
    if bias <= 0:
        log_q, share = signal, 1.0
    else:
        log_q = log_sum(signal, math.log(bias))
        share = math.exp(signal - log_q)
    if profile is not None and share < 1:
        profile = tuple(share * u + (1 - share) for u in profile)
    within, apart = state.within, state.apart
    if common != 1:
        within, apart = common * within + 1 - common, common * apart + 1 - common
    return State(log_q, 0.0, share * state.across, share * within, share * apart, shape, profile)
