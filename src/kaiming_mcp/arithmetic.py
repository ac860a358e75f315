"""The value of arithmetic that was parsed; nothing is executed."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable

_ROOTS = ("sqrt", "math.sqrt", "np.sqrt")


def _no_name(name: str) -> float | None:
    del name


def value_of(
    node: ast.expr, named: Callable[[str], float | None] = _no_name, largest_power: float = math.inf
) -> float | None:
    """What numbers, names by `named`, signs, + - * / ** and square roots make; None for anything else or not finite."""
    try:
        value = _value(node, named, largest_power)
    except (ArithmeticError, ValueError, RecursionError):
        return None
    return value if math.isfinite(value) else None


def _value(node: ast.expr, named: Callable[[str], float | None], largest_power: float) -> float:
    def inner(part: ast.expr) -> float:
        return _value(part, named, largest_power)

    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return float(number)
        case ast.Name(id=name) if (value := named(name)) is not None:
            return value
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -inner(operand)
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return inner(operand)
        case ast.Call(func=function, args=[argument], keywords=[]) if ast.unparse(function) in _ROOTS:
            return math.sqrt(inner(argument))
        case ast.BinOp(left=left, op=op, right=right):
            return _combined(op, inner(left), inner(right), largest_power)
        case _:
            raise ValueError("no number")


def _combined(op: ast.operator, a: float, b: float, largest_power: float) -> float:
    match op:
        case ast.Add():
            return a + b
        case ast.Sub():
            return a - b
        case ast.Mult():
            return a * b
        case ast.Div():
            return a / b
        case ast.Pow() if abs(b) <= largest_power:
            return math.pow(a, b)
        case _:
            raise ValueError("no number")
