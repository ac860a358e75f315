"""The steps of thought for a reframing: the three ways of reasoning where they bear, and the principle itself."""

from __future__ import annotations

import re

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.decide import GENERATE_ABOVE, REGRESS_BELOW, Decision
from kaiming_mcp.diagnosis.generative.families import Choice
from kaiming_mcp.diagnosis.generative.quantities import counted
from kaiming_mcp.diagnosis.generative.statement import Task
from kaiming_mcp.diagnosis.generative.supply import Found
from kaiming_mcp.diagnosis.patterns import era_step, patterns, stack_step, symmetry_step
from kaiming_mcp.knowledge import spoken_for
from kaiming_mcp.scaffold import FormField, Step, number

FEW_NUMBERS = 16
"""Values up to which x or y is a handful of numbers and no picture, field or chain."""
_INTO = re.compile(r"\b\w{1,12}[- ]to[- ](image|video|speech|music|3d|audio)")
_FIELDS = {
    field.name: field
    for field in (
        FormField(name="x_and_y", holds="x, y, the direction of the arrow, the group that leaves p(x|y) alone"),
        FormField(
            name="posterior", holds="point or spread, with R (fact id) or how it will be measured", wants=["test"]
        ),
        FormField(name="output", holds="what the network outputs, and why that"),
        FormField(name="contract", holds="what the consumer may rely on; error rate x calls", wants=["number"]),
        FormField(name="era_test", holds="what is alike now and what is not; what refutes the analogy", wants=["test"]),
        FormField(
            name="baseline", holds="the boring baseline, its score, the gap that drops the generator", wants=["test"]
        ),
    )
}


def form_of(steps: list[Step]) -> list[FormField]:
    """The answer form of the steps."""
    return [_FIELDS[s.field] for s in steps]


def frame(
    task: Task, decision: Decision, choice: Choice, family: str, ids: Found, drafts: list[Draft], facts: Facts
) -> list[Step]:
    """Three to six steps; an era or a place on the stack stands only where the words show one."""
    contract = stack_step(task.text, facts)
    steps = [_variables(task, ids, facts), _posterior(task, decision)]
    if family:
        steps.append(_output(choice, family, ids))
    if contract.cites or task.composed:
        steps.append(_contract(task, contract, ids))
    if _repeats_an_era(task):
        steps.append(era_step(task.text, facts))
    return [*steps, _baseline(task, drafts, ids)]


def _repeats_an_era(task: Task) -> bool:
    """Whether the text shows the practice of an earlier era: two of its words, or one beside composed steps or a sampler."""
    shown = next(iter(spoken_for(patterns().eras, task.text)), None)
    return shown is not None and (len(shown.found(task.text)) > 1 or task.composed or task.sampled)


def _bare(task: Task) -> bool:
    """Whether x and y are a few plain numbers, so that no structure is there for a group of images or molecules to act on."""
    return all(size is not None and size <= FEW_NUMBERS for size in (task.size_x, task.size_y)) and not task.structured


def _variables(task: Task, ids: Found, facts: Facts) -> Step:
    # "text-to-image" speaks of images: the symmetry is that of x.
    step = symmetry_step("" if _bare(task) else _INTO.sub(r"\1", task.text), facts, "x_and_y")
    told = [f"{name} has {counted(size, 'value')}" for name, size in (("x", task.size_x), ("y", task.size_y)) if size]
    if "arrow" in ids and len(told) == 2:
        end = "Then name x and y and say which is the more abstract; the sizes say only which is longer."
    else:
        end = f"Then name x and y with their sizes{' (' + ', '.join(told) + ')' if told else ''}: no direction can be told yet."
    cites = [ids["arrow"]] if "arrow" in ids else []
    return step.model_copy(update={"prompt": f"{step.prompt} {end}", "cites": [*cites, *step.cites]})


def _posterior(task: Task, decision: Decision) -> Step:
    r = decision.ratio
    if decision.answer == "instead":
        turn = "What would have to change for a distribution over x to be wanted?"
    elif decision.measured and r is not None:
        turn = f"R lies between {number(r[0])} and {number(r[1])} on these pairs (95 %). For which y would it be largest, and does the use meet those?"
    elif decision.answer in {"regress", "classify"}:
        hidden = (
            "a variable that acts on x and is missing from y"
            if task.deterministic
            else "the case where the mean is invalid"
        )
        turn = f"Name {hidden}; if there is one, what R would make you generate (above {GENERATE_ABOVE})?"
    elif decision.answer == "generate":
        turn = (
            f"Show two observed x for one y. Which R do you expect, and do you regress if it is below {REGRESS_BELOW}?"
        )
    else:
        turn = f"What do you expect for R, and which result changes the plan: below {REGRESS_BELOW}, or above {GENERATE_ABOVE}?"
    return Step(
        way="The principle",
        prompt=f"Is p(x|y) a point or a spread? {turn}",
        cites=list(decision.evidence),
        field="posterior",
    )


def _output(choice: Choice, family: str, ids: Found) -> Step:
    first = choice.fitting[0]
    cites = [ids[n] for n in ("token", "code") if n in ids]
    return Step(
        way="Mathematical reality", prompt=f"With {first.title}: {first.asks}", cites=[*cites, family], field="output"
    )


def _contract(task: Task, step: Step, ids: Found) -> Step:
    cites = [ids[n] for n in ("chain", "growth") if n in ids]
    prompt = f"{task.steps} steps are composed. {step.prompt}" if task.steps and task.composed else step.prompt
    return step.model_copy(update={"prompt": prompt, "cites": [*step.cites, *cites]})


def _baseline(task: Task, drafts: list[Draft], ids: Found) -> Step:
    named = ", ".join(task.kind.baselines[:3]) if task.kind else "the conditional mean and k-nearest neighbours"
    cites = [ids["score"]] if "score" in ids else list(drafts[0].evidence[:1]) if drafts else []
    return Step(
        way="Simplicity",
        prompt=f"What do {named} score on your split? State the gap below which the generator is dropped.",
        cites=cites,
        field="baseline",
    )
