"""Linear layers, normalization and attention, forward and backward."""

from __future__ import annotations

import math

import numpy as np

from kaiming_mcp.architecture.ir import Attention, Linear, Norm, Shape
from kaiming_mcp.architecture.shapes import implied_flatten
from kaiming_mcp.signal.activations import Array
from kaiming_mcp.signal.initialization import variances
from kaiming_mcp.signal.rules.attention import projections
from kaiming_mcp.signal.simulation.run import Back, NotSimulatedError, Run, matrix, station


def linear(op: Linear, x: Array, run: Run, factor: float) -> tuple[Array, Back]:
    """W x + b at each position, or over all of them laid side by side."""
    shape = x.shape
    if implied_flatten(op, Shape(shape[-1], tuple(shape[1:-1]))):
        x = x.reshape(len(x), -1)
    gain, bias = variances(run.init, op)
    w = matrix(run, op.in_features, op.out_features, gain * factor)
    b = run.draw.normal(size=op.out_features) * math.sqrt(bias)
    return station(x @ w + b, lambda d: (d @ w.T).reshape(shape), run)


def norm(op: Norm, x: Array) -> tuple[Array, Back]:
    """Any normalization, in training mode."""
    shape = x.shape
    match op.kind:
        case "batch":
            over, view = tuple(range(x.ndim - 1)), shape
        case "layer" | "rms":
            over, view = (x.ndim - 1,), shape
        case "group" | "instance":
            groups = op.groups if op.kind == "group" else shape[-1]
            view = (shape[0], math.prod(shape[1:-1]), groups, shape[-1] // groups)
            over = (1, 3)
    z = x.reshape(view)
    center = np.zeros(1) if op.kind == "rms" else z.mean(axis=over, keepdims=True)
    inverse = 1 / np.sqrt(((z - center) ** 2).mean(axis=over, keepdims=True) + op.eps)
    y = (z - center) * inverse

    def backward(d: Array) -> Array:
        e = d.reshape(view)
        mean = 0.0 if op.kind == "rms" else e.mean(axis=over, keepdims=True)
        along = (e * y).mean(axis=over, keepdims=True)
        return ((e - mean - y * along) * inverse).reshape(shape)

    return y.reshape(shape), backward


def attention(op: Attention, x: Array, run: Run, factor: float) -> tuple[Array, Back]:
    """Softmax attention over one axis of tokens, heads sharing keys where they are grouped."""
    if x.ndim != 3:
        raise NotSimulatedError("attention over more than one axis is not simulated")
    heads = op.heads or max(1, op.features // 64)
    width, keep = op.features // heads, max(1, op.kv_width // max(1, op.features // heads))
    (v_q, _), (v_k, _), (v_v, _), (v_o, _) = projections(op, run.init)
    d = op.features
    w_q, w_o = matrix(run, d, d, v_q), matrix(run, d, d, v_o * factor)
    w_k, w_v = matrix(run, d, keep * width, v_k), matrix(run, d, keep * width, v_v)
    scale = op.scale or width**-0.5
    share = heads // keep

    def split(z: Array, count: int) -> Array:
        return z.reshape(*z.shape[:2], count, width).transpose(0, 2, 1, 3)

    def join(z: Array) -> Array:
        return z.transpose(0, 2, 1, 3).reshape(len(z), z.shape[2], -1)

    q = split(x @ w_q, heads)
    k, v = (np.repeat(split(x @ w, keep), share, axis=1) for w in (w_k, w_v))
    scores = q @ k.transpose(0, 1, 3, 2) * scale
    if op.causal:
        scores = np.where(np.tri(x.shape[1], dtype=bool), scores, -np.inf)
    a = np.exp(scores - scores.max(axis=-1, keepdims=True))
    a /= a.sum(axis=-1, keepdims=True)

    def fold(z: Array) -> Array:
        return z.reshape(len(z), keep, share, *z.shape[2:]).sum(axis=2)

    def backward(g: Array) -> Array:
        h = split(g @ w_o.T, heads)
        at = a.transpose(0, 1, 3, 2)
        da = h @ v.transpose(0, 1, 3, 2)
        ds = a * (da - (da * a).sum(axis=-1, keepdims=True)) * scale
        dq, dk, dv = ds @ k, fold(ds.transpose(0, 1, 3, 2) @ q), fold(at @ h)
        return join(dq) @ w_q.T + join(dk) @ w_k.T + join(dv) @ w_v.T

    return join(a @ v) @ w_o, backward
