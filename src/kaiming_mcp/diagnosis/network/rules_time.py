"""Findings about time: a recurrent layer through whose steps no gradient comes, or ever more of it."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Recurrent, layers
from kaiming_mcp.architecture.source.remarks import FORGET_BIAS
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.diagnosis.principles import INIT
from kaiming_mcp.diagnosis.signal.facts import OVER_TIME, opened, reach
from kaiming_mcp.scaffold import Severity, power

FADED, GROWN = math.log(1e-8), math.log(1e6)
"""ln of the factor on a squared gradient over all steps beyond which it is lost in the noise, or carries everything."""
HELPS = 0.75
"""Share of ln of the rate per step that a better start must leave at most to be a remedy."""


def time_findings(subject: Subject) -> list[Draft]:
    """One finding for the recurrent layer that changes the gradient most over its steps."""
    stations = subject.trace.stations if subject.trace is not None else ()
    passages = [s.passage for s in stations if s.passage is not None and s.passage.steps > 1]
    lost = [p for p in passages if p.log_ratio < FADED or p.log_ratio > GROWN]
    if not lost:
        return []
    worst = max(lost, key=lambda p: abs(p.log_ratio))
    facts = tuple(fact.id for fact in subject.facts.items if fact.unit == OVER_TIME)
    other, fades = opened(subject), worst.log_ratio < 0
    cells = [la.op for la, _ in layers(subject.network.root) if isinstance(la.op, Recurrent)]
    kinds = {op.kind for op in cells}
    # Gates may open while they learn, the other direction may carry it, and the length may be another.
    mild = worst.taken or any(op.bidirectional for op in cells)
    opened_already = any(FORGET_BIAS in a.statement for a in subject.network.assumptions)
    mild = mild or opened_already
    better = not opened_already and other is not None and abs(other.log_per_step) < HELPS * abs(worst.log_per_step)
    start = "an orthogonal recurrent matrix" + (", biases of the forget gates at 1" if "lstm" in kinds else "")
    grade: Severity = "low" if mild or ("rnn" not in kinds and not better) else "medium"
    effect = ""
    if better and other is not None:
        span = f", its amplitude 1 % after {reach(other)} steps instead of {reach(worst)}" if fades else ""
        effect = (
            f"squared gradient x{power(other.log_per_step)} per step instead of x{power(worst.log_per_step)}{span} "
            f"[{', '.join(facts)}]."
        )
    return [
        Draft(
            grade,
            INIT,
            f"The gradient {'fades' if fades else 'explodes'} over the {worst.steps} steps of a recurrent layer",
            facts,
            f"start with {start}; what must reach farther needs a path that skips steps (attention, pooling over time)."
            if better
            else "give far steps a path of their own (attention, pooling over time, dilated steps), or shorter sequences."
            if fades
            else "clip the norm of the gradient, and divide the recurrent matrix by its spectral radius.",
            "norm of dL/dh at the first step over that at the last, loss on the last step alone.",
            effect,
            weight=0.4,
        )
    ]
