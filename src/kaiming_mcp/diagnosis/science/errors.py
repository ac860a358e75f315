"""Standard errors of stated scores, and of the difference of two."""

from __future__ import annotations

import math

from kaiming_mcp.diagnosis.science.metrics import ERRORS
from kaiming_mcp.diagnosis.science.scores import Score
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.diagnosis.science.statistics import Size, auc_error, correlation_error, explained_error, share_error
from kaiming_mcp.scaffold import number

SURE = 2.0
"""Standard errors, or seed standard deviations."""


def metric_errors(score: Score, s: Statement, n: Size | None) -> tuple[float, float] | None:
    """Standard error of a stated score, (least, most), from its own ± or from n; None where neither is known."""
    if score.error:
        return score.error, score.error
    if n is None or n.fewest < 3:
        return None
    least, most = (_error(score, s, x) for x in n.bounds)
    return (least, most) if least is not None and most is not None else None


def combined(one: tuple[float, float] | None, other: tuple[float, float] | None) -> tuple[float, float] | None:
    """Errors of a difference of two unpaired scores, (least, most)."""
    return (math.hypot(one[0], other[0]), math.hypot(one[1], other[1])) if one and other else None


def comparable(one: Score, other: Score) -> bool:
    """Whether two scores are of one metric at one horizon; a score without a horizon fits any."""
    return one.metric == other.metric and (one.lead == other.lead or not one.lead or not other.lead)


def ends(errors: tuple[float, float], n: Size | None) -> str:
    """What the two ends of a range of errors assume."""
    if ranged((errors[0], errors[0])) == ranged((errors[1], errors[1])) or n is None:
        return ""
    return f", if {n.most:,.0f} or only {n.fewest:,.0f} are independent"


def ranged(errors: tuple[float, float]) -> str:
    """One number, or the two ends of a range."""
    least, most = number(errors[0]), number(errors[1])
    return least if least == most else f"{least} to {most}"


def _error(score: Score, s: Statement, n: float) -> float | None:
    if score.metric == "auc":
        p = s.prevalence or 0.5
        return auc_error(score.value, max(p * n, 1.0), max((1 - p) * n, 1.0)) if 0 < score.value <= 1 else None
    if score.metric in {"accuracy", "balanced accuracy", "f1", "dice", "auprc"}:
        return share_error(min(max(score.value, 0.0), 1.0), n)
    if score.metric == "correlation":
        return correlation_error(score.value, n)
    if score.metric == "nse" and s.sample.items is not None and s.sample.items.noun.rows:
        # The skill of each catchment, averaged: its spread between them was not told.
        return None
    if score.metric in {"r2", "nse"}:
        # The formula is that of a squared correlation, which is never below 0.
        if score.value <= 0:
            return None
        return explained_error(score.value, n)
    # A root mean square over n Gaussian residuals has the relative error 1/sqrt(2 n).
    return score.value / math.sqrt(2 * n) if score.metric in ERRORS else None
