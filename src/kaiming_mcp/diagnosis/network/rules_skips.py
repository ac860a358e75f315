"""Findings about the skip path: missing, normed, projected, or round a single layer."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Conv,
    Dropout,
    Layer,
    Linear,
    Norm,
    Op,
    Pool,
    Residual,
    Scale,
    walk,
)
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure, variants
from kaiming_mcp.diagnosis.network.places import survey
from kaiming_mcp.diagnosis.network.rules_postnorm import post_norm
from kaiming_mcp.diagnosis.network.stretches import Run, certain_run, longest_run
from kaiming_mcp.diagnosis.network.structure import cite
from kaiming_mcp.diagnosis.network.subject import Subject, course_of
from kaiming_mcp.diagnosis.network.traced import severity, traced
from kaiming_mcp.diagnosis.principles import RESIDUAL
from kaiming_mcp.scaffold import bounded, power

BARE_STAGE = 8
SKIPS = "skips round pairs"
PLAIN_FINE, PLAIN_WORSE = 18, 34
"""He et al. 2016 (CVPR), section 4.1: a plain net of 18 layers is still solved, 34 is worse than 18."""


def _deep_plain(subject: Subject) -> Draft | None:
    root = subject.network.root
    run, whole = certain_run(root), longest_run(root)
    bridged = structure.has_skip(root)
    if subject.wishes.no_skip or _hides_concatenations(subject):
        return None
    if run.depth <= PLAIN_FINE < whole.depth:
        return _assumed_plain(subject, whole)
    # A head behind the run that is known to be one belongs to it, as nearly certain.
    run = whole if whole.depth < 2 * run.depth else run
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


def _assumed_plain(subject: Subject, run: Run) -> Draft:
    """A deep run that only an assumed order of execution makes: what would settle it comes before any change."""
    where = f" from {cite(run.first)} to {cite(run.last)}" if run.first and run.last else ""
    parts = subject.hidden_classes or "its parts"
    fact = subject.facts.add(
        f"{run.depth} weighted layers in a row{where}, if the forward() of {parts} adds nothing back; the text shows none, "
        "so that no skip can be read or ruled out",
        "assumed",
        run.depth,
        "layers",
    )
    return Draft(
        "low",
        RESIDUAL,
        f"Deep plain stack only if the assumed order holds ({run.depth} layers)",
        (fact,),
        f"change nothing yet: send the forward() of {parts}.",
        "a sum or a concatenation in it, such as x + f(x), ends this finding.",
        weight=run.depth / 100,
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


def _projection_on_skip(subject: Subject) -> Draft | None:
    blocks = structure.residuals(subject.network.root)
    total = sum(n for _, n in blocks)
    changing = same = 0
    spoilt: dict[str, int] = {}
    divided = {id(block) for block, *_ in structure.normed_sums(subject.network.root)}
    for block, copies in blocks:
        # Two linear maps side by side are a parametrisation, such as LoRA, and no block.
        # Nor are two branches, such as attention beside an MLP: a skip holds one projection at most.
        if block.shortcut is None or not structure.count(block.branch, Activation, Norm, Attention):
            continue
        if structure.weighted(block.shortcut) > 1:
            continue
        ops = [layer.op for node, _ in walk(block.shortcut) if isinstance(layer := node, Layer)]
        mixing = [op for op in ops if isinstance(op, Linear | Conv)]
        if mixing and any(_changes_size(op) for op in ops):
            changing += copies
            continue
        if mixing:
            same += copies
        for op in ops:
            constant = isinstance(op, Scale) and op.factor != 1 and id(block) not in divided
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


def _changes_size(op: Op) -> bool:
    match op:
        case Linear():
            return op.in_features != op.out_features
        case Conv():
            return op.in_channels != op.out_channels or any(s != 1 for s in op.stride)
        case Pool():
            return any(s != 1 for s in op.stride or op.kernel)
        case _:
            return False


def _one_layer_branch(subject: Subject) -> Draft | None:
    found = 0
    where = ""
    for block, copies in structure.residuals(subject.network.root):
        nested = isinstance(structure.only(block.branch), Residual)
        if not nested and structure.weighted(block.branch) == 1 and structure.count(block.branch, Linear, Conv) == 1:
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


def _twice(subject: Subject) -> Draft | None:
    """x + (x + F(x)): the identity is added once more than it should be."""
    found = [
        (block, n)
        for block, n in structure.residuals(subject.network.root)
        if block.shortcut is None
        and isinstance(structure.only(block.branch), Residual)
        and getattr(structure.only(block.branch), "shortcut", block) is None
    ]
    count = sum(n for _, n in found)
    if not count:
        return None
    fact = subject.facts.add(
        f"{count} sum(s) add the skip to a sum that holds it already, first round {cite(found[0][0])}: the identity path "
        f"carries x2 each, x{power(count * math.log(2))} over all, and its E[x²] x4",
        "computed",
        bounded(count * math.log(2)),
        "of the skip path",
        "x + (x + F(x)) = 2x + F(x)",
    )
    then = course_of(variants.without_second_skips(subject.network), subject.init, subject.batch)
    effect = traced(subject, "each skip added once", then)
    return Draft(
        severity(count * math.log(4)),
        RESIDUAL,
        "The skip is added twice",
        (fact, *effect.evidence),
        "add the skip once.",
        "E[x²] of the trunk per block at step 0: x4 and more where the skip is added twice.",
        effect.text,
        weight=count,
    )


def skip_findings(subject: Subject) -> list[Draft]:
    """All findings about the skip path that need no number from the trace."""
    rules = (_twice, _deep_plain, post_norm, _projection_on_skip, _one_layer_branch)
    return [draft for rule in rules if (draft := rule(subject)) is not None]
