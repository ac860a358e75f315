"""How many trainable numbers an operation holds."""

from __future__ import annotations

import math

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Conv,
    Dropout,
    Embedding,
    Linear,
    Node,
    Norm,
    Op,
    Opaque,
    Pool,
    Recurrent,
    Reshape,
    Scale,
    Upsample,
    layers,
)


def parameter_count(op: Op) -> int | None:
    """Number of trainable parameters of one operation; None for a module that is not known."""
    match op:
        case Linear():
            return op.in_features * op.out_features + op.out_features * op.bias
        case Conv():
            weights = op.in_channels * op.out_channels // op.groups * math.prod(op.kernel)
            return weights + op.out_channels * op.bias
        case Norm():
            return op.features * op.affine * (1 + op.bias)
        case Activation() | Scale():
            return op.learnable
        case Embedding():
            return op.count * op.features
        case Attention():
            width, narrow = op.features, op.kv_width
            return 2 * width * (width + narrow) + (2 * width + 2 * narrow) * op.bias + op.extra
        case Recurrent():
            return _recurrent(op)
        case Pool() | Dropout() | Reshape() | Upsample():
            return 0
        case Opaque():
            return op.parameters


def total_parameters(node: Node) -> int:
    """Sum over the known layers below a node, copies counted."""
    return sum((parameter_count(layer.op) or 0) * times for layer, times in layers(node))


def _recurrent(op: Recurrent) -> int:
    # torch keeps two bias vectors per direction (b_ih and b_hh).
    directions = 2 if op.bidirectional else 1
    total = 0
    for index in range(op.layers):
        width = op.in_features if index == 0 else op.hidden * directions
        total += directions * op.gates * op.hidden * (width + op.hidden + 2 * op.bias)
    return total
