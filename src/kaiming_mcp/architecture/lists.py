"""Lists that a class runs through together: layers with their norms and activations; tables of joined vectors.

And modules that are printed twice: as children, and inside a Sequential of them.
"""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import replace

from kaiming_mcp.architecture.ir import (
    Activation,
    Concat,
    Conv,
    Dropout,
    Embedding,
    Layer,
    Linear,
    Node,
    Norm,
    Repeat,
    Sequence,
    layers,
)
from kaiming_mcp.architecture.listing import listed
from kaiming_mcp.architecture.sharing import Arranged, Child
from kaiming_mcp.architecture.torch_repr import Module

MOST_MEMBERS = 256
SAME, MOST_NAMED = 4, 4
"""Children in a row from which on a second print of them is no coincidence; names in one sentence."""


def printed_once(module: Module) -> tuple[Module, str]:
    """A module without children that a Sequential of them prints again, and what was taken; "" where none does."""
    marks = [_mark(child) for child in module.children]
    for i, child in enumerate(module.children):
        inner = [_mark(c) for c in child.children]
        if child.cls != "Sequential" or len(inner) < SAME:
            continue
        for at in range(i - len(inner) + 1):
            if marks[at : at + len(inner)] == inner:
                same = module.children[at : at + len(inner)]
                kept = (*module.children[:at], *module.children[at + len(inner) :])
                names = listed([c.name for c in same], MOST_NAMED)
                told = f"`{child.name}` is taken to hold {names} themselves, which count once and run in its order"
                return replace(module, children=kept), told
    return module, ""


def _mark(module: Module) -> tuple[object, ...]:
    """What makes two printed modules look alike: everything but the name and the line."""
    return module.cls, module.arguments, module.copies, *map(_mark, module.children)


def together(found: Arranged) -> Arranged:
    """The children with such lists joined."""
    return _joined_tables(_side_lists(found))


def _side_lists(found: Arranged) -> Arranged:
    """A list of layers, and beside it lists of norms, activations and dropouts, of as many or one fewer."""
    expanded = {c.name: _members(c.node) for c in found.children if c.listed}
    main = next((c for c in found.children if _all(expanded.get(c.name), Linear, Conv)), None)
    if main is None or len(members := expanded[main.name]) < 2:
        return found
    sides = list[Child]()
    for kind in (Norm, Activation, Dropout):
        for child in found.children:
            own = expanded.get(child.name, [])
            if _all(own, kind) and len(own) in (len(members), len(members) - 1):
                sides.append(child)
    if not sides or not _widths_agree(members, [expanded[c.name] for c in sides]):
        return found
    steps = [
        n
        for i, m in enumerate(members)
        for n in (m, *(expanded[c.name][i] for c in sides if i < len(expanded[c.name])))
    ]
    order = [
        c._replace(node=Sequence(tuple(steps)), listed=False) if c is main else c
        for c in found.children
        if c not in sides
    ]
    names = listed([f"`{c.name}`" for c in sides], MOST_NAMED)
    return Arranged(
        order,
        [*found.told, f"the members of {names} stand behind those of `{main.name}`, one by one"],
        found.differences,
    )


def _joined_tables(found: Arranged) -> Arranged:
    """A list of tables: their vectors stand side by side, and beside them a norm of other inputs."""
    for i, child in enumerate(found.children):
        tables = _members(child.node) if child.listed else []
        if len(tables) < 2 or not _all(tables, Embedding):
            continue
        joined, at = Child(child.name, Concat(tuple(tables))), i + 1
        while at < len(found.children) and _is(found.children[at].node, Dropout):
            at += 1
        steps = [joined.node, *(c.node for c in found.children[i + 1 : at])]
        told = f"the vectors of `{child.name}` stand side by side"
        if at < len(found.children) and _is(found.children[at].node, Norm):
            joined = Child(child.name, Concat((Sequence(tuple(steps)), found.children[at].node)))
            told += f", beside what `{found.children[at].name}` normalizes"
            steps, at = [joined.node], at + 1
        order = [*found.children[:i], *(Child(child.name, n) for n in steps), *found.children[at:]]
        return Arranged(order, [*found.told, told], found.differences)
    return found


def _members(node: Node) -> list[Node]:
    """The members of a list, each on its own; [] where there are none or too many."""
    found = list[Node]()
    for member in node.children if isinstance(node, Sequence) else (node,):
        times, body = (member.count, member.body) if isinstance(member, Repeat) else (1, member)
        if len(found) + times > MOST_MEMBERS:
            return []
        found += [body] * times
    return found


def _all(members: Series[Node] | None, *kinds: type) -> bool:
    return bool(members) and all(_is(n, *kinds) for n in members or ())


def _is(node: Node, *kinds: type) -> bool:
    return isinstance(node, Layer) and isinstance(node.op, kinds)


def _widths_agree(members: Series[Node], sides: Series[Series[Node]]) -> bool:
    """Whether each norm has the width of the layer that it would follow."""
    for side in sides:
        for member, node in zip(members, side, strict=False):
            (layer, _), (norm, _) = next(layers(member)), next(layers(node))
            out = (
                layer.op.out_features
                if isinstance(layer.op, Linear)
                else layer.op.out_channels
                if isinstance(layer.op, Conv)
                else 0
            )
            if isinstance(norm.op, Norm) and norm.op.features != out:
                return False
    return True
