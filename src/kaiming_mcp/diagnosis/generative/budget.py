"""Evaluations x time x samples against a stated limit: which families can answer in time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kaiming_mcp.catalogue import Family
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.quantities import clock
from kaiming_mcp.diagnosis.generative.statement import IN_TURN, Task
from kaiming_mcp.scaffold import number

ONE_STEP = "FID at 1 evaluation 3.43, at 2 2.20, against 2.27 for DiT at 250 x 2"


@dataclass(frozen=True, slots=True)
class Budget:
    """Evaluations that fit into the limit for one query with all its samples in one batch; None: not told."""

    allowed: int | None = None
    fact: str = ""
    exceeded: bool = False

    def excludes(self, family: Family, tokens: int | None) -> str:
        """Why a family cannot keep the limit, or nothing."""
        if self.allowed is None:
            return ""
        needed = max(family.evaluations[0], 0) * ((tokens or 1) if family.serial else 1)
        return f"needs {needed:,} evaluations in turn, {self.allowed:,} fit" if needed > self.allowed else ""


def add_budget(task: Task, facts: Facts) -> Budget:
    """Record what the stated times say."""
    t = task.timing
    turns = task.steps if task.steps and IN_TURN.search(task.text) else 1
    each = f" x {turns} turns" if turns > 1 else ""
    if t.evaluation and t.limit:
        allowed = math.floor(t.limit / (t.evaluation * turns) * (1 + 1e-9))
        text = f"{clock(t.limit)} at {clock(t.evaluation)} an evaluation{each} allow {allowed:,} evaluations in turn for each answer"
        if task.per_query > 1:
            text += f" with all {task.per_query:,} samples in one batch, {allowed // task.per_query:,} for each without"
        exceeded = False
        if t.nfe:
            exceeded = t.nfe > allowed
            text += f"; {t.nfe} steps take {clock(t.nfe * t.evaluation * turns)}" + (", too long" if exceeded else "")
        return Budget(allowed, facts.add(text, "computed", allowed, "evaluations", "limit / (time x turns)"), exceeded)
    if t.limit:
        nfe = t.nfe or 50
        text = f"{clock(t.limit)}{each} at {nfe} steps leave {clock(t.limit / nfe / turns)} an evaluation, at 1 step {clock(t.limit / turns)}"
        if task.per_query > 1:
            text += f", all {task.per_query:,} samples in one batch"
        return Budget(None, facts.add(text, "computed", t.limit / nfe / turns, "s", "limit / (steps x turns)"))
    if t.evaluation and (t.nfe or turns > 1):
        whole = t.evaluation * (t.nfe or 1) * turns
        steps = f"{t.nfe} steps" if t.nfe else "one step"
        text = f"{steps} at {clock(t.evaluation)}{each}: {clock(whole)} an answer"
        if task.per_query > 1:
            text += f", {clock(whole * task.per_query)} for {task.per_query:,} samples one by one"
        return Budget(None, facts.add(text, "computed", whole, "s", "steps x time"))
    if t.nfe and task.per_query > 1:
        text = f"{t.nfe} steps x {task.per_query:,} samples{each} = {number(t.nfe * task.per_query * turns)} evaluations a query"
        return Budget(None, facts.add(text, "computed", t.nfe * task.per_query * turns, "evaluations"))
    return Budget()
