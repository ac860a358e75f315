"""From pasted text to measurements: documents first, then tables, then line by line; what is left is listed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.paste.clean import clean
from kaiming_mcp.measurements import assemble, blocks, captions, documents, naming, repeated, rows, terms, tongues
from kaiming_mcp.measurements.context import Context
from kaiming_mcp.measurements.events import events, is_frame, is_message
from kaiming_mcp.measurements.lines import read_line
from kaiming_mcp.measurements.quantity import UNKNOWN, Quantity
from kaiming_mcp.measurements.ranges import ranges
from kaiming_mcp.measurements.record import At, Event, Measurements, PerLayer, Reading, Series
from kaiming_mcp.measurements.stated import stated
from kaiming_mcp.measurements.tables import Table, table_readings, tables
from kaiming_mcp.measurements.training import training as read_training
from kaiming_mcp.measurements.value import with_points

MOST_CHARACTERS, MOST_LINES = 2_000_000, 200_000
MOST_LISTED = 5
"""Lines that are listed as not understood; the rest is counted."""
MOST_READINGS = 100_000
"""Numbers that are kept; `understood` says so where there are more."""
MOST_JOINED = 2_000
"""Lines that one printed tensor may span."""

_FENCE = re.compile(r"[ \t]{0,8}(?:```+|~~~+)[^`\n]*$")
_JOIN = re.compile(
    r"(?:tensor|array|Array|Parameter containing:)\s?\(\s?\[|=\s?\[\[|:\s?\[\[|^\s*\[\[|:\s?\[|=\s?\[|^\s*\[\s*[-+\d.]"
)


def read_measurements(text: str, training: str = "") -> Measurements:
    """What a pasted text measured, and how the network is trained.

    Raises:
        ReadError: when a text is longer than MOST_CHARACTERS or MOST_LINES.
    """
    if max(len(text), len(training)) > MOST_CHARACTERS or max(text.count("\n"), training.count("\n")) > MOST_LINES:
        raise ReadError(
            f"The measurements are longer than {MOST_CHARACTERS:,} characters or {MOST_LINES:,} lines: send the "
            "numbers per layer of one step and some lines of the log, such as `fc1.weight grad norm 1.2e-05` or "
            "`step 100 loss 2.30 grad_norm 0.4`."
        )
    english = tongues.in_english(text)
    foreign, text = english != text, captions.captioned(english, training)
    lines = with_points(clean(rows.marked(text)), foreign).split("\n")
    lines = ["" if _FENCE.match(line) else line for line in lines]
    whole = lines
    sayings, lines = stated(whole)
    found = _Found(lines)
    found.read()
    lines, told = found.lines, found.told
    readings = [r for r in naming.named(found.readings) if r.quantity.known or r.layer or r.at]
    trained = read_training(clean(training), text)
    readings = terms.told_apart(naming.error_as_loss(readings, trained.loss))
    happened = _events(lines, readings, told, found.times)
    layers = assemble.per_layer(readings)
    over_time, facts = assemble.series(readings)
    facts = tuple(replace(fact, text=lines[fact.line - 1].strip()[:200]) for fact in facts)
    facts = (*facts, *ranges(whole), *sayings)
    return Measurements(
        per_layer=layers,
        series=over_time,
        events=happened,
        facts=facts,
        training=trained,
        understood=tuple(_said(layers, over_time, happened, len(facts), len(found.readings) >= MOST_READINGS)),
        not_understood=tuple(found.missed[:MOST_LISTED]),
        not_understood_count=len(found.missed),
        probe=found.probe,
    )


class _Found:
    """The readings of a text, and which of its lines are taken."""

    def __init__(self, marked: Sequence[str]) -> None:
        self.marked = repeated.marked(marked)
        """The lines with marks of the names of rows, which only the reader of lines understands."""
        self.lines = lines = [rows.plain(line) for line in marked]
        self.told = list(events(lines))
        self.eventful = {event.line - 1 for event in self.told}
        self.free = [bool(line.strip()) and not is_frame(line) for line in lines]
        for i in range(1, len(lines)):
            # The line of code below a place in a traceback.
            self.free[i] &= not (is_frame(lines[i - 1]) and lines[i].startswith("    "))
        for event in self.told:
            self.free[event.line - 1] &= not is_message(event, lines[event.line - 1])
        self.readings: list[Reading] = []
        self.missed: list[tuple[int, str]] = []
        self.times: list[At | None] = [None] * len(lines)
        self.probe: dict[str, str | int | float | None] = {}

    def read(self) -> None:
        """Documents, tables and lines, in the order of the text."""
        placed: dict[int, tuple[str, list[Reading]]] = {}
        for block in blocks.documents(self.lines):
            self.probe = self.probe or documents.head(block.content)
            placed[block.begin] = block.before, list(documents.readings(block.content, block.begin + 1))
            self.free[block.begin : block.end] = [False] * (block.end - block.begin)
            if documents.head(block.content):
                # Our probe counts what is not finite: its words are no messages of the run.
                self.told = [e for e in self.told if not block.begin < e.line <= block.end]
        titles: dict[int, Quantity] = {}
        for begin, end, quantity in blocks.footed(self.lines):
            titles[begin], titles[end], self.free[end] = quantity, UNKNOWN, False
        for begin, end, quantity in captions.below(self.lines):
            titles[begin], titles[end], self.free[end] = quantity, UNKNOWN, False
        at_tables = {table.begin: table for table in tables(self.lines, self.free)}
        for table in at_tables.values():
            self.free[table.begin : table.end] = [i == table.aside for i in range(table.begin, table.end)]
        context, i = Context(), 0
        while i < len(self.lines) and len(self.readings) < MOST_READINGS:
            self.times[i] = context.at
            context.quantity = titles.get(i, context.quantity)
            if i in placed:
                before, made = placed[i]
                self.readings += read_line(before, i + 1, context)[0] if before.strip() else []
                self.readings += [replace(r, at=context.at) if r.at is None and before.strip() else r for r in made]
            elif i in at_tables:
                self.readings += self._table(at_tables[i], context)
            elif self.free[i]:
                end = self._joined(i)
                self._line(i, end, context)
                self.times[i] = context.at
                i = end
            elif not self.lines[i].strip():
                read_line("", i + 1, context)
            i += 1

    def _table(self, table: Table, context: Context) -> list[Reading]:
        title = context.quantity if context.blank < 2 else UNKNOWN
        made = [
            replace(r, line=r.line + 1, at=r.at or context.at)
            for r in islice(table_readings(table, title), MOST_READINGS)
        ]
        if not made:
            self.missed += [(line + 1, " ".join(cells)[:120]) for line, cells in table.rows]
        return made

    def _line(self, begin: int, end: int, context: Context) -> None:
        several = " ".join(line.strip() for line in self.lines[begin : end + 1]) if end > begin else ""
        made, lost = read_line(several or self.marked[begin], begin + 1, context)
        self.readings += made
        if lost and begin not in self.eventful:
            self.missed.append((begin + 1, (several or self.lines[begin]).strip()[:120]))

    def _joined(self, begin: int) -> int:
        """The last line of a printed array that begins on this line."""
        line = self.lines[begin]
        if len(line) > 20_000 or not _JOIN.search(line):
            return begin
        depth, end = 0, begin
        while end < len(self.lines) and end - begin < MOST_JOINED:
            depth += self.lines[end].count("[") - self.lines[end].count("]")
            if depth <= 0:
                return end
            if end > begin and not re.fullmatch(
                r"[\s\[\]\d.,eE+\-naif()]*(?:(?:device|grad_fn|dtype|requires_grad)\b.*)?", self.lines[end][:5_000]
            ):
                return begin
            end += 1
        return begin


def _events(
    lines: Sequence[str], readings: Sequence[Reading], told: Sequence[Event], times: Sequence[At | None]
) -> tuple[Event, ...]:
    """Events of the text, and the first nan or inf of each quantity."""
    by_line: dict[int, Reading] = {}
    for reading in readings:
        by_line.setdefault(reading.line, reading)
    moments = [by_line[i + 1].at if i + 1 in by_line else at for i, at in enumerate(times)]
    told = [replace(event, at=moments[event.line - 1]) for event in told]
    seen: set[tuple[str, str, str]] = set()
    made = list[Event]()
    nans = {r.line for r in readings if not r.value.finite}
    made += [e for e in told if not (e.kind in ("nan", "inf") and e.line in nans and not e.name.endswith("Backward0"))]
    for reading in readings:
        key = (reading.quantity.kind, reading.quantity.split, reading.layer)
        if not reading.value.finite and key not in seen and len(seen) < 200:
            seen.add(key)
            kind = "nan" if reading.value.x != reading.value.x else "inf"
            name = " ".join(part for part in (reading.layer, _named(reading.quantity)) if part)
            made.append(Event(kind, reading.line, lines[reading.line - 1].strip()[:200], reading.at, name))
    return tuple(sorted(made, key=lambda e: e.line)[:500])


def _named(quantity: Quantity) -> str:
    return " ".join(part for part in (quantity.split, quantity.kind) if part and part != "unknown")


def _said(
    layers: Sequence[PerLayer], over_time: Sequence[Series], happened: Sequence[Event], facts: int, more: bool
) -> list[str]:
    result = list[str]()
    for one in layers:
        kinds = ", ".join(dict.fromkeys(q.kind for q in one.quantities))
        when = f" at {one.at.unit} {one.at.x:g}" if one.at else ""
        result.append(f"{kinds} of {len(one.rows)} layers or parameters{when} (order: {one.order})")
    for one in over_time:
        name = _named(one.quantity) if one.quantity.known else one.label or "an unnamed number"
        name = f"{name} ({one.label})" if one.quantity.known and one.label else name
        result.append(f"{name} over {len(one.points)} {one.unit}s")
    kinds = dict.fromkeys(event.kind for event in happened)
    result += [f"{sum(e.kind == kind for e in happened)} x {kind}" for kind in kinds]
    if facts:
        result.append(f"{facts} single numbers")
    if more:
        result.append(f"only the first {MOST_READINGS:,} numbers: the text holds more")
    return result
