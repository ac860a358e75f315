"""Columns of a pasted table: CSV (comma, semicolon, tab), Markdown, columns set apart by spaces, or JSON.

JSON may be a list of objects, a list of lists, or an object of lists. A row is kept when every column of
numbers has a number in it; of very many rows some are taken, evenly spread.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

LARGEST_TEXT = 2_000_000
MOST_COLUMNS = 2_000
MOST_ROWS, FIRST_ROWS = 20_000, 200
MOSTLY = 0.8
"""Share of cells that must be numbers for a column of numbers; rows with the other cells are left out."""
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_RULE = re.compile(r"[\s|:=+-]+")
_GAPS = frozenset({"", "na", "n/a", "nan", "none", "null", "-", "?", "inf", "-inf"})
Rows = list[list[str]]
T = TypeVar("T")  # Python 3.11 has no type parameter syntax


@dataclass(frozen=True, slots=True)
class Table:
    """Columns by name, all of one length, and the text that stands around the table."""

    numbers: dict[str, NDArray[np.float64]] = field(default_factory=dict[str, NDArray[np.float64]])
    words: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    around: str = ""


def read_columns(text: str, fewest: int) -> dict[str, NDArray[np.float64]]:
    """The columns of numbers by name, in rows where all of them hold one; none where there are fewer than `fewest`."""
    return read_table(text, fewest).numbers


def read_table(text: str, fewest: int) -> Table:
    """The largest table of a text; no columns and the whole text where there is none of `fewest` rows."""
    if len(text) > LARGEST_TEXT:
        return Table(around=text)
    for reader in (_json_table, _text_table):
        names, rows, around = reader(text, fewest)
        if len(rows) >= fewest and len(names) <= MOST_COLUMNS:
            numbers, words = _columns(_unlike(names), rows)
            if numbers and len(next(iter(numbers.values()))) >= fewest:
                return Table(numbers, words, around)
    return Table(around=text)


def _columns(names: list[str], rows: Rows) -> tuple[dict[str, NDArray[np.float64]], dict[str, list[str]]]:
    cells = {name: [row[i] for row in rows] for i, name in enumerate(names)}
    numbers: dict[str, NDArray[np.float64]] = {}
    words: dict[str, list[str]] = {}
    for name, column in cells.items():
        values = np.array([*map(_reader(column), column)])
        if np.isfinite(values).mean() >= MOSTLY:
            numbers[name] = values
        elif sum(c.lower() in _GAPS for c in column) < len(column) * (1 - MOSTLY):
            words[name] = column
    if not numbers:
        return {}, {}
    whole = np.flatnonzero(np.isfinite(np.column_stack([*numbers.values()])).all(axis=1))
    return (
        {name: values[whole] for name, values in numbers.items()},
        {name: [column[i] for i in whole] for name, column in words.items()},
    )


def _reader(column: list[str]) -> Callable[[str], float]:
    """How the numbers of a column are written: 1,234 with thousands set apart, or 3,2 with a decimal comma."""
    with_comma = [c.rstrip(" %") for c in column if "," in c]
    if with_comma and not all(_THOUSANDS.fullmatch(c) for c in with_comma):
        return lambda cell: _number(cell.replace(",", "."))
    return lambda cell: _number(cell.replace(",", ""))


def _number(cell: str) -> float:
    try:
        value = float(cell.rstrip(" %"))
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _is_number(cell: str) -> bool:
    return math.isfinite(_number(cell.replace(",", ".", 1) if cell.count(",") == 1 else cell.replace(",", "")))


def _unlike(names: list[str]) -> list[str]:
    """Names without repetition."""
    seen: Counter[str] = Counter()
    found: list[str] = []
    for i, name in enumerate(names, 1):
        plain = " ".join(name.split())[:60] or f"column {i}"
        seen[plain] += 1
        found.append(plain if seen[plain] == 1 else f"{plain} ({seen[plain]})")
    return found


def _text_table(text: str, fewest: int) -> tuple[list[str], Rows, str]:
    lines = _spread([line for line in text.splitlines() if line.strip()])
    lines = [line for line in lines if not _RULE.fullmatch(line)]
    best: tuple[list[str], Rows, str] = ([], [], text)
    for mark in ("\t", ";", "|", ",", " "):
        split = _split(lines, mark)
        numeric = [sum(map(_is_number, cells[: MOST_COLUMNS + 1])) for cells in split]
        widths = Counter(
            len(c) for c, n in zip(split, numeric, strict=True) if len(c) > 1 and n and 2 * n >= len(c) - 1
        )
        width, count = widths.most_common(1)[0] if widths else (0, 0)
        if count < fewest or count <= len(best[1]):
            continue
        rows = [i for i, (c, n) in enumerate(zip(split, numeric, strict=True)) if len(c) == width and n]
        head = next((i for i in range(rows[0] - 1, -1, -1) if len(split[i]) == width and not numeric[i]), None)
        names = split[head] if head is not None else [f"column {i + 1}" for i in range(width)]
        taken = {*rows, head}
        around = "\n".join(line for i, line in enumerate(lines) if i not in taken)
        best = names, [split[i] for i in rows], around
    return best


def _spread(rows: list[T]) -> list[T]:
    """All of the first rows, where the header is, and an even choice of the rest."""
    return rows[:FIRST_ROWS] + rows[FIRST_ROWS :: max(1, math.ceil((len(rows) - FIRST_ROWS) / MOST_ROWS))]


def _split(lines: list[str], mark: str) -> Rows:
    if mark == " ":
        return [line.split() for line in lines]
    if mark == "|":
        return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    if not any(mark in line for line in lines):
        return [[line] for line in lines]
    try:
        read = [next(csv.reader([line], delimiter=mark), [""]) for line in lines]
    except csv.Error:
        return [[line] for line in lines]
    return [[cell.strip() for cell in cells] for cells in read]


def _json_table(text: str, fewest: int) -> tuple[list[str], Rows, str]:
    nothing: tuple[list[str], Rows, str] = ([], [], text)
    starts = [i for i in (text.find("["), text.find("{")) if i >= 0]
    if not starts:
        return nothing
    start = min(starts)
    end = max(text.rfind("]"), text.rfind("}")) + 1
    try:
        raw = json.loads(text[start:end])
    except (ValueError, RecursionError):
        return nothing
    records = _spread(_records(raw))
    if len(records) < fewest:
        return nothing
    names = list(records[0])
    rows = [[_cell(record.get(name)) for name in names] for record in records]
    return names, rows, text[:start] + text[end:]


def _records(raw: object) -> list[dict[str, Any]]:
    """One flat mapping for each row."""
    if isinstance(raw, dict):
        lists = {str(k): cast(list[Any], v) for k, v in cast(dict[str, Any], raw).items() if isinstance(v, list)}
        if not lists or len({len(v) for v in lists.values()}) > 1:
            return []
        return [_flat(dict(zip(lists, row, strict=True))) for row in zip(*lists.values(), strict=True)]
    if not isinstance(raw, list):
        return []
    rows = cast(list[Any], raw)
    return [
        _flat(cast(dict[str, Any], row) if isinstance(row, dict) else {"column": row})
        for row in rows
        if isinstance(row, dict | list)
    ]


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Lists of numbers as columns of their own: x becomes x 1, x 2, …"""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, list):
            parts = cast(list[Any], value)[:MOST_COLUMNS]
            found.update({f"{name} {i}": part for i, part in enumerate(parts, 1)})
        else:
            found[str(name)] = value
    return found


def _cell(value: object) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, list | dict):
        return ""
    try:
        return str(value).strip()
    except ValueError:  # an integer of more than 4,300 digits
        return ""
