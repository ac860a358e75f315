"""Pairs in shapes that are no table: y = [...] and x = [...], (y, x) tuples, y=1 x=2 lines, "1: 2.0, 2.1" groups, JSON lines.

Each shape is rewritten as CSV; the readers of tables do the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LONGEST = 200_000
_BRACKETS = frozenset({"", "[", "]", "{", "}", "(", ")"})
_NUMBER = r"[+-]?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?:[eE][+-]?\d{1,3})?"
_FIND = re.compile(_NUMBER)
_NAMED_ROW = re.compile(
    rf"^\s{{0,9}}([A-Za-z]\w{{0,30}})\s?[:=]\s?(?:[\w.]{{1,20}}\()?[\[(]?(\s?{_NUMBER}(?:[\s,;]{{1,3}}{_NUMBER}){{1,}})[\])\s,]{{0,4}}(?:[\w.=\s]{{0,30}}\))?\s{{0,9}}$"
)
_TUPLE = re.compile(rf"[(\[]\s?({_NUMBER})\s?[,;]\s?({_NUMBER})\s?[)\]]")
_NAMED_CELL = re.compile(rf"\b([A-Za-z]\w{{0,30}})\s?[=:]\s?({_NUMBER})")
_GROUP = re.compile(
    rf"^\s{{0,9}}({_NUMBER})\s?[:=]\s?[\[(]?({_NUMBER}(?:[\s,;]{{1,3}}{_NUMBER}){{1,}})[\])]?\s{{0,9}}$"
)
_SPREAD = re.compile(rf"(?<=\d)\s?(?:±|\+/-|\+-)\s?{_NUMBER}")
_UNIT = re.compile(r"(?<=\d)\s?(?:[a-zA-Zµμ°Ω%][a-zA-Z°/²³]{0,7})(?=\s{0,3}(?:[,;|\t]|$))", re.MULTILINE)
_HALF = re.compile(rf"({_NUMBER})\s?,\s?({_NUMBER})\s?(?:;|$)", re.MULTILINE)


def as_tables(text: str) -> list[str]:
    """The text rewritten as CSV in every way that its shape allows; none where it has no such shape."""
    text = text[:LONGEST]
    return [table for rewrite in _SHAPES if (table := rewrite(text))]


def prose(text: str) -> str:
    """The lines that hold no pair: fewer than two numbers and no bracket."""
    return "\n".join(
        line for line in text.splitlines() if len(_FIND.findall(line[:LONGEST])) < 2 and line.strip() not in _BRACKETS
    )


def _named_rows(text: str) -> str:
    """One named list for each line; those of the commonest length are columns."""
    found = [(m[1], _FIND.findall(m[2])) for line in text.splitlines() if (m := _NAMED_ROW.match(line))]
    lengths = [len(values) for _, values in found]
    common = max(set(lengths), key=lengths.count, default=0)
    columns = {name: values for name, values in found if len(values) == common}
    return _csv(list(columns), [list(row) for row in zip(*columns.values(), strict=True)]) if len(columns) > 1 else ""


def _groups(text: str) -> str:
    """A condition, then several answers to it, on each line."""
    found = [m for line in text.splitlines() if (m := _GROUP.match(line))]
    rows = [[m[1], value] for m in found for value in _FIND.findall(m[2])]
    return _csv(["y", "x"], rows) if len(found) > 1 else ""


def _named_cells(text: str) -> str:
    """y=1 x=2 on each line."""
    lines = [dict(_NAMED_CELL.findall(line)) for line in text.splitlines()]
    names = next((list(line) for line in lines if len(line) > 1), list[str]())
    return _csv(names, [[line[n] for n in names] for line in lines if names and set(line) == set(names)])


def _tuples(text: str) -> str:
    return _csv(["y", "x"], [[m[1], m[2]] for m in _TUPLE.finditer(text)])


def _json_lines(text: str) -> str:
    lines = [line.strip().rstrip(",") for line in text.splitlines() if line.strip().startswith("{")]
    return f"[{','.join(lines)}]" if len(lines) > 1 else ""


def _plain_cells(text: str) -> str:
    """Cells without their ± and units."""
    plain = _UNIT.sub("", _SPREAD.sub("", text))
    return plain if plain != text else ""


def _one_line(text: str) -> str:
    return _csv(["y", "x"], [[m[1], m[2]] for m in _HALF.finditer(text)])


def _csv(names: list[str], rows: list[list[str]]) -> str:
    return "\n".join([",".join(names), *(",".join(row) for row in rows)]) if len(rows) > 1 else ""


_SHAPES: tuple[Callable[[str], str], ...] = (
    _named_rows, _groups, _json_lines, _tuples, _named_cells, _plain_cells, _one_line,
)  # fmt: skip
