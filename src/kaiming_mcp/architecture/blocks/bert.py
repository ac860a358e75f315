"""BERT and its kin: added embeddings, then layers that normalize after each add.

Sources: transformers.models.bert, roberta, electra, distilbert, albert, deberta, deberta_v2, modernbert, wav2vec2.
"""

from __future__ import annotations

from kaiming_mcp.architecture.blocks.attention import attention, window_bias
from kaiming_mcp.architecture.blocks.block import Block, entry, in_order, linear_op, stack
from kaiming_mcp.architecture.ir import Layer, Linear, Node, Product, Reshape, Sequence

TABLES = (
    *("word_embeddings", "tok_embeddings", "token_embedding", "wte", "embed_tokens"),
    *("position_embeddings", "position_embedding", "wpe", "embed_positions", "token_type_embeddings"),
)


def added(block: Block) -> Node:
    """The sum of the tables, then norm and dropout, in whichever order they are printed."""
    nodes = [node for node in block.steps(*TABLES) if not _empty(node)]
    if not nodes:
        return in_order(block)
    total = nodes[0]
    for node in nodes[1:]:
        total = block.residual([node], total)
    if len(nodes) > 1:
        block.known("the vectors of its tables are added")
    norms = block.steps("LayerNorm", "layer_norm", "norm", "embed_proj", "dropout", "drop")
    return Sequence((total, *norms, *block.rest()), block.path)


def attention_and_output(block: Block) -> Node:
    """BertAttention: norm(x + dense(attention(x))); the older ViTAttention has no add of its own."""
    inner = block.inside(block.first("self", "attention"))
    last = block.inside("output")
    parts = [*inner.rest(), *last.steps("dense")]
    joined = _joined(inner, parts)
    steps = [*joined, *last.steps("dropout")]
    norms = last.steps("LayerNorm", "layer_norm")
    if not norms:
        return Sequence(tuple(steps), block.path)
    block.known("norm(x + output.dense(attention(x)))")
    return Sequence((block.residual(steps), *norms), block.path)


def _joined(inner: Block, parts: list[Node]) -> list[Node]:
    names = list(inner.children)
    by_name = dict(zip(names, parts, strict=False))
    query = by_name.get("query") or by_name.get("query_proj")
    key = by_name.get("key") or by_name.get("key_proj")
    whole = linear_op(by_name.get("in_proj"))
    if whole is not None:  # DeBERTa: one matrix without bias; biases of query and value are parameters
        width = whole.in_features
        inner.hide(2 * width, "q_bias and v_bias", layered=True)
        return [attention(inner, Linear(width, width, whole.bias), width, parts, 2 * width)]
    q, k = linear_op(query), linear_op(key)
    if q is None or k is None:
        return parts
    hidden = window_bias(inner, q.out_features) if inner.module.cls == "SwinSelfAttention" else 0
    return [attention(inner, q, k.out_features, parts, hidden)]


def bert_layer(block: Block) -> Node:
    """norm(x + output(intermediate(x))) behind the attention; a decoder has cross-attention between."""
    first = block.steps("attention", "crossattention")
    middle = block.steps("intermediate")
    last = block.inside("output")
    steps = [*middle, *last.steps("dense", "dropout")]
    block.known("norm(x + output.dense(intermediate(x))) behind the attention")
    norms = last.steps("LayerNorm", "layer_norm")
    return Sequence((*first, block.residual(steps), *norms), block.path)


def albert_attention(block: Block) -> Node:
    """AlbertAttention: as BERT's, in one module."""
    parts = block.steps("query", "key", "value", "dense", "attention_dropout")
    q, k = linear_op(parts[0]), linear_op(parts[1])
    if q is None or k is None:
        return in_order(block)
    block.known("LayerNorm(x + dense(attention(x)))")
    branch = [attention(block, q, k.out_features, parts), *block.steps("output_dropout")]
    return Sequence((block.residual(branch), *block.steps("LayerNorm")), block.path)


def albert(block: Block) -> Node:
    """AlbertTransformer: one group of layers is applied again and again, 12 times by default."""
    block.context.assume(
        f"{block.module.cls}: its layers are shared and run num_hidden_layers times (12 by default); one is followed",
        "model.config.num_hidden_layers",
    )
    return in_order(block)


def gated_wi(block: Block) -> Node:
    """ModernBertMLP: Wi gives an input and a gate, act(input) * gate goes through Wo."""
    whole, act = block.node("Wi"), block.steps("act")
    op, out = linear_op(whole), block.steps("drop", "Wo")
    if op is None or op.out_features % 2:
        return Sequence((whole, *act, *out), block.path)
    block.known("Wo(act(input) * gate), input and gate the two halves of Wi")
    half = Linear(op.in_features, op.out_features // 2, op.bias)
    pair = Product((Sequence((block.layer(half, "Wi"), *act)), block.layer(half, "Wi")), block.path, "assumed")
    return Sequence((pair, *out), block.path)


def _empty(node: Node) -> bool:
    return isinstance(node, Layer) and isinstance(node.op, Reshape)


def head_last(block: Block) -> Node:
    """A model for one task: the backbone runs first, wherever it is printed."""
    backbone = next((name for name, child in block.children.items() if name not in _HEADS and child.children), "")
    first = block.steps(backbone)
    order = ("vocab_transform", "pre_classifier", "activation", "vocab_layer_norm")
    if "activation" not in block and "pre_classifier" in block:
        order = ("pre_classifier", "dropout")
    return Sequence((*first, *block.steps(*order), *block.rest()), block.path)


_HEADS = {"classifier", "dropout", "activation", "qa_outputs", "score"}


ENTRIES = (
    entry("self output", attention_and_output),
    entry("attention output", attention_and_output, "attention"),
    entry("attention intermediate output", bert_layer, "crossattention"),
    entry("query key value dense LayerNorm", albert_attention),
    entry("albert_layer_groups", albert),
    entry(
        "full_layer_layer_norm attention ffn ffn_output",
        stack("attention", "+ ffn activation ffn_output dropout", "full_layer_layer_norm"),
    ),
    entry(
        "attention sa_layer_norm ffn output_layer_norm",
        stack("+ attention", "sa_layer_norm", "+ ffn", "output_layer_norm"),
    ),
    entry("lin1 lin2 activation", stack("lin1", "activation", "lin2", "dropout")),
    entry("attn_norm attn mlp_norm mlp", stack("+ attn_norm attn", "+ mlp_norm mlp")),
    entry(
        "attention layer_norm feed_forward final_layer_norm",
        stack("+ attention dropout", "layer_norm", "+ feed_forward", "final_layer_norm"),
    ),
    entry("Wi act Wo", gated_wi),
    entry("word_embeddings", added, cls=r"\w*Embeddings?"),
    entry("token_embedding position_embedding", added, cls=r"\w*Embeddings?"),
    entry("tok_embeddings norm", added, "drop"),
    entry("classifier dropout", head_last, cls=r"\w+For\w*Classification"),
    entry("vocab_transform vocab_projector", head_last),
)
