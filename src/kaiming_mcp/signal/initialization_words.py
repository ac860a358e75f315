"""The `initialization` argument in words: "he", "std 0.02", "xavier gain 5/3", "gpt2", "he zero-init last"."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import lru_cache

from kaiming_mcp.architecture.ir import Layer
from kaiming_mcp.signal.initialization import Branch, Initialization, Mode, Scheme
from kaiming_mcp.signal.initialization_formulas import worked_out

_SCHEMES: dict[str, Scheme] = {
    **dict.fromkeys(("pytorch", "torch", "default"), "pytorch"),
    **dict.fromkeys(("keras", "tensorflow"), "keras"),
    **dict.fromkeys(("flax", "jax"), "flax"),
    **dict.fromkeys(("he", "kaiming"), "he"),
    **dict.fromkeys(("xavier", "glorot"), "xavier"),
    "lecun": "lecun",
    "orthogonal": "orthogonal",
    **dict.fromkeys(("deltaorthogonal", "delta"), "delta_orthogonal"),
    **dict.fromkeys(("trunc", "truncated", "truncnormal"), "truncated"),
    **dict.fromkeys(("normal", "gaussian", "std", "uniform"), "normal"),
    **dict.fromkeys(("zero", "zeros"), "zero"),
}
_BRANCHES: dict[str, tuple[Branch, Initialization]] = {
    "gpt": ("gpt2", Initialization("normal", std=0.02)),
    "fixup": ("fixup", Initialization("he")),
    "rezero": ("rezero", Initialization("pytorch")),
    "skipinit": ("skipinit", Initialization("pytorch")),
    "zerolast": ("zero_last", Initialization("pytorch")),
    "deepnorm": ("deepnorm", Initialization("xavier")),
    "tfixup": ("tfixup", Initialization("xavier")),
}
# These words name a scheme only where no other does: "he normal" is He.
_GENERAL = {"default", "normal", "gaussian", "uniform", "std", "zero", "zeros", "torch", "orthogonal"}
# Words that may stand beside a scheme and change nothing about its variance.
_FILLER = set(
    "init initialization relu fan in out avg weights weight w all last style with and layers s own starts else random "
    "distribution mode nonlinearity".split()
)
_SPREADS = {"normal", "gaussian", "truncnormal"}
"""Schemes whose standard deviation may stand right behind them."""
_ARGUMENTS = set("gain std cut uniform bound a slope leaky sqrt no nobias bias without".split())
_CUTS_AT_TWO = re.compile(r"torch|timm|nn\.init|trunc_normal(?!_tf)")
EXAMPLES = '"he", "xavier gain 5/3", "std 0.02", "orthogonal", "pytorch default", "he fan_out", "gpt2", "fixup"'
_WORD = re.compile(r"[a-z]+|sqrt|[\d.]+(?:e[+-]?\d+)?(?:\s*/\s*[\d.]+)?")


def parse_initialization(text: str) -> Initialization:
    """Read the `initialization` argument.

    Raises:
        ValueError: the text names no known scheme; the message says which are known.
    """
    words = _WORD.findall(_joined(worked_out(text.lower())))
    if not words:
        raise ValueError(f"nothing was given; expected one of {EXAMPLES}")
    known = _SCHEMES.keys() | _BRANCHES.keys() | _FILLER | _ARGUMENTS
    stray = [w for w in words if w.isalpha() and w not in known]
    if stray and stray[0] == "n" and "(" in text:
        raise ValueError(f'is the second number of {text[:60]!r} a standard deviation or a variance? Write "std 0.02"')
    if stray:
        raise ValueError(f"{stray[0]!r} is not understood; expected e.g. {EXAMPLES}")
    init = _base(words, text)
    numbers = _numbers(words)
    mode: Mode = "fan_out" if "out" in words else "fan_avg" if "avg" in words else "fan_in"
    alone = " default bias" in text.lower() and init.scheme != "pytorch"
    return replace(_with_numbers(init, numbers, words, text, mode), own="own" in words, default_bias=alone)


_cached = lru_cache(maxsize=512)(parse_initialization)


def of_layer(init: Initialization, layer: Layer) -> Initialization:
    """What a layer starts at: its own where it says so and the scheme leaves it that, else the scheme's."""
    return _cached(layer.start) if init.own and layer.start else init


def _joined(text: str) -> str:
    """Names of several words as one; what is a suffix of a framework's function name is dropped."""
    # What a function of nn.init is called on says nothing.
    text = re.sub(r"(?<=_\()\s*[a-z][\w.\[\]]*(?=\s*[,)])", "", text)
    text = re.sub(r"nn\.init\.|_\b", " ", text)
    text = re.sub(r"gpt[-_ ]?2", "gpt", text)
    text = re.sub(r"t[-_ ]?fixup", "tfixup", text)
    text = re.sub(r"(skip|re|deep)[-_ ](init|zero|norm)\b", r"\1\2", text)
    text = re.sub(r"delta[-_ ]orthogonal", "deltaorthogonal", text)
    text = re.sub(r"trunc(?:ated)?[-_ ]normal", "truncnormal", text)
    text = re.sub(r"zero[-_ ](?:init(?:ialized)?[-_ ])?last", "zerolast", text)
    return text.replace("_", " ").replace("-", " ") if "e-" not in text else re.sub(r"_|(?<!e)-", " ", text)


def _base(words: list[str], text: str) -> Initialization:
    branch = next((w for w in words if w in _BRANCHES), None)
    if "own" in words and branch is None and not any(w in _SCHEMES for w in words):
        return Initialization("pytorch")
    named = sorted((w for w in words if w in _SCHEMES), key=lambda w: w in _GENERAL)
    if branch is None and not named:
        raise ValueError(f"{text[:60]!r} is not a known initialization; expected e.g. {EXAMPLES}")
    if branch is None:
        return Initialization(_SCHEMES[named[0]])
    kind, base = _BRANCHES[branch]
    return replace(base, scheme=_SCHEMES[named[0]] if named else base.scheme, branch=kind)


def _numbers(words: list[str]) -> dict[str, float]:
    """Each number under the word before it that takes one, or under an empty name."""
    found: dict[str, float] = {}
    name, root = "", False
    for word in words:
        if word[0].isdigit() or word[0] == ".":
            value = _number(word)
            found[name] = math.sqrt(value) if root and value >= 0 else value
            name, root = "", False
        elif word == "sqrt":
            root = True
        elif word in _ARGUMENTS or word in _SPREADS:
            name = {"bound": "uniform", "slope": "a", "leaky": "a"}.get(word, "std" if word in _SPREADS else word)
    return found


def _with_numbers(
    init: Initialization, numbers: dict[str, float], words: list[str], text: str, mode: Mode
) -> Initialization:
    if any(not math.isfinite(n) for n in numbers.values()):
        raise ValueError(f"{text[:60]!r} holds a number that is not understood; expected e.g. {EXAMPLES}")
    if "" in numbers:
        n = numbers[""]
        raise ValueError(f'what is {n:g}? Write e.g. "{words[0]} gain {n:g}" or "std 0.02"')
    bias = not ({"no", "nobias", "without"} & set(words))
    std = numbers.get("std", numbers.get("uniform", 0.0) / math.sqrt(3) or init.std)
    if init.scheme in ("normal", "truncated") and std <= 0:
        raise ValueError(f'"{init.scheme}" needs its standard deviation, e.g. "std 0.02"')
    gain = numbers.get("gain", 1.0)
    if "a" in numbers:
        gain /= math.sqrt(1 + numbers["a"] ** 2)
    cut = numbers.get("cut", 2.0)
    if init.scheme == "truncated" and "cut" not in numbers and _CUTS_AT_TWO.search(text.lower()):
        # nn.init.trunc_normal_ cuts at -2 and 2, whatever the standard deviation is.
        cut = 2.0 / std
    return replace(init, gain=gain, std=std, mode=mode, bias=bias, cut=cut)


def _number(word: str) -> float:
    try:
        top, _, bottom = word.replace(" ", "").partition("/")
        return float(top) / float(bottom or 1)
    except (ValueError, ZeroDivisionError):
        return math.nan
