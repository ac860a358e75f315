"""The loss of an untrained network: what its output adds to the loss of a constant guess."""

from __future__ import annotations

import math

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network.losses import wanted
from kaiming_mcp.diagnosis.network.structure import Ending, cite
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.diagnosis.principles import INIT
from kaiming_mcp.scaffold import number

QUIET, HEARD, LOUD = 0.1, 0.01, math.log(1e6)
"""E[z²] of an output from which it is worth a note, the share of a first loss that is worth a word, and ln E[z²] beyond
which the network has greater faults."""


def first_cross_entropy(subject: Subject, end: Ending) -> float | None:
    """ln C + E[z²]/2: the mean of a log-sum-exp of independent Gaussian logits that are not too wide."""
    log_q = _log_output(subject, end)
    adds = None if log_q is None or log_q > 0 else math.exp(log_q) / 2
    return None if adds is None or adds < HEARD * math.log(end.units) else math.log(end.units) + adds


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
