"""The layer that is asked about, and the network of its copies that is traced for it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kaiming_mcp.architecture.ir import (
    Activation,
    Conv,
    Layer,
    Linear,
    Network,
    Norm,
    Repeat,
    Residual,
    Sequence,
    Shape,
)
from kaiming_mcp.architecture.shapes import fan_in
from kaiming_mcp.diagnosis.initialization.code import Framework
from kaiming_mcp.diagnosis.network.subject import Course, course_of
from kaiming_mcp.signal.initialization import Initialization


@dataclass(frozen=True, slots=True)
class Question:
    """One layer, what follows it, and how often it repeats."""

    op: Linear | Conv
    activation: Activation
    depth: int
    branches: int
    normalized: bool
    framework: Framework


def fan_out(op: Linear | Conv) -> float:
    """Weights that one input element feeds: k^2 c_out / (groups s^2)."""
    if isinstance(op, Linear):
        return op.out_features
    taps = math.prod(op.kernel) * op.out_channels / op.groups
    return taps if op.transposed else taps / math.prod(op.stride)


def exact(std: float, into: float) -> Initialization:
    """Independent weights of that std."""
    return Initialization("lecun", gain=std * math.sqrt(into))


def square(op: Linear | Conv) -> Linear:
    """A dense layer of the same fan_in that can be repeated."""
    width = max(1, round(fan_in(op)))
    return Linear(width, width, op.bias)


def courses(question: Question, kept: Initialization, default: Initialization) -> tuple[Course, Course]:
    """The summary of the traced network under both."""
    network = layers_of(question)
    found = [course_of(network, init, 256) for init in (kept, default)]
    first, second = found
    assert first is not None, "the network is made of modelled layers"
    assert second is not None, "the network is made of modelled layers"
    return first, second


def layers_of(question: Question) -> Network:
    """`depth` layers of one width: the rate is what counts, and it does not depend on the width."""
    op, act = Layer(square(question.op)), Layer(question.activation)
    width = op.op.in_features if isinstance(op.op, Linear) else 1
    norm = (Layer(Norm("layer", width)),) if question.normalized else ()
    if question.branches:
        block = Residual(Sequence((*norm, act, op, act, op)))
        body = Repeat(max(question.branches, 3), block)
    else:
        # The activation first: then the input is a pre-activation of E[x²] = 1, where the gain was taken.
        body = Repeat(max(question.depth, 2), Sequence((act, op, *norm)))
    return Network("layers", body, Shape(width))


def span_of(question: Question) -> str:
    """How far the network reaches, in words."""
    return f"{max(question.branches, 3)} two-layer branches" if question.branches else f"{question.depth} layers"
