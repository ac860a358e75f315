"""SVG as text: tags, words that fit, scales with round ticks."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from kaiming_mcp.picture.theme import Marker

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 may not hold, even escaped."""
_WIDE, _NARROW = "mwMW@%—…ΣÆ", "iljtfrI.,:;'|!()[] "
"""Characters wider and narrower than the others of a sans serif."""


def escaped(text: str) -> str:
    """Text as XML content or attribute."""
    return escape(_ILLEGAL.sub("", text), quote=True)


def tag(name: str, *inside: str, **attributes: str | float) -> str:
    """An element; `_` in the name of an attribute stands for `-`, floats are written to a tenth."""
    told = "".join(f' {key.strip("_").replace("_", "-")}="{_value(value)}"' for key, value in attributes.items())
    return f"<{name}{told}>{''.join(inside)}</{name}>" if inside else f"<{name}{told}/>"


def _value(value: str | float) -> str:
    return escaped(value) if isinstance(value, str) else fixed(value)


def fixed(value: float) -> str:
    """A coordinate to a tenth, without a sign on zero."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


def words(x: float, y: float, text: str, size: float, fill: str, anchor: str = "start", **more: str | float) -> str:
    """One line of text."""
    return tag("text", escaped(text), x=x, y=y, font_size=size, fill=fill, text_anchor=anchor, **more)


def width_of(text: str, size: float) -> float:
    """How wide a line is at most, by classes of characters: DejaVu Sans, the widest of the fonts of the theme."""
    return size * sum(0.97 if c in _WIDE else 0.4 if c in _NARROW else 0.7 if c.isupper() else 0.635 for c in text)


def wrapped(text: str, size: float, room: float, most: int) -> list[str]:
    """Lines that fit; where there are more than `most`, the last one ends in an ellipsis."""
    lines, line = list[str](), ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and width_of(longer, size) > room:
            lines.append(line)
            line = word
        else:
            line = longer
    lines.append(line)
    shown = [shortened(one, size, room) for one in lines[:most]]
    return shown if len(lines) <= most else [*shown[:-1], shortened(f"{shown[-1]} …", size, room)]


def shortened(text: str, size: float, room: float) -> str:
    """The text, or as much of it as fits with an ellipsis."""
    if width_of(text, size) <= room:
        return text
    while text and width_of(f"{text}…", size) > room:
        text = text[:-1]
    return f"{text.rstrip()}…"


def marker(kind: Marker, x: float, y: float, radius: float, **more: str | float) -> str:
    """A small mark at a point."""
    match kind:
        case "circle":
            return tag("circle", cx=x, cy=y, r=radius, **more)
        case "square":
            side = 1.8 * radius
            return tag("rect", x=x - side / 2, y=y - side / 2, width=side, height=side, **more)
        case "diamond":
            reach = 1.35 * radius
            corners = [(x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y)]
            return tag("polygon", points=joined(corners), **more)


def joined(points: Iterable[tuple[float, float]]) -> str:
    """Points as an attribute."""
    return " ".join(f"{fixed(x)},{fixed(y)}" for x, y in points)


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high` over pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether a value lies in range."""
        return self.low <= value <= self.high

    def ticks(self, most: int) -> list[float]:
        """Round values in range, at steps of 1, 2 or 5 times a power of ten."""
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        count = math.floor(self.high / step + 1e-9) - first + 1
        return [round((first + i) * step, 10) + 0.0 for i in range(count)]


def ranged(values: Sequence[float], least: float, padding: float = 0.06) -> tuple[float, float]:
    """A range that holds the values with room around them, and is at least so wide."""
    low, high = min(values), max(values)
    more = max(least - (high - low), 0.0) / 2
    room = padding * max(high - low, least)
    return low - more - room, high + more + room


def superscript(exponent: int) -> str:
    """10 to a whole power, in characters."""
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
