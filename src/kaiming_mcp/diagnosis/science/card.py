"""What is known of a subject, as facts; and the glossary: which of its cells the person's own text fills."""

from __future__ import annotations

import re

from kaiming_mcp.diagnosis.patterns import Symmetry, patterns, symmetry_in
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.diagnosis.science.subjects import Floor, Subject

_BARE = frozenset({"1", "dice", "kappa", "icc"})
LONGEST_BASELINE = 75
LOOSE = frozenset({"tabular", "series"})
"""Symmetries of data of no particular kind."""
CELLS = ("sample unit", "group", "split", "symmetry", "noise floor", "units", "baseline score", "metric")


def add_card(subject: Subject, notes: Notes) -> dict[str, str]:
    """Facts of the subject by name: groups, conserved, floor, baseline."""
    floors = "; ".join(shown(f) for f in subject.floors)
    add = notes.facts.add
    return {
        "groups": add(
            f"unit: {subject.unit}. Leaks: {subject.groups}. Split {subject.split}",
            "assumed",
            source=_source(subject.cited.get("split")),
        ),
        "conserved": add(f"conserved: {subject.conserved}. Units: {subject.units}", "assumed", source=_source(())),
        "floor": add(f"noise floor: {floors} (rule of thumb)", "assumed", source=_source(()))
        if floors
        else add("noise floor: none on record; measure 30 items twice, σ² = ½ E[d²]", "assumed", source=_source(())),
        "baseline": add(
            f"baselines: {subject.baseline}. Metric: {subject.metric}",
            "assumed",
            source=_source(subject.cited.get("baseline")),
        ),
    }


def first_baseline(subject: Subject) -> str:
    """The first baseline of the subject, without what stands in brackets."""
    first = re.sub(r"\s*\([^)]*\)", "", subject.baseline).split(";")[0]
    return first if len(first) <= LONGEST_BASELINE else first.split(",")[0]


def _source(keys: tuple[str, ...] | None) -> str:
    return ", ".join(keys or ()) or "general knowledge"


def symmetry_of(s: Statement, subject: Subject | None) -> Symmetry | None:
    """The subject's symmetry where the text shows data of its structure, else that of the data that the words show.

    Where the subject's is a loose one, that of the words goes first.
    """
    said = symmetry_in(s.text)
    if subject is None:
        return said
    own = next(e for e in patterns().symmetries if e.id == subject.symmetry)
    loose = subject.general or subject.symmetry in LOOSE
    # Of a field as a whole the structure of the data is not known: its own words must name it.
    if not own.acts_on(s.text) or (subject.general and not own.found(s.text)):
        return said
    return said if loose and said is not None else own


def shown(floor: Floor) -> str:
    """A floor with its range and unit."""
    size = f"{floor.low:g}" if floor.low == floor.high else f"{floor.low:g} to {floor.high:g}"
    return f"{floor.what} {size}" + ("" if floor.unit in _BARE else f" {floor.unit}")


def glossary(s: Statement, notes: Notes) -> tuple[str, tuple[str, ...]]:
    """The fact that counts filled cells, and the empty ones."""
    filled = {
        "sample unit": s.sample.items is not None,
        "group": bool(s.sample.groups),
        "split": bool(s.random_split or s.grouped_split) or any(x.role in {"random", "grouped"} for x in s.scores),
        "symmetry": any(
            w in s.text for w in ("rotat", "permut", "invarian", "equivarian", "symmetr", "mirror", "reflect")
        ),
        "noise floor": any(x.role == "noise" for x in s.scores),
        "units": bool(s.quantities) or any(x.unit and x.unit.text != "%" for x in s.scores) or s.unit_named,
        "baseline score": any(x.role == "baseline" for x in s.scores),
        "metric": bool(s.scores),
    }
    empty = tuple(c for c in CELLS if not filled[c])
    full = len(CELLS) - len(empty)
    text = f"glossary: {full} of {len(CELLS)} cells filled by the text" + (
        f"; empty: {', '.join(empty)}" if empty else ""
    )
    return notes.facts.add(text, "read", full, "cells"), empty
