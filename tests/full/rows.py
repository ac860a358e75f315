"""The networks that are measured beside the oracle's: notation, initialization, batch."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    name: str
    text: str
    init: str
    batch: int = 8


def _tower(blocks: int, size: int, act_after: bool, channels: int = 32, mode: str = "") -> str:
    conv = f"conv {channels} {channels} k3 nobias {mode}"
    if act_after:
        body = f"residual {{ {conv} ; batchnorm ; relu ; {conv} ; batchnorm }} ; relu"
    else:
        body = f"residual {{ batchnorm ; relu ; {conv} ; batchnorm ; relu ; {conv} }}"
    return f"input {channels}x{size}x{size} ; conv {channels} {channels} k1 nobias ; repeat {blocks} {{ {body} }}"


def _stack(layers: int, conv: str, then: str = "relu", size: int = 16, channels: int = 64) -> str:
    return (
        f"input {channels}x{size}x{size} ; repeat {layers} {{ {conv} ; {then} }} ; conv {channels} {channels} k1 nobias"
    )


_C = "conv 64 64 k3 nobias"
_UP = "upsample 2 ; conv 64 32 k3 nobias ; batchnorm ; relu"
_DOUBLE = "conv {0} {1} k3 nobias ; batchnorm ; relu ; conv {1} {1} k3 nobias ; batchnorm ; relu"
_UNET = (
    f"input 16x32x32 ; {_DOUBLE.format(16, 32)} ; "
    f"concat {{ identity }} {{ maxpool k2 ; {_DOUBLE.format(32, 64)} ; "
    f"concat {{ identity }} {{ maxpool k2 ; {_DOUBLE.format(64, 64)} ; upsample 2 }} ; "
    f"{_DOUBLE.format(128, 64)} ; {_UP} }} ; "
    f"{_DOUBLE.format(64, 32)} ; conv 32 4 k1"
)
_DENSE = "repeat {n} {{ concat {{ identity }} {{ batchnorm ; relu ; conv {c} 16 k3 nobias }} }}"


def _dense(layers: int) -> str:
    parts = [f"concat {{ identity }} {{ batchnorm ; relu ; conv {32 + 16 * i} 16 k3 nobias }}" for i in range(layers)]
    return f"input 32x16x16 ; conv 32 32 k1 nobias ; {' ; '.join(parts)} ; conv {32 + 16 * layers} 32 k1 nobias"


def _widths(layers: int, widths: tuple[int, ...], act: str) -> str:
    pairs = [f"linear {widths[i % len(widths)]} {widths[(i + 1) % len(widths)]}" for i in range(layers)]
    return f"input {widths[0]} ; " + f" ; {act} ; ".join(pairs)


def _gated(layers: int) -> str:
    return (
        f"input tokens 16x256 ; repeat {layers} {{ residual {{ rmsnorm ; "
        "product { linear 256 512 nobias ; silu } { linear 256 512 nobias } ; linear 512 256 nobias } }"
    )


def _encoder(layers: int, pre: bool) -> str:
    attention, mlp = "attention 256 heads 4 packed", "linear 256 1024 ; relu ; linear 1024 256"
    if pre:
        body = f"residual {{ layernorm ; {attention} }} ; residual {{ layernorm ; {mlp} }}"
    else:
        body = f"residual {{ {attention} }} ; layernorm ; residual {{ {mlp} }} ; layernorm"
    return f"input tokens 32x256 ; repeat {layers} identical {{ {body} }}"


def _decoder(layers: int, attention: str) -> str:
    return (
        f"input tokens 32 ; embedding 1000 256 ; repeat {layers} {{ residual {{ layernorm ; {attention} }} ; "
        "residual { layernorm ; linear 256 1024 ; gelu ; linear 1024 256 } } ; layernorm ; linear 256 256 nobias"
    )


ROWS = (
    Row("conv, zero padding, 10 layers", _stack(10, _C), "he"),
    Row("conv, zero padding, 30 layers on 8x8", _stack(30, _C, size=8), "he"),
    Row("conv, circular, 10 layers", _stack(10, _C + " circular"), "he"),
    Row("conv, dilation 2, 10 layers", _stack(10, "conv 64 64 k3 d2 p2 nobias"), "he"),
    Row("conv, 4 groups, 10 layers", _stack(10, _C + " g4"), "he"),
    Row(
        "conv, stride 2 three times",
        "input 16x64x64 ; conv 16 32 k3 s2 p1 nobias ; relu ; conv 32 64 k3 s2 p1 nobias ; relu ; "
        "conv 64 64 k3 s2 p1 nobias ; relu ; conv 64 64 k3 nobias",
        "he fan_out",
        16,
    ),
    Row(
        "transposed conv, stride 2 three times",
        "input 64x4x4 ; convtranspose 64 64 k4 s2 p1 nobias ; relu ; convtranspose 64 64 k4 s2 p1 nobias ; relu ; "
        "convtranspose 64 32 k4 s2 p1 nobias",
        "he",
        16,
    ),
    Row("depthwise separable, fan_out", _stack(6, "depthwise 64 k3 nobias ; conv 64 64 k1 nobias"), "he fan_out"),
    Row("group norm, 8 channels a group, circular", _stack(20, _C + " circular ; groupnorm g8"), "he"),
    Row("group norm, 8 channels a group", _stack(20, _C + " ; groupnorm g8"), "he"),
    Row("group norm, 2 channels a group", _stack(20, _C + " ; groupnorm g32"), "he"),
    Row("instance norm", _stack(20, _C + " ; instancenorm"), "he"),
    Row("batch norm, plain, batch 8", _stack(15, _C + " circular ; batchnorm"), "he", 8),
    Row("batch norm, plain, batch 64 on 8x8", _stack(15, _C + " circular ; batchnorm", size=8), "he", 64),
    Row("batch norm, tanh, batch 32", _stack(15, _C + " ; batchnorm", "tanh", size=8), "lecun", 32),
    Row("pre-activation tower, 16 blocks", _tower(16, 16, False), "orthogonal", 16),
    Row("pre-activation tower, 50 blocks", _tower(50, 8, False), "orthogonal", 16),
    Row("post-activation tower, 16 blocks, circular", _tower(16, 16, True, mode="circular"), "orthogonal", 16),
    Row("post-activation tower, 16 blocks", _tower(16, 16, True), "orthogonal", 16),
    Row("post-activation tower, 50 blocks", _tower(50, 16, True), "orthogonal", 16),
    Row("dense block, 12 layers", _dense(12), "he", 16),
    Row("U-Net", _UNET, "he", 8),
    Row("alternating widths, tanh", _widths(20, (256, 512, 128), "tanh"), "xavier", 64),
    Row("alternating widths, relu", _widths(20, (512, 1024, 768), "relu"), "he fan_out", 64),
    Row("leaky relu, default", "input 512 ; repeat 20 { linear 512 512 ; leaky_relu } ; linear 512 512", "pytorch", 64),
    Row(
        "silu with layer norm", "input 256 ; repeat 30 { linear 256 256 ; layernorm ; silu } ; linear 256 256", "he", 64
    ),
    Row("mish", "input 512 ; repeat 10 { linear 512 512 ; mish } ; linear 512 512", "he", 64),
    Row("dropout 0.2", "input 512 ; repeat 10 { linear 512 512 ; relu ; dropout 0.2 } ; linear 512 512", "he", 64),
    Row(
        "max pools behind relu",
        "input 32x32x32 ; conv 32 64 k3 nobias ; relu ; maxpool k2 ; conv 64 64 k3 nobias ; relu ; maxpool k2 ; "
        "conv 64 64 k3 nobias ; relu ; maxpool k2 ; flatten ; linear 1024 64",
        "he",
        16,
    ),
    Row(
        "max pool before relu, overlapping",
        "input 32x32x32 ; conv 32 64 k3 nobias ; maxpool k3 s2 p1 ; relu ; conv 64 64 k3 nobias ; maxpool k3 s2 p1 ; "
        "relu ; conv 64 64 k3 nobias",
        "he",
        16,
    ),
    Row(
        "average pools and a head",
        "input 32x32x32 ; conv 32 64 k3 nobias ; relu ; avgpool k2 ; conv 64 64 k3 nobias ; relu ; avgpool k2 ; "
        "conv 64 64 k3 nobias ; relu ; globalpool ; linear 64 64",
        "he",
        16,
    ),
    Row(
        "up-sampling, nearest, twice",
        "input 64x8x8 ; conv 64 64 k3 nobias ; relu ; upsample 2 ; conv 64 64 k3 nobias ; relu ; "
        "upsample 2 ; conv 64 64 k3 nobias",
        "he",
        16,
    ),
    Row(
        "up-sampling, linear, once",
        "input 64x8x8 ; conv 64 64 k3 nobias ; relu ; conv 64 64 k3 nobias ; relu ; upsample 2 linear ; "
        "conv 64 64 k3 nobias",
        "he",
        16,
    ),
    Row(
        "up-sampling, linear, twice",
        "input 64x8x8 ; conv 64 64 k3 nobias ; relu ; upsample 2 linear ; conv 64 64 k3 nobias ; relu ; "
        "upsample 2 linear ; conv 64 64 k3 nobias",
        "he",
        16,
    ),
    Row("gated linear units", "input 256 ; repeat 10 { linear 256 512 ; glu } ; linear 256 256", "lecun", 64),
    Row("SwiGLU blocks", _gated(12), "xavier", 8),
    Row("decoder, causal, 8 layers", _decoder(8, "attention 256 heads 4 causal"), "gpt2", 8),
    Row("decoder, causal, he", _decoder(8, "attention 256 heads 4 causal"), "xavier", 8),
    Row("decoder, grouped queries", _decoder(8, "attention 256 heads 8 kv 64 causal nobias"), "xavier", 8),
    Row(
        "softmax in the middle",
        "input 256 ; linear 256 256 ; softmax ; linear 256 256 ; tanh ; linear 256 256",
        "he",
        64,
    ),
    Row("copies of one pre-norm encoder layer, 24", _encoder(24, True), "pytorch", 4),
    Row("copies of one post-norm encoder layer, 12", _encoder(12, False), "pytorch", 4),
    Row("copies of one post-norm encoder layer, 24", _encoder(24, False), "pytorch", 4),
    Row(
        "copies of one residual layer, 30",
        "input 256 ; repeat 30 identical { residual { layernorm ; linear 256 256 ; relu ; linear 256 256 } }",
        "pytorch",
        64,
    ),
)


class Sequences(NamedTuple):
    name: str
    kind: str
    hidden: int
    steps: int


STEPS = (
    Sequences("LSTM, 20 steps", "lstm", 128, 20),
    Sequences("LSTM, 100 steps", "lstm", 128, 100),
    Sequences("LSTM, 500 steps", "lstm", 64, 500),
    Sequences("GRU, 20 steps", "gru", 128, 20),
    Sequences("GRU, 100 steps", "gru", 128, 100),
    Sequences("GRU, 500 steps", "gru", 64, 500),
    Sequences("RNN, 20 steps", "rnn", 128, 20),
    Sequences("RNN, 100 steps", "rnn", 128, 100),
)
