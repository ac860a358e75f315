"""Differences that a sentence states without two scores: "it costs 0.4 points", "no difference"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kaiming_mcp.diagnosis.simplify.reading.anchors import mentioned
from kaiming_mcp.diagnosis.simplify.reading.labels import Change
from kaiming_mcp.diagnosis.simplify.reading.sentence_scores import NOT_SCORE
from kaiming_mcp.diagnosis.simplify.reading.text import NUMBER, number_of

_DELTA = re.compile(
    r"\b(?P<verb>drops?|dropped|falls?|fell|costs?|loses?|lost|decreases?|decreased|hurts?|reduces?|reduced|lowers?|lowered|degrades?|degraded|worsens?|improves?|improved|adds?|added|gives?|gave|"
    r"brings?|brought|contributes?|contributed|is worth|worth|helps?|helped|increases?|increased|raises?|raised|boosts?|boosted|yields?|gains?|gained|saves?|changes?|changed)\b"
    rf"(?P<between>[^0-9.;:]{{0,32}}?)(?P<by>\bby\s+|\+|-|\babout\s+|\bonly\s+|\bless than\s+|\s)(?P<number>[+-]?{NUMBER})(?P<unit>\s*(?:percentage points?|points?|pts?|pp|%|ap\b|map|miou|fid|db|bleu|iou|ppl))?",
    re.IGNORECASE,
)
ABLATED = re.compile(r"\bablat(?:ed|ion (?:of|for|on|exists for|is given for))\b", re.IGNORECASE)
NOT_ABLATED = re.compile(r"\b(?:no|not|never|without|n't|lacks?|missing)\b[^.;]{0,30}\bablat", re.IGNORECASE)
NOTHING = re.compile(
    r"no (?:visible |clear |measurable |real |significant )?(?:difference|effect|change|impact|drop|gain|loss)|does ?n.t (?:matter|change|help|hurt)|did ?n.t (?:matter|change|help|hurt|seem)|same (?:score|result|accuracy|performance)|negligible|makes? no|unaffected|"
    r"(?:little|hardly any|almost no|barely any) (?:effect|impact|influence|difference)|not necessary|unnecessary|not needed|no longer (?:needed|necessary)|"
    r"was ?n.t (?:a |any )?(?:loss|drop|difference|change)|without (?:a |any )?(?:loss|drop) (?:in|of)",
    re.IGNORECASE,
)
RELATIVE = "relative"
Way = Literal["up", "down", "good", "bad", "unknown"]
_WAYS: tuple[tuple[Way, re.Pattern[str]], ...] = (
    ("up", re.compile(r"increas|rais|adds?|added|boost", re.IGNORECASE)),
    ("down", re.compile(r"drop|fall|fell|decreas|reduc|lower", re.IGNORECASE)),
    ("good", re.compile(r"improv|help|gain|worth|contribut|bring|brought|give|gave|yield|sav", re.IGNORECASE)),
    ("bad", re.compile(r"hurt|degrad|cost|lose|lost|worsen", re.IGNORECASE)),
)
"""What verbs say of a score, the first that fits."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A difference, or the lack of one, that a sentence states without two scores."""

    names: tuple[str, ...]
    removed: bool
    amount: float | None
    way: Way
    line: int
    words: str
    """What the sentence says; it names the reason where there is no amount."""


def _way_of(verb: str) -> Way:
    for way, pattern in _WAYS:
        if pattern.match(verb):
            return way
    return "unknown"


def differences_of(
    sentence: str, line: int, anchors: list[tuple[int, Change]], names: tuple[str, ...]
) -> Iterator[Stated]:
    """Every stated difference of a part that the sentence names."""
    for found in _DELTA.finditer(sentence):
        if re.search(r"\bto\s*$|\bof\s*$", found["between"] + found["by"]):
            continue
        difference = (
            found["unit"]
            or "by" in found["by"]
            or found["by"].strip() in {"+", "-", "only", "about", "less than"}
            or found["number"][0] in "+-"
        )
        if not difference or NOT_SCORE.match(sentence, found.end()):
            continue
        removed = [a[1] for a in anchors if a[1].role == "removed" and a[0] < found.start()]
        said = removed[-1].names if removed else mentioned(sentence[: found.start()], names)[-1:]
        added = [a[1] for a in anchors if a[1].role == "added" and a[0] < found.start()]
        if not removed and added:
            said = added[-1].names
        if not said:
            continue
        if re.match(r"\s*(?:relative|rel\.)", sentence[found.end() :], re.IGNORECASE):
            yield Stated(said, bool(removed), None, "unknown", line, RELATIVE)
            continue
        amount = number_of(found["number"])
        minus = found["by"].strip() == "-" or amount < 0
        way = _way_of(found["verb"])
        if minus and way in {"good", "up", "unknown"}:
            way = "down"
        yield Stated(said, bool(removed), abs(amount), way, line, found[0].strip()[:60])
