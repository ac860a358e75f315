"""The three ways of reasoning as steps of a frame, chosen by what the person wrote.

Symmetries, stacks and eras are lists under principles/reasoning/. A step states the entry that the
words speak for as a fact, and asks for what would test it; without a match it asks the general question.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.knowledge import LONGEST_READ, Worded, pattern, read_entries, spoken_for
from kaiming_mcp.library import content_root, library
from kaiming_mcp.scaffold import Step, number

ASKED = (
    "What may be done to the input so that the answer stays, or changes in a known way? Name the group and one "
    "transformation that only looks like it."
)
"""Asked where the text shows no structure that a group of the list acts on."""


class Symmetry(Worded):
    """What may be done to the data, what only looks so, and how to test it.

    `data` are words that show the structure on which the group acts; none where `words` show it themselves.
    """

    title: str
    data: tuple[str, ...] = ()
    group: str
    broken: str
    test: str

    def acts_on(self, text: str) -> bool:
        """Whether a lower-case text shows data of that structure."""
        return not self.data or pattern(self.data).search(text) is not None


class Stack(Worded):
    """A part and what stands on it: the contract between them, and what the part carries upward."""

    title: str
    below: str
    above: str
    contract: str
    inherits: str
    measure: str


class Era(Worded):
    """An earlier turn: how it was, what changed it, what is alike now, what would refute the analogy."""

    title: str
    then: str
    change: str
    now: str
    falsified: str


class Patterns(BaseModel):
    """The three lists, in the order of their files."""

    model_config = ConfigDict(frozen=True)
    symmetries: tuple[Symmetry, ...]
    stacks: tuple[Stack, ...]
    eras: tuple[Era, ...]


@cache
def patterns() -> Patterns:
    """The lists of this installation, read once."""
    return load_patterns(content_root() / "reasoning", set(library().sources))


def load_patterns(root: Path, sources: set[str]) -> Patterns:
    """Read and validate the three files.

    Raises:
        ContentError: a file is missing, breaks its form, or names an unknown source.
    """
    return Patterns(
        symmetries=read_entries(root / "symmetries.yaml", Symmetry, sources),
        stacks=read_entries(root / "stacks.yaml", Stack, sources),
        eras=read_entries(root / "eras.yaml", Era, sources),
    )


def symmetry_in(text: str) -> Symmetry | None:
    """The group that the words of a text speak for, among those whose data the text shows."""
    said = text[:LONGEST_READ].lower()
    return next((e for e in spoken_for(patterns().symmetries, text) if e.acts_on(said)), None)


def symmetry_step(text: str, facts: Facts, field: str = "symmetry") -> Step:
    """The group of the data that the words show, as a fact, and the test that it holds."""
    match = symmetry_in(text)
    if match is None:
        return Step(way="Fundamental symmetry", prompt=ASKED, cites=[], field=field)
    fact = facts.add(
        f"symmetry of {match.title}: {match.group}; not one: {match.broken}", "assumed", source=_sources(match)
    )
    return Step(
        way="Fundamental symmetry",
        prompt=f"Is it held by construction, by augmentation, or only hoped for? Test: {match.test}.",
        cites=[fact],
        field=field,
    )


def stack_step(
    text: str, facts: Facts, success: float | None = None, calls: int | None = None, field: str = "contract"
) -> Step:
    """The place on the stack and its contract; with a success rate and a number of calls also p^n."""
    cites: list[str] = []
    if success is not None and calls and 0 < success < 1:
        whole = success**calls
        fact = f"{calls} calls at {success:.4g} each all succeed with {number(whole)}"
        half = math.log(0.5) / math.log(success)
        cites.append(facts.add(f"{fact}; 50 % is reached after {half:.3g}", "computed", whole, "p^n", "p^n"))
    match = next(iter(spoken_for(patterns().stacks, text)), None)
    if match is None:
        ask = "Which part would be one line of code in three years? State its contract: input and output distribution,"
        return Step(way="Abstraction stack", prompt=f"{ask} calibration, error rate x calls.", cites=cites, field=field)
    fact = facts.add(
        f"on the stack: {match.title}; {match.above} stands on {match.below} and inherits {match.inherits}",
        "assumed",
        source=_sources(match),
    )
    return Step(
        way="Abstraction stack",
        prompt=f"Contract to state with numbers: {match.contract}. Measure: {match.measure}.",
        cites=[fact, *cites],
        field=field,
    )


def era_step(text: str, facts: Facts, field: str = "era_test") -> Step:
    """The earlier era that the practice resembles, and the observation that would refute the analogy."""
    match = next(iter(spoken_for(patterns().eras, text)), None)
    if match is None:
        ask = "Which earlier turn does this resemble (the bottleneck then, the change that removed it, its counterpart now)?"
        return Step(
            way="Earlier era", prompt=f"{ask} Name the observation that would refute it.", cites=[], field=field
        )
    fact = facts.add(
        f"era: {match.title}: then {match.then}; what changed it: {match.change}", "assumed", source=_sources(match)
    )
    return Step(
        way="Earlier era",
        prompt=f"Alike now: {match.now}? The analogy is refuted if {match.falsified}. Say which value you expect.",
        cites=[fact],
        field=field,
    )


def _sources(entry: Worded) -> str:
    return ", ".join(entry.sources) or "general knowledge"
