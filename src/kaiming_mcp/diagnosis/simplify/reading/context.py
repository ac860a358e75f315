"""What is said once for all: seed deviation, seeds, tuning, the claim, the test set, hours and budget."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from kaiming_mcp.diagnosis.simplify.lists import Lists, TestSet
from kaiming_mcp.diagnosis.simplify.reading.scores import best_of, seeds_in
from kaiming_mcp.diagnosis.simplify.reading.text import NUMBER, number_of
from kaiming_mcp.diagnosis.simplify.reading.words import hours_in

_IS = r"(?:\s*(?:is|of|was|=|:|≈|~|about|around|approximately|roughly|only|±|here))*\s*"
_DEVIATION = re.compile(
    rf"(?<![A-Za-z])(?:(?:seed|run|fold)(?:[- ]to[- ](?:seed|run|fold))?[- ](?:std|sd|standard deviation|noise|variation|variance|variability|deviation|spread)(?:\s+of\s+(?:the\s+)?(?:[a-z][\w-]*\s+){{0,2}}?[A-Za-z][\w-]*)?|"
    rf"(?:std|sd|s\.d\.|standard deviation|deviation|noise|spread|σ)\s*(?:(?:across|over|between|among|from|of)\s*(?:the\s*)?(?:\d+\s*)?(?:random\s*)?(?:seeds|runs|folds)|level)?"
    rf"|(?:seeds|runs)\s+(?:differ|vary|scatter|disagree)\s+by|(?:differ|var(?:y|ies)|scatters?)\s+(?:from (?:seed|run) to (?:seed|run)|between (?:seeds|runs))\s+by)"
    rf"(?:\s*\((?:\d+ seeds|n\s*=\s*\d+)\))?{_IS}({NUMBER})(?!\d|\s*(?:seeds|runs))",
    re.IGNORECASE,
)
_SPREAD_AFTER = re.compile(
    rf"±\s*({NUMBER})\s*(?:\w+\s+){{0,3}}?(?:across|over|between)\s+(?:\d+\s+)?(?:seeds|runs)", re.IGNORECASE
)
_TUNED = re.compile(
    rf"(?<![\w.-])({NUMBER})\s+(?:different\s+|random\s+|hyper-?parameter\s+|hparam\s+|tuning\s+|optuna\s+|sweep\s+|search\s+|grid\s+|loss[- ]weight\s+|design\s+|model\s+)*"
    r"(?:configurations?|configs|settings|combinations|hyper-?parameters? (?:settings|values)|variants|trials|sweeps?|grid points|architectures|candidates|weightings|prompts|ideas)\b"
    rf"|(?:grid|sweep|random search|search|tried|tuned over|selected from|best of|out of)\s+(?:search\s+)?(?:of\s+|over\s+|with\s+|from\s+|about\s+|some\s+)*({NUMBER})(?!\s*(?:seeds|runs|epochs|gpu|hours|h\b|%|x|×|\.))(?=\s*(?:configs?|configurations?|settings|combinations|variants|points|trials|values|options|different|hyper|models|$|[,.;)]))",
    re.IGNORECASE,
)
_PRODUCT = re.compile(
    r"(\d{1,3})\s+([a-zλβα_ -]{2,24}?)\s*[x×*]\s*(\d{1,3})\s+([a-zλβα_ -]{2,24})(?:\s*[x×*]\s*(\d{1,3})\s+[a-zλβα_ -]{2,24})?",
    re.IGNORECASE,
)
_CLAIM = re.compile(
    r"\b(?P<verb>claim(?:ed|s|ing)?|gain|improv(?:es?|ed|ement|ing)|outperforms?|beats?|surpass(?:es)?|better|advantage|margin|state of the art|sota|lead|ahead)\b"
    rf"(?P<between>[^.;\n\d]{{0,60}}?)(?P<number>{NUMBER})(?P<unit>\s*(?:percentage points?|points?|pts?|pp|%|ap\b|map\b|miou\b|fid\b|db\b|bleu\b|iou\b|ppl\b))?",
    re.IGNORECASE,
)
_CASES = re.compile(
    rf"(?<![\w.-])({NUMBER})\s?(k|thousand)?\s+(?:held[- ]out\s+|labell?ed\s+|hidden\s+|private\s+|different\s+|independent\s+)*"
    r"(?:(?:test|validation|val|eval(?:uation)?|dev)\s+(?:images|samples|examples|cases|questions|problems|items|patients|episodes|pairs|sentences|documents|graphs|molecules|subjects|scans|series|queries|instances|prompts|"
    r"windows|clips|points|rows|set)?|rollouts|evaluation episodes)",
    re.IGNORECASE,
)
_CASES_AFTER = re.compile(
    rf"(?:test|validation|val|eval(?:uation)?|dev)[- _]?(?:set|split|size|data)?\s*(?:has|with|of|size|contains|is|=|:|,|\(|n\s*=)*\s*(?:n\s*=\s*)?({NUMBER})\s?(k|thousand)?\s*"
    r"(?:images|samples|examples|cases|questions|problems|items|patients|episodes|pairs|sentences|documents|graphs|molecules|subjects|scans|queries|instances|prompts|rollouts)"
    rf"|n_?test\s*=\s*({NUMBER})|evaluat\w+\s+(?:it\s+)?(?:on|over|with)\s+({NUMBER})\s?(k|thousand)?\s*(?:\w+\s+){{0,1}}?(?:images|samples|examples|cases|questions|problems|items|patients|episodes|trials|queries|prompts|rollouts)",
    re.IGNORECASE,
)
_CASES_PLAIN = re.compile(
    rf"(?:\b(?:on|over|of|with|across)\s+|^\s*|[,;(]\s*)({NUMBER})\s?(k|thousand)?\s+(?:\w+\s+){{0,1}}?(?:questions|problems|queries|prompts|rollouts|episodes|test cases|instances|tasks)\b",
    re.IGNORECASE | re.MULTILINE,
)
_DISAGREE = re.compile(
    rf"(?:disagree\w*|differ|discordant|flips?|answers change|predictions change)\s+(?:on|in|for|about|at|only|\s)*({NUMBER})\s?%|({NUMBER})\s?%\s+(?:of (?:the )?\w+\s+)?(?:disagree|differ|flip|are discordant)",
    re.IGNORECASE,
)
_ALONE = re.compile(
    r"\b(?:each|every|single|one)\s+(?:\w+\s+){0,3}(?:alone|individually|separately|in isolation|by itself|on its own)\b|\b(?:individually|separately|alone) (?:added|applied|on|to)\b|"
    r"\b(?:added|applied) (?:individually|separately|alone|one at a time)\b",
    re.IGNORECASE,
)
_APART = re.compile(
    r"(?:separate(?:ly)?|individual(?:ly)?|independent(?:ly)?|its own|own|re-?)[\s-]*(?:hyper-?param\w*[\s-]+)?tun(?:ed|ing)|"
    r"tuned\s+(?:separately|individually|independently|again)|(?:re-?)?tun(?:ed|ing)\s+(?:the\s+)?(?:\w+[\s-]+){0,3}(?:for|on|in) (?:each|every)\b",
    re.IGNORECASE,
)
_PER_RUN = re.compile(
    r"(?:per|/|a|each|for each|for one|for a single)\s*(?:training\s+)?(?:run|seed|training|experiment|model|config\w*|variant)\b",
    re.IGNORECASE,
)
_RUN_TAKES = re.compile(
    r"(?:one|each|a|per|every|single|full)\s+(?:training\s+)?(?:run|seed|training|experiment|model)\b|\btraining (?:takes|costs|needs|is)|\brun(?:s)? (?:take|cost)",
    re.IGNORECASE,
)
_TOTAL = re.compile(
    r"budget|available|in total|total|up to|at most|left|remaining|limit|we have|i have|allocation", re.IGNORECASE
)
_TRAINING = re.compile(
    rf"({NUMBER})\s?(k|m|b|million|thousand|billion)?\s+(?:labell?ed\s+|unlabell?ed\s+|paired\s+)*train(?:ing)?\s+[a-z]{{4,}}s\b"
    rf"|train(?:ed|ing)?\s+(?:set\s+)?(?:on|with|of|from)\s+({NUMBER})\s?(k|m|b|million|thousand|billion)?\s+(?:\w+\s+)?[a-z]{{4,}}s\b",
    re.IGNORECASE,
)
_UNITS = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9}


@dataclass(frozen=True, slots=True)
class Context:
    """Numbers that hold for all variants; None or empty where not given. Hours are GPU-hours."""

    deviation: float | None
    seeds: int | None
    folds: bool
    """Whether the runs are folds of a cross-validation, which share training data."""
    bootstrap: bool
    """Whether the deviation is that of a resampled test set."""
    spread: str
    """What stands after ±: "deviation", "error" (of the mean) or "interval" (95 %)."""
    alone: bool
    """Whether every addition is said to stand alone on the baseline."""
    apart: bool
    """Whether every arm was tuned for itself, so that a difference is that of part and tuning."""
    best_of: int | None
    tuned: int | None
    claim: float | None
    cases: int | None
    test_set: TestSet | None
    disagree: float | None
    hours: float | None
    budget: float | None
    training: int | None


def read_context(pipeline: str, evidence: str, metric: str, budget: str, known: Lists) -> Context:
    """Read all arguments together; the more specific argument first."""
    whole = "\n".join((metric, evidence, pipeline, budget))
    texts = "\n".join((metric, evidence, pipeline)).lower()
    named = next((h for h in known.of_test_sets.finds(texts) if not of_pretraining(texts, h.begin, h.end)), None)
    test_set = next((t for t in known.test_sets if named and t.id == named.id), None)
    hours, total = _hours(budget, pipeline + "\n" + evidence)
    deviation = (
        _DEVIATION.search(evidence)
        or _DEVIATION.search(metric)
        or _SPREAD_AFTER.search(whole)
        or _DEVIATION.search(pipeline)
    )
    return Context(
        deviation=abs(number_of(deviation[1])) or None if deviation else None,
        seeds=_default_seeds(evidence) or _default_seeds(metric),
        folds=re.search(r"\bfolds?\b|cross[- ]valid|\bcv\b", evidence + metric, re.IGNORECASE) is not None
        and re.search(r"\bseeds?\b", evidence + metric, re.IGNORECASE) is None,
        bootstrap=re.search(r"bootstrap|resampl\w+ (?:of )?(?:the )?test", evidence + metric, re.IGNORECASE)
        is not None,
        spread=_spread(evidence),
        alone=_ALONE.search(evidence) is not None,
        apart=_APART.search(evidence) is not None,
        best_of=best_of(evidence) or best_of(metric),
        tuned=_tuned(evidence) or _tuned(pipeline) or _tuned(metric),
        claim=claim_of(metric, anywhere=True) or claim_of(evidence) or claim_of(pipeline),
        cases=_cases(metric, True)
        or _cases(evidence, True)
        or _cases(pipeline)
        or (test_set.cases if test_set else None),
        test_set=test_set,
        disagree=_share(whole),
        hours=hours,
        budget=total,
        training=_training(whole),
    )


def of_pretraining(lower: str, begin: int, end: int) -> bool:
    """Whether a data set is named as what a network was pre-trained on."""
    after = re.match(r"[\w-]{0,6}[\s-]+(?:pre-?train|weights|init)", lower[end : end + 24])
    return bool(after or re.search(r"pre-?train\w* (?:on|with) (?:the )?$", lower[max(0, begin - 24) : begin]))


def claim_of(text: str, anywhere: bool = False) -> float | None:
    """The gain that is claimed over the baseline, in units of the metric."""
    for found in _CLAIM.finditer(text):
        between = found["between"].lower()
        if re.search(
            r"(?:higher|lower|larger|smaller|bigger)(?: values)? (?:is|are) (?:the )?$", text[: found.start()].lower()
        ):
            continue  # "higher is better" claims nothing
        if re.search(
            r"\bfrom\b|\bto\s*$|ablat|without|removing|seeds?\s*$|\bn\s*=|\btop\b|(?:run|seed|best of|stage)\s*$",
            between,
        ):
            continue
        if re.search(
            r"^\s*(?:seeds?|runs?|x\b|×|gpu|hours|datasets|tasks|benchmarks)",
            text[found.end() : found.end() + 14],
            re.IGNORECASE,
        ):
            continue
        plainly = anywhere and re.match(r"claim|gain|improv|margin|lead|outperf|advant", found["verb"], re.IGNORECASE)
        unit = (
            plainly
            or found["unit"]
            or found["number"][0] in "+-"
            or re.search(r"\bby\s*$|\bof\s*$|\bis\s*$|[:=]\s*$", between)
        )
        if not unit:
            continue
        sentence = text[max(0, text.rfind(".", 0, found.start())) : found.start()]
        if not anywhere and re.search(r"adding|removing|dropping|without|w/o|\bEMA\b", sentence):
            continue
        value = abs(number_of(found["number"]))
        if value > 0:
            return value
    told = _BETTER.search(text) if anywhere else None
    return abs(number_of(told[1])) or None if told else None


_BETTER = re.compile(
    rf"(?<![\w.])({NUMBER})\s*(?:%|points?|pp|\w{{1,5}})?\s+(?:better|lower|higher|above|over|less|more)\s+than\b",
    re.IGNORECASE,
)


def claim_spans(text: str) -> list[tuple[int, int]]:
    """The places of claimed gains, which are no scores."""
    return [
        (f.start(), f.end())
        for f in _CLAIM.finditer(text)
        if re.search(r"claim|gain|over|margin|lead|ahead", f[0], re.IGNORECASE)
        and re.search(r"\bby\s*$|\bof\s*$|\bis\s*$|[:=]\s*$", f["between"].lower())
    ]


def _default_seeds(text: str) -> int | None:
    for sentence in re.split(r"[.;\n](?!\d)", text):
        if not re.search(r"\d\.\d|\d\d", re.sub(r"\d+\s*(?:seeds|runs)", "", sentence)) or re.search(
            r"\b(?:all|each|every|mean|average)\b", sentence, re.IGNORECASE
        ):
            seeds = seeds_in(sentence)
            if seeds is not None:
                return seeds
    return None


def _spread(text: str) -> str:
    lower = text.lower()
    if re.search(r"standard errors?|std\.? ?err|\bs\.?e\.?m\b|± ?se\b", lower):
        return "error"
    return (
        "interval"
        if re.search(r"95\s?%\s*(?:ci|confidence|interval)|confidence interval|\bci\b", lower)
        else "deviation"
    )


def _tuned(text: str) -> int | None:
    counts = [
        round(math.prod(int(n) for n in (f[1], f[3], f[5]) if n))
        for f in _PRODUCT.finditer(text)
        if not re.search(r"gpu|a100|h100|v100|hour", f[0], re.IGNORECASE)
    ]
    for found in _TUNED.finditer(text):
        if found[0].endswith("prompts") and re.search(r"\b(?:on|over|across|of|with)\s+$", text[: found.start()]):
            continue  # what it is scored on
        value = number_of(found[1] or found[2])
        if 1 < value < 1e7 and value == int(value):
            counts.append(int(value))
    return max((c for c in counts if 1 < c < 10_000_000), default=None)


def _cases(text: str, plainly: bool = False) -> int | None:
    for pattern in (_CASES, _CASES_AFTER, _CASES_PLAIN) if plainly else (_CASES, _CASES_AFTER):
        for found in pattern.finditer(text):
            groups = [g for g in found.groups() if g]
            value = number_of(groups[0]) * (_UNITS.get(groups[1].lower(), 1.0) if len(groups) > 1 else 1.0)
            if 2 <= value < 1e10:
                return round(value)
    return None


def _training(text: str) -> int | None:
    found = _TRAINING.search(text)
    if not found or re.search(r"(?:epochs|steps|iterations|hours|gpus|runs)$", found[0], re.IGNORECASE):
        return None
    groups = [g for g in found.groups() if g]
    value = number_of(groups[0]) * (_UNITS.get(groups[1].lower(), 1.0) if len(groups) > 1 else 1.0)
    return round(value) if 1 < value < 1e12 else None


def _share(text: str) -> float | None:
    found = _DISAGREE.search(text)
    value = number_of(found[1] or found[2]) / 100 if found else 0.0
    return value if 0 < value < 1 else None


def _hours(budget: str, rest: str) -> tuple[float | None, float | None]:
    """(GPU-hours of one run, of everything)."""
    per_run: float | None = None
    total: float | None = None
    for text, own in ((budget, True), (rest, False)):
        for clause in re.split(r"[\n;]|,\s|(?<=\D)\.\s|(?<=[a-z])\.\s", text):
            hours = hours_in(clause)
            if hours is None:
                continue
            if _PER_RUN.search(clause) or _RUN_TAKES.search(clause):
                per_run = per_run if per_run is not None else hours
            elif own or _TOTAL.search(clause):
                total = total if total is not None else hours
    return per_run, total
