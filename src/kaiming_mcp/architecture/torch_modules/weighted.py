"""Classes of torch.nn that hold parameters."""

from __future__ import annotations

import math
from typing import Literal

from kaiming_mcp.architecture.ir import Activation, Conv, Embedding, Linear, Norm, NormKind, Op, Opaque, Recurrent
from kaiming_mcp.architecture.torch_modules.arguments import Arguments, Make

FLOAT32_EPS = 2.0**-23
"""What torch.nn.RMSNorm(eps=None) uses: torch.finfo(torch.float32).eps."""


def _linear(text: str) -> Op:
    a = Arguments(text, "in_features out_features bias")
    return Linear(a.whole("in_features"), a.whole("out_features"), a.flag("bias", True))


def _conv1d_of_gpt(text: str) -> Op:
    a = Arguments(text)
    return Linear(a.whole("nx"), a.whole("nf"))


def _bilinear(text: str) -> Op:
    a = Arguments(text, "in1_features in2_features out_features bias")
    pairs = a.whole("in1_features") * a.whole("in2_features")
    return Opaque("Bilinear", text, a.whole("out_features") * (pairs + a.flag("bias", True)))


def _conv(axes: int, transposed: bool = False) -> Make:
    tail = "output_padding groups bias dilation" if transposed else "dilation groups bias"

    def make(text: str) -> Op:
        a = Arguments(text, f"in_channels out_channels kernel_size stride padding {tail}")
        into, out, groups = a.whole("in_channels"), a.whole("out_channels"), a.whole("groups", 1)
        if into % groups or out % groups:
            raise ValueError("groups must divide both channel counts")
        kernel, dilation = a.sizes("kernel_size", axes), a.sizes("dilation", axes, 1)
        match a.values.get("padding"):
            case "same":
                # Even kernels get one zero more on the far side, which the IR cannot say.
                padding = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
            case "valid":
                padding = (0,) * axes
            case _:
                padding = a.sizes("padding", axes, 0, least=0)
        extra = a.sizes("output_padding", axes, 0, least=0)
        return Conv(
            into,
            out,
            kernel,
            a.sizes("stride", axes, 1),
            padding,
            dilation,
            groups,
            a.flag("bias", True),
            transposed,
            extra if any(extra) else (),
            a.values.get("padding_mode", "zeros"),
        )

    return make


def norm(kind: NormKind, affine: bool = True) -> Make:
    """Batch, group and instance norm."""

    def make(text: str) -> Op:
        a = Arguments(text, "num_groups num_channels" if kind == "group" else "num_features eps")
        features = a.whole("num_channels" if kind == "group" else "num_features")
        groups = a.whole("num_groups") if kind == "group" else 1
        scaled = a.flag("affine", affine)
        # Without a scale torch prints bias=False, older versions nothing: one spelling for both.
        return Norm(kind, features, a.real("eps", 1e-5), scaled, a.flag("bias", True) or not scaled, groups)

    return make


def _norm_over(kind: NormKind) -> Make:
    """Layer and RMS norm, whose first argument is the shape that they normalise over."""

    def make(text: str) -> Op:
        a = Arguments(text, "normalized_shape eps")
        if a.values.get("eps") == "None":
            a.values["eps"] = str(FLOAT32_EPS)
        scaled, eps = a.flag("elementwise_affine", True), a.real("eps", 1e-5)
        bias = kind == "layer" and (a.flag("bias", True) or not scaled)
        return Norm(kind, math.prod(a.sizes("normalized_shape")), eps, scaled, bias)

    return make


def _embedding(text: str) -> Op:
    a = Arguments(text, "num_embeddings embedding_dim")
    return Embedding(a.whole("num_embeddings"), a.whole("embedding_dim"))


def _embedding_bag(text: str) -> Op:
    table = _embedding(text)
    assert isinstance(table, Embedding)
    return Opaque("EmbeddingBag", text, table.count * table.features)


def _recurrent(kind: Literal["rnn", "lstm", "gru"]) -> Make:
    def make(text: str) -> Op:
        a = Arguments(text, "input_size hidden_size num_layers")
        into, hidden, depth = a.whole("input_size"), a.whole("hidden_size"), a.whole("num_layers", 1)
        both, bias = a.flag("bidirectional", False), a.flag("bias", True)
        if "proj_size" not in a.values:
            return Recurrent(kind, into, hidden, depth, both, bias)
        out, ways, total = a.whole("proj_size"), 1 + both, 0
        for layer in range(min(depth, 10_000)):
            width = into if layer == 0 else out * ways
            total += ways * (4 * hidden * (width + out + 2 * bias) + out * hidden)
        return Opaque("LSTM", text, total)

    return make


def _prelu(text: str) -> Op:
    return Activation("prelu", 0.25, Arguments(text, "num_parameters").whole("num_parameters", 1))


WEIGHTED: dict[str, Make] = {
    "Linear": _linear,
    "NonDynamicallyQuantizableLinear": _linear,  # the out_proj of nn.MultiheadAttention
    "Conv1D": _conv1d_of_gpt,
    "Bilinear": _bilinear,
    **{f"Conv{n}d": _conv(n) for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": _conv(n, transposed=True) for n in (1, 2, 3)},
    **{f"BatchNorm{n}d": norm("batch") for n in (1, 2, 3)},
    "SyncBatchNorm": norm("batch"),
    **{f"InstanceNorm{n}d": norm("instance", affine=False) for n in (1, 2, 3)},
    "GroupNorm": norm("group"),
    "LayerNorm": _norm_over("layer"),
    "RMSNorm": _norm_over("rms"),
    "Embedding": _embedding,
    "EmbeddingBag": _embedding_bag,
    "PReLU": _prelu,
    **{cls: _recurrent("lstm") for cls in ("LSTM", "LSTMCell")},
    **{cls: _recurrent("gru") for cls in ("GRU", "GRUCell")},
    **{cls: _recurrent("rnn") for cls in ("RNN", "RNNCell")},
}
