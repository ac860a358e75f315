"""Convolutions, pooling and enlargement, forward and backward; one tap of a kernel at a time."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from kaiming_mcp.architecture.ir import Conv, Pool, Upsample
from kaiming_mcp.signal.activations import Array
from kaiming_mcp.signal.initialization import variances
from kaiming_mcp.signal.simulation.run import Back, NotSimulatedError, Run


def conv(op: Conv, x: Array, run: Run, factor: float) -> tuple[Array, Back]:
    """A convolution, as the sum over the taps of its kernel."""
    if op.transposed:
        raise NotSimulatedError("a transposed convolution is not simulated")
    gain, bias = variances(run.init, op)
    axes, groups = len(op.kernel), op.groups
    into, out = op.in_channels // groups, op.out_channels // groups
    std = math.sqrt(gain * factor / (into * math.prod(op.kernel)))
    w = run.draw.normal(size=(*op.kernel, groups, into, out)) * std
    mode: Any = {"zeros": "constant", "circular": "wrap", "reflect": "reflect", "replicate": "edge"}[op.padding_mode]
    padded = np.pad(x, [(0, 0), *((p, p) for p in op.padding), (0, 0)], mode=mode)
    counts = [
        (n - d * (k - 1) - 1) // s + 1
        for n, d, k, s in zip(padded.shape[1:-1], op.dilation, op.kernel, op.stride, strict=True)
    ]
    windows = [(tap, _reads(tap, op.dilation, counts, op.stride)) for tap in product(*(range(k) for k in op.kernel))]
    y = np.zeros((len(x), *counts, groups, out))
    for tap, window in windows:
        y += np.einsum("...gi,gio->...go", padded[window].reshape(len(x), *counts, groups, into), w[tap], optimize=True)
    y = y.reshape(len(x), *counts, op.out_channels) + run.draw.normal(size=op.out_channels) * math.sqrt(bias)

    def backward(d: Array) -> Array:
        split = d.reshape(len(x), *counts, groups, out)
        whole = np.zeros_like(padded)
        for tap, window in windows:
            piece = np.einsum("...go,gio->...gi", split, w[tap], optimize=True)
            whole[window] += piece.reshape(len(x), *counts, op.in_channels)
        if op.padding_mode == "circular":
            return _unwrapped(whole, op.padding, x.shape)
        inner = tuple(slice(p, p + n) for p, n in zip(op.padding, x.shape[1:-1], strict=True))
        return whole[(slice(None), *inner)]

    assert axes == len(counts)
    return y, backward


def _reads(
    tap: tuple[int, ...], dilation: tuple[int, ...], counts: list[int], stride: tuple[int, ...]
) -> tuple[slice, ...]:
    """The input positions that each output reads with one tap."""
    axes = zip(tap, dilation, counts, stride, strict=True)
    return (slice(None), *(slice(t * d, t * d + (n - 1) * s + 1, s) for t, d, n, s in axes))


def _unwrapped(whole: Array, padding: tuple[int, ...], shape: tuple[int, ...]) -> Array:
    """The adjoint of wrapping: what fell on the border is added where it came from."""
    for axis, p in enumerate(padding, start=1):
        n = shape[axis]
        moved = np.moveaxis(whole, axis, 0)
        gathered = np.zeros((n, *moved.shape[1:]))
        for place in range(len(moved)):
            gathered[(place - p) % n] += moved[place]
        whole = np.moveaxis(gathered, 0, axis)
    return whole


def pool(op: Pool, x: Array) -> tuple[Array, Back]:
    """Average or largest value of each window."""
    shape = x.shape
    axes = x.ndim - 2
    sizes = shape[1:-1]
    if op.output and op.output[:1] * axes != (1,) * axes and op.output != sizes:
        raise NotSimulatedError("adaptive pooling to more than one position is not simulated")
    if op.output == sizes:
        return x, lambda d: d
    whole = not op.kernel
    kernel = sizes if whole else (op.kernel if len(op.kernel) == axes else op.kernel[:1] * axes)
    stride = sizes if whole else ((op.stride or kernel) if len(op.stride or kernel) == axes else op.stride[:1] * axes)
    if any(op.padding):
        raise NotSimulatedError("pooling with padding is not simulated")
    counts = [(n - k) // s + 1 for n, k, s in zip(sizes, kernel, stride, strict=True)]
    steps = (1,) * axes
    windows = [_reads(tap, steps, counts, stride) for tap in product(*(range(k) for k in kernel))]
    flat = op.kernel == () and op.output == ()
    values = np.stack([x[w] for w in windows])
    y = values.mean(axis=0) if op.kind == "avg" else values.max(axis=0)
    winner = values.argmax(axis=0) if op.kind == "max" else None

    def backward(d: Array) -> Array:
        d = d.reshape(y.shape)
        out = np.zeros(shape)
        for index, window in enumerate(windows):
            out[window] += d / len(windows) if winner is None else d * (winner == index)
        return out

    return (y.reshape(len(x), -1) if flat else y), backward


def upsample(op: Upsample, x: Array) -> tuple[Array, Back]:
    """Repetition along every axis."""
    times = round(op.factor)
    if op.linear or times != op.factor or times < 1:
        raise NotSimulatedError("only enlargement by repetition is simulated")
    y = x
    for axis in range(1, x.ndim - 1):
        y = np.repeat(y, times, axis=axis)

    def backward(d: Array) -> Array:
        view = (len(x), *(v for n in x.shape[1:-1] for v in (n, times)), x.shape[-1])
        return d.reshape(view).sum(axis=tuple(range(2, 2 * (x.ndim - 2) + 1, 2)))

    return y, backward
