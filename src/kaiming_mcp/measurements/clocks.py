"""Where in the run a line stands, written as `epoch 1 step 10/1251` whatever the loop prints."""

from __future__ import annotations

import re
from collections.abc import Collection

from kaiming_mcp.measurements.quantity import PER_LAYER, Quantity, quantity_of

_SIZE = r"-?\d{1,12}(?:\.\d{1,12})?(?:e[-+]?\d{1,3})?%?"
FEWEST = 3
"""Pairs of a name and a number that are a list."""
_COUNT = r"\s{0,9}(\d{1,9})"
_OF = rf"{_COUNT}\s?/{_COUNT}\s?"
_SHARE = r"(?:\(\s{0,4}[\d.]{1,6}\s?%\))?\s?"
# What must stand in a line before a rule is tried, the rule, and what takes its place.
_RULES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    # `Epoch: [0][ 10/5005]`, `Epoch [1][50/7330]`, `Train: 1 [ 50/1251 (  4%)]`, `Train Epoch: 1 [640/60000 (1%)]`.
    (
        "[",
        re.compile(
            rf"\b(?:epoch|(train|eval|test|val(?:id(?:ation)?)?))\s?:?\s?\[?{_COUNT}\s?\]?\s{{0,4}}\[{_OF}{_SHARE}\]",
            re.I,
        ),
        r"\1 epoch \2 step \3/\4 ",
    ),
    # `[0/5][50/1583]`, `[1,  2000] loss`.
    ("[", re.compile(rf"^\s{{0,9}}\[{_OF}\]\s?\[{_OF}\]"), r"epoch \1/\2 step \3/\4 "),
    ("[", re.compile(rf"^\s{{0,9}}\[{_COUNT},{_COUNT}\]\s?(?=[A-Za-z])"), r"epoch \1 step \2 "),
    # `epoch 001:     10 / 1000 loss=9.2`.
    ("/", re.compile(rf"\b(epoch\s?\d{{1,6}}):{_COUNT} /{_COUNT}(?=\s)", re.I), r"\1 step \2/\3 "),
    # A Keras bar whose returns were lost: `accuracy: 0.1090` runs into `1875/1875 [==`.
    ("[", re.compile(r"(?<=\d\.\d{4})\d{1,9}/\d{1,9}\s(?=\[[=>.])"), " "),
    # `ep00 total 24.4`.
    ("ep", re.compile(r"^\s{0,9}ep(?:och)?_?(\d{1,6})(?=[\s:,|])"), r"epoch \1"),
    # `ep1 1.72, ep2 1.1` in one line, `step100: 2.1 step200: 1.9`.
    (
        "ep",
        re.compile(r"(?<=[\s,;|])(ep|epoch|step)_?(\d{1,7})(?=\s?[:=]?\s{1,3}(?:[A-Za-z_]{1,20}\W{1,3})?-?\d)"),
        r"\1 \2",
    ),
    ("step", re.compile(r"^(\s{0,9}step)_?(\d{1,7})(?=\s?[:=]?\s{1,3}-?\d)"), r"\1 \2"),
    ("num_updates", re.compile(r"\bnum_updates\b"), "step"),
    # `layer:3, std:0.2`.
    ("ayer", re.compile(r"\b(layer)\s?[:=]\s?(\d{1,4})(?=\s{0,3}[,;|]|\s{1,3}[A-Za-z])", re.I), r"\1 \2"),
    # `Layer  3/12 |`: which of how many.
    ("/", re.compile(r"\b(layer|block|stage)\s{1,6}(\d{1,4})\s?/\s?\d{1,4}(?=\s*[|:,;]|\s-)", re.I), r"\1 \2"),
)


def spelled(line: str) -> str:
    """The line with its epoch and step in words."""
    for mark, pattern, to in _RULES:
        if mark in line:
            line = pattern.sub(to, line)
    return powers(line)


def powers(line: str) -> str:
    """The line with 2^16 as 65536."""
    return _POWER.sub(lambda found: str(2 ** int(found[1])), line) if "2^" in line or "2**" in line else line


_POWER = re.compile(r"(?<![\w.^*])2(?:\^|\*\*)(\d{1,2})(?![\w.])")
_CALLED = re.compile(rf"(?<![\w.])([A-Za-z]{{1,12}})(\d{{1,3}})(?:\s?[:=]\s?|\s)({_SIZE})(?![\w:]|\.\d)")
_GATE = re.compile(rf"(?<![\w.])([a-z])(?:\s?[:=]\s?|\s)({_SIZE})(?![\w:]|\.\d)")
_OF_GATES = ("saturated", "activation", "dead", "zero")
_TRAILED = re.compile(rf"(?<![\w.])({_SIZE})\s?\(([A-Za-z_][\w.]{{0,40}})\)")
_PAIRED = re.compile(rf"(?<![\w.:-])(\d{{1,7}})\s?[:=]\s?({_SIZE})(?![\w:]|\.\d)")
_PAIRS = re.compile(
    rf"(?<![\w.:-])\d{{1,7}}\s?[:=]\s?{_SIZE}(?:[\s,;|]{{1,4}}\d{{1,7}}\s?[:=]\s?{_SIZE}){{2,}}(?![\w:])"
)


def pairs(line: str, context: Quantity, layered: bool = False) -> str:
    """`norm by depth 1:12.1 2:19.8 3:33.0` as layers, `loss 100: 2.3, 200: 2.2` as steps."""
    gates = list(_GATE.finditer(line))
    letters = {match[1] for match in gates}
    if 1 < len(letters) == len(gates) and (letters <= set("ifgoc") or letters <= set("zrnh")):
        named = quantity_of(line[: gates[0].start()])
        kind = (named if named.known else context).kind
        if kind in _OF_GATES:
            # `gates saturated: i 0.1 f 0.98 o 0.2`
            return _GATE.sub(rf"\1_gate {kind} \2" if layered else r"layer=\1_gate \2", line)
    if len(trailed := list(_TRAILED.finditer(line))) > 1:
        # `underflow: 97.1% (embed), 12% (head)`
        named = quantity_of(line[: trailed[0].start()])
        return _TRAILED.sub(r"layer=\2 \1", line) if named.kind in (*PER_LAYER, "underflow") else line
    if not (found := _PAIRS.search(line)):
        calls = _CALLED.findall(line) if line.count("=") + line.count(":") + line.count(",") >= FEWEST else []
        alike = len(calls) >= FEWEST and len({stem for stem, _, _ in calls}) == 1 and len(set(calls)) == len(calls)
        known = quantity_of(line.split(calls[0][0] + calls[0][1], maxsplit=1)[0]).kind if alike else ""
        # `sparsity: l1=0.5 l2=0.9 l3=1.0`
        return _CALLED.sub(r"layer=\1\2 \3", line) if known in PER_LAYER else line
    counts = [int(m[1]) for m in _PAIRED.finditer(found[0])]
    named = quantity_of(line[: found.start()])
    kind = (named if named.known else context).kind
    if kind == "unknown" or counts != sorted(set(counts)):
        return line
    unit = "layer" if kind in PER_LAYER else "step"
    return line[: found.start()] + _PAIRED.sub(rf"{unit} \1 \2", found[0]) + line[found.end() :]


def is_unrolled(heads: Collection[str], kinds: Collection[str]) -> bool:
    """Whether the iterations of a table are the depth of an unrolled net: the state and its gradient, no loss."""
    state = "activation" in kinds and any(_OF_STATE.search(head) for head in heads)
    return state and not _OF_RUN & set(kinds) and not any("epoch" in head.lower() for head in heads)


_OF_STATE = re.compile(r"(?:grad|d(?:L|[Ll]oss)[_/]?d)[_ ]?h(?:idden)?\b|\bh_?grad\b")
_OF_RUN = {"loss", "accuracy", "learning rate", "loss scale", "weight gradient", "gradient norm"}
