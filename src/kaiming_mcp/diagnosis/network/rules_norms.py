"""Findings about normalizations that have too few numbers to work with."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Layer, Norm, Shape
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network.places import Survey
from kaiming_mcp.diagnosis.network.structure import cite
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.diagnosis.principles import INIT
from kaiming_mcp.scaffold import Severity

FEW, SOME = 4, 16
"""Values behind one variance: at 4 its relative error sqrt(2/(n-1)) is 82 %, at 16 it is 37 %."""


def erased(subject: Subject, found: Survey) -> Draft | None:
    """A norm over a single number gives 0 whatever comes in."""
    for place in found.places:
        op = place.layer.op
        if not isinstance(op, Norm):
            continue
        width = op.features or place.entered.features
        each = {
            "layer": width,
            "group": width and place.entered.count and width // max(op.groups, 1) * place.entered.count,
            "instance": place.entered.count,
        }.get(op.kind)
        if each != 1:
            continue
        fact = subject.facts.add(
            f"{cite(place.layer)} normalizes over a single number: its output is 0 (then its bias) for every input",
            "computed",
            0.0,
        )
        return Draft(
            "high",
            INIT,
            "A normalization over a single number erases its input",
            (fact,),
            "remove it, or normalize over more features.",
            "the output of this layer for two different inputs: the same.",
            "the gradient through it is 0 now.",
            weight=92,
        )
    return None


def one_channel_groups(subject: Subject, found: Survey) -> Draft | None:
    """Group norm that is instance norm."""
    single = [p for p in found.places if _one_channel_groups(p.layer, p.entered)]
    if not single:
        return None
    layer = single[0].layer
    fact = subject.facts.add(
        f"{sum(p.copies for p in single)} group norms have one channel for each group, first {cite(layer)}: that is "
        "instance norm, and the mean of every channel is lost",
        "read",
        sum(p.copies for p in single),
        "norms",
    )
    return Draft(
        "low",
        INIT,
        "Group norm with one channel for each group",
        (fact,),
        "use groups of at least 8 channels (32 groups in the paper), unless instance norm is meant.",
        "validation error with larger groups, equal steps.",
        limit="A norm between",
    )


def _one_channel_groups(layer: Layer, entered: Shape) -> bool:
    op = layer.op
    return (
        isinstance(op, Norm) and op.kind == "group" and op.groups > 1 and op.groups == (op.features or entered.features)
    )


def few_values(subject: Subject, found: Survey) -> Draft | None:
    """Batch statistics over too few values."""
    counted = [
        (subject.batch * p.entered.count, p)
        for p in found.places
        if isinstance(p.layer.op, Norm) and p.layer.op.kind == "batch" and p.entered.count is not None
    ]
    few = [(n, p) for n, p in counted if n <= SOME]
    if not few:
        return None
    least, place = min(few, key=lambda pair: pair[0])
    error = math.sqrt(2 / (least - 1)) if least > 1 else math.inf
    fact = subject.facts.add(
        f"{sum(p.copies for _, p in few)} batch norms take their statistics over at most {SOME} values, "
        f"{cite(place.layer)} over {least} ({subject.batch} examples x {place.entered.count} positions): "
        + ("the variance of one value is 0" if least == 1 else f"its variance is off by {error:.0%} (one sigma)"),
        "computed",
        least,
        "values",
        "relative error of a variance: sqrt(2/(n-1))",
    )
    grade: Severity = "high" if least == 1 else "medium" if least <= FEW else "low"
    return Draft(
        grade,
        INIT,
        f"Batch statistics over {least} value(s)",
        (fact,),
        "use GroupNorm or LayerNorm, or a larger batch.",
        "loss of the same examples in training and in evaluation mode: they must agree.",
        weight=70 if least == 1 else 1,
        limit="A norm between",
    )
