"""Findings about attention scores: a softmax that starts saturated."""

from __future__ import annotations

import math
from dataclasses import replace

from kaiming_mcp.architecture.ir import Attention, Layer, Linear, Network, Node, layers
from kaiming_mcp.architecture.rewrite import transform
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network.structure import cite
from kaiming_mcp.diagnosis.network.subject import Subject, course_of
from kaiming_mcp.diagnosis.network.traced import traced
from kaiming_mcp.diagnosis.principles import INIT
from kaiming_mcp.scaffold import Severity, number
from kaiming_mcp.signal.initialization import variances
from kaiming_mcp.signal.initialization_words import of_layer
from kaiming_mcp.signal.rules.attention import ASSUMED_HEAD, packed_variance, participation, score_variance

WIDE, WIDER = 3.0, 5.0
"""Standard deviation of a score from which a softmax over many tokens leans on few of them."""
TOKENS = 64


def attention_findings(subject: Subject) -> list[Draft]:
    """How packed projections start, and scores that are multiplied by too much."""
    return [*_packed(subject), *_wide_scores(subject)]


def _packed(subject: Subject) -> list[Draft]:
    """Query, key and value in one matrix, whose fan_out Glorot counts three times over."""
    found = [
        (layer, layer.op, n)
        for layer, n in layers(subject.network.root)
        if isinstance(layer.op, Attention) and layer.op.packed and of_layer(subject.init, layer).scheme == "xavier"
    ]
    if not found:
        return []
    layer, op, _ = found[0]
    init, d = of_layer(subject.init, layer), op.features
    packed, apart = packed_variance(init, d) / d, variances(init, Linear(d, d, False))[0] / d
    if not apart or abs(packed / apart - 1) < 0.1:
        return []
    fact = subject.facts.add(
        f"{sum(n for *_, n in found)} attention layer(s) hold query, key and value in one {3 * d} x {d} matrix, first "
        f"{cite(layer)}: Glorot counts its fan_out as {3 * d}, so Var[w] = {packed:.4g} instead of the {apart:.4g} of three "
        f"separate {d} x {d} matrices, x{packed / apart:.4g}; scores get the square of that, values the factor itself",
        "computed",
        packed / apart,
        "of the variance",
        "Glorot and Bengio 2010; torch.nn.MultiheadAttention draws in_proj_weight as one",
    )
    return [
        Draft(
            "note",
            INIT,
            "Packed query, key and value start with half the variance",
            (fact,),
            f"only if separate matrices are the reference: xavier_uniform_(in_proj_weight, gain={(apart / packed) ** 0.5:.4g}).",
            "in_proj_weight.var() at step 0 against q_proj.weight.var() of the separate form.",
        )
    ]


def _wide_scores(subject: Subject) -> list[Draft]:
    """Scores that are multiplied by more than 1/sqrt(head width), where the text itself says so."""
    found = [
        (math.sqrt(score_variance(op, of_layer(subject.init, layer))), layer, op, n)
        for layer, n in layers(subject.network.root)
        # What a known family does with its scores, it makes good in its weights.
        if isinstance(op := layer.op, Attention) and op.scale and layer.basis == "read" and layer.origin.line
    ]
    wide = [row for row in found if row[0] > WIDE and row[2].scale > 1.1 * _usual(row[2])]
    if not wide:
        return []
    spread, layer, op, _ = max(wide, key=lambda row: row[0])
    count, usual = sum(row[3] for row in wide), _usual(op)
    fitting = spread * usual / op.scale
    tokens = (subject.network.input.count if subject.network.input is not None else None) or TOKENS
    fact = subject.facts.add(
        f"{count} attention layer(s) multiply their scores by {op.scale:.4g}, first {cite(layer)}, head width "
        f"{usual**-2:.4g}: for inputs of unit variance a score has std {number(spread)} instead of {number(fitting)}, and the "
        f"squared weights over {tokens} tokens sum to {number(participation(spread**2, tokens))} instead of "
        f"{number(participation(fitting**2, tokens))} (1: one token takes all, and softmax passes no gradient to the scores)",
        "computed",
        spread,
        "std of the scores",
        "Vaswani et al. 2017, section 3.2.1",
    )
    then = course_of(_scaled(subject.network), subject.init, subject.batch) if subject.course is not None else None
    effect = traced(subject, "scores times 1/sqrt(head width)", then)
    grade: Severity = "medium" if spread > WIDER else "low"
    return [
        Draft(
            grade,
            INIT,
            "Attention scores without 1/sqrt(head width)",
            (fact, *effect.evidence),
            f"multiply the scores by 1/sqrt({usual**-2:.4g}) = {usual:.4g} before the softmax, or draw query and key weights "
            "that much smaller.",
            "mean of the largest attention weight at step 0, over queries and heads.",
            f"std of the scores {number(fitting)} instead of {number(spread)} [{fact}]. {effect.text}".strip(),
            weight=spread,
        )
    ]


def _usual(op: Attention) -> float:
    """1/sqrt(head width)."""
    return (op.features / op.heads if op.heads else ASSUMED_HEAD) ** -0.5


def _scaled(network: Network) -> Network:
    def change(node: Node) -> Node:
        if isinstance(node, Layer) and isinstance(node.op, Attention) and node.op.scale:
            return replace(node, op=replace(node.op, scale=0.0))
        return node

    return replace(network, root=transform(network.root, change))
