"""The document of our own probe `signal` (probes/signal_probe*.py): layers at one or several times, and its head."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, TypeGuard, cast

from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.record import At, Reading
from kaiming_mcp.measurements.value import exactly
from kaiming_mcp.measurements.written import Digits, value_of

LONGEST_LIST = 2_000
"""Characters of a list of names that are kept in the head."""
_NULL_IS_NAN = ("second_moment", "gradient", "weight_grad_norm")
"""Keys that hold null where the number is not finite (JSON has no nan)."""
_QUANTITIES = {
    "second_moment": Quantity("activation", "mean square"),
    "mean": Quantity("activation", "mean"),
    "max": Quantity("activation", "max"),
    "cosine": Quantity("cosine", "mean"),
    "zero": Quantity("zero", "value"),
    "dead": Quantity("dead", "value"),
    "saturated": Quantity("saturated", "value"),
    "nonfinite": Quantity("nonfinite", "value"),
    "gradient": Quantity("activation gradient", "mean square"),
    "gradient_sum": Quantity("activation gradient", "sum square"),
    "gradient_max": Quantity("activation gradient", "max"),
    "gradient_nonfinite": Quantity("nonfinite", "gradient"),
    "weight_norm": Quantity("weight", "norm"),
    "weight_std": Quantity("weight", "std"),
    "weight_grad_norm": Quantity("weight gradient", "norm"),
    "update_ratio": Quantity("update ratio", "norm"),
    "half_zero": Quantity("underflow", "zero"),
    "half_subnormal": Quantity("underflow", "subnormal"),
    "weight_half_zero": Quantity("weight underflow", "zero"),
    "weight_half_subnormal": Quantity("weight underflow", "subnormal"),
}
"""What each key of a layer measures."""
_RUN = {"loss": Quantity("loss", "value"), "gradient_norm": Quantity("gradient norm", "norm")}


def is_probe(content: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a document is one of our probe."""
    return isinstance(content, dict) and "probe" in content and isinstance(cast(Any, content).get("layers"), list)


def is_row(row: Mapping[str, Any]) -> bool:
    """Whether an object, or a row of a table, is one layer of our probe without the document around it."""
    return "second_moment" in row and "cosine" in row and ("nonfinite" in row or "gradient_sum" in row)


def head(content: Any) -> dict[str, str | int | float | None]:
    """The head of our probe's document, or {}: names in lists joined, `first_nonfinite.name` and the like flat."""
    if not is_probe(content):
        return {}
    result: dict[str, str | int | float | None] = {}
    for key, item in content.items():
        if isinstance(item, dict) and key == "first_nonfinite":
            inner = cast(dict[str, Any], item)
            result.update({f"{key}.{name}": _scalar(x) for name, x in inner.items() if _is_scalar(x)})
        elif isinstance(item, list) and all(isinstance(name, str) for name in cast(list[Any], item)):
            result[key] = ", ".join(cast(list[str], item))[:LONGEST_LIST]
        elif _is_scalar(item):
            result[key] = _scalar(item)
    return result


def _is_scalar(item: Any) -> bool:
    return isinstance(item, str) or item is None


def _scalar(item: Any) -> str | int | float | None:
    if not isinstance(item, Digits):
        return item
    x = float(item)
    return int(x) if math.isfinite(x) and x.is_integer() and "." not in item else x


def probe_readings(content: dict[str, Any], line: int) -> Iterator[Reading]:
    """Its layers at each time, and loss and gradient norm over the steps or alone."""
    times = [time for time in _dicts(content.get("times")) if isinstance(time.get("layers"), list)]
    for time in times or [content]:
        step = value_of(time.get("step")) if times else None
        yield from _layers(time["layers"], line, At("step", step.x) if step and step.finite else None)
    run = content.get("run")
    if isinstance(run, dict) and isinstance(cast(Any, run).get("step"), list):
        yield from _run(cast(dict[str, Any], run), line)
        return
    for key, quantity in _RUN.items():
        value = value_of(content.get(key))
        if value is None and key in content and content.get("cotangent") == "loss":
            value = exactly(math.nan, "null")
        if value and (key == "loss" or content.get("cotangent") == "loss"):
            yield Reading(line, quantity, value, label=key)


def _layers(rows: list[Any], line: int, at: At | None) -> Iterator[Reading]:
    for row in _dicts(rows):
        yield from row_readings(row, line, at)


def row_readings(row: Mapping[str, Any], line: int, at: At | None = None) -> Iterator[Reading]:
    """One layer of the probe."""
    name, call, fan_in = (
        str(row.get("name") or row.get("layer") or ""),
        value_of(row.get("call")),
        value_of(row.get("fan_in")),
    )
    name += f" (call {call.x:.0f})" if call and call.x > 1 else ""
    for key, item in row.items():
        quantity, value = _QUANTITIES.get(key), value_of(item)
        if item is None and key in _NULL_IS_NAN:
            value = exactly(math.nan, "null")
        if quantity and value:
            value = value if not value.finite else exactly(value.x, value.text)
            kind, fan = str(row.get("type", "")), int(fan_in.x) if fan_in and fan_in.finite else None
            yield Reading(line, quantity, value, name, at, kind=kind, given=True, fan_in=fan, label=key)


def _run(run: dict[str, Any], line: int) -> Iterator[Reading]:
    for key, quantity in _RUN.items():
        items = run.get(key)
        if not isinstance(items, list):
            continue
        for step, item in zip(run["step"], cast(list[Any], items), strict=False):
            time, value = value_of(step), value_of(item) or (exactly(math.nan, "null") if item is None else None)
            if time and time.finite and value:
                yield Reading(line, quantity, value, at=At("step", time.x), label=key)


def _dicts(items: Any) -> list[dict[str, Any]]:
    listed = cast(list[Any], items) if isinstance(items, list) else []
    return [cast(dict[str, Any], item) for item in listed if isinstance(item, dict)]
