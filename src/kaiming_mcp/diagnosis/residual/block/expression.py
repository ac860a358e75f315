"""Arithmetic as people type it, found in prose and parsed into Python's own tree; never executed."""

from __future__ import annotations

import ast
import re

MOST_TOKENS, LONGEST, DEEPEST = 3_000, 200, 12
"""Tokens of a text, tokens of one expression, and parentheses within each other that are read."""
NOT_NAMES = frozenset(
    "the and of with in to is no per for return if else block blocks each layers from then by or not as".split()
)
"""Words of a sentence, at which an expression ends."""
_TOKEN = re.compile(r"\d+(?:\.\d*)?(?:e-?\d+)?|\.\d+|[^\W\d]\w*(?:\.[^\W\d]\w*)*|\*\*|//|\+=|[-+*/^()\[\],=]|\n|;|:|\S")
_NUMBER, _NAME = re.compile(r"\.?\d"), re.compile(r"[^\W\d]")
_PLAIN = (
    (r"[×·⋅]", "*"),
    (r"√", "sqrt "),
    (r"\\(alpha|lambda|beta|gamma) ?(?=[A-Za-z(])", r"\1 * "),
    (r"\\(alpha|lambda|beta|gamma|sqrt)", r"\1"),
    (r"\blambda\b", "λ"),
    (r"\bsqrt ?\{?(\d+(?:\.\d+)?)\}?", r"sqrt(\1)"),
    (r"\\[dt]?frac\{([^{}]{1,20})\}\{([^{}]{1,20})\}", r"((\1)/(\2)) * "),
    (r"\\(?:mathrm|mathbf|mathcal|operatorname|text|bm)\{([^{}]{1,20})\}", r"\1"),
    (r"\\(sigma|phi|varphi|psi|rho|tanh)\b", r"\1"),
    (r"\b([Ww]_?\w{0,2}) ?([xh])\b", r"\1(\2)"),
    (r"([A-Za-zα-ω])_?\{[^{}]{1,12}\}", r"\1"),
    (r"\b([xhzu])_?(?:l|t|i|n|k|L)?(?:\s?[-+]\s?1)?(?=\s?=)", r"\1"),
    (r"\b([xhzu])_(?:l|t|i|n|k)\b", r"\1"),
    (r"\b(?:math|np|torch)\.sqrt", "sqrt"),
)
"""LaTeX, indices of layers and typographic signs, each with its plain form."""
_MATRIX = re.compile(r"\b([WVU](?:_?\d{1,2}|_[a-z]{1,2})?)\s{1,3}(?=[^\W\d]\w{0,20}\s?\(|[xhzu]\b)")
"""A matrix before what it is applied to: `W2 relu(W1 x)`."""
_OPERAND = re.compile(r"\w+\s?(?=\()|\w+")
MOST_MATRICES = 20


def plain(text: str) -> str:
    """Formulas as people type them, in one form."""
    for pattern, form in _PLAIN:
        text = re.sub(pattern, form, text)
    # From the right, so that what a matrix is applied to has its own parentheses already.
    for found in reversed(list(_MATRIX.finditer(text))[:MOST_MATRICES]):
        end = _operand_end(text, found.end())
        text = f"{text[: found.end(1)]}({text[found.end() : end]}){text[end:]}"
    return text


def _operand_end(text: str, at: int) -> int:
    """Behind a name, and behind the parentheses that directly follow it."""
    name = _OPERAND.match(text, at)
    end = name.end() if name else at
    depth = 0
    for i, sign in enumerate(text[end : end + 10 * LONGEST], end):
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if depth <= 0:
            return i + 1 if depth == 0 and sign == ")" else end
    return end


def tokens_of(text: str) -> list[str]:
    """The tokens of a text, at most MOST_TOKENS."""
    return _TOKEN.findall(text)[:MOST_TOKENS]


def read_expression(tokens: list[str], at: int) -> tuple[ast.expr | None, int]:
    """The longest expression from a place, and where it ends; what cannot go on ends it."""
    made: list[str] = []
    depth, expected, good, end = 0, True, 0, at
    for i, token in enumerate(tokens[at : at + LONGEST], at):
        number, name = bool(_NUMBER.match(token)), bool(_NAME.match(token)) and token not in NOT_NAMES
        before = made[-1] if made else ""
        if expected and (number or name):
            expected = False
        elif (expected and token == "(") or (not expected and token == "(" and _NAME.match(before)):
            depth, expected = depth + 1, True
        elif not expected and _NUMBER.match(before) and ((name and token != "x") or token == "("):
            # `0.1 F(x)` is a product.
            made.append("*")
            depth, expected = depth + (token == "("), token == "("
        elif not expected and token == ")" and depth:
            depth -= 1
        elif not expected and (token in ("+", "-", "*", "/", "**", "^") or (token in ",=" and depth)):
            expected = True
        elif not (expected and token == "-"):
            break
        made.append("**" if token == "^" else token)
        if depth > DEEPEST:
            break
        if depth == 0 and not expected:
            good, end = len(made), i + 1
    try:
        return ast.parse(" ".join(made[:good]), mode="eval").body, max(end, at + 1)
    except (SyntaxError, ValueError, RecursionError):
        return None, at + 1


def name_of(node: ast.expr) -> str:
    """The name of a variable, an attribute or a called function; empty for anything else."""
    match node:
        case ast.Call(func=inner):
            return name_of(inner)
        case ast.Name(id=name):
            return name
        case ast.Attribute():
            return ast.unparse(node)
        case _:
            return ""
