"""Columns whose words were lost: what unnamed numbers per layer must be, by their rows and the words around."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from kaiming_mcp.diagnosis.gradients.listed import ALIKE
from kaiming_mcp.measurements.quantity import GRADIENTS, PER_LAYER, Quantity, quantity_of
from kaiming_mcp.measurements.record import Event, Fact, LayerRow, Measurements, PerLayer, Series
from kaiming_mcp.measurements.value import Value, between, exactly, number

_OF_ACTIVATIONS = ("mean square", "rms", "std", "variance", "mean", "mean abs")
LONGEST_HEADING = 120
LONGEST_WORDS = 60_000
HEADING_LINES = 4
"""Lines above its first row among which a heading is looked for."""
_UNROLLED = re.compile(
    r"\bunroll|\bDEQ\b|\bequilibrium\b|\bfixed[- ]point\b|\brecurren|\bBPTT\b|\bh_?\{?[kt] ?\+ ?1\}? ?=|\bthrough time\b|\bweight[- ]tied\b",
    re.I,
)
"""Words of a net whose depth is a number of iterations."""
_LOSS_NORM = Quantity("loss", "norm")
_GRADIENTS = re.compile(r"\bgrad", re.I)
_ACTIVATIONS = re.compile(
    r"\bactivation|\boutput|\bhidden state|\bresidual stream|\btrunk\b|\bfeature|\bsignal|\bweights? (?:std|norm)|\bcosine|\bdead\b",
    re.I,
)
_SILENT = re.compile(r"\bsparsity\b|\b(?:share|fraction|ratio|percentage) of (?:zero|dead|inactive)", re.I)
_ACTIVE = re.compile(r"(?<!in)(?<!never )(?<!not )(?<![a-z])active|(?<!not )\balive", re.I)
_NEVER = re.compile(r"\b(?:never|not) active|\binactive", re.I)
_FIELD = re.compile(r"\"\w*nonfinite\w*\"\s?:")
_NUMBERED = re.compile(r"(?P<stem>[A-Za-z]{1,20})[ _.=]{0,2}(?P<place>\d{1,4})")
_UNLIKE = re.compile(r"\bdirichlet|\bMAD\b|\bmean average distance|\b(?:pairwise|mean) distance|\bsmoothness", re.I)
_SIZE = re.compile(r"\b(?:rms|std|norm)\b", re.I)
_STATED = re.compile(
    r"\b(?:outputs?|activations?|hidden states?)(?:'s?)? (?:std|rms|variance|mean square)\b"
    r"|\b(?:std|rms|variance|mean square) of (?:the |each |all )?(?:\w+(?:'s)? )?(?:outputs?|activations?|hidden states?)\b",
    re.I,
)
"""A sentence that says which statistic of the activations was printed."""
_LINE_NAME = re.compile(r"\W*([A-Za-z_0-9][\w.]*)")


def labelled(layers: PerLayer, words: str, around: str = "") -> PerLayer:
    """Rows with unnamed quantities named; zeros that are not rounded exact.

    `words` is all that was said, `around` the text that the rows stand in, where it is known.
    """
    parameters = any(row.part for row in layers.rows)
    named = {q: _named(q, layers, parameters, words, around) for q in layers.quantities}
    columns = {q: _unit([row.values[q] for row in layers.rows if q in row.values]) for q in layers.quantities}
    units = {q: unit for q, unit in columns.items() if unit is not None}
    rows = tuple(replace(row, values=_values(row, named, units)) for row in layers.rows)
    return replace(layers, rows=_counted(rows))


def _counted(rows: tuple[LayerRow, ...]) -> tuple[LayerRow, ...]:
    """Rows of one name in the order of their numbers, where they are not written alike: `layer1`, `layer 10`."""
    found = [_NUMBERED.fullmatch(row.name) for row in rows]
    if not rows or len({m["stem"].lower() for m in found if m}) != 1 or not all(found):
        return rows
    ordered = sorted(zip([int(m["place"]) for m in found if m], rows, strict=True), key=lambda pair: pair[0])
    return tuple(replace(row, index=i) for i, (_, row) in enumerate(ordered))


def labelled_series(series: Series) -> Series:
    """A norm among the losses is that of the gradient: what `clip_grad_norm_` returns is called total_norm."""
    quantity = series.quantity
    return replace(series, quantity=replace(quantity, kind="gradient norm")) if quantity == _LOSS_NORM else series


def of_layers(log: Measurements, words: str) -> tuple[PerLayer, ...]:
    """The rows of a log that are layers: no times of the run, and the iterations of a net that is unrolled over them."""
    over_time = {p.line for s in log.series if s.quantity.kind in ("loss", "metric", "accuracy") for p in s.points}
    layers = tuple(one for one in log.per_layer if not _are_times(one, over_time))
    if log.per_layer or log.of("loss") or not _UNROLLED.search(words[:LONGEST_WORDS]):
        return layers
    columns = [s for s in log.series if s.unit != "row" and s.quantity.kind in PER_LAYER and len(s.points) > 3]
    if not any(s.quantity.kind in GRADIENTS or s.quantity.kind == "activation" for s in columns):
        return layers
    rows = [
        LayerRow(f"iteration {at:g}", i, {s.quantity: p.value for s in columns for p in s.points if p.at == at}, i + 1)
        for i, at in enumerate(dict.fromkeys(p.at for s in columns for p in s.points))
    ]
    return (PerLayer(tuple(rows), "as printed"),)


def _are_times(layers: PerLayer, over_time: set[int]) -> bool:
    """Whether each row stands on a line of its own beside a loss: no layer has one."""
    lines = {row.line for row in layers.rows}
    return 2 < len(layers.rows) == len(lines) and lines <= over_time


def beside(symptom: Measurements, log: Measurements) -> tuple[Fact, ...]:
    """The numbers of a symptom; beside rows of a log its words say nothing of layers."""
    return tuple(f for f in symptom.facts if not (log.per_layer and f.quantity.kind in PER_LAYER))


def measured_events(events: tuple[Event, ...]) -> tuple[Event, ...]:
    """Events without the fields of a document that count what is not finite."""
    return tuple(e for e in events if not (e.kind in ("nan", "inf") and (_FIELD.search(e.text) or '"probe"' in e.text)))


def shares(facts: tuple[Fact, ...], kind: str) -> tuple[tuple[str, float], ...]:
    """Percentages that were not given to a layer, with their own words or else the first word of their line."""
    found = [f for f in facts if f.quantity.kind == kind and f.value.finite and not f.value.bound]
    found = [f for f in found if not _SIZE.search(f.label)]
    return tuple((_whose(f, kind), f.value.x) for f in found if 0 <= f.value.x <= 1)


def _whose(fact: Fact, kind: str) -> str:
    own = re.sub(rf"\W*\b(?:{kind}|fraction|share)\w*\W*", " ", fact.label).strip()
    first = _LINE_NAME.match(fact.text)
    return own or (first[1] if first else "")


def _named(quantity: Quantity, layers: PerLayer, parameters: bool, words: str, around: str) -> Quantity:
    values = [row.values[quantity] for row in layers.rows if quantity in row.values]
    if quantity.kind == "dead" and _NEVER.search(words):
        return replace(quantity, statistic="printed")
    if quantity.kind == "unknown":
        if ALIKE.search(words) and all(-1 <= v.x <= 1 for v in values):
            return Quantity("cosine", "mean", basis="assumed")
        of_names = {quantity_of(row.name) for row in layers.rows}
        if len(of_names) == 1 and (own := of_names.pop()).kind in GRADIENTS:
            return replace(own, basis="assumed")
        if parameters:
            return replace(quantity, kind="weight gradient", basis="assumed")
        if _GRADIENTS.search(around) and not _ACTIVATIONS.search(around):
            return replace(quantity, kind="gradient", basis="assumed")
        if _ACTIVATIONS.search(around) and not _GRADIENTS.search(around) and len(around) < LONGEST_HEADING:
            return Quantity("activation", quantity_of(around).statistic, basis="assumed")
        if quantity.statistic in _OF_ACTIVATIONS:
            return replace(quantity, kind="activation", basis="assumed")
        if (stated := _STATED.search(words)) and not _GRADIENTS.search(words):
            return Quantity("activation", quantity_of(stated[0]).statistic, basis="assumed")
        if _ACTIVE.search(words) and all(0 <= v.x <= 1 for v in values):
            return Quantity("zero", "active", basis="assumed")
    if quantity.kind in ("unknown", "activation") and quantity.statistic == "unknown" and _UNLIKE.search(words):
        return Quantity("spread", "variance" if re.search(r"dirichlet|energy", words, re.I) else "std", basis="assumed")
    # Columns of one table: the words of the last one were given to those before it.
    several = sum(q.kind == "cosine" for q in layers.quantities) > 1
    if quantity.kind == "cosine" and several and quantity.statistic in _OF_ACTIVATIONS:
        return replace(quantity, kind="activation", basis="assumed")
    if quantity.kind == "activation" and quantity.statistic == "unknown" and all(v.unit == "%" for v in values):
        kind = "saturated" if re.search("saturat", words, re.I) else "zero"
        return Quantity(kind, "value", basis="assumed")
    shares = all(0 <= v.x <= 1 for v in values)
    if quantity.kind == "activation" and quantity.statistic == "unknown" and shares and _SILENT.search(around):
        return Quantity("zero", "value", basis="assumed")
    return quantity


def _values(
    row: LayerRow, named: Mapping[Quantity, Quantity], units: Mapping[Quantity, float]
) -> dict[Quantity, Value]:
    return {named[q]: _zero(_turned(v, named[q].statistic), units.get(q)) for q, v in row.values.items()}


def _turned(value: Value, statistic: str) -> Value:
    """The share of units that are not active; where it says `never active`, the number as it is printed."""
    if statistic == "printed":
        return number(value.text) or value
    if statistic != "active":
        return value
    return replace(value, x=1 - value.x, low=1 - value.high, high=1 - value.low)


def _zero(value: Value, unit: float | None) -> Value:
    if value.x or value.bound or not value.finite:
        return value
    # `0.000e+00` would show 1e-40 with its own exponent: nothing is cut off.
    if "e" in value.text.lower() or (unit == 0 and len(value.text) < len("0.00")):
        return exactly(0.0, value.text)
    return between(-unit / 2, unit / 2, value.text) if unit and not value.exact and unit < value.high else value


def _unit(column: list[Value]) -> float | None:
    """The unit to which numbers of their own length were rounded: 0 for none, None where the column does not tell.

    `0.0` beside `0.21` or `2.4e-07` is no rounded number; beside `0.001` it may be one of three digits.
    """
    texts = [v.text.lower() for v in column if v.finite and v.x and not v.bound]
    if len(texts) < 2 or any(v.unit for v in column):
        return None
    if any("e" in text for text in texts):
        return 0.0
    unit = 10.0 ** -max(len(text.partition(".")[2]) for text in texts)
    least = min(abs(v.x) for v in column if v.x and v.finite)
    return (0.0 if least >= 10 * unit else unit) if unit < 0.1 else None


def headings(times: Sequence[PerLayer], words: str) -> list[str]:
    """The line above the rows of each time, where it holds no row of its own: `std after block:`.

    Lines are counted from the begin of the log, which stands at the end of `words`.
    """
    lines = words.split("\n")
    begin = _begin(times, lines) if times else None
    if begin is None:
        return [""] * len(times)
    return [_above(lines[begin : begin + min(row.line for row in one.rows) - 1]) for one in times]


def _above(lines: Sequence[str]) -> str:
    """The line right above, or the nearest that ends in a colon."""
    if not lines:
        return ""
    line = lines[-1].strip()
    if line.endswith(":") or (line and not re.search(r"\d", line)):
        return line
    near = (one.strip() for one in reversed(lines[-HEADING_LINES:]))
    return next((one for one in near if one.endswith(":")), "")


def _begin(times: Sequence[PerLayer], lines: Sequence[str]) -> int | None:
    """Where the log begins: the last place from which rows of its first time stand on their lines."""
    rows = (*times[0].rows[:2], times[0].rows[-1])
    last = len(lines) - max(row.line for one in times for row in one.rows)
    fits = (k for k in range(last, -1, -1) if all(row.name in lines[k + row.line - 1] for row in rows))
    return next(fits, None)


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
        r"normal_\((?:[^)\n]{0,60}?)std\s?=\s?([\d.]{1,12})|normal_\([^,)\n]{0,40},?\s?0(?:\.0)?,\s?([\d.]{1,12})\)"
        r"|\bN\(0(?:\.0)?,\s?([\d.]{1,12})(?:\^2|²)?\)",
        text,
    )
    value = next((g for g in std.groups() if g), "") if std else ""
    return f"std {value.rstrip('.')}" if re.fullmatch(r"\d*\.?\d+\.?", value) else ""
