"""The fixed headings of a page of content."""

from __future__ import annotations

from typing import Literal, get_args

SECTIONS = (
    "Claim",
    "Rationale",
    "Evidence",
    "When it does not apply",
    "Questions to ask",
    "Worked example",
    "First measurement",
)
QUOTATIONS = "Quotations"
Situation = Literal["design", "gradients", "generative", "science"]
SITUATIONS: tuple[Situation, ...] = get_args(Situation)
