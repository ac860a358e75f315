"""How a quantity changes over depth: its rate per layer, where the sequence breaks, what printing cut off."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from kaiming_mcp.measurements.fit import Line, Point, Turn, line_through, points_of, turn_of
from kaiming_mcp.measurements.quantity import GRADIENTS, Quantity
from kaiming_mcp.measurements.record import LayerRow, PerLayer
from kaiming_mcp.measurements.value import Value

SQUARES = ("mean square", "sum square", "variance")
SEQUENTIAL = 3
_COUNTED = re.compile(r"(?P<stem>[A-Za-z]{1,12}(?:[ _]?(?:layer|block))?)[ _=]{0,2}(?P<number>\d{1,4})")
"""`block10`, `layer 8`: a number that counts layers, as the places in `features.3.weight` do not."""


@dataclass(frozen=True, slots=True)
class Break:
    """The first layer, in the direction of travel, from which the sequence is another one.

    Kinds: nan, inf, zero (exactly), drop (below what printing shows, against the trend), slope, jump.
    """

    kind: str
    index: int
    name: str
    before: float | None = None
    """Change of ln value per layer up to there, in order of depth."""
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Trend:
    """A straight line through ln value over depth."""

    quantity: Quantity
    rows: tuple[LayerRow, ...]
    places: tuple[int, ...]
    """The depth of each row, from 0: by the number in its name where only some layers were printed, else its place."""
    order: str
    rate: float
    """Change of ln value per layer towards the output; its sign says nothing of the direction of travel."""
    error: float
    """Standard error of the rate: scatter of the layers and rounding of the print; inf where nothing tells it."""
    scatter: float
    """Standard deviation of ln value about the whole."""
    level: float
    """ln value of the line at the first row."""
    used: int
    cut: tuple[int, ...]
    """Rows that only have an upper bound: printed as zero, or `< x`."""
    zeros: tuple[int, ...]
    """Rows that are exactly zero."""
    nonfinite: tuple[int, ...]
    ratio: Value
    """First over last row, with the interval that the printing allows."""
    extrapolated_ratio: float
    """First over last row on the whole."""
    extrapolated: tuple[tuple[str, float], ...]
    """What the line gives where printing cut off."""
    break_: Break | None
    backward: bool
    """Whether the quantity travels from the last row to the first, as gradients do."""

    @property
    def factor(self) -> float:
        """Factor per layer towards the output."""
        return _exp(self.rate)

    @property
    def amplitude_rate(self) -> float:
        """The rate of a root mean square or norm: half of the rate where squares were measured."""
        return self.rate / 2 if self.quantity.statistic in SQUARES else self.rate

    @property
    def travel_factor(self) -> float:
        """Factor of the amplitude per layer in the direction of travel: below 1 decays, above 1 grows."""
        return _exp(-self.amplitude_rate if self.backward else self.amplitude_rate)

    @property
    def significant(self) -> bool:
        """Whether the rate is more than three standard errors from 0."""
        return math.isfinite(self.error) and abs(self.rate) > 3 * self.error


def sequence(layers: PerLayer, quantity: Quantity) -> tuple[LayerRow, ...]:
    """The rows of weighted layers that have the quantity; all rows that have it where fewer than two are weighted."""
    rows = tuple(row for row in layers.rows if quantity in row.values)
    weighted = tuple(row for row in rows if row.weighted)
    return weighted if len(weighted) >= 2 else rows


def trend(layers: PerLayer, quantity: Quantity) -> Trend | None:
    """The trend of a quantity over depth, or None with fewer than two rows or no number to fit."""
    rows = sequence(layers, quantity)
    values = [row.values[quantity] for row in rows]
    if len(rows) < 2:
        return None
    bad = tuple(i for i, v in enumerate(values) if not v.finite)
    zeros = tuple(i for i, v in enumerate(values) if v.finite and v.x == 0 and v.exact)
    cut = tuple(
        i for i, v in enumerate(values) if v.finite and i not in zeros and (v.below or v.bound == "<" or v.size[1] == 0)
    )
    places = places_of(rows)
    known = points_of(values, places, {*bad, *zeros, *cut})
    if not known:
        return None
    backward = quantity.kind in (*GRADIENTS, "update", "update ratio")
    whole = line_through(known)
    turn = turn_of(known)
    broken = _broken(rows, places, values, known, whole, turn, backward)
    ends: list[tuple[str, float]] = []
    for i in cut:
        near = whole
        if turn:
            near = turn.low if places[i] < turn.at else turn.high
        ends.append((rows[i].name, _exp(near.at(places[i]))))
    low, high = _quotient(values[0], values[-1])
    ratio = _exp(-whole.rate * places[-1])
    if values[0].finite and values[-1].finite and values[-1].x and 0 not in cut and len(rows) - 1 not in cut:
        printed = abs(values[0].x / values[-1].x)
    else:
        printed = ratio if not bad and not zeros else math.nan
    return Trend(
        quantity=quantity,
        rows=rows,
        places=places,
        order=layers.order,
        rate=whole.rate,
        error=whole.error,
        scatter=whole.scatter,
        level=whole.level,
        used=len(known),
        cut=cut,
        zeros=zeros,
        nonfinite=bad,
        ratio=Value(printed, low, high, "first/last"),
        extrapolated_ratio=ratio,
        extrapolated=tuple(ends),
        break_=broken,
        backward=backward,
    )


def places_of(rows: Sequence[LayerRow]) -> tuple[int, ...]:
    """The depth of each row: the number in its name where numbers are left out, else its place."""
    counted = [_COUNTED.fullmatch(row.name) for row in rows]
    numbers = [int(m["number"]) for m in counted if m]
    if len(numbers) == len(rows) and len({m["stem"] for m in counted if m}) == 1:
        steps = {b - a for a, b in pairwise(numbers)}
        # Steps of 2 or 3 are the numbers that nn.Sequential gives to a layer, its norm and its nonlinearity.
        if min(steps) > 0 and (len(steps) > 1 or min(steps) > SEQUENTIAL):
            return tuple(n - numbers[0] for n in numbers)
    return tuple(range(len(rows)))


def _broken(
    rows: Sequence[LayerRow],
    places: Sequence[int],
    values: Sequence[Value],
    points: Sequence[Point],
    whole: Line,
    turn: Turn | None,
    backward: bool,
) -> Break | None:
    """The first break in the direction of travel."""
    travel = range(len(rows) - 1, -1, -1) if backward else range(len(rows))
    depths = {p.depth for p in points}
    known = {i for i, place in enumerate(places) if place in depths}
    place = places.index(_place(points, turn, backward)) if turn else None
    started = False
    for i in travel:
        value = values[i]
        if i in known:
            started = True
            if turn and i == place:
                first, second = (turn.high, turn.low) if backward else (turn.low, turn.high)
                return Break(turn.kind, i, rows[i].name, first.rate, second.rate)
            continue
        rate = whole.rate if len(points) > 1 else None
        if not value.finite:
            return Break("nan" if math.isnan(value.x) else "inf", i, rows[i].name, rate)
        if value.x == 0 and value.exact:
            return Break("zero", i, rows[i].name, rate)
        bound = value.size[1]
        near = (turn.high if places[i] >= turn.at else turn.low) if turn else whole
        if started and bound > 0 and near.at(places[i]) - 3 * near.doubt(places[i]) > math.log(bound):
            return Break("drop", i, rows[i].name, near.rate)
    return None


def _place(points: Sequence[Point], turn: Turn, backward: bool) -> int:
    """The depth of the first row of the second piece in the direction of travel."""
    if not backward:
        return turn.at
    return max(p.depth for p in points if p.depth < turn.at)


def _quotient(first: Value, last: Value) -> tuple[float, float]:
    if not first.finite or not last.finite:
        return math.nan, math.nan
    (a, b), (c, d) = first.size, last.size
    low = a / d if d else math.inf
    high = b / c if c else math.inf
    return (low, high) if math.isfinite(low) else (0.0, math.inf)


def _exp(x: float) -> float:
    return math.exp(min(max(x, -745.0), 709.0))
