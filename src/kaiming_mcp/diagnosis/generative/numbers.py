"""Numbers that follow from the user's own: cost of samples, chains, tokens, counts, coverage."""

from __future__ import annotations

import math

from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.statement import Task
from kaiming_mcp.scaffold import number

RARE_ERROR = 0.2
COVERAGE_BAND = 0.05
DEFAULT_LEVEL = 0.9


def add_numbers(task: Task, point: bool, facts: Facts) -> dict[str, str]:
    """Record every number that the statement allows; the ids by name. A `point` answer needs fewer."""
    found: dict[str, str] = {}
    _arrow(task, facts, found)
    k = max(task.per_query, 1)
    found["cost"] = facts.add(
        f"squared error of {'one posterior sample' if k == 1 else f'the mean of {k} posterior samples'}: "
        f"{1 + 1 / k:.4g} x the minimum (the conditional mean has 1 x)",
        "computed",
        1 + 1 / k,
        "x MMSE",
        "1 + 1/k",
    )
    if task.token and task.width:
        ratio = task.token / task.width
        found["token"] = facts.add(
            f"token width {task.token} against hidden width {task.width}: {ratio:.3g}; at 768/768 x-prediction had FID "
            "8.62, v 96.53, eps 372.38; at 48/768 all were fine (3.55, 3.46, 3.63)",
            "computed",
            ratio,
            "token/width",
            "Li & He 2025 (JiT)",
        )
    if task.success is not None and task.steps:
        whole = task.success**task.steps
        half = math.log(0.5) / math.log(task.success)
        found["chain"] = facts.add(
            f"{task.steps} steps at {task.success:.4g} each succeed together with {number(whole)}; 50 % is reached after "
            f"{half:.3g} steps",
            "computed",
            whole,
            "p^n",
        )
    if task.shares:
        first = max(task.shares)
        loss = sum(s * (1 - s) for s in task.shares)
        found["shares"] = facts.add(
            f"answers split {', '.join(f'{s:.0%}' for s in task.shares)}: the best single soft answer keeps a squared loss of "
            f"p(1-p) = {first * (1 - first):.3g} per output ({loss:.3g} over the one-hot answers); a minimum over "
            f"{len(task.shares)} heads reaches 0 but gives no frequencies",
            "computed",
            first * (1 - first),
            "squared loss",
        )
    if task.rare:
        needed = (1 - task.rare) / (task.rare * RARE_ERROR**2)
        found["rare"] = facts.add(
            f"an event of probability {number(task.rare)} needs {needed:,.0f} samples per query for ±{RARE_ERROR:.0%}",
            "computed",
            needed,
            "samples",
            "(1-p)/(p e²)",
        )
    level = task.level or DEFAULT_LEVEL
    cases = math.ceil(1.96**2 * level * (1 - level) / COVERAGE_BAND**2)
    if not point or task.level:
        found["coverage"] = facts.add(
            f"to check {level:.0%} intervals within ±{COVERAGE_BAND:.0%}, {cases} independent test conditions are needed",
            "computed",
            cases,
            "conditions",
            "binomial, 95 %",
        )
    if task.samples:
        error = math.sqrt(2 / task.samples)
        found["pairs"] = facts.add(
            f"R can be estimated from {task.samples:,} pairs to about ±{100 * error:.2g} % of itself (k = 10)",
            "computed",
            error,
            "relative error",
            "sqrt(2/N), Gaussian",
        )
    return found


def _arrow(task: Task, facts: Facts, found: dict[str, str]) -> None:
    if task.size_x and task.size_y:
        ratio = task.size_x / task.size_y
        way = (
            "fewer numbers to more, the way of generation (by size alone)"
            if ratio > 1
            else "more numbers to fewer, the way of recognition (by size alone)"
        )
        found["arrow"] = facts.add(
            f"dim(x)/dim(y) = {task.size_x:,}/{task.size_y:,} = {number(ratio)}: {way if ratio != 1 else 'equal'}",
            "computed",
            ratio,
            "dim ratio",
        )
    elif task.size_x:
        found["arrow"] = facts.add(f"x has {task.size_x:,} values", "read", task.size_x, "values")
    if task.samples:
        text = f"{task.samples:,} samples"
        if task.size_x:
            text += f" of {task.size_x:,} values: {number(task.samples / task.size_x)} samples per value"
        facts.add(text, "read", task.samples, "samples")
