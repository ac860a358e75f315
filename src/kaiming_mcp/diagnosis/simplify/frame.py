"""The frame: mechanism, removal, seeds, the patterns that bear, baseline, slope."""

from __future__ import annotations

from kaiming_mcp.diagnosis.patterns import era_step, patterns, stack_step, symmetry_step
from kaiming_mcp.diagnosis.simplify.bar import loss_of, meter, threshold
from kaiming_mcp.diagnosis.simplify.shown import name, names, number
from kaiming_mcp.diagnosis.simplify.subject import Subject
from kaiming_mcp.knowledge import LONGEST_READ, Worded, spoken_for
from kaiming_mcp.scaffold import FormField, Step

_SYMMETRIC = {"augmentation", "equivariance", "multi-scale-training", "tta", "position"}
FORM = [
    FormField(name="mechanism", holds="one sentence without `and`"),
    FormField(
        name="first_removal", holds="part, predicted change, value that brings it back", wants=["number", "test"]
    ),
    FormField(name="seed_plan", holds="seeds per arm, runs, the effect that they see", wants=["number"]),
    FormField(name="case_plan", holds="paired cases, samples per case, the difference that they see", wants=["number"]),
    FormField(name="contract", holds="the contract in numbers, what is inherited"),
    FormField(name="symmetry", holds="the group, how it is held, test value", wants=["test"]),
    FormField(name="era_test", holds="the value that refutes the analogy", wants=["test"]),
    FormField(name="baseline", holds="its score at equal tuning, the gap in s"),
    FormField(name="slope", holds="effect at 1x and at 10x data or compute", wants=["test"]),
]
"""Every field that a frame can end in."""


def frame_of(s: Subject, ids: dict[str, str]) -> list[Step]:
    """Three to six steps, each citing facts and ending in one field."""
    steps = [_mechanism(s, ids)]
    if s.order:
        steps += [_removal(s, ids), _seeds(s, ids)]
    return [*steps, *_patterns(s), _baseline(s, ids), _slope(s, ids)]


def form_of(steps: list[Step]) -> list[FormField]:
    """The fields that the steps end in."""
    known = {field.name: field for field in FORM}
    if any(step.field == "case_plan" for step in steps):
        known["baseline"] = FormField(name="baseline", holds="its score at equal tuning, the gap in paired cases")
    return [known[step.field] for step in steps]


def _cites(ids: dict[str, str], *wanted: str) -> list[str]:
    return [ids[w] for w in wanted if w in ids]


def _mechanism(s: Subject, ids: dict[str, str]) -> Step:
    kept = s.with_verdict("stays", "collapse")
    known = f"Shown to be needed: {names(kept, 3)}. " if kept else ""
    count = f"{s.removable} parts" if s.removable > 1 else "one part" if s.removable else "no removable part"
    return Step(
        way="Simplicity",
        prompt=f"State the mechanism in one sentence without `and` ({count}). {known}Which parts does it not need?",
        cites=[
            *(_cites(ids, "inventory") or _cites(ids, "knobs")),
            *_cites(ids, *(f"effect:{j.part.key}" for j in kept[:2])),
        ],
        field="mechanism",
    )


def _removal(s: Subject, ids: dict[str, str]) -> Step:
    first = s.order[0]
    told = next((j for j in s.order if f"precedent:{j.part.key}" in ids), None)
    asked = (
        f" What in the regime of the precedent{'' if told is first else f' for {name(told)}'} differs from yours?"
        if told
        else ""
    )
    precedent = f"precedent:{told.part.key}" if told else ""
    blind = [f"effect:{j.part.key}" for j in s.with_verdict("blind")[:1]]
    cites = list(dict.fromkeys(_cites(ids, "order", f"effect:{first.part.key}", *blind, precedent)))
    return Step(
        way="Removal",
        prompt=f"First to go: {name(first)}. Write before the run the score that brings it back ({loss_of(s)} above {threshold(s)}) and how failure would look ({meter(first) if s.trains or (first.part.known and first.part.known.meter) else 'which cases change'}).{asked}",
        cites=cites,
        field="first_removal",
    )


def _seeds(s: Subject, ids: dict[str, str]) -> Step:
    if not s.trains:
        return Step(
            way="Evidence",
            prompt="Choose the difference worth keeping and the paired cases that see it; state how often the model is sampled per case.",
            cites=_cites(ids, "test", "plan", "coverage")[:3],
            field="case_plan",
        )
    swept = any(k.choices > 1 for k in s.inventory.knobs)
    unknown = "" if s.noise else " Measure s on the full method first."
    return Step(
        way="Evidence",
        prompt=f"Choose the effect worth keeping, the seeds, and the design (one at a time, group, array).{unknown}",
        cites=list(dict.fromkeys(_cites(ids, "seeds", "plan", "noise", *(["knobs"] if swept else [])))),
        field="seed_plan",
    )


def _patterns(s: Subject) -> list[Step]:
    """One of stack, symmetry and era, where the words or the parts speak for it."""
    lists = patterns()
    known = {j.part.known.id for j in s.judged if j.part.known}
    stages = [j for j in s.judged if j.part.kind == "stage"]
    if len(stages) > 1 or (stages and _spoken(lists.stacks, s.method)):
        return [stack_step(s.method, s.facts)]
    if known & _SYMMETRIC and _spoken(lists.symmetries, s.method):
        return [symmetry_step(s.method, s.facts)]
    return [era_step(s.method, s.facts)] if not s.precedents and _spoken(lists.eras, s.method) else []


def _spoken(entries: tuple[Worded, ...], text: str) -> bool:
    """Whether at least two words speak for the best entry: one alone may mean something else."""
    best = next(iter(spoken_for(entries, text)), None)
    return best is not None and len(best.found(text[:LONGEST_READ].lower())) > 1


def _baseline(s: Subject, ids: dict[str, str]) -> Step:
    gap = f"the claimed gap is {number(abs(s.gain))}" if s.gain else "no gap to it was given"
    tuned = f" It gets {s.context.tuned:,} trials too." if s.context.tuned else ""
    asked = "What does the boring baseline score"
    if "given" in ids:
        asked = "Is the baseline that was given tuned as well as the method, and what does the boring one score"
    if s.enough is not None:
        asked = f"What does the boring baseline with {name(s.enough)} added score"
    return Step(
        way="Baseline",
        prompt=f"{asked} at the same data, compute and number of trials ({gap}; below {threshold(s)} it is none)?{tuned}",
        cites=_cites(ids, "given", "baseline", "test", "luck")[:2],
        field="baseline",
    )


def _slope(s: Subject, ids: dict[str, str]) -> Step:
    parts = s.with_verdict("stays", "small") or list(s.order)
    what = name(parts[0]) if parts else "the method"
    return Step(
        way="Scale",
        prompt=f"Does the effect of {what} hold at 10x data or compute? One that halves per 10x is a crutch (rule of thumb).",
        cites=_cites(ids, f"effect:{parts[0].part.key}" if parts else "inventory", "coverage")[:1],
        field="slope",
    )
