"""What the text leaves open: other networks that it allows, and a total of its own that does not agree."""

from __future__ import annotations

import math
from dataclasses import replace

from kaiming_mcp.architecture.ir import Alternative
from kaiming_mcp.diagnosis.network.subject import Course, Subject, course_of
from kaiming_mcp.scaffold import bounded, power

MOST_ALTERNATIVES = 4
APART = math.log(10)


def doubts(subject: Subject) -> list[str]:
    """Record the facts about what is open; sentences for the limits where the answer depends on it."""
    _stated(subject)
    here = subject.course
    decisive: list[str] = []
    for other in subject.network.alternatives[:MOST_ALTERNATIVES]:
        there = course_of(replace(subject.network, root=other.root), subject.init, subject.batch)
        decisive += _compared(subject, other, here, there)
    return decisive


def _compared(subject: Subject, other: Alternative, here: Course | None, there: Course | None) -> list[str]:
    if there is None or here is None:
        subject.facts.add(f"the text also allows: {other.condition} (its signal was not computed)", "assumed")
        return []
    subject.facts.add(
        f"if {other.condition}: gradient first/last {power(there.log_backward)}, E[x²] last/first "
        f"{power(there.log_forward)}; as read: {power(here.log_backward)} and {power(here.log_forward)}",
        "computed",
        bounded(there.log_backward),
        "gradient first/last",
    )
    # Both infinite and alike is no difference.
    if there.log_backward == here.log_backward or abs(there.log_backward - here.log_backward) <= APART:
        return []
    settle = "; ".join(a.settle for a in subject.network.assumptions if _speaks_of(a.statement, other.condition))
    return [
        f"Open: if {other.condition}, gradient first/last is {power(there.log_backward)}"
        + (f"; {settle} decides." if settle else ".")
    ]


def _speaks_of(statement: str, condition: str) -> bool:
    """Whether an assumption is about the same thing: it names the first word of the condition."""
    word = condition.replace("=", " ").split()[:1]
    return bool(word) and word[0] in statement


def _stated(subject: Subject) -> None:
    account = subject.account
    if account.stated is None:
        return
    rest = account.stated - account.total
    if not rest:
        subject.facts.add(
            f"the text's own total, {account.stated:,} parameters, agrees", "stated", account.stated, "parameters"
        )
        return
    explained = "; ".join(f"{d.count:+,}: {d.reason}" for d in account.differences)
    reason = "unknown modules may hold them" if account.unknown and rest > 0 else "not explained"
    subject.facts.add(
        f"the text itself states {account.stated:,} parameters, {account.total:,} were read: {rest:+,} {reason}"
        + (f" (already counted: {explained})" if explained else ""),
        "stated",
        account.stated,
        "parameters",
    )
