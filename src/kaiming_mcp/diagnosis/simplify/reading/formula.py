"""Loss formulas: their terms with the weight of each, from LaTeX, prose and code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kaiming_mcp.diagnosis.simplify.reading.text import NUMBER, latin, number_of

MOST_TERMS, MOST_JOINED = 40, 14
_HEAD = re.compile(
    r"(?<![A-Za-z0-9_.])(?:self\.)?(?:(?:total|overall|full|final|training|combined|generator|gen|g|d)[_ ]?)?"
    r"(?:loss|objective|L|ℒ|J)(?:[_ ]?(?:function|total|tot|all|overall|full|final|train(?:ing)?|gen|disc|G|D|g|d|theta|θ))?"
    r"\s?(?:\([^()]{0,40}\)\s?)?(?:\+?=|:|\bis\b)(?!=)\s*",
    re.IGNORECASE,
)
_END = re.compile(r"\.\s|\.$|;|#|\\\\|\bwhere\b|\bwith\b|\bfor\b|\bif\b|,\s(?=[a-z][a-z-]*\s)|\"|`|\s\(weights?\b")
_SYMBOL = re.compile(
    r"(?:\w+\.)*(?:(?:lambda|alpha|beta|gamma|lam|lmbda)\w*|(?:eta|mu|omega|tau|delta|rho|w|c|k)(?:_\w+|\d)?"
    r"|\w*(?:weight|coeff?|lambda)s?(?:\[[^\]]{1,30}\])?|(?:weight|coef)_\w+|\w+_w)",
    re.IGNORECASE,
)
_VALUE = re.compile(
    rf"\b((?:lambda|alpha|beta|gamma|eta|mu|omega|lam|w)(?:_\s?\w+)?)\s*(?:=|:|is set to|set to|of)\s*({NUMBER})",
    re.IGNORECASE,
)
_NOISE = re.compile(r"(?:^|_)(?:loss|losses|l|ℓ|ell|term|d)(?=_|$)", re.IGNORECASE)
_CALL = re.compile(r"(?:\w+\.)*(\w+)\s*\(")


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a loss: its name, its weight as written ("" for 1), the value where one is known."""

    name: str
    weight: str
    value: float | None
    line: int


def terms_of(text: str) -> tuple[list[Term], str]:
    """The terms of every loss formula, and the text without the formulas, line for line."""
    values = {latin(name).replace(" ", "").lower(): number_of(v) for name, v in _VALUE.findall(latin(text))}
    found: list[Term] = []
    lines = text.split("\n")
    at = 0
    while at < len(lines) and len(found) < MOST_TERMS:
        read = _formula(lines, at)
        if read is None:
            at += 1
            continue
        body, count, adds, rest = read
        terms = [t for t in (_term(piece, at + 1, values) for piece in _split(body)) if t]
        if len(terms) > 1 or (adds and terms):
            found += terms
            lines[at : at + count] = [rest, *[""] * (count - 1)]
        at += count
    return found, "\n".join(lines)


def _formula(lines: list[str], at: int) -> tuple[str, int, bool, str] | None:
    """(right side, lines read, whether it adds to a loss, what else stands there) of a formula in this line."""
    head = next((h for h in _HEAD.finditer(lines[at]) if _sum(lines, at, h.end())), None)
    if head is None:
        return None
    body, count = lines[at][head.end() :], 1
    while at + count < len(lines) and count < MOST_JOINED and (_open(body) or _continues(lines[at + count])):
        body += " " + lines[at + count].strip().lstrip("&").strip()
        count += 1
    body = body.strip()
    if body.startswith("(") and body.endswith(")") and _balanced(body[1:-1]):
        body = body[1:-1]
    body = re.sub(r"\\\\\s*&?\s*(?=\+)", " ", body)
    body = re.sub(r"^\s*[A-Za-zℒ_]{1,12}\s*=\s*(?!=)", "", body)
    end = _END.search(body)
    kept = body[: end.start()] if end else body
    rest = f"{lines[at][: head.start()]} {body[end.end() :] if end else ''}"
    return kept, count, "+=" in head[0], rest


def _sum(lines: list[str], at: int, begin: int) -> bool:
    """Whether what follows is a sum, or opens one."""
    body = lines[at][begin:]
    following = lines[at + 1] if at + 1 < len(lines) else ""
    return "+" in body or "+=" in lines[at][:begin] or body.strip() in {"(", "\\"} or _continues(following)


def _continues(line: str) -> bool:
    return (
        re.match(r"\s*&?\s*\+\s*(?:\d|[A-Za-z_.]*(?:lambda|alpha|beta|gamma|weight|loss|L_|w_))", latin(line))
        is not None
    )


def _open(body: str) -> bool:
    return body.count("(") > body.count(")")


def _stripped(piece: str) -> str:
    """A term without signs and brackets around it; a bracket that it opens itself is closed: `GAN (PatchGAN)`."""
    bare = piece.strip(" +&()")
    return bare + ")" * max(bare.count("(") - bare.count(")"), 0)


def _balanced(body: str) -> bool:
    depth = 0
    for c in body:
        depth += (c == "(") - (c == ")")
        if depth < 0:
            return False
    return depth == 0


def _split(body: str) -> Iterator[str]:
    """The summands: at plus signs outside brackets, at minus signs before a weight or a loss."""
    body = latin(body)
    depth, begin = 0, 0
    for i, c in enumerate(body):
        depth += (c in "([{") - (c in ")]}")
        minus = (
            c == "-"
            and body[i - 1 : i] in {" ", ""}
            and re.match(r"-\s*(?:\d|lambda|alpha|beta|gamma|L_|loss)", body[i : i + 10])
        )
        exponent = c == "+" and re.search(r"\de$", body[:i][-3:]) is not None
        if depth <= 0 and ((c == "+" and not exponent) or minus) and i > begin:
            yield body[begin:i]
            begin = i + 1
    yield body[begin:]


def _term(piece: str, line: int, values: dict[str, float]) -> Term | None:
    piece = re.sub(r"(?<=[a-z0-9])(?=L_)", " ", _stripped(piece))
    piece = re.sub(r"(?<=\d)(?=[A-Za-df-z(|‖])|(?<=\d)(?=e[a-z_])", " ", piece)
    weights: list[str] = []
    names: list[str] = []
    for factor in _factors(piece):
        number = re.fullmatch(rf"{NUMBER}(?:\s?/\s?{NUMBER})?", factor)
        symbol = _SYMBOL.fullmatch(factor) or re.fullmatch(r"\(?1\s?-\s?[a-z]+\w*\)?", factor)
        (weights if (number or symbol) and not names else names).append(factor)
    if not names and weights and _SYMBOL.fullmatch(weights[-1]) and re.search(r"loss", weights[-1], re.IGNORECASE):
        names.append(weights.pop())
    name = _name(" ".join(names))
    if not name:
        return None
    weight = " ".join(weights)
    single = weights[0].rpartition(".")[2].lower() if len(weights) == 1 else ""
    plain_number = re.fullmatch(NUMBER, weight)
    value = number_of(weight) if plain_number else values.get(single)
    return Term(name, weight, value, line)


def _factors(piece: str) -> Iterator[str]:
    """Factors at the top level, parted by * or spaces."""
    depth, word = 0, ""
    for c in piece:
        depth += (c in "([{") - (c in ")]}")
        if depth <= 0 and (c == "*" or c.isspace()):
            if word:
                yield word
            word = ""
        else:
            word += c
    if word:
        yield word


def _name(text: str) -> str:
    """`F.mse_loss(x, y)` is mse, `L_rec` is rec, `D_KL(q||p)` is KL; a formula keeps its text."""
    text = text.strip()
    call = _CALL.match(text)
    if call:
        text = call[1]
    text = re.sub(r"^(?:\w+\.)+", "", text).strip("\\ ,.:")
    short = _NOISE.sub("", re.sub(r"^(?:L|l|ℓ|D|E)_", "", text)).strip("_ ")
    short = re.sub(r"\s?\bloss(?:es)?$", "", short, flags=re.IGNORECASE) or text
    return short[:32] if re.search(r"[A-Za-z‖|]", short) and not re.fullmatch(r"(?:and|or|the)", short) else ""
