"""Typed results of the tools that return no scaffold."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal[
    "altered argument",
    "missing",
    "unquantified",
    "contradiction",
    "unknown fact",
    "remedy without a test",
    "quotation",
    "attribution",
    "unknown source",
    "impersonation",
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Remark(_Part):
    """One thing to mend: where, what was written, and what it should be."""

    kind: Kind
    field: str = ""
    said: str = ""
    expected: str = ""


class Checked(_Part):
    """The result of a check; an answer without findings passes."""

    verdict: str
    findings: list[Remark] = []
    uncited: list[str] = Field(default=[], description="Numbers that cite no fact, by field: not compared")
    checked: list[str] = Field(default=[], description="What was compared, and what could not be")


class PrincipleText(BaseModel):
    """A page as Markdown."""

    text: str
