"""One run of make_gradient_runs.py: what a person pastes, and the truth."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

PROBE = Path(__file__).parents[2] / "src" / "kaiming_mcp" / "probes" / "signal_probe.py"


@dataclass(frozen=True)
class Run:
    """The texts of one run and what is true of it.

    `also` holds further mechanisms that are equally present, as measured; `layers` the names that locate the fault
    rightly (empty where it has no place).
    """

    name: str
    mechanism: str
    measurements: str = ""
    architecture: str = ""
    training: str = ""
    symptoms: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    layers: tuple[str, ...] = ()
    notes: str = ""


NEUTRAL = (
    "Is something wrong with my run?",
    "It does not train the way I hoped. What do these numbers say?",
    "Please look at this output.",
    "what is going on here",
    "I don't understand these values, what should I change first?",
)
VANISH = (
    "I think I have vanishing gradients.",
    "The gradients of my network vanish, what can I do?",
    "gradient is almost zero in the early layers, vanishing gradient problem?",
    "My network suffers from the vanishing gradient problem.",
)
EXPLODE = (
    "My gradients explode. Which clip value should I use?",
    "exploding gradients?? loss is weird",
    "I believe that the gradients blow up.",
)
STUCK = (
    "The loss does not go down.",
    "My model is not learning anything.",
    "training stuck, tried other learning rates",
)
NAN = ("I get nan.", "Loss turns to nan, should I clip the gradients?", "NaN after some time, is it exploding?")
DEAD = ("I think that my ReLUs are dead.", "many neurons are dead I guess")

# The first pool fits the mechanism, the last one misleads.
POOLS = {
    "true_decay_forward": (VANISH, NEUTRAL, EXPLODE),
    "true_decay_backward": (VANISH, NEUTRAL, EXPLODE),
    "bias_floor": (STUCK, NEUTRAL, DEAD),
    "saturation": (STUCK, NEUTRAL, EXPLODE),
    "dead_relu": (DEAD, NEUTRAL, EXPLODE),
    "growth": (EXPLODE, NEUTRAL, VANISH),
    "underflow_half": (VANISH, NEUTRAL, DEAD),
    "print_zeros": (VANISH, NEUTRAL, DEAD),
    "structural_zero": (VANISH, NEUTRAL, EXPLODE),
    "amp_calibrating": (NAN, NEUTRAL, EXPLODE),
    "stuck_at_chance": (STUCK, NEUTRAL, EXPLODE),
    "died_after_learning": (STUCK, NEUTRAL, VANISH),
    "nan_origin": (NAN, NEUTRAL, EXPLODE),
    "input_scale": (EXPLODE, NEUTRAL, VANISH),
    "target_scale": (STUCK, NEUTRAL, VANISH),
    "clip_never_binds": (EXPLODE, NEUTRAL, VANISH),
    "too_shallow": (VANISH, NEUTRAL, EXPLODE),
    "post_norm_warmup": (STUCK, NEUTRAL, VANISH),
    "second_derivative": (STUCK, NEUTRAL, EXPLODE),
    "over_smoothing": (STUCK, NEUTRAL, VANISH),
    "nothing_wrong": (NEUTRAL, VANISH, EXPLODE),
    "cannot_tell": (STUCK, VANISH, EXPLODE),
}
_turn = count()


def symptoms(mechanism: str) -> tuple[str, ...]:
    """Three wordings, the last of which misleads."""
    turn = next(_turn)
    return tuple(pool[turn % len(pool)] for pool in POOLS[mechanism])


def measure(*arguments: Any, **named: Any) -> dict[str, Any]:
    """The probe, loaded from its file as a user loads it."""
    spec = importlib.util.spec_from_file_location("signal_probe", PROBE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.measure(*arguments, **named)


def present(document: dict[str, Any]) -> set[str]:
    """Which of the decays are really there: first against last hidden weighted layer of a probe's document."""
    rows = [r for r in document["layers"] if r["type"] in ("Linear", "Conv2d")]
    first, last = rows[0], rows[-2]
    found = set[str]()
    if last["second_moment"] < 1e-3 * first["second_moment"]:
        found.add("true_decay_forward")
    if first["gradient"] < 1e-4 * last["gradient"]:
        found.add("true_decay_backward")
    if last["cosine"] > 0.995 and first["cosine"] < 0.9:
        found.add("bias_floor")
    if first["gradient"] > 1e4 * last["gradient"] or last["second_moment"] > 1e3 * first["second_moment"]:
        found.add("growth")
    return found
