"""GPT-2 and other decoders without gates: their blocks, MLPs and embeddings.

Sources: transformers.models.gpt2, gpt_neo, gptj, gpt_neox, opt, bloom, falcon, phi, bart, whisper.
"""

from __future__ import annotations

from kaiming_mcp.architecture.blocks.bert import TABLES
from kaiming_mcp.architecture.blocks.block import Block, Builder, entry, parallel, stack
from kaiming_mcp.architecture.ir import Activation, Node, Sequence


def mlp(first: str, last: str) -> Builder:
    """last(act(first(x))): the activation is registered elsewhere but runs between."""

    def build(block: Block) -> Node:
        name = block.first("act", "activation_fn", "act_fn", "gelu_impl", "activation")
        act = block.node(name) if name else block.layer(Activation("gelu"), "act")
        return Sequence((*block.steps(first), act, *block.steps(last, "dropout")), block.path)

    return build


def decoder(*names: str) -> Builder:
    """Embeddings added, then these children, then whatever else is printed."""

    def build(block: Block) -> Node:
        tables = block.steps(*(n for n in TABLES if n in block))
        total: Node = tables[0]
        for table in tables[1:]:
            total = block.residual([table], total, "wpe" if "wpe" in block else "embed_positions")
        middle = block.steps(*(n for n in names if n in block))
        last = block.steps("final_layer_norm", "layer_norm") if "layers" in block else []
        return Sequence((total, *middle, *block.rest(), *last), block.path)

    return build


def whisper_encoder(block: Block) -> Node:
    """Two convolutions with GELU, positions added, layers, norm."""
    block.known("gelu after each convolution, then positions added")
    steps = list[Node]()
    for name in ("conv1", "conv2"):
        steps += [block.node(name), block.layer(Activation("gelu"), f"{name}.gelu")]
    added = block.residual(block.steps("embed_positions"), name="embed_positions")
    return Sequence((*steps, added, *block.steps("layers", "layer_norm")), block.path)


_POST = (
    *("+ self_attn dropout", "self_attn_layer_norm", "+ encoder_attn dropout", "encoder_attn_layer_norm"),
    *("+ fc1 activation_fn fc2", "final_layer_norm"),
)
_PRE = (
    *("+ self_attn_layer_norm self_attn", "+ encoder_attn_layer_norm encoder_attn"),
    "+ final_layer_norm fc1 activation_fn fc2",
)

ENTRIES = (
    entry("ln_1 attn ln_2 mlp", stack("+ ln_1 attn", "+ ln_2 mlp"), "ln_1"),
    entry("ln_1 attn mlp", parallel("attn", "mlp", "ln_1"), "ln_1"),
    entry(
        "input_layernorm post_attention_layernorm attention mlp",
        parallel("input_layernorm attention post_attention_dropout", "post_attention_layernorm mlp post_mlp_dropout"),
        cls=r"GPTNeoX\w*",
    ),
    entry("input_layernorm self_attn mlp", parallel("self_attn", "mlp", "input_layernorm"), "resid_dropout"),
    entry(
        "input_layernorm self_attention mlp", parallel("self_attention", "mlp", "input_layernorm"), "input_layernorm"
    ),
    entry("ln_attn ln_mlp self_attention mlp", parallel("ln_attn self_attention", "ln_mlp mlp"), "ln_attn"),
    entry(
        "input_layernorm self_attention post_attention_layernorm mlp",
        stack("+ input_layernorm self_attention", "+ post_attention_layernorm mlp"),
    ),
    entry(
        "self_attn self_attn_layer_norm fc1 fc2 final_layer_norm",
        stack(*_PRE),
        cls=r"(OPT|Whisper|MBart|\w*Pegasus|XGLM|M2M100|NllbMoe|Blenderbot(?!Small)|BioGpt|Speech2Text|TableTransformer|"
        r"Musicgen|Voxtral|AudioFlamingo|Qwen\w*Audio)\w*",
    ),
    entry("self_attn self_attn_layer_norm fc1 fc2 final_layer_norm", stack(*_POST)),
    entry("conv1 conv2 embed_positions layers layer_norm", whisper_encoder),
    entry("wte h ln_f", decoder("drop", "h", "ln_f")),
    entry("embed_tokens embed_positions layers", decoder("layernorm_embedding", "dropout", "layers")),
    entry("c_fc c_proj", mlp("c_fc", "c_proj"), "act dropout gelu"),
    entry("fc_in fc_out", mlp("fc_in", "fc_out")),
    entry("dense_h_to_4h dense_4h_to_h", mlp("dense_h_to_4h", "dense_4h_to_h")),
    entry("fc1 fc2 activation_fn", mlp("fc1", "fc2"), "fc1"),
)
