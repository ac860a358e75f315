"""Tables of torchinfo (formerly torch-summary): rows in order of execution, indented by depth.

Source: torchinfo 1.8, formatting.py and layer_info.py: which columns there are, what `--` and `(recursive)` mean,
and that a row whose children are not shown counts them, while any other row counts what its children do not hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Assumption, Reading
from kaiming_mcp.architecture.tables.network import network
from kaiming_mcp.architecture.tables.rows import Row, Table
from kaiming_mcp.architecture.tables.text import Totals, count, limit, lines, size, totals
from kaiming_mcp.architecture.torch_repr import DEEPEST_NESTING

EXAMPLE = """
Layer (type:depth-idx)      Output Shape      Param #
Net                         [32, 10]          --
├─Linear: 1-1               [32, 256]         200,960
├─Linear: 1-2               [32, 10]          2,570
Total params: 203,530"""

_TITLES = ("Kernel Shape", "Input Shape", "Output Shape", "Param #", "Param %", "Mult-Adds", "Trainable")
_TITLE = re.compile("|".join(map(re.escape, _TITLES)))
_HEADER = re.compile(r"Layer \(type(?: \(var_name\))?(?::depth-idx)?\)")
_TELLING = re.compile(r"Layer \(type(?: \(var_name\)\)|(?: \(var_name\))?:depth-idx\))")
_GLYPHS = r"[|│+├└─ \t]{0,400}+"
_BRANCH = re.compile(r"^[ \t]{0,200}+(?:[|│][ \t│|]{0,400}+)?(?:├─|└─|\+ )[^\W\d]\w*+", re.MULTILINE)
_CELL = re.compile(
    r"\[[\d, ]{0,100}\]|\[(?:\[[\d, ]{0,100}\](?:, )?){1,20}\]|\(recursive\)"
    r"|\(?[\d,]{1,30}\)?(?![.\d%])|\d{1,3}\.\d+%|--|True|False|Partial|[├└]─[\d,]+"
)
_ROW = re.compile(
    rf"(?P<glyphs>{_GLYPHS})(?P<cls>[^\W\d]\w*+)(?: \((?P<name>[^()\s]{{1,100}})\))?"
    r"(?::[ \t](?P<depth>\d{1,3})-(?P<index>\d{1,7}))?(?P<cells>(?:[ \t].*)?)"
)
_WEIGHT = re.compile(
    rf"{_GLYPHS}(?P<name>[\w.]{{1,100}})[ \t]++(?P<shape>\[[\d, ]{{1,100}}\][ \t]+)?[├└]─(?P<count>[\d,]{{1,20}})"
)


def looks_like_torchinfo(text: str) -> bool:
    """Whether the text holds such a table, or rows of one."""
    return bool(_TELLING.search(text)) or (bool(_HEADER.search(text)) and bool(_BRANCH.search(text))) or _loose(text)


def _loose(text: str) -> bool:
    return (
        re.search(
            r"^[^\w\n]{1,200}+[^\W\d]\w*+(?: \(\w+\))?: \d{1,3}-\d{1,7}[ \t]++(?:\[|--|[\d(])", text, re.MULTILINE
        )
        is not None
    )


def read_torchinfo(text: str) -> Reading:
    """Read one or several tables.

    Raises:
        ReadError: no row of a table is found, or the text is too long or too deep.
    """
    tables = list(_tables(text))
    if not tables:
        raise ReadError(
            f"No row of a torchinfo table was found. Expected the output of summary(model). Example:{EXAMPLE}"
        )
    return Reading("torchinfo", tuple(network(table) for table in tables))


def _tables(text: str) -> Iterator[Table]:
    """Cut the text at its headers; rows before a header belong to a table that has lost it."""
    columns, rows, end, seen = (), list[Row](), Totals(), 0
    for number, line in lines(text, EXAMPLE):
        if _HEADER.search(line):
            if rows:
                yield _table(rows, end)
            columns, rows, end = tuple(_TITLE.findall(line)), [], Totals()
        elif found := totals(line):
            end = end.joined(found)
        # Only the first row under a header stands at depth 0; elsewhere such a line is prose.
        elif (
            end.total is None
            and (row := _row(line, number, columns, rows)) is not None
            and (row.depth or (columns and not rows))
        ):
            rows.append(row)
            seen += 1
            limit(seen, number, EXAMPLE)
    if rows:
        yield _table(rows, end)


def _row(line: str, number: int, columns: tuple[str, ...], rows: list[Row]) -> Row | None:
    if (weight := _WEIGHT.fullmatch(line)) and rows:
        rows[-1].weights[weight["name"]] = count(weight["count"]) or 0
        return None
    found = _ROW.fullmatch(line)
    if not found or len(found["cells"]) > 2_000:
        return None
    cells = [cell[0] for cell in _CELL.finditer(found["cells"])]
    if not cells or _CELL.sub("", found["cells"]).strip():
        return None
    glyphs = found["glyphs"]
    depth = int(found["depth"]) if found["depth"] else len(re.findall(r"[|│├└+]", glyphs))
    if depth > DEEPEST_NESTING:
        raise ReadError(
            f"Line {number}: nested deeper than {DEEPEST_NESTING} modules. Expected the output of summary(model) "
            f"of torchinfo. Example:{EXAMPLE}"
        )
    shown = dict(zip(columns, cells, strict=False)) if columns else _guessed(cells)
    label = f"{found['cls']}:{found['depth']}-{found['index']}" if found["depth"] else f"{found['cls']}:{len(rows)}"
    held = shown.get("Param #", shown.get("Param %", "") if shown.get("Param %") == "(recursive)" else "")
    kernel = size(shown.get("Kernel Shape", ""))
    return Row(
        found["cls"],
        found["name"] or "",
        number,
        " ".join(line.strip(" \t|│├└─+").split())[:120],
        depth,
        size(shown.get("Input Shape", "")),
        size(shown.get("Output Shape", "")),
        # Before version 1.6 the column shows the weight, with its two widths first.
        kernel[2:] if len(kernel) > 3 or (len(kernel) == 3 and "1d" in found["cls"]) else kernel,
        (0 if held == "--" else count(held)) if held else None,
        held == "(recursive)",
        label=label,
    )


def _guessed(cells: list[str]) -> dict[str, str]:
    """Columns of rows without a header: sizes are input and output, then comes the count."""
    sizes = [cell for cell in cells if cell.startswith("[")]
    counts = [cell for cell in cells if cell[0] in "(0123456789" and not cell.endswith("%")]
    shown = dict(zip(("Output Shape", "Input Shape"), reversed(sizes[-2:]), strict=False))
    return shown | {"Param #": counts[0] if counts else "--"}


def _table(rows: list[Row], end: Totals) -> Table:
    """Hang the rows into a tree by their depth."""
    root = rows[0] if rows[0].depth == 0 else Row("", label="")
    stack = [root]
    for row in rows if root.depth or root is not rows[0] else rows[1:]:
        while len(stack) > 1 and stack[-1].depth >= row.depth:
            stack.pop()
        row.parent = stack[-1].cls
        stack[-1].children.append(row)
        stack.append(row)
    cut: tuple[Assumption, ...] = ()
    if end.total is None:
        cut = (Assumption("the table ends without its totals, so rows may be missing", "the whole table"),)
    batch = next((row.output[0] for row in rows if row.output), 1)
    return Table(root, end.total, end.numbers(1e6, batch), cut)
