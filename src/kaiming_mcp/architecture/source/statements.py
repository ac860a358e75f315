"""Statements: assignments, branches, loops, definitions; what only reports or checks is passed over."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from kaiming_mcp.architecture.source.arithmetic import combine
from kaiming_mcp.architecture.source.attributes import assign
from kaiming_mcp.architecture.source.initialization import set_part
from kaiming_mcp.architecture.source.machine import Follower, Signal
from kaiming_mcp.architecture.source.names import imported
from kaiming_mcp.architecture.source.places import call_at, decide, defaults, sign_of
from kaiming_mcp.architecture.source.python_calls import listed, truth
from kaiming_mcp.architecture.source.values import (
    Class,
    Function,
    Items,
    Object,
    Parameter,
    Scope,
    Table,
    Tensor,
    Unknown,
    Value,
    Weight,
    whole,
)


def execute(follower: Follower, body: Sequence[ast.stmt], scope: Scope) -> Signal | None:
    """Run statements in order; the signal that ended them early, if any."""
    for statement in body:
        follower.machine.step(statement.lineno)
        signal = _one(follower, statement, scope)
        if signal is not None:
            return signal
    return None


def _one(follower: Follower, node: ast.stmt, scope: Scope) -> Signal | None:
    match node:
        case ast.Expr(value=inner):
            follower.evaluate(inner, scope)
        case ast.Assign(targets=targets, value=inner):
            value = follower.evaluate(inner, scope)
            for target in targets:
                bind(follower, target, value, scope)
        case ast.AnnAssign(target=target, value=inner):
            if inner is not None:
                bind(follower, target, follower.evaluate(inner, scope), scope)
        case ast.AugAssign():
            _augmented(follower, node, scope)
        case ast.Return(value=inner):
            return Signal("return", None if inner is None else follower.evaluate(inner, scope))
        case ast.If(test=test, body=body, orelse=other):
            return follower.execute(body if decide(follower, test, scope) else other, scope)
        case ast.For() | ast.AsyncFor():
            return _for(follower, node, scope)
        case ast.While():
            return _while(follower, node, scope)
        case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
            for item in items:
                value = follower.evaluate(item.context_expr, scope)
                if item.optional_vars is not None:
                    bind(follower, item.optional_vars, value, scope)
            return follower.execute(body, scope)
        case ast.Try(body=body, orelse=other, finalbody=final):
            return follower.execute([*body, *other, *final], scope)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            scope.names[node.name] = _function(follower, node, scope)
        case ast.ClassDef():
            scope.names[node.name] = _class(follower, node, scope)
        case ast.Import() | ast.ImportFrom():
            scope.names.update({k: v for k, v in imported(node).items() if k not in _defined(scope)})
        case ast.Raise():
            return Signal("return", Unknown("an error"))
        case ast.Break():
            return Signal("break")
        case ast.Continue():
            return Signal("continue")
        case _:
            pass
    return None


def _defined(scope: Scope) -> set[str]:
    """Classes of the text, which an import of the same name (from models import Net) does not replace."""
    return {k for k, v in scope.names.items() if isinstance(v, Class)}


def bind(follower: Follower, target: ast.expr, value: Value, scope: Scope) -> None:
    """target = value."""
    match target:
        case ast.Name(id=name):
            scope.names[name] = value
        case ast.Attribute(value=inner, attr=name):
            assign(follower, follower.evaluate(inner, scope), name, value)
        case ast.Subscript(value=inner, slice=at):
            held = follower.evaluate(inner, scope)
            if isinstance(held, Weight) and held.name.startswith("bias"):
                set_part(follower.machine, held, value, call_at(follower, target))
            _assign_item(follower, held, at, value, scope)
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            for element, part in zip(elements, _unpacked(elements, value), strict=False):
                bind(follower, element, part, scope)
        case ast.Starred(value=inner):
            bind(follower, inner, value, scope)
        case _:
            pass


def _unpacked(elements: list[ast.expr], value: Value) -> list[Value]:
    """As many values as there are targets."""
    count = len(elements)
    items = listed(value)
    if items is None and isinstance(value, Tensor):
        if value.split == count:
            return [replace(value, split=0, index=i, sizes=(1,) * count) for i in range(count)]
        return [value] * count
    if items is None:
        text = value.text if isinstance(value, Unknown) else "value"
        return [Unknown(f"{text}[{i}]" if len(text) < 300 else text) for i in range(count)]
    star = next((i for i, e in enumerate(elements) if isinstance(e, ast.Starred)), None)
    if star is not None:
        after = count - star - 1
        middle = items[star : len(items) - after]
        return [*items[:star], Items(list(middle)), *items[len(items) - after :]]
    return [*items[:count], *(Unknown("value") for _ in range(count - len(items)))]


def _assign_item(follower: Follower, value: Value, at: ast.expr, new: Value, scope: Scope) -> None:
    if isinstance(value, Parameter):
        value.fill = value.std = None
    if isinstance(at, ast.Slice | ast.Tuple):
        return
    key = follower.evaluate(at, scope)
    if isinstance(value, Table):
        value.values[key] = new
    elif isinstance(value, Items) and (i := whole(key)) is not None and -len(value.values) <= i < len(value.values):
        value.values[i] = new
    elif isinstance(value, Object) and isinstance(key, str | int):
        value.attributes[str(key)] = new


def _augmented(follower: Follower, node: ast.AugAssign, scope: Scope) -> None:
    before = follower.evaluate(node.target, scope)
    value = follower.evaluate(node.value, scope)
    items = listed(value)
    if isinstance(before, Items) and isinstance(node.op, ast.Add) and items is not None:
        before.values.extend(items[: 10_000 - len(before.values)])
        return
    after = combine(follower.machine, sign_of(node.op), before, value, call_at(follower, node))
    bind(follower, node.target, after, scope)


def _for(follower: Follower, node: ast.For | ast.AsyncFor, scope: Scope) -> Signal | None:
    """Every turn of a loop over known values; one turn where the number is not known."""
    items = listed(follower.evaluate(node.iter, scope))
    if items is None:
        if follower.machine.matters:
            follower.machine.assume(
                f"line {node.lineno}: how often this loop runs is not known; one turn is followed",
                "the number of turns, e.g. as an argument of the model",
            )
        items = [Unknown("item")]
    elif not follower.machine.depth and len(items) > 50 and follower.machine.vertices is None:
        # A loop of that length outside of every function trains; it builds nothing.
        items = items[:1]
    for item in list(items):
        follower.machine.step(node.lineno)
        bind(follower, node.target, item, scope)
        signal = follower.execute(node.body, scope)
        if signal is not None and signal.kind == "return":
            return signal
        if signal is not None and signal.kind == "break":
            return None
    return follower.execute(node.orelse, scope)


def _while(follower: Follower, node: ast.While, scope: Scope) -> Signal | None:
    for turn in range(10_000):
        follower.machine.step(node.lineno)
        known = truth(follower.evaluate(node.test, scope))
        if known is False or (known is None and turn):
            break
        if known is None and follower.machine.matters:
            follower.machine.assume(
                f"line {node.lineno}: how often this loop runs is not known; one turn is followed",
                "the number of turns, e.g. as an argument of the model",
            )
        signal = follower.execute(node.body, scope)
        if signal is not None and signal.kind == "return":
            return signal
        if signal is not None and signal.kind == "break":
            return None
        if not follower.machine.depth and follower.machine.vertices is None and turn > 50:
            break
    return None


def _function(follower: Follower, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> Function:
    names = {_last_name(d) for d in node.decorator_list}
    kind: Literal["plain", "static", "class", "property"] = "plain"
    if "staticmethod" in names:
        kind = "static"
    elif "classmethod" in names:
        kind = "class"
    elif names & {"property", "cached_property"}:
        kind = "property"
    return Function(node.name, node, scope, defaults(follower, node.args, scope), kind=kind)


def _last_name(node: ast.expr) -> str:
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _class(follower: Follower, node: ast.ClassDef, scope: Scope) -> Class:
    bases = tuple(follower.evaluate(b, scope) for b in node.bases)
    fields = tuple(s.target.id for s in node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name))
    inner = Scope({}, scope)
    cls = Class(node.name, bases, inner.names, fields, node.lineno)
    depth, follower.machine.depth = follower.machine.depth, 0
    follower.execute(node.body, inner)
    follower.machine.depth = depth
    for value in inner.names.values():
        if isinstance(value, Function) and value.owner is None:
            # Names of a class body are not seen inside its methods.
            value.owner, value.scope = cls, scope
    return cls
