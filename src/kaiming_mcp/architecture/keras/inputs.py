"""The shape of an input: printed, or what fits the first layer of a table that leaves it out."""

from __future__ import annotations

from kaiming_mcp.architecture.ir import Conv, Embedding, Linear, Op, Recurrent, Shape
from kaiming_mcp.architecture.keras.kernels import Step
from kaiming_mcp.architecture.keras.table import Dims

SIDES = frozenset({28, 32, 48, 64, 96, 100, 128, 150, 160, 180, 192, 200, 224, 227, 256, 299, 300, 320, 416, 512})
"""Usual sides of an input image, for a first layer whose input the table does not print."""


def to_shape(dims: Dims | None, *, tokens: bool = False) -> Shape | None:
    """Printed sizes as a shape; token numbers have positions only."""
    if not dims:
        return None
    spots = dims if tokens else dims[:-1]
    known = tuple(size for size in spots if size is not None)
    return Shape(None if tokens else dims[-1], known if len(known) == len(spots) else None)


def first_input(op: Op, step: Step) -> Dims | None:
    """What reaches the first operation; the positions alone where it takes tokens."""
    out = step.out or ()
    match op:
        case Linear(in_features=width):
            return (*out[:-1], width)
        case Recurrent(in_features=width):
            return (out[0] if len(out) > 1 else None, width)
        case Embedding():
            return out[:-1]
        case Conv():
            return _image(op, step.out)
        case _:
            return step.into


def _image(op: Conv, out: Dims | None) -> Dims:
    """The input of a first convolution: a usual image side that gives the printed output, else Keras's defaults."""
    after = out[:-1] if out and len(out) == len(op.kernel) + 1 else (None,) * len(op.kernel)
    flat = len(after) < 3
    for s in (1, 2, 4) if flat else (1,):
        for same in (False, True):
            sides = [
                None if m is None else m * s if same else (m - 1) * s + k for m, k in zip(after, op.kernel, strict=True)
            ]
            if all(side in SIDES or (not flat and side in (8, 16)) for side in sides):
                return (*sides, op.in_channels)
    return (*(None if m is None else m + k - 1 for m, k in zip(after, op.kernel, strict=True)), op.in_channels)
