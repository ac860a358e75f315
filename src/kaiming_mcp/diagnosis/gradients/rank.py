"""Every explanation that the evidence leaves open, the likeliest first, with what speaks against each."""

from __future__ import annotations

from dataclasses import replace

from kaiming_mcp.diagnosis.gradients.courses import course_candidates
from kaiming_mcp.diagnosis.gradients.ends import end_candidates
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.growing import grows
from kaiming_mcp.diagnosis.gradients.held_out import generalisation
from kaiming_mcp.diagnosis.gradients.mechanisms import DECIDED, Candidate
from kaiming_mcp.diagnosis.gradients.networks import network_candidates
from kaiming_mcp.diagnosis.gradients.nonfinite import nonfinite_candidates
from kaiming_mcp.diagnosis.gradients.purposes import purpose_candidates
from kaiming_mcp.diagnosis.gradients.runs import run_candidates
from kaiming_mcp.diagnosis.gradients.scales import scale_candidates
from kaiming_mcp.diagnosis.gradients.told_runs import told_candidates
from kaiming_mcp.diagnosis.gradients.trends import log_ratio
from kaiming_mcp.diagnosis.gradients.units import unit_candidates
from kaiming_mcp.diagnosis.gradients.zeros import zero_candidates
from kaiming_mcp.scaffold import bounded, number

_RULES = (
    nonfinite_candidates,
    zero_candidates,
    unit_candidates,
    course_candidates,
    run_candidates,
    told_candidates,
    purpose_candidates,
    end_candidates,
    generalisation,
    scale_candidates,
    network_candidates,
)

RIVALS: dict[str, tuple[str, ...]] = {
    "true_decay_forward": ("bias_floor", "dead_relu"),
    "true_decay_backward": ("saturation", "bias_floor", "dead_relu"),
    "bias_floor": ("true_decay_backward", "dead_relu"),
    "saturation": ("true_decay_backward", "input_scale"),
    "dead_relu": ("structural_zero", "died_after_learning"),
    "growth": ("input_scale", "target_scale"),
    "underflow_half": ("structural_zero", "true_decay_backward"),
    "print_zeros": ("true_decay_backward", "structural_zero"),
    "structural_zero": ("dead_relu", "true_decay_backward"),
    "amp_calibrating": ("nan_origin", "growth"),
    "stuck_at_chance": ("true_decay_backward", "bias_floor", "dead_relu"),
    "died_after_learning": ("dead_relu", "growth"),
    "nan_origin": ("growth", "input_scale"),
    "input_scale": ("growth", "saturation"),
    "target_scale": ("growth", "input_scale"),
    "clip_never_binds": ("nothing_wrong", "true_decay_backward"),
    "too_shallow": ("saturation", "structural_zero"),
    "post_norm_warmup": ("stuck_at_chance", "growth"),
    "second_derivative": ("true_decay_backward", "target_scale"),
    "over_smoothing": ("true_decay_backward", "too_shallow"),
    "nothing_wrong": ("growth", "bias_floor"),
}
"""What else is commonly taken for it."""

_CAUSES = (
    "true_decay_forward", "true_decay_backward", "bias_floor", "saturation", "dead_relu", "underflow_half", "structural_zero",
    "input_scale", "over_smoothing", "post_norm_warmup",
)  # fmt: skip
"""Faults of which a loss of a constant prediction is the consequence."""
_WOULD_SHOW = {
    "true_decay_forward": "activations that fall by a constant factor per layer",
    "true_decay_backward": "small gradients that fall by a constant factor per layer",
    "bias_floor": "cosine between two inputs above 0.999 at the last layers",
    "saturation": "tanh or sigmoid outputs within 2 % of their limits in 40 % of units",
    "dead_relu": "units that are 0 for the whole batch",
    "growth": "activations, or the loss over steps, that grow by a constant factor",
    "structural_zero": "gradients of exactly 0 beside ordinary ones",
    "amp_calibrating": "a loss scale that halves in the first steps only",
    "stuck_at_chance": "a loss of ln C from the first step on",
    "died_after_learning": "a loss that falls below ln C and returns to it",
    "nan_origin": "nan in one operation, named by anomaly mode",
    "input_scale": "a first activation far from root mean square 1",
    "target_scale": "a first loss above 1000, or targets far from unit size",
    "too_shallow": "three weighted layers or fewer",
    "nothing_wrong": "a falling loss, and gradients within a factor 1000 over the depth",
}


def ranked(e: Evidence) -> list[Candidate]:
    """One candidate a mechanism, and one an operation that is not finite, the likeliest first."""
    best: dict[str, Candidate] = {}
    for rules in _RULES:
        for candidate in rules(e):
            key = candidate.name if candidate.mechanism == "nan_origin" else candidate.mechanism
            known = best.get(key)
            if known is None or candidate.score > known.score:
                best[key] = candidate
    scale, limits = best.get("input_scale"), best.get("saturation")
    if scale and limits and scale.located == "the input" and not scale.predicted:
        # What saturates because the data that go in are large is a consequence.
        best["saturation"] = replace(limits, score=min(limits.score, scale.score - 0.02))
    return sorted((_weighed(e, c) for c in best.values()), key=lambda c: -c.score)


def _weighed(e: Evidence, c: Candidate) -> Candidate:
    """What is only predicted yields to a run that learns."""
    return replace(c, score=min(c.score, 0.45)) if c.predicted and e.learning else c


def explanations(e: Evidence, candidates: list[Candidate]) -> list[str]:
    """The ranking in words: evidence for and against each."""
    first = candidates[0].mechanism if candidates and candidates[0].score >= DECIDED else ""
    lines = [
        f"`{c.mechanism}` ({c.score:.2f}{', predicted' if c.predicted else ''}) {c.name}: for {_cited(c.evidence)}"
        + f"; {f'it follows from `{first}`' if follows(c, first) else f'against {_cited(c.against) if c.against else _missing(e, c)}'}"
        for c in candidates[:4]
    ]
    shown = {c.mechanism for c in candidates[:4]}
    for rival in RIVALS.get(first, ()):
        if rival not in shown and len(lines) < 4:
            lines.append(f"`{rival}` (below 0.2): would show {_WOULD_SHOW[rival]}; {_seen(e, rival)}")
    return lines


def follows(c: Candidate, first: str) -> bool:
    """Whether it is a consequence of the first explanation and no rival of it: what does not train stays at chance."""
    return c.mechanism == "stuck_at_chance" and first in _CAUSES


def _cited(ids: tuple[str, ...]) -> str:
    return ", ".join(ids) or "nothing measured"


def _missing(e: Evidence, c: Candidate) -> str:
    if c.predicted:
        return "nothing, but nothing of it was measured either"
    return "a loss that falls" if e.learning and c.mechanism != "nothing_wrong" else "nothing found"


def _seen(e: Evidence, mechanism: str) -> str:
    """What the measurements say of a mechanism that no rule proposed."""
    for name, kind in (("saturation", "saturated"), ("dead_relu", "dead"), ("bias_floor", "cosine")):
        if mechanism == name and (column := e.column(kind)):
            return f"measured: at most {max(x for _, x in column):.3g}"
    if mechanism == "growth" and e.losses is not None and max(factors := grows(e)) > 1.05:
        return (
            f"measured: the loss ends at x{number(factors[0])} of its least, the gradient norm at x{number(factors[1])}"
        )
    if mechanism == "bias_floor" and e.subject is not None and e.subject.course is not None:
        return f"not measured; in theory {number(e.subject.course.across)} of the last signal differs between inputs at the start"
    for direction, shown in (("backward", e.gradient), ("forward", e.activation)):
        if mechanism == f"true_decay_{direction}" and shown is not None and shown.used > 1:
            return f"measured: amplitude first/last {number(bounded(log_ratio(shown)))}"
    measured = {
        "structural_zero": bool(e.zeros.live),
        "growth": e.gradient is not None or e.losses is not None,
        "stuck_at_chance": e.losses is not None,
        "died_after_learning": e.losses is not None,
        "nothing_wrong": e.losses is not None,
        "input_scale": e.activation is not None,
        "target_scale": e.losses is not None,
        "nan_origin": e.losses is not None,
    }
    return "measured, and not so" if measured.get(mechanism) else "not measured"
