"""Python that asks values what they are: isinstance, hasattr, getattr, type, super, map."""

from __future__ import annotations

from kaiming_mcp.architecture.source.machine import MOST_ITEMS, Follower
from kaiming_mcp.architecture.source.objects import (
    is_of,
    lineage,
)
from kaiming_mcp.architecture.source.python_calls import listed, truth
from kaiming_mcp.architecture.source.values import (
    Bound,
    Call,
    Class,
    Function,
    Items,
    Known,
    Method,
    Object,
    Super,
    Table,
    Tensor,
    Unknown,
    Value,
    number,
)


def reflect(follower: Follower, name: str, call: Call) -> tuple[Value] | None:
    """isinstance, hasattr, getattr, setattr, type, super, map and filter."""
    values = call.values
    match name, len(values):
        case "isinstance", 2:
            return (_isinstance(values[0], values[1], call),)
        case "hasattr", 2 if isinstance(values[1], str):
            if isinstance(values[0], Known):
                return (True,)
            found = follower.attribute(values[0], values[1], call.line, "")
            return (not isinstance(found, Unknown),)
        case "getattr", 2 | 3 if isinstance(values[1], str):
            found = follower.attribute(values[0], values[1], call.line, call.text)
            return (values[2] if isinstance(found, Unknown) and len(values) == 3 else found,)
        case "setattr", 3 if isinstance(values[0], Object) and isinstance(values[1], str):
            values[0].attributes[values[1]] = values[2]
            return (None,)
        case "type", 1 if isinstance(values[0], Object):
            return (values[0].cls or Known(values[0].base),)
        case "super", 2 if isinstance(values[0], Class) and isinstance(values[1], Object):
            return (Super(values[1], values[0]),)
        case "map", 2:
            items = listed(values[1])
            if items is None:
                return (Unknown(call.text),)
            calls = (Call([v], {}, call.line, call.text) for v in items[:MOST_ITEMS])
            return (Items([follower.call(values[0], each) for each in calls]),)
        case "filter", 2:
            items = (listed(values[1]) or [])[:MOST_ITEMS]
            test = values[0] or Known("builtins.bool")
            return (Items([v for v in items if truth(follower.call(test, Call([v], {}, call.line)))]),)
        case "callable", 1:
            return (isinstance(values[0], Function | Class | Object | Known | Bound | Method),)
        case "print", _:
            return (None,)
        case _:
            return None


def _isinstance(value: Value, classes: Value, call: Call) -> Value:
    wanted = classes.values if isinstance(classes, Items) else [classes]
    if isinstance(value, Unknown):
        return Unknown(call.text)
    for cls in wanted:
        name = cls.name.rpartition(".")[2] if isinstance(cls, Known) else ""
        if isinstance(value, Object):
            if isinstance(cls, Class) and value.cls is not None and cls in lineage(value.cls):
                return True
            if name and is_of(value, name):
                return True
        elif isinstance(value, Tensor):
            if name in {"Tensor", "FloatTensor"}:
                return True
        elif isinstance(value, Items):
            if name == value.kind or name in {"Sequence", "Iterable", "Sized"}:
                return True
        elif (
            name == type(value).__name__
            or (name == "dict" and isinstance(value, Table))
            or (name in {"Integral", "Number"} and number(value) is not None)
        ):
            return True
    return False
