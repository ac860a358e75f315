"""Layers of Keras as its source writes them: sizes follow from the shape that arrives, channels last.

Orders of arguments and defaults: keras.layers of Keras 3 (core/dense.py, convolutional/base_conv.py, ...).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Dropout,
    Embedding,
    Linear,
    Norm,
    Op,
    Opaque,
    Pool,
    Recurrent,
    Reshape,
    Scale,
    Upsample,
)
from kaiming_mcp.architecture.parameters import parameter_count
from kaiming_mcp.architecture.source.keras_kernels import Arguments, Dims, Step, conv, pool, shown, width
from kaiming_mcp.architecture.source.values import (
    Function,
    Items,
    Known,
    Object,
    Unknown,
    Value,
    whole,
    written,
)

_CONV = "filters kernel_size strides padding data_format dilation_rate groups activation use_bias kernel_initializer"
_ORDERS = {
    "Dense": "units activation use_bias kernel_initializer",
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), _CONV),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose"), "filters kernel_size strides padding"),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), "filters kernel_size strides padding"),
    "DepthwiseConv2D": "kernel_size strides padding depth_multiplier",
    **{f"{kind}Pooling{n}D": "pool_size strides padding" for kind in ("Max", "Average") for n in (1, 2, 3)},
    **{f"{kind}Pool{n}D": "pool_size strides padding" for kind in ("Max", "Avg") for n in (1, 2, 3)},
    "Dropout": "rate",
    "Embedding": "input_dim output_dim",
    "Activation": "activation",
    "LSTM": "units activation",
    "GRU": "units activation",
    "SimpleRNN": "units activation",
    "Bidirectional": "layer",
    "TimeDistributed": "layer",
    "LeakyReLU": "alpha",
    "ELU": "alpha",
    "UpSampling2D": "size",
    "UpSampling1D": "size",
    "Reshape": "target_shape",
    "BatchNormalization": "axis momentum epsilon center scale",
    "LayerNormalization": "axis epsilon center scale",
    "GroupNormalization": "groups axis epsilon center scale",
    "MultiHeadAttention": "num_heads key_dim",
    "Rescaling": "scale offset",
    "Input": "shape",
    "InputLayer": "shape",
    "Concatenate": "axis",
    "SpatialDropout1D": "rate",
    "SpatialDropout2D": "rate",
}


def names_of(cls: str) -> list[str]:
    """Names of the arguments of a layer by position."""
    return _ORDERS.get(cls, "").split()


def step(cls: str, arguments: dict[str, Value], dims: Dims) -> Step:
    """The operations of one layer; Opaque where a size that it needs is not known."""
    make = _MAKE.get(cls)
    activation = arguments.get("activation") if cls not in _OWN_ACTIVATION else None
    try:
        made = make(Arguments(cls, arguments), dims) if make else Step([_other(cls, arguments)], None)
        return Step([*made.ops, *_activated(activation)], made.dims)
    except ValueError:
        return Step([Opaque(cls, shown(arguments)), *_activated(activation)], None)


def _other(cls: str, arguments: dict[str, Value]) -> Op:
    free = cls in _PARAMETER_FREE or cls.startswith(("Random", "ZeroPadding", "Cropping", "Gaussian"))
    return Opaque(cls, shown(arguments), 0 if free else None)


def activation_of(value: Value) -> Op | None:
    """activation="relu", a function, or a layer; None where it is the identity."""
    if isinstance(value, Object):
        return step(value.title, value.arguments, None).ops[0]
    if value is None:
        return None
    if isinstance(value, Function | Unknown):
        return Opaque("activation", written(value), 0)
    name = value.name.rpartition(".")[2] if isinstance(value, Known) else str(value)
    name = {"swish": "silu", "hard_sigmoid": "hardsigmoid", "hard_swish": "hardswish"}.get(name, name)
    if name in {"linear", "None"}:
        return None
    if name == "leaky_relu":
        return Activation(name, 0.2)
    return Activation(name, 1.0) if name in {"elu", "celu"} else Activation(name)


def _activated(value: Value) -> list[Op]:
    op = activation_of(value)
    return [] if op is None else [op]


def _dense(a: Arguments, dims: Dims) -> Step:
    units = a.whole("units")
    return Step([Linear(width(dims), units, a.flag("use_bias"))], (*(dims or ())[:-1], units))


def _global(kind: Literal["max", "avg"]) -> Callable[[Arguments, Dims], Step]:
    return lambda _, dims: Step([Pool(kind)], None if not dims else (dims[-1],))


def _norm(kind: Literal["batch", "layer", "rms", "group"]) -> Callable[[Arguments, Dims], Step]:
    def make(a: Arguments, dims: Dims) -> Step:
        scale, center = a.flag("scale"), a.flag("center") and kind != "rms"
        eps = a.real(1e-6 if kind == "rms" else 1e-3, "epsilon")
        groups = a.whole("groups", 32) if kind == "group" else 1
        # A norm that only shifts holds as many numbers as one that only scales.
        return Step([Norm(kind, width(dims), eps, scale or center, scale and center, groups)], dims)

    return make


def _recurrent(kind: Literal["rnn", "lstm", "gru"], both: bool = False) -> Callable[[Arguments, Dims], Step]:
    def make(a: Arguments, dims: Dims) -> Step:
        units = a.whole("units")
        out = units * (2 if both else 1)
        kept = a.flag("return_sequences", False)
        op = Recurrent(kind, width(dims), units, 1, both, a.flag("use_bias"))
        return Step([op], (*(dims or ())[:-1], out) if kept else (out,))

    return make


_CELLS: dict[str, Literal["rnn", "lstm", "gru"]] = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": "rnn"}
_MAX: tuple[tuple[str, Literal["max", "avg"]], ...] = (("Max", "max"), ("Average", "avg"), ("Avg", "avg"))


def _bidirectional(a: Arguments, dims: Dims) -> Step:
    inner = a.values.get("layer")
    kind = _CELLS.get(inner.title) if isinstance(inner, Object) else None
    if kind is None or not isinstance(inner, Object):
        raise ValueError("layer")
    return _recurrent(kind, True)(Arguments(inner.title, inner.arguments), dims)


def _distributed(a: Arguments, dims: Dims) -> Step:
    inner = a.values.get("layer")
    if not isinstance(inner, Object) or inner.title != "Dense":
        raise ValueError("layer")
    return step("Dense", inner.arguments, dims)


def _embedding(a: Arguments, dims: Dims) -> Step:
    width = a.whole("output_dim")
    return Step([Embedding(a.whole("input_dim"), width)], (*(dims or (None,)), width))


def _attention(a: Arguments, dims: Dims) -> Step:
    features, heads, head = width(dims), a.whole("num_heads"), a.whole("key_dim")
    bias, inner = a.flag("use_bias"), heads * head
    plain = Attention(features, heads, 0, bias)
    held = 4 * features * inner + (3 * inner + features) * bias
    return Step([Attention(features, heads, 0, bias, held - (parameter_count(plain) or 0), scale=head**-0.5)], dims)


def _reshape(a: Arguments, dims: Dims) -> Step:
    target = a.values.get("target_shape")
    sizes = [whole(v) for v in target.values] if isinstance(target, Items) else [None]
    if -1 in sizes and dims and None not in dims:
        rest = math.prod(s for s in sizes if s and s > 0)
        sizes = [math.prod(d or 1 for d in dims) // max(1, rest) if s == -1 else s for s in sizes]
    known = tuple(None if s == -1 else s for s in sizes)
    return Step([Opaque("Reshape", written(target), 0)], known)


def _flatten(_: Arguments, dims: Dims) -> Step:
    known = dims is not None and None not in dims
    return Step([Reshape("flatten")], (math.prod(d or 1 for d in dims),) if known and dims is not None else None)


def _upsample(axes: int) -> Callable[[Arguments, Dims], Step]:
    def make(a: Arguments, dims: Dims) -> Step:
        factors = set(a.sizes("size", axes, 2))
        if len(factors) > 1:
            raise ValueError("one factor for each axis")
        factor = factors.pop()
        grown = tuple(None if n is None else n * factor for n in (dims or ())[:-1])
        linear = "linear" in written(a.values.get("interpolation", "nearest"))
        return Step([Upsample(float(factor), linear)], None if not dims else (*grown, dims[-1]))

    return make


def _padded(a: Arguments, dims: Dims) -> Step:
    value = a.values.get("padding", a.values.get("#0", 1))
    amount = whole(value)
    grown = None if not dims or amount is None else (*(n and n + 2 * amount for n in dims[:-1]), dims[-1])
    return Step([Opaque(a.cls, shown(a.values), 0)], grown or (dims and (*(None,) * (len(dims) - 1), dims[-1])))


def _same_size(op: Callable[[Arguments], Op]) -> Callable[[Arguments, Dims], Step]:
    return lambda a, dims: Step([op(a)], dims)


def _named(a: Arguments) -> Op:
    return activation_of(a.values.get("activation")) or Reshape("identity")


_OWN_ACTIVATION = frozenset({"Activation", "LSTM", "GRU", "SimpleRNN"})
_PARAMETER_FREE = frozenset(
    "Lambda Permute RepeatVector Masking Normalization Resizing CenterCrop Dot Maximum Minimum ActivityRegularization "
    "Cropping1D Cropping2D Discretization StringLookup".split()
)
_MAKE: dict[str, Callable[[Arguments, Dims], Step]] = {
    "Dense": _dense,
    **{f"{name}{n}D": conv(n) for name in ("Conv", "Convolution") for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": conv(n, "transposed") for n in (1, 2, 3)},
    **{f"SeparableConv{n}D": conv(n, "separable") for n in (1, 2)},
    **{f"DepthwiseConv{n}D": conv(n, "depthwise") for n in (1, 2)},
    **{f"{name}Pooling{n}D": pool(kind, n) for name, kind in _MAX for n in (1, 2, 3)},
    **{f"{name}Pool{n}D": pool(kind, n) for name, kind in _MAX for n in (1, 2, 3)},
    **{
        f"Global{name}{word}{n}D": _global(kind)
        for name, kind in _MAX
        for word in ("Pooling", "Pool")
        for n in (1, 2, 3)
    },
    "BatchNormalization": _norm("batch"),
    "LayerNormalization": _norm("layer"),
    "RMSNormalization": _norm("rms"),
    "GroupNormalization": _norm("group"),
    "LSTM": _recurrent("lstm"),
    "GRU": _recurrent("gru"),
    "SimpleRNN": _recurrent("rnn"),
    "Bidirectional": _bidirectional,
    "TimeDistributed": _distributed,
    "Embedding": _embedding,
    "MultiHeadAttention": _attention,
    "Flatten": _flatten,
    "Reshape": _reshape,
    **{f"UpSampling{n}D": _upsample(n) for n in (1, 2, 3)},
    **{f"ZeroPadding{n}D": _padded for n in (1, 2, 3)},
    **dict.fromkeys(
        ("Dropout", "SpatialDropout1D", "SpatialDropout2D"), _same_size(lambda a: Dropout(a.real(0.5, "rate")))
    ),
    "Activation": _same_size(_named),
    "ReLU": _same_size(lambda a: Activation("relu6" if a.values.get("max_value") == 6 else "relu")),
    "LeakyReLU": _same_size(lambda a: Activation("leaky_relu", a.real(0.3, "negative_slope", "alpha"))),
    "ELU": _same_size(lambda a: Activation("elu", a.real(1.0, "alpha"))),
    "Softmax": _same_size(lambda _: Activation("softmax")),
    "Rescaling": _same_size(lambda a: Scale(a.real(1.0, "scale"))),
}
