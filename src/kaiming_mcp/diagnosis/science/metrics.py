"""The metrics that people report, by the words for them, and of what kind each is."""

from __future__ import annotations

import re

METRICS: dict[str, str] = {
    "auprc": r"auprc|au-?prc|pr[- ]auc|average precision|area under (?:the )?precision",
    "auc": r"auroc|au-?roc|roc[- ]auc|auc|c[- ]index|c[- ]statistic",
    "balanced accuracy": r"balanced accuracy",
    "accuracy": r"(?:top[- ]1 )?accuracy|\bacc",
    "f1": r"f1(?:[- ]score)?|macro f1",
    "dice": r"dice|iou|jaccard",
    "kappa": r"kappa|κ|inter-?(?:rater|reader|observer|annotator) agreement",
    "r2": r"r\^?2|r-?squared|explained variance|coefficient of determination",
    "correlation": r"pearson(?:'s)?(?: r| delta| correlation)?|spearman(?:'s)?(?: rho| r)?|correlation(?: coefficient)?|r(?=\s?(?:=\s?|is (?:still |only )?|of )?-?0?\.\d)",
    "nse": r"nse|kge|skill(?: score)?",
    "rmse": r"rmsep?|residual (?:std|sd|rms|spread|standard deviation|scatter)|(?:std|sd|rms|standard deviation) of (?:the )?residuals?|root mean squared? error|standard error of prediction",
    "mse": r"mse|mean squared error",
    "mae": r"mae|mean absolute error",
    "error": r"relative (?:l2|error|l_2)(?: error)?|l2 error|mape|nrmse|test error|prediction error|scatter|nmad|error",
    "sharpe": r"sharpe(?: ratio)?",
}
BOUNDED = frozenset(
    {"auc", "auprc", "accuracy", "balanced accuracy", "f1", "dice", "kappa", "r2", "correlation", "nse"}
)
ERRORS = frozenset({"rmse", "mse", "mae", "error"})
PER_CENT = frozenset({"auc", "auprc", "accuracy", "balanced accuracy", "f1", "dice"})
"""Shares that people also write as 85 without a per cent sign."""
_WRITTEN = {
    "auc": "AUC",
    "auprc": "AUPRC",
    "f1": "F1",
    "r2": "R²",
    "nse": "NSE",
    "rmse": "RMSE",
    "mae": "MAE",
    "dice": "Dice",
}
METRIC = re.compile("|".join(rf"(?P<m{i}>\b(?:{p})(?!\w))" for i, p in enumerate(METRICS.values())), re.IGNORECASE)
_NAMES = list(METRICS)


def metric_name(match: re.Match[str]) -> str:
    """The metric that a match of METRIC found."""
    return next(name for i, name in enumerate(_NAMES) if match[f"m{i}"])


def written(metric: str) -> str:
    """A metric as people write it."""
    return _WRITTEN.get(metric.lower(), metric)
