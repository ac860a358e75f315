"""Findings about the skip path: missing, normed, projected, or round a single layer."""

from __future__ import annotations

from kaiming_mcp.architecture.ir import Activation, Conv, Dropout, Layer, Linear, Norm, Residual, Scale, walk
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure, variants
from kaiming_mcp.diagnosis.network.places import survey
from kaiming_mcp.diagnosis.network.stretches import Run, longest_run
from kaiming_mcp.diagnosis.network.structure import cite
from kaiming_mcp.diagnosis.network.subject import Subject, course_of
from kaiming_mcp.diagnosis.network.traced import traced
from kaiming_mcp.diagnosis.principles import RESIDUAL
from kaiming_mcp.scaffold import Severity, power

BARE_STAGE = 8
SKIPS = "skips round pairs"
PLAIN_FINE, PLAIN_WORSE = 18, 34
"""He et al. 2016 (CVPR), section 4.1: a plain net of 18 layers is still solved, 34 is worse than 18."""


def _deep_plain(subject: Subject) -> Draft | None:
    root = subject.network.root
    run = longest_run(root)
    bridged = structure.has_skip(root)
    if subject.wishes.no_skip or _hides_concatenations(subject):
        return None
    if run.depth <= PLAIN_FINE:
        return _bare_stage(subject, run) if bridged else None
    where = f" from {cite(run.first)} to {cite(run.last)}" if run.first and run.last else ""
    fact = subject.facts.add(
        f"{run.depth} weighted layers in a row and no skip{subject.hidden_forward}{where}, {run.kept} of equal width and size; "
        "plain nets of 18 layers were still solved, of 34 worse in training (28.54 against 27.94)",
        "read",
        run.depth,
        "layers",
        "He et al. 2016 (ResNet), Table 2",
    )
    known = any(SKIPS in f.statement for f in subject.facts.items)
    followed = subject.course is not None and not bridged and not known
    skips = course_of(variants.with_skips(subject.network), subject.init, subject.batch) if followed else None
    predicted = traced(subject, f"pre-normalised {SKIPS}", skips)
    return Draft(
        "medium" if run.depth >= PLAIN_WORSE else "low",
        RESIDUAL,
        f"Deep plain stack: {run.depth} layers without a skip",
        (fact, *predicted.evidence),
        "only if the test below fails: identity skips round pairs of layers, with the norm inside the branch.",
        "training loss of this depth against its truncation to half, equal steps; the deeper one must not be worse.",
        predicted.text,
        weight=run.depth / 100,
        limit="Shallow nets",
    )


def _bare_stage(subject: Subject, run: Run) -> Draft | None:
    """Layers round which the identity would fit, in a network that has skips elsewhere."""
    sums = sum(n for _, n in structure.residuals(subject.network.root))
    if sums < 2 or run.kept < BARE_STAGE or run.first is None or run.last is None:
        return None
    fact = subject.facts.add(
        f"{run.depth} weighted layers without a skip from {cite(run.first)} to {cite(run.last)}{subject.hidden_forward}, "
        f"{run.kept} of equal width and size, beside {sums} residual sums elsewhere",
        "read",
        run.depth,
        "layers",
    )
    return Draft(
        "low",
        RESIDUAL,
        f"A stage of {run.depth} layers without a skip",
        (fact,),
        "put identity skips round pairs of these layers, as in the other stages, or say why they need none.",
        "training loss with these skips added, equal steps.",
        weight=run.depth / 100,
        limit="Shallow nets",
    )


def _hides_concatenations(subject: Subject) -> bool:
    """Whether decoder layers take twice what arrives: skips that the text does not show."""
    doubled = [m for m in survey(subject.network).misfits if m.arrived and m.expected == 2 * m.arrived]
    return bool(doubled) and bool(subject.network.assumptions)


def _post_norm(subject: Subject) -> Draft | None:
    found = 0
    kind = ""
    for chain in structure.chains(subject.network.root):
        for i, item in enumerate(chain[:-1]):
            after = chain[i + 1].node
            if isinstance(item.node, Residual) and isinstance(after, Layer) and isinstance(after.op, Norm):
                found += item.follows
                kind = after.op.kind
    if found < 2:
        return None
    basis = "assumed" if any("norm" in a.statement for a in subject.network.assumptions) else "read"
    fact = subject.facts.add(
        f"{found} residual sums pass through a {kind} norm after the add: the skip path is not an identity"
        + _kept(subject),
        basis,
        found,
        "sums",
        letter="F",
    )
    wishes = subject.wishes
    severity: Severity = "low" if wishes.warm_up or found < 12 else "medium"
    said = ()
    if wishes.symptom and not wishes.warm_up:
        severity = "high" if wishes.no_warm_up else "medium"
        said = (
            subject.facts.add(
                f'the goal says "{wishes.symptom}"; post-norm is known to need warm-up, since the gradients near its '
                "output are large at the start",
                "stated",
                source="Xiong et al. 2020",
            ),
        )
    own = variants.with_own_weights(subject.network)
    copied = own != subject.network
    then = course_of(variants.with_pre_norm(own), subject.init, subject.batch) if subject.course is not None else None
    effect = traced(subject, "pre-norm" + (", each layer its own draw" if copied else ""), then)
    return Draft(
        severity,
        RESIDUAL,
        "Post-norm without warm-up" if wishes.no_warm_up else "Post-norm: a normalization stands on the skip path",
        (fact, *said, *effect.evidence),
        "warm the learning rate up (the code stays as it is); or move the norm to the start of each branch and add one "
        "final norm."
        if said
        else "move the norm to the start of each branch and add one final norm; or keep it and warm the learning rate up.",
        "the loss over 100 steps with and without warm-up, three seeds; gradient norm of the last against the first "
        "block at step 0.",
        effect.text,
        weight=found / 100,
        limit="Post-norm",
    )


def _kept(subject: Subject) -> str:
    """What the norms leave of the identity, from the sums that they divide."""
    sums = [s for s in subject.stations if s.kind == "sum"]
    if subject.course is None or not sums:
        return ""
    return f"; together they multiply it by {power(-0.5 * sum(s.state.log_q for s in sums))}"


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
            constant = isinstance(op, Scale) and op.factor != 1
            if isinstance(op, Activation | Dropout) or constant:
                name = op.name if isinstance(op, Activation) else "constant" if constant else "dropout"
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


def skip_findings(subject: Subject) -> list[Draft]:
    """All findings about the skip path that need no number from the trace."""
    rules = (_deep_plain, _post_norm, _projection_on_skip, _one_layer_branch)
    return [draft for rule in rules if (draft := rule(subject)) is not None]
