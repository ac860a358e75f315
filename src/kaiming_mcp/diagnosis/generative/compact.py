"""A scaffold within a length, by leaving out the least: era, stack, minor findings, numbers that nothing cites."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from kaiming_mcp.diagnosis.generative.frame import form_of
from kaiming_mcp.scaffold import Scaffold

Shorter = Callable[[Scaffold], Scaffold]


def compact(scaffold: Scaffold, most: int) -> Scaffold:
    """The scaffold in at most `most` characters of JSON, where that can be had."""
    for shorter in _STEPS:
        if len(json.dumps(scaffold.structured(), ensure_ascii=False)) <= most:
            break
        scaffold = shorter(scaffold)
    return scaffold


def _without_step(field: str) -> Shorter:
    """Without that step of the frame where it cites no number, and without the facts that only it cites."""

    def shorter(part: Scaffold) -> Scaffold:
        assumed = {f.id for f in part.established if f.basis == "assumed"}
        kept = [s for s in part.frame if s.field != field or not set(s.cites) <= assumed]
        gone = {i for s in part.frame if s not in kept for i in s.cites}
        return _pruned(part.model_copy(update={"frame": kept, "answer_form": form_of(kept)}), gone)

    return shorter


def _fewer_findings(kept: int) -> Shorter:
    """The first findings only; the titles of the rest stand among the limits."""

    def shorter(part: Scaffold) -> Scaffold:
        least = part.findings[kept:]
        if not least:
            return part
        titles = "; ".join(f.title for f in least)
        limits = [line for line in part.limits if not line.startswith(_LEFT_OUT)]
        before = next((line for line in part.limits if line.startswith(_LEFT_OUT)), "")
        told = f"{_LEFT_OUT}{titles}{'; ' + before.removeprefix(_LEFT_OUT) if before else '.'}"
        gone = {i for f in least for i in f.evidence}
        return _pruned(part.model_copy(update={"findings": part.findings[:kept], "limits": [*limits, told]}), gone)

    return shorter


def _uncited(part: Scaffold) -> Scaffold:
    return _pruned(part, {f.id for f in part.established})


def _pruned(part: Scaffold, gone: set[str]) -> Scaffold:
    """Without those of the facts that nothing cites any more."""
    cited = {i for f in part.findings for i in f.evidence} | {i for s in part.frame for i in s.cites}
    cited |= set(re.findall(r"\[([AF]\d+)\]", " ".join(part.key_numbers)))
    return part.model_copy(update={"established": [f for f in part.established if f.id in cited or f.id not in gone]})


_LEFT_OUT = "Left out for length: "
_STEPS: tuple[Shorter, ...] = (
    _without_step("era_test"),
    _fewer_findings(3),
    _without_step("contract"),
    _uncited,
    lambda part: part.model_copy(update={"limits": part.limits[-3:]}),
    _fewer_findings(2),
    lambda part: part.model_copy(update={"quotes": []}),
    _fewer_findings(1),
    lambda part: _uncited(part.model_copy(update={"key_numbers": part.key_numbers[:2]})),
    lambda part: part.model_copy(update={"limits": part.limits[-1:]}),
    lambda part: part.model_copy(update={"limits": []}),
    _without_step("output"),
    lambda part: _uncited(part.model_copy(update={"key_numbers": part.key_numbers[:1]})),
)
