"""Recurrent layers: the state after T steps, and the gradient through the shared recurrent matrix.

The same matrix at every step adds up coherently: with a step's Jacobian a I + r G + (rest), G Gaussian of
unit variance per row, the part (a I + r G)^T grows like (a + r)^(2T), where independent matrices would
give (a^2 + r^2)^T. The sum over how the rest enters is S_T = C_T + n2 sum_u C_u S_(T-1-u),
C_T = sum_k binomial(T, k)^2 a^(2(T-k)) r^(2k), n2 the second moment of the rest.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from kaiming_mcp.architecture.ir import Recurrent, Shape
from kaiming_mcp.signal.activations import Array
from kaiming_mcp.signal.initialization import Initialization, recurrent_variances
from kaiming_mcp.signal.rules import cells
from kaiming_mcp.signal.state import Backward, Cotangent, State, flat_profile, log_of

MOST_STEPS = 500
"""Steps followed one by one; beyond it the last rate is extended."""
MANY, FEWEST_STEPS = 16, 20
"""With more recurrent layers than this none is sampled at its width, and each is followed for fewer steps."""
ASSUMED_STEPS = 100
"""Taken for the number of steps where the input's length is not given."""


MOST_WORK = 600_000_000
"""Multiplications for which a passage is sampled at its width: below half a second."""
MOST_SAMPLED = 2000
"""Steps beyond which a passage is not sampled: each costs a loop in Python."""
_DRAWS, _SAMPLES = 16, 2


class Passage(NamedTuple):
    """Through time: ln of the factor on the squared gradient from the last step to the first, and per step.

    `spread` is the standard deviation of that ln between seeds at this width, 0 where it is not known. `taken`: the
    number of steps is not that of the input, whose length is unknown.
    """

    steps: int
    log_ratio: float
    log_per_step: float
    spread: float
    taken: bool = False


def recurrent(
    op: Recurrent, state: State, shape: Shape, init: Initialization, together: int
) -> tuple[State, Backward, Passage]:
    """All stacked layers; the passage is that of the first (the others are alike). `together` is the number
    of recurrent layers in the network: many of them share the work that one may take."""
    known = state.shape.positions
    steps = known[0] if known else ASSUMED_STEPS
    most = MOST_STEPS if together <= MANY else max(FEWEST_STEPS, MOST_STEPS * MANY // together)
    log_back, passage = 0.0, Passage(steps, 0.0, 0.0, 0.0)
    for index in range(op.layers):
        width = op.in_features if index == 0 else op.hidden * (1 + op.bidirectional)
        v_x, v_h, bias, forget = recurrent_variances(init, op, width)
        shares = (1 - state.across, 1 - state.within, 1 - state.apart)
        drive = cells.Drive(v_x * math.exp(min(max(state.log_q, -700.0), 60.0)), shares, v_h, bias, forget)
        cell = {"lstm": cells.lstm, "gru": cells.gru, "rnn": cells.rnn}[op.kind](drive, min(steps, most))
        if index == 0:
            passage = _passage(cell.jacobian, steps, op.hidden if together <= MANY else 0, most)
        across, within, apart = (
            min(max(1 - p / cell.second, 0.0), 2.0) if cell.second > 0 else 0.0 for p in cell.pairs
        )
        state = State(log_of(cell.second), 0.0, across, within, apart, shape, flat_profile(shape))
        log_back += log_of(v_x * cell.back)
    return state, lambda c: Cotangent(c.log_g + log_back, c.together), passage._replace(taken=not known)


def _passage(step: cells.Jacobian, steps: int, hidden: int, most: int) -> Passage:
    log_ratio, last = through_time(step, steps - 1, most)
    # Three digits: a stack of recurrent layers that has come to rest is sampled once.
    coarse = cells.Jacobian(*(float(f"{x:.3g}") for x in step))
    found = sampled(coarse, steps - 1, hidden) if hidden and steps > 1 else None
    if found is None:
        return Passage(steps, log_ratio, last, 0.0)
    shift = through_time(coarse, steps - 1)[0]
    return Passage(steps, found[0] + log_ratio - shift, last, found[1])


def through_time(step: cells.Jacobian, steps: int, most: int = MOST_STEPS) -> tuple[float, float]:
    """(ln S_T, ln of the last step's factor) of the squared gradient over `steps` steps; `most` are followed."""
    if steps <= 0:
        return 0.0, 0.0
    count = min(steps, most)
    log_s, last = _through_time(step, count)
    return log_s + (steps - count) * last, last


@lru_cache(maxsize=256)
def _through_time(step: cells.Jacobian, count: int) -> tuple[float, float]:
    a, r, rest, _ = step
    # Both the coherent and the incoherent rate, so that no term leaves the floating-point range.
    log_rate = log_of(max((a + r) ** 2, a * a + r * r + rest, 1e-300))
    coherent = _log_coherent(a, r, count) - np.arange(count + 1) * log_rate
    weights: Array = np.exp(coherent)
    total = np.zeros(count + 1)
    share = rest * math.exp(-log_rate)
    for t in range(count + 1):
        total[t] = weights[t] + share * float(weights[:t] @ total[:t][::-1])
    logs = np.log(np.maximum(total[-2:], 1e-300))
    return float(logs[1]) + count * log_rate, float(logs[1] - logs[0]) + log_rate


def _log_coherent(a: float, r: float, count: int) -> Array:
    """ln C_T for T = 0 … count, C_T = sum_k binomial(T, k)^2 a^(2(T-k)) r^(2k)."""
    t: Array = np.arange(count + 1, dtype=np.float64)
    if a <= 0 or r <= 0:
        return 2 * t * log_of(max(a, r, 1e-300))
    choose = _log_binomials()[: count + 1, : count + 1]
    terms = 2 * (choose + (t[:, None] - t) * math.log(a) + t * math.log(r))
    top: Array = terms.max(axis=1)
    return top + np.log(np.exp(terms - top[:, None]).sum(axis=1))


@cache
def _log_binomials() -> Array:
    """ln binomial(T, k) for all T, k up to MOST_STEPS; minus infinity where k > T."""
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, MOST_STEPS + 1)))])
    t = np.arange(MOST_STEPS + 1)
    table = factorial[:, None] - factorial - factorial[np.abs(t[:, None] - t)]
    return np.where(t[:, None] >= t, table, -np.inf)


@lru_cache(maxsize=128)
def sampled(step: cells.Jacobian, steps: int, hidden: int) -> tuple[float, float] | None:
    """Mean and standard deviation between seeds of ln of the factor, at that width; None if too large to sample.

    A power of one finite matrix is ruled by its largest eigenvalues and by the units whose gates stay most open,
    which the limit of infinite width does not know: 100 steps of 128 units differ by e^2.
    """
    if steps > MOST_SAMPLED or steps * hidden * hidden * _DRAWS * _SAMPLES > MOST_WORK:
        return None
    draw = np.random.default_rng(0)
    shared = draw.normal(size=(_DRAWS, hidden, hidden)) * (step.r / math.sqrt(hidden))
    kept = step.a + step.held * draw.normal(size=(_DRAWS, hidden, 1))
    fresh = math.sqrt(max(step.rest - step.held**2, 0.0) / hidden)
    vectors: Array = draw.normal(size=(_DRAWS, hidden, _SAMPLES))
    logs: Array = -np.log((vectors * vectors).sum(axis=1))
    for _ in range(steps):
        norm = np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
        logs += 2 * np.log(np.maximum(norm[:, 0], 1e-300))
        vectors = vectors / np.maximum(norm, 1e-300)
        vectors = kept * vectors + shared @ vectors + fresh * draw.normal(size=(_DRAWS, hidden, _SAMPLES))
    logs += np.log(np.maximum((vectors * vectors).sum(axis=1), 1e-300))
    return float(logs.mean()), float(logs.mean(axis=1).std(ddof=1))
