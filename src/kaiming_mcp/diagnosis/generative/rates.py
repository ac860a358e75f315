"""Counts that are told as a rate: 60 numbers per hour over 48 hours, 500 Hz for 10 s, 3 numbers for each of 20 atoms."""

from __future__ import annotations

import math
import re

__all__ = ["numerals", "repeated", "timed"]

_WORDS = {
    **{"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12},
    **{"fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90, "hundred": 100},
}  # fmt: skip
_TENS = re.compile(r"\b(twenty|thirty|forty|fifty|sixty|ninety)[- ](one|two|three|four|five|six|seven|eight|nine)\b")
_SPELLED = re.compile(rf"\b(?:a )?({'|'.join(_WORDS)})(?=[\s-])")
_SAYINGS = (
    (re.compile(r"\b(?:an? |\d{1,3} )?fortnights?\b"), "14 days"),
    (re.compile(r"\b(?:a )?dozen(?: of)?\b"), "12"),
    (re.compile(r"\bhalf[- ]hour(?:ly)?\b"), "30-minute steps"),
    (re.compile(r"\b(?:quarter|1/4)[- ]hour(?:ly)?\b"), "15-minute steps"),
    (re.compile(r"\b(last|past|previous|next|coming|following|whole|full|an?) (minute|hour|day|week|month|year)\b"), r"1 \2"),
)  # fmt: skip
_PERIOD = r"(ms|milliseconds?|seconds?|secs?|s|minutes?|mins?|min|hours?|h|days?|weeks?|months?|years?)\b"
_SECONDS = (
    ("ms", 1e-3), ("milli", 1e-3), ("mo", 2629800.0), ("mi", 60.0), ("s", 1.0), ("h", 3600.0), ("d", 86400.0),
    ("w", 604800.0), ("y", 31557600.0),
)  # fmt: skip
_COUNT = r"(\d{1,3}(?:,\d{3})+|\d{1,9}(?:\.\d{1,6})?)"
_EACH_PERIOD = re.compile(
    rf"{_COUNT}\s(?:[a-z]{{1,15}}\s)?(?:numbers?|values?|variables?|readings?|features?|channels?|measurements?|observations?|dimensions?|samples?)"
    rf"\s?(?:per|each|every|an?|1|/|for each|for every)\s?{_PERIOD}"
)
_HERTZ = re.compile(
    rf"(?:\b(?:at|rate of|sampled at)\s{_COUNT}\s?(k|m)?hz\b|\b{_COUNT}\s?(k|m)?hz\s(?:sampl|record|signal|data|ecg|eeg|audio))"
)
_CADENCE = re.compile(
    rf"\b(?:every|once (?:every|per|an?)|one (?:value|reading|sample) (?:per|an?|every))\s(?:{_COUNT}\s?)?{_PERIOD}|"
    rf"\b{_COUNT}[\s-]?{_PERIOD}[\s-](?:steps?|resolution|intervals?|cadence|averages|means|sampling|data|values|records|bins)|"
    rf"\b(?:{_COUNT}[- ])?(hourly|daily|weekly|monthly|yearly)\b"
)
_DURATION = re.compile(rf"(?<![-–\d.,]){_COUNT}[\s-]?{_PERIOD}")
_COUNTED_STEPS = re.compile(
    r"\b\d[\d,]*\s(?:[a-z]{1,12}\s)?(?:steps|frames|time ?steps|hourly values|daily values|tokens|points|snapshots)\b"
)
_EACH_THING = re.compile(
    rf"{_COUNT}\s(?:[a-z]{{1,15}}\s)?(?:numbers?|values?|features?|variables?|coordinates?|dimensions?|channels?|components?|quantities|readings?)\s"
    r"(?:per|for each|for every|in each|at each|on each|from each|each)\s?(?:of (?:the )?)?(?:(\d[\d,]*)\s)?([a-z]{2,20})?"
)
_MOST = 1e15


def numerals(text: str) -> str:
    """Numbers that are spelled out as digits: forty-eight hours, a dozen sites, a fortnight, half-hourly."""
    text = _TENS.sub(lambda m: str(_WORDS[m[1]] + _WORDS[m[2]]), text)
    text = _SPELLED.sub(lambda m: str(_WORDS[m[1]]), text)
    for saying, plain in _SAYINGS:
        text = saying.sub(plain, text)
    return text


def timed(text: str) -> tuple[float, str] | None:
    """(values that a rate gives over the duration beside it, the text without both); None where there is no such pair.

    A count for each period stands for all values of that period, so nothing else is left to multiply. A rate in Hz or a
    cadence gives instants alone.
    """
    each = _EACH_PERIOD.search(text)
    hertz = None if each else _HERTZ.search(text)
    cadence = None if each or hertz else _CADENCE.search(text)
    found = each or hertz or cadence
    if found is None or (not each and _COUNTED_STEPS.search(text)):
        return None
    if each:
        values, every = _plain(each[1]), _seconds(each[2])
    elif hertz:
        rate = _plain(hertz[1] or hertz[3]) * {"k": 1e3, "m": 1e6}.get(hertz[2] or hertz[4] or "", 1.0)
        values, every = 1.0, 1 / rate if rate else 0.0
    else:
        values, every = 1.0, _cadence(found)
    rest = f"{text[: found.start()]} {text[found.end() :]}"
    spans = [(_plain(m[1]) * _seconds(m[2]), m) for m in _DURATION.finditer(rest)]
    span, where = max(spans, key=lambda pair: pair[0], default=(0.0, None))
    if where is None or every <= 0 or span < every:
        return None
    total = min(values * max(round(span / every), 1), _MOST)
    return total, "" if each else f"{rest[: where.start()]} {rest[where.end() :]}"


def per_time(text: str) -> bool:
    """Whether a count is told for each period of time."""
    return _EACH_PERIOD.search(text) is not None


def repeated(text: str) -> float | None:
    """Values of "5 numbers at each of 12 sites", "3 coordinates per atom, 20 atoms"; None where it is not told of how many."""
    found = _EACH_THING.search(text)
    if found is None:
        return None
    rest = f"{text[: found.start()]} {text[found.end() :]}"
    if found[2]:
        things = _plain(found[2])
    elif found[3] and (
        said := re.search(rf"\b(\d[\d,]*)\s(?:[a-z-]{{1,15}}\s)?{re.escape(found[3].rstrip('s'))}", rest)
    ):
        things = _plain(said[1])
    elif not found[3] and (any_ := re.search(r"\b(\d[\d,]*)\s[a-z-]{2,20}s\b", rest)):
        things = _plain(any_[1])
    else:
        return None
    return min(_plain(found[1]) * things, _MOST) or None


def _cadence(found: re.Match[str]) -> float:
    count, unit = next(((found[i], found[i + 1]) for i in (1, 3, 5) if found[i + 1]), (None, "s"))
    unit = {"hourly": "h", "daily": "d", "weekly": "w", "monthly": "mo", "yearly": "y"}.get(unit, unit)
    return (_plain(count) if count else 1.0) * _seconds(unit)


def _seconds(unit: str) -> float:
    return next(factor for start, factor in _SECONDS if unit.startswith(start))


def _plain(count: str) -> float:
    found = float(count.replace(",", ""))
    return found if math.isfinite(found) else 0.0
