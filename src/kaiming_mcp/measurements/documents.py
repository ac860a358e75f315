"""JSON, JSON lines and printed Python dicts of measurements: our probe, W&B, TensorBoard, Keras, Trainer logs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

from kaiming_mcp.measurements import histogram, layers, repeated, rows
from kaiming_mcp.measurements.probe import head, is_probe, is_row, probe_readings, row_readings
from kaiming_mcp.measurements.quantity import (
    GRADIENTS,
    PER_LAYER,
    UNKNOWN,
    Quantity,
    filled,
    quantity_of,
    quantity_of_layer,
)
from kaiming_mcp.measurements.record import At, Reading
from kaiming_mcp.measurements.value import Value
from kaiming_mcp.measurements.written import Digits, numbers_of, value_of

__all__ = ["head", "listed", "readings"]

DEEPEST = 12
"""Nesting below which nothing is looked for."""
_NAMES = (
    "name",
    "layer",
    "layer_name",
    "module",
    "param",
    "parameter",
    "param_name",
    "tensor",
    "variable",
    "block",
    "tag",
    "metric",
    "key",
    "scalar",
)
_OF_LAYERS = ("layer", "layer_name", "module", "param", "parameter", "param_name", "block")
"""Keys of names that name nothing else."""
_KINDS = ("type", "class", "kind", "module_type", "layer_type")
_STEPS = (
    "global_step",
    "_step",
    "step",
    "iter",
    "iteration",
    "it",
    "num_updates",
    "update",
    "batch",
    "steps",
    "global_steps",
)
_EPOCHS = ("epoch", "epochs", "ep")
_TIMES = (
    "time",
    "wall",
    "wall_time",
    "walltime",
    "timestamp",
    "_timestamp",
    "_runtime",
    "runtime",
    "elapsed",
    "eta",
    "seconds",
)
_CONTAINERS = frozenset(
    "encoder decoder layer layers block blocks h model transformer module backbone features".split()
)
_OUTERMOST = re.compile(r"(?:g|grad|gnorm|grad_?norm)_(out|output|head)", re.I)
"""The column of the last layer beside `g_fc1`, `g_fc2`."""
_VALUES = ("value", "values", "y", "val")
_DEPTHS = ("depth", "n_layers", "num_layers", "layers", "n_layer", "l", "d")


@dataclass(frozen=True, slots=True)
class _Place:
    """What the surrounding document says of a number."""

    line: int
    quantity: Quantity = UNKNOWN
    layer: str = ""
    at: At | None = None
    depth: int | None = None
    kind: str = ""
    fan_in: int | None = None
    probe: bool = False
    label: str = ""
    path: str = ""
    """Keys around it that are parts of a name, as in `{"layer": {"0": {"attn.weight": ...}}}`."""


def readings(content: Any, line: int) -> Iterator[Reading]:
    """Every number of a document with what the document says of it."""
    if is_probe(content):
        yield from probe_readings(content, line)
    else:
        yield from _walk(content, _Place(line), 0)


def _walk(content: Any, place: _Place, depth: int) -> Iterator[Reading]:
    if depth > DEEPEST:
        return
    if isinstance(content, dict):
        yield from _object(cast(dict[str, Any], content), place, depth)
    elif isinstance(content, list):
        yield from _list(cast(list[Any], content), place, depth)
    elif value := value_of(content):
        yield _reading(value, place)


def _reading(value: Value, place: _Place) -> Reading:
    return Reading(
        place.line, place.quantity, value, place.layer, place.at, place.depth, place.kind, place.probe, place.fan_in,
        place.label,
    )  # fmt: skip


def _object(row: dict[str, Any], place: _Place, depth: int) -> Iterator[Reading]:
    if is_row(row):
        yield from row_readings(row, place.line, place.at)
        return
    if sizes := _histogram(row):
        for statistic, value in sizes:
            yield _reading(value, replace(place, quantity=Quantity(_kind(place.quantity), statistic)))
        return
    if columns := _columns(row):
        for one in columns:
            yield from _object(one, place, depth + 1)
        return
    lower = {key.lower().removeprefix("trainer/"): key for key in row}
    inner, own = place, set[str]()
    for unit, keys in (("epoch", _EPOCHS), ("step", _STEPS)):
        for key in keys:
            if key in lower and (value := value_of(row[lower[key]])) and value.finite:
                inner = replace(inner, at=At(unit, value.x))
                own.add(lower[key])
    for key in _NAMES:
        item = row.get(lower.get(key, ""))
        if key in lower and isinstance(item, str) and (not isinstance(item, Digits) or key in ("layer", "block")):
            bare, kind = rows.split_kind(item)
            name = layers.tidy(bare)
            name = f"{key} {name}" if name.isdigit() else name
            inner = replace(inner, kind=kind or inner.kind)
            if key in _OF_LAYERS or not (quantity := quantity_of(item)).known or layers.is_layer(name):
                told = Quantity("gradient") if ".grad" in item and not inner.quantity.known else inner.quantity
                inner = replace(inner, layer=name, quantity=told)
            elif lower.keys() & set(_VALUES):
                inner = replace(inner, quantity=quantity, label=item)
            own.add(lower[key])
            break
    for key in _DEPTHS:
        if key in lower and (value := value_of(row[lower[key]])) and value.exact:
            inner = replace(inner, depth=int(value.x) if value.finite else None)
            own.add(lower[key])
    for key in _KINDS:
        if key in lower and isinstance(row[lower[key]], str):
            inner = replace(inner, kind=str(row[lower[key]]))
            own.add(lower[key])
    if "train_runtime" in lower:
        # The Trainer closes with the mean loss of the whole run.
        own |= {key for key in row if key.lower() == "train_loss"}
    # Beside `train`, `val` is no short form of `value`.
    split = {"val": "valid"} if "train" in lower else {}
    left = {
        split.get(key.lower(), key): item for key, item in row.items() if key not in own and key.lower() not in _TIMES
    }
    column = not inner.layer and repeated.is_column([key for key, item in left.items() if value_of(item)])
    for key, item in left.items():
        under = replace(inner, layer=layers.tidy(key)) if column and value_of(item) else _under(key, inner)
        if isinstance(item, dict) and under.layer == inner.layer and (key.isdigit() or key in _CONTAINERS):
            under = replace(under, path=f"{inner.path}.{key}" if inner.path else key)
        yield from _walk(item, under, depth + 1)


@lru_cache(maxsize=4096)
def _parsed(key: str) -> tuple[tuple[str, ...], str, str]:
    """The pieces of a key, the layer that it names, and its other words."""
    key = layers.unglued(key)
    pieces = tuple(piece for piece in key.split("/") if piece)
    names = [piece for piece in pieces if layers.is_layer(piece)]
    if layers.is_layer(key) and len(names) == len(pieces):
        name = layers.tidy(key)
        return pieces, name, f"{key[len(name) :]}" if key.startswith(name) else ""
    if names:
        name = layers.tidy(names[-1] if len(names) == 1 else "/".join(names))
        return pieces, name, " ".join(piece for piece in pieces if piece not in names)
    if m := _OUTERMOST.fullmatch(key):
        return pieces, m[1], "grad"
    if found := next((f for f in layers.found(key) if f[0] == 0 or key[f[0] - 1] in "_ /:-‖|"), None):
        begin, end, (name, *_) = found
        # `‖W1‖` is the norm of a weight.
        letter = name[0] if begin and key[begin - 1] in "‖|" else ""
        return pieces, name, f"{key[:begin]} {letter} {key[end:]}"
    return pieces, "", key


def _under(key: str, place: _Place) -> _Place:
    """What a key adds: a layer, a quantity, or both (`gradients/layer1.weight`, `grad_2.0_norm/fc1.weight`)."""
    pieces, name, words = _parsed(key)
    key = layers.unglued(key)
    layer = place.layer
    if name and any(map(str.isdigit, place.path)) and not layer:
        name = f"{place.path}.{name}"
    if name:
        layer = f"{layer}.{name}" if layer and layer != name and not name.startswith(layer) else name
        suffix = key.rsplit(".", 1)[-1] if ".grad" in key else ""
        words = f"{words} {suffix}"
    elif (
        not place.layer
        and pieces
        and not place.probe
        and not quantity_of(key).known
        and place.quantity.kind in PER_LAYER
    ):
        statistic = quantity_of(key).statistic
        layer = key if statistic == "unknown" and key.lower() not in _VALUES else layer
    quantity = (quantity_of_layer if layer else quantity_of)(words) if words.strip() else UNKNOWN
    if key.lower() in _VALUES and not quantity.known:
        return place
    return replace(
        place, layer=layer, quantity=filled(quantity, place.quantity), label=key if not name else place.label
    )


def _list(items: list[Any], place: _Place, depth: int) -> Iterator[Reading]:
    values = [value_of(item) for item in items]
    if items and all(values):
        yield from listed(cast(list[Value], values), place.quantity, place)
        return
    rows = [numbers_of(item) for item in items]
    if len(rows) > 1 and all(row and len(row) in (2, 3) for row in rows) and not place.layer:
        for row in cast(list[list[Value]], rows):
            # TensorBoard exports [wall time, step, value].
            at = At("step", row[-2].x) if row[-2].finite else None
            yield _reading(row[-1], replace(place, at=at))
        return
    for item in items:
        yield from _walk(item, place, depth + 1)


def listed(values: Sequence[Value], quantity: Quantity, place: _Place | Reading) -> Iterator[Reading]:
    """A bare list: layers where the quantity is one of layers, else a series."""
    at, layer, line, label = place.at, place.layer, place.line, place.label
    several = len(values) > 1
    if several and not layer and quantity.kind in PER_LAYER:
        for i, value in enumerate(values):
            yield Reading(line, quantity, value, f"layer {i}", at, place.depth, label=label)
        return
    for i, value in enumerate(values):
        time = At("row", i) if several and at is None else at
        yield Reading(line, quantity, value, layer, time, place.depth, label=label, series=several)


def _columns(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of a dict of lists of one length, where one of them is the time."""
    lists = {key: cast(list[Any], item) for key, item in row.items() if isinstance(item, list)}
    times = [key for key in lists if key.lower() in (*_STEPS, *_EPOCHS)]
    if not times or len(lists) < 2 or len({len(item) for item in lists.values()}) > 1:
        return []
    return [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]


def _histogram(row: dict[str, Any]) -> list[tuple[str, Value]]:
    row = cast(dict[str, Any], row["histogram"]) if isinstance(row.get("histogram"), dict) else row
    bins = numbers_of(row.get("bins") or row.get("bin_edges") or row.get("limits"))
    counts = numbers_of(row.get("values") or row.get("counts") or row.get("hist"))
    return histogram.sizes(bins, counts) if bins and counts else []


def _kind(quantity: Quantity) -> str:
    return "weight gradient" if quantity.kind in GRADIENTS else quantity.kind
