"""What stands along the axis of depth: which layer each station is, residual blocks, norms."""

from __future__ import annotations

from dataclasses import dataclass, field

from kaiming_mcp.architecture.ir import (
    Attention,
    Concat,
    Conv,
    Layer,
    Linear,
    Node,
    Norm,
    Op,
    Product,
    Recurrent,
    Repeat,
    Residual,
    Sequence,
)


@dataclass(slots=True)
class Axis:
    """By station in order of execution: its operation (None for a residual sum) and its line in the text."""

    ops: list[Op | None] = field(default_factory=list[Op | None])
    lines: list[int] = field(default_factory=list[int])
    blocks: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """First and last station of each residual block."""
    norms: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """The station that each norm follows, and its name."""


def axis_of(root: Node) -> Axis:
    """The axis of a network as it is traced: the order of stations is that of `signal.trace`."""
    axis = Axis()
    _follow(root, axis, 0)
    return axis


def _follow(node: Node, axis: Axis, before: int) -> int:
    """Walk through a node behind station `before`; the last station of it is returned."""
    match node:
        case Layer(op=Linear() | Conv() | Attention() | Recurrent()):
            return _station(axis, node.op, node.origin.line)
        case Layer(op=Norm(kind=kind)):
            axis.norms.append((before, f"{kind}norm"))
            return before
        case Layer():
            return before
        case Sequence():
            for child in node.children:
                before = _follow(child, axis, before)
            return before
        case Repeat():
            for _ in range(node.count):
                before = _follow(node.body, axis, before)
            return before
        case Residual():
            first = len(axis.ops)
            _follow(node.branch, axis, before)
            if node.shortcut is not None:
                _follow(node.shortcut, axis, before)
            last = _station(axis, None, axis.lines[-1] if len(axis.lines) > first else 0)
            axis.blocks.append((first, last))
            return last
        case Concat() | Product():
            for branch in node.branches:
                _follow(branch, axis, before)
            return max(len(axis.ops) - 1, before)


def _station(axis: Axis, op: Op | None, line: int) -> int:
    axis.ops.append(op)
    axis.lines.append(line)
    return len(axis.ops) - 1
