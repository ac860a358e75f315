"""What shape leaves each operation, and where two layers do not fit together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Conv,
    Embedding,
    Linear,
    Op,
    Pool,
    Recurrent,
    Reshape,
    Shape,
    Upsample,
)

LONGEST_AXIS = 1_000_000_000
"""A network that enlarges its input without end is followed to this many positions of an axis."""


@dataclass(eq=False)
class Mismatch(Exception):
    """An operation that cannot take what reaches it: something between the two is hidden."""

    expected: int
    arrived: int

    def __str__(self) -> str:
        return f"expects {self.expected} features, {self.arrived} arrive"


def fan_in(op: Linear | Conv) -> float:
    """Weights that reach one output element: k^2 c_in / groups, over s^2 when transposed."""
    if isinstance(op, Linear):
        return op.in_features
    taps = math.prod(op.kernel) * op.in_channels / op.groups
    return taps / math.prod(op.stride) if op.transposed else taps


def output_shape(op: Op, shape: Shape) -> Shape:
    """The shape after an operation; unknown sizes stay unknown.

    Raises:
        Mismatch: the operation expects another number of features.
    """
    match op:
        case Linear():
            return _linear(op, shape)
        case Conv():
            _expect(op.in_channels, shape.features)
            return Shape(op.out_channels, _conv_positions(op, shape.positions))
        case Pool():
            return Shape(shape.features, _pooled(op, shape.positions))
        case Reshape(kind="flatten"):
            return _flattened(shape)
        case Upsample():
            positions = shape.positions
            return Shape(
                shape.features,
                None
                if positions is None
                else tuple(min(max(1, round(n * op.factor)), LONGEST_AXIS) for n in positions),
            )
        case Embedding():
            # Token ids are not features: the input's own width says nothing here.
            return Shape(op.features, shape.positions or None)
        case Activation(name="glu"):
            return Shape(None if shape.features is None else max(1, shape.features // 2), shape.positions)
        case Attention():
            _expect(op.features, shape.features)
            return Shape(op.features, shape.positions)
        case Recurrent():
            _expect(op.in_features, shape.features)
            return Shape(op.hidden * (2 if op.bidirectional else 1), shape.positions)
        case _:
            return shape


def implied_flatten(op: Linear, shape: Shape) -> bool:
    """Whether a Linear can only follow if every position is laid side by side (torch.flatten)."""
    if shape.features is None or shape.positions == () or op.in_features == shape.features:
        return False
    if shape.count is not None:
        return op.in_features == shape.features * shape.count
    return op.in_features % shape.features == 0


def _linear(op: Linear, shape: Shape) -> Shape:
    if implied_flatten(op, shape):
        return Shape(op.out_features)
    _expect(op.in_features, shape.features)
    return Shape(op.out_features, shape.positions)


def _expect(expected: int, arrived: int | None) -> None:
    if arrived is not None and arrived != expected:
        raise Mismatch(expected, arrived)


def _flattened(shape: Shape) -> Shape:
    if shape.count is None or shape.features is None:
        return Shape(None)
    return Shape(shape.features * shape.count)


def _conv_positions(op: Conv, positions: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if positions is None or len(positions) != len(op.kernel):
        return None
    axes = zip(positions, op.kernel, op.stride, op.padding, op.dilation, strict=True)
    if op.transposed:
        extra = op.output_padding or (0,) * len(op.kernel)
        return tuple(
            min(max(1, (n - 1) * s - 2 * p + d * (k - 1) + e + 1), LONGEST_AXIS)
            for (n, k, s, p, d), e in zip(axes, extra, strict=True)
        )
    return tuple(max(1, (n + 2 * p - d * (k - 1) - 1) // s + 1) for n, k, s, p, d in axes)


def _pooled(op: Pool, positions: tuple[int, ...] | None) -> tuple[int, ...] | None:
    if not op.kernel and not op.output:
        return ()
    if op.output:
        return None if positions is None else _spread(op.output, len(positions))
    if positions is None:
        return None
    axes = zip(
        positions,
        _spread(op.kernel, len(positions)),
        _spread(op.stride or op.kernel, len(positions)),
        _spread(op.padding or (0,), len(positions)),
        strict=True,
    )
    return tuple(max(1, (n + 2 * p - k) // s + 1) for n, k, s, p in axes)


def _spread(values: tuple[int, ...], axes: int) -> tuple[int, ...]:
    return values if len(values) == axes else (values[0],) * axes
