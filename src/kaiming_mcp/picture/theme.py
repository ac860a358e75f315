"""Colours and strokes: Okabe and Ito's palette, which colour-blind readers tell apart, and a dash and marker of its own
for each series, so that the figure reads in grey too (Okabe & Ito 2008, Color Universal Design).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Marker = Literal["circle", "square", "diamond"]
FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True, slots=True)
class Stroke:
    """How a series is drawn."""

    color: str
    dash: str
    marker: Marker
    width: float


@dataclass(frozen=True, slots=True)
class Theme:
    """Everything that has a colour."""

    paper: str
    ink: str
    soft: str
    """Words beside the figure."""
    grid: str
    healthy: str
    """The band within a factor of ten."""
    before: Stroke
    after: Stroke
    measured: Stroke
    floor: str
    block: str
    norm: str
    finding: str


LIGHT = Theme(
    paper="#ffffff",
    ink="#1b1b1b",
    soft="#565656",
    grid="#e3e3e3",
    healthy="#eef4ee",
    before=Stroke("#0072b2", "", "circle", 2.0),
    after=Stroke("#d55e00", "7 4", "square", 2.0),
    measured=Stroke("#1b1b1b", "", "diamond", 1.0),
    floor="#b0568f",
    block="#8a8a8a",
    norm="#00805f",
    finding="#e69f00",
)
DARK = Theme(
    paper="#16191d",
    ink="#ececec",
    soft="#b4b4b4",
    grid="#31363c",
    healthy="#1d2823",
    before=Stroke("#56b4e9", "", "circle", 2.0),
    after=Stroke("#f0e442", "7 4", "square", 2.0),
    measured=Stroke("#ececec", "", "diamond", 1.0),
    floor="#cc79a7",
    block="#8d949c",
    norm="#2fc49a",
    finding="#e69f00",
)
THEMES = {"light": LIGHT, "dark": DARK}
