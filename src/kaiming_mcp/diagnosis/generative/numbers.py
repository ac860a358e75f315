"""Numbers that follow from the user's own: direction, cost of samples, tokens, chains, answers."""

from __future__ import annotations

import math
import re

from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.decide import Decision
from kaiming_mcp.diagnosis.generative.quantities import counted
from kaiming_mcp.diagnosis.generative.statement import Task
from kaiming_mcp.diagnosis.generative.supply import Found
from kaiming_mcp.scaffold import number

MARGIN = 0.02
"""Relative difference of errors that is not worth a word."""
_SQUARES = frozenset({"mse", "squared error", "nmse", "psnr", "si-sdr", "sisdr", "si-snr"})
_NUMERIC = frozenset({"forecast", "downscaling", "regression", "surrogate", "reconstruction", "imputation", "causal"})
"""Kinds whose default metric is a squared error."""
_MEAN = re.compile(r"mean|average|expect|point|best|single|number")


def add_numbers(task: Task, decision: Decision, facts: Facts) -> Found:
    """Record every number that the statement allows; the ids by name."""
    found: Found = {}
    _arrow(task, facts, found)
    _unseen(task, facts, found)
    _fibre(task, facts, found)
    if decision.answer == "instead":
        return found
    _cost(task, decision, facts, found)
    _worse(task, facts, found)
    _token(task, facts, found)
    _code(task, facts, found)
    _chain(task, facts, found)
    _answers(task, facts, found)
    return found


def _arrow(task: Task, facts: Facts, found: Found) -> None:
    if task.size_x and task.size_y and not task.size_x == task.size_y == 1:
        ratio = task.size_x / task.size_y
        way = "fewer numbers to more, the way of generation" if ratio > 1 else "more to fewer, the way of recognition"
        text = f"dim(x)/dim(y) = {task.size_x:,}/{task.size_y:,} = {number(ratio)}"
        text += " (x taken to have frames of the size of y's)" if task.like_y else ""
        found["arrow"] = facts.add(
            f"{text}: {way} (by size alone)" if ratio != 1 else text, "computed", ratio, "dim ratio"
        )
    elif task.size_x and not task.samples:
        found["arrow"] = facts.add(f"x has {counted(task.size_x, 'value')}", "read", task.size_x, "values")
    if task.samples:
        text = f"{task.samples:,} {task.unit or 'samples'}"
        if task.size_x:
            per = task.samples / task.size_x
            text += f" of {counted(task.size_x, 'value')}" + (
                ""
                if task.many_each or task.size_x == 1
                else f": {f'{per:,.0f}' if per >= 100 else number(per)} per value"
            )
        found["data"] = facts.add(text, "read", task.samples, "samples")


def _fibre(task: Task, facts: Facts, found: Found) -> None:
    """Directions of x that a condition leaves free, by counting: an inverse has the fibre of its forward map."""
    if not task.reads_as("inverse-design", "sampling") or task.discrete or not task.size_x or not task.size_y:
        return
    x, y = task.size_x, task.size_y
    if x > y:
        text = f"{x:,} - {y:,} = {x - y:,} directions of x are free at each y (generic rank): the answers form a surface, not points"
    else:
        text = (
            f"{counted(y, 'number')} of y over-determine {x:,} of x: answers are isolated points (generic rank); a spread comes from a symmetry, from "
            "directions that y hardly feels (small singular values of the forward Jacobian), or from noise of y"
        )
    found["fibre"] = facts.add(text, "computed", max(x - y, 0), "directions", "max(0, dim x - dim y)")


def _unseen(task: Task, facts: Facts, found: Found) -> None:
    if task.unseen is not None:
        share, source = task.unseen
        found["unseen"] = facts.add(
            f"at least {share:.3g} of the dimensions of x are not measured: there every sample is prior, not data",
            "computed",
            share,
            "share of dimensions",
            source,
        )


def _cost(task: Task, decision: Decision, facts: Facts, found: Found) -> None:
    other = (task.functional and not _MEAN.search(task.functional)) or task.reported.costs is not None
    plain = not (task.proper or task.two_sample) and (
        task.kind.id in _NUMERIC if task.kind else decision.measured or bool(task.targets)
    )
    if (
        decision.answer == "classify"
        or task.discrete
        or other
        or not (task.squared or (task.per_query and not task.proper) or plain)
    ):
        return
    k = max(task.per_query, 1)
    of = "one posterior sample" if k == 1 else f"the mean of {k} posterior samples"
    text = f"squared error of {of}: {1 + 1 / k:.4g} x the minimum (the conditional mean has 1 x)"
    if decision.ratio is not None:
        low, high = decision.ratio
        text += f"; R² at best {_between(1 - high, 1 - low)} for the mean, {_between(1 - high * (1 + 1 / k), 1 - low * (1 + 1 / k))} for {of}"
    found["cost"] = facts.add(text, "computed", 1 + 1 / k, "x MMSE", "(1 + 1/k) E Var[X|Y]")


def sampling_cost(task: Task) -> tuple[float, float] | None:
    """(error over the regressor's as reported, the same for k samples of a perfect posterior); None where not told."""
    if task.reported.worse is None or task.discrete or not task.sampled:
        return None
    cost = 1 + 1 / max(task.per_query, 1)
    return 1 + task.reported.worse, cost if task.squared in _SQUARES else math.sqrt(cost)


def _worse(task: Task, facts: Facts, found: Found) -> None:
    """Whether a generator's error is larger than a regressor's by more than sampling alone makes it."""
    told = sampling_cost(task)
    if told is None:
        return
    seen, due = told
    if seen > due * (1 + MARGIN):
        verdict = f"{seen / due:.3g} x more than sampling costs"
    elif seen < due * (1 - MARGIN):
        verdict = "less than sampling costs, so the samples are too narrow or the regressor is not at the floor"
    else:
        verdict = "just what sampling costs"
    k = max(task.per_query, 1)
    of = "one sample" if k == 1 else f"the mean of {k} samples"
    found["worse"] = facts.add(
        f"an error {seen:.3g} x the regressor's, where {of} of a perfect posterior has {due:.3g} x the conditional mean's: {verdict}",
        "computed",
        seen / due,
        "x sampling cost",
        "1 + 1/k" if task.squared in _SQUARES else "sqrt(1 + 1/k), Gaussian for the absolute error",
    )


def _between(low: float, high: float) -> str:
    return number(high) if math.isclose(low, high) else f"{number(low)} to {number(high)}"


def _token(task: Task, facts: Facts, found: Found) -> None:
    if not task.token or not task.width or task.discrete:
        return
    ratio = task.token / task.width
    found["token"] = facts.add(
        f"token width {task.token} against hidden width {task.width}: {ratio:.3g}; at 768/768 x-prediction had FID "
        "8.62, v 96.53, eps 372.38; at 48/768 all were fine (3.55, 3.46, 3.63)",
        "computed",
        ratio,
        "token/width",
        "li-2025-jit",
    )


def _code(task: Task, facts: Facts, found: Found) -> None:
    r = task.reported
    if not r.codebook or not r.tokens or r.codebook < 2:
        return
    bits = r.tokens * math.log2(r.codebook)
    text = f"{r.tokens:,} tokens from {r.codebook:,} codes hold at most {bits:,.0f} bits"
    if task.size_x:
        text += f", {number(bits / task.size_x)} bits for each of {task.size_x:,} values"
    found["code"] = facts.add(f"{text}: what they drop no generator brings back", "computed", bits, "bits", "n log2 K")


def _chain(task: Task, facts: Facts, found: Found) -> None:
    t = task.timing
    if t.success is not None and task.steps:
        whole = t.success**task.steps
        half = math.log(0.5) / math.log(t.success)
        found["chain"] = facts.add(
            f"{task.steps} steps at {t.success:.4g} each succeed together with {number(whole)}; 50 % is reached after "
            f"{half:.3g} steps",
            "computed",
            whole,
            "p^n",
            "p^n, independent steps",
        )
    if t.drift is not None and task.steps:
        together = t.drift * task.steps
        found["chain"] = facts.add(
            f"an error of {t.drift:.3%} a step over {task.steps} steps adds up to {math.sqrt(task.steps) * t.drift:.3g} if it is "
            f"random and to {together:.3g} if it is systematic, before any growth",
            "computed",
            together,
            "relative error",
            "sqrt(n) e and n e",
        )


def _answers(task: Task, facts: Facts, found: Found) -> None:
    a = task.answers
    if a.shares:
        first = max(a.shares)
        loss = sum(s * (1 - s) for s in a.shares)
        found["shares"] = facts.add(
            f"answers split {', '.join(f'{s:.0%}' for s in a.shares)}: the best single soft answer keeps a squared loss of "
            f"p(1-p) = {first * (1 - first):.3g} per output ({loss:.3g} over the one-hot answers); a minimum over "
            f"{max(len(a.shares), a.heads or 0)} heads reaches 0 but gives no frequencies",
            "computed",
            first * (1 - first),
            "squared loss",
            "p (1-p)",
        )
    if a.modes:
        one, other = a.modes
        share = a.shares[0] if len(a.shares) == 2 else 0.5
        mean, left = share * one + (1 - share) * other, share * (1 - share) * (one - other) ** 2
        found["modes"] = facts.add(
            f"answers {number(one)} and {number(other)} ({share:.0%}/{1 - share:.0%}): the squared-error optimum is "
            f"{number(mean)}, which is neither, at an error of {number(left)}",
            "computed",
            left,
            "squared error",
            "p (1-p) (a - b)^2",
        )
