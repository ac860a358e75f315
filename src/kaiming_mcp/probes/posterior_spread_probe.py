"""Probe `posterior_spread`: how much of x is still open once y is known, from pairs of condition y and target x.

    R = E Var[X|Y] / Var[X]     0: y fixes x (a point, regress)     1: y says nothing about x

Standalone: it needs numpy and nothing else.

    python posterior_spread_probe.py pairs.csv --target yield,purity --condition temp,pressure,catalyst
    python posterior_spread_probe.py train.npz --condition y --target x --held-out test.npz

CSV: a header and a row for each pair; text columns are categories, rows with gaps are left out. NPZ: one array for
each name, first axis the pair; `--condition` and `--target` are y and x unless you say otherwise (in CSV without
names the last column is the target). One JSON document goes to stdout; paste it into the tool as `data`.

Every column is divided by its standard deviation, so that R does not depend on units. Where conditions repeat exactly
(5 dose levels, several annotators) the variance inside each group is used: no neighbour, no bias. Otherwise: take off
the best linear fit, then average the variance of x among the k nearest neighbours in y. That is biased upwards,
because neighbours differ; r_k and r_2k are extrapolated to distance 0 (r). The interval runs from r less the same
correction once more and two standard errors, to r_k plus two standard errors. Where neighbours are far apart
(distance_k above 0.15) structure finer than their distance looks like noise, and the lower end is 0. Any function of
y may serve as the condition: its R bounds R from above. With y of many dimensions use the prediction of a regressor,
made on pairs that it was not trained on.

  r, error         the estimate (extrapolated) and its standard error, by bootstrap over groups or neighbourhoods
  low, high        95 % interval; r_k, r_2k: the raw estimates
  distance_k       variance of y inside a neighbourhood over its whole variance; dimension_y: what its growth shows
  columns          R of each column of x
  gap, gap_uniform widest gap inside groups of like y, times the points on its smaller side, over the range; what the
                   flattest law with one mode would have. several_modes: above it by 20 % and by 3 standard errors
  components       principal components for 95 % of the variance of x; `rows_limit` if there are too few rows to say
  dimension_x      intrinsic dimension of x from the two nearest neighbours of each row
  repeated_rows    identical pairs, left out when x is continuous: copies, unless rounding makes as many or you say
                   --repeats
  held_out         rows, identical rows, and the share nearer to a training row than `chance` (1 %) of rows would be
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = 1
NEIGHBOURS, MOST_PAIRS, MOST_COLUMNS, FEWEST_PAIRS = 10, 5000, 4096, 8
FAR = 0.15
FEW_VALUES = 10
CHANCE = 0.01
DRAWS = 400
LARGEST_GROUP, CLEARLY = 20, 1.2
TINY = 1e-12
MOST_SHOWN = 12
ROUNDING = 2.0  # identical pairs over those that rounding makes, up to which none is a copy
Array = NDArray[np.float64]


def estimate(
    y: Array,
    x: Array,
    categories: Sequence[Any] | None = None,
    names: Sequence[str] = (),
    discrete: bool = False,
    repeats: bool = False,
    k: int = NEIGHBOURS,
    seed: int = 0,
) -> dict[str, Any]:
    """The document for pairs: y is (n, dim_y), x is (n, dim_x); `categories` joins the text columns of the condition.

    `discrete` says that x is one-hot, so that R is the ratio of Gini impurities; `repeats` that identical pairs are
    independent repeats (a simulator run twice) and no copies.
    Raises ValueError when there are fewer than 8 pairs, or when x or the condition does not vary.
    """
    rng = np.random.default_rng(seed)
    labels = np.unique(list(categories) if categories is not None else np.zeros(len(x)), return_inverse=True)[1].ravel()
    y, x, labels, repeated = _distinct(y, x, labels, discrete or repeats)
    if len(x) > MOST_PAIRS:
        kept = rng.permutation(len(x))[:MOST_PAIRS]
        y, x, labels = y[kept], x[kept], labels[kept]
    y = _standard(_some_columns(y, rng))
    varies = np.ptp(x, axis=0) > 0
    names = [n for n, v in zip(names or [f"x{i + 1}" for i in range(x.shape[1])], varies, strict=True) if v]
    x = x[:, varies]
    if len(x) < FEWEST_PAIRS:
        raise ValueError(f"at least {FEWEST_PAIRS} different pairs are needed, got {len(x)}")
    if x.shape[1] == 0 or (y.shape[1] == 0 and len(np.unique(labels)) < 2):
        raise ValueError(f"{'the target' if x.shape[1] == 0 else 'the condition'} does not vary")
    few = discrete or max(len(np.unique(c)) for c in x.T[:64]) <= min(FEW_VALUES, len(x) / 3)
    whole, dim_x = x, x.shape[1]
    # With one-hot columns the trace weighs each class by its frequency; units are equal, so nothing is divided.
    x = x - x.mean(axis=0) if discrete else _standard(_some_columns(x, rng))
    groups = _ids(labels, y)
    free = len(x) - int(groups.max()) - 1
    equal = free >= max(FEWEST_PAIRS, len(x) / 5)
    # Groups of a category are all the groups there are; those of a number are a sample of its values.
    found = _within(x, groups, y.shape[1] > 0, rng) if equal else _neighbourhoods(y, x, labels, k, rng)
    columns = found.pop("columns")
    groups_of_x = found.pop("groups_of_x")
    apart = len(columns) > 1 and not discrete
    shown = {n: _short(c) for n, c in zip(names, columns, strict=False)} if apart and len(columns) <= MOST_SHOWN else {}
    return {
        "probe": "posterior_spread",
        "version": VERSION,
        "pairs": len(x),
        "dim_y": int(y.shape[1]),
        "dim_x": dim_x,
        **{name: _short(value) for name, value in found.items()},
        **({"columns": shown} if shown else {}),
        **({"column_low": _short(columns.min()), "column_high": _short(columns.max())} if apart else {}),
        **({} if few else _modes(groups_of_x, rng)),
        **({"discrete": True} if few else {}),
        **({} if discrete else _dimension(whole)),
        "repeated_rows": repeated,
    }


def _within(x: Array, groups: NDArray[np.int64], sampled: bool, rng: np.random.Generator) -> dict[str, Any]:
    """R by the variance inside groups of equal conditions: analysis of variance, no bias."""
    n = np.bincount(groups).astype(float)
    sums = np.stack([np.bincount(groups, c) for c in x.T], axis=1)
    mean = sums / n[:, None]
    inside = np.stack([np.bincount(groups, c) for c in ((x - mean[groups]) ** 2).T], axis=1)
    # Few sampled groups understate the variance between groups: E S2 = W + B (N - sum n^2 / N) / (N - 1).
    share = (n.sum() - (n**2).sum() / n.sum()) / (n.sum() - 1) if sampled else 1.0

    def ratio(weights: Array) -> Array:
        rows = weights @ n
        free = np.maximum(weights @ (n - 1), 1e-12)
        w = (weights @ inside) / free[:, None]
        centre = (weights @ sums) / rows[:, None]
        total = (weights @ (inside + n[:, None] * mean**2) - rows[:, None] * centre**2) / (rows - 1)[:, None]
        between = np.maximum(total - w, 0) / share
        return np.stack([w, w + between])

    w, total = ratio(np.ones((1, len(n))))
    drawn, totals = ratio(rng.multinomial(len(n), np.full(len(n), 1 / len(n)), size=DRAWS).astype(float))
    r = float(w.sum() / total.sum())
    free = float((n - 1).sum())
    # Where groups differ by chance alone, F = 1 ± sqrt(2/(g-1) + 2/free) and R moves by R^2/n0 of that: draws that are
    # cut off at R = 1 do not show it.
    chance = r**2 * len(n) / n.sum() * math.sqrt(2 / max(len(n) - 1, 1) + 2 / free)
    error = max(_half_width(drawn.sum(axis=1) / totals.sum(axis=1)), r * (1 - r) * math.sqrt(2 / free), chance)
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(n.astype(int))[:-1])
    # Student's t for few groups, to 2 %; no spread seen in `free` repeats still allows 3 / free (95 %).
    reach = error * (2 + 3 / max(len(n) - 1, 1))
    low, high = max(0.0, r - reach), min(1.0, max(r + reach, 3 / free if r == 0 else 0.0))
    return {
        "method": "repeats",
        "groups": len(n),
        "r": r,
        "error": min(error, 1.0),  # of a share: more says no less
        "low": low,
        "high": high,
        "columns": (w / np.maximum(total, 1e-300))[0],
        "groups_of_x": _projected(_blurred(x, rng), members),
    }


def _neighbourhoods(y: Array, x: Array, labels: NDArray[np.int64], k: int, rng: np.random.Generator) -> dict[str, Any]:
    """R by nearest neighbours in y among rows of one category, on what a linear fit leaves of x."""
    rest, explained = _without_line(y, x)
    sizes = np.bincount(labels)
    k = max(2, min(k, int(np.median(sizes[labels]) - 1) // 4))
    parts = [np.flatnonzero(labels == g) for g in np.flatnonzero(sizes > 2 * k)]
    rows = np.concatenate(parts)
    near = np.concatenate([part[_nearest(y[part], 2 * k)] for part in parts])
    everyone = np.column_stack([rows, near])
    v = [_spread(rest, everyone[:, : m + 1]) for m in (k, 2 * k)]
    d = [_spread(y, everyone[:, : m + 1]).mean(axis=1) for m in (k, 2 * k)]
    leaves = [leaf for part in parts for leaf in _leaves(y, part, k + 1)]
    boxes = [box for part in parts for box in _leaves(y, part, max(6, min(2 * k + 2, len(rows) // 4)))]
    place = np.empty(len(x), dtype=int)
    place[np.concatenate(leaves)] = np.repeat(np.arange(len(leaves)), [len(leaf) for leaf in leaves])
    squares = (x[rows] ** 2).mean(axis=1)
    total = float(squares.mean())
    local = (v[0].mean(axis=1) / total, v[1].mean(axis=1) / total, *d, np.ones(len(rows)))
    sums = np.stack([np.bincount(place[rows], c) for c in local], axis=1)

    def ratios(weights: Array) -> tuple[Array, Array, Array, Array]:
        v1, v2, d1, d2, n = (weights @ sums).T
        apart = np.maximum(d2 - d1, 1e-12 * np.maximum(d2, 1e-12))
        return v1 / n, v2 / n, np.clip((v1 * d2 - v2 * d1) / apart, 0, v1) / n, d1 / (d2 + 1e-300)

    r1, r2, r0, nearness = (float(value[0]) for value in ratios(np.ones((1, len(leaves)))))
    drawn = ratios(rng.multinomial(len(leaves), np.full(len(leaves), 1 / len(leaves)), size=DRAWS).astype(float))
    scale = float(squares.std(ddof=1)) / total / math.sqrt(len(rows))
    error, error_k = (math.hypot(_half_width(draws), r * scale) for draws, r in ((drawn[2], r0), (drawn[0], r1)))
    distance = float(d[0].mean())
    # The line through k and 2k stays above a concave course: the correction may fall short by as much again.
    low = 0.0 if distance > FAR else max(0.0, r0 - (r1 - r0) - 2 * error)
    return {
        "method": "neighbours",
        "k": k,
        "r": min(r0, 1.0),
        "error": min(error, 1.0),  # of a share: more says no less
        "low": min(low, 1.0),
        "high": min(1.0, r1 + 2 * error_k),
        "r_k": r1,
        "r_2k": r2,
        "distance_k": distance,
        "dimension_y": math.log(4) / max(math.log(1 / max(min(nearness, 0.999), 1e-9)), 1e-3),
        "linear_r2": explained,
        "columns": np.minimum(v[0].mean(axis=0) / (x[rows] ** 2).mean(axis=0), 1.0),
        "groups_of_x": _projected(_blurred(x, rng) - (x - rest)[:, :256], boxes),
    }


def _without_line(y: Array, x: Array) -> tuple[Array, float]:
    """What the best linear fit leaves of x, scaled to stay unbiased; the share that it explains."""
    n, p = len(x), y.shape[1] + 1
    if n < 5 * p:
        return x, 0.0
    design = np.column_stack([np.ones(n), y])
    rest = x - design @ np.linalg.lstsq(design, x, rcond=None)[0]
    rest *= math.sqrt((n - 1) / (n - p))
    explained = 1 - float((rest**2).sum() / (x**2).sum())
    return (rest, explained) if explained > 0 else (x, 0.0)


def _nearest(y: Array, count: int) -> NDArray[np.int64]:
    """(n, count) indices of the nearest other rows, the nearest first."""
    squared = (y**2).sum(axis=1)
    found = np.empty((len(y), count), dtype=int)
    for start in range(0, len(y), 500):
        stop = min(start + 500, len(y))
        far = squared[start:stop, None] + squared[None, :] - 2 * y[start:stop] @ y.T
        far[np.arange(stop - start), np.arange(start, stop)] = np.inf
        some = np.argpartition(far, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(far, some, axis=1), axis=1)
        found[start:stop] = np.take_along_axis(some, order, axis=1)
    return found


def _spread(values: Array, members: NDArray[np.int64]) -> Array:
    """Variance of each column inside each neighbourhood."""
    m = members.shape[1]
    mean = sum((values[members[:, j]] for j in range(m)), np.zeros((len(members), values.shape[1]))) / m
    return sum(((values[members[:, j]] - mean) ** 2 for j in range(m)), np.zeros_like(mean)) / (m - 1)


def _leaves(y: Array, rows: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    """Rows in boxes of at most `size`, halved at the median of the widest column."""
    boxes, done = [rows], []
    while boxes:
        box = boxes.pop()
        if len(box) <= size:
            done.append(box)
            continue
        order = box[np.argsort(y[box, int(np.argmax(np.ptp(y[box], axis=0)))], kind="stable")]
        boxes += [order[: len(box) // 2], order[len(box) // 2 :]]
    return done


def _projected(x: Array, groups: Sequence[NDArray[np.int64]]) -> list[Array]:
    """Groups of at least 5 on the direction in which x varies most inside them, large ones in parts."""
    groups = [part for g in groups if len(g) >= 5 for part in np.array_split(g, max(1, len(g) // LARGEST_GROUP))]
    if not groups:
        return []
    inside = np.concatenate([x[g] - x[g].mean(axis=0) for g in groups[:500]])[:2000, :256]
    axis = np.linalg.svd(inside, full_matrices=False)[2][0]
    return [x[g][:, :256] @ axis for g in groups]


def _modes(groups: list[Array], rng: np.random.Generator) -> dict[str, Any]:
    """Do groups split in two or more? The widest gap, weighed by its smaller side, against a uniform law's.

    Of the laws with one mode the uniform is the flattest; heavy tails and skewed ones have smaller balanced gaps.
    """
    groups = [g for g in groups if np.ptp(g) > 0]
    if len(groups) < 3:
        return {}
    seen = np.array([_balanced_gap(g[None, :])[0] for g in groups])
    sizes = [len(g) for g in groups]
    uniform = {m: float(_balanced_gap(rng.random((2000, m))).mean()) for m in sorted(set(sizes))}
    expected = float(np.mean([uniform[m] for m in sizes]))
    gap, error = float(seen.mean()), max(float(seen.std(ddof=1)), 0.3) / math.sqrt(len(seen))
    several = gap > max(expected + 3 * error, CLEARLY * expected)
    return {"gap": _short(gap), "gap_uniform": _short(expected), "gap_error": _short(error), "several_modes": several}


def _balanced_gap(values: Array) -> Array:
    """Largest of gap x points on its smaller side / range, for each row."""
    ordered = np.sort(values, axis=1)
    m = ordered.shape[1]
    left = np.arange(1, m)
    return (np.diff(ordered, axis=1) * np.minimum(left, m - left)).max(axis=1) / np.ptp(ordered, axis=1)


def _blurred(x: Array, rng: np.random.Generator) -> Array:
    """x with the rounding of its printing filled in, so that printed digits are no modes."""
    steps = [np.diff(np.unique(c)) for c in x[:, :256].T]
    width = np.array([s.min() if len(s) else 0.0 for s in steps])
    return x[:, :256] + width * rng.uniform(-0.5, 0.5, (len(x), len(width)))


def _dimension(x: Array) -> dict[str, Any]:
    """Components for 95 % of the variance, and the dimension that ratios of the two nearest distances show."""
    some = x[:2000]
    if x.shape[1] < 2:
        return {}
    some = _standard(some)
    power = np.linalg.svd(some[:, :MOST_COLUMNS], compute_uv=False) ** 2
    components = int(np.searchsorted(np.cumsum(power) / power.sum(), 0.95) + 1)
    near = _nearest(some, 2)
    first, second = (np.sqrt(((some - some[near[:, j]]) ** 2).sum(axis=1)) for j in (0, 1))
    seen = (first > 1e-9) & (second > first)
    found: dict[str, Any] = {"components": components}
    if components > len(some) / 5:
        found["rows_limit"] = True
    if seen.sum() >= FEWEST_PAIRS:
        found["dimension_x"] = _short(seen.sum() / np.log(second[seen] / first[seen]).sum())
    return found


def against(train: Array, held_out: Array) -> dict[str, Any]:
    """Held-out rows that stand in the training rows, or nearer to one than 1 % would by chance."""
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1.0)
    a, b = (train[:MOST_PAIRS] - mean) / scale, (held_out[:MOST_PAIRS] - mean) / scale
    known = {row.tobytes() for row in np.ascontiguousarray(train)}
    same = sum(row.tobytes() in known for row in np.ascontiguousarray(held_out))
    near = _nearest(a, 2)
    first, second = (np.sqrt(((a - a[near[:, j]]) ** 2).sum(axis=1)) for j in (0, 1))
    seen = (first > 1e-9) & (second > first)
    found: dict[str, Any] = {"rows": len(held_out), "identical": same}
    if seen.sum() < FEWEST_PAIRS:
        return found
    d = seen.sum() / np.log(second[seen] / first[seen]).sum()
    # In d dimensions the share of rows within t medians of their nearest neighbour is 1 - 2^-(t^d).
    bound = np.median(first[seen]) * math.log2(1 / (1 - CHANCE)) ** (1 / d)
    nearest = np.array([math.sqrt(max(((a - row) ** 2).sum(axis=1).min(), 0.0)) for row in b])
    return {**found, "near": _short((nearest < bound).mean()), "chance": CHANCE}


def _distinct(
    y: Array, x: Array, labels: NDArray[np.int64], all_kept: bool
) -> tuple[Array, Array, NDArray[np.int64], int]:
    """Identical pairs once, unless x has so few values that they are no copies."""
    first = np.unique(_ids(labels, y, x), return_index=True)[1]
    if all_kept or len(np.unique(_ids(x))) <= max(20, math.isqrt(len(x))):
        return y, x, labels, 0
    if len(x) - len(first) <= ROUNDING * _coincidences(_ids(labels, y), x):
        return y, x, labels, 0
    first.sort()
    return y[first], x[first], labels[first], len(x) - len(first)


def _coincidences(groups: NDArray[np.int64], x: Array) -> float:
    """Pairs of equal condition that rounding makes identical: n s / (s + g), s the printed step, g the median gap."""
    values = np.unique(x)
    if x.shape[1] != 1 or len(values) < 2:
        return 0.0
    # Digits behind the point; full floats have so many that no coincidence is expected.
    digits = next((d for d in range(13) if np.allclose(values * 10.0**d, np.rint(values * 10.0**d), 0, 1e-6)), 13)
    step = 10.0**-digits
    gaps = [np.diff(np.unique(x[groups == g])) for g in np.flatnonzero(np.bincount(groups) > 1)]
    seen = np.concatenate(gaps) if gaps else np.zeros(0)
    return len(x) * step / (step + float(np.median(seen))) if len(seen) else 0.0


def _ids(*parts: NDArray[Any]) -> NDArray[np.int64]:
    """The same number for rows that are equal, byte by byte, in every part."""
    seen: dict[bytes, int] = {}
    whole = [np.ascontiguousarray(part + 0) for part in parts]  # -0.0 + 0 is 0.0
    rows = (b"".join(part[i].tobytes() for part in whole) for i in range(len(whole[0])))
    return np.array([seen.setdefault(row, len(seen)) for row in rows])


def _some_columns(values: Array, rng: np.random.Generator) -> Array:
    if values.shape[1] <= MOST_COLUMNS:
        return values
    return values[:, np.sort(rng.permutation(values.shape[1])[:MOST_COLUMNS])]


def _standard(values: Array) -> Array:
    """Columns that vary, with mean 0 and variance 1."""
    kept = values[:, np.ptp(values, axis=0) > 0]
    return (kept - kept.mean(axis=0)) / kept.std(axis=0, ddof=1) if kept.shape[1] else kept


def _half_width(drawn: Array) -> float:
    """A standard error from bootstrap draws that a few wild ones do not move."""
    low, high = np.quantile(drawn, [0.1587, 0.8413])
    return float(high - low) / 2


def _short(value: Any) -> Any:
    if not isinstance(value, float | np.floating):
        return value
    return float(f"{float(value):.4g}") if abs(value) > TINY else 0.0


def load(path: Path, condition: Sequence[str], target: Sequence[str]) -> dict[str, Any]:
    """Arrays y and x, the categories, the names of x and whether x is one-hot, from a CSV or NPZ file.

    Raises ValueError with the names that the file has when one of those asked for is missing.
    """
    table = _npz(path) if path.suffix == ".npz" else _csv(path)
    names = list(table)
    target = list(target) or (["x"] if "x" in table else names[-1:])
    others = ["y"] if "y" in table and "y" not in target else [n for n in names if n not in target]
    condition = list(condition) or others
    missing = [n for n in (*condition, *target) if n not in table]
    if missing or not condition or not target:
        raise ValueError(f"{path}: no column {', '.join(missing) or 'left'}; it has {', '.join(names[:40])}")
    words = [n for n in target if table[n].dtype.kind not in "fiub"]
    if words and len(target) > 1:
        raise ValueError(f"{path}: --target: {words[0]} holds text; take it alone, or only columns of numbers")
    numbers = [table[n] for n in condition if table[n].dtype.kind in "fiub"]
    texts = [table[n].astype(str) for n in condition if table[n].dtype.kind not in "fiub"]
    n = len(table[target[0]])
    y = np.column_stack([_flat(a) for a in numbers]) if numbers else np.zeros((n, 0))
    if words:
        levels, index = np.unique(table[words[0]].astype(str), return_inverse=True)
        x, heads = np.eye(len(levels))[index.ravel()], list(levels)
    else:
        parts = [_flat(table[name]) for name in target]
        x = np.column_stack(parts)
        wide = zip(target, parts, strict=True)
        heads = [f"{t}{i}" if p.shape[1] > 1 else t for t, p in wide for i in range(p.shape[1])]
    known = ["\x1f".join(row) for row in zip(*texts, strict=True)] if texts else None
    return {"y": y, "x": x, "categories": known, "names": heads, "discrete": bool(words)}


def _flat(values: NDArray[Any]) -> Array:
    return values.reshape(len(values), -1).astype(float)


def _npz(path: Path) -> dict[str, NDArray[Any]]:
    with np.load(path, allow_pickle=False) as file:
        table = {name: file[name] for name in file.files}
    sizes = {len(a) for a in table.values() if a.ndim}
    if len(sizes) > 1:
        raise ValueError(f"{path}: the first axes differ: {sorted(sizes)}; every array needs one entry for each pair")
    numeric = [_flat(a) for a in table.values() if a.dtype.kind in "fiub"]
    whole = np.all([np.isfinite(a).all(axis=1) for a in numeric], axis=0) if numeric else slice(None)
    return {name: a[whole] for name, a in table.items()}


def _csv(path: Path) -> dict[str, NDArray[Any]]:
    text = path.read_text(encoding="utf-8-sig")
    head = text.split("\n", 1)[0]
    mark = max(",;\t", key=head.count)
    rows = [row for row in csv.reader(text.splitlines(), delimiter=mark) if row]
    names = [n.strip() for n in rows[0]]
    body = [row for row in rows[1:] if len(row) == len(names) and all(cell.strip() for cell in row)]
    columns: dict[str, NDArray[Any]] = {}
    good = np.ones(len(body), dtype=bool)
    for i, name in enumerate(names):
        cells = [row[i].strip() for row in body]
        numbers = np.array([_number(c) for c in cells])
        if cells and np.isfinite(numbers).mean() > 0.5:
            good &= np.isfinite(numbers)
            columns[name] = numbers
        else:
            columns[name] = np.array(cells)
    return {name: column[good] for name, column in columns.items()}


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def main() -> int:
    """Read the files that the command line names and print the document."""
    options = argparse.ArgumentParser(description="Posterior spread R = E Var[X|Y] / Var[X] from pairs (y, x)")
    options.add_argument("pairs", type=Path, help="CSV with a header, or NPZ")
    options.add_argument("--condition", default="", help="names of y, separated by commas")
    options.add_argument("--target", default="", help="names of x, separated by commas")
    options.add_argument("--held-out", type=Path, help="a second file of the same form: looks for copies")
    options.add_argument("--repeats", action="store_true", help="identical pairs are repeats, no copies")
    options.add_argument("--k", type=int, default=NEIGHBOURS, help="neighbours (2k are used too)")
    options.add_argument("--seed", type=int, default=0)
    args = options.parse_args()
    condition, target = ([n.strip() for n in names.split(",") if n.strip()] for names in (args.condition, args.target))
    try:
        if args.k < 2:
            raise ValueError(f"--k must be 2 or more, got {args.k}")
        train = load(args.pairs, condition, target)
        document = estimate(**train, repeats=args.repeats, k=args.k, seed=args.seed)
        if args.held_out:
            test = load(args.held_out, condition, target)
            rows = [np.column_stack([part["y"], part["x"]]) for part in (train, test)]
            if rows[0].shape[1] != rows[1].shape[1]:
                raise ValueError(f"--held-out has {rows[1].shape[1]} columns, the pairs {rows[0].shape[1]}")
            document["held_out"] = against(*rows)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"posterior_spread_probe: {error}\n")
        return 2
    sys.stdout.write(json.dumps(document) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
