"""What the tool says, as data: facts, findings, verdicts and steps of principles/residual/, filled with values."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.principles import RESIDUAL
from kaiming_mcp.knowledge import Entry
from kaiming_mcp.scaffold import Basis, FormField, Severity, Step, number, power

Asking = tuple[Step, FormField]
"""A step of thought with its field of the answer."""


class Text(Entry):
    """One thing to say; a form that is not filled is not said.

    A fact has `fact`, `basis`, `unit`, `by` (its law) and `slot` (what its id is kept under; empty: the entry's own); a finding `title` to `limit`; an answer `verdict`, `change` and
    `quote` (words that pick the quotation); a step of thought `way` to `wants`; `line` is any other sentence.
    """

    slot: str = ""
    fact: str = ""
    basis: Basis = "computed"
    unit: str = ""
    by: str = ""
    title: str = ""
    severity: Severity = "medium"
    weight: float = 0.0
    remedy: str = ""
    test: str = ""
    effect: str = ""
    limit: str = ""
    verdict: str = ""
    change: str = ""
    quote: str = ""
    way: str = ""
    prompt: str = ""
    field: str = ""
    holds: str = ""
    wants: tuple[Literal["number", "test"], ...] = ()
    line: str = ""


@dataclass(slots=True)
class Part:
    """A verdict with its numbers; `quote` and `limit` are words that pick the quotation and the limit that belong to it."""

    verdict: str
    change: str
    keys: list[str] = field(default_factory=list[str])
    drafts: list[Draft] = field(default_factory=list[Draft])
    steps: list[Asking] = field(default_factory=list[Asking])
    measure: str = ""
    quote: str = ""
    limit: str = ""
    limits: list[str] = field(default_factory=list[str])
    first: tuple[str, str] | None = None
    """A sentence that stands before the verdict, and the change that it asks for."""
    corrects: str = ""
    """Words that pick a quotation against what the person believes; it goes first."""

    @property
    def on_task(self) -> bool:
        """Whether it asks for a share left, and so speaks of a task and not of a block alone."""
        return any(s.field == "share_left" for s, _ in self.steps)


class _Form(string.Formatter):
    """Floats as a person reads them; `{log_q:power}` for logarithms, `{name:upper}` for the start of a sentence."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec == "power":
            return power(value)
        if format_spec == "upper":
            return upper(str(value))
        return number(value) if isinstance(value, float) and not format_spec else format(value, format_spec)


@dataclass(slots=True)
class Teller:
    """Says entries of one list with the values of one case."""

    texts: Mapping[str, Text]
    facts: Facts
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    ids: dict[str, str] = field(default_factory=dict[str, str])
    """The first fact told under each name or slot."""

    def fill(self, template: str, **more: Any) -> str:
        """A template with the values."""
        return _Form().vformat(template, (), {**self.values, **more})

    def line(self, name: str, /, **more: Any) -> str:
        """A sentence of the list."""
        return self.fill(self.texts[name].line, **more)

    def fact(
        self, name: str, value: float | None = None, /, *, basis: Basis | None = None, by: str = "", **more: Any
    ) -> str:
        """Record a fact of the list and return its id; `basis` and `by` in place of the entry's own."""
        text = self.texts[name]
        told = self.facts.add(self.fill(text.fact, **more), basis or text.basis, value, text.unit, by or text.by)
        self.ids.setdefault(text.slot or name, told)
        return told

    def id(self, *names: str) -> str:
        """The first fact of these names that was told; empty for none."""
        return next((self.ids[n] for n in names if n in self.ids), "")

    def finding(self, name: str, /, *cites: str, severity: Severity | None = None, **more: Any) -> Draft:
        """A finding of the list that rests on the facts `cites`."""
        text = self.texts[name]
        title, remedy, test, effect = (self.fill(t, **more) for t in (text.title, text.remedy, text.test, text.effect))
        kept = tuple(c for c in cites if c)
        return Draft(
            severity or text.severity, RESIDUAL, title[:110], kept, remedy, test, effect, text.weight, text.limit
        )

    def ask(self, name: str, /, *cites: str, **more: Any) -> Asking:
        """A step of the list with its field of the answer."""
        text, kept = self.texts[name], [c for c in dict.fromkeys(cites) if c]
        step = Step(way=text.way, prompt=self.fill(text.prompt, **more), cites=kept, field=text.field)
        return step, FormField(name=text.field, holds=text.holds, wants=[*text.wants])

    def told(self, *ids: str) -> list[str]:
        """Facts as key numbers, each with its id."""
        statements = {f.id: f.statement for f in self.facts.items}
        return [f"{statements[i]} [{i}]" for i in dict.fromkeys(ids) if i]


def upper(text: str) -> str:
    """The start of a sentence."""
    return text[:1].upper() + text[1:]
