"""A gain that does not fit the nonlinearity, and inputs that have become alike."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Activation, Conv, Layer, Linear, layers
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.rules_activation import UNSTABLE
from kaiming_mcp.diagnosis.network.structure import cite
from kaiming_mcp.diagnosis.network.subject import Course, Subject
from kaiming_mcp.diagnosis.network.traced import gain_candidates, severity, signal_evidence, traced
from kaiming_mcp.diagnosis.principles import INIT
from kaiming_mcp.scaffold import bounded, power
from kaiming_mcp.signal.activations import SATURATING, find
from kaiming_mcp.signal.initialization import Initialization, variances
from kaiming_mcp.signal.initialization_words import of_layer
from kaiming_mcp.signal.moments import moments

FITS, FAR = math.log(1.15), math.log(1.5)
"""ln of a factor on the variance per layer within which a gain fits, and beyond which one layer is named."""
COLLAPSED = 1e-3
"""Share of the last signal that differs between inputs, below which the output ignores the input."""


def gain(subject: Subject, here: Course) -> Draft | None:
    """An initialization whose gain does not fit a piecewise-linear or mild nonlinearity."""
    act = subject.activation
    if act is None or subject.normed or here.healthy or subject.wishes.fixed_init:
        return None
    if find(act.name, act.parameter) is None:
        return None
    if act.name in SATURATING | UNSTABLE or (structure.has_skip(subject.network.root) and not _in_one_branch(subject)):
        return None
    first = gain_candidates(subject)[:1]
    if not first or first[0][1].worst > here.worst - math.log(2):
        return None
    init, then = first[0]
    kept = math.exp(moments(act.name, act.parameter, 0.0, 0.0).log_second)
    unfit = _unfit(subject, act, kept) or _uneven(subject, act, kept)
    if unfit is None:
        return None
    found = traced(subject, init.describe(), then)
    return Draft(
        severity(here.worst),
        INIT,
        unfit[0],
        (unfit[1], *signal_evidence(subject)[:2], *found.evidence),
        f"initialise every weighted layer with {init.describe()}, biases zero{_call(init)}.",
        "log E[x²] and log gradient per layer at step 0 on one real batch; |slope| x depth < ln 10.",
        found.text,
        weight=here.worst,
        limit="Convergence is not quality",
    )


def _in_one_branch(subject: Subject) -> bool:
    """Whether the main path is a plain stack inside one long skip."""
    return any(s.inside for s in subject.stations) and all(s.kind == "layer" for s in subject.stations)


def _unfit(subject: Subject, act: Activation, kept: float) -> tuple[str, str] | None:
    """Title and fact where the typical layer has another gain than the nonlinearity asks for."""
    here = subject.course
    typical = _typical_gain(subject)
    if subject.init.own and _spread(subject) > FAR:
        return None
    if here is None or not typical or abs(math.log(typical * kept)) < FITS:
        return None
    rate = here.log_backward / (here.depth - 1) if here.backward.log_step is None else here.backward.log_step
    fact = subject.facts.add(
        f"{act.name} keeps {kept:.4g} of the second moment and {subject.init.describe()} has fan_in Var[w] = "
        f"{typical:.3g}: x{power(rate)} per layer, where {1 / kept:.4g} would hold it at 1",
        "computed",
        bounded(rate),
        "per layer",
        "He et al. 2015, eq. 10 and 14",
    )
    direction = "shrinks" if here.log_backward < 0 else "grows"
    return f"{_fits_not(subject.init)} {act.name}: the signal {direction} geometrically", fact


def _fits_not(init: Initialization) -> str:
    return f"{init.describe()} {'do' if init.own else 'does'} not fit"


def _uneven(subject: Subject, act: Activation, kept: float) -> tuple[str, str] | None:
    """Title and fact where the gain fits most layers, and some have fans for which it does not."""
    rows = [(gain, layer, n) for gain, layer, n in _gains(subject) if gain and abs(math.log(gain * kept)) > FAR]
    if not rows:
        return None
    worst, layer, _ = max(rows, key=lambda row: abs(math.log(row[0] * kept)))
    count, total = sum(n for *_, n in rows), sum(n for *_, n in _gains(subject))
    fact = subject.facts.add(
        f"{act.name} asks for fan_in Var[w] = {1 / kept:.4g}; under {subject.init.describe()} {count} of {total} layers have "
        f"another, {cite(layer)} the most: {worst:.3g}",
        "computed",
        worst,
        "fan_in Var[w]",
        "He et al. 2015, eq. 10 and 14",
    )
    return f"{_fits_not(subject.init)} {act.name} in {count} of {total} layers", fact


def _gains(subject: Subject) -> list[tuple[float, Layer, int]]:
    """fan_in Var[w] of every linear layer and convolution, with its copies."""
    found = [(layer, layer.op, n) for layer, n in layers(subject.network.root)]
    return [
        (variances(of_layer(subject.init, layer), op)[0], layer, n)
        for layer, op, n in found
        if isinstance(op, Linear | Conv)
    ]


def _spread(subject: Subject) -> float:
    """ln of the largest over the smallest fan_in Var[w], the last layer's left out."""
    logs = [math.log(gain) for gain, *_ in _gains(subject)[:-1] if gain]
    return max(logs) - min(logs) if logs else 0.0


def _typical_gain(subject: Subject) -> float:
    """fan_in Var[w] of the median layer, copies counted; 0 where attention and recurrent layers hold all weights."""
    rows = sorted((gain, n) for gain, _, n in _gains(subject))
    half, seen = sum(n for _, n in rows) / 2, 0
    for gain, n in rows:
        seen += n
        if seen >= half:
            return gain
    return 0.0


def _call(init: Initialization) -> str:
    if init.scheme == "he":
        return " (torch: nn.init.kaiming_normal_(w, nonlinearity='relu'))"
    if init.scheme == "xavier":
        return f" (torch: nn.init.xavier_normal_(w, gain={init.gain:.4g}))"
    return ""


def collapse(subject: Subject, here: Course) -> Draft | None:
    """A last layer that hardly differs between inputs."""
    if here.across >= COLLAPSED or structure.has_skip(subject.network.root):
        return None
    fact = next(f.id for f in subject.facts.items if f.unit == "share")
    # The same remedy as for the scale: a collapse without a broken scale is the rarer case.
    first = gain_candidates(subject)[:1]
    better = first[0] if first and first[0][1].across > 10 * here.across else None
    found, told = (fact,), ""
    if better is not None:
        share = power(math.log(better[1].across))
        then = subject.facts.add(
            f"{better[0].describe()}, traced: share that differs between inputs {share}",
            "computed",
            better[1].across,
            "share then",
        )
        subject.changed[then] = better[1]
        found, told = (fact, then), f"share that differs between inputs {share} [{then}]."
    return Draft(
        "high" if here.healthy else "medium",
        INIT,
        "The output is alive but ignores the input (correlation collapse, bias floor)",
        found,
        f"{better[0].describe()} with zero biases." if better else "add skips or normalization across the batch.",
        "relative change of the last activations when the inputs are shuffled, at step 0; below 1e-3 is collapse.",
        told,
        weight=0.5,
    )
