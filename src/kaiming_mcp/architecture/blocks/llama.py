"""Llama and its kin: RMS norms, gated MLPs, sandwich norms, experts; and Mamba.

The norms of Gemma multiply by 1 + weight, with weight 0 at the start: the same as weight 1.
Sources: transformers.models.llama, mistral, qwen2, qwen3, gemma, gemma2, gemma3, olmo2, phi3, cohere, mixtral,
qwen2_moe, mamba.
"""

from __future__ import annotations

from kaiming_mcp.architecture.blocks.block import Block, entry, linear_op, stack
from kaiming_mcp.architecture.ir import Activation, Linear, Node, Opaque, Product, Repeat, Sequence
from kaiming_mcp.architecture.parameters import total_parameters


def gated(block: Block) -> Node:
    """down(act(gate(x)) * up(x)), under the names of Llama or the w1, w2, w3 of Mixtral."""
    first, up, down = ("gate_proj", "up_proj", "down_proj") if "gate_proj" in block else ("w1", "w3", "w2")
    name = block.first("act_fn", "act", "activation_fn")
    act = block.node(name) if name else block.layer(Activation("silu"), "act_fn")
    pair = Product((Sequence((block.node(first), act)), block.node(up)), block.path)
    return Sequence((pair, block.node(down)), block.path)


def joint_gate(block: Block) -> Node:
    """down(act(gate) * up), gate and up the halves of one projection."""
    whole = block.node("gate_up_proj")
    name = block.first("activation_fn", "act_fn")
    act = block.node(name) if name else block.layer(Activation("silu"), "act_fn")
    op, down = linear_op(whole), block.node("down_proj")
    if op is None or op.out_features % 2:
        return Sequence((whole, act, down), block.path)
    block.known("down(act(gate) * up), gate and up the halves of gate_up_proj")
    half = block.layer(Linear(op.in_features, op.out_features // 2, op.bias), "gate_up_proj")
    return Sequence((Product((Sequence((half, act)), half), block.path, "assumed"), down), block.path)


def glu_mlp(block: Block) -> Node:
    """GluMlp of timm: fc2(norm(x1 * act(x2))), x1 and x2 the halves of fc1; a plain MLP where fc2 takes all of it."""
    names = [name for name in block.children if name not in {"fc1", "act", "drop1"}]
    whole, act, rest = block.node("fc1"), block.steps("act"), block.steps("drop1", *names)
    op = linear_op(whole)
    last = linear_op(rest[-2] if names[-1].startswith("drop") and len(rest) > 1 else rest[-1])
    if op is None or last is None or op.out_features != 2 * last.in_features:
        return Sequence((whole, *act, *rest), block.path)
    block.known("fc2(x1 * act(x2)), x1 and x2 the halves of fc1")
    half = block.layer(Linear(op.in_features, last.in_features, op.bias), "fc1")
    return Sequence((Product((Sequence((half, *act)), half), block.path, "assumed"), *rest), block.path)


def experts(block: Block) -> Node:
    """A router and experts: one expert is followed, the others' parameters are counted."""
    block.known("a router picks experts for each token; one is followed")
    for name in ("gate", "router", "shared_expert_gate"):
        if name in block and block.children[name].arguments:
            block.aside(name, "a router beside the traced path")
    group = block.inside("experts")
    many = group.module.children
    if not many or not many[0].children:
        count = "their size is not printed"
        return Sequence(
            (*block.steps("shared_expert", "shared_experts"), block.layer(Opaque(group.module.cls, count), "experts")),
            block.path,
        )
    whole = group.context.node(many[0], f"{group.path}.{many[0].name}")
    body = whole.body if isinstance(whole, Repeat) else whole
    total = sum(
        total_parameters(whole if index == 0 else group.context.node(other, f"{group.path}.{other.name}"))
        for index, other in enumerate(many)
    )
    block.beside("experts", total - total_parameters(body))
    return Sequence((*block.steps("shared_expert", "shared_experts"), body), block.path)


def mamba(block: Block) -> Node:
    """MambaMixer: conv1d and activation on one half of in_proj, a scan, a gate from the other half, out_proj."""
    parts = {name: block.node(name) for name in ("in_proj", "conv1d", "x_proj", "dt_proj", "out_proj")}
    whole, narrow, wide = (linear_op(parts[name]) for name in ("in_proj", "x_proj", "dt_proj"))
    if whole is None or narrow is None or wide is None or narrow.out_features <= wide.in_features:
        return Sequence((*parts.values(), *block.rest()), block.path)
    inner = whole.out_features // 2
    states = (narrow.out_features - wide.in_features) // 2
    hidden = inner * states + inner
    block.hide(hidden, "A_log and D", layered=True)
    scan = total_parameters(Sequence((block.layer(narrow), block.layer(wide)))) + hidden
    half = block.layer(Linear(whole.in_features, inner, whole.bias), "in_proj")
    block.known("out_proj(scan(act(conv1d(x))) * act(z)), x and z the halves of in_proj")
    op = block.layer(Opaque("selective scan", "x_proj, dt_proj, A_log, D", scan), "ssm")
    path = Sequence((half, parts["conv1d"], *block.steps("act"), op))
    gate = Sequence((half, *(block.steps("act") or [block.layer(Activation("silu"), "act")])))
    return Sequence((Product((path, gate), block.path, "assumed"), parts["out_proj"]), block.path)


ENTRIES = (
    entry(
        "input_layernorm self_attn post_attention_layernorm pre_feedforward_layernorm post_feedforward_layernorm mlp",
        stack(
            "+ input_layernorm self_attn post_attention_layernorm",
            "+ pre_feedforward_layernorm mlp post_feedforward_layernorm",
        ),
    ),
    entry(
        "self_attn post_attention_layernorm post_feedforward_layernorm mlp",
        stack("+ self_attn post_attention_layernorm", "+ mlp post_feedforward_layernorm"),
    ),
    entry(
        "input_layernorm self_attn post_attention_layernorm mlp",
        stack(
            "+ input_layernorm self_attn resid_attn_dropout",
            "+ post_attention_layernorm mlp resid_mlp_dropout dropout",
        ),
    ),
    entry(
        "input_layernorm self_attn post_attention_layernorm block_sparse_moe",
        stack("+ input_layernorm self_attn", "+ post_attention_layernorm block_sparse_moe"),
    ),
    entry("gate_proj up_proj down_proj", gated),
    entry("w1 w2 w3", gated, "act_fn"),
    entry("gate_up_proj down_proj", joint_gate),
    entry("fc1 act drop1 norm fc2 drop2", glu_mlp, cls=r"GluMlp"),
    entry("gate experts", experts),
    entry("router experts", experts),
    entry("norm mixer", stack("+ norm mixer"), "norm"),
    entry("conv1d in_proj x_proj dt_proj out_proj", mamba),
)
