"""Children that a class registers in one order and runs in another: what their sizes say.

Three habits of hand-written classes. Norms are registered behind all the layers that they follow; an activation is
registered once and used after every layer; heads that read one feature are registered one after another. A chain in
the order printed contradicts the sizes, or leaves layers without anything between, so each is read by its sizes,
assumed, and told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence as Series
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from kaiming_mcp.architecture.ir import (
    Activation,
    Concat,
    Conv,
    Difference,
    Dropout,
    Layer,
    Linear,
    Node,
    Norm,
    Op,
    Pool,
    Recurrent,
    Repeat,
    Reshape,
    Residual,
    Sequence,
    layers,
)
from kaiming_mcp.architecture.listing import listed
from kaiming_mcp.architecture.parameters import total_parameters

_OUTPUTS = {"sigmoid", "softmax", "log_softmax", "softmin", "logsigmoid"}
"""Activations that end a network where they stand beside another one."""
_SKIP = re.compile(
    r"(?:down_?sample|short_?cut|skip|res(?:idual)?|identity|project)(?:_?(?:conv|connection|proj\w*|layer))?"
)
MOST_NAMED = 4
MOST_BESIDE = 64
"""Children that are taken to stand side by side."""


class Child(NamedTuple):
    """A child of a module, as it was converted; `listed` marks the members of a ModuleList."""

    name: str
    node: Node
    listed: bool = False


class Arranged(NamedTuple):
    """The children in the order they are taken to run, what was taken, and what is counted twice or beside."""

    children: list[Child]
    told: list[str]
    differences: list[Difference]


def arranged(found: Arranged, cls: str, whole: bool = True) -> Arranged:
    """Children of a class whose forward() is not known, in the order that their sizes allow; `whole`: of the model."""
    return side_by_side(_activation_after_each(_norms_behind(found), whole), cls)


def _norms_behind(found: Arranged) -> Arranged:
    """Norms printed one after another follow the layers whose widths they have, in order."""
    children = found.children
    loose = [i for i, c in enumerate(children) if _width_of_norm(c)]
    loose = [i for i in loose if i - 1 in loose or i + 1 in loose]
    after = dict[int, int]()
    at = 0
    for norm in loose:
        width = _width_of_norm(children[norm])
        while at < len(children) and not (_op(children[at], Linear, Conv) and _out(children[at].node) == width):
            at += 1
        if at == len(children):
            return found
        after[at] = norm
        at += 1
    order = list[Child]()
    for i, child in enumerate(children):
        order += [] if i in loose else [child]
        order += [children[after[i]]] if i in after else []
    if order == children:
        return found
    pairs = listed([f"{children[norm].name} behind {children[la].name}" for la, norm in after.items()], MOST_NAMED)
    return Arranged(order, [*found.told, f"norms stand behind the layers of their width: {pairs}"], found.differences)


def _activation_after_each(found: Arranged, whole: bool) -> Arranged:
    """One activation for several layers is taken after each, but for the last where that is an output."""
    children = found.children
    units = [i for i, c in enumerate(children) if _is_unit(c)]
    acts = [i for i, c in enumerate(children) if _op(c, Activation)]
    hidden = _hidden(children, acts, units)
    if hidden is None or not _connected([children[i] for i in units]):
        return found
    ends = [children[i] for i in acts if i != hidden]
    drops = [c for i, c in enumerate(children) if _op(c, Dropout) and not units[0] < i < units[-1]]
    apart = [children[hidden], *ends, *(drops if len(drops) == 1 else [])]
    rest = [c for c in children if not any(c is a for a in apart)]
    last = max(i for i, c in enumerate(rest) if _is_unit(c))
    output = whole or bool(ends) or not _op(rest[last], Conv)
    order = list[Child]()
    for i, child in enumerate(rest):
        if i == last and len(drops) == 1:
            order += drops
        ended = output and i >= last
        normed = i + 1 < len(rest) and _op(rest[i + 1], Norm)
        behind = i > 0 and _op(child, Norm) and _is_unit(rest[i - 1]) and not (output and i > last)
        if _is_unit(child) and not (normed and not ended):
            order.append(child._replace(node=_each(child.node, children[hidden].node, ended)))
        else:
            order += [child, children[hidden]] if behind else [child]
    where = "after every layer but the last" if output else "after every layer"
    told = f"`{children[hidden].name}` is printed once for several layers, and taken {where}"
    if ends:
        told += f", `{ends[0].name}` at the end"
    return Arranged([*order, *ends], [*found.told, told], found.differences)


def _hidden(children: Series[Child], acts: list[int], units: list[int]) -> int | None:
    """The one activation of layers of which two have none between; of two, the one that does not end a network."""
    if not units or not 1 <= len(acts) <= 2:
        return None
    gaps = any(not any(i < a < j for a in acts) for i, j in pairwise(units))
    if not gaps and not any(children[i].listed for i in units):
        return None
    inside = (la for i, c in enumerate(children) if i not in acts for la, _ in layers(c.node))
    if any(isinstance(la.op, Activation) for la in inside):
        return None
    hidden = [i for i in acts if _name(children[i]) not in _OUTPUTS]
    if len(hidden) == 1 and len(units) > 1 and units[0] < hidden[0] < units[1]:
        return None  # behind the first layer: where it runs
    if len(acts) == 2 and max(acts) < units[-1]:
        return None
    if not hidden and len(acts) == 1 and _name(children[acts[0]]) == "sigmoid" and acts[0] < units[0]:
        return acts[0]
    return hidden[0] if len(hidden) == 1 else None


def _connected(units: Series[Child]) -> bool:
    """Whether the layers are a chain by their widths, a flattened map counted as one, and no set of equal squares."""
    ops = [la.op for unit in units for la, _ in layers(unit.node)]
    for one, two in pairwise(ops):
        if isinstance(one, Conv) and isinstance(two, Conv) and max(one.groups, two.groups) > 1:
            return False  # a depthwise and a pointwise convolution are one layer
        flattened = isinstance(one, Conv) and isinstance(two, Linear) and two.in_features % one.out_channels == 0
        if _into_op(two) != _out_op(one) and not flattened:
            return False
    count = sum(times for unit in units for _, times in layers(unit.node))
    return count > 1 and any(_into_op(op) != _out_op(op) for op in ops)


def _each(node: Node, act: Node, last: bool) -> Node:
    """Every member of a layer or a list of layers followed by the activation; the very last one by nothing."""
    match node:
        case Sequence(children=members):
            inner = (_each(n, act, last and i == len(members) - 1) for i, n in enumerate(members))
            return replace(node, children=tuple(inner))
        case Repeat(count=count, body=body):
            whole = Sequence((body, act))
            if not last:
                return replace(node, body=whole)
            return Sequence((replace(node, count=count - 1, body=whole), body))
        case _:
            return node if last else Sequence((node, act))


def side_by_side(found: Arranged, cls: str) -> Arranged:
    """Layers one after another that all read what the first of them reads: heads, towers, mean and variance."""
    order, told, beside = list[Child](), list(found.told), list(found.differences)
    widths = [(_into(c.node), _out(c.node)) for c in found.children]
    at = 0
    while at < len(found.children):
        count, into = _group(found.children, widths, at)
        group, outs = found.children[at : at + count], [out for _, out in widths[at : at + count]]
        said = (
            f"{listed([f'`{c.name}`' for c in group], MOST_NAMED)} each read {widths[at][0]:,} features, so they stand"
        )
        at += count
        if count < 2 or into not in (0, sum(outs), *outs):
            order += group
        elif (total := _skipped(group)) is not None:
            order.append(total)
            told.append(f"`{group[-1].name}` stands beside `{group[0].name}`, and the two are added, as its name says")
        elif into and into != sum(outs):
            chosen = max((c for c, out in zip(group, outs, strict=True) if out == into), key=_weight)
            order.append(chosen)
            told.append(f"{said} side by side; `{chosen.name}` is followed, the rest counts in the parameters alone")
            rest = sum(total_parameters(c.node) for c in group if c is not chosen)
            beside.append(Difference(rest, f"parts of {cls} beside the traced path"))
        else:
            order.append(Child(group[0].name, Concat(tuple(c.node for c in group))))
            told.append(f"{said} side by side")
    return Arranged(order, told, beside)


def _weight(child: Child) -> tuple[bool, int]:
    """What tells the main path: no name of a skip, then the most layers."""
    return _SKIP.fullmatch(child.name) is None, sum(1 for _ in layers(child.node))


def _group(children: Series[Child], widths: Series[tuple[int, int]], at: int) -> tuple[int, int]:
    """How many children from there read what the first reads and cannot read each other, and what the next one takes.

    A convolution that may read what stands before it beside an earlier map is left out, unless the sizes add up.
    """
    first, before = widths[at]
    count, strict = 1, 0
    if not first or not before:
        return 1, 0
    while at + count < len(children) and count < MOST_BESIDE:
        into, out = widths[at + count]
        if into != first or not out or into == before:
            break
        strict = strict or (count if _joins(children[at + count - 1], before, into) else 0)
        count, before = count + 1, out
    if strict and _next(widths, at + count) != sum(out for _, out in widths[at : at + count]):
        count = strict
    return (count, _next(widths, at + count)) if count > 1 else (1, 0)


def _next(widths: Series[tuple[int, int]], at: int) -> int:
    """What the first of the next children takes that tells."""
    return next((into for into, _ in widths[at : at + MOST_BESIDE] if into), 0)


def _joins(child: Child, out: int, into: int) -> bool:
    """Whether a convolution that takes so much may read what stands before it beside an earlier map, as in a U-Net."""
    convs = [la.op for la, _ in layers(child.node) if isinstance(la.op, Conv)]
    return any(op.transposed for op in convs) or (bool(convs) and into == 2 * out)


def _skipped(group: Series[Child]) -> Child | None:
    """The sum of a branch and the projection behind it that its name calls a shortcut."""
    if len(group) != 2 or not _SKIP.fullmatch(group[1].name) or _out(group[0].node) != _out(group[1].node):
        return None
    branch, shortcut = (c.node for c in group)
    return Child(group[0].name, Residual(branch, shortcut, 1.0, basis="assumed"))


def _into(node: Node) -> int:
    """Features that the first weighted layer of a chain takes; 0 where none is told."""
    ops = (la.op for la, _ in layers(node) if not isinstance(la.op, Activation | Dropout | Norm | Pool | Reshape))
    return _into_op(next(ops, None))


def _out(node: Node) -> int:
    """Features that the last weighted layer of a chain gives; 0 where none is told."""
    if isinstance(node, Concat):
        return sum(_out(n) for n in node.branches)
    ops = [la.op for la, _ in layers(node) if not isinstance(la.op, Activation | Dropout | Norm | Pool | Reshape)]
    return _out_op(ops[-1]) if ops else 0


def _into_op(op: Op | None) -> int:
    match op:
        case Linear(in_features=n) | Conv(in_channels=n) | Recurrent(in_features=n):
            return n
        case _:
            return 0


def _out_op(op: Op) -> int:
    match op:
        case Linear(out_features=n) | Conv(out_channels=n):
            return n
        case _:
            return 0


def _op(child: Child, *kinds: type) -> bool:
    return isinstance(child.node, Layer) and isinstance(child.node.op, kinds)


def _name(child: Child) -> str:
    return child.node.op.name if isinstance(child.node, Layer) and isinstance(child.node.op, Activation) else ""


def _width_of_norm(child: Child) -> int:
    """The width of a norm over channels; others often stand before a layer."""
    op = child.node.op if isinstance(child.node, Layer) else None
    return op.features if isinstance(op, Norm) and op.kind in ("batch", "group", "instance") else 0


def _is_unit(child: Child) -> bool:
    """A weighted layer, or a ModuleList of nothing but weighted layers."""
    if not child.listed:
        return _op(child, Linear, Conv)
    return bool([*layers(child.node)]) and all(isinstance(la.op, Linear | Conv) for la, _ in layers(child.node))
