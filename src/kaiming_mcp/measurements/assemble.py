"""Single readings put together: layers by depth, series by time, facts of the whole run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from kaiming_mcp.measurements import layers
from kaiming_mcp.measurements.phrases import SHARES
from kaiming_mcp.measurements.quantity import GRADIENTS, Quantity
from kaiming_mcp.measurements.record import At, Fact, LayerRow, PerLayer, Point, Reading, Series
from kaiming_mcp.measurements.value import Value, number

MOST_TIMES = 8
"""Times of the run at which the layers are kept: the first, the last, and evenly between."""
MOST_DECIMALS = 6
"""Numbers with at most so many decimals, and no exponent, were rounded when printed."""
_WHOLE_RUN = ("loss", "accuracy", "metric", "learning rate", "loss scale", "clip", "gradient norm", "gradient ratio")
_OF_LAYERS = ("activation", "weight", "dead", "zero", "gradient zero", "saturated", "cosine")
"""Kinds whose numbers on several lines are several variants rather than several times."""
_INITIAL = re.compile(r"\b(?:initial|expected|starting)\b", re.I)


@dataclass(slots=True)
class _Pass:
    """The layers as they were printed at one time."""

    at: At | None
    rows: dict[str, dict[Quantity, Value]] = field(default_factory=dict[str, dict[Quantity, Value]])
    first: dict[str, Reading] = field(default_factory=dict[str, Reading])


def per_layer(found: Iterable[Reading]) -> tuple[PerLayer, ...]:
    """The layers at each time of the run, in order of depth."""
    passes: dict[tuple[At | None, int], list[_Pass]] = {}
    places: dict[tuple[int, str, Quantity, At | None], int] = {}
    for reading in found:
        if not reading.layer or reading.quantity.kind in _WHOLE_RUN:
            continue
        quantity = _of_layer(reading)
        # Several numbers on the line of a layer are several times, the first of each line the first.
        key = (reading.line, reading.layer, quantity, reading.at)
        places[key] = places.get(key, -1) + 1
        same = passes.setdefault((reading.at, places[key]), [_Pass(reading.at)])
        if quantity in same[-1].rows.get(reading.layer, {}):
            same.append(_Pass(reading.at))
        into = same[-1]
        into.rows.setdefault(reading.layer, {}).setdefault(quantity, reading.value)
        first = into.first.setdefault(reading.layer, reading)
        if first.fan_in is None and reading.fan_in is not None:
            into.first[reading.layer] = replace(first, fan_in=reading.fan_in)
    kept = [one for same in passes.values() for one in same]
    if len(kept) > MOST_TIMES:
        step = (len(kept) - 1) / (MOST_TIMES - 1)
        kept = [kept[round(i * step)] for i in range(MOST_TIMES)]
    return tuple(_layers(one) for one in kept)


def _of_layer(reading: Reading) -> Quantity:
    """The gradient of a parameter by name is a gradient of weights."""
    quantity = reading.quantity
    if quantity.kind == "gradient" and layers.part(reading.layer):
        return replace(quantity, kind="weight gradient")
    return quantity


def _layers(one: _Pass) -> PerLayer:
    names = list(one.rows)
    ours = all(reading.given for reading in one.first.values())
    positions, basis = layers.order(names, given=ours)
    columns: dict[Quantity, list[Value]] = {}
    for values in one.rows.values():
        for quantity, value in values.items():
            columns.setdefault(quantity, []).append(value)
    # Our probe prints six digits and no fixed decimals: its zeros hide nothing.
    spans = {quantity: 0.0 if ours else _rounding(values) for quantity, values in columns.items()}
    percent = {q for q, values in columns.items() if q.kind in SHARES and any(map(_was_percent, values))}
    rows = [
        LayerRow(
            name=names[i],
            index=place,
            values={q: _of_one(v) if q in percent else _zero(v, spans[q]) for q, v in one.rows[names[i]].items()},
            line=one.first[names[i]].line,
            kind=one.first[names[i]].kind,
            part=layers.part(names[i]),
            role=layers.role(names[i], one.first[names[i]].kind),
            fan_in=one.first[names[i]].fan_in,
        )
        for place, i in enumerate(positions)
    ]
    return PerLayer(tuple(rows), basis, one.at)


def _rounding(values: Sequence[Value]) -> float | None:
    """Half a unit of the last decimal where a column was rounded; 0 where it was printed in full; None unknown."""
    texts = [v.text.strip() for v in values if v.finite and v.x != 0]
    if any(re.search(r"[eE]|\d{8,}$", text) for text in texts):
        return 0.0
    decimals = [len(text.partition(".")[2]) for text in texts if "." in text and not text.endswith("%")]
    return 0.5 * 10.0 ** -max(decimals) if decimals and max(decimals) <= MOST_DECIMALS else None


def _was_percent(value: Value) -> bool:
    """Whether the number was written in percent without a sign for it."""
    raw = number(value.text)
    return raw is not None and not raw.unit and raw.x > 1 >= value.x


def _of_one(value: Value) -> Value:
    """Beside numbers in percent, a number below 1 is in percent too."""
    raw = number(value.text)
    return value.scaled(0.01) if raw is not None and not raw.unit and raw.x == value.x else value


def _zero(value: Value, half: float | None) -> Value:
    """The short zero `0.0` among other numbers: what it can hide depends on how those were printed."""
    if value.text.strip().lstrip("-") != "0.0" or half is None:
        return value
    if value.exact and half == 0.0:
        return value
    return replace(value, low=-half, high=half)


def series(found: Iterable[Reading]) -> tuple[tuple[Series, ...], tuple[Fact, ...]]:
    """Series over the run, and the numbers that stand alone."""
    groups: dict[tuple[Quantity, str, str], list[Reading]] = {}
    facts = list[Fact]()
    for reading in found:
        if reading.layer and reading.quantity.kind not in _WHOLE_RUN:
            continue
        quantity = _of_run(reading)
        alone = quantity.kind in _OF_LAYERS and reading.at is None
        if alone or reading.depth is not None or quantity.kind == "gradient ratio" or _INITIAL.search(reading.label):
            facts.append(_fact(reading, quantity))
            continue
        unit = reading.at.unit if reading.at else "row"
        label = reading.label if reading.apart or not quantity.known else ""
        groups.setdefault((quantity, unit, label), []).append(reading)
    made = list[Series]()
    for (quantity, unit, label), readings in groups.items():
        if not quantity.known and not any(r.at for r in readings):
            continue
        lines = {r.line for r in readings}
        if (len(readings) < 2 and not (readings[0].at and quantity.known)) or (
            unit == "row" and len(lines) < 2 and not readings[0].series
        ):
            facts += [_fact(r, quantity) for r in readings if quantity.known]
            continue
        points = [
            Point(r.at.x if r.at and not (unit == "row" and not r.series) else float(i), r.value, r.line)
            for i, r in enumerate(readings)
        ]
        if quantity.kind in SHARES and any(_was_percent(p.value) for p in points):
            points = [replace(p, value=_of_one(p.value)) for p in points]
        if unit != "row":
            points.sort(key=lambda p: p.at)
        made.append(Series(quantity, unit, tuple(_inside(points) if unit == "epoch" else points), label))
    return tuple(made), tuple(sorted(facts, key=lambda f: f.line))


def _inside(points: Sequence[Point]) -> Iterator[Point]:
    """Several numbers of one epoch lie inside it, in the order of the text."""
    for at, group in groupby(points, key=lambda p: p.at):
        same = list(group)
        yield same[0]
        yield from (replace(p, at=at + i / len(same)) for i, p in enumerate(same[1:], 1))


def _of_run(reading: Reading) -> Quantity:
    """A gradient without a layer is the norm of the whole network's."""
    quantity = reading.quantity
    if quantity.kind in GRADIENTS and quantity.statistic in ("norm", "unknown"):
        return replace(quantity, kind="gradient norm", statistic="norm")
    return quantity


def _fact(reading: Reading, quantity: Quantity) -> Fact:
    return Fact(quantity, reading.value, reading.line, reading.value.text, reading.depth, reading.label)
