"""Encoders of text: BERT and its kin, post-norm, with the head that the class name asks for.

Source: transformers 5.x, models/{bert,roberta,electra,distilbert,albert,mpnet,deberta,deberta_v2,modernbert}.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kaiming_mcp.architecture.config.fields import Fields
from kaiming_mcp.architecture.config.parts import (
    Heads,
    Normal,
    Tower,
    activation,
    attention,
    biased,
    chain,
    dropout,
    embedded,
    gated_mlp,
    heads_of,
    layer,
    mlp,
    post_norm,
    pre_norm,
    tied_head,
    unknown_head,
)
from kaiming_mcp.architecture.ir import Activation, Conv, Embedding, Linear, Node, Opaque, Repeat
from kaiming_mcp.architecture.parameters import total_parameters

_ONE_ANSWER = frozenset(("ForSequenceClassification", "ForMultipleChoice"))
_CLASSIFIERS = _ONE_ANSWER | {"ForTokenClassification", "ForQuestionAnswering"}


@dataclass(frozen=True, slots=True)
class Style:
    """Where a family differs from BERT."""

    types: bool = True
    pooled: frozenset[str] = _ONE_ANSWER | {"Model", "ForNextSentencePrediction", "ForPreTraining"}
    """Classes with a pooler."""
    pooler: str = "tanh"
    dense: str = ""
    """The activation of a dense layer before the classifier, where it takes the pooler's place."""
    shared: bool = False
    eps: float = 0.0


_UNPOOLED = Style(pooled=frozenset(("Model", "ForMultipleChoice")), dense="tanh")
_DEBERTA = Style(pooled=_ONE_ANSWER, pooler="gelu")
STYLES: dict[str, Style] = {
    "bert": Style(),
    "roberta": _UNPOOLED,
    "xlm-roberta": _UNPOOLED,
    "camembert": _UNPOOLED,
    "mpnet": replace(_UNPOOLED, types=False),
    "electra": Style(pooled=frozenset(), dense="gelu"),
    "distilbert": Style(types=False, pooled=frozenset(), dense="relu", eps=1e-12),
    "albert": Style(shared=True),
    "deberta": _DEBERTA,
    "deberta-v2": _DEBERTA,
}


def read_encoder(family: str, f: Fields, kind: str) -> list[Tower]:
    """One network: embeddings, post-norm blocks, pooler and head."""
    style = STYLES[family]
    tower = Tower(f, initialization=f.std())
    tower.assume("blocks are norm(x + attention(x)), then norm(x + mlp(x)): the family's known forward()")
    width = f.whole("hidden_size")
    normal = Normal("layer", style.eps or f.real("layer_norm_eps", least=0))
    inner = f.whole("embedding_size", width) if family not in ("bert", "distilbert") else width
    _embedding(style, family, f, tower, inner, normal)
    body = _block(family, f, tower, width, normal, kind in ("ForCausalLM", "LMHeadModel"))
    count = f.whole("num_hidden_layers")
    if style.shared:
        groups, inside = f.whole("num_hidden_groups"), f.whole("inner_group_num")
        if inside > 64 or groups > count:
            f.refuse(f"{count} layers in {groups} groups of {inside}: at most as many groups as layers, 64 in a group")
        body = chain(*[body] * inside)
        tower.differ((groups - count) * total_parameters(body), f"{count} layers share the weights of {groups}")
    tower.add(Repeat(count, body, "layers"))
    _head(style, family, f, tower, kind, inner, normal)
    return [tower]


def _embedding(style: Style, family: str, f: Fields, tower: Tower, inner: int, normal: Normal) -> None:
    width = f.whole("hidden_size")
    tables: list[tuple[int, str]] = []
    if style.types and (types := f.whole("type_vocab_size", least=0)):
        tables.append((types, "embeddings.token_type"))
    if not f.knows("position_biased_input") or f.flag("position_biased_input"):
        tables.append((f.whole("max_position_embeddings"), "embeddings.position"))
    total = embedded(layer(Embedding(f.whole("vocab_size"), inner), "embeddings.word"), inner, tables)
    late = family.startswith("deberta")
    project = inner != width or style.shared
    tower.add(total)
    if project and late:
        tower.add(layer(Linear(inner, width, False), "embeddings.project"))
    tower.add(normal.layer(width if late else inner, "embeddings.norm"))
    if drop := dropout(f.share("hidden_dropout"), "embeddings.dropout"):
        tower.add(drop)
    if project and not late:
        tower.add(layer(Linear(inner, width), "embeddings.project"))


def _block(family: str, f: Fields, tower: Tower, width: int, normal: Normal, causal: bool) -> Node:
    heads = heads_of(f, width, f.whole("num_attention_heads"))
    biases = (True, family != "deberta", True, True)
    more = _relative(family, f, tower, heads, normal) if family.startswith("deberta") else 0
    if family == "mpnet":
        rows = f.whole("relative_attention_num_buckets")
        tower.differ(rows * heads.count, "relative position biases, shared by all layers")
    drop = dropout(f.share("hidden_dropout"), "layers.dropout")
    mixer: list[Node | None] = [
        attention(width, heads, "layers.attention", biases=biases, more=more, causal=causal),
        drop,
    ]
    if f.knows("add_cross_attention") and f.flag("add_cross_attention"):
        mixer.append(layer(Opaque("cross-attention"), "layers.cross_attention"))
        tower.assume("cross-attention (add_cross_attention) is not read; its parameters are not counted")
    feed = mlp(width, f.whole("intermediate_size"), f.word("hidden_act"), "layers.mlp")
    return post_norm(
        [
            (chain(*mixer), normal.layer(width, "layers.attention.norm")),
            (chain(feed, drop), normal.layer(width, "layers.mlp.norm")),
        ],
        "layers",
    )


def _relative(family: str, f: Fields, tower: Tower, heads: Heads, normal: Normal) -> int:
    """Parameters of disentangled attention in each layer; what all layers share becomes differences."""
    kinds, width = f.words("pos_att_type"), f.whole("hidden_size")
    more = 2 * heads.count**2 if family == "deberta" and f.flag("talking_head", False) else 0
    newer = family == "deberta-v2"
    if newer and "layer_norm" in f.words("norm_rel_ebd"):
        tower.differ(2 * width, "norm of the relative position table")
    if newer and (kernel := f.whole("conv_kernel_size", 0, least=0)):
        groups = f.whole("conv_groups", 1)
        conv = Conv(width, width, (kernel,), (1,), ((kernel - 1) // 2,), (1,), groups)
        count = total_parameters(chain(layer(conv, "conv"), normal.layer(width, "conv.norm")))
        tower.differ(count, "the convolution beside the first layer, which is not traced")
    if not f.flag("relative_attention"):
        return more
    rows = f.whole("position_buckets", 0, -1) if newer else 0
    if rows < 1:
        rows = f.whole("max_relative_positions", -1, -1)
    rows = rows if rows > 0 else f.whole("max_position_embeddings")
    tower.differ(2 * rows * width, "the relative position table, shared by all layers")
    if family == "deberta":
        return more + width * width * ("c2p" in kinds) + (width * width + width) * ("p2c" in kinds)
    own = not f.flag("share_att_key", False)
    return more + own * (width * width + width) * (("c2p" in kinds) + ("p2c" in kinds))


def _head(style: Style, family: str, f: Fields, tower: Tower, kind: str, inner: int, normal: Normal) -> None:
    width = f.whole("hidden_size")
    known = {"Model", "ForMaskedLM", "ForCausalLM", "LMHeadModel", "ForPreTraining", "ForNextSentencePrediction"}
    if kind not in known | _CLASSIFIERS:
        unknown_head(tower, kind)
        return
    if kind == "ForPreTraining" and family == "electra":
        dense = layer(Linear(width, width), "head.dense")
        tower.add(dense, layer(activation(f.word("hidden_act")), "head.act"), layer(Linear(width, 1), "head.out"))
        return
    pooler = chain(layer(Linear(width, width), "pooler"), layer(Activation(style.pooler), "pooler.act"))
    if kind == "ForPreTraining":
        classes = f.labels() if style.shared else 2
        tower.differ(total_parameters(pooler) + (width + 1) * classes, "pooler and sentence head, beside the LM head")
    elif kind in style.pooled:
        tower.add(pooler)
        tower.assume("the pooler reads the first token; it is shown as applied to every token")
    if kind in ("ForMaskedLM", "ForCausalLM", "LMHeadModel", "ForPreTraining"):
        act = "gelu" if style.dense == "tanh" else f.word("hidden_act")
        tower.add(layer(Linear(width, inner), "head.dense"), layer(activation(act), "head.act"))
        tower.add(normal.layer(inner, "head.norm"))
        tied = f.flag("tie_word_embeddings", True)
        tied_head(tower, inner, f.whole("vocab_size"), tied, bias=True)
        if not tied and family not in ("electra", "distilbert"):
            tower.differ(f.whole("vocab_size"), "a second bias of the untied head, which nothing uses")
    elif kind != "Model":
        _classifier(style, f, tower, kind)


def _classifier(style: Style, f: Fields, tower: Tower, kind: str) -> None:
    width = f.whole("hidden_size")
    classes = {"ForMultipleChoice": 1, "ForNextSentencePrediction": 2}.get(kind)
    if style.dense and kind in _ONE_ANSWER - style.pooled:
        tower.add(layer(Linear(width, width), "classifier.dense"), layer(Activation(style.dense), "classifier.act"))
        tower.assume("the classifier reads the first token; it is shown as applied to every token")
    if drop := dropout(f.share("hidden_dropout"), "classifier.dropout"):
        tower.add(drop)
    tower.add(layer(Linear(width, classes or f.labels()), "classifier"))


def read_modernbert(f: Fields, kind: str) -> list[Tower]:
    """ModernBERT: pre-norm, gated mlp, no positions table; the first layer has no norm before attention."""
    tower = Tower(f, initialization=f.std("gpt2 truncated normal cut 2 std"))
    tower.assume("blocks are x + attention(norm(x)), then x + mlp(norm(x)): the family's known forward()")
    width, heads = f.whole("hidden_size"), heads_of(f, f.whole("hidden_size"), f.whole("num_attention_heads"))
    normal = Normal("layer", f.real("layer_norm_eps", least=0), bias=f.flag("norm_bias"))
    tower.add(layer(Embedding(f.whole("vocab_size"), width), "embeddings.word"), normal.layer(width, "embeddings.norm"))
    mixer = attention(
        width, heads, "layers.attention", biases=biased(f.flag("attention_bias"), f.flag("attention_bias"))
    )
    act = f.word("hidden_activation")
    feed = gated_mlp(width, f.whole("intermediate_size"), act, "layers.mlp", f.flag("mlp_bias"))
    second = (normal.layer(width, "layers.mlp.norm"), feed, None)
    tower.add(pre_norm([(None, mixer, None), second], "layers.0"))
    if (count := f.whole("num_hidden_layers")) > 1:
        block = pre_norm([(normal.layer(width, "layers.attention.norm"), mixer, None), second], "layers")
        tower.add(Repeat(count - 1, block, "layers"))
    tower.add(normal.layer(width, "norm"))
    if kind == "Model":
        return [tower]
    if kind not in _CLASSIFIERS | {"ForMaskedLM"}:
        unknown_head(tower, kind)
        return [tower]
    tower.add(layer(Linear(width, width, f.flag("classifier_bias", False)), "head.dense"))
    tower.add(layer(activation("gelu"), "head.act"), normal.layer(width, "head.norm"))
    if kind == "ForMaskedLM":
        tied_head(tower, width, f.whole("vocab_size"), f.flag("tie_word_embeddings"), f.flag("decoder_bias"))
    else:
        tower.add(layer(Linear(width, 1 if kind == "ForMultipleChoice" else f.labels()), "classifier"))
    return [tower]
