"""From sizes and counts to the kernel, stride and padding of a window that slides over an image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

Size = tuple[int, ...]

LARGEST_KERNEL = 10_000
"""Weights of one kernel: a larger number is no kernel but a misread count."""
_LARGEST_FLAT = 1_000
_COMMON_SIDES = (1, 2, 3, 4, 5, 7)


class Window(NamedTuple):
    """How a kernel moves; one number for each axis."""

    kernel: Size
    stride: Size
    padding: Size
    dilation: Size
    output_padding: Size = ()


def kernels(weights: int, axes: int) -> Iterator[Size]:
    """Kernels of so many weights, the likeliest first: cubes, then flat ones."""
    if not 0 < weights <= LARGEST_KERNEL:
        return
    side = round(weights ** (1 / axes))
    if side**axes == weights:
        yield (side,) * axes
    if axes == 2 and weights <= _LARGEST_FLAT:
        yield from ((1, weights), (weights, 1))
        for short in range(math.isqrt(weights), 1, -1):
            if weights % short == 0 and short * short != weights:
                yield from ((short, weights // short), (weights // short, short))
    if axes == 3 and weights <= _LARGEST_FLAT:
        for depth in range(1, min(weights, 64) + 1):
            flat = math.isqrt(weights // depth)
            if depth * flat * flat == weights and flat != depth:
                yield (depth, flat, flat)
        yield from ((1, 1, weights), (1, weights, 1))


def window(kernel: Size, before: Size, after: Size, transposed: bool = False) -> Window | None:
    """The usual stride, padding and dilation that lead from one size to the other; None when none does."""
    if not len(kernel) == len(before) == len(after):
        return None
    find = _enlarging if transposed else _along
    found = [find(n, out, k) for n, out, k in zip(before, after, kernel, strict=True)]
    axes = [axis for axis in found if axis is not None]
    if len(axes) < len(found):
        return None
    stride, padding, dilation, extra = zip(*axes, strict=True)
    return Window(kernel, stride, padding, dilation, extra if any(extra) else ())


def unmoved(kernel: Size) -> Window:
    """The window that keeps the size, for sizes that are not known."""
    ones = (1,) * len(kernel)
    return Window(kernel, ones, tuple((k - 1) // 2 for k in kernel), ones)


def oddity(moved: Window) -> float:
    """How unusual a window is: odd squares with stride 1 or 2 come first, then patches, then flat kernels."""
    kernel, stride = moved.kernel, moved.stride
    if len(set(kernel)) == 1:
        k = kernel[0]
        shape = 0.0 if k in _COMMON_SIDES or stride[0] == k else 1.5 if k % 2 else 3.0
    else:
        shape = 2.5 if all(k % 2 and k < 42 for k in kernel) else 8.0
    leaps = 5.0 * any(s > k > 1 or s > 2 >= k for s, k in zip(stride, kernel, strict=True)) + 4.0 * (
        len(set(stride)) > 1
    )
    return shape + leaps + sum(_shift(*axis) for axis in zip(kernel, stride, moved.padding, strict=True)) / len(kernel)


def _shift(k: int, stride: int, padding: int) -> float:
    usual = padding == 0 or (padding == (k - 1) // 2 and stride < k)
    return (0.0 if stride == 1 else 0.25 if stride in (2, k) else 0.5) + (0.0 if usual else 1.0) + 0.5 * (k < stride)


def _along(n: int, out: int, k: int) -> tuple[int, int, int, int] | None:
    if min(n, out, k) < 1:
        return None
    found: dict[tuple[int, int], float] = {}
    for stride in {1, max(1, round(n / out)), max(1, n // out), -(-n // out)}:
        # floor((n + 2 p - k) / stride) + 1 = out holds for p between these two.
        least = max(0, -(-((out - 1) * stride + k - n) // 2))
        most = min((out * stride + k - n - 1) // 2, k)
        for padding in ((k - 1) // 2, 0, least):
            if least <= padding <= most:
                found[stride, padding] = _shift(k, stride, padding)
    if found:
        return *min(found, key=lambda pair: (found[pair], pair)), 1, 0
    if out < n and k > 1 and (n - out) % (k - 1) == 0:
        return 1, 0, (n - out) // (k - 1), 0
    return None


def _enlarging(n: int, out: int, k: int) -> tuple[int, int, int, int] | None:
    if min(n, out, k) < 1:
        return None
    for stride in (1 if n == 1 else max(1, round(out / n)), max(1, out // n), 1):
        # out = (n - 1) stride - 2 padding + k + extra
        twice = (n - 1) * stride + k - out
        padding = max(0, -(-twice // 2))
        extra = 2 * padding - twice
        if extra < max(stride, 1) and padding <= k:
            return stride, padding, 1, extra
    return None
