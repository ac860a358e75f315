"""Whose a score is, by the words beside it: a model's on random or on grouped data, a baseline's, noise, a paper's."""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

from kaiming_mcp.diagnosis.science.subjects import sciences

Role = Literal["claimed", "random", "grouped", "baseline", "noise", "leak", "chance", "spread", "reported", "fit"]
THEIRS = re.compile(
    r"^(?!.*\b(?:our|ours|my|mine|we|I)\b)(?:.*\s)?[A-Z][a-z]*[A-Z]\w*"
    r"\s+(?:has|have|gets?|got|reach\w*|report\w*|achiev\w*|says|had|shows?)\b"
)
"""Another's model: ParticleNet has, or reports."""
OWN = re.compile(r"\b(?:our|ours|my|mine|we|I|I'm|i|i'm)\b")
PUBLISHED = re.compile(
    r"\bauthors?\b|\b(?:the|in|original|their|this|your) (?:\S{1,20} )?(?:paper|publication|article|manuscript)\b(?! (?:recycl|mill))|^paper\b|\bpaper(?:'s)? "
    r"(?:reports?|says|has|claims?|gets?|gives?|shows?|value|number|result)|\bpublished\b(?! (?:data|data ?sets?|values? of))|\bliterature (?:value|reports?|says|has)|"
    r"\byour (?:\w+ ){0,2}(?:scores?|results?|numbers?|values?|fid|metrics?)\b|\b(?:as|was|is|are|were|originally) reported\b|^reported\b|\b(?:the|in) (?:\w+ )?(?:tutorial|readme|documentation)\b|\breported (?:in|by|on)\b|\bthey (?:report|claim|get|achieve|obtain)",
    re.IGNORECASE,
)
"""A number that somebody else published of the same method."""
_TRYING = re.compile(
    r"\b(?:i|we)(?:'m|'re| am| are| was| were)? (?:want|wanted|try|tried|trying|attempt\w*|hope) to (?:reproduce|replicate|match|get|reach|obtain)\b",
    re.IGNORECASE,
)
"""Who tries to reach a number has not got it."""


def is_own(clause: str) -> bool:
    """Whether a clause speaks of one's own result."""
    return OWN.search(_TRYING.sub(" ", clause)) is not None


def is_published(clause: str) -> bool:
    """Whether a clause gives the result of somebody else's publication."""
    return PUBLISHED.search(clause) is not None and not is_own(clause)


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
LEAK_THING = re.compile(rf"\b({THINGS})s?\b")
_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("leak", _LEAK),
    (
        "fit",
        re.compile(
            r"(?<!pre)(?<!pre-)\btrain(?:ing)? (?:set )?(?:\w{1,8} )?(?:score|roc|auc|accuracy|acc|error|r?mse|mae|r2)\b|^(?:on )?(?:the )?train(?:ing)?(?: set| data)?[:=]?\s?\d"
        ),
    ),
    ("chance", re.compile(r"\bchance\b|random guess|majority class|always predict")),
    (
        "noise",
        re.compile(
            r"nois|repeatab|(?<!to )(?<!not )(?<!n't )replicat(?!ing)|reproducib|\brepeats?\b(?! (?:the|it|this|with|every))|re-?measur|re-?test\b|measured twice|twice measured|same (?:sample|item|compound|specimen|patient|material)s? (?:twice|again)|measurement (?:error|uncertainty)|inter-?(?:lab|rater|reader|observer|annotator)|"
            r"test[- ]retest|instrument(?:al)? (?:error|uncertainty|precision)|experimental (?:error|uncertainty)|assay (?:error|"
            r"uncertainty|variab)|error of the (?:labels?|assay|sensor|instrument|measurement|reference)|between (?:labs|"
            r"laboratories|readers|raters|annotators)|repeated measure|sensor accuracy|uncertainty of the (?:labels?|reference)|"
            r"label (?:error|uncertainty)|duplicates? differ|disagree|uncertaint|(?:two|2) (?:readers|raters|experts)|readers (?:reach|agree|have)|human agreement|duplicate|(?:labs?|laborator\w+|instruments?|experts?|observers?|annotators?|devices?|analysts?|raters?|readers?|graders?|operators?|coders?|pickers?|technicians?|doctors?) (?:differ|scatter|vary)"
        ),
    ),
    ("spread", re.compile(r"standard deviation of (?:the )?(?:target|label|y|data)|(?:target|label|y|data) (?:std|sd|standard dev)|"
                          r"(?:std|sd|spread) of (?:the )?(?:target|label|y|data)s?|"
                          r"mean absolute deviation|(?<!/)\bmad\b|(?:target|label|data)s? (?:has|have|with) (?:an? )?(?:std|sd|standard deviation|spread)")),
    (
        "baseline",
        re.compile(
            r"baseline|state[- ]of[- ]the[- ]art|\bsota\b|previous(?:ly)? best|best published|leaderboard|\bwithout(?: pre-?training| it)?$|from scratch|logistic|linear (?:regression|model)|persistence|climatolog|random forest|xgboost|boosted|knn|k-?nn|nearest|"
            r"ridge|lasso|bilinear|bicubic|mean predictor|always the mean|\bar1\b|arima|naive|template|(?:ligand|protein|target|sequence|receptor)[- ]only|(?:delete|remove|drop|mask|shuffle)d? the (?:protein|ligand|target|receptor|pocket|image)|fingerprint|classical|svm|"
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
            r"leave[- ]one|holding out|\d\s?% (?:sequence[- ])?identity|(?:whole|entire|complete) \w+s (?:are |were )?(?:held|left|kept)|unseen|left-?out|on (?:measured|real|experimental|prospective|field|independent)\b|prospective|held-?out (?:site|hospital|patient|subject|famil|protein|region|year|donor|session|scaffold|"
            r"cluster|basin|lab|center|centre|scanner|instrument|material|compound)|external|new (?:site|hospital|patient|subject|"
            r"famil|protein|region|donor|session|lab|center|centre|scanner|instrument|material|compound)|other (?:site|hospital|"
            r"lab|center|centre|scanner|region)|(?:scaffold|cluster|spatial|patient|subject|family|site|block|chromosome)[- ](?:level |wise )?(?:\d{1,3}-fold )?"
            r"(?:split|cv|cross)|out[- ]of[- ](?:distribution|domain|site)|cross[- ](?:site|subject|patient|hospital)|another (?:site|"
            r"hospital|lab|center|centre|scanner|region)|second (?:site|hospital|lab|center|centre)"
        ),
    ),
    ("random", re.compile(r"random(?:ly)?[- ](?:\d{1,3}/\d{1,3} )?(?:split|cv|cross|fold|shuffl|train|partition|test)|shuffl|"
                          r"k-?fold|\b\d{1,3}-fold|in-distribution|internal|random")),
)  # fmt: skip


def role_of(clause: str) -> Role | str:
    """The role that the words of a clause show; "" where they show none."""
    said = clause.lower()
    if is_published(clause):
        return "reported"
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
