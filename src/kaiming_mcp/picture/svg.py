"""The figure as one SVG file: for a paper, a pull request, a slide. The same document always gives the same bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from kaiming_mcp.picture.canvas import Scale, escaped, fixed, marker, shortened, tag, width_of, words, wrapped
from kaiming_mcp.picture.model import Finding, Picture, Quantity
from kaiming_mcp.picture.panels import SMALL, Panel
from kaiming_mcp.picture.theme import FONT, LIGHT, Stroke, Theme

WIDTH, LEFT, RIGHT = 720, 58, 92
HEIGHTS: dict[Quantity, int] = {"second_moment": 125, "gradient": 165, "weight_gradient": 115, "correlation": 74}
NAMES: dict[Quantity, str] = {
    "second_moment": "Second moment E[x²]",
    "gradient": "Gradient Σ(dL/dx)², relative to the last place",
    "weight_gradient": "Weight gradient ‖dL/dW‖², relative to the last",
    "correlation": "Share of E[x²] that two inputs have in common",
}
MOST_FINDINGS = 4
_MARKDOWN = re.compile(r"\*\*|`")


def svg(picture: Picture, theme: Theme = LIGHT) -> str:
    """The figure, 720 units wide and as high as it needs."""
    parts, y = _head(picture, theme)
    x = _depth(picture)
    badges = y + 8
    y += 18 if any(f.place is not None for f in picture.findings) else 0
    panels = list[Panel]()
    for quantity in _shown(picture):
        panel = Panel(picture, quantity, theme, x, y + 20, y + 20 + HEIGHTS[quantity])
        parts.append(words(LEFT, y + 12, NAMES[quantity], 12, theme.ink, font_weight="bold"))
        parts.append(tag("g", *panel.draw(), _frame(panel, theme), class_=quantity))
        panels.append(panel)
        y = panel.bottom + 14
    marks = _findings(picture, x, badges, panels, theme)
    strip, y = _strip(picture, x, y - 8, theme)
    legend, y = _legend(picture, y + 12, theme)
    told, y = _told(picture, y + 8, theme)
    return _document(picture, theme, y + 10, [*parts, *marks, *strip, *legend, *told])


def _document(picture: Picture, theme: Theme, height: float, parts: list[str]) -> str:
    title = tag("title", escaped(picture.title), id="picture-title")
    described = tag("desc", escaped(_described(picture)), id="picture-desc")
    paper = tag("rect", width=WIDTH, height=height, fill=theme.paper)
    size = f'width="{WIDTH}" height="{fixed(height)}" viewBox="0 0 {WIDTH} {fixed(height)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="picture-title picture-desc" '
        f'font-family="{escaped(FONT)}">\n' + "\n".join([title, described, paper, *parts]) + "\n</svg>\n"
    )


def _described(picture: Picture) -> str:
    """What the figure shows, for a person who does not see it."""
    ends = list[str]()
    for variant in picture.variants:
        main = [i for i, p in enumerate(picture.places) if p.main and variant.notes[i]]
        if main:
            first, last = main[0], main[-1]
            there, then = ("; ".join(variant.notes[i]) for i in (first, last))
            ends.append(f"{variant.name} ({variant.about}): at the first place {there}; at the last {then}.")
    measured = f"{len(picture.measured)} measured points." if picture.measured else ""
    found = [f"Finding {f.id}: {f.title}." for f in picture.findings]
    return _plain(" ".join(part for part in (picture.verdict, *ends, measured, *found, picture.change) if part))


def _plain(markdown: str) -> str:
    return _MARKDOWN.sub("", " ".join(markdown.split()))


def _shown(picture: Picture) -> list[Quantity]:
    measured = {m.quantity for m in picture.measured}
    held: list[Quantity] = ["second_moment", "gradient", "correlation"]
    quantities: list[Quantity] = held if picture.variants else [q for q in held if q in measured]
    # Theory's weight gradients repeat the gradient's course: they are drawn where they were measured.
    return [*quantities, "weight_gradient"] if "weight_gradient" in measured else quantities


def _depth(picture: Picture) -> Scale:
    last = len(picture.places) - 1
    margin = 0.15 + 0.012 * last
    return Scale(-margin, last + margin, LEFT, WIDTH - RIGHT)


def _head(picture: Picture, theme: Theme) -> tuple[list[str], float]:
    room = WIDTH - 2 * 18
    parts = [words(18, 28, shortened(_plain(picture.title), 16, room), 16, theme.ink, font_weight="bold")]
    y = 48.0
    for line in wrapped(_plain(picture.verdict), 12, room, 3):
        parts.append(words(18, y, line, 12, theme.soft))
        y += 16
    return parts, y + 2


def _frame(panel: Panel, theme: Theme) -> str:
    return tag(
        "rect",
        x=panel.x.start,
        y=panel.top,
        width=panel.x.end - panel.x.start,
        height=panel.bottom - panel.top,
        fill="none",
        stroke=theme.soft,
        stroke_width="0.8",
    )


def _findings(picture: Picture, x: Scale, top: float, panels: list[Panel], theme: Theme) -> Iterator[str]:
    """A line through all panels at each place that a finding speaks of, its number on top."""
    placed = [(f.place, i) for i, f in enumerate(picture.findings[:MOST_FINDINGS], 1) if f.place is not None]
    look = {"stroke": theme.finding, "stroke_width": "1.3", "stroke_dasharray": "5 2"}
    for place, group in groupby(sorted(placed), key=lambda pair: pair[0]):
        at = x(place)
        for panel in panels:
            yield tag("line", x1=at, x2=at, y1=panel.top, y2=panel.bottom, **look)
        for step, (_, number) in enumerate(group):
            told = tag("title", escaped(picture.findings[number - 1].title))
            yield tag("g", told, *_badge(number, at + 17 * step, top, theme))


def _badge(number: int, x: float, y: float, theme: Theme) -> list[str]:
    return [
        tag("circle", cx=x, cy=y, r=8, fill=theme.finding, stroke=theme.paper, stroke_width="1.5"),
        words(x, y + 3.7, str(number), 10.5, "#1b1b1b", "middle", font_weight="bold"),
    ]


def _strip(picture: Picture, x: Scale, y: float, theme: Theme) -> tuple[list[str], float]:
    """The axis: norms and residual blocks over depth, then numbers, then the names of its ends."""
    parts = list[str]()
    for norm in dict.fromkeys(n.place for n in picture.norms):
        at = x(min(norm + 0.5, len(picture.places) - 1))
        parts.append(tag("line", x1=at, x2=at, y1=y, y2=y + 6, stroke=theme.norm, stroke_width="2"))
    if picture.norms:
        kinds = dict.fromkeys(n.label for n in picture.norms)
        parts.append(words(x.end + 5, y + 6, shortened(", ".join(kinds), 9.5, RIGHT - 8), 9.5, theme.norm))
        y += 11
    if picture.blocks:
        for block in picture.blocks:
            a, b = x(block.first - 0.3), x(block.last + 0.3)
            parts.append(
                tag(
                    "path",
                    d=f"M{fixed(a)} {fixed(y)}v4H{fixed(b)}v-4",
                    fill="none",
                    stroke=theme.block,
                    stroke_width="1.3",
                )
            )
        parts.append(words(x.end + 5, y + 5, "residual", 9.5, theme.soft))
        y += 7
    y += 12
    last = len(picture.places) - 1
    steps = [int(t) for t in Scale(1, last + 1, 0, 1).ticks(12) if t >= 1 and t.is_integer()] if last > 0 else []
    for number in dict.fromkeys([1, *steps]):
        parts.append(words(x(number - 1), y, f"{number:,}", SMALL, theme.soft, "middle"))
    y += 15
    middle = (x.start + x.end) / 2
    parts.append(words(middle, y, "place, in order of execution", SMALL, theme.ink, "middle"))
    room = middle - x.start - 85
    first, end = picture.places[0].name, picture.places[-1].name
    parts.append(words(x.start, y, shortened(f"◂ {first}", SMALL, room), SMALL, theme.soft))
    if last > 0:
        parts.append(words(x.end, y, shortened(f"{end} ▸", SMALL, room), SMALL, theme.soft, "end"))
    return parts, y


def _legend(picture: Picture, y: float, theme: Theme) -> tuple[list[str], float]:
    """A sample of each series with its name, in as many rows as it takes."""
    entries = list[tuple[str, list[str]]]()
    for variant, stroke in zip(picture.variants, (theme.before, theme.after), strict=False):
        entries.append((f"{variant.name}: {_plain(variant.about)}", _sample(stroke)))
    if picture.measured:
        name = "simulated" if picture.tool == "trace_signal" else "measured"
        hollow = marker("diamond", 13, -3.5, 2.9, fill=theme.paper, stroke=theme.measured.color, stroke_width="1.2")
        entries.append((name, [hollow]))
    if picture.variants and any(s is not None for s in picture.variants[0].spread):
        band = tag("rect", x=0, y=-9, width=26, height=10, fill=theme.before.color, fill_opacity="0.18")
        entries.append(("spread between seeds (1 σ)", [band]))
    if any(not p.main for p in picture.places) and picture.variants:
        ring = tag("circle", cx=13, cy=-3.5, r=1.8, fill="none", stroke=theme.before.color)
        entries.append(("in a branch, stem or head", [ring]))
    band = tag("rect", x=0, y=-9, width=26, height=10, fill=theme.healthy, stroke=theme.grid, stroke_width="0.8")
    entries.append(("within a factor of ten", [band]))
    parts, x, room = list[str](), 18.0, WIDTH - 36
    for name, sample in entries:
        shown = shortened(name, SMALL, room - 32)
        wide = 32 + width_of(shown, SMALL) + 20
        if x > 18 and x + wide - 20 > WIDTH - 18:
            x, y = 18.0, y + 17
        parts.append(
            tag("g", *sample, words(32, 0, shown, SMALL, theme.ink), transform=f"translate({fixed(x)} {fixed(y + 10)})")
        )
        x += wide
    return parts, y + 12


def _sample(stroke: Stroke) -> list[str]:
    dash: dict[str, str] = {"stroke_dasharray": stroke.dash} if stroke.dash else {}
    line = tag("line", x1=0, x2=26, y1=-3.5, y2=-3.5, stroke=stroke.color, stroke_width=stroke.width, **dash)
    return [line, marker(stroke.marker, 13, -3.5, 2.7, fill=stroke.color)]


def _told(picture: Picture, y: float, theme: Theme) -> tuple[list[str], float]:
    """The findings by number, and the first change."""
    parts, size, room = list[str](), 11.5, WIDTH - 18 - 40
    for number, finding in enumerate(picture.findings[:MOST_FINDINGS], 1):
        parts += _badge(number, 26, y + 11, theme)
        for line in wrapped(_headline(finding, picture), size, room, 2):
            y += 15
            parts.append(words(40, y, line, size, theme.ink))
        y += 5
    if len(picture.findings) > MOST_FINDINGS:
        y += 15
        parts.append(words(40, y, f"and {len(picture.findings) - MOST_FINDINGS} more", size, theme.soft))
    if picture.change:
        for line in wrapped(f"First change: {_plain(picture.change)}", size, WIDTH - 36, 4):
            y += 15
            parts.append(words(18, y, line, size, theme.soft))
    return parts, y


def _headline(finding: Finding, picture: Picture) -> str:
    where = (
        f", at place {finding.place + 1} ({picture.places[finding.place].name})" if finding.place is not None else ""
    )
    return f"{_plain(finding.title)} ({finding.severity}{where})"
