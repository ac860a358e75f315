"""Vision transformers and mixers: blocks, window merging, class tokens and position embeddings.

Sources: torchvision.models.vision_transformer, swin_transformer, maxvit; timm.models.vision_transformer, beit, cait,
eva, swin_transformer, mlp_mixer, xcit, metaformer, levit; transformers.models.vit, deit, dinov2, clip, swin, segformer.
"""

from __future__ import annotations

import math

from kaiming_mcp.architecture.blocks.block import Block, applied, convolutions, entry, linear_op, stack
from kaiming_mcp.architecture.ir import Conv, Node, Scale, Sequence

IMAGE = 224
"""The default image size of nearly every vision transformer in the three libraries."""


def patch_merging(block: Block) -> Node:
    """Four neighbours side by side, then a Linear: together one 2 x 2 convolution of stride 2."""
    block.known("each 2 x 2 neighbours side by side, then a Linear, which is a convolution of stride 2")
    steps = list[Node]()
    for name in block.children:
        node = block.node(name)
        op = linear_op(node)
        if op is not None and op.in_features % 4 == 0:
            conv = Conv(op.in_features // 4, op.out_features, (2, 2), (2, 2), (0, 0), (1, 1), 1, op.bias)
            node = block.layer(conv, name)
        steps.append(node)
    return Sequence(tuple(steps), block.path)


def _scaled(block: Block, start: float, *branches: tuple[str, str, str]) -> Node:
    """x + gamma * branch(x), again and again; the gammas are no modules."""
    width, steps = block.width, list[Node]()
    for gamma, names, drops in branches:
        block.context.width = width
        scale = block.layer(Scale(start, width), gamma)
        steps.append(block.residual([*block.steps(*names.split()), scale, *block.steps(*drops.split())]))
    gammas = [gamma for gamma, _, _ in branches]
    block.hide(len(gammas) * width, " and ".join(gammas), layered=True)
    told = ", then ".join(f"x + {gamma} * {applied(names.split())}" for gamma, names, _ in branches)
    block.known(f"{told}, each {start:g} at the start")
    return Sequence(tuple(steps), block.path)


def beit_block(block: Block) -> Node:
    """A block of BEiT, whose attention has biases of query and value and a table that are no modules."""
    width, heads = block.width, block.width // 64
    tokens = (IMAGE // 16) ** 2
    window = 2 * math.isqrt(tokens) - 1
    block.hide(2 * width, "q_bias and v_bias")
    block.guess(
        (window * window + 3) * heads,
        "relative_position_bias_table",
        "for 14 x 14 patches and heads of 64 features",
        "the shape of relative_position_bias_table",
    )
    return _scaled(block, 0.1, ("gamma_1", "norm1 attn", "drop_path1"), ("gamma_2", "norm2 mlp", "drop_path2"))


def _is_beit(block: Block) -> bool:
    if not block.context.model.cls.startswith("Beit"):
        return False
    inner = {c.name: c for c in block.children["attn"].children}
    return "qkv" in inner and inner["qkv"].cls == "Linear" and "bias=False" in inner["qkv"].arguments


def pre_norm(block: Block) -> Node:
    """The block of nearly every vision transformer; BEiT's prints the same names."""
    if block.module.cls == "Block" and "ls1" not in block and _is_beit(block):
        return beit_block(block)
    first = "+ norm1 attn ls1 drop_path drop_path1 stochastic_depth"
    return stack("cpe1", first, "cpe2", "+ norm2 mlp ls2 drop_path drop_path2 stochastic_depth")(block)


def cait_block(block: Block) -> Node:
    """CaiT, 1e-5 at the start up to 18 layers."""
    return _scaled(block, 1e-5, ("gamma_1", "norm1 attn", "drop_path"), ("gamma_2", "norm2 mlp", "drop_path"))


def xcit_block(block: Block) -> Node:
    """XCiT: attention over channels, a local convolution, an MLP; a temperature for each head of 48 features."""
    block.guess(block.width // 48, "temperature", "for heads of 48 features", "the shape of temperature")
    return _scaled(
        block,
        1.0,
        ("gamma1", "norm1 attn", "drop_path1"),
        ("gamma3", "norm3 local_mp", "drop_path3"),
        ("gamma2", "norm2 mlp", "drop_path2"),
    )


def class_attention_block(block: Block) -> Node:
    """XCiT's last blocks, where the class token alone looks at the others."""
    return _scaled(block, 1.0, ("gamma1", "norm1 attn", "drop_path1"), ("gamma2", "norm2 mlp", "drop_path2"))


def resmlp_block(block: Block) -> Node:
    """ResMLP: x + ls1 * linear_tokens(norm1(x)) over tokens, then x + ls2 * mlp_channels(norm2(x))."""
    width = block.width
    block.hide(2 * width, "ls1 and ls2", layered=True)
    scales = [block.layer(Scale(1e-4, width), name) for name in ("ls1", "ls2")]
    first = [*block.steps("norm1", "linear_tokens"), scales[0], *block.steps("drop_path")]
    block.context.width = width
    second = [*block.steps("norm2", "mlp_channels"), scales[1], *block.steps("drop_path")]
    block.known("x + ls1 * linear_tokens(norm1(x)), then x + ls2 * mlp_channels(norm2(x)), both 1e-4 at the start")
    return Sequence((block.residual(first), block.residual(second)), block.path)


def _patches(node: Node, image: int = IMAGE) -> tuple[int, int]:
    """Width and number of patches of an image of this size; 0 where no patch convolution is printed."""
    convs = convolutions(node)
    if not convs or len(convs[-1].stride) != 2:
        return 0, 0
    grid = image
    for conv in convs:
        grid //= conv.stride[0]
    return convs[-1].out_channels, grid * grid


def _tokens(block: Block, patches: Node, token: str, position: str, more: int = 1, image: int = IMAGE) -> None:
    """A class token, and a position embedding for it and for every patch."""
    width, count = _patches(patches, image)
    if not width:
        return
    if token:
        block.hide(width, token)
    if position:
        block.guess(
            (count + more) * width,
            position,
            f"for an image of {image} x {image}, {width} more or fewer for each patch of another size",
            f"the shape of {position}",
        )


def torchvision_vit(block: Block) -> Node:
    """Patches, class token, encoder; the head takes the class token."""
    patches = block.node("conv_proj")
    _tokens(block, patches, "class_token", "pos_embedding")
    return Sequence((patches, *block.rest()), block.path)


def timm_vit(block: Block) -> Node:
    """Patches, class token and position embedding, blocks; a pooled head where fc_norm is a norm."""
    patches = block.node("patch_embed")
    pooled = "attn_pool" in block
    position = "" if block.module.cls == "Beit" else "pos_embed"
    more, token = (0, "") if pooled else (1, "cls_token")
    _tokens(block, patches, token, position, more, 518 if _is_dino(block, patches) else IMAGE)
    return Sequence((patches, *block.rest()), block.path)


def _is_dino(block: Block, patches: Node) -> bool:
    """DINOv2 in timm: patches of 14 and a layer scale, for images of 518 x 518."""
    convs = convolutions(patches)
    first = next(iter(block.children["blocks"].children), None)
    scaled = first is not None and any(c.cls == "LayerScale" for c in first.children)
    return scaled and bool(convs) and convs[-1].stride == (14, 14)


def cait(block: Block) -> Node:
    """CaiT: the class token joins behind the first blocks, so that positions count the patches alone."""
    patches = block.node("patch_embed")
    _tokens(block, patches, "cls_token", "pos_embed", 0)
    return Sequence((patches, *block.rest()), block.path)


def xcit(block: Block) -> Node:
    """XCiT: a fixed encoding of positions through one convolution is added; the class token joins at the end."""
    patches = block.node("patch_embed")
    block.hide(block.context.width, "cls_token")
    block.aside("pos_embed", "a projected encoding of positions, added to the patches and not followed")
    return Sequence((patches, *block.rest()), block.path)


def hf_embeddings(block: Block) -> Node:
    """transformers: class token, distillation or mask token and positions are parameters of the embeddings."""
    patches = block.node("patch_embeddings")
    cls = block.module.cls
    if "position_embeddings" not in block:
        more = 2 if cls.startswith("DeiT") else 1
        _tokens(block, patches, "cls_token", "position_embeddings", more)
        width, _ = _patches(patches)
        if cls.startswith("DeiT"):
            block.hide(width, "distillation_token")
        if cls.startswith("Dinov2"):
            block.hide(width, "mask_token")
    return Sequence((patches, *block.rest()), block.path)


def clip_vision(block: Block) -> Node:
    """CLIPVisionEmbeddings: patches, a class token that is no module, and a printed table of positions."""
    patches = block.node("patch_embedding")
    width, _ = _patches(patches)
    block.hide(width, "class_embedding")
    block.known("patches, then position_embedding added")
    table = block.node("position_embedding")
    return Sequence((patches, block.residual([table])), block.path)


ENTRIES = (
    entry("norm reduction", patch_merging, "norm reduction", r"\w*PatchMerging\w*"),
    entry("norm1 attn norm2 mlp drop_path", cait_block, "", r"LayerScaleBlock\w*"),
    entry("norm1 linear_tokens norm2 mlp_channels", resmlp_block, "drop_path", r"ResBlock"),
    entry("conv_proj encoder heads", torchvision_vit),
    entry("patch_embed pos_embed blocks cls_attn_blocks", xcit),
    entry("patch_embed blocks blocks_token_only norm", cait, cls=r"Cait"),
    entry("patch_embed pos_drop blocks norm", timm_vit, cls=r"VisionTransformer|Beit|Eva"),
    entry("patch_embeddings dropout", hf_embeddings, cls=r"(ViT|DeiT|Dinov2|Vit)\w*Embeddings"),
    entry("patch_embedding position_embedding", clip_vision, "patch_embedding", r"\w*VisionEmbeddings"),
    # Swin V2 normalizes what each branch adds.
    entry(
        "norm1 attn stochastic_depth norm2 mlp",
        stack("+ attn norm1 stochastic_depth", "+ mlp norm2 stochastic_depth"),
        "",
        r"\w*BlockV2",
    ),
    entry(
        "attn norm1 mlp norm2",
        stack("+ attn norm1 drop_path1", "+ mlp norm2 drop_path2"),
        "drop_path1 drop_path2",
        r"\w*V2\w*Block",
    ),
    entry("norm1 attn norm3 local_mp norm2 mlp", xcit_block, "drop_path1 drop_path2 drop_path3", r"XCABlock"),
    entry("norm1 attn norm2 mlp", class_attention_block, "drop_path1 drop_path2", r"ClassAttentionBlock"),
    entry(
        "norm1 attn norm2 mlp",
        pre_norm,
        "ls1 ls2 drop_path drop_path1 drop_path2 stochastic_depth cpe1 cpe2",
    ),
    entry(
        "norm1 attention norm2 mlp",
        stack("+ norm1 attention layer_scale1 drop_path", "+ norm2 mlp layer_scale2 drop_path"),
    ),
    entry(
        "norm1 token_mixer norm2 mlp",
        stack("+ norm1 token_mixer layer_scale1 drop_path1", "+ norm2 mlp layer_scale2 drop_path2"),
        "layer_scale1 layer_scale2 res_scale1 res_scale2 drop_path1 drop_path2",
    ),
    entry(
        "norm1 mlp_tokens norm2 mlp_channels", stack("+ norm1 mlp_tokens drop_path", "+ norm2 mlp_channels drop_path")
    ),
    entry("ln_1 self_attention ln_2 mlp", stack("+ ln_1 self_attention dropout", "+ ln_2 mlp")),
    entry(
        "layernorm_before attention layernorm_after mlp",
        stack(
            "+ layernorm_before attention dropout drop_path", "+ layernorm_after mlp dropout drop_path hidden_dropout"
        ),
    ),
    entry(
        "layernorm_before attention layernorm_after intermediate output",
        stack("+ layernorm_before attention drop_path", "+ layernorm_after intermediate output"),
    ),
    entry("layer_norm1 self_attn layer_norm2 mlp", stack("+ layer_norm1 self_attn", "+ layer_norm2 mlp")),
    entry(
        "attn_layer mlp_layer stochastic_dropout",
        stack("+ attn_layer stochastic_dropout", "+ mlp_layer stochastic_dropout"),
    ),
    entry("attn mlp drop_path1 drop_path2", stack("+ attn drop_path1", "+ mlp drop_path2"), "", r"LevitBlock"),
    entry("norm mlp_channels drop_path", stack("+ norm mlp_channels drop_path"), "", r"SpatialGatingBlock"),
)
