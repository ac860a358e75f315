"""The frame of a critique: six steps of thought about this network, each ending in a field."""

from __future__ import annotations

from kaiming_mcp.architecture.ir import Activation, Layer, Norm, layers
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.removal import Removal
from kaiming_mcp.diagnosis.network.subject import Course, Subject
from kaiming_mcp.scaffold import FormField, Step, power

FORM = [
    FormField(name="invariant", holds="what should be conserved, its value now (fact id), its target"),
    FormField(name="mechanism", holds="one sentence: why it is broken, or why it holds, citing a fact id"),
    FormField(name="contract", holds="what the repeated block promises the next: scale in, scale out"),
    FormField(name="era_test", holds="the earlier era and the observation that would make the analogy false"),
    FormField(name="removal", holds="what goes first, the measurement, and the result that brings it back"),
    FormField(name="decision", holds="one change, its predicted number, and the number at which to give it up"),
]


def frame(subject: Subject, here: Course | None, faults: list[Draft], removal: Removal) -> list[Step]:
    """Six steps: symmetry, principle, stack, era, removal, decision."""
    signal = [f.id for f in subject.facts.items if f.unit in {"second moment", "gradient"}]
    top = faults[0] if faults else None
    block, sums = _block(subject), sum(n for _, n in structure.residuals(subject.network.root))
    conserved = (
        f"Two quantities ought to be conserved along depth. E[x²] changes by x{power(here.log_forward)}, the "
        f"gradient by x{power(here.log_backward)}. Which one breaks first, and what single factor per layer "
        "holds both at 1?"
        if here is not None
        else "The signal could not be computed here. Name the quantity that must be conserved along depth "
        "(E[x²] of the trunk, gradient norm), and where this structure can change it."
    )
    cause = (
        f"D1: {top.title}. Derive it in one line from the cited fact; then say what else would "
        "show the same numbers, and which measurement separates the two."
        if top
        else "No structural fault was found, and the signal is not known. Which measurement on one batch would tell a "
        "sound network of this shape from a broken one, and what value do you expect?"
        if here is None
        else "Nothing is broken. Say which fact would have to change, and to what, before you would touch the design."
    )
    identity = (
        f"The {sums} residual sums let the identity be the default. Where on the skip path does something stand that "
        "is not the identity, and what does it cost?"
        if sums
        else f"The unit that repeats is {block}. What does it promise about the scale of its output, whatever its "
        "input? What would you call it with in one line, three years from now?"
    )
    era, cites = _era(subject)
    return [
        Step(way="Fundamental symmetry", prompt=conserved, cites=signal, field="invariant"),
        Step(way="The principle", prompt=cause, cites=list(top.evidence) if top else signal, field="mechanism"),
        Step(way="Abstraction stack", prompt=identity, cites=["F1"], field="contract"),
        Step(way="Earlier era", prompt=era, cites=cites, field="era_test"),
        Step(
            way="Simplicity",
            prompt=f"Remove first: {removal.what}. Test: {removal.test} What result would bring it back?",
            cites=list(removal.evidence),
            field="removal",
        ),
        Step(
            way="Decide",
            prompt="State one change only, the number you predict for it, and the number at which you give it up.",
            cites=list(top.evidence) if top else ["F1"],
            field="decision",
        ),
    ]


def _block(subject: Subject) -> str:
    kinds: list[str] = []
    for item in structure.main_chain(subject.network.root):
        if isinstance(item.node, Layer):
            op = item.node.op
            name = op.name if isinstance(op, Activation) else type(op).__name__.lower()
            if name not in kinds:
                kinds.append(name)
    return " + ".join(kinds[:4]) or "the block"


def _era(subject: Subject) -> tuple[str, list[str]]:
    """The earlier situation that this network resembles, with its figures."""
    root = subject.network.root
    depth = structure.weighted(root)
    ask = "What would you observe here if the analogy were false?"
    if structure.residuals(root):
        if any(isinstance(la.op, Norm) and la.op.kind in {"layer", "rms"} for la, _ in layers(root)):
            story = "The normed residual trunk repeats 2016's lesson (identity on the skip path) with another norm."
        else:
            story = "2016: 1001 layers went from 7.61 % to 4.92 % error when only the identity stayed on the skip path."
    elif subject.normed and depth > 18:
        story = (
            "2015, before skips: normed plain nets got worse with depth in training error (27.94 at 18, 28.54 at 34)."
        )
    elif depth > 10:
        story = (
            "Early 2015: rectifier nets of 22 layers trained with Xavier, 30 layers stalled until the gain fitted ReLU."
        )
    else:
        story = f"With {depth} weighted layers depth was never the problem, in 2012 or now; data and baseline were."
    return f"{story} {ask}", ["F1"]
