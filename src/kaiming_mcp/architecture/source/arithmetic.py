"""Operators on known values, and on tensors: sums, products, scales, matrix products and attention scores."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace

from kaiming_mcp.architecture.graph import Join
from kaiming_mcp.architecture.ir import Activation, Embedding, Layer, Linear, Opaque, Reshape, Scale
from kaiming_mcp.architecture.source.machine import LARGEST_NUMBER, LONGEST_STRING, MOST_ITEMS, Machine
from kaiming_mcp.architecture.source.remarks import SHARED
from kaiming_mcp.architecture.source.values import (
    Call,
    Items,
    Object,
    Parameter,
    Scores,
    Table,
    Tensor,
    Unknown,
    Value,
    Weight,
    number,
    whole,
)

_NUMERIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": operator.mod,
    "|": lambda a, b: int(a) | int(b),
    "&": lambda a, b: int(a) & int(b),
}
_NEGLIGIBLE = 1e-3
"""A constant up to this size that is added to a tensor only guards a division."""


def combine(machine: Machine, sign: str, left: Value, right: Value, call: Call) -> Value:
    """The value of `left sign right`."""
    if isinstance(left, Tensor | Scores) or isinstance(right, Tensor | Scores):
        return _on_tensors(machine, sign, left, right, call)
    if isinstance(left, Parameter) or isinstance(right, Parameter):
        return _on_parameters(sign, left, right, call)
    for value in (left, right):
        if isinstance(value, Weight):
            return replace(value, changed=True)
    found = _on_plain(sign, left, right, call)
    if sign == "*" and isinstance(found, Items) and len(found.values) > 1 and isinstance(found.values[0], Object):
        machine.assume(
            f"line {call.line}: {call.text[:60]} {SHARED}",
            "a list comprehension, if each is to have weights of its own",
        )
    return found


def _on_plain(sign: str, left: Value, right: Value, call: Call) -> Value:
    a, b = _numeric(left), _numeric(right)
    try:
        if a is not None and b is not None:
            return _on_numbers(sign, a, b)
        if isinstance(left, str) and sign == "%":
            return Unknown(call.text)
        if isinstance(left, str) and isinstance(right, str) and sign == "+":
            return (left + right)[:LONGEST_STRING]
        if isinstance(left, str) and sign == "*" and (n := whole(right)) is not None:
            return left * min(n, LONGEST_STRING // max(1, len(left)))
        if isinstance(left, Items) and isinstance(right, Items) and sign == "+":
            return Items([*left.values, *right.values][:MOST_ITEMS], left.kind)
        for items, count in ((left, right), (right, left)):
            if isinstance(items, Items) and sign == "*" and (n := whole(count)) is not None:
                return Items(items.values * min(n, MOST_ITEMS // max(1, len(items.values))), items.kind)
        if isinstance(left, Table) and isinstance(right, Table) and sign == "|":
            return Table(left.values | right.values)
    except (ArithmeticError, ValueError):
        pass
    return Unknown(call.text)


def _numeric(value: Value) -> float | None:
    return value if isinstance(value, int | float) else None


def _on_numbers(sign: str, a: float, b: float) -> Value:
    if sign == "**":
        if abs(a) > 1e6 or abs(b) > 64 or (a < 0 and b != int(b)):
            raise ArithmeticError
        result: float = a**b
    elif sign in _NUMERIC:
        result = _NUMERIC[sign](a, b)
    else:
        raise ArithmeticError
    if not abs(result) <= LARGEST_NUMBER:
        raise ArithmeticError
    return result


def _on_parameters(sign: str, left: Value, right: Value, call: Call) -> Value:
    """A parameter times or plus a number keeps its name and changes its values at the start."""
    held = left if isinstance(left, Parameter) else right
    other = right if held is left else left
    assert isinstance(held, Parameter)
    source = held.source or (held if held.trained else None)
    fill, std = None, None
    if (n := number(other)) is not None and sign in "+-*/":
        if held.fill is not None:
            values = (held.fill, float(n)) if held is left else (float(n), held.fill)
            result = _on_plain(sign, *values, call)
            fill = number(result)
        elif held.std is not None and sign == "*":
            std = held.std * abs(n)
        elif held.std is not None and sign == "/" and n and held is left:
            std = held.std / abs(n)
    shape = None if sign == "@" and isinstance(other, Parameter) else held.shape
    return replace(held, shape=shape, fill=fill, std=std, source=source)


def _on_tensors(machine: Machine, sign: str, left: Value, right: Value, call: Call) -> Value:
    if sign == "@":
        return multiply_matrices(machine, left, right, call)
    if isinstance(left, Scores) or isinstance(right, Scores):
        scores, other = (left, right) if isinstance(left, Scores) else (right, left)
        assert isinstance(scores, Scores)
        return _on_scores(machine, sign, scores, other)
    a, b = _tensor(machine, left), _tensor(machine, right)
    if a is not None and b is not None:
        return _two(machine, sign, a, b, call)
    tensor, other = (a, right) if a is not None else (b, left)
    assert tensor is not None
    if isinstance(other, Parameter):
        return _with_parameter(machine, sign, tensor, other, call)
    if (n := number(other)) is not None or isinstance(other, bool):
        return _with_number(machine, sign, tensor, float(n or 0), a is not None, call)
    return machine.opaque(sign, call.text, call, tensor)


def _tensor(machine: Machine, value: Value) -> Tensor | None:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Items) and value.kind == "stack":
        return as_tensor(machine, value)
    return None


def _two(machine: Machine, sign: str, a: Tensor, b: Tensor, call: Call) -> Value:
    match sign:
        case "+":
            return machine.join(Join("add"), a, b)
        case "-":
            return machine.join(Join("add", (1.0, -1.0)), a, b)
        case "*":
            return _gated(machine, a, b) or machine.join(Join("multiply"), a, b)
        case "/":
            inverse = machine.opaque("1/x", call.text, call, b)
            return machine.join(Join("multiply"), a, inverse)
        case _:
            return machine.opaque(sign, call.text, call, a, b)


def _gated(machine: Machine, a: Tensor, b: Tensor) -> Tensor | None:
    """x * sigmoid(x), written out, is SiLU."""
    assert machine.vertices is not None
    for value, gate in ((a, b), (b, a)):
        vertex = machine.vertices[gate.vertex]
        layer = vertex.content
        if isinstance(layer, Layer) and layer.op == Activation("sigmoid") and vertex.inputs == (value.vertex,):
            return machine.add(Layer(Activation("silu"), layer.path, layer.origin), vertex.inputs)
    return None


def _with_number(machine: Machine, sign: str, tensor: Tensor, n: float, first: bool, call: Call) -> Value:
    if sign == "*" or (sign == "/" and first and n):
        factor = n if sign == "*" else 1 / n
        return tensor if factor == 1 else machine.layer(Scale(factor), call, tensor)
    if sign in "+-" and first and abs(n) <= _NEGLIGIBLE:
        return tensor
    return machine.opaque({"**": "power"}.get(sign, sign), call.text, call, tensor)


def _with_parameter(machine: Machine, sign: str, tensor: Tensor, held: Parameter, call: Call) -> Value:
    count = machine.use(held)
    if sign in "+-":
        return _shifted(machine, tensor, held, count, call)
    factor = held.fill if held.fill is not None else held.std
    if sign == "*" and factor is not None:
        return tensor if factor == 1 and not count else machine.layer(Scale(factor, count), call, tensor)
    return machine.layer(Opaque(sign, call.text[:200], count), call, tensor)


def _shifted(machine: Machine, tensor: Tensor, held: Parameter, count: int, call: Call) -> Value:
    """x + parameter. What starts at zero changes nothing yet; what starts random is a table of vectors."""
    if not held.trained:
        if held.fill != 0:
            machine.assume(
                f"line {call.line}: {call.text[:60]} adds a constant, which is not followed",
                "the layer notation, with the constant as a residual branch",
            )
        return machine.layer(Reshape("identity"), call, tensor)
    if held.std and held.shape and count:
        width = held.shape[-1]
        table = machine.layer(Embedding(count // width, width), call, tensor, path=held.path)
        if held.std != 1:
            table = machine.layer(Scale(held.std), call, table)
        return machine.join(Join("add"), tensor, table)
    if held.fill is None:
        machine.assume(
            f"line {call.line}: the values that {call.text[:60]} adds at the start are not known; taken as small",
            "the line that initialises this parameter",
        )
    return machine.layer(Scale(1.0, count), call, tensor, path=held.path)


def _on_scores(machine: Machine, sign: str, scores: Scores, other: Value) -> Value:
    if sign in "*/" and (n := number(other)) is not None and n:
        factor = n if sign == "*" else 1 / n
        return replace(scores, scale=None if scores.scale is None else scores.scale * factor)
    if sign in "*/" and isinstance(other, Unknown):
        return replace(scores, scale=None)
    if isinstance(other, Parameter):
        machine.used.add(other.source or other)
        return replace(scores, causal=scores.causal or other.causal)
    return scores


def multiply_matrices(machine: Machine, left: Value, right: Value, call: Call) -> Value:
    """left @ right: a projection, attention scores, attention, or a product that is not known."""
    if isinstance(left, Scores):
        return attend(machine, left, right, call)
    if isinstance(right, Scores):
        return attend(machine, right, left, call)
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        if right.flipped != left.flipped:
            return Scores(left, right)
        return product(machine, left, right, call)
    tensor, held = (left, right) if isinstance(left, Tensor) else (right, left)
    if isinstance(tensor, Tensor) and isinstance(held, Parameter) and held.trained:
        return project(machine, tensor, held, call, flipped=tensor is right)
    if isinstance(tensor, Tensor):
        return machine.opaque("matmul", call.text, call, tensor)
    return Unknown(call.text)


def project(machine: Machine, tensor: Tensor, held: Parameter, call: Call, *, flipped: bool) -> Tensor:
    """A product with a matrix of parameters; `flipped` where it is stored as (out, in)."""
    count, shape = machine.use(held), held.shape or ()
    if len(shape) != 2 or not all(shape):
        return machine.layer(Opaque("matmul", call.text[:200], count), call, tensor)
    into, out = reversed(shape) if flipped else shape
    return machine.layer(Linear(into, out, False), call, tensor, path=held.path, key=held.path)


def product(machine: Machine, left: Tensor, right: Tensor, call: Call) -> Tensor:
    """A product of two tensors that is no attention, such as with an adjacency matrix."""
    assert machine.vertices is not None
    inputs = [t for t in (left, right) if t.vertex == 0 or machine.vertices[t.vertex].content is not None]
    return machine.opaque("matmul", call.text, call, *(inputs or [left]))


def attend(machine: Machine, scores: Scores, value: Value, call: Call) -> Value:
    """softmax(scores) value."""
    if not isinstance(value, Tensor):
        return machine.opaque("matmul", call.text, call, scores.query, scores.key)
    if not scores.soft:
        return machine.opaque("matmul", call.text, call, scores.query, scores.key, value)
    heads = scores.query.heads or scores.key.heads or value.heads or 1
    join = Join("attend", (), heads, scores.causal, scores.scale or 0.0)
    three = (scores.query, scores.key, value)
    if len({t.vertex for t in three}) == 1 and not any(machine.is_cut(t) for t in three):
        return machine.add(join, tuple(t.vertex for t in three))
    return machine.join(join, *three)


def as_tensor(machine: Machine, value: Value, call: Call | None = None) -> Tensor | None:
    """A value where a tensor is asked for; None when it holds none."""
    call = call or Call([], {})
    match value:
        case Tensor():
            return value
        case Scores():
            return machine.opaque("scores" if not value.soft else "softmax", call.text, call, value.query, value.key)
        case Items(kind="stack"):
            parts = [t for v in value.values if (t := as_tensor(machine, v, call)) is not None]
            if not parts:
                return None
            return parts[0] if len(parts) == 1 else machine.join(Join("concat"), *parts)
        case Parameter(trained=True):
            count = machine.use(value)
            shape = value.shape
            if value.std and shape and count:
                op = Embedding(count // shape[-1], shape[-1])
                table = machine.add(Layer(op, value.path, machine.origin(value.line)))
                return table if value.std == 1 else machine.layer(Scale(value.std), call, table)
            sizes = "x".join(map(str, shape or ()))
            op = Opaque("Parameter", f"of size {sizes}", count)
            return machine.add(Layer(op, value.path, machine.origin(value.line)))
        case _:
            return None
