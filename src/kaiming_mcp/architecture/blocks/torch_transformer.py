"""torch.nn.Transformer and its layers.

`norm_first` is not printed. A final norm makes pre-norm likelier; the other order is given as an alternative.
Source: torch.nn.modules.transformer.
"""

from __future__ import annotations

from kaiming_mcp.architecture.blocks.block import Block, entry, in_order
from kaiming_mcp.architecture.ir import Activation, Node, Sequence


def _feed(block: Block) -> list[Node]:
    act = block.node("activation") if "activation" in block else block.layer(Activation("relu"), "activation")
    return [*block.steps("linear1"), act, *block.steps("dropout", "linear2")]


def _layer(block: Block, cross: bool) -> Node:
    """Self-attention, in a decoder cross-attention, then two linear layers; an add and a norm for each."""
    final = block.context.final_norm
    pre = block.context.choose(final, f"norm_first={not final}, which print(model) does not show")
    hint = "a final norm follows, so pre-norm is likelier" if final else "no final norm follows, so torch's default"
    if pre != final:
        hint = "the other order"
    given = "printed" if "activation" in block else "relu, the default"
    block.context.assume(
        f"{block.module.cls}: norm_first = {pre} ({hint}); activation {given}: print(model) shows neither",
        "print(model.layers[0].norm_first, model.layers[0].activation)",
    )
    branches = [block.steps("self_attn", "dropout1")]
    if cross:
        block.context.assume(
            f"{block.module.cls}: its cross-attention is followed as if the other sequence had the same statistics",
            "nothing at initialization: both sequences are normalized",
        )
        branches.append(block.steps("multihead_attn", "dropout2"))
    branches.append([*_feed(block), *block.steps("dropout3" if cross else "dropout2")])
    norms = block.steps("norm1", "norm2", *(["norm3"] if cross else []))
    names = ("self_attn", "multihead_attn", "linear2") if cross else ("self_attn", "linear2")
    steps = list[Node]()
    for norm, branch, name in zip(norms, branches, names, strict=True):
        if pre:
            steps.append(block.residual([norm, *branch], name=name))
        else:
            steps += [block.residual(branch, name=name), norm]
    return Sequence(tuple(steps), block.path)


def encoder_layer(block: Block) -> Node:
    """TransformerEncoderLayer."""
    return _layer(block, cross=False)


def decoder_layer(block: Block) -> Node:
    """TransformerDecoderLayer."""
    return _layer(block, cross=True)


def transformer(block: Block) -> Node:
    """Encoder and decoder: the decoder's own input is another sequence, followed here behind the encoder."""
    block.context.assume(
        "Transformer: the decoder is followed behind the encoder; in forward() it starts from its own sequence",
        "the two parts sent one by one",
    )
    return in_order(block)


ENTRIES = (
    entry("self_attn multihead_attn linear1 linear2 norm1 norm2 norm3", decoder_layer),
    entry("self_attn linear1 linear2 norm1 norm2", encoder_layer),
    entry("encoder decoder", transformer, "encoder", r"Transformer"),
)
