"""Findings from the structure alone: what stands next to what, and what lies on the skip path."""

from __future__ import annotations

from itertools import pairwise

from kaiming_mcp.architecture.ir import Activation, Conv, Dropout, Layer, Linear, Node, Norm, Residual, walk
from kaiming_mcp.diagnosis import structure, variants
from kaiming_mcp.diagnosis.structure import Chain
from kaiming_mcp.diagnosis.subject import Draft, Subject, course_of
from kaiming_mcp.scaffold import Severity, power

RESIDUAL, SIMPLE = "residual-learning", "simplicity-in-complexity"
PLAIN_FINE, PLAIN_WORSE = 18, 34
"""He et al. 2016 (CVPR), section 4.1: a plain net of 18 layers is still solved, 34 is worse than 18."""


def structure_findings(subject: Subject) -> list[Draft]:
    """All findings that need no number from the trace."""
    found = [
        _deep_plain(subject),
        _post_norm(subject),
        _projection_on_skip(subject),
        _one_layer_branch(subject),
        _linear_pair(subject),
        _bias_before_norm(subject),
        _dropout_before_norm(subject),
        _double_norm(subject),
        _narrow_early(subject),
    ]
    return [draft for draft in found if draft is not None]


def _deep_plain(subject: Subject) -> Draft | None:
    root = subject.network.root
    depth = structure.weighted(root)
    if depth <= PLAIN_FINE or structure.has_skip(root):
        return None
    fact = subject.facts.add(
        f"{depth} weighted layers in a row and no skip{subject.hidden_forward}; plain nets: 18 layers are still "
        "solved, 34 have the higher training error (28.54 against 27.94 top-1)",
        "read",
        depth,
        "layers",
        "He et al. 2016 (ResNet), Table 2",
    )
    skips = course_of(variants.with_skips(subject.network), subject.init, subject.batch)
    if subject.wishes.no_skip:
        return None
    predicted = (
        f"gradient first/last {power(skips.log_backward)} with pre-normalised skips round pairs." if skips else ""
    )
    return Draft(
        "medium" if depth >= PLAIN_WORSE else "low",
        RESIDUAL,
        f"Deep plain stack: {depth} layers without a skip",
        (fact,),
        "only if the test below fails: identity skips round pairs of layers, with the norm inside the branch.",
        "training loss of this depth against its truncation to half, equal steps; the deeper one must not be worse.",
        predicted,
        weight=depth / 100,
        limit="Shallow nets",
    )


def _post_norm(subject: Subject) -> Draft | None:
    found = 0
    kind = ""
    for chain in structure.chains(subject.network.root):
        for i, item in enumerate(chain[:-1]):
            after = chain[i + 1].node
            if isinstance(item.node, Residual) and isinstance(after, Layer) and isinstance(after.op, Norm):
                found += item.copies
                kind = after.op.kind
    if found < 2 or _final_norm_only(subject, found):
        return None
    basis = "assumed" if any("norm" in a.statement for a in subject.network.assumptions) else "read"
    fact = subject.facts.add(
        f"{found} residual sums pass through a {kind} norm after the add: the skip path is not an identity",
        basis,
        found,
        "sums",
    )
    severity: Severity = "low" if subject.wishes.warm_up or found < 12 else "medium"
    return Draft(
        severity,
        RESIDUAL,
        "Post-norm: a normalization stands on the skip path",
        (fact,),
        "move the norm to the start of each branch and add one final norm; or keep it and warm the learning rate up.",
        "gradient norm of the last against the first block at step 0, and the loss over 100 steps with and "
        "without warm-up.",
        weight=found / 100,
        limit="Post-norm",
    )


def _final_norm_only(subject: Subject, found: int) -> bool:
    return found <= 1 and bool(structure.residuals(subject.network.root))


def _projection_on_skip(subject: Subject) -> Draft | None:
    blocks = structure.residuals(subject.network.root)
    total = sum(n for _, n in blocks)
    changing = same = 0
    spoilt: dict[str, int] = {}
    for block, copies in blocks:
        if block.shortcut is None:
            continue
        ops = [layer.op for node, _ in walk(block.shortcut) if isinstance(layer := node, Layer)]
        mixing = [op for op in ops if isinstance(op, Linear | Conv)]
        if any(_changes_size(op) for op in mixing):
            changing += copies
        elif mixing:
            same += copies
        for op in ops:
            if isinstance(op, Activation | Dropout):
                name = op.name if isinstance(op, Activation) else "dropout"
                spoilt[name] = spoilt.get(name, 0) + copies
    if not same and not spoilt:
        if changing:
            subject.facts.add(
                f"{changing} of {total} shortcuts are projections, all where the size changes (option B of the paper)",
                "read",
                changing,
                "shortcuts",
            )
        return None
    what = ", ".join([*([f"projection ({same})"] if same else []), *(f"{k} ({v})" for k, v in spoilt.items())])
    fact = subject.facts.add(
        f"on the skip path of {total} blocks: {what}, where the size does not change; measured at 110 layers: "
        "1x1 convolution 12.22 % error against 6.61 % for the identity, dropout fails",
        "read",
        same + sum(spoilt.values()),
        "shortcuts",
        "He et al. 2016 (Identity Mappings), Table 1",
    )
    return Draft(
        "medium" if total >= 10 else "low",
        RESIDUAL,
        "Multiplicative operations on the skip path",
        (fact,),
        "make every shortcut that keeps its size the identity; project only where the size changes.",
        "product of the scale factors along the longest skip path; training loss with identity shortcuts, equal steps.",
        weight=total / 100,
        limit="Target far from identity",
    )


def _changes_size(op: Linear | Conv) -> bool:
    if isinstance(op, Linear):
        return op.in_features != op.out_features
    return op.in_channels != op.out_channels or any(s != 1 for s in op.stride)


def _one_layer_branch(subject: Subject) -> Draft | None:
    found = 0
    where = ""
    for block, copies in structure.residuals(subject.network.root):
        if structure.weighted(block.branch) == 1 and structure.count(block.branch, Linear, Conv) == 1:
            found += copies
            where = where or block.path
    if not found:
        return None
    fact = subject.facts.add(
        f"{found} residual branches hold a single weighted layer; measured: 9.90 % against 6.61 % error with two",
        "read",
        found,
        "branches",
        "He et al. 2016 (Identity Mappings); ResNet, section 3.2",
    )
    return Draft(
        "low",
        RESIDUAL,
        "One-layer residual branches",
        (fact,),
        "give each branch at least two weighted layers with a nonlinearity between.",
        "training loss of pairs against single layers at equal parameters.",
        weight=found / 100,
    )


def _linear_pair(subject: Subject) -> Draft | None:
    pairs: list[tuple[Layer, Layer]] = []
    for chain in structure.chains(subject.network.root):
        pairs += _pairs(chain)
    if not pairs:
        return None
    first, second = pairs[0]
    hidden = bool(subject.network.assumptions)
    fact = subject.facts.add(
        f"{len(pairs)} pair(s) of linear layers with no nonlinearity between, first `{_name(first)}` then "
        f"`{_name(second)}`{subject.hidden_forward}",
        "read",
        len(pairs),
        "pairs",
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


def _pairs(chain: Chain) -> list[tuple[Layer, Layer]]:
    found: list[tuple[Layer, Layer]] = []
    for i, item in enumerate(chain):
        after = structure.next_active(chain, i)
        if after is None or not (_mixes(item.node) and _mixes(after.node)):
            continue
        first, second = item.node, after.node
        if isinstance(first, Layer) and isinstance(second, Layer) and not _factorised(first.op, second.op):
            found.append((first, second))
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
    found = wasted = 0
    for chain in structure.chains(subject.network.root):
        for i, item in enumerate(chain[:-1]):
            node, after = item.node, chain[i + 1].node
            if not (isinstance(node, Layer) and isinstance(node.op, Linear | Conv) and node.op.bias):
                continue
            if isinstance(after, Layer) and isinstance(after.op, Norm) and after.op.kind in {"batch", "instance"}:
                width = node.op.out_features if isinstance(node.op, Linear) else node.op.out_channels
                found += item.copies
                wasted += width * item.copies
    if not found:
        return None
    fact = subject.facts.add(
        f"{found} layers have a bias right before a batch norm, which subtracts it: {wasted:,} parameters without "
        "effect",
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


def _dropout_before_norm(subject: Subject) -> Draft | None:
    found = 0
    for chain in structure.chains(subject.network.root):
        for i, item in enumerate(chain):
            if not (isinstance(item.node, Layer) and isinstance(item.node.op, Dropout) and item.node.op.p > 0):
                continue
            rest = [n.node for n in chain[i + 1 : i + 4]]
            if any(isinstance(n, Layer) and isinstance(n.op, Norm) and n.op.kind == "batch" for n in rest):
                found += item.copies
    if not found:
        return None
    fact = subject.facts.add(
        f"{found} dropout layers stand before a batch norm: its running variance is learnt with the factor 1/(1-p) "
        "that evaluation does not have",
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
    for chain in structure.chains(subject.network.root):
        for item, after in pairwise(chain):
            both = (item.node, after.node)
            if all(isinstance(n, Layer) and isinstance(n.op, Norm) for n in both):
                found += max(item.copies, 1)
    if not found:
        return None
    fact = subject.facts.add(f"{found} normalizations directly follow another one", "read", found, "layers")
    return Draft(
        "low",
        SIMPLE,
        "Two normalizations in a row",
        (fact,),
        "remove the second; it sees unit variance already.",
        "loss after 100 steps with and without the second, three seeds.",
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
                f"`{_name(layer)}` lets {width} channels through where {reach} numbers come in and "
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


def _name(layer: Layer) -> str:
    return (layer.path or layer.origin.text)[:60]
