"""What a person said of a scientific problem, as typed values. Only what stands in the text is taken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from kaiming_mcp.diagnosis.science.counts import Sample, read_counts, sample
from kaiming_mcp.diagnosis.science.dimensions import Quantity, read_quantities
from kaiming_mcp.diagnosis.science.plain import NUMBER, plain
from kaiming_mcp.diagnosis.science.scores import Score, read_scores
from kaiming_mcp.diagnosis.science.subjects import Recognised, Sciences, recognise
from kaiming_mcp.diagnosis.science.units import leading_unit, names_unit

MOST_SIZES = 12
MONTHLY = 36
"""So many months or quarters are a series; fewer are a duration."""
PHYSICAL = frozenset({"physics and partial differential equations"})
_CLASSES = re.compile(rf"({NUMBER})[- ](?:\w+ )?(?:classes|categories|class\b|labels\b)")
_PREVALENCE = (
    re.compile(rf"({NUMBER})\s?%(?: of (?:the |them |our )?(?:\w+ ){{0,2}}?(?:are|is|were|have|had|show|test))?\s*(?:are |is )?"
               r"(?:positiv|prevalen|cases\b|events\b|diseas|true hits|hits\b|active|sick|malignan|abnormal|anomal|minority|signal\b|died|death|mortal|default|disrupti|fail|fault|fraud|toxic|binder|infect|relaps|recurr|readmi|planet|rare\b|yes\b|responders)"),
    re.compile(rf"(?:prevalence|positive rate|incidence|base rate|event rate|hit rate|positives?|class balance|minority class|share of "
               rf"positives?)\s*(?:of|is|=|:|about|around|~)?\s*({NUMBER})\s?(%)?"),
    re.compile(r"\b(?:1|one) in (\d{1,7})\b"),
)  # fmt: skip
_NEGATIVE = re.compile(
    rf"({NUMBER})\s?%[^.;,\n]{{0,30}}?(?:negativ|healthy|normal|controls|inactive|survived|background|benign)"
)
_CONTROLS = re.compile(
    rf"({NUMBER}) (?:\w+ )?(?:cases|patients|positives?(?: \w+)?|responders)\W+(?:and |vs |versus )?({NUMBER}) (?:\w+ )?(?:controls|healthy|negatives|non-?responders)"
)
_SPAN = re.compile(
    rf"({NUMBER})[- ](years?|months?|quarters?|weeks?|days?|hours?|seasons?|decades?)\b(?! ahead| lead| horizon| later| in advance)"
)
_RANGE = re.compile(r"\b((?:18|19|20)\d\d)\s?(?:-|to|until|through|and)\s?((?:18|19|20)\d\d)\b")
_STEP = re.compile(
    rf"\b(hourly|daily|weekly|monthly|quarterly|yearly|annual)\b|({NUMBER})[- ]?(hourly|hour|minute|min|second|day|h)\b"
    rf"(?: (?:data|fields|steps?|resolution|interval|sampling|frames|values|snapshots|averages?))|every ({NUMBER})?\s?(hours?|minutes?|min|"
    r"days?|seconds?|s|h)\b|(\d{1,3})-?(hourly|daily)"
)
_MEMORY = re.compile(
    rf"(?:auto-?correlation|de-?correlation|correlation|integral|memory|e-folding|turnover|relaxation)[- ](?:time|scale|length)?[^.;\n]{{0,30}}?({NUMBER})\s*"
)
_LAG1 = re.compile(r"(?:lag[- ]?(?:1|one)|ar\(1\)) (?:auto-?correlation|coefficient)?[^.;\n]{0,20}?(0?\.\d+)")
_ICC = re.compile(rf"(?:\bicc\b|intra-?class correlation)[^.;\n]{{0,20}}?({NUMBER})")
_COVARIATES = re.compile(
    rf"({NUMBER})(k)?[- ](?:\w+ )?(?:features|covariates|predictors|variables|descriptors|voxels|edges|inputs)\b"
)
_SEEDS = re.compile(rf"({NUMBER}) (?:random )?(?:seeds|repetitions|restarts|training runs)\b")
_TEST_SHARE = re.compile(r"\b(\d{2})\s?[/:]\s?(\d{1,2})(?:\s?[/:]\s?(\d{1,2}))?\b(?=[^.;\n]{0,30}(?:split|train|test|valid))|"
                         r"(?:split|train/test)[^.;\n]{0,20}?\b(\d{2})\s?[/:]\s?(\d{1,2})(?:\s?[/:]\s?(\d{1,2}))?\b")  # fmt: skip
_RANDOM = re.compile(r"random(?:ly)?[- ](?:[\w/:]+[- ]){0,2}?(?:split|cv|cross|fold|partition|shuffl|divid)|shuffl|split (?:at )?random|train_test_split|"
                     r"\bk-?fold|\b\d{1,3}-fold|stratified")  # fmt: skip
_GROUPED = re.compile(
    r"group(?:ed|[- ]wise|kfold)|(?:split|separated|partition\w*|held out|holding out) (?:by|per|at the level)|leave[- ]\w+[- ]\w*[- ]?out|"
    r"(?:scaffold|temporal|time|chronological|spatial|block|cluster|patient|subject|family|sequence[- ]identity)[- ](?:wise |level |based )?split|"
    r"held-?out (?:patient|site|hospital|subject|famil|region|year|donor|session|scanner|center|centre|basin|simulation)|"
    r"(?:cross-?validat\w*|folds?|split\w*|cv)[- ](?:by|over|across) (?!chance|random|time\b)\w+|left[- ]out|"
    r"walk[- ]forward|external (?:test|validation|cohort|hospital|site)|unseen (?:patient|site|hospital|subject|protein|region|donor)"
)
_CUTOFF = re.compile(
    rf"\b(?:cut-?off|r_?c\b|radius)[^.;\n]{{0,20}}?({NUMBER})\s*(Å|angstrom|a\b|nm|m\b|km|µm|bohr)?", re.IGNORECASE
)
_LAYERS = re.compile(
    rf"({NUMBER})[- ](?:\w+ )?(?:interactions?|message[- ]passing|interaction|mp|graph|convolution\w*|gnn|aggregation)(?:[- ](?:blocks?|layers?|steps?|rounds?))?|"
    rf"({NUMBER}) layers"
)
_SIZES = re.compile(
    rf"({NUMBER})\s?(k)?\s?(heavy atoms|atoms|residues|nodes|particles|sites|spins|qubits|grid points|cells|base pairs|bp|kb|aa)\b"
)
_NAMED = re.compile(
    rf"\b(re|reynolds|ra|rayleigh|mach|ma|temperature|wavenumber|redshift)\b(?: numbers?)?\s?(?:=|of|up to|below|at)?\s?({NUMBER})(?:\s?(?:-|to)\s?({NUMBER}))?"
)
_LABELS = {
    "re": "Reynolds number",
    "reynolds": "Reynolds number",
    "ra": "Rayleigh number",
    "rayleigh": "Rayleigh number",
    "ma": "Mach number",
    "mach": "Mach number",
}
_GRID = re.compile(r"(?<![\w.])(\d{1,5})\s?[x×^]\s?(?:\1|[23])(?!\d)")
_TRAIN = re.compile(r"\btrain\w*|\bfit\w*|\blearn\w*")
_USE = re.compile(r"\b(?:run|runs|apply|applied|deploy\w*|use|used|test\w*|evaluat\w*|infer\w*|extrapolat\w*|simulat\w*|predict\w*|generaliz\w*|generalis\w*|scale to|extend\w*|works?)\b")  # fmt: skip
_SYMBOLIC = re.compile(r"\btrain\w*\b[^.;\n]{0,40}\bn\b[^.;\n]{0,40}\bm\b\s?(?:>>|≫|>|much larger)|(?:larger|bigger) (?:systems?|molecules?|cells?|boxes|proteins?|lattices?|domains?|grids?|structures)|size[- ]exten|different size|extensib")  # fmt: skip
_FORMULA = re.compile(r"(?<![\w])((?:(?:Li|Na|Mg|Si|Cl|Br|[HBCNOFPS])\d{0,3}){2,8})(?![\w])")
_TASK = re.compile(
    r"\b(?:predict|classif|detect|forecast|estimat|segment|decod|learn|model|infer|emulat|surrogate|regress|cluster|generat|recogni|"
    r"identif|diagnos|design|simulat|train|reconstruct|map|rank|score|token|represent|network|neural|embed|discover|optimi|screen|date|"
    r"transcrib|translat|label|annotat|deep learning|machine learning|understand|compare|measure|normali[sz]|should|how|why|which|what|loss|does|works?\b)\w*"
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A problem as stated. Times are in seconds; None where the text gives nothing."""

    text: str
    whole: str
    """The same before it is put in lower case: formulas and elements."""
    field: str
    recognised: Recognised
    sample: Sample
    scores: tuple[Score, ...]
    quantities: tuple[Quantity, ...]
    classes: int | None
    prevalence: float | None
    span: float | None
    step: float | None
    memory: float | None
    lag1: float | None
    icc: float | None
    covariates: int | None
    seeds: int | None
    test_share: float | None
    random_split: str
    grouped_split: str
    cutoff: tuple[float, str] | None
    layers: int | None
    sizes: tuple[float, float, str] | None
    larger: str
    formulas: tuple[str, ...]
    unit_named: bool
    task: bool


def read_statement(field: str, problem: str, data: str, measurements: str, known: Sciences) -> Statement:
    """Read all arguments together."""
    parts = [plain(t) for t in (field, problem, data, measurements)]
    whole = " \n ".join(parts[1:])
    low = whole.lower()
    recognised = recognise(parts[0].lower().strip(), low, known)
    span_text = f"{low} "
    return Statement(
        text=low,
        whole=whole,
        field=" ".join(parts[0].split())[:80],
        recognised=recognised,
        sample=sample(read_counts(whole)),
        scores=read_scores(whole),
        quantities=read_quantities(whole, recognised.field in PHYSICAL),
        classes=_whole(_CLASSES, low, 2, 100_000),
        prevalence=_prevalence(low),
        span=_span(span_text),
        step=_step(low) or _monthly(low),
        memory=_memory(low),
        lag1=_share(_LAG1, low),
        icc=_share(_ICC, low),
        covariates=_thousands(_COVARIATES, low),
        seeds=_whole(_SEEDS, low, 2, 10_000),
        test_share=_test_share(low),
        random_split=_first(_RANDOM, low),
        grouped_split=_first(_GROUPED, low),
        cutoff=_cutoff(whole),
        layers=_layers(low),
        sizes=_sizes(low),
        larger=_first(_SYMBOLIC, low),
        formulas=tuple(dict.fromkeys(f for f in _FORMULA.findall(whole) if re.search(r"\d", f)))[:6],
        unit_named=names_unit(whole),
        task=bool(_TASK.search(low)),
    )


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[0].strip()[:60] if found else ""


def _whole(pattern: re.Pattern[str], text: str, low: int, high: int) -> int | None:
    found = pattern.search(text)
    number = float(found[1]) if found else 0.0
    return int(number) if low <= number <= high and number == int(number) else None


def _thousands(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    number = float(found[1]) * (1000 if found[2] else 1) if found else 0.0
    return int(number) if 2 <= number <= 1e8 else None


def _share(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    number = float(found[1]) if found else -1.0
    return number if 0 <= number < 1 else None


def _prevalence(text: str) -> float | None:
    negative, design = _NEGATIVE.search(text), _CONTROLS.search(text)
    found = _PREVALENCE[0].search(text)
    if found:
        share = float(found[1]) / 100
    elif found := _PREVALENCE[1].search(text):
        share = float(found[1]) / (100 if found[2] or float(found[1]) > 1 else 1)
    elif negative:
        share = 1 - float(negative[1]) / 100
    elif design:
        share = float(design[1]) / max(float(design[1]) + float(design[2]), 1.0)
    elif found := _PREVALENCE[2].search(text):
        share = 1 / max(float(found[1]), 1.0)
    else:
        return None
    return share if 0 < share < 1 else None


def _seconds(number: str | None, unit: str) -> float | None:
    words = {"hourly": "h", "daily": "d", "weekly": "week", "monthly": "month", "yearly": "yr", "annual": "yr"}
    many = {
        "quarterly": (3.0, "month"),
        "quarter": (3.0, "month"),
        "quarters": (3.0, "month"),
        "season": (1.0, "yr"),
        "seasons": (1.0, "yr"),
        "decade": (10.0, "yr"),
        "decades": (10.0, "yr"),
    }
    factor, name = many.get(unit, (1.0, words.get(unit, unit)))
    found = leading_unit(name)
    count = float(number) if number else 1.0
    return count * factor * found[0].factor if found and count > 0 else None


def _span(text: str) -> float | None:
    years = _RANGE.search(text)
    if years and int(years[2]) > int(years[1]):
        return _seconds(str(int(years[2]) - int(years[1]) + 1), "years")
    spans = [s for n, u in _SPAN.findall(text) if (s := _seconds(n, u))]
    return max(spans, default=None)


def _step(text: str) -> float | None:
    found = _STEP.search(text)
    if not found:
        return None
    if found[1]:
        return _seconds(None, found[1])
    if found[3]:
        return _seconds(found[2], found[3])
    return _seconds(found[4], found[5]) if found[5] else _seconds(found[6], found[7])


def _monthly(text: str) -> float | None:
    """The step of "300 months" of one series: a record that is counted in months or quarters is sampled so."""
    found = re.search(rf"({NUMBER}) (months|quarters)\b(?! ahead| lead| horizon| later)", text)
    if not found or float(found[1]) < MONTHLY:
        return None
    return _seconds(None, "monthly" if found[2] == "months" else "quarterly")


def _memory(text: str) -> float | None:
    found = _MEMORY.search(text)
    unit = leading_unit(text[found.end() : found.end() + 20]) if found else None
    if not found or unit is None or dict(unit[0].dims) != {"s": 1}:
        return None
    seconds = float(found[1]) * unit[0].factor
    return seconds if seconds > 0 else None


def _test_share(text: str) -> float | None:
    found = _TEST_SHARE.search(text)
    if not found:
        return None
    shares = [int(g) for g in found.groups() if g]
    return shares[-1] / 100 if sum(shares) == 100 else None


def _cutoff(text: str) -> tuple[float, str] | None:
    found = _CUTOFF.search(text)
    if not found or not 0 < float(found[1]) < 1e6:
        return None
    unit = found[2] or "Å"
    return float(found[1]), "Å" if unit.lower() in {"a", "angstrom", "å"} else unit


def _layers(text: str) -> int | None:
    found = _LAYERS.search(text)
    number = float(found[1] or found[2]) if found else 0.0
    return int(number) if 1 <= number <= 1000 else None


def _sizes(text: str) -> tuple[float, float, str] | None:
    """(training size, size in use, of what) where both are given for one kind of thing."""
    found = [(m.start(), float(m[1]) * (1000 if m[2] else 1), m[3]) for m in islice(_SIZES.finditer(text), MOST_SIZES)]
    if len(found) < 2:
        # "train on 20, run on 2000 atoms": the first number has no noun of its own.
        lone = re.search(rf"train\w* (?:on|with|at|up to)\s+(?:about |up to )?({NUMBER})\b(?! ?%)", text)
        found = [(lone.start(), float(lone[1]), found[0][2]), *found] if lone and found else found
    named = [
        (m.start(), float(m[3] or m[2]), _LABELS.get(m[1], m[1])) for m in islice(_NAMED.finditer(text), MOST_SIZES)
    ]
    grids = [(m.start(), float(m[1]), "grid points a side") for m in islice(_GRID.finditer(text), MOST_SIZES)]
    for kind in (found, named, grids):
        for i, (start, small, noun) in enumerate(kind):
            for later, large, other in kind[i + 1 :]:
                same = noun.split()[-1] == other.split()[-1]
                trained, used = _TRAIN.search(text[max(0, start - 80) : start + 40]), _USE.search(text[start:later])
                if same and trained and used and small > 0 and large != small:
                    return small, large, other
    return None
