"""The end of the network: two squashing functions in a row, or one in front of a loss that applies its own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from kaiming_mcp.architecture.ir import Activation, Dropout, Layer, Reshape
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.losses import least_binary, least_cross_entropy, wanted
from kaiming_mcp.scaffold import number

BELOW, NEAR = 0.98, 1.06
"""A loss below the first times the floor contradicts it; one up to the second times the floor has reached it."""
_LOSS = re.compile(
    r"\b(?P<sigmoid>BCE_?With_?Logits\w*|binary_cross_entropy_with_logits|sigmoid_cross_entropy\w*)"
    r"|\b(?P<softmax>(?<!binary )(?<!binary_)(?<!binary-)(?<!categorical )Cross_?EntropyLoss\b|F\.cross_entropy\b|softmax_cross_entropy\w*)",
    re.I,
)
"""Losses that take logits and apply a sigmoid or a softmax themselves."""
_SAID = r"(?<!log)(?<!log_)(?<!log )\b{word}\b(?![ _-]{{0,2}}(?:with[ _-])?(?:cross|bce))"
_NONE = (
    r"\b(?:no|not|without|never|removed?|dropped|took)\b[^.\n]{{0,25}}\b{word}|\b{word}\b[^.\n]{{0,20}}\b(?:removed|is gone|not applied)"
    r"|\b{word}\b[^.\n]{{0,30}}\b(?:for (?:the )?(?:metrics?|plots?|predictions?|inference|evaluation)|at (?:test|inference|prediction))"
    r"|\b(?:gets?|takes?|on|raw|give|pass) (?:the |raw )?logits\b"
)
"""Words that say that it is not applied in front of the loss."""
_LEAVES = r"\b(?:ends?|ending|last|final|output|before|forward|returns?|self)\b|->|→"
"""Words of what leaves a network."""


class Fault(NamedTuple):
    """What is applied twice, what it leaves of the loss, and the remedy."""

    title: str
    fact: str
    floor: float
    """The least loss over all examples, the best case."""
    remedy: str


def end_candidates(e: Evidence) -> Iterator[Candidate]:
    """A squashing function twice: the loss cannot fall below a floor, as long as none below it was measured."""
    fault = _twice(e) or _before_loss(e)
    course = e.losses
    if fault is None or (course is not None and course.values and min(course.values) < BELOW * fault.floor):
        return
    fact = e.facts.add(fault.fact, "computed", fault.floor, "least loss")
    reached = course is not None and bool(course.values) and course.last < NEAR * fault.floor
    still = course is not None and (course.constant or course.at_chance)
    shown = reached or still
    yield Candidate(
        "stuck_at_chance" if still or not e.thriving else "saturation",
        0.84 if shown else 0.8,
        (fact,),
        title=fault.title,
        apart=True,
        change=fault.remedy,
        effect=f"the loss can fall below {number(fault.floor)}, and the slope of the second one, at most 0.25, no longer multiplies the gradient",
        test="loss on one fixed batch of 32 over 200 steps, before and after: it must fall below 0.1",
        predicted=course is None or not course.values,
    )


def _twice(e: Evidence) -> Fault | None:
    """Two of them as the last layers of the network that was sent."""
    if e.subject is None:
        return None
    names = list[str]()
    for item in reversed(structure.main_chain(e.subject.network.root)):
        op = item.node.op if isinstance(item.node, Layer) else None
        if isinstance(op, Activation):
            names.append(op.name)
        elif not isinstance(op, Dropout | Reshape):
            break
    if names[:2] == ["sigmoid", "sigmoid"]:
        low, high = 0.5, 1 / (1 + math.exp(-1))
        return Fault(
            "two sigmoids in a row at the output",
            f"sigmoid of a sigmoid lies in {low:g} to {high:.3g}: the binary cross entropy is at least {-math.log(high):.3g} for a "
            f"positive and ln 2 = {math.log(2):.3g} for a negative example, and the output is {low:g} where the first sigmoid is 0",
            -math.log(high),
            "Take one of the two sigmoids out (or both, with BCEWithLogitsLoss), and nothing else.",
        )
    if names[:2] == ["softmax", "softmax"] and e.outputs > 1:
        return _softmax_twice(e.outputs, "two softmaxes in a row at the output")
    return None


def _before_loss(e: Evidence) -> Fault | None:
    """One of them in front of a loss that applies its own, by the network or by the words."""
    last = ""
    if (
        e.subject is not None
        and (end := structure.ending(e.subject.network.root)) is not None
        and end.activation is not None
    ):
        last = getattr(end.activation.op, "name", "")
    loss = _LOSS.search(e.said)
    named = e.subject.network.loss if e.subject is not None else ""
    kind = wanted(named) if named else None
    sigmoid = last == "sigmoid" or (not last and loss and loss["sigmoid"] and _told(e, "sigmoid"))
    if sigmoid and (kind == "logit" or (loss is not None and loss["sigmoid"])):
        positive, negative = least_binary(0, 1)
        return Fault(
            "a sigmoid in front of a loss that applies its own",
            f"the logits lie in 0 to 1, and the loss applies a second sigmoid: it cannot fall below {positive:.3g} for a positive and "
            f"{negative:.3g} for a negative example",
            positive,
            "Take the sigmoid out and give the logits to BCEWithLogitsLoss, which applies its own.",
        )
    classes = e.outputs or e.training.classes or (e.losses.classes if e.losses else None) or 0
    softmax = last == "softmax" or (not last and loss and loss["softmax"] and _told(e, "softmax"))
    if softmax and classes > 1 and (kind == "logits" or (loss is not None and loss["softmax"])):
        return _softmax_twice(classes, "a softmax in front of a loss that applies its own")
    return None


def _told(e: Evidence, word: str) -> bool:
    """Whether the words say that the network ends in it, and not that it does not."""
    at = e.says(_SAID.format(word=word))
    return (
        at is not None
        and e.says(_NONE.format(word=word)) is None
        and bool(re.search(_LEAVES, e.said[max(0, at.start() - 60) : at.end() + 40], re.I))
    )


def _softmax_twice(classes: int, title: str) -> Fault:
    floor = least_cross_entropy(0, 1, classes)
    return Fault(
        title,
        f"the logits lie in 0 to 1: over {classes} classes the cross entropy cannot fall below ln(1 + {classes - 1}/e) = {floor:.4g}, "
        f"however right every example is (a constant prediction has {math.log(classes):.4g})",
        floor,
        "Take the softmax out and give the logits to the cross entropy, which applies its own.",
    )
