"""Times and chains as the user states them: latency, evaluations, steps with their error, spans of data.

Times and spans are in seconds, shares between 0 and 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from kaiming_mcp.diagnosis.generative.quantities import (
    NEAR,
    NUMBER,
    SHARE,
    TIME,
    period,
    seconds,
    share,
    value,
    whole,
)

_SPAN = rf"{NUMBER}[\s-]+(minutes?|hours?|days?|weeks?|months?|years?)"
_PER_EVALUATION = re.compile(
    rf"{TIME}(?:\s\w{{1,12}}){{0,1}}?\s(?:per|each|a|an|for (?:one|a|each))\s(?:single\s)?(?:\w{{1,12}}\s)?"
    r"(?:evaluation|forward|pass|step|call|nfe|network|model|token|denois|inference|function)"
)
_EVALUATION_TAKES = re.compile(
    rf"(?:forward(?: pass)?|evaluation|network|denoising step|sampling step|each step|one step|a step|per step|model call|inference|token)"
    rf"(?:\s\w{{1,12}}){{0,2}}?\s(?:takes|costs|needs|is|of|in)\s(?:about\s|around\s|~)?{TIME}"
)
_LIMIT = re.compile(
    rf"(?:within|under|below|needs?|needed|less than|at most|no more than|up to|faster than|max(?:imum)?(?: of)?|budget(?: of| is|:)?|deadline(?: of)?|"
    rf"latency(?: budget| limit| must be| of| is| below| under|:)*|<=?|≤)\s{{0,2}}(?:about\s|of\s|a\s)?{TIME}"
)
_LIMIT_AFTER = re.compile(rf"{TIME}[\s-]+(?:\w+\s)?(?:latency|budget|limit|deadline|control loop|loop|cycle)")
_RATE = re.compile(rf"{NUMBER}\s?(?:hz|fps|frames per second)\b")
_ONLINE = re.compile(r"real[- ]?time|control|inference|must run|loop|online|interactive|latency")
_NFE = re.compile(
    rf"{NUMBER}[\s-]+(?:nfe|function evaluations|network evaluations|(?:denoising|diffusion|sampling|sampler|reverse|ddim|ddpm|euler|ode|"
    r"langevin|solver|flow)(?: (?:sampling|time|denoising))? ?(?:time)?steps)|(?:nfe|(?:sampling|denoising|diffusion|ddim|ddpm) steps)"
    r"\s?(?:=|of|:)\s?(\d{1,6})"
)
_PER_STEP = re.compile(
    rf"{SHARE}(?:\s(?!per\b|each\b)[\w-]{{1,15}}){{0,4}}?\s(?:per|each|at each|at every|every|in each|for each)\s(?:reasoning |tool |single |rollout )?"
    rf"(?:step|call|stage|token|hop|agent|frame|time ?step)|"
    rf"(?:per[- ](?:step|call|token|stage)|(?:each|every)\s(?:step|call|stage|token|agent|hop))\s(?:[\w-]{{1,15}}\s){{0,5}}?(?:of\s|=\s?|:\s?|is\s|with\s)?{SHARE}"
)
_FAILS = re.compile(r"fail|wrong|error rate|mistake|miss|incorrect|hallucinat")
_DRIFTS = re.compile(r"error|drift|deviat|bias|rmse|inaccura")
_DOUBLES = re.compile(rf"(?:doubl\w{{1,6}}(?: time)?|lyapunov time|e-folding time){NEAR}{_SPAN}")
_SPAN_OF_DATA = re.compile(
    rf"{_SPAN}(?:\s(?:of|worth)){{0,2}}(?:\s[\w-]{{1,15}}){{0,3}}?\s(?:data|records?|history|archive|observations|measurements|reanalysis|logs?)"
)
_LONG_SPAN = re.compile(rf"{NUMBER}[\s-]+(days?|weeks?|months?|years?)")
_YEARS = re.compile(r"\b(?:from\s)?((?:1[89]|20)\d\d)\s?(?:-|–|to|until|through)\s?((?:1[89]|20)\d\d)\b")
_AHEAD = re.compile(
    rf"(?:next|coming|following|upcoming|lead time(?:s)?(?: of)?|horizon(?: of)?|up to)\s(?:the\s)?{_SPAN}|{_SPAN}\s(?:ahead|in advance|lead)"
)


@dataclass(frozen=True, slots=True)
class Timing:
    """None where the text does not say."""

    evaluation: float | None = None
    limit: float | None = None
    nfe: int | None = None
    success: float | None = None
    drift: float | None = None
    doubling: float | None = None
    ahead: float | None = None
    span: float | None = None


def read_timing(text: str, data: str) -> Timing:
    """All of them, from a lower-case text and what was said of the data."""
    success, drift = _per_step(text)
    return Timing(
        evaluation=_time(_PER_EVALUATION, text) or _time(_EVALUATION_TAKES, text),
        limit=_limit(text),
        nfe=whole(_NFE, text),
        success=success,
        drift=drift,
        doubling=_span(_DOUBLES, text),
        ahead=_span(_AHEAD, text),
        span=_span_of_data(text, data),
    )


def _time(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    return seconds(found[1], found[2]) or None if found else None


def _limit(text: str) -> float | None:
    """A time that an answer may take. Minutes and hours only where latency is spoken of: they may be a lead time."""
    for pattern in (_LIMIT, _LIMIT_AFTER):
        for found in pattern.finditer(text):
            near = text[max(0, found.start() - 60) : found.end() + 60]
            if found[2][0] not in "mh" or found[2].startswith(("ms", "milli", "micro")) or _ONLINE.search(near):
                return seconds(found[1], found[2]) or None
    for found in _RATE.finditer(text):
        if _ONLINE.search(text[max(0, found.start() - 40) : found.end() + 40]) and value(found[1]) > 0:
            return 1 / value(found[1])
    return None


def _per_step(text: str) -> tuple[float | None, float | None]:
    """(probability that a step succeeds, relative error of a step)."""
    found = _PER_STEP.search(text)
    if not found:
        return None, None
    told = share(found[1] or found[3], found[2] or found[4])
    near = text[max(0, found.start() - 30) : found.end() + 12]
    if told is None:
        return None, None
    if _FAILS.search(near):
        return 1 - told, None
    return (None, told) if _DRIFTS.search(near) else (told, None)


def _span(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    if not found:
        return None
    groups = [g for g in found.groups() if g]
    return period(groups[0], groups[1]) or None


def _span_of_data(text: str, data: str) -> float | None:
    """What is said of the data first; else the longest span that the text calls data."""
    told = _span(_LONG_SPAN, data) or max((period(m[1], m[2]) for m in _SPAN_OF_DATA.finditer(text)), default=0.0)
    if told:
        return told
    years = _YEARS.search(data)
    return (int(years[2]) - int(years[1]) + 1) * period("1", "year") if years and years[2] > years[1] else None
