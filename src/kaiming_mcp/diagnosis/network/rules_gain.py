"""A gain that does not fit the nonlinearity, and inputs that have become alike."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Conv, Linear, layers
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.rules_activation import UNSTABLE
from kaiming_mcp.diagnosis.network.subject import Course, Subject
from kaiming_mcp.diagnosis.network.traced import effect, gain_candidates, severity, signal_evidence
from kaiming_mcp.diagnosis.principles import INIT
from kaiming_mcp.scaffold import bounded, power
from kaiming_mcp.signal.activations import SATURATING, find
from kaiming_mcp.signal.initialization import Initialization, variances
from kaiming_mcp.signal.moments import moments

COLLAPSED = 1e-3
"""Share of the last signal that differs between inputs, below which the output ignores the input."""


def gain(subject: Subject, here: Course) -> Draft | None:
    """An initialization whose gain does not fit a piecewise-linear or mild nonlinearity."""
    act = subject.activation
    if act is None or subject.normed or here.healthy or subject.wishes.fixed_init:
        return None
    if find(act.name, act.parameter) is None:
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
        bounded(rate),
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
    """fan_in Var[w] of the median weighted layer; 0 where attention and recurrent layers hold all weights."""
    ops = [layer.op for layer, _ in layers(subject.network.root) if isinstance(layer.op, Linear | Conv)]
    gains = sorted(variances(subject.init, op)[0] for op in ops)
    return gains[len(gains) // 2] if gains else 0.0


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
