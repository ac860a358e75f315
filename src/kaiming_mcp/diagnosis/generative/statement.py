"""What the user said about a task, as typed values: kinds, sizes, numbers, wishes.

Only words and numbers that stand in the text are taken; nothing is inferred from their absence.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from kaiming_mcp.catalogue import Catalogue, Constraint, TargetKind, TaskKind
from kaiming_mcp.knowledge import LONGEST_READ

_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "thousand": 1e3, "million": 1e6, "billion": 1e9, "b": 1e9}
_NUMBER = r"(\d{1,3}(?:,\d{3})+|\d{1,12}(?:\.\d{1,6})?(?:e\d{1,2})?)"
_SCALE = r"\s?(k|m|b|thousand|million|billion)?\b"
_SAMPLES = re.compile(
    rf"{_NUMBER}{_SCALE}\s+(?:[\w-]+\s+){{0,2}}?(?:samples|pairs|examples|images|sequences|structures|patients|molecules|"
    r"trajectories|simulations|runs|records|cases|scans|demonstrations|documents|rows|points|series|designs|videos|"
    r"observations|measurements|compounds|proteins|events|snapshots|clips|subjects|recordings|slices|volumes)\b"
)
_GRID = re.compile(r"\b(\d{1,7}(?:\s?[x×*]\s?\d{1,7}){1,4})\b")
_COUNTED = re.compile(
    rf"{_NUMBER}\s+(?:[\w-]+\s+){{0,1}}?(variables|channels|bands|features|parameters|numbers|values|dimensions|dims|atoms|"
    r"residues|tokens|frames|sensors|points|particles|pixels|voxels|frequencies|wavelengths|bins)\b"
)
_HORIZON = re.compile(
    rf"(?:next|future|horizon(?: of)?|following|ahead|rollout of|over)\s+(?:the\s+)?(?:next\s+)?{_NUMBER}\s+"
    r"(steps|time ?steps|frames|hours|days|weeks|months|minutes|tokens|stages|calls|seconds)"
)
_AHEAD = re.compile(
    r"\b(?:predict|forecast|estimate|extrapolate|anticipate|what will|continue)\b.{0,80}?\b(?:next|future|ahead|tomorrow|"
    r"later|upcoming|following|coming|horizon)\b|\bnext \d+ (?:\w+ )?(?:frames|steps|hours|days|weeks|months|minutes|values)"
)
_STEPS = re.compile(rf"{_NUMBER}\s+(steps|time ?steps|stages|calls|autoregressive steps|tokens|iterations)\b")
_PATCH = re.compile(r"patch(?:es)?(?:\s*size)?\s*(?:of|=|:)?\s*(\d{1,4})|(\d{1,4})\s*[x×]\s*\d{1,4}\s*patch")
_WIDTH = re.compile(
    r"(?:hidden(?:\s*(?:size|width|dim\w*))?|d_model|model width|embedding (?:dim\w*|width)|width)\s*(?:of|=|:|is)?\s*"
    r"(\d{1,6})|(\d{1,6})[- ](?:wide|hidden units)"
)
_TOKEN = re.compile(r"token (?:dim\w*|width|size)\s*(?:of|=|:|is)?\s*(\d{1,6})")
_PREDICTS = re.compile(
    r"\b(eps(?:ilon)?|ε|v|x0|x|noise|velocity)[- ]?predict|predict\w*\s+(?:the\s+)?(noise|velocity|ε|eps)"
)
_PER_STEP = re.compile(
    r"(\d{1,3}(?:\.\d+)?)\s?%\s*(?:\w+\s+){0,2}(?:per|each|a|at each)\s+(?:step|call|stage|token)|"
    r"(?:per[- ]step|per[- ]call)\s+\w+\s*(?:of|=|:)?\s*(0?\.\d+|\d{1,3}(?:\.\d+)?\s?%)"
)
_SPLIT = re.compile(r"(\d{1,3}(?:\.\d+)?)\s?%")
_RARE = re.compile(r"(?:1|one) in (\d[\d,]*)|probability (?:of|=|about)?\s*(0?\.\d+)|rare event|return period")
_LEVEL = re.compile(r"\b(\d{2})\s?%\s*(?:interval|coverage|credible|confidence|prediction)")
_SQUARED = re.compile(r"\b(mse|rmse|mae|l1|l2|psnr|ssim|squared error|absolute error|r2|r²|correlation)\b")
_PROPER = re.compile(
    r"\b(crps|energy score|nll|log[- ]?likelihood|likelihood|pinball|coverage|calibrat\w*|brier|log[- ]?loss|rank histogram)"
)
_TWO_SAMPLE = re.compile(r"\b(fid|fvd|inception|mmd|kid|is score|realism|perceptual|lpips)\b")
_FUNCTIONAL = re.compile(
    r"\b(only|just)\s+(?:need |want |care about |interested in )?(?:the\s+|a\s+|its\s+)?(mean|average|expected value|expectation|median|"
    r"best guess|point estimate|quantile|single number|one number|most likely)|"
    r"\b(point estimate|expected value|conditional mean|single best|one best)\b"
)
_ONE_TO_MANY = re.compile(
    r"one[- ]to[- ]many|non-?unique|not unique|ill[- ]posed|multi-?modal|"
    r"\b(?:several|many|multiple|different|various|more than one|two or more)\b(?:\s+[\w-]+){0,4}?\s+"
    r"(?:possible|valid|plausible|correct|acceptable|futures?|outcomes?|solutions?|answers?|share|correspond|map|fit|match|"
    r"lead to|give the same|have the same|explain)\b|"
    r"\b(?:divers|uncertain|ensemble|stochastic|probabilistic|distribution of|posterior|chaotic|branch(?:es|ing)?\b|"
    r"range of (?:possible )?(?:outcomes|futures))"
)
_DETERMINISTIC = re.compile(
    r"deterministic|exactly one|unique (?:answer|solution|output)|one[- ]to[- ]one|no randomness|same output|noise-free|"
    r"negligible noise|repeatab|fully determined"
)
_LOOK_UP = re.compile(r"[a-zε²]")


@dataclass(frozen=True, slots=True)
class Task:
    """A task as stated. Sizes are numbers of values of one sample; None where the text gives none."""

    text: str
    kinds: tuple[TaskKind, ...]
    targets: tuple[TargetKind, ...]
    constraints: tuple[Constraint, ...]
    size_x: int | None
    size_y: int | None
    samples: int | None
    steps: int | None
    success: float | None
    token: int | None
    width: int | None
    predicts: str
    shares: tuple[float, ...]
    rare: float | None
    level: float | None
    squared: str
    proper: str
    two_sample: str
    functional: str
    one_to_many: str
    deterministic: str
    per_query: int

    @property
    def kind(self) -> TaskKind | None:
        """The kind that most words speak for."""
        return self.kinds[0] if self.kinds else None


def read_task(
    problem: str, condition: str, target: str, data: str, metric: str, per_query: int, known: Catalogue
) -> Task:
    """Read all texts together; sizes of x and y from their own arguments first."""
    said = [t[:LONGEST_READ].lower() for t in (problem, condition, target, data, metric)]
    whole = " \n ".join(said)
    x_text, y_text = said[2] or said[0], said[1]
    token, width = _token(whole)
    return Task(
        text=whole,
        kinds=_kinds(said, known),
        targets=known.targets_of(x_text)[:3],
        constraints=known.constraints_of(whole),
        size_x=size(x_text) if said[2] else None,
        size_y=size(y_text),
        samples=_samples(said[3]) or _samples(said[0]),
        steps=_whole(_HORIZON, whole) or _whole(_STEPS, whole),
        success=_success(whole),
        token=token,
        width=width,
        predicts=_first(_PREDICTS, whole),
        shares=_shares(whole),
        rare=_rare(whole),
        level=_level(whole),
        squared=_first(_SQUARED, said[4]) or _first(_SQUARED, said[0]),
        proper=_first(_PROPER, said[4]),
        two_sample=_first(_TWO_SAMPLE, said[4]),
        functional=_first(_FUNCTIONAL, whole),
        one_to_many=_first(_ONE_TO_MANY, whole),
        deterministic=_first(_DETERMINISTIC, whole),
        per_query=per_query,
    )


def says_something(task: Task) -> bool:
    """Whether the text names a task, a target or a size: otherwise nothing can be established."""
    return bool(
        task.kinds or task.samples or task.size_x or task.one_to_many or task.deterministic or task.token
    ) and bool(_LOOK_UP.search(task.text))


def size(text: str) -> int | None:
    """Number of values in "12 variables x 721x1440", "256x256 image", "18 frames of 128x128"."""
    total = 1.0
    grids = [math.prod(int(n) for n in re.findall(r"\d{1,7}", g)) for g in _GRID.findall(text)]
    if grids:
        total *= max(grids)
    inside = _GRID.sub(" ", text)
    counts = [(_value(n), unit) for n, unit in _COUNTED.findall(inside)]
    horizon = _HORIZON.search(inside)
    for value, _ in counts[:3]:
        total *= max(value, 1)
    steps = horizon or _STEPS.search(inside)
    if steps and not any(unit in {"frames", "tokens"} for _, unit in counts):
        total *= max(_value(steps[1]), 1)
    return round(total) if 1 < total < 1e15 else None


def _kinds(said: list[str], known: Catalogue) -> tuple[TaskKind, ...]:
    """Kinds by how often their words occur; the problem and the target weigh double."""
    scored: list[tuple[float, TaskKind]] = []
    for kind in known.tasks:
        score = sum(w * len(kind.found(t)) for w, t in zip((2, 1, 2, 0.5, 0.25), said, strict=True))
        if kind.id == "forecast" and any(_AHEAD.search(t) for t in said[:3]):
            score += 2
        if score >= 1:
            scored.append((score, kind))
    scored.sort(key=lambda pair: -pair[0])
    return tuple(kind for _, kind in scored[:3])


def _samples(text: str) -> int | None:
    found = [_value(n) * _UNITS[unit or ""] for n, unit in _SAMPLES.findall(text)]
    named = re.search(r"\bn\s*=\s*(\d[\d,]*)", text)
    if named:
        found.append(_value(named[1]))
    return round(min(max(found), 1e15)) if found else None


def _token(text: str) -> tuple[int | None, int | None]:
    """(token dimension, hidden width); patch p on c channels has p*p*c values."""
    named = _TOKEN.search(text)
    patch = _PATCH.search(text)
    width = _WIDTH.search(text)
    token = int(named[1]) if named else None
    if token is None and patch:
        side = int(patch[1] or patch[2])
        channels = re.search(r"(\d{1,4})\s*(?:channels|bands|variables)", text)
        token = side * side * (int(channels[1]) if channels else 3)
    return token, int(width[1] or width[2]) if width else None


def _success(text: str) -> float | None:
    found = _PER_STEP.search(text)
    if not found:
        return None
    raw = (found[1] or found[2] or "").replace(" ", "")
    value = float(raw.rstrip("%")) / (100 if found[1] or raw.endswith("%") else 1)
    return value if 0 < value < 1 else None


def _shares(text: str) -> tuple[float, ...]:
    """Shares of answers, such as 70 % and 30 %, when two or more sum to 100."""
    shares = [float(s) / 100 for s in _SPLIT.findall(text)]
    for i in range(len(shares)):
        for j in range(i + 2, min(i + 6, len(shares)) + 1):
            if abs(sum(shares[i:j]) - 1) < 0.011 and all(s > 0 for s in shares[i:j]):
                return tuple(shares[i:j])
    return ()


def _rare(text: str) -> float | None:
    found = _RARE.search(text)
    if not found:
        return None
    if found[1]:
        value = _value(found[1])
        return 1 / value if value > 1 else None
    if found[2]:
        value = float(found[2])
        return value if 0 < value < 0.1 else None
    return None


def _level(text: str) -> float | None:
    found = _LEVEL.search(text)
    return int(found[1]) / 100 if found and 50 <= int(found[1]) < 100 else None


def _whole(pattern: re.Pattern[str], text: str) -> int | None:
    found = pattern.search(text)
    value = _value(found[1]) if found else 0
    return round(value) if 1 < value < 1e9 else None


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[0].strip() if found else ""


def _value(text: str) -> float:
    return float(text.replace(",", ""))
