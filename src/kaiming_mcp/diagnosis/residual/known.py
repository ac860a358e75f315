"""Knowledge about references as data: the lists under principles/residual/, validated at load."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from kaiming_mcp.diagnosis.residual.texts import Text, upper
from kaiming_mcp.knowledge import Entry, Worded, pattern, read_entries
from kaiming_mcp.library import ContentError, content_root, library
from kaiming_mcp.scaffold import Severity

TEXTS = ("columns", "block", "words")
"""Lists of what the tool says."""


class Reference(Worded):
    """A kind of cheap reference: what it is, what it leaves, when it fits and hurts, how it is tested."""

    title: str
    r: str
    left: str
    fits: str
    hurts: str
    test: str
    start: str
    law: Literal["", "autocorrelation", "snr", "composition", "low-rank"] = ""


class Mapping(Worded):
    """A kind of mapping: whether input and target share a space, and the references to try."""

    title: str
    space: Literal["same", "partly", "other"]
    because: str
    trap: str
    references: tuple[str, ...]


class Operation(Worded):
    """What is done to a skip, after the add, or at the end of a branch; with the figures that decide."""

    title: str
    place: Literal["skip", "after", "branch"]
    verdict: str
    weight: float
    measured: str
    why: str
    remedy: str
    test: str
    limit: str = ""
    quote: str = (
        "Multiplicative manipulations scaling gating convolutions dropout shortcuts hamper information propagation"
    )

    @property
    def text(self) -> Text:
        """The operation as something to say."""
        return Text(
            id=self.id,
            fact=f"measured elsewhere: {self.measured}",
            basis="stated",
            by=", ".join(self.sources) or "general knowledge",
            title=upper(self.title),
            weight=self.weight,
            remedy=f"{self.remedy} ({self.why}).",
            test=f"{self.test}.",
            limit=self.limit,
            verdict=self.verdict,
            quote=self.quote,
        )


class Caution(Worded):
    """Something overlooked or believed wrongly about residuals."""

    title: str
    also: tuple[str, ...]
    unless: tuple[str, ...]
    why: str
    remedy: str
    test: str
    severity: Severity
    quote: str

    def speaks(self, text: str) -> bool:
        """Whether it applies to a lower-case text."""
        beside = not self.also or pattern(self.also).search(text)
        return bool(self.found(text) and beside and not (self.unless and pattern(self.unless).search(text)))


class Unit(Entry):
    """A conversion by which target and reference may differ."""

    to: str
    of: str
    factor: float


class Atom(Entry):
    """The total energy of a free atom in hartree."""

    energy: float


class Column(Worded):
    """Words in the names of columns that tell what a column is."""

    what: str


class Known(BaseModel):
    """The lists in the order of their files; words in names of columns by role; what the tool says by list and id."""

    model_config = ConfigDict(frozen=True)
    references: tuple[Reference, ...]
    mappings: tuple[Mapping, ...]
    operations: tuple[Operation, ...]
    cautions: tuple[Caution, ...]
    units: tuple[Unit, ...]
    atoms: tuple[Atom, ...]
    column_words: dict[str, frozenset[str]]
    texts: dict[str, dict[str, Text]]

    def reference(self, name: str) -> Reference:
        """The reference of that id."""
        return next(r for r in self.references if r.id == name)


@cache
def known() -> Known:
    """The lists of this installation, read once."""
    return load_known(content_root(), set(library().sources))


def load_known(content: Path, sources: set[str]) -> Known:
    """Read and validate the files of residual/, and the energies of free atoms of science/.

    Raises:
        ContentError: a file is missing, breaks its form, or names an unknown reference or source.
    """
    root = content / "residual"
    references = read_entries(root / "references.yaml", Reference, sources)
    mappings = read_entries(root / "mappings.yaml", Mapping, sources)
    operations = read_entries(root / "skips.yaml", Operation, sources)
    ids = {r.id for r in references}
    for each in mappings:
        wrong = [r for r in each.references if r not in ids]
        if wrong:
            raise ContentError(f"mappings.yaml: {each.id}.references: {wrong[0]!r} is not in references.yaml")
    texts = {n: {t.id: t for t in read_entries(root / f"{n}.yaml", Text, sources)} for n in TEXTS}
    texts["block"] |= {o.id: o.text for o in operations}
    return Known(
        references=references,
        mappings=mappings,
        operations=operations,
        cautions=read_entries(root / "cautions.yaml", Caution, sources),
        units=read_entries(root / "units.yaml", Unit, sources),
        atoms=read_entries(content / "science" / "elements.yaml", Atom, sources),
        column_words={c.id: frozenset(c.words) for c in read_entries(root / "roles.yaml", Column, sources)},
        texts=texts,
    )
