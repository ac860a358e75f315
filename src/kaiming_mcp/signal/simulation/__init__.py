"""A network of the same shape, with random weights, run forward and backward in numpy (Monte Carlo).

Values are channel-last, (batch, *positions, features), in float64. The stations are those of `trace`,
in the same order. What numpy would take too long for is refused before it starts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

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
    Network,
    Node,
    Norm,
    Pool,
    Product,
    Repeat,
    Reshape,
    Residual,
    Scale,
    Sequence,
    Shape,
    Upsample,
    layers,
)
from kaiming_mcp.signal.activations import Array, find
from kaiming_mcp.signal.branches import branch_factors
from kaiming_mcp.signal.initialization import PYTORCH_DEFAULT, Initialization
from kaiming_mcp.signal.simulation.network import forward
from kaiming_mcp.signal.simulation.run import NotSimulatedError, Run, StoppedError
from kaiming_mcp.signal.survey import without_readout
from kaiming_mcp.signal.trace import trace

__all__ = ["NotSimulatedError", "Simulated", "StoppedError", "simulate"]

SECONDS = 5.0
MEMORY = 400_000_000
"""Bytes of activations and weights that one run may hold."""
LARGEST_WORK = 3e10
"""Multiplications of one run, forward and backward: about three seconds of one core."""
MOST_RUNS, BATCH = 16, 16


@dataclass(frozen=True, slots=True)
class Simulated:
    """Per station: mean q with its standard error over runs, mean ln G and its standard error."""

    q: tuple[float, ...]
    q_error: tuple[float, ...]
    log_g: tuple[float, ...]
    log_g_error: tuple[float, ...]
    runs: int
    batch: int
    seconds: float
    memory: int


def simulate(
    network: Network,
    init: Initialization,
    seed: int = 0,
    seconds: float = SECONDS,
    progress: Callable[[float], None] = lambda _: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Simulated:
    """Run the network with several draws of its weights, until the time is over.

    `progress` is told the fraction done; `stopped` is asked before every layer.

    Raises:
        NotSimulatedError: a kind of layer or a size that is not simulated; the message names it.
        StoppedError: `stopped()` was true.
    """
    root = without_readout(network.root)
    shape = _known_shape(network, root)
    work, values, weights = _cost(root, shape)
    room = MEMORY / 8 - weights
    if work > LARGEST_WORK or values > room:
        held = (values + weights) * 8 / 1e6
        raise NotSimulatedError(
            f"one input takes {work / 1e9:.3g} billion multiplications and {held:.3g} MB; at most "
            f"{LARGEST_WORK / 1e9:.0f} billion and {MEMORY / 1e6:.0f} MB are simulated. "
            "Give a smaller input or fewer blocks"
        )
    batch = max(1, min(BATCH, int(LARGEST_WORK / max(work, 1)), int(room / max(values, 1))))
    begun, found = time.monotonic(), list[tuple[Array, Array]]()

    def check() -> None:
        if stopped():
            raise StoppedError
        if time.monotonic() - begun > seconds:
            raise TimeoutError

    for index in range(MOST_RUNS):
        try:
            found.append(_one(root, shape, init, batch, np.random.default_rng([seed, index]), check))
        except TimeoutError:
            break
        spent = time.monotonic() - begun
        progress(max((index + 1) / MOST_RUNS, spent / seconds))
        if index >= 1 and spent + spent / (index + 1) > seconds:
            break
    if len(found) < 2:
        raise NotSimulatedError(f"two runs do not fit into {seconds:g} seconds: give a smaller input or fewer blocks")
    q, g = (np.array(column) for column in zip(*found, strict=True))
    root_runs = math.sqrt(len(found))
    return Simulated(
        tuple(q.mean(axis=0)),
        tuple(q.std(axis=0, ddof=1) / root_runs),
        tuple(g.mean(axis=0)),
        tuple(g.std(axis=0, ddof=1) / root_runs),
        len(found),
        batch,
        time.monotonic() - begun,
        int(8 * (values * batch + weights)),
    )


def _one(
    root: Node, shape: Shape, init: Initialization, batch: int, draw: np.random.Generator, check: Callable[[], None]
) -> tuple[Array, Array]:
    run = Run(init, branch_factors(root, init), draw, check, draw.spawn(1)[0])
    first = next(iter(layers(root)))[0].op
    size = (batch, *(shape.positions or ()))
    x = draw.normal(size=size) if isinstance(first, Embedding) else draw.normal(size=(*size, shape.features or 1))
    with np.errstate(all="ignore"):
        y, back = forward(root, x, run)
        back(draw.normal(size=y.shape) / math.sqrt(y[0].size))
        q = np.array([float(np.mean(out * out)) for out in run.outputs])
        g = np.array([float((run.gradients[i] ** 2).sum()) / batch for i in range(len(run.outputs))])
    return q, np.log(np.maximum(g, 1e-300))


def _known_shape(network: Network, root: Node) -> Shape:
    shape = network.input
    first = next((la.op for la, _ in layers(root)), None)
    if shape is None and isinstance(first, Linear):
        shape = Shape(first.in_features)
    if shape is None or shape.positions is None:
        raise NotSimulatedError('the size of the input is not given: add `input`, e.g. "3x32x32" or "tokens 64"')
    if shape.features is None and isinstance(first, Linear | Attention):
        shape = Shape(first.in_features if isinstance(first, Linear) else first.features, shape.positions)
    for layer, _ in layers(root):
        op = layer.op
        if isinstance(op, Activation) and find(op.name, op.parameter) is not None:
            continue
        if not isinstance(
            op, Linear | Conv | Norm | Pool | Dropout | Reshape | Upsample | Scale | Embedding | Attention
        ):
            raise NotSimulatedError(f"{getattr(op, 'name', None) or type(op).__name__.lower()} is not simulated")
    return shape


def _cost(root: Node, shape: Shape) -> tuple[float, float, float]:
    """(multiplications forward and backward, numbers held) for one input, and weights, by the shapes of a trace."""
    stations = trace(Network("cost", root, shape), PYTORCH_DEFAULT, 2).stations
    work, values, weights = 0.0, 0.0, 0.0
    ops = _ops(root)
    for station in stations:
        size = (station.state.shape.features or 1) * (station.state.shape.count or 1)
        values += 6.0 * size
        if station.kind == "layer":
            op = next(ops)
            match op:
                case Linear():
                    work += 3.0 * size * op.in_features
                    weights += op.in_features * op.out_features
                case Conv():
                    taps = math.prod(op.kernel) * op.in_channels / op.groups
                    work += 3.0 * size * taps
                    values += size
                    weights += op.out_channels * taps
                case _:
                    tokens = station.state.shape.count or 1
                    work += 3.0 * size * (4 * op.features + 2 * tokens)
                    values += 4.0 * tokens * tokens * max(op.heads, 1) + 6.0 * size
                    weights += 4.0 * op.features**2
    return work, values, weights


def _ops(node: Node) -> Iterator[Linear | Conv | Attention]:
    match node:
        case Layer():
            if isinstance(node.op, Linear | Conv | Attention):
                yield node.op
        case Repeat():
            for _ in range(node.count):
                yield from _ops(node.body)
        case Sequence():
            for child in node.children:
                yield from _ops(child)
        case Residual():
            yield from _ops(node.branch)
            if node.shortcut is not None:
                yield from _ops(node.shortcut)
        case Concat() | Product():
            for branch in node.branches:
                yield from _ops(branch)
