"""The same network at twice its depth: what a sound design would lose first."""

from __future__ import annotations

from kaiming_mcp.diagnosis.network import variants
from kaiming_mcp.diagnosis.network.subject import Course, Subject, course_of
from kaiming_mcp.scaffold import bounded, power


def deeper_fact(subject: Subject, here: Course) -> tuple[str, str] | None:
    """Record the trace at twice the depth: its id and words; None where nothing repeats or it cannot be followed."""
    longer = variants.with_twice_the_depth(subject.network)
    then = None if longer is None else course_of(longer, subject.init, subject.batch)
    if then is None or then.depth <= here.depth:
        return None
    text = f"E[x²] last/first {power(then.log_forward)}, gradient first/last {power(then.log_backward)}"
    fact = subject.facts.add(
        f"at twice the depth ({then.depth} places instead of {here.depth}): {text}",
        "computed",
        bounded(then.log_backward),
        "gradient then",
    )
    return fact, f"At twice the depth: {text}. "
