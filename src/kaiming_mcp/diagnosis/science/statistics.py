"""Formulas of statistics that a claim is held against; pure functions of numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

_T = (12.71, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""97.5 % quantile of Student's t for 1 to 10 degrees of freedom (standard table)."""


@dataclass(frozen=True, slots=True)
class Size:
    """Independent samples behind a score: at most (all rows independent), at least (one per group), and if known."""

    most: float
    fewest: float
    known: float | None = None

    @property
    def bounds(self) -> tuple[float, float]:
        """(most, fewest), both the known number where there is one."""
        return (self.most, self.fewest) if self.known is None else (self.known, self.known)


def design_effect(size: float, icc: float) -> float:
    """Kish's 1 + (m - 1) ICC for clusters of m items."""
    return 1 + (max(size, 1.0) - 1) * icc


def effective_size(items: float, groups: float, icc: float) -> float:
    """Number of independent items: n / design effect, between the number of groups (ICC 1) and n (ICC 0)."""
    return items / design_effect(items / groups, icc)


def auc_error(auc: float, positives: float, negatives: float) -> float:
    """Standard error of an AUC (Hanley and McNeil 1982)."""
    auc = max(auc, 1 - auc)
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    spread = auc * (1 - auc) + (positives - 1) * (q1 - auc**2) + (negatives - 1) * (q2 - auc**2)
    return math.sqrt(max(spread, 0.0) / (positives * negatives))


def share_error(share: float, n: float) -> float:
    """Standard error of a share of n independent items; never below that of one miss in n."""
    near = min(max(share, 1 / (n + 1)), n / (n + 1))
    return math.sqrt(near * (1 - near) / n)


def correlation_error(r: float, n: float) -> float:
    """Standard error of a correlation, (1 - r²)/sqrt(n - 2)."""
    return (1 - r * r) / math.sqrt(max(n - 2, 1.0))


def explained_error(r2: float, n: float) -> float:
    """Standard error of R² by the delta method on r: 2 r (1 - r²)/sqrt(n - 2)."""
    return 2 * math.sqrt(max(r2, 0.0)) * correlation_error(math.sqrt(max(r2, 0.0)), n)


def half_interval(deviation: float, groups: int) -> float:
    """Half the 95 % interval of a mean over groups: t s / sqrt(k)."""
    t = _T[groups - 2] if groups - 2 < len(_T) else 1.96 + 2.4 / (groups - 1)
    return t * deviation / math.sqrt(groups)


def series_size(span: float, memory: float, step: float) -> tuple[float, float]:
    """Steps in a span and the independent ones among them, n (1 - ρ)/(1 + ρ) with ρ = exp(-step/memory)."""
    n = span / step
    rho = math.exp(-step / memory)
    return n, n * (1 - rho) / (1 + rho)
