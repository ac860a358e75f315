"""Findings about neighbours in a chain: linear pairs, idle biases, dropout and norms, bottlenecks."""

from __future__ import annotations

from itertools import pairwise

from kaiming_mcp.architecture.ir import Activation, Conv, Dropout, Layer, Linear, Node, Norm
from kaiming_mcp.architecture.source.remarks import LAST_AXIS
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.stretches import assumed_layers
from kaiming_mcp.diagnosis.network.structure import Chain, cite
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.diagnosis.principles import INIT, SIMPLE


def _linear_pair(subject: Subject) -> Draft | None:
    pairs: list[tuple[Layer, Layer, int]] = []
    for chain in structure.chains(subject.network.root):
        pairs += _pairs(chain)
    if not pairs:
        return None
    first, second, _ = pairs[0]
    count = sum(times for *_, times in pairs)
    hidden = bool(subject.network.assumptions)
    fact = subject.facts.add(
        f"{count} pair(s) of linear layers with no nonlinearity between, first {cite(first)} then "
        f"{cite(second)}{subject.hidden_forward}",
        "read",
        count,
        "pairs",
    )
    if subject.hidden_classes:
        return Draft(
            "note",
            SIMPLE,
            "No nonlinearity is printed between linear layers",
            (fact,),
            "look in the forward(): where one is applied, or where the two stand side by side, nothing is wrong.",
            "replace the pair by their product W2 W1: if the outputs agree to rounding, the pair is one linear layer.",
        )
    return Draft(
        "note" if hidden else "medium",
        SIMPLE,
        "Two linear layers in a row are one linear layer",
        (fact,),
        "merge them, or put the missing nonlinearity between them"
        + ("; if forward() applies one, nothing is wrong." if hidden else "."),
        "replace the pair by their product W2 W1: the outputs agree to rounding.",
    )


def _pairs(chain: Chain) -> list[tuple[Layer, Layer, int]]:
    """Weighted layers with the next active one, where that is weighted too, and how often they stand so."""
    found: list[tuple[Layer, Layer, int]] = []
    for i, item in enumerate(chain):
        after = structure.next_active(chain, i) if item.follows and _mixes(item.node) else None
        if after is None or not _mixes(after.node):
            continue
        first, second = item.node, after.node
        if isinstance(first, Layer) and isinstance(second, Layer) and not _factorised(first.op, second.op):
            found.append((first, second, item.follows))
    return found


def _mixes(node: Node) -> bool:
    return isinstance(node, Layer) and isinstance(node.op, Linear | Conv)


def _factorised(first: object, second: object) -> bool:
    """Depthwise then pointwise, a low-rank bottleneck, or a stem that is cut into patches: on purpose."""
    if isinstance(first, Conv) and isinstance(second, Conv):
        separable = first.groups > 1 or second.groups > 1 or set(first.kernel) != set(second.kernel)
        return separable or first.transposed or second.transposed
    if isinstance(first, Linear) and isinstance(second, Linear):
        return first.out_features < min(first.in_features, second.out_features)
    return False


def _bias_before_norm(subject: Subject) -> Draft | None:
    if any(LAST_AXIS in a.statement for a in subject.network.assumptions):
        # A norm over positions subtracts no bias of a channel.
        return None
    found = wasted = 0
    first: Layer | None = None
    for chain in structure.chains(subject.network.root):
        for i, item in enumerate(chain[:-1]):
            node, after = item.node, chain[i + 1].node
            if not (item.follows and isinstance(node, Layer) and isinstance(node.op, Linear | Conv) and node.op.bias):
                continue
            if isinstance(after, Layer) and isinstance(after.op, Norm) and _per_channel(after.op):
                width = node.op.out_features if isinstance(node.op, Linear) else node.op.out_channels
                first = first or node
                found += item.follows
                wasted += width * item.follows
    if first is None:
        return None
    fact = subject.facts.add(
        f"{found} layers have a bias right before a batch norm, which subtracts it, first {cite(first)}: {wasted:,} "
        "parameters without effect",
        "read",
        wasted,
        "parameters",
    )
    return Draft(
        "low",
        SIMPLE,
        "Bias before batch normalization",
        (fact,),
        "set bias=False on these layers.",
        "the gradient of each of these biases in train mode: zero to rounding.",
    )


def _per_channel(norm: Norm) -> bool:
    """Whether the mean is taken for each channel, so that a bias before it is subtracted again."""
    return norm.kind in {"batch", "instance"} or (norm.kind == "group" and norm.groups == norm.features > 0)


def _dropout_before_norm(subject: Subject) -> Draft | None:
    found, most = 0, 0.0
    first: Layer | None = None
    for chain in structure.chains(subject.network.root):
        for i, item in enumerate(chain):
            if not (isinstance(item.node, Layer) and isinstance(item.node.op, Dropout) and 0 < item.node.op.p < 1):
                continue
            if not item.follows:
                continue
            rest = [n.node for n in chain[i + 1 : i + 4]]
            if any(isinstance(n, Layer) and isinstance(n.op, Norm) and n.op.kind == "batch" for n in rest):
                found += item.follows
                first, most = first or item.node, max(most, item.node.op.p)
    if first is None:
        return None
    fact = subject.facts.add(
        f"{found} dropout layers stand before a batch norm, first {cite(first)}: its running statistics are learnt on "
        f"E[x²]/(1-p), up to x{1 / (1 - most):.3g} of what evaluation has",
        "read",
        found,
        "layers",
    )
    return Draft(
        "low",
        SIMPLE,
        "Dropout before batch normalization",
        (fact,),
        "move dropout behind the last batch norm, or remove it.",
        "training-mode against evaluation-mode loss on the same batch.",
    )


def _double_norm(subject: Subject) -> Draft | None:
    found = 0
    first: tuple[Node, Node] | None = None
    # What a hidden forward() puts between two norms is not printed: printed side by side is not called in a row.
    hidden = assumed_layers(subject.network.root)
    for chain in structure.chains(subject.network.root):
        for i, item in enumerate(chain):
            alone = not (item.follows and _is_norm(item.node)) or id(item.node) in hidden
            after = None if alone else structure.next_after(chain, i, structure.is_idle)
            if after is not None and _is_norm(after.node):
                found += item.follows
                first = first or (item.node, after.node)
    if first is None:
        return None
    fact = subject.facts.add(
        f"{found} normalizations directly follow another one: {cite(first[0])}, then {cite(first[1])}{subject.hidden_forward}",
        "read",
        found,
        "layers",
    )
    return Draft(
        "low",
        SIMPLE,
        "Two normalizations in a row",
        (fact,),
        "remove the second; it sees unit variance already.",
        "loss after 100 steps with and without the second, three seeds.",
    )


def _is_norm(node: Node) -> bool:
    return isinstance(node, Layer) and isinstance(node.op, Norm)


def _norm_after_activation(subject: Subject) -> Draft | None:
    """weight, nonlinearity, batch norm: it works, and costs a little; a note."""
    found = 0
    first: tuple[Layer, Node] | None = None
    for chain in structure.chains(subject.network.root):
        for before, item, after in zip(chain, chain[1:], chain[2:], strict=False):
            act, norm = item.node, after.node
            if not (item.follows and isinstance(act, Layer) and isinstance(act.op, Activation) and _mixes(before.node)):
                continue
            if isinstance(norm, Layer) and isinstance(norm.op, Norm) and norm.op.kind == "batch":
                found += item.follows
                first = first or (act, norm)
    if first is None:
        return None
    fact = subject.facts.add(
        f"{found} batch norms stand behind the nonlinearity, first {cite(first[0])}, then {cite(first[1])}{subject.hidden_forward}",
        "read",
        found,
        "norms",
    )
    return Draft(
        "note",
        INIT,
        "Batch norm behind the nonlinearity",
        (fact,),
        "weight, norm, nonlinearity is the usual order: the norm then fixes the scale that the nonlinearity sees.",
        "validation error in both orders, three seeds; both train.",
        limit="A norm between",
    )


def _narrow_early(subject: Subject) -> Draft | None:
    chain = [
        i.node
        for i in structure.main_chain(subject.network.root)
        if i.copies and isinstance(i.node, Layer) and isinstance(i.node.op, Linear | Conv)
    ]
    for layer, after in pairwise(chain[: max(2, len(chain) // 4 + 1)]):
        width, reach = _width(layer), _reach(layer)
        if len(chain) >= 4 and width * 4 <= min(reach, _width(after)) and width < 16:
            fact = subject.facts.add(
                f"{cite(layer)} lets {width} channels through where {reach} numbers come in and "
                f"{_width(after)} channels follow: a rank of {width} for everything behind it",
                "read",
                width,
                "channels",
            )
            return Draft(
                "low",
                SIMPLE,
                f"A bottleneck of {width} channels at the start",
                (fact,),
                f"widen it to at least {min(reach, _width(after))} channels.",
                "training loss with the wider layer, everything else equal.",
            )
    return None


def _width(layer: Layer) -> int:
    return layer.op.out_features if isinstance(layer.op, Linear) else getattr(layer.op, "out_channels", 0)


def _reach(layer: Layer) -> int:
    if isinstance(layer.op, Linear):
        return layer.op.in_features
    if isinstance(layer.op, Conv):
        size = layer.op.in_channels // layer.op.groups
        for k in layer.op.kernel:
            size *= k
        return size
    return 0


def layer_findings(subject: Subject) -> list[Draft]:
    """All findings about what stands next to what."""
    rules = (_linear_pair, _bias_before_norm, _dropout_before_norm, _double_norm, _norm_after_activation, _narrow_early)
    return [draft for rule in rules if (draft := rule(subject)) is not None]
