"""One panel of the figure: a quantity over depth, with its lines, bands, points and floors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from kaiming_mcp.picture.canvas import Scale, escaped, joined, marker, ranged, superscript, tag, words
from kaiming_mcp.picture.model import Floor, Log, Measured, Picture, Quantity, Variant
from kaiming_mcp.picture.theme import Stroke, Theme

SMALL = 10.5
MOST_MARKERS = 60
"""Places up to which each has a mark on its line."""
NEAR, FURTHEST = 0.35, 4.0
"""Part of the range of the data, and decades, by which a floor may lie outside and still be drawn."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A quantity and the room for it."""

    picture: Picture
    quantity: Quantity
    theme: Theme
    x: Scale
    top: float
    bottom: float
    y: Scale = field(init=False)

    def __post_init__(self) -> None:
        low, high = (-0.04, 1.04) if self.quantity == "correlation" else self._range()
        object.__setattr__(self, "y", Scale(low, high, self.bottom, self.top))

    @property
    def logarithmic(self) -> bool:
        """Whether values are logarithms."""
        return self.quantity != "correlation"

    def points(self) -> list[Measured]:
        """What was measured of it."""
        return [m for m in self.picture.measured if m.quantity == self.quantity]

    def floors(self) -> list[Floor]:
        """The floors that lie within or just below the data, the nearest of each format."""
        if self.quantity != "gradient":
            return []
        low, high = self._data()
        reach = low - min(NEAR * max(high - low, 2.0), FURTHEST)
        return [f for f in self.picture.floors if reach <= f.value]

    def draw(self) -> Iterator[str]:
        """Everything within the frame."""
        yield from self._healthy()
        yield from self._grid()
        yield from self._floors()
        strokes = (self.theme.before, self.theme.after)
        for variant, stroke in zip(self.picture.variants, strokes, strict=False):
            yield from self._band(variant, stroke)
        for variant, stroke in zip(self.picture.variants, strokes, strict=False):
            yield from self._aside(variant, stroke)
            yield from self._line(variant, stroke)
        yield from self._measured()

    def _values(self, variant: Variant) -> list[Log]:
        return getattr(variant, self.quantity)

    def _main(self, variant: Variant) -> list[tuple[int, Log]]:
        return [
            (i, v) for i, (v, p) in enumerate(zip(self._values(variant), self.picture.places, strict=True)) if p.main
        ]

    def _data(self) -> tuple[float, float]:
        values = [v for one in self.picture.variants for v in self._values(one) if v is not None]
        if self.quantity == "second_moment":
            values += [
                v + side * s
                for one in self.picture.variants
                for i, v in self._main(one)
                if v is not None and (s := one.spread[i]) is not None
                for side in (-1, 1)
            ]
        values += [v for m in self.points() for v in (m.value, m.low, m.high) if v is not None]
        return (min(values), max(values)) if values else (0.0, 0.0)

    def _range(self) -> tuple[float, float]:
        data = self._data()
        return ranged([*data, *(f.value for f in self.floors())], 2.4)

    def _healthy(self) -> Iterator[str]:
        """The band within a factor of ten of where the signal enters; of the gradient, of where it comes from."""
        if not self.logarithmic:
            return
        middle = 0.0
        if self.quantity == "second_moment":
            main = self._main(self.picture.variants[0]) if self.picture.variants else []
            known = next((v for _, v in main if v is not None), None)
            if known is None:
                return
            middle = known
        top, bottom = (self.y(min(max(middle + d, self.y.low), self.y.high)) for d in (1, -1))
        fill = self.theme.healthy
        yield tag("rect", x=self.x.start, y=top, width=self.x.end - self.x.start, height=bottom - top, fill=fill)

    def _grid(self) -> Iterator[str]:
        t = self.theme
        ticks = [v for v in self.y.ticks(5) if not self.logarithmic or v.is_integer()]
        for value in ticks:
            y = self.y(value)
            yield tag("line", x1=self.x.start, x2=self.x.end, y1=y, y2=y, stroke=t.grid, stroke_width="1")
            text = superscript(int(value)) if self.logarithmic else f"{value:g}"
            yield words(self.x.start - 7, y + 3.6, text, SMALL, t.soft, "end")

    def _floors(self) -> Iterator[str]:
        color, taken = self.theme.floor, list[float]()
        for floor in sorted(self.floors(), key=lambda f: -f.value):
            values = floor.values or [floor.value] * len(self.picture.places)
            inside = [(self.x(i), self.y(v)) for i, v in enumerate(values) if v is not None and self.y.holds(v)]
            if not inside:
                continue
            path = [*_steps(inside)] if floor.values else [(self.x.start, inside[0][1]), (self.x.end, inside[0][1])]
            dash = "2 3" if floor.kind == "subnormal" else "1 5"
            told = tag("title", escaped(f"{floor.name}: {floor.about}"))
            yield tag(
                "polyline",
                told,
                points=joined(path),
                fill="none",
                stroke=color,
                stroke_width="1.4",
                stroke_dasharray=dash,
            )
            y = path[-1][1]
            if all(abs(y - other) > SMALL + 1 for other in taken):
                taken.append(y)
                name = f"{floor.name} → 0" if floor.kind == "subnormal" else f"{floor.name} normal"
                yield words(self.x.end + 5, y + 3.4, name, 9.5, color)

    def _band(self, variant: Variant, stroke: Stroke) -> Iterator[str]:
        """One standard deviation between seeds on either side."""
        if self.quantity != "second_moment":
            return
        known = [(i, v, s) for i, v in self._main(variant) if v is not None and (s := variant.spread[i]) is not None]
        if len(known) < 2:
            return
        upper = [(self.x(i), self.y(v + s)) for i, v, s in known]
        lower = [(self.x(i), self.y(v - s)) for i, v, s in reversed(known)]
        yield tag("polygon", points=joined([*upper, *lower]), fill=stroke.color, fill_opacity="0.18")

    def _aside(self, variant: Variant, stroke: Stroke) -> Iterator[str]:
        """Places beside the main path: in branches, before and behind it."""
        places = self.picture.places
        if sum(not p.main for p in places) > 4 * MOST_MARKERS:
            return
        for i, value in enumerate(self._values(variant)):
            if value is not None and not places[i].main:
                yield marker(
                    "circle", self.x(i), self.y(value), 1.8, fill="none", stroke=stroke.color, stroke_opacity="0.55"
                )

    def _line(self, variant: Variant, stroke: Stroke) -> Iterator[str]:
        main = self._main(variant)
        # The line of a changed network joins over places that it does not have; a gap in the first is a lost signal.
        for run in _runs(main, join=variant is not self.picture.variants[0]):
            path = [(self.x(i), self.y(v)) for i, v in run]
            dash: dict[str, str] = {"stroke_dasharray": stroke.dash} if stroke.dash else {}
            yield tag(
                "polyline", points=joined(path), fill="none", stroke=stroke.color, stroke_width=stroke.width,
                stroke_linejoin="round", **dash,
            )  # fmt: skip
            if len(main) <= MOST_MARKERS or len(run) == 1:
                for (x, y), (i, _) in zip(path, run, strict=True):
                    told = tag("title", _told(self.picture, variant, i))
                    yield tag("g", told, marker(stroke.marker, x, y, 2.7, fill=stroke.color))

    def _measured(self) -> Iterator[str]:
        stroke = self.theme.measured
        for point in self.points():
            x = self.x(point.place)
            told = tag("title", escaped(f"{point.name}: {point.note}"))
            low, high = point.low, point.high
            if point.value is None and high is not None:
                y = self.y(min(max(high, self.y.low), self.y.high))
                arrow = [(x - 3, y + 6), (x, y + 11), (x + 3, y + 6)]
                bound = tag("polyline", points=joined([(x - 3.5, y), (x + 3.5, y)]), stroke=stroke.color)
                shaft = tag("polyline", points=joined([(x, y), (x, y + 11)]), stroke=stroke.color)
                yield tag(
                    "g", told, bound, shaft, tag("polyline", points=joined(arrow), fill="none", stroke=stroke.color)
                )
            if point.value is None:
                continue
            y = self.y(point.value)
            bar = ""
            if low is not None and high is not None and self.y(low) - self.y(high) > 2:
                bar = tag("line", x1=x, x2=x, y1=self.y(low), y2=self.y(high), stroke=stroke.color, stroke_width="1.2")
            mark = marker(stroke.marker, x, y, 2.9, fill=self.theme.paper, stroke=stroke.color, stroke_width="1.2")
            yield tag("g", told, bar, mark)


def _steps(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Points as a line that is level at each and steps half way between two."""
    for (a, y), (b, after) in pairwise(points):
        yield from ((a, y), ((a + b) / 2, y), ((a + b) / 2, after))
    yield points[-1]


def _runs(values: Sequence[tuple[int, Log]], join: bool) -> Iterator[list[tuple[int, float]]]:
    run = list[tuple[int, float]]()
    for i, value in values:
        if value is not None:
            run.append((i, value))
        elif run and not join:
            yield run
            run = []
    if run:
        yield run


def _told(picture: Picture, variant: Variant, place: int) -> str:
    at = picture.places[place]
    return escaped(f"{at.name} ({at.label}), {variant.name}: {'; '.join(variant.notes[place])}")
