"""Findings about a norm behind the sum, with a constant on the skip (DeepNorm) and without."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Layer, NormKind, Residual, Scale
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure, variants
from kaiming_mcp.diagnosis.network.subject import Subject, course_of
from kaiming_mcp.diagnosis.network.traced import traced
from kaiming_mcp.diagnosis.principles import RESIDUAL
from kaiming_mcp.scaffold import Severity, power


def post_norm(subject: Subject) -> Draft | None:
    """Residual sums that a norm follows, so that the skip path is no identity."""
    sums = structure.normed_sums(subject.network.root)
    found, kind = sum(n for *_, n in sums), sums[-1][1] if sums else ""
    if found < 2:
        return None
    scaled = _scaled_skips(sums)
    if scaled:
        return _deepnorm(subject, sums, scaled)
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


def _constant(block: Residual) -> float:
    """The constant that a shortcut is, or that makes the branch as much smaller; 1 for any other."""
    only = structure.only(block.shortcut) if block.shortcut is not None else None
    return only.op.factor if isinstance(only, Layer) and isinstance(only.op, Scale) else 1.0


def _scaled_skips(sums: list[tuple[Residual, NormKind, int]]) -> float:
    """The constant above 1 that every normed sum multiplies its skip by; 0 where they do not."""
    constants = {_constant(block) for block, *_ in sums}
    return constants.pop() if len(constants) == 1 and min(constants) > 1 else 0.0


def _deepnorm(subject: Subject, sums: list[tuple[Residual, NormKind, int]], alpha: float) -> Draft:
    """norm(alpha x + F(x)): the norm divides the constant out, so that the skip keeps more of the identity."""
    count = max(sum(n for *_, n in sums), len(sums))
    # The last sum has no follower of its own kind in a repeated body.
    layers = round(sum(n for _, n in structure.residuals(subject.network.root)) / 2)
    meant, beta = (2 * layers) ** 0.25, (8 * layers) ** -0.25
    fact = subject.facts.add(
        f"{count} post-norm sums multiply their skip by {alpha:.4g}, which the norm divides out again"
        + _kept(subject, count * math.log(alpha))
        + f"; DeepNorm's constants for {layers} layers of two sums are alpha (2N)^(1/4) = {meant:.4g} and beta (8N)^(-1/4) = "
        f"{beta:.4g}, the gain of the branches' weights (value, output and feed-forward)",
        "computed",
        alpha,
        "on the skip path",
        "Wang et al. 2022 (DeepNet), table 1",
    )
    return Draft(
        "note" if abs(math.log(alpha / meant)) < math.log(1.1) else "low",
        RESIDUAL,
        "Post-norm with a scaled skip (DeepNorm)",
        (fact,),
        f"keep alpha near {meant:.4g} on x, not on F(x), and draw the branches' weights with gain {beta:.4g}.",
        "the loss over 100 steps with and without warm-up, three seeds.",
        weight=count / 1000,
    )


def _kept(subject: Subject, log_constants: float = 0.0) -> str:
    """What the norms leave of the identity, from the sums that they divide and the constants on the skip."""
    sums = [s for s in subject.stations if s.kind == "sum"]
    if subject.course is None or not sums:
        return ""
    left = log_constants - 0.5 * sum(s.state.log_q for s in sums)
    return f"; together they multiply {'the identity' if log_constants else 'it'} by {power(left)}"
