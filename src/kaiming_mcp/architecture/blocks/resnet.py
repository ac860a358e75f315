"""Residual blocks of the ResNet family.

Sources: torchvision.models.resnet, regnet, video.resnet; timm.models.resnet, resnetv2, regnet, senet;
transformers.models.resnet.
"""

from __future__ import annotations

import re
from dataclasses import replace

from kaiming_mcp.architecture.blocks.block import Block, computes, entry, keeps_shape
from kaiming_mcp.architecture.ir import Activation, Node, Sequence

_SKIPS = "downsample shortcut convShortcut skip skip_conv shortcut_conv identity_downsample i_downsample residual"
_EXTRAS = f"relu act drop_block aa se se_module ca sa drop_path dropout drop {_SKIPS}"
_AMONG = " ".join(
    [*(f"{kind}{i}" for kind in ("conv", "bn", "norm", "relu", "act", "drop") for i in (1, 2, 3)), _EXTRAS]
)


def basic(block: Block) -> Node:
    """x + branch(x), then ReLU; batch norms before their convolutions mark the pre-activation form."""
    order = list(block.children)
    norm = "bn" if "bn1" in block else "norm"
    printed = next((n for n in ("relu", "act", "relu1", "act1") if n in block), "")
    pre = f"{norm}1" in block and order.index(f"{norm}1") < order.index("conv1")
    depth = [i for i in (1, 2, 3) if f"conv{i}" in block]

    def act(i: int) -> Node:
        name = block.first(f"act{i}", f"relu{i}", printed)
        return block.node(name) if name else block.layer(Activation("relu"), "relu")

    steps = list[Node]()
    for i in depth:
        pair = block.steps(f"{norm}{i}", f"conv{i}") if pre else block.steps(f"conv{i}", f"{norm}{i}")
        if pre:
            pair.insert(1, act(i))
        elif i != depth[-1]:
            pair += [*block.steps("drop_block" if i == 1 else "aa"), act(i)]
        steps += pair
        if i == 1:
            steps += block.steps("dropout", "drop")
    steps += block.steps("se", "se_module", "ca", "sa", "drop_path")
    skip = block.first(*_SKIPS.split())
    block.context.width = block.width
    shortcut = _shortcut(block, skip)
    if not skip and not (keeps_shape(Sequence(tuple(steps))) and _adds(block)):
        return Sequence((*steps, *([] if pre else [act(depth[-1])])), block.path)
    total = block.residual(steps, shortcut)
    form = "activation inside the branch" if pre else "ReLU after the add"
    block.known(f"x + branch(x), {form}")
    return total if pre else Sequence((total, act(depth[-1])), block.path)


def _shortcut(block: Block, *names: str) -> Node | None:
    """The projection of that name; None where it is an identity or not printed."""
    name = block.first(*names)
    node = block.node(name) if name else None
    return node if node is not None and computes(node) else None


def _adds(block: Block) -> bool:
    """Whether a block without a projection adds its input: its class says so, or it is the likelier reading."""
    cls = block.module.cls
    if re.search(r"Basic|Bottle|Res|Dla", cls):
        return True
    return block.context.choose(
        re.match(r"Double|Conv|Up|Down|Plain|CBR|VGG", cls) is None,
        f"{cls} adds its input to its output, or does not, against what was taken; print(model) does not show it",
    )


def preactivation(block: Block) -> Node:
    """timm's PreActBottleneck: norms carry their ReLU, and a projection sees the normalized input."""
    branch = block.steps("conv1", "norm2", "conv2", "norm3", "conv3", "drop_path")
    first = block.node("norm1")
    block.known("x + branch(norm1(x)), the activation inside each norm; a projection takes norm1(x)")
    if "downsample" in block:
        return Sequence((first, block.residual(branch, block.node("downsample"))), block.path)
    return block.residual([first, *branch])


def bottleneck_of_convs(block: Block) -> Node:
    """RegNet and others of timm, whose convolutions carry norm and activation."""
    branch = block.steps("conv1", "conv2", "attn", "se", "conv3", "attn_last", "drop_path")
    total = block.residual(branch, _shortcut(block, "downsample", "shortcut"))
    block.known("x + branch(x), then the activation")
    return Sequence((total, *block.steps("act3", "act")), block.path)


def byob(block: Block) -> Node:
    """BottleneckBlock of timm's ByobNet."""
    branch = block.steps("conv1_1x1", "conv2_kxk", "conv2b_kxk", "attn", "conv3_1x1", "attn_last", "drop_path")
    if "shortcut" not in block and not keeps_shape(Sequence(tuple(branch))):
        return Sequence((*branch, *block.steps("act")), block.path)
    total = block.residual(branch, block.node("shortcut") if "shortcut" in block else None)
    block.known("x + branch(x), then the activation")
    return Sequence((total, *block.steps("act")), block.path)


def norm_free(block: Block) -> Node:
    """NFNet: a scaled activation, then x + 0.2 * branch, a projection taking the activated input."""
    names = ("conv1", "act2", "conv2", "act2b", "conv2b", "act3", "conv3", "attn_last", "drop_path")
    first = block.node("act1")
    block.known("shortcut(x) + 0.2 * branch(act1(x)), a projection taking act1(x)")
    if "downsample" in block:
        shortcut = block.node("downsample")
        total = replace(block.residual(block.steps(*names), shortcut), scale=0.2)
        return Sequence((first, total), block.path)
    return replace(block.residual([first, *block.steps(*names)]), scale=0.2)


def stacked(block: Block) -> Node:
    """Xception: shortcut(x) + stack(x)."""
    branch = block.steps("stack")
    if "shortcut" not in block and not keeps_shape(Sequence(tuple(branch))):
        return Sequence(tuple(branch), block.path)
    block.known("shortcut(x) + stack(x)")
    return block.residual(branch, block.node("shortcut") if "shortcut" in block else None)


def with_projection(block: Block) -> Node:
    """torchvision RegNet (proj, f, activation) and transformers ResNet (shortcut, layer, activation)."""
    branch = block.steps("f", "layer")
    total = block.residual(branch, _shortcut(block, "proj", "shortcut"))
    block.known("shortcut(x) + branch(x), then the activation")
    return Sequence((total, *block.steps("activation")), block.path)


ENTRIES = (
    entry("conv1 bn1 conv2 bn2", basic, _AMONG),
    entry("conv1 conv2 relu", basic, "downsample", r"BasicBlock|Bottleneck"),
    entry("norm1 conv1 norm2 conv2 norm3 conv3", preactivation, "downsample drop_path", r"PreAct\w*"),
    entry("conv1 conv2 conv3 act3", bottleneck_of_convs, "se downsample drop_path"),
    entry("conv1 conv2 act", bottleneck_of_convs, "downsample", r"SelectiveKernelBasic"),
    entry("conv1 attn conv2 drop_path", bottleneck_of_convs, "", r"DarkBlock"),
    entry("conv1_1x1 conv2_kxk conv3_1x1 act", byob, "shortcut conv2b_kxk attn attn_last drop_path"),
    entry("act1 conv1 act2 conv2 act3 conv3 attn_last", norm_free, "downsample act2b conv2b drop_path"),
    entry("stack", stacked, "shortcut", r"Xception\w*"),
    entry("f activation", with_projection, "proj"),
    entry("layer activation shortcut", with_projection, "shortcut"),
)
