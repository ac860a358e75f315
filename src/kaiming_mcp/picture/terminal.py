"""The sparklines of a text in colour, with a row of marks below them that says the same by shape."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal, TextIO

from kaiming_mcp.diagnosis.signal.picture import WIDEST
from kaiming_mcp.picture.model import Log, Picture, Quantity

Health = Literal["holds", "vanishes", "explodes"]
COLORS: dict[Health, str] = {"holds": "\x1b[38;5;36m", "vanishes": "\x1b[38;5;33m", "explodes": "\x1b[38;5;202m"}
"""Bluish green, blue and vermillion of the 256: as in the figures, told apart by colour-blind readers."""
MARKS: dict[Health, str] = {"holds": " ", "vanishes": "▼", "explodes": "▲"}
KEY: dict[Health, str] = {"vanishes": "▼ below a tenth of its start", "explodes": "▲ above ten times its start"}
_PLAIN = "\x1b[0m"
_LINE = re.compile(r"(?P<name>\S.*?) +(?P<bars>[▁-█·]+) .*")
_MEASURED: dict[str, Quantity] = {
    "activation gradient, measured": "gradient",
    "gradient, measured": "gradient",
    "weight gradient, measured": "weight_gradient",
    "activation, measured": "second_moment",
}


def wants_color(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a person looks at a terminal that shows colours, and has not asked for none (no-color.org)."""
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb" or not stream.isatty():
        return False
    return os.name != "nt" or "WT_SESSION" in environment


def coloured(text: str, picture: Picture) -> str:
    """The text with its sparklines in colour; lines that the picture has no numbers for stay as they are."""
    return "\n".join(part for line in text.split("\n") for part in _line(line, picture))


def _line(line: str, picture: Picture) -> Iterator[str]:
    found = _LINE.fullmatch(line)
    health = _sampled([*_healths(found["name"], picture)]) if found else []
    if not found or len(health) != len(found["bars"]):
        yield line
        return
    start, end = found.span("bars")
    yield line[:start] + _painted(found["bars"], health) + line[end:]
    key = ", ".join(told for kind, told in KEY.items() if kind in health)
    if key:
        yield " " * start + _painted("".join(MARKS[h] for h in health), health) + f" {key}"


def _healths(name: str, picture: Picture) -> Iterator[Health]:
    """The health of each place, against the first of the signal and the last of a gradient."""
    values, quantity = _series(name, picture)
    known = [v for v in values if v is not None]
    if not known:
        return
    start = known[0] if quantity == "second_moment" else known[-1]
    for value in values:
        yield "vanishes" if value is None or value < start - 1 else "explodes" if value > start + 1 else "holds"


def _series(name: str, picture: Picture) -> tuple[list[Log], Quantity]:
    if name in _MEASURED:
        quantity = _MEASURED[name]
        return [m.value for m in picture.measured if m.quantity == quantity], quantity
    quantity = "second_moment" if name.startswith("E[x²]") else "gradient"
    if not picture.variants or not name.startswith(("E[x²]", "gradient")):
        return [], quantity
    lists = picture.variants[0]
    values = lists.second_moment if quantity == "second_moment" else lists.gradient
    return [v for v, p in zip(values, picture.places, strict=True) if p.main], quantity


def _sampled(health: Sequence[Health]) -> list[Health]:
    """As many as the line has bars, taken where it takes them."""
    if len(health) <= WIDEST:
        return list(health)
    return [health[round(i * (len(health) - 1) / (WIDEST - 1))] for i in range(WIDEST)]


def _painted(text: str, health: Sequence[Health]) -> str:
    painted, start = "", 0
    for kind, run in groupby(health):
        end = start + len([*run])
        part = text[start:end]
        painted += COLORS[kind] + part + _PLAIN if part.strip() else part
        start = end
    return painted
