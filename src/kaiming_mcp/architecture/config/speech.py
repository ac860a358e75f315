"""Speech encoders: wav2vec 2.0 and HuBERT.

Source: transformers 5.x, models/{wav2vec2,hubert}.
"""

from __future__ import annotations

from kaiming_mcp.architecture.config.fields import Fields
from kaiming_mcp.architecture.config.parts import (
    Normal,
    Tower,
    activation,
    attention,
    biased,
    chain,
    dropout,
    heads_of,
    layer,
    mlp,
    post_norm,
    pre_norm,
    residual,
    unknown_head,
)
from kaiming_mcp.architecture.ir import Conv, Linear, Norm, Opaque, Repeat, Shape


def read_speech(f: Fields, kind: str) -> list[Tower]:
    """One network: convolutions over the waveform, projection, convolutional positions, blocks, head."""
    tower = Tower(f, input=Shape(1, None), initialization=f.std())
    width, normal = f.whole("hidden_size"), Normal("layer", f.real("layer_norm_eps", least=0))
    features = _waveform(f, tower)
    if not f.knows("feat_proj_layer_norm") or f.flag("feat_proj_layer_norm"):
        tower.add(normal.layer(features, "feature_projection.norm"))
    tower.add(layer(Linear(features, width), "feature_projection"))
    if f.real("mask_time_prob") > 0 or f.real("mask_feature_prob") > 0:
        tower.differ(width, "the vector of masked frames")
    stable = f.flag("do_stable_layer_norm")
    _positions(f, tower, width)
    drop = dropout(f.share("hidden_dropout"), "layers.dropout")
    heads = heads_of(f, width, f.whole("num_attention_heads"))
    mixer = chain(attention(width, heads, "layers.attention", biases=biased(True, True)), drop)
    feed = chain(mlp(width, f.whole("intermediate_size"), f.word("hidden_act"), "layers.mlp"), drop)
    norms = [normal.layer(width, f"layers.{name}.norm") for name in ("attention", "mlp")]
    if stable:
        block = pre_norm([(norms[0], mixer, None), (norms[1], feed, None)], "layers")
        tower.assume("do_stable_layer_norm: blocks are x + part(norm(x)), from the known forward()")
    else:
        tower.add(normal.layer(width, "norm"))
        block = post_norm([(mixer, norms[0]), (feed, norms[1])], "layers")
        tower.assume("blocks are norm(x + part(x)), from the known forward()")
    tower.add(Repeat(f.whole("num_hidden_layers"), block, "layers"))
    if stable:
        tower.add(normal.layer(width, "norm"))
    if f.knows("add_adapter") and f.flag("add_adapter"):
        tower.add(layer(Opaque("adapter"), "adapter"))
        tower.assume("the adapter (add_adapter) is not read; its parameters are not counted")
    _head(f, tower, kind, width)
    return [tower]


def _waveform(f: Fields, tower: Tower) -> int:
    widths, kernels, strides = f.wholes("conv_dim"), f.wholes("conv_kernel"), f.wholes("conv_stride")
    if not len(widths) == len(kernels) == len(strides):
        f.refuse("conv_dim, conv_kernel and conv_stride must hold one number for each convolution")
    group, act, bias = f.word("feat_extract_norm") == "group", f.word("feat_extract_activation"), f.flag("conv_bias")
    into = 1
    for i, (width, kernel, stride) in enumerate(zip(widths, kernels, strides, strict=True)):
        path = f"feature_extractor.{i}"
        tower.add(layer(Conv(into, width, (kernel,), (stride,), (0,), (1,), bias=bias), path))
        if group and i == 0:
            tower.add(layer(Norm("group", width, groups=width), f"{path}.norm"))
        elif not group:
            tower.add(layer(Norm("layer", width), f"{path}.norm"))
        tower.add(layer(activation(act), f"{path}.act"))
        into = width
    return into


def _positions(f: Fields, tower: Tower, width: int) -> None:
    kernel, groups = f.whole("num_conv_pos_embeddings"), f.whole("num_conv_pos_embedding_groups")
    if width % groups:
        f.refuse(f"hidden_size {width:,} is not a multiple of num_conv_pos_embedding_groups {groups:,}")
    conv = layer(Conv(width, width, (kernel,), (1,), (kernel // 2,), (1,), groups), "pos_conv_embed")
    act = layer(activation(f.word("feat_extract_activation")), "pos_conv_embed.act")
    tower.add(residual(chain(conv, act), "pos_conv_embed"))
    if f.knows("conv_pos_batch_norm") and f.flag("conv_pos_batch_norm"):
        tower.differ(2 * width, "batch norm before the convolution of the positions")
    else:
        tower.differ(kernel, "weight norm of the convolution of the positions")


def _head(f: Fields, tower: Tower, kind: str, width: int) -> None:
    match kind:
        case "Model":
            pass
        case "ForCTC":
            tower.add(layer(Linear(width, f.whole("vocab_size")), "lm_head"))
        case "ForAudioFrameClassification":
            tower.add(layer(Linear(width, f.labels()), "classifier"))
        case "ForSequenceClassification":
            inner = f.whole("classifier_proj_size")
            tower.add(layer(Linear(width, inner), "projector"), layer(Linear(inner, f.labels()), "classifier"))
        case "ForPreTraining":
            entries = f.whole("num_codevector_groups") * f.whole("num_codevectors_per_group")
            size, out = f.whole("codevector_dim"), f.whole("proj_codevector_dim")
            tower.add(layer(Linear(width, out), "project_hid"))
            quantizer = entries * (size // f.whole("num_codevector_groups"))
            features = f.wholes("conv_dim")[-1]
            tower.differ(quantizer + (features + 1) * entries + (size + 1) * out, "the quantizer and its projection")
        case _:
            unknown_head(tower, kind)
