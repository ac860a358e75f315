"""Concatenations that a printout hides and channel counts tell: the decoder of a U-Net.

A convolution that takes more channels than arrive, by exactly the width of an earlier feature, reads both. The
feature is the last one of that width at the end of a stage: what follows it pools, strides or changes the width.
Source of the pattern: Ronneberger et al. 2015, and the U-Nets that people write after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from kaiming_mcp.architecture.ir import (
    Concat,
    Conv,
    Layer,
    Linear,
    Node,
    Norm,
    Origin,
    Pool,
    Product,
    Repeat,
    Reshape,
    Residual,
    Sequence,
    layers,
)

MOST_STEPS, MOST_PLACES = 4_000, 32
"""Steps of one network that are searched, and concatenations, one inside the other, that are made."""


class Joined(NamedTuple):
    """The network with its concatenations, and where they are: the layer, and the one whose output joins."""

    root: Node
    places: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Step:
    node: Node
    width: int
    """Channels after the step; 0 where they are not known."""


def with_concatenations(root: Node) -> Joined | None:
    """The network with the concatenations that its channel counts ask for; None where they ask for none."""
    flat = _flat(root)
    if len(flat) > MOST_STEPS:
        return None
    done, places = list[_Step](), list[tuple[str, str]]()
    for node in flat:
        first = _first(node)
        width = done[-1].width if done else 0
        if isinstance(first, Conv) and width and first.in_channels > width:
            at = _feature(done, first.in_channels - width)
            if at is not None and len(places) < MOST_PLACES:
                inner = tuple(step.node for step in done[at + 1 :])
                same = Layer(Reshape("identity"), _path(done[at].node), Origin(0, "an earlier feature"), "assumed")
                places.append((_path(node), _path(done[at].node)))
                done[at + 1 :] = [_Step(Concat((same, Sequence(inner)), _path(node)), first.in_channels)]
        done.append(_Step(node, _after(node, done[-1].width if done else 0)))
    if not places:
        return None
    return Joined(Sequence(tuple(step.node for step in done), basis="assumed"), tuple(places))


def _feature(done: list[_Step], width: int) -> int | None:
    """The last step of this width behind which a stage ends, before the steps that lead to the decoder."""
    for at in range(len(done) - 3, -1, -1):
        node = done[at].node
        joins = isinstance(node, Concat) or (isinstance(node, Layer) and isinstance(node.op, Pool))
        if done[at].width == width and not joins and _ends_stage(done[at + 1]):
            return at
    return None


def _ends_stage(following: _Step) -> bool:
    op = _first(following.node)
    if isinstance(op, Pool):
        return True
    return isinstance(op, Conv) and (op.in_channels != following.width or set(op.stride) != {1})


def _flat(root: Node) -> list[Node]:
    out, stack = list[Node](), [root]
    while stack:
        node = stack.pop()
        if isinstance(node, Sequence):
            stack.extend(reversed(node.children))
        else:
            out.append(node)
    return out


def _first(node: Node) -> object:
    ops = (la.op for la, _ in layers(node))
    return next((op for op in ops if isinstance(op, Conv | Linear | Pool)), None)


def _after(node: Node, before: int) -> int:
    """Channels after a step that so many enter."""
    match node:
        case Layer(op=op):
            match op:
                case Conv():
                    return op.out_channels
                case Linear():
                    return op.out_features
                case Norm():
                    return op.features
                case _:
                    return before
        case Sequence(children=steps) | Product(branches=(*steps,)):
            for step in steps if isinstance(node, Sequence) else steps[:1]:
                before = _after(step, before)
            return before
        case Concat(branches=branches):
            return sum(_after(branch, before) for branch in branches)
        case Residual(branch=inner) | Repeat(body=inner):
            return _after(inner, before)


def _path(node: Node) -> str:
    return node.path or next((la.path for la, _ in layers(node)), "")
