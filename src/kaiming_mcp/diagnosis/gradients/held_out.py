"""Generalisation: a validation loss that rises while the training loss falls, an accuracy far below that of training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.measurements.record import Point

MANY = 5
"""Validation losses below which only a large rise is no noise."""
RISES, RISES_FAR = 1.25, 1.5
FITTED, GAP = 0.9, 0.15
"""Training accuracy, and its distance from that of held-out data, from which the fit is not what fails."""


class Rise(NamedTuple):
    """The least validation loss, the last, and their unit of time."""

    least: Point
    last: Point
    unit: str

    @property
    def shown(self) -> str:
        """In words."""
        return f"the validation loss rises from {self.least.value.text} to {self.last.value.text} while the training loss falls"

    @property
    def change(self) -> str:
        """What to do about it."""
        return (
            f"Stop at {self.unit} {self.least.at:g}, or add data and augmentation; the gradients are not the trouble."
        )


def rise(e: Evidence) -> Rise | None:
    """A validation loss that rises from its least to its end while the training loss falls on."""
    held_out, course = e.measured.of("loss", "val") or e.measured.of("loss", "test"), e.losses
    points = [p for p in held_out.points if p.value.finite] if held_out is not None else []
    if (
        held_out is None
        or len(points) < 3
        or course is None
        or not course.falling
        or e.measured.of("loss", "train") is None
    ):
        return None
    least = min(points, key=lambda p: p.value.x)
    after = [p.value.x for p in points if p.at > least.at]
    far = RISES if len(points) >= MANY else RISES_FAR
    if len(after) < 2 or after != sorted(after) or after[-1] < far * least.value.x or least.value.x <= 0:
        return None
    return Rise(least, points[-1], held_out.unit if held_out.unit != "row" else "row")


def generalisation(e: Evidence) -> Iterator[Candidate]:
    """A run whose optimisation is sound and whose model does not carry over to held-out data."""
    found = rise(e)
    if found is not None:
        fact = e.facts.add(found.shown, "measured", found.last.value.x, "validation loss")
        when = f" from {found.unit} {found.least.at:g} on"
        yield Candidate(
            "nothing_wrong",
            0.8,
            (fact,),
            title=f"the optimisation is sound, with overfitting{when}",
            apart=True,
            change=found.change,
            effect=f"a validation loss of {found.least.value.text}, that of the best time",
            test=f"validation loss at every {found.unit}, over 3 seeds",
        )
    elif (gap := _accuracies(e)) is not None and not e.events("nan", "inf"):
        train, other = gap
        fact = e.facts.add(
            f"accuracy {train:.1%} in training and {other:.1%} on held-out data",
            "measured",
            train - other,
            "gap of the accuracies",
        )
        yield Candidate(
            "nothing_wrong",
            0.77,
            (fact,),
            title="the optimisation is sound: it fits the training data and does not generalise (overfitting, or another evaluation)",
            apart=True,
            change="Evaluate the training set with the code and in the mode of the evaluation: a low accuracy there too is its fault "
            "(batch norm, preprocessing); else it is overfitting: more data, augmentation, an earlier stop.",
            effect=f"near {train:.0%} is overfitting, near {other:.0%} is the evaluation",
            test="training accuracy in eval mode, on the same images",
        )


def _accuracies(e: Evidence) -> tuple[float, float] | None:
    """The last accuracy in training and on held-out data, where they lie far apart."""
    last = dict[str, float]()
    for series in e.measured.series:
        if series.quantity.kind == "accuracy" and 0 <= series.points[-1].value.x <= 1:
            last[series.quantity.split] = series.points[-1].value.x
    for fact in e.measured.facts:
        if fact.quantity.kind == "accuracy" and 0 <= fact.value.x <= 1 and fact.depth is None:
            last[fact.quantity.split] = fact.value.x
    train, other = last.get("train"), last.get("val", last.get("test"))
    if train is None or other is None or not FITTED <= train <= 1 or train - other < GAP:
        return None
    return train, other
