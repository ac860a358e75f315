"""How each operation changes the state forward and the gradient backward: one file per kind."""

from __future__ import annotations

from typing import NamedTuple

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Conv,
    Dropout,
    Embedding,
    Linear,
    Norm,
    Op,
    Opaque,
    Pool,
    Recurrent,
    Scale,
    Shape,
    Upsample,
)
from kaiming_mcp.architecture.shapes import output_shape
from kaiming_mcp.signal.activations import find
from kaiming_mcp.signal.initialization import Initialization
from kaiming_mcp.signal.rules import affine, attention, norms, pointwise, pooling, recurrent
from kaiming_mcp.signal.rules.recurrent import Passage
from kaiming_mcp.signal.state import Backward, State, flat_profile, log_of, scaled_by, spread_over, unchanged


class Setting(NamedTuple):
    """What a printout hides: initialization and the size of a batch.

    `recurrent` is the number of recurrent layers, which share a limit of work.
    """

    init: Initialization
    batch: int
    recurrent: int = 1


class Passed(NamedTuple):
    """The state after an operation, the way back, and for a recurrent layer its passage through time."""

    state: State
    back: Backward
    passage: Passage | None = None


def is_modelled(op: Op) -> bool:
    """Whether `apply` has a rule; without one the signal is taken to pass unchanged."""
    if isinstance(op, Activation):
        return op.name in pointwise.GATED or op.name in pointwise.SOFTMAX or find(op.name, op.parameter) is not None
    return not isinstance(op, Opaque)


def apply(op: Op, state: State, setting: Setting, factor: float = 1.0) -> Passed:
    """One operation; `factor` multiplies the variance of its weights (or of a norm's gain).

    Raises:
        Mismatch: the shapes do not fit.
    """
    passed = _apply(op, state, setting)
    if factor == 1.0:
        return passed
    log_factor = log_of(factor)
    return Passed(passed.state.scaled(log_factor), scaled_by(log_factor, passed.back), passed.passage)


def _apply(op: Op, state: State, setting: Setting) -> Passed:
    # What keeps the shape comes first: asking for the next one would double its time.
    match op:
        case Activation():
            return Passed(*_activation(op, state))
        case Norm():
            return Passed(*norms.norm(op, state, setting.batch))
        case Dropout():
            return Passed(*pointwise.dropout(op, state))
        case Scale():
            log_square = 2 * log_of(abs(op.factor))
            scaled = state.scaled(log_square)
            return Passed(
                scaled if op.factor >= 0 else scaled._replace(mean=-state.mean, density=None), scaled_by(log_square)
            )
        case Opaque():
            # What leaves an unknown module may have any shape.
            unknown = Shape(None, None)
            return Passed(state._replace(shape=unknown, profile=None, density=None), spread_over(state))
        case _:
            return _reshaping(op, state, output_shape(op, state.shape), setting)


def _reshaping(op: Op, state: State, shape: Shape, setting: Setting) -> Passed:
    match op:
        case Linear():
            return Passed(*affine.linear(op, state, shape, setting.init))
        case Conv():
            return Passed(*affine.convolution(op, state, shape, setting.init))
        case Attention():
            return Passed(*attention.attention(op, state, shape, setting.init))
        case Recurrent():
            return Passed(*recurrent.recurrent(op, state, shape, setting.init, setting.recurrent))
        case Pool():
            return Passed(*pooling.pool(op, state, shape))
        case Embedding():
            return Passed(*affine.embedding(op, shape, setting.init))
        case Upsample():
            return Passed(*pooling.upsample(op, state, shape))
        case _:
            if shape == state.shape:
                return Passed(state, unchanged)
            return Passed(state._replace(shape=shape, profile=flat_profile(shape)), spread_over(state, 0.0))


def _activation(op: Activation, state: State) -> tuple[State, Backward]:
    if find(op.name, op.parameter) is not None:
        return pointwise.activation(op, state)
    if op.name in pointwise.GATED:
        return pointwise.gated(op, state, output_shape(op, state.shape))
    if op.name in pointwise.SOFTMAX:
        return pointwise.softmax(op, state)
    return state, unchanged
