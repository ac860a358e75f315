"""Numbers of the data: how isolated cases are, what is noise, what overlaps, how far ahead, how well R could be known."""

from __future__ import annotations

import math

from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.decide import Decision
from kaiming_mcp.diagnosis.generative.quantities import clock
from kaiming_mcp.diagnosis.generative.spread import Spread
from kaiming_mcp.diagnosis.generative.statement import Task
from kaiming_mcp.scaffold import number

NEIGHBOURS = 10
NEAR = 0.1
"""Share of the variance of y inside a neighbourhood at which neighbours still count as near."""
SURE = frozenset({"synthesis", "language", "sampling", "stochastic-simulator"})
"""Kinds where one condition has many x beyond doubt."""
Found = dict[str, str]


def add_supply(task: Task, decision: Decision, measured: Spread | None, facts: Facts) -> Found:
    """Record them; the ids by name."""
    found: Found = {}
    if decision.answer == "instead":
        return found
    _memory(task, decision, measured, facts, found)
    _noise(task, facts, found)
    _windows(task, facts, found)
    _growth(task, facts, found)
    if measured is None and decision.answer == "cannot tell":
        _pairs(task, facts, found)
    return found


def _memory(task: Task, decision: Decision, measured: Spread | None, facts: Facts, found: Found) -> None:
    """How isolated training cases are, and how many parameters there are for each number of theirs."""
    if task.samples is None or task.samples < 2 or decision.answer in {"regress", "classify"}:
        return
    d = task.reported.intrinsic
    if d is None and measured is not None and measured.dimension_x:
        d = max(1, round(measured.dimension_x))
    if d:
        reach = task.samples ** (-1 / d)
        found["memory"] = facts.add(
            f"{task.samples:,} cases in {d} intrinsic dimensions: the nearest one lies at about {number(reach)} of the radius of "
            f"the data; halving that takes {number(2.0**d)} times the data",
            "computed",
            reach,
            "relative distance",
            "N^(-1/d)",
        )
    if task.reported.parameters and (d or task.size_x):
        held = task.samples * (d or task.size_x or 1)
        ratio = task.reported.parameters / held
        found["capacity"] = facts.add(
            f"{number(task.reported.parameters)} parameters for {task.samples:,} x {d or task.size_x:,} training numbers: {number(ratio)} each"
            + (", enough to store the set" if ratio > 1 else ""),
            "computed",
            ratio,
            "parameters per number",
        )


def _noise(task: Task, facts: Facts, found: Found) -> None:
    r = task.reported
    if r.noise is None or r.deviation is None or r.noise >= r.deviation:
        return
    share = (r.noise / r.deviation) ** 2
    found["noise"] = facts.add(
        f"noise of {number(r.noise)} on a spread of {number(r.deviation)}: {number(share)} of R is the instrument's",
        "computed",
        share,
        "R",
        "(noise / std)^2",
    )


def _windows(task: Task, facts: Facts, found: Found) -> None:
    """Independent windows in a span of data: samples cut closer than a window share their values."""
    t = task.timing
    if not t.span or not t.ahead or t.span < 4 * t.ahead:
        return
    apart = t.span / t.ahead
    if task.samples and task.samples <= apart:
        return
    text = f"{clock(t.span)} hold {apart:,.0f} windows of {clock(t.ahead)} that do not overlap"
    if task.samples:
        text += f"; {task.samples:,} samples are one every {clock(t.span / task.samples)}, so most share values"
    found["windows"] = facts.add(text, "computed", apart, "windows", "span / lead")


def _growth(task: Task, facts: Facts, found: Found) -> None:
    t = task.timing
    if not t.doubling or not t.ahead:
        return
    by = 2.0 ** min(t.ahead / t.doubling, 60)
    found["growth"] = facts.add(
        f"errors that double every {clock(t.doubling)} grow by {number(by)} over {clock(t.ahead)}: an initial error of "
        f"{number(1 / by)} of the climatological spread fills it",
        "computed",
        by,
        "x",
        "2^(lead / doubling time)",
    )


def _pairs(task: Task, facts: Facts, found: Found) -> None:
    """How well R could be measured: its own error, and the dimension of y up to which neighbours are near."""
    n = task.samples
    if not n or n <= 2 * NEIGHBOURS or (task.kind is not None and task.kind.id in SURE):
        return
    error = math.sqrt(2 / n)
    most = 2 * math.log10(n / NEIGHBOURS)
    found["pairs"] = facts.add(
        f"{n:,} pairs fix R to about ±{100 * error:.2g} % of itself, and k = {NEIGHBOURS} neighbours are near (within {NEAR:.0%} of the "
        f"variance of y) for up to {most:.2g} dimensions of y",
        "computed",
        most,
        "dimensions of y",
        "sqrt(2/N); (k/N)^(2/d) <= 0.1",
    )
