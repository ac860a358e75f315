"""The variance that an initialization really gives each weight and bias.

Sources: He et al. 2015, eq. 10 and 14 (std = sqrt(2/fan)); Glorot & Bengio 2010, eq. 12
(Var = 2/(fan_in + fan_out)); LeCun et al. 1998, section 4.6 (Var = 1/fan_in); Saxe et al. 2014
(orthogonal). PyTorch's default is kaiming_uniform with a = sqrt(5): gain sqrt(1/3), so
Var[w] = 1/(3 fan_in), and a bias uniform in +-1/sqrt(fan_in).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from kaiming_mcp.architecture.ir import Conv, Linear
from kaiming_mcp.architecture.shapes import fan_in

Scheme = Literal["pytorch", "keras", "flax", "he", "xavier", "lecun", "orthogonal", "normal", "zero"]
Mode = Literal["fan_in", "fan_out"]

_ALIASES: dict[str, Scheme] = {
    "pytorch": "pytorch",
    "torch": "pytorch",
    "default": "pytorch",
    "keras": "keras",
    "tensorflow": "keras",
    "flax": "flax",
    "jax": "flax",
    "he": "he",
    "kaiming": "he",
    "xavier": "xavier",
    "glorot": "xavier",
    "lecun": "lecun",
    "orthogonal": "orthogonal",
    "normal": "normal",
    "gaussian": "normal",
    "std": "normal",
    "zero": "zero",
    "zeros": "zero",
}
# Words that may follow a scheme's name and change nothing about its variance.
_FILLER = {"normal", "uniform", "init", "initialization", "default", "relu", "fan", "in", "weights", "all"}
EXAMPLES = '"he", "xavier gain 5/3", "std 0.02", "orthogonal", "pytorch default", "he fan_out"'


@dataclass(frozen=True, slots=True)
class Initialization:
    """A scheme with its parameters. `gain` multiplies the standard deviation, `std` is for normal."""

    scheme: Scheme
    gain: float = 1.0
    std: float = 0.0
    mode: Mode = "fan_in"
    bias: bool = True

    def describe(self) -> str:
        """Short name, as the argument would be written."""
        words: list[str] = {"pytorch": ["PyTorch default"], "normal": [f"std {self.std:g}"]}.get(
            self.scheme, [self.scheme]
        )
        if self.mode == "fan_out":
            words = [*words, "fan_out"]
        if abs(self.gain - 1) > 1e-9:
            words = [*words, f"gain {self.gain:.4g}"]
        if self.scheme == "pytorch" and not self.bias:
            words = [*words, "without bias"]
        return " ".join(words)


PYTORCH_DEFAULT = Initialization("pytorch")
HE = Initialization("he")


def parse_initialization(text: str) -> Initialization:
    """Read the `initialization` argument, such as "he", "std 0.02" or "xavier gain 5/3".

    Raises:
        ValueError: the text names no known scheme; the message says which are known.
    """
    words = re.findall(r"[a-z]+|[\d.]+(?:e[+-]?\d+)?(?:\s*/\s*[\d.]+)?|sqrt", text.lower().replace("_", " "))
    if not words:
        raise ValueError(f"nothing was given; expected one of {EXAMPLES}")
    # "he normal" is He, "pytorch default" is PyTorch: the particular word decides before the general one.
    ranked = sorted((w for w in words if w in _ALIASES), key=lambda w: w in {"default", "normal"})
    scheme: Scheme | None = _ALIASES[ranked[0]] if ranked else None
    if scheme is None:
        raise ValueError(f"{text[:60]!r} is not a known initialization; expected e.g. {EXAMPLES}")
    numbers = [_number(w) for w in words if w[0].isdigit() or w[0] == "."]
    known = _ALIASES.keys() | _FILLER | {"gain", "out", "no", "nobias", "bias", "without", "sqrt"}
    stray = [w for w in words if w.isalpha() and w not in known]
    if stray or len(numbers) > 1 or any(not math.isfinite(n) for n in numbers):
        wrong = stray[0] if stray else text[:60]
        raise ValueError(f"{wrong!r} is not understood; expected e.g. {EXAMPLES}")
    mode: Mode = "fan_out" if "out" in words else "fan_in"
    bias = not ({"no", "nobias", "without"} & set(words))
    if scheme == "normal":
        if not numbers:
            raise ValueError('"normal" needs its standard deviation, e.g. "std 0.02"')
        return Initialization("normal", std=numbers[0], bias=bias)
    gain = numbers[0] if numbers and "gain" in words else 1.0
    if numbers and "gain" not in words:
        raise ValueError(f'what is {numbers[0]:g}? Write e.g. "{scheme} gain {numbers[0]:g}" or "std 0.02"')
    return Initialization(scheme, gain=math.sqrt(gain) if "sqrt" in words else gain, mode=mode, bias=bias)


def variances(init: Initialization, op: Linear | Conv) -> tuple[float, float]:
    """(V, Var[b]) of a layer, V = fan_in * Var[w] with the fan_in that one output element really has."""
    weight, bias = _weight_variance(init, op)
    return fan_in(op) * weight, bias if op.bias and init.bias else 0.0


def _weight_variance(init: Initialization, op: Linear | Conv) -> tuple[float, float]:
    named_in, named_out = _framework_fans(op)
    fan = named_out if init.mode == "fan_out" else named_in
    scale = init.gain**2
    formulas: dict[Scheme, Callable[[], tuple[float, float]]] = {
        "pytorch": lambda: (1 / (3 * fan), 1 / (3 * fan)),
        "keras": lambda: (2 / (named_in + named_out), 0.0),
        "flax": lambda: (1 / fan, 0.0),
        "he": lambda: (2 * scale / fan, 0.0),
        "xavier": lambda: (2 * scale / (named_in + named_out), 0.0),
        "lecun": lambda: (scale / fan, 0.0),
        "orthogonal": lambda: (scale / max(named_in, _rows(op)), 0.0),
        "normal": lambda: (init.std**2, 0.0),
        "zero": lambda: (0.0, 0.0),
    }
    return formulas[init.scheme]()


def _framework_fans(op: Linear | Conv) -> tuple[float, float]:
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


def _number(word: str) -> float:
    try:
        top, _, bottom = word.replace(" ", "").partition("/")
        return float(top) / float(bottom or 1)
    except (ValueError, ZeroDivisionError):
        return math.nan
