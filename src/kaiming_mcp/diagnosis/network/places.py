"""Every layer with the shape that enters it, every sum with the shapes that meet, and what does not fit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from kaiming_mcp.architecture.ir import Concat, Layer, Network, Node, Product, Repeat, Residual, Sequence, Shape
from kaiming_mcp.architecture.shapes import Mismatch, output_shape
from kaiming_mcp.signal.survey import first_shape

MOST_COPIES = 32
"""Copies of a repeated body that are followed while its shape still changes."""
MOST_PLACES = 40_000
Where = Literal["main", "branch", "shortcut"]


@dataclass(frozen=True, slots=True)
class Place:
    """A layer, what enters it, how many copies do so, and on which path they lie."""

    layer: Layer
    entered: Shape
    copies: int
    where: Where


@dataclass(frozen=True, slots=True)
class Meeting:
    """A residual sum, and the shapes of its two sides."""

    residual: Residual
    branch: Shape
    skip: Shape
    copies: int


@dataclass(frozen=True, slots=True)
class Misfit:
    """A layer that expects another width than the one that arrives."""

    layer: Layer
    expected: int
    arrived: int


@dataclass(slots=True)
class Survey:
    """What a walk through a network has met."""

    places: list[Place] = field(default_factory=list[Place])
    meetings: list[Meeting] = field(default_factory=list[Meeting])
    misfits: list[Misfit] = field(default_factory=list[Misfit])


def survey(network: Network) -> Survey:
    """Walk through a network with its input's shape; unknown sizes stay unknown."""
    found = Survey()
    _walk(network.root, network.input or first_shape(network.root), found, "main")
    return found


def _walk(node: Node, shape: Shape, found: Survey, where: Where) -> Shape:
    if len(found.places) > MOST_PLACES:
        return Shape(None, None)
    match node:
        case Layer():
            found.places.append(Place(node, shape, 1, where))
            return _after(node, shape, found)
        case Sequence():
            for child in node.children:
                shape = _walk(child, shape, found, where)
            return shape
        case Repeat():
            return _repeat(node, shape, found, where)
        case Residual():
            known = len(found.misfits)
            branch = _walk(node.branch, shape, found, "branch")
            hidden = len(found.misfits) > known
            skip = shape if node.shortcut is None else _walk(node.shortcut, shape, found, "shortcut")
            found.meetings.append(Meeting(node, branch, skip, 1))
            if hidden:
                # What leaves a branch that hides a reshape is what its sum needs.
                return skip
            return branch if branch.features not in (1, skip.features) else _larger(branch, skip)
        case Concat():
            parts = [_walk(part, shape, found, where) for part in node.branches]
            widths = [part.features for part in parts if part.features is not None]
            return Shape(sum(widths) if len(widths) == len(parts) else None, parts[0].positions)
        case Product():
            parts = [_walk(part, shape, found, "branch") for part in node.branches]
            whole = parts[0]
            for part in parts[1:]:
                whole = _larger(whole, part)
            return whole


def _repeat(node: Repeat, shape: Shape, found: Survey, where: Where) -> Shape:
    for done in range(min(node.count, MOST_COPIES)):
        places, meetings = len(found.places), len(found.meetings)
        after = _walk(node.body, shape, found, where)
        last = after == shape or done == MOST_COPIES - 1
        if last and (rest := node.count - done) > 1:
            found.places[places:] = [replace(p, copies=p.copies * rest) for p in found.places[places:]]
            found.meetings[meetings:] = [replace(m, copies=m.copies * rest) for m in found.meetings[meetings:]]
        if last:
            return after if after == shape else Shape(after.features, None)
        shape = after
    return shape


def _after(layer: Layer, shape: Shape, found: Survey) -> Shape:
    try:
        return output_shape(layer.op, shape)
    except Mismatch as wrong:
        if len(found.misfits) < MOST_PLACES:
            found.misfits.append(Misfit(layer, wrong.expected, wrong.arrived))
        try:
            return output_shape(layer.op, Shape(wrong.expected, shape.positions))
        except Mismatch:
            return Shape(None, None)


def _larger(one: Shape, other: Shape) -> Shape:
    """The shape of a sum or product: a single position or feature is spread over many."""
    if one.features is None or one.count is None:
        return other if other.features is not None else one
    if other.features is None or other.count is None:
        return one
    return other if (other.count, other.features) > (one.count, one.features) else one
