"""Run a network of the IR in torch, float64, and measure what the engine predicts at each station.

Values are channel-last: (batch, *positions, features). The order of the stations is that of `trace`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Concat,
    Conv,
    Dropout,
    Embedding,
    Layer,
    Linear,
    Network,
    Node,
    Norm,
    Pool,
    Product,
    Recurrent,
    Repeat,
    Reshape,
    Residual,
    Scale,
    Sequence,
    Upsample,
)
from kaiming_mcp.architecture.shapes import Shape, implied_flatten
from kaiming_mcp.signal.branches import branch_factors
from kaiming_mcp.signal.initialization import Initialization

Tensor = torch.Tensor


@dataclass
class Run:
    init: Initialization
    factors: dict[int, float]
    outputs: list[Tensor] = field(default_factory=list)
    weights: list[Tensor | None] = field(default_factory=list)


def measure(network: Network, init: Initialization, batch: int, seed: int) -> list[dict[str, float]]:
    """Per station: q = E[x^2], G = summed squared gradient per sample, and the weight gradient's squared norm
    per sample (or nan), for standard normal input and a standard normal cotangent scaled to G = 1."""
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    shape = network.input
    assert shape is not None
    assert shape.positions is not None
    run = Run(init, branch_factors(network.root, init))
    first = network.root
    while isinstance(first, Sequence | Repeat):
        first = first.children[0] if isinstance(first, Sequence) else first.body
    if isinstance(first, Layer) and isinstance(first.op, Embedding):
        x: Tensor = torch.randint(0, first.op.count, (batch, *shape.positions))
    else:
        x = torch.randn(batch, *shape.positions, shape.features or 1).requires_grad_()
    y = forward(network.root, x, run)
    cotangent = torch.randn_like(y)
    (y * cotangent / math.sqrt(y[0].numel())).sum().backward()
    found = []
    for out, weight in zip(run.outputs, run.weights, strict=True):
        grad = out.grad
        assert grad is not None
        found.append(
            {
                "q": out.detach().pow(2).mean().item(),
                "g": grad.pow(2).sum().item() / batch,
                "w": math.nan if weight is None or weight.grad is None else weight.grad.pow(2).sum().item() / batch,
            }
        )
    return found


def forward(node: Node, x: Tensor, run: Run) -> Tensor:
    match node:
        case Layer():
            return _layer(node, x, run)
        case Sequence():
            for child in node.children:
                x = forward(child, x, run)
            return x
        case Repeat():
            drawn = torch.random.get_rng_state()
            for _ in range(node.count):
                if node.identical:
                    torch.random.set_rng_state(drawn)
                x = forward(node.body, x, run)
            return x
        case Residual():
            branch = forward(node.branch, x, run)
            skip = x if node.shortcut is None else forward(node.shortcut, x, run)
            scale = node.scale * math.sqrt(run.factors.get(id(node), 1.0))
            return _station(skip + scale * branch, None, run)
        case Concat():
            return torch.cat([forward(b, x, run) for b in node.branches], dim=-1)
        case Product():
            out = forward(node.branches[0], x, run)
            for branch in node.branches[1:]:
                out = out * forward(branch, x, run)
            return out


def _station(y: Tensor, weight: Tensor | None, run: Run) -> Tensor:
    y.retain_grad()
    run.outputs.append(y)
    run.weights.append(weight)
    return y


def _layer(node: Layer, x: Tensor, run: Run) -> Tensor:
    op, factor = node.op, math.sqrt(run.factors.get(id(node), 1.0))
    match op:
        case Linear():
            if implied_flatten(op, Shape(x.shape[-1], tuple(x.shape[1:-1]))):
                x = x.flatten(1)
            w, b = _weights((op.out_features, op.in_features), op.bias, run.init, factor)
            return _station(functional.linear(x, w, b), w, run)
        case Conv():
            return _conv(op, x, run, factor)
        case Activation():
            return ACTIVATIONS[op.name](x)
        case Norm():
            return factor * _norm(op, x)
        case Pool():
            return _pool(op, x)
        case Dropout():
            return functional.dropout(x, op.p)
        case Reshape():
            return x.flatten(1) if op.kind == "flatten" else x
        case Scale():
            return op.factor * x
        case Upsample():
            mode = ("linear", "bilinear", "trilinear")[x.ndim - 3] if op.linear else "nearest"
            return _last(functional.interpolate(_first(x), scale_factor=op.factor, mode=mode))
        case Embedding():
            std = run.init.std if run.init.scheme == "normal" else 1.0
            return functional.embedding(x, torch.randn(op.count, op.features) * std)
        case Attention():
            return _station(_attention(op, x, run, factor), None, run)
        case Recurrent():
            cls = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[op.kind]
            cell = cls(op.in_features, op.hidden, op.layers, bias=op.bias, batch_first=True)
            return _station(cell(x)[0], None, run)
        case _:
            raise NotImplementedError(op)


ACTIVATIONS: dict[str, Any] = {
    "relu": functional.relu,
    "tanh": torch.tanh,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "selu": functional.selu,
    "elu": functional.elu,
    "sigmoid": torch.sigmoid,
    "mish": functional.mish,
    "leaky_relu": functional.leaky_relu,
    "hardswish": functional.hardswish,
    "softplus": functional.softplus,
    "glu": functional.glu,
    "softmax": lambda x: functional.softmax(x, -1),
    "log_softmax": lambda x: functional.log_softmax(x, -1),
    "sin": torch.sin,
}


def _weights(
    shape: tuple[int, ...], bias: bool, init: Initialization, factor: float, rows: int = 0
) -> tuple[Tensor, Tensor | None]:
    w = torch.empty(shape)
    b = torch.zeros(rows or shape[0]) if bias else None
    match init.scheme:
        case "pytorch":
            nn.init.kaiming_uniform_(w, a=math.sqrt(5))
            if b is not None and init.bias:
                fan, _ = nn.init._calculate_fan_in_and_fan_out(w)
                nn.init.uniform_(b, -1 / math.sqrt(fan), 1 / math.sqrt(fan))
        case "he":
            mode = "fan_out" if init.mode == "fan_out" else "fan_in"
            nn.init.kaiming_normal_(w, mode=mode, nonlinearity="relu")
            w *= init.gain
        case "xavier":
            nn.init.xavier_normal_(w, init.gain)
        case "lecun":
            nn.init.kaiming_normal_(w, nonlinearity="linear")
        case "orthogonal":
            nn.init.orthogonal_(w, init.gain)
        case "normal":
            nn.init.normal_(w, 0, init.std)
        case _:
            raise NotImplementedError(init)
    w = (w * factor).requires_grad_()
    return w, b


def _first(x: Tensor) -> Tensor:
    return x.movedim(-1, 1)


def _last(x: Tensor) -> Tensor:
    return x.movedim(1, -1)


def _conv(op: Conv, x: Tensor, run: Run, factor: float) -> Tensor:
    n = len(op.kernel)
    y = _first(x)
    if op.transposed:
        shape = (op.in_channels, op.out_channels // op.groups, *op.kernel)
        w, b = _weights(shape, op.bias, run.init, factor, op.out_channels)
        convolve = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[n - 1]
        y = convolve(y, w, b, op.stride, op.padding, op.output_padding or 0, op.groups, op.dilation)
        return _station(_last(y), w, run)
    w, b = _weights((op.out_channels, op.in_channels // op.groups, *op.kernel), op.bias, run.init, factor)
    padding: Any = op.padding
    if op.padding_mode != "zeros":
        y = functional.pad(y, [p for p in reversed(op.padding) for _ in (0, 1)], mode=op.padding_mode)
        padding = 0
    convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[n - 1]
    return _station(_last(convolve(y, w, b, op.stride, padding, op.dilation, op.groups)), w, run)


def _norm(op: Norm, x: Tensor) -> Tensor:
    match op.kind:
        case "layer":
            return functional.layer_norm(x, x.shape[-1:], eps=op.eps)
        case "rms":
            return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + op.eps)
        case "batch":
            return _last(functional.batch_norm(_first(x), None, None, training=True, eps=op.eps))
        case "group":
            return _last(functional.group_norm(_first(x), op.groups, eps=op.eps))
        case "instance":
            return _last(functional.instance_norm(_first(x), eps=op.eps))


def _pool(op: Pool, x: Tensor) -> Tensor:
    n = x.ndim - 2
    if not op.kernel and not op.output:
        return x.flatten(1, -2).mean(1) if op.kind == "avg" else x.flatten(1, -2).amax(1)
    y = _first(x)
    if op.output:
        pool = (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d)[n - 1]
        return _last(pool(y, op.output))
    kernel = op.kernel if len(op.kernel) == n else op.kernel[:1] * n
    stride = op.stride if len(op.stride) == n else (op.stride or kernel)[:1] * n
    padding = op.padding if len(op.padding) == n else (op.padding or (0,))[:1] * n
    kind = {
        "avg": (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d),
        "max": (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d),
    }
    return _last(kind[op.kind][n - 1](y, kernel, stride, padding))


def _attention(op: Attention, x: Tensor, run: Run, factor: float) -> Tensor:
    heads = op.heads or max(1, op.features // 64)
    width = op.features // heads
    d, kv = op.features, op.kv_width
    if op.packed:
        packed = torch.empty(3 * d, d)
        if run.init.scheme == "pytorch":
            nn.init.xavier_uniform_(packed)
        else:
            packed, _ = _weights((3 * d, d), False, run.init, 1.0)
        q, k, v = functional.linear(x, packed).chunk(3, -1)
    else:
        q, k, v = (functional.linear(x, *_weights((out, d), op.bias, run.init, 1.0)) for out in (d, kv, kv))
    q, k, v = (t.unflatten(-1, (-1, width)).transpose(1, 2) for t in (q, k, v))
    if kv != d:
        k, v = (t.repeat_interleave(d // kv, dim=1) for t in (k, v))
    scores = q @ k.transpose(-1, -2) * (op.scale or width**-0.5)
    if op.causal:
        scores = scores.masked_fill(torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1), -math.inf)
    mixed = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
    w, b = _weights((d, d), op.bias, run.init, factor)
    return functional.linear(mixed, w, None if op.packed else b)
