"""A score as it is printed: 71.2 ± 0.3 (3 seeds), 71.2 (0.3), 71.2 / 71.5 / 71.1, or a run that collapsed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from kaiming_mcp.diagnosis.simplify.reading.text import NUMBER, number_of

COLLAPSED = re.compile(
    r"collaps\w*|diverg\w*|(?<![a-z])nan(?![a-z])|fail(?:s|ed)?\s+(?:to\s+)?(?:train|converge|learn)|(?:does not|did not|doesn't|didn't|never|no longer)\s+"
    r"(?:train|converge|learn)|blow(?:s|n)?\s+up|blew up|degenerat\w*|explod\w*|trivial solution|constant output|chance level|(?<![a-z])fail(?:s|ed)?$",
    re.IGNORECASE,
)
_WITH = re.compile(rf"({NUMBER})\s*%?\s*\(?\s*±\s*({NUMBER})\s*%?\s*\)?")
_BRACKET = re.compile(rf"({NUMBER})\s*%?\s*\(\s*(?:std\.?|sd|s\.d\.|σ)?\s*=?\s*({NUMBER})\s*\)")
_RANGE = re.compile(rf"({NUMBER})\s*%?\s*\[\s*({NUMBER})\s*[,;-]\s*({NUMBER})\s*\]")
_SEEDS = re.compile(
    r"(?:n\s*=\s*|over\s+|of\s+|from\s+|across\s+|\()\s*(\d{1,4})\s*(?:random\s+|different\s+|independent\s+)?(?:seeds?|runs?|trials?|repeats?|repetitions?|folds?)|n\s*=\s*(\d{1,4})|(\d{1,2})[- ]folds?\b|\b(\d{1,4})\s+(?:random\s+)?(?:seeds|runs|trials|repeats)\b"
)
_IN_WORDS = re.compile(
    r"\b(two|three|four|five|ten|twenty)(?=\s+(?:random\s+|different\s+|independent\s+)?(?:seeds?|runs?|trials?|folds?))"
)
_BEST = re.compile(
    r"(?:best|max(?:imum)?|top)\s+(?:result\s+)?(?:of|over|out of|across|from|among)\s+(?:the\s+|our\s+)?(\d{1,6}|two|three|four|five|ten|twenty)"
)
_SPREAD = re.compile(rf"(?:std\.?|sd|s\.d\.|σ|stdev)\s*(?:=|:|of)?\s*({NUMBER})", re.IGNORECASE)
_ONE = re.compile(r"\b(?:single|one|1)\s+(?:run|seed|trial)\b")
_COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5, "ten": 10, "twenty": 20}


@dataclass(frozen=True, slots=True)
class Score:
    """A mean with its seed deviation and number of seeds, None where not given; the single values if listed."""

    mean: float
    deviation: float | None = None
    seeds: int | None = None
    values: tuple[float, ...] = ()
    interval: bool = False
    """Whether the number after ± is half of an interval rather than a deviation."""
    signed: bool = False
    """Whether it was written with a sign: "-1.0" beside a name is a difference more often than a score."""


def of_values(values: list[float] | tuple[float, ...]) -> Score:
    """The score of single runs."""
    n = len(values)
    mean = sum(values) / n
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1)) if n > 1 else None
    return Score(mean, deviation, n, tuple(values))


def read_cell(cell: str) -> Score | None:
    """The score of a table cell, or None."""
    text = re.sub(r"[*`~†‡↑↓]|\\(?:cellcolor|color)\{[^}]*\}", " ", cell).strip()
    text = re.sub(r"^\(\s*([+-][^()]*)\)$", r"\1", text).strip()
    if len(text) > 120 or not re.search(r"\d", text):
        return None
    seeds = seeds_in(text)
    found = _WITH.search(text)
    if found:
        return Score(number_of(found[1]), abs(number_of(found[2])), seeds)
    found = _RANGE.match(text)
    if found:
        half = abs(number_of(found[3]) - number_of(found[2])) / 2
        return Score(number_of(found[1]), half, seeds, interval=True)
    found = _BRACKET.match(text)
    if found and found[2][0] not in "+-":
        return Score(number_of(found[1]), number_of(found[2]), seeds)
    single = re.fullmatch(rf"({NUMBER})\s*%?\s*(?:\(\s*[+-]\s*{NUMBER}\s*%?\s*\)|[A-Za-z]{{0,4}}|\(.{{0,30}}\))?", text)
    if single:
        return Score(number_of(single[1]), None, seeds, signed=single[1][0] in "+-")
    listed = re.fullmatch(rf"[\[(]?\s*({NUMBER}(?:\s*[,/;| ]\s*{NUMBER})+)\s*[\])]?", text)
    if listed:
        values = [number_of(v) for v in re.findall(NUMBER, listed[1])]
        # Two numbers parted by a slash are two metrics more often than two seeds.
        return Score(values[0], None, seeds) if len(values) == 2 and "/" in listed[1] else of_values(values)
    return None


def seeds_in(text: str) -> int | None:
    """The number of seeds that a text gives; 1 for a single run."""
    digits = _IN_WORDS.sub(lambda m: str(_COUNTS[m[1]]), text.lower())
    found = _SEEDS.search(_BEST.sub(" ", digits))
    if found:
        count = int(next(g for g in found.groups() if g))
        return count if 0 < count < 10_000 else None
    return 1 if _ONE.search(text.lower()) else None


def spread_in(text: str) -> float | None:
    """The deviation in "std 0.3"."""
    found = _SPREAD.search(text)
    return abs(number_of(found[1])) if found else None


def best_of(text: str) -> int | None:
    """n in "best of n runs"."""
    found = _BEST.search(text.lower())
    if not found:
        return None
    count = _COUNTS.get(found[1]) or (int(found[1]) if found[1].isdigit() else 0)
    return count if count > 1 else None


def as_deviation(score: Score, kind: str) -> Score:
    """The score with the number after ± read as seed deviation; `kind` is "error", "interval" or "deviation"."""
    if score.deviation is None or score.values:
        return score
    if score.interval or kind == "interval":
        # 1.96 for the half width of a normal 95 % interval of the mean
        scale = math.sqrt(score.seeds) / 1.96 if score.seeds else 1 / 1.96
        return replace(score, deviation=score.deviation * scale, interval=False)
    if kind == "error" and score.seeds:
        return replace(score, deviation=score.deviation * math.sqrt(score.seeds))
    return score
