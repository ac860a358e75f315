"""Findings for a reframing, each tied to what was said and to a test; and the families that fit."""

from __future__ import annotations

import re

from kaiming_mcp.catalogue import Catalogue, Family
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.decide import Decision
from kaiming_mcp.diagnosis.generative.statement import Task
from kaiming_mcp.diagnosis.principles import GENERATIVE

SMALL_DATA = 2_000
_FACTORISED = re.compile(
    r"independent(?:ly)?\b|one[- ]shot|per[- ]step loss|factori[sz]ed|marginal|all at once|each step separately|"
    r"last t steps|mask"
)
_MINIMUM = re.compile(
    r"min[- ](?:over|loss)|best[- ]of[- ]?k|winner[- ]takes|minimum over|multiple (?:masks|hypotheses|heads)"
)


def advise(task: Task, decision: Decision, ids: dict[str, str], facts: Facts) -> list[Draft]:
    """Drafts in order of weight: what the metric, the mean, the chain, the data and the output forbid."""
    drafts = [
        _open(decision, ids),
        _metric(task, decision, ids),
        _mean_is_invalid(task, decision, facts),
        _output(task, ids),
        _chain(task, ids),
        _factorised(task, facts),
        _minimum(task, ids, facts),
        _memorises(task, decision, facts),
        _out_of_range(task, facts),
        _kind_test(task, facts),
        _constraints(task, facts),
    ]
    return [d for d in drafts if d is not None]


def families(task: Task, decision: Decision, known: Catalogue) -> tuple[list[Family], list[Family]]:
    """(fitting, tempting but unfit), best first; small data move the costly ones to the second list."""
    kinds = {k.id for k in task.targets}
    wanted = {k.id for k in task.kinds[:2]} or {"regression"}
    fitting: list[tuple[float, Family]] = []
    unfit: list[Family] = []
    for family in known.families:
        score = 2.0 * bool(wanted & set(family.fits)) + bool(kinds & set(family.kinds))
        if task.kind is not None and task.kind.id in family.fits:
            score += 1
        score += {"regress": {"regression": 9}, "classify": {"classifier": 9, "regression": -9}}.get(
            decision.answer, {"regression": -1}
        ).get(family.id, 0)
        if decision.answer == "mean and residual" and family.id == "residual-diffusion":
            score += 4
        hungry = family.id in {"diffusion", "one-step", "autoregressive"}
        if hungry and task.samples is not None and task.samples < SMALL_DATA:
            unfit.append(family)
            score -= 3
        if decision.answer in {"regress", "classify"} and family.id not in {"regression", "classifier", "retrieval"}:
            score -= 4
        fitting.append((score, family))
    fitting.sort(key=lambda pair: -pair[0])
    chosen = [f for score, f in fitting if score >= 2][:2]
    tempting = [f for score, f in fitting if 0 < score < 2 and f not in chosen]
    return chosen or [fitting[0][1]], [f for f in [*unfit, *tempting] if f not in chosen][:1]


def _open(decision: Decision, ids: dict[str, str]) -> Draft | None:
    if decision.answer != "cannot tell":
        return None
    return Draft(
        "medium",
        GENERATIVE,
        "Whether the posterior is a point or a spread is open",
        decision.evidence or (ids["cost"],),
        "estimate R = E Var[X|Y]/Var[X] before choosing a family; paste 8 or more (y, x) pairs as CSV to have it computed.",
        "R below 0.05: regress; above 0.3, or two modes inside neighbourhoods: generate; between: mean and residual.",
        weight=4,
        limit="Point posterior",
    )


def _metric(task: Task, decision: Decision, ids: dict[str, str]) -> Draft | None:
    if task.squared and decision.answer in {"generate", "mean and residual"} and not task.proper:
        score = task.kind.score if task.kind else "CRPS or energy score per condition"
        return Draft(
            "high",
            GENERATIVE,
            f"{task.squared} is optimal at the mean and punishes every sample",
            (ids["cost"],),
            f"score with {score}; keep {task.squared} for the mean only.",
            f"{task.squared} of the conditional mean against one sample: even a perfect sample loses by 2.",
            "a perfect generator scores 2 x the error of the mean.",
            weight=5,
            limit="Point posterior",
        )
    if task.two_sample and not task.proper:
        return Draft(
            "medium",
            GENERATIVE,
            f"{task.two_sample} says nothing about single conditions",
            (ids["coverage"] if "coverage" in ids else ids["cost"],),
            "add a proper score per condition: "
            + (task.kind.score if task.kind else "energy score, coverage of 90 %")
            + ".",
            "shuffle the conditions among the samples: a two-sample distance does not change, a proper score must.",
            weight=2,
            limit="Calibration",
        )
    return None


def _mean_is_invalid(task: Task, decision: Decision, facts: Facts) -> Draft | None:
    likely = task.kind is not None and task.kind.spread == "likely"
    if decision.answer in {"regress", "classify"} or not (task.one_to_many or likely):
        return None
    fact = facts.add(
        "two equally likely answers at +a and -a have the mean 0, which is neither, at a squared error of a²",
        "computed",
    )
    return Draft(
        "medium",
        GENERATIVE,
        "The mean of valid answers may be no valid answer",
        (fact,),
        "check it before choosing: average two targets of (nearly) the same condition and validate the result.",
        "share of averaged pairs that are invalid; above a few per cent: generate.",
        weight=3,
        limit="Inverse design" if task.kind and task.kind.id == "inverse-design" else "",
    )


def _output(task: Task, ids: dict[str, str]) -> Draft | None:
    if "token" not in ids or task.token is None or task.width is None:
        return None
    wide = task.token >= task.width
    if not wide:
        return Draft(
            "note",
            GENERATIVE,
            "Any of x, eps, v can be predicted at this token width",
            (ids["token"],),
            f"keep what is there: {task.token} < {task.width}.",
            "loss on x recomputed from each parameterisation, same network.",
            weight=1,
        )
    return Draft(
        "high" if re.search(r"eps|ε|noise|^v|velocity", task.predicts) else "medium",
        GENERATIVE,
        "The token is as wide as the network: predict x, not eps or v",
        (ids["token"],),
        "let the network output x and convert: v = (x - z)/(1 - t), eps = (z - t x)/(1 - t); the v-loss may stay.",
        "FID or loss on x after equal steps with x- and v-prediction; only the output changes.",
        "of the order of 96.53 to 8.62 in FID at token/width = 1.",
        weight=6,
        limit="Another regime",
    )


def _chain(task: Task, ids: dict[str, str]) -> Draft | None:
    if "chain" not in ids or task.success is None or task.steps is None:
        return None
    whole = task.success**task.steps
    return Draft(
        "high" if whole < 0.5 else "low",
        GENERATIVE,
        f"Errors compound over {task.steps} steps",
        (ids["chain"],),
        "predict jointly, or correct between steps; train on prefixes that the model itself sampled.",
        "loss on the true prefix against the sampled prefix, by step: the gap is the exposure bias.",
        f"the composed success is {whole:.2g}.",
        weight=4,
    )


def _factorised(task: Task, facts: Facts) -> Draft | None:
    sequence = task.kind is not None and task.kind.id in {"forecast", "imputation"}
    if not sequence or not _FACTORISED.search(task.text):
        return None
    fact = facts.add("outputs that are predicted at once and independently are the marginals only", "computed")
    return Draft(
        "medium",
        GENERATIVE,
        "One-shot outputs lose the joint structure",
        (fact,),
        "use joint samples or autoregression if the decision depends on several steps together; keep padding out of the mask.",
        "variance of the sum over the horizon: joint samples against the sum of the marginal variances.",
        weight=3,
    )


def _minimum(task: Task, ids: dict[str, str], facts: Facts) -> Draft | None:
    if not _MINIMUM.search(task.text):
        return None
    fact = ids.get("shares") or facts.add(
        "with answers p and 1-p the best single output keeps p(1-p); with K >= 2 heads and a minimum loss it is 0",
        "computed",
    )
    return Draft(
        "medium",
        GENERATIVE,
        "A minimum over K heads is a K-sample generator without probabilities",
        (fact,),
        "add a score head that predicts which output is right, or a distributional model if frequencies matter.",
        "frequency of each head being best against the frequency of each annotation.",
        weight=3,
    )


def _memorises(task: Task, decision: Decision, facts: Facts) -> Draft | None:
    if decision.answer in {"regress", "classify"} or task.samples is None or task.samples >= SMALL_DATA:
        return None
    fact = facts.add(f"{task.samples:,} training samples are below {SMALL_DATA:,} (rule of thumb)", "stated")
    return Draft(
        "medium",
        GENERATIVE,
        "Few samples: the generator may return its training set",
        (fact,),
        "compare with retrieval first; use a small model, augmentation by the true symmetries, early stopping.",
        "distance of samples to the nearest training case against held-out cases to theirs: a smaller median means copies.",
        weight=3,
        limit="Small training sets",
    )


def _out_of_range(task: Task, facts: Facts) -> Draft | None:
    if task.kind is None or task.kind.id != "inverse-design":
        return None
    fact = facts.add("p(x|y) is learned only where the training set has conditions y", "computed")
    return Draft(
        "medium",
        GENERATIVE,
        "The wanted condition may lie outside the support of p(y)",
        (fact,),
        "draw candidates, re-score them with an independent forward surrogate, retrain on what it confirms.",
        "hit rate against the distance of the condition to its nearest training condition, in units of its spread.",
        weight=3.5,
        limit="Inverse design",
    )


def _kind_test(task: Task, facts: Facts) -> Draft | None:
    if task.kind is None:
        return None
    first, *rest = task.kind.tests
    fact = facts.add(f"proper score: {task.kind.score}", "assumed")
    return Draft(
        "low",
        GENERATIVE,
        f"What {task.kind.title} must be tested for",
        (fact,),
        "; then ".join(rest) + "." if rest else "make it part of every evaluation.",
        first + ".",
        weight=2,
    )


def _constraints(task: Task, facts: Facts) -> Draft | None:
    if not task.constraints:
        return None
    named = task.constraints[:2]
    fact = facts.add("constraints that the text names: " + ", ".join(c.id for c in named), "read")
    return Draft(
        "low",
        GENERATIVE,
        "Hard constraints: by construction, by projection, or only hoped for",
        (fact,),
        "; ".join(f"{c.id}: {c.hold}" for c in named) + ".",
        "share of 1,000 samples that satisfy each constraint before any repair.",
        weight=1,
    )
