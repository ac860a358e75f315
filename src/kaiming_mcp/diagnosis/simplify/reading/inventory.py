"""The inventory of a method: its parts with weights, and its knobs, from formulas, settings and prose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kaiming_mcp.diagnosis.simplify.lists import Lists
from kaiming_mcp.diagnosis.simplify.parts import Part, tokens
from kaiming_mcp.diagnosis.simplify.reading.collect import Collector, Knob
from kaiming_mcp.diagnosis.simplify.reading.formula import Term, terms_of
from kaiming_mcp.diagnosis.simplify.reading.prose import read_prose
from kaiming_mcp.diagnosis.simplify.reading.settings import settings_of
from kaiming_mcp.diagnosis.simplify.reading.text import NUMBER
from kaiming_mcp.diagnosis.simplify.reading.words import NO_PART

FEWEST_ENTRIES, LONGEST_ENTRY = 3, 8
_ENDS = re.compile(
    r"(?:the )?(?:final )?(?:answers?|predictions?|responses?|text|images?|labels?|query|question)", re.IGNORECASE
)
"""What goes in or comes out of a pipeline."""
ALONE = {"contrastive", "triplet", "adversarial", "dice", "focal", "physics"}
"""Losses that can be the whole objective."""
_SWEPT = re.compile(
    rf"([A-Za-z][\w ]{{0,30}}?)\s*(?:∈|\bin\b|\bfrom\b|\bover\b|among|swept over|grid(?: of)?|=|:)\s*[{{\[(]\s*"
    rf"({NUMBER}(?:\s*,\s*{NUMBER}){{1,19}})\s*[}}\])]"
)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Parts in the order of reading, and knobs."""

    parts: tuple[Part, ...]
    knobs: tuple[Knob, ...]
    unread: tuple[str, ...] = ()
    """Entries of a list in which no part and no setting was found."""

    @property
    def base(self) -> tuple[Part, ...]:
        """What can only be swapped."""
        return tuple(p for p in self.parts if p.base)


def read_inventory(text: str, known: Lists) -> Inventory:
    """The inventory of a text that went through `plain`."""
    into = Collector(known)
    swept = _SWEPT.findall(text)
    terms, text = terms_of(text)
    for term in terms:
        entry, word = known.entry_of(term.name, True)
        into.part(Part(term.name, entry.kind if entry else "loss", entry, (term.line,), _weight(term), word=word))
        if term.weight:
            value = "" if term.value is None else f"{term.value:g}"
            into.knob(Knob(f"weight of {term.name}", value, term.line))
    settings, in_settings = settings_of(text)
    for setting in settings:
        into.setting(setting)
    read_prose(text, in_settings, into)
    for name, values in swept:
        into.swept(name, values.count(",") + 1)
    parts = _with_a_loss(into.kept())
    return Inventory(parts, tuple(into.knobs.values()), tuple(_unread(text, parts, into)))


def _unread(text: str, parts: tuple[Part, ...], into: Collector) -> Iterator[str]:
    """Entries between semicolons of which nothing was taken, so that no part is lost without a word."""
    entries = [e.strip(" .\n") for e in re.split(r";", text)]
    if len(entries) < FEWEST_ENTRIES:
        return
    taken = [tokens(n) for n in (*(p.name for p in parts), *(k.name for k in into.knobs.values()))]
    for entry in entries:
        words = tokens(entry)
        short = 0 < len(entry.split()) <= LONGEST_ENTRY and "\n" not in entry
        if (
            not short
            or not words
            or re.search(r"[={}]", entry)
            or NO_PART.fullmatch(entry.lower())
            or _ENDS.fullmatch(entry)
        ):
            continue
        if not next(into.known.in_prose.finds(entry.lower()), None) and not any(t and t <= words for t in taken):
            yield entry


def _with_a_loss(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """A known loss without a weight that is the only one named is the objective: it can be swapped, not removed."""
    losses = [p for p in parts if p.kind == "loss" and not (p.known and p.known.id == "negatives")]
    if len(losses) > 1 and not any(p.base for p in losses):
        # Something must be trained: of losses that are all removable the first without a weight is the objective.
        # One of the list can be the objective where the others stand beside it with weights.
        weighted = any(p.weight for p in losses)
        whole = (p for p in losses if not p.weight and (p.known is None or (weighted and p.known.id in ALONE)))
        objective = next(whole, None)
        return tuple(replace(p, only=True) if p is objective else p for p in parts)
    alone = losses[0] if len(losses) == 1 else None
    if alone is None or alone.weight or alone.known is None or alone.known.id not in ALONE:
        return parts
    return tuple(replace(p, only=True) if p is alone else p for p in parts)


def _weight(term: Term) -> str:
    """A weight as written, with its value where that stands elsewhere."""
    stands = term.value is None or re.fullmatch(NUMBER, term.weight)
    return term.weight if stands else f"{term.weight} (= {term.value:g})"


def lines_of(part: Part) -> str:
    """The places of a part for people: "l. 3, 9"."""
    shown = [str(n) for n in part.lines[:3] if n > 0]
    return f"l. {', '.join(shown)}" if shown else "evidence"
