"""The words around a number: times, depths, units, counts, joints, and what they make of it."""

from __future__ import annotations

import re
from dataclasses import replace

from kaiming_mcp.measurements.quantity import BETWEEN, UNKNOWN, Quantity
from kaiming_mcp.measurements.value import Value, number

EPOCH = re.compile(r"(?:\b|_)(?:epochs?|ep)$", re.I)
STEP = re.compile(r"(?:\b|_)(?:steps?|upd|iter(?:ation)?s?|it|batch(?:[_ ]idx)?|updates?|round|minibatch)$", re.I)
DEPTH = re.compile(r"\b(?:[Dd]epth|n_?layers?|num_?layers|D|L)$")
IGNORED = re.compile(
    r"\b(?:seed|rank|time|eta|mfu|elapsed|gpu|cuda|mem|memory|speed|size|fan_in|version|v_num|bins?|samples|kernel_size|stride)$",
    re.I,
)
SIZE = re.compile(
    r"\b(?:in|out|(?:in|out)[_ ](?:features|channels|dim)|fan_out|width|units|dim|params|parameters|numel)$", re.I
)
COUNTED = re.compile(
    r"[ -]?(?:(?P<depth>layers?|blocks?|conv|convs)|(?P<time>steps|epochs|iterations|iters|updates)"
    r"|classes|samples|images|seeds?|runs?|units|param\w*|channels|hidden|nodes|workers|gpus?|\w*seconds|minutes|hours|times"
    r"|patients|persons|people|subjects|videos|documents|records|features|tokens|heads|bits?|pairs|inputs|examples|batches|points|sentences|sequences|users|draws|neurons|filters|x)\b",
    re.I,
)
_OVER = re.compile(r"\b(?:over|across|using|averaged|among)$", re.I)
COUNT_OF = re.compile(r"\b(?:number of|num|skipped|nan|per|total|max|consumed|of)\b", re.I)
"""Words before "steps" or "iterations" that make the number a count, not a time."""
MOMENT = re.compile(r"\b(?:after|at|around|by|from|until|since|about)(?: (?:training for|roughly|about))?$", re.I)
TIME_UNIT = re.compile(r"(?:[mµun]?s|min|hr?|ms/\w+|s/\w+|\w+/s|\w+/sec|[KMG]i?B|x|st|nd|rd|th|d|D|px|V)$")
CLAUSE = re.compile(r"[;|,]|\s-\s|\s\((?=\w)|\s{2,}|[:=](?=.*[A-Za-z])")
TRAILING = re.compile(r"[\s:=~(\[{<>\"'#*\-–→≈]+$")
GLUE = re.compile(
    r"(?:[\W_]|\b(?:to|from|is|of|was|are|the|then|and|vs|about|only|around|approximately|approx|tensor|array|value|at|becomes|a"
    r"|went|goes|drops|dropped|by|in|has|have|had|gets|while|up|down|being|as|it|its|still|stays|stuck|layers?|blocks?"
    r"|suddenly|back|again|jump(?:s|ed)|rises|rose|falls|fell|climb(?:s|ed)|grows|grew|ends|ended|finally)\b)*+$",
    re.I,
)
NEGATED = re.compile(r"\b(?:no|not|without|never|isn't|non|any)\W{0,3}$", re.I)
RATIO = re.compile(r"([A-Za-z]\w{0,30})\s?/\s?([A-Za-z]\w{0,30})\W*$")
AFTER = re.compile(
    r"\s?((?:[a-z]+ ){0,2}?(?:accuracy|acc|loss|dead|saturated|always zero|never active|inactive|learning rate)"
    r"|of (?:[a-z]+ ){1,4}?(?:is|are|was|were) (?:[a-z]+ )?(?:zeros|dead|saturated|inactive|never active))\b",
    re.I,
)
TRAILS = re.compile(r"\s*(?:(?:at|in|for|on|of)\s+(?:the\s+)?|\()$", re.I)
UNIT_AFTER = re.compile(r"\s(?:[mu]?s|sec|seconds|it/s|\w+/s|[MG]B)(?:/\w+)?(?![\w.])")
MANY = re.compile(r"s\b|per[ _]layer", re.I)
JOINS = (",", "-", "–", "..", "&", "and", "to", "->", "→", "=>", "vs")
SHARES = ("accuracy", "dead", "alive", "active", "zero", "nonzero", "gradient zero", "gradient nonzero", "saturated")
PERCENT = re.compile(r"%|\b(?:percent|pct|percentage)|_(?:pct|percent)\b", re.I)
ENDS = frozenset(("first", "last", "input", "output", "bottom", "top"))


def is_aside(value: Value, key: str, label: str, after: str, previous: str) -> bool:
    """Whether the number is a duration, a size, a count, or a limit that no measurement has."""
    if (
        TIME_UNIT.match(value.unit)
        or UNIT_AFTER.match(after)
        or (IGNORED.search(label) and not BETWEEN.search(label))
        or key.rstrip().endswith(("±", "+-", "+/-"))
    ):
        return True
    if not value.finite and NEGATED.search(key):
        return True
    if key.strip() == "/" and previous in ("value", "other"):
        return True
    return bool(
        value.exact
        and (
            SIZE.search(label)
            or (COUNTED.match(after) and (key.endswith("(") or GLUE.match(label) or _OVER.search(label)))
        )
    )


def is_ratio(match: re.Match[str]) -> bool:
    """g0/g19, layer1/layer5, first/last."""
    a, b = match[1].lower(), match[2].lower()
    if {a, b} <= ENDS:
        return a != b
    return a != b and re.sub(r"\d", "", a) == re.sub(r"\d", "", b) and bool(re.search(r"\d", a + b))


def fraction(value: Value, after: str) -> Value | None:
    """401/4200 as a fraction."""
    match = re.match(r"\s?(?:/|(?:out )?of(?: the)?\s)\s?(\d{1,3}(?:,\d{3}){1,4}|\d{1,12})(?![\w/]|\.\d)", after)
    whole = number(match[1]) if match else None
    if not match or not whole or not value.exact or not 0 <= value.x <= whole.x or whole.x < 10:
        return None
    return replace(value.scaled(1 / whole.x), text=f"{value.text}{match[0]}")


def share(quantity: Quantity, value: Value, label: str, after: str = "") -> tuple[Quantity, Value]:
    """A share of 1 from `12/64`, from percent, or as it is; a count of units whose total is unknown has no meaning."""
    if quantity.kind not in SHARES:
        return quantity, value
    if part := fraction(value, after):
        return quantity, part
    if value.unit or not value.finite or not 1 < value.x <= 100:
        counted = not value.unit and value.finite and value.x > 100
        return (UNKNOWN if counted and quantity.kind != "accuracy" else quantity), value
    percent = quantity.kind == "accuracy" or "." in value.text or PERCENT.search(label)
    return (quantity, value.scaled(0.01)) if percent else (UNKNOWN, value)
