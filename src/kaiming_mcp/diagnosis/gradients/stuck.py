"""The change for a loss that stays at ln C: a second softmax, idle updates, a clip that always binds, weights that shrink."""

from __future__ import annotations

import math
from typing import NamedTuple

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.remedies import PROBE, Change
from kaiming_mcp.diagnosis.gradients.traced import best_traced
from kaiming_mcp.diagnosis.principles import SIMPLE
from kaiming_mcp.scaffold import number

_SOFTMAX_TWICE = r"(?<!log)(?<!log_)\bsoftmax\b[^\n]{0,80}\bcross[- _]?entropy(?:loss)?\b"
_NO_SOFTMAX = r"\b(?:no|not|without|never|removed?)\b[^.\n]{0,20}\bsoftmax"
"""A softmax in front of a loss that takes logits."""

IDLE_UPDATE, USUAL_UPDATE = 1e-5, 1e-3
"""Update over weight: below the first nothing moves in a thousand steps; the second is the usual rule of thumb."""
BINDS = 10
"""Times above the clip that every gradient norm lies where the clip, not the rate, sets the length of the steps."""
SHRUNK = 0.01


class Binding(NamedTuple):
    """A clip that every step of the run meets, and the usual norm before it."""

    limit: float
    usual: float


def stuck(e: Evidence) -> Change:
    """The change for a loss that stays at that of a constant prediction, by what the numbers say of its cause."""
    test = (
        "loss on one fixed batch of 32 over 200 steps: it must fall below 0.1; and "
        f"{PROBE} at step 0: gradient first/last, and cosine between inputs at the last layer"
    )
    if e.says(_SOFTMAX_TWICE) and not e.says(_NO_SOFTMAX):
        return Change(
            "Take the softmax out and give the logits to the cross entropy, which applies its own.",
            "slope of the loss from at most p(1 - p) of the second softmax, whose inputs span no more than 1, to that of the "
            "logits; the loss can then fall below ln(1 + (C - 1)/e), its least value with two softmaxes",
            test,
            SIMPLE,
        )
    ratios = sorted(x for _, x in e.column("update ratio") if x > 0)
    if ratios and (median := ratios[len(ratios) // 2]) < IDLE_UPDATE:
        return Change(
            f"Multiply the learning rate by {number(float(f'{USUAL_UPDATE / median:.1g}'))}: the updates are {number(median)} of "
            "the weights, so nothing can move.",
            f"update ratio {number(median)} -> about {USUAL_UPDATE:g}, and the loss leaves ln C within some hundred steps",
            f"{test.partition('; and')[0]}, and the update ratio of every layer",
            SIMPLE,
        )
    clip = binding_clip(e)
    if clip is not None:
        usual = number(clip.usual)
        return Change(
            f"Raise the clip from {clip.limit:g} to {usual}, the usual gradient norm: it binds at every step and makes each "
            f"x{number(clip.limit / clip.usual)} as long as the rate says.",
            f"steps x{number(clip.usual / clip.limit)} as long, and the loss leaves ln C as a run without the clip would",
            f"{test.partition('; and')[0]}, and the fraction of steps that are clipped",
            SIMPLE,
        )
    shrunk = _shrunk(e)
    if shrunk is not None:
        decay = e.training.weight_decay
        fewer = f" from {decay.x:g} to {decay.x / 100:g}" if decay is not None and decay.x > 0 else " by 100"
        return Change(
            f"Lower the weight decay{fewer}: the weights shrink to x{number(shrunk)} over the run, and with them every output.",
            "the norm of each weight stays within a factor 3 of its start, and the loss leaves ln C",
            f"{test.partition('; and')[0]}, and the norm of every weight",
            SIMPLE,
        )
    best = best_traced(e) if e.subject is not None and e.subject.course and not e.subject.course.healthy else None
    if best is not None:
        return Change(best.do, best.effect, test, best.principle)
    return Change(
        "Overfit one fixed batch of 32 examples with everything else as it is (no softmax before cross entropy, rate 1e-4 with Adam).",
        "a sound network falls below a loss of 0.1 within 200 steps; if it stays at ln C the forward or backward pass is cut",
        test,
        SIMPLE,
    )


def binding_clip(e: Evidence) -> Binding | None:
    """The clip of the norm that all measured norms exceed by far; a step of Adam does not depend on the scale of gradients."""
    clip, norms, optimizer = e.training.clip, e.measured.of("gradient norm"), e.training.optimizer or ""
    values = sorted(p.value.x for p in norms.points) if norms is not None else []
    if clip is None or clip.x <= 0 or e.training.clip_kind == "value" or "sgd" not in optimizer.lower():
        return None
    if len(values) < 3 or not all(map(math.isfinite, values)) or values[0] < BINDS * clip.x:
        return None
    return Binding(clip.x, values[len(values) // 2])


def _shrunk(e: Evidence) -> float | None:
    """The factor by which the sizes of all weights shrink from the first to the last time, where it is large."""
    times = [
        (one, q) for one in e.measured.per_layer if (q := one.of("weight")) and q.statistic in ("norm", "rms", "std")
    ]
    if len(times) < 2:
        return None
    (first, q), (last, p) = times[0], times[-1]
    before = {row.name: abs(row.values[q].x) for row in first.rows if q in row.values}
    after = {row.name: abs(row.values[p].x) for row in last.rows if p in row.values}
    ratios = [after[name] / x for name, x in before.items() if x > 0 and name in after]
    return max(ratios) if ratios and max(ratios) < SHRUNK else None
