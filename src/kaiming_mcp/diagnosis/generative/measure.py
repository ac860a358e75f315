"""The measurement that decides, in the form that this task allows."""

from __future__ import annotations

import math
import re

from kaiming_mcp.diagnosis.generative.decide import GENERATE_ABOVE, REGRESS_BELOW, Decision
from kaiming_mcp.diagnosis.generative.quantities import counted
from kaiming_mcp.diagnosis.generative.spread import Spread
from kaiming_mcp.diagnosis.generative.statement import Task
from kaiming_mcp.diagnosis.generative.supply import NEIGHBOURS
from kaiming_mcp.scaffold import number

_SIMULATED = re.compile(r"simulat|solver|emulat|numerical model|monte carlo")
_DECIDES = f"below {REGRESS_BELOW} regress, above {GENERATE_ABOVE} or with several modes generate"


def deciding(task: Task, decision: Decision, measured: Spread | None) -> str:
    """One sentence or two: what to measure, on how much, and the value that decides."""
    if decision.answer == "instead" and task.kind is not None:
        return f"{task.kind.score} of {task.kind.baselines[0]} on your cases; E Var[X|Y]/Var[X] does not matter here."
    if measured is not None:
        return _next(task, decision, measured)
    if task.reads_as("synthesis", "language", "inpainting"):
        return (
            "R = E Var[X|Y]/Var[X] is not in doubt where one y has many x (two x for each of 100 conditions show it). What decides is "
            f"the score per condition: {task.kind.tests[0] if task.kind else ''}."
        )
    return f"R = E Var[X|Y]/Var[X] with kaiming://probes/posterior_spread: {_how(task)}; {_DECIDES}."


def _how(task: Task) -> str:
    if task.reads_as("surrogate", "stochastic-simulator"):
        return "run the simulator twice at each of 200 conditions (equal y, so the variance inside pairs has no bias)"
    if task.reads_as("ambiguous", "segmentation"):
        return "two or more answers for each of 100 conditions (equal y, no neighbours needed)"
    if task.discrete or task.reads_as("classification"):
        return "label 200 inputs twice; for labels R is the ratio of the Gini impurities E sum p(1-p) inside to overall"
    if task.reads_as("sampling") and _SIMULATED.search(task.text):
        return (
            "draw (x, y) from the prior and the simulator, train a regressor of x, take its prediction as the condition: R of each parameter is "
            "its posterior variance over its prior variance, at most"
        )
    n = task.samples or 1000
    most = max(1, math.floor(2 * math.log10(max(n, 2 * NEIGHBOURS) / NEIGHBOURS)))
    pairs = f"{min(n, 5000):,} held-out pairs, k = {NEIGHBOURS} and {2 * NEIGHBOURS}, extrapolated to distance 0"
    if task.many_each:
        pairs = f"one pair from each of the {n:,} {task.unit}, or a bootstrap over them; k = {NEIGHBOURS} and {2 * NEIGHBOURS}"
    if task.size_y is not None and task.size_y <= most:
        return f"{pairs}, neighbours in {'the number' if task.size_y == 1 else f'the {task.size_y} numbers'} of y"
    wide = f"y has {counted(task.size_y, 'value')}" if task.size_y else f"if y has more than {most} dimensions"
    return (
        f"{wide}{', and neighbours are near in up to ' + counted(most, 'dimension') + ' only' if task.size_y else ''}: train a regressor on half "
        f"of the data and take its prediction as the condition (an upper bound of R); {pairs}"
    )


def _next(task: Task, decision: Decision, measured: Spread) -> str:
    start = "R = E Var[X|Y]/Var[X] is measured once"
    if decision.answer == "cannot tell":
        enough = f"about {number(measured.enough)} pairs at this smoothness, or " if measured.enough else ""
        return f"{start} and does not decide: {enough}{_repeat(task)}; {_DECIDES}."
    if decision.answer == "classify":
        return f"{start}; repeat it on held-out pairs. Then log-loss and calibration of the softmax against the class frequencies."
    ceiling = (
        f"R² of the regressor against its ceiling 1 - R, here {number(1 - measured.high)} to {number(1 - measured.low)}"
    )
    if decision.answer == "regress":
        return f"{start}; repeat it on the groups that will be met in use. Then {ceiling}."
    score = task.kind.short_score if task.kind else "CRPS or energy score"
    return f"{start}; repeat it on held-out pairs. Then {ceiling}, and of the generator: {score}."


def _repeat(task: Task) -> str:
    if _SIMULATED.search(task.text):
        return "two runs at each of 200 conditions"
    return "two or more x for each of 100 conditions, or a regressor's prediction as the condition"
