"""What a person measured, or a simulation, in the units of the axes, with the interval that it is known to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from kaiming_mcp.architecture.ir import Conv, Linear, Op
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.trends import best_trend
from kaiming_mcp.diagnosis.signal.facts import Beside
from kaiming_mcp.measurements.record import LayerRow
from kaiming_mcp.measurements.trend import SQUARES, Trend
from kaiming_mcp.measurements.value import Value
from kaiming_mcp.picture.course import DIGITS, Drawn, decades
from kaiming_mcp.picture.match import places_of
from kaiming_mcp.picture.model import Log, Measured, Place, Quantity
from kaiming_mcp.printable import printable
from kaiming_mcp.scaffold import number, power

OF_SUMS = ("norm", "sum square")
"""Statistics over all elements of a layer; the others are of one element."""
OF_SQUARES = ("mean square", "rms", "std", "variance")
"""Statistics whose square is E[x²]; std and variance are so of a signal without a mean."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Points of one quantity, and what log10 of a squared element was moved by to stand on its axis."""

    points: list[Measured]
    shift: float | None = None
    """None where the statistic is not of single elements, and their number is not known."""
    words: str = ""


def rows_of(e: Evidence) -> tuple[LayerRow, ...]:
    """The measured layers in order of depth, where no network was sent: they are the places."""
    shown = e.gradient or e.activation or _weights(e)
    return shown.rows if shown is not None else ()


def gradients(e: Evidence, places: Sequence[Place], theory: Sequence[Log] | None, found: Drawn | None) -> Shown:
    """Measured gradients on the axis of the sum of squares relative to the last place."""
    shown = e.gradient
    if shown is None or shown.quantity.kind == "weight gradient":
        return Shown([])
    return _moved("gradient", shown, places, theory, found.elements() if found else None)


def weight_gradients(e: Evidence, places: Sequence[Place], theory: Sequence[Log] | None, found: Drawn | None) -> Shown:
    """Measured gradients of weights on the axis of the squared norm relative to the last."""
    shown = _weights(e)
    if shown is None:
        return Shown([])
    sizes = [_size(op) for op in found.axis.ops] if found else None
    return _moved("weight_gradient", shown, places, theory, sizes)


def activations(e: Evidence, places: Sequence[Place], theory: Sequence[Log] | None) -> Shown:
    """Measured activations as E[x²]; what is no mean square is moved onto theory, for then only its course is known."""
    shown = e.activation
    if shown is None:
        return Shown([])
    if shown.quantity.statistic in OF_SQUARES:
        return Shown(_points("second_moment", shown, places, theory, lambda _: 0.0), 0.0)
    return _moved("second_moment", shown, places, theory, None)


def alike(e: Evidence, places: Sequence[Place]) -> list[Measured]:
    """Measured cosines between inputs."""
    rows = [(name, x) for name, x in e.cosine if 0 <= x <= 1]
    # A probe has a cosine behind every nonlinearity too, where there is no place.
    weighted = {row.name for row in rows_of(e)}
    rows = [row for row in rows if row[0] in weighted] or rows
    at = _located([name for name, _ in rows], places, None)
    return [
        Measured(
            quantity="correlation",
            name=printable(name),
            place=place,
            value=round(x, 6),
            low=round(x, 6),
            high=round(x, 6),
            note=f"cosine {number(x)}",
        )
        for (name, x), place in zip(rows, at, strict=True)
    ]


def simulated(beside: Beside, found: Drawn) -> list[Measured]:
    """The Monte-Carlo run at each place: E[x²] and the gradient relative to the last place, one standard error wide."""
    sim, last = beside.simulated, found.last
    points = list[Measured]()
    for i, station in enumerate(found.stations):
        q, error = sim.q[i], sim.q_error[i]
        doubt = math.hypot(sim.log_g_error[i], sim.log_g_error[last])
        log_g = sim.log_g[i] - sim.log_g[last]
        name, runs = printable(station.path), f"{sim.runs} draws of the weights"
        if q > 0:
            points.append(
                Measured(
                    quantity="second_moment",
                    name=name,
                    place=i,
                    value=decades(math.log(q)),
                    low=decades(math.log(q - error)) if q > error else None,
                    high=decades(math.log(q + error)),
                    note=f"E[x²] {number(q)} ± {number(error)}, {runs}",
                )
            )
        points.append(
            Measured(
                quantity="gradient",
                name=name,
                place=i,
                value=decades(log_g),
                low=decades(log_g - doubt),
                high=decades(log_g + doubt),
                note=f"gradient Σ {power(log_g)} of the last, x/÷ {power(doubt)}, {runs}",
            )
        )
    return points


def _weights(e: Evidence) -> Trend | None:
    return best_trend(e.measured.per_layer, ("weight gradient",))


def _size(op: Op | None) -> int | None:
    """Numbers in the weight matrix of a layer."""
    match op:
        case Linear():
            return op.in_features * op.out_features
        case Conv():
            return op.in_channels * op.out_channels * math.prod(op.kernel) // op.groups
        case _:
            return None


def _moved(
    quantity: Quantity,
    shown: Trend,
    places: Sequence[Place],
    theory: Sequence[Log] | None,
    sizes: list[int | None] | None,
) -> Shown:
    """Points whose scale theory does not know: moved as one onto theory, or to 0 at the last where there is none."""
    at = _located([r.name for r in shown.rows], places, theory)
    element = shown.quantity.statistic not in OF_SUMS
    known = sizes is not None and all(sizes[p] for p in at)
    extra = {p: math.log10(sizes[p] or 1) for p in at} if element and known and sizes is not None else {}
    own = [
        (p, x + extra.get(p, 0.0)) for p, x in zip(at, map(_square_of(shown), shown.rows), strict=True) if x is not None
    ]
    if not own:
        return Shown([])
    lines = [(x, t) for p, x in own if theory is not None and (t := theory[p]) is not None]
    first = quantity == "second_moment"
    shift = median(t - x for x, t in lines) if lines else -(own[0] if first else own[-1])[1]
    points = _points(quantity, shown, places, theory, lambda p: extra.get(p, 0.0) + shift)
    where = "moved onto theory as one" if lines else f"relative to the {'first' if first else 'last'} layer measured"
    return Shown(
        points, shift if element or known else None, f"{shown.quantity.kind}, {shown.quantity.statistic}; {where}"
    )


def _square_of(shown: Trend) -> Callable[[LayerRow], float | None]:
    def square(row: LayerRow) -> float | None:
        value = row.values[shown.quantity]
        return None if not value.finite or value.below else _log_square(abs(value.x), shown)

    return square


def _points(
    quantity: Quantity,
    shown: Trend,
    places: Sequence[Place],
    theory: Sequence[Log] | None,
    shift: Callable[[int], float],
) -> list[Measured]:
    at = _located([r.name for r in shown.rows], places, theory)

    def moved(x: float | None, place: int) -> Log:
        return None if x is None or not math.isfinite(x) else round(x + shift(place), DIGITS) + 0.0

    made = list[Measured]()
    for row, place in zip(shown.rows, at, strict=True):
        value = row.values[shown.quantity]
        low, high = value.size
        known = value.finite and not value.below
        made.append(
            Measured(
                quantity=quantity,
                name=printable(row.name),
                place=place,
                value=moved(_log_square(abs(value.x), shown), place) if known else None,
                low=moved(_log_square(low, shown), place) if known else None,
                high=moved(_log_square(high, shown), place) if value.finite else None,
                note=_note(value, shown),
            )
        )
    return made


def _log_square(x: float, shown: Trend) -> float | None:
    if x <= 0 or not math.isfinite(x):
        return None
    return math.log10(x) if shown.quantity.statistic in SQUARES else 2 * math.log10(x)


def _note(value: Value, shown: Trend) -> str:
    kind = (
        f"{shown.quantity.kind}, {shown.quantity.statistic}"
        if shown.quantity.statistic != "unknown"
        else shown.quantity.kind
    )
    if value.finite and value.x == 0 and value.exact:
        return f"{kind}: exactly 0"
    return f"{kind}: {printable(value.text)} as printed"


def _located(rows: Sequence[str], places: Sequence[Place], theory: Sequence[Log] | None) -> list[int]:
    """Rows on places: by name, else over the places of the main path that theory has a number for."""
    if not rows:
        return []
    main = [i for i, p in enumerate(places) if p.main and (theory is None or theory[i] is not None)]
    weighted = [i for i, p in enumerate(places) if p.kind == "layer" and (theory is None or theory[i] is not None)]
    # As many rows as weighted layers are those; else rows are taken as blocks, or what the main path shows.
    candidates = weighted if len(weighted) == len(rows) or not main else main
    return places_of(rows, [p.name for p in places], candidates)
