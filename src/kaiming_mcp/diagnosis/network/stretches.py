"""The longest run of weighted layers that no skip bridges, and where it lies in the user's text."""

from __future__ import annotations

from typing import NamedTuple

from kaiming_mcp.architecture.ir import (
    Conv,
    Layer,
    Linear,
    Node,
    Op,
    Opaque,
    Product,
    Repeat,
    Sequence,
    children,
    is_weighted,
    layers,
    walk,
)
from kaiming_mcp.diagnosis.network import structure


class Run(NamedTuple):
    """Weighted layers in a row: how many, how many of them keep width and size, the first and the last."""

    depth: int = 0
    kept: int = 0
    first: Layer | None = None
    last: Layer | None = None

    def then(self, other: Run) -> Run:
        """This run and another directly behind it."""
        return Run(self.depth + other.depth, self.kept + other.kept, self.first or other.first, other.last or self.last)


class _Runs(NamedTuple):
    """The run that a node begins with, the one that it ends with, the longest; `joined` if a skip lies between."""

    head: Run = Run()
    tail: Run = Run()
    longest: Run = Run()
    joined: bool = False


def longest_run(root: Node) -> Run:
    """The longest run of weighted layers without a skip round any of them."""
    return _runs(root, certain=False).longest


def certain_run(root: Node) -> Run:
    """The longest run that needs no assumed order: a part with a hidden forward() may bridge what it holds."""
    return _runs(root, certain=True).longest


def assumed_layers(root: Node) -> set[int]:
    """The ids of layers in parts of several weighted layers whose order of execution is assumed."""
    parts = (n for n, _ in walk(root) if isinstance(n, Sequence) and n.basis == "assumed" and n is not root)
    return {id(layer) for part in parts if _held(part) > 1 for layer, _ in layers(part)}


def _held(part: Node) -> int:
    """Layers with weights, those that are not seen among them."""
    return sum(n for la, n in layers(part) if is_weighted(la.op) or (isinstance(la.op, Opaque) and la.op.parameters))


def assumed_blocks(root: Node) -> int:
    """Weighted layers in repeated parts of an assumed order that end as wide as they begin, so that a skip may be there."""
    found = 0
    for node, times in walk(root):
        body = node.body if isinstance(node, Repeat) else None
        if not (isinstance(body, Sequence) and body.basis == "assumed" and isinstance(node, Repeat)):
            continue
        ops = [layer.op for layer, _ in layers(body) if is_weighted(layer.op)]
        if len(ops) > 1 and structure.width_in(ops[0]) == structure.width_out(ops[-1]):
            found += times * node.count * structure.weighted(body)
    return found


def _runs(node: Node, certain: bool) -> _Runs:
    match node:
        case Layer(op=op):
            run = Run(1, int(_keeps(op)), node, node) if is_weighted(op) else Run()
            return _Runs(run, run, run)
        case Sequence(basis="assumed") if certain and structure.weighted(node) > 1:
            return _Runs(longest=_inside(node, certain), joined=True)
        case Sequence():
            found = _Runs()
            for child in node.children:
                found = _after(found, _runs(child, certain))
            return found
        case Repeat():
            return _repeated(_runs(node.body, certain), node.count)
        case Product():
            held = [layer for layer, _ in layers(node) if is_weighted(layer.op)]
            run = Run(structure.weighted(node), 0, held[0], held[-1]) if held else Run()
            return _Runs(run, run, run)
        case _:
            return _Runs(longest=_inside(node, certain), joined=True)


def _inside(node: Node, certain: bool) -> Run:
    """The longest run within one child."""
    found = (_runs(child, certain).longest for child in children(node))
    return max(found, key=lambda run: run.depth, default=Run())


def _after(one: _Runs, two: _Runs) -> _Runs:
    seam = one.tail.then(two.head)
    longest = max(one.longest, two.longest, seam, key=lambda run: run.depth)
    head = one.head if one.joined else seam
    tail = two.tail if two.joined else seam
    return _Runs(head, tail, longest, one.joined or two.joined)


def _repeated(body: _Runs, count: int) -> _Runs:
    if body.joined:
        return _after(body, body) if count > 1 else body
    run = body.head._replace(depth=body.head.depth * count, kept=body.head.kept * count)
    return _Runs(run, run, run)


def _keeps(op: Op) -> bool:
    match op:
        case Linear():
            return op.in_features == op.out_features
        case Conv():
            return op.in_channels == op.out_channels and set(op.stride) == {1}
        case _:
            return False
