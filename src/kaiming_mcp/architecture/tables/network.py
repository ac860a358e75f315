"""A table as a network: its rows become the modules that PyTorch would print."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

from kaiming_mcp.architecture.blocks import find_block
from kaiming_mcp.architecture.ir import Assumption, Layer, Network, Node, Opaque, Shape
from kaiming_mcp.architecture.rewrite import transform
from kaiming_mcp.architecture.tables.balance import balance
from kaiming_mcp.architecture.tables.infer import infer
from kaiming_mcp.architecture.tables.kernels import Size
from kaiming_mcp.architecture.tables.known import child_names, hidden_children
from kaiming_mcp.architecture.tables.rows import Row, Table, by_path, walk
from kaiming_mcp.architecture.tables.sight import Guess, Sight
from kaiming_mcp.architecture.torch_modules import is_known
from kaiming_mcp.architecture.torch_reader import to_network
from kaiming_mcp.architecture.torch_repr import CUT, Module

_SEEN = 8
"""Earlier outputs that a row without an input may start from."""
_CHANNELS_FIRST = re.compile(r"(?:Conv|BatchNorm|MaxPool|AvgPool|InstanceNorm)\w*?([123])d")
_ORDERED = re.compile(r"Transformer(?:En|De)coderLayer")
_MOST_NOTES = 12
_SETTLE = "print(model)"
_DOTS = re.compile(r"[.\s]")


def network(table: Table) -> Network:
    """The network of a table."""
    _name(table.root)
    _count_again(table)
    builder = _Builder(table)
    module, _ = builder.module(table.root, (), ())
    ran = any(row.output for row in walk(table.root))
    read = _in_this_order(to_network(module, executed=ran), table.root)
    rows = by_path(table.root)

    def counted(node: Node) -> Node:
        """A module of unknown meaning with the count that the table gives to it."""
        if not (isinstance(node, Layer) and isinstance(node.op, Opaque) and node.op.parameters is None):
            return node
        row = next(iter(rows.get(node.path) or rows.get(node.path.rpartition(".")[0], ())), None)
        if row is None or (row.uncounted and not row.parameters):
            return node
        return replace(node, op=replace(node.op, parameters=row.parameters))

    root = transform(read.root, counted)
    differences, uncounted = balance(table, root, rows)
    # What a printout hides stands in the rows of a table; what it counts twice, such as a tied head, they do too.
    found = {d.count for d in differences}
    doubled = [d for d in read.differences if d.count < 0 and d.count not in found]
    return replace(
        read,
        root=root,
        input=builder.input,
        assumptions=tuple(dict.fromkeys([*table.assumptions, *builder.assumptions(), *uncounted, *read.assumptions])),
        differences=(*doubled, *differences),
        modules=sum(1 for _ in walk(table.root)),
        stated=table.stated,
        alternatives=tuple(replace(a, root=transform(a.root, counted)) for a in read.alternatives),
    )


def _in_this_order(read: Network, root: Row) -> Network:
    """The order of norms in transformer layers: a table in order of execution shows it, a printout does not."""
    firsts = {
        row.children[0].cls == "LayerNorm"
        for row in walk(root)
        if _ORDERED.fullmatch(row.cls) and row.output and any(c.cls == "LayerNorm" for c in row.children)
    }
    doubts = [a for a in read.alternatives if "norm_first" in a.condition and ";" not in a.condition]
    if len(firsts) != 1 or not doubts:
        return read
    shown = firsts.pop()
    wrong = any(f"norm_first={shown}" in a.condition for a in doubts)
    return replace(
        read,
        root=doubts[0].root if wrong else read.root,
        assumptions=tuple(a for a in read.assumptions if "norm_first" not in a.statement),
        alternatives=tuple(a for a in read.alternatives if a not in doubts),
    )


def _name(root: Row) -> None:
    for row in walk(root):
        known = child_names(row.cls, (child.cls for child in row.children))
        for i, child in enumerate(row.children):
            name = child.name or (known[i] if known else child.label)
            child.name = _DOTS.sub("-", name)


def _count_again(table: Table) -> None:
    """Give rows that run again the count of the row that they repeat.

    torchinfo marks every row of a ModuleList that runs in turns with others as a repeat. Where its depth hides the
    layers too, the count stands in the total alone.
    """
    latest: dict[tuple[object, ...], Row] = {}
    numberless: dict[tuple[str, str], Row] = {}
    for row in walk(table.root):
        sized, named = (row.cls, row.input, row.output), (row.cls, row.name)
        keys = ((*sized, row.name), sized, named, (row.cls,))
        if not row.again:
            latest |= dict.fromkeys(keys, row)
        elif not row.children:
            source = next((latest[key] for key in keys if key in latest), None)
            if source is None:
                numberless.setdefault(named, row)
            row.parameters = source.parameters if source else 0
    missing = (table.stated or 0) - sum(row.counted for row in walk(table.root))
    if len(numberless) == 1 and missing > 0:
        (row,) = numberless.values()
        row.again, row.parameters = False, missing


class _Builder:
    """Turns rows into modules; follows the size of what flows, and notes what it takes for granted."""

    def __init__(self, table: Table) -> None:
        self.numbers = table.numbers
        self.notes: dict[str, None] = {}
        self.seen: dict[Size, None] = {}
        self.first = True
        self.input: Shape | None = None
        leaves = [row for row in walk(table.root) if not row.children]
        self.normalized = {
            id(row): (after.parameters or 0) // 2
            for row, after in pairwise(leaves)
            if after.cls.startswith("BatchNorm")
        }
        if table.root.input and leaves:
            self.input = _shape(table.root.input, leaves[0].cls)

    def assumptions(self) -> tuple[Assumption, ...]:
        if not self.notes:
            return ()
        taken = "; ".join([*self.notes][:_MOST_NOTES])
        return (Assumption(f"the table shows no arguments, so the usual ones that fit are taken: {taken}", _SETTLE),)

    def module(self, row: Row, flow: Size, outer: tuple[Size, ...]) -> tuple[Module, Size]:
        """A row as a module, and the size that leaves it."""
        entered = row.input or flow
        if row.children and row.cls != "MultiheadAttention":
            children, inner = list[Module](), entered
            for child in row.children:
                module, inner = self.module(child, inner, (entered, *outer)[:_SEEN])
                children.append(module)
            whole = Module(row.name, row.cls, "", tuple(children), 1, row.line, row.text)
            # A printout names each child once: that is how blocks are known, whose forward() says what runs again.
            once = replace(whole, children=tuple({child.name: child for child in reversed(children)}.values())[::-1])
            return once if find_block(once) else whole, row.output or inner
        inputs = (row.input,) if row.input else tuple(dict.fromkeys(s for s in (flow, *outer, *self.seen) if s))
        guess = self._infer(row, inputs)
        children = self._hidden(row, outer)
        arguments = guess.arguments if guess else CUT if row.counted and not children else ""
        left = row.output or ((-1, guess.features) if guess and guess.features else entered)
        self.seen = {left: None, **dict.fromkeys([*self.seen][: _SEEN - 1])}
        return Module(row.name, row.cls, arguments, children, 1, row.line, row.text), left

    def _infer(self, row: Row, inputs: tuple[Size, ...]) -> Guess | None:
        guess = infer(
            Sight(
                row.cls,
                row.parameters,
                inputs,
                row.output,
                row.kernel,
                bool(row.input),
                row.weights,
                self.normalized.get(id(row), 0),
                self.numbers,
            )
        )
        self.notes.update(dict.fromkeys(guess.notes if guess else ()))
        if self.first:
            self.first = False
            kept = row.output if guess or (is_known(row.cls) and not row.uncounted) else ()
            self.input = self.input or _shape(row.input or (guess.input if guess else ()) or kept, row.cls)
        return guess

    def _hidden(self, row: Row, outer: tuple[Size, ...]) -> tuple[Module, ...]:
        own = (row.parameters or 0) if row.again else row.counted
        count = own + sum(child.counted for child in row.children)
        if not count:
            return ()
        after = row.output[-1] if len(row.output) == 3 else row.output[1] if len(row.output) > 1 else 0
        start = row.input or next(iter(outer), ())
        before, stride = _narrowing(start, row.output)
        found = hidden_children(row.cls, row.parent, count, before, after, stride)
        if found and row.cls != "MultiheadAttention":
            self.notes[f"{row.cls} below the table's depth: the usual layers of this count"] = None
        return tuple(found or ())


def _narrowing(before: Size, after: Size) -> tuple[int, int]:
    """Channels before a block of images, and by how much it shrinks them."""
    match before, after:
        case (_, channels, height, _), (_, _, shrunk, _) if shrunk > 0:
            return channels, max(1, round(height / shrunk))
        case _:
            return 0, 1


def _shape(size: Size, cls: str) -> Shape | None:
    """The shape of one example: channels first for what works on images, tokens before an embedding."""
    if len(size) < 2 or min(size[1:]) < 1:
        return None
    if cls.startswith("Embedding"):
        return Shape(None, size[1:])
    if found := _CHANNELS_FIRST.match(cls):
        axes = int(found[1])
        return Shape(size[-axes - 1], size[-axes:]) if len(size) > axes else None
    if len(size) >= 4:
        return Shape(size[1], size[2:])
    return Shape(size[-1], size[1:-1])
