"""Findings as markers: the place that each speaks of, and its text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from kaiming_mcp.diagnosis.network.subject import BROKEN, Subject
from kaiming_mcp.picture.course import Drawn
from kaiming_mcp.picture.match import place_of
from kaiming_mcp.picture.model import Finding, Place
from kaiming_mcp.scaffold import Fact
from kaiming_mcp.scaffold import Finding as Found

_LINE = re.compile(r"\bline (\d{1,7})\b")


def markers(
    findings: Sequence[Found], facts: Sequence[Fact], places: Sequence[Place], located: str, breaks: int | None
) -> list[Finding]:
    """The findings of a text; the first one stands where it is located, or where the signal breaks."""
    named = place_of(located.strip("`"), [p.name for p in places]) if located else None
    known = {f.id: f.statement for f in facts}
    made = list[Finding]()
    for i, found in enumerate(findings):
        told = " ".join([found.title, found.remedy, *(known.get(e, "") for e in found.evidence)])
        place = named if i == 0 and named is not None else _by_line(told, places)
        made.append(
            Finding(
                id=found.id,
                severity=found.severity,
                title=found.title,
                place=breaks if place is None and i == 0 and found.severity != "note" else place,
                text=_text(found),
            )
        )
    return made


def breaks_at(subject: Subject, found: Drawn) -> int | None:
    """The first place in the direction of travel at which the worse of signal and gradient has left a factor of ten."""
    here = subject.course
    if here is None:
        return None
    path = sorted(found.main)
    forward = [found.stations[i].state.log_q for i in path]
    backward = [found.stations[i].log_g for i in path]
    if abs(here.log_backward) >= abs(here.log_forward):
        start, values, travel = backward[-1], backward, range(len(path) - 1, -1, -1)
    else:
        start, values, travel = forward[0], forward, range(len(path))
    return next((path[i] for i in travel if abs(values[i] - start) > BROKEN or math.isnan(values[i])), None)


def _by_line(told: str, places: Sequence[Place]) -> int | None:
    lines = {int(n) for n in _LINE.findall(told)}
    return next((i for i, p in enumerate(places) if p.line and p.line in lines), None)


def _text(found: Found) -> str:
    effect = f"\n\n**Predicted.** {found.predicted_effect}" if found.predicted_effect else ""
    return f"{found.remedy[:1].upper()}{found.remedy[1:]}{effect}\n\n**Test.** {found.test}"
