"""What numbers of layers are whose own words do not say it: by the words beside them, else what they must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kaiming_mcp.measurements import layers
from kaiming_mcp.measurements.quantity import GRADIENTS, Quantity, words_of
from kaiming_mcp.measurements.record import At, Reading

_SPREAD = (*GRADIENTS, "activation", "weight", "update")
"""Kinds that have a mean and a standard deviation; a cosine or a share of dead units has none."""
_LEFT = {"alive": "dead", "active": "zero", "nonzero": "zero", "gradient nonzero": "gradient zero"}
_OF_ACTIVATIONS = ("mean square", "rms", "std", "variance", "mean", "mean abs")


def named(found: Sequence[Reading]) -> list[Reading]:
    """Shares of active units as shares of dead ones; unnamed statistics by the number before them in the row.

    A mean or spread that stands without any word, beside names of whole layers, is one of activations ("assumed");
    beside names of parameters it may be of the weights or of their gradients, and stays unknown.
    """
    splits = _of_splits(found)
    parameters = any(layers.part(r.layer) for r in found if r.layer and not r.quantity.known)
    beside: dict[tuple[int, str, At | None], Quantity] = {}
    made = list[Reading]()
    for one in found:
        reading = _left(one) if one.quantity.kind in _LEFT else one
        if reading.quantity.kind == "zero" and layers.part(reading.layer):
            # Of a parameter it is its gradient that has zeros.
            reading = replace(reading, quantity=replace(reading.quantity, kind="gradient zero", basis="assumed"))
        if _split_alone(reading):
            reading = replace(reading, quantity=replace(reading.quantity, kind=splits, basis="assumed"))
        quantity, row = reading.quantity, (reading.line, reading.layer, reading.at)
        if quantity.kind in _SPREAD:
            beside[row] = quantity
        elif reading.layer and not quantity.known and quantity.statistic != "unknown":
            if before := beside.get(row):
                reading = replace(reading, quantity=replace(quantity, kind=before.kind))
            elif quantity.statistic in _OF_ACTIVATIONS and not parameters:
                reading = replace(reading, quantity=replace(quantity, kind="activation", basis="assumed"))
        made.append(reading)
    return made


def error_as_loss(found: Sequence[Reading], loss: str | None) -> list[Reading]:
    """The mean absolute error as the loss, where it is what is trained and no other loss is printed."""
    if loss != "mae" or any(r.quantity.kind == "loss" for r in found):
        return list(found)
    told = [r.quantity.kind == "metric" and "mae" in words_of(r.label) for r in found]
    return [
        replace(r, quantity=replace(r.quantity, kind="loss")) if one else r for r, one in zip(found, told, strict=True)
    ]


def _split_alone(reading: Reading) -> bool:
    """Whether nothing is known of a number over time but that it is of training or of validation."""
    quantity = reading.quantity
    return bool(quantity.split and reading.at and not reading.layer) and (quantity.kind, quantity.statistic) == (
        "unknown",
        "unknown",
    )


def _of_splits(found: Sequence[Reading]) -> str:
    """What `epoch 1 train 4.52 val 4.50` counts: shares of 1 that rise are accuracies, all else is a loss."""
    values = [r.value.x for r in found if _split_alone(r)]
    return "accuracy" if values and all(0 <= x <= 1 for x in values) and values[-1] > values[0] else "loss"


def _left(reading: Reading) -> Reading:
    """What is not active: units that never are, or the share of outputs that are zero."""
    value = reading.value
    if not 0 <= value.x <= 1:
        return replace(reading, quantity=Quantity())
    left = replace(value, x=1 - value.x, low=1 - value.high, high=1 - value.low)
    return replace(reading, quantity=replace(reading.quantity, kind=_LEFT[reading.quantity.kind]), value=left)
