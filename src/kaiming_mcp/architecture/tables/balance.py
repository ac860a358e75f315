"""The count of every row against that of the layers read from it, and of all rows against the table's total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from kaiming_mcp.architecture.ir import Assumption, Difference, Node, layers
from kaiming_mcp.architecture.listing import listed
from kaiming_mcp.architecture.parameters import parameter_count
from kaiming_mcp.architecture.tables.rows import Row, Table


def _prefixes(path: str) -> Iterator[str]:
    yield path
    while path:
        path = path.rpartition(".")[0]
        yield path


def balance(table: Table, root: Node, rows: dict[str, list[Row]]) -> tuple[list[Difference], list[Assumption]]:
    """Why the layers hold more or less than the rows, module by module, and the rows than the total."""
    gaps: Counter[str] = Counter()
    for path, found in rows.items():
        for prefix in _prefixes(path):
            gaps[prefix] += sum(row.counted for row in found)
    total = gaps[""]
    for layer, times in layers(root):
        for prefix in _prefixes(layer.path):
            gaps[prefix] -= (parameter_count(layer.op) or 0) * times
    reasons: dict[tuple[str, str], list[tuple[str, int]]] = {}
    for path, count in _own_gaps(gaps, rows):
        row = rows[path][0]
        repeated = any(r.again for r in rows[path])
        reason = "itself" if count > 0 else "again" if repeated else "uncounted" if row.uncounted else "twice"
        reasons.setdefault((reason, row.cls), []).append((path or row.cls, count))
    differences, uncounted = list[Difference](), list[Assumption]()
    for (reason, cls), found in reasons.items():
        count = sum(count for _, count in found)
        places = listed([path for path, _ in found], 3)
        match reason:
            case "itself":
                differences.append(
                    Difference(count, f"held by {cls} itself or by modules of it without a row: {places}")
                )
            case "again":
                differences.append(Difference(count, f"{cls} that runs again with the same weights: {places}"))
            case "twice":
                differences.append(Difference(count, f"{cls} that stands twice in the tree: {places}"))
            case _:
                statement = f"{cls} ({places}) holds {-count:,} parameters that this table does not count"
                uncounted.append(Assumption(statement, "sum(p.numel() for p in model.parameters())"))
    rest = (table.stated or total) - total
    if rest > 0:
        differences.append(Difference(rest, "in the text's total but in no row"))
    elif rest < 0:
        differences.append(Difference(rest, "in the rows but not in the text's total"))
    return differences, uncounted


def _own_gaps(gaps: Counter[str], rows: dict[str, list[Row]]) -> Iterator[tuple[str, int]]:
    """The modules whose own count does not agree; what agrees as a whole is not looked into."""
    below: dict[str, list[str]] = {}
    for path in rows:
        if path:
            below.setdefault(path.rpartition(".")[0], []).append(path)
    open_paths = [""]
    for path in open_paths:
        if gaps[path]:
            inner = below.get(path, [])
            open_paths += inner
            if own := gaps[path] - sum(gaps[child] for child in inner):
                yield path, own
