"""Attention in a data-flow graph: the projections round a softmax(q k^T) v become one operation."""

from __future__ import annotations

from collections.abc import Sequence as Ordered
from typing import NamedTuple

from kaiming_mcp.architecture.ir import (
    Attention,
    Concat,
    Dropout,
    Layer,
    Linear,
    Node,
    Norm,
    Opaque,
    Reshape,
    Scale,
    Sequence,
    layers,
)
from kaiming_mcp.architecture.parameters import parameter_count, total_parameters


class Attend(NamedTuple):
    """softmax(scale q k^T) v of the three branches; not yet a node, for its projections may lie outside."""

    heads: int
    causal: bool
    scale: float
    path: str
    branches: tuple[Node, ...]


def attended(steps: Ordered[Node | Attend]) -> list[Node]:
    """The steps with each attention joined to its projections; Opaque where they are not found."""
    out = list[Node]()
    rest = list(steps)[::-1]
    while rest:
        step = rest.pop()
        if not isinstance(step, Attend):
            out.append(step)
            continue
        found = _fused(step, out, rest) or _separate(step, rest)
        if found is not None:
            out.append(found)
        else:
            out += [Concat(step.branches, step.path), Layer(Opaque("attention", "", 0), step.path)]
    return out


def _separate(step: Attend, rest: list[Node | Attend]) -> Layer | None:
    """A projection in each branch."""
    parts = [_projection(branch) for branch in step.branches]
    if len(parts) != 3 or any(p is None for p in parts):
        return None
    query, key = parts[0], parts[1]
    assert query is not None
    assert key is not None
    last = _output(rest)
    if last is None or key.op.in_features != query.op.in_features or last.op.out_features != query.op.in_features:
        return None
    del rest[last.at]
    held = sum(map(total_parameters, step.branches)) + total_parameters(last.layer)
    return _attention(step, query, key.op.out_features, held)


def _fused(step: Attend, out: list[Node], rest: list[Node | Attend]) -> Layer | None:
    """One projection before the branches, whose output is cut into queries, keys and values."""
    if any(not _passes(layer) for branch in step.branches for layer, _ in layers(branch)):
        return None
    last = _output(rest)
    behind = next((i for i in range(len(out) - 1, -1, -1) if not _is_passing(out[i])), None)
    first = None if behind is None else _linear(out[behind])
    if last is None or behind is None or first is None or last.op.out_features != first.op.in_features:
        return None
    narrow, odd = divmod(first.op.out_features - first.op.in_features, 2)
    if narrow <= 0 or odd:
        return None
    del rest[last.at]
    held = sum(map(total_parameters, (first.layer, last.layer, *step.branches)))
    del out[behind:]
    return _attention(step, first, narrow, held, packed=True)


class _Projection(NamedTuple):
    layer: Layer
    op: Linear
    at: int = 0


def _attention(step: Attend, query: _Projection, keys: int, held: int, *, packed: bool = False) -> Layer:
    width, bias = query.op.in_features, query.op.bias
    narrow = 0 if keys == width else keys
    plain = Attention(width, step.heads, narrow, bias, 0, packed, step.causal, step.scale)
    extra = held - (parameter_count(plain) or 0)
    op = Attention(width, step.heads, narrow, bias, extra, packed, step.causal, step.scale)
    return Layer(op, step.path or query.layer.path, query.layer.origin)


def _projection(branch: Node) -> _Projection | None:
    """The one Linear of a branch that holds nothing else that counts."""
    found = [_linear(layer) for layer, times in layers(branch) if times != 1 or not _passes(layer)]
    return found[0] if len(found) == 1 else None


def _output(rest: list[Node | Attend]) -> _Projection | None:
    """The first Linear that follows, with nothing between that counts."""
    for at in range(len(rest) - 1, -1, -1):
        step = rest[at]
        if isinstance(step, Attend):
            return None
        if not _is_passing(step):
            found = _linear(step)
            return found and found._replace(at=at)
    return None


def _linear(node: Node) -> _Projection | None:
    return _Projection(node, node.op) if isinstance(node, Layer) and isinstance(node.op, Linear) else None


def _is_passing(node: Node) -> bool:
    return isinstance(node, Layer | Sequence) and all(_passes(layer) for layer, _ in layers(node))


def _passes(layer: Layer) -> bool:
    """What may stand between a projection and the product: rotations, norms of queries and keys, reshapes."""
    op = layer.op
    return isinstance(op, Reshape | Dropout | Norm | Scale) or (isinstance(op, Opaque) and op.parameters == 0)
