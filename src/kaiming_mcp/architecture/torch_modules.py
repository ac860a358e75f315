"""Printed modules to operations: one entry per torch class, containers in registration order.

Defaults of arguments that old versions of PyTorch do not print are torch's own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from kaiming_mcp.architecture.ir import (
    Activation,
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
    Pool,
    Recurrent,
    Reshape,
    Upsample,
)
from kaiming_mcp.architecture.torch_repr import Module

LARGEST = 10**9


@dataclass(frozen=True, slots=True)
class Arguments:
    """Positional and named arguments of one printed module, as text."""

    positional: tuple[str, ...]
    named: dict[str, str]

    def text(self, index: int, name: str, default: str = "") -> str:
        """An argument by place or name."""
        if name in self.named:
            return self.named[name]
        return self.positional[index] if 0 <= index < len(self.positional) else default

    def whole(self, index: int, name: str, default: int = 0) -> int:
        """A whole number between 0 and 1e9; raises ValueError for anything else."""
        text = self.text(index, name)
        if not text:
            return default
        value = int(text)
        if not 0 <= value <= LARGEST:
            raise ValueError(text)
        return value

    def real(self, index: int, name: str, default: float) -> float:
        """A finite number."""
        text = self.text(index, name)
        value = float(text) if text else default
        if not math.isfinite(value):
            raise ValueError(text)
        return value

    def flag(self, name: str, default: bool) -> bool:
        """True or False."""
        return self.named.get(name, str(default)) == "True"

    def sizes(self, index: int, name: str, axes: int, default: int) -> tuple[int, ...]:
        """One number per axis from `3` or `(3, 3)`; None inside a tuple counts as the default."""
        text = self.text(index, name)
        found = tuple(int(n) for n in re.findall(r"-?\d{1,9}", text)) or (default,)
        return found * axes if len(found) == 1 else found[:axes]


def parse_arguments(text: str) -> Arguments:
    """Split at top-level commas: `3, 64, kernel_size=(3, 3)`."""
    pieces: list[str] = []
    depth, begun = 0, 0
    for at, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            pieces.append(text[begun:at])
            begun = at + 1
    pieces.append(text[begun:])
    positional: list[str] = []
    named: dict[str, str] = {}
    for piece in (p.strip() for p in pieces):
        match = re.fullmatch(r"(\w+)\s*=\s*(.*)", piece, re.DOTALL)
        if match:
            named[match[1]] = match[2]
        elif piece:
            positional.append(piece)
    return Arguments(tuple(positional), named)


def to_layer(module: Module, path: str) -> Layer:
    """A printed leaf as a layer; Opaque when its class or its arguments are not understood."""
    op, basis = _operation(module)
    return Layer(op, path, Origin(module.line, module.text), basis)


def is_known(cls: str) -> bool:
    """Whether the table has an entry for the class."""
    return cls in _LEAVES or _by_name(cls) is not None


def _operation(module: Module) -> tuple[Op, Basis]:
    make, basis = _LEAVES.get(module.cls), "read"
    if make is None:
        make, basis = _by_name(module.cls), "assumed"
    if make is not None:
        try:
            return make(parse_arguments(module.arguments)), basis  # type: ignore[return-value]
        except (ValueError, IndexError, OverflowError):
            pass
    return Opaque(module.cls, module.arguments), "read"


def _linear(a: Arguments) -> Op:
    arrow = re.fullmatch(r"(\d{1,9})\s*->\s*(\d{1,9})", a.text(0, ""))
    if arrow:  # PyTorch 0.x printed Linear (784 -> 256)
        return Linear(int(arrow[1]), int(arrow[2]))
    into, out = a.whole(0, "in_features"), a.whole(1, "out_features")
    if not into or not out:
        raise ValueError("a linear layer without sizes")
    return Linear(into, out, a.flag("bias", True))


def _conv1d_of_gpt(a: Arguments) -> Op:
    if "nf" not in a.named:
        raise ValueError("not the Conv1D of transformers")
    return Linear(a.whole(-1, "nx"), a.whole(-1, "nf"))


def _conv(axes: int, transposed: bool = False) -> Callable[[Arguments], Op]:
    def make(a: Arguments) -> Op:
        kernel, dilation = a.sizes(2, "kernel_size", axes, 1), a.sizes(-1, "dilation", axes, 1)
        if "same" in a.named.get("padding", ""):
            padding = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
        elif "valid" in a.named.get("padding", ""):
            padding = (0,) * axes
        else:
            padding = a.sizes(-1, "padding", axes, 0)
        into, out, groups = a.whole(0, "in_channels"), a.whole(1, "out_channels"), a.whole(-1, "groups", 1)
        if not (into and out and groups) or into % groups or out % groups or min(kernel) < 1:
            raise ValueError("a convolution with impossible sizes")
        return Conv(
            into,
            out,
            kernel,
            tuple(max(1, s) for s in a.sizes(3, "stride", axes, 1)),
            padding,
            dilation,
            groups,
            a.flag("bias", True),
            transposed,
            a.sizes(-1, "output_padding", axes, 0) if "output_padding" in a.named else (),
            a.named.get("padding_mode", "zeros").strip("'\""),
        )

    return make


def _norm(kind: NormKind, affine: bool = True) -> Callable[[Arguments], Op]:
    def make(a: Arguments) -> Op:
        return Norm(kind, a.whole(0, "num_features"), a.real(1, "eps", 1e-5), a.flag("affine", affine))

    return make


def _layer_norm(a: Arguments) -> Op:
    shape = [int(n) for n in re.findall(r"\d{1,9}", a.text(0, "normalized_shape"))]
    affine = a.flag("elementwise_affine", True)
    return Norm("layer", math.prod(shape), a.real(-1, "eps", 1e-5), affine, a.flag("bias", True))


def _rms_norm(a: Arguments) -> Op:
    shape = [int(n) for n in re.findall(r"\d{1,9}", a.text(0, "normalized_shape"))]
    eps = a.named.get("eps", "1e-6")
    return Norm("rms", math.prod(shape), float(eps) if eps != "None" else 1e-6, True, False)


def _group_norm(a: Arguments) -> Op:
    groups, channels = a.whole(0, "num_groups"), a.whole(1, "num_channels")
    return Norm("group", channels, a.real(2, "eps", 1e-5), a.flag("affine", True), groups=groups)


def _embedding(a: Arguments) -> Op:
    return Embedding(a.whole(0, "num_embeddings"), a.whole(1, "embedding_dim"))


def _pool(kind: Literal["max", "avg"], axes: int) -> Callable[[Arguments], Op]:
    def make(a: Arguments) -> Op:
        kernel = a.sizes(0, "kernel_size", axes, 1)
        stride = a.sizes(1, "stride", axes, 0) if "None" not in a.text(1, "stride", "None") else kernel
        return Pool(kind, kernel, stride, a.sizes(2, "padding", axes, 0))

    return make


def _adaptive(kind: Literal["max", "avg"], axes: int) -> Callable[[Arguments], Op]:
    return lambda a: Pool(kind, output=a.sizes(0, "output_size", axes, 1))


def _upsample(a: Arguments) -> Op:
    return Upsample(float(re.findall(r"[\d.]+", a.text(-1, "scale_factor", "2"))[0]))


def _recurrent(kind: Literal["rnn", "lstm", "gru"]) -> Callable[[Arguments], Op]:
    def make(a: Arguments) -> Op:
        if "proj_size" in a.named:
            raise ValueError("projected LSTM")
        return Recurrent(
            kind,
            a.whole(0, "input_size"),
            a.whole(1, "hidden_size"),
            a.whole(2, "num_layers", 1),
            a.flag("bidirectional", False),
            a.flag("bias", True),
        )

    return make


def _activation(name: str, argument: str = "", default: float | None = None) -> Callable[[Arguments], Op]:
    def make(a: Arguments) -> Op:
        return Activation(name, a.real(0, argument, default) if argument and default is not None else None)

    return make


def _gelu(a: Arguments) -> Op:
    return Activation("gelu_tanh" if "tanh" in a.named.get("approximate", "") else "gelu")


def _prelu(a: Arguments) -> Op:
    return Activation("prelu", 0.25, a.whole(0, "num_parameters", 1))


def _leaky(a: Arguments) -> Op:
    text = a.text(0, "negative_slope", "0.01")
    return Activation("leaky_relu", float(text))


def _hardtanh(a: Arguments) -> Op:
    low, high = a.real(-1, "min_val", -1), a.real(-1, "max_val", 1)
    if (low, high) != (-1, 1):
        raise ValueError("a clip with other bounds")
    return Activation("hardtanh")


def _dropout(a: Arguments) -> Op:
    return Dropout(min(1.0, max(0.0, a.real(0, "p", 0.5))))


_SIMPLE = {
    "ReLU": "relu", "ReLU6": "relu6", "SELU": "selu", "SiLU": "silu", "Mish": "mish", "Hardswish": "hardswish",
    "Hardsigmoid": "hardsigmoid", "Tanh": "tanh", "Sigmoid": "sigmoid", "Softsign": "softsign",
    "LogSigmoid": "logsigmoid", "Softmax": "softmax", "Softmax2d": "softmax", "LogSoftmax": "log_softmax",
    "GLU": "glu", "RReLU": "rrelu", "Softplus": "softplus",
    # transformers: class names of activation modules
    "NewGELUActivation": "gelu_tanh", "FastGELUActivation": "gelu_tanh", "PytorchGELUTanh": "gelu_tanh",
    "GELUTanh": "gelu_tanh", "GELUActivation": "gelu", "QuickGELUActivation": "quick_gelu",
    "SiLUActivation": "silu", "MishActivation": "mish", "ReLUSquaredActivation": "relu2", "Swish": "silu",
    "MemoryEfficientSwish": "silu", "SwishImplementation": "silu", "QuickGELU": "quick_gelu", "Sine": "sin",
}  # fmt: skip

_LEAVES: dict[str, Callable[[Arguments], Op]] = {
    "Linear": _linear,
    "NonDynamicallyQuantizableLinear": _linear,
    "Conv1D": _conv1d_of_gpt,
    "Embedding": _embedding,
    "EmbeddingBag": _embedding,
    "LayerNorm": _layer_norm,
    "RMSNorm": _rms_norm,
    "GroupNorm": _group_norm,
    "GELU": _gelu,
    "PReLU": _prelu,
    "LeakyReLU": _leaky,
    "ELU": _activation("elu", "alpha", 1.0),
    "CELU": _activation("celu", "alpha", 1.0),
    "Hardtanh": _hardtanh,
    "Flatten": lambda _: Reshape("flatten"),
    "Identity": lambda _: Reshape("identity"),
    "Upsample": _upsample,
    "UpsamplingNearest2d": _upsample,
    "UpsamplingBilinear2d": _upsample,
    "LSTM": _recurrent("lstm"),
    "GRU": _recurrent("gru"),
    "RNN": _recurrent("rnn"),
    **{cls: _activation(name) for cls, name in _SIMPLE.items()},
    **{f"Conv{n}d": _conv(n) for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": _conv(n, transposed=True) for n in (1, 2, 3)},
    **{f"BatchNorm{n}d": _norm("batch") for n in (1, 2, 3)},
    "SyncBatchNorm": _norm("batch"),
    "FrozenBatchNorm2d": _norm("batch", affine=False),
    **{f"InstanceNorm{n}d": _norm("instance", affine=False) for n in (1, 2, 3)},
    **{f"Dropout{n}": _dropout for n in ("", "1d", "2d", "3d")},
    "AlphaDropout": _dropout,
    **{f"MaxPool{n}d": _pool("max", n) for n in (1, 2, 3)},
    **{f"AvgPool{n}d": _pool("avg", n) for n in (1, 2, 3)},
    **{f"AdaptiveMaxPool{n}d": _adaptive("max", n) for n in (1, 2, 3)},
    **{f"AdaptiveAvgPool{n}d": _adaptive("avg", n) for n in (1, 2, 3)},
}

NO_PARAMETERS = re.compile(r"(Rotary\w*Embedding|DropPath|StochasticDepth|Permute|Rearrange)$")
"""Custom leaves that are known to hold nothing trainable, by the end of their class name."""


def _by_name(cls: str) -> Callable[[Arguments], Op] | None:
    """Classes whose name alone says what they are: LlamaRMSNorm, T5LayerNorm, LayerNorm2d."""
    if cls.endswith("RMSNorm"):
        return _rms_norm
    if cls.endswith(("LayerNorm", "LayerNorm2d")):
        return _layer_norm
    return None
