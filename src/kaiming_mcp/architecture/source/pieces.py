"""Pieces of a model as a class: methods without their class, lines of __init__ or forward, a few statements."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable

from kaiming_mcp.architecture.source.names import USUAL

NAME = "Model"
_INPUTS = ("x", "input", "inputs", "img", "image", "images", "data", "src", "tokens", "idx", "h", "out", "batch")


def as_class(module: ast.Module) -> ast.Module | None:
    """The text with its loose lines as __init__ and forward of one class; None where that makes no model."""
    kept, making, running, methods = list[ast.stmt](), list[ast.stmt](), list[ast.stmt](), list[ast.stmt]()
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.args.args and node.args.args[0].arg == "self":
            methods.append(node)
        elif isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef):
            kept.append(node)
        elif _makes(node):
            making.append(node)
        else:
            running.append(node)
    names = {m.name for m in methods if isinstance(m, ast.FunctionDef)}
    if making and "__init__" not in names:
        methods.append(_function("__init__", ["self"], making))
    if running and "forward" not in names:
        inputs = _unbound(running)
        if not inputs and not making:
            return None
        methods.append(_function("forward", ["self", *(inputs or ["x"])], _with_return(running)))
    if not methods:
        return None
    base = ast.parse("nn.Module", mode="eval").body
    cls = ast.ClassDef(NAME, [base], [], methods, [])
    return ast.fix_missing_locations(ast.Module([*kept, *_constants(running, methods), cls], []))


def _makes(node: ast.stmt) -> bool:
    """Whether a line sets an attribute of self, or calls the constructor above."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(_is_own(t) for t in targets)
    if isinstance(node, ast.For | ast.If):
        return any(_makes(inner) for inner in node.body) or any(map(_registers, node.body))
    return _registers(node) or (isinstance(node, ast.Expr) and "super" in _loaded([node]))


def _registers(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.Expr) else None
    return (
        isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in {"append", "extend", "add_module", "register_buffer", "apply"}
        and "self" in _loaded([node])
    )


def _is_own(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"


def _function(name: str, arguments: list[str], body: list[ast.stmt]) -> ast.FunctionDef:
    spec = ast.arguments([], [ast.arg(a) for a in arguments], None, [], [], None, [])
    return ast.FunctionDef(name, spec, body, [], lineno=body[0].lineno, col_offset=0)


def _with_return(body: list[ast.stmt]) -> list[ast.stmt]:
    """The last value that is set is the output, unless a line returns one."""
    last = body[-1]
    if any(isinstance(n, ast.Return) for n in body):
        return body
    target = (
        last.targets[0] if isinstance(last, ast.Assign) else last.target if isinstance(last, ast.AugAssign) else None
    )
    value = ast.Name(target.id, ast.Load()) if isinstance(target, ast.Name) else None
    if value is None and isinstance(last, ast.Expr):
        value = last.value
    if value is None:
        return body
    returned = ast.Return(value)
    return [*body, ast.fix_missing_locations(ast.copy_location(returned, last))]


def _unbound(body: Iterable[ast.stmt]) -> list[str]:
    """Names that are read before they are set, and look like a tensor: set later, or usual for one."""
    stored = set[str]()
    early = dict[str, None]()
    for node in body:
        loaded = _loaded([node])
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            loaded = [*loaded, node.target.id]
        early.update({n: None for n in loaded if n not in stored})
        stored |= _stored([node])
    known = {"self", *USUAL, *dir(builtins)} - {"input"}
    return [n for n in early if n not in known and (n in stored or n in _INPUTS)]


def _loaded(body: Iterable[ast.stmt]) -> list[str]:
    return [n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]


def _stored(body: Iterable[ast.stmt]) -> set[str]:
    return {n.id for s in body for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _constants(running: list[ast.stmt], methods: list[ast.stmt]) -> list[ast.stmt]:
    """Numbers that the methods also need, such as hidden = 128 above them."""
    needed = set(_loaded(methods))
    return [
        s for s in running if isinstance(s, ast.Assign) and isinstance(s.value, ast.Constant) and _stored([s]) & needed
    ]
