"""Generate, regress, classify, or measure first: what the user's own words and numbers decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.pairs import Spread
from kaiming_mcp.diagnosis.generative.statement import Task
from kaiming_mcp.scaffold import number

Answer = Literal["generate", "regress", "classify", "mean and residual", "cannot tell"]
REGRESS_BELOW, GENERATE_ABOVE = 0.05, 0.3
"""Thresholds of R = E Var[X|Y] / Var[X]: principle 3, question 1."""
FEW_SAMPLES = 200


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, the reason in one clause, and the facts it rests on."""

    answer: Answer
    reason: str
    evidence: tuple[str, ...]
    measured: bool = False


def decide(task: Task, measured: Spread | None, facts: Facts) -> Decision:
    """Measured spread decides; then what only is asked for; then what the words weigh."""
    kind = task.kind
    if measured is not None:
        return _from_measurement(measured, facts)
    if task.functional:
        fact = facts.add(f"only a functional of x is asked for ({task.functional!r})", "stated")
        return Decision("regress", "only a functional is asked for: estimate it directly", (fact,))
    speaks_for, speaks_against = _evidence(task, facts)
    if kind is not None and kind.id == "classification" and not speaks_for:
        fact = facts.add("the target is one of a closed set of labels", "stated")
        return Decision("classify", "the label set is closed, so p(x|y) is a softmax", (fact,))
    if task.samples is not None and task.samples < FEW_SAMPLES and (task.size_x or 2) > task.samples / 10:
        wide = f"{task.size_x:,} values each" if task.size_x else "each of unknown size"
        fact = facts.add(
            f"{task.samples:,} samples, {wide}: too few to learn p(x|y)", "stated", task.samples, "samples"
        )
        reason = f"{task.samples:,} samples do not support a learned distribution: regress, or retrieve neighbours"
        return Decision("regress", reason, (fact,))
    return _weigh(task, speaks_for, speaks_against)


def _from_measurement(measured: Spread, facts: Facts) -> Decision:
    how = "repeated conditions and nearest neighbours" if measured.repeated else "nearest neighbours in y"
    fact = facts.add(
        f"R = E Var[X|Y]/Var[X] = {number(measured.ratio)} ± {number(measured.error)} from {measured.pairs} pasted pairs "
        f"(k = {measured.neighbours}, {how}; biased upwards when neighbours are far apart)"
        + ("; few values lie near the local mean: two modes" if measured.bimodal else ""),
        "measured",
        measured.ratio,
        "R",
    )
    shown = f"R = {number(measured.ratio)} ± {number(measured.error)}"
    if measured.ratio + measured.error < REGRESS_BELOW:
        return Decision("regress", f"{shown} is below {REGRESS_BELOW}: the posterior is a point", (fact,), True)
    if measured.bimodal or measured.ratio - measured.error > GENERATE_ABOVE:
        why = "the values split into two modes" if measured.bimodal else f"it is above {GENERATE_ABOVE}"
        return Decision("generate", f"{shown}; {why}", (fact,), True)
    return Decision("mean and residual", f"{shown} lies between {REGRESS_BELOW} and {GENERATE_ABOVE}", (fact,), True)


def _evidence(task: Task, facts: Facts) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
    """(weight, fact id) of what speaks for a spread-out posterior and of what speaks against it."""
    up: list[tuple[float, str]] = []
    down: list[tuple[float, str]] = []
    if task.kind is not None and task.kind.spread != "open":
        fact = facts.add(f"it reads as {task.kind.title}: {task.kind.because}", "assumed")
        (up if task.kind.spread == "likely" else down).append((2.0, fact))
    elif task.kind is not None:
        facts.add(f"it reads as {task.kind.title}: {task.kind.because}", "assumed")
    if task.one_to_many:
        up.append((2.0, facts.add(f"said about the outcomes: {task.one_to_many!r}", "stated")))
    if task.shares:
        listed = ", ".join(f"{s:.0%}" for s in task.shares)
        up.append((2.0, facts.add(f"answers to one condition split as {listed}", "stated")))
    if task.proper or task.two_sample:
        up.append((1.0, facts.add(f"the metric scores distributions ({task.proper or task.two_sample})", "stated")))
    if task.per_query > 1:
        up.append((1.0, facts.add(f"{task.per_query} samples a query", "stated", task.per_query, "samples")))
    if task.deterministic:
        down.append((2.5, facts.add(f"said about the outcome: {task.deterministic!r}", "stated")))
    if task.squared and not task.proper:
        down.append((1.5, facts.add(f"the metric is {task.squared}: it is optimal at the conditional mean", "stated")))
    return up, down


def _weigh(task: Task, up: list[tuple[float, str]], down: list[tuple[float, str]]) -> Decision:
    plus, minus = sum(w for w, _ in up), sum(w for w, _ in down)
    evidence = tuple(i for _, i in up + down)
    if plus >= 2 and minus == 0:
        return Decision("generate", "what is said speaks for a spread-out posterior, nothing against it", evidence)
    if plus >= 2 and minus < plus:
        if task.squared and not task.deterministic:
            reason = f"the posterior is likely spread, but {task.squared} rewards only its mean"
            answer: Answer = "mean and residual" if task.per_query > 1 or plus >= 3 else "regress"
            return Decision(answer, reason, evidence)
        return Decision("mean and residual", "there is evidence both for a spread and for a point", evidence)
    if minus >= 2 and plus <= 1:
        return Decision("regress", "what is said speaks for a point posterior, little for a spread", evidence)
    if minus > 0 and plus == 0:
        return Decision(
            "regress", f"{task.squared or 'the metric'} asks for the mean, and nothing speaks for a spread", evidence
        )
    return Decision("cannot tell", "what is said does not decide between a point and a spread", evidence)
