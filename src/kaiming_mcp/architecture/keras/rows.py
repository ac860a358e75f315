"""The rows of a table made ready: cut counts and classes completed, nested models joined, the channel axis found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kaiming_mcp.architecture.keras.classes import is_weightless, resolve
from kaiming_mcp.architecture.keras.table import CUT, Row, Table
from kaiming_mcp.architecture.keras.words import named_function


@dataclass(slots=True)
class Block:
    """A row and the rows of the nested model that it opens."""

    row: Row
    inner: list[Block] = field(default_factory=list["Block"])


def completed(table: Table) -> tuple[tuple[Row, ...], list[Row]]:
    """The rows with what the columns cut off put back where it is certain, and those whose class it was not."""
    plain = [replace(row, cls=resolve(row)) for row in table.rows]
    plain = [replace(row, parameters=0) if row.parameters is None and is_weightless(row.cls) else row for row in plain]
    lost = [row for row in plain if row.parameters is None and row.depth == 0]
    rest = None
    if len(lost) == 1 and table.total is not None:
        rest = table.total - sum(row.parameters or 0 for row in plain if row.depth == 0)
    rows = [replace(row, parameters=rest) if rest and rest > 0 and row is lost[0] else row for row in plain]
    return tuple(rows), [row for row in rows if row.cls.endswith(CUT)]


def nested(rows: Sequence[Row]) -> list[Block]:
    """Rows of expanded models below the row of their model."""
    top = list[Block]()
    path = list[Block]()
    for row in rows:
        block = Block(row)
        del path[row.depth :]
        (path[-1].inner if path else top).append(block)
        path.append(block)
    return top


def channels_first(rows: Sequence[Row]) -> bool:
    """Whether channels stand first in images: the parameter counts of convolutions and batch norms tell."""
    votes = Counter[bool]()
    for row in rows:
        dims, count = row.shapes[0] if row.shapes else (), row.parameters
        if len(dims) < 3 or not count:
            continue
        for axis, first in ((dims[0], True), (dims[-1], False)):
            if row.cls == "BatchNormalization":
                votes[first] += axis is not None and count in (4 * axis, 3 * axis, 2 * axis)
            elif row.cls.startswith("Conv"):
                votes[first] += bool(axis) and count % (axis or 1) == 0
    return votes[True] > votes[False]


def usual_activation(rows: Sequence[Row]) -> str:
    """The one function that the names of the Activation layers tell, or ""."""
    told = Counter(name for row in rows if row.cls == "Activation" and (name := named_function(row.name)))
    return next(iter(told)) if len(told) == 1 and told.total() > 1 else ""
