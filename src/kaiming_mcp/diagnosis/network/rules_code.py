"""Findings that the reading of the code made: what it does although its author rarely means it."""

from __future__ import annotations

from kaiming_mcp.architecture.source.remarks import LAST_AXIS, NO_SUM, OVERWRITTEN, SHARED
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.diagnosis.principles import INIT, RESIDUAL, SIMPLE
from kaiming_mcp.scaffold import Severity

_KNOWN: tuple[tuple[str, Severity, str, str, str, str], ...] = (
    (
        SHARED,
        "medium",
        SIMPLE,
        "One module stands in several places of a list",
        "build each anew, [Block() for _ in range(n)], where separate weights are meant; [Block()] * n repeats one object.",
        "len({id(m) for m in layers}) against len(layers); the parameter count against the one intended.",
    ),
    (
        OVERWRITTEN,
        "medium",
        RESIDUAL,
        "An in-place layer changes what the skip carries",
        "set inplace=False on the layer that comes first in the branch.",
        "the block's input before and after the call: torch.equal(x_before, x) must hold.",
    ),
    (
        NO_SUM,
        "medium",
        RESIDUAL,
        "Named residual, but no sum was read",
        "return x + branch(x) in its forward(); or keep it plain and give it another name.",
        "with the last layer of the block at zero, its output must be its input: torch.equal(block(x), x).",
    ),
    (
        LAST_AXIS,
        "medium",
        INIT,
        "A normalization over positions instead of channels",
        "give it the axis of the channels (axis=1 where they come first).",
        "the number of its scales: that of the channels.",
    ),
)


def code_findings(subject: Subject) -> list[Draft]:
    """One finding for each kind of remark that the reading of the code left."""
    found = list[Draft]()
    for words, grade, principle, title, remedy, test in _KNOWN:
        said = [a.statement for a in subject.network.assumptions if words in a.statement]
        if said:
            fact = next((f.id for f in subject.facts.items if words in f.statement), None)
            if fact is None:
                fact = subject.facts.add(said[0], "read", len(said), "places")
            found.append(Draft(grade, principle, title, (fact,), remedy, test, weight=1))
    return found
