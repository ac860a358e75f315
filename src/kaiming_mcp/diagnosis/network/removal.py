"""What to remove first: the part whose absence is cheapest to test, found in the network itself."""

from __future__ import annotations

from dataclasses import dataclass

from kaiming_mcp.architecture.ir import Dropout, Linear, Norm, layers
from kaiming_mcp.architecture.parameters import parameter_count
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.diagnosis.principles import SIMPLE

LARGE_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class Removal:
    """A candidate, the fact it rests on, and the test that would bring it back."""

    what: str
    evidence: tuple[str, ...]
    test: str


def first_removal(subject: Subject, drafts: list[Draft]) -> Removal:
    """The first part to remove: without effect, then the largest, then unmeasured, then depth."""
    idle = next((d for d in drafts if d.principle == SIMPLE and d.severity != "note"), None)
    if idle is not None:
        return Removal(f"{idle.title.lower()}: {idle.remedy.rstrip('.')}", idle.evidence, idle.test)
    return _largest(subject) or _dropout_beside_norm(subject) or _depth(subject)


def _largest(subject: Subject) -> Removal | None:
    total = subject.account.total
    linear = [
        (parameter_count(layer.op) or 0, layer)
        for layer, times in layers(subject.network.root)
        if isinstance(layer.op, Linear) and times == 1
    ]
    if not linear or not total:
        return None
    size, layer = max(linear, key=lambda pair: pair[0])
    convolutional = structure.weighted(subject.network.root) > structure.count(subject.network.root, Linear)
    if size < LARGE_SHARE * total or not convolutional:
        return None
    fact = subject.facts.add(
        f"`{layer.path or layer.origin.text}` holds {size:,} of {total:,} parameters ({size / total:.0%})",
        "computed",
        size / total,
        "of the parameters",
    )
    return Removal(
        f"the dense layer `{layer.path or layer.origin.text}`: pool globally and classify with one linear layer",
        (fact,),
        "validation error with global pooling, same schedule, three seeds; keep it only if worse by > 2 seed std.",
    )


def _dropout_beside_norm(subject: Subject) -> Removal | None:
    root = subject.network.root
    dropout = sum(times for la, times in layers(root) if isinstance(la.op, Dropout) and la.op.p > 0)
    norm = structure.count(root, Norm)
    if not dropout or not norm:
        return None
    fact = subject.facts.add(f"{dropout} dropout layers beside {norm} normalizations", "read", dropout, "layers")
    return Removal(
        "all dropout (one run at p = 0)",
        (fact,),
        "validation loss at p = 0, same schedule, three seeds; keep dropout only if worse by > 2 seed std.",
    )


def _depth(subject: Subject) -> Removal:
    blocks = sum(n for _, n in structure.residuals(subject.network.root))
    depth = structure.weighted(subject.network.root)
    what = f"half of the {blocks} residual blocks" if blocks > 1 else f"half of the {depth} weighted layers"
    unit = "blocks" if blocks > 1 else "layers"
    fact = subject.facts.add(f"depth: {what.removeprefix('half of the ')}", "read", blocks or depth, unit)
    return Removal(
        what,
        (fact,),
        "training and validation loss of the shorter network at equal steps; keep the depth only if it pays in both.",
    )
