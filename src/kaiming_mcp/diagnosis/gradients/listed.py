"""Layers that a sentence lists without names: `std per layer: 0.24 0.061 0.017 ...`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kaiming_mcp.measurements.quantity import PER_LAYER, Quantity, quantity_of
from kaiming_mcp.measurements.record import LayerRow, Measurements, PerLayer
from kaiming_mcp.measurements.value import Value, numbers

FEWEST = 4
FLOAT = r"\d{1,9}(?:\.\d{1,9})?(?:e[-+]?\d{1,3})?"
_BY_LAYER = re.compile(
    r"\b(?:per|each|every|by|of (?:the|my|all)|over (?:the )?) ?(?:\d+ )?(?:layers?|blocks?|depth)\b", re.I
)
LONGEST, BEFORE, LABEL = 20_000, 120, 30
"""Characters of a text, of a sentence before its list, and of the label right in front of it."""
_LIST = re.compile(rf"(?<![\w.])(?:{FLOAT}(?:\s?,\s?|\s?->\s?|\s)){{4,199}}{FLOAT}(?![\w.]\d)")
_LAYERS = re.compile(r"\b(?:layers?|blocks?|depth)\b", re.I)
ALIKE = re.compile(r"\bsimilarity\b|\bcosine|\bcorr\w*\(", re.I)
_COUNT = re.compile(r"\b(\d{1,4}) (?:\w+ )?(?:layers|blocks)\b", re.I)


def listed_layers(measured: Measurements, around: str) -> Iterator[PerLayer]:
    """One column of layers, named by their place, for each list that the text gives to its layers."""
    groups: dict[tuple[int, Quantity], list[Value]] = {}
    for fact in measured.facts:
        if fact.quantity.kind in PER_LAYER and _BY_LAYER.search(fact.text):
            groups.setdefault((fact.line, fact.quantity), []).append(fact.value)
    for (line, quantity), values in groups.items():
        if len(values) >= FEWEST:
            yield _column(quantity, values, line)
    counts = {int(n) for n in _COUNT.findall(around[:20_000])}
    for series in measured.series:
        unnamed = not series.quantity.known and re.search(r"\bgrad", around, re.I)
        if series.unit == "row" and unnamed and len(series.points) >= FEWEST and len(series.points) in counts:
            yield _column(
                Quantity("gradient", basis="assumed"), [p.value for p in series.points], series.points[0].line
            )


def told_layers(text: str) -> Iterator[PerLayer]:
    """Lists in a sentence: `after each of the 10 layers I print x.std(): 0.41, 0.13, ...`."""
    for i, line in enumerate(text[:LONGEST].split("\n"), 1):
        for found in _LIST.finditer(line[:2_000]):
            before = line[max(0, found.start() - BEFORE) : found.start()]
            quantity = quantity_of(before[-LABEL:])
            if (
                quantity.kind == "unknown"
                and quantity.statistic in ("std", "rms", "mean abs")
                and "grad" not in before.lower()
            ):
                quantity = replace(quantity, kind="activation")
            if ALIKE.search(before[-LABEL:]):
                quantity = Quantity("cosine", "mean")
            if quantity.kind in PER_LAYER and _LAYERS.search(before):
                yield _column(replace(quantity, basis="assumed"), [value for _, _, value in numbers(found[0])], i)


def _column(quantity: Quantity, values: Sequence[Value], line: int) -> PerLayer:
    rows = tuple(LayerRow(f"layer {i}", i - 1, {quantity: value}, line) for i, value in enumerate(values, 1))
    return PerLayer(rows, "as printed")
