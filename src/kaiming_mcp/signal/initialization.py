"""The variance that an initialization really gives each weight and bias.

Sources: He et al. 2015, eq. 10 and 14 (std = sqrt(2/fan)); Glorot & Bengio 2010, eq. 12
(Var = 2/(fan_in + fan_out)); LeCun et al. 1998, section 4.6 (Var = 1/fan_in); Saxe et al. 2014
(orthogonal); Xiao et al. 2018 (delta-orthogonal). PyTorch's default is kaiming_uniform with
a = sqrt(5): gain sqrt(1/3), so Var[w] = 1/(3 fan_in), and a bias uniform in +-1/sqrt(fan_in).
What a scheme does to residual branches is in `branches`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from kaiming_mcp.architecture.ir import Conv, Embedding, Linear, Recurrent
from kaiming_mcp.architecture.shapes import fan_in

Scheme = Literal[
    "pytorch", "keras", "flax", "he", "xavier", "lecun", "orthogonal", "delta_orthogonal", "normal", "truncated", "zero"
]
Branch = Literal["", "gpt2", "fixup", "zero_last", "rezero", "skipinit", "deepnorm", "tfixup"]
Mode = Literal["fan_in", "fan_out", "fan_avg"]

KERAS_EMBEDDING = 0.05**2 / 3
"""keras.layers.Embedding draws from U(-0.05, 0.05)."""


@dataclass(frozen=True, slots=True)
class Initialization:
    """A scheme with its parameters. `gain` multiplies the standard deviation, `std` is for normal and truncated.

    `cut` is where a truncated normal is cut, in standard deviations; `branch` what is done to residual branches.
    `default_bias` leaves biases at PyTorch's default, as code does that draws the weights alone. `own` leaves layers
    that say how they start (`Layer.start`) as they are: the rest is for the others.
    """

    scheme: Scheme
    gain: float = 1.0
    std: float = 0.0
    mode: Mode = "fan_in"
    bias: bool = True
    cut: float = 2.0
    branch: Branch = ""
    own: bool = False
    default_bias: bool = False

    def describe(self) -> str:
        """Short name, as the argument would be written."""
        words: list[str] = {
            "pytorch": ["PyTorch default"],
            "normal": [f"std {self.std:g}"],
            "truncated": [f"truncated normal std {self.std:g}" + (f" cut {self.cut:g}" if self.cut != 2 else "")],
            "delta_orthogonal": ["delta-orthogonal"],
        }.get(self.scheme, [self.scheme])
        if self.mode != "fan_in":
            words = [*words, self.mode]
        if abs(self.gain - 1) > 1e-9:
            words = [*words, f"gain {self.gain:.4g}"]
        if self.scheme == "pytorch" and not self.bias:
            words = [*words, "without bias"]
        if self.default_bias:
            words = [*words, "default bias"]
        if self.branch:
            words = [self.branch.replace("_", "-"), *words]
        return f"layers' own starts (else {' '.join(words)})" if self.own else " ".join(words)


PYTORCH_DEFAULT = Initialization("pytorch")
HE = Initialization("he")


@lru_cache(maxsize=4096)
def variances(init: Initialization, op: Linear | Conv) -> tuple[float, float]:
    """(V, Var[b]) of a layer, V = fan_in * Var[w] with the fan_in that one output element really has."""
    weight, bias = _weight_variance(init, op)
    if init.default_bias:
        bias = 1 / (3 * framework_fans(op)[0])
    return fan_in(op) * weight, bias if op.bias and init.bias else 0.0


def _weight_variance(init: Initialization, op: Linear | Conv) -> tuple[float, float]:
    named_in, named_out = framework_fans(op)
    fan = {"fan_in": named_in, "fan_out": named_out, "fan_avg": (named_in + named_out) / 2}[init.mode]
    scale = init.gain**2
    formulas: dict[Scheme, Callable[[], tuple[float, float]]] = {
        "pytorch": lambda: (1 / (3 * fan), 1 / (3 * fan)),
        "keras": lambda: (2 / (named_in + named_out), 0.0),
        "flax": lambda: (1 / fan, 0.0),
        "he": lambda: (2 * scale / fan, 0.0),
        "xavier": lambda: (2 * scale / (named_in + named_out), 0.0),
        "lecun": lambda: (scale / fan, 0.0),
        "orthogonal": lambda: (scale / max(named_in, _rows(op)), 0.0),
        "delta_orthogonal": lambda: (scale * _delta(op) / fan_in(op), 0.0),
        "normal": lambda: (init.std**2, 0.0),
        "truncated": lambda: (init.std**2 * truncated_variance(init.cut), 0.0),
        "zero": lambda: (0.0, 0.0),
    }
    return formulas[init.scheme]()


def truncated_variance(cut: float) -> float:
    """Var of a standard normal cut at +-`cut`: 1 - 2 c density(c) / P(|z| < c); 0.7737 at 2."""
    if cut > 9:
        return 1.0
    inside = math.erf(cut / math.sqrt(2))
    return 1 - 2 * cut * math.exp(-(cut**2) / 2) / math.sqrt(2 * math.pi) / inside


def embedding_variance(init: Initialization, op: Embedding) -> float:
    """Var of one number of a table: N(0, 1) in PyTorch, U(+-0.05) in Keras, 1/features in Flax."""
    match init.scheme:
        case "keras":
            return KERAS_EMBEDDING
        case "flax":
            return 1 / op.features
        case "normal":
            return init.std**2
        case "truncated":
            return init.std**2 * truncated_variance(init.cut)
        case _:
            return 1 / op.features if init.branch == "tfixup" else 1.0


def recurrent_variances(init: Initialization, op: Recurrent, width: int) -> tuple[float, float, float, float]:
    """(V_x, V_h, Var[b], mean of the forget gate's bias) of a recurrent layer whose input has `width` features.

    PyTorch: everything U(+-1/sqrt(hidden)), two biases. Keras: Glorot kernel, one orthogonal matrix for
    all gates, forget bias 1. Flax: LeCun kernels, one orthogonal matrix a gate.
    """
    rows = op.gates * op.hidden
    bias = 2.0 if op.bias and init.bias else 0.0
    match init.scheme:
        case "pytorch":
            return width / (3 * op.hidden), 1 / 3, bias / (3 * op.hidden), 0.0
        case "keras":
            return 2 * width / (width + rows), 1 / op.gates, 0.0, 1.0 if op.kind == "lstm" and op.bias else 0.0
        case "flax":
            return 1.0, 1.0, 0.0, 0.0
        case _:
            kernel, _ = variances(init, Linear(width, rows, False))
            hidden, _ = variances(init, Linear(op.hidden, rows, False))
            return kernel, hidden, 0.0, 0.0


def framework_fans(op: Linear | Conv) -> tuple[float, float]:
    """fan_in and fan_out as PyTorch computes them from the weight's shape.

    A transposed weight is stored (c_in, c_out/groups, ...), which swaps the two; fan_out ignores
    groups, so a depthwise kernel under fan_out gets a variance too small by `groups`.
    """
    if isinstance(op, Linear):
        return op.in_features, op.out_features
    taps = math.prod(op.kernel)
    if op.transposed:
        return op.out_channels / op.groups * taps, op.in_channels * taps
    return op.in_channels / op.groups * taps, op.out_channels * taps


def _rows(op: Linear | Conv) -> float:
    return op.out_features if isinstance(op, Linear) else op.out_channels


def _delta(op: Linear | Conv) -> float:
    """V of an orthogonal matrix at the centre tap: 1, or in/out where the layer widens."""
    into = op.in_features if isinstance(op, Linear) else op.in_channels / op.groups
    return into / max(into, _rows(op) / (1 if isinstance(op, Linear) else op.groups))
