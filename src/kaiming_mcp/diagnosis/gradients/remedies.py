"""The changes that do not depend on the case, with the effect and the test of each mechanism."""

from __future__ import annotations

from dataclasses import dataclass

from kaiming_mcp.diagnosis.principles import INIT, RESIDUAL, SIMPLE

PROBE = "`kaiming-mcp probe signal`"


@dataclass(frozen=True, slots=True)
class Change:
    """What to do first, what it should do, and how to see it."""

    do: str
    effect: str
    test: str
    principle: str = INIT


DO = {
    "dead_relu": "Initialise with He, biases 0, and lower the learning rate by 10 (LeakyReLU only if units still die).",
    "underflow_half": "Use a GradScaler (dynamic loss scale) with float16, or bfloat16 without one.",
    "print_zeros": "Print with `%.3e` and change nothing else.",
    "amp_calibrating": "None.",
    "died_after_learning": "Divide the learning rate by 10 from a checkpoint before the loss jumped, and clip at the gradient norm of the good steps.",
    "input_scale": "Standardise every input feature to mean 0 and variance 1 with the training set's statistics.",
    "target_scale": "Standardise the targets, or make the equation non-dimensional, so that every term of the loss starts near 1.",
    "too_shallow": "Nothing for depth. Compare with a baseline of the same size on one fixed batch before touching the design.",
    "post_norm_warmup": "Put the norm first inside of each branch (pre-norm, `norm_first=True`).",
    "second_derivative": "Replace it by a smooth activation: tanh, sin, softplus or GELU.",
    "over_smoothing": "Keep 2 layers, or join the input features to the output of every layer (jumping knowledge), before any new depth.",
    "nothing_wrong": "None: nothing that was measured calls for one.",
}
EFFECTS: dict[str, tuple[str, str, str]] = {
    "dead_relu": (
        "dead units from the measured share to below about 10 % on a large batch (deep nets keep more); with He half of the inputs of each unit are positive",
        f"{PROBE} at step 0 and again where the run stalls: dead below 10 %",
        INIT,
    ),
    "underflow_half": (
        "a scale of 2^16 lifts a gradient of 1e-8 to 6.6e-4, inside of float16; the zeros become numbers",
        "share of exact zeros in each gradient, with float32 beside it",
        SIMPLE,
    ),
    "print_zeros": (
        "the rows that read 0 show small numbers; their decade says whether anything decays",
        f"the same gradients with `%.3e`, or {PROBE}",
        SIMPLE,
    ),
    "amp_calibrating": (
        "the scale settles within about 20 steps and then doubles every 2000 good steps",
        "loss scale and number of skipped steps after step 100",
        SIMPLE,
    ),
    "died_after_learning": (
        "the loss stays below ln C past the step at which it jumped",
        f"{PROBE} at the last good and the first bad checkpoint: dead and saturated shares, largest update ratio (above 0.01 is large)",
        SIMPLE,
    ),
    "nan_origin": (
        "the same seed passes the step at which it was nan, with finite gradients in every layer",
        f"`torch.autograd.set_detect_anomaly(True)` on the failing batch, and {PROBE} for the first layer that is not finite",
        SIMPLE,
    ),
    "growth": (
        "the gradient norm of every step stays near that of the first steps",
        "global gradient norm and loss of steps 0 to 20",
        SIMPLE,
    ),
    "input_scale": (
        "E[x²] of the input becomes 1, and the first pre-activation has a std near 1",
        "mean and std of every input feature, and E[x²] of the first layer's output",
        INIT,
    ),
    "target_scale": (
        "the first loss is near 1 (near ln C for classes) in every run",
        "each term of the loss at step 0 by itself, over 3 seeds",
        INIT,
    ),
    "too_shallow": (
        "none from depth: removing a layer changes the gradient of the first by less than x4",
        "saturated and dead shares, and the loss on one fixed batch over 200 steps",
        SIMPLE,
    ),
    "post_norm_warmup": (
        "the gradient near the output becomes about 1/sqrt(depth) of what it was, and the run needs no warm-up",
        "loss of the first 500 steps with norm_first=True, and with 1,000 steps of warm-up, at the same peak rate",
        RESIDUAL,
    ),
    "second_derivative": (
        "the gradient of the second-derivative term goes from exactly 0 to a number",
        "gradient of that term alone with respect to the first weights",
        INIT,
    ),
    "over_smoothing": (
        "mean cosine between nodes at the last layer falls below 0.9 and training accuracy no longer falls with depth",
        "mean cosine of node features by layer, beside gradient first/last: cosine to 1 is over-smoothing, a ratio below 1e-3 is decay",
        RESIDUAL,
    ),
    "saturation": (
        "slope p(1 - p) of the softmax from near 0 to about 1/keys, and gradients in the query and key projections",
        "entropy of the attention weights against ln(keys), and the gradient of the query projection",
        INIT,
    ),
    "structural_zero": (
        "every layer gets a gradient above 0 at step 0",
        "gradients of all layers at steps 0 and 1, printed with %.3e",
        INIT,
    ),
}
