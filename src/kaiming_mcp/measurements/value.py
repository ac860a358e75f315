"""A number as it was printed, with the interval that its printing allows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−", "0123456789-+-")
_FACTORS = {"%": 0.01, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9}
_RAISED = r"[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,3}"
_HAT = r"(?:\^|\*\*)[({]?"
NUMBER = re.compile(
    r"(?P<bound>(?:<=|>=|(?<![-=])[<>]|[≤≥~≈])[ \t]?)?"
    r"(?P<sign>(?<![\w)\]])[-+−])?(?<![\w.^])(?<!\*\*)"
    r"(?:(?P<special>nan|inf(?:inity)?)(?!\w|\.\w)"
    rf"|10(?:{_HAT}(?P<ten>[-+−]?\d{{1,3}})[)}}]?|(?P<raised>{_RAISED}))(?!\.?\w)"
    r"|(?P<digits>(?<![\[(])(?<![\[(]-)\d{1,3}(?:,\d{3})++(?![\d,])(?:\.\d++)?|\d++(?:\.\d++|\.(?![\w.]))?|\.\d++)"
    r"(?:e(?P<exponent>[-+]?\d{1,4})(?!\d))?"
    rf"(?:[ \t]?[×x·*][ \t]?10(?:{_HAT}(?P<times>[-+−]?\d{{1,3}})[)}}]?|(?P<times_raised>{_RAISED})))?"
    r"(?:(?P<unit>[ \t]?%|[A-Za-zµ]{1,8}(?:/[a-z]{1,8})?)(?![\w.(]\w|\()|(?!\.?\w)))",
    re.IGNORECASE,
)
_DECIMAL_COMMA = re.compile(
    r"(?<![\d,.\[(-])(?:\d+,(?:\d+(?:[eE]-\d+)|0\d+|\d{4,}|\d+(?=[ \t]?[·×*][ \t]?10))|0,\d{3,})(?![\d.]|,\d)"
)
_LISTED = re.compile(r"\d,\d+,\d")
_STATED = 1e-15


@dataclass(frozen=True, slots=True)
class Value:
    """A number `x` and the interval from `low` to `high` that its text allows; nan for "nan"."""

    x: float
    low: float
    high: float
    text: str = ""
    bound: str = ""
    """"<", ">" or "~" where the text bounds or rounds the number; "" where it states it."""
    unit: str = ""

    @property
    def finite(self) -> bool:
        """Whether the number is neither nan nor infinite."""
        return math.isfinite(self.x)

    @property
    def exact(self) -> bool:
        """Whether the text allows this number only."""
        return self.low == self.high

    @property
    def below(self) -> bool:
        """Whether only an upper bound of the size is known: zero as printed, or `< 1e-7`."""
        return self.finite and not self.exact and self.low <= 0 <= self.high

    @property
    def size(self) -> tuple[float, float]:
        """The least and the greatest absolute value that the text allows."""
        low, high = abs(self.low), abs(self.high)
        if self.bound == "<" and self.x >= 0:
            return 0.0, high
        return (0.0 if self.low <= 0 <= self.high else min(low, high)), max(low, high)

    def scaled(self, factor: float) -> Value:
        """The same reading in another unit."""
        return replace(self, x=self.x * factor, low=self.low * factor, high=self.high * factor)


def exactly(x: float, text: str = "") -> Value:
    """A number without any rounding."""
    return Value(x, x, x, text or repr(x))


def between(low: float, high: float, text: str = "") -> Value:
    """A number known to lie between two others."""
    low, high = min(low, high), max(low, high)
    return Value((low + high) / 2, low, high, text)


def numbers(text: str) -> Iterator[tuple[int, int, Value]]:
    """Each number of a text with where it begins and ends."""
    for match in NUMBER.finditer(text):
        yield match.start(), match.end(), _value(match)


@lru_cache(maxsize=8192)
def number(text: str) -> Value | None:
    """The one number that a cell holds, or None."""
    text = text.strip().strip("\"'`*")
    if (match := NUMBER.match(text)) and match.end() == len(text):
        return _value(match)
    return None


def with_points(text: str, foreign: bool = False) -> str:
    """Decimal commas as points, where the numbers of a text, or its language, leave no doubt that it writes them."""
    sure = _DECIMAL_COMMA.search(text) or (foreign and not _LISTED.search(text))
    if not sure or re.search(r"\d\.\d|[A-Za-z_],[A-Za-z_]", text):
        return text
    return re.sub(r"(?<=\d),(?=\d)", ".", text)


def _value(match: re.Match[str]) -> Value:
    text = match[0].strip()
    sign = -1.0 if match["sign"] in ("-", "−") else 1.0
    bound = _bound(match["bound"])
    if special := match["special"]:
        x = math.nan if special.lower() == "nan" else sign * math.inf
        return Value(x, x, x, text, bound)
    if power := match["ten"] or match["raised"]:
        x = _ten(1.0, int(power.translate(_SUPERSCRIPTS)))
        return _bounded(sign * x, 0.5 * x, text, bound, "")
    digits = match["digits"].replace(",", "")
    exponent = int(match["exponent"] or 0)
    times = match["times"] or match["times_raised"]
    exponent += int(times.translate(_SUPERSCRIPTS)) if times else 0
    unit = (match["unit"] or "").strip()
    places = len(digits.partition(".")[2])
    x = sign * _ten(float(digits), exponent)
    whole = not places and not match["exponent"] and not times
    # `0.000e+00` would show 1e-40 with an exponent of its own: it is a zero that hides nothing, as `0.0000` does.
    scientific_zero = x == 0 and match["exponent"] is not None and not exponent
    full = whole or scientific_zero or ("." in digits and not places and not exponent)
    half = 0.0 if full else 0.5 * _ten(1.0, exponent - places)
    factor = _FACTORS.get(unit)
    if factor:
        half = half or (0.5 if unit == "%" else 0.0)
        return _bounded(x * factor, half * factor, text, bound, unit)
    return _bounded(x, half, text, bound, unit)


def _bound(text: str | None) -> str:
    mark = (text or "").strip()[:1]
    return {"≤": "<", "≥": ">", "≈": "~"}.get(mark, mark)


def _bounded(x: float, half: float, text: str, bound: str, unit: str) -> Value:
    if bound == "<":
        return Value(x, -math.inf, x, text, bound, unit)
    if bound == ">":
        return Value(x, x, math.inf, text, bound, unit)
    half = 2 * half or abs(x) * 0.1 if bound == "~" else half
    return (
        Value(x, x - half, x + half, text, bound, unit)
        if half > abs(x) * _STATED
        else Value(x, x, x, text, bound, unit)
    )


def _ten(x: float, exponent: int) -> float:
    """x times a power of ten, rounded once as the printed number is."""
    if not math.isfinite(x):
        return x
    mantissa, _, own = repr(x).partition("e")
    return float(f"{mantissa}e{int(own or 0) + exponent}")
