"""Knowledge for reframing as data: kinds of task, model families, kinds of x, hard constraints.

The files under principles/generative/ can be extended without code; each is validated here, and a
fault names the file and the field.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kaiming_mcp.knowledge import Entry, Worded, read_entries
from kaiming_mcp.library import ContentError, content_root, library


class TaskKind(Worded):
    """A kind of task: the words that show it, and what follows from it."""

    title: str
    spread: Literal["likely", "unlikely", "open"]
    because: str
    score: str
    baselines: tuple[str, ...] = Field(min_length=1)
    tests: tuple[str, ...] = Field(min_length=1)


class Family(Entry):
    """A model family: the tasks and kinds of x that it fits, and when it fails."""

    title: str
    fits: tuple[str, ...]
    kinds: tuple[str, ...]
    because: str
    fails: str
    cost: str


class TargetKind(Worded):
    """What x is."""


class Constraint(Worded):
    """What every sample must satisfy, and where it can hold by construction."""

    hold: str


class Catalogue(BaseModel):
    """All four lists, in the order of their files."""

    model_config = ConfigDict(frozen=True)
    tasks: tuple[TaskKind, ...]
    families: tuple[Family, ...]
    kinds: tuple[TargetKind, ...]
    constraints: tuple[Constraint, ...]

    def targets_of(self, text: str) -> tuple[TargetKind, ...]:
        """Kinds of x whose words stand in a lower-case text, in the order of the file."""
        return tuple(k for k in self.kinds if k.found(text))

    def constraints_of(self, text: str) -> tuple[Constraint, ...]:
        """Constraints whose words stand in a lower-case text."""
        return tuple(c for c in self.constraints if c.found(text))


@cache
def catalogue() -> Catalogue:
    """The catalogue of this installation, read once."""
    return load_catalogue(content_root() / "generative", set(library().sources))


def load_catalogue(root: Path, sources: set[str]) -> Catalogue:
    """Read and validate the four files.

    Raises:
        ContentError: a file is missing, breaks its form, or names an unknown task, kind or source.
    """
    tasks = read_entries(root / "tasks.yaml", TaskKind, sources)
    families = read_entries(root / "families.yaml", Family, sources)
    kinds = read_entries(root / "kinds.yaml", TargetKind, sources)
    constraints = read_entries(root / "constraints.yaml", Constraint, sources)
    known = {"fits": {t.id for t in tasks}, "kinds": {k.id for k in kinds}}
    for family in families:
        for name, allowed in known.items():
            wrong = set(getattr(family, name)) - allowed
            if wrong:
                raise ContentError(f"families.yaml: {family.id}.{name}: {sorted(wrong)[0]!r} is not known")
    return Catalogue(tasks=tasks, families=families, kinds=kinds, constraints=constraints)
