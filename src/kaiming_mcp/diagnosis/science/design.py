"""The design of the data: prevalence, variables against samples, and correlation in time."""

from __future__ import annotations

import math

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.principles import SCIENCE
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.diagnosis.science.statistics import series_size
from kaiming_mcp.diagnosis.science.units import leading_unit
from kaiming_mcp.scaffold import number

EVENTS_PER_VARIABLE = 10
"""Rule of thumb for regression without a penalty."""
DAY = 86_400.0
FALSE_ALARMS, RARE = 0.01, 0.03


def check_design(s: Statement, notes: Notes) -> None:
    """Prevalence and what it makes of accuracy, events per variable, independent steps in time."""
    _prevalence(s, notes)
    _variables(s, notes)
    _series(s, notes)


def _prevalence(s: Statement, notes: Notes) -> None:
    p = s.prevalence
    if p is None:
        return
    counted = f" (about {p * s.sample.items.number:,.0f} positives)" if s.sample.items else ""
    # Of p + f (1 - p) alarms at most p are right.
    rare = f"; at 1 % false alarms the precision is at most {p / (p + FALSE_ALARMS * (1 - p)):.2g}" if p < RARE else ""
    fact = notes.facts.add(
        f"prevalence {p:.3g}{counted}: always the larger class has accuracy {max(p, 1 - p):.6g}, chance has AUPRC {p:.3g}{rare}",
        "computed",
        max(p, 1 - p),
        "accuracy",
        "max(p, 1 - p)",
    )
    notes.key(32, fact)


def _variables(s: Statement, notes: Notes) -> None:
    units = s.sample.inner or s.sample.items
    variables = s.covariates or s.sample.variables
    if not variables or units is None:
        return
    n = units.number
    rare = min(s.prevalence, 1 - s.prevalence) * n if s.prevalence else None
    base, what = (rare, "events of the rarer class") if rare is not None else (n, units.many)
    ratio = base / variables
    fact = notes.facts.add(
        f"{number(ratio)} {what} per variable ({base:,.0f} / {variables:,})",
        "computed",
        ratio,
        "per variable",
        "n / variables",
    )
    if ratio < EVENTS_PER_VARIABLE:
        notes.key(30, fact)
        notes.drafts.append(
            Draft(
                "high" if ratio < 1 else "medium",
                SCIENCE,
                "More variables than the samples carry",
                (fact,),
                "start from a penalised linear model; choose penalty and variables inside each training fold",
                f"the whole procedure on shuffled labels scores chance; a model of {max(1, int(base / EVENTS_PER_VARIABLE))} variables "
                "fixed beforehand as baseline",
                weight=4,
            )
        )


def independent_steps(s: Statement) -> tuple[float, float, str] | None:
    """Steps in time, how many of them are independent, and by what memory; None where the text does not say."""
    if s.lag1 is not None and s.step is None and s.sample.items:
        n, rho = s.sample.items.number, s.lag1
        return n, n * (1 - rho) / (1 + rho), f"lag-1 autocorrelation {rho:g}"
    if s.span is None or s.step is None or s.span < 3 * s.step:
        return None
    subject = s.recognised.subject
    typical = subject.memory if subject else None
    unit = leading_unit(typical.unit) if typical else None
    middle = math.sqrt(typical.low * typical.high) * unit[0].factor if typical and unit else None
    memory = s.memory or (-s.step / math.log(s.lag1) if s.lag1 else None) or middle
    if memory is None or not 1e-9 < memory / s.step < 1e12:
        return None
    n, effective = series_size(s.span, memory, s.step)
    said = f"memory {memory / DAY:.3g} days" if memory >= DAY else f"memory {memory / 3600:.3g} h"
    if not (s.memory or s.lag1) and typical:
        said += f" (assumed; {typical.what} {typical.low:g} to {typical.high:g} {typical.unit})"
    return n, effective, said


def _series(s: Statement, notes: Notes) -> None:
    found = independent_steps(s)
    if found is None or found[0] < 1.5 * found[1]:
        return
    _shrunk(*found, "n (1 - ρ)/(1 + ρ), ρ = exp(-step/memory)", notes)


def _shrunk(n: float, effective: float, said: str, source: str, notes: Notes) -> None:
    fact = notes.facts.add(
        f"{n:,.0f} steps in time are worth {effective:,.0f} independent ones at each place ({said})",
        "computed",
        effective,
        "independent steps",
        source,
    )
    notes.key(45, fact)
    notes.drafts.append(
        Draft(
            "medium",
            SCIENCE,
            "Neighbouring times are one sample",
            (fact,),
            "split into whole blocks (years) with a gap of two memories, and bootstrap errors over blocks",
            "the same error with block lengths of 1, 2 and 4 memories; it must stop growing",
            f"standard errors grow by {math.sqrt(n / effective):.2g}",
            weight=4,
            limit="Dependent samples",
        )
    )
    notes.verdict(
        28,
        f"Count blocks, not steps: {n:,.0f} steps are worth {effective:,.0f} independent ones; split by whole blocks of time.",
        fact,
    )
