"""Findings about what a residual sum adds and what is done to it: activation, scale, a branch of one sign."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from kaiming_mcp.architecture.ir import Activation, Layer, Network, Node, Norm, Residual, Scale, Sequence
from kaiming_mcp.architecture.rewrite import transform
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure, variants
from kaiming_mcp.diagnosis.network.losses import RANGES
from kaiming_mcp.diagnosis.network.structure import Item, cite
from kaiming_mcp.diagnosis.network.subject import BROKEN, Subject, course_of
from kaiming_mcp.diagnosis.network.traced import severity, traced
from kaiming_mcp.diagnosis.principles import RESIDUAL
from kaiming_mcp.scaffold import Severity, bounded, number, power

DEEP, DEEPER, DEEPEST = 16, 50, 200
"""Sums from which an activation after the add is worth a note, a low and a medium finding: at 54 sums it costs
0.24 points of error, at 333 it costs 2.7 (He et al. 2016, Identity Mappings, Tables 2 and 3)."""
MANY = 8
FADED = math.log(10)
"""A product of the factors on the skip path beyond 10 or below 0.1 (principle 1, question 3)."""


def sum_findings(subject: Subject) -> list[Draft]:
    """All findings about residual sums."""
    rules = (_scaled, _one_sign, _activation_after, _final_norm)
    return [draft for rule in rules if (draft := rule(subject)) is not None]


def _after_sums(subject: Subject, kind: type) -> list[tuple[Item, Layer]]:
    """Residual sums with the layer of that kind that directly follows them."""
    found: list[tuple[Item, Layer]] = []
    for chain in structure.chains(subject.network.root):
        for item, after in pairwise(chain):
            summed = item.follows and isinstance(item.node, Residual)
            if summed and isinstance(after.node, Layer) and isinstance(after.node.op, kind):
                found.append((item, after.node))
    return found


def _scaled(subject: Subject) -> Draft | None:
    """Sums multiplied by a constant: the skip path becomes a product again."""
    found = [
        (item, la)
        for item, la in _after_sums(subject, Scale)
        if isinstance(la.op, Scale) and la.op.factor not in (0, 1)
    ]
    factors = [(la.op.factor, item.follows) for item, la in found if isinstance(la.op, Scale)]
    if not factors:
        return None
    count = sum(n for _, n in factors)
    log_path = sum(n * math.log(abs(f)) for f, n in factors)
    here = subject.course
    broken = here is not None and not subject.normed and abs(here.log_forward) > BROKEN
    fact = subject.facts.add(
        f"{count} residual sum(s) are multiplied by a constant, first {cite(found[0][1])} ({factors[0][0]:.4g}): the skip "
        f"path carries x{power(log_path)} over all of them"
        + (f", E[x²] last/first is {power(here.log_forward)}" if here is not None else ""),
        "computed",
        bounded(log_path),
        "of the skip path",
    )
    held = course_of(_with_sum_scale(subject.network, math.sqrt(0.5)), subject.init, subject.batch) if broken else None
    found = traced(subject, "factor 1/sqrt(2)", held)
    if broken and here is not None:
        grade: Severity = severity(here.log_forward)
        remedy = (
            "multiply a sum of two independent signals of unit variance by 1/sqrt(2) = 0.7071, or normalise the branch"
        )
    else:
        grade = "low" if abs(log_path) > FADED else "note"
        remedy = "keep the identity on the skip and scale the branch instead (1/sqrt(L), or zero-init its last layer)"
    return Draft(
        grade,
        RESIDUAL,
        "Residual sums multiplied by a constant",
        (fact, *found.evidence),
        f"{remedy}.",
        "product of the factors on the longest skip path, and E[x²] per block at step 0.",
        found.text,
        weight=abs(log_path) / 100,
        limit="No norm and a He branch",
    )


def _with_sum_scale(network: Network, factor: float) -> Network:
    def change(node: Node) -> Node:
        if not isinstance(node, Sequence):
            return node
        inner = list(node.children)
        for i, (before, after) in enumerate(pairwise(inner)):
            if isinstance(before, Residual) and isinstance(after, Layer) and isinstance(after.op, Scale):
                inner[i + 1] = replace(after, op=Scale(factor))
        return replace(node, children=tuple(inner))

    return replace(network, root=transform(network.root, change))


def _one_sign(subject: Subject) -> Draft | None:
    """Normed branches that end in a nonlinearity without negative values: the trunk can only grow."""
    if not subject.normed:
        return None
    ends = [
        (end, n) for block, n in structure.residuals(subject.network.root) if (end := _branch_end(block)) is not None
    ]
    count = sum(n for _, n in ends)
    if not count:
        return None
    last = subject.stations[-1] if subject.course is not None else None
    drift = last.state.mean**2 if last is not None and last.kind == "sum" else None
    fact = subject.facts.add(
        f"{count} residual branches end in a nonlinearity that is never negative, first {cite(ends[0][0])}: every add moves "
        "the mean of the trunk up"
        + (f"; {drift:.0%} of E[x²] at the last sum is that common mean" if drift is not None else "")
        + "; measured at 110 layers: ReLU before the add 7.84 % error against 6.61 %",
        "computed" if drift is not None else "read",
        drift if drift is not None else count,
        "common mean" if drift is not None else "branches",
        "He et al. 2016 (Identity Mappings), Table 2",
    )
    then = course_of(_with_open_branches(subject.network), subject.init, subject.batch)
    found = traced(subject, "without the last nonlinearity of each branch", then)
    return Draft(
        "medium" if count >= MANY else "low",
        RESIDUAL,
        "Residual branches that are never negative",
        (fact, *found.evidence),
        "end the branch with its norm or its weighted layer (nonlinearity after the norm at its start), and start the last "
        "norm at gamma = 0.",
        "mean of the trunk over its standard deviation, per block, at step 0.",
        found.text,
        weight=count / 100,
    )


def _branch_end(block: Residual) -> Layer | None:
    for item in reversed(structure.main_chain(block.branch)):
        if structure.is_passive(item.node):
            continue
        node = item.node
        positive = (
            isinstance(node, Layer) and isinstance(node.op, Activation) and RANGES.get(node.op.name, (-1, 0))[0] == 0
        )
        return node if positive and isinstance(node, Layer) else None
    return None


def _with_open_branches(network: Network) -> Network:
    def change(node: Node) -> Node:
        end = _branch_end(node) if isinstance(node, Residual) else None
        if not isinstance(node, Residual) or not isinstance(node.branch, Sequence) or end is None:
            return node
        return replace(
            node, branch=replace(node.branch, children=tuple(c for c in node.branch.children if c is not end))
        )

    return replace(network, root=transform(network.root, change))


def _activation_after(subject: Subject) -> Draft | None:
    """x' = phi(x + F): the skip path is no identity; what that costs grows with depth."""
    found = [(item, la) for item, la in _after_sums(subject, Activation) if "softmax" not in getattr(la.op, "name", "")]
    count = sum(item.follows for item, _ in found)
    if count < DEEP:
        return None
    first = found[0][0].node
    fact = subject.facts.add(
        f"{count} residual sums pass through a nonlinearity after the add, first {cite(found[0][1])}; measured: inside the "
        "branch instead 6.61 % to 6.37 % error at 110 layers, 7.61 % to 4.92 % at 1001",
        "assumed" if isinstance(first, Residual) and first.basis == "assumed" else "read",
        count,
        "sums",
        "He et al. 2016 (Identity Mappings), Tables 2 and 3",
        letter="F",
    )
    then = course_of(variants.with_pre_activation(subject.network), subject.init, subject.batch)
    moved = traced(subject, "nonlinearity moved into the branch", then)
    return Draft(
        "note" if count < DEEPER else "low" if count < DEEPEST else "medium",
        RESIDUAL,
        "A nonlinearity after every add",
        (fact, *moved.evidence),
        "full pre-activation (norm, nonlinearity, weight) inside the branch, nothing after the add; it pays beyond about "
        f"{DEEPER} blocks.",
        "training loss over the first epoch in both forms, equal steps.",
        moved.text,
        weight=count / 1000,
    )


def _final_norm(subject: Subject) -> Draft | None:
    """A trunk of pre-norm blocks whose sum reaches the head without a norm."""
    chain = structure.main_chain(subject.network.root)
    sums = [i for i, item in enumerate(chain) if isinstance(item.node, Residual)]
    pre = [i for i in sums if _starts_with_norm(chain[i].node)]
    count = sum(chain[i].copies for i in pre)
    if count < 4 or not pre or pre[-1] != sums[-1]:
        return None
    rest = [item.node for item in chain[pre[-1] + 1 :]]
    head = next((n for n in rest if isinstance(n, Layer) and structure.width_in(n.op)), None)
    before = rest[: rest.index(head)] if head is not None else rest
    if any(isinstance(n, Layer) and isinstance(n.op, Norm) for n in before) or not all(
        isinstance(n, Layer) for n in before
    ):
        return None
    traced = subject.course is not None and subject.stations[-1].kind == "sum"
    trunk = subject.stations[-1].state.log_q if traced else math.log1p(count)
    assumed = bool(subject.network.assumptions)
    fact = subject.facts.add(
        f"{count} pre-norm sums and no norm after the last: "
        + (f"{cite(head)} gets" if head is not None else "what follows gets")
        + f" the bare trunk, E[x²] = {power(trunk)}"
        + ("" if traced else " (1 + L for unit branches)"),
        "computed",
        bounded(trunk),
        "second moment of the trunk",
    )
    grade: Severity = "note" if head is None else "low" if assumed or count < 12 or trunk < math.log(2) else "medium"
    return Draft(
        grade,
        RESIDUAL,
        "No final norm after a pre-norm trunk",
        (fact,),
        "put one normalization between the last sum and the head" + (" (unless forward() does)." if assumed else "."),
        "standard deviation of the logits at step 0, against that of a network of half the depth: they must agree.",
        f"E[x²] before the head 1 instead of {number(bounded(trunk))} [{fact}]." if head is not None else "",
        weight=0.5,
    )


def _starts_with_norm(node: Node) -> bool:
    if not isinstance(node, Residual):
        return False
    first = next((i.node for i in structure.main_chain(node.branch) if not structure.is_passive(i.node)), None)
    return isinstance(first, Layer) and isinstance(first.op, Norm)
