"""Rows of a summary table, as a tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kaiming_mcp.architecture.ir import Assumption
from kaiming_mcp.architecture.tables.kernels import Size


@dataclass(slots=True)
class Row:
    """One row and the rows below it. `parameters` is None where the table does not show it.

    `again` marks a module that has run before, `uncounted` one whose weights this kind of table does not count.
    """

    cls: str
    name: str = ""
    line: int = 0
    text: str = ""
    depth: int = 0
    input: Size = ()
    output: Size = ()
    kernel: Size = ()
    parameters: int | None = None
    again: bool = False
    weights: dict[str, int] = field(default_factory=dict[str, int])
    children: list[Row] = field(default_factory=list["Row"])
    label: str = ""
    uncounted: bool = False
    parent: str = ""

    @property
    def counted(self) -> int:
        """What the row adds to the total: weights that are used again count once."""
        return 0 if self.again else self.parameters or 0


@dataclass(frozen=True, slots=True)
class Table:
    """A table of one network: its root row, its own total, and the bounds of one example's size in numbers."""

    root: Row
    stated: int | None = None
    numbers: tuple[float, float] = (0.0, float("inf"))
    assumptions: tuple[Assumption, ...] = ()


def walk(root: Row) -> Iterator[Row]:
    """A row and all rows below it, in order."""
    stack = [root]
    while stack:
        row = stack.pop()
        yield row
        stack.extend(reversed(row.children))


def by_path(root: Row) -> dict[str, list[Row]]:
    """Rows under their dotted path, as the layers of the tree have it; a module that runs again has one path."""
    found: dict[str, list[Row]] = {}
    stack = [(root, "")]
    while stack:
        row, path = stack.pop()
        found.setdefault(path, []).append(row)
        below = f"{path}." if path else ""
        stack.extend((child, f"{below}{child.name}") for child in reversed(row.children))
    return found
