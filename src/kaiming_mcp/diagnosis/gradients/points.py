"""The points of a loss over time: which are losses, which stand for nan, and those of one time as their mean."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from kaiming_mcp.measurements.record import Measurements, Point, Series
from kaiming_mcp.measurements.value import Value

_PERPLEXITY = re.compile(r"\b(?:ppl|perplexit\w+)\b", re.I)
SUM = re.compile(
    r"\bsum(?:med)? (?:over|of) (?:the |all )?(?:tokens?|sequences?|words|positions|pixels|bytes)\b|\breduction\s?=\s?['\"]sum|\b(?:loss|nll) per (?:sequence|sentence|document|image)|\bper[- ](?:sequence|sentence|document|image) (?:loss|nll)",
    re.I,
)
"""A cross entropy that is a sum over tokens: ln C is that of one."""
_OTHER_METRIC = re.compile(r"\b(?:bleu|auc|m?iou|dice|mae|rmse|psnr|fid|wer|rewards?|returns?)\b", re.I)


def averaged(points: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Losses of one time (micro-batches, ranks) as their mean; runs that are compared at one time stay apart."""
    at_time: dict[float, list[float]] = {}
    for at, x in points:
        at_time.setdefault(at, []).append(x)
    if len(at_time) < 2 or len(points) < 2 * len(at_time) - 1:
        return tuple(points)
    return tuple((at, sum(same) / len(same)) for at, same in at_time.items())


def finite(measured: Measurements, series: Series) -> list[Point]:
    """The losses without those that stand for nan."""
    stand_ins = _stand_ins(measured, series)
    return [p for p in series.points if p.value.finite and p.at not in stand_ins]


def first_bad(measured: Measurements, series: Series) -> Point | None:
    """The first loss that is not finite, or stands for one."""
    stand_ins = _stand_ins(measured, series)
    return next((p for p in series.points if not p.value.finite or p.at in stand_ins), None)


def _stand_ins(measured: Measurements, series: Series) -> set[float]:
    """Times at which a logger wrote 0 for a loss that is nan: the gradient norm of the same time is nan."""
    norms = measured.of("gradient norm")
    if norms is None or norms.unit != series.unit:
        return set()
    bad = {p.at for p in norms.points if not p.value.finite}
    return {p.at for p in series.points if p.at in bad and p.value.x == 0}


def of_perplexity(series: Series | None, said: str) -> Series | None:
    """The loss behind a perplexity, its logarithm, where this is the only metric that is spoken of."""
    if series is None or not _PERPLEXITY.search(said) or _OTHER_METRIC.search(said):
        return None
    points = tuple(replace(p, value=_logarithm(p.value)) for p in series.points if p.value.finite and p.value.x >= 1)
    return replace(series, points=points) if len(points) == len(series.points) else None


def _logarithm(value: Value) -> Value:
    ends = [math.log(max(1.0, x)) for x in (value.x, value.low, value.high)]
    return replace(value, x=ends[0], low=ends[1], high=ends[2])
