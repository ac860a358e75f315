"""Mobile networks: inverted residuals, squeeze and excitation, split and shuffled channels.

Whether an inverted residual adds its input can be read: it does where no convolution strides and the width stays.
Sources: torchvision.models.mobilenetv2, mobilenetv3, efficientnet, mnasnet, shufflenetv2, ops.misc;
timm.models._efficientnet_blocks, rexnet; timm.layers.squeeze_excite, eca; transformers.models.mobilenet_v2 and
efficientnet.
"""

from __future__ import annotations

from kaiming_mcp.architecture.blocks.block import Block, Builder, applied, convolutions, entry, keeps_shape
from kaiming_mcp.architecture.ir import (
    Activation,
    Concat,
    Node,
    Opaque,
    Pool,
    Product,
    Reshape,
    Sequence,
    layers,
)
from kaiming_mcp.architecture.parameters import total_parameters


def inverted(*names: str) -> Builder:
    """x + branch(x) where the branch keeps width and positions, else the branch alone."""

    def build(block: Block) -> Node:
        found = [n for n in names if n in block]
        branch = Sequence(tuple(block.steps(*found)), block.path)
        told = applied([n for n in found if n not in {"aa", "drop_path", "stochastic_depth"}][:1])
        if not keeps_shape(branch):
            return branch
        block.known(f"x + {told}... where stride is 1 and the width stays, as here")
        return block.residual(branch.children)

    return build


def excitation(first: str, second: str) -> Builder:
    """x * gate(x): global average, two small layers, a sigmoid or its like."""

    def build(block: Block) -> Node:
        pool = block.steps("avgpool", "squeeze") or [block.layer(Pool("avg"), "avgpool")]
        act = block.first("act1", "act", "relu", "activation", "act_reduce")
        gate = block.first("gate", "sigmoid", "scale_activation", "act_expand")
        middle = [block.node(act)] if act else [block.layer(Activation("relu"), "act")]
        last = [block.node(gate)] if gate else [block.layer(Activation("sigmoid"), "gate")]
        path = (*pool, block.node(first), *block.steps("bn"), *middle, block.node(second), *last)
        block.known("x * gate(x), from a global average")
        same = block.layer(Reshape("identity"), "x")
        return Product((same, Sequence(path)), block.path, "assumed")

    return build


def gated_channels(*names: str) -> Builder:
    """x * gate(x), the small layers in one Sequential, as in most code that people write after Hu et al. 2018."""

    def build(block: Block) -> Node:
        path = block.steps(*names)
        last = [la.op for la, _ in layers(Sequence(tuple(path)))][-1:]
        if not any(isinstance(op, Activation) and "sigmoid" in op.name for op in last):
            path.append(block.layer(Activation("sigmoid"), "gate"))
        block.known("x * gate(x), from a global average")
        same = block.layer(Reshape("identity"), "x")
        return Product((same, Sequence(tuple(path))), block.path, "assumed")

    return build


def efficient_channel_attention(block: Block) -> Node:
    """A convolution along the channels of a global average: only its taps count."""
    count = total_parameters(Sequence(tuple(block.rest())))
    return block.layer(Opaque(block.module.cls, block.module.arguments, count))


def shuffled(block: Block) -> Node:
    """ShuffleNetV2: half the channels pass by and half through branch2; where it strides, both branches see all."""
    first, second = Sequence(tuple(block.steps("branch1"))), Sequence(tuple(block.steps("branch2")))
    if convolutions(first):
        block.known("branch1(x) and branch2(x) side by side, channels shuffled")
        return Concat((first, second), block.path)
    convs = convolutions(second)
    if not convs:
        return second
    block.context.assume(
        f"{block.module.cls}: half of the channels pass by, the other half goes through branch2, then a shuffle; the "
        "split is not one of the operations here, so that two halves of branch2's width stand side by side",
        f"forward() of {block.module.cls}",
    )
    half = block.layer(Opaque("half of the channels", f"{convs[0].in_channels}", 0), "split")
    block.context.width = 2 * convs[-1].out_channels
    return Concat((half, second), block.path)


def with_projection(block: Block) -> Node:
    """MBConv of MaxViT: proj(x) + layers(x)."""
    skip = block.node("proj")
    block.context.width = block.width
    branch = block.steps("layers", "stochastic_depth")
    block.known("proj(x) + layers(x)")
    return block.residual(branch, skip if block.children["proj"].children else None)


def fire(block: Block) -> Node:
    """SqueezeNet: a narrow layer, then 1x1 and 3x3 convolutions side by side."""
    block.known("expand1x1 and expand3x3 side by side")
    squeeze = block.steps("squeeze", "squeeze_activation")
    one, three = (
        block.sequence("expand1x1", "expand1x1_activation"),
        block.sequence("expand3x3", "expand3x3_activation"),
    )
    return Sequence((*squeeze, Concat((one, three), block.path)), block.path)


def ghost(block: Block) -> Node:
    """GhostModule: the primary features, and cheap ones made from them, side by side."""
    block.known("primary(x) and cheap(primary(x)) side by side")
    primary = block.node("primary_conv")
    same = block.layer(Reshape("identity"), "primary")
    return Sequence((primary, Concat((same, block.node("cheap_operation")), block.path)), block.path)


def ghost_bottleneck(block: Block) -> Node:
    """GhostBottleneck: its shortcut is the identity where empty."""
    branch = block.steps("ghost1", "conv_dw", "bn_dw", "se", "ghost2")
    shortcut = block.node("shortcut")
    block.known("shortcut(x) + branch(x)")
    return block.residual(
        branch, shortcut if any(not isinstance(la.op, Reshape) for la, _ in layers(shortcut)) else None
    )


_TORCHVISION = r"_?InvertedResidual|(?:Fused)?MBConv\w*"
_TIMM = "bn1 bn2 bn3 aa se drop_path layer_scale"

ENTRIES = (
    entry("branch1 branch2", shuffled, "branch1 branch2", r"\w*InvertedResidual"),
    entry("conv", inverted("conv"), "conv", _TORCHVISION),
    entry("proj layers stochastic_depth", with_projection),
    entry("layers", inverted("layers"), "layers", _TORCHVISION),
    entry("block", inverted("block", "stochastic_depth"), "stochastic_depth", _TORCHVISION),
    entry("conv_dw conv_pw bn1 bn2", inverted("conv_dw", "bn1", "aa", "se", "conv_pw", "bn2", "drop_path"), _TIMM),
    entry(
        "conv_pw conv_dw conv_pwl bn3",
        inverted("conv_pw", "bn1", "conv_dw", "bn2", "aa", "se", "conv_pwl", "bn3", "layer_scale", "drop_path"),
        _TIMM,
    ),
    entry("conv_exp conv_pwl bn2", inverted("conv_exp", "bn1", "aa", "se", "conv_pwl", "bn2", "drop_path"), _TIMM),
    entry(
        "dw_start pw_exp pw_proj",
        inverted("dw_start", "pw_exp", "dw_mid", "se", "pw_proj", "dw_end", "layer_scale", "drop_path"),
    ),
    entry(
        "conv_3x3 reduce_1x1", inverted("expand_1x1", "conv_3x3", "reduce_1x1"), "expand_1x1", r"\w*InvertedResidual"
    ),
    entry(
        "depthwise_conv squeeze_excite projection",
        inverted("expansion", "depthwise_conv", "squeeze_excite", "projection"),
        "expansion",
    ),
    entry("squeeze reduce expand", excitation("reduce", "expand"), "act_reduce act_expand"),
    entry("fc1 fc2 activation scale_activation avgpool", excitation("fc1", "fc2")),
    entry("avg_pool fc", gated_channels("avg_pool", "fc"), "avg_pool", r"(?:SE|Squeeze|Channel)\w*"),
    entry("avgpool fc", gated_channels("avgpool", "fc"), "avgpool", r"(?:SE|Squeeze|Channel)\w*"),
    entry("squeeze excitation", gated_channels("squeeze", "excitation"), "squeeze"),
    entry("conv_reduce conv_expand", excitation("conv_reduce", "conv_expand")),
    entry("fc1 fc2", excitation("fc1", "fc2"), "bn act relu gate sigmoid", r"SE\w*|\w*Squeeze\w*"),
    entry("conv gate", efficient_channel_attention, "conv gate", r"\w*Eca\w*"),
    entry("squeeze expand1x1 expand3x3", fire),
    entry("primary_conv cheap_operation", ghost),
    entry("ghost1 ghost2 shortcut", ghost_bottleneck),
)
