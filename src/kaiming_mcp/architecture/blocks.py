"""Composite modules whose forward() a printout hides, known from their library's source.

A block is recognised by the names of its children, so that copies of a design under another class name
are read too. Everything that only the class implies (adds, order, functional activations) is assumed.

Sources: torchvision.models.resnet (BasicBlock, Bottleneck), torch.nn.TransformerEncoderLayer and
MultiheadAttention, transformers.models.gpt2 (GPT2Block), transformers.models.llama (LlamaDecoderLayer).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Difference,
    Layer,
    Linear,
    Node,
    Origin,
    Product,
    Residual,
    Sequence,
)
from kaiming_mcp.architecture.parameters import parameter_count, total_parameters
from kaiming_mcp.architecture.torch_repr import Module


class Context(Protocol):
    """What a block needs from the converter that meets it."""

    copies: int
    final_norm: bool

    def node(self, module: Module, path: str) -> Node:
        """Convert a child."""
        ...

    def assume(self, statement: str, settle: str) -> None:
        """Record what the text hides."""
        ...

    def differ(self, difference: Difference) -> None:
        """Record parameters that the printed modules miss or count twice."""
        ...


Builder = Callable[[Module, str, Context], Node]


def find_block(module: Module) -> Builder | None:
    """The builder of a known block, by the names of its children; None for any other module."""
    names = {c.name for c in module.children}
    if module.cls == "MultiheadAttention" and "out_proj" in names:
        return _multihead
    if {"self_attn", "linear1", "linear2", "norm1", "norm2"} <= names and "multihead_attn" not in names:
        return _encoder_layer
    if {"ln_1", "attn", "ln_2", "mlp"} == names:
        return _gpt_block
    if {"input_layernorm", "self_attn", "post_attention_layernorm", "mlp"} == names:
        return _decoder_layer
    if {"q_proj", "k_proj", "v_proj"} < names and names & {"o_proj", "out_proj"}:
        return _separate_attention
    if {"c_attn", "c_proj"} <= names:
        return _fused_attention
    if {"c_fc", "c_proj"} <= names:
        return _gpt_mlp
    if {"gate_proj", "up_proj", "down_proj"} <= names:
        return _gated_mlp
    if {"conv1", "bn1", "conv2", "bn2"} <= names <= _RESNET_CHILDREN:
        return _resnet_block
    return None


_RESNET_CHILDREN = {
    *(f"{kind}{i}" for kind in ("conv", "bn", "relu", "act") for i in (1, 2, 3)),
    "relu",
    "downsample",
    "shortcut",
}


def _child(module: Module, name: str) -> Module:
    return next(c for c in module.children if c.name == name)


def _named(module: Module, names: tuple[str, ...], path: str, context: Context) -> list[Node]:
    """Children of these names that exist, in this order."""
    known = {c.name: c for c in module.children}
    return [context.node(known[n], f"{path}.{n}") for n in names if n in known]


def _implied(op: Activation, module: Module, path: str) -> Layer:
    return Layer(op, path, Origin(module.line, f"implied by {module.cls}"), "assumed")


def _resnet_block(module: Module, path: str, context: Context) -> Node:
    """x + branch(x), then ReLU; batch norms before their convolutions mark the pre-activation form."""
    order = [c.name for c in module.children]
    relu = _implied(Activation("relu"), module, f"{path}.relu")
    printed = next((c for c in module.children if c.name.startswith(("relu", "act"))), None)
    act = context.node(printed, f"{path}.{printed.name}") if printed is not None else relu
    pre = order.index("bn1") < order.index("conv1")
    steps: list[Node] = []
    depth = [i for i in (1, 2, 3) if f"conv{i}" in order]
    for i in depth:
        pair = _named(module, (f"bn{i}", f"conv{i}") if pre else (f"conv{i}", f"bn{i}"), path, context)
        if pre:
            pair.insert(1, act)
        elif i != depth[-1]:
            pair.append(act)
        steps += pair
    skip = next((c for c in module.children if c.name in {"downsample", "shortcut"}), None)
    shortcut = context.node(skip, f"{path}.{skip.name}") if skip is not None and skip.children else None
    total = Residual(Sequence(tuple(steps)), shortcut, 1.0, path, "assumed")
    form = "activation inside the branch" if pre else "ReLU after the add"
    context.assume(f"{module.cls}: x + branch(x), {form}, from its known forward()", f"forward() of {module.cls}")
    return total if pre else Sequence((total, act), path)


def _multihead(module: Module, path: str, context: Context) -> Node:
    out = context.node(_child(module, "out_proj"), f"{path}.out_proj")
    if not (isinstance(out, Layer) and isinstance(out.op, Linear)):
        return out
    width, bias = out.op.in_features, out.op.bias
    hidden = (3 * width * width + 3 * width * bias) * context.copies
    context.differ(Difference(hidden, "in_proj of MultiheadAttention, not printed"))
    return Layer(Attention(width, 0, 0, bias, packed=True), path, Origin(module.line, module.text), "assumed")


def _encoder_layer(module: Module, path: str, context: Context) -> Node:
    act = next((c for c in module.children if c.name == "activation"), None)
    middle = (
        context.node(act, f"{path}.activation")
        if act is not None
        else _implied(Activation("relu"), module, f"{path}.activation")
    )
    attention = _named(module, ("self_attn", "dropout1"), path, context)
    first = _named(module, ("linear1",), path, context)
    last = _named(module, ("dropout", "linear2", "dropout2"), path, context)
    norm1, norm2 = _named(module, ("norm1", "norm2"), path, context)
    pre = context.final_norm
    hint = "a final norm follows, so pre-norm is likelier" if pre else "no final norm follows, so torch's default"
    context.assume(
        f"{module.cls}: norm_first = {pre} ({hint}); activation {'printed' if act else 'relu, the default'}: "
        "print(model) shows neither",
        "print(model.layers[0].norm_first, model.layers[0].activation)",
    )
    feed = [*first, middle, *last]
    if pre:
        steps: tuple[Node, ...] = (
            Residual(Sequence((norm1, *attention)), None, 1.0, f"{path}.self_attn", "assumed"),
            Residual(Sequence((norm2, *feed)), None, 1.0, f"{path}.linear2", "assumed"),
        )
    else:
        steps = (
            Residual(Sequence(tuple(attention)), None, 1.0, f"{path}.self_attn", "assumed"),
            norm1,
            Residual(Sequence(tuple(feed)), None, 1.0, f"{path}.linear2", "assumed"),
            norm2,
        )
    return Sequence(steps, path)


def _pre_norm_pair(
    module: Module, path: str, context: Context, first: tuple[str, str], second: tuple[str, str]
) -> Node:
    context.assume(
        f"{module.cls}: pre-norm, x + attention(norm(x)), then x + mlp(norm(x)), from its known forward()",
        f"forward() of {module.cls}",
    )
    return Sequence(
        tuple(
            Residual(
                Sequence(tuple(_named(module, pair, path, context))),
                None,
                1.0,
                f"{path}.{pair[1]}",
                "assumed",
            )
            for pair in (first, second)
        ),
        path,
    )


def _gpt_block(module: Module, path: str, context: Context) -> Node:
    return _pre_norm_pair(module, path, context, ("ln_1", "attn"), ("ln_2", "mlp"))


def _decoder_layer(module: Module, path: str, context: Context) -> Node:
    norms = ("input_layernorm", "post_attention_layernorm")
    return _pre_norm_pair(module, path, context, (norms[0], "self_attn"), (norms[1], "mlp"))


def _separate_attention(module: Module, path: str, context: Context) -> Node:
    """Query, key, value and output projections printed one by one."""
    parts = {c.name: context.node(c, f"{path}.{c.name}") for c in module.children}
    query, key = _linear_op(parts["q_proj"]), _linear_op(parts["k_proj"])
    if query is None or key is None:
        return Sequence(tuple(parts.values()), path)
    width, kv, bias = query.in_features, key.out_features, query.bias
    plain = Attention(width, 0, 0 if kv == width else kv, bias)
    extra = total_parameters(Sequence(tuple(parts.values()))) - (parameter_count(plain) or 0)
    return _attention_layer(Attention(width, 0, plain.kv_features, bias, extra, causal="o_proj" in parts), module, path)


def _fused_attention(module: Module, path: str, context: Context) -> Node:
    """One projection for query, key and value together, then the output projection and dropouts."""
    parts = [context.node(c, f"{path}.{c.name}") for c in module.children]
    fused = _linear_op(parts[[c.name for c in module.children].index("c_attn")])
    if fused is None:
        return Sequence(tuple(parts), path)
    plain = Attention(fused.in_features, 0, 0, fused.bias)
    extra = total_parameters(Sequence(tuple(parts))) - (parameter_count(plain) or 0)
    attention = _attention_layer(Attention(plain.features, 0, 0, plain.bias, extra, causal=True), module, path)
    return Sequence((attention, *_named(module, ("resid_dropout",), path, context)), path)


def _linear_op(node: Node) -> Linear | None:
    return node.op if isinstance(node, Layer) and isinstance(node.op, Linear) else None


def _attention_layer(op: Attention, module: Module, path: str) -> Layer:
    return Layer(op, path, Origin(module.line, module.text), "assumed")


def _gated_mlp(module: Module, path: str, context: Context) -> Node:
    """down(act(gate(x)) * up(x))."""
    gate = [*_named(module, ("gate_proj", "act_fn"), path, context)]
    if len(gate) == 1:
        gate.append(_implied(Activation("silu"), module, f"{path}.act_fn"))
    (up,) = _named(module, ("up_proj",), path, context)
    down = _named(module, ("down_proj",), path, context)
    return Sequence((Product((Sequence(tuple(gate)), up), path), *down), path)


def _gpt_mlp(module: Module, path: str, context: Context) -> Node:
    """c_proj(act(c_fc(x))): the activation is registered last but runs between."""
    return Sequence(tuple(_named(module, ("c_fc", "act", "c_proj", "dropout"), path, context)), path)
