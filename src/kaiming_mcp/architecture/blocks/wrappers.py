"""Wrappers whose name says what they do: residual functions, norms before a function, adapters.

Sources: lucidrains/vit-pytorch and its kin (Residual, PreNorm, Transformer), peft (lora.Linear), diffusers
(ResnetBlock2D, BasicTransformerBlock), karpathy/ng-video-lecture (sa, ffwd), meta-llama/llama, and blocks that
people name ResidualBlock.
"""

from __future__ import annotations

from kaiming_mcp.architecture.blocks.block import ADAPTED, Block, convolutions, entry, keeps_shape, stack
from kaiming_mcp.architecture.ir import Linear, Node, Residual, Sequence, layers

_SKIPS = "shortcut skip downsample identity projection conv_skip res_conv conv_shortcut residual skip_connection"
_ACTS = ("relu_out", "final_relu", "out_relu", "final_act", "relu_final")


def residual_block(block: Block) -> Node:
    """A block whose class is called residual: skip(x) + the other children in order."""
    skip = block.first(*_SKIPS.split())
    after = [name for name in _ACTS if name in block]
    branch = block.steps(*(n for n in block.children if n != skip and n not in after))
    whole = Sequence(tuple(branch), block.path)
    narrow = [la.op for la, _ in layers(whole) if isinstance(la.op, Linear)]
    same = keeps_shape(whole) if convolutions(whole) else not narrow or narrow[0].in_features == narrow[-1].out_features
    if not skip and not same:
        return Sequence((*branch, *block.steps(*after)), block.path)
    shortcut = block.node(skip) if skip and block.children[skip].children else None
    if skip and shortcut is None:
        found = block.node(skip)
        shortcut = found if convolutions(found) else None
    block.context.assume(
        f"{block.module.cls}: adds its input, as its name says; what stands behind the add is not shown",
        f"the forward() of {block.module.cls}",
    )
    return Sequence((block.residual(branch, shortcut), *block.steps(*after)), block.path)


def pairs(block: Block) -> Node:
    """Transformer of vit-pytorch: in `layers`, every member of every pair is added to its input."""
    inner = block.inside("layers")
    steps = list[Node]()
    for pair in inner.each():
        parts = pair.children if isinstance(pair, Sequence) else (pair,)
        steps += [inner.residual([part], name="0") for part in parts]
    block.known("x + attention(x), then x + feed_forward(x), norms inside each")
    norms = block.steps("norm")
    return Sequence((*steps, *norms), block.path)


def adapter(block: Block) -> Node:
    """peft: base_layer(x) + lora_B(lora_A(dropout(x))), B zero at the start."""
    base = block.node("base_layer")
    width = block.context.width
    branch = Sequence(tuple(block.steps("lora_dropout", "lora_A", "lora_B")))
    block.context.width = width
    block.known("base_layer(x) + lora_B(lora_A(x)), with lora_B zero at the start")
    return Residual(branch, base, 1.0, f"{block.path}{ADAPTED}", "assumed")


def diffusion_block(block: Block) -> Node:
    """ResnetBlock2D: x + conv2(act(norm2(conv1(act(norm1(x))) + time))); the time embedding is counted aside."""
    if "time_emb_proj" in block:
        block.aside("time_emb_proj", "the embedding of time, added inside and not followed")
    act = block.first("nonlinearity", "act", "swish")

    def activated() -> list[Node]:
        return block.steps(act) if act else []

    branch = [
        *block.steps("norm1"),
        *activated(),
        *block.steps("conv1", "norm2"),
        *activated(),
        *block.steps("dropout", "conv2"),
    ]
    skip = block.first("conv_shortcut", "nin_shortcut")
    block.context.width = block.width
    block.known("shortcut(x) + conv2(act(norm2(conv1(act(norm1(x))))))")
    return block.residual(branch, block.node(skip) if skip else None)


ENTRIES = (
    entry("base_layer lora_A lora_B", adapter),
    entry("norm1 conv1 norm2 conv2 nonlinearity", diffusion_block),
    entry("norm1 attn1 norm2 attn2 norm3 ff", stack("+ norm1 attn1", "+ norm2 attn2", "+ norm3 ff")),
    entry("fn", residual_block, "fn", r"Residual\w*|SkipConnection|ResidualAdd"),
    entry("norm fn", stack("norm", "fn"), "norm", r"PreNorm\w*"),
    entry("fn norm", stack("+ fn", "norm"), "norm", r"PostNorm\w*"),
    entry("layers", pairs, "norm", r"Transformer"),
    entry("ln1 sa ln2 ffwd", stack("+ ln1 sa", "+ ln2 ffwd")),
    entry("ln1 attn ln2 mlp", stack("+ ln1 attn", "+ ln2 mlp")),
    entry("norm1 attn norm2 ffn", stack("+ norm1 attn", "+ norm2 ffn")),
    entry(
        "attention_norm attention ffn_norm feed_forward", stack("+ attention_norm attention", "+ ffn_norm feed_forward")
    ),
)
NAMED = (entry("", residual_block, cls=r"Res(?:idual|[Nn]et)?_?(?:Block|Layer|Unit|Conv)\w*|Residual(?:Add|Conv\w*)?"),)
"""Whatever its children are called: asked last."""
