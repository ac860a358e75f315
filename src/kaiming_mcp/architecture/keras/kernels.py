"""Kernels, strides and padding of convolutions and pools, from the shapes before and after and the parameter count."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

from kaiming_mcp.architecture.ir import Basis, Conv, Pool
from kaiming_mcp.architecture.keras.table import Dims

LONGEST = 64
"""The longest side of a kernel that is not square, and the largest stride, that is looked for."""

WIDEST = 11
"""The largest kernel that is looked for on such an input."""

Sizes = tuple[int, ...]


class Step(NamedTuple):
    """A row with the shape that reaches it; the channel axis stands last, None where a shape is not known."""

    name: str
    cls: str
    into: Dims | None
    out: Dims | None
    parameters: int
    padding: Sizes = ()
    """Zeros that a layer before has put round each axis, both sides together."""
    others: tuple[Dims | None, ...] = ()
    """Further inputs, such as keys and values."""


class _Taps(NamedTuple):
    kernel: Sizes
    into: int
    groups: int
    bias: bool


def last(dims: Dims | None) -> int | None:
    """The size of the channel axis, or None."""
    return dims[-1] if dims else None


def conv(step: Step) -> tuple[Conv, Basis]:
    """Conv1D to Conv3D.

    Raises:
        ValueError: no kernel fits the row.
    """
    axes, out = _axes(step), _known(last(step.out))
    found = list(_taps(axes, step.parameters, last(step.into), out))
    if not found:
        raise ValueError(step.cls)
    taps = found[0]
    stride, padding, dilation, sure = _moves(step, taps.kernel)
    # A square kernel is the only likely one of its size.
    sure = sure and len(found) == 1 and len(set(taps.kernel)) == 1 and step.into is not None
    op = Conv(taps.into, out, taps.kernel, stride, padding, dilation, taps.groups, taps.bias)
    return op, "read" if sure else "assumed"


def depthwise(step: Step) -> tuple[Conv, Basis]:
    """One filter (or a few) for each channel.

    Raises:
        ValueError: no kernel fits the row.
    """
    axes, out = _axes(step), _known(last(step.out))
    into = last(step.into) or out
    for bias in (1, 0):
        kernel, rest = divmod(step.parameters - bias * out, out)
        if not rest and out % into == 0 and (side := _root(kernel, axes)):
            taps = (side,) * axes
            stride, padding, dilation, sure = _moves(step, taps)
            return Conv(into, out, taps, stride, padding, dilation, into, bool(bias)), "read" if sure else "assumed"
    raise ValueError(step.cls)


def separable(step: Step) -> list[Conv]:
    """A depthwise convolution without a bias, then a pointwise one.

    Raises:
        ValueError: no kernel fits the row.
    """
    axes, out, into = _axes(step), _known(last(step.out)), _known(last(step.into))
    one, none = (1,) * axes, (0,) * axes
    for bias in (1, 0):
        area, rest = divmod(step.parameters - into * out - bias * out, into)
        if not rest and (side := _root(area, axes)):
            kernel = (side,) * axes
            stride, padding, dilation, _ = _moves(step, kernel)
            first = Conv(into, into, kernel, stride, padding, dilation, into, False)
            return [first, Conv(into, out, one, one, none, one, 1, bool(bias))]
    raise ValueError(step.cls)


def transposed(step: Step) -> tuple[Conv, Basis]:
    """Conv2DTranspose: padding `same` gives stride times the size, `valid` (n - 1) * stride + kernel.

    Raises:
        ValueError: no kernel fits the row.
    """
    axes, out = _axes(step), _known(last(step.out))
    found = list(_taps(axes, step.parameters, last(step.into), out))
    if not found:
        raise ValueError(step.cls)
    taps = found[0]
    stride, padding, extra = list[int](), list[int](), list[int]()
    for n, m, k in zip(*_positions(step, axes), taps.kernel, strict=True):
        s, total = _enlarged(n, m, k)
        # (n - 1) s + k - 2p + e positions are to be `total`.
        over = ((n or 1) - 1) * s + k - total
        p = max(0, -(-over // 2))
        stride.append(s)
        padding.append(p)
        extra.append(2 * p - over)
    one = (1,) * axes
    op = Conv(
        taps.into,
        out,
        taps.kernel,
        tuple(stride),
        tuple(padding),
        one,
        1,
        taps.bias,
        True,
        tuple(extra) if any(extra) else (),
    )
    return op, "read" if len(found) == 1 and None not in (step.into or (None,)) else "assumed"


def pool(step: Step) -> tuple[Pool, Basis]:
    """Pooling: the smallest window, as wide as its stride where that fits, that gives the printed shape."""
    kind: Literal["max", "avg"] = "max" if "Max" in step.cls else "avg"
    if step.cls.startswith("Global"):
        # keepdims=True leaves axes of length one.
        return Pool(kind, output=(1,) * (len(step.out) - 1) if step.out else ()), "read"
    axes = _axes(step)
    before, after = _positions(step, axes)
    windows = [_window(n, m, pad) for n, m, pad in zip(before, after, _padding(step, axes), strict=True)]
    kernel, stride, padding = zip(*windows, strict=True)
    return Pool(kind, kernel, stride, padding), "assumed"


def _taps(axes: int, count: int, into: int | None, out: int) -> Iterator[_Taps]:
    """Kernels, groups and biases that give the parameter count, the likeliest first."""
    pers = [(per, bias) for bias in (True, False) if count % out == 0 and (per := count // out - bias) > 0]
    if into is None:
        yield from _first_taps(axes, pers)
        return
    for per, bias in pers:
        if per % into == 0 and (side := _root(per // into, axes)):
            yield _Taps((side,) * axes, into, 1, bias)
    for per, bias in pers:
        area, rest = divmod(per, into)
        if not rest and not _root(area, axes) and area <= LONGEST**2:
            yield from (_Taps(kernel, into, 1, bias) for kernel in _oblong(area, axes))
        for side in (3, 5, 7, 1) if rest else ():
            groups, odd = divmod(side**axes * into, per)
            if not odd and groups > 1 and into % groups == 0 and out % groups == 0:
                yield _Taps((side,) * axes, into, groups, bias)


def _first_taps(axes: int, pers: list[tuple[int, bool]]) -> Iterator[_Taps]:
    """An input that is not printed: colours or grey under a square kernel, else what a usual kernel leaves."""
    for width in (3, 1, 4, 2) if axes > 1 else ():
        for per, bias in pers:
            side = _root(per // width, axes) if per % width == 0 else 0
            if 1 < side <= WIDEST:
                yield _Taps((side,) * axes, width, 1, bias)
    for per, bias in pers:
        for side in (3, 5, 7, 1):
            if per % side**axes == 0:
                yield _Taps((side,) * axes, per // side**axes, 1, bias)


def _root(area: int, axes: int) -> int:
    """The side of a square (cubic) kernel, or 0."""
    if area < 1:
        return 0
    side = round(area ** (1 / axes))
    return side if side**axes == area else 0


def _oblong(area: int, axes: int) -> Iterator[Sizes]:
    """Kernels that are not square: one long side, or, over three axes, a flat square."""
    if axes == 3 and (side := _root(area, 2)):
        yield (1, side, side)
    if area <= LONGEST:
        yield (*(1,) * (axes - 1), area)
    for a in range(2, math.isqrt(area) + 1):
        if axes == 2 and area % a == 0:
            yield (a, area // a)


def _moves(step: Step, kernel: Sizes) -> tuple[Sizes, Sizes, Sizes, bool]:
    """Stride, padding and dilation, and whether they are the only ones that give the printed shape."""
    axes = len(kernel)
    moves = [
        _move(n, m, k, pad) for n, m, k, pad in zip(*_positions(step, axes), kernel, _padding(step, axes), strict=True)
    ]
    stride, padding, dilation, sure = zip(*moves, strict=True)
    return stride, padding, dilation, all(sure)


def _move(n: int | None, m: int | None, k: int, pad: int) -> tuple[int, int, int, bool]:
    if not n or not m:
        return 1, (k - 1) // 2, 1, False
    n += pad
    fits = [s for s in _strides(n, m) if m in _lengths(n, k, s)]
    if not fits and m < n:
        # A dilated kernel without padding takes d (k - 1) positions off.
        d, rest = divmod(n - m, k - 1) if k > 1 else (0, 1)
        if d and not rest:
            return 1, pad // 2, d, True
    s = fits[0] if fits else max(1, round(n / m))
    return s, _zeros(n - pad, m, k, s), 1, len(fits) == 1


def _strides(n: int, m: int) -> range:
    low = max(1, n // (m + 1))
    return range(low, min(n // max(1, m - 1), low + LONGEST) + 2)


def _lengths(n: int, k: int, s: int) -> tuple[int, int]:
    """Positions that are left with `valid` and with `same` padding."""
    return (n - k) // s + 1, -(-n // s)


def _zeros(n: int, m: int, k: int, s: int) -> int:
    """Zeros on each side that give m positions; what an even kernel would need on one side alone is left out."""
    p = max(0, -((n - k - (m - 1) * s) // 2))
    return p if (n + 2 * p - k) // s + 1 == m else (k - 1) // 2


def _window(n: int | None, m: int | None, pad: int) -> tuple[int, int, int]:
    if not n or not m:
        return 2, 2, 0
    if n + pad == m:
        return (3, 1, 1) if m > 1 else (1, 1, 0)
    if m == 1:
        return n, n, 0
    strides = _strides(n + pad, m)
    # Keras's default is a stride as wide as the window; a window far wider than its stride comes last.
    near = sorted(
        ((k, s) for s in strides for k in range(max(2, s), s + 3)), key=lambda w: (w[0] - w[1], abs(n / m - w[1]))
    )
    for k, s in (*near, *((n + pad - (m - 1) * s, s) for s in reversed(strides))):
        if k > 1 and m in _lengths(n + pad, k, s):
            return k, s, _zeros(n, m, k, s)
    s = max(1, round(n / m))
    return s, s, 0


def _enlarged(n: int | None, m: int | None, k: int) -> tuple[int, int]:
    """The stride of a transposed convolution, and the positions that it gives."""
    if not n or not m:
        return 2, 2 * (n or 1)
    if n == 1 and m == k:
        return 1, m
    if m % n == 0:
        return m // n, m
    s = (m - k) // (n - 1) if n > 1 and m > k and (m - k) % (n - 1) == 0 else max(1, m // n)
    return s, m


def _positions(step: Step, axes: int) -> tuple[Dims, Dims]:
    unknown: Dims = (None,) * axes
    before = step.into[:-1] if step.into and len(step.into) == axes + 1 else unknown
    after = step.out[:-1] if step.out and len(step.out) == axes + 1 else unknown
    return before, after


def _padding(step: Step, axes: int) -> Sizes:
    return step.padding if len(step.padding) == axes else (0,) * axes


def _axes(step: Step) -> int:
    return next(int(c) for c, d in zip(step.cls, step.cls[1:], strict=False) if c in "123" and d == "D")


def _known(size: int | None) -> int:
    if not size:
        raise ValueError
    return size
