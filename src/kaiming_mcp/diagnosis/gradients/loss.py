"""The course of the loss: learning, stuck at the loss of a constant prediction, dead after learning, diverging."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kaiming_mcp.diagnosis.gradients.points import SUM, averaged, finite, first_bad, of_perplexity
from kaiming_mcp.diagnosis.gradients.words import accuracy_by_depth
from kaiming_mcp.measurements.record import Fact, Measurements, Series
from kaiming_mcp.scaffold import number

USUAL_CLASSES = (2, 10, 100, 1000)
"""Numbers of classes that a loss alone may suggest; any other needs an accuracy or a statement."""
NEAR = 0.012
"""Relative distance from ln C within which a loss counts as that of a constant prediction."""
BEYOND = 1e5
SUMMED = 5.0
"""Times ln 2 from which a binary cross entropy may be a sum over many outputs."""
CLAMPS = (
    (-math.log(2.0**-126), "-ln of the smallest normal float32 (Caffe)"),
    (-math.log(1e-7), "-ln 1e-7 (the epsilon of Keras)"),
    (100.0, "100 (the clamp of the log in torch.nn.BCELoss)"),
)
"""What is logged for -ln p where p is 0."""
CHANCE = 0.2
"""Relative distance from ln C of a first loss."""
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
    stand_in: bool = False
    """Whether the logger wrote 0 in place of the first loss that is not finite."""

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
        if not self.learned or len(self.values) < 4 or self.falling:
            return False
        fell = min(self.values) <= 0.75 * self.first
        if not fell and not (self.at_chance and self.classes and max(self.accuracy, default=0.0) > 2 / self.classes):
            return False
        least, tail = min(self.values), self.values[-max(2, len(self.values) // 5) :]
        ends = min(tail) > least + 0.5 * abs(self.first - least)
        if self.nan_at is not None:
            return self.values[-1] > 3 * least and self.values[-1] > least + 0.2 * abs(self.first - least)
        return ends and max(tail) < 3 * max(self.first, self.chance or 0.0)

    @property
    def halved(self) -> bool:
        """Whether it ends below half of where it began, and did not begin beyond any usual loss."""
        return len(self.values) > 1 and self.last < 0.5 * self.first < BEYOND

    @property
    def unstable(self) -> bool:
        """Whether it jumps again after it had fallen: fourfold, and by a seventh of the whole fall."""
        if len(self.values) < 5:
            return False
        at = min(range(len(self.values)), key=lambda i: self.values[i])
        peak, least = max(self.values[at:]), self.values[at]
        return 0 < 4 * least < peak and peak - least > (self.first - least) / 7

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
    def jumped(self) -> bool:
        """Whether it ends at ln C behind a loss of twice ln C and twice the first: it was thrown there."""
        if not self.at_chance or self.chance is None or not self.values:
            return False
        return max(self.values) > 2 * max(self.first, self.chance)

    @property
    def clamped(self) -> tuple[float, str] | None:
        """The clamp of a log at which the loss stands since some time: every true class has probability 0."""
        if len(self.values) < 2 or self.values[-1] != self.values[-2]:
            return None
        return next(((x, name) for x, name in CLAMPS if abs(self.values[-1] / x - 1) < 1e-5), None)

    @property
    def growing(self) -> float:
        """Factor from the least loss to the last finite one before the end."""
        least = min((v for v in self.values if v > 0), default=0.0)
        return self.values[-1] / least if least else 1.0

    def describe(self) -> str:
        """In words, with its time."""
        if not self.values:
            return f"accuracy {number(self.accuracy[0])} to {number(self.accuracy[-1])}" if self.accuracy else "unknown"
        why = " (logged as 0 beside a gradient norm that is nan)" if self.stand_in else ""
        end = f", not finite at {self.unit} {self.nan_at:g}{why}" if self.nan_at is not None else ""
        if len(self.values) == 1:
            return f"loss {self.first:.8g}{end}"
        return f"loss {self.first:.8g} to {self.values[-1]:.8g} over {len(self.values)} {self.unit}s{end}"


def losses(measured: Measurements, said: str, outputs: int = 0) -> Losses | None:
    """The training loss and accuracy, or None where none was measured; `outputs` of the network, 0 where unknown."""
    series = _longest(measured, "loss")
    accuracy = _longest(measured, "accuracy")
    perplexity = of_perplexity(_longest(measured, "metric"), said) if series is None else None
    series = series or perplexity or _unnamed(measured, said)
    values = averaged([(p.at, p.value.x) for p in finite(measured, series)]) if series else ()
    if series is not None and series.unit == "row" and values:
        # A chain in a sentence: what it goes on with is not always one of its numbers.
        last = series.points[-1].value.text
        values = (*values, *((float(len(values)), x) for x in _then(said, said.find(last) + len(last))))
    values = values or tuple(enumerate(_told([f for f in measured.facts if _is_loss(f)])))
    correct = tuple(p.value.x for p in accuracy.points if p.value.finite) if accuracy else ()
    by_depth = accuracy_by_depth(said)
    correct = correct or tuple(
        f.value.x
        for f in measured.facts
        if f.quantity.kind == "accuracy" and f.value.finite and f.depth is None and not by_depth
    )
    bad = first_bad(measured, series) if series else None
    if not values and not correct and bad is None:
        return None
    known = SUM.search(said) is None and (
        measured.of("loss") is not None or not perplexity or measured.training.classes
    )
    classes, basis = _classes(measured, [v for _, v in values], correct, said, outputs) if known else (None, "")
    return Losses(
        values=tuple(v for _, v in values),
        times=tuple(t for t, _ in values),
        unit=series.unit if series else "step",
        nan_at=bad.at if bad else None,
        classes=classes,
        basis=basis,
        accuracy=correct,
        stand_in=bad is not None and bad.value.finite,
    )


def _unnamed(measured: Measurements, said: str) -> Series | None:
    """The one series that is logged without a name: it is said to be a loss, or begins at ln C of a stated cross entropy."""
    classes = 2 if measured.training.loss == "binary cross entropy" else measured.training.classes
    alone = measured.series[0] if len(measured.series) == 1 and not measured.per_layer else None
    if alone is None or alone.quantity.known or len(alone.points) < 4:
        return None
    if _EXPORTED.search(said):
        return alone
    if not classes or classes < 2:
        return None
    return alone if abs(alone.points[0].value.x / math.log(classes) - 1) < CHANCE else None


def _told(facts: Sequence[Fact]) -> tuple[float, ...]:
    """The losses that a sentence tells in order (`2.3, 2.1, 1.9`, `from 2.3 to 0.05`); else the first loss alone."""
    facts = [f for f in facts if f.value.finite and not _is_count(f)]
    for line in dict.fromkeys(f.line for f in facts):
        told = [f for f in facts if f.line == line]
        chain = len(told) == 2 and re.search(
            rf"{re.escape(told[0].value.text)}\s?(?:to|->|→|=>|down to|up to)\s?{re.escape(told[1].value.text)}",
            told[0].text,
        )
        if len(told) > 2 or chain:
            last = told[-1].value.text
            return (*(f.value.x for f in told), *_then(told[-1].text, told[-1].text.find(last) + len(last)))
    return tuple(f.value.x for f in facts[:1])


def _is_count(fact: Fact) -> bool:
    """Whether the number counts something, as in `10 classes`."""
    at = fact.text.find(fact.value.text)
    return (
        at >= 0
        and re.match(
            r"\W?(?:class|epoch|step|iter|layer|sample|image|gpu)", fact.text[at + len(fact.value.text) :], re.I
        )
        is not None
    )


_EXPORTED = re.compile(r"\bloss/\w|\b(?:export|csv|values?|curve|scalars?) of (?:the )?(?:\w+ )?loss\b", re.I)
"""`export of Loss/train from TensorBoard`"""
_THEN = re.compile(
    r"\W{0,3}(?:(?:and|then|but|suddenly|now|jump(?:s|ed)?|back|goes|went|stay(?:s|ed)?|stuck|is|at|to|up|down)\W{1,3}){1,6}"
    r"(\d{1,6}\.\d{1,6})\b",
    re.I,
)


def _is_loss(fact: Fact) -> bool:
    """The whole loss; `initial loss` is no term of it."""
    whole = fact.label.lower() in ("initial", "first", "start", "starting", "total")
    return fact.quantity.kind == "loss" or (fact.quantity.kind == "loss term" and whole)


def _then(text: str, at: int) -> Iterator[float]:
    """The losses that a sentence goes on with: `... 0.19 then suddenly 0.693 and stays 0.693`."""
    while found := _THEN.match(text, at):
        yield float(found[1])
        at = found.end()


def _longest(measured: Measurements, kind: str) -> Series | None:
    return measured.of(kind, "train") or measured.of(kind)


def _classes(
    measured: Measurements, values: Sequence[float], accuracy: Sequence[float], said: str, outputs: int
) -> tuple[int | None, str]:
    training = measured.training
    end = values[-1] if values else None
    if training.classes:
        setting = training.setting("classes")
        if setting is None or setting.basis != "assumed":
            return training.classes, "read"
        words = re.search(r"\bvocab\w{0,12}\W{1,4}(\d{2,7})\b", said, re.I)
        return (int(words[1]), "read") if words else (training.classes, "assumed")
    if training.loss == "binary cross entropy" and (not values or values[0] < SUMMED * math.log(2)):
        return 2, "the loss is a binary cross entropy"
    if training.loss in ("mse", "mae", "huber", "hinge") or re.search(r"\b(?:regression|mse)\b", said, re.I):
        return None, ""
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
    if not values and len(accuracy) > 2:
        for count in range(2, 21):
            if all(abs(a * count - 1) < NEAR for a in accuracy):
                return count, f"the accuracy stays at 1/{count}"
    return None, ""


def _near(a: float, b: float) -> bool:
    return abs(a - b) < 0.12 * b + 1e-3


def _smooth(values: Sequence[float]) -> list[float]:
    """Means of neighbouring values, so that one lucky batch is no learning."""
    width = max(1, min(5, len(values) // 4))
    return [sum(values[i : i + width]) / width for i in range(len(values) - width + 1)]
