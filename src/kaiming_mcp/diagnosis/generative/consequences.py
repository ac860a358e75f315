"""Findings that follow from the numbers: output, time, chains, heads, calibration, guidance, memory, rare events."""

from __future__ import annotations

import re

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.advice import POINT
from kaiming_mcp.diagnosis.generative.budget import ONE_STEP, Budget
from kaiming_mcp.diagnosis.generative.decide import Decision
from kaiming_mcp.diagnosis.generative.numbers import MARGIN, sampling_cost
from kaiming_mcp.diagnosis.generative.readouts import naive_is_better
from kaiming_mcp.diagnosis.generative.scores import miscalibrated, narrow
from kaiming_mcp.diagnosis.generative.statement import Task
from kaiming_mcp.diagnosis.generative.supply import Found
from kaiming_mcp.diagnosis.principles import GENERATIVE

SMALL_DATA = 2_000
"""Training samples below which copies are the first suspicion, a rule of thumb."""
FEW_EVALUATIONS = 20
"""Below this many a multi-step sampler has to be shortened, a rule of thumb."""
_MINIMUM = re.compile(
    r"min[- ](?:over|loss)|best[- ]of[- ]?(?:k|\d)|winner[- ]takes|minimum over|multiple (?:masks|hypotheses|heads)"
)
_EPS = re.compile(r"eps|ε|noise|^v|velocity")


def consequences(task: Task, decision: Decision, budget: Budget, ids: Found, facts: Facts) -> list[Draft]:
    """Drafts, in no order."""
    drafts = [
        _worse(task, ids),
        naive_is_better(task.readouts, ids),
        _output(task, ids),
        _time(task, budget),
        _chain(task, ids),
        _minimum(task, decision, ids, facts),
        _calibration(task, ids),
        _guidance(decision, ids),
        _memorises(task, decision, ids, facts),
        _rare(task, ids),
    ]
    return [d for d in drafts if d is not None]


def _worse(task: Task, ids: Found) -> Draft | None:
    told = sampling_cost(task)
    if "worse" not in ids or told is None:
        return None
    explained = told[0] <= told[1] * (1 + MARGIN)
    return Draft(
        "high",
        GENERATIVE,
        "A larger error than the regressor's is the price of a sample"
        if explained
        else "The error is larger than sampling explains",
        (ids["worse"],),
        "compare like with like: the mean of 20 samples against the regressor, and the samples by CRPS, where the regressor's is its absolute "
        "error; keep the regressor if only the mean is used."
        if explained
        else "look first for what the regressor has and the generator lacks (the condition at every step, the scale of x, as many updates); the "
        "mean of 20 samples takes the price of sampling out of the comparison.",
        f"error of the mean of k samples for k = {max(task.per_query, 1)}, 4, 20: it must fall as sqrt(1 + 1/k); what is left at k = 20 beyond "
        "1.025 x the regressor's is the model's own.",
        "the mean of 20 samples is within 2.5 % of the conditional mean's error, if the samples are right.",
        weight=6,
        limit="Point posterior",
    )


def _output(task: Task, ids: Found) -> Draft | None:
    if "token" not in ids or task.token is None or task.width is None:
        return None
    if task.token < task.width:
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
        "high" if _EPS.search(task.predicts) else "medium",
        GENERATIVE,
        "The token is as wide as the network: predict x, not eps or v",
        (ids["token"],),
        "let the network output x and convert: v = (x - z)/(1 - t), eps = (z - t x)/(1 - t); the v-loss may stay.",
        "FID or loss on x after equal steps with x- and v-prediction; only the output changes.",
        "of the order of 96.53 to 8.62 in FID at token/width = 1.",
        weight=6,
        limit="Another regime",
    )


def _time(task: Task, budget: Budget) -> Draft | None:
    if not budget.fact or (budget.allowed is None and not task.timing.limit):
        return None
    tight = budget.exceeded or (budget.allowed is not None and budget.allowed < FEW_EVALUATIONS)
    if budget.allowed is not None and not tight:
        return None
    remedy = "take a one-step or few-step generator (MeanFlow, Drifting), or distil the sampler; fewer steps of an ODE solver come first, since they cost no training."
    if budget.allowed == 0:
        remedy = "shrink the network first: not even one evaluation fits into the limit."
    return Draft(
        "high" if budget.exceeded or budget.allowed == 0 else "medium",
        GENERATIVE,
        "The time for an answer decides the sampler",
        (budget.fact,),
        remedy,
        "the proper score at 1, 2, 4, 8 and 50 evaluations, at the measured time of each; stop where it is flat.",
        f"on ImageNet-256 {ONE_STEP} (MeanFlow, geng-2025-meanflow); on your data: unknown.",
        weight=5,
        limit="One-step methods",
    )


def _chain(task: Task, ids: Found) -> Draft | None:
    if "chain" not in ids or task.steps is None:
        return None
    t = task.timing
    whole = t.success**task.steps if t.success is not None else 1 - min((t.drift or 0) * task.steps, 1.0)
    shown = (
        f"the composed success is {whole:.2g}" if t.success is not None else "the sum stays below its systematic bound"
    )
    return Draft(
        "high" if whole < 0.5 else "low",
        GENERATIVE,
        f"Errors compound over {task.steps} steps",
        (ids["chain"],),
        "predict jointly, or correct between steps; train on prefixes that the model itself sampled.",
        "loss on the true prefix against the sampled prefix, by step: the gap is the exposure bias.",
        f"{shown}.",
        weight=4,
    )


def _minimum(task: Task, decision: Decision, ids: Found, facts: Facts) -> Draft | None:
    if decision.answer == "instead" or "best_of" in ids or not _MINIMUM.search(task.text):
        return None
    fact = ids.get("shares") or facts.add(
        "with answers p and 1-p the best single output keeps p(1-p); with K >= 2 heads and a minimum loss it is 0, and "
        "identical heads cannot lower it",
        "computed",
        source="p (1-p)",
    )
    return Draft(
        "medium",
        GENERATIVE,
        "A minimum over K heads is a K-sample generator without probabilities",
        (fact,),
        "add a score head that predicts which output is right, or a distributional model if frequencies matter.",
        "frequency of each head being best against the frequency of each annotation.",
        weight=3.8,
    )


def _calibration(task: Task, ids: Found) -> Draft | None:
    if "dispersion" not in ids and not miscalibrated(task) and not task.readouts.off:
        return None
    evidence = tuple(ids[name] for name in ("calibration", "dispersion") if name in ids)
    if not evidence:
        return None
    cause = {
        True: "look at what narrows it (the family of the likelihood, observation noise left out, early stopping on the mean, guidance and "
        "few steps of a sampler)",
        False: "do not tune the width by hand: condition on what explains more, and look at what widens it (a likelihood of the wrong family, "
        "noise counted twice, calibration on harder cases)",
        None: "look at the location first (bias by lead time and group), then at the width",
    }[narrow(task)]
    return Draft(
        "high",
        GENERATIVE,
        "The reported spread is not the error that is made",
        evidence,
        f"{cause}; then rescale the spread on a calibration set, or take conformal intervals.",
        "coverage and rank histogram on conditions that were not used to rescale, per group and per lead time.",
        weight=5.5,
        limit="Calibration",
    )


def _guidance(decision: Decision, ids: Found) -> Draft | None:
    if "guidance" not in ids or decision.answer in POINT:
        return None
    return Draft(
        "medium",
        GENERATIVE,
        "Guidance trades calibration for typicality",
        (ids["guidance"],),
        "draw without guidance (w = 1) wherever spread, coverage or frequencies are used; guide only where one typical x is wanted.",
        "coverage of 90 % intervals at w = 1, 2, 4 on the same conditions: it must fall as computed, or w is defined otherwise "
        "(some write 0 for none).",
        weight=4.2,
        limit="Calibration",
    )


def _memorises(task: Task, decision: Decision, ids: Found, facts: Facts) -> Draft | None:
    few = task.learned_from is not None and task.learned_from < SMALL_DATA
    if (
        decision.answer in {*POINT, "instead"}
        or task.samples is None
        or not (few or "memory" in ids or "capacity" in ids)
    ):
        return None
    known = [ids[n] for n in ("memory", "capacity") if n in ids]
    if few:
        known.append(facts.add(f"{task.samples:,} training samples are below {SMALL_DATA:,} (rule of thumb)", "stated"))
    draws = min(max(task.samples // 10, 50), 1000)
    return Draft(
        "medium",
        GENERATIVE,
        "The generator may return its training set",
        tuple(known),
        "compare with retrieval first; use a small model, augmentation by the true symmetries, early stopping.",
        f"{draws} samples: share that lie nearer to a training case than to any of as many held-out cases; 50 % ± {196 * 0.5 / draws**0.5:.2g} % "
        "if nothing is copied.",
        weight=3 if few else 2.2,
        limit="Small training sets",
    )


def _rare(task: Task, ids: Found) -> Draft | None:
    if "rare" not in ids or task.reported.rare is None:
        return None
    return Draft(
        "medium",
        GENERATIVE,
        "The event is rarer than the samples can show",
        (ids["rare"],),
        "estimate its probability directly (exceedance as a label, or a tail model above a high threshold), or draw by importance "
        "sampling towards it.",
        "Brier score with reliability for the event, over at least 20 observed ones; with fewer report the interval only.",
        weight=4.3,
        limit="Only a functional",
    )
