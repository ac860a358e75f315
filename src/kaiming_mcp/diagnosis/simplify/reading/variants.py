"""Variants of a method with their scores, from tables: rows, marks, columns of runs, one row per run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from kaiming_mcp.diagnosis.simplify.lists import Lists, Metric
from kaiming_mcp.diagnosis.simplify.reading.grid import Grid, truth
from kaiming_mcp.diagnosis.simplify.reading.labels import Change, change_of
from kaiming_mcp.diagnosis.simplify.reading.scores import COLLAPSED, Score, best_of, of_values, read_cell, seeds_in
from kaiming_mcp.diagnosis.simplify.reading.text import NUMBER, number_of

_COST = re.compile(
    r"param|flop|mac|time|hour|latency|memory|mem\b|fps|gpu|speed|\bms\b|throughput|runtime|epoch|cost|size",
    re.IGNORECASE,
)
_SEED = re.compile(r"^(?:random[ _]?)?(?:seed|run|trial|rep|repeat|fold)[ _#]?(?:id|no\.?)?$", re.IGNORECASE)
_RUN = re.compile(r"^(?:(?:[A-Za-z][\w@%-]*?[ _-])?(?:seed|run|trial|rep|fold)|s|r)[ _#]?\d{1,4}$", re.IGNORECASE)
_COUNT = re.compile(r"^(?:n|#|num|number of)?[ _]?(?:seeds|runs|trials|n)$", re.IGNORECASE)
_DEVIATION = re.compile(r"^(?:std|sd|s\.d\.|stdev|std\.? ?dev\.?|standard deviation|σ|sigma|±)", re.IGNORECASE)
_DIFFERENCE = re.compile(r"^(?:Δ|delta|diff|difference|gain|drop|change|improvement|∆)", re.IGNORECASE)
_ID = re.compile(r"^(?:#|id|no\.?|row|exp\.?|idx)$", re.IGNORECASE)
_SWEPT = re.compile(rf"^[\[(]?{NUMBER}%?[\])]?$")


@dataclass(frozen=True, slots=True)
class Variant:
    """One configuration: what its label says was changed, or which parts were present; its score."""

    label: str
    change: Change
    score: Score | None
    line: int = 0
    present: frozenset[str] | None = None
    costs: dict[str, float] = field(default_factory=dict[str, float])
    collapsed: str = ""
    best_of: int | None = None
    table: int = -1
    others: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Sweep:
    """One knob at several values, everything else equal."""

    name: str
    points: tuple[tuple[float, Score], ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """What the tables hold, and the name of the score that was read."""

    variants: tuple[Variant, ...]
    sweeps: tuple[Sweep, ...]
    metric: str


def read_tables(grids: Sequence[Grid], wanted: str, known: Lists) -> Tables:
    """Variants and sweeps of every table; `wanted` names the metric the user cares for."""
    variants: list[Variant] = []
    sweeps: list[Sweep] = []
    metric = ""
    for index, grid in enumerate(map(_turned, grids)):
        column = _score_column(grid, wanted, known)
        runs = [c for c, h in enumerate(grid.head) if _RUN.match(h.strip())]
        columns = _by_column(grid)
        if columns is not None:
            variants += [Variant(h, change_of(h), of_values(values), line, table=index) for h, line, values in columns]
            continue
        if column is None and not runs:
            continue
        sweep = _sweep(grid, column)
        if sweep is not None:
            sweeps.append(sweep)
        elif any(_SEED.match(h.strip()) for h in grid.head) and column is not None:
            variants += _by_run(grid, column, index)
        else:
            variants += _from_a_start(list(_pooled(list(_rows(grid, column, runs, index)))))
        if column is not None and grid.head and not metric:
            metric = grid.head[column]
    return Tables(tuple(variants), tuple(sweeps), metric)


def _turned(grid: Grid) -> Grid:
    """Variants as rows, also where they were columns."""
    if grid.head and _SEED.match(grid.head[0].strip()):
        return grid
    roles = [change_of(h).role for h in grid.head[1:]]
    if len(roles) < 2 or sum(r in {"full", "base", "removed"} for r in roles) < max(2, len(roles) - 1):
        return grid
    first_column = (grid.rows[0][1][0], *(r[1][0] for r in grid.rows[1:])) if grid.rows else ()
    rows = tuple(
        (grid.rows[0][0], (h, *(cells[c] for _, cells in grid.rows))) for c, h in enumerate(grid.head) if c > 0
    )
    return Grid((grid.head[0], *first_column), rows)


def metric_of(text: str, known: Lists) -> Metric | None:
    """The metric that a name speaks for; of several the one that is named first."""
    lower = text.lower()
    ids = {h.id for h in [*known.of_metrics.finds(lower)][:1]}
    if re.fullmatch(r"\W*(?:\w+ )?(?:loss|err|error)\W*", lower):
        ids.add("loss")
    return next((m for m in known.metrics if m.id in ids), None)


def _score_column(grid: Grid, wanted: str, known: Lists) -> int | None:
    """The column of the wanted metric, else the first of a known one, else the first number that is no cost."""
    width = len(grid.rows[0][1])

    def scored(c: int) -> int:
        return sum(read_cell(cells[c]) is not None or COLLAPSED.search(cells[c]) is not None for _, cells in grid.rows)

    heads = grid.head or ("",) * width
    usable = [
        c
        for c in range(width)
        if scored(c) * 2 >= len(grid.rows)
        and not (
            _COST.search(heads[c])
            or _SEED.match(heads[c])
            or _COUNT.match(heads[c])
            or _DEVIATION.match(heads[c])
            or _DIFFERENCE.match(heads[c])
            or _ID.match(heads[c])
        )
        and not _marks(grid, c)
        and (c > 0 or width == 1 or not grid.head)
        and not _RUN.match(heads[c].strip())
    ]
    names = set(re.findall(r"[a-z0-9@]{2,}", wanted.lower()))
    common = {c: len(names & set(re.findall(r"[a-z0-9@]{2,}", heads[c].lower()))) for c in usable}
    more = {c: len(set(re.findall(r"[a-z0-9@]{2,}", heads[c].lower())) - names) for c in usable}
    asked = sorted((c for c in usable if common[c]), key=lambda c: (-common[c], more[c]))
    # A metric of one letter, such as H, is named as the column is.
    asked = [c for c in usable if len(heads[c].strip()) == 1 and heads[c].strip() in wanted.split()] or asked
    measured = [c for c in usable if metric_of(heads[c], known) is not None]
    # Without a score a column of signed differences tells as much.
    differences = [c for c in range(1, width) if _DIFFERENCE.match(heads[c]) and _all_signed(grid, c)]
    return next(iter([*asked, *measured, *usable, *differences]), None)


def _all_signed(grid: Grid, c: int) -> bool:
    scores = [s for _, cells in grid.rows if (s := read_cell(cells[c])) is not None]
    return any(s.signed for s in scores) and all(s.signed or s.mean == 0 for s in scores)


def _marks(grid: Grid, c: int) -> bool:
    cells = [cells[c] for _, cells in grid.rows]
    return all(truth(x) is not None for x in cells) and any(x.strip() for x in cells)


def _sweep(grid: Grid, column: int | None) -> Sweep | None:
    """A first column of numbers under a name is a knob that was swept."""
    if column in {None, 0} or not grid.head or len(grid.rows) < 3 or _marks(grid, 0):
        return None
    head = grid.head[0].strip()
    if not re.search(r"[A-Za-zλβαγτ]", head) or _SEED.match(head) or _ID.match(head) or _COUNT.match(head):
        return None
    if not all(_SWEPT.match(cells[0]) for _, cells in grid.rows):
        return None
    points = [(number_of(re.sub(r"[\[\]()%]", "", cells[0])), read_cell(cells[column or 0])) for _, cells in grid.rows]
    scored = tuple((x, s) for x, s in points if s is not None)
    return Sweep(head, scored) if len(scored) > 2 else None


def _by_column(grid: Grid) -> list[tuple[str, int, list[float]]] | None:
    """Runs as rows and variants as columns: a seed column beside columns named full, no_x, …"""
    seed = next((c for c, h in enumerate(grid.head) if _SEED.match(h.strip())), None)
    roles = {c: change_of(h).role for c, h in enumerate(grid.head) if c != seed}
    if seed is None or len(roles) < 2 or sum(r in {"full", "base", "removed"} for r in roles.values()) < 2:
        return None
    found: list[tuple[str, int, list[float]]] = []
    for c, head in enumerate(grid.head):
        values = [s.mean for _, cells in grid.rows if (s := read_cell(cells[c])) is not None]
        if c != seed and values:
            found.append((head, grid.rows[0][0], values))
    return found


def _by_run(grid: Grid, column: int, table: int) -> Iterator[Variant]:
    """One row per run: rows of one label are the seeds of one variant."""
    label = _label_column(grid, column)
    seen: dict[str, list[tuple[int, float]]] = {}
    for line, cells in grid.rows:
        score = read_cell(cells[column])
        if score is not None:
            name = cells[label] if label is not None else "full"
            seen.setdefault(name, []).append((line, score.mean))
    for name, runs in seen.items():
        yield Variant(name, change_of(name), of_values([v for _, v in runs]), runs[0][0], table=table)


def _label_column(grid: Grid, column: int | None) -> int | None:
    width = len(grid.rows[0][1])
    for c in range(width):
        head = grid.head[c].strip() if grid.head else ""
        if c == column or _SEED.match(head) or _ID.match(head) or _marks(grid, c):
            continue
        if any(re.search(r"[A-Za-z]{2}", cells[c]) and read_cell(cells[c]) is None for _, cells in grid.rows):
            return c
    return None


def _rows(grid: Grid, column: int | None, runs: list[int], table: int) -> Iterator[Variant]:
    label = _label_column(grid, column)
    heads = [re.sub(r"^(?:config|cfg|args|params|hparams)[./_]", "", h.strip()) for h in grid.head]
    marks = [
        c
        for c in range(len(grid.rows[0][1]))
        if heads and c not in {column, label} and _marks(grid, c) and re.search(r"[A-Za-zλβαγ]", heads[c])
    ]
    marks = marks if len(marks) > 1 or label is None else [] if len(marks) == 1 and len(grid.rows) < 2 else marks
    spread = next((c for c, h in enumerate(heads) if _DEVIATION.match(h)), None)
    count = next((c for c, h in enumerate(heads) if _COUNT.match(h)), None)
    costs = [c for c, h in enumerate(heads) if _COST.search(h) and c not in {column, label}]
    for line, cells in grid.rows:
        score, collapsed = _score(cells, column, runs, spread, count)
        name = cells[label] if label is not None else ""
        if score is None and not collapsed:
            continue
        present = frozenset(heads[c] for c in marks if truth(cells[c])) if marks else None
        change = change_of(name) if name else Change("other")
        if present is not None and change.role != "removed":
            change = Change("full" if len(present) == len(marks) else "base" if not present else "other")
        paid = {
            heads[c]: s.mean for c in costs if (s := read_cell(re.sub(r"[A-Za-z]+$", "", cells[c].strip()))) is not None
        }
        seeds = seeds_in(name) if score is not None and score.seeds is None else None
        if score is not None and seeds is not None:
            score = replace(score, seeds=seeds)
        yield Variant(
            name or _shown(present, marks), change, score, line, present, paid, collapsed, best_of(name), table
        )


def _pooled(rows: list[Variant]) -> Iterator[Variant]:
    """Rows with the same marks and one score each are runs of one configuration."""
    same: dict[frozenset[str], list[Variant]] = {}
    for row in rows:
        if row.present is not None and row.score is not None and row.score.deviation is None:
            same.setdefault(row.present, []).append(row)
    seen: set[frozenset[str]] = set()
    for row in rows:
        alike = same.get(row.present, []) if row.present is not None else []
        if row.present is None or len(alike) < 2:
            yield row
        elif row.present not in seen:
            seen.add(row.present)
            yield replace(row, score=of_values([v.score.mean for v in alike if v.score is not None]))


def _from_a_start(rows: list[Variant]) -> list[Variant]:
    """The first row of a sequence "X, + A, + B" is what the parts were added to, whatever it is called."""
    started = len(rows) > 1 and rows[0].change.role == "other" and rows[0].present is None
    if not started or rows[1].change.role != "added" or any(v.change.role in {"base", "full"} for v in rows):
        return rows
    return [replace(rows[0], change=Change("base")), *rows[1:]]


def _shown(present: frozenset[str] | None, marks: list[int]) -> str:
    if present is None:
        return "row"
    return "all" if len(present) == len(marks) else " + ".join(sorted(present)) or "none"


def _score(
    cells: Sequence[str], column: int | None, runs: list[int], spread: int | None, count: int | None
) -> tuple[Score | None, str]:
    if len(runs) > 1:
        values = [s.mean for c in runs if (s := read_cell(cells[c])) is not None]
        return (of_values(values), "") if values else (None, "")
    if column is None:
        return None, ""
    score = read_cell(cells[column])
    failed = COLLAPSED.search(" ".join(cells))
    if score is None or failed:
        return score, failed[0] if failed else ""
    deviation = read_cell(cells[spread]) if spread is not None else None
    seeds = read_cell(cells[count]) if count is not None else None
    return replace(
        score,
        deviation=score.deviation if deviation is None else abs(deviation.mean),
        seeds=score.seeds if seeds is None or not 0 < seeds.mean < 1e4 else round(seeds.mean),
    ), ""
