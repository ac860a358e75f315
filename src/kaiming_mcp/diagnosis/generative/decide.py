"""Generate, regress, classify, something else, or measure first: what the user's own words and numbers decide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.spread import Spread
from kaiming_mcp.diagnosis.generative.statement import Task
from kaiming_mcp.scaffold import number

Answer = Literal["generate", "regress", "classify", "mean and residual", "instead", "cannot tell"]
REGRESS_BELOW, GENERATE_ABOVE = 0.05, 0.3
"""Thresholds of R = E Var[X|Y] / Var[X]: principle 3, question 1."""
FEW_SAMPLES = 200
WIDE = 0.4
"""Width of the interval of R from which it tells too little."""
MOSTLY_UNSEEN = 0.5
"""Share of unmeasured dimensions that speaks for a spread."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, the reason in one clause, the facts it rests on, and R as far as it is known (low, high)."""

    answer: Answer
    reason: str
    evidence: tuple[str, ...]
    measured: bool = False
    ratio: tuple[float, float] | None = None
    verdict: str = ""
    """Words of the verdict where the answer is `instead`."""


def decide(task: Task, measured: Spread | None, facts: Facts) -> Decision:
    """Measured spread decides; then a task that is no p(x|y); then what only is asked for; then what the words weigh."""
    kind = task.kind
    if measured is not None:
        return _from_measurement(measured, facts)
    if kind is not None and kind.instead:
        fact = facts.add(f"it reads as {kind.title}: {kind.because}", "assumed", source="general knowledge")
        return Decision("instead", kind.because, (fact,), verdict=kind.instead)
    if task.functional or task.reported.costs is not None:
        return _functional(task, facts)
    known = _known_ratio(task, facts)
    evidence = _evidence(task, facts)
    if known is not None and known.answer in {"regress", "generate"}:
        return known
    if kind is not None and kind.id == "classification" and not evidence.spread:
        fact = facts.add("the target is one of a closed set of labels", "stated")
        return Decision("classify", "the label set is closed, so p(x|y) is a softmax", (fact,))
    if task.samples is not None and task.samples < FEW_SAMPLES and not task.many_each and _wide(task):
        wide = f"{task.size_x:,} values each" if task.size_x else "each of unknown size"
        fact = facts.add(
            f"{task.samples:,} samples, {wide}: too few to learn p(x|y)", "stated", task.samples, "samples"
        )
        if kind is not None and kind.few:
            why = f"{task.samples:,} samples do not support a learned distribution over x"
            return Decision("instead", why, (fact,), verdict=kind.few)
        reason = f"{task.samples:,} samples do not support a learned distribution: regress, or retrieve neighbours"
        return Decision("regress", reason, (fact,))
    weighed = _weigh(task, evidence)
    return weighed if known is None else _with(weighed, known)


def _wide(task: Task) -> bool:
    """More than a tenth as many values in x as there are samples."""
    return task.samples is not None and (task.size_x or 2) > task.samples / 10


def _from_measurement(measured: Spread, facts: Facts) -> Decision:
    evidence = (facts.add(*_measured_fact(measured)),)
    low, high = both = (measured.low, measured.high)
    shown = measured.shown

    def decision(answer: Answer, reason: str) -> Decision:
        return Decision(answer, reason, evidence, True, both)

    if measured.discrete and high >= REGRESS_BELOW:
        return decision("classify", f"{shown} and x takes few values, so p(x|y) is a softmax")
    if high < REGRESS_BELOW:
        return decision("regress", f"{shown}, below {REGRESS_BELOW}: the posterior is a point")
    if measured.several:
        return decision("generate", f"{shown}; x splits in two or more modes at like y, so the mean is no typical x")
    if low > GENERATE_ABOVE:
        return decision("generate", f"{shown} lies above {GENERATE_ABOVE}")
    if high > GENERATE_ABOVE and (low < REGRESS_BELOW or high - low > WIDE):
        why = "neighbours in y are too far apart" if measured.far else f"{measured.pairs:,} pairs are too few"
        return decision("cannot tell", f"{shown}: the interval is too wide, because {why}")
    if low < REGRESS_BELOW:
        return decision("mean and residual", f"{shown} is not safely below {REGRESS_BELOW}")
    if high > GENERATE_ABOVE:
        return decision("mean and residual", f"{shown} is not safely above {GENERATE_ABOVE}")
    return decision("mean and residual", f"{shown} lies between {REGRESS_BELOW} and {GENERATE_ABOVE}")


def _measured_fact(m: Spread) -> tuple[str, Literal["measured"], float, str, str]:
    value = f"{number(m.ratio)} ± {number(m.error)}, 95 %: {number(m.low)} to {number(m.high)}"
    if m.repeated:
        how = f"inside {m.groups or 'the'} groups of equal conditions, {m.pairs:,} pairs: no bias"
    elif m.raw is not None:
        k = m.neighbours or 10
        how = f"{m.pairs:,} pairs; {number(m.raw[0])} at k = {k}, {number(m.raw[1])} at {2 * k}, extrapolated to distance 0"
    else:
        how = f"{m.pairs:,} pairs"
    if m.copies:
        how += f"; {m.copies} more identical to one of them left out"
    return f"R = E Var[X|Y]/Var[X] = {value} ({how})", "measured", m.ratio, "R", "probe posterior_spread"


def _functional(task: Task, facts: Facts) -> Decision:
    costs, q = task.reported.costs, task.reported.quantile
    evidence: list[str] = []
    if task.functional:
        evidence.append(facts.add(f"only a functional of x is asked for ({task.functional!r})", "stated"))
    if costs is not None:
        level = costs[0] / sum(costs)
        text = f"costs {number(costs[0])} and {number(costs[1])} for too little and too much: the best x is the {level:.3g} quantile"
        evidence.append(facts.add(text, "computed", level, "quantile", "c_under / (c_under + c_over)"))
        reason = f"one decision with two costs needs the {level:.3g} quantile alone: quantile regression"
    elif q is not None:
        reason = f"only the {q:g} quantile is asked for: quantile regression with the pinball loss at {q:g}"
    else:
        reason = f"only a functional is asked for ({task.functional}): estimate it directly"
    return Decision("regress", reason, tuple(evidence))


def _known_ratio(task: Task, facts: Facts) -> Decision | None:
    """What stated numbers say about R: its own value, or the bound by the best regressor there is."""
    r = task.reported
    if r.ratio is not None:
        value, error = r.ratio
        low, high = max(0.0, value - 2 * error), min(1.0, value + 2 * error)
        fact = facts.add(f"R = {number(value)}" + (f" ± {number(error)}" if error else ""), "stated", value, "R")
    elif r.explained is not None:
        low, high = 0.0, 1 - r.explained
        text = f"a regressor with R² = {number(r.explained)} bounds R by {number(high)}: no spread exceeds its error"
        fact = facts.add(text, "computed", high, "R at most", "R <= 1 - R^2, held-out data")
    elif r.rmse is not None and r.deviation is not None and r.rmse < r.deviation:
        low, high = 0.0, (r.rmse / r.deviation) ** 2
        text = f"an error of {number(r.rmse)} against a spread of {number(r.deviation)} bounds R by {number(high)}"
        fact = facts.add(text, "computed", high, "R at most", "R <= (RMSE / std)^2")
    else:
        return None
    both = (low, high)
    if high < REGRESS_BELOW:
        return Decision("regress", f"R is at most {number(high)}: the posterior is a point", (fact,), ratio=both)
    if low > GENERATE_ABOVE:
        return Decision("generate", f"R is at least {number(low)}, above {GENERATE_ABOVE}", (fact,), ratio=both)
    return Decision("cannot tell", f"R lies between {number(low)} and {number(high)}", (fact,), ratio=both)


def _with(weighed: Decision, known: Decision) -> Decision:
    """The words' decision with what is known of R beside it; below the threshold the words do not reach."""
    answer = weighed.answer
    if known.ratio is not None and known.ratio[1] <= GENERATE_ABOVE and answer == "generate":
        answer = "mean and residual"
    return Decision(
        answer, f"{weighed.reason}; {known.reason}", (*known.evidence, *weighed.evidence), ratio=known.ratio
    )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is said for a spread-out posterior and for a point or its mean, with weights, and the facts."""

    spread: tuple[tuple[float, str], ...]
    point: tuple[tuple[float, str], ...]
    facts: tuple[str, ...] = ()

    @property
    def sums(self) -> tuple[float, float]:
        """Total weights of both sides."""
        return math.fsum(w for w, _ in self.spread), math.fsum(w for w, _ in self.point)

    @property
    def said(self) -> str:
        """Both sides in words."""
        sides = [("a spread", self.spread), ("a point or its mean", self.point)]
        told = [f"{_listed([t for _, t in side])} for {name}" for name, side in sides if side]
        return "; ".join(told)


def _listed(words: list[str]) -> str:
    verb = "speaks" if len(words) == 1 else "speak"
    return f"{', '.join(words[:-1])} and {words[-1]} {verb}" if words[1:] else f"{words[0]} {verb}"


def _evidence(task: Task, facts: Facts) -> Evidence:
    ids: list[str] = []
    up: list[tuple[float, str]] = []
    down: list[tuple[float, str]] = []
    kind = task.kind
    if kind is not None:
        ids.append(facts.add(f"it reads as {kind.title}: {kind.because}", "assumed", source="general knowledge"))
        if kind.spread != "open":
            (up if kind.spread == "likely" else down).append((2.0, kind.title))
    if task.one_to_many:
        up += [(weight, repr(words)) for weight, words in zip((2.0, 1.0), task.one_to_many, strict=False)]
    if task.answers.shares:
        up.append((2.0, f"the split of answers ({' / '.join(f'{s:.0%}' for s in task.answers.shares)})"))
    if task.answers.modes:
        up.append((2.0, f"the two answers {number(task.answers.modes[0])} / {number(task.answers.modes[1])}"))
    if task.unseen is not None and task.unseen[0] > MOSTLY_UNSEEN:
        up.append((1.5, f"the {number(100 * task.unseen[0])} % of x that is not measured"))
    if task.proper or task.two_sample:
        up.append((1.0, f"a score of distributions ({task.proper or task.two_sample})"))
    if task.per_query > 1:
        up.append((1.0, f"the {task.per_query:,} samples a query"))
    if task.blurred:
        up.append((3.0, f"the output that is {task.blurred!r}"))
    if task.deterministic:
        down.append((2.5, repr(task.deterministic)))
    if task.squared and not task.proper and not task.branching:
        down.append((1.5, f"{task.squared} (which rewards the conditional {centre(task.squared)})"))
    said = Evidence(tuple(up), tuple(down)).said
    if any(t != (kind.title if kind else "") for _, t in (*up, *down)):
        ids.append(facts.add(f"of what was said, {said}", "stated"))
    return Evidence(tuple(up), tuple(down), tuple(ids))


def centre(metric: str) -> str:
    """Where in p(x|y) a distance is least."""
    return "median" if metric in {"mae", "l1", "absolute error", "mape"} else "mean"


def _weigh(task: Task, evidence: Evidence) -> Decision:
    plus, minus = evidence.sums
    ids, said = evidence.facts, evidence.said
    if plus >= 2 and minus == 0:
        return Decision("generate", said, ids)
    if plus >= 2 and minus < plus:
        if task.squared and not task.deterministic:
            answer: Answer = "mean and residual" if task.per_query > 1 or plus >= 3 else "regress"
            return Decision(answer, said, ids)
        return Decision("mean and residual", said, ids)
    if minus >= 2 and plus <= 1:
        return Decision("regress", said, ids)
    if minus > 0 and plus == 0 and task.kind is not None and task.kind.spread == "open" and not task.deterministic:
        # A metric says what is rewarded, not whether y leaves x open.
        reason = f"only the metric speaks, {said}; {task.kind.because}"
        return Decision("cannot tell", reason, ids)
    if minus > 0 and plus == 0:
        return Decision("regress", f"{said}, and nothing for a spread", ids)
    return Decision("cannot tell", f"{said}; that does not decide" if said else "nothing that was said decides", ids)
