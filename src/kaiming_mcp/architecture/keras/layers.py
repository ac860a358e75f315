"""One row of a Keras table to operations: what the row hides, from its shapes and its parameter count.

keras.layers: a Dense holds in*out + out numbers, a convolution k^2*in/groups*out + out, a batch norm four for each
channel, an LSTM four gates with one bias, a GRU three with two (reset_after). Where several settings give the same
row, the usual one is taken and the layer is "assumed"; what fits none stays Opaque with its parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Basis,
    Conv,
    Dropout,
    Embedding,
    Layer,
    Linear,
    Norm,
    NormKind,
    Op,
    Opaque,
    Origin,
    Recurrent,
    Reshape,
    Scale,
    Upsample,
)
from kaiming_mcp.architecture.keras.kernels import Step, conv, depthwise, last, pool, separable, transposed
from kaiming_mcp.architecture.keras.table import CUT
from kaiming_mcp.architecture.keras.words import FUNCTIONS, named_function, operation
from kaiming_mcp.architecture.parameters import parameter_count

LEAKY_SLOPE, NORM_EPS, GROUPS = 0.3, 1e-3, 32
"""Defaults of keras.layers: LeakyReLU, the normalizations, GroupNormalization."""


Found = Op | tuple[Op, Basis] | list[Conv]
Make = Callable[[Step], Found]


def to_node(step: Step, line: int = 0) -> list[Layer]:
    """The operations of a row; one Opaque where it is not understood.

    A name or a class that the column cut off gives an Opaque as well: `resolve` first.
    """
    origin = Origin(line, f"{step.name} ({step.cls})")
    make = MAKE.get(step.cls)
    if make is None:
        return [Layer(_other(step), step.name, origin)]
    try:
        found = make(step)
    except (ValueError, ZeroDivisionError):
        return [Layer(Opaque(step.cls, "", step.parameters), step.name, origin)]
    if isinstance(found, tuple):
        return [Layer(found[0], step.name, origin, found[1])]
    many = found if isinstance(found, list) else [found]
    return [Layer(op, step.name, origin, "assumed" if len(many) > 1 else "read") for op in many]


def _dense(step: Step) -> Found:
    into, out, count = last(step.into), last(step.out), step.parameters
    if out is None:
        if into is None:
            raise ValueError
        out = count // (into + 1) if count % (into + 1) == 0 else count // into
        bias = count % (into + 1) == 0
    else:
        bias = count != into * out if into else not _is_round(count / out)
        into = into if into and into * out + out * bias == count else count // out - bias
    if into < 1 or into * out + out * bias != count:
        raise ValueError
    return Linear(into, out, bias), "read" if into == last(step.into) and step.out else "assumed"


def _is_round(width: float) -> bool:
    """Whether a width is likelier an input without a bias (noise of 100 or 128) than one more than an input."""
    return width >= 64 and (width % 100 == 0 or math.frexp(width)[0] == 0.5)


def _norm(kind: NormKind, numbers: int = 2) -> Make:
    """A normalization with `numbers` for each channel, of which the scale and the shift may be left out."""

    def make(step: Step) -> Found:
        features = last(step.into) or last(step.out) or step.parameters // numbers
        fixed = (numbers - 2) * features if kind == "batch" else 0
        trained = (step.parameters - fixed) / features
        if trained not in (0, 1, 2):
            raise ValueError
        groups = GROUPS if kind == "group" and features % GROUPS == 0 else 1
        # One of scale and shift: which one is not printed.
        basis: Basis = "assumed" if trained == 1 or kind == "group" else "read"
        return Norm(kind, features, NORM_EPS, trained > 0, trained != 1, groups), basis

    return make


def _rms(step: Step) -> Found:
    return Norm("rms", _same(step.parameters, last(step.out)), 1e-6, True, False)


def _same(count: int, features: int | None) -> int:
    if features is not None and count != features:
        raise ValueError
    return count


def _embedding(step: Step) -> Found:
    features = last(step.out)
    if not features or step.parameters % features or not step.parameters:
        raise ValueError
    return Embedding(step.parameters // features, features)


Kind = Literal["rnn", "lstm", "gru"]
_GATES: dict[Kind, tuple[int, tuple[int, ...]]] = {"lstm": (4, (1, 0, 2)), "gru": (3, (2, 1, 0)), "rnn": (1, (1, 0))}
"""Gate blocks, and how many bias vectors each may have, the default first."""


def _recurrent(kind: Kind) -> Make:
    def make(step: Step) -> Found:
        hidden = last(step.out)
        if not hidden:
            raise ValueError
        found = _fit(kind, step.parameters, last(step.into), hidden)
        if found is None:
            raise ValueError
        return Recurrent(kind, found[0], hidden, bias=found[1] > 0), "read" if step.into else "assumed"

    return make


def _fit(kind: Kind, count: int, into: int | None, hidden: int) -> tuple[int, int] | None:
    gates, biases = _GATES[kind]
    for bias in biases:
        width, rest = divmod(count, gates * hidden)
        width -= hidden + bias
        if not rest and width > 0 and into in (None, width):
            return width, bias
    return None


def _bidirectional(step: Step) -> Found:
    """Two directions side by side; the count tells which layer it wraps."""
    width, into = last(step.out), last(step.into)
    if not width or width % 2 or into is None:
        raise ValueError
    for kind in _GATES:
        if step.parameters % 2 == 0 and (found := _fit(kind, step.parameters // 2, into, width // 2)):
            return Recurrent(kind, into, width // 2, bidirectional=True, bias=found[1] > 0), "assumed"
    raise ValueError


def _time_distributed(step: Step) -> Found:
    into, out = last(step.into), last(step.out)
    if step.parameters and into and out and step.parameters in (into * out, into * out + out):
        return Linear(into, out, step.parameters != into * out), "assumed"
    raise ValueError


def projected_width(step: Step) -> tuple[int, bool] | None:
    """heads * key_dim and the bias of MultiHeadAttention: hd (q + k + v + out) numbers, and hd for each bias."""
    into, out = last(step.into), last(step.out)
    sources = [last(dims) for dims in step.others] or [into]
    value, key = sources[0], sources[-1]
    if not into or not out or not value or not key:
        return None
    for bias in (True, False):
        width, rest = divmod(step.parameters - bias * out, into + value + key + out + 3 * bias)
        if not rest and width > 0:
            return width, bias
    return None


def _attention(step: Step) -> Found:
    found, into = projected_width(step), last(step.into)
    if found is None or not into:
        raise ValueError
    width, bias = found
    extra = step.parameters - (parameter_count(Attention(into, bias=bias)) or 0)
    return Attention(into, bias=bias, extra=extra), "read" if width == into else "assumed"


def _named(name: str, parameter: float | None = None) -> Make:
    return lambda _: (Activation(name, parameter), "read" if parameter is None else "assumed")


def _prelu(step: Step) -> Found:
    # The slope starts at zero in Keras.
    return Activation("prelu", 0.0, step.parameters), "assumed"


def _by_name(step: Step) -> Found:
    """keras.layers.Activation hides its function."""
    function = named_function(step.name)
    if not function:
        raise ValueError
    return Activation(function), "assumed"


def _layer_scale(step: Step) -> Found:
    # keras.applications.convnext starts at 1e-6.
    return Scale(1e-6, step.parameters), "assumed"


def _dropout(_: Step) -> Found:
    return Dropout(0.5), "assumed"


def _identity(_: Step) -> Found:
    return Reshape("identity")


def _shape(step: Step) -> Found:
    """Reshape, Flatten, Permute: by what they do to the shape."""
    if step.out is not None and len(step.out) == 1:
        return Reshape("flatten")
    if last(step.into) == last(step.out) or (step.into and len(step.into) == 1 and step.out and step.out[:-1] == ()):
        return Reshape("identity")
    return Opaque(step.cls, f"to {step.out}", 0)


def _upsample(step: Step) -> Found:
    if not step.into or not step.out:
        return Upsample(2.0), "assumed"
    factors = {b / a for a, b in zip(step.into[:-1], step.out[:-1], strict=True) if a and b}
    if len(factors) > 1:
        raise ValueError
    return Upsample(factors.pop() if factors else 2.0), "assumed"


def _other(step: Step) -> Op:
    """A class without an entry: an operation on tensors by its word, else Opaque."""
    word = operation(step.cls, step.name)
    if step.parameters == 0:
        if word in FUNCTIONS:
            return Activation(FUNCTIONS[word])
        if word in _MOVES:
            found = _shape(step)
            assert isinstance(found, Reshape | Opaque)
            return found
    return Opaque(step.cls.removesuffix(CUT) or step.name, "", step.parameters)


_MOVES = frozenset("reshape transpose permute cast identity squeeze expand_dims expanddims stop_gradient copy".split())

_NEUTRAL = """
    InputLayer Identity Masking ActivityRegularization RandomFlip RandomRotation RandomZoom RandomTranslation
    RandomCrop CenterCrop RandomHeight RandomWidth Resizing RepeatVector
"""
"""Layers that hold nothing and leave the size of the signal alone."""

_DROPOUTS = "Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D FixedDropout StochasticDepth DropPath"

MAKE: dict[str, Make] = {
    "Dense": _dense,
    **{f"Conv{n}D": conv for n in (1, 2, 3)},
    **{f"Convolution{n}D": conv for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": transposed for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": depthwise for n in (1, 2)},
    **{f"SeparableConv{n}D": separable for n in (1, 2)},
    **{f"{kind}Pooling{n}D": pool for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{f"Global{kind}Pooling{n}D": pool for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{cls: _norm("batch", 4) for cls in ("BatchNormalization", "BatchNormalizationV1", "SyncBatchNormalization")},
    "LayerNormalization": _norm("layer"),
    "GroupNormalization": _norm("group"),
    "InstanceNormalization": _norm("instance"),
    "RMSNormalization": _rms,
    "Embedding": _embedding,
    **dict.fromkeys(("LSTM", "CuDNNLSTM"), _recurrent("lstm")),
    **dict.fromkeys(("GRU", "CuDNNGRU"), _recurrent("gru")),
    "SimpleRNN": _recurrent("rnn"),
    "Bidirectional": _bidirectional,
    "TimeDistributed": _time_distributed,
    "MultiHeadAttention": _attention,
    "Activation": _by_name,
    "ReLU": _named("relu"),
    "LeakyReLU": _named("leaky_relu", LEAKY_SLOPE),
    "ELU": _named("elu", 1.0),
    "ThresholdedReLU": _named("threshold", 1.0),
    "PReLU": _prelu,
    "LayerScale": _layer_scale,
    "Softmax": _named("softmax"),
    **dict.fromkeys(_DROPOUTS.split(), _dropout),
    **dict.fromkeys(("Reshape", "Flatten", "Permute"), _shape),
    **{f"UpSampling{n}D": _upsample for n in (1, 2, 3)},
    **{f"ZeroPadding{n}D": _identity for n in (1, 2, 3)},
    **dict.fromkeys(_NEUTRAL.split(), _identity),
}
