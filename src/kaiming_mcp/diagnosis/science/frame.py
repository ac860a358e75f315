"""The frame of the translation: steps that end in a field, with the ways of reasoning where they bear."""

from __future__ import annotations

from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.patterns import era_step, stack_step
from kaiming_mcp.diagnosis.science.card import first_baseline, symmetry_of
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.scaffold import FormField, Step

FORM = [
    FormField(
        name="glossary",
        holds="sample unit, group, x, y, split with their numbers; who signs it",
        wants=["number"],
    ),
    FormField(name="symmetry", holds="what leaves the label alone, what only looks so, the gap", wants=["test"]),
    FormField(
        name="floor",
        holds="units, σ with its source, the error in multiples of σ",
        wants=["number"],
    ),
    FormField(
        name="contract", holds="what it is built on and what is built on it, with an error rate", wants=["number"]
    ),
    FormField(
        name="era_test", holds="the earlier turn it resembles, and the value that would refute it", wants=["test"]
    ),
    FormField(name="flows_back", holds="what to build in, its removal on 3 seeds", wants=["test"]),
]


def frame(
    s: Statement, card: dict[str, str], cells: str, empty: tuple[str, ...], notes: Notes, reasoning: bool
) -> list[Step]:
    """The steps; without `reasoning` the place on the stack or the earlier era is left out."""
    subject = s.recognised.subject
    leaks = list(dict.fromkeys(i for d in notes.drafts for i in d.evidence))[:2]
    cell = f"Empty: {', '.join(empty[:5])}. " if empty else "No cell is empty. "
    first = first_baseline(subject) if subject else "a linear model on a handful of known variables"
    if subject:
        cited = subject.cited.get("back")
        back = f"{subject.back}{f' ({cited[0]})' if cited else ''}. What would its removal cost, on 3 seeds?"
    else:
        back = "which invariance, reference or preconditioner of the field does the network lack, and what is it worth on 3 seeds?"
    lawless = subject is not None and subject.conserved.startswith(("none", "nothing"))
    kept = (
        "Nothing is conserved here: which bounds or orders must each output keep, and what share does?"
        if lawless
        else "Which conserved quantity does the output violate, and by how much?"
    )
    return [
        Step(
            way="Common language",
            prompt=f"{cell}Name the cells in the field's words, and the number of groups on each side of the split. "
            f"What would the group alone score, and what does {first} score on the same folds?",
            cites=list(dict.fromkeys([cells, *([card["groups"], card["baseline"]] if card else []), *leaks])),
            field="glossary",
        ),
        _symmetry_step(s, notes),
        Step(
            way="Mathematical reality",
            prompt=f"The label is a measurement: give its σ and the error in multiples of it. {kept}",
            cites=[card["conserved"], card["floor"]] if card else [cells],
            field="floor",
        ),
        *(_reasoning_steps(s, notes) if reasoning else []),
        Step(
            way="What flows back",
            prompt=f"Traffic the other way: {back}",
            cites=[card["conserved"]] if card else [cells],
            field="flows_back",
        ),
    ]


def _reasoning_steps(s: Statement, notes: Notes) -> list[Step]:
    """The place on the stack or else the earlier era that the words speak for; none where they speak for neither."""
    for way in (stack_step, era_step):
        if way(s.text, Facts()).cites:
            return [way(s.text, notes.facts)]
    return []


def _symmetry_step(s: Statement, notes: Notes) -> Step:
    entry = symmetry_of(s, s.recognised.subject)
    way, name = "Fundamental symmetry", "symmetry"
    if entry is None:
        prompt = "What may be done to the input so that the label stays? Name one transformation that only looks like it, and ask the expert."
        return Step(way=way, prompt=prompt, cites=[], field=name)
    source = ", ".join(entry.sources) or "general knowledge"
    fact = notes.facts.add(
        f"symmetry of {entry.title}: {entry.group}. Not one: {entry.broken}", "assumed", source=source
    )
    prompt = f"By construction, by augmentation, or only hoped for? Test: {stop(entry.test)}"
    return Step(way=way, prompt=prompt, cites=[fact], field=name)


def stop(text: str) -> str:
    """The text with a full stop, unless it ends in one."""
    return f"{text}." if text and text[-1] not in ".?" else text
