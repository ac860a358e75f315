"""Tables of measurements: CSV, TSV, Markdown and columns of spaces, in any order of rows and columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kaiming_mcp.measurements import layers
from kaiming_mcp.measurements.documents import readings
from kaiming_mcp.measurements.quantity import PER_LAYER, Quantity, filled, quantity_of
from kaiming_mcp.measurements.record import Reading
from kaiming_mcp.measurements.value import NUMBER

WIDEST = 2_000
"""Characters of a row."""
_RULE = re.compile(r"[\s|+:=_─━┼│-]{3,}$")
_TIME = re.compile(
    r"(?:wall[ _]?)?time(?:stamp)?|runtime|elapsed|eta|_runtime|_timestamp|sec(?:onds)?|date|#|idx|index", re.I
)
_PLACE = re.compile(r"(?:global[ _]|_)?step|epoch|iter(?:ation)?|it|batch|num_updates|ep", re.I)
_NAME = re.compile(
    r"(?:layer|param(?:eter)?|module|tensor|variable|block)(?:[ _]?(?:name|id|idx|index|#|no\.?))?|name", re.I
)
_KIND = re.compile(r"type|class|kind|(?:layer|module)[ _]?type|op", re.I)
_DEPTH = re.compile(r"depth|n_?layers|num_?layers|(?:#|number of|no\. of) ?layers|layers|L|D")
_CLEAN = re.compile(r"[*`_]{2,}|[`*]")


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of consecutive lines under one head."""

    heads: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    begin: int
    end: int
    """The line after the last row."""


def _bars(line: str) -> list[str]:
    if line.count("|") < 1 or "%|" in line:
        return []
    return [_CLEAN.sub("", cell).strip() for cell in re.sub(r"^\s*\||\|\s*$", "", line).split("|")]


def _separated(mark: str) -> Callable[[str], list[str]]:
    def split(line: str) -> list[str]:
        if mark not in line:
            return []
        if '"' in line:
            return [cell.strip() for cell in next(csv.reader([line], delimiter=mark), list[str]())]
        return [cell.strip() for cell in line.split(mark)]

    return split


def _wide(line: str) -> list[str]:
    return re.split(r"\s{2,}|\t", line.strip())


def _words(line: str) -> list[str]:
    return line.split()


_SPLITTERS = (_bars, _separated("\t"), _separated(","), _separated(";"), _wide, _words)


def tables(lines: Sequence[str], free: Sequence[bool]) -> Iterator[Table]:
    """Every table among the lines that are free."""
    at = 0
    while at + 1 < len(lines):
        table = _at(lines, free, at) if free[at] and re.search(r"[A-Za-z]", lines[at][:WIDEST]) else None
        if table:
            yield table
            at = table.end
        else:
            at += 1


def _at(lines: Sequence[str], free: Sequence[bool], at: int) -> Table | None:
    if len(lines[at]) > WIDEST or not _likely(lines[at]):
        return None
    for split in _SPLITTERS:
        heads = split(lines[at])
        if len(heads) > 2 and _NAME.fullmatch(heads[0]) and all(head.isdigit() for head in heads[1:]):
            heads = [heads[0], *(f"layer {head}" for head in heads[1:])]
        if len(heads) < 2 or not _is_head(heads):
            continue
        rows, end = list[tuple[int, tuple[str, ...]]](), at + 1
        index = False
        while end < len(lines) and free[end] and len(lines[end]) <= WIDEST:
            if _RULE.match(lines[end]):
                end += 1
                continue
            cells = split(lines[end])
            if not rows and len(cells) == 1 and _NAME.fullmatch(cells[0]):
                # pandas prints the name of the index on a line of its own.
                end, index = end + 1, True
                continue
            if split in (_wide, _words) and not rows and len(cells) == len(heads) + 1:
                index = True
            if len(cells) != len(heads) + index or not any(map(_numeric, cells)):
                break
            rows.append((end, tuple(cells)))
            end += 1
        heads = ["", *heads] if index else heads
        if rows and (len(rows) > 1 or split not in (_wide, _words)):
            return Table(tuple(heads), tuple(rows), at, end)
    return None


def _likely(line: str) -> bool:
    """Whether few of the words are numbers; heads rarely are."""
    return len(re.findall(r"(?<![\w.])[-+]?\d+\.\d", line)) == 0 and not line.rstrip().endswith(("{", "[", "(", ":"))


def _is_head(cells: Sequence[str]) -> bool:
    if any(map(_numeric, cells[1:])) and sum(map(_numeric, cells)) > 1 + len(cells) // 3:
        return False
    if any(len(cell) > 60 or "=" in cell or ": " in cell for cell in cells):
        return False
    return sum(map(_telling, cells)) * 2 >= len([c for c in cells if c]) and not any(map(_numeric, cells))


def _telling(cell: str) -> bool:
    if (
        _place(cell)
        or _NAME.fullmatch(cell)
        or _KIND.fullmatch(cell)
        or _TIME.fullmatch(cell)
        or _DEPTH.fullmatch(cell)
    ):
        return True
    quantity = quantity_of(cell)
    return quantity.known or quantity.statistic != "unknown" or layers.is_layer(cell) or cell.lower() == "value"


def _place(cell: str) -> bool:
    return _PLACE.fullmatch(cell.strip().removeprefix("trainer/")) is not None


def _numeric(cell: str) -> bool:
    cell = cell.strip().strip("*`\"'")
    return bool((m := NUMBER.match(cell)) and m.end() == len(cell))


def table_readings(table: Table, context: Quantity) -> Iterator[Reading]:
    """Every number of a table."""
    heads = list(table.heads)
    columns = list(zip(*(cells for _, cells in table.rows), strict=True))
    name = _name_column(heads, columns)
    if name is not None and _transposed(heads, columns, name):
        yield from _turned(table, name, context)
        return
    quantities = {
        i: filled(quantity_of(_without_layer(head) if layers.is_layer(head) else head), context)
        for i, head in enumerate(heads)
    }
    places = any(_place(head) for head in heads)
    per_layer = any(q.kind in PER_LAYER for q in quantities.values())
    told = next((q for q in quantities.values() if q.kind in PER_LAYER), context)
    for order, (line, cells) in enumerate(table.rows):
        row: dict[str, object] = {}
        for i, (head, cell) in enumerate(zip(heads, cells, strict=True)):
            key = head.strip()
            if i == name:
                row["layer"] = f"layer {cell}" if _numeric(cell) else cell
            elif _KIND.fullmatch(key):
                row["type"] = cell
            elif _place(key):
                row[re.sub(r"^trainer/|^_", "", key.lower().replace(" ", "_"))] = cell
            elif _DEPTH.fullmatch(key) and name is None:
                row["layer" if per_layer and not places else "depth"] = (
                    f"layer {cell}" if per_layer and not places else cell
                )
            elif key and not (_TIME.fullmatch(key)):
                row[key] = cell
        if name is None and not places and per_layer and "layer" not in row and "depth" not in row:
            row["layer"] = f"layer {order}"
        for reading in readings(row, line):
            statistic = not reading.quantity.known and reading.quantity.statistic != "unknown"
            yield _with(reading, filled(reading.quantity, told if statistic else context))


def _with(reading: Reading, quantity: Quantity) -> Reading:
    value = reading.value
    if quantity.kind == "accuracy" and not value.unit and value.finite and 1 < value.x <= 100:
        value = value.scaled(0.01)
    return replace(reading, quantity=quantity, value=value)


def _name_column(heads: Sequence[str], columns: Sequence[Sequence[str]]) -> int | None:
    for i, head in enumerate(heads):
        if _NAME.fullmatch(head.strip()):
            return i
    for i, column in enumerate(columns):
        if _place(heads[i]) or _KIND.fullmatch(heads[i]) or _TIME.fullmatch(heads[i]):
            continue
        others = [other for j, other in enumerate(heads) if j != i]
        if not any(map(_numeric, column)) and (len(set(column)) > 1 or all(map(layers.is_layer, others))):
            return i
    return None


def _transposed(heads: Sequence[str], columns: Sequence[Sequence[str]], name: int) -> bool:
    others = [head for i, head in enumerate(heads) if i != name]
    named = sum(layers.is_layer(head) and not quantity_of(_without_layer(head)).known for head in others)
    cells = columns[name]
    told = sum(quantity_of(c).known or quantity_of(c).statistic != "unknown" for c in cells if not layers.is_layer(c))
    return named == len(others) > 0 and told * 2 > len(cells)


def _without_layer(head: str) -> str:
    return head.replace(layers.tidy(head), "")


def _turned(table: Table, name: int, context: Quantity) -> Iterator[Reading]:
    for i, head in enumerate(table.heads):
        if i == name:
            continue
        for line, cells in table.rows:
            for reading in readings({"layer": head, cells[name]: cells[i]}, line):
                yield _with(reading, filled(reading.quantity, context))
