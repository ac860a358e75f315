"""Classes of torch.nn without parameters."""

from __future__ import annotations

import math
from typing import Literal

from kaiming_mcp.architecture.ir import Activation, Dropout, Op, Pool, Reshape, Upsample
from kaiming_mcp.architecture.torch_modules.arguments import Arguments, Make


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


def plain(name: str) -> Make:
    """An activation without parameters."""
    return lambda _: Activation(name)


def _shaped(name: str, argument: str, default: float) -> Make:
    return lambda text: Activation(name, Arguments(text, argument).real(argument, default))


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


WEIGHTLESS: dict[str, Make] = {
    **{cls: plain(cls.lower()) for cls in ("ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Tanh", "Sigmoid", "GLU")},
    **{cls: plain(cls.lower()) for cls in ("Hardswish", "Hardsigmoid", "Softsign", "LogSigmoid", "Softmax")},
    **{cls: plain(cls.lower()) for cls in ("Tanhshrink", "Softmin")},
    "Softmax2d": plain("softmax"),
    "LogSoftmax": plain("log_softmax"),
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
PARAMETER_FREE = frozenset([*_OTHERS_OF_TORCH.split(), *_PADS])
