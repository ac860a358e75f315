"""What the course of the training says: chance, death after learning, a clip that is never reached, health."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from kaiming_mcp.diagnosis.gradients.courses import LARGE, SEVERE
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.gradients.stuck import binding_clip
from kaiming_mcp.diagnosis.gradients.told_runs import spiked, stalled
from kaiming_mcp.diagnosis.gradients.trends import log_ratio, per_layer_text
from kaiming_mcp.diagnosis.gradients.watch import held
from kaiming_mcp.scaffold import bounded, number

FEW = 8
"""Layers over which a floor has not formed where the activations keep their size."""
STILL = 0.002
"""Change of an accuracy that does not move."""
AS_ENTROPY = 0.04
TIGHT = 100
"""Times above the clip of the usual norm from which the clip alone explains a loss that hardly falls."""
USELESS = 3.0
"""A clip that is never reached, and this many times above the median norm, does nothing."""


_WITH_AND_WITHOUT = r"\bno[ _-]?clip(?:ping)?:? ?(?:loss|norm|\d)|\bwithout (?:the )?clip(?:ping)?:? ?(?:loss|norm|\d)"
"""Columns of a run that was made with the clip and without it."""


def run_candidates(e: Evidence) -> Iterator[Candidate]:
    """Explanations that rest on losses, accuracies and norms over time."""
    course = e.losses
    fact = e.facts.add(course.describe(), "measured", course.last if course.values else None, "loss") if course else ""
    chance = ""
    if course and course.chance is not None:
        known = course.basis if course.basis not in ("read", "") else "stated"
        chance = e.facts.add(
            f"ln {course.classes} = {course.chance:.4g} is the loss of a constant prediction over {course.classes} classes "
            f"(classes: {known}); the accuracy would be {100 / (course.classes or 1):.3g} %",
            "computed",
            course.chance,
            "ln C",
        )
    jumped = _rate_jumped(e)
    if course and (course.died or jumped):
        cites = tuple(f for f in (fact, chance, jumped) if f)
        yield Candidate("died_after_learning", 0.86, cites)
    elif course and course.clamped:
        limit, name = course.clamped
        clamp = e.facts.add(
            f"the loss stands at {limit:.7g}, {name}: the true class has probability 0 in every example",
            "measured",
            limit,
            "clamp of the log",
        )
        title = "divergence: the outputs are infinitely sure and wrong, or nan"
        yield Candidate("growth", 0.8, (clamp, fact), "", title)
    elif course and course.jumped and course.nan_at is None:
        title = "the loss jumps, and stays at that of a constant prediction from then on"
        yield Candidate("died_after_learning", 0.8, (fact, chance), title=title)
    elif course and course.at_chance and not course.learned and course.nan_at is None and spiked(e) is None:
        held = e.says(r"\b(?:stay|stuck|remain|stop|constant|hover|plateau)\w* (?:\w+ )?(?:at|around|near)\b")
        several = len(course.values) > 1 or len(course.accuracy) > 1 or not course.values
        score = 0.74 if several or course.accuracy or held else 0.4
        yield Candidate("stuck_at_chance", score, tuple(f for f in (fact, chance) if f))
    elif majority := _majority(e, fact):
        yield majority
    elif tight := _tight_clip(e, fact):
        yield tight
    elif course and course.constant and not course.learned and course.nan_at is None:
        yield Candidate("stuck_at_chance", 0.55, (fact,), title="the loss does not move: a constant prediction")
    yield from _clip(e)
    yield from _healthy(e, fact)


def _majority(e: Evidence, fact: str) -> Candidate | None:
    """A constant accuracy whose binary entropy is the loss: the prediction is the frequency of the classes, for every input."""
    course = e.losses
    if course is None or len(course.values) < 3 or len(course.accuracy) < 3 or course.nan_at is not None:
        return None
    share = course.accuracy[-1]
    if (
        not 0.5 < share < 1
        or max(course.accuracy) - min(course.accuracy) > STILL
        or course.last < (1 - 10 * STILL) * course.first
    ):
        return None
    entropy = -share * math.log(share) - (1 - share) * math.log1p(-share)
    if abs(course.last / entropy - 1) > AS_ENTROPY:
        return None
    known = e.facts.add(
        f"the accuracy stays at {share:.3g}, and the entropy of two classes of that share is {entropy:.3g}: this is the loss of a prediction "
        "that gives every input the frequency of the classes",
        "computed",
        entropy,
        "loss of a constant prediction",
    )
    return Candidate(
        "stuck_at_chance",
        0.8,
        (fact, known),
        title="a constant prediction, the frequency of the classes: the accuracy is the share of the larger class",
        apart=True,
        change="Overfit one fixed batch with as many examples of the rare class as of the other, and nothing else.",
        effect="below a loss of 0.1 within 200 steps the network can tell them apart, and weighted classes or balanced batches are next; at "
        "ln 2 = 0.693 its inputs say nothing or a pass is cut",
        test="recall of the rare class, and the area under its precision-recall curve; the accuracy says nothing here",
    )


def _tight_clip(e: Evidence, fact: str) -> Candidate | None:
    """A loss that hardly falls under a clip that makes every step of SGD far shorter than the rate says."""
    course, clip = e.losses, binding_clip(e)
    if course is None or clip is None or len(course.values) < 3 or course.nan_at is not None:
        return None
    if clip.usual < TIGHT * clip.limit or course.last < 0.9 * course.first:
        return None
    known = e.facts.add(
        f"the clip is at {clip.limit:g} and the usual gradient norm {number(clip.usual)}: every step is x{number(clip.limit / clip.usual)} as "
        "long as the rate says",
        "measured",
        clip.limit / clip.usual,
        "of the step",
    )
    title = "the clip binds at every step, and the loss hardly moves"
    return Candidate("stuck_at_chance", 0.78, (known, fact), title=title, apart=True)


def _rate_jumped(e: Evidence) -> str:
    """A run that had learned, and is not finite from the step on at which the learning rate jumps."""
    rates = e.measured.of("learning rate")
    if e.losses is None or not e.losses.learned or e.losses.nan_at is None or rates is None:
        return ""
    before = [p.value.x for p in rates.points if p.at < e.losses.nan_at]
    at = next((p.value.x for p in rates.points if p.at == e.losses.nan_at), 0.0)
    if not before or at < 5 * before[-1]:
        return ""
    return e.facts.add(
        f"the learning rate jumps from {before[-1]:g} to {at:g} where the loss is first not finite",
        "measured",
        at,
        "learning rate",
    )


def _clip(e: Evidence) -> Iterator[Candidate]:
    """A clip that is never reached in a run that does not learn; of a run that learns, `side` mentions it."""
    idle = idle_clip(e)
    troubled = not e.learning or (e.losses is not None and e.losses.unstable)
    if idle and (troubled or e.says(_WITH_AND_WITHOUT)):
        yield Candidate("clip_never_binds", 0.76 if idle.useless else 0.7, (idle.fact,))


class Idle(NamedTuple):
    """A clip and the norms that never reach it."""

    limit: float
    useless: bool
    """Whether it is far above the usual norm."""
    fact: str


def idle_clip(e: Evidence) -> Idle | None:
    """The clip of this run, where no measured norm reaches it."""
    limit, norms = _limit(e), e.measured.of("gradient norm")
    # No number of a gradient is larger than its norm: a clip of values that no norm reaches binds no value either.
    if limit is None or e.training.precision == "fp16":
        return None
    values = [p.value.x for p in norms.points] if norms else _told(e, "gradient norm")
    if not values or not all(math.isfinite(v) for v in values) or max(values) >= limit:
        return None
    fact = e.facts.add(
        f"the clip is at {limit:g}, and the largest of {len(values)} gradient norms is {number(max(values))}: it never binds",
        "measured",
        max(values),
        "largest gradient norm",
    )
    return Idle(limit, len(values) > 4 and limit >= USELESS * sorted(values)[len(values) // 2], fact)


def _limit(e: Evidence) -> float | None:
    """The norm at which gradients are clipped."""
    if e.training.clip is not None:
        return e.training.clip.x
    called = e.says(r"clip_grad_norm_\(\s?(\d{1,9}(?:\.\d{1,9})?)\s?\)")
    return float(called[1]) if called else next(iter(_told(e, "clip")), None)


def _told(e: Evidence, kind: str) -> list[float]:
    """Numbers that sentences give for the run as a whole."""
    return [f.value.x for f in e.measured.facts if f.quantity.kind == kind and f.quantity.statistic != "max"]


def _healthy(e: Evidence, loss: str) -> Iterator[Candidate]:
    if e.events("nan", "inf", "anomaly") or (e.losses is not None and e.losses.nan_at is not None):
        return
    shown = e.gradient
    alarm = SEVERE if e.learning else LARGE
    flat = shown is not None and shown.used >= 2 and abs(log_ratio(shown)) < alarm and (not shown.zeros or e.learning)
    cites = [loss] if e.learning and loss else []
    if flat and shown is not None:
        cites.append(
            e.facts.add(
                f"{shown.quantity.kind} first/last: amplitude x{number(bounded(log_ratio(shown)))}, {per_layer_text(shown)}; "
                f"alarm beyond a factor {math.exp(alarm):.0f} where {'the loss falls' if e.learning else 'nothing is learned'}",
                "measured",
                bounded(log_ratio(shown)),
                "gradient first/last",
            )
        )
    if e.learning and not stalled(e):
        if shown is None or flat or not shown.used or shown.used < 2:
            yield Candidate("nothing_wrong", 0.75, (*cites, *held(e)))
    elif flat and (e.losses is None or len(e.losses.values) < 2) and _signal_known(e):
        yield Candidate("nothing_wrong", 0.7, tuple(cites))
    elif shown is None and e.losses is None and (kept := _kept(e)):
        yield Candidate("nothing_wrong", 0.55, (kept,))


def _kept(e: Evidence) -> str:
    """Activations of a net of few layers that keep their size, where nothing else was measured."""
    shown = e.activation
    if shown is None or shown.used < 3 or e.cosine or len(shown.rows) > FEW or abs(log_ratio(shown)) > math.log(10):
        return ""
    if shown.zeros or shown.cut or shown.nonfinite:
        return ""
    if sum(one.of("activation") is not None for one in e.measured.per_layer) > 1:
        # Several networks or times: the first says nothing of the others.
        return ""
    return e.facts.add(
        f"activations last/first: amplitude x{number(bounded(-log_ratio(shown)))} over {len(shown.rows)} layers",
        "measured",
    )


def _signal_known(e: Evidence) -> bool:
    """Whether more than weight gradients says that the signal is sound: those stay flat while activations explode."""
    if e.gradient is None or len(e.gradient.rows) < 3:
        return False
    activation = e.activation
    sound = activation is not None and activation.used >= 2 and abs(log_ratio(activation)) < math.log(30)
    if e.gradient.quantity.kind == "activation gradient":
        return activation is None or sound
    if sound:
        return True
    return activation is None and e.subject is not None and e.subject.course is not None and e.subject.course.healthy
