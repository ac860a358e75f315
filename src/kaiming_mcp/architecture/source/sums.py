"""Classes that are called residual and whose code adds nothing: the skip was forgotten, or lies elsewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from kaiming_mcp.architecture.ir import Assumption
from kaiming_mcp.architecture.source.objects import MOST_MODULES, parts
from kaiming_mcp.architecture.source.remarks import NO_SUM
from kaiming_mcp.architecture.source.values import Class, Function, Object

_NAMED = re.compile(
    r"Res(?:idual|[Nn]et)?_?(?:Block|Unit|Layer|Cell|Module)\w*|Residual\w*|\w+Res(?:idual)?(?:Block|Unit)"
)
_JOINS = re.compile(r"add|sum|lerp|cat|stack|merge|skip|residual|shortcut|concat", re.IGNORECASE)


def sumless(modules: Iterable[Object]) -> list[Assumption]:
    """A remark for each class of such a name in whose methods, and in those of its parts, nothing is added."""
    found = dict[Class, Assumption]()
    for module in modules:
        cls = module.cls
        if cls is None or cls in found or not _NAMED.fullmatch(cls.name) or "forward" not in cls.members:
            continue
        inside = {part.cls for part in _below(module) if part.cls is not None}
        if not any(_joins(function) for one in inside for function in _methods(one)):
            found[cls] = Assumption(
                f"class {cls.name} (line {cls.line}) {NO_SUM}", f"the sum in forward() of {cls.name}, or its purpose"
            )
    return [*found.values()]


def _below(module: Object) -> list[Object]:
    """A module and those inside it."""
    found, stack = dict[Object, None](), [module]
    while stack and len(found) < MOST_MODULES:
        part = stack.pop()
        if part not in found:
            found[part] = None
            stack.extend(inner for _, inner in parts(part) if isinstance(inner, Object))
    return [*found]


def _methods(cls: Class) -> list[Function]:
    return [f for name, f in cls.members.items() if isinstance(f, Function) and name != "__init__"]


def _joins(function: Function) -> bool:
    """Whether a method may add or join: an operator, or a call that could."""
    for node in ast.walk(function.node):
        match node:
            case ast.BinOp(op=ast.Add() | ast.Sub()) | ast.AugAssign(op=ast.Add() | ast.Sub()):
                return True
            case ast.Call(func=ast.Attribute(attr=name)) | ast.Call(func=ast.Name(id=name)) if _JOINS.search(name):
                return True
            case ast.Call(func=ast.Name()) | ast.Call(func=ast.Attribute(value=ast.Call())):
                return True  # a function or a method of super() that is not looked into
            case _:
                pass
    return False
