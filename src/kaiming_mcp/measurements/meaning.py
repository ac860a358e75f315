"""What a number on a line measures: its own label, else the words before it, else the lines before."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from kaiming_mcp.measurements.context import Line, hear
from kaiming_mcp.measurements.layers import part
from kaiming_mcp.measurements.phrases import AFTER, GLUE, RATIO, SHARES, fraction, is_ratio
from kaiming_mcp.measurements.quantity import (
    GRADIENTS,
    UNKNOWN,
    Quantity,
    filled,
    is_statistic,
    quantity_of,
    quantity_of_layer,
)
from kaiming_mcp.measurements.value import Value

_WHOLE = re.compile(r"^\s?(?:/|(?:out )?of(?: the)?\s)\s?\d{1,9}")
_NONFINITE = re.compile(r"\s(?:in )?(?:the )?(grad\w{0,10}|loss(?:es)?|norms?|weights?|activations?)\b", re.I)
"""`inf grads`: what is not finite stands behind."""
_SIZED = (*GRADIENTS, "gradient norm", "activation", "weight", "update", "unknown")
"""Kinds of which there is a norm or a root mean square."""


def meant(value: Value, key: str, label: str, rest: str, after: str, previous: str, line: Line) -> Quantity | None:
    """What the number measures, or None where nothing says it."""
    if (match := RATIO.search(key)) and is_ratio(match):
        return Quantity("gradient ratio", "value")
    heard = hear(rest, line)
    quantity = (quantity_of_layer if line.layers else quantity_of)(label) if label else UNKNOWN
    if quantity.known:
        quantity = filled(quantity, line.context.quantity) if line.layers else quantity
        return _with_split(quantity, line, heard.split) if label.isalpha() or heard.split else quantity
    if GLUE.match(label) and (match := AFTER.match(_WHOLE.sub("", after))):
        return _with_split(quantity_of(match[1]), line)
    if not value.finite and (match := _NONFINITE.match(after)):
        return quantity_of(match[1])
    if label.lower() in ("total", "sum", "overall") and line.quantity.kind == "loss":
        return line.quantity
    if label.lower().endswith("scale") and 128 <= value.x < math.inf and _power_of_two(value):
        return Quantity("loss scale", "value", basis="assumed")
    if re.search(r"\bratio$", label):
        return Quantity("update ratio" if line.layers else "gradient ratio", "value", basis="assumed")
    base = _base(heard, previous, quantity.statistic != "unknown", line)
    if not base.known and previous in ("epoch", "step") and (not value.finite or GLUE.match(label)):
        base = line.quantity
    told = (quantity.statistic != "unknown" or bool(quantity.split)) and is_statistic(label)
    if value.unit == "%" and base.kind in ("unknown", "loss") and (told or base.split):
        return Quantity("accuracy", "value", quantity.split or base.split, "assumed")
    if (
        told
        and not base.known
        and not line.layers
        and quantity.split
        and quantity.statistic == "unknown"
        and line.timed
    ):
        return quantity
    sized = base.kind == "cosine" and quantity.statistic in ("variance", "norm", "rms", "mean square")
    if told and (sized or (base.kind in SHARES and base.kind != "accuracy" and quantity.statistic != "unknown")):
        # `zeros 99%  max 6e-08`: the greatest of what is zero so often.
        of_gradient = base.kind.startswith("gradient") or any(map(part, line.layers))
        return replace(quantity, kind="gradient" if of_gradient else "activation", basis="assumed")
    if label.lstrip("]) ") == "L" and line.timed and "." in value.text:
        return Quantity("loss", "value", basis="assumed")
    if told and base.kind == "gradient ratio":
        return None
    if quantity.statistic in ("norm", "rms") and told and base.kind not in _SIZED:
        # Loops print the norm of all gradients beside loss and rate.
        return Quantity("gradient", "norm", basis="assumed") if line.timed or base.known else None
    if told or GLUE.match(label) or not value.finite or (previous == "layer" and base.known):
        if base.known and (told or GLUE.match(label) or previous != "value"):
            return filled(quantity, base)
        if previous in ("epoch", "step") and GLUE.match(label):
            if fraction(value, after):
                return Quantity("accuracy", "value", basis="assumed")
            if "." in value.text or not value.finite:
                return Quantity("loss", "value", basis="assumed")
        if line.layers and (quantity.statistic != "unknown" or GLUE.match(label)):
            return filled(quantity, line.context.quantity)
    return None


def _power_of_two(value: Value) -> bool:
    """Whether the print allows one: 4.1943e+06 is 2^22."""
    return value.low <= 2.0 ** round(math.log2(value.x)) <= value.high


def _with_split(quantity: Quantity, line: Line, heard: str = "") -> Quantity:
    """`Train Loss 0.5, Acc 0.3`: the accuracy is of training too."""
    if quantity.split or quantity.kind not in ("loss", "accuracy"):
        return quantity
    return replace(quantity, split=heard or line.quantity.split or line.subject.split)


def _base(heard: Quantity, previous: str, statistic: bool, line: Line) -> Quantity:
    """The quantity that a number without a name of its own continues."""
    if heard.known:
        return line.subject
    if previous == "value" or (statistic and previous == "other"):
        return line.quantity
    return line.subject if line.subject.known else filled(line.subject, line.context.quantity)
