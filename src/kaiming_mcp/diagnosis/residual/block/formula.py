"""A residual sum written as a formula or a line of code: what is on the skip, on the branch, and after the add.

`y = selu(x + f(x))`, `x = (x + res(x)) / sqrt(2)`, `h = 0.9*h + F(h)`, `g*x + (1-g)*f(x)`, `out += identity`.
Expressions are parsed, never executed; a name without a value in the text stays a symbol.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass, replace

from kaiming_mcp.arithmetic import value_of
from kaiming_mcp.diagnosis.residual.block.expression import (
    NOT_NAMES,
    name_of,
    plain,
    read_expression,
    tokens_of,
)
from kaiming_mcp.diagnosis.residual.block.model import Block, OnSkip
from kaiming_mcp.knowledge import LONGEST_READ

_SKIPS = frozenset(
    "x h identity shortcut skip residual inp input inputs x_l x_i z u hidden_states x0 hidden trunk".split()
)
_BRANCHES = frozenset("out branch f fx residual_branch y delta update dx".split())
_GATES = frozenset("g t c gate sigmoid self.gate".split())
_KINDS = {
    "projection": r"proj\w*|downsample|conv1x1|shortcut|skip_conv|w_?s?|linear|match\w*|reduce",
    "dropout": r"drop\w*",
    "norm-after": r"\w*norm\w*|ln\w?|bn\d?",
    "activation-after": r"act\w*|relu6?|selu|gelu|tanh|silu|swish|elu|sigmoid|leaky_relu|prelu|mish|softplus|sigma|phi|σ|φ",
    "layer": r"\w*conv\w*|\w*linear\w*|\w*proj\w*|fc\w*|dense\w*|w\d?|mlp|ffn?|attn\w*|attention|self_attn|feed_?forward|mixer",
    "two layers": r"mlp|ffn|ff|attn\w*|attention|self_attn|feed_?forward|mixer",
}
_PATTERNS = {kind: re.compile(rf"(?:^|\.)(?:{words})$") for kind, words in _KINDS.items()}
_WHEN_SET = r" ?(?:=|:|is|are|of|initiali[sz]ed (?:to|at|as)|starts? (?:at|from)|init\w{0,8})? ?"


@dataclass(frozen=True, slots=True)
class _Term:
    """One side of a sum: its constant, the symbols that multiply it, and what it is of."""

    factor: float
    symbols: tuple[str, ...]
    core: ast.expr


def read_formula(text: str) -> Block | None:
    """The first residual sum in a text, or None."""
    said = plain(text[:LONGEST_READ])
    tokens = tokens_of(said)
    end = 0
    for i, token in enumerate(tokens if {"+", "-", "+="} & set(tokens) else ()):
        if token == "+=" and 0 < i < len(tokens) - 1:
            names = [ast.Name(n) for n in (tokens[i + 1], tokens[i - 1])]
            found = _as_block(ast.BinOp(names[0], ast.Add(), names[1]), said, tokens, i + 2, True)
            if found is not None:
                return found
        # A start inside an expression that was read gives only a part of it.
        if i < end or token in NOT_NAMES or not re.match(r"[\w(.]", token):
            continue
        node, end = read_expression(tokens, i)
        found = _as_block(node, said, tokens, end, i > 0 and tokens[i - 1] in ("=", "return")) if node else None
        if found is not None:
            return found
    return None


def _as_block(node: ast.expr, text: str, tokens: list[str], end: int, assigned: bool) -> Block | None:
    """A block from an expression that holds a sum of something untouched and something computed from it."""
    after: list[str] = []
    factor = 1.0
    while (parts := _sum_of(node, assigned)) is None:
        match node:
            case ast.Call(args=[inner, *_]) if kind := _kind(node, "norm-after", "activation-after"):
                after.insert(0, f"{kind} {_last(node)}")
                node = inner
            case ast.BinOp(left=left, op=ast.Div(), right=right) if value := value_of(right):
                factor, node = factor / value, left
            case ast.BinOp(left=left, op=ast.Mult(), right=right) if (value := value_of(left)) is not None:
                factor, node = factor * value, right
            case ast.BinOp(left=left, op=ast.Mult(), right=right) if (value := value_of(right)) is not None:
                factor, node = factor * value, left
            case _:
                return None
    skip, branch = parts
    after += [f"scale-after {factor:.4g}"] if factor != 1 else []
    after += _next_line(tokens, end)
    behind = f", then {', '.join(a.partition(' ')[2] for a in after)}" if after else ""
    on_skip, calls = _operations(skip, text), [c for c in ast.walk(branch.core) if isinstance(c, ast.Call)]
    layers = sum(2 if _kind(c, "two layers") else 1 for c in calls if _kind(c, "layer"))
    return Block(
        shown=f"{_show(skip)} + {_show(branch)}{behind}".replace("+ -", "- "),
        basis="read",
        layers=layers or None,
        on_skip=on_skip,
        after=tuple(after),
        after_factor=factor,
        branch_factor=1.0 if any(o.kind == "gate" for o in on_skip) else _factor_of(branch, text),
        normed=True if any(_kind(c, "norm-after") for c in calls) else None,
        ends=_ends(branch.core),
    )


def _kind(node: ast.expr | str, *kinds: str) -> str:
    """The first of these kinds that a name or a call is of; empty for none."""
    name = (node if isinstance(node, str) else name_of(node)).lower()
    return next((k for k in kinds if _PATTERNS[k].search(name)), "")


def _last(node: ast.expr) -> str:
    return name_of(node).rpartition(".")[2].lower()


def _sum_of(node: ast.expr, assigned: bool) -> tuple[_Term, _Term] | None:
    """(skip, branch) where a node is such a sum; two bare names are one only where the sum is assigned."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add | ast.Sub):
        return None
    left, right = _term(node.left), _term(node.right)
    if left is None or right is None:
        return None
    if isinstance(node.op, ast.Sub):
        right = replace(right, factor=-right.factor)
    for skip, branch in ((left, right), (right, left)):
        if _is_skip(skip.core) and _is_branch(branch.core, skip.core, assigned):
            return skip, branch
    return None


def _term(node: ast.expr) -> _Term | None:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _term(operand)
            return None if inner is None else replace(inner, factor=-inner.factor)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _product(left, right) or _product(right, left) or _weighed(left, right) or _weighed(right, left)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            value, inner = value_of(right), _term(left)
            if inner is None:
                return None
            if value:
                return replace(inner, factor=inner.factor / value)
            return replace(inner, symbols=(*inner.symbols, f"1/{_symbol(right) or 'it'}"))
        case ast.Name() | ast.Attribute() | ast.Call():
            return _Term(1.0, (), node)
        case _:
            return None


def _product(one: ast.expr, other: ast.expr) -> _Term | None:
    value, inner = value_of(one), _term(other)
    return replace(inner, factor=inner.factor * value) if value is not None and inner is not None else None


def _weighed(one: ast.expr, other: ast.expr) -> _Term | None:
    name, inner = _symbol(one), _term(other)
    bare = isinstance(other, ast.Name) and other.id.lower() not in _SKIPS
    return replace(inner, symbols=(*inner.symbols, name)) if name and inner is not None and not bare else None


def _symbol(node: ast.expr) -> str:
    match node:
        case ast.Name() | ast.Attribute():
            return name_of(node)
        case ast.BinOp(left=ast.Constant(value=1), op=ast.Sub(), right=right):
            return f"1-{_symbol(right)}" if _symbol(right) else ""
        case ast.BinOp(op=ast.Div(), right=right):
            return f"1/{_symbol(right)}" if _symbol(right) else ""
        case ast.Call(args=[ast.Name(id=name)]) if _last(node) == "sqrt":
            return f"sqrt({name})"
        case ast.Call(args=[_]) if name_of(node).lower() in _GATES:
            return f"{name_of(node)}(x)"
        case _:
            return ""


def _is_skip(core: ast.expr) -> bool:
    if isinstance(core, ast.Call):
        return bool(_kind(core, "projection", "dropout")) and any(_last(a) in _SKIPS for a in core.args)
    return _last(core) in _SKIPS


def _is_branch(core: ast.expr, skip: ast.expr, assigned: bool) -> bool:
    if isinstance(core, ast.Call):
        return True
    name = name_of(core)
    named = name.lower() in _BRANCHES or len(name) > 3
    return assigned and named and isinstance(skip, ast.Name) and skip.id.lower() != "x"


def _operations(skip: _Term, text: str) -> tuple[OnSkip, ...]:
    found: list[OnSkip] = []
    if isinstance(skip.core, ast.Call):
        found.append(OnSkip(_kind(skip.core, "dropout") or "projection", f"{name_of(skip.core)}(x)"))
    for name in skip.symbols:
        value = _value_of(name, text)
        if "(x)" in name or name.startswith("1-") or name.lower() in _GATES:
            bias = _value_of("bias", text)
            opening = None if bias is None else 1 / (1 + math.exp(min(bias if name.startswith("1-") else -bias, 50)))
            found.append(OnSkip("gate", name, opening))
        elif value != 1:
            found.append(OnSkip("scale", name, value))
    if skip.factor != 1:
        found.append(OnSkip("scale", f"{skip.factor:.4g}", skip.factor))
    return tuple(found)


def _factor_of(branch: _Term, text: str) -> float | None:
    values = [_value_of(name, text) for name in branch.symbols]
    known = [v for v in values if v is not None]
    return branch.factor * math.prod(known) if len(known) == len(values) else None


def _value_of(name: str, text: str) -> float | None:
    """`alpha = 0.1`, `α initialised to 0`, `bias -6`."""
    if "(" in name or "/" in name:
        return None
    said = re.escape(name.rpartition(".")[2]) + _WHEN_SET
    match = re.search(rf"(?<!\w){said}(-?\d{{1,9}}(?:\.\d{{1,9}})?(?:e-?\d{{1,3}})?)(?![\w.]?\d)", text)
    return float(match[1]) if match else None


def _next_line(tokens: list[str], end: int) -> list[str]:
    """`x = x + f(x)` with `x = self.norm(x)` or `return F.relu(out)` as the next statement."""
    rest = tokens[end : end + 12]
    while rest and rest[0] in (")", "\n", ";", "return"):
        rest = rest[1:]
    rest = rest[2:] if len(rest) > 3 and rest[1] == "=" else rest
    kind = _kind(rest[0], "norm-after", "activation-after") if len(rest) > 2 and rest[1] == "(" else ""
    return [f"{kind} {rest[0].lower().rpartition('.')[2]}"] if kind else []


def _ends(core: ast.expr) -> str:
    """How the branch ends, as in Block.ends."""
    match core:
        case ast.Call(args=[inner, *_]) if _kind(core, "dropout"):
            return _ends(inner)
        case ast.Call():
            kind, last = _kind(core, "norm-after", "activation-after", "layer"), _last(core)
            known = {"relu": "positive", "relu6": "positive", "sigmoid": "never zero", "softplus": "never zero"}
            named = {"norm-after": "norm", "activation-after": known.get(last, last)}
            return named.get(kind, kind)
        case _:
            return ""


def _show(term: _Term) -> str:
    factor = {1.0: "", -1.0: "-"}.get(term.factor, f"{term.factor:.4g} ")
    return f"{factor}{''.join(f'{s} ' for s in term.symbols)}{ast.unparse(term.core)[:60]}"
