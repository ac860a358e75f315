"""Geometric growth: residual sums without norm or scale, batch normalization without skips."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Norm, Residual, layers
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure, variants
from kaiming_mcp.diagnosis.network.subject import BROKEN, Course, Subject, course_of
from kaiming_mcp.diagnosis.network.traced import effect, severity
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
    return Draft(
        severity(here.log_forward) if here.log_forward > BROKEN else "low",
        RESIDUAL,
        "Residual sums without normalization or branch scale",
        (fact,),
        f"multiply each branch by 1/sqrt({copies}) = {scale:.3g} (or 0: SkipInit, zero-init last layer){start}.",
        "std(F(x))/std(x) per block at step 0; it should be well below 1 and sum of squares <= 1.",
        effect(f"branch scale {scale:.3g}", then),
        weight=here.worst,
        limit="No norm and a He branch",
    )


def _normed(block: Residual) -> bool:
    return structure.has_norm(block.branch)


def batch_norm_without_skip(subject: Subject, here: Course) -> Draft | None:
    """Batch normalization in a row without skips: pi/(pi-1) per layer with ReLU."""
    root = subject.network.root
    batch = sum(n for la, n in layers(root) if isinstance(la.op, Norm) and la.op.kind == "batch")
    grown = here.log_free or 0.0
    if batch < MANY_NORMS or structure.has_skip(root) or grown <= BROKEN:
        return None
    per_layer = grown / (here.depth - 1)
    fact = subject.facts.add(
        f"{batch} BatchNorm layers and no skip: the gradient grows x{power(per_layer)} per layer towards "
        f"the input, x{power(grown)} over {here.depth} layers (relative to the signal)",
        "computed",
        math.exp(per_layer),
        "per layer",
        "Yang et al. 2019; ReLU limit pi/(pi-1) = 1.467",
    )
    skips = course_of(variants.with_skips(subject.network, "batch"), subject.init, subject.batch)
    swapped = course_of(variants.with_norm_kind(subject.network, "batch", "layer"), subject.init, subject.batch)
    grade = severity(grown)
    return Draft(
        grade,
        RESIDUAL,
        "Batch normalization without skips: gradients grow towards the input",
        (fact,),
        "add identity skips round pairs of layers"
        + (" (ruled out by your constraint)" if subject.wishes.no_skip else "")
        + ", or replace BatchNorm by LayerNorm; at this depth a small first learning rate hides it."
        if grade != "high"
        else "add identity skips round pairs of layers, or replace BatchNorm by LayerNorm/GroupNorm.",
        "gradient norm of the first and last layer at step 0 in train mode, on one real batch.",
        (effect("pairs wrapped in skips", skips) + " " + effect("LayerNorm instead", swapped)).strip(),
        weight=here.worst,
    )
