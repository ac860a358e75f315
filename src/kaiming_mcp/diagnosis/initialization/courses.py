"""What is compared: the derived std, the framework's default, and each with its branches scaled."""

from __future__ import annotations

import math
from typing import NamedTuple

from kaiming_mcp.diagnosis.initialization.question import Question, as_drawn, course, exact, has_first, many
from kaiming_mcp.diagnosis.network.subject import Course
from kaiming_mcp.signal.initialization import Initialization


class Courses(NamedTuple):
    """Traced over the depth asked for; `everywhere` is the derived std in the first layer too, `scaled_*` with branches
    times 1/sqrt(N). None where the question has no such case.
    """

    derived: Course
    default: Course
    everywhere: Course | None
    scaled_derived: Course | None
    scaled_default: Course | None


def compared(question: Question, std: float, into: float, default: Initialization) -> Courses:
    """Trace every case of the question."""
    kept, drawn = exact(std, into), as_drawn(default, question.op)
    gain = std * math.sqrt(into)
    first = 1 / gain if has_first(question) else 1.0
    derived = course(question, kept, first=first)
    before = course(question, drawn)
    if not question.branches:
        return Courses(derived, before, course(question, kept) if has_first(question) else None, None, None)
    scale = many(question) ** -0.5
    return Courses(derived, before, None, course(question, kept, scale), course(question, drawn, scale))
