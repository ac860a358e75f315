"""Knowledge for reframing as data: kinds of task, model families, kinds of x, constraints, what goes wrong.

The files under principles/generative/ can be extended without code; each is validated here, and a
fault names the file and the field.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from kaiming_mcp.knowledge import Worded, read_entries
from kaiming_mcp.library import ContentError, content_root, library

MANY_STEPS, MANY_SAMPLES = 20, 5000
"""Evaluations for a sample, and training samples, from which a family counts as heavy (rule of thumb)."""


class TaskKind(Worded):
    """A kind of task: the words that show it, and what follows from it."""

    title: str
    spread: Literal["likely", "unlikely", "open"]
    because: str
    score: str
    baselines: tuple[str, ...] = Field(min_length=1)
    tests: tuple[str, ...] = Field(min_length=1)
    unless: tuple[str, ...] = ()
    """Phrases that hold one of its words and mean something else."""
    asked: tuple[str, ...] = ()
    """Words that show that the user asks about just these tests."""
    noised: tuple[str, ...] = ()
    """Further tests for a sampler that turns noise into x, or where they are asked about."""
    categorical: bool = False
    """x is one of a closed set, or an order: a target that is a number with a unit speaks against it."""
    few: str = ""
    """The verdict where samples are too few to learn p(x|y) and its mean is no answer either."""
    instead: str = ""
    """The verdict where sampling from p(x|y) is the wrong formulation."""

    @property
    def short_score(self) -> str:
        """The score without what goes with it."""
        return re.split(r"[;,]| with ", self.score)[0]


class Family(Worded):
    """A model family: how it is called, the tasks and kinds of x that it fits, what it costs, when it fails."""

    title: str
    fits: tuple[str, ...]
    kinds: tuple[str, ...]
    because: str
    fails: str
    asks: str
    evaluations: tuple[int, int]
    """Fewest and most evaluations of the network for one sample; of one token where it is `serial`."""
    fewest: int
    """Training samples below which it seldom pays, a rule of thumb."""
    most: int | None = None
    smallest: int = 1
    largest: int | None = None
    """Values of x below which it has nothing to do, and beyond which it is unwieldy."""
    serial: bool = False
    holds: tuple[str, ...] = ()
    """Constraints that it can keep by construction."""

    @property
    def heavy(self) -> bool:
        """Whether it is a deep sampler: many steps or many samples to learn from, and no constraint held for that."""
        return not self.holds and (self.evaluations[1] >= MANY_STEPS or self.fewest >= MANY_SAMPLES)

    @property
    def cost(self) -> str:
        """Evaluations for one sample, in words."""
        fewest, most = self.evaluations
        count = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
        return f"{count} evaluation{'' if most == 1 else 's'}{' a token' if self.serial else ''}"


class TargetKind(Worded):
    """What x is, whether it is made of categories, and what the mean of two valid x looks like."""

    mean: str
    discrete: bool = False


class Constraint(Worded):
    """What every sample must satisfy, and where it can hold by construction."""

    hold: str


class Concern(Worded):
    """What goes wrong, by the words that show it: what is true of it, what to do, what tells."""

    severity: Literal["high", "medium", "low"]
    title: str
    states: str
    remedy: str
    test: str
    unless: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    always: bool = False
    """Shown also where the answer is to regress or to classify."""
    limit: str = ""


class Catalogue(BaseModel):
    """All lists, in the order of their files."""

    model_config = ConfigDict(frozen=True)
    tasks: tuple[TaskKind, ...]
    families: tuple[Family, ...]
    kinds: tuple[TargetKind, ...]
    constraints: tuple[Constraint, ...]
    concerns: tuple[Concern, ...]

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
    """Read and validate the five files.

    Raises:
        ContentError: a file is missing, breaks its form, or names an unknown task, kind or source.
    """
    tasks = read_entries(root / "tasks.yaml", TaskKind, sources)
    families = read_entries(root / "families.yaml", Family, sources)
    kinds = read_entries(root / "kinds.yaml", TargetKind, sources)
    constraints = read_entries(root / "constraints.yaml", Constraint, sources)
    concerns = read_entries(root / "concerns.yaml", Concern, sources)
    tasks_known, kinds_known = {t.id for t in tasks}, {k.id for k in kinds}
    for family in families:
        _known("families.yaml", f"{family.id}.fits", family.fits, tasks_known)
        _known("families.yaml", f"{family.id}.kinds", family.kinds, kinds_known)
        _known("families.yaml", f"{family.id}.holds", family.holds, {c.id for c in constraints})
    for concern in concerns:
        _known("concerns.yaml", f"{concern.id}.tasks", concern.tasks, tasks_known)
    return Catalogue(tasks=tasks, families=families, kinds=kinds, constraints=constraints, concerns=concerns)


def _known(file: str, field: str, named: tuple[str, ...], known: set[str]) -> None:
    for name in named:
        if name not in known:
            raise ContentError(f"{file}: {field}: {name!r} is not known")
