"""The scaffold within its size: what nothing cites goes first, then the least step, finding and limit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from kaiming_mcp.scaffold import AIM, ORDINARY, Fact, Finding, Scaffold

GOOD, FAIR, LONG = AIM, 6_500, 7_000
"""Characters down to which what nothing cites and the lesser findings, then the quotation, then the last step are left out."""
MOST_SHOWN = 2
MOST_STEPS, FEWEST_STEPS, LONGEST_STATEMENT, MOST_TITLES = 5, 4, 240, 4


def shortened(whole: Scaffold, request: int, left: Sequence[str]) -> Scaffold:
    """The scaffold with room for `request` characters; `left` are titles of findings that are told in short."""
    told = whole
    for part, titles, bound in _ever_shorter(whole, list(left)):
        told = part.model_copy(update={"limits": [*part.limits, *_told(titles)]})
        if len(json.dumps(told.structured(), ensure_ascii=False)) + request <= bound:
            break
    return told


def _ever_shorter(whole: Scaffold, titles: list[str]) -> Iterator[tuple[Scaffold, list[str], int]]:
    """The scaffold, then with less and less, each time without the facts that nothing cites any more."""
    yield whole, titles, GOOD
    for fact in [f for f in reversed(whole.established) if f.id not in _cited(whole)]:
        whole = whole.model_copy(update={"established": [f for f in whole.established if f is not fact]})
        yield whole, titles, GOOD
    # Findings come by severity: the last is the least.
    while len(whole.findings) > MOST_SHOWN and whole.findings[-1].severity != "high":
        whole, titles = _without_last(whole, titles)
        yield whole, titles, GOOD
    yield whole, titles, FAIR
    if len(whole.frame) > MOST_STEPS:
        whole = _with_steps(whole, whole.frame[:-1])
        yield whole, titles, FAIR
    whole = whole.model_copy(update={"quotes": []})
    yield whole, titles, LONG
    yield whole, titles, ORDINARY
    while len(whole.findings) > 2:
        whole, titles = _without_last(whole, titles)
        yield whole, titles, ORDINARY
    whole = whole.model_copy(update={"limits": whole.limits[:1]})
    yield whole, titles, ORDINARY
    if len(whole.frame) > FEWEST_STEPS:
        whole = _with_steps(whole, [s for s in whole.frame if s.field not in {"contract", "symmetry", "era_test"}])
        whole = _with_steps(whole, whole.frame[:FEWEST_STEPS])
        yield whole, titles, ORDINARY
    whole = whole.model_copy(update={"established": [_clipped(f) for f in whole.established]})
    yield whole, titles, ORDINARY
    whole = whole.model_copy(update={"findings": [_brief(f) for f in whole.findings]})
    yield whole, titles, ORDINARY
    whole, titles = _without_last(whole, titles)
    yield whole, titles, ORDINARY
    yield whole, titles[:1], ORDINARY


def _cited(whole: Scaffold) -> set[str]:
    named = " ".join([*whole.key_numbers, *(i for f in whole.findings for i in f.evidence)])
    return set(re.findall(r"\b[AF]\d+\b", named)) | {i for step in whole.frame for i in step.cites}


def _with_steps(whole: Scaffold, steps: Sequence[object]) -> Scaffold:
    fields = {s.field for s in whole.frame if s in steps}
    form = [f for f in whole.answer_form if f.name in fields]
    return _pruned(whole.model_copy(update={"frame": [s for s in whole.frame if s in steps], "answer_form": form}))


def _without_last(whole: Scaffold, titles: list[str]) -> tuple[Scaffold, list[str]]:
    if len(whole.findings) < 2:
        return whole, titles
    kept = whole.model_copy(update={"findings": whole.findings[:-1]})
    return _pruned(kept), [whole.findings[-1].title, *titles]


def _pruned(whole: Scaffold) -> Scaffold:
    cited = _cited(whole)
    return whole.model_copy(update={"established": [f for f in whole.established if f.id in cited]})


def _told(titles: list[str]) -> list[str]:
    if not titles:
        return []
    more = f"; and {len(titles) - MOST_TITLES} more" if len(titles) > MOST_TITLES else ""
    return [f"Further findings, in short: {'; '.join(titles[:MOST_TITLES])}{more}."]


def _clipped(fact: Fact) -> Fact:
    return fact.model_copy(update={"statement": _cut(fact.statement)})


def _brief(finding: Finding) -> Finding:
    return finding.model_copy(
        update={"title": _cut(finding.title), "remedy": _cut(finding.remedy), "test": _cut(finding.test)}
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_STATEMENT else text[:LONGEST_STATEMENT].rsplit(" ", 1)[0].rstrip(",;: ") + " …"
