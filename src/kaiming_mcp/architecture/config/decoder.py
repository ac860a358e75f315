"""Decoder-only language models, built from the style of their family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from kaiming_mcp.architecture.config.experts import Experts, mixture
from kaiming_mcp.architecture.config.fields import Fields
from kaiming_mcp.architecture.config.parts import (
    Heads,
    Normal,
    Tower,
    attention,
    biased,
    chain,
    dropout,
    embedded,
    gated_mlp,
    heads_of,
    layer,
    mlp,
    parallel,
    post_norm,
    pre_norm,
    repeated,
    scaled,
    tied_head,
    unknown_head,
)
from kaiming_mcp.architecture.ir import Activation, Embedding, Layer, Linear, Node, NormKind, Opaque, Scale

Order = Literal["pre", "parallel", "two norms", "after", "sandwich", "post"]
Switch = bool | str
"""A fixed yes or no, or the field that says it."""
_ORDERS: dict[Order, str] = {
    "pre": "x + attention(norm(x)), then x + mlp(norm(x))",
    "parallel": "x + attention(n) + mlp(n), n = norm(x)",
    "two norms": "x + attention(norm1(x)) + mlp(norm2(x))",
    "after": "x + norm(attention(x)), then x + norm(mlp(x))",
    "sandwich": "x + norm(attention(norm(x))), then x + norm(mlp(norm(x)))",
    "post": "norm(x + attention(x)), then norm(x + mlp(x))",
}


@dataclass(frozen=True, slots=True)
class Style:
    """What a family's code fixes and its config does not say."""

    norm: NormKind = "rms"
    affine: Switch = True
    norm_bias: bool = True
    eps: float = 0.0
    order: Order | Callable[[Fields], Order] = "pre"
    gated: bool = True
    act: str = "hidden_act"
    qkv_bias: Switch = False
    out_bias: Switch = False
    mlp_bias: Switch = False
    head_bias: bool = False
    extra_positions: int | None = None
    """Rows of the position table beyond max_position_embeddings; None where there is no table."""
    query_norm: Literal["", "head", "width"] = ""
    query_norm_field: str = ""
    query_norm_bias: bool = False
    scale: Callable[[Fields], float] = lambda _: 0.0
    key_values: Callable[[Fields], int | None] = lambda _: None
    attention: Callable[[Fields, int], Layer] | None = None
    """Builds attention of another kind."""
    experts: Experts | None = None
    sparse: Callable[[Fields, int], list[bool]] = lambda _, count: [True] * count
    """Which of so many layers have experts, where a family has any."""
    initialization: str = "std"
    root_width: bool = False
    """Whether embeddings are multiplied by the root of the width."""
    embedding_norm: bool = False
    remark: str = ""


def read_decoder(style: Style, f: Fields, kind: str) -> list[Tower]:
    """One network: embedding, blocks, final norm, head."""
    tower = Tower(f, initialization=f.std(style.initialization))
    width = f.whole("hidden_size")
    order = style.order(f) if callable(style.order) else style.order
    tower.assume(f"blocks are {_ORDERS[order]}: the family's known forward(), not in the file")
    if style.remark:
        tower.assume(style.remark)
    normal = Normal(style.norm, style.eps or f.real("layer_norm_eps", least=0), _on(f, style.affine), style.norm_bias)
    inner = f.optional("word_embed_proj_dim") or width
    _embedding(style, f, tower, inner, normal)
    tower.add(*_blocks(style, f, tower, normal, order))
    if order != "post" and not (f.knows("_remove_final_layer_norm") and f.flag("_remove_final_layer_norm")):
        tower.add(normal.layer(width, "norm"))
    if inner != width:
        tower.add(layer(Linear(width, inner, False), "project_out"))
    _head(style, f, tower, kind, inner)
    return [tower]


def _on(f: Fields, switch: Switch) -> bool:
    return f.flag(switch, False) if isinstance(switch, str) else switch


def _embedding(style: Style, f: Fields, tower: Tower, inner: int, normal: Normal) -> None:
    width = f.whole("hidden_size")
    tokens = chain(
        layer(Embedding(f.whole("vocab_size"), inner), "embed_tokens"),
        layer(Linear(inner, width, False), "project_in") if inner != width else None,
    )
    if style.extra_positions is not None:
        rows = f.whole("max_position_embeddings") + style.extra_positions
        tokens = embedded(tokens, width, [(rows, "embed_positions")])
    tower.add(tokens)
    if style.root_width:
        tower.add(layer(Scale(width**0.5), "embed_scale"))
    if f.knows("embedding_multiplier") and (scale := scaled(f.real("embedding_multiplier"), "embed_scale")):
        tower.add(scale)
    if style.embedding_norm:
        tower.add(normal.layer(width, "embed_norm"))
    if f.knows("embd_pdrop") and (drop := dropout(f.share("embd_pdrop"), "embed_dropout")):
        tower.add(drop)


def _blocks(style: Style, f: Fields, tower: Tower, normal: Normal, order: Order) -> list[Node]:
    width, count = f.whole("hidden_size"), f.whole("num_hidden_layers")
    mixer = style.attention(f, width) if style.attention else _attention(style, f, width)
    sparse = style.sparse(f, count) if style.experts else [False] * count
    dense = chain(_mlp(style, f, width), *_dropped(f, "layers.mlp.dropout")) if not all(sparse) else None
    mixed = mixture(style.experts, f, tower, width, sum(sparse)) if style.experts and any(sparse) else None
    mixer = chain(mixer, *_dropped(f, "layers.attention.dropout"))
    if f.knows("add_cross_attention") and f.flag("add_cross_attention"):
        mixer = chain(mixer, layer(Opaque("cross-attention"), "layers.cross_attention"))
        tower.assume("cross-attention (add_cross_attention) is not read; its parameters are not counted")
    scale = f.real("residual_multiplier") if f.knows("residual_multiplier") else 1.0
    made = {
        has: _block(order, normal, width, mixer, feed, scale)
        for has, feed in ((True, mixed), (False, dense))
        if feed is not None
    }
    return repeated([made[has] for has in sparse], "layers")


def _dropped(f: Fields, path: str) -> list[Node]:
    drop = dropout(f.share("hidden_dropout"), path) if f.knows("hidden_dropout") else None
    return [drop] if drop else []


def _block(order: Order, normal: Normal, width: int, mixer: Node, feed: Node, scale: float) -> Node:
    def norm(i: int) -> Node:
        return normal.layer(width, f"layers.norm{i}")

    match order:
        case "pre":
            return pre_norm([(norm(1), mixer, None), (norm(2), feed, None)], "layers", scale)
        case "parallel":
            return parallel(mixer, feed, "layers", norm(1), scale)
        case "two norms":
            return parallel(chain(norm(1), mixer), chain(norm(2), feed), "layers", None, scale)
        case "after":
            return pre_norm([(None, mixer, norm(1)), (None, feed, norm(2))], "layers", scale)
        case "sandwich":
            return pre_norm([(norm(1), mixer, norm(2)), (norm(3), feed, norm(4))], "layers", scale)
        case "post":
            return post_norm([(mixer, norm(1)), (feed, norm(2))], "layers")


def _attention(style: Style, f: Fields, width: int) -> Layer:
    heads = heads_of(f, width, style.key_values(f))
    qkv = _on(f, style.qkv_bias)
    return attention(
        width,
        heads,
        "layers.attention",
        biases=biased(qkv, _on(f, style.out_bias)),
        more=_query_norms(style, f, heads),
        causal=True,
        scale=style.scale(f),
    )


def _query_norms(style: Style, f: Fields, heads: Heads) -> int:
    if not style.query_norm or not (not style.query_norm_field or f.flag(style.query_norm_field, False)):
        return 0
    numbers = 2 * heads.width if style.query_norm == "head" else heads.queries + heads.keys
    return numbers * (2 if style.query_norm_bias else 1)


def _mlp(style: Style, f: Fields, width: int) -> Node:
    build = gated_mlp if style.gated else mlp
    inner = f.optional("intermediate_size") or 4 * width
    return build(width, inner, f.word(style.act, "gelu_tanh"), "layers.mlp", _on(f, style.mlp_bias))


def _head(style: Style, f: Fields, tower: Tower, kind: str, width: int) -> None:
    match kind:
        case "Model":
            pass
        case "ForCausalLM" | "LMHeadModel":
            tied_head(tower, width, f.whole("vocab_size"), f.flag("tie_word_embeddings", True), style.head_bias)
            _logits(f, tower)
        case "ForSequenceClassification" | "TextForSequenceClassification":
            tower.add(layer(Linear(width, f.labels(), False), "score"))
            tower.assume("the head reads the last token; it is shown as applied to every token")
        case "ForTokenClassification":
            tower.add(layer(Linear(width, f.labels()), "score"))
        case "ForQuestionAnswering":
            tower.add(layer(Linear(width, 2), "qa_outputs"))
        case _:
            unknown_head(tower, kind)


def _logits(f: Fields, tower: Tower) -> None:
    for name, invert in (("logit_scale", False), ("logits_scaling", True)):
        factor = f.real(name) if f.knows(name) else 1.0
        if factor and (scale := scaled(1 / factor if invert else factor, name)):
            tower.add(scale)
    cap = f.real("final_logit_softcapping") if f.has("final_logit_softcapping") else 0.0
    if cap > 0:
        path = "final_logit_softcapping"
        tower.add(layer(Scale(1 / cap), path), layer(Activation("tanh"), path), layer(Scale(cap), path))
