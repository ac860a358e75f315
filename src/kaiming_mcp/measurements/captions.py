"""Legends that stand below the rows they explain, or in the words about the training."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from kaiming_mcp.measurements.quantity import PER_LAYER, Quantity, quantity_of
from kaiming_mcp.measurements.tables import is_name, is_place, telling
from kaiming_mcp.measurements.value import number

FEWEST = 3
"""Rows of bare numbers that a legend may name."""
LONGEST = 400
MOST_COLUMNS = 12
_MARKS = ("|", "\t", ";", ",")
_BARE = re.compile(r"[-+\d.eE%\s|;,naif]{3,}")
_TITLED = re.compile(
    r"\W{0,4}(?:columns?|cols?|fields?|legend|header|format|rows?)(?:\s?[:=]|\s(?:are|is)\b:?)\s?", re.I
)
_ROW = re.compile(
    r"[ \t]{0,8}[A-Za-z_][\w.]{0,60}[ \t]?[:=|][ \t]{0,8}"
    r"(?P<cells>[-+\d.,e]{1,24}(?:[ \t]{1,8}[-+\d.,e]{1,24}){1,7})[ \t]*"
)
_CAPTION = re.compile(r"\s{0,12}(?:[(^↑]|(?:the )?(?:above|numbers|values)\b)[^\d\n]{3,200}$", re.I)


def captioned(text: str, training: str) -> str:
    """The text with the names of a legend beside the numbers of each row, where it stands below or in `training`."""
    lines, told = text.split("\n"), training[:20_000].split("\n")
    _named_rows(lines)
    elsewhere = {count: _first(told, count) for count in range(2, MOST_COLUMNS + 1)}
    for begin, end, cells in _runs(lines):
        above, below_ = _near(lines, begin - 1, -1), _near(lines, end, 1)
        count = len(cells[0])
        names = _first([*below_, *above], count) or elsewhere[count]
        # A head that is set apart as its rows are is read as a table.
        table = any(_mark(one) == _mark(lines[begin]) and _first([one], count) and one[:1] != "(" for one in above)
        if names and not table:
            for i, row in enumerate(cells, begin):
                lines[i] = " | ".join(f"{name} {cell}" for name, cell in zip(names, row, strict=True))
    return "\n".join(lines)


def _named_rows(lines: list[str]) -> None:
    """Names beside the numbers of rows that begin with one: `layer: cosine, E[h²]` above `conv0 : 0.47 0.076`."""
    rows = [_ROW.fullmatch(line) if 5 <= len(line) <= LONGEST else None for line in lines]
    cells = [row["cells"].split() if row else [] for row in rows]
    begin = 0
    for count, run in groupby(cells, key=len):
        end = begin + len(list(run))
        names = _of_head(lines[begin - 1], count) if count and begin and end - begin >= FEWEST else None
        for i in range(begin, end) if names else ():
            told = (f"{name} {cell}" for name, cell in zip(names or (), cells[i], strict=True))
            lines[i] = f"{lines[i].split(maxsplit=1)[0].rstrip(':=|')}: {', '.join(told)}"
        begin = end


def _of_head(line: str, count: int) -> list[str] | None:
    """As many quantities as a headline lists behind its last colon, where they are not alike."""
    for mark in (",", ";", "/", "|"):
        names = [name.strip(" `*:()") for name in line[:LONGEST].rpartition(": ")[2].split(mark)]
        kinds = [quantity_of(name) for name in names]
        if len(names) == count and all(map(telling, names)) and len({(k.kind, k.statistic) for k in kinds}) == count:
            return names
    return None


def below(lines: Sequence[str]) -> Iterator[tuple[int, int, Quantity]]:
    """Rows of layers whose caption follows: the first line, the line `(gradient norms)`, what it names."""
    begin = 0
    for at, line in enumerate(lines):
        if not line.strip():
            begin = at + 1
        elif at - begin >= FEWEST and _CAPTION.match(line):
            quantity = quantity_of(line[:LONGEST].partition(",")[0])
            if quantity.kind in PER_LAYER:
                yield begin, at, quantity
            begin = at + 1


def _runs(lines: Sequence[str]) -> Iterator[tuple[int, int, list[list[str]]]]:
    """Consecutive rows of as many bare numbers, of which there are at least two."""
    run: list[list[str]] = []
    for i, line in enumerate((*lines, "")):
        cells = _cells(line)
        if run and len(cells) != len(run[0]):
            if len(run) >= FEWEST:
                yield i - len(run), i, run
            run = []
        if cells:
            run.append(cells)


def _cells(line: str) -> list[str]:
    if not 3 <= len(line) <= LONGEST or not _BARE.fullmatch(line):
        return []
    cells = [cell.strip() for cell in line.strip().strip("|").split(_mark(line))]
    return cells if 2 <= len(cells) <= MOST_COLUMNS and all(map(number, cells)) else []


def _mark(line: str) -> str | None:
    return next((mark for mark in _MARKS if mark in line.strip()), None)


def _near(lines: Sequence[str], at: int, step: int) -> list[str]:
    """The next line that is not blank, if it is one of the next two."""
    near = [lines[i][:LONGEST] for i in (at, at + step) if 0 <= i < len(lines)]
    return [line for line in near if line.strip()][:1]


def _first(lines: Sequence[str], count: int) -> list[str] | None:
    return next((names for line in lines if (names := _names(line, count))), None)


def _names(line: str, count: int) -> list[str] | None:
    """The names of the columns that a legend gives, the first a time or a layer unless it says that it is one."""
    titled = _TITLED.match(line[:LONGEST])
    for names in _splits(line[titled.end() if titled else 0 :], count):
        plain = all(name and len(name.split()) <= 5 and not re.search(r"\d", name) for name in names)
        first = is_place(names[0]) or is_name(names[0]) or names[0].lower() in ("update", "round")
        measured = line.lstrip()[:1] in ("(", "[", "#") and all(quantity_of(name).known for name in names)
        if plain and (titled or first or measured) and 2 * sum(map(telling, names)) >= count:
            return names
    return None


def _splits(line: str, count: int) -> Iterator[list[str]]:
    # `columns: step, loss, grad norm. SGD lr 0.1`: a sentence of its own behind them.
    text = re.split(r"\.\s", line[:LONGEST].strip().lstrip("([#^ ").partition(")")[0], maxsplit=1)[0]
    for mark in (*_MARKS, "/"):
        names = [name.strip(" `*\"'") for name in text.split(mark)]
        if len(names) == count:
            yield [*names[:-1], re.split(r"[;.(]", names[-1])[0].strip()]
