"""The loss of an untrained network: what its output adds to the loss of a constant guess."""

from __future__ import annotations

import math

import numpy as np

from kaiming_mcp.architecture.ir import Embedding, Linear, layers
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network.losses import wanted
from kaiming_mcp.diagnosis.network.structure import Ending, cite, width_in
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.diagnosis.principles import INIT
from kaiming_mcp.scaffold import number

WIDE = 10.0
"""E[z²] of class scores from which the first loss is some nats above ln C."""
_NODES = np.linspace(-8.0, 8.0, 321)
_MASSES = np.exp(-(_NODES**2) / 2) / np.exp(-(_NODES**2) / 2).sum()
QUIET, HEARD, LOUD = 0.1, 0.01, math.log(1e6)
"""E[z²] of an output from which it is worth a note, the share of a first loss that is worth a word, and ln E[z²] beyond
which the network has greater faults."""


def first_cross_entropy(subject: Subject, end: Ending) -> tuple[float, str] | None:
    """The first loss over C classes where its output is heard, and the formula that it comes from."""
    log_q = _log_output(subject, end)
    if log_q is None or end.units < 2:
        return None
    log_classes, adds = math.log(end.units), math.exp(log_q) / 2
    if log_q <= 0:
        formula = f"ln {end.units:,} + E[z²]/2 = {log_classes + adds:.4g}"
        return None if adds < HEARD * log_classes else (log_classes + adds, formula)
    if not (subject.network.loss or _gives_classes(subject, end)):
        return None
    value = mean_log_sum(math.exp(0.5 * log_q), end.units)
    return value, f"{value:.4g}, where logits of a constant guess give ln {end.units:,} = {log_classes:.4g}"


def mean_log_sum(sigma: float, classes: int) -> float:
    """E ln(sum of exp(sigma z_i)) of independent standard Gaussians.

    Exact, by ln S = integral of (e^-t - e^-tS)/t dt, with E[e^-tS] = E[exp(-t e^(sigma z))]^C.
    """
    low, high = -40.0 * max(sigma, 1.0) - math.log(classes), 9.0 * max(sigma, 1.0) + 5.0
    log_t = np.linspace(low, high, 4000)
    blocks = np.array_split(log_t, 100)
    each = np.hstack([np.exp(-np.exp(np.minimum(t[:, None] + sigma * _NODES, 700.0))) @ _MASSES for t in blocks])
    together = np.exp(classes * np.log(np.maximum(each, 1e-300)))
    one = np.exp(-np.exp(np.minimum(log_t, 700.0)))
    return float((one - together).sum() * (log_t[1] - log_t[0]))


def loud_logits(subject: Subject, end: Ending) -> Draft | None:
    """Class scores that are so wide untrained that the first loss is far above that of a constant guess."""
    log_q = _log_output(subject, end)
    kind = wanted(subject.network.loss) if subject.network.loss else None
    if log_q is None or log_q < math.log(WIDE) or end.activation is not None or end.units < 2:
        return None
    if (subject.network.loss and kind != "logits") or (not subject.network.loss and subject.wishes.regression):
        return None
    found = first_cross_entropy(subject, end)
    if found is None:
        return None
    value, sure = found[0], kind == "logits"
    fact = subject.facts.add(
        f"{cite(end.head)} puts out E[z²] = {number(math.exp(log_q))} untrained: {'' if sure else 'if cross-entropy follows, '}"
        f"the loss starts near {found[1]}",
        "computed",
        value,
        "loss at step 0",
        "E ln(sum of exp(z)), z Gaussian and independent",
    )
    return Draft(
        "medium" if sure and value > 2 * math.log(end.units) else "low",
        INIT,
        "The untrained logits are too wide",
        (fact,),
        f"draw the head with std 1/sqrt(fan_in) of a normalised input, here {number(math.exp(-0.5 * log_q))} times its std.",
        f"the loss at step 0: it must be near ln {end.units:,} = {math.log(end.units):.4g}.",
        f"loss at step 0 near {mean_log_sum(1.0, end.units):.4g} instead of {value:.4g} [{fact}].",
        weight=0.3,
    )


def _gives_classes(subject: Subject, end: Ending) -> bool:
    """Whether a head looks like one of classes: linear, and narrower than what enters it or as wide as a table."""
    if not isinstance(end.head.op, Linear):
        return False
    tables = [la.op.count for la, _ in layers(subject.network.root) if isinstance(la.op, Embedding)]
    return end.units < (width_in(end.head.op) or 0) or end.units in tables


def first_error(subject: Subject, end: Ending) -> Draft | None:
    """A regression whose untrained output is as loud as its target, or louder."""
    number_wanted = wanted(subject.network.loss) == "number" if subject.network.loss else subject.wishes.regression
    log_q = _log_output(subject, end)
    if not number_wanted or end.activation is not None or log_q is None or log_q < math.log(QUIET):
        return None
    q = math.exp(log_q)
    fact = subject.facts.add(
        f"{cite(end.head)} puts out E[z²] = {number(q)} untrained: against a target of mean 0 and variance 1 the squared "
        f"error starts at 1 + {number(q)} = {number(1 + q)}; with the head's std divided by 10, at {number(1 + q / 100)}",
        "computed",
        1 + q,
        "squared error at step 0",
    )
    return Draft(
        "note",
        INIT,
        "The untrained output adds its own variance to the error",
        (fact,),
        "divide the head's std by 10, or start it at zero.",
        "the loss at step 0: it must be near the variance of the target.",
        f"squared error at step 0 {number(1 + q / 100)} instead of {number(1 + q)} [{fact}].",
    )


def _log_output(subject: Subject, end: Ending) -> float | None:
    """ln E[z²] of what the head puts out at the start; None where it was not followed to the end."""
    stations = subject.trace.stations if subject.trace is not None else ()
    if not stations or stations[-1].inside or stations[-1].path != end.head.path or end.dropout is not None:
        return None
    log_q = stations[-1].state.log_q
    return log_q if math.isfinite(log_q) and log_q < LOUD else None
