"""Units of measurement: reading "kcal/mol" or "kg m^-3", and whether two of them can be compared."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache

from kaiming_mcp.diagnosis.science.subjects import UnitEntry, sciences

AVOGADRO = 6.02214076e23
"""Exact by the definition of the mole (SI 2019)."""
_PREFIXES = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "c": 1e-2, "d": 1e-1} | {
    "h": 1e2,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
}
_PIECE = re.compile(
    r"(a0|log10|log2|p[iI][cC]50|[A-Za-zµμÅåöΩ°%]+)(?:\^|\*\*)?(?:\(([-+]?\d{1,2}(?:/[1-9])?)\)|([-+]?\d{1,2}(?:/[1-9])?))?"
)
_JOIN = re.compile(r"\s*([/·*⋅.]|\bper\b|\s)\s*")
_LOGARITHM = re.compile(r"(log10|log_10|log|lg|log2|log_2|ln)(?:\s+|\s?\(|\[)(.+?)[)\]]?(?:\s+units?)?$")
"""The logarithm of a unit is a pure number: "log mol/L", "log10(mg/kg)"."""
_PURE_LOGARITHM = re.compile(r"log(?:10)? ?[SPD](?: units?)?")
_FUNCTION = re.compile(r"(?<![\w/])[A-Za-z]\([a-z]\)")
"""A function such as H(t) behind a unit is no part of it."""
_SAID = re.compile(r"(?:\d\s?|\bin |\blog(?:10|_10)? |[\[(])(?=([A-Za-zµμÅΩ°][^\n]{0,40}))")
LONGEST_UNIT, MOST_POWER = 40, 9


@dataclass(frozen=True, slots=True)
class Unit:
    """A factor to base units and the exponents of those, sorted by name."""

    text: str
    factor: float
    dims: tuple[tuple[str, Fraction], ...]

    @property
    def powers(self) -> dict[str, Fraction]:
        """Exponents by base unit."""
        return dict(self.dims)


@lru_cache(maxsize=1024)
def parse_unit(text: str) -> Unit | None:
    """A whole text as a unit; None where any part of it is none. `1` and `-` have no dimension."""
    text = text.strip().strip(".")
    if not text or len(text) > LONGEST_UNIT:
        return None
    if text.lower() in {"1", "-", "dimensionless", "unitless", "none"}:
        return Unit(text, 1.0, ())
    if text[0] == "(" and text.find(")") == len(text) - 1:
        text = text[1:-1].strip()
    logarithm = _LOGARITHM.match(text)
    if _PURE_LOGARITHM.fullmatch(text):
        return Unit(text, 1.0, (("log10", Fraction(1)),))
    if logarithm and parse_unit(logarithm[2]) is not None:
        base = {"log2": 2.0, "log_2": 2.0, "ln": math.e}.get(logarithm[1], 10.0)
        return Unit(text, math.log10(base), (("log10", Fraction(1)),))
    factor, powers, sign, inside, seen = 1.0, dict[str, Fraction](), 1, 0, False
    rest = re.sub(r"\s+units?$", "", text.removeprefix("1/"))
    if text.startswith("1/"):
        sign = -1
    while rest:
        if rest[0] in "()":
            inside += 1 if rest[0] == "(" else -1
            if inside < 0:
                return None
            sign = sign if inside else 1
            rest = rest[1:].lstrip()
            continue
        join = _JOIN.match(rest)
        if join and seen:
            divides = join[1] in {"/", "per"}
            # A slash divides by the next unit only, or by the whole bracket that it opens.
            sign = -1 if divides else (sign if inside else 1)
            rest = rest[join.end() :]
            if not rest:
                return None
            continue
        # "0.78 K at 240x121": the word is no atom, "eV/at" is one.
        if seen and sign > 0 and re.match(r"at\b", rest):
            return None
        piece = _PIECE.match(rest)
        entry = _entry(piece[1]) if piece else None
        if piece is None or entry is None:
            return None
        known, scale = entry
        power = sign * Fraction(piece[2] or piece[3] or "1")
        if abs(power) > MOST_POWER:
            return None
        factor *= (known.factor * scale) ** float(power)
        for base, exponent in _dims(known.dims).items():
            powers[base] = powers.get(base, Fraction(0)) + exponent * power
        seen = True
        rest = rest[piece.end() :]
    dims = tuple(sorted((b, p) for b, p in powers.items() if p))
    return Unit(text, factor, dims) if seen and not inside and 0 < factor < math.inf else None


def leading_unit(text: str) -> tuple[Unit, int] | None:
    """The longest unit that a text begins with, and how many characters it takes."""
    head = text[:LONGEST_UNIT]
    lead = len(head) - len(head.lstrip(" ~"))
    ends = [m.start() for m in re.finditer(r"[\s,;:)\]?!]|\.(?=\s|$)|$", head[lead:])]
    for end in reversed([e for e in ends if e][:4]):
        candidate = head[lead : lead + end].rstrip(".")
        if _FUNCTION.search(f"{candidate})"):
            continue
        if candidate.count("(") > candidate.count(")"):
            candidate += ")"
        unit = parse_unit(candidate)
        if unit is not None and unit.text not in {"-", "1", "none"}:
            return unit, lead + end
    return None


def names_unit(text: str) -> bool:
    """Whether a text names a unit of what is measured: "log mol/L", "in mV", "[K]"; times and shares are none."""
    for found in _SAID.finditer(text):
        unit = leading_unit(found[1])
        if unit is not None and unit[0].text != "%" and {b for b, _ in unit[0].dims} - {"s"}:
            return True
    return False


def ratio(value: float, unit: Unit, other: float, other_unit: Unit) -> float | None:
    """value / other in common units; None when they cannot be compared or other is 0.

    Energies per mole and per particle are compared as chemists do, one mole being 6.022e23.
    """
    (factor, dims), (other_factor, other_dims) = _particles(unit), _particles(other_unit)
    if dims != other_dims or other == 0:
        return None
    return value * factor / (other * other_factor)


def _particles(unit: Unit) -> tuple[float, tuple[tuple[str, Fraction], ...]]:
    moles = unit.powers.get("mol", Fraction(0))
    dims = tuple(pair for pair in unit.dims if pair[0] not in {"mol", "atom"})
    return unit.factor * AVOGADRO ** float(moles), dims


@cache
def _dims(text: str) -> dict[str, Fraction]:
    pieces = [p.partition("^") for p in text.split()]
    return {base: Fraction(power or "1") for base, _, power in pieces}


@cache
def _symbols() -> tuple[dict[str, UnitEntry], dict[str, UnitEntry]]:
    units = sciences().units
    return {u.id: u for u in units}, {n: u for u in units for n in (u.id.lower(), *u.names)}


def _entry(symbol: str) -> tuple[UnitEntry, float] | None:
    """A unit by its symbol, with a prefix before it, or by its name."""
    by_id, by_name = _symbols()
    if symbol in by_id:
        return by_id[symbol], 1.0
    scale, base = _PREFIXES.get(symbol[:1]), by_id.get(symbol[1:])
    if scale and base and base.prefixed:
        return base, scale
    known = by_name.get(symbol.lower())
    if known is None:
        return None
    return known, {"mha": 1e-3, "mhartree": 1e-3, "ml": 1e-3, "kilogram": 1e3}.get(symbol.lower(), 1.0)
