"""Pasted pairs (y, x): the share of the variance of x that y leaves open, by nearest neighbours.

R = E Var[X|Y] / Var[X]. The variance within the k nearest neighbours in y estimates Var[X|Y], from
above when neighbours are far apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kaiming_mcp.measurements.columns import read_columns

FEWEST_PAIRS = 8
MOST_PAIRS = 2_000
_CONDITION_NAMES = ("y", "cond", "input", "given", "feature")
_TARGET_NAMES = ("x", "target", "output", "label", "out")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Columns of the condition and of the target, a row for each pair."""

    condition: NDArray[np.float64]
    target: NDArray[np.float64]
    names: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Spread:
    """R with its standard error, and how it was estimated; `bimodal` when the mean lies in a gap."""

    ratio: float
    error: float
    pairs: int
    neighbours: int
    repeated: bool
    bimodal: bool


def read_pairs(text: str) -> Pairs | None:
    """Columns of a pasted table, divided by their names; None when there are not two numeric ones."""
    table = read_columns(text, FEWEST_PAIRS)
    names = list(table)
    if len(names) < 2:
        return None
    target = [n for n in names if n.lower().startswith(_TARGET_NAMES)]
    condition = [n for n in names if n.lower().startswith(_CONDITION_NAMES) and n not in target]
    if not target or not condition:
        # Without telling names the last column is the target, as in most tables.
        condition, target = names[:-1], names[-1:]
    return Pairs(
        np.column_stack([table[n][:MOST_PAIRS] for n in condition]),
        np.column_stack([table[n][:MOST_PAIRS] for n in target]),
        (", ".join(condition)[:60], ", ".join(target)[:60]),
    )


def spread(pairs: Pairs) -> Spread | None:
    """R by k nearest neighbours in the standardised condition; None when x does not vary."""
    y, x = _standard(pairs.condition), pairs.target
    total = float(x.var(axis=0, ddof=1).sum())
    if not math.isfinite(total) or total <= 0:
        return None
    n = len(x)
    k = max(2, min(10, n // 8))
    squared = (y**2).sum(axis=1)
    distances = squared[:, None] + squared[None, :] - 2 * y @ y.T
    np.fill_diagonal(distances, -1.0)
    nearest = np.argpartition(distances, k, axis=1)[:, : k + 1]
    local = x[nearest].var(axis=1, ddof=1).sum(axis=1)
    # Neighbourhoods overlap: about n / (k + 1) of them are independent.
    error = float(local.std(ddof=1) / math.sqrt(n / (k + 1)) / total)
    repeated = len(np.unique(pairs.condition, axis=0)) < 0.7 * n
    return Spread(float(local.mean() / total), error, n, k, repeated, _gap_at_mean(x[nearest], local))


def _gap_at_mean(groups: NDArray[np.float64], local: NDArray[np.float64]) -> bool:
    """Whether, in one dimension, neighbourhoods have few values near their mean: two modes."""
    if groups.shape[2] != 1 or groups.shape[1] < 5:
        return False
    away = np.abs(groups[:, :, 0] - groups[:, :, 0].mean(axis=1, keepdims=True))
    deviation = np.sqrt(np.maximum(local, 1e-300))[:, None]
    # A Gaussian has 38 % within half a deviation, two equal points have none.
    return float((away < 0.5 * deviation).mean()) < 0.15


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    deviation = values.std(axis=0)
    return (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
