"""Python's own functions and methods on known values: range, len, zip, list.append, str.format, math.sqrt."""

from __future__ import annotations

import math
from collections.abc import Callable

from kaiming_mcp.architecture.source.machine import LONGEST_STRING, MOST_ITEMS
from kaiming_mcp.architecture.source.values import (
    Call,
    Items,
    Object,
    Parameter,
    Table,
    Tensor,
    Unknown,
    Value,
    number,
    tuple_of,
    whole,
    written,
)

_MATH: dict[str, Callable[[float], float]] = {
    "sqrt": math.sqrt,
    "log2": math.log2,
    "log": math.log,
    "exp": math.exp,
    "floor": math.floor,
    "ceil": math.ceil,
    "abs": abs,
    "fabs": math.fabs,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "log10": math.log10,
}
_CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf}


def constant(name: str) -> Value:
    """math.pi and the like; None for any other name."""
    head, _, last = name.rpartition(".")
    return _CONSTANTS.get(last) if head in {"math", "numpy", "torch"} else None


def listed(value: Value) -> list[Value] | None:
    """What iterating over a value gives; None where that is not known."""
    match value:
        case Items():
            return value.values
        case Table():
            return list(value.values)
        case str():
            return list(value)
        case Object() if value.base.rpartition(".")[2] in {"Sequential", "ModuleList", "ParameterList"}:
            return [v for v in value.attributes.values() if isinstance(v, Object | Parameter)]
        case Object() if value.base.rpartition(".")[2] == "ModuleDict":
            return list(value.attributes)
        case _:
            return None


def truth(value: Value) -> bool | None:
    """Whether a value is true; None where that is not known."""
    match value:
        case None:
            return False
        case bool() | int() | float() | str():
            return bool(value)
        case Items():
            return bool(value.values)
        case Table():
            return bool(value.values)
        case Unknown() | Tensor():
            return None
        case _:
            return True


def call_python(name: str, call: Call) -> Value:
    """A function of Python or of math; Unknown where its arguments are not known."""
    try:
        return _called(name, call)
    except (ArithmeticError, ValueError, TypeError, IndexError):
        return Unknown(call.text)


def _called(name: str, call: Call) -> Value:
    unknown = Unknown(call.text)
    first = call.values[0] if call.values else None
    numbers = [number(v) for v in call.values]
    if name in _MATH and len(numbers) == 1 and numbers[0] is not None:
        result = _MATH[name](numbers[0])
        return result if math.isfinite(result) else unknown
    match name:
        case "range" | "arange":
            ends = [whole(v) for v in call.values]
            if not ends or any(e is None for e in ends):
                return unknown
            return Items([*range(*(e or 0 for e in ends))[:MOST_ITEMS]])
        case "linspace":
            start, stop = number(call.get(0, "start")), number(call.get(1, "end", call.named.get("stop")))
            steps = whole(call.get(2, "steps", call.named.get("num")))
            if start is None or stop is None or not steps or steps > MOST_ITEMS:
                return unknown
            return Items([start + (stop - start) * i / max(1, steps - 1) for i in range(steps)])
        case "len":
            items = listed(first)
            return unknown if items is None else len(items)
        case "int" | "float" | "round" | "bool" | "str" | "repr":
            return _converted(name, call)
        case "list" | "tuple" | "sorted" | "reversed" | "set" | "iter":
            return _collected(name, call)
        case "enumerate" | "zip":
            return _paired(name, call)
        case "sum" | "min" | "max" | "prod":
            return _reduced(name, call)
        case "pow" if len(numbers) == 2 and None not in numbers:
            base, exponent = (n or 0 for n in numbers)
            return base**exponent if abs(base) < 1e6 and abs(exponent) < 64 else unknown
        case "any" | "all":
            items = listed(first)
            known = None if items is None else [truth(v) for v in items]
            if known is None or None in known:
                return unknown
            return any(known) if name == "any" else all(known)
        case "dict" | "OrderedDict":
            return _table(call)
        case "gcd" | "lcm":
            a, b = (whole(v) for v in call.values)
            if a is None or b is None:
                return unknown
            return math.gcd(a, b) if name == "gcd" else a * b // math.gcd(a, b)
        case "divmod" if None not in numbers and len(numbers) == 2:
            a, b = (n or 0 for n in numbers)
            return tuple_of([a // b, a % b])
        case _:
            return unknown


def _converted(name: str, call: Call) -> Value:
    value = call.values[0] if call.values else None
    if name in {"str", "repr"}:
        return Unknown(call.text) if isinstance(value, Unknown) else written(value)
    if name == "bool":
        known = truth(value)
        return Unknown(call.text) if known is None else known
    if isinstance(value, str):
        value = float(value) if name == "float" else int(value[:20])
    n = number(value)
    if n is None:
        return int(value) if isinstance(value, bool) else Unknown(call.text)
    digits = whole(call.values[1]) if len(call.values) > 1 else None
    if name == "round":
        return round(n) if digits is None else round(n, min(12, digits))
    return int(n) if name == "int" else float(n)


def _collected(name: str, call: Call) -> Value:
    if not call.values:
        return Items([])
    items = listed(call.values[0])
    if items is None:
        return Unknown(call.text)
    items = items[:MOST_ITEMS]
    match name:
        case "reversed":
            return Items(items[::-1])
        case "set":
            return Items(list(dict.fromkeys(items)))
        case "sorted":
            keys = [number(v) for v in items]
            if None in keys or "key" in call.named:
                return Items(list(items)) if all(isinstance(v, str) for v in items) else Unknown(call.text)
            return Items(sorted(items, key=lambda v: number(v) or 0, reverse=call.named.get("reverse") is True))
        case _:
            return Items(list(items), "tuple" if name == "tuple" else "list")


def _paired(name: str, call: Call) -> Value:
    if name == "enumerate":
        items, start = listed(call.values[0]), whole(call.get(1, "start", 0)) or 0
        if items is None:
            return Unknown(call.text)
        return Items([tuple_of([start + i, v]) for i, v in enumerate(items[:MOST_ITEMS])])
    columns = [listed(v) for v in call.values]
    known = [c[:MOST_ITEMS] for c in columns if c is not None]
    if not known or len(known) < len(columns):
        return Unknown(call.text)
    return Items([tuple_of(list(row)) for row in zip(*known, strict=False)])


def _reduced(name: str, call: Call) -> Value:
    items = listed(call.values[0]) if len(call.values) == 1 else call.values
    numbers = [v if isinstance(v, bool) else number(v) for v in items or []]
    if items is None or None in numbers or not numbers:
        if name == "sum" and items == [] and len(call.values) == 1:
            return 0
        return Unknown(call.text)
    known = [n for n in numbers if n is not None]
    match name:
        case "sum":
            return sum(known)
        case "prod":
            return math.prod(known) if len(known) < 50 else Unknown(call.text)
        case "min":
            return min(known)
        case _:
            return max(known)


def _table(call: Call) -> Value:
    table = Table({})
    for value in call.values:
        if isinstance(value, Table):
            table.values |= value.values
        elif isinstance(value, Items):
            for pair in value.values:
                if isinstance(pair, Items) and len(pair.values) == 2:
                    table.values[pair.values[0]] = pair.values[1]
    table.values.update(call.named)
    return table


def call_method(receiver: Value, name: str, call: Call) -> Value:
    """A method of a list, a dictionary, a string or a set."""
    match receiver:
        case Items():
            return _of_items(receiver, name, call)
        case Table():
            return _of_table(receiver, name, call)
        case str():
            return _of_string(receiver, name, call)
        case _:
            return Unknown(call.text)


def _of_items(items: Items, name: str, call: Call) -> Value:
    values = items.values
    first = call.values[0] if call.values else None
    match name:
        case "append" | "add" if len(values) < MOST_ITEMS:
            values.append(first)
            return None
        case "extend" | "update":
            more = listed(first)
            if more is not None:
                values.extend(more[: MOST_ITEMS - len(values)])
            return None
        case "insert" if len(values) < MOST_ITEMS and (at := whole(first)) is not None:
            values.insert(at, call.values[1] if len(call.values) > 1 else None)
            return None
        case "pop" if values:
            at = -1 if first is None else whole(first)
            return values.pop(at) if at is not None and -len(values) <= at < len(values) else Unknown(call.text)
        case "reverse":
            values.reverse()
            return None
        case "copy":
            return Items(list(values), items.kind)
        case "index" if first in values:
            return values.index(first)
        case "count":
            return values.count(first)
        case _:
            return Unknown(call.text)


def _of_table(table: Table, name: str, call: Call) -> Value:
    first = call.values[0] if call.values else None
    match name:
        case "items":
            return Items([tuple_of([k, v]) for k, v in table.values.items()])
        case "keys":
            return Items(list(table.values))
        case "values":
            return Items(list(table.values.values()))
        case "get":
            return table.values.get(first, call.get(1, "default"))
        case "pop":
            return table.values.pop(first, call.get(1, "default"))
        case "setdefault":
            return table.values.setdefault(first, call.get(1, "default"))
        case "update":
            made = _table(call)
            assert isinstance(made, Table)
            table.values |= made.values
            return None
        case "copy":
            return Table(dict(table.values))
        case _:
            return Unknown(call.text)


def _of_string(text: str, name: str, call: Call) -> Value:
    first = call.values[0] if call.values else None
    other = first if isinstance(first, str) else None
    match name:
        case "lower":
            return text.lower()
        case "upper":
            return text.upper()
        case "strip":
            return text.strip()
        case "find" if other is not None:
            return text.find(other)
        case "startswith" if other is not None:
            return text.startswith(other)
        case "endswith" if other is not None:
            return text.endswith(other)
        case "split":
            return Items([*text.split(other)[:MOST_ITEMS]])
        case "replace" if other is not None and isinstance(call.get(1, "new"), str):
            new = str(call.get(1, "new"))
            longer = len(new) * (text.count(other) + 1) > LONGEST_STRING
            return Unknown(call.text) if longer else text.replace(other, new)
        case "format" if text.count("{}") == len(call.values):
            for value in call.values:
                text = text.replace("{}", written(value), 1)[:LONGEST_STRING]
            return text
        case "join":
            parts = listed(first)
            known = parts is not None and all(isinstance(p, str) for p in parts)
            size = sum(len(str(p)) + len(text) for p in parts or [])
            return text.join(str(p) for p in parts or []) if known and size < LONGEST_STRING else Unknown(call.text)
        case _:
            return Unknown(call.text)
