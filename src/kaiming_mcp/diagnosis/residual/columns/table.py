"""A pasted table of samples, with what data sets write where nothing was measured taken out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from kaiming_mcp.measurements import columns

Numbers = NDArray[np.float64]

FEWEST_ROWS = 8
MOST_LINES = 20_000
"""Lines of a text that are read: the first, so that rows which follow each other stay neighbours."""
MOST_COLUMNS = 60
"""Columns that are looked at; of a wider table the first ones."""
LARGEST = 1e100
"""A number beyond it is no measurement: its square would leave the range of a float."""
_FILLS = (-9999.0, -999.0, -99999.0, 9999.0, 99999.0, 1e20, -1e20, 9.969209968386869e36)
"""NetCDF and station archives."""
_FAR = 20.0
"""Median deviations from the median beyond which a fill value is taken for one."""
_NAMED = re.compile(r"([A-Za-z_][\w ./()^-]{0,40}?) ?[:=]\s*+[\[(]?\s*+([-+.\d][-+.\deE, \t;]*+)[\])]?\s*+,?")
_LIST = re.compile(r"\s*+[\[(]?\s*+([-+.\d][-+.\deE, \t;]*+)[\])]?\s*+,?\s*+")


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length by name. `around` is the text that is no table; `cut` counts lines that were not read."""

    numbers: dict[str, Numbers]
    texts: dict[str, tuple[str, ...]]
    rows: int
    cut: int = 0
    fills: int = 0
    around: str = ""


def read_table(text: str) -> Table | None:
    """The columns of the largest table in a text, or of lines `x: numbers`; None where there are too few rows."""
    lines = text.splitlines()
    cut, lines = max(0, len(lines) - MOST_LINES), lines[:MOST_LINES]
    found = _named(lines) or _one_list(lines) or columns.read_table("\n".join(lines) if cut else text, FEWEST_ROWS)
    return _cleaned(found if found.numbers else _series(lines), cut)


def too_few(text: str) -> int:
    """Rows of a table that is too short to measure; 0 where there is none or it is long enough."""
    numbers = columns.read_table(text, 2).numbers if len(text) <= 5_000 else {}
    rows = len(next(iter(numbers.values()))) if len(numbers) > 1 else 0
    return rows if rows < FEWEST_ROWS else 0


def _named(lines: list[str]) -> columns.Table | None:
    """Lines of `x: 1.2, 1.3, ...`, each a column of the longest length."""
    found: dict[str, Numbers] = {}
    rest: list[str] = []
    for line in lines:
        match = _NAMED.fullmatch(line.strip()) if len(found) < MOST_COLUMNS and len(line) > FEWEST_ROWS else None
        values = _values(match[2]) if match else None
        if match and values is not None:
            found[match[1].strip()] = values
        else:
            rest.append(line)
    size = max((len(v) for v in found.values()), default=0)
    return columns.Table({k: v for k, v in found.items() if len(v) == size}, {}, "\n".join(rest)) if found else None


def _one_list(lines: list[str]) -> columns.Table | None:
    """One line that is a list of numbers, x; more of them are a table without a header."""
    lists = [i for i, line in enumerate(lines) if len(line) > FEWEST_ROWS and _LIST.fullmatch(line)]
    values = _values(lines[lists[0]]) if len(lists) == 1 else None
    rest = "\n".join(line for i, line in enumerate(lines) if i not in lists)
    return columns.Table({"x": values}, {}, rest) if values is not None else None


def _values(cells: str) -> Numbers | None:
    read = [_number(c) for c in re.findall(r"[^\s,;\[\]()]+", cells)]
    known = [v for v in read if v is not None]
    return np.array(known) if len(known) == len(read) >= FEWEST_ROWS else None


def _series(lines: list[str]) -> columns.Table:
    """One number a line under a name."""
    values = [_number(line.strip()) for line in lines]
    there = [v for v in values if v is not None]
    if len(there) < max(FEWEST_ROWS, columns.MOSTLY * sum(bool(line.strip()) for line in lines)):
        return columns.Table()
    first = next(i for i, v in enumerate(values) if v is not None)
    name = lines[first - 1].strip()[:40] if first else ""
    return columns.Table({name or "x": np.array(there)}, {}, "\n".join(lines[:first]))


def _cleaned(read: columns.Table, cut: int) -> Table | None:
    found: dict[str, Numbers] = {}
    fills = 0
    for name, values in islice(read.numbers.items(), MOST_COLUMNS):
        good, filled = _without_fills(np.where(np.abs(values) < LARGEST, values, np.nan))
        if np.isfinite(good).sum() >= FEWEST_ROWS:
            found[name] = good
            fills += filled
    texts = {k: tuple(v) for k, v in read.words.items()}
    rows = len(next(iter(found.values()), ()))
    return Table(found, texts, rows, cut, fills, read.around) if found else None


def _without_fills(values: Numbers) -> tuple[Numbers, int]:
    there = values[np.isfinite(values)]
    middle = float(np.median(there)) if len(there) else 0.0
    spread = float(np.median(np.abs(there - middle))) if len(there) else 0.0
    fills = [f for f in _FILLS if abs(f - middle) > _FAR * max(spread, 1e-12)]
    bad = np.isclose(values[:, None], np.array(fills), rtol=1e-9, atol=0).any(axis=1)
    return np.where(bad, np.nan, values), int(bad.sum())


def _number(text: str) -> float | None:
    try:
        value = float(text) if len(text) < 40 else None
    except ValueError:
        return None
    return value if value is not None and abs(value) < LARGEST else None
