"""What the nonlinearity does to the signal: saturation, a scale that no gain holds, no curvature."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Activation
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure, variants
from kaiming_mcp.diagnosis.network.rates import told
from kaiming_mcp.diagnosis.network.subject import Course, Subject, course_of
from kaiming_mcp.diagnosis.network.traced import Effect, gain_candidates, joined, severity, signal_evidence, traced
from kaiming_mcp.diagnosis.principles import INIT
from kaiming_mcp.scaffold import power
from kaiming_mcp.signal.activations import SATURATING, find
from kaiming_mcp.signal.initialization import HE, Initialization
from kaiming_mcp.signal.moments import moments

UNSTABLE = frozenset({"gelu", "gelu_tanh", "quick_gelu", "silu", "mish", "hardswish", "relu2"})
"""Activations whose scale no gain can hold: dV/dq > 1 at the fixed point (principle 2, limits)."""


def saturation(subject: Subject, here: Course) -> Draft | None:
    """Saturating nonlinearities in the hidden layers of a deep stack."""
    act = subject.activation
    if act is None or act.name not in SATURATING or subject.normed:
        return None
    depth = structure.activations(subject.network.root).get(act.name, 0)
    if depth < 3 or (here.healthy and act.name != "sigmoid"):
        return None
    slope = math.exp(moments(act.name, act.parameter, 0.0, 0.0).log_slope)
    fact = subject.facts.add(
        f"{depth} hidden {act.name}: E[phi'²] = {slope:.3g} at unit variance; gradient first/last here "
        f"{power(here.log_backward)}, {told(here.backward, here.log_backward / (here.depth - 1), 'layer')}",
        "computed",
        slope,
        "E[phi'^2]",
        "quadrature",
    )
    best = gain_candidates(subject)[:1]
    kept = traced(subject, f"{act.name} kept, {best[0][0].describe()}", best[0][1]) if best else Effect()
    smooth = subject.wishes.second_derivatives
    new = "tanh" if smooth and act.name != "tanh" else "relu"
    swapped = variants.with_activation(subject.network, act.name, new)
    init = Initialization("xavier", gain=5 / 3) if new == "tanh" else HE
    then = None if smooth and act.name == "tanh" else course_of(swapped, init, subject.batch)
    replaced = traced(subject, f"{new}, {init.describe()}", then)
    # The effect of what is proposed stands first.
    found = joined(replaced, kept) if act.name == "sigmoid" else joined(kept, replaced)
    if act.name == "sigmoid":
        do = f"replace the hidden sigmoids by {new} with {init.describe()}; no gain saves sigmoid at this depth"
    elif smooth:
        do = "keep tanh (second derivatives are needed) and set the gain, or add skips round the layers"
    else:
        do = f"set the gain ({best[0][0].describe()}) first" if best else "set the gain first"
        do += f"; or replace by {new} with {init.describe()}"
    return Draft(
        severity(here.worst),
        INIT,
        f"{act.name} in the hidden layers of a {depth}-layer stack",
        (fact, *found.evidence),
        do + ".",
        "fraction of hidden units with |phi'| < 0.1 of its maximum, and gradient norm per layer, at step 0.",
        found.text,
        weight=here.worst + 1,
        limit="Sigmoid",
    )


def unstable(subject: Subject, here: Course) -> Draft | None:
    """A nonlinearity whose variance map has no stable fixed point, and no norm to hold it."""
    act = subject.activation
    if act is None or act.name not in UNSTABLE or subject.normed or structure.has_skip(subject.network.root):
        return None
    depth = structure.activations(subject.network.root)[act.name]
    if depth < 4:
        return None
    fact = subject.facts.add(_instability(act), "computed", scale_slope(act), "dV/dq", "quadrature")
    then = course_of(variants.with_norm_before_activation(subject.network), subject.init, subject.batch)
    grade = severity(here.worst)
    found = Effect() if subject.wishes.no_norm else traced(subject, "LayerNorm before each", then)
    return Draft(
        "medium" if grade == "low" and depth >= 10 else grade,
        INIT,
        f"{act.name} without normalization: no gain can hold the scale",
        (fact, *signal_evidence(subject)[:2], *found.evidence),
        "put a normalization before each nonlinearity, or use residual blocks with a branch scale."
        if not subject.wishes.no_norm
        else "use residual blocks with a branch scale 1/sqrt(L), or ReLU with He initialization",
        "E[x²] per layer at step 0 for inputs scaled by 0.5, 1 and 2: the three courses diverge.",
        found.text,
        weight=here.worst + 0.5,
        limit="GELU",
    )


def unstable_untraced(subject: Subject) -> list[Draft]:
    """Without a trace the local instability of the activation is still a fact, if nothing holds it."""
    act = subject.activation
    if act is None or act.name not in UNSTABLE or subject.normed or structure.has_skip(subject.network.root):
        return []
    fact = subject.facts.add(_instability(act), "computed", scale_slope(act), "dV/dq", "quadrature")
    return [
        Draft(
            "medium",
            INIT,
            f"{act.name} without normalization: no gain can hold the scale",
            (fact,),
            "put a normalization before each nonlinearity.",
            "E[x²] per layer at step 0 for inputs scaled by 0.5, 1 and 2.",
            limit="GELU",
        )
    ]


def scale_slope(act: Activation) -> float:
    """dV/dq of the variance map at its fixed point q = 1: above 1 no gain holds the scale."""
    step = 1e-4
    up, down = (moments(act.name, act.parameter, 0.0, s * step).log_second for s in (1, -1))
    return (up - down) / (2 * step)


def _instability(act: Activation) -> str:
    m = moments(act.name, act.parameter, 0.0, 0.0)
    return (
        f"{act.name}: with the exact gain {math.exp(-m.log_second / 2):.4f} the variance 1 is an unstable "
        f"fixed point, dV/dq = {scale_slope(act):.3f} > 1"
    )


def no_curvature(subject: Subject) -> Draft | None:
    """ReLU and kin where the goal needs second derivatives."""
    if not subject.wishes.second_derivatives:
        return None
    used = structure.activations(subject.network.root)
    flat = [n for n in used if (f := find(n)) is not None and f.slopes]
    if not flat:
        kept = ", ".join(n for n in used if find(n) is not None)
        if kept:
            subject.facts.add(
                f"the goal needs second derivatives: {kept} has them, ReLU would have none (phi'' = 0 almost everywhere)",
                "stated",
            )
        return None
    fact = subject.facts.add(
        f"{flat[0]} has second derivative 0 almost everywhere, and the goal needs second derivatives",
        "computed",
    )
    return Draft(
        "high",
        INIT,
        f"{flat[0]} where second derivatives are needed",
        (fact,),
        "use a smooth activation (tanh, sin, GELU, softplus); with skips or the right gain for depth.",
        "gradient of the second-derivative term alone with respect to the weights: exactly 0 with this activation.",
        weight=100,
    )
