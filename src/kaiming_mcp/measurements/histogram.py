"""Histograms of W&B (`wandb.watch`) and TensorBoard: sizes of the values between the edges of the bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from kaiming_mcp.measurements.value import Value, between


def sizes(bins: Sequence[Value], counts: Sequence[Value]) -> list[tuple[str, Value]]:
    """Root mean square, mean and greatest absolute value of counts in bins, or [] where they do not fit."""
    edges, weights = [b.x for b in bins], [c.x for c in counts]
    if len(edges) != len(weights) + 1 or not all(map(math.isfinite, (*edges, *weights))) or not sum(weights) > 0:
        return []
    total = sum(weights)
    spans = [(0.0 if a <= 0 <= b else min(abs(a), abs(b)), max(abs(a), abs(b))) for a, b in pairwise(edges)]
    means = [sum(w * s[i] for w, s in zip(weights, spans, strict=True)) / total for i in (0, 1)]
    most = max(max(span) for span in spans) or 1.0
    squares = [sum(w * (s[i] / most) ** 2 for w, s in zip(weights, spans, strict=True)) / total for i in (0, 1)]
    filled = [span for weight, span in zip(weights, spans, strict=True) if weight]
    return [
        ("rms", between(most * math.sqrt(squares[0]), most * math.sqrt(squares[1]), "histogram")),
        ("mean abs", between(means[0], means[1], "histogram")),
        ("max", between(max(s[0] for s in filled), max(s[1] for s in filled), "histogram")),
    ]
