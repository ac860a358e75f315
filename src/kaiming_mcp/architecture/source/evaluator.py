"""Follows a text: the module level first, then functions and classes as they are called."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from kaiming_mcp.architecture.source import attributes, calls, expressions, statements
from kaiming_mcp.architecture.source.machine import DEEPEST_CALLS, Machine, Signal
from kaiming_mcp.architecture.source.values import (
    Call,
    Class,
    Function,
    Items,
    Object,
    Scope,
    Table,
    Tensor,
    Unknown,
    Value,
    tuple_of,
)

_ROTARY = re.compile(r"apply\w*rot|rotary|rope", re.IGNORECASE)


class Evaluator:
    """One reading of one text."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.globals = Scope({})

    def call(self, value: Value, call: Call) -> Value:
        """Call any value."""
        return calls.call_value(self, value, call)

    def evaluate(self, node: ast.expr, scope: Scope) -> Value:
        """The value of an expression."""
        return expressions.evaluate(self, node, scope)

    def execute(self, body: Sequence[ast.stmt], scope: Scope) -> Signal | None:
        """Run statements; the signal that ended them early, if any."""
        return statements.execute(self, body, scope)

    def attribute(self, value: Value, name: str, line: int, text: str) -> Value:
        """value.name."""
        return attributes.attribute(self, value, name, line, text)

    def run(self, function: Function, call: Call, instance: Object | None = None) -> Value:
        """Run a function of the text; what is nested too deeply is not known."""
        if self.machine.depth >= DEEPEST_CALLS:
            return Unknown(call.text)
        values = call.values if instance is None else [instance, *call.values]
        if (rotated := _rotated(function, values)) is not None:
            return rotated
        names = arguments(function, Call(values, call.named, call.line, call.text))
        first = values[0] if values and function.owner is not None else None
        if isinstance(first, Class):
            first = None
        scope = Scope(names, function.scope, function.owner, first)
        self.machine.depth += 1
        try:
            if isinstance(function.node, ast.Lambda):
                return self.evaluate(function.node.body, scope)
            signal = self.execute(function.node.body, scope)
        finally:
            self.machine.depth -= 1
        return signal.value if signal is not None and signal.kind == "return" else None


def _rotated(function: Function, values: list[Value]) -> Value:
    """What apply_rotary_emb(q, k, ...) and its like return: the same vectors, turned."""
    if isinstance(function.node, ast.Lambda) or not _ROTARY.search(function.name):
        return None
    returned = [n.value for n in function.node.body if isinstance(n, ast.Return)]
    count = len(returned[-1].elts) if returned and isinstance(returned[-1], ast.Tuple) else 1
    tensors = list[Value](v for v in values if isinstance(v, Tensor))[:count]
    if len(tensors) < count:
        return None
    return tensors[0] if count == 1 else tuple_of(tensors)


def arguments(function: Function, call: Call) -> dict[str, Value]:
    """The names that a call binds; an argument without a value is not known, under its own name."""
    spec = function.node.args
    ordered = [a.arg for a in (*spec.posonlyargs, *spec.args)]
    names: dict[str, Value] = dict(zip(ordered, call.values, strict=False))
    if spec.vararg is not None:
        names[spec.vararg.arg] = tuple_of(call.values[len(ordered) :])
    known = {*ordered, *(a.arg for a in spec.kwonlyargs)}
    if spec.kwarg is not None:
        names[spec.kwarg.arg] = Table({k: v for k, v in call.named.items() if k not in known})
    names |= {k: v for k, v in call.named.items() if k in known}
    for name in known:
        if name not in names:
            names[name] = function.defaults.get(name, Unknown(name))
    return names


def first_tensor(value: Value, deep: int = 0) -> Tensor | None:
    """The main output among what forward returns: the first tensor."""
    if isinstance(value, Tensor):
        return value
    if deep > 5:
        return None
    inner: list[Value] = []
    if isinstance(value, Items):
        inner = value.values
    elif isinstance(value, Table):
        inner = list(value.values.values())
    elif isinstance(value, Object):
        inner = list(value.attributes.values())
    return next((t for v in inner[:100] if (t := first_tensor(v, deep + 1)) is not None), None)
