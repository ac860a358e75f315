"""The course of the loss: learning, stuck at the loss of a constant prediction, dead after learning, diverging."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from kaiming_mcp.measurements.record import Measurements, Series
from kaiming_mcp.scaffold import number

USUAL_CLASSES = (2, 10, 100, 1000)
"""Numbers of classes that a loss alone may suggest; any other needs an accuracy or a statement."""
NEAR = 0.012
"""Relative distance from ln C within which a loss counts as that of a constant prediction."""
LEARNED = 0.93
"""Share of the first loss, or of ln C, below which something was learned."""


@dataclass(frozen=True, slots=True)
class Losses:
    """The finite losses in order of time, and what they say."""

    values: tuple[float, ...]
    times: tuple[float, ...]
    unit: str
    nan_at: float | None = None
    """The time of the first loss that is not finite."""
    classes: int | None = None
    basis: str = ""
    """How the number of classes is known."""
    accuracy: tuple[float, ...] = ()

    @property
    def chance(self) -> float | None:
        """ln C: the cross entropy of a constant prediction over equally frequent classes."""
        return math.log(self.classes) if self.classes and self.classes > 1 else None

    @property
    def first(self) -> float:
        """Of the first time."""
        return self.values[0]

    @property
    def last(self) -> float:
        """Mean of the last fifth, so that one noisy batch does not decide."""
        tail = self.values[-max(1, len(self.values) // 5) :]
        return sum(tail) / len(tail)

    @property
    def at_chance(self) -> bool:
        """Whether it ends at ln C, or the accuracy ends at 1/C."""
        chance = self.chance
        if self.values and chance is not None:
            return abs(self.last / chance - 1) < NEAR
        return bool(self.accuracy) and self.classes is not None and _near(self.accuracy[-1], 1 / self.classes)

    @property
    def learned(self) -> bool:
        """Whether something was learned at some time."""
        if len(self.values) < 2:
            return len(self.accuracy) > 1 and max(self.accuracy) > 1.5 * self.accuracy[0] + 0.05
        least = min(_smooth(self.values))
        bound = self.first if self.chance is None else min(self.first, self.chance)
        return least < LEARNED * bound if bound > 0 else least < bound - 0.1 * abs(bound)

    @property
    def falling(self) -> bool:
        """Whether what was learned is still there at the end."""
        if not self.learned:
            return False
        if len(self.values) < 2:
            return self.accuracy[-1] > 0.7 * max(self.accuracy)
        least = min(_smooth(self.values))
        return self.nan_at is None and self.last - least < 0.5 * (self.first - least)

    @property
    def died(self) -> bool:
        """Whether the loss fell and then returned to a constant."""
        if not self.learned or len(self.values) < 4 or self.falling or min(self.values) > 0.75 * self.first:
            return False
        least, tail = min(self.values), self.values[-max(2, len(self.values) // 5) :]
        ends = min(tail) > least + 0.5 * abs(self.first - least)
        if self.nan_at is not None:
            return self.values[-1] > 3 * least and self.values[-1] > least + 0.2 * abs(self.first - least)
        return ends and max(tail) < 3 * max(self.first, self.chance or 0.0)

    @property
    def plateau(self) -> bool:
        """Whether a small fall ended early: the later two thirds are flat to 2 %."""
        late = self.values[len(self.values) // 3 :]
        if len(late) < 4 or self.last < 0.75 * self.first:
            return False
        return max(late) - min(late) < 0.02 * abs(self.last)

    @property
    def constant(self) -> bool:
        """Whether nothing moves by a hundredth over at least three times."""
        return len(self.values) > 2 and max(self.values) - min(self.values) < 0.01 * abs(self.values[0])

    @property
    def growing(self) -> float:
        """Factor from the least loss to the last finite one before the end."""
        least = min((v for v in self.values if v > 0), default=0.0)
        return self.values[-1] / least if least else 1.0

    def describe(self) -> str:
        """In words, with its time."""
        if not self.values:
            return f"accuracy {number(self.accuracy[0])} to {number(self.accuracy[-1])}" if self.accuracy else "unknown"
        end = f", not finite at {self.unit} {self.nan_at:g}" if self.nan_at is not None else ""
        if len(self.values) == 1:
            return f"loss {number(self.first)}{end}"
        return f"loss {number(self.first)} to {number(self.values[-1])} over {len(self.values)} {self.unit}s{end}"


def losses(measured: Measurements, said: str, outputs: int = 0) -> Losses | None:
    """The training loss and accuracy, or None where none was measured; `outputs` of the network, 0 where unknown."""
    series = _longest(measured, "loss")
    accuracy = _longest(measured, "accuracy")
    values = _summed([(p.at, p.value.x) for p in series.points if p.value.finite]) if series else ()
    if not values:
        initial = [f for f in measured.facts if f.quantity.kind == "loss" and f.value.finite]
        values = tuple((0.0, f.value.x) for f in initial[:1])
    correct = tuple(p.value.x for p in accuracy.points if p.value.finite) if accuracy else ()
    correct = correct or tuple(
        f.value.x for f in measured.facts if f.quantity.kind == "accuracy" and f.value.finite and f.depth is None
    )
    bad = series.first_nonfinite if series else None
    if not values and not correct and bad is None:
        return None
    classes, basis = _classes(measured, [v for _, v in values], correct, said, outputs)
    return Losses(
        values=tuple(v for _, v in values),
        times=tuple(t for t, _ in values),
        unit=series.unit if series else "step",
        nan_at=bad.at if bad else None,
        classes=classes,
        basis=basis,
        accuracy=correct,
    )


def _summed(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Terms of the loss that are logged at one time, added up; runs that are compared at one time stay apart."""
    times = list(dict.fromkeys(at for at, _ in points))
    if len(times) < 2 or len(points) < 2 * len(times) - 1:
        return tuple(points)
    return tuple((at, sum(v for t, v in points if t == at)) for at in times[:2_000])


def _longest(measured: Measurements, kind: str) -> Series | None:
    return measured.of(kind, "train") or measured.of(kind)


def _classes(
    measured: Measurements, values: Sequence[float], accuracy: Sequence[float], said: str, outputs: int
) -> tuple[int | None, str]:
    training = measured.training
    if training.classes:
        setting = training.setting("classes")
        return training.classes, "assumed" if setting and setting.basis == "assumed" else "read"
    if training.loss in ("mse", "mae", "huber", "hinge") or re.search(r"\b(?:regression|mse)\b", said, re.I):
        return None, ""
    end = values[-1] if values else None
    if outputs > 1 and (accuracy or (end is not None and abs(end / math.log(outputs) - 1) < 3 * NEAR)):
        return outputs, "the outputs of the network"
    for count in range(2, 201):
        near = end is not None and abs(end - math.log(count)) < NEAR * math.log(count)
        if near and accuracy and _near(accuracy[-1], 1 / count):
            return count, "the loss is ln C and the accuracy 1/C"
    for count in USUAL_CLASSES:
        # Three digits of the end agree, as they do not by chance.
        if end is not None and abs(end - math.log(count)) < 0.004 * math.log(count):
            return count, "the loss is ln C"
    if not values and accuracy and _near(accuracy[-1], 0.1):
        return 10, "the accuracy is 1/10"
    return None, ""


def _near(a: float, b: float) -> bool:
    return abs(a - b) < 0.12 * b + 1e-3


def _smooth(values: Sequence[float]) -> list[float]:
    """Means of neighbouring values, so that one lucky batch is no learning."""
    width = max(1, min(5, len(values) // 4))
    return [sum(values[i : i + width]) / width for i in range(len(values) - width + 1)]
