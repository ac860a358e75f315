"""Depth and training errors that prose states: how many blocks, and whether the deeper net really trains worse."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kaiming_mcp.knowledge import LONGEST_READ
from kaiming_mcp.measurements.value import numbers

_BLOCKS = re.compile(
    r"\b(?:(?:x ?|over )?(\d{1,5}))[- ]?(?:(?:residual|transformer|encoder|decoder|resnet|such|identical|pre-?norm)[- ])?(?:blocks?|units)\b"
)
_LAYERS = re.compile(r"\b(\d{1,5})[- ]?(?:(?:\w|-){1,14}[- ])?layers?\b")
_DEPTH = re.compile(r"\b(\d{1,5})[- ]?(?:\w{1,12}[- ])?(?:layers?|blocks?)\b")
_NAMED = re.compile(r"\bresnet-?(\d{2,4})\b")
_TRANSFORMER = re.compile(r"\b(?:transformer|gpt|bert|vit|attention|encoder layer|decoder layer)\b")
IMAGENET = {18: 8, 34: 16, 50: 16, 101: 33, 152: 50}
"""Residual blocks of the ImageNet models (He et al. 2016, Table 1); the CIFAR ones have (n - 2)/2."""
_CLAUSE = re.compile(
    r"(?<=[^\d])[,;.](?=\s)|[,;](?=\s)|\n|\b(?:and|but|while|whereas|against|vs\.?|versus|than)\b|(?<=\d)\.(?=\s|$)"
)
_TRAIN = re.compile(r"\btrain(?:s|ed|ing)?\b")
_TEST = re.compile(r"\b(?:test|validation|val)\b")
_ACCURACY = re.compile(r"train\w*[^.;\d]{0,20}acc")
_COUNTED = re.compile(r"[- ]?(?:\w{1,10}[- ])?(?:layers?|blocks?|seeds?|runs?|epochs?|steps?)\b")
_OF_TRAINING = r"train(?:ing)? (?:error|loss|accuracy)[^;\n]{0,60}?\b"
_NOT_WORSE = re.compile(
    _OF_TRAINING
    + r"(?:in both|for both|not (?:higher|worse|above)|no (?:higher|worse)|isn't (?:higher|worse)|the same|equal|lower (?:for|with|in) (?:the )?deep\w*)\b"
)
_WORSE = re.compile(
    r"(?:deeper|more layers)[^.;\n]{0,60}?\b(?:higher|worse|larger) train(?:ing)? (?:error|loss)|"
    + _OF_TRAINING
    + r"(?:higher|worse|larger|increases|rises|grows)\b[^.;\n]{0,30}\b(?:deep\w*|depth|layers)"
)
_SPREAD = re.compile(r"±\s?(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class Blocks:
    """Residual sums of a network, and its layers where they were said instead."""

    count: int
    layers: int | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """Training errors (or losses) by depth; `spread` is the stated seed deviation.

    `said` are the words, where no numbers are given; `worse` is then 1 for a deeper net that trains worse, else 0.
    """

    worse: float
    """How much worse the deeper one trains; negative where it trains better."""
    shallow: tuple[int, float] = (0, 0.0)
    deep: tuple[int, float] = (0, 0.0)
    spread: float | None = None
    accuracy: bool = False
    said: str = ""


def read_blocks(text: str, per_block: int | None) -> Blocks | None:
    """The number of residual sums that prose names."""
    said = text[:LONGEST_READ].lower()
    if (match := _BLOCKS.search(said)) and int(match[1]):
        return Blocks(int(match[1]) * (2 if _TRANSFORMER.search(match[0]) else 1))
    if match := _NAMED.search(said):
        layers = int(match[1])
        rest = (layers - 2) // 2 if layers % 6 == 2 else (layers - 2) // 3 if layers % 9 == 2 else 0
        if count := IMAGENET.get(layers, rest):
            return Blocks(count, layers)
    if (match := _LAYERS.search(said)) and int(match[1]) > 1:
        layers = int(match[1])
        twice = bool(_TRANSFORMER.search(said))
        return Blocks(2 * layers if twice else max(1, layers // (per_block or 2)), layers)
    return None


def read_trained(text: str) -> Trained | None:
    """Training errors at two depths, where a text gives them in numbers or words."""
    said = text[:LONGEST_READ].lower()
    depths: dict[int, float] = {}
    waiting, training = None, False
    for clause in _CLAUSE.split(said):
        depth = _DEPTH.search(clause)
        training = bool(_TRAIN.search(clause)) or (training and not _TEST.search(clause))
        waiting = int(depth[1]) if depth else waiting
        value = _first_value(clause, depth.span() if depth else (-1, -1))
        if training and waiting is not None and value is not None:
            depths[waiting], waiting = value, None
    if len(depths) < 2:
        worded = ((m, sign) for p, sign in ((_NOT_WORSE, 0.0), (_WORSE, 1.0)) if (m := p.search(said)))
        return next((Trained(sign, said=" ".join(m[0].split())[:90]) for m, sign in worded), None)
    low, high = min(depths), max(depths)
    gap, accuracy = depths[high] - depths[low], bool(_ACCURACY.search(said))
    spread = float(match[1]) if (match := _SPREAD.search(said)) else None
    if spread is not None and "%" in said and max(depths[low], depths[high]) <= 1 < spread * 100:
        spread /= 100
    return Trained(-gap if accuracy else gap, (low, depths[low]), (high, depths[high]), spread, accuracy)


def _first_value(clause: str, skip: tuple[int, int]) -> float | None:
    """The first number that is no depth, no count and no deviation."""
    for start, end, value in numbers(clause):
        deviation = clause[max(0, start - 2) : start].strip().endswith("±")
        counted = skip[0] <= start < skip[1] or _COUNTED.match(clause[end : end + 12])
        if value.finite and not deviation and not counted:
            return value.x
    return None
