"""Everything that pasted columns say about their references: shares, fits, baselines of their own, noise, order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kaiming_mcp.diagnosis.residual.columns import stats
from kaiming_mcp.diagnosis.residual.columns.roles import Roles
from kaiming_mcp.diagnosis.residual.columns.stats import Left, Ratio
from kaiming_mcp.diagnosis.residual.columns.table import FEWEST_ROWS, Numbers, Table

SURE_SHIFT = 4.0
"""Standard errors by which a shift of the reference must lower the share left; ten shifts are tried."""
MOST_REFERENCES, MOST_FEATURES, MOST_LAGS = 6, 12, 400
FEWEST_FOR_MEMORY = 20
"""Rows from which an autocorrelation is measured."""
SEASONS = {"hour": 24, "day": 7, "month": 12, "quarter": 4, "week": 52}
"""Rows of a cycle by the time between rows."""


class NotMeasuredError(ValueError):
    """The columns hold nothing to measure; the message says why and what to send."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the words say about the columns: all words in lower case with the names of the columns, whether the rows are a
    series, how many rows ahead is predicted, the rows of a cycle, the stated deviation of the noise, and whether the target
    is a count, whose noise is at least that of Poisson."""

    words: str
    series: bool
    lag: int = 1
    season: int | None = None
    noise: float | None = None
    counts: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """A reference with what it leaves; `own` marks one made from the target's own column."""

    name: str
    left: Left
    own: bool = False


@dataclass(frozen=True, slots=True)
class Baseline:
    """A reference that the columns allow without being one of them, with the share it leaves."""

    name: str
    share: float
    note: str = ""
    error: float = 0.0


@dataclass(slots=True)
class Measured:
    """The measurement. Shares are of Var[X] on the rows used."""

    roles: Roles
    words: str
    rows: int
    dropped: int
    cut: int
    fills: int
    mean: float
    references: list[Scored] = field(default_factory=list[Scored])
    baselines: list[Baseline] = field(default_factory=list[Baseline])
    together: float | None = None
    """Left by a regression on all references, on rows it has not seen."""
    weights: dict[str, float] = field(default_factory=dict[str, float])
    """The coefficients of that regression; its constant under ''."""
    learnable: float | None = None
    """Share of Var[X-R] that a linear regression on the features explains, on rows it has not seen."""
    atoms: dict[str, float] = field(default_factory=dict[str, float])
    floor: tuple[float, float] | None = None
    """Share of Var[X-R] that is noise, with its error."""
    noise_told: str = ""
    ratio: Ratio | None = None
    ahead: tuple[int, float] | None = None
    """Rows by which the reference is ahead of the target, with the share it leaves when moved back."""
    rho: dict[int, float] = field(default_factory=dict[int, float])
    half_lag: int | None = None
    """The first lag at which the autocorrelation is below 1/2: from there persistence leaves more than the mean."""
    tie: tuple[str, str] | None = None

    @property
    def best(self) -> Scored | None:
        """The reference that leaves least."""
        return next(iter(self.references), None)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The columns on the rows that count, in order of time."""

    table: Table
    roles: Roles
    order: NDArray[np.intp]

    def columns(self, names: tuple[str, ...]) -> dict[str, Numbers]:
        """Those of them that are complete and vary."""
        found = {n: self.table.numbers[n][self.order] for n in names}
        return {n: c for n, c in found.items() if np.isfinite(c).all() and float(np.ptp(c)) > 0}


def measure(table: Table, roles: Roles, said: Said) -> Measured:
    """Measure all that the columns allow.

    Raises:
        NotMeasuredError: too few complete rows, or a target without variance.
    """
    names = tuple(n for n in roles.references if n in table.numbers)[:MOST_REFERENCES]
    rows = _Rows(table, roles, _order(table, roles, names))
    x, target = table.numbers[roles.target][rows.order], roles.target
    if len(x) < FEWEST_ROWS:
        others = ", ".join(names) or "the rest"
        raise NotMeasuredError(
            f"{len(x)} rows hold a number in {target!r} and {others}; at least {FEWEST_ROWS} are needed"
        )
    if float(np.ptp(x)) <= 1e-12 * max(1.0, float(np.abs(x).max())):
        raise NotMeasuredError(
            f"the target column {target!r} is constant ({x[0]:g}), so no share of its variance exists"
        )
    found = Measured(roles, said.words, len(x), int(table.rows - len(x)), table.cut, table.fills, float(x.mean()))
    columns = {n: c for n in names if np.isfinite(c := table.numbers[n][rows.order]).all()}
    scored = [Scored(n, a) for n, c in columns.items() if (a := stats.left(x, c)) is not None]
    found.references = sorted(scored, key=lambda s: s.left.share)
    found.baselines = sorted((*_persistence(found, x, said), *_described(found, x, rows)), key=lambda b: b.share)
    best = found.best
    if best is not None:
        _floor(found, best, x, columns.get(best.name), rows, said)
    if best is not None and not best.own:
        _of_best(found, best, x, columns, rows, said)
    return found


def _order(table: Table, roles: Roles, names: tuple[str, ...]) -> NDArray[np.intp]:
    """Complete rows, in order of time where a column of numbers tells it."""
    good = np.isfinite(table.numbers[roles.target])
    for name in names:
        there = good & np.isfinite(table.numbers[name])
        good = there if there.sum() >= FEWEST_ROWS else good
    kept, time = np.flatnonzero(good), table.numbers.get(roles.time)
    if time is None or not np.isfinite(time[kept]).all():
        return kept
    return kept[np.argsort(time[kept], kind="stable")]


def _persistence(found: Measured, x: Numbers, said: Said) -> Iterator[Baseline]:
    """The last value and the last cycle of a series; alone, the last value becomes the reference."""
    roles, n, alone = found.roles, len(x), not found.references
    rho = stats.autocorrelation(x, min(n // 2, MOST_LAGS))
    described = roles.groups or roles.counts or roles.features
    if rho is None or n < FEWEST_FOR_MEMORY or not (said.series or (alone and not described)):
        return
    lags = [k for k in dict.fromkeys((1, said.lag)) if k < min(len(rho), n - FEWEST_ROWS)]
    found.rho = {k: float(np.corrcoef(x[k:], x[:-k])[0, 1]) for k in lags}
    found.half_lag = next((k for k in range(1, len(rho)) if rho[k] < 0.5), None)
    lag = said.lag if said.lag in found.rho else 1
    kept, name = stats.left(x[lag:], x[:-lag]), f"{roles.target}(t-{lag})"
    if kept is not None and alone:
        found.references.append(Scored(name, kept, own=True))
    elif kept is not None:
        known = [s.left.share for s in found.references if s.left.correlation > 0.5]
        if not any(abs(kept.share - share) < 0.02 * share for share in known):
            note = f"damped by {kept.slope:.2g}: {kept.affine:.3g}"
            yield Baseline(f"persistence {name}", kept.share, note, kept.error)
    season = said.season
    if season and n > 2 * season + FEWEST_ROWS and season != lag:
        cycle = stats.left(x[season:], x[:-season])
        if cycle is not None:
            yield Baseline(f"the value {season} rows earlier", cycle.share, "", cycle.error)


def _described(found: Measured, x: Numbers, rows: _Rows) -> Iterator[Baseline]:
    """Means of groups, regressions on atom counts and on features."""
    roles = found.roles
    for name, labels in roles.groups.items():
        grouped = stats.group_means(x, tuple(labels[int(i)] for i in rows.order.tolist()))
        if grouped is not None:
            note = f"{grouped[1]} groups; none for a new {name}"
            yield Baseline(f"mean of the other rows of the same {name}", grouped[0], note)
    counted = [c[rows.order] for c in roles.counts.values()]
    complete = bool(counted) and all(np.isfinite(c).all() for c in counted)
    share = stats.leave_one_out(x, counted) if complete else None
    if share is not None:
        values = stats.coefficients(x, counted)
        found.atoms = dict(zip(roles.counts, values, strict=False))
        yield Baseline("composition (regression on the atom counts)", share, "left out one by one")
    features = rows.columns(roles.features[:MOST_FEATURES])
    share = stats.leave_one_out(x, [*features.values()]) if features else None
    if share is not None:
        more = f" and {len(features) - 3} more" if len(features) > 3 else ""
        yield Baseline(f"linear regression on {', '.join([*features][:3])}{more}", share, "left out one by one")


def _floor(found: Measured, best: Scored, x: Numbers, expected: Numbers | None, rows: _Rows, said: Said) -> None:
    """The noise in the residual: a column of it, a stated one, or that of Poisson for counts."""
    left, variance = best.left, math.nan
    if found.roles.noise:
        sigma = rows.table.numbers[found.roles.noise][rows.order]
        there = sigma[np.isfinite(sigma)]
        variance = float((there**2).mean()) if len(there) else math.nan
        found.noise_told = f"mean square of column {found.roles.noise}"
    elif said.noise:
        variance, found.noise_told = said.noise**2, f"sigma {said.noise:g}, stated"
    if math.isfinite(variance) and left.spread > 0:
        floor = variance / left.spread**2
        found.floor = (floor, floor * left.variance_error / left.spread**2)
    elif said.counts and expected is not None and (expected > 0).all() and _whole(x):
        # Pearson's dispersion: 1 where the counts scatter as Poisson does.
        terms = (x - expected) ** 2 / expected
        dispersion, error = float(terms.mean()), float(terms.std()) / math.sqrt(len(terms))
        if dispersion > 0:
            found.floor = (1 / dispersion, error / dispersion**2)
            found.noise_told = f"Poisson: Pearson dispersion {dispersion:.3g} ± {error:.2g}"


def _of_best(found: Measured, best: Scored, x: Numbers, columns: dict[str, Numbers], rows: _Rows, said: Said) -> None:
    """Ratio, features, order and the other references, beside the best one."""
    r, left = columns[best.name], best.left
    found.ratio = stats.ratio(x, r, left.slope * r + left.offset)
    features = rows.columns(found.roles.features[:MOST_FEATURES])
    unseen = stats.leave_one_out(x - r, [*features.values()]) if features else None
    found.learnable = None if unseen is None else 1 - unseen
    moved = stats.shift(x, r) if said.series or found.roles.time else None
    if moved is not None and moved.rows < 0 and moved.sureness > SURE_SHIFT and moved.share < 0.5 * left.share:
        found.ahead = (-moved.rows, moved.share)
    if len(found.references) > 1:
        names = [s.name for s in found.references]
        every = [columns[n] for n in names]
        found.together = stats.leave_one_out(x, every)
        found.weights = dict(zip([*names, ""], stats.coefficients(x, every), strict=True))
        gap = found.references[1].left.share - left.share
        if gap < 2 * stats.difference_error(x, r, every[1]):
            found.tie = (names[0], names[1])


def _whole(x: Numbers) -> bool:
    return bool((x >= 0).all() and (x == np.round(x)).all() and len(np.unique(x)) > 3)
