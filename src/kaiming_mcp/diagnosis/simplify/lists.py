"""Knowledge for simplifying as data: parts, pairs, precedents, baselines, test sets, metrics.

The files under principles/simplify/ can be extended without code; each is validated here, and a fault
names the file and the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kaiming_mcp.diagnosis.simplify.reading.text import latin
from kaiming_mcp.knowledge import Entry, Worded, read_entries
from kaiming_mcp.library import ContentError, content_root, library

Kind = Literal["loss", "stage", "module", "data", "training", "inference"]
WHOLE = 5
"""Words up to this length match whole: `ema` is no `email`."""
_FREE = re.compile(r"[\s-](?:free|less)$")
_GAP = re.compile(r"[\s_-]+")


class KnownPart(Worded):
    """A part of many methods: what it costs, and what shows that it was load-bearing."""

    kind: Kind
    title: str
    names: tuple[str, ...] = ()
    umbrella: tuple[str, ...] = ()
    base: bool = False
    cost: int = Field(ge=0, le=3)
    costs: str = ""
    meter: str = ""
    free: str = ""
    blind: tuple[str, ...] = ()
    """Metrics that the part lowers or leaves alone by design."""


class Pair(Entry):
    """Two parts that single removals misjudge."""

    parts: tuple[str, str]
    relation: Literal["substitutes", "needs"]
    because: str


class Precedent(Entry):
    """A removal that was tried: what was left, and when it failed."""

    parts: tuple[str, ...] = Field(min_length=1)
    words: tuple[str, ...] = ()
    """Words of the part to which it is confined; none: any."""
    tasks: tuple[str, ...] = ()
    removed: str
    by: str
    outcome: str
    failed: str = ""


class Baseline(Worded):
    """The boring method of a kind of task."""

    title: str
    baseline: str
    because: str


class TestSet(Worded):
    """A known test set and the number of its cases."""

    __test__ = False  # the name is no test for pytest
    cases: int = Field(gt=0)
    binary: bool


class Metric(Worded):
    """Which way a metric is better, and whether it is a share of right cases."""

    better: Literal["higher", "lower"]
    share: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry found in a text, with the place of its words."""

    id: str
    begin: int
    end: int
    word: str


def speaks_of(precedent: Precedent, word: str) -> bool:
    """Whether a precedent holds for a part that was found by this word."""
    return not precedent.words or word in {flat(w) for w in precedent.words}


class Finder:
    """Finds the words of many entries in one pass; of several the longest word counts."""

    def __init__(self, entries: Iterable[tuple[str, Iterable[str]]]) -> None:
        self._ids: dict[str, str] = {}
        patterns: dict[str, str] = {}
        for name, words in entries:
            for word in words:
                self._ids.setdefault(flat(word), name)
                patterns.setdefault(_loose(word), flat(word))
        ordered = sorted(patterns, key=lambda p: len(patterns[p]), reverse=True)
        start = "|".join(p for p in ordered if len(patterns[p]) > WHOLE)
        whole = "|".join(p for p in ordered if len(patterns[p]) <= WHOLE)
        kinds = [f"(?:{start})" if start else "", rf"(?:{whole})(?=s?(?![a-z0-9]))" if whole else ""]
        self._pattern = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(filter(None, kinds))})")

    def finds(self, lower: str) -> Iterator[Hit]:
        """Every entry in a lower-case text, in order."""
        for found in self._pattern.finditer(lower):
            word = flat(found[0])
            yield Hit(self._ids[word], found.start(), found.end(), word)


def flat(word: str) -> str:
    """A word without separators, in lower case."""
    return _GAP.sub("", word.lower())


def _loose(word: str) -> str:
    return r"[\s_-]{0,2}".join(re.escape(piece) for piece in _GAP.split(word.lower()) if piece)


class Lists(BaseModel):
    """All lists, in the order of their files."""

    model_config = ConfigDict(frozen=True)
    parts: tuple[KnownPart, ...]
    pairs: tuple[Pair, ...]
    precedents: tuple[Precedent, ...]
    baselines: tuple[Baseline, ...]
    test_sets: tuple[TestSet, ...]
    metrics: tuple[Metric, ...]

    @cached_property
    def known(self) -> dict[str, KnownPart]:
        """Parts by id."""
        return {p.id: p for p in self.parts}

    @cached_property
    def in_prose(self) -> Finder:
        """Parts by their words."""
        return Finder([(p.id, p.words) for p in self.parts])

    @cached_property
    def in_names(self) -> dict[str, str]:
        """Ids of parts by the short names of loss terms, flags and table heads."""
        return {flat(n): p.id for p in reversed(self.parts) for n in (*p.names, *p.words)}

    def entry_of(self, name: str, among_losses: bool = False) -> tuple[KnownPart | None, str]:
        """The part that a name speaks for, and its word: short names first, those of losses as the case may be."""
        lower = latin(name).lower()
        if _FREE.search(lower):
            # Anchor-free and NMS-free are named after what they lack.
            return None, ""
        short = flat(lower)
        for each in (short, short.removeprefix("l"), short.removesuffix("loss"), short.removesuffix("term")):
            entry = self.known.get(self.in_names.get(each, ""))
            if entry and (not among_losses or entry.kind == "loss" or each not in map(flat, entry.names)):
                return entry, each
        hit = next(iter(self.in_prose.finds(lower)), None)
        return (self.known[hit.id], hit.word) if hit is not None else (None, "")

    @cached_property
    def of_tasks(self) -> Finder:
        """Baselines by the words of their tasks."""
        return Finder([(b.id, b.words) for b in self.baselines])

    @cached_property
    def of_test_sets(self) -> Finder:
        """Test sets by name."""
        return Finder([(t.id, t.words) for t in self.test_sets])

    @cached_property
    def of_metrics(self) -> Finder:
        """Metrics by name."""
        return Finder([(m.id, m.words) for m in self.metrics])


@cache
def lists() -> Lists:
    """The lists of this installation, read once."""
    return load_lists(content_root() / "simplify", set(library().sources))


def load_lists(root: Path, sources: set[str]) -> Lists:
    """Read and validate the six files.

    Raises:
        ContentError: a file is missing, breaks its form, or names an unknown part, task or source.
    """
    found = Lists(
        parts=read_entries(root / "parts.yaml", KnownPart, sources),
        pairs=read_entries(root / "pairs.yaml", Pair, sources),
        precedents=read_entries(root / "precedents.yaml", Precedent, sources),
        baselines=read_entries(root / "baselines.yaml", Baseline, sources),
        test_sets=read_entries(root / "benchmarks.yaml", TestSet, sources),
        metrics=read_entries(root / "metrics.yaml", Metric, sources),
    )
    tasks = {b.id for b in found.baselines}
    checked: list[tuple[str, Entry, str, Iterable[str], Iterable[str]]] = []
    for pair in found.pairs:
        checked.append(("pairs.yaml", pair, "parts", pair.parts, found.known))
    metrics = {m.id for m in found.metrics}
    for part in found.parts:
        checked.append(("parts.yaml", part, "blind", part.blind, metrics))
    for precedent in found.precedents:
        checked.append(("precedents.yaml", precedent, "parts", precedent.parts, found.known))
        checked.append(("precedents.yaml", precedent, "tasks", precedent.tasks, tasks))
    for file, entry, field, named, allowed in checked:
        wrong = sorted(set(named) - set(allowed))
        if wrong:
            raise ContentError(f"{file}: {entry.id}.{field}: {wrong[0]!r} is not known")
    return found
