"""Scores that a text reports: metric, value, unit, and whose they are (a model's, a baseline's, noise, a site's)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from kaiming_mcp.diagnosis.science.metrics import BOUNDED, ERRORS, METRIC, PER_CENT, metric_name
from kaiming_mcp.diagnosis.science.plain import NUMBER
from kaiming_mcp.diagnosis.science.roles import LEAK_THING, THEIRS, Role, is_own, role_of
from kaiming_mcp.diagnosis.science.units import Unit, leading_unit

_CLAUSE = re.compile(
    r"(?<!\d)[.;](?=\s|$)|(?<=\d)[.;](?=\s|$)|,(?=\s)|\b(?:vs\.?|versus|against|but|and|while|whereas|where|compared (?:to|with)|"
    r"to|then|instead of)\b|\bwith (?=replicat|noise|repeat|inter|measurement|experimental|an? uncertaint|uncertaint)|->|→|\((?!\d\))|(?<!\(\d)\)"
)
_GAP = r"(?:\s|=|:|~|≈|<|of|is|was|are|at|about|around|only|reaches|gets|falls|drops|rises|up|from|score|value|delta|average|target average|[EF](?= ?[=:])|on|the|test|in|error|by|near|as|a|an|low|high|still|never|higher|lower|than|better|should|be|paper|per atom|/n_?atoms?){0,10}?"
_OF = r"\s(?:of|on|for) [^.;,\d]{1,40}? (?:is|was|=) (?:only |about |still )?"
_AFTER = re.compile(rf"(?:{_OF}|{_GAP})({NUMBER})(?!\d*s of\b)\s*(?:±\s*({NUMBER})\s*)?", re.IGNORECASE)
_BEFORE = re.compile(rf"({NUMBER})\s*(%)?\s*(?:test|mean|median|macro|top-1)?\s*$")
_LEAD = re.compile(
    rf"\b(?:after |at |over |in |for )?({NUMBER})[- ](steps?|frames?|hours?|h|days?|d|weeks?|months?|minutes?|min|seconds?|s|epochs?|periods?)\b"
    r"(?:[- ](?:ahead|lead(?: time)?|horizon|rollout|forecast|out))?"
)
_OTHER = re.compile(
    r"\bloss\b|\be0s?\b|\b(?:total|potential|binding|reference|free|isolated) energ|\benergy of\b|learning rate|perplexity|\bbatch\b",
    re.IGNORECASE,
)
"""Names of other quantities: a number beside one is no score of the metric before."""
_RISES = re.compile(
    r"\b(?:improv|increas|rais|rise|rose|boost|lift|goes up|went up|grow|grew)\w*[^.;]{0,60}\bfrom\b", re.IGNORECASE
)
_FALLS = re.compile(r"\b(?:fall|fell|drop|decreas|degrad|collaps|sink|sank|reduc)\w*[^.;]{0,60}\bfrom\b", re.IGNORECASE)
_CUT = re.compile(
    r"\d{1,3}\s?% (?:sequence[- ])?identity|\b(?:table|fig\.?|figure|eq\.?|section|ref\.?) ?\d+\w?\b", re.IGNORECASE
)
"""Where homologs were cut apart, and places in a paper; no scores."""
_ABSOLUTE = re.compile(r"mean absolute deviation|\bmad\b", re.IGNORECASE)
_UNNAMED = re.compile(
    rf"\b(?:reports?|reported|gives?|gave|gets?|got|getting|reach\w*|achiev\w*|obtain\w*|scores?|mean|only)\b[^.;,%]{{0,40}}?({NUMBER})\s?%(?! of\b)"
)
_IDENTIFIER = re.compile(
    r"\b(?:[a-z0-9]+_)+(?:r?mse|mae|auc|acc|accuracy|r2|f1|score)\b|\b(?:r?mse|mae|auc|acc|accuracy|r2)(?:_[a-z]+)+\b|\broc_auc\b",
    re.IGNORECASE,
)
"""Names that logs print: test_gap_mae, rmse_val."""
_SPLIT_ALONE = re.compile(
    r"\b(?:regular|ordinary|standard|conventional|random(?:ly)?(?! forest)|non-spatial)\b|\d-fold|cross-?valid",
    re.IGNORECASE,
)
_FAR_FROM = re.compile(r"(?:identity|similar\w*|distance|relative|related|unlike|close|near)$", re.IGNORECASE)
_VALIDATION = re.compile(r"\bval(?:id|idation)?\b", re.IGNORECASE)
_BOUND = re.compile(
    rf"\b(?:below|under|above|over|less than|more than|at most|at least) {NUMBER}\s?%?:?(?=[^\d]{{1,12}}\d)"
)
"""A bound beside the number itself: "below 50 %: 48 %"."""
_CLASSIFIES = re.compile(r"\bclass(?:es|if\w+)\b|recogni[sz]|\bdetect", re.IGNORECASE)
_APART = "\x01"
"""Marks what stands in brackets."""


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
    square: float | None = None
    """The mean squared error as written, of which the value is the root."""


def _words(match: re.Match[str]) -> str:
    """The words of an identifier such as test_gap_mae."""
    return match[0].replace("_", " ")


def read_scores(text: str) -> tuple[Score, ...]:
    """Every score of a plain text, in order; a number without a metric takes that of the clause before."""
    # "AR(1) 2.2 %" holds one number.
    plainer = re.sub(r"(?<=\w)\((\d)\)", r"\1", _IDENTIFIER.sub(_words, text)).replace("(", f"({_APART}")
    # Where no metric is named, what a classifier gets in per cent is its accuracy.
    unnamed = "accuracy" if METRIC.search(plainer) is None and _CLASSIFIES.search(plainer) else ""
    scores = [score for line in plainer.splitlines() for score in _line_scores(line, unnamed)]
    own = {x.metric for x in scores if x.role in {"claimed", "random"}}
    # A random forest that is scored by two splits, beside no other model, is the model.
    scores = [
        replace(x, role="random") if x.role == "baseline" and x.metric not in own and _SPLIT_ALONE.search(x.said) else x
        for x in scores
    ]
    named = {x.metric for x in scores if x.role == "claimed" and not THEIRS.search(x.said)}
    tested = {x.metric for x in scores if x.role == "claimed" and not _VALIDATION.search(x.said)}
    return tuple(_placed(x, x.metric in named, x.metric in tested) for x in scores)


def _placed(x: Score, named: bool, tested: bool) -> Score:
    """A claimed score of another's model where there is one's own, or of validation where there is a test, is no claim."""
    if x.role == "claimed" and named and THEIRS.search(x.said):
        return replace(x, role="baseline")
    return replace(x, role="fit") if x.role == "claimed" and tested and _VALIDATION.search(x.said) else x


def _line_scores(line: str, unnamed: str) -> list[Score]:
    """The scores of a line; `unnamed` is the metric of a result in per cent that names none."""
    found: list[Score] = []
    carried, role_before, said_before, word, role_said, last = "", "", "", "", "", ""
    for clause in _CLAUSE.split(line):
        bracketed = (clause or "").startswith(_APART)
        said = " ".join((clause or "").replace(_APART, " ").split())
        if not said:
            continue
        role = role_of(said)
        # "With less than 40 % identity to training": far from training, no score of it.
        role = "" if role == "fit" and _FAR_FROM.search(last) else role
        last = said
        lead = _lead(said) if role not in {"noise", "spread"} else ""
        plainly = _BOUND.sub(" ", _CUT.sub(" ", said))
        if role_before == "reported" and is_own(said):
            role_before = ""
        hit = _scored(_LEAD.sub(" ", plainly) if lead else plainly, carried, word)
        if hit is None and unnamed and (plain_share := _UNNAMED.search(plainly)):
            hit = _valued(unnamed, plain_share[1], "%", None)
        if hit is None and bracketed and role and found and found[-1].role == "claimed":
            # "AUC 0.93 (random split)": what stands in brackets is said of the score before them.
            found[-1] = replace(found[-1], role=role)  # type: ignore[arg-type]
            continue
        if hit is None:
            metric = METRIC.search(said)
            carried = metric_name(metric) if metric else carried if len(said) < 60 else ""
            role_before = role or (role_before if len(said) < 60 else "")
            role_said = said if role else role_said
            continue
        metric, value, unit, error = hit
        own: Role = role or role_before or "claimed"  # type: ignore[assignment]
        whole = f"{role_said} {said}" if role_before and not role else said
        if not role and not role_before and found and found[-1].metric == ("rmse" if metric == "mse" else metric):
            found[-1], own = _from_to(found[-1], said_before, own)
        thing = LEAK_THING.search(said) if own == "leak" else None
        shown = whole[-80:] if whole != said else said[:80]
        score = Score(metric, value, own, shown, unit, error, thing[1] if thing else "", lead)
        found.append(_rooted(score) if metric == "mse" else score)
        carried, role_before, said_before = metric, "", said
        word = _word_after(said) or word
    return found


def _rooted(score: Score) -> Score:
    """A mean squared error as the root that can be compared with other errors; its unit was a square."""
    return replace(score, metric="rmse", value=math.sqrt(score.value), unit=None, error=None, square=score.value)


def _word_after(said: str) -> str:
    """The plain word behind the last number: the admissions of an error of 41 admissions."""
    found = re.findall(rf"{NUMBER}\s([a-z]{{4,20}})\b", said)
    return found[-1] if found else ""


def _from_to(first: Score, said: str, own: Role) -> tuple[Score, Role]:
    """The roles of both scores of "on the scaffold split it improves from 0.70 to 0.73", "on new sites it falls from 0.9 to 0.7"."""
    better, worse = (_FALLS, _RISES) if first.metric in ERRORS else (_RISES, _FALLS)
    if better.search(said):
        return replace(first, role="baseline"), first.role
    if first.role == "grouped" and worse.search(said):
        return replace(first, role="claimed"), "grouped"
    return first, own


def _lead(clause: str) -> str:
    """The horizon that a clause names beside its score; none where its only number is a time."""
    found = _LEAD.search(clause)
    if found is None or re.search(NUMBER, clause[: found.start()] + " " + clause[found.end() :]) is None:
        return ""
    return f"{float(found[1]):g} {found[2].rstrip('s') or 's'}"


def best(scores: tuple[Score, ...], *roles: Role) -> Score | None:
    """The first score with one of the roles."""
    return next((s for s in scores if s.role in roles), None)


def _scored(clause: str, carried: str, word: str = "") -> tuple[str, float, Unit | None, float | None] | None:
    noise = role_of(clause) in {"noise", "spread"}
    match = METRIC.search(clause)
    if match is not None:
        name = metric_name(match)
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
            return _valued("mae" if _ABSOLUTE.search(clause) else "rmse", last[0], clause[last.end() :], None)
        return None
    if len(numbers) > 1:
        # "0.22 when 2 basins are held out": a whole number before a plain word counts something.
        numbers = [
            m
            for m in numbers
            if "." in m[0] or not re.match(r"\s+[a-z]{4,}", clause[m.end() :]) or leading_unit(clause[m.end() :])
        ]
    if carried and len(numbers) == 1 and len(clause) < 80 and not _OTHER.search(clause):
        rest = clause[numbers[0].end() :]
        if re.match(r"\s*(?:% of\b|[x×]\b|times\b)", rest):
            return None
        counted = re.match(r"\s*[a-z]{3,}", rest, re.IGNORECASE) and not re.match(
            r"\s*(?:on|for|with|when|by|in|using|grouped|random)\b|\s*%", rest
        )
        same = bool(word) and rest.lstrip().startswith(word)
        return (
            None if counted and not same and leading_unit(rest) is None else _valued(carried, numbers[0][0], rest, None)
        )
    return None


def _valued(
    metric: str, number: str, rest: str, error: str | None
) -> tuple[str, float, Unit | None, float | None] | None:
    value = float(number)
    spread = float(error) if error else None
    per_cent = rest.lstrip().startswith("%")
    if metric in BOUNDED:
        if per_cent or (metric in PER_CENT and 1 < value <= 100):
            value, spread = value / 100, spread / 100 if spread else None
        return (metric, value, None, spread) if -1 <= value <= 1 else None
    if metric in ERRORS and value < 0:
        return None
    found = leading_unit(rest)
    return metric, value, found[0] if found else None, spread
