"""The "Connected to" column: which call of which layer feeds which, in an order in which all can run.

A row lists the inputs of all calls of its layer one after another, and `dense[1][0]` names the second call. Names that
the column cut off are matched by their beginning; where several fit, the latest earlier row not yet used is taken.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from kaiming_mcp.architecture.keras.table import CUT, Row, Source

MOST_CANDIDATES = 64
"""Rows that are looked through where a cut name fits many."""


@dataclass(slots=True)
class Call:
    """One use of the layer of a row: `inputs` are positions in the wiring, with the output that is taken there."""

    row: int
    number: int = 0
    inputs: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])


@dataclass(slots=True)
class Wiring:
    """All calls in order of execution; what was guessed on the way, and names that no row has."""

    calls: list[Call]
    guessed: int = 0
    missing: dict[str, None] = field(default_factory=dict[str, None])
    unconnected: int = 0


def chain(rows: Sequence[Row]) -> Wiring:
    """Every row after the one before it."""
    return Wiring([Call(at, 0, [(at - 1, 0)] if at else []) for at in range(len(rows))])


def connect(rows: Sequence[Row], joins: Callable[[Row], bool]) -> Wiring:
    """Follow the column; `joins` tells the rows that may take several inputs in one call."""
    wiring = Wiring([])
    targets = _targets(rows, wiring)
    counts = _counts(rows, targets, joins)
    begin, total = list[int](), 0
    for count in counts:
        begin.append(total)
        total += count
    calls = [Call(at, n) for at, count in enumerate(counts) for n in range(count)]
    numbers = _numbers(rows, targets)
    for at, row in enumerate(rows):
        share = max(1, len(row.sources) // counts[at])
        cut = Counter[int]()
        for n, (source, target) in enumerate(zip(row.sources, targets[at], strict=True)):
            if target is None:
                continue
            number = _number(source, cut[target], numbers[target], counts[target])
            cut[target] += source.call is None
            call = calls[begin[at] + min(n // share, counts[at] - 1)]
            call.inputs.append((begin[target] + number, source.tensor or 0))
        if not row.sources and at and row.cls != "InputLayer":
            wiring.unconnected += 1
            calls[begin[at]].inputs.append((begin[at] - 1, 0))
    wiring.calls = _ordered(calls, wiring)
    return wiring


def _targets(rows: Sequence[Row], wiring: Wiring) -> list[list[int | None]]:
    """The row that each source names."""
    names = _Names(rows)
    used = set[int]()
    targets = list[list[int | None]]()
    for at, row in enumerate(rows):
        found = list[int | None]()
        for source in row.sources:
            target = names.exact.get(source.name)
            if target is None:
                fits = names.before(source.name, at)
                wiring.guessed += len(fits) > 1
                target = _likeliest(fits, used, rows, at)
            if target is None:
                wiring.missing[source.name] = None
            else:
                used.add(target)
            found.append(target)
        targets.append(found)
    return targets


class _Names:
    """The rows by their names, whole or cut off."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.exact: dict[str, int] = {}
        self.cut: defaultdict[str, list[int]] = defaultdict(list)
        for at, row in enumerate(rows):
            if row.name.endswith(CUT):
                self.cut[row.name.rstrip(CUT)].append(at)
            else:
                self.exact.setdefault(row.name, at)
        self.sorted = sorted((row.name.rstrip(CUT), at) for at, row in enumerate(rows))
        self.lengths = sorted({len(name) for name in self.cut})
        self.known: dict[str, list[int]] = {}

    def before(self, name: str, at: int) -> list[int]:
        """The last rows before this one whose name may be the one given, where either is cut off."""
        start = name.rstrip(CUT)
        near = [self.cut.get(start[:length], []) for length in self.lengths if length <= len(start)]
        if name.endswith(CUT):
            near.append(self._beginning(start))
        ends = [(rows, bisect_left(rows, at)) for rows in near]
        fits = {i for rows, end in ends for i in rows[max(0, end - MOST_CANDIDATES) : end]}
        return sorted(fits, reverse=True)[:MOST_CANDIDATES]

    def _beginning(self, start: str) -> list[int]:
        """All rows whose name begins so, in order."""
        if start not in self.known:
            first, last = bisect_left(self.sorted, (start, -1)), bisect_left(self.sorted, (start + "\U0010ffff", -1))
            self.known[start] = sorted(at for _, at in self.sorted[first:last])
        return self.known[start]


def _likeliest(fits: list[int], used: set[int], rows: Sequence[Row], at: int) -> int | None:
    if len(fits) < 2:
        return fits[0] if fits else None
    keeps = rows[at].cls.startswith(("Add", "BatchNorm", "Activation", "ReLU", "Dropout", "LayerNorm", "Average"))
    return min(fits, key=lambda i: (keeps and rows[i].shapes[:1] != rows[at].shapes[:1], i in used, -i))


def _counts(rows: Sequence[Row], targets: list[list[int | None]], joins: Callable[[Row], bool]) -> list[int]:
    """How often each layer is called."""
    named = _numbers(rows, targets)
    unnamed = [1] * len(rows)
    for row, found in zip(rows, targets, strict=True):
        cut = Counter(t for s, t in zip(row.sources, found, strict=True) if t is not None and s.call is None)
        for target, times in cut.items():
            unnamed[target] = max(unnamed[target], times)
    counts = list[int]()
    for at, row in enumerate(rows):
        inputs = len(row.sources)
        count = max(len(named[at]), unnamed[at], 1) if joins(row) else inputs
        counts.append(count if inputs and inputs % max(count, 1) == 0 else 1)
    return counts


def _numbers(rows: Sequence[Row], targets: list[list[int | None]]) -> list[list[int]]:
    """The call numbers by which each layer is named."""
    named: defaultdict[int, set[int]] = defaultdict(set)
    for row, found in zip(rows, targets, strict=True):
        for source, target in zip(row.sources, found, strict=True):
            if target is not None and source.call is not None:
                named[target].add(source.call)
    return [sorted(named[at]) for at in range(len(rows))]


def _number(source: Source, nth: int, named: list[int], count: int) -> int:
    """Which call of a layer a source means; Keras 2 counts the calls of a nested model from one."""
    if source.call is None:
        return min(nth, count - 1)
    return source.call if named[-1] < count else min(bisect_left(named, source.call), count - 1)


def _ordered(calls: list[Call], wiring: Wiring) -> list[Call]:
    """In order of execution, else of the rows; an input that would run in a circle is left out."""
    waiting = [len({i for i, _ in call.inputs}) for call in calls]
    after: defaultdict[int, list[int]] = defaultdict(list)
    for at, call in enumerate(calls):
        for i in {i for i, _ in call.inputs}:
            after[i].append(at)
    ready = [at for at, count in enumerate(waiting) if not count]
    heapify(ready)
    place: dict[int, int] = {}
    rest = iter(range(len(calls)))
    while len(place) < len(calls):
        if not ready:
            stuck = next(at for at in rest if at not in place)
            wiring.unconnected += 1
            heappush(ready, stuck)
        at = heappop(ready)
        if at in place:
            continue
        place[at] = len(place)
        for i in after[at]:
            waiting[i] -= 1
            if not waiting[i]:
                heappush(ready, i)
    for at, call in enumerate(calls):
        call.inputs = [(place[i], tensor) for i, tensor in call.inputs if place[i] < place[at]]
    return [calls[at] for at in place]
