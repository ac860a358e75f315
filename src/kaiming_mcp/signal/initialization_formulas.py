"""Formulas in the `initialization` argument, as numbers and schemes: "std 1/sqrt(512)", "N(0, 2/fan_in)", "U(-a, a)".

A standard deviation of c/sqrt(fan) is LeCun's with gain c, or Xavier's where the fan is the sum of both.
"""

from __future__ import annotations

import ast
import math
import re

from kaiming_mcp.arithmetic import value_of

LONGEST = 200
"""Characters of an argument in which formulas are looked for."""
LARGEST_POWER = 16
"""Exponent up to which a power is worked out."""
_FANS = {
    **dict.fromkeys(("fan_in", "n", "n_in", "nin", "n_inputs", "in_features", "fan"), "in"),
    **dict.fromkeys(("fan_out", "n_out", "nout", "out_features"), "out"),
}
_CONSTANTS = {"pi": math.pi, "e": math.e}
_DRAWN = re.compile(r"\b(normal|gaussian|n|uniform|u)_?\s*\((.*)\)\s*$", re.IGNORECASE)
_TARGET = re.compile(r"(?<=_\()\s*[a-z][\w.\[\]]*\s*,", re.IGNORECASE)
"""What a function of nn.init is called on."""
_NAMED = re.compile(r"^\s*(?:mean|std|stddev|sigma|var|low|high|a|b)\s*=\s*")
_AFTER = re.compile(
    r"\b(std|stddev|sigma|gain|uniform|bound|cut|a|normal|gaussian)\b\s*[=:]?\s*(?=[-+(\d.]|math\.|np\.|sqrt)(.+)$"
)
_PROBES = ((1.0, 1.0), (4.0, 1.0), (1.0, 4.0), (3.0, 5.0))


def worked_out(text: str) -> str:
    """The argument with its formulas worked out; unchanged where there is none that is understood."""
    if len(text) > LONGEST:
        return text
    text = _TARGET.sub("", text)
    drawn = _DRAWN.search(text)
    if drawn is not None and (words := _distribution(drawn[1].lower(), drawn[2])) is not None:
        return words
    after = _AFTER.search(text)
    if after is None:
        return text
    name, formula = after[1].lower(), after[2].strip()
    while formula.endswith(")") and formula.count(")") > formula.count("("):
        formula = formula[:-1].strip()
    before = text[: after.start()]
    if name in {"gain", "cut", "a"}:
        value = _value(formula, 1.0, 1.0) if not _mentions_fan(formula) else None
        return text if value is None else f"{before}{name} {value:.12g}"
    spread = _scheme(formula, math.sqrt(1 / 3) if name in {"uniform", "bound"} else 1.0)
    if spread is not None:
        return f"{before}{spread}".strip()
    value = _value(formula, 1.0, 1.0) if not _mentions_fan(formula) else None
    return text if value is None else f"{before}{name} {value:.12g}"


def _distribution(kind: str, inside: str) -> str | None:
    """What N(0, variance), normal(0, std) or U(-a, a) draw from; None where that is not understood."""
    parts = [_NAMED.sub("", p).strip() for p in _split(inside)]
    if kind.startswith("u"):
        if len(parts) == 1 and parts[0][:1] in {"±", "+"}:
            parts = [f"-({parts[0].lstrip('±+-')})", parts[0].lstrip("±+-")]
        if len(parts) != 2:
            return None
        low, high = (_at_probes(p) for p in parts)
        if low is None or high is None or any(abs(a + b) > 1e-9 * abs(b) for a, b in zip(low, high, strict=True)):
            return None
        scheme = _scheme(parts[1], math.sqrt(1 / 3))
        return scheme or f"uniform {high[0]:.12g}"
    if len(parts) != 2 or _at_probes(parts[0]) != [0.0] * len(_PROBES):
        return None
    second = parts[1]
    # The letter N is written with a variance, a square or a fan without a root; the function with a standard deviation.
    squared = re.fullmatch(r"(.+?)\s*(?:\^|\*\*)\s*2", second)
    if squared:
        second = squared[1]
    elif kind == "n" and _mentions_fan(second) and "sqrt" not in second:
        second = f"sqrt({second})"
    elif kind == "n":
        return None
    values = _at_probes(second)
    if values is None:
        return None
    return _scheme(second, 1.0) or f"std {values[0]:.12g}"


def _split(text: str) -> list[str]:
    """Arguments, parted at commas outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _mentions_fan(formula: str) -> bool:
    return any(name in _FANS for name in re.findall(r"[a-z_]+", formula.lower()))


def _scheme(formula: str, factor: float) -> str | None:
    """The scheme whose std is `factor` times the formula, where it falls with the root of a fan."""
    values = _at_probes(formula) if _mentions_fan(formula) else None
    if values is None or min(values) <= 0:
        return None
    squares = [(factor * v) ** 2 for v in values]
    fans = {
        "lecun": [i for i, _ in _PROBES],
        "lecun fan_out": [o for _, o in _PROBES],
        "xavier": [(i + o) / 2 for i, o in _PROBES],
    }
    for words, sizes in fans.items():
        gains = [square * fan for square, fan in zip(squares, sizes, strict=True)]
        if max(gains) < min(gains) * (1 + 1e-9):
            gain = math.sqrt(gains[0])
            if words.startswith("lecun") and abs(gain - math.sqrt(2)) < 1e-9:
                return words.replace("lecun", "he")
            return words if abs(gain - 1) < 1e-9 else f"{words} gain {gain:.12g}"
    return None


def _at_probes(formula: str) -> list[float] | None:
    values = [_value(formula, i, o) for i, o in _PROBES]
    return None if any(v is None for v in values) else [v for v in values if v is not None]


def _value(formula: str, fan_in: float, fan_out: float) -> float | None:
    """A formula of numbers, roots and fans; None where it holds anything else."""
    fans = {"in": fan_in, "out": fan_out}

    def named(name: str) -> float | None:
        fan = _FANS.get(name.lower())
        return fans[fan] if fan else _CONSTANTS.get(name)

    try:
        tree = ast.parse(formula.replace("^", "**").strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return value_of(tree.body, named, LARGEST_POWER)
