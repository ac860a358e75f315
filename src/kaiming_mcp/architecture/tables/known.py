"""What a table leaves out of well-known classes: the names of their children, and children below its depth.

Sources: torchvision.models (resnet, densenet, squeezenet, vision_transformer, swin_transformer, mobilenetv2,
efficientnet, convnext), torch.nn.modules (activation, transformer), transformers.models (gpt2, llama).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from kaiming_mcp.architecture.torch_repr import CUT, Module


def _names(text: str) -> dict[str, tuple[str, ...]]:
    """`Conv2d conv1 conv2, ReLU relu`: the children of each class, in their order."""
    words = [part.split() for part in text.split(",")]
    return {cls: tuple(names) for cls, *names in words}


_TRANSFORMER = "Dropout dropout1 dropout dropout2, Linear linear1 linear2, ReLU activation, GELU activation"

# A name with a star stands for further uses too: one ReLU runs three times in a Bottleneck.
_CHILDREN: dict[str, dict[str, tuple[str, ...]]] = {
    cls: _names(text)
    for cls, text in {
        "BasicBlock": "Conv2d conv1 conv2, BatchNorm2d bn1 bn2, ReLU relu*, Sequential downsample",
        "Bottleneck": "Conv2d conv1 conv2 conv3, BatchNorm2d bn1 bn2 bn3, ReLU relu*, Sequential downsample",
        "TransformerEncoder": "ModuleList layers, LayerNorm norm",
        "TransformerEncoderLayer": f"MultiheadAttention self_attn, LayerNorm norm1 norm2, {_TRANSFORMER}",
        "TransformerDecoderLayer": "MultiheadAttention self_attn multihead_attn, LayerNorm norm1 norm2 norm3, "
        "Linear linear1 linear2, Dropout dropout1 dropout2 dropout dropout3, ReLU activation, GELU activation",
        "MultiheadAttention": "NonDynamicallyQuantizableLinear out_proj",
        "EncoderBlock": "LayerNorm ln_1 ln_2, MultiheadAttention self_attention, Dropout dropout, MLPBlock mlp",
        "SwinTransformerBlock": "LayerNorm norm1 norm2, ShiftedWindowAttention attn, MLP mlp, "
        "StochasticDepth stochastic_depth",
        "CNBlock": "Sequential block, StochasticDepth stochastic_depth",
        "MBConv": "Sequential block, StochasticDepth stochastic_depth",
        "InvertedResidual": "Sequential conv",
        "SqueezeExcitation": "AdaptiveAvgPool2d avgpool, Conv2d fc1 fc2, ReLU activation, SiLU activation, "
        "Sigmoid scale_activation, Hardsigmoid scale_activation",
        "_DenseLayer": "BatchNorm2d norm1 norm2, ReLU relu1 relu2, Conv2d conv1 conv2",
        "Fire": "Conv2d squeeze expand1x1 expand3x3, ReLU squeeze_activation expand1x1_activation expand3x3_activation",
        "GPT2Block": "LayerNorm ln_1 ln_2, GPT2Attention attn, GPT2MLP mlp",
        "GPT2Attention": "Conv1D c_attn c_proj, Dropout attn_dropout resid_dropout",
        "GPT2MLP": "Conv1D c_fc c_proj, NewGELUActivation act, Dropout dropout",
        "LlamaDecoderLayer": "LlamaRMSNorm input_layernorm post_attention_layernorm, LlamaAttention self_attn, "
        "LlamaMLP mlp",
        "LlamaAttention": "Linear q_proj k_proj v_proj o_proj",
    }.items()
}


def child_names(cls: str, children: Iterable[str]) -> list[str] | None:
    """The attribute names of a known class's children, from their classes in order; None where they do not agree."""
    known, seen, names = _CHILDREN.get(cls, {}), Counter[str](), list[str]()
    for child in children:
        options = known.get(child, ())
        if not options or (seen[child] >= len(options) and not options[-1].endswith("*")):
            return None
        names.append(options[min(seen[child], len(options) - 1)].rstrip("*"))
        seen[child] += 1
    return names


def hidden_children(
    cls: str, parent: str, parameters: int, before: int, after: int, stride: int
) -> list[Module] | None:
    """The children of a row without any, where class, widths and parameter count leave one possibility."""
    if cls == "MultiheadAttention":
        return _attention(parameters)
    if cls == "TransformerEncoderLayer" and after:
        return _encoder_layer(parameters, after)
    if parent in {"BasicBlock", "Bottleneck"} and cls == "Sequential":
        if before and parameters == before * after + 2 * after:
            conv = f"{before}, {after}, kernel_size=(1, 1), stride=({stride}, {stride}), bias=False"
            return [Module("0", "Conv2d", conv), Module("1", "BatchNorm2d", str(after))]
        return [Module("0", cls, CUT)]
    return None


def _attention(parameters: int) -> list[Module] | None:
    """Four square matrices, with or without their biases: 4 d^2 + 4 d or 4 d^2."""
    for width, bias in (((math.isqrt(parameters + 1) - 1) // 2, True), (math.isqrt(parameters) // 2, False)):
        if width and 4 * width * (width + bias) == parameters:
            arguments = f"in_features={width}, out_features={width}, bias={bias}"
            return [Module("out_proj", "NonDynamicallyQuantizableLinear", arguments)]
    return None


def _encoder_layer(parameters: int, width: int) -> list[Module] | None:
    """Attention and two norms hold 4 d^2 + 8 d, the two linear layers f (2 d + 1) + d."""
    inner, rest = divmod(parameters - 4 * width * width - 9 * width, 2 * width + 1)
    attention = _attention(4 * width * (width + 1))
    if rest or inner < 1 or attention is None:
        return None
    norm, dropout = f"({width},)", "p=0.1"
    return [
        Module("self_attn", "MultiheadAttention", "", tuple(attention)),
        Module("linear1", "Linear", f"{width}, {inner}"),
        Module("dropout", "Dropout", dropout),
        Module("linear2", "Linear", f"{inner}, {width}"),
        Module("norm1", "LayerNorm", norm),
        Module("norm2", "LayerNorm", norm),
        Module("dropout1", "Dropout", dropout),
        Module("dropout2", "Dropout", dropout),
    ]
