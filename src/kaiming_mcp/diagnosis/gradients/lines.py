"""Single lines of a log that settle something by themselves, whatever stands around them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from kaiming_mcp.architecture.paste.clean import clean
from kaiming_mcp.diagnosis.gradients.words import LONGEST, NUMBER, as_float, by_depth

_SIGNED = r"[-−]?\d{1,12}(?:\.\d{1,9})?(?:[eE][-+]?\d{1,2})?"
_WHOLE_BATCH = re.compile(
    r"\b(?:units?|channels?|neurons?|filters?|outputs?)\b[^\n:%]{0,30}(?:\b0\b|\bzeros?\b|\boff\b|\bsilent\b|\bdead\b|\binactive\b)"
    r"[^\n:%]{0,15}\b(?:for|in|on|over|across)\b[^\n:%]{0,12}\b(?:whole|entire|all|every|any|each)\b[^\n:]{0,40}:(?P<rest>[^\n]{1,400})",
    re.I,
)
_SHARE = re.compile(r"(?P<name>[A-Za-z][\w.()\[\]]{0,40}(?: \d{1,3})?)\s?[:=]?\s{1,4}(?P<x>\d{1,3}(?:\.\d{1,6})?)\s?%")
_ZERO_OUTPUT = re.compile(
    r"(?P<shares>\d[^.;\n]{0,160}%[^.;%\n]{1,60}?)\b(?:outputs?|are|is|gives?|returns?)\s(?:exactly |always |all )?(?:zeros?|0|dead)\b"
    r"(?=[^.\n]{0,30}\b(?:every|all|any|each|whole|never)\b)",
    re.I,
)
"""`97 % of the ReLUs in conv4 and 99 % in conv5 output zero for every image`"""
_IN_LAYER = re.compile(
    r"(?P<x>\d{1,3}(?:\.\d{1,6})?)\s?%(?: of (?:the |all )?\w{1,20})? (?:in|of|at) (?:the )?(?P<name>[A-Za-z][\w.]{0,40}\d[\w.]{0,20})"
)
_BEFORE = re.compile(
    r"\b(?:before|into|input (?:of|to)|pre-?)[ -]?(?:the )?(?:last |final |output )?(?P<act>relu|sigmoid|tanh)\b(?P<rest>[^\n]{1,160})",
    re.I,
)
_NAMED = re.compile(rf"\b(?P<statistic>min|mean|max|median)\b\s?[:=]?\s{{0,3}}(?P<x>{_SIGNED})", re.I)
_TOP = re.compile(
    r"\b(?:mean |average |median )?(?:top|max(?:imum)?|largest)[- ](?:\w+ )?(?:prob\w*|weight)s?\W{0,3}(?:is )?(?P<x>0\.\d{1,6}|1\.0{0,6})",
    re.I,
)
_OF_ALL = re.compile(
    rf"\bentropy\b\W{{0,3}}(?P<x>{NUMBER})[^\n]{{0,40}}?\b(?:ln|log)\W?\d{{1,6}}\)?\s?[=≈]\s?(?P<all>\d{{1,2}}\.\d{{1,6}})",
    re.I,
)
_SOFTMAX = re.compile(r"\bsoftmax\b|\battention\b|\battn", re.I)
_QUANTILE = re.compile(r"\b(?:q|p|%)_?0?(?P<q>\d{1,2})\b|\b(?P<percent>\d{1,2})\s?%", re.I)
AT_END = 0.02
"""Distance from 0 or 1 (of a tanh from -1 or 1) at which an output stands at its end."""
_ROUND = re.compile(r"\bround\([^()\n]{1,60},\s?(?P<digits>\d)\)[^\n\[]{0,12}\[(?P<list>[^\]\n]{1,400})\]")
_BLOCK = re.compile(r"\[\[?(?P<list>[-\d.,\s\[\]]{4,4000})\]")
_STATE = re.compile(
    r"\b(?P<name>exp_avg\w*|(?:second |first )?moment\w*|momentum\w*|adam \w+|optimizer state\w*)\b[^\n]{0,40}"
    r"\b(?:fraction|share|frac)\w*\s(?:of )?zeros?\W{1,3}(?P<x>\d{1,3}(?:\.\d{1,6})?)(?P<percent>\s?%)?",
    re.I,
)
_IGNORED = re.compile(
    r"\b(?:labels?|targets?|y)\b[^\n\[]{0,20}\[(?P<list>\s?-100(?:,\s?-100){3,40})(?:,\s?\.\.\.)?\s?\]"
    r"|(?:!=\s?-100|\bignore_?index\b|\bvalid\b|\bunmasked\b|\blabel+ed\b|\bcounted\b|\bkept\b)[^\n\d]{0,20}\b0(?:\s?/\s?| of )\d{1,9}\b",
    re.I,
)
_RAMP = re.compile(r"\bramp|\bwarm-?\s?up", re.I)
_NONE = re.compile(r"\b(?:no|without|w/o|0)\b[^\n:]{0,12}(?:ramp|warm-?\s?up)", re.I)
_LOSSES = re.compile(r"(?<![\w.])\d{1,6}\.\d{1,9}(?:e[-+]?\d{1,2})?(?![\w.]\d)")


class Before(NamedTuple):
    """What goes into a nonlinearity: its middle, and its largest where that is told."""

    activation: str
    middle: float
    most: float


def dead_units(text: str) -> tuple[tuple[str, float], ...]:
    """Shares of units that are 0 for a whole batch: `units that are 0 for the whole batch: relu(1) 72%, relu(3) 100%`."""
    found = _WHOLE_BATCH.search(text[:LONGEST])
    rows = [(m["name"], as_float(m["x"]) / 100) for m in _SHARE.finditer(found["rest"])] if found else []
    if not rows and (said := _ZERO_OUTPUT.search(text[:LONGEST])):
        rows = [(m["name"], as_float(m["x"]) / 100) for m in _IN_LAYER.finditer(said["shares"])]
    return tuple((name, share) for name, share in rows if share <= 1)


def before(text: str) -> Iterator[Before]:
    """`before the last relu: min -3.1 mean -2.5 max -2.0`, each line of that kind."""
    for found in _BEFORE.finditer(clean(text[:LONGEST])):
        given = {m["statistic"].lower(): float(m["x"].replace("−", "-")) for m in _NAMED.finditer(found["rest"])}
        middle = given.get("mean", given.get("median"))
        if middle is not None or "max" in given:
            most = given.get("max", math.inf)
            yield Before(found["act"].lower(), most if middle is None else middle, most)


def one_key(text: str) -> tuple[float, str] | None:
    """The weight of the largest entry of a softmax, or 1 - its entropy over the greatest; with the words."""
    for line in text[:LONGEST].split("\n"):
        if not _SOFTMAX.search(line[:400]):
            continue
        if found := _TOP.search(line[:400]):
            return as_float(found["x"]), found[0]
        if (found := _OF_ALL.search(line[:400])) and (whole := as_float(found["all"])) > 0:
            return 1 - as_float(found["x"]) / whole, found[0]
    return None


def at_ends(text: str, tanh: bool) -> tuple[tuple[str, float], ...]:
    """Least share of outputs at the ends of a sigmoid or tanh, from rows of quantiles: `fc1 0.00 0.00 0.54 1.00 1.00`."""
    marks, rows = list[float](), list[tuple[str, float]]()
    for line in clean(text[:LONGEST]).split("\n"):
        heads = [int(m["q"] or m["percent"]) / 100 for m in _QUANTILE.finditer(line[:400])]
        if len(heads) > 2 and heads == sorted(heads):
            marks = heads
            continue
        cells = line[:400].split()
        if not marks or len(cells) != len(marks) + 1 or not all(re.fullmatch(_SIGNED, c) for c in cells[1:]):
            continue
        values = [float(c) for c in cells[1:]]
        low = max((q for q, v in zip(marks, values, strict=True) if v <= (AT_END - 1 if tanh else AT_END)), default=0.0)
        high = min((q for q, v in zip(marks, values, strict=True) if v >= 1 - AT_END), default=1.0)
        rows.append((cells[0], low + 1 - high))
    return by_depth(rows)


def rounded_away(text: str) -> float | None:
    """What a print rounds to, where all of its numbers are zeros and it is seen that they were rounded."""
    text = text[:LONGEST]
    for found in _ROUND.finditer(text):
        if _all_zero(found["list"]):
            return 0.5 * 10.0 ** -int(found["digits"])
    for found in _BLOCK.finditer(text):
        # Only a number that was rounded keeps its sign in front of a zero.
        if (sign := re.search(r"-0\.(0+)\b", found["list"])) and _all_zero(found["list"]):
            return 0.5 * 10.0 ** -len(sign[1])
    return None


def _all_zero(listed: str) -> bool:
    numbers = re.findall(r"\d+\.?\d*", listed)
    return len(numbers) > 1 and all(float(n) == 0 for n in numbers)


def optimizer_zeros(text: str) -> tuple[str, float] | None:
    """The part of the optimizer's state that is zero, and the share of its zeros."""
    found = _STATE.search(text[:LONGEST])
    return (found["name"], as_float(found["x"]) / (100 if found["percent"] else 1)) if found else None


def no_label(text: str) -> str:
    """The words that say that not one label counts in the loss; "" where none do."""
    found = _IGNORED.search(text[:LONGEST])
    return " ".join(found[0].split()) if found else ""


def schedules(text: str) -> tuple[list[float], list[float]] | None:
    """Losses of the same run without and with a warm-up, one line each."""
    with_ramp, without = list[float](), list[float]()
    for line in text[:LONGEST].split("\n"):
        head, colon, rest = line[:2_000].partition(":")
        losses = [float(x) for x in _LOSSES.findall(rest)] if colon and _RAMP.search(head) else []
        if len(losses) > 2:
            (without if _NONE.search(head) else with_ramp)[:] = losses
    return (without, with_ramp) if without and with_ramp else None
