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
    Scale,
    Sequence,
    Shape,
)
from kaiming_mcp.architecture.shapes import fan_in
from kaiming_mcp.diagnosis.initialization.code import Framework
from kaiming_mcp.diagnosis.network.subject import Course, course_of
from kaiming_mcp.signal.activations import find
from kaiming_mcp.signal.initialization import Initialization, variances


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


def as_drawn(default: Initialization, op: Linear | Conv) -> Initialization:
    """A default as it draws this very layer, for a stack of dense layers of the same fan_in.

    PyTorch's depends on fan_in alone, and has a bias; the others draw by this layer's own variance.
    """
    return (
        default if default.scheme == "pytorch" else Initialization("lecun", gain=math.sqrt(variances(default, op)[0]))
    )


def square(op: Linear | Conv) -> Linear:
    """A dense layer of the same fan_in that can be repeated."""
    width = max(1, round(fan_in(op)))
    return Linear(width, width, op.bias)


def has_first(question: Question) -> bool:
    """Whether the first layer of a stack needs a std of its own: no nonlinearity before it, and a scale that counts."""
    known = find(question.activation.name, question.activation.parameter)
    return not (question.normalized or question.branches or (known is not None and known.slopes is not None))


def course(question: Question, init: Initialization, scale: float = 1.0, first: float = 1.0) -> Course:
    """The summary of the traced network; `scale` multiplies each branch, `first` the std of the first layer."""
    found = course_of(layers_of(question, scale, first), init, 256)
    assert found is not None, "the network is made of modelled layers"
    return found


def layers_of(question: Question, scale: float = 1.0, first: float = 1.0) -> Network:
    """`depth` layers of one width: the rate is what counts, and it does not depend on the width."""
    op, act = Layer(square(question.op)), Layer(question.activation)
    width = op.op.in_features if isinstance(op.op, Linear) else 1
    norm = (Layer(Norm("layer", width)),) if question.normalized else ()
    if question.branches:
        block = Residual(Sequence((*norm, act, op, act, op)), None, scale)
        return Network("layers", Repeat(many(question), block), Shape(width))
    # The first layer reads the data; its std times `first` is its input times `first`.
    head = (Layer(Scale(first)), op, *norm)
    rest = Repeat(max(question.depth, 2) - 1, Sequence((act, op, *norm)))
    return Network("layers", Sequence((*head, rest)), Shape(width))


def many(question: Question) -> int:
    """Branches that are traced: three at least, so that the trunk is the main path."""
    return max(question.branches, 3)


def span_of(question: Question) -> str:
    """How far the network reaches, in words."""
    if not question.branches:
        return f"{question.depth} layers"
    return f"{many(question)} two-layer branches" + (" behind a layer norm each" if question.normalized else "")
