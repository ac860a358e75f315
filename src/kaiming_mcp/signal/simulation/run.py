"""What one run shares: the draws of the weights, the watch, and what was read at each station."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from kaiming_mcp.signal.activations import Array
from kaiming_mcp.signal.initialization import Initialization

Back = Callable[[Array], Array]


class NotSimulatedError(ValueError):
    """The network cannot be run in the time and memory allowed; the message says why."""


class StoppedError(Exception):
    """The caller asked to stop, or the time is over."""


@dataclass(slots=True)
class Run:
    """The draws, the watch that ends a run, and each station's output and gradient."""

    init: Initialization
    factors: dict[int, float]
    draw: np.random.Generator
    check: Callable[[], None]
    masks: np.random.Generator
    outputs: list[Array] = field(default_factory=list[Array])
    gradients: dict[int, Array] = field(default_factory=dict[int, Array])


def station(y: Array, back: Back, run: Run) -> tuple[Array, Back]:
    """Keep the output, and on the way back the gradient that arrives there."""
    index = len(run.outputs)
    run.outputs.append(y)

    def backward(d: Array) -> Array:
        run.check()
        run.gradients[index] = d
        return back(d)

    return y, backward


def matrix(run: Run, rows: int, columns: int, gain: float) -> Array:
    """(in, out) with fan_in * Var = gain: Gaussian, or orthogonal where the scheme is."""
    if run.init.scheme == "orthogonal" and rows * columns <= 4_000_000:
        q, _ = np.linalg.qr(run.draw.normal(size=(max(rows, columns), min(rows, columns))))
        turned: Array = (q if rows >= columns else q.T) * math.sqrt(gain * max(rows, columns) / rows)
        return turned
    return run.draw.normal(size=(rows, columns)) * math.sqrt(gain / rows)
