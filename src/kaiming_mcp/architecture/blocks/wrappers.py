"""Wrappers whose name says what they do: residual functions, norms before a function, adapters.

Sources: lucidrains/vit-pytorch and its kin (Residual, PreNorm, Transformer), peft (lora.Linear), diffusers
(ResnetBlock2D, BasicTransformerBlock), locuslab/TCN, van den Oord et al. 2016 (WaveNet), karpathy/ng-video-lecture
(sa, ffwd), meta-llama/llama, and blocks that people name ResidualBlock.
"""

from __future__ import annotations

from kaiming_mcp.architecture.blocks.block import ADAPTED, Block, convolutions, entry, keeps_shape, stack
from kaiming_mcp.architecture.ir import Activation, Linear, Node, Product, Residual, Sequence, layers
from kaiming_mcp.architecture.parameters import total_parameters
from kaiming_mcp.architecture.torch_repr import Module

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
    if not total_parameters(branch):  # an adapted table holds its factors as parameters, not as layers
        block.known("base_layer(x) and the product of its two factors, zero at the start and not followed")
        return base
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


_FILTER = ("filter_conv", "conv_filter", "filter", "conv_tanh", "tanh_conv", "dilated_filter", "filter_convs")
_GATE = ("gate_conv", "conv_gate", "gate", "conv_sigmoid", "sigmoid_conv", "dilated_gate", "gate_convs")
_ON, _OUT = ("res_conv", "conv_res", "residual", "residual_conv", "res"), ("skip_conv", "conv_skip", "skip")


def wavenet_layer(block: Block) -> Node:
    """x + res(tanh(filter(x)) * sigmoid(gate(x))); what skip takes from the product goes to the output directly."""
    names = [block.first(*names) for names in (_FILTER, _GATE, _ON, _OUT)]
    pair = (
        (block.node(names[0]), block.layer(Activation("tanh"), "tanh")),
        (
            block.node(names[1]),
            block.layer(Activation("sigmoid"), "sigmoid"),
        ),
    )
    gated = Product(tuple(Sequence(branch) for branch in pair), block.path, "assumed")
    if names[3]:
        block.aside(names[3], "what leads to the output beside the trunk, not followed")
    block.known("x + res(tanh(filter(x)) * sigmoid(gate(x)))")
    return block.residual([gated, *block.steps(names[2])])


def is_wavenet_layer(module: Module) -> bool:
    """A filter, a gate and a projection back to the trunk, perhaps one to the output, and nothing else."""
    names = {c.name for c in module.children}
    return all(len(names & {*kind}) == 1 for kind in (_FILTER, _GATE, _ON)) and names <= {
        *_FILTER,
        *_GATE,
        *_ON,
        *_OUT,
        "dropout",
    }


def temporal_block(block: Block) -> Node:
    """TemporalBlock of a TCN: relu(net(x) + x), net printing again the convolutions beside it."""
    skip = block.first("downsample")
    block.used.update(c.name for c in block.module.children if c.name not in {"net", "relu", skip})
    branch = block.steps("net")
    block.known("relu(net(x) + x), net made of the children before it")
    return Sequence((block.residual(branch, block.node(skip) if skip else None), *block.steps("relu")), block.path)


def saved(block: Block) -> Node:
    """peft's ModulesToSaveWrapper: the copy that is trained runs, the original stays beside it."""
    block.aside("original_module", "the original beside the copy that is trained")
    return Sequence(tuple(block.rest()), block.path)


ENTRIES = (
    entry("base_layer lora_A lora_B", adapter),
    entry("original_module modules_to_save", saved, "original_module"),
    entry("net relu", temporal_block, cls=r"TemporalBlock"),
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
