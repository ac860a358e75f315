"""Findings about weights that start at zero: what only moves later, and what can never move."""

from __future__ import annotations

from itertools import pairwise

from kaiming_mcp.architecture.ir import Activation, Conv, Layer, Linear, Node, Norm, Scale
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.structure import Chain, cite
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.diagnosis.principles import INIT
from kaiming_mcp.signal.initialization import Initialization
from kaiming_mcp.signal.initialization_words import of_layer

SHUT = frozenset({"relu", "relu6", "relu2"})
"""Nonlinearities whose derivative at 0 is 0, as autograd takes it."""


def zero_findings(subject: Subject) -> list[Draft]:
    """All findings about weights that start at zero."""
    found = [_never(subject), _head(subject), _branches(subject)]
    return [draft for draft in found if draft is not None]


def starts_at_zero(init: Initialization, node: Node) -> bool:
    """Whether a linear layer or convolution starts at zero and has no bias that could speak for it."""
    if not isinstance(node, Layer) or not isinstance(node.op, Linear | Conv) or node.op.bias:
        return False
    return of_layer(init, node).scheme == "zero"


def _never(subject: Subject) -> Draft | None:
    """Zeros that no gradient can leave: two factors of one product, or one in front of a nonlinearity that is shut."""
    places = list[str]()
    for chain in structure.chains(subject.network.root):
        places += _pairs(subject.init, chain) + _shut(subject.init, chain)
    for block, _ in structure.residuals(subject.network.root):
        inside = [item.node for item in structure.main_chain(block.branch)]
        last = next((n for n in inside if starts_at_zero(subject.init, n)), None)
        if block.scale == 0 and last is not None:
            places.append(f"the branch scale 0 and {cite(last)}")
    if not places:
        return None
    fact = subject.facts.add(
        f"gradient exactly 0 at step 0 and at every later step: {'; '.join(places[:3])}"
        + (f" and {len(places) - 3} more" if len(places) > 3 else "")
        + " (the gradient of each zero holds the other as a factor)",
        "computed",
        0.0,
        "gradient for ever",
        "chain rule",
    )
    return Draft(
        "high",
        INIT,
        "Zeros that can never leave zero",
        (fact,),
        "start one of the two factors at its usual scale (LoRA: A as a linear layer, B at zero), or remove the nonlinearity "
        "behind the zero layer.",
        "the gradient norm of these weights at step 0 and after 100 steps: exactly 0 both times.",
        weight=len(places),
    )


def _pairs(init: Initialization, chain: Chain) -> list[str]:
    """Zero factors of one chain with nothing between them that gives a number of its own."""
    found = list[str]()
    before: Node | None = None
    for item in chain:
        node = item.node
        zero = starts_at_zero(init, node) or (
            isinstance(node, Layer) and isinstance(node.op, Scale) and node.op.factor == 0
        )
        if zero and before is not None:
            found.append(f"{cite(before)} and {cite(node)}, both 0")
        if zero:
            before = node
        elif not isinstance(node, Layer) or isinstance(node.op, Norm) or getattr(node.op, "bias", False):
            # What has numbers of its own passes them on.
            before = None
    return found


def _shut(init: Initialization, chain: Chain) -> list[str]:
    return [
        f"{cite(item.node)} starts at 0 in front of {after.node.op.name}, whose slope at 0 is 0"
        for item, after in pairwise(chain)
        if starts_at_zero(init, item.node)
        and isinstance(after.node, Layer)
        and isinstance(after.node.op, Activation)
        and after.node.op.name in SHUT
    ]


def _head(subject: Subject) -> Draft | None:
    """A head that starts at zero: by design nothing before it has a gradient at step 0."""
    end = structure.ending(subject.network.root)
    if not subject.opened or end is None:
        return None
    fact = subject.facts.add(
        f"{cite(end.head)} starts at zero: at step 0 the output is constant and every gradient before it is exactly 0, its "
        "own is not; it moves first and the rest from step 1 on. The signal above is that with its framework's default",
        "computed",
        0.0,
        "gradient at step 0",
        "chain rule",
    )
    return Draft(
        "note",
        INIT,
        "The head starts at zero",
        (fact,),
        "keep it; zeros before it at step 0 are no vanishing gradient.",
        "gradient norms at step 0 and at step 1: the head's is not 0 at step 0, the others' are not 0 at step 1.",
    )


def _branches(subject: Subject) -> Draft | None:
    """Branches whose last layer starts at zero: the blocks begin as the identity."""
    count, first = 0, None
    for block, times in structure.residuals(subject.network.root):
        inside = [item.node for item in structure.main_chain(block.branch)]
        last = next((n for n in reversed(inside) if isinstance(n, Layer) and structure.width_in(n.op)), None)
        if isinstance(last, Layer) and of_layer(subject.init, last).scheme == "zero":
            count, first = count + times, first or last
    if first is None:
        return None
    fact = subject.facts.add(
        f"{count} residual branch(es) end in a layer that starts at zero, first {cite(first)}: at step 0 the block is its "
        "shortcut, and the weights before that layer have a gradient of exactly 0 while its own is not 0; from step 1 on "
        "all move",
        "computed",
        count,
        "branches",
        "chain rule",
    )
    return Draft(
        "note",
        INIT,
        "Residual branches that start at zero",
        (fact,),
        "keep it; zeros before it at step 0 are no vanishing gradient.",
        "gradient norms inside a branch at step 0 and at step 1.",
    )
