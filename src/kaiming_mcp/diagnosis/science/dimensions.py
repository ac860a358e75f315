"""Quantities with units in a text, and the dimensionless groups that they form (Buckingham's Pi theorem)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from kaiming_mcp.diagnosis.science.plain import NUMBER
from kaiming_mcp.diagnosis.science.units import Unit, leading_unit, parse_unit

MOST_QUANTITIES = 16
FEWEST_QUANTITIES = 3
_BRACKET = re.compile(r"[\(\[]\s*([^()\[\]\n]{1,30}(?:\([^()]{1,12}\)[^()\[\]]{0,6})?)\s*[\)\]]")
_VALUE = re.compile(rf"({NUMBER})\s*")
_IN = re.compile(r"(?: in |: )(?=[A-Za-z°Å%µμ])")
_NAME = re.compile(r"((?:[A-Za-zα-ωΑ-Ω_][\wα-ωΑ-Ω'-]*[ ]?){1,3})\s*(?:=|:|of|is|≈|~|about)?\s*$")
_ARGUMENT = re.compile(r"\(\s?(?:[txyzrLlHT]|[\d.]+)(?:\s?,\s?(?:[txyzrLlHT]|[\d.]+)){0,3}\s?\)")
"""H(t) and M(L) are functions, no quantities in tonnes and litres."""
_OF = re.compile(r"\([^()=\n]{1,12}\)(\s*=\s*)$")
"""The arguments in "P(0, t) = "."""
_SYMBOL = re.compile(r"(?<![\w.])([A-Za-zα-ωΑ-Ω](?:_?\w)?)\s*=\s*$")
_ASKS = re.compile(
    r"dimension(?:al|less)|nondimension|non-dimension|buckingham|\bpi (?:groups?|theorem)|similarity|"
    r"\breynolds|\bunits?\b|scaling law"
)
_NOT_NAMES = re.compile(
    r"\b(?:rmse|mae|mse|error|errors|noise|accuracy|auc|cutoff|cut-off|batch|lr|learning rate|resolution|split|window|lead|"
    r"horizon|next|last|past|every|of data|span|ahead|chemical|steps?|epochs?|seeds?|gap|skill|score|scatter|bias|spread|model|surrogate|"
    r"network|baseline|persistence|climatology|regression|solver|test|train\w*|differ\w*|repeat\w*|took|takes|runs?)\b",
    re.IGNORECASE,
)
_DIFFUSIVITIES: tuple[dict[str, int], ...] = ({"m": 2, "s": -1}, {"kg": 1, "m": -1, "s": -1})
_FRAGMENT = re.compile(
    r"\b(?:the|a|an|and|or|to|in|on|at|by|for|from|with|after|before|over|per|than|that|which|is|are|was|were|be|has|have|we|it|its|up)\b",
    re.IGNORECASE,
)
"""Words that no name of a quantity holds; "of" it may: "speed of sound"."""
_LEADING = re.compile(r"\b(?:from|and|with|by|for|using)\s", re.IGNORECASE)
"""What stands before a name in a sentence: "a network from speed", "and force"."""
_PLACED = re.compile(r"\s+(?:of|is|are|was|at|about|around|from|between|up to|with)$", re.IGNORECASE)
_AXES = re.compile(r"\b[1-4]-?D\b")
_SMALL = re.compile(
    r"^(?:and|the|with|a|an|of|at|from|inputs?|variables?|quantities|by|is|are|its|in|for|to|on)\s+", re.I
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A named quantity; `value` in the unit as written, None where only the unit is given."""

    name: str
    unit: Unit
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A dimensionless product: exponents by name, and its value where all values are given."""

    powers: tuple[tuple[str, int], ...]
    value: float | None

    @property
    def text(self) -> str:
        """As a product over a quotient."""
        up = [_power(n, p) for n, p in self.powers if p > 0]
        down = [_power(n, -p) for n, p in self.powers if p < 0]
        under = " ".join(down) if len(down) < 2 else f"({' '.join(down)})"
        return (" ".join(up) or "1") + (f" / {under}" if down else "")


def read_quantities(text: str, physical: bool) -> tuple[Quantity, ...]:
    """Quantities listed as "density (kg/m^3)"; where the text is `physical` or asks for dimensions also "U = 2 m/s"."""
    found: dict[str, Quantity] = {}
    spans: list[tuple[int, str, float | None]] = []
    text = _AXES.sub(lambda m: " " * len(m[0]), text)
    for match in _BRACKET.finditer(text):
        if _ARGUMENT.match(match[0]) and text[: match.start()][-1:].isalpha():
            continue
        value = _VALUE.match(match[1])
        spans.append((match.start(), match[1][value.end() :] if value else match[1], _float(value)))
    if physical or _ASKS.search(text.lower()):
        for match in _VALUE.finditer(text):
            unit = leading_unit(text[match.end() : match.end() + 40])
            # A per cent in a sentence is a score or a share; a quantity that is one stands in brackets.
            if unit is not None and unit[0].text != "%":
                spans.append((match.start(), unit[0].text, _float(match)))
        for match in _IN.finditer(text):
            unit = leading_unit(text[match.end() : match.end() + 40])
            if unit is not None:
                spans.append((match.start(), unit[0].text, None))
    for start, unit_text, value in sorted(spans):
        unit, name = parse_unit(unit_text), _name(text[max(0, start - 60) : start])
        if unit is None or not name or name.lower() in found:
            continue
        found[name.lower()] = Quantity(name, unit, value)
    kinds = {q.unit.dims for q in found.values()}
    enough = FEWEST_QUANTITIES <= len(found) <= MOST_QUANTITIES and len(kinds) > 1
    return tuple(found.values()) if enough else ()


def pi_groups(quantities: tuple[Quantity, ...]) -> tuple[int, tuple[Group, ...]]:
    """Rank of the matrix of dimensions, and n - rank independent dimensionless groups.

    The repeating quantities are taken in the order length, velocity, density, so that the usual groups appear.
    """
    order = sorted(quantities, key=lambda q: (_simplicity(q), quantities.index(q)))
    bases = sorted({b for q in order for b in q.unit.powers})
    rows = [[q.unit.powers.get(b, Fraction(0)) for q in order] for b in bases]
    pivots = _reduce(rows)
    free = [j for j in range(len(order)) if j not in pivots]
    groups: list[Group] = []
    for j in free:
        vector = [Fraction(0)] * len(order)
        vector[j] = Fraction(1)
        for i, pivot in enumerate(pivots):
            vector[pivot] = -rows[i][j]
        groups.append(_group(order, vector))
    return len(pivots), tuple(groups)


def alone(quantities: tuple[Quantity, ...]) -> tuple[str, ...]:
    """Quantities that enter no dimensionless group: their dimension occurs nowhere else."""
    groups = pi_groups(quantities)[1]
    used = {name for g in groups for name, _ in g.powers}
    return tuple(q.name for q in quantities if q.name not in used)


def _group(order: list[Quantity], vector: list[Fraction]) -> Group:
    common = math.lcm(*(v.denominator for v in vector))
    # With a viscosity or diffusivity the inverse is the number people know (Reynolds, Péclet).
    known = any(v == 1 and q.unit.powers in _DIFFUSIVITIES for q, v in zip(order, vector, strict=True))
    powers = [int(v * common) * (-1 if known else 1) for v in vector]
    value: float | None = 0.0
    for quantity, power in zip(order, powers, strict=True):
        if power and value is not None:
            size = quantity.value
            value = value + power * math.log(size * quantity.unit.factor) if size and size > 0 else None
    finite = math.exp(value) if value is not None and abs(value) < 600 else None
    return Group(tuple((q.name, p) for q, p in zip(order, powers, strict=True) if p), finite)


def _reduce(rows: list[list[Fraction]]) -> list[int]:
    """Reduced row echelon form in place; the pivot columns, row i belonging to pivot i."""
    pivots: list[int] = []
    for column in range(len(rows[0]) if rows else 0):
        done = len(pivots)
        row = next((i for i in range(done, len(rows)) if rows[i][column]), None)
        if row is None:
            continue
        rows[done], rows[row] = rows[row], rows[done]
        lead = rows[done][column]
        rows[done] = [v / lead for v in rows[done]]
        for i, other in enumerate(rows):
            if i != done and other[column]:
                rows[i] = [a - other[column] * b for a, b in zip(other, rows[done], strict=True)]
        pivots.append(column)
    return pivots


def _simplicity(quantity: Quantity) -> int:
    powers = {b: int(p) if p.denominator == 1 else 99 for b, p in quantity.unit.dims}
    usual = [{"m": 1}, {"m": 1, "s": -1}, {"kg": 1, "m": -3}, {"kg": 1}, {"K": 1}, {"s": 1}]
    return usual.index(powers) if powers in usual else len(usual)


def _name(before: str) -> str:
    before = _OF.sub(r"\1", before)
    symbol = _SYMBOL.search(before)
    if symbol:
        return symbol[1]
    match = _NAME.search(re.split(r"[,;.\n(]\s", before)[-1].rstrip())
    name = " ".join(match[1].split()) if match else ""
    name = _LEADING.split(name)[-1]
    while _SMALL.match(name):
        name = _SMALL.sub("", name)
    name = _PLACED.sub("", name)
    return "" if len(name) > 40 or _NOT_NAMES.search(name) or _FRAGMENT.search(name) or name.lower() == "of" else name


def _power(name: str, power: int) -> str:
    shown = f"[{name}]" if " " in name else name
    return shown if power == 1 else f"{shown}^{power}"


def _float(match: re.Match[str] | None) -> float | None:
    return float(match[1]) if match else None
