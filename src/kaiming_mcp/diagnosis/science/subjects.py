"""Subjects of the sciences as data, and which of them a person's words speak for.

The files under principles/science/ can be extended without code; each is validated here, and a fault
names the file, the entry and the field.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kaiming_mcp.diagnosis.patterns import patterns
from kaiming_mcp.knowledge import Entry, Worded, read_entries
from kaiming_mcp.library import ContentError, content_root, library
from kaiming_mcp.scaffold import Severity

CERTAIN = 2
"""Words that must speak for a subject when the field that was named is not in the list."""


class Floor(BaseModel):
    """A typical size of noise: `about` the label's scatter, the label against nature, or the input.

    Words of `of` show that a score is of this quantity, those of `unless` that it may be of another; a floor without
    words is named, and compared with no score.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    what: str
    low: float = Field(ge=0)
    high: float = Field(ge=0)
    unit: str
    about: Literal["label", "truth", "input"]
    of: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()


class Memory(BaseModel):
    """The time after which two values are nearly independent."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    low: float = Field(gt=0)
    high: float = Field(gt=0)
    unit: str
    what: str


class Subject(Worded):
    """What must be known of a subject before a model is compared; `general` ones stand for their field."""

    field: str
    title: str
    general: bool = False
    unit: str
    groups: str
    split: str
    symmetry: str
    conserved: str
    units: str
    floors: tuple[Floor, ...]
    memory: Memory | None = None
    baseline: str
    metric: str
    back: str
    cited: dict[Literal["split", "baseline", "back"], tuple[str, ...]] = Field(default={})
    """Sources of these parts; the rest is general knowledge."""


class Pitfall(Worded):
    """A known fault by the words that show it: any of `words`, and any of `also` where it is given."""

    title: str
    also: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    """Fields or subjects to which it is confined; none: everywhere."""
    severity: Severity
    remedy: str
    effect: str = ""
    test: str
    limit: str = ""


class Counted(Worded):
    """A noun that people count; its kind is told in the head of counted.yaml."""

    one: str
    many: str
    kind: Literal["replica", "context", "item"]
    axis: bool = False
    individual: bool = False
    rows: bool = False
    set: bool = False


class UnitEntry(Entry):
    """A unit of measurement: factor to its base units, and exponents such as "kg m s^-2"."""

    dims: str
    factor: float = Field(gt=0)
    prefixed: bool = False
    names: tuple[str, ...] = ()


class Element(Entry):
    """A chemical element: total energy of the free atom in Hartree."""

    energy: float = Field(lt=0)


class Sciences(BaseModel):
    """All lists, in the order of their files."""

    model_config = ConfigDict(frozen=True)
    subjects: tuple[Subject, ...]
    pitfalls: tuple[Pitfall, ...]
    counted: tuple[Counted, ...]
    units: tuple[UnitEntry, ...]
    elements: tuple[Element, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields, each once."""
        return tuple(dict.fromkeys(s.field for s in self.subjects))


@cache
def sciences() -> Sciences:
    """The lists of this installation, read once."""
    return load_sciences(content_root() / "science", set(library().sources))


def load_sciences(root: Path, sources: set[str]) -> Sciences:
    """Read and validate every list.

    Raises:
        ContentError: a file is missing, breaks its form, or names an unknown symmetry, subject or source.
    """
    subjects: list[Subject] = []
    symmetries = {s.id for s in patterns().symmetries}
    for path in sorted((root / "subjects").glob("*.yaml")):
        for subject in read_entries(path, Subject, sources):
            if subject.symmetry not in symmetries:
                raise ContentError(
                    f"{path.name}: {subject.id}.symmetry: {subject.symmetry!r} is not in symmetries.yaml"
                )
            wrong = sorted({key for keys in subject.cited.values() for key in keys} - sources)
            if wrong:
                raise ContentError(f"{path.name}: {subject.id}.cited: {wrong[0]!r} is not in sources.yaml")
            subjects.append(subject)
    pitfalls = read_entries(root / "pitfalls.yaml", Pitfall, sources)
    known = {s.id for s in subjects} | {s.field for s in subjects}
    for pitfall in pitfalls:
        wrong = sorted(set(pitfall.within) - known)
        if wrong:
            raise ContentError(f"pitfalls.yaml: {pitfall.id}.within: {wrong[0]!r} is no subject or field")
    return Sciences(
        subjects=tuple(subjects),
        pitfalls=pitfalls,
        counted=read_entries(root / "counted.yaml", Counted, sources),
        units=read_entries(root / "units.yaml", UnitEntry, sources),
        elements=read_entries(root / "elements.yaml", Element, sources),
    )


@dataclass(frozen=True, slots=True)
class Recognised:
    """The subject that the words speak for, if any; the words; the field; other subjects that are touched."""

    subject: Subject | None
    words: tuple[str, ...]
    field: str
    listed: bool
    """Whether the field that was named is in the list (true where none was named)."""
    others: tuple[Subject, ...] = ()


def recognise(field: str, text: str, known: Sciences) -> Recognised:
    """Choose a subject by the words of `text` and of `field`, both in lower case."""
    general = {s.field: s for s in known.subjects if s.general}
    named = next((f for f, s in general.items() if s.found(field) or (field and f.startswith(field))), "")
    # Of equals the one that the problem itself names, not only the field.
    scored = [
        (len(s.found(text)) + len(s.found(field)) + 0.1 * bool(s.found(text)), s)
        for s in known.subjects
        if not s.general
    ]
    if named:
        # One word decides inside the field that was named; outside it two are needed, and more than inside.
        scored = [(n + (0.5 if s.field == named else -1), s) for n, s in scored if n]
    fewest = 1 if not field or named or any(s.found(field) for s in known.subjects) else CERTAIN
    ranked = sorted((pair for pair in scored if pair[0] >= fewest), key=lambda pair: -pair[0])
    if ranked:
        best = ranked[0][1]
        words = tuple(dict.fromkeys((*best.found(field), *best.found(text))))
        others = tuple(s for n, s in ranked[1:3] if n >= CERTAIN and s.field != best.field)
        return Recognised(best, words, best.field, bool(named) or not field or fewest == 1, others)
    if not named and not field:
        named = next((f for f, s in general.items() if s.found(text)), "")
    subject = general.get(named)
    words = (*subject.found(field), *subject.found(text)) if subject else ()
    return Recognised(subject, tuple(dict.fromkeys(words)), named or field, bool(named) or not field)
