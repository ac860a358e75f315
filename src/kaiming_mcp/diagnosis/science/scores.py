"""Scores that a text reports: metric, value, unit, and whose they are (a model's, a baseline's, noise, a site's)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from kaiming_mcp.diagnosis.science.plain import NUMBER
from kaiming_mcp.diagnosis.science.subjects import sciences
from kaiming_mcp.diagnosis.science.units import Unit, leading_unit

Role = Literal["claimed", "random", "grouped", "baseline", "noise", "leak", "chance", "spread"]
METRICS: dict[str, str] = {
    "auprc": r"auprc|au-?prc|pr[- ]auc|average precision|area under (?:the )?precision",
    "auc": r"auroc|au-?roc|roc[- ]auc|auc|c[- ]index|c[- ]statistic",
    "balanced accuracy": r"balanced accuracy",
    "accuracy": r"(?:top[- ]1 )?accuracy|\bacc",
    "f1": r"f1(?:[- ]score)?|macro f1",
    "dice": r"dice|iou|jaccard",
    "kappa": r"kappa|κ|inter-?(?:rater|reader|observer|annotator) agreement",
    "r2": r"r\^?2|r-?squared|explained variance|coefficient of determination",
    "correlation": r"pearson(?:'s)?(?: r)?|spearman(?:'s)?(?: rho| r)?|correlation(?: coefficient)?|r(?=\s?=\s?-?0?\.\d)",
    "nse": r"nse|kge|skill(?: score)?",
    "rmse": r"rmsep?|residual (?:std|sd|rms|spread|standard deviation|scatter)|(?:std|sd|rms|standard deviation) of (?:the )?residuals?|root mean squared? error|standard error of prediction",
    "mae": r"mae|mean absolute error",
    "error": r"relative (?:l2|error|l_2)(?: error)?|l2 error|mape|nrmse|test error|prediction error|scatter|nmad|error",
    "sharpe": r"sharpe(?: ratio)?",
}
BOUNDED = frozenset(
    {"auc", "auprc", "accuracy", "balanced accuracy", "f1", "dice", "kappa", "r2", "correlation", "nse"}
)
ERRORS = frozenset({"rmse", "mae", "error"})
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
_METRIC = re.compile("|".join(rf"(?P<m{i}>\b(?:{p})(?!\w))" for i, p in enumerate(METRICS.values())), re.IGNORECASE)
_NAMES = list(METRICS)
_CLAUSE = re.compile(
    r"(?<!\d)[.;](?=\s|$)|(?<=\d)[.;](?=\s|$)|,(?=\s)|\b(?:vs\.?|versus|against|but|and|while|whereas|compared (?:to|with)|"
    r"to|then|instead of)\b|\bwith (?=replicat|noise|repeat|inter|measurement|experimental|an? uncertaint|uncertaint)|->|→|\((?!\d\))|(?<!\(\d)\)"
)
_GAP = r"(?:\s|=|:|~|≈|<|of|is|was|are|at|about|around|only|reaches|gets|falls|drops|rises|up|from|score|value|on|the|test|in|error|by|near|as|a|an|low|high){0,6}?"
_AFTER = re.compile(rf"{_GAP}({NUMBER})\s*(?:±\s*({NUMBER})\s*)?")
_BEFORE = re.compile(rf"({NUMBER})\s*(%)?\s*(?:test|mean|median|macro|top-1)?\s*$")
_LEAD = re.compile(
    rf"\b(?:after |at |over |in |for )?({NUMBER})[- ](steps?|frames?|hours?|h|days?|d|weeks?|months?|minutes?|min|seconds?|s|epochs?|periods?)\b"
    r"(?:[- ](?:ahead|lead(?: time)?|horizon|rollout|forecast|out))?"
)
_APART = "\x01"
"""Marks what stands in brackets."""
THINGS = (
    r"site|hospital|scanner|centre|center|instrument|batch|plate|dataset|data set|survey|subject|patient|donor|laborator\w*|"
    r"source|camera|device|machine|station|region|date|day|night|year|session|animal|run|lane|institution|clinic|machine|"
    r"sequencer|country|vendor|group"
)
_LEAK = re.compile(
    rf"\b(?:{THINGS})s?[- ](?:of origin )?(?:classifier|prediction|identification|id classifier|probe|recognition|signature)|"
    rf"\b(?:predict|classif|tell|tells|identif|recogni[sz]|distinguish|guess|name|decode)\w*\s+(?:apart\s+)?(?:the\s+|which\s+|"
    rf"from which\s+|our\s+|between\s+)*(?:\d+\s+)?(?:{THINGS})s?\b|domain classifier|adversarial validation"
)
_LEAK_THING = re.compile(rf"\b({THINGS})s?\b")
_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("leak", _LEAK),
    ("chance", re.compile(r"\bchance\b|random guess|majority class|always predict")),
    (
        "noise",
        re.compile(
            r"nois|repeatab|replicat|reproducib|\brepeats?\b(?! (?:the|it|this|with|every))|re-?measur|re-?test\b|measured twice|twice measured|same (?:sample|item|compound|specimen|patient|material)s? (?:twice|again)|measurement (?:error|uncertainty)|inter-?(?:lab|rater|reader|observer|annotator)|"
            r"test[- ]retest|instrument(?:al)? (?:error|uncertainty|precision)|experimental (?:error|uncertainty)|assay (?:error|"
            r"uncertainty|variab)|error of the (?:labels?|assay|sensor|instrument|measurement|reference)|between (?:labs|"
            r"laboratories|readers|raters|annotators)|repeated measure|sensor accuracy|uncertainty of the (?:labels?|reference)|"
            r"label (?:error|uncertainty)|duplicates? differ|disagree|uncertaint|(?:two|2) (?:readers|raters|experts)|readers (?:reach|agree|have)|human agreement|duplicate|(?:labs?|laborator\w+|instruments?|experts?|observers?|annotators?|devices?|analysts?|raters?|readers?|graders?|operators?|coders?|pickers?|technicians?|doctors?) (?:differ|scatter|vary)"
        ),
    ),
    ("spread", re.compile(r"standard deviation of (?:the )?(?:target|label|y|data)|(?:target|label|y|data) (?:std|sd|standard dev)|"
                          r"(?:std|sd|spread) of (?:the )?(?:target|label|y|data)s?")),
    (
        "baseline",
        re.compile(
            r"baseline|logistic|linear (?:regression|model)|persistence|climatolog|random forest|xgboost|boosted|knn|k-?nn|nearest|"
            r"ridge|lasso|mean predictor|always the mean|\bar1\b|arima|naive|template|ligand-only|fingerprint|classical|svm|"
            r"vina|docking score|dermatolog|radiologists?\b|pathologists?\b|clinicians?|physicians?|human (?:performance|experts?)|kalman|wiener|optical flow|composition only|composition-only|pca|random walk|existing (?:model|score)|"
            r"finite (?:volume|element|difference)|physics model|operational|(?:spectral|coarse\w*|classical|reference|numerical|same|direct|exact) (?:\w+ )?solver|"
            r"solver (?:at|on|with)|linear extrapolation|linear fit|sta/lta|questionnaire|formula\b|look-?up|rule of thumb|empirical|last value|mean of the (?:training|train)|always[- ]\w+|group contribution|partial least squares|\bpls\b|\bols\b|mean of the training|moving average"
        ),
    ),
    (
        "grouped",
        re.compile(
            r"group(?:ed|-wise)|(?:split|held out|hold out|leave[- ]\w+)[- ](?:by|out|per)|by[- ](?:patient|site|hospital|subject|"
            r"scaffold|family|protein|cluster|session|donor|region|event|molecule|basin|center|centre)|"
            r"leave[- ]one|unseen|left-?out|on (?:measured|real|experimental|prospective|field|independent)\b|prospective|held-?out (?:site|hospital|patient|subject|famil|protein|region|year|donor|session|scaffold|"
            r"cluster|basin|lab|center|centre|scanner|instrument|material|compound)|external|new (?:site|hospital|patient|subject|"
            r"famil|protein|region|donor|session|lab|center|centre|scanner|instrument|material|compound)|other (?:site|hospital|"
            r"lab|center|centre|scanner|region)|(?:scaffold|cluster|spatial|patient|subject|family|site)[- ](?:level |wise )?"
            r"(?:split|cv|cross)|out[- ]of[- ](?:distribution|domain|site)|cross[- ](?:site|subject|patient|hospital)|another (?:site|"
            r"hospital|lab|center|centre|scanner|region)|second (?:site|hospital|lab|center|centre)"
        ),
    ),
    ("random", re.compile(r"random(?:ly)?[- ](?:\d{1,3}/\d{1,3} )?(?:split|cv|cross|fold|shuffl|train|partition|test)|shuffl|"
                          r"k-?fold|\b\d{1,3}-fold|in-distribution|internal|random")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Score:
    """One number of a metric. Bounded metrics are shares (97 % is 0.97); errors carry their unit."""

    metric: str
    value: float
    role: Role
    said: str
    unit: Unit | None = None
    error: float | None = None
    thing: str = ""
    """For a leak: what the classifier predicts."""
    lead: str = ""
    """The horizon at which it was taken, such as "50 step"; scores at different ones cannot be compared."""


def written(metric: str) -> str:
    """A metric as people write it."""
    return _WRITTEN.get(metric.lower(), metric)


def read_scores(text: str) -> tuple[Score, ...]:
    """Every score of a plain text, in order; a number without a metric takes that of the clause before."""
    # "AR(1) 2.2 %" holds one number.
    plainer = re.sub(r"(?<=\w)\((\d)\)", r"\1", text).replace("(", f"({_APART}")
    return tuple(score for line in plainer.splitlines() for score in _line_scores(line))


def _line_scores(line: str) -> list[Score]:
    found: list[Score] = []
    carried, role_before = "", ""
    for clause in _CLAUSE.split(line):
        bracketed = (clause or "").startswith(_APART)
        said = " ".join((clause or "").replace(_APART, " ").split())
        if not said:
            continue
        role = _role(said)
        lead = _lead(said) if role not in {"noise", "spread"} else ""
        hit = _scored(_LEAD.sub(" ", said) if lead else said, carried)
        if hit is None and bracketed and role and found and found[-1].role == "claimed":
            # "AUC 0.93 (random split)": what stands in brackets is said of the score before them.
            found[-1] = replace(found[-1], role=role)  # type: ignore[arg-type]
            continue
        if hit is None:
            metric = _METRIC.search(said)
            carried = _metric_name(metric) if metric else carried if len(said) < 60 else ""
            role_before = role or (role_before if len(said) < 60 else "")
            continue
        metric, value, unit, error = hit
        own: Role = role or role_before or "claimed"  # type: ignore[assignment]
        thing = _LEAK_THING.search(said) if own == "leak" else None
        found.append(Score(metric, value, own, said[:80], unit, error, thing[1] if thing else "", lead))
        carried, role_before = metric, ""
    return found


def _lead(clause: str) -> str:
    """The horizon that a clause names beside its score; none where its only number is a time."""
    found = _LEAD.search(clause)
    if found is None or re.search(NUMBER, clause[: found.start()] + " " + clause[found.end() :]) is None:
        return ""
    return f"{float(found[1]):g} {found[2].rstrip('s') or 's'}"


def best(scores: tuple[Score, ...], *roles: Role) -> Score | None:
    """The first score with one of the roles."""
    return next((s for s in scores if s.role in roles), None)


def _role(clause: str) -> Role | str:
    said = clause.lower()
    found = next((role for role, pattern in _ROLES if pattern.search(said)), "")
    return "grouped" if found in {"", "random"} and _of_new_units().search(said) else found


@cache
def _of_new_units() -> re.Pattern[str]:
    """ "On held-out simulations", "by compound": the unit is any noun of the list that is no plain row."""
    nouns = "|".join(
        re.escape(w) for c in sciences().counted if c.kind != "item" for w in sorted(c.words, key=len, reverse=True)
    )
    rows = "|".join(re.escape(w) for c in sciences().counted if c.kind == "item" for w in c.words)
    return re.compile(
        rf"\b(?:held-?out|held out|unseen|left-?out|leave-one-|never[- ]seen|new|novel)[- ](?:\d+ )?(?:[a-z]+ )?(?:{nouns})|"
        rf"\b(?:by|per|across|over|on other|on another)[- ](?:{nouns})[a-z]*[- ]?(?:split|fold|cv|cross|block)|"
        rf"\b(?:{nouns})[a-z]*[- ](?:level |wise |based |disjoint |grouped )?(?:split|folds?|cv|hold-?out|held-?out|cross-?val)|"
        rf"\b(?:held-?out|held out|unseen|left-?out)[- ](?!(?:{rows}|tests?\b|data|sets?\b|parts?\b|splits?\b))[a-z]{{3,}}s\b|"
        r"\bleav\w+[- ](?:\w+[- ]){1,3}out\b|\b(?:left|held|kept|taken) out\b(?! (?:test|data|set|sample|images|part|portion))|"
        r"\b(?:never|not) (?:been )?(?:seen|used|met) (?:in|during|for|by) |\bwithheld\b"
    )


def _metric_name(match: re.Match[str]) -> str:
    return next(name for i, name in enumerate(_NAMES) if match[f"m{i}"])


def _scored(clause: str, carried: str) -> tuple[str, float, Unit | None, float | None] | None:
    noise = _role(clause) in {"noise", "spread"}
    match = _METRIC.search(clause)
    if match is not None:
        name = _metric_name(match)
        after, before = _AFTER.match(clause, match.end()), _BEFORE.search(clause[: match.start()])
        if after:
            return _valued(name, after[1], clause[after.end() :], after[2])
        if before:
            return _valued(name, before[1], before[2] or "", None)
        if not noise:
            return None
    numbers = list(re.finditer(NUMBER, clause))
    if noise and numbers:
        last = numbers[-1]
        unit = leading_unit(clause[last.end() :])
        told = re.search(r"(?:\bby|\bof|\bis|=|about|±|\bto)\s*$", clause[: last.start()])
        if unit is not None or len(numbers) == 1 or told:
            return _valued("rmse", last[0], clause[last.end() :], None)
        return None
    if len(numbers) > 1:
        # "0.22 when 2 basins are held out": a whole number before a plain word counts something.
        numbers = [
            m
            for m in numbers
            if "." in m[0] or not re.match(r"\s+[a-z]{4,}", clause[m.end() :]) or leading_unit(clause[m.end() :])
        ]
    if carried and len(numbers) == 1 and len(clause) < 80:
        rest = clause[numbers[0].end() :]
        if re.match(r"\s*(?:% of\b|[x×]\b|times\b)", rest):
            return None
        counted = re.match(r"\s*[a-z]{3,}", rest, re.IGNORECASE) and not re.match(
            r"\s*(?:on|for|with|when|by|in|using|grouped|random)\b|\s*%", rest
        )
        return None if counted and leading_unit(rest) is None else _valued(carried, numbers[0][0], rest, None)
    return None


def _valued(
    metric: str, number: str, rest: str, error: str | None
) -> tuple[str, float, Unit | None, float | None] | None:
    value = float(number)
    spread = float(error) if error else None
    per_cent = rest.lstrip().startswith("%")
    if metric in BOUNDED:
        if per_cent or (1 < value <= 100):
            value, spread = value / 100, spread / 100 if spread else None
        return (metric, value, None, spread) if -1 <= value <= 1 else None
    found = leading_unit(rest)
    return metric, value, found[0] if found else None, spread
