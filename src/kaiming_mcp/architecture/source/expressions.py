"""Expressions: each kind of ast node to a value."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import replace

from kaiming_mcp.architecture.source.arithmetic import combine
from kaiming_mcp.architecture.source.attributes import attribute
from kaiming_mcp.architecture.source.machine import LONGEST_STRING, MOST_ITEMS, Follower
from kaiming_mcp.architecture.source.names import usual
from kaiming_mcp.architecture.source.places import call_at, decide, defaults, sign_of, text_of
from kaiming_mcp.architecture.source.python_calls import listed, truth
from kaiming_mcp.architecture.source.reshapes import index
from kaiming_mcp.architecture.source.statements import bind
from kaiming_mcp.architecture.source.values import (
    Call,
    Class,
    Function,
    Items,
    Known,
    Object,
    Parameter,
    Scope,
    Scores,
    Super,
    Table,
    Tensor,
    Unknown,
    Value,
    Weight,
    number,
    tuple_of,
    whole,
    written,
)


def evaluate(follower: Follower, node: ast.expr, scope: Scope) -> Value:
    """The value of an expression."""
    follower.machine.step(node.lineno)
    match node:
        case ast.Constant(value=value):
            return _constant(value, text_of(follower, node))
        case ast.Name(id=name):
            try:
                return scope.find(name)
            except KeyError:
                return usual(name, follower.globals.names.get("*"))
        case ast.Attribute(value=inner, attr=name):
            return attribute(follower, follower.evaluate(inner, scope), name, node.lineno, text_of(follower, node))
        case ast.Call():
            return _call(follower, node, scope)
        case ast.BinOp(left=left, op=operator, right=right):
            values = follower.evaluate(left, scope), follower.evaluate(right, scope)
            return combine(follower.machine, sign_of(operator), *values, call_at(follower, node))
        case ast.UnaryOp(op=operator, operand=operand):
            return _unary(follower, operator, follower.evaluate(operand, scope), node)
        case ast.Compare(left=left, ops=operators, comparators=rest):
            return _compared(follower, left, operators, rest, scope, node)
        case ast.BoolOp(op=operator, values=values):
            return _either(follower, isinstance(operator, ast.Or), values, scope, node)
        case ast.IfExp(test=test, body=body, orelse=other):
            return follower.evaluate(body if decide(follower, test, scope) else other, scope)
        case ast.Subscript(value=inner, slice=at):
            return _subscript(follower, follower.evaluate(inner, scope), at, scope, node)
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            values = list(_spread(follower, elements, scope))
            return Items(values, "tuple" if isinstance(node, ast.Tuple) else "list")
        case ast.Dict(keys=keys, values=values):
            return _dictionary(follower, keys, values, scope)
        case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element) | ast.SetComp(elt=element):
            return _comprehension(follower, node.generators, scope, lambda s: follower.evaluate(element, s), node)
        case ast.DictComp(key=key, value=value):
            pairs = _comprehension(
                follower,
                node.generators,
                scope,
                lambda s: tuple_of([follower.evaluate(key, s), follower.evaluate(value, s)]),
                node,
            )
            assert isinstance(pairs, Items)
            return Table({p.values[0]: p.values[1] for p in pairs.values if isinstance(p, Items)})
        case ast.Lambda():
            return Function("lambda", node, scope, defaults(follower, node.args, scope))
        case ast.JoinedStr(values=pieces):
            return _formatted(follower, pieces, scope, node)
        case ast.NamedExpr(target=target, value=inner):
            value = follower.evaluate(inner, scope)
            bind(follower, target, value, scope)
            return value
        case ast.Starred(value=inner) | ast.Await(value=inner):
            return follower.evaluate(inner, scope)
        case _:
            return Unknown(text_of(follower, node))


def _constant(value: object, text: str) -> Value:
    if isinstance(value, str):
        return value[:LONGEST_STRING]
    if isinstance(value, int | float) and abs(value) <= 1e300:
        return value
    return None if value is None else Unknown(text)


def _call(follower: Follower, node: ast.Call, scope: Scope) -> Value:
    text = text_of(follower, node)
    if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
        inner: Scope | None = scope
        while inner is not None and inner.owner is None:
            inner = inner.outer
        if inner is not None and inner.owner is not None and isinstance(inner.instance, Object):
            return Super(inner.instance, inner.owner)
    target = follower.evaluate(node.func, scope)
    values = list(_spread(follower, node.args, scope))
    named = dict[str, Value]()
    for keyword in node.keywords:
        value = follower.evaluate(keyword.value, scope)
        if keyword.arg is not None:
            named[keyword.arg] = value
        elif isinstance(value, Table):
            named |= {str(k): v for k, v in value.values.items()}
    return follower.call(target, Call(values, named, node.lineno, text))


def _spread(follower: Follower, elements: list[ast.expr], scope: Scope) -> Iterator[Value]:
    for element in elements:
        value = follower.evaluate(element, scope)
        if isinstance(element, ast.Starred):
            yield from list(listed(value) or [value])[:MOST_ITEMS]
        else:
            yield value


def _unary(follower: Follower, operator: ast.unaryop, value: Value, node: ast.expr) -> Value:
    if isinstance(operator, ast.Not):
        known = truth(value)
        return Unknown(text_of(follower, node)) if known is None else not known
    if isinstance(operator, ast.USub):
        if (n := number(value)) is not None:
            return -n
        if isinstance(value, Tensor | Parameter | Scores):
            return combine(follower.machine, "*", value, -1.0, call_at(follower, node))
    return value if isinstance(operator, ast.UAdd) else Unknown(text_of(follower, node))


def _compared(
    follower: Follower,
    left: ast.expr,
    operators: list[ast.cmpop],
    rest: list[ast.expr],
    scope: Scope,
    node: ast.expr,
) -> Value:
    a = follower.evaluate(left, scope)
    for operator, right in zip(operators, rest, strict=True):
        b = follower.evaluate(right, scope)
        holds = _holds(operator, a, b)
        if holds is None:
            masks = [v for v in (a, b) if isinstance(v, Parameter)]
            return masks[0] if masks else Unknown(text_of(follower, node))
        if not holds:
            return False
        a = b
    return True


def _holds(operator: ast.cmpop, a: Value, b: Value) -> bool | None:
    """One comparison; None where it is not known."""
    if isinstance(operator, ast.Is | ast.IsNot) and (a is None or b is None):
        if isinstance(a, Unknown) or isinstance(b, Unknown):
            return None
        return (a is b) == isinstance(operator, ast.Is)
    if any(isinstance(v, Unknown | Tensor | Scores | Parameter | Weight) for v in (a, b)):
        return None
    match operator:
        case ast.Eq() | ast.Is():
            return _same(a, b)
        case ast.NotEq() | ast.IsNot():
            return not _same(a, b)
        case ast.In() | ast.NotIn():
            if isinstance(a, str) and isinstance(b, str):
                return (a in b) == isinstance(operator, ast.In)
            inner = listed(b)
            if inner is None or any(isinstance(v, Unknown) for v in inner):
                return None
            return any(_same(a, v) for v in inner) == isinstance(operator, ast.In)
        case _:
            x, y = number(a), number(b)
            if x is None or y is None:
                return None
            less, more = isinstance(operator, ast.Lt | ast.LtE), isinstance(operator, ast.Gt | ast.GtE)
            strict = isinstance(operator, ast.Lt | ast.Gt)
            return (x < y if less else x > y if more else False) or (x == y and not strict)


def _same(a: Value, b: Value, deep: int = 0) -> bool:
    if isinstance(a, Items) and isinstance(b, Items) and deep < 4:
        return len(a.values) == len(b.values) and all(
            _same(x, y, deep + 1) for x, y in zip(a.values[:50], b.values[:50], strict=True)
        )
    return a == b


def _either(follower: Follower, either: bool, values: list[ast.expr], scope: Scope, node: ast.expr) -> Value:
    """`or` and `and`, which stop where they are settled."""
    unknown = False
    value: Value = None
    for each in values:
        value = follower.evaluate(each, scope)
        known = truth(value)
        if known is None:
            unknown = True
        elif known == either:
            return value if not unknown else either
    return Unknown(text_of(follower, node)) if unknown and not isinstance(value, Tensor) else value


def _subscript(follower: Follower, value: Value, at: ast.expr, scope: Scope, node: ast.expr) -> Value:
    call = call_at(follower, node)
    if isinstance(value, Tensor):
        return index(follower.machine, value, follower.evaluate(at, scope), call)
    if isinstance(value, Parameter):
        source = value.source or (value if value.trained else None)
        return Parameter(
            value.shape, value.fill, value.std, value.trained, value.causal, source=source, path=value.path
        )
    if isinstance(value, Weight):
        return replace(value, part=True)
    if isinstance(value, Scores | Known | Class):
        return value
    if isinstance(at, ast.Slice):
        return _sliced(follower, value, at, scope, call)
    if isinstance(at, ast.Tuple) and isinstance(value, Items) and at.elts:
        first = at.elts[0]
        if isinstance(first, ast.Slice):
            return value
        at = first
    key = follower.evaluate(at, scope)
    if isinstance(value, Table):
        return value.values.get(key, Unknown(call.text))
    if isinstance(value, Object):
        return _child(value, key, call)
    inner = value if isinstance(value, str) else listed(value)
    position = whole(key)
    if inner is None or position is None or not -len(inner) <= position < len(inner):
        return Unknown(call.text)
    return inner[position]


def _child(value: Object, key: Value, call: Call) -> Value:
    if isinstance(key, str):
        return value.attributes.get(key, Unknown(call.text))
    inner, position = listed(value), whole(key)
    if inner is None or position is None or not -len(inner) <= position < len(inner):
        return Unknown(call.text)
    return inner[position]


def _sliced(follower: Follower, value: Value, at: ast.Slice, scope: Scope, call: Call) -> Value:
    inner = value if isinstance(value, str) else listed(value)
    ends = [None if e is None else follower.evaluate(e, scope) for e in (at.lower, at.upper, at.step)]
    if inner is None or any(e is not None and whole(e) is None for e in ends):
        return Unknown(call.text)
    lower, upper, step = (whole(e) for e in ends)
    if step == 0:
        return Unknown(call.text)
    cut = inner[lower:upper:step]
    if isinstance(cut, str):
        return cut
    if isinstance(value, Object):
        return Object(None, value.base, {str(i): v for i, v in enumerate(cut)}, line=value.line)
    return Items(list(cut), value.kind if isinstance(value, Items) else "list")


def _dictionary(follower: Follower, keys: list[ast.expr | None], values: list[ast.expr], scope: Scope) -> Value:
    table = Table({})
    for key, inner in zip(keys, values, strict=True):
        value = follower.evaluate(inner, scope)
        if key is not None:
            table.values[follower.evaluate(key, scope)] = value
        elif isinstance(value, Table):
            table.values |= value.values
    return table


def _comprehension(
    follower: Follower,
    generators: list[ast.comprehension],
    scope: Scope,
    make: Callable[[Scope], Value],
    node: ast.expr,
) -> Value:
    found = list[Value]()
    inner = Scope({}, scope)

    def descend(level: int) -> None:
        if level == len(generators):
            if len(found) < MOST_ITEMS:
                found.append(make(inner))
            return
        generator = generators[level]
        items = listed(follower.evaluate(generator.iter, inner))
        if items is None:
            if follower.machine.matters:
                follower.machine.assume(
                    f"line {node.lineno}: how often `{text_of(follower, generator.iter)[:60]}` runs is not known; "
                    "taken once",
                    "the number, e.g. as an argument of the model",
                )
            items = [Unknown(text_of(follower, generator.target))]
        for item in list(items):
            follower.machine.step(node.lineno)
            bind(follower, generator.target, item, inner)
            if all(decide(follower, test, inner) for test in generator.ifs):
                descend(level + 1)

    descend(0)
    return Items(found)


def _formatted(follower: Follower, pieces: list[ast.expr], scope: Scope, node: ast.expr) -> Value:
    text = ""
    for piece in pieces:
        inner = piece.value if isinstance(piece, ast.FormattedValue) else piece
        value = follower.evaluate(inner, scope)
        if isinstance(value, Unknown):
            return Unknown(text_of(follower, node))
        text += written(value)
        if len(text) > LONGEST_STRING:
            return Unknown(text_of(follower, node))
    return text
