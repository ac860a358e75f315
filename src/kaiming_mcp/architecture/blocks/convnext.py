"""ConvNeXt blocks, whose layer scale is no module.

Sources: torchvision.models.convnext (CNBlock), timm.models.convnext, transformers.models.convnext.
"""

from __future__ import annotations

from kaiming_mcp.architecture.blocks.block import Block, convolutions, entry
from kaiming_mcp.architecture.ir import Node, Scale, Sequence

LAYER_SCALE = 1e-6
"""The default of layer_scale in the three libraries."""


def torchvision_block(block: Block) -> Node:
    """x + stochastic_depth(layer_scale * block(x))."""
    inner = block.node("block")
    return _scaled(block, [inner], block.steps("stochastic_depth"), "layer_scale")


def timm_block(block: Block) -> Node:
    """x + drop_path(gamma * mlp(norm(conv_dw(x)))); V2 has a GlobalResponseNorm in its MLP and no gamma."""
    branch = block.steps("conv_dw", "norm", "mlp")
    if "grn" in {c.name for c in block.children["mlp"].children}:
        block.known("x + mlp(norm(conv_dw(x)))")
        return block.residual([*branch, *block.steps("drop_path")], _shortcut(block))
    return _scaled(block, branch, block.steps("drop_path"), "gamma")


def transformers_block(block: Block) -> Node:
    """x + drop_path(layer_scale * pwconv2(act(pwconv1(layernorm(dwconv(x))))))."""
    branch = block.steps("dwconv", "layernorm", "norm", "pwconv1", "act", "grn", "pwconv2")
    if "grn" in block:
        block.known("x + pwconv2(grn(act(pwconv1(norm(dwconv(x))))))")
        return block.residual([*branch, *block.steps("drop_path")])
    return _scaled(block, branch, block.steps("drop_path"), "layer_scale_parameter")


def _scaled(block: Block, branch: list[Node], after: list[Node], name: str) -> Node:
    width = next((c.in_channels for c in convolutions(Sequence(tuple(branch)))), block.width)
    scale = block.layer(Scale(LAYER_SCALE, width), name)
    block.hide(width, name, layered=True)
    block.known(f"x + {name} * branch(x), {name} = 1e-6 at the start, the default,")
    block.context.width = width
    return block.residual([*branch, scale, *after], _shortcut(block))


def _shortcut(block: Block) -> Node | None:
    """timm's blocks print their shortcut, an Identity where it is one."""
    found = block.steps("shortcut")
    return found[0] if found and block.children["shortcut"].children else None


ENTRIES = (
    entry("block stochastic_depth", torchvision_block, "block", r"CN\w*Block|ConvNeXt\w*"),
    entry("conv_dw norm mlp", timm_block, "shortcut drop_path", r"ConvNeXt\w*Block|ConvBlock"),
    entry("dwconv layernorm pwconv1 pwconv2", transformers_block),
    entry("dwconv norm pwconv1 pwconv2", transformers_block),
)
