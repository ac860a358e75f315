"""The form of an answer: every field filled, with a number where one was asked, and a test beside every remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from kaiming_mcp.checking.answer import Answer
from kaiming_mcp.checking.figures import cited, figures
from kaiming_mcp.scaffold import FormField

_TEST = re.compile(
    r"\b(?:measur|test|check|compar|verif|refut|falsif|confirm|ablat|prob(?:e|ing)|observ|giv(?:e|es|en) (?:\w+ )?up|"
    r"drop (?:it|this|the change)|revert|abandon|reject|unless|rerun|re-run|repeat|rule[sd]? out|evaluat|validat|"
    r"log |plot|print|trace again|re-?trace|seeds?\b|(?:bring|put)s? (?:\w+ )?back|by more than|equal steps|"
    r"(?:lower|higher|worse|better) than|(?:wrong|false|stop|off) if|if\b(?:[^.\n]|\.\d){0,120}(?:,|then|:))|"
    r"[<>≤≥]\s*[\d.]",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Gap:
    """A field that does not hold what its line in the form asks for."""

    field: str
    kind: Literal["missing", "unquantified", "remedy without a test"]
    asked: str


def gaps(answer: Answer, form: list[FormField]) -> Iterator[Gap]:
    """What the form asks for and the answer does not give, in the order of the form."""
    for field in form:
        text = answer.fields.get(field.name, "")
        if answer.missing(field.name):
            yield Gap(field.name, "missing", field.holds)
            continue
        if "number" in field.wants and not cited(text) and all(f.label for f in figures(text)):
            yield Gap(field.name, "unquantified", field.holds)
        if "test" in field.wants and not _TEST.search(text):
            yield Gap(field.name, "remedy without a test", field.holds)
