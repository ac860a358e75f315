"""Rows that take several inputs: sums, products, concatenations and attention."""

from __future__ import annotations

from collections.abc import Sequence

from kaiming_mcp.architecture.graph import Join, Vertex
from kaiming_mcp.architecture.ir import Layer, Linear
from kaiming_mcp.architecture.keras.kernels import Step, last
from kaiming_mcp.architecture.keras.layers import projected_width
from kaiming_mcp.architecture.keras.words import operation


def joined(step: Step, before: Sequence[int]) -> Vertex | None:
    """The vertex of a row whose meaning is known for several inputs; None for any other row."""
    if len(before) < 2:
        return None
    inputs, path = tuple(before), step.name
    match operation(step.cls, step.name):
        case "add":
            return Vertex(Join("add", path=path), inputs)
        case "subtract" if len(before) == 2:
            return Vertex(Join("add", (1.0, -1.0), path=path), inputs)
        case "average":
            return Vertex(Join("add", (1 / len(before),) * len(before), path=path), inputs)
        case "multiply":
            return Vertex(Join("multiply", path=path), inputs)
        case "concatenate" if _side_by_side(step):
            return Vertex(Join("concat", path=path), inputs)
        case "attention":
            # keras.layers.Attention takes [query, value, key], and does not divide the scores by sqrt(width).
            query, value = before[:2]
            return Vertex(Join("attend", heads=1, scale=1.0, path=path), (query, before[-1], value))
        case _:
            return None


def cross_attention(step: Step, before: Sequence[int], place: int, key: str) -> list[Vertex]:
    """MultiHeadAttention over two sources as its projections round a join; empty where the count does not fit."""
    found = projected_width(step)
    out = last(step.out)
    if found is None or out is None:
        return []
    width, bias = found
    shapes = [step.into, *step.others]
    # [query, value], or [query, value, key].
    sources = ((0, "query"), (len(before) - 1, "key"), (1, "value"))
    vertices = [
        Vertex(_linear(last(shapes[i]) or 0, width, bias, f"{step.name}.{part}"), (before[i],), f"{key}.{part}")
        for i, part in sources
    ]
    vertices.append(Vertex(Join("attend", path=step.name), (place, place + 1, place + 2)))
    vertices.append(Vertex(_linear(width, out, bias, f"{step.name}.output"), (place + 3,), f"{key}.output"))
    return vertices


def _linear(into: int, out: int, bias: bool, path: str) -> Layer:
    return Layer(Linear(into, out, bias), path, basis="assumed")


def _side_by_side(step: Step) -> bool:
    """Whether the features are put side by side, not the positions one after another."""
    widths = [last(dims) for dims in (step.into, *step.others)]
    if last(step.out) is None or None in widths:
        return True
    return sum(width or 0 for width in widths) == last(step.out)
