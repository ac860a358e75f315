"""A pasted table of a scientific data set: what its columns say of composition, groups, replicates and errors."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kaiming_mcp.diagnosis.science.subjects import sciences
from kaiming_mcp.measurements.columns import LARGEST_TEXT

Numbers = NDArray[np.float64]
FEWEST_ROWS, MOST_ROWS, MOST_COLUMNS, MOST_HEADERS = 6, 20_000, 200, 12
_ATOM = re.compile(r"([A-Z][a-z]?)(\d{0,4})")
_ENERGY = re.compile(r"energ|e_?tot|hartree|\bu0\b|^u$|^e$|^h$|target|^y$|ev\b", re.IGNORECASE)
_TRUE = re.compile(r"^(?:y|y_?true|true|truth|target|label|obs\w*|observed|measured|actual|reference)$", re.IGNORECASE)
_PREDICTED = re.compile(r"^(?:y_?pred|pred\w*|prediction|ours|model|estimate\w*|y_?hat|forecast)$", re.IGNORECASE)
_BASELINE = re.compile(
    r"base|persist|climatolog|linear|naive|reference_?model|ridge|logistic|nearest|physics", re.IGNORECASE
)
_REPLICATE = re.compile(
    r"^(?:rep(?:licate)?|run|meas(?:urement)?|reader|rater|repeat|trial)[ _-]?([1-9ab])$", re.IGNORECASE
)
_VALUE = re.compile(
    r"^(?:y|value|target|label|error|residual|abs_?error|score|loss|y_?true|measured|response)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Composition:
    """A linear regression on element counts: its R², and standard deviations of the target and of what is left."""

    explained: float
    deviation: float
    left: float
    rows: int
    elements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clustered:
    """Items of a column by group: intraclass correlation, sizes, and the number of independent items."""

    group: str
    column: str
    icc: float
    items: int
    groups: int
    effective: float


@dataclass(frozen=True, slots=True)
class Repeated:
    """Two measurements of each item: noise, and the ceiling of R² against one of them."""

    noise: float
    ceiling: float
    items: int


@dataclass(frozen=True, slots=True)
class Errors:
    """Predictions against truth, and against a baseline in the same table; errors of the means over groups."""

    rmse: float
    explained: float
    baseline: str
    baseline_rmse: float
    gain_error: float
    """(mean gain of squared error over the baseline) / (its standard error over groups or items)."""
    units: int
    by: str


@dataclass(frozen=True, slots=True)
class Table:
    """What was found in a table; None for what it does not hold."""

    rows: int
    columns: tuple[str, ...]
    composition: Composition | None
    clustered: Clustered | None
    repeated: Repeated | None
    errors: Errors | None


def read_table(text: str) -> Table | None:
    """The findings of the first table with a header and at least FEWEST_ROWS rows; None without one."""
    columns = _columns(text)
    if not columns:
        return None
    numeric = {n: v for n, column in columns.items() if (v := _numbers(column)) is not None}
    group = _group_column(columns, numeric)
    return Table(
        rows=len(next(iter(columns.values()))),
        columns=tuple(columns),
        composition=_composition(columns, numeric),
        clustered=_clustered(columns, numeric, group),
        repeated=_repeated(numeric),
        errors=_errors(columns, numeric, group),
    )


def counts_of(formula: str) -> dict[str, int]:
    """Atoms by element in a formula such as C7H10O2; empty where it is none."""
    pieces = _ATOM.findall(formula)
    if not pieces or "".join(e + n for e, n in pieces) != formula:
        return {}
    found: dict[str, int] = {}
    for element, n in pieces:
        found[element] = found.get(element, 0) + int(n or 1)
    return found


def _columns(text: str) -> dict[str, list[str]]:
    lines = [line for line in text[:LARGEST_TEXT].splitlines()[: MOST_ROWS + 200] if line.strip()]
    tried = 0
    for i, line in enumerate(lines[:-FEWEST_ROWS]):
        mark = next((m for m in ("\t", ";", ",") if m in line), "")
        width = line.count(mark) if mark else 0
        if not mark or width > MOST_COLUMNS or any(n.count(mark) != width for n in lines[i + 1 : i + 4]):
            continue
        first = [c.strip() for c in lines[i + 1].split(mark)]
        if any(map(_is_number, line.split(mark))) or not any(map(_is_number, first)):
            continue
        tried += 1
        if tried > MOST_HEADERS:
            return {}
        body = [n for n in lines[i + 1 : i + 1 + MOST_ROWS] if n.count(mark) == width]
        try:
            rows = list(csv.reader(io.StringIO("\n".join([line, *body])), delimiter=mark))
        except csv.Error:
            return {}
        head, rows = [h.strip() for h in rows[0]], [r for r in rows[1:] if len(r) == len(rows[0])]
        # Words in the header, and at least one column of numbers below it, tell a table from prose.
        if len(rows) >= FEWEST_ROWS and not any(_is_number(h) for h in head) and any(_is_number(c) for c in rows[0]):
            return {h: [r[j].strip() for r in rows] for j, h in enumerate(head) if h}
    return {}


def _composition(columns: dict[str, list[str]], numeric: dict[str, Numbers]) -> Composition | None:
    symbols = {e.id for e in sciences().elements}
    counts = {m: v for n, v in numeric.items() if (m := re.sub(r"^(?:n_?|num_?|count_?)(?=[A-Z])", "", n)) in symbols}
    if not counts:
        for column in columns.values():
            made = [counts_of(v) for v in column]
            if all(made) and len(made) >= FEWEST_ROWS:
                elements = sorted({e for each in made for e in each})
                counts = {e: np.array([float(each.get(e, 0)) for each in made]) for e in elements}
                break
    names = [n for n in numeric if _ENERGY.search(n) and n not in counts]
    if not counts or not names or len(numeric[names[0]]) < len(counts) + 3:
        return None
    y = numeric[names[0]]
    x = np.column_stack([*counts.values(), np.ones(len(y))])
    left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    total = float(((y - y.mean()) ** 2).sum())
    if total <= 0 or not math.isfinite(total):
        return None
    freedom = max(len(y) - np.linalg.matrix_rank(x), 1)
    spread = math.sqrt(float((left**2).sum()) / freedom)
    return Composition(1 - float((left**2).sum()) / total, float(y.std(ddof=1)), spread, len(y), tuple(counts))


def _group_column(columns: dict[str, list[str]], numeric: dict[str, Numbers]) -> str:
    groups = [c for c in sciences().counted if c.kind in {"replica", "context"}]
    for name, values in columns.items():
        plain = re.sub(r"(?:[_ -]?id|[_ -]?no)$", "", name.lower()).replace("_", " ")
        named = plain in {"group", "cluster", "batch", "fold"} or any(c.found(plain) for c in groups)
        kinds = len(set(values))
        if named and 1 < kinds < len(values) and (name not in numeric or kinds <= len(values) / 2):
            return name
    return ""


def _clustered(columns: dict[str, list[str]], numeric: dict[str, Numbers], group: str) -> Clustered | None:
    names = [n for n in numeric if n != group and _VALUE.match(n)] or [n for n in numeric if n != group]
    if not group or not names:
        return None
    column = names[-1] if not any(_VALUE.match(n) for n in names) else names[0]
    y, codes = numeric[column], np.unique(columns[group], return_inverse=True)[1]
    sizes = np.bincount(codes)
    n, k = len(y), len(sizes)
    means = np.bincount(codes, weights=y) / sizes
    between = float((sizes * (means - y.mean()) ** 2).sum()) / (k - 1)
    within = float(((y - means[codes]) ** 2).sum()) / max(n - k, 1)
    # The size that makes the one-way estimate unbiased for unequal groups.
    size = (n - float((sizes**2).sum()) / n) / (k - 1)
    if between + (size - 1) * within <= 0 or not math.isfinite(between + within):
        return None
    icc = max(0.0, (between - within) / (between + (size - 1) * within))
    effective = n / (1 + (float((sizes**2).sum()) / n - 1) * icc)
    return Clustered(group, column, icc, n, k, effective)


def _repeated(numeric: dict[str, Numbers]) -> Repeated | None:
    named = [n for n in numeric if _REPLICATE.match(n)]
    if len(named) < 2:
        return None
    first, second = numeric[named[0]], numeric[named[1]]
    noise = 0.5 * float(((first - second) ** 2).mean())
    total = float(first.var(ddof=1) + second.var(ddof=1)) / 2
    if total <= 0 or not math.isfinite(total):
        return None
    return Repeated(math.sqrt(noise), 1 - noise / total, len(first))


def _errors(columns: dict[str, list[str]], numeric: dict[str, Numbers], group: str) -> Errors | None:
    true = next((n for n in numeric if _TRUE.match(n)), "")
    predicted = next((n for n in numeric if _PREDICTED.match(n)), "")
    if not true or not predicted:
        return None
    y = numeric[true]
    squared = (y - numeric[predicted]) ** 2
    spread = float(y.var())
    if spread <= 0 or not math.isfinite(spread + float(squared.sum())):
        return None
    base = next((n for n in numeric if _BASELINE.search(n) and n not in (true, predicted)), "")
    against = (y - numeric[base]) ** 2 if base else (y - y.mean()) ** 2
    codes = np.unique(columns[group], return_inverse=True)[1] if group else np.arange(len(y))
    gains = np.bincount(codes, weights=against - squared) / np.bincount(codes)
    error = float(gains.std(ddof=1)) / math.sqrt(len(gains))
    return Errors(
        rmse=math.sqrt(float(squared.mean())),
        explained=1 - float(squared.mean()) / spread,
        baseline=base or "the mean of the column",
        baseline_rmse=math.sqrt(float(against.mean())),
        gain_error=float(gains.mean()) / error if error > 0 else 0.0,
        units=len(gains),
        by=group or "row",
    )


def _numbers(column: list[str]) -> Numbers | None:
    try:
        values = np.array([float(v) for v in column])
    except (ValueError, OverflowError):
        return None
    return values if bool(np.isfinite(values).all()) and float(np.abs(values).max()) < 1e100 else None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except (ValueError, OverflowError):
        return False
