"""Where an expression stands in the text, and conditions that the text may leave open."""

from __future__ import annotations

import ast

from kaiming_mcp.architecture.source.machine import Follower
from kaiming_mcp.architecture.source.python_calls import truth
from kaiming_mcp.architecture.source.values import (
    Call,
    Scope,
    Value,
)

_SIGNS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.MatMult: "@",
    ast.BitOr: "|",
    ast.BitAnd: "&",
}


def sign_of(operator: ast.operator) -> str:
    """The sign of an operator; "?" for those that are not followed."""
    return _SIGNS.get(type(operator), "?")


def text_of(follower: Follower, node: ast.expr | ast.stmt) -> str:
    """The text of a node, its first line only."""
    lines = follower.machine.lines
    if not 0 < node.lineno <= len(lines):
        return ""
    line = lines[node.lineno - 1].encode()
    end = node.end_col_offset if node.end_lineno == node.lineno else None
    return line[node.col_offset : end].decode(errors="replace")[:300]


def call_at(follower: Follower, node: ast.expr | ast.stmt) -> Call:
    """Where an operation without arguments of its own stands."""
    return Call([], {}, node.lineno, text_of(follower, node))


def decide(follower: Follower, test: ast.expr, scope: Scope) -> bool:
    """Whether a condition holds; one that the text does not settle is taken as false, and said so."""
    known = truth(follower.evaluate(test, scope))
    if known is None and follower.machine.matters:
        follower.machine.assume(
            f"line {test.lineno}: whether `{text_of(follower, test)[:80]}` holds is not known; taken as false",
            "the values that the condition depends on, e.g. as arguments of the model",
        )
    return bool(known)


def defaults(follower: Follower, arguments: ast.arguments, scope: Scope) -> dict[str, Value]:
    """Defaults of the arguments of a function."""
    ordered = [*arguments.posonlyargs, *arguments.args]
    tail = ordered[len(ordered) - len(arguments.defaults) :]
    found = {a.arg: follower.evaluate(d, scope) for a, d in zip(tail, arguments.defaults, strict=True)}
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            found[argument.arg] = follower.evaluate(default, scope)
    return found
