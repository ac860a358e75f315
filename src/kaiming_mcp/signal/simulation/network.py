"""The tree of a network, run in numpy: every node gives its output and the way back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Concat,
    Conv,
    Dropout,
    Embedding,
    Layer,
    Linear,
    Node,
    Norm,
    Pool,
    Product,
    Repeat,
    Reshape,
    Residual,
    Scale,
    Sequence,
    Upsample,
)
from kaiming_mcp.signal.activations import Array, find
from kaiming_mcp.signal.initialization import embedding_variance
from kaiming_mcp.signal.initialization_words import of_layer
from kaiming_mcp.signal.simulation.mixing import attention, linear, norm
from kaiming_mcp.signal.simulation.run import Back, Run, station
from kaiming_mcp.signal.simulation.spatial import conv, pool, upsample


def forward(node: Node, x: Array, run: Run) -> tuple[Array, Back]:
    """A node's output for x, and the map of a gradient back to x."""
    match node:
        case Layer():
            run.check()
            return _layer(node, x, run)
        case Sequence():
            return _chain(node.children, x, run)
        case Repeat():
            return _chain((node.body,) * node.count, x, run, run.draw.bit_generator.state if node.identical else None)
        case Residual():
            branch, back = forward(node.branch, x, run)
            skip, skip_back = (x, None) if node.shortcut is None else forward(node.shortcut, x, run)
            scale = node.scale * math.sqrt(run.factors.get(id(node), 1.0))
            return station(
                skip + scale * branch, lambda d: (d if skip_back is None else skip_back(d)) + back(scale * d), run
            )
        case Concat():
            parts = [forward(b, x, run) for b in node.branches]
            ends = np.cumsum([p.shape[-1] for p, _ in parts])[:-1]
            return np.concatenate([p for p, _ in parts], axis=-1), lambda d: _added(
                [b(piece) for (_, b), piece in zip(parts, np.split(d, ends, axis=-1), strict=True)]
            )
        case Product():
            factors = [forward(b, x, run) for b in node.branches]
            values = [f for f, _ in factors]

            def back_product(d: Array) -> Array:
                return _added(
                    [
                        b(d * math.prod(values[:i] + values[i + 1 :], start=np.ones(1)))  # pyright: ignore[reportCallIssue, reportArgumentType] - numpy arrays multiply
                        for i, (_, b) in enumerate(factors)
                    ]
                )

            out = values[0]
            for value in values[1:]:
                out = out * value
            return out, back_product


def _added(parts: list[Array]) -> Array:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _chain(nodes: tuple[Node, ...], x: Array, run: Run, drawn: Mapping[str, Any] | None = None) -> tuple[Array, Back]:
    """One after another; `drawn` is the state of the draws that every copy starts from, where they are alike."""
    backs = list[Back]()
    for node in nodes:
        if drawn is not None:
            run.draw.bit_generator.state = drawn
        x, back = forward(node, x, run)
        backs.append(back)

    def backward(d: Array) -> Array:
        for back in reversed(backs):
            d = back(d)
        return d

    return x, backward


def _layer(node: Layer, x: Array, run: Run) -> tuple[Array, Back]:
    op, factor = node.op, run.factors.get(id(node), 1.0)
    if node.start:
        run = replace(run, init=of_layer(run.init, node))
    match op:
        case Linear():
            return linear(op, x, run, factor)
        case Conv():
            y, back = conv(op, x, run, factor)
            return station(y, back, run)
        case Activation():
            act = find(op.name, op.parameter)
            assert act is not None
            return act.phi(x), lambda d: d * act.dphi(x)
        case Norm():
            y, back = norm(op, x)
            scale = math.sqrt(factor)
            return scale * y, lambda d: back(scale * d)
        case Pool():
            return pool(op, x)
        case Dropout():
            mask = (run.masks.random(x.shape) >= op.p) / max(1 - op.p, 1e-9)
            return x * mask, lambda d: d * mask
        case Scale():
            return op.factor * x, lambda d: op.factor * d
        case Upsample():
            return upsample(op, x)
        case Embedding():
            table = run.draw.normal(size=(*x.shape, op.features)) * math.sqrt(embedding_variance(run.init, op))
            return table, lambda d: d[..., 0]
        case Attention():
            y, back = attention(op, x, run, factor)
            return station(y, back, run)
        case _:
            if isinstance(op, Reshape) and op.kind == "flatten":
                return x.reshape(len(x), -1), lambda d: d.reshape(x.shape)
            return x, lambda d: d
