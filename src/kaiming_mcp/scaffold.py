"""The result of every scaffold tool: one typed model, and one renderer to Markdown.

The same content goes out twice, as structured data and as text, because a host shows its model one or
the other. The first ten lines of the text hold the verdict, up to three numbers and one change.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

Basis = Literal["computed", "read", "assumed", "measured", "stated"]
Severity = Literal["high", "medium", "low", "note"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low", "note")
AIM, ORDINARY = 6_000, 8_000
"""Characters of JSON, about 1,500 tokens to aim at and 2,000 that the scaffold of an ordinary model keeps to."""
MOST_SERIOUS = 2
_TOLD = ("Further findings", "Left out")
"""Beginnings of limits that say what is not shown: they are kept."""
FURTHEST = 1_000_000
"""The largest exponent of ten that is written out."""
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fact(_Part):
    """Something the server established, and how it knows."""

    id: str
    statement: str
    basis: Basis
    value: Finite | SkipJsonSchema[None] = None
    unit: str = ""
    source: str = ""


class Finding(_Part):
    """What the facts mean for the user's problem, under one principle."""

    id: str
    severity: Severity
    title: str
    evidence: list[str] = Field(description="Fact ids")
    remedy: str
    predicted_effect: str = ""
    test: str
    principle: str = Field(description="URI of the principle's resource")


class Step(_Part):
    """One step of thought for the model to take; it ends in one field of the answer."""

    way: str
    prompt: str
    cites: list[str] = Field(description="Fact ids")
    field: str


class FormField(_Part):
    """One field of the answer form."""

    name: str
    holds: str
    wants: list[Literal["number", "test"]] = []


class Quotation(_Part):
    """Exact words with their place and grade."""

    text: str
    attribution: str
    source: str
    grade: Literal["primary", "secondary"]


class Scaffold(_Part):
    """A scaffold: facts, findings, and the frame for the model to fill in.

    Where nothing could be established only `needs` and `example` are filled.
    """

    tool: str
    verdict: str
    mechanism: str = Field(default="", description="Id of the likeliest mechanism, or cannot_tell")
    located: str = Field(default="", description="The layer or operation where it begins")
    key_numbers: list[str] = Field(default=[], max_length=3)
    first_change: str = ""
    explanations: list[str] = Field(default=[], description="Competing explanations, ranked, for and against")
    established: list[Fact] = []
    findings: list[Finding] = []
    frame: list[Step] = []
    answer_form: list[FormField] = []
    limits: list[str] = []
    quotes: list[Quotation] = []
    picture: str = Field(default="", description="The course over depth as a sparkline")
    table: str = Field(default="", description="The places that matter, a Markdown table")
    code: str = Field(default="", description="Code that does it in the framework asked for")
    read_as: str = Field(default="", description="The network as read, in layer notation")
    measure: str = Field(default="", description="The measurement that decides")
    request: str = Field(default="", description="This call and a digest of its facts")
    needs: str = Field(default="", description="What to send, when nothing could be established")
    example: str = ""

    def structured(self) -> dict[str, Any]:
        """The parts that are filled, as plain data."""
        return self.model_dump(mode="json", exclude_defaults=True)


def fitted(part: Scaffold) -> Scaffold:
    """The scaffold near AIM characters of JSON by what is repeated, within ORDINARY by what matters least."""
    shorter: tuple[tuple[int, Callable[[Scaffold], dict[str, Any]]], ...] = (
        # The request line holds the same notation where that is short enough to be read.
        (AIM, lambda _: {"read_as": ""}),
        (AIM, lambda p: {"quotes": p.quotes[:1]}),
        (AIM, lambda p: {"limits": [*p.limits[:2], *(line for line in p.limits[2:] if line.startswith(_TOLD))]}),
        (ORDINARY, lambda p: _without_least(p, MOST_SERIOUS)),
        (ORDINARY, lambda p: _without_least(p, 1)),
    )
    for limit, step in shorter:
        if len(json.dumps(part.structured(), ensure_ascii=False)) > limit:
            part = part.model_copy(update=step(part))
    return part


def _without_least(part: Scaffold, kept: int) -> dict[str, Any]:
    least = part.findings[kept:]
    if not least:
        return {}
    titles = "; ".join(f"{f.title} ({f.severity})" for f in least)
    return {"findings": part.findings[:kept], "limits": [*part.limits, f"Left out for length: {titles}."]}


def number(x: float) -> str:
    """A number as a person reads it: three digits, powers of ten for the extremes."""
    if x == 0 or not math.isfinite(x):
        return f"{x:g}"
    return f"{x:.2e}" if abs(x) < 1e-3 or abs(x) >= 1e5 else f"{x:.3g}"


def bounded(log_x: float) -> float:
    """exp of a logarithm, kept inside what a float can hold."""
    return math.exp(min(max(log_x, -600.0), 600.0)) if log_x > -math.inf else 0.0


def power(log_x: float) -> str:
    """A positive number given by its natural logarithm, also where a float would overflow."""
    if math.isnan(log_x):
        return "undefined (0/0)"
    if math.isinf(log_x):
        return "0" if log_x < 0 else "infinity"
    if abs(log_x) < 600:
        return number(math.exp(log_x))
    tens = log_x / math.log(10)
    if abs(tens) > FURTHEST:
        return f"above 1e+{FURTHEST}" if tens > 0 else f"below 1e-{FURTHEST}"
    return f"{10 ** (tens % 1):.1f}e{math.floor(tens):+d}"


def render(part: Scaffold) -> str:
    """Markdown with the same content as the structured form."""
    if part.needs:
        example = f"\n\nFor example:\n\n```\n{part.example}\n```" if part.example else ""
        return f"**{part.verdict}**{_mechanism(part)} {part.needs}{example}\n"
    blocks = [
        _head(part),
        _section("Explanations, the likeliest first", [f"- {line}" for line in part.explanations]),
        f"## Over depth\n\n```\n{part.picture}\n```\n\n{part.table}".rstrip() if part.picture else "",
        f"## Code\n\n```python\n{part.code}\n```" if part.code else "",
        _section("Findings", [_finding(f) for f in part.findings]),
        _section("Established facts", [_fact(f) for f in part.established]),
        _section(
            "Frame: take each step, fill its field; behind each number the id of its fact, as 0.81 [F3]",
            [_step(i, s) for i, s in enumerate(part.frame, 1)],
        ),
        _section("Answer form", [_asked(f) for f in part.answer_form]),
        _section("Limits", [f"- {line}" for line in part.limits]),
        _section("Quotations", [_quote(q) for q in part.quotes]),
        f"## The network as read\n\n```kaiming\n{part.read_as}\n```" if part.read_as else "",
        _section("Next", [f"- Measure: {part.measure}", f"- Request: `{part.request}`"]),
    ]
    return "\n\n".join(b for b in blocks if b) + "\n"


def _head(part: Scaffold) -> str:
    numbers = "\n".join(f"- {line}" for line in part.key_numbers)
    return f"**Verdict.** {part.verdict}{_mechanism(part)}\n\n{numbers}\n\n**First change.** {part.first_change}"


def _mechanism(part: Scaffold) -> str:
    place = f" at {part.located}" if part.located else ""
    return f" [{part.mechanism}{place}]" if part.mechanism else ""


def _section(title: str, lines: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines) if lines else ""


def _fact(f: Fact) -> str:
    source = f"; {f.source}" if f.source else ""
    return f"- [{f.id}] {f.statement} ({f.basis}{source})"


def _finding(f: Finding) -> str:
    effect = f" Predicted: {f.predicted_effect}" if f.predicted_effect else ""
    cites = ", ".join(f.evidence)
    return (
        f"- **{f.id} ({f.severity}) {f.title}** [{cites}]\n"
        f"  Do: {f.remedy}{effect}\n  Test: {f.test}\n  Principle: {f.principle}"
    )


def _step(i: int, s: Step) -> str:
    cites = f" [{', '.join(s.cites)}]" if s.cites else ""
    return f"{i}. *{s.way}*: {s.prompt}{cites} → **{s.field}**"


def _asked(f: FormField) -> str:
    wants = f" ({' and '.join(f'a {w}' for w in f.wants)})" if f.wants else ""
    return f"- **{f.name}**: {f.holds}{wants}"


def _quote(q: Quotation) -> str:
    return f"- “{q.text}” ({q.attribution}, {q.source}; {q.grade})"
