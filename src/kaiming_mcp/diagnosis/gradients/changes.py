"""One change for each mechanism, what it should do in numbers, and the measurement that confirms it."""

from __future__ import annotations

import math

from kaiming_mcp.diagnosis.gradients.courses import SHALLOW
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.diagnosis.gradients.over_time import open_gate, unrolled
from kaiming_mcp.diagnosis.gradients.remedies import DO, EFFECTS, PROBE, Change
from kaiming_mcp.diagnosis.gradients.stuck import stuck
from kaiming_mcp.diagnosis.gradients.traced import best_traced, contradicted
from kaiming_mcp.diagnosis.gradients.trends import layer_factor, log_ratio
from kaiming_mcp.diagnosis.gradients.watch import watched
from kaiming_mcp.diagnosis.gradients.zeros import FROZEN
from kaiming_mcp.diagnosis.principles import RESIDUAL, SIMPLE
from kaiming_mcp.measurements.trend import Trend
from kaiming_mcp.scaffold import bounded, number

_RESIDUAL = r"\bres(?:idual|net)\w*|\bskip\b|\b([xh])\s?=\s?\1\s?\+|\b[xh]\s?\+="


def change_for(e: Evidence, c: Candidate) -> Change:
    """The one change for the first explanation."""
    if c.change and c.effect:
        return Change(c.change, c.effect, c.test, SIMPLE)
    if c.change:
        return Change(c.change, *EFFECTS[c.mechanism])
    if c.mechanism in ("true_decay_forward", "true_decay_backward", "bias_floor", "growth"):
        return _course(e, c)
    if c.mechanism == "stuck_at_chance":
        return stuck(e)
    if c.mechanism == "saturation":
        return _saturation(e, c)
    if c.mechanism == "structural_zero":
        return _structural(e, c)
    if c.mechanism == "target_scale" and (
        e.training.second_derivatives or "term of the loss" in f"{c.title} {c.located}"
    ):
        return Change(
            "Make the equation non-dimensional, or divide each term of the loss by its own first value, so that every term starts "
            "near 1; another seed or a restart leaves the scale where it is.",
            *EFFECTS[c.mechanism],
        )
    if c.mechanism == "clip_never_binds":
        return _clip(e)
    if c.mechanism == "nothing_wrong":
        return watched(e)
    return Change(DO[c.mechanism], *EFFECTS[c.mechanism])


def _course(e: Evidence, c: Candidate) -> Change:
    test = f"{PROBE} at step 0 on one real batch: gradient and E[x²] of every layer, first/last within a factor 10"
    if c.mechanism == "bias_floor":
        test += "; cosine between inputs below 0.99 at the last layer"
    better = _measured_variant(e)
    if better is not None:
        return Change(*better, test, RESIDUAL)
    if contradicted(e, c.mechanism):
        return Change(
            "Before any change print the std of every weight as it is at the start: the text says one initialization, the "
            "numbers another.",
            "a std that is not sqrt(2/fan_in) (He) or 1/sqrt(3 fan_in) (PyTorch) names the layers that were never initialised so",
            test,
        )
    best = best_traced(e)
    if best is not None:
        return Change(best.do, best.effect, test, best.principle)
    if e.training.setting("classes") is None and c.predicted and "initial weights" in c.title:
        return Change(
            "Initialise with He, std sqrt(2/fan_in), biases 0, and lower the rate to 0.01 or less; keep the activation.",
            "pre-activations of order 1 in every layer and a first loss near ln C",
            test,
        )
    return _from_rate(e, c, test)


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
    if c.mechanism == "growth" and shown is e.gradient and shown is not None and _normed(e, shown):
        return Change(
            "Replace batch norm by layer norm, or put an identity path round every block: a batch norm divides the scale of the "
            "weights out, so no other std changes the forward pass.",
            f"gradient factor per layer {layer_factor(shown):.3g} -> about 1 (batch norm and ReLU without a path give "
            "sqrt(pi/(pi - 1)) = 1.21)",
            test,
            RESIDUAL,
        )
    if c.mechanism == "growth" and e.says(_RESIDUAL) and not e.says(r"\bpre-?norm"):
        blocks = e.depth
        scale = f"1/sqrt({blocks}) = {1 / math.sqrt(blocks):.3g}" if blocks > SHALLOW else "1/sqrt(number of blocks)"
        return Change(
            f"Multiply every residual branch by {scale}, or put a norm first in each branch; He alone makes E[x²] double per block.",
            f"factor per block {layer_factor(shown):.3g} -> about 1, and E[x²] of the trunk grows by e over all blocks, not by 2 per block"
            if shown is not None
            else "E[x²] of the trunk grows by e over all blocks, not by 2 per block",
            test,
            RESIDUAL,
        )
    if c.mechanism == "bias_floor":
        return Change(
            "Initialise every weighted layer with He, biases 0 (for ReLU: 2.45 times the std of PyTorch's default).",
            "gradient factor per layer 0.408 -> 1, and cosine between inputs at the last layer below 0.99",
            test,
        )
    if name == "sigmoid":
        tail = (
            "tanh with Xavier gain 5/3"
            if e.training.second_derivatives
            else "tanh with Xavier gain 5/3, or ReLU with He"
        )
        ratio = f" now x{layer_factor(shown):.3g} per layer" if shown is not None else ""
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
    gain = 1 / layer_factor(shown)
    if unrolled(shown):
        if c.mechanism == "true_decay_backward" and (gate := open_gate(shown, e.said)) is not None:
            return Change(
                *gate,
                f"norm of dL/dh at every time step on one real batch, first/last above 0.1, and {PROBE}",
                RESIDUAL,
            )
        return Change(
            f"Multiply the recurrent weight alone by {gain:.3g} (its gain acts once per time step), or start it orthogonal; a gated "
            "cell keeps the path by construction.",
            f"factor per time step {layer_factor(shown):.3g} -> about 1 while the units do not saturate",
            f"norm of dL/dh at every time step on one real batch, first/last within a factor 10, and {PROBE}",
            RESIDUAL,
        )
    if not 0.2 < gain < 5 and "relu" not in name:
        rectified = "" if e.training.second_derivatives else "He for ReLU, "
        return Change(
            f"Initialise every weighted layer for its nonlinearity ({rectified}Xavier with gain 5/3 for tanh; no hidden "
            "sigmoids), biases 0.",
            f"factor per layer {layer_factor(shown):.3g} -> about 1, first/last {number(bounded(log_ratio(shown)))} -> within 0.1 to "
            "10 (what each nonlinearity's gain is derived for)",
            test,
        )
    norm = " (or put a norm in front of every nonlinearity)" if c.mechanism != "growth" else ""
    return Change(
        f"Multiply the initial std of every hidden weight by {gain:.3g}, biases 0{norm}: for ReLU with PyTorch's default that "
        "is He initialization."
        if 2.1 < gain < 2.8 and "relu" in (name or "relu")
        else f"Multiply the initial std of every hidden weight by {gain:.3g}, biases 0{norm}.",
        f"factor per layer {layer_factor(shown):.3g} -> 1, first/last {number(bounded(log_ratio(shown)))} -> about 1 "
        "(from the measured rate; exact for piecewise linear activations without norms)",
        test,
    )


def _normed(e: Evidence, shown: Trend) -> bool:
    """Whether a batch norm divides the scale of the weights out, and no skip is spoken of."""
    skips = e.says(_RESIDUAL) and not e.says(r"\b(?:no|without)(?: a| any)? (?:skip|residual)")
    named = e.says(r"\bbatch[ _-]?norm|\bBN\b") or any("BatchNorm" in row.kind for row in shown.rows)
    return bool(named) and not skips


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


def _structural(e: Evidence, c: Candidate) -> Change:
    lora, effect = (
        e.says(r"\blora"),
        "after step 1 the zero-initialised layer is not 0 and the gradients before it are above 0",
    )
    if e.zeros.moved:
        do = "None: the layers that were 0 at the first step have a gradient at the next, as a zero-initialised branch should."
        effect = "their gradients stay above 0 from the second step on"
    elif lora:
        do = (
            "None at step 0: with B = 0 the gradient of A is exactly 0 and that of B is not. Take one step and look again; where "
            "B is 0 as well, look for requires_grad, detach, or saturation behind a weight clip, not for depth."
        )
    elif cut := e.says(r"\.detach\(\)|\bno_grad\b|stop_gradient"):
        do = f"Take the `{cut[0]}` out of the path from these layers to the loss (or leave it, if they are meant to stay)."
        effect = "their gradients become numbers at the first step"
    elif e.listed("frozen") or e.says(FROZEN):
        do = (
            f"Set requires_grad = True on {c.located or 'these layers'} and give them to the optimizer, if they are meant to "
            "learn; frozen layers have no gradient, and that is no vanishing."
        )
        effect = "their gradients become numbers at the first step; those of the other layers stay as they are"
    elif e.without_gradient:
        do = (
            "Print requires_grad of these parameters: False is frozen (leave it, if that is meant); True says that the loss does not "
            "depend on them: look for detach(), no_grad, or an output that is not used."
        )
        effect = "their gradients are numbers and no longer None"
    else:
        do = (
            "None yet: take one optimizer step and print the same gradients again. A zero-initialised layer moves first and the "
            "layers before it follow; what is still exactly 0 is frozen, detached or masked: list requires_grad and is_leaf."
        )
    live = e.zeros.live
    size = f"(now {number(max(x for _, x in live))} where it is not 0)" if live else ""
    return Change(
        do,
        f"{effect} {size}".strip(),
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
