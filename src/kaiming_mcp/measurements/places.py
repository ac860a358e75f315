"""Numbers that say when or how deep: epochs, steps, depths, and lists of them."""

from __future__ import annotations

import re
from dataclasses import replace

from kaiming_mcp.measurements.context import Line, hear
from kaiming_mcp.measurements.phrases import COUNT_OF, COUNTED, DEPTH, EPOCH, JOINS, MOMENT, STEP
from kaiming_mcp.measurements.value import Value

_ROUNDED = re.compile(r"\d{1,4}(?:\.\d{1,3})?(?:e\+?(?:0?[3-9]|1\d)|[kKM])")
"""`1e3` and `2k` may count steps."""
_OF_DEPTH = re.compile(r"[ -]?(?:layers?|blocks?)\W{0,3}(?:\w{1,12}\W{1,2}){0,2}\d")
"""`2 layers 98%`: the number behind is that of a net of this depth."""
_NUMBERED = re.compile(r"^\W{0,3}(?:train\w{0,3}|valid\w{0,5}|val|test|eval) loss$", re.I)
_OF_NUMBERED = re.compile(r"\s?:\s{1,4}(?:\d{1,9}\.\d|nan|inf)|\s\d{1,9}\.\d{3}", re.I)
"""The loss behind the step that stands beside its name."""
_OPEN = (
    "",
    "at",
    "@",
    "in",
    "on",
    "global",
    "trainer",
    "train",
    "train/global",
    "trainer/global",
    "current",
    "optimizer",
)
"""What may stand between numbers and the time that belongs to them."""


def is_place(value: Value, key: str, label: str, rest: str, after: str, previous: str, line: Line) -> bool:
    """Whether the number is a time or a depth, not a measurement."""
    rounded = value.x.is_integer() and _ROUNDED.fullmatch(value.text) is not None
    if value.unit in ("it", "iter", "iters", "steps") and value.x.is_integer():
        _set(line, "step", value.x, rest.strip(" \t,;|-([{'\"/_").lower(), previous)
        return True
    if not value.finite or (value.unit and not rounded) or value.bound in ("<", ">"):
        return False
    whole, joint = (value.exact or rounded) and value.x >= 0, key.strip()
    if previous in ("epoch", "step") and joint in ("/", "of"):
        line.total = value.x if previous == "step" else line.total
        line.last = previous
        return True
    if previous in ("epoch", "step", "depth") and whole and joint in JOINS and not re.match(r"\s?/", after):
        line.last = previous
        if previous == "depth":
            line.depths.append(int(value.x))
        return True
    if previous == "value" and whole and joint in ("at", "@", "(at", "by") and line.timed and line.at:
        # `11.6 at update 100, 10.9 at 400`
        setattr(line, line.at.unit, value.x)
        line.result[line.newest :] = [replace(r, at=line.at) for r in line.result[line.newest :]]
        line.last = line.at.unit
        return True
    if whole and value.exact and _NUMBERED.search(label) and _OF_NUMBERED.match(after):
        # `Validation loss 6312:  0.1499`
        _set(line, "step", value.x, "", previous)
        hear(label, line)
        return True
    counted = COUNTED.match(after)
    deep = (
        whole
        and value.x < 10_000
        and bool(
            (counted and counted["depth"] and (not key.rstrip().endswith((":", "=")) or _OF_DEPTH.match(after)))
            or DEPTH.search(label)
        )
    )
    if deep and re.search(r"\bafter$", label) and _of_layers(line):
        # `cosine: after 2 layers 0.5`
        line.layers, line.last = (f"layer {value.x:g}",), "layer"
        return True
    if deep:
        line.depths = [int(value.x)] if line.since or not line.depths else [*line.depths, int(value.x)]
        line.since, line.last = 0, "depth"
        hear(DEPTH.sub("", rest + label), line)
        return True
    for pattern, name in ((EPOCH, "epoch"), (STEP, "step")) if not COUNT_OF.search(label) else ():
        timed = counted is not None and counted["time"] and (counted["time"] == "epochs") == (name == "epoch")
        moment = MOMENT.search(label) if timed else None
        if ((match := pattern.search(label)) and (whole or name == "epoch")) or (moment and whole):
            before = rest + label[: match.start()] if match else rest
            # `2.3, after 100 steps 1.1`: the number behind belongs to it, not those before.
            open_ = before.strip(" \t,;|-([{'\"/_").lower() if match else "after"
            behind = previous == "value" and key.lstrip().startswith("(") and not open_
            _set(line, name, value.x, "at" if behind else open_, previous)
            hear(before, line)
            return True
    listed_pairs = (
        whole and line.timed and line.result and joint in ("|", ";", ",") and re.match(r"[ :]+[-+\d.n]", after)
    )
    if not listed_pairs or not line.at or value.x <= line.at.x:
        return False
    # A list of pairs: `iter 2920 3.99 | 2950 4.10`.
    setattr(line, line.at.unit, value.x)
    line.last = line.at.unit
    return True


def _of_layers(line: Line) -> bool:
    kinds = {line.subject.kind, line.context.quantity.kind}
    return bool(kinds & {"activation", "cosine", "spread", "dead", "zero", "saturated"})


def _set(line: Line, unit: str, x: float, before: str, previous: str) -> None:
    """A time; numbers before it on the line are of that time too: `loss = 2.3, step = 100`, `2.3 @ step 9`.

    Of two clocks side by side the finer counts: `iter 77 step 39`.
    """
    old, first = line.at, getattr(line, unit) is None
    beside = line.step if unit == "step" == previous and line.step is not None else x
    setattr(line, unit, max(x, beside))
    line.last = unit
    if not first and line.at != old and len({r.quantity.split for r in line.result}) > 1:
        # `ep 5: loss 0.8 / val_loss 0.9 | ep 10: loss 0.4`: the last split was that of the time before.
        line.quantity = replace(line.quantity, split="")
    if first and before in _OPEN:
        line.result = [replace(r, at=line.at) if r.at == old and r.depth is None else r for r in line.result]
    elif previous == "value" and before in ("at", "@"):
        line.result[line.newest :] = [replace(r, at=line.at) for r in line.result[line.newest :]]
