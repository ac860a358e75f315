"""Results and settings that the user reports: fits, calibration, guidance, sizes of models and codes, tails, costs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kaiming_mcp.diagnosis.generative.quantities import (
    IS,
    NEAR,
    NUMBER,
    PERCENT,
    SCALE,
    SHARE,
    numbers,
    positive,
    scaled,
    share,
    value,
    whole,
)

_R2 = re.compile(rf"(?:\br2|\br²|r\^2|r-squared|r squared|explained variance|variance explained){IS}{SHARE}")
_EXPLAINS = re.compile(rf"explain\w{{0,3}}\s+(?:about |only |around )?{PERCENT}\s+of\s+(?:the\s+)?(?:\w+\s+)?varian")
_R = re.compile(
    r"(?:\bR\s?(?:=|≈|is|of|about)\s?(?:about\s)?|[Ee] ?Var\[X\|Y\] ?/ ?Var\[X\]\s?(?:=|≈|is|of)\s?)(0?[.,]\d{1,6}|0|1)(?![\d²^])"
    r"(?:\s?(?:±|\+/-|\+-)\s?(0?[.,]\d{1,6}))?"
)
_RMSE = re.compile(
    rf"(?:rmse|root mean squared? error|error of the (?:ensemble )?mean|residual (?:std|sd))(?: of (?:the|its) (?:ensemble )?mean)?{IS}{NUMBER}"
)
_STD = re.compile(
    rf"(?<!ensemble )\b(?:std|sd|standard deviation|sigma)(?: of (?:the )?(?:target|x|data|labels?|outcomes?|\w{{1,20}}))?{IS}{NUMBER}"
)
_NOISE = re.compile(
    rf"(?:noise|repeatability|measurement error|instrument error)(?: std| sd| sigma| level| standard deviation)?{IS}(?:±\s?)?{NUMBER}(?!\s?%)"
)
_WORSE = re.compile(
    rf"(?:rmse|mse|mae|squared error|error){NEAR}(?:worse|higher|larger|increased?|rose|went up|up)\s(?:by\s|about\s)?{PERCENT}|"
    rf"{PERCENT}\s(?:worse|higher|larger)\s(?:rmse|mse|mae|squared error|error)"
)
_COVERS = re.compile(rf"{PERCENT}{NEAR}(?:cover|contain|captur|includ){NEAR}(nominal{NEAR})?{PERCENT}")
_COVERAGE = re.compile(rf"coverage{NEAR}{PERCENT}{NEAR}{PERCENT}")
_INSTEAD = re.compile(
    rf"(?:contain|cover|captur|includ)\w*\s(?:only |about |just )?{PERCENT}[^.;%\n]{{0,40}}?(?:instead of|rather than|not the nominal|nominal)\s(?:the )?(?:nominal )?{PERCENT}"
)
_BAND = re.compile(r"\b[pq](\d{1,2})\s?(?:-|–|to|\.\.|and)\s?[pq](\d{2})\b")
_ACTUAL = re.compile(rf"coverage{IS}{PERCENT}")
_POWER_RATIO = re.compile(r"\bpsnr\b|\bsi-?s[dn]r\b|\bsdr\b")
"""Scores in decibels that are squared errors."""
_DECIBELS = re.compile(r"(?<![\d.])(\d{1,2}(?:\.\d{1,3})?)\s?db\b")
_SPREAD = re.compile(
    rf"(?:ensemble )?spread(?:\s?\([^()]{{0,60}}\))?{IS}{NUMBER}|ensemble (?:standard deviation|std|sd)\)?{IS}{NUMBER}"
)
_RATIO = re.compile(rf"spread[-/ ](?:to[- ])?(?:skill|error)(?: ratio)?{IS}{NUMBER}")
_GUIDANCE = re.compile(rf"(?:guidance|cfg)(?:\s(?:scale|weight|strength|w))?{IS}(?:w\s?=\s?)?{NUMBER}")
_GUIDED = re.compile(r"guidance|classifier[- ]free")
_WEIGHT = re.compile(rf"\bw\s?=\s?{NUMBER}")
_PARAMETERS = re.compile(rf"{NUMBER}{SCALE}[\s-]{{0,2}}(?:trainable |model )?(?:param(?:eter)?s?|weights)\b")
_INTRINSIC = re.compile(
    rf"intrinsic dim\w*{IS}{NUMBER}|(?:{NUMBER}\s)(?:principal |pca )?components (?:explain|for|hold|capture|give|keep|carry)|manifold of dim\w*{IS}{NUMBER}"
)
_CODEBOOK = re.compile(
    rf"codebook(?:\s(?:of )?size)?{IS}{NUMBER}|{NUMBER}[\s-](?:codes|codewords|codebook entries)|vocab(?:ulary)?{IS}{NUMBER}"
)
_TOKENS = re.compile(rf"{NUMBER}[\s-](?:\w{{1,12}}\s)?tokens")
_FACTOR = re.compile(
    r"(\d{1,4})\s?(?:[x×]|-fold|fold|times)[\s-]{0,2}(?:faster |spatial |fewer )?(accelerat|undersampl|super|upsampl|downscal|resolution|downsampl|subsampl)|"
    r"(accelerat|undersampl|super[- ]resol|upsampl|downscal|downsampl|subsampl)[a-z-]{0,9}\s(?:factor\s)?(?:of\s|by\s|=\s?|r\s?=\s?)?(?:a\s)?(?:factor\s)?(?:of\s)?[x×]?(\d{1,4})\b(?!\s?(?:%|images|scans|x\d))"
)
_FROM_TO = re.compile(
    rf"from\s{NUMBER}\s?(km|m|mm|um|µm|deg|degrees|°|px|pixels)\sto\s{NUMBER}\s?(?:km|m|mm|um|µm|deg|degrees|°|px|pixels)\b"
)
_RARE = re.compile(
    rf"(?:1|one)[- ]in[- ](?:a[- ])?{NUMBER}(?:[- ](year|day|month))?|{NUMBER}[- ](year) (?:flood|event|storm|return|wave|drought|rain|peak|load|wind)|"
    rf"return period of {NUMBER} (year|day|month)s?|probability (?:of|=|about|below)?\s?(?:about )?(0?\.\d{{1,9}}|1e-\d{{1,2}})|"
    rf"{PERCENT} (?:of (?:the )?)?(?:cases|days|events|samples|time|patients) (?:are|is|exceed|fail)"
)
_LEVEL = re.compile(r"\b(\d{2})\s?%\s*(?:interval|coverage|credible|confidence|prediction)")
_QUANTILE = re.compile(
    r"\b(\d{2})(?:th|st|nd|rd)?[- ]percentile|quantile(?:s)?\s?(?:of|at|=|level)?\s?(0?\.\d{1,4})|(0?\.\d{1,4})[- ]quantile|\bp(\d{2})\b|(?:value[- ]at[- ]risk|expected shortfall)[^.%\d]{0,12}(9\d)\s?%"
)
_COSTS = re.compile(
    rf"(?:under|short|miss|false negative|stock-?out)[\w-]{{0,12}}[^.;\n]{{0,30}}?costs?\s(?:about |us |of )?[$€£]?\s?{NUMBER}[^.;\n]{{0,60}}?"
    rf"(?:over|excess|false (?:alarm|positive)|waste|surplus)[\w-]{{0,12}}[^.;\n]{{0,30}}?(?:costs?\s(?:about |us |of )?)?[$€£]?\s?{NUMBER}"
)
_MONEY = r"(?:costs?|eur|usd|euros?|dollars?|pounds?|cents?|[$€£])"
_TOO_LITTLE, _TOO_MUCH = (
    re.compile(rf"\b(?:{words})[\w-]{{0,12}}(?=[^;\n]{{0,60}}?{_MONEY})[^;\n\d]{{0,50}}?{NUMBER}(?!\s?%)")
    for words in (
        "under(?:stock|produc|order|estimat)|short(?:age|fall)|missed|lost (?:sale|customer)|stock-?out|false negative|unmet|unserved|too (?:little|few)",
        "over(?:stock|produc|order|estimat)|excess|unsold|left-?over|thrown away|wasted?|surplus|spoil|discard|false (?:alarm|positive)|too (?:much|many)",
    )
)
"""Costs in either order: unsold ones are thrown away at 0.60 EUR, a missed sale costs 1.90 EUR."""
_TEST_CASES = re.compile(
    rf"{NUMBER}\s(?:held[- ]out |independent )?test(?:ing)? (?:conditions|cases|queries|samples|pairs|days|scans|images|examples)"
)


@dataclass(frozen=True, slots=True)
class Reported:
    """None where the text does not say; shares between 0 and 1."""

    ratio: tuple[float, float] | None = None
    explained: float | None = None
    rmse: float | None = None
    deviation: float | None = None
    noise: float | None = None
    worse: float | None = None
    coverage: tuple[float, float] | None = None
    spread: float | None = None
    spread_skill: float | None = None
    guidance: float | None = None
    parameters: float | None = None
    intrinsic: int | None = None
    codebook: int | None = None
    tokens: int | None = None
    factor: tuple[float, str] | None = None
    rare: float | None = None
    rare_unit: str = ""
    level: float | None = None
    quantile: float | None = None
    costs: tuple[float, float] | None = None
    cases: int | None = None


def read_reported(text: str, original: str) -> Reported:
    """All of them, from a lower-case text and the same in its own case (R is no r)."""
    rare, rare_unit = _rare(text)
    stated = _R.search(original)
    guidance = positive(_GUIDANCE, text) or (positive(_WEIGHT, text) if _GUIDED.search(text) else None)
    return Reported(
        ratio=None if not stated else (_plain(stated[1]), _plain(stated[2]) if stated[2] else 0.0),
        explained=_explained(text),
        rmse=positive(_RMSE, text),
        deviation=positive(_STD, text),
        noise=positive(_NOISE, text),
        worse=_worse(text),
        coverage=_coverage(text),
        spread=positive(_SPREAD, text),
        spread_skill=positive(_RATIO, text),
        guidance=guidance,
        parameters=_parameters(text),
        intrinsic=whole(_INTRINSIC, text),
        codebook=whole(_CODEBOOK, text),
        tokens=whole(_TOKENS, text),
        factor=_factor(text),
        rare=rare,
        rare_unit=rare_unit,
        level=_level(text),
        quantile=_quantile(text),
        costs=_pair(_COSTS, text) or _apart(text),
        cases=whole(_TEST_CASES, text),
    )


def _pair(pattern: re.Pattern[str], text: str) -> tuple[float, float] | None:
    found = pattern.search(text)
    told = [value(n) for n in numbers(found)] if found else []
    return (told[0], told[1]) if len(told) >= 2 and min(told[:2]) > 0 else None


def _apart(text: str) -> tuple[float, float] | None:
    """Costs of too little and of too much, each told by itself."""
    little, much = positive(_TOO_LITTLE, text), positive(_TOO_MUCH, text)
    return (little, much) if little and much else None


def _plain(text: str) -> float:
    return float(text.replace(",", "."))


def _explained(text: str) -> float | None:
    found = _EXPLAINS.search(text)
    if found:
        return share(found[1], None)
    found = _R2.search(text)
    return share(found[1], found[2]) if found else None


def _worse(text: str) -> float | None:
    """By what share an error is larger than that of the other model; two values of PSNR give the one of their squared errors."""
    found = _WORSE.search(text)
    if found:
        return value(found[1] or found[2]) / 100 or None
    levels = [float(n) for n in _DECIBELS.findall(text)] if _POWER_RATIO.search(text) else []
    if len(levels) == 2 and levels[0] != levels[1]:
        return 10 ** (abs(levels[0] - levels[1]) / 10) - 1
    return None


def _coverage(text: str) -> tuple[float, float] | None:
    """(nominal, actual): the nominal level is said first unless the word stands before the second."""
    told = _told_pair(text)
    if told is None and (level := _level(text)) and (actual := _ACTUAL.search(text)):
        told = level, value(actual[1]) / 100
    return told if told and 0.4 < told[0] < 1 and 0 < told[1] <= 1 and told[0] != told[1] else None


def _told_pair(text: str) -> tuple[float, float] | None:
    found = _COVERAGE.search(text)
    if found and value(found[1]) < 100:
        return value(found[1]) / 100, value(found[2]) / 100
    instead = _INSTEAD.search(text)
    if instead:
        return value(instead[2]) / 100, value(instead[1]) / 100
    found = _COVERS.search(text)
    if not found:
        return None
    pair = value(found[1]) / 100, value(found[3]) / 100
    return (pair[1], pair[0]) if found[2] else pair


def _parameters(text: str) -> float | None:
    found = [scaled(n, k) for n, k in _PARAMETERS.findall(text)]
    return max((n for n in found if n >= 10_000), default=None)


def _factor(text: str) -> tuple[float, str] | None:
    """(factor, the word that says of what): x4 super-resolution, 8-fold acceleration, from 25 km to 2 km."""
    found = _FACTOR.search(text)
    if found:
        by, what = float(found[1] or found[4]), found[2] or found[3]
    else:
        found = _FROM_TO.search(text)
        if not found:
            return None
        by, what = value(found[1]) / max(value(found[3]), 1e-9), "resolution"
    return (by, what) if 1 < by <= 1000 else None


def _rare(text: str) -> tuple[float | None, str]:
    """(probability of the event, the unit of time it refers to)."""
    for found in _RARE.finditer(text):
        one_in, unit, period_of, unit_of, returns, unit_returns, p, percent = found.groups()
        written = one_in or period_of or returns
        if written and value(written) >= 5:
            return 1 / value(written), unit or unit_of or unit_returns or ""
        chance = float(p) if p else value(percent) / 100 if percent else 0.0
        if 0 < chance <= 0.1:
            return chance, ""
    return None, ""


def _level(text: str) -> float | None:
    band = _BAND.search(text)
    if band and 0 < int(band[2]) - int(band[1]) < 100:
        return (int(band[2]) - int(band[1])) / 100
    found = _LEVEL.search(text)
    return int(found[1]) / 100 if found and 50 <= int(found[1]) < 100 else None


def _quantile(text: str) -> float | None:
    found = _QUANTILE.search(text)
    if not found or _BAND.search(text):
        return None
    percent = found[1] or found[4] or found[5]
    q = int(percent) / 100 if percent else float(found[2] or found[3])
    return q if 0 < q < 1 else None
