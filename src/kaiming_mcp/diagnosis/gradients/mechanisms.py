"""The look-alikes: what is mistaken for vanishing or exploding gradients, and a candidate with its evidence."""

from __future__ import annotations

from dataclasses import dataclass

TITLES = {
    "true_decay_forward": "the signal itself decays with depth",
    "true_decay_backward": "the gradient decays geometrically with depth",
    "bias_floor": "bias floor: the activations stay alive but no longer depend on the input",
    "saturation": "saturation of the nonlinearity",
    "dead_relu": "dead ReLUs",
    "growth": "geometric growth",
    "underflow_half": "underflow of small gradients in half precision",
    "print_zeros": "zeros of the print format, not of the gradient",
    "structural_zero": "a structural zero: something multiplies these gradients by exactly 0",
    "amp_calibrating": "the AMP loss scale finds its level: a healthy start",
    "stuck_at_chance": "stuck at the loss of a constant prediction since the start",
    "died_after_learning": "the network learned first, then died",
    "nan_origin": "an operation that is not finite",
    "input_scale": "the scale of the inputs",
    "target_scale": "the scale of the targets or of a term of the loss",
    "clip_never_binds": "a clip that never binds",
    "too_shallow": "too few layers to vanish or explode by depth",
    "post_norm_warmup": "a post-norm transformer without warm-up",
    "second_derivative": "an activation without the second derivative that the loss needs",
    "over_smoothing": "over-smoothing: the features of the nodes become alike",
    "nothing_wrong": "nothing wrong",
    "cannot_tell": "cannot tell",
}
"""Id and title of each verdict."""
DECIDED = 0.5
"""Score from which a candidate is the verdict."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One explanation: how well it fits, the facts for and against it, and where it begins."""

    mechanism: str
    score: float
    evidence: tuple[str, ...]
    """Ids of the facts that speak for it."""
    located: str = ""
    title: str = ""
    """What it is in this case, where more is known than the mechanism."""
    against: tuple[str, ...] = ()
    change: str = ""
    """The one change, where it depends on the case; else `changes` knows it."""
    effect: str = ""
    test: str = ""
    """What that change does in numbers and the measurement that shows it, where the mechanism's own say too little."""
    even: bool = False
    """Whether all layers take part alike, so that `located` is where it is worst."""
    apart: bool = False
    """Whether the title alone says what it is: the mechanism's own would say too much."""
    predicted: bool = False
    """Whether it rests on theory or on statements alone, not on a measurement."""

    @property
    def name(self) -> str:
        """The title to show."""
        return self.title or TITLES[self.mechanism]
