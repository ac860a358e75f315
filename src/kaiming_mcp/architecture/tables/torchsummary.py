"""Tables of torchsummary: one flat list, every module after the modules that it is made of.

Source: torchsummary 1.5, torchsummary.py: Sequential, ModuleList and the model itself get no row; the count of a row
is that of its `weight` and `bias` alone, so recurrent layers, attention and bare parameters count nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Assumption, Reading
from kaiming_mcp.architecture.tables.grouping import take_children
from kaiming_mcp.architecture.tables.network import network
from kaiming_mcp.architecture.tables.rows import Row, Table
from kaiming_mcp.architecture.tables.text import Totals, count, limit, lines, size, totals
from kaiming_mcp.architecture.torch_modules import is_known

EXAMPLE = """
        Layer (type)               Output Shape         Param #
            Linear-1                  [-1, 256]         200,960
              ReLU-2                  [-1, 256]               0
            Linear-3                   [-1, 10]           2,570
Total params: 203,530"""

_HEADER = re.compile(r"\W{0,200}Layer \(type\)[ \t|]++(?:Input Shape[ \t|]++)?Output Shape[ \t|]++Param #\W{0,200}")
_ROW = re.compile(
    r"[ \t|>]{0,200}+(?P<cls>[^\W\d]\w*+)-(?P<index>\d{1,7})[ \t|]++(?P<shapes>\[[-\d, \[\]]{1,2000}\])[ \t|]++"
    r"(?P<count>[\d,]{1,24})[ \t|]*+"
)
_FOUND = re.compile(rf"^{_ROW.pattern}$", re.MULTILINE)
_UNCOUNTED = re.compile(r"(?:LSTM|GRU|RNN)(?:Cell)?|MultiheadAttention")
_WHOLE_MODEL = "Model"


def looks_like_torchsummary(text: str) -> bool:
    """Whether the text holds such a table, or two rows of one."""
    found = _FOUND.finditer(text)
    return next(found, None) is not None and (next(found, None) is not None or "Layer (type)" in text)


def read_torchsummary(text: str) -> Reading:
    """Read one or several tables.

    Raises:
        ReadError: no row of a table is found, or the text is too long.
    """
    tables = list(_tables(text))
    if not tables:
        raise ReadError(
            f"No row of a torchsummary table was found. Expected the output of summary(model, size). Example:{EXAMPLE}"
        )
    return Reading("torchsummary", tuple(network(table) for table in tables))


def _tables(text: str) -> Iterator[Table]:
    """Cut the text at its headers, or where the numbers of the rows begin again."""
    rows, end, seen = list[Row](), Totals(), 0
    for number, line in lines(text, EXAMPLE):
        found = _ROW.fullmatch(line)
        if rows and (_HEADER.fullmatch(line) or (found and found["index"] == "1")):
            yield _table(rows, end)
            rows, end = [], Totals()
        if found and end.total is None:
            rows.append(_row(found, number))
            seen += 1
            limit(seen, number, EXAMPLE)
        elif stated := totals(line):
            end = end.joined(stated)
    if rows:
        yield _table(rows, end)


def _row(found: re.Match[str], number: int) -> Row:
    cls, text = found["cls"], " ".join(found[0].split())[:120]
    held, uncounted = count(found["count"]) or 0, bool(_UNCOUNTED.fullmatch(cls))
    label = f"{cls}-{found['index']}"
    return Row(cls, "", number, text, output=size(found["shapes"]), parameters=held, label=label, uncounted=uncounted)


def _table(rows: list[Row], end: Totals) -> Table:
    root = Row(_WHOLE_MODEL)
    for row in rows:
        take_children(row, root.children)
        root.children.append(row)
    # Without a batch size, its place shows -1 and the size in memory counts one example.
    batch = max(1, next((row.output[0] for row in rows if row.output), 1))
    return Table(root, end.total, end.numbers(1024.0**2, batch), tuple(_assumed(rows)))


def _assumed(rows: list[Row]) -> Iterator[Assumption]:
    """What this kind of table cannot show."""
    silent = [row.cls for row in rows if not row.parameters and (row.uncounted or not is_known(row.cls))]
    if classes := ", ".join(list(dict.fromkeys(silent))[:6]):
        yield Assumption(
            f"torchsummary counts the `weight` and `bias` of a module alone: {classes} may hold more",
            "sum(p.numel() for p in model.parameters())",
        )
