"""Knowledge for reframing as data: kinds of task, model families, kinds of x, hard constraints.

The files under principles/generative/ can be extended without code; each is validated here, and a
fault names the file and the field.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kaiming_mcp.library import ContentError, content_root, library


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str


E = TypeVar("E", bound=_Entry)  # Python 3.11 has no type parameter syntax


class TaskKind(_Entry):
    """A kind of task: the words that show it, and what follows from it."""

    title: str
    words: tuple[str, ...] = Field(min_length=1)
    spread: Literal["likely", "unlikely", "open"]
    because: str
    score: str
    baselines: tuple[str, ...] = Field(min_length=1)
    tests: tuple[str, ...] = Field(min_length=1)


class Family(_Entry):
    """A model family: the tasks and kinds of x that it fits, and when it fails."""

    title: str
    fits: tuple[str, ...]
    kinds: tuple[str, ...]
    because: str
    fails: str
    cost: str
    sources: tuple[str, ...] = ()


class TargetKind(_Entry):
    """What x is."""

    words: tuple[str, ...] = Field(min_length=1)


class Constraint(_Entry):
    """What every sample must satisfy, and where it can hold by construction."""

    words: tuple[str, ...] = Field(min_length=1)
    hold: str


class Catalogue(BaseModel):
    """All four lists, in the order of their files."""

    model_config = ConfigDict(frozen=True)
    tasks: tuple[TaskKind, ...]
    families: tuple[Family, ...]
    kinds: tuple[TargetKind, ...]
    constraints: tuple[Constraint, ...]

    def pattern(self, entry: TaskKind | TargetKind | Constraint) -> re.Pattern[str]:
        """The entry's words as one expression, matched at word starts."""
        return _words(entry.words)

    def targets_of(self, text: str) -> tuple[TargetKind, ...]:
        """Kinds of x whose words stand in a lower-case text, in the order of the file."""
        return tuple(k for k in self.kinds if self.pattern(k).search(text))

    def constraints_of(self, text: str) -> tuple[Constraint, ...]:
        """Constraints whose words stand in a lower-case text."""
        return tuple(c for c in self.constraints if self.pattern(c).search(text))


@cache
def _words(words: tuple[str, ...]) -> re.Pattern[str]:
    ordered = sorted(words, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(re.escape(w.lower()) for w in ordered)})")


@cache
def catalogue() -> Catalogue:
    """The catalogue of this installation, read once."""
    return load_catalogue(content_root() / "generative", set(library().sources))


def load_catalogue(root: Path, sources: set[str]) -> Catalogue:
    """Read and validate the four files.

    Raises:
        ContentError: a file is missing, breaks its form, or names an unknown task, kind or source.
    """
    tasks = _entries(root / "tasks.yaml", TaskKind)
    families = _entries(root / "families.yaml", Family)
    kinds = _entries(root / "kinds.yaml", TargetKind)
    constraints = _entries(root / "constraints.yaml", Constraint)
    known = {"fits": {t.id for t in tasks}, "kinds": {k.id for k in kinds}, "sources": sources}
    for family in families:
        for name, allowed in known.items():
            wrong = set(getattr(family, name)) - allowed
            if wrong:
                raise ContentError(f"families.yaml: {family.id}.{name}: {sorted(wrong)[0]!r} is not known")
    return Catalogue(tasks=tasks, families=families, kinds=kinds, constraints=constraints)


def _entries(path: Path, form: type[E]) -> tuple[E, ...]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = tuple(form.model_validate(entry) for entry in TypeAdapter(list[dict[str, Any]]).validate_python(raw))
    except FileNotFoundError as error:
        raise ContentError(f"{path.name}: the file is missing from {path.parent.name}/") from error
    except yaml.YAMLError as error:
        raise ContentError(f"{path.name}: not valid YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ContentError(f"{path.name}: {where}: {first['msg']}") from error
    repeated = {e.id for i, e in enumerate(found) if e.id in {f.id for f in found[:i]}}
    if repeated:
        raise ContentError(f"{path.name}: id {sorted(repeated)[0]!r} stands twice")
    return found
