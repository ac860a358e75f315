"""Attention with its projections, under the names that libraries give them.

Sources: torch.nn.MultiheadAttention; transformers (models.bert, gpt2, gpt_neox, llama, phi3, t5, distilbert, ...);
timm.models.vision_transformer, swin_transformer, beit, eva; torchvision.models.swin_transformer, maxvit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from kaiming_mcp.architecture.blocks.block import Block, Builder, entry, linear_op
from kaiming_mcp.architecture.ir import Attention, Embedding, Linear, Node, Norm, Sequence, layers
from kaiming_mcp.architecture.parameters import parameter_count, total_parameters
from kaiming_mcp.architecture.torch_modules import to_layer
from kaiming_mcp.architecture.torch_repr import Module

# Decoders that look back only. A printout shows no mask, so the class has to say it.
_CAUSAL = re.compile(
    r"(GPT|OPT|Bloom|Falcon|Phi|Llama|Mi[sx]tral|Qwen|Gemma|Olmo|StableLm|Cohere|Starcoder|Codegen|MPT|Persimmon).*",
    re.IGNORECASE,
)


_HEADS = re.compile(r"\b(?:num_|n_|n)?heads?=(\d{1,4})\b")
_WINDOW = re.compile(r"\bwindow_size=\(?(\d{1,3})\b")


def _printed(block: Block, what: re.Pattern[str]) -> int:
    """A number that the module prints of itself; 0 where it prints none."""
    found = what.search(block.module.arguments)
    return int(found[1]) if found else 0


def _is_causal(block: Block) -> bool:
    return _CAUSAL.match(block.module.cls) is not None


def attention(
    block: Block, query: Linear, key_width: int, parts: Iterable[Node], hidden: int = 0, heads: int = 0
) -> Node:
    """One Attention for projections that are printed, with whatever else they hold in `extra`."""
    inner = Sequence(tuple(parts))
    width, bias = query.in_features, query.bias
    kv = 0 if key_width == width else key_width
    rows = query.out_features
    norms = [la.op.features for la, _ in layers(inner) if isinstance(la.op, Norm)]
    tables = [la.op.features for la, _ in layers(inner) if isinstance(la.op, Embedding)]
    heads = heads or _printed(block, _HEADS) or next((rows // n for n in norms if rows % n == 0 and n < rows), 0)
    heads = heads or next(iter(tables), 0)
    plain = Attention(width, 0, kv, bias)
    extra = total_parameters(inner) + hidden - (parameter_count(plain) or 0)
    scale = 1.0 if {"q", "k", "v", "o"} <= set(block.children) else 0.0  # T5 does not divide by sqrt(d)
    op = Attention(width, heads, kv, bias, extra, causal=_is_causal(block), scale=scale)
    block.context.width = width
    return block.layer(op)


def separate(query: str, key: str, value: str, *out: str) -> Builder:
    """Query, key, value and output projections printed one by one."""

    def build(block: Block) -> Node:
        parts = {name: block.node(name) for name in block.children}
        q, k = linear_op(parts[query]), linear_op(parts[key])
        if q is None or k is None or linear_op(parts[value]) is None or not any(o in parts for o in out):
            return Sequence(tuple(parts.values()), block.path)
        hidden = window_bias(block, q.out_features) if "relative_position_bias" in block else 0
        return attention(block, q, k.out_features, parts.values(), hidden)

    return build


def joint_keys(block: Block) -> Node:
    """A query, and keys and values together; timm's pooling head adds an MLP behind."""
    tail = {"mlp", "norm"} if block.module.cls == "AttentionPoolLatent" else set[str]()
    parts = {name: block.node(name) for name in block.children if name not in tail}
    q, kv = linear_op(parts["q"]), linear_op(parts["kv"])
    if q is None or kv is None:
        return Sequence(tuple(parts.values()), block.path)
    node = attention(block, q, kv.out_features // 2, parts.values())
    if not tail:
        return node
    block.hide(q.in_features, "latent")
    block.known("one learned query, then x + mlp(norm(x))")
    return Sequence((node, block.residual(block.steps("norm", "mlp"))), block.path)


def fused(whole: str, *out: str, tail: str = "") -> Builder:
    """One projection for query, key and value together; what is left of the query's rows is keys and values."""

    def build(block: Block) -> Node:
        parts = {name: block.node(name) for name in block.children}
        joint, last = linear_op(parts[whole]), _last_linear(parts[next(o for o in out if o in parts)])
        if joint is None or last is None or last.in_features >= joint.out_features:
            return Sequence(tuple(parts.values()), block.path)
        rows = last.in_features
        query = Linear(joint.in_features, rows, joint.bias)
        kv = (joint.out_features - rows) // 2
        hidden = _hidden(block, rows, joint, parts.get("cpb_mlp"))
        first = [parts.pop(name) for name in ("norm",) if name in parts and whole == "to_qkv"]
        node = attention(block, query, kv, parts.values(), hidden)
        drop = [parts[name] for name in tail.split() if name in parts]
        return Sequence((*first, node, *drop), block.path) if first or drop else node

    return build


def _last_linear(node: Node) -> Linear | None:
    """The output projection, alone or with a dropout behind it."""
    found = [la for la, _ in layers(node) if linear_op(la) is not None]
    return linear_op(node) or (linear_op(found[0]) if len(found) == 1 else None)


def _hidden(block: Block, rows: int, joint: Linear, bias_network: Node | None) -> int:
    """Parameters of window and BEiT attention that are no modules."""
    cls, count = block.module.cls, 0
    if bias_network is not None:  # Swin V2: a logit scale for each head, which the bias network's output counts
        heads = next((op.out_features for la, _ in [*layers(bias_network)][::-1] if (op := linear_op(la))), 0)
        block.hide(heads, "logit_scale", layered=True)
        count = heads
        if not joint.bias:
            block.hide(2 * rows, "q_bias and v_bias", layered=True)
            count += 2 * rows
    elif cls in {"ShiftedWindowAttention", "RelativePositionalMultiHeadAttention"} or (
        cls == "WindowAttention" and "attn_drop" in block  # DaViT has one without a table
    ):
        count = window_bias(block, rows)
    elif cls == "EvaAttention" and not joint.bias:
        block.hide(2 * rows, "q_bias and v_bias", layered=True)
        count = 2 * rows
    return count


def window_bias(block: Block, rows: int) -> int:
    """The table of Swin's windows: by what is printed (the authors' own code), else by the family's sizes."""
    heads, window = _printed(block, _HEADS), _printed(block, _WINDOW)
    count = (2 * (window or 7) - 1) ** 2 * (heads or rows // 32)
    block.hide(count, "relative_position_bias_table", layered=True)
    if heads and window:
        return count
    block.context.assume(
        f"{block.module.cls}: heads of 32 features and windows of 7 x 7, the family's own; "
        "relative_position_bias_table is not printed, and its parameters follow from both",
        "the shape of relative_position_bias_table",
    )
    return count


def multihead(block: Block) -> Node:
    """torch.nn.MultiheadAttention: of its two matrices only out_proj is a module."""
    out = block.node("out_proj")
    op = linear_op(out)
    if op is None:
        return out
    width, bias = op.in_features, op.bias
    block.hide(3 * width * width + 3 * width * bias, "in_proj", layered=True)
    block.context.width = width
    return block.layer(Attention(width, 0, 0, bias, packed=True))


def head_by_head(block: Block) -> Node:
    """One module for each head, each with its own key, query and value, and a projection over all of them."""
    group = block.inside("heads")
    out, rest = block.steps("proj"), block.steps("dropout")
    heads, first = sum(c.copies for c in group.module.children), next(iter(group.module.children), None)
    parts = group.rest()
    names = {c.name for c in first.children} if first else set[str]()
    last = linear_op(out[0])
    queries = [op for part in parts for la, _ in layers(part) if (op := linear_op(la)) is not None]
    if not {"key", "query", "value"} <= names or not queries or last is None:
        return Sequence((*parts, *out, *rest), block.path)
    block.known(f"{heads} heads side by side, then proj")
    one = queries[0]
    query = Linear(one.in_features, heads * one.out_features, one.bias)
    return Sequence((attention(block, query, query.out_features, [*parts, *out], heads=heads), *rest), block.path)


def nested(block: Block) -> Node:
    """GPTNeoAttention: the attention itself one level down."""
    return block.node("attention")


_AFFIXES = r"(?:(?:w|to|fc|lin|linear|proj|in)_?)?", r"(?:_?(?:proj|projection|lin|linear|layer|fc|net|map|w))?"
_QUERY, _KEY, _VALUE = (
    re.compile(rf"{_AFFIXES[0]}{word}{_AFFIXES[1]}", re.IGNORECASE)
    for word in (r"q(?:uery|ueries)?", r"k(?:eys?)?", r"v(?:alues?)?")
)
_JOINT = re.compile(
    r"(?:w|to|in|fc|linear)?_?qkv(?:_?(?:proj|projection|linear|layer|fc))?|in_proj|c_attn", re.IGNORECASE
)


def by_names(module: Module) -> Builder | None:
    """Attention written by hand: Linears named for query, key and value, and one more that leads back."""
    ops = {c.name: to_layer(c, "").op for c in module.children if not c.children}
    linears = {name: op for name, op in ops.items() if isinstance(op, Linear)}
    if len(linears) == 2 and (whole := next((n for n in linears if _JOINT.fullmatch(n)), "")):
        (out,) = linears.keys() - {whole}
        square = linears[out].in_features == linears[out].out_features == linears[whole].in_features
        return fused(whole, out) if square and linears[whole].out_features == 3 * linears[out].in_features else None
    named = [[n for n in linears if what.fullmatch(n)] for what in (_QUERY, _KEY, _VALUE)]
    if len(linears) != 4 or any(len(n) != 1 for n in named):
        return None
    q, k, v = (n[0] for n in named)
    out = next(n for n in linears if n not in {q, k, v})
    query, back = linears[q], linears[out]
    if (back.in_features, back.out_features) != (query.out_features, query.in_features):
        return None
    return separate(q, k, v, out)


ENTRIES = (
    entry("out_proj", multihead, "out_proj", r"MultiheadAttention"),
    entry("heads proj", head_by_head, "dropout"),
    entry("attention", nested, "attention", r"GPTNeoAttention"),
    entry("q_proj k_proj v_proj", separate("q_proj", "k_proj", "v_proj", "o_proj", "out_proj", "dense", "proj")),
    entry("q kv proj", joint_keys, cls=r"(?!AttentionDown).*"),
    entry("q k v proj", separate("q", "k", "v", "proj")),
    entry("q k v o", separate("q", "k", "v", "o")),
    entry("q_lin k_lin v_lin out_lin", separate("q_lin", "k_lin", "v_lin", "out_lin")),
    entry("query key value dense", separate("query", "key", "value", "dense"), cls=r"(?!Albert).*"),
    entry("c_attn c_proj", fused("c_attn", "c_proj", tail="resid_dropout")),
    entry("query_key_value dense", fused("query_key_value", "dense")),
    entry("qkv proj", fused("qkv", "proj", tail="proj_drop")),
    entry("qkv_proj o_proj", fused("qkv_proj", "o_proj")),
    entry("qkv_proj out_proj", fused("qkv_proj", "out_proj")),
    entry("Wqkv Wo", fused("Wqkv", "Wo", tail="out_drop")),
    entry("Wqkv out_proj", fused("Wqkv", "out_proj")),
    entry("to_qkv to_out", fused("to_qkv", "to_out")),
    entry("to_q to_k to_v to_out", separate("to_q", "to_k", "to_v", "to_out")),
    entry("to_qkv merge", fused("to_qkv", "merge")),
)
