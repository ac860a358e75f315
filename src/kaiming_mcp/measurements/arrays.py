"""Printed tensors and arrays: what their digits say of the sizes of their numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from kaiming_mcp.measurements.context import Line
from kaiming_mcp.measurements.documents import listed
from kaiming_mcp.measurements.layers import found
from kaiming_mcp.measurements.phrases import MANY, TRAILING
from kaiming_mcp.measurements.quantity import PER_LAYER, UNKNOWN, filled, quantity_of
from kaiming_mcp.measurements.record import At, Reading
from kaiming_mcp.measurements.value import Value, between, numbers

_SIZE = r"[-+]?\d[\d.]{0,20}+(?:e[-+]?\d{1,3})?"
_LISTING = re.compile(
    rf"\s{{0,12}}(?P<label>[A-Za-z][^:=\n]{{2,80}})[:=]\s{{0,12}}(?P<list>{_SIZE}(?:[\s,;|]{{1,4}}{_SIZE}){{3,}})\s*",
    re.I,
)
_EVERY = re.compile(r"\bevery (\d{1,6}) (step|epoch|iter|update|batch)\w{0,8}", re.I)
_TIMED = re.compile(r"\b(?:step|epoch|iter\w{0,6}|update|layer)s?\W{0,2}\d", re.I)
_ONE_OUTPUT = re.compile(r"\b(?:logits?|prob(?:abilitie)?s|softmax|y_?hat|y_?pred)\b", re.I)
"""Lists of the classes of one input: neither layers nor times."""


def dump(values: list[Value], text: str, key: str, line: Line) -> None:
    """A printed tensor is the greatest and the mean size of its numbers; a list, one number a layer or a time."""
    label = TRAILING.sub("", key).removesuffix("np.").rstrip(" =")
    heard = quantity_of(label[-100:]) if label else UNKNOWN
    base = filled(heard, line.subject if line.subject.known else line.context.quantity)
    names = line.layers or ((line.context.layer,) if line.context.layer else ())
    printed = text[0] in "taAP" or "[[" in text or key.rstrip().endswith(("tensor(", "array("))
    head = Reading(line.number, base, values[0], at=line.at, label=label[-60:].strip())
    if not names and not base.known and label:
        return
    line.last = "value"
    flat = (
        "[[" not in text
        and not _ONE_OUTPUT.search(label)
        and (not base.known or (base.kind in PER_LAYER and MANY.search(label or line.context.title)))
    )
    told = line.context.announced
    if not names and len(told) == len(values) and base.kind in (*PER_LAYER, "unknown"):
        line.result += [replace(head, value=v, layer=name) for name, v in zip(told, values, strict=True)]
        return
    if not names and (flat or not printed) and not _ONE_OUTPUT.search(label):
        line.result += listed(values, base, head)
        return
    line.result += [
        replace(head, quantity=replace(base, statistic=statistic), value=value, layer=name)
        for name in names or ("",)
        for statistic, value in sizes(values)
    ]


def listing(text: str, line: Line) -> bool:
    """Whether the line is a label with integers or a variant in it and a list over time, whose readings are kept.

    `loss every 10 updates: 0.66 0.53 0.42`, `loss, 100 ramp: 3.16 2.48 1.46`.
    """
    match = _LISTING.fullmatch(text)
    label = match["label"].strip() if match else ""
    every = _EVERY.search(label)
    if not match or not re.search(r"[\d,]", label) or _TIMED.search(label) or next(found(label), None):
        return False
    quantity = quantity_of(_EVERY.sub("", label))
    if not quantity.known or (quantity.kind in PER_LAYER and not every):
        return False
    unit, gap = ("row", 1.0) if not every else ("epoch" if every[2] == "epoch" else "step", float(every[1]))
    apart = "," in label
    line.result = [
        Reading(line.number, quantity, value, at=At(unit, i * gap), label=label[-60:], series=True, apart=apart)
        for i, (_, _, value) in enumerate(numbers(match["list"]))
    ]
    return True


def sizes(values: Sequence[Value]) -> list[tuple[str, Value]]:
    """The greatest and the mean absolute value."""
    bad = next((v for v in values if not v.finite), None)
    if bad is not None:
        return [("max", bad), ("mean abs", bad)]
    spans = [v.size for v in values]
    most = between(max(s[0] for s in spans), max(s[1] for s in spans), "tensor")
    mean = between(sum(s[0] for s in spans) / len(spans), sum(s[1] for s in spans) / len(spans), "tensor")
    # The middle of the interval is no value of the tensor: the printed digits are.
    xs = [abs(v.x) for v in values]
    return [("max", replace(most, x=max(xs))), ("mean abs", replace(mean, x=sum(xs) / len(xs)))]
