"""Softmax attention over T tokens, with the moments of one token and of two.

Scores of a query have variance s2 = (V_q q + b_q) V_k (q - p_s) over the keys (what two tokens have
in common shifts all scores alike and drops out), so that the squared weights sum to
A = min(1, e^(s2)/T), and those of two queries have the product A'. Then q_f = V (A q + (1-A) p_s) and
p_f = V (A' q + (1-A') p_s) with V = V_v V_o. The same with pairs of samples.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kaiming_mcp.architecture.ir import Attention, Linear, Shape
from kaiming_mcp.signal.initialization import Initialization, variances
from kaiming_mcp.signal.state import Backward, Cotangent, State, flat_profile, log_of, log_sum

LARGEST_SCORE = 40.0
"""Exponent at which what two queries share of their weights is cut off: it is bounded by 1 long before."""
WIDEST_SCORE = 900.0
"""Variance of a score beyond which softmax is one-hot whatever T is."""
SMALL_SCORE = 1e-3
"""Variance of a score below which its square does not count."""
ASSUMED_HEAD = 64
MOST_COUNTS = 64
"""Numbers of visible tokens that are followed one by one under a causal mask."""
BLOCK = 20_000
"""Integrand values that are held at once: a server keeps what it once needed."""


def attention(op: Attention, state: State, shape: Shape, init: Initialization) -> tuple[State, Backward]:
    """Projections, softmax over the tokens, and the output projection."""
    tokens = state.positions
    (v_q, b_q), (v_k, _), (v_v, b_v), (v_o, b_o) = projections(op, init)
    q = math.exp(min(max(state.log_q, -700.0), 100.0))
    mean, cross = _mask(op, tokens)
    seen_by = tokens if not op.causal else -tokens
    temper = temper_of(op)
    keys = v_k * state.within * q * temper
    one = participation((v_q * q + b_q) * keys, seen_by)
    shared = math.exp(min((v_q * q * (1 - state.within) + b_q) * keys, LARGEST_SCORE))
    two = min(one, shared / tokens * (2 if op.causal and tokens > 1 else 1))
    gain = v_v * v_o

    def mixed(weight: float, same: float, other: float) -> float:
        """Distance after averaging: `weight` of the time the same token, else two."""
        return weight * same + (1 - weight) * other

    seen = max(mixed(one, 0.0, state.within), 0.0)
    log_signal = log_of(gain) + state.log_q + log_of(1 - seen)
    log_bias = log_of(v_o * b_v + b_o)
    log_q = log_sum(log_signal, log_bias)
    # What a distance of the input is worth in the output: p_f + bias relative to q_f + bias.
    scale = math.exp(log_of(gain) + state.log_q - log_q) if log_q > -math.inf else 0.0
    within = scale * (mixed(two, 0.0, state.within) - seen)
    pair = _pair_weights(state, v_q * q, b_q, v_k * q, temper)
    over = (mean, 1 / tokens)
    across = scale * (mixed(min(one, pair[0] * over[0]), state.across, state.apart) - seen)
    apart = scale * (mixed(min(one, pair[1] * over[1]), state.across, state.apart) - seen)
    across, within, apart = (min(max(d, 0.0), 2.0) for d in (across, within, apart))
    after = State(log_q, 0.0, across, within, apart, shape, flat_profile(shape))
    # Softmax's own slope: the scores move with the query and with the keys, until one key takes all.
    differ = min(state.within, 1.0)
    steer = v_q * v_k * temper * differ * (1 + differ) * q * q * steering((v_q * q + b_q) * keys, seen_by)

    def backward(c: Cotangent) -> Cotangent:
        own = gain * (one + cross * c.together + steer)
        both = gain * (1 / tokens + cross * c.together)
        total = c.log_g + log_of(own)
        together = min(1.0, both / own) if own > 0 else 0.0
        return Cotangent(total, together, flat_profile(state.shape))

    return after, backward


def participation(variance: float, tokens: int) -> float:
    """A = E[sum of squared weights] of a softmax over scores of that variance; e^v/T while T is large.

    Exact for independent Gaussian scores, by 1/S^2 = integral of t e^(-tS) dt:
    A_n = n * integral of t E[e^(2x - t e^x)] E[e^(-t e^x)]^(n-1) dt. `tokens` below zero: the mean over
    n = 1..T of a causal mask.
    """
    if tokens in (0, 1, -1):
        return 1.0
    if variance < SMALL_SCORE and tokens > 0:
        return (1 + variance * (1 - 1 / tokens)) / tokens
    return _weights(_rounded(variance), tokens)[0]


def steering(variance: float, tokens: int) -> float:
    """E[sum over keys of p_j^2 (1 - 2 p_j + A)]: how far the output moves with its scores, values of unit variance.

    d out / d s_j = p_j (v_j - out), and the values are independent. 1/T while the scores are small; it falls again
    where one key takes all.
    """
    return 0.0 if tokens in (0, 1, -1) else _weights(_rounded(variance), tokens)[1]


def _rounded(variance: float) -> float:
    return float(f"{min(max(variance, 0.0), WIDEST_SCORE):.3g}")


@lru_cache(maxsize=512)
def _weights(variance: float, tokens: int) -> tuple[float, float]:
    """A and the steering; sums of third and fourth powers by the integrals of 1/S^3 and 1/S^4 in the same way."""
    last = abs(tokens)
    if tokens > 0:
        counts, weights = np.array([float(last)]), np.array([1.0])
    elif last <= MOST_COUNTS:
        counts, weights = np.arange(1.0, last + 1), np.full(last, 1 / last)
    else:
        edges = np.unique(np.geomspace(1, last + 1, MOST_COUNTS).astype(int)).astype(float)
        counts, weights = np.sqrt(edges[:-1] * (edges[1:] - 1)), np.diff(edges) / last
    sigma = math.sqrt(variance)
    nodes = np.linspace(-7.0, 7.0, max(71, 2 * math.ceil(14 * sigma) + 1))
    masses = np.exp(-(nodes**2) / 2) / np.exp(-(nodes**2) / 2).sum()
    log_t = np.linspace(-math.log(last) - sigma * 9 - 6, 6 + sigma * 9, max(240, math.ceil(40 * sigma)))
    step = log_t[1] - log_t[0]
    blocks = np.array_split(log_t, math.ceil(log_t.size * nodes.size / BLOCK))
    once, second, third, fourth = np.hstack([_laplace(block, sigma * nodes, masses) for block in blocks])
    rest = np.exp((counts - 1)[:, None] * once)
    squares = np.minimum(counts * (rest @ second) * step, 1.0)
    cubes = counts * (rest @ third) * step / 2
    pairs = counts * (counts - 1) * (np.exp(np.maximum(counts - 2, 0)[:, None] * once) @ second**2) * step / 6
    moved = squares - 2 * cubes + counts * (rest @ fourth) * step / 6 + pairs
    moved[counts < 2] = 0.0
    return float(min(1.0, weights @ squares)), float(max(0.0, weights @ moved))


def _laplace(log_t: NDArray[np.float64], x: NDArray[np.float64], masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """ln E[exp(-t e^x)], and E[(t e^x)^k exp(-t e^x)] for k = 2, 3, 4; a row each."""
    u = np.minimum(log_t[:, None] + x, 50)
    decay = np.exp(-np.exp(u))
    powers = [(decay * np.exp(k * u)) @ masses for k in (2, 3, 4)]
    return np.stack([np.log(np.maximum(decay @ masses, 1e-300)), *powers])


def _pair_weights(state: State, v_q: float, b_q: float, v_k: float, temper: float) -> tuple[float, float]:
    """e^cov of the scores of two samples: at the same query token, and at two."""
    differ = max(state.apart - state.across, 0.0) * v_k * temper
    same = (v_q * (1 - state.across) + b_q) * differ
    other = (v_q * (1 - state.apart) + b_q) * differ
    return math.exp(min(max(same, 0.0), LARGEST_SCORE)), math.exp(min(max(other, 0.0), LARGEST_SCORE))


def _mask(op: Attention, tokens: int) -> tuple[float, float]:
    """Mean over queries of one over the tokens seen, and what two tokens pass on of a common gradient.

    Without a mask 1/T and 1 - 1/T. With a causal one the mean of 1/i, i = 1..T, is H_T / T, and key k
    collects sum over i >= k of 1/i, whose square has mean 2 - H_T/T.
    """
    if not op.causal or tokens < 2:
        return 1 / tokens, 1 - 1 / tokens
    harmonic = math.log(tokens) + 0.5772156649 + 1 / (2 * tokens)
    if tokens <= 4096:
        inverse = 1 / np.arange(1, tokens + 1)
        harmonic = float(inverse.sum())
        collected = float((np.cumsum(inverse[::-1]) ** 2).mean())
    else:
        collected = 2 - harmonic / tokens
    return harmonic / tokens, collected - harmonic / tokens


def score_variance(op: Attention, init: Initialization) -> float:
    """Variance of a score over the keys, for inputs of unit second moment that have nothing in common."""
    (v_q, b_q), (v_k, _), *_ = projections(op, init)
    return (v_q + b_q) * v_k * temper_of(op)


def temper_of(op: Attention) -> float:
    """Factor on the variance of the scores where they are not divided by the root of the head's width."""
    if not op.scale:
        return 1.0
    return op.scale**2 * (op.features / op.heads if op.heads else ASSUMED_HEAD)


def projections(op: Attention, init: Initialization) -> tuple[tuple[float, float], ...]:
    """(V, Var[b]) of the query, key, value and output projections."""
    d, kv, bias = op.features, op.kv_width, op.bias
    out = Linear(d, d, bias)
    if op.packed:
        first = packed_variance(init, d), 0.0
        # Its biases start at zero, that of the output projection too.
        return first, first, first, (variances(init, out)[0], 0.0)
    key = Linear(d, kv, bias)
    return variances(init, out), variances(init, key), variances(init, key), variances(init, out)


def packed_variance(init: Initialization, d: int) -> float:
    """V of nn.MultiheadAttention's in_proj: one (3d, d) matrix, Glorot uniform by default."""
    if init.scheme == "pytorch":
        return 2 * d / (d + 3 * d)
    return variances(init, Linear(d, 3 * d, False))[0]
