"""The grammar of Keras's model.summary(): text to typed rows, nothing interpreted.

keras.src.utils.summary_utils (Keras 3) draws boxes and ends with an ellipsis what a column cuts;
keras.utils.layer_utils (Keras 2) pads columns with blanks under rules of `_` and `=`, and goes on in the next line
(2.7 and later) or drops what does not fit (before). `expand_nested=True` marks the rows of a nested model by an
indented corner or by leading bars.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.paste.clean import unbroken

LONGEST_TEXT, MOST_ROWS, DEEPEST = 2_000_000, 20_000, 50

CUT = "…"
"""Ends a name or a class that the column cut off."""

EXAMPLE = """Model: "sequential"
_________________________________________________________________
 Layer (type)                Output Shape              Param #
=================================================================
 dense (Dense)               (None, 128)               100480
 dense_1 (Dense)             (None, 10)                1290
=================================================================
Total params: 101,770"""

Dims = tuple[int | None, ...]
"""Sizes of one output without the batch, as printed."""


class Source(NamedTuple):
    """One entry of "Connected to": `dense[1][0]` is the first output of the second call; None where cut off."""

    name: str
    call: int | None = None
    tensor: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One layer of the table; `depth` counts the expanded models around it, `parameters` is None where cut off."""

    name: str
    cls: str
    shapes: tuple[Dims, ...]
    parameters: int | None
    sources: tuple[Source, ...] = ()
    depth: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """One summary: `total` counts the model's own parameters, without the optimizer's; None where it is cut off."""

    name: str
    rows: tuple[Row, ...]
    connected: bool = False
    total: int | None = None


_BAR = re.compile("[│┃|]")
_NOT_RULE = re.compile(r"[^\s_=\-+|¯~\u2500-\u257f]")
_MODEL = re.compile(r'Model: "([^"\n]{0,200})"')
_HEADER = re.compile(r"Layer\s*\(type\)[ │┃|]{1,400}Output Shape[ │┃|]{1,400}Param\s*#")
_HEADINGS = re.compile(r"Layer|Output|Param|Connected|Trai")
_COUNT = re.compile(r"\b(Total|Non-trainable|Optimizer|Trainable) params: *(\d[\d,]{0,20})")

_TUPLE = re.compile(r"\(((?:None|\d{1,9})?(?:, ?(?:None|\d{1,9})){0,9}),?\)")
_NUMBER = re.compile(r"(\d[\d,]{0,20})(…?)")
_TITLE = re.compile(r"\s*+([^()]{0,300})(?:\(([^()]{0,200})(\))?)?")
_QUOTED = re.compile(r"'([^']{1,200})'")
_SOURCE = re.compile(r"(.+)\[(\d{1,6})\]\[(\d{1,6})\]")

_SIZES = r"\((?:None|\d{1,9})?(?:, ?(?:None|\d{1,9})){0,9},?\)"
_SHAPE = rf"(?:{_SIZES}|\[{_SIZES}(?:, ?{_SIZES}){{0,20}}\]|multiple|\?)"
_SOURCES = r"(?:[ │|]+\[?'?[\w./:\-]{1,100}\[\d{1,6}\]\[\d{1,6}\]'?,?\]?){0,99}"
_ROW = re.compile(
    rf"(?<![^\s│|└])([\w./:\-]{{1,100}}+[ │|]*+\(\w{{1,100}}+\)?)[ │|]++({_SHAPE})[ │|]++(\d[\d,]{{0,20}}+)({_SOURCES})"
)
"""A row whose columns do not stand where the header has them."""

_TORCHSUMMARY = re.compile(r"\w-\d+\s+\[-1,")


def looks_like_keras_summary(text: str) -> bool:
    """Whether the text holds a table of model.summary(), or rows of one."""
    text = _clean(text[:LONGEST_TEXT])
    if _TORCHSUMMARY.search(text) or "(type:depth-idx)" in text:
        return False
    if _HEADER.search(text) or (_MODEL.search(text) and re.search("[━=_─]{9}", text) and "Layer" in text):
        return True
    return _ROW.search(text) is not None


def parse(text: str) -> list[Table]:
    """Every table in the text; whatever stands around them is passed over.

    Raises:
        ReadError: the text is too long, or has too many rows.
    """
    if len(text) > LONGEST_TEXT:
        raise ReadError(
            f"The text has {len(text):,} characters; at most {LONGEST_TEXT:,} are read. Expected the output of "
            f"model.summary(), without expand_nested. Example:\n{EXAMPLE}"
        )
    lines = _clean(text).split("\n")
    tables = [_table(lines, begin, end) for begin, end in _spans(lines)]
    return [table for table in tables if table.rows]


def _clean(text: str) -> str:
    return unbroken(text).replace("\xa0", " ").expandtabs(8)


def _spans(lines: list[str]) -> Iterator[tuple[int, int]]:
    """One span of lines for each summary: it begins with its name, or with its header where it has none."""
    starts = list[int]()
    named = False
    for at, line in enumerate(lines):
        if _MODEL.search(line):
            starts.append(at)
            named = not _HEADER.search(line)
        elif _HEADER.search(line):
            if not named:
                starts.append(at)
            named = False
    if not starts or any(_ROW.search(line) for line in lines[: starts[0]]):
        starts.insert(0, 0)
    yield from zip(starts, [*starts[1:], len(lines)], strict=True)


@dataclass(slots=True)
class _Draft:
    """The fragments of each column of a row, gathered over its lines."""

    line: int
    cells: list[list[str]] = field(default_factory=lambda: [[], [], [], []])
    depth: int = 0

    def full(self) -> bool:
        return any(_NUMBER.match(piece) for piece in self.cells[2])

    def closed(self) -> bool:
        return ")" in "".join(self.cells[0])


def _table(lines: list[str], begin: int, end: int) -> Table:
    columns: list[int] = []
    headed: list[int] = []
    boxed: list[int] = []
    drafts = list[_Draft]()
    fresh = True
    for at in range(begin, end):
        line = lines[at]
        if not _NOT_RULE.search(line):
            fresh = True
            continue
        if _COUNT.search(line) and not _ROW.search(line):
            # What follows the totals belongs to no row.
            break
        bars = [m.start() for m in _BAR.finditer(line)]
        if len(bars) > 1 and line.lstrip()[0] in "│┃|" and (boxed or len(bars) > 3 or "Layer" in line):
            # A narrow terminal crops the table: the last cell has no bar behind it.
            ends = bars if bars[-1] == len(line.rstrip()) - 1 else [*bars, len(line)]
            cells = [line[a + 1 : b] for a, b in pairwise(ends)]
            if ends is not bars and not boxed and "#" not in cells[-1] and "Para" in cells[-1]:
                cells.pop()
            if not drafts and 1 in (kinds := _kinds(cells)):
                boxed = kinds
                continue
            if line.lstrip()[0] == "┃":
                continue
            fresh = _boxed(drafts, at + 1, cells, boxed or [0, 1, 2, 3], fresh)
            continue
        if _HEADER.search(line) and not _ROW.search(line):
            columns = [m.start() for m in _HEADINGS.finditer(line)]
            headed = _kinds([line[at:] for at in columns])
            continue
        fresh = _padded(drafts, at + 1, line, columns, headed, fresh)
        if len(drafts) > MOST_ROWS:
            raise ReadError(
                f"Line {at + 1}: more than {MOST_ROWS:,} rows. Expected the output of model.summary(); send one part "
                f"of the model, or call it without expand_nested. Example:\n{EXAMPLE}"
            )
    section = "\n".join(lines[begin:end])
    name = _MODEL.search(section)
    counts = {m[1]: int(m[2].replace(",", "")) for m in _COUNT.finditer(section)}
    total = counts["Total"] - counts.get("Optimizer", 0) if "Total" in counts else None
    rows = tuple(row for draft in drafts if (row := _row(draft)))
    return Table(name[1] if name else "model", rows, any(row.sources for row in rows), total)


def _kinds(cells: Sequence[str]) -> list[int]:
    """Which of the four columns each one is: layer, shape, parameters, connections; -1 for another."""
    words = {"Laye": 0, "Outp": 1, "Para": 2, "Conn": 3}
    return [words.get(cell.strip()[:4], -1) for cell in cells]


def _boxed(drafts: list[_Draft], number: int, cells: list[str], kinds: list[int], fresh: bool) -> bool:
    """Add a line of a drawn table; whether the next one begins a new row."""
    named = dict(zip(kinds, cells, strict=False))
    draft = _opened(drafts, number, named.get(0, ""), named.get(2, ""), fresh)
    corner = named.get(0, "").find("└")
    if corner >= 0:
        draft.depth = max(1, (corner - 1) // 3)
        named[0] = named[0].replace("└", " ", 1)
    for kind in range(4):
        if piece := named.get(kind, "").strip():
            # Words never go on in the next line here: a blank keeps them apart.
            draft.cells[kind].append(piece + " ")
    return False


def _padded(drafts: list[_Draft], number: int, line: str, columns: list[int], kinds: list[int], fresh: bool) -> bool:
    """Add a line of a table in columns of blanks; whether the next one begins a new row."""
    bars = len(line) - len(line.lstrip("|"))
    body = " " * bars + line[bars:].rstrip("| ")
    starts = [0, *columns[1:]]
    pieces = [body[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
    named = dict(zip(kinds, pieces, strict=False))
    if not columns or not _aligned(body, starts, named, fresh):
        found = list(_ROW.finditer(line))
        for row in found:
            drafts.append(_Draft(number, [[row[1]], [row[2]], [row[3]], [row[4]]], bars))
        return fresh and not found
    draft = _opened(drafts, number, named[0], named[2], fresh)
    draft.depth = max(draft.depth, bars)
    for kind in range(4):
        if piece := named.get(kind):
            draft.cells[kind].append(piece)
    return False


def _aligned(body: str, starts: list[int], named: dict[int, str], fresh: bool) -> bool:
    """Whether the cells of a line stand under their headings, each after a blank."""
    if not {0, 1, 2} <= named.keys() or any(body[at - 1 : at].strip() for at in starts[1:]):
        return False
    shape, count = named[1], named[2]
    if not fresh and not count:
        return True
    return bool(_NUMBER.fullmatch(count.split(" ")[0])) and shape[:1] in {"(", "[", "m", "?", "{", "N"}


def _opened(drafts: list[_Draft], number: int, title: str, count: str, fresh: bool) -> _Draft:
    """The row that a line belongs to: a new one after a rule, or where both its name and its count begin."""
    last = drafts[-1] if drafts else None
    begins = title.strip() and _NUMBER.match(count.strip())
    if last is None or fresh or (begins and last.full() and ("(" in title or last.closed())):
        last = _Draft(number)
        drafts.append(last)
    return last


def _row(draft: _Draft) -> Row | None:
    title = _TITLE.match("".join(draft.cells[0]))
    count = _NUMBER.match("".join(draft.cells[2]))
    if title is None or not title[1].strip() or (count is None and title[3] is None):
        return None
    name, cls = title[1].strip(), (title[2] or "").strip().rstrip(CUT)
    if title[3] is None:
        cls += CUT
    if title[2] is None and not name.endswith(CUT):
        name += CUT
    number = None
    if count is not None and not count[2] and "unbuilt" not in "".join(draft.cells[2]):
        number = int(count[1].replace(",", ""))
    shapes = tuple(_dims(m[1]) for m in _TUPLE.finditer("".join(draft.cells[1])))
    return Row(name, cls, shapes, number, tuple(_sources(draft.cells[3])), min(draft.depth, DEEPEST), draft.line)


def _dims(text: str) -> Dims:
    sizes = [None if size == "None" else int(size) for size in text.replace(" ", "").split(",") if size]
    return tuple(sizes[1:])


def _sources(pieces: list[str]) -> Iterator[Source]:
    joined = "".join(pieces)
    entries = _QUOTED.findall(joined) if "'" in joined else [w for p in pieces for w in p.split()]
    for entry in entries:
        text = entry.strip(",")
        if found := _SOURCE.fullmatch(text):
            yield Source(found[1], int(found[2]), int(found[3]))
        elif text.strip("-[]"):
            name, _, index = text.rstrip(CUT).partition("[")
            call = re.match(r"(\d{1,6})\]", index)
            cut = "" if index or text.rstrip(CUT).endswith("[") else CUT
            yield Source(name + cut, int(call[1]) if call else None)
