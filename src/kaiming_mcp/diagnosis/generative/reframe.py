"""The reframing as a scaffold: decision, numbers, findings, families, and the frame."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from kaiming_mcp.catalogue import catalogue
from kaiming_mcp.diagnosis.draft import Draft, numbered, worst_first
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.advice import advise
from kaiming_mcp.diagnosis.generative.budget import Budget, add_budget
from kaiming_mcp.diagnosis.generative.concerns import concerns
from kaiming_mcp.diagnosis.generative.consequences import consequences
from kaiming_mcp.diagnosis.generative.decide import Decision, decide
from kaiming_mcp.diagnosis.generative.density import add_density
from kaiming_mcp.diagnosis.generative.families import Choice, choose
from kaiming_mcp.diagnosis.generative.frame import form_of, frame
from kaiming_mcp.diagnosis.generative.leads import add_leads
from kaiming_mcp.diagnosis.generative.measure import deciding
from kaiming_mcp.diagnosis.generative.measured import from_pairs
from kaiming_mcp.diagnosis.generative.numbers import add_numbers
from kaiming_mcp.diagnosis.generative.pairs import read_pairs, spread
from kaiming_mcp.diagnosis.generative.published import add_published
from kaiming_mcp.diagnosis.generative.readouts import add_readouts
from kaiming_mcp.diagnosis.generative.scores import add_scores
from kaiming_mcp.diagnosis.generative.spread import Spread, read_spread
from kaiming_mcp.diagnosis.generative.statement import Task, read_task, says_something
from kaiming_mcp.diagnosis.generative.supply import Found, add_supply
from kaiming_mcp.diagnosis.principles import GENERATIVE, RESIDUAL, SIMPLE
from kaiming_mcp.diagnosis.relevance import limit_of, quote_of
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import Fact, Quotation, Scaffold, Step

__all__ = ["NAME", "read", "reframe"]

NAME = "reframe_as_generative"
MOST_FINDINGS, FEWEST_FINDINGS = 4, 2
MOST_LIMITS = 4
MOST_NUMBERS = 5
EXAMPLE = (
    'problem = "predict rainfall for the next 18 frames from radar; several futures are possible"\n'
    'condition = "6 frames of 256x256"  target = "18 frames of 256x256"\n'
    'data = "50,000 sequences"  metric = "MSE"  samples_per_query = 20'
)
_EVENT = re.compile(r"probability|chance|risk|odds|exceeds|alarm")
_FIRST = (
    "published", "nll", "rate", "scale", "worse", "naive", "decision", "calibration", "kl", "codes", "dispersion", "best_of", "guidance", "chain", "token", "budget", "shares", "modes", "rare", "tail", "unseen", "fibre", "growth", "memory",
    "capacity", "code", "noise", "windows", "members", "arrow", "cost", "pairs", "coverage", "data",
)  # fmt: skip
"""Numbers in the order in which they are shown at the head."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What the user gave, read: the task, R if it was measured, and both texts without the table."""

    task: Task
    measured: Spread | None
    problem: str
    data: str


def read(problem: str, condition: str, target: str, data: str, metric: str, per_query: int) -> Statement:
    """Read the texts; a table of pairs or the probe's document is taken out of `data` or `problem`.

    Raises:
        SpreadError: the probe's document breaks its form.
    """
    measured: Spread | None = None
    texts = {"data": data, "problem": problem}
    for name, text in texts.items():
        told = read_spread(text)
        pairs = None if told else read_pairs(text, condition, target)
        found = told[0] if told else spread(pairs) if pairs else None
        if found is not None:
            measured = found
            texts[name] = told[1] if told else pairs.around if pairs else text
            break
    task = read_task(texts["problem"], condition, target, texts["data"], metric, per_query, catalogue())
    if measured is not None:
        task = replace(task, size_x=task.size_x or measured.dim_x, size_y=task.size_y or measured.dim_y)
    return Statement(task, measured, texts["problem"], texts["data"])


def reframe(said: Statement, library: Library) -> Scaffold:
    """Everything of the scaffold but the request line, or what to send when nothing was said."""
    known = catalogue()
    task, measured = said.task, said.measured
    if measured is None and not says_something(task):
        return Scaffold(
            tool=NAME,
            verdict="Nothing was established yet.",
            needs="Say what is given at query time (condition, with its size), what is wanted (target, with its size), how "
            "many samples there are, how success is scored, and how many samples are drawn per query; or paste at least 8 "
            "pairs as CSV with a header.",
            example=EXAMPLE,
        )
    facts = Facts()
    decision = decide(task, measured, facts)
    ids = (
        add_numbers(task, decision, facts)
        | add_supply(task, decision, measured, facts)
        | add_scores(task, decision, facts)
        | add_readouts(task.readouts, task.reported.codebook, facts)
    )
    budget = Budget() if decision.answer == "instead" else add_budget(task, facts)
    if budget.fact:
        ids["budget"] = budget.fact
    valued = next((f.id for f in facts.items if f.id in decision.evidence and f.value is not None), "")
    if valued and measured is None:
        ids["decision"] = valued
    choice = choose(task, decision, measured is not None and measured.several, budget, known)
    drafts = worst_first(
        [
            *advise(task, decision, measured, choice.fitting[0].evaluations[1] > 1, ids, facts),
            *from_pairs(measured, decision, facts),
            *consequences(task, decision, budget, ids, facts),
            *concerns(task, decision, known, ids, facts),
            *add_density(task.text, task.size_x, ids, facts),
            *add_leads(task.text, ids, facts),
            *add_published(task.text, task.per_query if task.best_of else 1, ids, facts),
        ]
    )
    family = "" if _nothing_of_x(task, decision) else facts.add(choice.statement, "assumed", source=choice.sources)
    steps = frame(task, decision, choice, family, ids, drafts, facts)
    grave = [d for d in drafts if d.severity in {"high", "medium"}]
    shown = drafts[: max(min(len(grave), MOST_FINDINGS), FEWEST_FINDINGS)]
    return Scaffold(
        tool=NAME,
        verdict=_compared(task, ids, facts) or _verdict(decision),
        key_numbers=_key_numbers(measured, ids, facts),
        first_change=_first_change(task, decision, drafts, choice),
        established=_used(facts, ids, decision, shown, steps),
        findings=numbered(shown, library),
        frame=steps,
        answer_form=form_of(steps),
        limits=_limits(said, decision, drafts, library),
        quotes=_quotes(task, decision, ids, library),
        measure=deciding(task, decision, measured),
    )


def _nothing_of_x(task: Task, decision: Decision) -> bool:
    """No family can be named where nothing is known of x, and none is wanted where nothing is generated."""
    known = task.kinds or task.targets or task.size_x or decision.measured
    return decision.answer == "instead" or not known


def _used(facts: Facts, ids: Found, decision: Decision, drafts: list[Draft], steps: list[Step]) -> list[Fact]:
    """Facts that a finding, a step or the verdict rests on, and the first numbers beside them."""
    cited = {*[ids[n] for n in _FIRST if n in ids][:MOST_NUMBERS], *decision.evidence}
    cited.update(i for d in drafts for i in d.evidence)
    cited.update(i for s in steps for i in s.cites)
    return [f for f in facts.items if f.id in cited]


def _compared(task: Task, ids: Found, facts: Facts) -> str:
    """The verdict where the question is about two numbers of one score and not about the form of a task."""
    told = next((f.statement for f in facts.items if f.id == ids.get("published")), "")
    return (
        f"Compare like with like first: {told}." if told and (task.kind is None or task.reads_as("synthesis")) else ""
    )


def _verdict(decision: Decision) -> str:
    text = {
        "generate": "Pose it as p(x|y) and sample",
        "regress": "Regress: a generator would add error here",
        "classify": "Classify: a calibrated softmax is already p(x|y)",
        "mean and residual": "Regress the mean, then generate the residual",
        "cannot tell": "Cannot tell yet: measure R first",
        "instead": decision.verdict,
    }[decision.answer]
    if decision.answer == "instead":
        return f"{text}; {decision.reason} (from what was said)."
    sure = "measured" if decision.measured else "from what was said; R decides"
    return f"{text}: {decision.reason} ({sure})."


def _key_numbers(measured: Spread | None, ids: Found, facts: Facts) -> list[str]:
    lines = []
    if measured is not None:
        lines = [f"{measured.shown} (measured)"]
    known = {f.id: f for f in facts.items}
    told = [ids[n] for n in _FIRST if n in ids and not known[ids[n]].statement.startswith("x has ")]
    return [*lines, *(f"{known[i].statement.split('; ')[0]} [{i}]" for i in told)][:3]


def _first_change(task: Task, decision: Decision, drafts: list[Draft], choice: Choice) -> str:
    if drafts and drafts[0].severity == "high":
        first = drafts[0].remedy.split("; ")[0].rstrip(".") + "."
        return first[0].upper() + first[1:]
    baseline = task.kind.baselines[0] if task.kind else "the conditional mean"
    if decision.answer == "instead":
        return f"Start from {baseline}; learn only what it leaves."
    if decision.answer == "cannot tell":
        return (
            "Measure R = E Var[X|Y]/Var[X] on held-out pairs before any model: below 0.05 regress, above 0.3 generate."
        )
    costs = task.reported.costs
    q = costs[0] / sum(costs) if costs else task.reported.quantile
    if q and (costs or task.functional):
        return (
            f"Fit the {q:.3g} quantile alone with the pinball loss, and score it against {baseline} on the same split."
        )
    if _EVENT.search(task.functional):
        return f"Train for the event itself (a label, log-loss, Brier score with reliability), against {baseline} on the same split."
    if _nothing_of_x(task, decision):
        return "Say what x is and how large: the family, the score and the way to measure R depend on it."
    return f"Score {baseline} first; then {choice.fitting[0].title}."


def _limits(said: Statement, decision: Decision, drafts: list[Draft], library: Library) -> list[str]:
    task, principle = said.task, library.principles[GENERATIVE]
    lines: list[str] = []
    missing = [
        f"{name} ({why})"
        for name, why, value in (
            ("size of x", "families, memory", task.size_x),
            ("size of y", "how R can be measured", task.size_y or (said.measured and said.measured.dim_y)),
            ("number of samples", "which families pay", task.samples or said.measured),
            ("metric", "whether the mean suffices", task.scored or task.squared),
        )
        if not value
    ]
    if missing and decision.answer != "instead":
        lines.append("Not found in the text: " + ", ".join(missing) + ".")
    if said.measured is not None and said.measured.far:
        lines.append(
            "Structure in y finer than the distance of neighbours looks like spread: the lower end of R is 0 for that reason."
        )
    for words in dict.fromkeys(d.limit for d in drafts if d.limit):
        line = limit_of(library.principles[SIMPLE] if words == "Another regime" else principle, words)
        if len(lines) < MOST_LIMITS and line not in lines:
            lines.append(line)
    if not lines:
        wanted = {"classify": "Closed label set", "instead": "Only a functional", "regress": "Point posterior"}
        lines.append(limit_of(principle, wanted.get(decision.answer, "Only a functional")))
    return lines


def _quotes(task: Task, decision: Decision, ids: Found, library: Library) -> list[Quotation]:
    """One that bears on the answer; none where the library has none."""
    principle = library.principles[GENERATIVE]
    if decision.answer in {"classify", "instead", "regress"} and "token" not in ids:
        return []
    if decision.answer == "mean and residual":
        return [
            quote_of(
                library, library.principles[RESIDUAL], "residual functions with reference to identity perturbations"
            )
        ]
    if "token" in ids:
        return [quote_of(library, principle, "manifold assumption natural noised quantities")]
    if task.discrete or "code" in ids:
        return [quote_of(library, principle, "discrete-valued categorical autoregressive necessity")]
    return [quote_of(library, principle, f"{task.text[:500]} distribution mapping pushforward")]
