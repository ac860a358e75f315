"""Probe `leakage`: can the inputs tell the site (instrument, batch, patient, date), and what is that worth to a split?

Standalone: it needs numpy and nothing else. Three ways to run it.

    from leakage_probe import measure, printed          # x: samples x anything; group, label, unit: one per sample
    print(printed(measure(x, group=hospital, label=y, unit=patient)))

    python leakage_probe.py --table data.csv --group hospital --label disease --unit patient
    python leakage_probe.py --inputs x.npy --group site.npy --label y.npy

One JSON document goes to stdout; paste it into a tool as `measurements`. What is measured:

  group_classifier   a ridge-logistic classifier of the group, on up to 50 principal components and their squares,
                     scored on samples (with `unit`: on units) that it has not seen: accuracy and macro AUC, their
                     chance level, standard error, and the AUC after the groups are shuffled once (should be 0.5)
  label_by_group     share of the variance of the label that the group explains (omega squared)
  scores             with a label: the same model scored by random folds and by folds of whole groups, over `seeds`
                     divisions: AUC (two classes), accuracy (more) or R2 (numbers), gap = random - grouped

Units are what repeats inside a group (patients in hospitals): without them images of one patient stand on both sides.
A linear model on components sees simple signatures only: an AUC near 0.5 does not prove that there is none.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

VERSION = 1
FOLDS = 5
MOST_COMPONENTS = 50
MOST_SAMPLES = 20_000
WIDEST = 2_000
PENALTY = 1.0
NUMBERS_ABOVE = 10


def measure(
    x: Any, group: Any, label: Any = None, unit: Any = None, seeds: int = 5, seed: int = 0, name: str = "group"
) -> dict[str, Any]:
    """The measurement as a dict that `json` can write; see the top of the file for what is in it.

    Raises ValueError when lengths differ, when there are fewer than 2 groups or 20 samples, or for nan.
    """
    inputs = np.asarray(x, dtype=float).reshape(len(x), -1)
    groups = _codes(group)
    if any(len(column) != len(inputs) for column in (groups, label, unit) if column is not None):
        raise ValueError("inputs, group, label and unit must have one entry per sample")
    if not np.isfinite(inputs).all():
        raise ValueError("inputs hold nan or inf: impute or drop them first, the same way for every group")
    if groups.max() < 1 or len(groups) < 20:
        raise ValueError(f"at least 2 groups and 20 samples are needed, got {groups.max() + 1} and {len(groups)}")
    rng = np.random.default_rng(seed)
    kept = rng.permutation(len(groups))[:MOST_SAMPLES]
    inputs, groups = _narrow(inputs[kept], rng), groups[kept]
    units = np.arange(len(kept)) if unit is None else _codes(np.asarray(unit)[kept])
    found = {
        "probe": "leakage",
        "version": VERSION,
        "group": name,
        "samples": len(groups),
        "features": int(np.prod(np.shape(x)[1:])),
        "groups": int(groups.max() + 1),
        "units": int(units.max() + 1),
        "group_classifier": _classifier(inputs, groups, units, rng),
    }
    if label is not None:
        labels = np.asarray(label)[kept]
        found["label_by_group"] = _explained(labels, groups)
        found["scores"] = _scores(inputs, labels, groups, seeds, rng)
    return found


def printed(found: dict[str, Any]) -> str:
    """The document as one line of JSON."""
    return json.dumps(found, allow_nan=False)


def _classifier(x: Any, groups: Any, units: Any, rng: Any) -> dict[str, Any]:
    folds = _unit_folds(groups, units, rng)
    scores = _out_of_fold(x, groups, folds)
    shuffled = _shuffled(groups, units, rng)
    null = _out_of_fold(x, shuffled, _unit_folds(shuffled, units, rng))
    shares = np.bincount(groups) / len(groups)
    accuracy = float((scores.argmax(axis=1) == groups).mean())
    n = int(units.max() + 1)
    return {
        "auc": _round(_macro_auc(scores, groups)),
        "auc_error": _round(_auc_error(groups, n)),
        "shuffled_auc": _round(_macro_auc(null, shuffled)),
        "accuracy": _round(accuracy),
        "accuracy_error": _round(math.sqrt(max(accuracy * (1 - accuracy), 0.25 / n) / n)),
        "chance": _round(float(shares.max())),
        "folds": int(folds.max() + 1),
    }


def _scores(x: Any, labels: Any, groups: Any, seeds: int, rng: Any) -> dict[str, Any]:
    kinds = np.unique(labels)
    number = labels.dtype.kind in "fiu" and (len(kinds) > NUMBERS_ABOVE or not np.all(kinds == np.round(kinds)))
    y = labels.astype(float) if number else _codes(labels)
    metric = "r2" if number else ("auc" if len(kinds) == 2 else "accuracy")
    count = min(FOLDS, int(groups.max() + 1))
    runs = {"random": [], "grouped": []}
    for _ in range(seeds):
        random = rng.permutation(np.arange(len(y)) % count)
        whole = rng.permutation(np.arange(groups.max() + 1) % count)[groups]
        for way, folds in (("random", random), ("grouped", whole)):
            runs[way].append(_score(x, y, folds, metric))
    mean = {way: float(np.mean(values)) for way, values in runs.items()}
    spread = {way: float(np.std(values, ddof=1)) if seeds > 1 else 0.0 for way, values in runs.items()}
    return {
        "metric": metric,
        "random": _round(mean["random"]),
        "grouped": _round(mean["grouped"]),
        "gap": _round(mean["random"] - mean["grouped"]),
        "gap_error": _round(math.hypot(spread["random"], spread["grouped"])),
        "seeds": seeds,
        "folds": count,
    }


def _score(x: Any, y: Any, folds: Any, metric: str) -> float:
    if metric == "r2":
        predicted = _out_of_fold(x, y, folds, regress=True)[:, 0]
        return float(1 - ((y - predicted) ** 2).mean() / max(float(y.var()), 1e-300))
    scores = _out_of_fold(x, y, folds)
    if metric == "accuracy":
        return float((scores.argmax(axis=1) == y).mean())
    # Inside each fold: the intercepts of two folds differ with their label rates, which would rank fold above fold.
    inside = [folds == k for k in range(int(folds.max() + 1)) if len(np.unique(y[folds == k])) > 1]
    values = [(_macro_auc(scores[part], y[part]), int(part.sum())) for part in inside]
    return sum(v * n for v, n in values) / sum(n for _, n in values) if values else 0.5


def _out_of_fold(x: Any, y: Any, folds: Any, regress: bool = False) -> Any:
    """Predictions for each sample by a model that has not seen its fold."""
    out = np.zeros((len(y), 1 if regress else int(y.max() + 1)))
    for fold in range(int(folds.max() + 1)):
        train, test = folds != fold, folds == fold
        if not test.any() or not train.any():
            continue
        inside, outside = _components(x[train], x[test])
        if regress:
            middle = y[train].mean()
            out[test, 0] = middle + outside @ _ridge(inside, y[train] - middle)
        else:
            for k in range(out.shape[1]):
                out[test, k] = outside @ _logistic(inside, (y[train] == k).astype(float))
    return out


def _components(train: Any, test: Any) -> tuple[Any, Any]:
    """Principal components fitted on the training part, their squares, and a constant; all of unit variance."""
    middle, spread = train.mean(axis=0), train.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    a, b = (train - middle) / spread, (test - middle) / spread
    some = a[:: max(1, len(a) // 2000)]
    _, _, axes = np.linalg.svd(some, full_matrices=False)
    kept = max(1, min(MOST_COMPONENTS, len(axes), len(train) // 10))
    a, b = a @ axes[:kept].T, b @ axes[:kept].T
    scale = np.where(a.std(axis=0) > 1e-9, a.std(axis=0), np.inf)
    a, b = a / scale, b / scale
    squares = (a**2).mean(axis=0)
    a, b = np.hstack([a, a**2 - squares]), np.hstack([b, np.minimum(b**2, 25.0) - squares])
    return np.hstack([a, np.ones((len(a), 1))]), np.hstack([b, np.ones((len(b), 1))])


def _ridge(x: Any, y: Any) -> Any:
    return np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1]), x.T @ y)


def _logistic(x: Any, y: Any) -> Any:
    """Ridge-logistic regression by Newton's method; the step is halved where the loss would rise."""
    w = np.zeros(x.shape[1])
    loss = _logistic_loss(x, y, w)
    for _ in range(25):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (p - y) + PENALTY * w
        step = np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + PENALTY * np.eye(len(w)), gradient)
        size = 1.0
        while size > 1e-3 and _logistic_loss(x, y, w - size * step) > loss:
            size /= 2
        w = w - size * step
        before, loss = loss, _logistic_loss(x, y, w)
        if before - loss < 1e-7 * (1 + abs(loss)):
            break
    return w


def _logistic_loss(x: Any, y: Any, w: Any) -> float:
    z = x @ w
    return float((np.logaddexp(0, z) - y * z).sum() + 0.5 * PENALTY * (w @ w))


def _unit_folds(groups: Any, units: Any, rng: Any) -> Any:
    """Folds of whole units, with each group spread evenly over them."""
    fold_of = np.zeros(int(units.max() + 1), dtype=int)
    first = np.zeros(len(fold_of), dtype=int)
    first[units[::-1]] = groups[::-1]
    at = 0
    for k in range(int(groups.max() + 1)):
        members = rng.permutation(np.flatnonzero(first == k))
        # Each group goes on where the one before ended, so that small groups do not crowd the first folds.
        fold_of[members] = (at + np.arange(len(members))) % FOLDS
        at += len(members)
    return fold_of[units]


def _shuffled(groups: Any, units: Any, rng: Any) -> Any:
    """Groups dealt to units at random, so that what repeats inside a unit keeps one group."""
    first = np.zeros(int(units.max() + 1), dtype=int)
    first[units[::-1]] = groups[::-1]
    return rng.permutation(first)[units]


def _macro_auc(scores: Any, groups: Any) -> float:
    """Mean over the classes of the AUC of one against the rest."""
    values = []
    for k in range(scores.shape[1]):
        inside = groups == k
        if inside.any() and not inside.all():
            ranks = _ranks(scores[:, k])
            n = int(inside.sum())
            values.append((ranks[inside].sum() - n * (n + 1) / 2) / (n * (len(groups) - n)))
    return float(np.mean(values)) if values else 0.5


def _ranks(values: Any) -> Any:
    """Ranks from 1; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


def _auc_error(groups: Any, n: int) -> float:
    """Standard error of the macro AUC at 0.5 (no signature), for n independent units."""
    shares = np.bincount(groups) / len(groups)
    each = [(n + 1) / (12 * (n * p) * (n * (1 - p))) for p in shares if 0 < p < 1]
    return math.sqrt(sum(each) / max(len(each), 1) / max(len(each) - 1, 1))


def _explained(labels: Any, groups: Any) -> float | None:
    """Omega squared of the label by group; of the most frequent class where labels are words."""
    y = labels.astype(float) if labels.dtype.kind in "fiub" else (labels == _most(labels)).astype(float)
    n, k = len(y), int(groups.max() + 1)
    total = float(((y - y.mean()) ** 2).sum())
    if total <= 0 or n <= k:
        return None
    means = np.bincount(groups, weights=y) / np.maximum(np.bincount(groups), 1)
    within = float(((y - means[groups]) ** 2).sum())
    mean_square = within / (n - k)
    return _round(max(0.0, (total - within - (k - 1) * mean_square) / (total + mean_square)))


def _most(labels: Any) -> Any:
    values, counts = np.unique(labels, return_counts=True)
    return values[counts.argmax()]


def _narrow(x: Any, rng: Any) -> Any:
    """A random projection of very wide inputs: it keeps distances, and the components after it."""
    if x.shape[1] <= WIDEST:
        return x
    return x @ (rng.standard_normal((x.shape[1], WIDEST // 4)) / math.sqrt(WIDEST // 4))


def _codes(values: Any) -> Any:
    return np.unique(np.asarray(values).astype(str), return_inverse=True)[1].ravel()


def _round(value: float) -> float:
    return round(float(value), 5)


def _column(path: str) -> Any:
    return (
        np.load(path, allow_pickle=False) if path.endswith(".npy") else np.array(Path(path).read_text("utf-8").split())
    )


def _table(path: str, names: dict[str, str | None]) -> tuple[Any, dict[str, Any]]:
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        sys.exit(f"{path}: no rows below the header")
    missing = [n for n in names.values() if n and n not in rows[0]]
    if missing:
        sys.exit(f"{path}: no column {missing[0]!r}; there are: {', '.join(rows[0])}")
    inputs = [c for c in rows[0] if c not in names.values() and _numeric(rows, c)]
    if not inputs:
        sys.exit(f"{path}: no numeric column is left for the inputs")
    x = np.array([[float(r[c]) for c in inputs] for r in rows])
    return x, {role: _typed([r[n] for r in rows]) if n else None for role, n in names.items()}


def _typed(values: list[str]) -> Any:
    try:
        return np.array([float(v) for v in values])
    except ValueError:
        return np.array(values)


def _numeric(rows: list[dict[str, str]], column: str) -> bool:
    try:
        return all(math.isfinite(float(r[column])) for r in rows)
    except (TypeError, ValueError):
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table", help="CSV with a header; numeric columns that are not named are the inputs")
    parser.add_argument("--inputs", help=".npy, samples first")
    parser.add_argument("--group", required=True, help="column of the table, or .npy or text file")
    parser.add_argument("--label", help="likewise; gives the scores of random and of grouped folds")
    parser.add_argument("--unit", help="likewise: what repeats inside a group, such as the patient")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    if bool(given.table) == bool(given.inputs):
        parser.error("give --table or --inputs")
    names = {"group": given.group, "label": given.label, "unit": given.unit}
    if given.table:
        x, columns = _table(given.table, names)
    else:
        x = np.load(given.inputs, allow_pickle=False)
        columns = {role: _column(path) if path else None for role, path in names.items()}
    try:
        found = measure(x, **columns, seeds=given.seeds, name=Path(given.group).stem)
    except ValueError as error:
        sys.exit(str(error))
    sys.stdout.write(printed(found) + "\n")


if __name__ == "__main__":
    main()
