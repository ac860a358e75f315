"""The arguments of a convolution from its count and its sizes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from kaiming_mcp.architecture.tables.kernels import Size, Window, kernels, oddity, unmoved, window
from kaiming_mcp.architecture.tables.sight import Guess, Sight

_USUAL_CHANNELS = (3, 1, 2, 4)
_USUAL_KERNELS = (3, 5, 7, 4, 2, 9, 11, 16, 1)
_USUAL_SIDES = (28, 32, 64, 96, 128, 160, 192, 224, 256, 299, 320, 384, 512)
_PLAIN = 0.25
"""Oddity of what needs no comparison: the usual kernel over the nearest input, with stride 1 or 2."""
_MOST_PLACES = 64
_NEAR = 6


def convolution(sight: Sight, axes: int, transposed: bool = False) -> Guess | None:
    """The likeliest convolution of this count and these sizes: ordinary, depthwise, grouped, or over joined inputs."""
    shaped = len(sight.output) > axes
    out = sight.output[-axes - 1] if shaped else sight.weights.get("bias", sight.normalized)
    if not out or not sight.parameters or sight.parameters % out:
        return None
    after = sight.output[-axes:] if shaped else ()
    biases = ("bias" in sight.weights,) if sight.weights else (False, True) if sight.normalized else (True, False)
    rows = [(sight.parameters // out - bias, bias) for bias in biases if sight.parameters // out > bias]
    fits = _fits(sight, axes, out, rows, after, transposed)
    best: _Fit | None = None
    least = math.inf
    for fit in fits:
        cost = fit.cost + (fit.bias != biases[0]) + oddity(fit.moved)
        if cost < least:
            best, least = fit, cost
        if least <= _PLAIN:
            break
    if best is None:
        return None
    moved = best.moved
    parts = [f"{best.into}, {out}, kernel_size={moved.kernel}, stride={moved.stride}, padding={moved.padding}"]
    parts += [f"output_padding={moved.output_padding}"] if moved.output_padding else []
    parts += [f"dilation={moved.dilation}, groups={best.groups}, bias={best.bias}"]
    first = (*sight.output[: -axes - 1], best.into, *best.before)
    return Guess(", ".join(parts), (best.note,) if best.note else (), first, out)


class _Fit(NamedTuple):
    """Settings of a convolution that give its count and size, and how unlikely its input is."""

    cost: float
    into: int
    groups: int
    bias: bool
    moved: Window
    before: Size
    note: str = ""


def _fits(
    sight: Sight, axes: int, out: int, rows: list[tuple[int, bool]], after: Size, transposed: bool
) -> Iterator[_Fit]:
    given = sight.kernel if len(sight.kernel) == axes else ()

    def moves(weights: int, before: Size) -> Iterator[Window]:
        for kernel in (given,) if given and math.prod(given) == weights else () if given else kernels(weights, axes):
            if not before or not after:
                yield unmoved(kernel)
            elif (found := window(kernel, before, after, transposed)) is not None:
                yield found

    inputs = [(size[-axes - 1], size[-axes:]) for size in sight.inputs if len(size) > axes]
    if not after:
        inputs = [(size[1], ()) for size in sight.inputs if len(size) == 2]
    usual = (math.prod(given),) if given else tuple(k**axes for k in _USUAL_KERNELS)
    for rank, (into, before) in enumerate(inputs):
        for row, bias in rows:
            away = min(rank, 2) / 2
            if row % into == 0:
                yield from (_Fit(away, into, 1, bias, move, before) for move in moves(row // into, before))
            for weights in usual:
                width = row // weights
                if row % weights == 0 and 0 < width < into and into % width == 0 and out % (into // width) == 0:
                    cost = away + (0.5 if width == 1 else 2)
                    groups = into // width
                    yield from (_Fit(cost, into, groups, bias, move, before) for move in moves(weights, before))
    if sight.certain:
        return
    if not inputs and not transposed:
        yield from _first(sight, axes, rows, after, given)
    before = inputs[0][1] if inputs else ()
    known = [into for into, _ in inputs[:_NEAR]]
    joined = {a + b for a in known for b in known} | {3 * into for into in known}
    note = f"{sight.cls}: input channels, kernel and bias that give the count"
    for weights in usual:
        for row, bias in rows:
            if row % weights == 0:
                into = row // weights
                cost = 2 if into in joined else 4 + 2 * (weights == 1)
                yield from (_Fit(cost, into, 1, bias, move, before, note) for move in moves(weights, before))


def _first(sight: Sight, axes: int, rows: list[tuple[int, bool]], after: Size, given: Size) -> Iterator[_Fit]:
    """The first convolution, over an image of three, one, two or four channels."""
    for rank, into in enumerate(_USUAL_CHANNELS):
        for row, bias in rows:
            for kernel in kernels(row // into, axes) if row % into == 0 and row > into else ():
                if len(set(kernel)) == 1 and kernel == (given or kernel):
                    for place, moved, sure in _places(kernel, into, after, sight.numbers):
                        note = "" if sure else f"{sight.cls}: the size of the network's input"
                        yield _Fit(rank / 4 + (not sure), into, 1, bias, moved, place, note)
                        break


def _places(kernel: Size, into: int, after: Size, numbers: tuple[float, float]) -> Iterator[tuple[Size, Window, bool]]:
    """Sizes of an input that no row shows, from the kernel and the size in memory at the end of the table."""
    axes, k = len(kernel), kernel[0]
    low, high = ((bound / into) ** (1 / axes) for bound in numbers)
    if len(set(after)) == 1 and low > 1.15 * k and high < 1.15 * low:
        sides = sorted(
            range(math.ceil(low), math.floor(high) + 1)[:_MOST_PLACES], key=lambda n: (n not in _USUAL_SIDES, -(n & -n))
        )
        for side in sides:
            if moved := window(kernel, (side,) * axes, after):
                yield (side,) * axes, moved, True
    places = [tuple(n * stride for n in after) for stride in (1, 2, 4, k)]
    places += [tuple((n - 1) * stride + k for n in after) for stride in (1, 2, 4, k)]
    for place in sorted(places, key=lambda place: not set(place) <= set(_USUAL_SIDES)):
        moved = window(kernel, place, after) if after else None
        if moved and numbers[0] <= into * math.prod(place) <= numbers[1]:
            yield place, moved, False
    yield (), unmoved(kernel), False
