"""Blocks that keep what came before: DenseNet, and the heads behind such features.

Sources: torchvision.models.densenet, timm.models.densenet, vovnet.
"""

from __future__ import annotations

from kaiming_mcp.architecture.blocks.block import MOST_COPIES, Block, entry
from kaiming_mcp.architecture.ir import Activation, Concat, Node, Pool, Reshape, Sequence


def dense_block(block: Block) -> Node:
    """x, then x beside each layer's new features: every layer sees all that came before it."""
    block.known("each layer sees everything before it, and its features are put beside it")
    steps = list[Node]()
    for name in block.children:
        layer = block.node(name)
        same = block.layer(Reshape("identity"), f"{name}.x")
        steps.append(Concat((same, layer), f"{block.path}.{name}"))
    return Sequence(tuple(steps), block.path)


def densenet(block: Block) -> Node:
    """ReLU and a global average stand between features and classifier, as functions."""
    features = block.node("features")
    middle = block.steps("global_pool", "head_drop")
    if not middle:
        block.known("relu and a global average before the classifier")
        middle = [block.layer(Activation("relu"), "relu"), block.layer(Pool("avg"), "avgpool")]
    return Sequence((features, *middle, *block.rest()), block.path)


def one_shot(block: Block) -> Node:
    """OsaBlock of VoVNet: the input and the output of every convolution side by side, then one convolution."""
    chain = block.inside("conv_mid")
    steps = chain.each()
    if len(steps) > MOST_COPIES:
        return Sequence((*steps, *block.rest()), block.path)
    nested: Node = chain.layer(Reshape("identity"), "x")
    for step in reversed(steps):
        same = chain.layer(Reshape("identity"), "x")
        nested = Concat((same, Sequence((step, nested))), chain.path)
    block.known("the input and every convolution's output side by side, then conv_concat")
    return Sequence((*block.steps("conv_reduction"), nested, *block.steps("conv_concat", "attn", "drop")), block.path)


ENTRIES = (
    entry("denselayer1", dense_block),
    entry("features classifier", densenet, "global_pool head_drop", r"DenseNet"),
    entry("conv_mid conv_concat", one_shot, "conv_reduction attn drop drop_path"),
)
