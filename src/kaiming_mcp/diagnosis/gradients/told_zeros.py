"""Zeros that one line of the log explains: a rounded print, a state that float16 cannot hold, no label in the loss."""

from __future__ import annotations

from collections.abc import Iterator

from kaiming_mcp.diagnosis.gradients import lines
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.scaffold import number

MANY = 0.5


def told_zeros(e: Evidence) -> Iterator[Candidate]:
    """Explanations that need no rows of layers."""
    unit = lines.rounded_away(e.told)
    if unit is not None:
        fact = e.facts.add(
            f"the print rounds to {number(2 * unit)}: every number of it is only known to lie below {number(unit)}",
            "measured",
            unit,
            "resolution of the print",
        )
        yield Candidate("print_zeros", 0.9, (fact,))
    state = lines.optimizer_zeros(e.told)
    if state is not None and state[1] >= MANY and e.half:
        fact = e.facts.add(
            f"{state[1]:.0%} of `{state[0]}` is 0 in float16: the square of a gradient below 2.4e-4 lies below 6e-8, the "
            "smallest float16, and the update then divides by eps, which is 0 there as well",
            "measured",
            state[1],
            "zeros of the state",
        )
        do = "Keep the state of the optimizer, its eps and a master copy of the weights in float32; scale the loss."
        yield Candidate("underflow_half", 0.95, (fact,), state[0], change=do)
    if words := lines.no_label(e.told):
        fact = e.facts.add(
            f"not one label counts in the loss (`{words[:80]}`): its gradient is exactly 0 everywhere", "measured"
        )
        do = "Print how many labels count in each batch, and repair the labels or the mask; no layer is at fault."
        yield Candidate(
            "structural_zero", 0.93, (fact,), "the labels in the loss", "no label counts in the loss", change=do
        )
