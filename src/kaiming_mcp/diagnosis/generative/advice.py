"""Findings that follow from the decision, the metric, the kind of task and what was measured, each with a test."""

from __future__ import annotations

import math
import re

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.decide import Decision, centre
from kaiming_mcp.diagnosis.generative.spread import Spread
from kaiming_mcp.diagnosis.generative.statement import Task
from kaiming_mcp.diagnosis.generative.supply import Found
from kaiming_mcp.diagnosis.principles import GENERATIVE
from kaiming_mcp.knowledge import pattern
from kaiming_mcp.scaffold import number

COPIES_NOTICED = 0.03
"""Share of held-out rows nearer to the training set than 1 % would be by chance."""
POINT = frozenset({"regress", "classify"})
_TWO_SAMPLE = re.compile(r"two-sample")
_DICE = re.compile(r"\b(?:dice|iou|hausdorff)\b")


def advise(
    task: Task, decision: Decision, measured: Spread | None, sampler: bool, ids: Found, facts: Facts
) -> list[Draft]:
    """Drafts, in no order; `sampler` says that the family in view turns noise into x."""
    drafts = [
        _open(decision, measured, ids),
        _functional(task, decision, facts),
        _metric(task, decision, ids, facts),
        _mean_is_invalid(task, decision, ids, facts),
        _out_of_range(task, decision, facts),
        _kind_test(task, decision, sampler, ids, facts),
        _constraints(task, decision, facts),
    ]
    return [d for d in drafts if d is not None]


def _open(decision: Decision, measured: Spread | None, ids: Found) -> Draft | None:
    if decision.answer != "cannot tell":
        return None
    if measured is not None:
        enough = f"about {number(measured.enough)} pairs, or " if measured.enough else ""
        remedy = f"narrow the interval: {enough}two or more x for each of 100 conditions (no neighbours needed), or the prediction of a regressor as the condition."
    else:
        remedy = "estimate R = E Var[X|Y]/Var[X] before choosing a family; paste 8 or more (y, x) pairs as CSV to have it computed."
    return Draft(
        "medium",
        GENERATIVE,
        "Whether the posterior is a point or a spread is open",
        decision.evidence or tuple(ids.values())[:1],
        remedy,
        "R below 0.05: regress; above 0.3, or two modes inside neighbourhoods: generate; between: mean and residual.",
        weight=4,
        limit="Point posterior",
    )


def _functional(task: Task, decision: Decision, facts: Facts) -> Draft | None:
    asked = task.functional or task.reported.costs is not None
    if not asked or decision.answer != "regress" or decision.measured:
        return None
    k = task.per_query or 100
    fact = facts.add(
        f"read off {k:,} samples, a probability near 0.1 has an error of {math.sqrt(0.09 / k):.2g}, and a quantile the same error in its level",
        "computed",
        math.sqrt(0.09 / k),
        "probability",
        "sqrt(p (1-p) / K)",
    )
    return Draft(
        "low",
        GENERATIVE,
        "A generator answers more than is asked, and less exactly",
        (*decision.evidence, fact),
        "fit the functional with its own proper loss (log-loss for a probability, pinball for a quantile, squared error for a mean).",
        "the same loss on held-out data, direct fit against the functional of samples: the difference within two standard errors decides nothing.",
        weight=2.5,
        limit="Only a functional",
    )


def _metric(task: Task, decision: Decision, ids: Found, facts: Facts) -> Draft | None:
    if task.squared and decision.answer in {"generate", "mean and residual"} and "cost" in ids:
        score = task.kind.short_score if task.kind else "CRPS or energy score per condition"
        return Draft(
            "low" if task.proper else "high",
            GENERATIVE,
            f"{task.squared} is optimal at the {centre(task.squared)} and punishes every sample",
            (ids["cost"],),
            f"score with {score}; keep {task.squared} for the {centre(task.squared)} only.",
            f"{task.squared} of the conditional {centre(task.squared)} against one sample: even a perfect sample loses.",
            f"one sample of a perfect generator has {_dearer(task)}.",
            weight=5,
            limit="Point posterior",
        )
    if task.two_sample and not task.proper and decision.answer not in POINT:
        text = (
            f"{task.two_sample} compares two sets of samples: it stays the same when conditions are shuffled among them"
        )
        if task.two_sample in {"fid", "fvd"}:
            text += "; it is biased upwards by a term that falls as 1/N, so compare at equal N, with the value of two halves of the real data as floor"
        fact = facts.add(text, "computed", source="a function of the marginal of x")
        return Draft(
            "medium",
            GENERATIVE,
            f"{task.two_sample} says nothing about single conditions",
            (fact,),
            f"add a score per condition: {_per_condition(task)}.",
            "shuffle the conditions among the samples: a two-sample distance does not change, a proper score must.",
            weight=2,
            limit="Calibration",
        )
    overlap = _DICE.search(task.text)
    if overlap and task.reads_as("ambiguous") and decision.answer not in POINT:
        fact = facts.add(f"{overlap[0]} against one annotation rewards the single best outline", "assumed")
        return Draft(
            "medium",
            GENERATIVE,
            f"{overlap[0]} cannot see the disagreement",
            (fact,),
            "score the set: generalised energy distance with 1 - IoU between samples and annotations, and the frequencies.",
            "the distance of the annotators to each other is the floor; a single outline cannot reach it.",
            weight=2,
        )
    return None


def _per_condition(task: Task) -> str:
    """A score that falls when conditions are shuffled."""
    if task.kind is None:
        return "energy score, coverage of 90 %"
    marginal = _TWO_SAMPLE.search(task.kind.score)
    return (
        "agreement with y on held-out conditions, beside the diversity at one y" if marginal else task.kind.short_score
    )


def _dearer(task: Task) -> str:
    """What a sample costs beside the centre, in the user's own kind of error."""
    if centre(task.squared) == "median":
        return "about 1.41 x the absolute error of the median (Gaussian)"
    k = task.per_query
    return f"2 x the squared error of the mean{f', the mean of {k} samples {1 + 1 / k:.4g} x' if k > 1 else ''}"


def _mean_is_invalid(task: Task, decision: Decision, ids: Found, facts: Facts) -> Draft | None:
    several = task.one_to_many or task.branching
    if decision.answer in {*POINT, "instead"} or task.discrete or not several:
        return None
    fact = ids.get("modes") or facts.add(
        "two equally likely answers at +a and -a have the mean 0, which is neither, at a squared error of a²",
        "computed",
        source="p (1-p) (a - b)^2",
    )
    looks = task.targets[0].mean if task.targets else "a value between two answers; validate it"
    return Draft(
        "medium",
        GENERATIVE,
        "The mean of valid answers may be no valid answer",
        (fact,),
        f"average two targets of (nearly) one condition. Expect {looks}.",
        "share of 100 averaged pairs that are invalid; above a few per cent: generate.",
        weight=3.6 if "modes" in ids else 3,
        limit="Inverse design" if task.reads_as("inverse-design") else "",
    )


def _out_of_range(task: Task, decision: Decision, facts: Facts) -> Draft | None:
    if not task.reads_as("inverse-design") or decision.answer in POINT:
        return None
    fact = facts.add(
        "p(x|y) is learned only where the training set has conditions y", "computed", source="support of p(y)"
    )
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


def _kind_test(task: Task, decision: Decision, sampler: bool, ids: Found, facts: Facts) -> Draft | None:
    if task.kind is None:
        return None
    first, *rest = task.kind.tests
    ids["score"] = facts.add(f"proper score: {task.kind.score}", "assumed", source="general knowledge")
    instead = decision.answer == "instead"
    asked = bool(task.kind.asked) and pattern(task.kind.asked).search(task.text) is not None
    rest += task.kind.noised if asked or sampler or task.sampled else ()
    remedy = f"beat {task.kind.baselines[0]} first" if instead else "; then ".join(rest)
    return Draft(
        "medium" if instead or asked else "low",
        GENERATIVE,
        f"What {task.kind.title} must be tested for",
        (ids["score"],),
        (remedy or "make it part of every evaluation") + ".",
        first + ".",
        weight=5 if asked else 2,
    )


def _constraints(task: Task, decision: Decision, facts: Facts) -> Draft | None:
    if not task.constraints or decision.answer in {"instead", "classify"}:
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
