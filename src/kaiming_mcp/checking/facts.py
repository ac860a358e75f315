"""Numbers that cite a fact, against that fact."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kaiming_mcp.checking.figures import Claim, Figure, agrees, cited, claims, figures, near
from kaiming_mcp.scaffold import Fact, number

_PLACE = re.compile(r"`[^`]*`|\(\S*[:\[.]\S*\)|\S*\[\d+\]")
"""Layer paths and quoted code: their digits are no measurements."""


_COUNTS = range(101)
"""Small whole numbers count layers and seeds: one that a fact holds too excuses no other number."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A number as written, the facts it cites, and what they say."""

    said: str
    ids: tuple[str, ...]
    expected: str


def contradictions(text: str, facts: Mapping[str, Fact]) -> Iterator[Contradiction]:
    """Cited numbers that their facts do not hold. Ids that are not in `facts` are left to `unknown_ids`."""
    for claim in claims(text):
        known = [facts[i] for i in claim.ids if i in facts]
        if len(known) == len(claim.ids):
            yield from _against(claim, known)


def unknown_ids(text: str, facts: Mapping[str, Fact], apart: frozenset[str]) -> list[str]:
    """Cited ids that no fact has."""
    return [i for i in cited(text) if i not in facts and i not in apart]


def uncited(text: str) -> list[str]:
    """Numbers that cite no fact: places, thresholds and what is foretold aside."""
    said = {f.text for c in claims(text) for f in c.cited}
    return list(dict.fromkeys(f.text for f in figures(text) if not f.free and f.text not in said))


def agreeing(text: str, facts: Mapping[str, Fact]) -> int:
    """How many cited numbers are their facts'."""
    found = 0
    for claim in claims(text):
        shown = [f for i in claim.ids if i in facts for f in numbers_of(facts[i])]
        found += sum(any(agrees(s, f) for f in shown) for s in claim.cited)
    return found


def _against(claim: Claim, known: list[Fact]) -> Iterator[Contradiction]:
    """Cited numbers that no cited fact holds.

    Where the stretch holds a measure of the fact too, one that is not near any is derived from it.
    """
    shown = [f for fact in known for f in numbers_of(fact)]
    if not shown:
        return
    known_too = [*shown, *(f for fact in known for f in figures(fact.source))]
    held = [s for s in claim.figures if any(agrees(s, f) for f in known_too)]
    left = [f for f in shown if not any(agrees(s, f) for s in held)]
    measured = any(not (s.label or s.value in _COUNTS) for s in held)
    for i, said in enumerate(claim.cited):
        altered = next((f for f in (left if i else shown) if near(said, f)), None)
        if said not in held and (altered is not None or not (measured or i)):
            yield Contradiction(said.text, claim.ids, (altered or shown[0]).text)


def numbers_of(fact: Fact) -> list[Figure]:
    """The value first, then every number of the statement."""
    stated = list(figures(_PLACE.sub(" ", fact.statement)))
    if fact.value is None:
        return stated
    size = abs(fact.value)
    return [Figure(number(fact.value), fact.value, 0.005 * size, 0), *stated]
