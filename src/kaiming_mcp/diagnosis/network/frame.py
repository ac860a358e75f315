"""The frame of a critique: steps of thought about this network, each on its own numbers and ending in a field."""

from __future__ import annotations

from itertools import takewhile

from kaiming_mcp.architecture.ir import Activation, Layer, Norm, Op, is_weighted
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.deeper import deeper_fact
from kaiming_mcp.diagnosis.network.eras import era
from kaiming_mcp.diagnosis.network.facts import backward_rate, forward_rate, unit
from kaiming_mcp.diagnosis.network.removal import Removal
from kaiming_mcp.diagnosis.network.subject import Course, Subject
from kaiming_mcp.scaffold import FormField, Step, power

LONGEST_UNIT = 5
FORM = [
    FormField(name="invariant", holds="what is to be kept, its value (fact id), its target", wants=["number"]),
    FormField(name="mechanism", holds="why it is broken or holds, in one sentence with a fact id"),
    FormField(name="contract", holds="scale in, scale out of a block", wants=["number"]),
    FormField(name="era_test", holds="what would make the analogy false", wants=["test"]),
    FormField(name="removal", holds="what goes, the measurement, what brings it back", wants=["test"]),
    FormField(
        name="decision",
        holds="one change, its number, where to give it up; or none, and the number that calls for one",
        wants=["number", "test"],
    ),
]

ALWAYS = [field for field in FORM if field.name not in {"contract", "era_test"}]
"""The fields that every scaffold has."""


def form_of(steps: list[Step]) -> list[FormField]:
    """The fields in which these steps end."""
    asked = {step.field for step in steps}
    return [field for field in FORM if field.name in asked]


def frame(subject: Subject, here: Course | None, faults: list[Draft], removal: Removal) -> list[Step]:
    """Symmetry, principle, stack, era, removal, decision; a step for which nothing was computed is left out."""
    signal = [f.id for f in subject.facts.items if f.unit in {"second moment", "gradient"}]
    top = faults[0] if faults else None
    sound = top is None or top.severity == "low"
    steps = [_invariant(subject, here, signal, sound), _mechanism(here, top, signal)]
    if here is not None:
        steps.append(_contract(subject, here, signal))
    told = era(subject, here)
    if told is not None:
        steps.append(
            Step(
                way="Earlier era",
                prompt=f"{told[0]} What would you observe here if the analogy were false?",
                cites=told[1],
                field="era_test",
            )
        )
    return [
        *steps,
        Step(
            way="Simplicity",
            prompt=f"Remove first: {removal.what}. Test: {removal.test} What result would bring it back?",
            cites=list(removal.evidence),
            field="removal",
        ),
        Step(
            way="Decide",
            prompt="One change only" + (", or none." if sound else "."),
            cites=list(top.evidence) if top else signal or ["F1"],
            field="decision",
        ),
    ]


def _invariant(subject: Subject, here: Course | None, signal: list[str], sound: bool) -> Step:
    if here is None:
        prompt = (
            "The signal could not be computed here. Name the quantity that must be conserved along depth (E[x²] of the "
            "trunk, gradient norm), and where this structure can change it."
        )
        return Step(way="Fundamental symmetry", prompt=prompt, cites=[], field="invariant")
    now = f"E[x²] changes x{power(here.log_forward)}, the gradient x{power(here.log_backward)}"
    adds = subject.normed and bool(_trunk(subject)) and not structure.post_normed(subject.network.root)
    if not here.healthy and not adds:
        prompt = (
            f"Two quantities ought to be conserved along depth: {now}. Which one breaks first, and what single factor per "
            f"{unit(subject.stations)} holds both at 1?"
        )
        return Step(way="Fundamental symmetry", prompt=prompt, cites=signal, field="invariant")
    deeper = deeper_fact(subject, here) if sound else None
    twice = deeper[1] if deeper else ""
    if adds:
        prompt = (
            f"In a normed trunk the total need not be conserved ({now}), but what each block adds to it: std(F)/std(x). "
            f"{twice}Which target do you set for it, and which change would leave it first: more depth, or a louder branch?"
        )
    elif sound:
        prompt = (
            f"Held over depth: {now}. {twice}Which of the two would leave its target first, and what would move it?"
        )
    else:
        prompt = f"Within a factor of ten over depth: {now}. Does D1 move one of them, which, and by how much?"
    cites = [*signal, *(_trunk(subject) if adds else []), *([deeper[0]] if deeper else [])]
    return Step(way="Fundamental symmetry", prompt=prompt, cites=cites, field="invariant")


def _mechanism(here: Course | None, top: Draft | None, signal: list[str]) -> Step:
    if top is not None:
        prompt = (
            "Derive D1 in one line from these facts. What else would show the same numbers, and which measurement tells them "
            "apart?"
        )
    elif here is None:
        prompt = (
            "No structural fault was found, and the signal is not known. Which measurement on one batch would tell a sound "
            "network of this shape from a broken one, and what value do you expect?"
        )
    else:
        prompt = (
            "Nothing is broken. Say which fact would have to change, and to what, before you would touch the design."
        )
    return Step(way="The principle", prompt=prompt, cites=list(top.evidence) if top else signal, field="mechanism")


def _contract(subject: Subject, here: Course, signal: list[str]) -> Step:
    trunk = _trunk(subject)
    if trunk:
        prompt = (
            "State in numbers what a block promises the next: trunk in, power added; and what on the skip path is not the "
            "identity, and costs what."
        )
        return Step(way="Abstraction stack", prompt=prompt, cites=trunk, field="contract")
    prompt = (
        f"The unit that repeats is {_unit(subject)}: E[x²] {forward_rate(subject, here)}, gradient "
        f"{backward_rate(subject, here)}. What does it promise to the next, and does the promise hold for an input of ten "
        "times the scale?"
    )
    return Step(way="Abstraction stack", prompt=prompt, cites=signal, field="contract")


def _trunk(subject: Subject) -> list[str]:
    return [f.id for f in subject.facts.items if f.unit == "std(F)/std(x)"]


def _unit(subject: Subject) -> str:
    """The weighted layer that repeats most, with what stands behind it."""
    chain = structure.main_chain(subject.network.root)
    counts: dict[str, int] = {}
    for i, item in enumerate(chain):
        if not (item.follows and isinstance(item.node, Layer) and is_weighted(item.node.op)):
            continue
        behind = takewhile(lambda it: isinstance(it.node, Layer) and not is_weighted(it.node.op), chain[i + 1 :])
        names = [_name(it.node.op) for it in (item, *behind) if isinstance(it.node, Layer)]
        unit_name = " + ".join(names[:LONGEST_UNIT])
        counts[unit_name] = counts.get(unit_name, 0) + item.follows
    return max(counts, key=lambda name: counts[name], default="the layer")


def _name(op: Op) -> str:
    return op.name if isinstance(op, Activation) else op.kind if isinstance(op, Norm) else type(op).__name__.lower()
