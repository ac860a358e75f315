"""Tables of measurements: CSV, TSV, Markdown and columns of spaces, in any order of rows and columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from kaiming_mcp.measurements import clocks, layers
from kaiming_mcp.measurements.documents import readings
from kaiming_mcp.measurements.phrases import SHARES, share
from kaiming_mcp.measurements.quantity import PER_LAYER, Quantity, filled, quantity_of
from kaiming_mcp.measurements.record import Reading
from kaiming_mcp.measurements.value import NUMBER
from kaiming_mcp.measurements.written import Digits

WIDEST = 2_000
"""Characters of a row."""
_RULE = re.compile(r"[\s|+:=_─━┼│-]{3,}$")
_TIME = re.compile(
    r"(?:wall[ _]?)?time(?:stamp)?|runtime|elapsed|eta|_runtime|_timestamp|sec(?:onds)?|date|#|idx|index", re.I
)
_PLACE = re.compile(r"(?:global[ _]|_)?step|epoch|iter(?:ation)?|it|batch|num_updates|ep", re.I)
_NAME = re.compile(
    r"(?:relu|tanh|sigmoid|gelu|conv|linear|layer"
    r"|param(?:eter)?|module|tensor|variable|block)(?:[ _]?(?:name|id|idx|index|#|no\.?))?|name",
    re.I,
)
_TAG = re.compile(r"tag|metric|key|scalar|variable", re.I)
_KIND = re.compile(r"type|class|kind|(?:layer|module)[ _]?type|op", re.I)
_DEPTH = re.compile(r"depth|n_?layers|num_?layers|(?:#|number of|no\. of) ?layers|layers|L|D")
_MOMENT = re.compile(r"(?:at |after )?(epoch|step|iter(?:ation)?)s?[ _=]{1,3}(\d{1,9})", re.I)
# Of every column W&B exports the least and the greatest value of a bin too, and the step again.
_REPEATED = re.compile(r".{1,200}(?:__MIN|__MAX)| ?.{1,100} - _step")
_OF = re.compile(r"(\d{1,9})\s?/\s?(\d{1,9})")
_HEAD = re.compile(r"[^\s\d=:;,|(\[][^\s=:;,|]{0,40}")
"""A word that may head a column."""
_CLEAN = re.compile(r"[*`_]{2,}|[`*]")


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of consecutive lines under one head."""

    heads: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]
    begin: int
    end: int
    """The line after the last row."""
    aside: int | None = None
    """A line of other words between head and rows."""


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
    return re.split(r"\s{2,}|\t", line.rstrip(" \t\\").lstrip())


def _words(line: str) -> list[str]:
    # pandas ends the lines of a wide frame with a backslash.
    return line.rstrip(" \t\\").split()


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
        named = len(heads) > 1 and _is_head(heads)
        if not named and not _placed(heads):
            continue
        rows, end = list[tuple[int, tuple[str, ...]]](), at + 1
        index, aside = False, None
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
                if rows or aside is not None or len(heads) < 3 or not lines[end].strip():
                    break
                aside, end = end, end + 1
                continue
            rows.append((end, tuple(cells)))
            end += 1
        heads = ["", *heads] if index else heads
        if split is _words and rows and (_counted(heads, rows) or _wordy(heads, rows)):
            continue
        if not named and not (len(rows) > 1 and all(all(map(_numeric, cells)) for _, cells in rows)):
            continue
        if rows and (len(rows) > 1 or split not in (_wide, _words)):
            return Table(tuple(heads), tuple(rows), at, end, aside)
    return None


def _counted(heads: Sequence[str], rows: Sequence[tuple[int, tuple[str, ...]]]) -> bool:
    """A headline of several words above rows that begin with their index: `grad norms`, `0 1.2e-09`."""
    first = heads[0]
    firsts = [cells[0] for _, cells in rows]
    counts = len(rows) > 1 and firsts[0] in ("0", "1") and firsts == [str(int(firsts[0]) + i) for i in range(len(rows))]
    return counts and bool(first) and not (_NAME.fullmatch(first) or is_place(first) or _DEPTH.fullmatch(first))


def _wordy(heads: Sequence[str], rows: Sequence[tuple[int, tuple[str, ...]]]) -> bool:
    """Whether a column that the head gives a quantity holds no number: the head is a headline of several words."""
    columns = list(zip(*(cells for _, cells in rows), strict=True))
    measured = [column for head, column in zip(heads[1:], columns[1:], strict=True) if quantity_of(head).known]
    return any(not any(map(_numeric, column)) for column in measured)


def _likely(line: str) -> bool:
    """Whether few of the words are numbers; heads rarely are."""
    return len(re.findall(r"(?<![\w.])[-+]?\d+\.\d", line)) == 0 and not line.rstrip().endswith(("{", "[", "(", ":"))


def _is_head(cells: Sequence[str]) -> bool:
    if any(map(_numeric, cells[1:])) and sum(map(_numeric, cells)) > 1 + len(cells) // 3:
        return False
    if any(len(cell) > 60 or "=" in cell or ": " in cell for cell in cells):
        return False
    return sum(map(telling, cells)) * 2 >= len([c for c in cells if c]) and not any(map(_numeric, cells))


def _placed(cells: Sequence[str]) -> bool:
    """Whether a time, a measured quantity, and names that tell nothing head columns: `epoch loss foo bar baz`."""
    if len(cells) < 3 or len(set(cells)) < len(cells) or not is_place(cells[0]):
        return False
    return all(map(_HEAD.fullmatch, cells)) and any(quantity_of(cell).known for cell in cells[1:])


def telling(cell: str) -> bool:
    """Whether a cell may head a column: a time, a layer, or a quantity."""
    if is_place(cell) or any(head.fullmatch(cell) for head in (_NAME, _KIND, _TIME, _DEPTH, _MOMENT)):
        return True
    quantity = quantity_of(cell)
    told = quantity.known or quantity.statistic != "unknown" or quantity.split != ""
    return told or layers.is_layer(cell) or cell.lower() == "value"


def is_name(cell: str) -> bool:
    """Whether a head stands over names of layers."""
    return _NAME.fullmatch(cell) is not None


def is_place(cell: str) -> bool:
    """Whether a head stands over times of the run."""
    return _PLACE.fullmatch(cell.strip().removeprefix("trainer/")) is not None


@lru_cache(maxsize=8192)
def _numeric(cell: str) -> bool:
    cell = cell.strip().strip("*`\"'")
    return bool(((m := NUMBER.match(cell)) and m.end() == len(cell)) or _OF.fullmatch(cell))


def table_readings(table: Table, context: Quantity) -> Iterator[Reading]:
    """Every number of a table."""
    heads = _apart(table.heads)
    columns = list(zip(*(cells for _, cells in table.rows), strict=True))
    name = _name_column(heads, columns)
    if name is not None and _transposed(heads, columns, name):
        yield from _turned(table, name, context)
        return
    if name is not None and (titled := quantity_of(heads[name])).kind in PER_LAYER:
        context = titled
    if name is not None and len(heads) > 1 and all(_MOMENT.fullmatch(h) for i, h in enumerate(heads) if i != name):
        yield from _over_time(table, name, context)
        return
    quantities = {
        i: filled(quantity_of(_without_layer(head) if layers.is_layer(head) else head), context)
        for i, head in enumerate(heads)
    }
    unrolled = not any(map(layers.is_layer, heads)) and clocks.is_unrolled(heads, {q.kind for q in quantities.values()})
    places = not unrolled and any(is_place(head) for head in heads)
    per_layer = any(q.kind in PER_LAYER for q in quantities.values())
    for order, (line, cells) in enumerate(table.rows):
        if name is not None and _of_run(cells[name]) and not _TAG.fullmatch(heads[name]):
            # `loss 0.0011` below the rows of layers
            yield from readings({cells[name]: next(filter(_numeric, cells), "")}, line)
            continue
        row: dict[str, object] = {}
        for i, (head, cell) in enumerate(zip(heads, cells, strict=True)):
            key = head.strip()
            if i == name:
                row["tag" if _TAG.fullmatch(key) else "layer"] = f"layer {cell}" if _numeric(cell) else cell
            elif _KIND.fullmatch(key):
                row["type"] = cell
            elif _REPEATED.fullmatch(key):
                continue
            elif is_place(key) and unrolled:
                row["layer"] = f"t={cell}"
            elif is_place(key):
                row[re.sub(r"^trainer/|^_", "", key.lower().replace(" ", "_"))] = _OF.sub(r"\1", cell)
            elif _DEPTH.fullmatch(key) and name is None:
                row["layer" if per_layer and not places else "depth"] = (
                    f"layer {cell}" if per_layer and not places else cell
                )
            elif key and not _TIME.fullmatch(key):
                row[key] = _OF.sub(_share, cell) if quantities[i].kind in SHARES else cell
        if name is None and not places and per_layer and "layer" not in row and "depth" not in row:
            row["layer"] = f"layer {order}"
        for reading in readings(row, line):
            yield _with(reading, filled(reading.quantity, context))


def _of_run(cell: str) -> bool:
    """Whether a cell names a number of the whole run where others name layers."""
    return quantity_of(cell).kind in ("loss", "accuracy", "learning rate", "loss scale") and not layers.is_layer(cell)


def _apart(heads: Sequence[str]) -> list[str]:
    """The heads, where one stands twice with what the head before it measures: `grad mean, std, act mean, std`."""
    made, kind = list[str](), ""
    for head in heads:
        quantity = quantity_of(head)
        kind = quantity.kind if quantity.known else kind
        again = heads.count(head) > 1 and not quantity.known and quantity.statistic != "unknown"
        made.append(f"{kind} {head}" if again and kind else head)
    return made


def _over_time(table: Table, name: int, context: Quantity) -> Iterator[Reading]:
    """A row a layer and a column a time: `layer, step 0, step 100`."""
    for line, cells in table.rows:
        for i, head in enumerate(table.heads):
            if match := _MOMENT.fullmatch(head):
                unit = "epoch" if match[1].lower() == "epoch" else "step"
                for reading in readings({"layer": cells[name], unit: Digits(match[2]), "value": cells[i]}, line):
                    yield _with(reading, filled(reading.quantity, context))


def _share(match: re.Match[str]) -> str:
    whole = int(match[2])
    return f"{int(match[1]) / whole:.12g}" if whole else match[0]


def _with(reading: Reading, quantity: Quantity) -> Reading:
    quantity, value = share(quantity, reading.value, reading.label)
    return replace(reading, quantity=quantity, value=value)


def _name_column(heads: Sequence[str], columns: Sequence[Sequence[str]]) -> int | None:
    for i, head in enumerate(heads):
        if _NAME.fullmatch(head.strip()):
            return i
    for i, column in enumerate(columns):
        if is_place(heads[i]) or _KIND.fullmatch(heads[i]) or _TIME.fullmatch(heads[i]):
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
