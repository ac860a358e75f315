"""What a change would do to this network: every candidate is traced, and the least that works is taken."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple, TypeGuard

from kaiming_mcp.architecture.ir import Network
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.start import measured_scheme
from kaiming_mcp.diagnosis.gradients.theory import change_of, squares
from kaiming_mcp.diagnosis.gradients.trends import log_ratio
from kaiming_mcp.diagnosis.network import structure, variants
from kaiming_mcp.diagnosis.network.subject import Course, Subject, course_of
from kaiming_mcp.diagnosis.network.traced import gain_candidates
from kaiming_mcp.diagnosis.principles import INIT, RESIDUAL
from kaiming_mcp.measurements.trend import Trend
from kaiming_mcp.scaffold import power
from kaiming_mcp.signal.initialization import Initialization
from kaiming_mcp.signal.trace import trace

WORKS = math.log(100)
"""ln of a ratio of squares: amplitudes within a factor 10, which is what the test of the change asks for."""
BLIND = 0.01
"""Share of the signal that differs between inputs below which a flat course is no success."""


class Option(NamedTuple):
    """A change, and the network with it."""

    do: str
    principle: str
    network: Network
    init: Initialization


class Traced(NamedTuple):
    """The change that was chosen, in words, and its course."""

    do: str
    effect: str
    principle: str
    then: Course


def best_traced(e: Evidence) -> Traced | None:
    """The least change with which theory keeps this network within a factor 10; else the best that halves the fault."""
    subject = e.subject
    if subject is None or subject.course is None:
        return None
    tried = list[tuple[float, Option, Course]]()
    for option in _options(subject):
        then = course_of(option.network, option.init, subject.batch)
        if then is None or (option.network, option.init) == (subject.network, subject.init):
            continue
        if then.worst <= WORKS and then.across > min(BLIND, subject.course.across):
            return Traced(option.do, _effect(e, option, subject.course, then), option.principle, then)
        tried.append((then.worst, option, then))
    worst, option, then = min(tried, key=lambda t: t[0], default=(math.inf, None, None))
    if option is None or then is None or worst >= subject.course.worst / 2:
        return None
    return Traced(option.do, _effect(e, option, subject.course, then), option.principle, then)


def contradicted(e: Evidence, mechanism: str) -> bool:
    """Whether theory finds the network sound as it is said to start, and what was measured is far from that."""
    subject = e.subject
    if subject is None or subject.course is None or measured_scheme(e) is not None or subject.course.worst > WORKS:
        return False
    shown = e.activation if mechanism == "true_decay_forward" or e.gradient is None else e.gradient
    return shown is not None and abs(log_ratio(shown)) > WORKS


def _options(subject: Subject) -> Iterator[Option]:
    """Changes of this network, the least first."""
    network, init = subject.network, subject.init
    sums = sum(n for _, n in structure.residuals(network.root))
    if not subject.normed and not structure.has_skip(network.root):
        for best, _ in gain_candidates(subject)[:1]:
            do = f"Initialise every weighted layer with {best.describe()}, biases 0."
            yield Option(do, INIT, network, best)
        if subject.activation is not None and subject.activation.name == "sigmoid":
            gain = Initialization("xavier", gain=5 / 3)
            do = f"Replace the hidden sigmoids by tanh with {gain.describe()}, biases 0."
            yield Option(do, INIT, variants.with_activation(network, "sigmoid", "tanh"), gain)
    if sums and not subject.normed:
        scale = 1 / math.sqrt(sums)
        do = f"Multiply every residual branch by 1/sqrt({sums}) = {scale:.3g}."
        yield Option(do, RESIDUAL, variants.with_branch_scale(network, scale), init)
    if not subject.normed:
        do = "Put a normalization in front of every nonlinearity."
        yield Option(do, INIT, variants.with_norm_before_activation(network), init)
    if not sums:
        do = "Group the layers in pairs into residual blocks with LayerNorm first: h + W2 f(LN(W1 f(LN(h))))."
        yield Option(do, RESIDUAL, variants.with_skips(network), init)
    if subject.normed and not sums:
        do = "Replace batch norm by layer norm."
        yield Option(do, INIT, variants.with_norm_kind(network, "batch", "layer"), init)


def _effect(e: Evidence, option: Option, here: Course, then: Course) -> str:
    """Before and after; before is what was measured, where it was."""
    now, after = change_of(here), change_of(then)
    what, backward, reached, seen = "gradient", now.backward, after.backward, list[str]()
    if _ends(e.gradient):
        backward, seen = log_ratio(e.gradient), ["gradient"]
        if e.gradient.quantity.kind == "weight gradient":
            what, reached = "weight gradient", _weight_gradient(e, e.gradient, option, after.backward)
    forward = now.forward
    if _ends(e.activation):
        forward, seen = -log_ratio(e.activation), [*seen, "activation"]
    across = here.across
    if e.cosine:
        across, seen = 1 - e.cosine[-1][1], [*seen, "share"]
    return (
        f"traced on this network: {what} amplitude first/last {power(backward)} -> {power(reached)}, "
        f"activation amplitude last/first {power(forward)} -> {power(after.forward)}, share that differs between "
        f"inputs {across:.2g} -> {then.across:.2g}" + (f" (before: {' and '.join(seen)} measured)" if seen else "")
    )


def _ends(shown: Trend | None) -> TypeGuard[Trend]:
    return shown is not None and shown.used > 1 and not shown.zeros


def _weight_gradient(e: Evidence, shown: Trend, option: Option, otherwise: float) -> float:
    """ln of first over last of the weight gradient's norm once the change is made."""
    batch = e.subject.batch if e.subject is not None else 1
    logs = squares(trace(option.network, option.init, batch).main_path(), shown)
    return (logs[0] - logs[-1]) / 2 if len(logs) > 1 else otherwise
