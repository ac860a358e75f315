"""What the probes `leakage` and `symmetry` printed, and gaps of a symmetry that a text states."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from kaiming_mcp.diagnosis.science.plain import NUMBER

MOST_TRIES = 8
"""Places where a JSON document may begin; each failed try reads what follows once."""
_SAID = re.compile(
    r"\b(rotat\w*|permut\w*|relabel\w*|mirror\w*|reflect\w*|translat\w*|flip\w*|turning|shift(?:ed|ing|s)?|supercell|"
    rf"change of units|boost\w*)\b[^.;\n]{{0,60}}?\b(?:chang\w+|differ\w*|var\w+|by|gap|of|to|moves?)\b[^.;\n\d]{{0,25}}({NUMBER})\s?(%)?|"
    rf"\|?f\(g ?x\)\s?-\s?g?\s?f\(x\)\|?[^=\n]{{0,20}}=\s?({NUMBER})\s?(%)?"
)


@dataclass(frozen=True, slots=True)
class Leak:
    """The leakage probe: how well the group is read from the inputs, and random against grouped scores."""

    group: str
    groups: int
    samples: int
    auc: float | None
    auc_error: float | None
    accuracy: float | None
    accuracy_error: float | None
    chance: float | None
    explained: float | None
    metric: str
    random: float | None
    grouped: float | None
    gap_error: float | None


@dataclass(frozen=True, slots=True)
class Broken:
    """One transform: the largest relative gap, and whether the output was to stay (False: it may change)."""

    name: str
    gap: float
    exact: bool
    probe: bool


@dataclass(frozen=True, slots=True)
class Symmetry:
    """The symmetry probe; `repeat` and `rounding` bound what can be seen, `variation` the spread of the output."""

    rows: tuple[Broken, ...]
    variation: float | None = None
    smallest: float = 0.0


def read_probes(text: str) -> tuple[Leak | None, Symmetry | None]:
    """The first document of each probe in a text."""
    leak: Leak | None = None
    symmetry: Symmetry | None = None
    for document in _documents(text):
        if document.get("probe") == "leakage" and leak is None:
            leak = _leak(document)
        if document.get("probe") == "symmetry" and symmetry is None:
            symmetry = _symmetry(document)
    return leak, symmetry


def said_gaps(text: str) -> Symmetry | None:
    """Gaps that a plain lower-case text states, such as "rotating changes the energy by 3 %"."""
    rows: list[Broken] = []
    for match in _SAID.finditer(text):
        number, per_cent = (match[2], match[3]) if match[1] else (match[4], match[5])
        gap = abs(float(number)) / (100 if per_cent else 1)
        # "rotated by 90" is an angle, and "shifted by 3" a distance: only a relative change is a gap.
        if per_cent or gap < 1:
            rows.append(Broken(match[1] or "the transform", gap, True, False))
    return Symmetry(tuple(rows[:4])) if rows else None


def _documents(text: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    decoder = json.JSONDecoder()
    at, tries = text.find("{"), 0
    while at >= 0 and tries < MOST_TRIES:
        tries += 1
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
        else:
            if isinstance(value, dict):
                found.append(cast("Mapping[str, Any]", value))
        at = text.find("{", at)
    return found


def _leak(document: Mapping[str, Any]) -> Leak:
    classifier, scores = _part(document, "group_classifier"), _part(document, "scores")
    return Leak(
        group=str(document.get("group", "group"))[:40] or "group",
        groups=int(_number(document, "groups") or 0),
        samples=int(_number(document, "samples") or 0),
        auc=_share(classifier, "auc"),
        auc_error=_number(classifier, "auc_error"),
        accuracy=_share(classifier, "accuracy"),
        accuracy_error=_number(classifier, "accuracy_error"),
        chance=_share(classifier, "chance"),
        explained=_share(document, "label_by_group"),
        metric=str(scores.get("metric", ""))[:20],
        random=_number(scores, "random"),
        grouped=_number(scores, "grouped"),
        gap_error=_number(scores, "gap_error"),
    )


def _symmetry(document: Mapping[str, Any]) -> Symmetry | None:
    listed = document.get("transforms")
    rows: list[Broken] = []
    for row in cast("list[object]", listed if isinstance(listed, list) else []):
        each = cast("Mapping[str, Any]", row if isinstance(row, dict) else {})
        gap = _number(each, "max")
        if gap is not None and gap >= 0:
            rows.append(
                Broken(str(each.get("name", "transform"))[:40], gap, each.get("expected") != "may change", True)
            )
    smallest = max(_number(document, "repeat") or 0.0, _number(document, "rounding") or 0.0)
    return Symmetry(tuple(rows[:8]), _number(document, "variation"), smallest) if rows else None


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = document.get(name)
    return cast("Mapping[str, Any]", part if isinstance(part, dict) else {})


def _number(part: Mapping[str, Any], name: str) -> float | None:
    value = part.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and abs(number) < 1e15 else None


def _share(part: Mapping[str, Any], name: str) -> float | None:
    number = _number(part, name)
    return number if number is not None and 0 <= number <= 1 else None
