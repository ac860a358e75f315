"""A claim beside the number that a paper reports for the same method, and beside the spread of the target."""

from __future__ import annotations

import re
from dataclasses import replace

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.principles import SCIENCE
from kaiming_mcp.diagnosis.science.cross_checks import fold_error
from kaiming_mcp.diagnosis.science.errors import SURE, combined, comparable, metric_errors, ranged
from kaiming_mcp.diagnosis.science.floors import scaled_to, shown
from kaiming_mcp.diagnosis.science.metrics import ERRORS
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.scores import Score
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.diagnosis.science.statistics import Size
from kaiming_mcp.scaffold import number

NEAR = 0.01
CONVERSIONS = {
    "eV to kcal/mol": 23.0605,
    "Hartree to eV": 27.2114,
    "Hartree to kcal/mol": 627.509,
    "Hartree/bohr to eV/Å": 51.4221,
    "a factor of 1000": 1000.0,
    "per cent to shares": 100.0,
}
"""Factors that a wrong unit leaves between two errors; small ones come about by chance."""
_STANDARD = re.compile(r"standardi[sz]|normali[sz]|z-?scor")
_AVERAGE = re.compile(r"\b(?:average|avg|mean|overall|pooled)\b", re.IGNORECASE)
_PROTOCOL = re.compile(
    r"leave-(?:one|\d+)-[a-z]+-out|(?:within|cross|inter|intra)-(?:subject|patient|session|site|dataset|domain)|\d{1,3}-fold|"
    r"(?:random|scaffold|temporal|time|spatial|chronological|patient|subject|grouped|official|standard) split"
)


def check_reported(s: Statement, claims: list[Score], n: Size | None, notes: Notes) -> None:
    """One's own score against the one that was published, in standard errors, and by what protocol each was taken."""
    reported = [x for x in s.scores if x.role == "reported"]
    if len(reported) > 1 and not claims:
        _two_reports(reported[0], reported[1], notes)
        return
    for theirs in reported:
        mine = _counterpart(theirs, s, claims)
        value = scaled_to(theirs, mine) if mine else None
        if mine is not None and value is not None:
            _against(mine, theirs, value, s, n, notes)
            return


def _two_reports(one: Score, other: Score, notes: Notes) -> None:
    """Two publications that give one method different numbers."""
    value = scaled_to(other, one) if comparable(one, other) else None
    if value is None or value == one.value:
        return
    apart = abs(one.value - value)
    fact = notes.key(
        76,
        notes.facts.add(
            f"{shown(one)} in one report and {shown(other)} in another: {number(apart)} apart",
            "computed",
            apart,
            one.metric,
            "difference",
        ),
    )
    notes.verdict(
        58,
        f"Two reports of one method differ by {number(apart)}: which split and tuning each used decides, not the method.",
        fact,
    )
    notes.drafts.append(
        Draft(
            "medium",
            SCIENCE,
            "One method has two published numbers",
            (fact,),
            "get the test items of both (a scaffold split has several forms: ordered by size, balanced, seeded), and score one set of weights on both; give both numbers until then",
            f"the same weights on both test sets: a difference near {number(apart)} is the split, else it is tuning or the pre-training",
            weight=8,
        )
    )


def _counterpart(theirs: Score, s: Statement, claims: list[Score]) -> Score | None:
    """One's own score of the same metric; where several were given, the average of them as the person took it."""
    own = [x for x in s.scores if x.role in {"claimed", "random", "grouped"} and comparable(x, theirs)]
    average = next((x for x in own if len(own) > 2 and _AVERAGE.search(x.said)), None)
    return average or next((c for c in claims if comparable(c, theirs)), None)


def _against(mine: Score, theirs: Score, value: float, s: Statement, n: Size | None, notes: Notes) -> None:
    lower = mine.metric in ERRORS
    short = mine.value - value if lower else value - mine.value
    folds = fold_error(s)
    by_folds = folds is not None and abs(folds[0] - mine.value) < NEAR * abs(mine.value)
    own = (folds[2], folds[2]) if folds and by_folds else metric_errors(mine, s, n)
    errors = own if by_folds else combined(own, metric_errors(replace(theirs, value=value, unit=mine.unit), s, n))
    unit_said = f" {mine.unit.text}" if mine.unit else ""
    text = f"{shown(mine)} of one's own against {shown(theirs)} reported: {number(abs(short))}{unit_said} {'short of' if short > 0 else 'better than'} the report"
    if errors:
        text += f", {ranged((abs(short) / errors[1], abs(short) / errors[0]))} standard errors"
        text += " of one's own mean" if by_folds else " (as if both rested on this test set)"
    spread = next((x for x in s.scores if x.role == "spread" and comparable(x, mine)), None)
    deviation = scaled_to(spread, mine) if spread else None
    if deviation and _STANDARD.search(s.text):
        text += f"; over the spread {number(deviation)} of the target one's own is {number(mine.value / deviation)}, to be held against {number(value)} if the report is standardised"
    factor = _conversion(mine.value / value) if lower and value > 0 else ""
    if factor:
        text += f"; the ratio {mine.value / value:.4g} is {factor}"
    mixed = (mine.square is None) != (theirs.square is None)
    if mixed:
        text += f"; one of them was written as a square: {number(mine.square or mine.value)} against {number(theirs.square or theirs.value)} as printed"
    fact = notes.key(
        76, notes.facts.add(text, "computed", short, mine.metric, "difference; the report's own error is unknown")
    )
    protocols = [p[0] for x in (theirs, mine) if (p := _PROTOCOL.search(x.said.lower()))]
    if len(protocols) == 2 and protocols[0] != protocols[1]:
        notes.verdict(
            64,
            f"Two experiments, not one: the report is {protocols[0]}, one's own {protocols[1]}; the gap of {number(abs(short))} is no failure to reproduce.",
            fact,
        )
        remedy = f"score one's own model under {protocols[0]} too; what then remains of the gap is the implementation, the rest is the protocol"
    elif mixed:
        notes.verdict(
            63,
            f"First compare one metric: one error is a mean square, the other a root; as roots {number(mine.value)} against {number(value)}.",
            fact,
        )
        remedy = "compute MSE and RMSE of the same predictions, and ask which of them the report prints: a root that equals another's square is a slip of the table"
    elif factor:
        notes.verdict(67, f"Look at the units first: the two errors differ by the factor of {factor}.", fact)
        remedy = "recompute both errors in one unit on ten samples, before anything is trained again"
    elif short <= 0:
        return
    elif errors and short < SURE * errors[0]:
        notes.verdict(61, f"The report is not missed: {number(short)} is below {SURE:g} standard errors.", fact)
        remedy = "run 3 seeds and give mean and standard error; the difference is within what the test set can tell"
    else:
        sure = "Not reproduced" if errors else "Short of the report, by how many standard errors is unknown"
        notes.verdict(61, f"{sure}: {shown(mine)} against {shown(theirs)} reported.", fact)
        remedy = (
            "score the authors' own weights or predictions with one's own evaluation: where they reach the report, data and metric are right and "
            "training differs; else it is the split, the preprocessing or the metric. Then swap one of these at a time"
        )
    notes.drafts.append(
        Draft(
            "medium",
            SCIENCE,
            "One's own score is not the published one",
            (fact,),
            remedy,
            f"the changes of the single swaps add up to {number(abs(short))}; 3 seeds each",
            weight=8,
        )
    )


def _conversion(ratio: float) -> str:
    """The change of units whose factor a ratio, or its inverse, is."""
    return next((name for name, f in CONVERSIONS.items() if any(abs(r / f - 1) < NEAR for r in (ratio, 1 / ratio))), "")


def check_share(claimed: Score, s: Statement, notes: Notes) -> None:
    """An error beside the spread of the target: what share of what a constant leaves it is."""
    spread = next((x for x in s.scores if x.role == "spread" and x.metric == claimed.metric and x.value > 0), None)
    scaled = scaled_to(spread, claimed) if spread else None
    if spread is None or scaled is None or scaled <= 0:
        return
    share = claimed.value / scaled
    constant = "always the median" if claimed.metric == "mae" else "always the mean"
    name = "mean absolute deviation" if claimed.metric == "mae" else "standard deviation"
    text = f"{shown(claimed)} is {share:.3g} of the {name} {number(spread.value)}{f' {spread.unit.text}' if spread.unit else ''} of the target, the error of {constant}"
    text += f": R² = {1 - share**2:.3g}" if claimed.metric == "rmse" else ""
    fact = notes.facts.add(text, "computed", share, "share", "error / spread of the target")
    notes.key(69, fact)
    if share >= 1:
        notes.verdict(66, f"No skill yet: {shown(claimed)} is {share:.3g} times the error of {constant}.", fact)
