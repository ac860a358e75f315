"""Encoder-decoder models as two networks: BART and kin, Whisper, T5 and kin.

Source: transformers 5.x, models/{bart,mbart,pegasus,marian,whisper,t5,mt5,umt5}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kaiming_mcp.architecture.config.fields import Fields
from kaiming_mcp.architecture.config.parts import (
    Heads,
    Normal,
    Tower,
    attention,
    chain,
    dropout,
    embedded,
    gated_mlp,
    layer,
    mlp,
    post_norm,
    pre_norm,
    scaled,
    tied_head,
    unknown_head,
)
from kaiming_mcp.architecture.ir import Activation, Conv, Embedding, Linear, Node, Repeat, Shape

_CROSS = (
    "the decoder's cross-attention reads the encoder's output: it is named cross_attention and traced as if it "
    "read the decoder's own tokens"
)


@dataclass(frozen=True, slots=True)
class Style:
    """Where a family differs from BART."""

    post: bool = True
    extra_positions: int = 0
    embedding_norm: bool = False
    last_norm: bool = False
    key_bias: bool = True
    speech: bool = False


STYLES: dict[str, Style] = {
    "bart": Style(extra_positions=2, embedding_norm=True),
    "mbart": Style(False, 2, True, True),
    "pegasus": Style(False, last_norm=True),
    "marian": Style(),
    "whisper": Style(False, last_norm=True, key_bias=False, speech=True),
}


def read_bart(family: str, f: Fields, kind: str) -> list[Tower]:
    """Encoder and decoder as networks of their own, whose parameters add up to the whole."""
    style = STYLES[family]
    alone = kind in ("ForCausalLM", "ForAudioClassification")
    towers = [] if kind == "ForCausalLM" else [_half(style, f, "encoder", True)]
    if kind != "ForAudioClassification":
        towers.append(_half(style, f, "decoder", alone))
    for tower in towers:
        order = "norm(x + part(x))" if style.post else "x + part(norm(x))"
        tower.assume(f"blocks are {order} for attention and mlp in turn: the family's known forward()")
        if not alone:
            tower.assume(f"{len(towers)} networks, encoder and decoder, whose parameters add up to the model's")
    width, vocabulary, last = f.whole("hidden_size"), f.whole("vocab_size"), towers[-1]
    match kind:
        case "Model":
            pass
        case "ForConditionalGeneration" | "MTModel" | "ForCausalLM":
            tied_head(last, width, vocabulary, f.flag("tie_word_embeddings"))
        case "ForQuestionAnswering":
            last.add(layer(Linear(width, 2), "qa_outputs"))
        case "ForSequenceClassification":
            last.add(layer(Linear(width, width), "classifier.dense"), layer(Activation("tanh"), "classifier.act"))
            last.add(layer(Linear(width, f.labels(3 if family == "bart" else 2)), "classifier"))
        case "ForAudioClassification":
            inner = f.whole("classifier_proj_size")
            last.add(layer(Linear(width, inner), "projector"), layer(Linear(inner, f.labels()), "classifier"))
        case _:
            unknown_head(last, kind)
    return towers


def _half(style: Style, f: Fields, side: Literal["encoder", "decoder"], own_table: bool) -> Tower:
    tower = Tower(f, side, initialization=f.std())
    width, decoder = f.whole("hidden_size"), side == "decoder"
    normal = Normal("layer", 1e-5)
    if style.speech and not decoder:
        _speech(f, tower, width)
    else:
        positions = f.whole("max_target_positions") if style.speech else f.whole("max_position_embeddings")
        token = layer(Embedding(f.whole("vocab_size"), width), f"{side}.embed_tokens")
        scale = scaled(width**0.5, f"{side}.embed_scale") if f.flag("scale_embedding") else None
        rows = [(positions + style.extra_positions, f"{side}.embed_positions")]
        tower.add(embedded(chain(token, scale), width, rows))
        if not own_table and not style.speech:
            table = f.whole("vocab_size") * width
            if f.flag("tie_word_embeddings"):
                tower.differ(-table, "the token embedding is the encoder's")
            else:
                tower.differ(table, "a third embedding table (shared), which nothing reads when untied")
    if style.embedding_norm:
        tower.add(normal.layer(width, f"{side}.embed_norm"))
    if drop := dropout(f.share("hidden_dropout"), f"{side}.dropout"):
        tower.add(drop)
    tower.add(Repeat(f.whole(f"{side}_layers"), _block(style, f, side, normal, decoder), f"{side}.layers"))
    if decoder:
        tower.assume(_CROSS)
    if style.last_norm:
        tower.add(normal.layer(width, f"{side}.norm"))
    return tower


def _speech(f: Fields, tower: Tower, width: int) -> None:
    mels = f.whole("num_mel_bins")
    tower.input = Shape(mels, None)
    for i, (into, stride) in enumerate(((mels, 1), (width, 2)), 1):
        tower.add(layer(Conv(into, width, (3,), (stride,), (1,), (1,)), f"encoder.conv{i}"))
        tower.add(layer(Activation("gelu"), f"encoder.act{i}"))
    tower.steps = [embedded(chain(*tower.steps), width, [(f.whole("max_source_positions"), "encoder.embed_positions")])]


def _block(style: Style, f: Fields, side: str, normal: Normal, decoder: bool) -> Node:
    width, count = f.whole("hidden_size"), f.whole(f"{side}_attention_heads")
    if width % count:
        f.refuse(f"d_model {width:,} is not a multiple of {side}_attention_heads {count:,}")
    heads, path = Heads(count, width // count, count), f"{side}.layers"
    biases = (True, style.key_bias, True, True)
    drop = dropout(f.share("hidden_dropout"), f"{path}.dropout")
    parts: list[tuple[str, Node]] = [
        ("attention", attention(width, heads, f"{path}.attention", biases=biases, causal=decoder))
    ]
    if decoder:
        parts.append(("cross_attention", attention(width, heads, f"{path}.cross_attention", biases=biases)))
    parts.append(("mlp", mlp(width, f.whole(f"{side}_ffn_dim"), f.word("hidden_act"), f"{path}.mlp")))
    named = [(chain(node, drop), normal.layer(width, f"{path}.{name}.norm")) for name, node in parts]
    if style.post:
        return post_norm(named, path)
    return pre_norm([(norm, node, None) for node, norm in named], path)


def read_t5(family: str, f: Fields, kind: str) -> list[Tower]:
    """T5: pre-norm with rms norms, relative position biases, no other biases."""
    alone = kind in ("EncoderModel", "ForTokenClassification")
    towers = [_t5_half(family, f, "encoder")] + ([] if alone else [_t5_half(family, f, "decoder")])
    for tower in towers:
        tower.assume("blocks are x + part(norm(x)): the family's known forward()")
        tower.assume("queries start smaller by 1/sqrt(d_kv), and scores are not divided: the same at the start")
        if not alone:
            tower.assume("2 networks, encoder and decoder, whose parameters add up to the model's")
    width, last = f.whole("hidden_size"), towers[-1]
    match kind:
        case "Model" | "EncoderModel":
            pass
        case "ForConditionalGeneration":
            _t5_language_head(f, last, width)
        case "ForQuestionAnswering":
            last.add(layer(Linear(width, f.labels()), "qa_outputs"))
        case "ForTokenClassification":
            last.add(layer(Linear(width, f.labels()), "classifier"))
        case "ForSequenceClassification":
            last.add(layer(Linear(width, width), "classifier.dense"), layer(Activation("tanh"), "classifier.act"))
            last.add(layer(Linear(width, f.labels()), "classifier"))
        case _:
            unknown_head(last, kind)
    return towers


def _t5_language_head(f: Fields, tower: Tower, width: int) -> None:
    vocabulary = f.whole("vocab_size")
    untied = f.values.get("tie_word_embeddings") is False
    if not untied and (scale := scaled(width**-0.5, "lm_head.scale")):
        tower.add(scale)
    tied_head(tower, width, vocabulary, True)
    if untied:
        tower.assume(
            f"transformers 5 ties the head although tie_word_embeddings is false; in versions before 5 it has "
            f"{width * vocabulary:,} parameters of its own",
            "print(transformers.__version__)",
        )


def _t5_half(family: str, f: Fields, side: Literal["encoder", "decoder"]) -> Tower:
    factor = f.positive("initializer_factor")
    tower = Tower(f, side, initialization="lecun" if factor == 1 else f"lecun gain {factor:g}")
    width, decoder, path = f.whole("hidden_size"), side == "decoder", f"{side}.layers"
    count = f.whole("num_hidden_layers")
    depth = (f.optional("num_decoder_layers") or count) if decoder else count
    normal = Normal("rms", f.real("layer_norm_eps", least=0))
    number = f.whole("num_attention_heads")
    heads = Heads(number, f.whole("d_kv"), number)
    table = f.whole("relative_attention_num_buckets") * number
    drop = dropout(f.share("hidden_dropout"), f"{path}.dropout")
    each = family == "umt5"
    tower.differ(0 if each else table, "relative position biases, in the first layer for all")
    parts: list[tuple[str, Node]] = [
        ("attention", attention(width, heads, f"{path}.attention", more=table * each, causal=decoder))
    ]
    if decoder:
        parts.append(("cross_attention", attention(width, heads, f"{path}.cross_attention")))
        tower.assume(_CROSS)
    parts.append(("mlp", _t5_mlp(f, width, path, drop)))
    tower.add(layer(Embedding(f.whole("vocab_size"), width), f"{side}.embed_tokens"))
    if decoder:
        tower.differ(-f.whole("vocab_size") * width, "the token embedding is the encoder's")
    if drop:
        tower.add(drop)
    block = pre_norm([(normal.layer(width, f"{path}.{n}.norm"), chain(node, drop), None) for n, node in parts], path)
    tower.add(Repeat(depth, block, path), normal.layer(width, f"{side}.norm"))
    if drop:
        tower.add(drop)
    return tower


def _t5_mlp(f: Fields, width: int, path: str, drop: Node | None) -> Node:
    words = f.word("feed_forward_proj").split("-")
    act = "gelu_new" if words == ["gated", "gelu"] else words[-1]
    build = gated_mlp if words[0] == "gated" else mlp
    return build(width, f.whole("intermediate_size"), act, f"{path}.mlp", False, drop)
