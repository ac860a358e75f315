"""Columns whose words were lost: what unnamed numbers per layer must be, by their rows and the words around."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.record import Event, Fact, LayerRow, PerLayer
from kaiming_mcp.measurements.value import Value, exactly

_OF_ACTIVATIONS = ("mean square", "rms", "std", "variance", "mean", "mean abs")
_ACTIVE = re.compile(r"(?<![a-z])active|alive", re.I)
_FIELD = re.compile(r"\"\w*nonfinite\w*\"\s?:")
_LINE_NAME = re.compile(r"\W*([A-Za-z_0-9][\w.]*)")


def labelled(layers: PerLayer, words: str) -> PerLayer:
    """Rows with unnamed quantities named; zeros in scientific notation exact."""
    parameters = any(row.part for row in layers.rows)
    named = {q: _named(q, layers, parameters, words) for q in layers.quantities}
    rows = tuple(replace(row, values=_values(row, named)) for row in layers.rows)
    return replace(layers, rows=rows)


def measured_events(events: tuple[Event, ...]) -> tuple[Event, ...]:
    """Events without the fields of a document that count what is not finite."""
    return tuple(e for e in events if not (e.kind in ("nan", "inf") and (_FIELD.search(e.text) or '"probe"' in e.text)))


def shares(facts: tuple[Fact, ...], kind: str) -> tuple[tuple[str, float], ...]:
    """Percentages that stand on a layer's line but were not given to it, with the first word of the line."""
    found = [f for f in facts if f.quantity.kind == kind and f.value.finite and not f.value.bound]
    names = [(_LINE_NAME.match(f.text), f) for f in found]
    return tuple((m[1] if m else "", f.value.x) for m, f in names if 0 <= f.value.x <= 1)


def _named(quantity: Quantity, layers: PerLayer, parameters: bool, words: str) -> Quantity:
    values = [row.values[quantity] for row in layers.rows if quantity in row.values]
    if quantity.kind == "unknown":
        if parameters:
            return replace(quantity, kind="weight gradient", basis="assumed")
        if quantity.statistic in _OF_ACTIVATIONS:
            return replace(quantity, kind="activation", basis="assumed")
        if _ACTIVE.search(words) and all(0 <= v.x <= 1 for v in values):
            return Quantity("dead", "active", basis="assumed")
    # Columns of one table: the words of the last one were given to those before it.
    several = sum(q.kind == "cosine" for q in layers.quantities) > 1
    if quantity.kind == "cosine" and several and quantity.statistic in _OF_ACTIVATIONS:
        return replace(quantity, kind="activation", basis="assumed")
    if quantity.kind == "activation" and quantity.statistic == "unknown" and all(v.unit == "%" for v in values):
        kind = "saturated" if re.search("saturat", words, re.I) else "zero"
        return Quantity(kind, "value", basis="assumed")
    return quantity


def _values(row: LayerRow, named: Mapping[Quantity, Quantity]) -> dict[Quantity, Value]:
    return {
        named[q]: _zero(replace(v, x=1 - v.x, low=1 - v.high, high=1 - v.low) if named[q].statistic == "active" else v)
        for q, v in row.values.items()
    }


def _zero(value: Value) -> Value:
    # `0.000e+00` would show 1e-40 with its own exponent: nothing is cut off.
    return exactly(0.0, value.text) if value.x == 0 and "e" in value.text.lower() and not value.bound else value


def stated_initialization(training: str) -> str:
    """The initialization that a description of the training names, in the words of the argument."""
    text = training[:20_000]
    if re.search(r"\bkaiming|\bhe[ _-](?:init|normal|uniform)|\bHe\b", text):
        return "he"
    if re.search(r"\bxavier|\bglorot", text, re.I):
        return "xavier"
    if re.search(r"\blecun|1\s?/\s?fan_in", text, re.I):
        return "lecun"
    if re.search(r"\borthogonal", text, re.I):
        return "orthogonal"
    std = re.search(
        r"normal_\((?:[^)\n]{0,60}?)std\s?=\s?([\d.]{1,12})|normal_\([^,)\n]{0,40},?\s?0(?:\.0)?,\s?([\d.]{1,12})\)|N\(0,\s?([\d.]{1,12})(?:\^2|²)\)",
        text,
    )
    value = next((g for g in std.groups() if g), "") if std else ""
    return f"std {value.rstrip('.')}" if re.fullmatch(r"\d*\.?\d+\.?", value) else ""
