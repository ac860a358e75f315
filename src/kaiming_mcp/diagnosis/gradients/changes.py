"""One change for each mechanism, what it should do in numbers, and the measurement that confirms it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from kaiming_mcp.architecture.ir import Network
from kaiming_mcp.diagnosis.gradients.evidence import Evidence, log_ratio
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.gradients.remedies import DO, EFFECTS, PROBE, Change
from kaiming_mcp.diagnosis.gradients.theory import change_of
from kaiming_mcp.diagnosis.network import structure, variants
from kaiming_mcp.diagnosis.network.subject import Course, Subject, course_of
from kaiming_mcp.diagnosis.network.traced import gain_candidates
from kaiming_mcp.diagnosis.principles import INIT, RESIDUAL, SIMPLE
from kaiming_mcp.scaffold import bounded, number, power
from kaiming_mcp.signal.initialization import Initialization


def change_for(e: Evidence, c: Candidate) -> Change:
    """The one change for the first explanation."""
    if c.change:
        return Change(c.change, *EFFECTS[c.mechanism])
    if c.mechanism in ("true_decay_forward", "true_decay_backward", "bias_floor", "growth"):
        return _course(e, c)
    if c.mechanism == "stuck_at_chance":
        return _stuck(e)
    if c.mechanism == "saturation":
        return _saturation(e, c)
    if c.mechanism == "structural_zero":
        return _structural(e)
    if c.mechanism == "clip_never_binds":
        return _clip(e)
    return Change(DO[c.mechanism], *EFFECTS[c.mechanism])


def _course(e: Evidence, c: Candidate) -> Change:
    test = f"{PROBE} at step 0 on one real batch: gradient and E[x²] of every layer, first/last within a factor 10"
    if c.mechanism == "bias_floor":
        test += "; cosine between inputs below 0.99 at the last layer"
    better = _measured_variant(e)
    if better is not None:
        return Change(*better, test, RESIDUAL)
    if e.subject is not None and e.subject.course is not None:
        best = _traced(e.subject)
        if best is not None:
            do, then, principle = best
            now, after = change_of(e.subject.course), change_of(then)
            effect = (
                f"traced on this network: gradient amplitude first/last {power(now.backward)} -> {power(after.backward)}, "
                f"activation amplitude last/first {power(now.forward)} -> {power(after.forward)}, share that differs between "
                f"inputs {e.subject.course.across:.2g} -> {then.across:.2g}"
            )
            return Change(do, effect, test, principle)
    if e.training.setting("classes") is None and c.predicted and "initial weights" in c.title:
        return Change(
            "Initialise with He, std sqrt(2/fan_in), biases 0, and lower the rate to 0.01 or less; keep the activation.",
            "pre-activations of order 1 in every layer and a first loss near ln C",
            test,
        )
    return _from_rate(e, c, test)


def _traced(subject: Subject) -> tuple[str, Course, str] | None:
    """The least change that makes this network healthy in theory; else the one that comes nearest."""
    found = list[tuple[str, Course, str]]()
    for do, network, init, principle in _options(subject):
        then = course_of(network, init, subject.batch)
        if then is None:
            continue
        if then.healthy:
            return do, then, principle
        found.append((do, then, principle))
    best = min(found, key=lambda f: f[1].worst, default=None)
    return (
        best if best is not None and subject.course is not None and best[1].worst < subject.course.worst / 2 else None
    )


def _options(subject: Subject) -> Iterator[tuple[str, Network, Initialization, str]]:
    network, init = subject.network, subject.init
    if not subject.normed and not structure.has_skip(network.root):
        for best, _ in gain_candidates(subject)[:1]:
            yield f"Initialise every weighted layer with {best.describe()}, biases 0.", network, best, INIT
        if subject.activation is not None and subject.activation.name == "sigmoid":
            swapped = variants.with_activation(network, "sigmoid", "tanh")
            gain = Initialization("xavier", gain=5 / 3)
            yield f"Replace the hidden sigmoids by tanh with {gain.describe()}, biases 0.", swapped, gain, INIT
    sums = sum(n for _, n in structure.residuals(network.root))
    if sums and not subject.normed:
        scale = 1 / math.sqrt(sums)
        scaled = variants.with_branch_scale(network, scale)
        yield f"Multiply every residual branch by 1/sqrt({sums}) = {scale:.3g}.", scaled, init, RESIDUAL
    if not subject.normed:
        normed = variants.with_norm_before_activation(network)
        yield "Put a normalization in front of every nonlinearity.", normed, init, INIT
    if not sums:
        skipped = variants.with_skips(network)
        yield (
            "Group the layers in pairs into residual blocks with LayerNorm first: h + W2 f(LN(W1 f(LN(h)))).",
            skipped,
            init,
            RESIDUAL,
        )
    if subject.normed and not sums:
        layered = variants.with_norm_kind(network, "batch", "layer")
        yield "Replace batch norm by layer norm.", layered, init, INIT


def _measured_variant(e: Evidence) -> tuple[str, str] | None:
    """A variant of the network that the user measured himself, with a gradient ratio near 1."""
    ratios = [f for f in e.measured.facts if f.quantity.kind == "gradient ratio" and f.value.finite and f.value.x > 0]
    if len({f.line for f in ratios}) < 2:
        return None
    best = min(ratios, key=lambda f: abs(math.log(f.value.x)))
    worst = max(ratios, key=lambda f: abs(math.log(f.value.x)))
    if abs(math.log(best.value.x)) > math.log(3):
        return None
    name = " ".join(best.text.split())
    name = name.partition(": ")[0] if ": " in name else name
    others = [
        f for f in e.measured.facts if f.line == best.line and f.quantity.kind != "gradient ratio" and f.value.finite
    ]
    beside = ", ".join(f"{'loss' if f.quantity.kind == 'loss' else f.quantity.kind} {f.value.text}" for f in others)
    return (
        f"Take your own variant `{name[:80]}`: an identity path with the norm inside of the branch. Skips alone are not enough: "
        "a branch that ends in a ReLU has a positive mean, so the trunk grows.",
        f"gradient first/last {number(worst.value.x)} -> {number(best.value.x)} (measured by you){'; ' + beside if beside else ''}",
    )


def _from_rate(e: Evidence, c: Candidate, test: str) -> Change:
    shown = e.activation if c.mechanism == "true_decay_forward" or e.gradient is None else e.gradient
    name = e.activation_name
    if c.mechanism == "growth" and (shown is None or abs(log_ratio(shown)) < math.log(30)):
        return Change(
            "Divide the learning rate by 10 and keep everything else.",
            "the loss of the first 100 steps does not rise; if it still grows by the same factor per step the rate is not the cause",
            f"loss and global gradient norm of every step, and {PROBE} at the last step before the growth",
            SIMPLE,
        )
    if name == "sigmoid":
        tail = (
            "tanh with Xavier gain 5/3"
            if e.training.second_derivatives
            else "tanh with Xavier gain 5/3, or ReLU with He"
        )
        ratio = f" now x{shown.travel_factor:.3g} per layer" if shown is not None else ""
        return Change(
            f"Replace the hidden sigmoids by {tail}, biases 0.",
            f"gradient factor per layer from at most 0.25 of the weight's gain to about 1 ({ratio.strip() or 'measure it'})",
            test,
        )
    if shown is None:
        return Change(
            f"Initialise every weighted layer for its nonlinearity{'' if e.training.second_derivatives else ' (He for ReLU)'}, biases 0.",
            "gradient first/last within a factor 10",
            test,
        )
    gain = 1 / shown.travel_factor
    if not 0.2 < gain < 5 and "relu" not in name:
        rectified = "" if e.training.second_derivatives else "He for ReLU, "
        return Change(
            f"Initialise every weighted layer for its nonlinearity ({rectified}Xavier with gain 5/3 for tanh; no hidden "
            "sigmoids), biases 0.",
            f"factor per layer {shown.travel_factor:.3g} -> about 1, first/last {number(bounded(log_ratio(shown)))} -> within 0.1 to "
            "10 (what each nonlinearity's gain is derived for)",
            test,
        )
    norm = " (or put a norm in front of every nonlinearity)" if c.mechanism != "growth" else ""
    return Change(
        f"Multiply the initial std of every hidden weight by {gain:.3g}, biases 0{norm}: for ReLU with PyTorch's default that "
        "is He initialization."
        if 2.1 < gain < 2.8 and "relu" in (name or "relu")
        else f"Multiply the initial std of every hidden weight by {gain:.3g}, biases 0{norm}.",
        f"factor per layer {shown.travel_factor:.3g} -> 1, first/last {number(bounded(log_ratio(shown)))} -> about 1 "
        "(from the measured rate; exact for piecewise linear activations without norms)",
        test,
    )


def _stuck(e: Evidence) -> Change:
    test = (
        "loss on one fixed batch of 32 over 200 steps: it must fall below 0.1; and "
        f"{PROBE} at step 0: gradient first/last, and cosine between inputs at the last layer"
    )
    if e.subject is not None and e.subject.course is not None and not e.subject.course.healthy:
        best = _traced(e.subject)
        if best is not None:
            do, then, principle = best
            now, after = change_of(e.subject.course), change_of(then)
            return Change(
                do,
                f"traced on this network: gradient amplitude first/last {power(now.backward)} -> {power(after.backward)}; share "
                f"that differs between inputs {e.subject.course.across:.2g} -> {then.across:.2g}",
                test,
                principle,
            )
    return Change(
        "Overfit one fixed batch of 32 examples with everything else as it is (no softmax before cross entropy, rate 1e-4 with Adam).",
        "a sound network falls below a loss of 0.1 within 200 steps; if it stays at ln C the forward or backward pass is cut",
        test,
        SIMPLE,
    )


def _saturation(e: Evidence, c: Candidate) -> Change:
    test = f"{PROBE}: saturated below 10 % in every layer, gradient first/last within a factor 10"
    if "output" in c.located:
        return Change(
            "Replace the saturating output: give the logits to the loss (BCE with logits), or a leaky clip "
            "max(min(x, 0.01x + 0.99), 0.01x).",
            "slope at the output from s(1-s) (0.0066 at |z| = 5) to 1 inside of the range and 0.01 outside; skips are then not needed",
            "gradient of the loss with respect to the pre-activation of the last layer, before and after",
            SIMPLE,
        )
    worst = max((x for _, x in e.column("saturated")), default=None)
    share = f"saturated share {worst:.0%} -> below 10 %" if worst is not None else "saturated share below 10 %"
    return Change(
        "Scale the inputs to unit variance and initialise with Xavier (gain 5/3 for tanh), biases 0, so that pre-activations "
        "have a std near 1.",
        f"{share}; mean square slope of tanh 0.46 at unit pre-activations, where it is below 0.06 at a std of 10",
        test,
    )


def _structural(e: Evidence) -> Change:
    lora = e.says(r"\blora")
    if lora:
        do = (
            "None at step 0: with B = 0 the gradient of A is exactly 0 and that of B is not. Take one step and look again; where "
            "B is 0 as well, look for requires_grad, detach, or saturation behind a weight clip, not for depth."
        )
    else:
        do = (
            "None yet: take one optimizer step and print the same gradients again. A zero-initialised layer moves first and the "
            "layers before it follow; what is still exactly 0 is frozen, detached or masked: list requires_grad and is_leaf."
        )
    live = e.zeros.live
    size = f"(now {number(max(x for _, x in live))} where it is not 0)" if live else ""
    return Change(
        do,
        f"after step 1 the zero-initialised layer is not 0 and the gradients before it are above 0 {size}".strip(),
        "gradients of the same layers at steps 0, 1 and 2, printed with %.3e",
        RESIDUAL,
    )


def _clip(e: Evidence) -> Change:
    norms = e.measured.of("gradient norm")
    values = sorted(p.value.x for p in norms.points if p.value.finite) if norms else []
    bound = values[min(len(values) - 1, int(0.9 * len(values)))] if values else 1.0
    return Change(
        "Leave the clip out, or look elsewhere: it changes no step of this run.",
        f"the loss stays the same to the last digit without it; a clip that binds in 10 % of the steps would be {number(bound)}",
        "fraction of steps in which the norm before clipping exceeds the clip",
        SIMPLE,
    )
