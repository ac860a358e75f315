"""Zero padding as a spatial profile: what a border loses, layer after layer.

On an axis of n positions a kernel of k taps averages the second moments that it reaches; a tap on the
padding reaches zero. So the profile u goes to A u with A the k-tap averaging band, and the kept part
is mean(A u). The gradient goes through A transposed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kaiming_mcp.architecture.ir import Conv
from kaiming_mcp.signal.activations import Array

Profile = tuple[Array, ...]
Indices = NDArray[np.int_]
# Taps are summed one by one; a longer kernel than this is treated as seeing no border.
_MOST_TAPS = 128


def through(op: Conv, profile: Profile | None, sizes: tuple[int, ...] | None) -> tuple[float, float, Profile | None]:
    """(kept, common, new profile of mean 1) of moments that cross a convolution.

    `kept` is the fraction of a second moment that stays; `common` that of a product between two
    positions, which share only the taps that both of them have.
    """
    if not _applies(op, profile) or profile is None or sizes is None:
        return 1.0, 1.0, _flat(sizes)
    if op.transposed:
        return _spread(op, profile, sizes)
    kept, common, out = 1.0, 1.0, list[Array]()
    for axis, (u, n) in enumerate(zip(profile, sizes, strict=True)):
        taps = _taps(op, axis, n)
        v = sum((_read(u, starts) for starts in taps), np.zeros(n)) / op.kernel[axis]
        kept *= float(v.mean())
        # A common part has the profile of the values: the root of that of their squares.
        root = np.sqrt(u)
        shared = sum(float(_read(root, starts).mean()) ** 2 for starts in taps)
        common *= shared / (op.kernel[axis] * float(root.mean()) ** 2) if root.mean() > 0 else 1.0
        out.append(v / v.mean() if v.mean() > 0 else np.ones(n))
    return kept, min(common, kept), tuple(out)


def back(op: Conv, profile: Profile | None, sizes: tuple[int, ...] | None) -> tuple[float, Profile | None]:
    """(kept fraction, profile) of a gradient that goes back to an input of the given sizes."""
    if not _applies(op, profile) or profile is None or sizes is None:
        return 1.0, _flat(sizes)
    kept, out = 1.0, list[Array]()
    for axis, (t, n) in enumerate(zip(profile, sizes, strict=True)):
        if op.transposed:
            # A transposed convolution is read backward as a plain one is forward.
            v = sum((_read(t, starts) for starts in _taps(op, axis, n)), np.zeros(n)) * op.stride[axis]
        else:
            v = _scattered(t, _taps(op, axis, len(t)), n)
        kept *= float(v.sum() / (op.kernel[axis] * t.sum()))
        out.append(v / v.mean() if v.mean() > 0 else np.ones(n))
    return kept, tuple(out)


def _spread(op: Conv, profile: Profile, sizes: tuple[int, ...]) -> tuple[float, float, Profile]:
    """A transposed convolution: k/s taps reach an output in the middle, fewer at a border."""
    kept, out = 1.0, list[Array]()
    for axis, (u, n) in enumerate(zip(profile, sizes, strict=True)):
        v = _scattered(u, _taps(op, axis, len(u)), n)
        kept *= float(v.mean()) * op.stride[axis] / op.kernel[axis]
        out.append(v / v.mean() if v.mean() > 0 else np.ones(n))
    return kept, kept, tuple(out)


def _scattered(values: Array, taps: list[Indices], n: int) -> Array:
    out = np.zeros(n)
    for places in taps:
        inside = (places >= 0) & (places < n)
        np.add.at(out, places[inside], values[inside])
    return out


def _applies(op: Conv, profile: Profile | None) -> bool:
    return (
        profile is not None
        and op.padding_mode == "zeros"
        and len(profile) == len(op.kernel)
        and max(op.kernel) <= _MOST_TAPS
    )


def _taps(op: Conv, axis: int, n_out: int) -> list[Indices]:
    """For each tap, the input position that each of n_out outputs reads."""
    base = np.arange(n_out) * op.stride[axis] - op.padding[axis]
    return [base + tap * op.dilation[axis] for tap in range(op.kernel[axis])]


def _read(u: Array, positions: Indices) -> Array:
    inside = (positions >= 0) & (positions < len(u))
    return np.where(inside, u[np.clip(positions, 0, len(u) - 1)], 0.0)


def _flat(sizes: tuple[int, ...] | None) -> Profile | None:
    return None if sizes is None else tuple(np.ones(n) for n in sizes)
