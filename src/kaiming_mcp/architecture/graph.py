"""From a data-flow graph to the tree: chains, and branches that meet again in a sum, a product or a concatenation.

A reader that follows values (source code, a table with a "Connected to" column) gives vertices in order of
execution. Where branches meet, the tree forks at their nearest common dominator: the last vertex that every path
to the meeting passes. What no input reaches (a position embedding, a class token) is a constant and left out there.
A vertex that two branches need appears in both; the parameters that this counts twice are taken off again as a
Difference, and so are those of a layer that is used again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence as Ordered
from dataclasses import dataclass, replace
from functools import reduce
from typing import Literal, NamedTuple

from kaiming_mcp.architecture.attend import Attend, attended
from kaiming_mcp.architecture.ir import (
    Assumption,
    Concat,
    Difference,
    Layer,
    Node,
    Opaque,
    Product,
    Reshape,
    Residual,
    Scale,
    Sequence,
    is_weighted,
    layers,
)
from kaiming_mcp.architecture.listing import listed
from kaiming_mcp.architecture.parameters import total_parameters

DEEPEST, MOST_NODES, MOST_NAMED = 100, 20_000, 3
_BEGIN = -1
_SHORTCUT = re.compile(r"(?:^|[._])(?:shortcut|skip|identity|down_?samples?)(?:$|[._\d])", re.IGNORECASE)
_PERHAPS = re.compile(r"(?:^|[._])res(?:idual)?(?:$|[._\d])", re.IGNORECASE)
"""Attributes that hold what stands on a skip path; and those that may as well hold the branch."""

JoinKind = Literal["add", "multiply", "concat", "attend"]


@dataclass(frozen=True, slots=True)
class Join:
    """Where several values meet. `scales` multiply the inputs of a sum (all 1 where empty); an attention takes
    queries, keys and values, with `heads`, `causal` and `scale` as ir.Attention has them."""

    kind: JoinKind
    scales: tuple[float, ...] = ()
    heads: int = 0
    causal: bool = False
    scale: float = 0.0
    path: str = ""


@dataclass(frozen=True, slots=True)
class Vertex:
    """One step. `inputs` are indices of earlier vertices; without content it is an input of the network.

    Two vertices with the same `key` hold the same weights: a layer that is used again.
    """

    content: Node | Join | None
    inputs: tuple[int, ...] = ()
    key: str = ""


class Tree(NamedTuple):
    """The tree that leads to the output, what had to be assumed, and what it misses or counts twice."""

    root: Node
    assumptions: tuple[Assumption, ...] = ()
    differences: tuple[Difference, ...] = ()


def to_tree(vertices: Ordered[Vertex], output: int) -> Tree:
    """The network that computes vertex `output`.

    Parameters of vertices that do not lead there are a Difference, so that the account still holds. Branches
    that are tangled beyond DEEPEST or MOST_NODES are laid out in order of execution, with an Assumption.
    """
    constants = _constants(vertices)
    if output not in constants:
        vertices = [_without(constants, v) for v in vertices]
    vertices = _gathered(vertices)
    wanted = _ancestors(vertices, output)
    builder = _Builder(vertices, wanted)
    try:
        root, assumptions = Sequence(tuple(builder.chain(output, _BEGIN, 0))), ()
    except _Tangled:
        builder.emitted = Counter(wanted)
        steps = [v.content for i, v in enumerate(vertices) if i in wanted and isinstance(v.content, _NODES)]
        root = Sequence(tuple(steps))
        assumptions = (
            Assumption(
                "the branches are too tangled for a tree: layers are taken in order of execution, joins left out",
                "the layer notation, with residual, concat and product where branches meet",
            ),
        )
    return Tree(root, assumptions, _differences(vertices, builder.emitted, constants))


class _Tangled(Exception):
    """Branches that share so much that a tree would repeat it without end."""


_NODES = Layer | Sequence | Residual | Concat | Product
_IDENTITY = Layer(Reshape("identity"))


def _constants(vertices: Ordered[Vertex]) -> set[int]:
    """Vertices that no input reaches: position embeddings, class tokens, masks."""
    found = set[int]()
    for i, vertex in enumerate(vertices):
        if vertex.content is not None and all(k in found for k in vertex.inputs):
            found.add(i)
    return found


def _without(constants: set[int], vertex: Vertex) -> Vertex:
    kept = [n for n, i in enumerate(vertex.inputs) if i not in constants]
    if not kept or len(kept) == len(vertex.inputs):
        return vertex
    content = vertex.content
    if isinstance(content, Join) and content.scales:
        content = replace(content, scales=tuple(content.scales[n] for n in kept))
    return replace(vertex, content=content, inputs=tuple(vertex.inputs[n] for n in kept))


def _ancestors(vertices: Ordered[Vertex], output: int) -> set[int]:
    found, stack = set[int](), [output]
    while stack:
        at = stack.pop()
        if at not in found:
            found.add(at)
            stack.extend(vertices[at].inputs)
    return found


def _gathered(vertices: Ordered[Vertex]) -> list[Vertex]:
    """A concatenation or sum whose inputs include those of an earlier one takes that in their place."""
    out = list(vertices)
    earlier: dict[tuple[str, int], list[tuple[int, frozenset[int]]]] = {}
    for i, vertex in enumerate(vertices):
        join = vertex.content
        if not isinstance(join, Join) or join.kind not in ("concat", "add") or any(s != 1 for s in join.scales):
            continue
        kept, own = vertex.inputs, frozenset(vertex.inputs)
        if len(own) < max(len(kept), 2):
            continue
        # Only concatenations and sums of the same first value: those that grow by one at a time.
        for at, inputs in reversed(earlier.get((join.kind, kept[0]), [])):
            if inputs < own:
                out[i] = replace(vertex, inputs=(at, *(k for k in kept if k not in inputs)))
                break
        earlier.setdefault((join.kind, kept[0]), []).append((i, own))
    return out


class _Builder:
    """Builds chains between a vertex and one that dominates it, and counts how often each vertex was used."""

    def __init__(self, vertices: Ordered[Vertex], wanted: set[int]) -> None:
        self.vertices = vertices
        self.before: dict[int, int] = {}
        self.emitted: Counter[int] = Counter()
        self.nodes = 0
        self._dominate(wanted)

    def _dominate(self, wanted: set[int]) -> None:
        """Immediate dominators: the nearest common ancestor, in the tree of dominators, of all inputs."""
        depth = {_BEGIN: 0}
        for i in sorted(wanted):
            inputs = self.vertices[i].inputs or (_BEGIN,)
            common = reduce(lambda a, b: self._common(a, b, depth), inputs)
            self.before[i], depth[i] = common, depth[common] + 1

    def _common(self, a: int, b: int, depth: dict[int, int]) -> int:
        while a != b:
            if depth[a] >= depth[b]:
                a = self.before[a]
            else:
                b = self.before[b]
        return a

    def chain(self, end: int, begin: int, deep: int) -> list[Node]:
        """Everything after `begin`, which dominates `end`, up to and with `end`."""
        steps = list[Node | Attend]()
        at = end
        while at != begin:
            vertex = self.vertices[at]
            self.emitted[at] += 1
            self.nodes += 1
            if deep > DEEPEST or self.nodes > MOST_NODES:
                raise _Tangled
            content = vertex.content
            if isinstance(content, Join) and len(vertex.inputs) == 1:
                steps += [Layer(Scale(s)) for s in content.scales if s != 1]
            elif isinstance(content, Join):
                steps.append(self._joined(content, vertex, self.before[at], deep + 1))
            elif content is not None:
                steps.append(content)
                if len(vertex.inputs) > 1:
                    steps.append(Concat(tuple(self._branches(vertex, self.before[at], deep + 1))))
            at = self.before[at]
        return attended(steps[::-1])

    def _branches(self, vertex: Vertex, begin: int, deep: int) -> list[Node]:
        return [_one(self.chain(i, begin, deep)) for i in vertex.inputs]

    def _joined(self, join: Join, vertex: Vertex, begin: int, deep: int) -> Node | Attend:
        branches = self._branches(vertex, begin, deep)
        match join.kind:
            case "add":
                return _sum(branches, join.scales or (1.0,) * len(branches), join.path)
            case "multiply":
                return Product(tuple(branches), join.path)
            case "concat":
                return Concat(tuple(branches), join.path)
            case "attend":
                return Attend(join.heads, join.causal, join.scale, join.path, tuple(branches))


def _one(steps: list[Node]) -> Node:
    if not steps:
        return _IDENTITY
    return steps[0] if len(steps) == 1 else Sequence(tuple(steps))


def _sum(branches: list[Node], scales: tuple[float, ...], path: str) -> Node:
    """Nested residuals; the shortcut is the identity where there is one, else the branch that is called one, or has the
    fewest weights."""

    def rank(i: int) -> tuple[bool, bool, bool, int, bool]:
        one = branches[i]
        return one != _IDENTITY, scales[i] != 1, not _called(_SHORTCUT, one), _weight(one), not _called(_PERHAPS, one)

    skip = min(range(len(branches)), key=rank)
    total: Node | None = None if branches[skip] == _IDENTITY else branches[skip]
    if scales[skip] != 1:
        total = Layer(Scale(scales[skip])) if total is None else Sequence((total, Layer(Scale(scales[skip]))))
    for i, branch in enumerate(branches):
        if i != skip:
            total = Residual(branch, total, scales[i], path)
    assert total is not None
    return total


def _weight(node: Node) -> int:
    """Weighted layers, and unknown modules as one each."""
    return sum(times for layer, times in layers(node) if _holds(layer))


def _holds(layer: Layer) -> bool:
    return is_weighted(layer.op) or isinstance(layer.op, Opaque)


def _called(names: re.Pattern[str], node: Node) -> bool:
    """Whether everything that may hold weights belongs to an attribute of such a name."""
    held = [layer for layer, _ in layers(node) if _holds(layer)]
    return bool(held) and all(
        names.search(layer.op.name.partition("(")[0] if isinstance(layer.op, Opaque) else layer.path) for layer in held
    )


def _differences(vertices: Ordered[Vertex], emitted: Counter[int], constants: set[int]) -> tuple[Difference, ...]:
    uses: Counter[str] = Counter()
    size: dict[str, int] = {}
    name: dict[str, str] = {}
    fixed = set[str]()
    for i, vertex in enumerate(vertices):
        if not isinstance(vertex.content, _NODES):
            continue
        key = vertex.key or f"#{i}"
        uses[key] += emitted[i]
        if key not in size:
            size[key], name[key] = total_parameters(vertex.content), _name(vertex)
            if i in constants:
                fixed.add(key)
    again = [k for k in size if uses[k] > 1 and size[k]]
    unused = [k for k in size if not uses[k] and size[k]]
    found = list[Difference]()
    if again:
        count = -sum((uses[k] - 1) * size[k] for k in again)
        found.append(Difference(count, f"the same weights used again: {listed([name[k] for k in again], MOST_NAMED)}"))
    for reason, keys in (
        ("added or joined whatever the input is", [k for k in unused if k in fixed]),
        ("beside the path to the output", [k for k in unused if k not in fixed]),
    ):
        if keys:
            found.append(
                Difference(sum(size[k] for k in keys), f"{reason}: {listed([name[k] for k in keys], MOST_NAMED)}")
            )
    return tuple(found)


def _name(vertex: Vertex) -> str:
    node = vertex.content
    assert isinstance(node, _NODES)
    first = next((layer for layer, _ in layers(node)), None)
    return vertex.key or node.path or (first.path or first.origin.text if first else "")
