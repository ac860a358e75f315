"""Model families for this task: by kind of task and of x, number of samples, time, constraints; and why not others."""

from __future__ import annotations

from dataclasses import dataclass

from kaiming_mcp.catalogue import Catalogue, Family
from kaiming_mcp.diagnosis.generative.budget import Budget
from kaiming_mcp.diagnosis.generative.decide import Decision
from kaiming_mcp.diagnosis.generative.statement import FEW_VALUES, Task

POINT = frozenset({"regression", "gaussian-process", "classifier", "retrieval"})
"""Families that make sense where the posterior is a point."""
ONE_CENTRE = frozenset({"quantile-copula", "dressed", "residual-diffusion", "gaussian-process", "regression"})
"""Families around a mean: where x has several modes at like y the mean lies between them."""
TOO_HEAVY = 3.0
FAR_BEYOND = 100
"""Times its largest size from which a family is not even worth ruling out."""
SMALL_DATA = 500
"""Designs up to which the next experiments are better chosen one by one, a rule of thumb."""
_LIKELIHOODS = frozenset({"nll", "likelihood", "log-likelihood", "log likelihood", "perplexity"})
_BIAS = {
    "regress": {"regression": 5.0, "gaussian-process": 5.0, "retrieval": -2.0, "classifier": -9.0},
    "classify": {"classifier": 9.0, "regression": -9.0, "gaussian-process": -9.0},
    "mean and residual": {"residual-diffusion": 4.0, "dressed": 2.0, "quantile-copula": 2.0, "regression": -1.0},
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Families that fit, the best first, and those that would but for a reason."""

    fitting: tuple[Family, ...]
    excluded: tuple[tuple[Family, str], ...]

    @property
    def statement(self) -> str:
        """All of it in one sentence."""
        first, *rest = self.fitting
        text = f"families that fit, best first: {first.title} ({first.because}; {first.cost}; fails when {first.fails})"
        text += "".join(f"; {f.title} ({f.cost}; fails when {f.fails})" for f in rest)
        against = "; ".join(f"{f.title} {why}" for f, why in self.excluded)
        return text + (f". Ruled out: {against}" if against else "")

    @property
    def sources(self) -> str:
        """Keys of the sources, or that it is general knowledge."""
        cited = dict.fromkeys(key for f in self.fitting for key in f.sources)
        return ", ".join(cited) or "general knowledge"


def choose(task: Task, decision: Decision, several: bool, budget: Budget, known: Catalogue) -> Choice:
    """Score every family on the task, x and whether several modes were measured; set aside what too few samples, too little time or the size of x exclude."""
    usable = [
        f
        for f in known.families
        if task.size_x is None or f.smallest <= task.size_x <= FAR_BEYOND * (f.largest or task.size_x)
    ]
    scored = sorted(((_score(task, decision, several, f), f) for f in usable), key=lambda pair: -pair[0])
    suited = [(score, family) for score, family in scored if score >= 2]
    out = [(family, why) for _, family in suited if (why := _excluded(task, budget, family))]
    fitting = [family for _, family in suited if family not in [f for f, _ in out]]
    fallback = [f for _, f in scored if not _excluded(task, budget, f)] or [f for _, f in scored]
    return Choice(tuple(fitting[:2] or fallback[:1]), tuple(out[:2]))


def _score(task: Task, decision: Decision, several: bool, family: Family) -> float:
    kinds = [k.id for k in task.targets]
    wanted = [k.id for k in task.kinds[:2]]
    score = 2.0 * (wanted[:1] != [] and wanted[0] in family.fits) + 1.0 * any(w in family.fits for w in wanted[1:])
    score += 1.5 * (kinds[:1] != [] and kinds[0] in family.kinds) + 0.5 * any(k in family.kinds for k in kinds[1:2])
    score += 0.75 * sum(c.id in family.holds for c in task.constraints)
    score += 1.0 * bool(family.found(task.text))
    if task.size_x is not None and task.size_x <= FEW_VALUES and not task.discrete:
        score += 0.5 * (family.id in {"normalizing-flow", "mixture", "cvae"})
    if task.size_x is not None and task.size_x <= FEW_VALUES and not task.discrete and not family.found(task.text):
        # Where x has few numbers a sampler of many steps buys nothing that a density in closed form does not give.
        score -= TOO_HEAVY * family.heavy
    if several:
        small = task.size_x is not None and task.size_x <= FEW_VALUES
        score += 4.0 * (family.id == "mixture" and small)
        score -= 6.0 * (family.id in ONE_CENTRE)
    if family.id == "retrieval":
        score -= 1.5
    if (
        family.id == "bayesian-optimisation"
        and task.reads_as("inverse-design")
        and task.samples is not None
        and task.samples <= SMALL_DATA
    ):
        score += 1
    if family.serial and not task.discrete and not {"text", "series", "audio"} & set(kinds[:1]):
        score -= 0.75
    score += _BIAS.get(decision.answer, {}).get(family.id, 0.0)
    if task.discrete and not {"text", "label", "counts", "graph"} & set(family.kinds):
        score -= 2
    if decision.answer in {"regress", "classify"}:
        score -= 0 if family.id in POINT else 6
    elif family.id in POINT - {"retrieval"} and not (task.reads_as("segmentation") and family.id == "classifier"):
        score -= 0 if decision.answer == "mean and residual" else 2.5
    if task.proper in _LIKELIHOODS:
        score += 1.0 * (family.id in {"normalizing-flow", "autoregressive", "mixture"})
    return score


def _excluded(task: Task, budget: Budget, family: Family) -> str:
    n = task.learned_from
    if n is not None and n < family.fewest:
        return f"needs about {family.fewest:,} samples (rule of thumb), {task.samples:,} {task.unit or 'samples'} given"
    if n is not None and family.most is not None and n > family.most:
        return f"is unwieldy above {family.most:,} samples"
    if task.size_x is not None and family.largest is not None and task.size_x > family.largest:
        return f"is unwieldy at {task.size_x:,} values"
    return budget.excludes(family, task.reported.tokens or task.size_x)
