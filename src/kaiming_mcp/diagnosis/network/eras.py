"""The earlier situation that a network resembles, with its own number beside the one of then.

Figures: He et al. 2015 (PReLU), sections 2.2 and 4; He et al. 2016 (ResNet), Table 2; He et al. 2016 (Identity Mappings),
Tables 2 and 3.
"""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import Activation
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.subject import Course, Subject
from kaiming_mcp.scaffold import power
from kaiming_mcp.signal.activations import find

IDENTITY = "2016: with only the identity on the skip path 1001 layers went from 7.61 % to 4.92 % error."
PLAIN_NORMED = 18


def era(subject: Subject, here: Course | None) -> tuple[str, list[str]] | None:
    """The story and the facts of this network that it cites; None where no number of it belongs to one."""
    if here is None:
        return None
    root = subject.network.root
    if subject.stations[0].kind == "sum":
        return _of_sums(subject)
    if structure.has_skip(root):
        return None
    if subject.normed:
        run = [f.id for f in subject.facts.items if f.unit == "layers" and "in a row" in f.statement]
        story = (
            "2015, before skips: normed plain nets got worse with depth in training error (27.94 at 18, 28.54 at 34)."
        )
        return (story, run) if run and structure.weighted(root) > PLAIN_NORMED else None
    return _of_plain(subject, here)


def _of_sums(subject: Subject) -> tuple[str, list[str]] | None:
    behind = [f.id for f in subject.facts.items if "norm after the add" in f.statement]
    if behind:
        factor = power(-0.5 * sum(s.state.log_q for s in subject.stations))
        return f"{IDENTITY} Here norms stand on it and multiply it by {factor}.", behind
    share = [f.id for f in subject.facts.items if f.unit == "share"]
    if structure.sums_before(subject.network.root, Activation) > 1:
        story = (
            "2016: a nonlinearity after each add cost 0.24 points of error at 54 sums, and 2.7 at 333. "
            f"Here {len(subject.stations)} sums have one."
        )
        return story, share
    first, last = subject.stations[0], subject.stations[-1]
    blocks = [block for block, _ in structure.residuals(subject.network.root) if structure.weighted(block)]
    whole = all(block.shortcut is None for block in blocks)
    if first.parts is None or not whole or structure.post_normed(subject.network.root):
        return None
    kept = math.exp(min(first.parts[0].log_q - last.state.log_q, 0.0))
    fact = subject.facts.add(
        f"{100 * kept:.3g} % of E[x²] at the last sum is still what entered the trunk; the rest was added by branches",
        "computed",
        kept,
        "of E[x²]",
    )
    return f"{IDENTITY} Here the identity still carries {100 * kept:.3g} % of E[x²] at the end.", [fact]


def _of_plain(subject: Subject, here: Course) -> tuple[str, list[str]] | None:
    """In layers of 2015: ReLU under Xavier keeps half of the gradient's square in each."""
    act = subject.activation
    known = find(act.name, act.parameter) if act is not None else None
    if known is None or known.slopes is None or here.log_backward > math.log(2) or here.depth <= 10:
        return None
    equal = max(-here.log_backward / math.log(2), 0.0)
    fact = subject.facts.add(
        f"the gradient ratio {power(here.log_backward)} is that of {equal:.0f} ReLU layers under Xavier, which keeps half in "
        "each",
        "computed",
        equal,
        "layers of 2015",
        "He et al. 2015",
    )
    return (
        "Early 2015: rectifier nets of 22 layers trained with Xavier, 30 layers stalled until the gain fitted ReLU.",
        [fact],
    )
