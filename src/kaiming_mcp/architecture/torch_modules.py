"""Printed leaves to operations: one entry for each class of torch.nn, and classes known by their name.

Defaults of arguments that old versions of PyTorch do not print are torch's own. An argument that is not
understood makes the layer Opaque: nothing is read by halves.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Literal

from kaiming_mcp.architecture.ir import (
    Activation,
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
    Pool,
    Recurrent,
    Reshape,
    Upsample,
)
from kaiming_mcp.architecture.torch_repr import CUT, Module

FLOAT32_EPS = 2.0**-23
"""What torch.nn.RMSNorm(eps=None) uses: torch.finfo(torch.float32).eps."""

_COMMA = re.compile(r"[(\[{]|[)\]}]|,")
_NAMED = re.compile(r"(\w+)\s*=\s*(.*)", re.DOTALL)
_WHOLE = re.compile(r"\d{1,9}")
_SIZES = re.compile(r"(?:torch\.Size\()?[(\[]?(\d{1,9}(?:, ?\d{1,9})*),?[)\]]{0,2}")


class Arguments:
    """The arguments of one printed module, bound to their names; every getter raises ValueError."""

    def __init__(self, text: str, order: str = "") -> None:
        if CUT in text or "..." in text:
            raise ValueError("arguments left out")
        names = iter(order.split())
        self.values: dict[str, str] = {}
        # PyTorch before 0.4 printed `Linear (784 -> 256)`.
        for piece in _split(text.replace(" -> ", ", ")):
            if named := _NAMED.fullmatch(piece):
                self.values[named[1]] = named[2].strip("'\"")
            elif piece != "inplace":
                name = next(names, None)
                if name is None:
                    raise ValueError(piece)
                self.values[name] = piece.strip("'\"")

    def whole(self, name: str, default: int = 0) -> int:
        """A whole number of at least one."""
        text = self.values.get(name, str(default))
        if not _WHOLE.fullmatch(text) or not int(text):
            raise ValueError(text)
        return int(text)

    def sizes(self, name: str, axes: int = 0, default: int = 0, least: int = 1) -> tuple[int, ...]:
        """`3` or `(3, 5)`: one number for each axis, or, without `axes`, as many as there are."""
        text = self.values.get(name, str(default))
        found = _SIZES.fullmatch(text)
        sizes = tuple(int(size) for size in found[1].split(",")) if found else ()
        if len(sizes) == 1 and axes:
            sizes *= axes
        if not sizes or min(sizes) < least or (axes and len(sizes) != axes):
            raise ValueError(text)
        return sizes

    def real(self, name: str, default: float) -> float:
        """A finite number."""
        value = float(self.values.get(name, default))
        if not math.isfinite(value):
            raise ValueError(name)
        return value

    def flag(self, name: str, default: bool) -> bool:
        """True or False."""
        text = self.values.get(name, str(default))
        if text not in {"True", "False"}:
            raise ValueError(text)
        return text == "True"


Make = Callable[[str], Op]


def to_layer(module: Module, path: str) -> Layer:
    """A printed leaf as a layer; Opaque when its class or its arguments are not understood."""
    cls, origin = module.cls, Origin(module.line, module.text)
    if cls in _EMPTY and not module.arguments:
        return Layer(Reshape("identity"), path, origin)
    if cls == "Parameter" and (size := _PARAMETER.search(module.arguments)):
        count = math.prod(int(n) for n in size[1].split("x"))
        return Layer(Opaque(cls, module.arguments, count), path, origin)
    make = _WEIGHTED.get(cls) or _WEIGHTLESS.get(cls)
    implied = None if make else _by_name(cls)
    op: Op = Opaque(cls, module.arguments, 0 if cls in _WEIGHTLESS or cls in _PARAMETER_FREE else None)
    if make := make or implied:
        try:
            op = make(module.arguments)
        except ValueError:
            implied = None
    return Layer(op, path, origin, "assumed" if implied else "read")


def is_known(cls: str) -> bool:
    """Whether the class is known here."""
    known = cls in _WEIGHTED or cls in _WEIGHTLESS or cls in _PARAMETER_FREE or cls in _EMPTY
    return known or _by_name(cls) is not None


def _split(text: str) -> list[str]:
    """Pieces between top-level commas: `3, 64, kernel_size=(3, 3)` has three."""
    pieces: list[str] = []
    depth = begun = 0
    for mark in _COMMA.finditer(text):
        depth += (mark[0] in "([{") - (mark[0] in ")]}")
        if mark[0] == "," and not depth:
            pieces.append(text[begun : mark.start()].strip())
            begun = mark.end()
    pieces.append(text[begun:].strip())
    return [piece for piece in pieces if piece]


def _linear(text: str) -> Op:
    a = Arguments(text, "in_features out_features bias")
    return Linear(a.whole("in_features"), a.whole("out_features"), a.flag("bias", True))


def _conv1d_of_gpt(text: str) -> Op:
    a = Arguments(text)
    return Linear(a.whole("nx"), a.whole("nf"))


def _bilinear(text: str) -> Op:
    a = Arguments(text, "in1_features in2_features out_features bias")
    pairs = a.whole("in1_features") * a.whole("in2_features")
    return Opaque("Bilinear", text, a.whole("out_features") * (pairs + a.flag("bias", True)))


def _conv(axes: int, transposed: bool = False) -> Make:
    tail = "output_padding groups bias dilation" if transposed else "dilation groups bias"

    def make(text: str) -> Op:
        a = Arguments(text, f"in_channels out_channels kernel_size stride padding {tail}")
        into, out, groups = a.whole("in_channels"), a.whole("out_channels"), a.whole("groups", 1)
        if into % groups or out % groups:
            raise ValueError("groups must divide both channel counts")
        kernel, dilation = a.sizes("kernel_size", axes), a.sizes("dilation", axes, 1)
        match a.values.get("padding"):
            case "same":
                # Even kernels get one zero more on the far side, which the IR cannot say.
                padding = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
            case "valid":
                padding = (0,) * axes
            case _:
                padding = a.sizes("padding", axes, 0, least=0)
        extra = a.sizes("output_padding", axes, 0, least=0)
        return Conv(
            into,
            out,
            kernel,
            a.sizes("stride", axes, 1),
            padding,
            dilation,
            groups,
            a.flag("bias", True),
            transposed,
            extra if any(extra) else (),
            a.values.get("padding_mode", "zeros"),
        )

    return make


def _norm(kind: NormKind, affine: bool = True) -> Make:
    def make(text: str) -> Op:
        a = Arguments(text, "num_groups num_channels" if kind == "group" else "num_features eps")
        features = a.whole("num_channels" if kind == "group" else "num_features")
        groups = a.whole("num_groups") if kind == "group" else 1
        scaled = a.flag("affine", affine)
        # Without a scale torch prints bias=False, older versions nothing: one spelling for both.
        return Norm(kind, features, a.real("eps", 1e-5), scaled, a.flag("bias", True) or not scaled, groups)

    return make


def _norm_over(kind: NormKind) -> Make:
    """Layer and RMS norm, whose first argument is the shape that they normalise over."""

    def make(text: str) -> Op:
        a = Arguments(text, "normalized_shape eps")
        if a.values.get("eps") == "None":
            a.values["eps"] = str(FLOAT32_EPS)
        scaled, eps = a.flag("elementwise_affine", True), a.real("eps", 1e-5)
        bias = kind == "layer" and (a.flag("bias", True) or not scaled)
        return Norm(kind, math.prod(a.sizes("normalized_shape")), eps, scaled, bias)

    return make


def _embedding(text: str) -> Op:
    a = Arguments(text, "num_embeddings embedding_dim")
    return Embedding(a.whole("num_embeddings"), a.whole("embedding_dim"))


def _embedding_bag(text: str) -> Op:
    table = _embedding(text)
    assert isinstance(table, Embedding)
    return Opaque("EmbeddingBag", text, table.count * table.features)


def _recurrent(kind: Literal["rnn", "lstm", "gru"]) -> Make:
    def make(text: str) -> Op:
        a = Arguments(text, "input_size hidden_size num_layers")
        into, hidden, depth = a.whole("input_size"), a.whole("hidden_size"), a.whole("num_layers", 1)
        both, bias = a.flag("bidirectional", False), a.flag("bias", True)
        if "proj_size" not in a.values:
            return Recurrent(kind, into, hidden, depth, both, bias)
        out, ways, total = a.whole("proj_size"), 1 + both, 0
        for layer in range(min(depth, 10_000)):
            width = into if layer == 0 else out * ways
            total += ways * (4 * hidden * (width + out + 2 * bias) + out * hidden)
        return Opaque("LSTM", text, total)

    return make


def _pool(kind: Literal["max", "avg"], axes: int) -> Make:
    def make(text: str) -> Op:
        a = Arguments(text, "kernel_size stride padding")
        if "size" in a.values:  # MaxPool2d (size=(2, 2), ...) before PyTorch 0.4
            a.values["kernel_size"] = a.values["size"]
        kernel = a.sizes("kernel_size", axes)
        stride = kernel if a.values.get("stride", "None") == "None" else a.sizes("stride", axes)
        if set(a.sizes("dilation", axes, 1)) != {1}:
            raise ValueError("dilated pooling")
        return Pool(kind, kernel, stride, a.sizes("padding", axes, 0, least=0))

    return make


def _adaptive(kind: Literal["max", "avg"], axes: int) -> Make:
    return lambda text: Pool(kind, output=Arguments(text, "output_size").sizes("output_size", axes))


def _flatten(text: str) -> Op:
    a = Arguments(text, "start_dim end_dim")
    if (a.values.get("start_dim", "1"), a.values.get("end_dim", "-1")) != ("1", "-1"):
        raise ValueError("keeps some axes apart")
    return Reshape("flatten")


def _identity(_: str) -> Op:
    return Reshape("identity")


def _upsample(text: str) -> Op:
    values = Arguments(text).values
    factor = {float(f) for f in values.get("scale_factor", "").strip("()").split(",")}
    if len(factor) > 1 or not all(0 < f < math.inf for f in factor):
        raise ValueError("one factor for each axis")
    return Upsample(factor.pop(), "linear" in values.get("mode", ""))


def _dropout(text: str) -> Op:
    a = Arguments(text, "p")
    p = a.real("p", a.real("drop_prob", 0.5))
    if not 0 <= p <= 1:
        raise ValueError(text)
    return Dropout(p)


def _plain(name: str) -> Make:
    return lambda _: Activation(name)


def _shaped(name: str, argument: str, default: float) -> Make:
    return lambda text: Activation(name, Arguments(text, argument).real(argument, default))


def _prelu(text: str) -> Op:
    return Activation("prelu", 0.25, Arguments(text, "num_parameters").whole("num_parameters", 1))


def _rrelu(text: str) -> Op:
    a = Arguments(text, "lower upper")
    bounds = a.real("lower", 1 / 8), a.real("upper", 1 / 3)
    return Activation("rrelu", None if bounds == (1 / 8, 1 / 3) else sum(bounds) / 2)


def _gelu(text: str) -> Op:
    tanh = Arguments(text, "approximate").values.get("approximate") == "tanh"
    return Activation("gelu_tanh" if tanh else "gelu")


def _hardtanh(text: str) -> Op:
    a = Arguments(text, "min_val max_val")
    names = {(-1.0, 1.0): "hardtanh", (0.0, 6.0): "relu6"}
    name = names.get((a.real("min_val", -1), a.real("max_val", 1)))
    if name is None:
        raise ValueError("a clip at other bounds")
    return Activation(name)


def _threshold(text: str) -> Op:
    a = Arguments(text, "threshold value")
    at, value = a.real("threshold", 0), a.real("value", 0)
    return Activation("relu") if at == value == 0 else Activation("threshold", at)


def _softplus(text: str) -> Op:
    if Arguments(text, "beta threshold").real("beta", 1) != 1:
        raise ValueError("a softplus of another sharpness")
    return Activation("softplus")


_WEIGHTED: dict[str, Make] = {
    "Linear": _linear,
    "NonDynamicallyQuantizableLinear": _linear,  # the out_proj of nn.MultiheadAttention
    "Conv1D": _conv1d_of_gpt,
    "Bilinear": _bilinear,
    **{f"Conv{n}d": _conv(n) for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": _conv(n, transposed=True) for n in (1, 2, 3)},
    **{f"BatchNorm{n}d": _norm("batch") for n in (1, 2, 3)},
    "SyncBatchNorm": _norm("batch"),
    **{f"InstanceNorm{n}d": _norm("instance", affine=False) for n in (1, 2, 3)},
    "GroupNorm": _norm("group"),
    "LayerNorm": _norm_over("layer"),
    "RMSNorm": _norm_over("rms"),
    "Embedding": _embedding,
    "EmbeddingBag": _embedding_bag,
    "PReLU": _prelu,
    **{cls: _recurrent("lstm") for cls in ("LSTM", "LSTMCell")},
    **{cls: _recurrent("gru") for cls in ("GRU", "GRUCell")},
    **{cls: _recurrent("rnn") for cls in ("RNN", "RNNCell")},
}

_WEIGHTLESS: dict[str, Make] = {
    **{cls: _plain(cls.lower()) for cls in ("ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Tanh", "Sigmoid", "GLU")},
    **{cls: _plain(cls.lower()) for cls in ("Hardswish", "Hardsigmoid", "Softsign", "LogSigmoid", "Softmax")},
    **{cls: _plain(cls.lower()) for cls in ("Tanhshrink", "Softmin")},
    "Softmax2d": _plain("softmax"),
    "LogSoftmax": _plain("log_softmax"),
    "LeakyReLU": _shaped("leaky_relu", "negative_slope", 0.01),
    "ELU": _shaped("elu", "alpha", 1.0),
    "CELU": _shaped("celu", "alpha", 1.0),
    "Softshrink": _shaped("softshrink", "lambd", 0.5),
    "Hardshrink": _shaped("hardshrink", "lambd", 0.5),
    "RReLU": _rrelu,
    "GELU": _gelu,
    "Hardtanh": _hardtanh,
    "Threshold": _threshold,
    "Softplus": _softplus,
    "Identity": _identity,
    "None": _identity,  # a child set to None
    "Flatten": _flatten,
    **dict.fromkeys(("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d"), _upsample),
    **{f"Dropout{n}": _dropout for n in ("", "1d", "2d", "3d")},
    **{f"MaxPool{n}d": _pool("max", n) for n in (1, 2, 3)},
    **{f"AvgPool{n}d": _pool("avg", n) for n in (1, 2, 3)},
    **{f"AdaptiveMaxPool{n}d": _adaptive("max", n) for n in (1, 2, 3)},
    **{f"AdaptiveAvgPool{n}d": _adaptive("avg", n) for n in (1, 2, 3)},
}

_EMPTY = frozenset({"Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"})
_PARAMETER = re.compile(r"of size (\d{1,9}(?:x\d{1,9}){0,9})\b")

_OTHERS_OF_TORCH = """
    PixelShuffle PixelUnshuffle ChannelShuffle Unflatten Fold Unfold LocalResponseNorm CrossMapLRN2d
    AlphaDropout FeatureAlphaDropout LPPool1d LPPool2d LPPool3d FractionalMaxPool2d FractionalMaxPool3d
    MaxUnpool1d MaxUnpool2d MaxUnpool3d CosineSimilarity PairwiseDistance L1Loss NLLLoss PoissonNLLLoss
    GaussianNLLLoss KLDivLoss MSELoss BCELoss BCEWithLogitsLoss HingeEmbeddingLoss MultiLabelMarginLoss
    SmoothL1Loss HuberLoss SoftMarginLoss CrossEntropyLoss MultiLabelSoftMarginLoss CosineEmbeddingLoss
    MarginRankingLoss MultiMarginLoss TripletMarginLoss TripletMarginWithDistanceLoss CTCLoss
    _SpectralNorm _Orthogonal
"""
_PADS = (f"{kind}Pad{n}d" for kind in ("Zero", "Constant", "Reflection", "Replication", "Circular") for n in (1, 2, 3))
_PARAMETER_FREE = frozenset([*_OTHERS_OF_TORCH.split(), *_PADS])

NO_PARAMETERS = re.compile(r"(Rotary\w*Embedding|Permute|Rearrange)$")
"""Custom leaves that are known to hold nothing trainable, by the end of their class name."""

_BY_NAME: tuple[tuple[re.Pattern[str], Make], ...] = tuple(
    (re.compile(pattern), make)
    for pattern, make in (
        (r"NewGELU\w*|FastGELU\w*|\w*GELUTanh", _plain("gelu_tanh")),
        (r"QuickGELU\w*", _plain("quick_gelu")),
        (r"GELUActivation", _plain("gelu")),
        (r"SiLUActivation|\w*Swish\w*", _plain("silu")),
        (r"MishActivation", _plain("mish")),
        (r"ReLUSquaredActivation", _plain("relu2")),
        (r"LinearActivation", _identity),
        (r"Sine?", _plain("sin")),
        # A block's branch dropped for a whole sample: the same two moments as dropout.
        (r"DropPath|StochasticDepth", _dropout),
        (r"FrozenBatchNorm2d", _norm("batch", affine=False)),
        (r"\w*RMSNorm|T5LayerNorm", _norm_over("rms")),
        (r"\w*LayerNorm(?:2d)?", _norm_over("layer")),
        (r"\w*Embedding", _embedding),
        (r"Linear4bit|Linear8bitLt", _linear),
    )
)


def _by_name(cls: str) -> Make | None:
    """Classes of transformers, torchvision, timm and others whose name says what they are."""
    return next((make for pattern, make in _BY_NAME if pattern.fullmatch(cls)), None)
