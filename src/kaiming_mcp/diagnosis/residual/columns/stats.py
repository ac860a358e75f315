"""How much of a target a reference leaves, with its error; all on arrays of equal length without nan.

The error of a ratio of variances comes from its influence function, so that correlation of X and X - R and heavy
tails count; rows that follow each other in time count for less by their integrated autocorrelation time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kaiming_mcp.diagnosis.residual.columns.table import Numbers

WINDOW = 5.0
"""The sum of autocorrelations ends at the first lag beyond WINDOW times itself (Sokal's rule)."""
GAUSSIAN_TOP = 0.0845
"""Share of the sum of squares that the largest 1 % of a Gaussian hold: 2 (z phi(z) + 1 - Phi(z)), z = 2.576."""


@dataclass(frozen=True, slots=True)
class Left:
    """What X - R leaves. `share` is Var[X-R]/Var[X]; b R + a leaves `affine`; errors are one standard error."""

    share: float
    error: float
    bias: float
    bias_error: float
    mean_square: float
    slope: float
    slope_error: float
    offset: float
    affine: float
    correlation: float
    rows: int
    effective: float
    top: float
    """Share of the squares of X - R that its largest 1 % hold."""
    spread: float
    target_spread: float
    variance_error: float
    """Standard error of Var[X-R]."""
    fit_error: float
    """Standard error of what b R + a leaves less than R, on the same rows."""

    @property
    def fitted_square(self) -> float:
        """Mean square of X - b R - a."""
        return self.affine * self.target_spread**2


def left(x: Numbers, r: Numbers) -> Left | None:
    """All of `Left`; None where the target is constant or fewer than three rows remain."""
    n = len(x)
    scale = float(np.max(np.abs(x), initial=0.0))
    if n < 3 or scale <= 0:
        return None
    xc = (x - x.mean()) / scale
    d = (x - r) / scale
    dc = d - d.mean()
    vx, vd = float(xc @ xc) / (n - 1), float(dc @ dc) / (n - 1)
    if not vx > 1e-28 or not math.isfinite(vd):
        return None
    share = vd / vx
    pull = (dc**2 - share * xc**2) / vx
    tau = correlation_time(pull)
    rc = (r - r.mean()) / scale
    vr = float(rc @ rc) / (n - 1)
    slope, affine, slope_error, corr = 0.0, 1.0, math.inf, 0.0
    if vr > 1e-28:
        slope = float(rc @ xc) / (n - 1) / vr
        e = xc - slope * rc
        affine = float(e @ e) / max(n - 2, 1) / vx
        scores = rc * e / vr
        slope_error = _error(scores)
        corr = float(rc @ xc) / (n - 1) / math.sqrt(vr * vx)
    squares = np.sort(dc**2)[::-1]
    total = float(squares.sum())
    return Left(
        share=share,
        error=math.sqrt(float(pull.var()) * tau / n),
        bias=float(d.mean()) * scale,
        bias_error=_error(dc) * scale,
        mean_square=float(d @ d) / n * scale**2 if scale < 1e100 else math.inf,
        slope=slope,
        slope_error=slope_error,
        offset=float(x.mean() - slope * r.mean()),
        affine=affine,
        correlation=corr,
        rows=n,
        effective=n / tau,
        top=float(squares[: max(1, n // 100)].sum()) / total if total > 0 else 0.0,
        spread=math.sqrt(vd) * scale,
        target_spread=math.sqrt(vx) * scale,
        variance_error=_error(dc**2) * scale**2,
        fit_error=_error((dc**2 - (xc - slope * rc) ** 2) / vx),
    )


def difference_error(x: Numbers, r: Numbers, other: Numbers) -> float:
    """Standard error of the difference of two shares on the same rows."""
    vx = float(np.var(x, ddof=1))
    a, b = x - r, x - other
    return _error(((a - a.mean()) ** 2 - (b - b.mean()) ** 2) / vx) if vx > 0 else math.inf


def correlation_time(values: Numbers) -> float:
    """1 + 2 sum of autocorrelations, in rows; at least 1, at most a quarter of the rows."""
    n = len(values)
    rho = autocorrelation(values, min(n // 2, 2_000))
    if rho is None:
        return 1.0
    tau = 1.0
    for lag in range(1, len(rho)):
        # Below its own noise the estimate only wanders.
        if rho[lag] < 2 / math.sqrt(n) or lag > WINDOW * tau:
            break
        tau += 2 * float(rho[lag])
    return min(max(tau, 1.0), max(n / 4, 1.0))


def autocorrelation(values: Numbers, most: int) -> Numbers | None:
    """Autocorrelation at lags 0..most; None for a constant."""
    n = len(values)
    scale = float(np.max(np.abs(values), initial=0.0))
    if n < 4 or scale <= 0:
        return None
    c = values / scale
    c = c - c.mean()
    if float(c @ c) < 1e-24 * n:
        return None
    size = 1 << (2 * n - 1).bit_length()
    power = np.abs(np.fft.rfft(c, size)) ** 2
    covariance = np.fft.irfft(power, size)[: most + 1]
    return np.asarray(covariance / covariance[0], dtype=np.float64)


def leave_one_out(x: Numbers, columns: list[Numbers]) -> float | None:
    """Share of Var[X] that a linear regression leaves on rows it has not seen (PRESS); None where it cannot be fitted."""
    n = len(x)
    made = np.column_stack([np.ones(n), *(_standard(c) for c in columns)])
    total = float(((x - x.mean()) ** 2).sum())
    if n < 2 * made.shape[1] + 2 or total <= 0:
        return None
    u, s, _ = np.linalg.svd(made, full_matrices=False)
    u = u[:, s > 1e-9 * s[0]]
    rest = x - u @ (u.T @ x)
    leverage = np.minimum((u**2).sum(axis=1), 1 - 1e-9)
    return float(((rest / (1 - leverage)) ** 2).sum()) / total * (n - 1) ** 2 / n**2


def coefficients(x: Numbers, columns: list[Numbers]) -> list[float]:
    """Least squares without standardisation: a coefficient a column, and the constant last."""
    made = np.column_stack([*columns, np.ones(len(x))])
    found = np.linalg.lstsq(made, x, rcond=None)[0]
    return [float(v) for v in found]


def group_means(x: Numbers, labels: tuple[str, ...]) -> tuple[float, int] | None:
    """(share left by the mean of the other members of a group, number of groups with two or more)."""
    members: dict[str, list[int]] = {}
    for i, label in enumerate(labels):
        members.setdefault(label, []).append(i)
    kept = [np.array(v) for v in members.values() if len(v) > 1]
    rows = sum(len(v) for v in kept)
    total = float(np.var(x, ddof=1))
    if len(kept) < 2 or rows < len(x) / 2 or total <= 0:
        return None
    squares = sum(float((((x[v] - x[v].mean()) * len(v) / (len(v) - 1)) ** 2).sum()) for v in kept)
    return squares / rows / total, len(kept)


@dataclass(frozen=True, slots=True)
class Ratio:
    """Whether ln X = ln R + noise explains positive columns better than X = a + b R + noise.

    `gain` is the difference of the log-likelihoods per row with its `error` (Vuong 1989), `share` Var[ln X - ln R] of
    Var[ln X], `scatter` the standard deviation of ln X - ln R.
    """

    gain: float
    error: float
    share: float
    scatter: float


def ratio(x: Numbers, r: Numbers, fitted: Numbers) -> Ratio | None:
    """Compare the two; None where a value is not positive. `fitted` is b R + a."""
    if len(x) < 10 or not ((x > 0).all() and (r > 0).all()):
        return None
    logs = left(np.log(x), np.log(r))
    rest, relative = x - fitted, np.log(x) - np.log(r)
    spread, scatter = float(rest.std()), float(relative.std())
    if logs is None or spread <= 0 or scatter <= 0:
        return None
    additive = -0.5 * ((rest - rest.mean()) / spread) ** 2 - math.log(spread)
    # The density of X is that of ln X over X.
    multiplied = -0.5 * ((relative - relative.mean()) / scatter) ** 2 - math.log(scatter) - np.log(x)
    gain = multiplied - additive
    return Ratio(float(gain.mean()), _error(gain), logs.share, scatter)


@dataclass(frozen=True, slots=True)
class Shift:
    """R(t + rows) fits X(t) better than R(t): `share` then, and by how many standard errors it is less."""

    rows: int
    share: float
    sureness: float


def shift(x: Numbers, r: Numbers, most: int = 5) -> Shift | None:
    """The shift of R that leaves least; None where that is none."""
    n = len(x)
    if n < 4 * most + 10 or float(x.var()) <= 0:
        return None
    inner = slice(most, n - most)
    centred = x[inner] - x[inner].mean()
    squares: dict[int, Numbers] = {}
    for k in range(-most, most + 1):
        d = centred - r[most + k : n - most + k]
        squares[k] = (d - d.mean()) ** 2 / float(x[inner].var())
    best = min(squares, key=lambda k: float(squares[k].mean()))
    if best == 0:
        return None
    gain = squares[0] - squares[best]
    return Shift(best, float(squares[best].mean()), float(gain.mean()) / max(_error(gain), 1e-300))


def _error(values: Numbers) -> float:
    """Standard error of a mean over rows that may follow each other."""
    return math.sqrt(float(values.var()) * correlation_time(values) / len(values))


def _standard(values: Numbers) -> Numbers:
    spread = float(values.std())
    return (values - values.mean()) / (spread if spread > 0 else 1.0)
