"""Findings from the computed signal: scale lost or gained, forward or backward, and by what.

One mechanism is named for each network: residual growth, batch normalization without skips,
saturation, an unstable activation, or a gain that does not fit. Each remedy is traced on the same
network, so that its predicted effect is a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from kaiming_mcp.architecture.ir import Activation, Conv, Linear, Norm, Residual, layers
from kaiming_mcp.diagnosis import structure, variants
from kaiming_mcp.diagnosis.subject import BROKEN, HE, Course, Draft, Subject, course_of
from kaiming_mcp.scaffold import Severity, power
from kaiming_mcp.signal.activations import SATURATING, find
from kaiming_mcp.signal.initialization import Initialization, variances
from kaiming_mcp.signal.moments import moments

MANY_NORMS = 8
"""Batch norms in a row below which 1.467 per layer stays within a factor of 20."""
UNSTABLE = frozenset({"gelu", "gelu_tanh", "quick_gelu", "silu", "mish", "hardswish", "relu2"})
"""Activations whose scale no gain can hold: dV/dq > 1 at the fixed point (principle 2, limits)."""
COLLAPSED = 1e-3
"""Share of the last signal that differs between inputs, below which the output ignores the input."""
INIT, RESIDUAL = "activation-aware-initialization", "residual-learning"


def signal_findings(subject: Subject) -> list[Draft]:
    """Findings that rest on the trace; none where there is no trace."""
    here = subject.course
    if subject.trace is None or here is None:
        return _unstable_untraced(subject)
    rules: list[Callable[[Subject, Course], Draft | None]] = [
        _residual_growth,
        _batch_norm_without_skip,
        _saturation,
        _unstable,
        _gain,
    ]
    found = [draft for rule in rules if (draft := rule(subject, here)) is not None]
    # A collapse is named on its own only where no broken scale explains it.
    collapse = None if found else _collapse(subject, here)
    found += [collapse] if collapse else []
    curvature = _no_curvature(subject)
    return found + ([curvature] if curvature else [])


def severity(log_change: float) -> Severity:
    """High beyond a factor 10^4, medium beyond 10, low below."""
    size = abs(log_change)
    return "high" if size > math.log(1e4) else "medium" if size > BROKEN else "low"


def effect(name: str, then: Course | None) -> str:
    """A traced variant in words."""
    if then is None:
        return ""
    return f"{name}: gradient first/last {power(then.log_backward)}, E[x²] last/first {power(then.log_forward)} (computed)."


def signal_evidence(subject: Subject) -> tuple[str, ...]:
    """Ids of the computed facts about the course of the signal."""
    return tuple(f.id for f in subject.facts.items if f.unit in {"second moment", "gradient", "share"})


def gain_candidates(subject: Subject) -> list[tuple[Initialization, Course]]:
    """Textbook initializations traced on this network, the flattest course first.

    For the ReLU family He is the derived answer; the others are tried where no gain is exact.
    """
    act = subject.activation
    known = find(act.name, act.parameter) if act is not None else None
    homogeneous = known is not None and known.slopes is not None
    schemes = (
        [Initialization("he", gain=_relu_family_gain(subject))]
        if homogeneous
        else [
            HE,
            Initialization("lecun"),
            Initialization("xavier"),
            Initialization("xavier", gain=5 / 3),
            Initialization("orthogonal"),
        ]
    )
    traced = [(i, course_of(subject.network, i, subject.batch)) for i in schemes]
    found = [(i, c) for i, c in traced if c is not None]
    return sorted(found, key=lambda pair: pair[1].worst)


def _relu_family_gain(subject: Subject) -> float:
    """Correction of He's sqrt(2) for a leaky slope: 1/sqrt(1 + a^2) (He et al. 2015, eq. 15)."""
    act = subject.activation
    if act is None:
        return 1.0
    return math.sqrt(0.5) * math.exp(-0.5 * moments(act.name, act.parameter, 0.0, 0.0).log_second)


def _residual_growth(subject: Subject, here: Course) -> Draft | None:
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


def _batch_norm_without_skip(subject: Subject, here: Course) -> Draft | None:
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


def _saturation(subject: Subject, here: Course) -> Draft | None:
    act = subject.activation
    if act is None or act.name not in SATURATING or subject.normed:
        return None
    depth = structure.activations(subject.network.root).get(act.name, 0)
    if depth < 3 or (here.healthy and act.name != "sigmoid"):
        return None
    slope = math.exp(moments(act.name, act.parameter, 0.0, 0.0).log_slope)
    fact = subject.facts.add(
        f"{depth} hidden {act.name}: E[phi'²] = {slope:.3g} at unit variance; gradient first/last here "
        f"{power(here.log_backward)}, x{power(here.log_backward / (here.depth - 1))} per layer",
        "computed",
        slope,
        "E[phi'^2]",
        "quadrature",
    )
    best = gain_candidates(subject)[:1]
    kept = effect(f"{act.name} kept, {best[0][0].describe()}", best[0][1]) if best else ""
    smooth = subject.wishes.second_derivatives
    new = "tanh" if smooth and act.name != "tanh" else "relu"
    swapped = variants.with_activation(subject.network, act.name, new)
    init = Initialization("xavier", gain=5 / 3) if new == "tanh" else HE
    traced = None if smooth and act.name == "tanh" else course_of(swapped, init, subject.batch)
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
        (fact,),
        do + ".",
        "fraction of hidden units with |phi'| < 0.1 of its maximum, and gradient norm per layer, at step 0.",
        (kept + " " + (effect(f"{new}, {init.describe()}", traced) if traced else "")).strip(),
        weight=here.worst + 1,
        limit="Sigmoid",
    )


def _unstable(subject: Subject, here: Course) -> Draft | None:
    act = subject.activation
    if act is None or act.name not in UNSTABLE or subject.normed or structure.has_skip(subject.network.root):
        return None
    depth = structure.activations(subject.network.root)[act.name]
    if depth < 4:
        return None
    fact = subject.facts.add(_instability(act), "computed", scale_slope(act), "dV/dq", "quadrature")
    then = course_of(variants.with_norm_before_activation(subject.network), subject.init, subject.batch)
    grade = severity(here.worst)
    return Draft(
        "medium" if grade == "low" and depth >= 10 else grade,
        INIT,
        f"{act.name} without normalization: no gain can hold the scale",
        (fact, *signal_evidence(subject)[:2]),
        "put a normalization before each nonlinearity, or use residual blocks with a branch scale"
        if not subject.wishes.no_norm
        else "use residual blocks with a branch scale 1/sqrt(L), or ReLU with He initialization",
        "E[x²] per layer at step 0 for inputs scaled by 0.5, 1 and 2: the three courses diverge.",
        effect("LayerNorm before each", then) if not subject.wishes.no_norm else "",
        weight=here.worst + 0.5,
        limit="GELU",
    )


def _unstable_untraced(subject: Subject) -> list[Draft]:
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


def _gain(subject: Subject, here: Course) -> Draft | None:
    act = subject.activation
    if act is None or subject.normed or here.healthy or subject.wishes.fixed_init:
        return None
    if act.name in SATURATING | UNSTABLE or structure.has_skip(subject.network.root):
        return None
    first = gain_candidates(subject)[:1]
    if not first or first[0][1].worst > here.worst - math.log(2):
        return None
    init, then = first[0]
    rate = here.log_backward / (here.depth - 1)
    kept = math.exp(moments(act.name, act.parameter, 0.0, 0.0).log_second)
    fact = subject.facts.add(
        f"{act.name} keeps {kept:.4g} of the second moment and {subject.init.describe()} has fan_in Var[w] = "
        f"{_typical_gain(subject):.3g}: x{power(rate)} per layer, where {1 / kept:.4g} would hold it at 1",
        "computed",
        math.exp(rate),
        "per layer",
        "He et al. 2015, eq. 10 and 14",
    )
    direction = "shrinks" if here.log_backward < 0 else "grows"
    return Draft(
        severity(here.worst),
        INIT,
        f"{subject.init.describe()} does not fit {act.name}: the signal {direction} geometrically",
        (fact, *signal_evidence(subject)[:2]),
        f"initialise every weighted layer with {init.describe()}, biases zero{_call(init)}.",
        "log E[x²] and log gradient per layer at step 0 on one real batch; |slope| x depth < ln 10.",
        effect(init.describe(), then),
        weight=here.worst,
        limit="Convergence is not quality",
    )


def _typical_gain(subject: Subject) -> float:
    """fan_in Var[w] of the median weighted layer."""
    ops = [layer.op for layer, _ in layers(subject.network.root) if isinstance(layer.op, Linear | Conv)]
    gains = sorted(variances(subject.init, op)[0] for op in ops)
    return gains[len(gains) // 2]


def _call(init: Initialization) -> str:
    if init.scheme == "he":
        return " (torch: nn.init.kaiming_normal_(w, nonlinearity='relu'))"
    if init.scheme == "xavier":
        return f" (torch: nn.init.xavier_normal_(w, gain={init.gain:.4g}))"
    return ""


def _collapse(subject: Subject, here: Course) -> Draft | None:
    if here.across >= COLLAPSED or structure.has_skip(subject.network.root):
        return None
    fact = next(f.id for f in subject.facts.items if f.unit == "share")
    # The same remedy as for the scale: a collapse without a broken scale is the rarer case.
    first = gain_candidates(subject)[:1]
    better = first[0] if first and first[0][1].across > 10 * here.across else None
    return Draft(
        "high" if here.healthy else "medium",
        INIT,
        "The output is alive but ignores the input (correlation collapse, bias floor)",
        (fact,),
        f"{better[0].describe()} with zero biases" if better else "add skips or normalization across the batch",
        "relative change of the last activations when the inputs are shuffled, at step 0; below 1e-3 is collapse.",
        f"share that differs between inputs {power(math.log(better[1].across))}." if better else "",
        weight=0.5,
        limit="Mean-field",
    )


def _no_curvature(subject: Subject) -> Draft | None:
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
