"""Zero padding as a spatial profile: what a border loses, layer after layer.

On an axis of n positions a kernel of k taps averages the second moments that it reaches; a tap on the
padding reaches zero. So the profile u goes to A u with A the k-tap averaging band, and the kept part
is mean(A u). The gradient goes through A transposed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kaiming_mcp.architecture.ir import Conv
from kaiming_mcp.signal.activations import Array

Profile = tuple[Array, ...]
LONGEST_PROFILE = 2048
"""A longer axis loses less to its border than the 5 % that the trace is held to."""
_MOST_TAPS = 128
"""A longer kernel is treated as seeing no border."""


class Taps(NamedTuple):
    """Which input position each tap (row) of each output (column) reads, and whether it is inside."""

    places: NDArray[np.int_]
    inside: NDArray[np.bool_]


def through(op: Conv, profile: Profile | None, sizes: tuple[int, ...] | None) -> tuple[float, float, Profile | None]:
    """(kept, common, new profile of mean 1) of moments that cross a convolution.

    `kept` is the fraction of a second moment that stays; `common` that of a product between two
    positions, which share only the taps that both of them have.
    """
    if not _applies(op, profile) or profile is None or sizes is None or max(sizes) > LONGEST_PROFILE:
        return 1.0, 1.0, _flat(sizes)
    if op.transposed:
        return _spread(op, profile, sizes)
    kept, common, out = 1.0, 1.0, list[Array]()
    for axis, (u, n) in enumerate(zip(profile, sizes, strict=True)):
        taps = _taps(op, axis, n, len(u))
        v = _read(u, taps).sum(axis=0) / op.kernel[axis]
        kept *= float(v.mean())
        # A common part has the profile of the values: the root of that of their squares.
        root = np.sqrt(u)
        shared = float((_read(root, taps).mean(axis=1) ** 2).sum())
        common *= shared / (op.kernel[axis] * float(root.mean()) ** 2) if root.mean() > 0 else 1.0
        out.append(v / v.mean() if v.mean() > 0 else np.ones(n))
    return kept, min(common, kept), tuple(out)


def back(op: Conv, profile: Profile | None, sizes: tuple[int, ...] | None) -> tuple[float, Profile | None]:
    """(kept fraction, profile) of a gradient that goes back to an input of the given sizes."""
    if not _applies(op, profile) or profile is None or sizes is None or max(sizes) > LONGEST_PROFILE:
        return 1.0, _flat(sizes)
    kept, out = 1.0, list[Array]()
    for axis, (t, n) in enumerate(zip(profile, sizes, strict=True)):
        if op.transposed:
            # A transposed convolution is read backward as a plain one is forward.
            v = _read(t, _taps(op, axis, n, len(t))).sum(axis=0) * op.stride[axis]
        else:
            v = _scattered(t, _taps(op, axis, len(t), n), n)
        kept *= float(v.sum() / (op.kernel[axis] * t.sum()))
        out.append(v / v.mean() if v.mean() > 0 else np.ones(n))
    return kept, tuple(out)


def _spread(op: Conv, profile: Profile, sizes: tuple[int, ...]) -> tuple[float, float, Profile]:
    """A transposed convolution: k/s taps reach an output in the middle, fewer at a border."""
    kept, out = 1.0, list[Array]()
    for axis, (u, n) in enumerate(zip(profile, sizes, strict=True)):
        v = _scattered(u, _taps(op, axis, len(u), n), n)
        kept *= float(v.mean()) * op.stride[axis] / op.kernel[axis]
        out.append(v / v.mean() if v.mean() > 0 else np.ones(n))
    return kept, kept, tuple(out)


def _scattered(values: Array, taps: Taps, n: int) -> Array:
    weights = np.broadcast_to(values, taps.inside.shape)[taps.inside]
    return np.bincount(taps.places[taps.inside], weights=weights, minlength=n).astype(np.float64)


def _applies(op: Conv, profile: Profile | None) -> bool:
    return (
        profile is not None
        and op.padding_mode == "zeros"
        and len(profile) == len(op.kernel)
        and max(op.kernel) <= _MOST_TAPS
    )


def _taps(op: Conv, axis: int, n_out: int, n_in: int) -> Taps:
    return _placed(op.kernel[axis], op.stride[axis], op.padding[axis], op.dilation[axis], n_out, n_in)


@lru_cache(maxsize=32)
def _placed(kernel: int, stride: int, padding: int, dilation: int, n_out: int, n_in: int) -> Taps:
    places = np.arange(n_out) * stride - padding + np.arange(kernel)[:, None] * dilation
    inside = (places >= 0) & (places < n_in)
    return Taps(np.clip(places, 0, n_in - 1), inside)


def _read(u: Array, taps: Taps) -> Array:
    return np.where(taps.inside, u[taps.places], 0.0)


def _flat(sizes: tuple[int, ...] | None) -> Profile | None:
    if sizes is None or any(n > LONGEST_PROFILE for n in sizes):
        return None
    return tuple(np.ones(n) for n in sizes)
