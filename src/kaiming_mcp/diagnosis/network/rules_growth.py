"""Geometric growth: residual sums without norm or scale, batch normalization without skips."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Norm, Residual, layers
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure, variants
from kaiming_mcp.diagnosis.network.stretches import certain_run
from kaiming_mcp.diagnosis.network.subject import BROKEN, Course, Subject, course_of
from kaiming_mcp.diagnosis.network.traced import joined, severity, traced
from kaiming_mcp.diagnosis.principles import RESIDUAL
from kaiming_mcp.scaffold import power

MANY_NORMS = 8
"""Batch norms in a row below which 1.467 per layer stays within a factor of 20."""


def residual_growth(subject: Subject, here: Course) -> Draft | None:
    """Residual sums whose branches are neither normed nor scaled."""
    blocks = structure.residuals(subject.network.root)
    bare = [(b, n) for b, n in blocks if not _normed(b) and b.scale == 1]
    copies = sum(n for _, n in bare)
    if copies < 2 or here.log_forward <= math.log(2) or subject.normed:
        return None
    per_block = here.log_forward / max(here.depth - 1, 1)
    if here.forward.log_step is not None:
        per_block = here.forward.log_step
    scale = 1 / math.sqrt(copies)
    then = course_of(variants.with_branch_scale(subject.network, scale), subject.init, subject.batch)
    drift = subject.stations[-1].state.mean ** 2
    fact = subject.facts.add(
        f"{copies} residual sums without norm or scale: E[x²] grows x{power(per_block)} per block, "
        f"x{power(here.log_forward)} over {here.depth} blocks"
        + (f"; {drift:.0%} of it is a common mean (branch ends in a nonlinearity)" if drift > 0.2 else ""),
        "computed",
        math.exp(min(per_block, 300)),
        "per block",
        "E[x_L²] = prod(1 + a²)",
    )
    start = "" if subject.wishes.no_norm else " or start each branch with a normalization"
    found = traced(subject, f"branch scale {scale:.3g}", then)
    if not subject.wishes.no_norm:
        normed = course_of(variants.with_norm_in_branches(subject.network), subject.init, subject.batch)
        found = joined(found, traced(subject, "LayerNorm at the start of each branch", normed))
    return Draft(
        severity(here.log_forward) if here.log_forward > BROKEN else "low",
        RESIDUAL,
        "Residual sums without normalization or branch scale",
        (fact, *found.evidence),
        f"multiply each branch by 1/sqrt({copies}) = {scale:.3g} (or 0: SkipInit, zero-init last layer){start}.",
        "std(F(x))/std(x) per block at step 0; it should be well below 1 and sum of squares <= 1.",
        found.text,
        weight=here.worst,
        limit="No norm and a He branch",
    )


def _normed(block: Residual) -> bool:
    return structure.has_norm(block.branch)


def batch_norm_without_skip(subject: Subject, here: Course) -> Draft | None:
    """Batch normalization in a row without skips: pi/(pi-1) per layer with ReLU."""
    network, root = subject.network, subject.network.root
    batch = sum(n for la, n in layers(root) if isinstance(la.op, Norm) and la.op.kind == "batch")
    grown = here.log_free or 0.0
    if batch < MANY_NORMS or structure.has_skip(root) or grown <= BROKEN:
        return None
    per_layer = grown / (here.depth - 1)
    if here.backward.log_step is not None and here.forward.log_step is not None:
        per_layer = here.backward.log_step - here.forward.log_step
    act = subject.activation
    known = " (of batch norm with ReLU: pi/(pi-1) = 1.467)" if act and act.name == "relu" else ""
    if certain_run(root).depth < MANY_NORMS and subject.hidden_classes:
        return _assumed_growth(subject, batch, per_layer)
    fact = subject.facts.add(
        f"{batch} BatchNorm layers and no skip: the gradient grows x{power(per_layer)} per layer towards the input{known}; "
        "no gain acts on it, the norm divides it out",
        "computed",
        math.exp(per_layer),
        "per layer",
        "Yang et al. 2019",
    )
    changes = [
        (
            "replace BatchNorm by LayerNorm or GroupNorm",
            "LayerNorm",
            variants.with_norm_kind(network, "batch", "layer"),
        ),
        ("put identity skips round pairs of layers", "skips round pairs", variants.with_skips(network, "batch")),
    ][: 1 if subject.wishes.no_skip else 2]
    courses = [(do, name, course_of(changed, subject.init, subject.batch)) for do, name, changed in changes]
    courses.sort(key=lambda row: math.inf if row[2] is None else row[2].worst)
    found = joined(*(traced(subject, name, then) for _, name, then in courses))
    return Draft(
        severity(grown),
        RESIDUAL,
        "Batch normalization without skips: gradients grow towards the input",
        (fact, *found.evidence),
        ", or ".join(do for do, *_ in courses) + ".",
        "gradient norm of the first and last layer at step 0 in train mode, on one real batch.",
        found.text,
        weight=here.worst,
    )


def _assumed_growth(subject: Subject, batch: int, per_layer: float) -> Draft:
    """The same where no part is known to run its layers one after another."""
    parts = subject.hidden_classes
    fact = subject.facts.add(
        f"{batch} BatchNorm layers: if the forward() of {parts} adds nothing back, the gradient grows x{power(per_layer)} "
        "per layer towards the input; the text shows none, so that no skip can be read or ruled out",
        "assumed",
        math.exp(per_layer),
        "per layer",
        "Yang et al. 2019",
    )
    return Draft(
        "low",
        RESIDUAL,
        "Batch normalization without skips, if the assumed order holds",
        (fact,),
        f"change nothing yet: send the forward() of {parts}.",
        "a sum or a concatenation in it, such as x + f(x), ends this finding.",
        weight=math.log1p(batch) / 100,
    )
