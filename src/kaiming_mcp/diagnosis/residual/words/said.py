"""Numbers that stand in prose, each with what it measures: spread, error of a reference, correlation, noise, depth.

A number belongs to the nearest word of its sentence that can carry one; the words before that say of what.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, cast

from kaiming_mcp.knowledge import LONGEST_READ
from kaiming_mcp.measurements.value import numbers, with_points

Kind = Literal[
    "autocorrelation", "correlation", "r2", "spread", "variance", "rmse", "mae", "mse", "noise", "snr", "psnr", "memory",
    "left", "rank", "width", "classes", "factor", "seeds", "bias",
]  # fmt: skip

_KEYS: dict[Kind, str] = {
    "autocorrelation": r"auto-?\s?correlation|auto-?corr|\bacf\b|serial correlation|lag[- ]?\d+ corr\w*|day-to-day correlation|"
    r"persistence correlation|\bar\(1\)(?: coefficient)?|\brho_?\d*\b|ρ_?\d*",
    "correlation": r"correlat(?:ion|es|ed)|\bcorr\b|pearson",
    "r2": r"\br2\b|\br²|\br\^2|explained variance|variance explained|explains?\b|coefficient of determination",
    "spread": r"standard deviation|\bstd(?:ev|\.)?\b|\bstds\b|\bsd\b|\bspread\b|\bσ\b|variability",
    "variance": r"\bvariance\b|\bvar\b",
    "bias": r"\bmean error\b|\bbias\b|\bsystematic error\b|\bmean deviation\b",
    "rmse": r"\brmse\b|\brms error\b|\brmsd\b|\brms\b|root[- ]mean[- ]squared? error|typical error|\berrors?\b|accuracy",
    "mae": r"\bmae\b|mean absolute error",
    "mse": r"\bmse\b|mean squared error",
    "noise": r"(?:instrument(?:al)?|measurement|observation(?:al)?|sensor|label|experimental|mesh|grid|discreti[sz]ation|truncation|annotation) (?:error|noise|precision|uncertainty)|"
    r"\bnoise(?: floor| level)?|repeatability|reproducibility|inter-?rater|precision of the",
    "snr": r"\bsnr\b|signal[- ]to[- ]noise(?: ratio)?",
    "psnr": r"\bpsnr\b",
    "memory": r"e-?folding(?: time)?|decorrelation (?:time|length)?|correlation time|autocorrelation time|time ?scale|memory of",
    "left": r"\bleaves\b|\bremain(?:s|ing|der)?\b|\bleft over\b|unexplained",
    "rank": r"\brank\b",
    "width": r"hidden (?:size|width|dim\w*)|d_model|\bwidth\b|\bdim(?:ension)?\b",
    "classes": r"\bclasses\b|\bcategories\b|\blabels\b",
    "factor": r"upsampl\w*|upscal\w*|super-?\s?resol\w*|downscal\w*|upscaling factor|scale factor",
    "seeds": r"\bseeds?\b|\bruns\b",
}
_KEY = re.compile("|".join(f"(?P<{k}>{v})" for k, v in _KEYS.items()))
_BEHIND: frozenset[Kind] = frozenset(
    ("noise", "snr", "rmse", "mae", "spread", "classes", "seeds", "factor", "r2", "left")
)
"""What may also stand behind its number: `0.5 K noise`, `10 dB SNR`, `explains`."""
_COMMA = re.compile(
    r"(?<![\d,])(\d+),(\d{1,2})(?=\s?(?:%|°C|K\b|m\b|mm\b|km\b|kg\b|s\b|dB\b|eV\b|meV\b|Ha\b|hPa\b|kcal|kJ))"
)
"""A decimal comma in front of a unit."""
_RANGE = re.compile(r"\s?(?:%|db)?\s?(?:and|to|-|–|\.\.)\s?")
_WISH = re.compile(
    r"\b(?:need|goal|want|aim|require|must|should|budget|targeting|target (?:error|accuracy|rmse|mae|of))\b"
)
_SENTENCE = re.compile(r"(?:[.;!?](?=\s)|\n|\s-\s)+")
FARTHEST_BEFORE, FARTHEST_BEHIND = 45, 14
FEWEST_SAMPLES = 20
_LAG = re.compile(
    r"lag[- ]?(?:of |= ?)?(\d{1,4})|at (\d{1,4})[- ]?(?:steps?|days?|hours?|h\b|d\b|min|months?|weeks?|years?)"
)
TIME_UNITS = {
    "second": 1.0, "sec": 1.0, "s": 1.0, "minute": 60.0, "min": 60.0, "hour": 3600.0, "h": 3600.0, "hr": 3600.0, "day": 86400.0,
    "d": 86400.0, "week": 604800.0, "month": 2629800.0, "year": 31557600.0, "yr": 31557600.0,
}  # fmt: skip
_DURATION = r"(\d{1,6}(?:\.\d{1,4})?)[- ]?(seconds?|sec|s|minutes?|min|hours?|hr|h|days?|d|weeks?|months?|years?|yr|steps?|frames?)\b"
_HORIZON = re.compile(
    rf"(?:\b(?:next|coming|following|horizon|lead(?: time)?|ahead|forecast|predict)\b[^.;\n\d]{{0,25}}{_DURATION})|"
    rf"(?:{_DURATION}[- ](?:ahead|lead|horizon|forecast|in advance|later))"
)
_NEXT = re.compile(r"\bnext[- ](second|minute|hour|day|week|month|year|step|frame)\b|\btomorrow\b|\bone[- ]step\b")
_SAMPLES = re.compile(
    r"(?<![\w.,])(?<![a-z]-)(\d{1,3}(?:,\d{3})+|\d{1,12})(?:(k|m)|\s?(thousand|million))?\s+(?:(?!(?:of|for|in|from|with|to|per)\s)[\w-]+\s+){0,2}?(?:samples|pairs|examples|molecules|images|rows|"
    r"patients|structures|records|cases|scans|trajectories|simulations|points|compounds|recordings)\b"
)
_SPAN_NAME = re.compile(
    rf"\d[\d.]*\s?-?(?:{'|'.join(sorted(TIME_UNITS, key=len, reverse=True))})(?:s|ly)?[- ](?:change|tendenc|increment|difference|forecast|lead|ahead|step|mean|average|error)|"
    r"\d[\d.]*\s?-?(?:m|cm|km|hpa)[- ](?:wind|temperature|height|geopotential|humidity|dew|air|level|resolution|grid|depth)"
)
"""A time or a place that only names something: the 6 h change, a 10-day forecast, 10 m wind."""
_AT = re.compile(r"\b(?:at|after|in|for|over|lead(?: of)?)\s$")
_TIME = re.compile(rf"\d[\d.]*\s?-?(?:{'|'.join(sorted(TIME_UNITS, key=len, reverse=True))})s?\b")
_STEPS = re.compile(r"(\d{1,3}(?:,\d{3})+|\d{1,9})\s(?:[a-z-]{1,15}\s)?(?:steps|time ?steps|iterations)\b")
_SCALES = {"k": 1e3, "m": 1e6, "thousand": 1e3, "million": 1e6}


class _Key(NamedTuple):
    kind: Kind
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Stated:
    """A number, what it measures, and of what (`subject`: the words before it)."""

    kind: Kind
    value: float
    unit: str
    subject: str
    lag: int | None = None
    wish: bool = False
    """A goal, not a measurement."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """A lead time as written; `seconds` None where it is in steps."""

    count: float
    unit: str

    @property
    def seconds(self) -> float | None:
        """The lead in seconds."""
        each = TIME_UNITS.get(self.unit)
        return None if each is None else self.count * each


def read_stated(text: str) -> list[Stated]:
    """All numbers that a word of the list carries, in the order of the text."""
    found: list[Stated] = []
    for sentence, written in _sentences(text):
        keys = [_Key(cast(Kind, m.lastgroup), m.start(), m.end()) for m in _KEY.finditer(sentence)]
        since, last = 0, None
        for start, end, value in numbers(sentence) if keys else ():
            if not value.finite or _is_name(sentence, start) or _SPAN_NAME.match(sentence, start):
                continue
            if _TIME.match(sentence, start) and _AT.search(sentence[max(0, start - 10) : start]):
                # `RMSE at 30 min 24 mg/dL`: the lead, and then the error.
                continue
            key = _key_of(sentence, keys, since, start, end)
            if key is None and last is not None and _RANGE.fullmatch(sentence[since:start]):
                key = last
            if key is None or not _possible(key[0], value.x, sentence[end : end + 12]):
                continue
            kind, at, key_end = key
            since, last = end, key
            # `4.2K` is a temperature here, not four thousand.
            kelvin = written[end - 1] == "K" and value.unit in ("k", "K")
            found.append(
                Stated(
                    kind,
                    value.x / 1e3 if kelvin else value.x,
                    _unit(written, start, end),
                    _subject(sentence, at, key_end, start, end),
                    _lag(sentence[max(0, at - 25) : end + 25]) if kind == "autocorrelation" else None,
                    bool(_WISH.search(sentence[:start][-60:])),
                )
            )
    return found


def read_horizon(text: str) -> Horizon | None:
    """How far ahead is predicted, where the words say it."""
    said = text[:LONGEST_READ].lower()
    match = _HORIZON.search(said)
    if match:
        count, unit = (match[1], match[2]) if match[1] else (match[3], match[4])
        return Horizon(float(count), _singular(unit))
    near = _NEXT.search(said)
    if near:
        return Horizon(1.0, near[1] or ("day" if near[0] == "tomorrow" else "step"))
    return None


def read_steps(text: str) -> int | None:
    """Over how many steps the output is fed back, where the words say it."""
    found = [int(n.replace(",", "")) for n in _STEPS.findall(text[:LONGEST_READ].lower())]
    return max((n for n in found if n > 1), default=None)


def read_samples(text: str) -> int | None:
    """The largest number of samples that is named; fewer than FEWEST_SAMPLES may be anything."""
    found = _SAMPLES.findall(text[:LONGEST_READ].lower())
    most = max((float(n.replace(",", "")) * _SCALES.get(a or b, 1.0) for n, a, b in found), default=0.0)
    return round(most) if FEWEST_SAMPLES <= most < 1e15 else None


def _sentences(text: str) -> Iterator[tuple[str, str]]:
    """Each sentence in lower case, and as it was written."""
    said = with_points(_COMMA.sub(r"\1.\2", text[:LONGEST_READ]))
    for sentence in _SENTENCE.split(said):
        lower = sentence[:2_000].lower()
        yield lower, sentence[:2_000] if len(lower) == len(sentence[:2_000]) else lower


def _is_name(sentence: str, start: int) -> bool:
    """Digits that are part of a name: r2, lag 1, resnet-50."""
    before = sentence[max(0, start - 5) : start]
    return bool(re.search(r"(?:lag[- ]?|[a-z]-?|\^|_)$", before)) and not re.search(
        r"(?:^|[\s=:(])[rnd]\s?=?\s?$", before
    )


def _possible(kind: Kind, x: float, behind: str) -> bool:
    """Whether a quantity can have that value: a correlation lies within 1, a spread is not negative."""
    if kind in ("autocorrelation", "correlation", "r2", "left"):
        return abs(x) <= 1 and not re.match(rf"\s?-?(?:{'|'.join(TIME_UNITS)})s?\b", behind)
    return x >= 0 or kind == "snr"


def _key_of(sentence: str, keys: list[_Key], since: int, start: int, end: int) -> _Key | None:
    """The word that carries a number: the last before it with no other number between, or the next one behind."""
    before = [k for k in keys if since <= k.end <= start and start - k.end <= FARTHEST_BEFORE]
    behind = [k for k in keys if 0 <= k.start - end <= FARTHEST_BEHIND and k.kind in _BEHIND]
    if behind and not re.search(r"[,;(]|\band\b", sentence[end : behind[0].start]):
        # `0.5 K noise and a spread of 3 K`: what directly follows a number is its own.
        return behind[0] if not before or behind[0].start - end < start - before[-1].end else before[-1]
    return before[-1] if before else None


def _subject(sentence: str, at: int, key_end: int, start: int, end: int) -> str:
    """The words round a key: before it, and between it and its number."""
    low, high = (at, start) if at < start else (start, at)
    between = sentence[min(key_end, high) : high] if at < start else ""
    before = sentence[max(0, low - 40) : low]
    before = re.split(r"[,(]|\d\s", before)[-1]
    after = re.match(r"[^,;\d]{0,40}", sentence[max(end, key_end) :])
    tail = after[0] if after and re.match(r"\s*\S{0,8}\s*(?:of|for|in|on|from|between|with)\b", after[0]) else ""
    return " ".join(f"{before} {between} {tail}".split())


def _unit(written: str, start: int, end: int) -> str:
    """The unit inside the number as read, or right behind it."""
    inside = re.search(r"(°?[A-Za-zµ°]+(?:/[A-Za-z]+)?|%)$", written[start:end])
    if inside:
        # `490 m2/s2`: the number ends at m, its unit does not.
        rest = re.match(r"(?:\^?-?\d)?(?:/[A-Za-z]{1,6}(?:\^?-?\d)?)?(?![\w.])", written[end : end + 12])
        return inside[1] + rest[0] if rest and inside[1] != "%" else inside[1]
    match = re.match(r"\s?(°?[A-Za-zµ°]{1,8}(?:\^?\d)?(?:/[A-Za-z]{1,6}(?:\^?-?\d)?)?|%)", written[end : end + 20])
    return match[1] if match and match[1].lower() not in _NOT_UNITS else ""


_NOT_UNITS = frozenset(
    "of for the and or in on at to by is was with per from than but so we it if vs a over after while when both between e".split()
)


def _lag(near: str) -> int | None:
    match = _LAG.search(near)
    return int(match[1] or match[2]) if match else None


def _singular(unit: str) -> str:
    return unit if unit in ("s", "h", "d") else unit.rstrip("s") if unit not in ("hr", "yr", "sec", "min") else unit
