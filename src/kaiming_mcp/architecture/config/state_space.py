"""State-space language models: Mamba and Mamba 2; the scan itself is opaque, its parameters counted.

Source: transformers 5.x, models/{mamba,mamba2}.
"""

from __future__ import annotations

import math

from kaiming_mcp.architecture.config.fields import Fields
from kaiming_mcp.architecture.config.parts import (
    Normal,
    Tower,
    activation,
    chain,
    layer,
    residual,
    tied_head,
    unknown_head,
)
from kaiming_mcp.architecture.ir import Embedding, Linear, Node, Norm, Opaque, Product, Repeat


def read_mamba(family: str, f: Fields, kind: str) -> list[Tower]:
    """One network: embedding, blocks of x + mixer(norm(x)), norm, head."""
    tower = Tower(f, initialization=f.std())
    width, vocabulary = f.whole("hidden_size"), f.whole("vocab_size")
    normal = Normal("rms", f.real("layer_norm_eps", least=0))
    mixer = _mamba(f, width) if family == "mamba" else _mamba2(f, width)
    block = residual(chain(normal.layer(width, "layers.norm"), mixer), "layers")
    tower.add(layer(Embedding(vocabulary, width), "embeddings"))
    tower.add(Repeat(f.whole("num_hidden_layers"), block, "layers"), normal.layer(width, "norm"))
    tower.assume("blocks are x + mixer(norm(x)): the family's known forward()")
    tower.assume("the convolution and the scan over time are counted, not traced")
    tower.assume(
        "initializer_range holds for embeddings and input projections; out_proj starts with PyTorch's default",
        "the class's _init_weights()",
    )
    if kind == "ForCausalLM":
        tied_head(tower, width, vocabulary, f.flag("tie_word_embeddings"))
    elif kind != "Model":
        unknown_head(tower, kind)
    return [tower]


def _mamba(f: Fields, width: int) -> Node:
    inner, state, kernel = f.widened("expand", width), f.whole("state_size"), f.whole("conv_kernel")
    auto = f.values.get("time_step_rank", "auto") == "auto"
    rank = math.ceil(width / 16) if auto else f.whole("time_step_rank")
    bias = f.flag("use_bias")
    conv = inner * kernel + inner * f.flag("use_conv_bias")
    scan = inner * (rank + 2 * state) + (rank + 1) * inner + inner * state + inner
    act = activation(f.word("hidden_act"))
    path = "layers.mixer"
    signal = chain(
        layer(Linear(width, inner, bias), f"{path}.in_proj"),
        layer(Opaque("causal depthwise convolution", f"kernel {kernel}", conv), f"{path}.conv1d"),
        layer(act, f"{path}.act"),
        layer(Opaque("selective scan", f"state {state}", scan), f"{path}.scan"),
    )
    gate = chain(layer(Linear(width, inner, bias), f"{path}.gate"), layer(act, f"{path}.gate.act"))
    return chain(Product((signal, gate), path, "assumed"), layer(Linear(inner, width, bias), f"{path}.out_proj"))


def _mamba2(f: Fields, width: int) -> Node:
    inner, state, kernel = f.widened("expand", width), f.whole("state_size"), f.whole("conv_kernel")
    heads, bias, path = f.whole("num_heads"), f.flag("use_bias"), "layers.mixer"
    if heads * f.whole("head_dim") != inner:
        f.refuse(f"num_heads x head_dim must be expand x hidden_size = {inner:,}")
    side = 2 * f.whole("n_groups") * state
    conv = (inner + side) * (kernel + f.flag("use_conv_bias"))
    act = activation(f.word("hidden_act"))
    # What steers the scan (B, C, the steps) is projected beside the signal.
    steer = (width + bias) * (side + heads)
    signal = chain(
        layer(Linear(width, inner, bias), f"{path}.in_proj"),
        layer(Opaque("causal depthwise convolution", f"kernel {kernel}", conv), f"{path}.conv1d"),
        layer(act, f"{path}.act"),
        layer(Opaque("selective scan", f"state {state}", 3 * heads + steer), f"{path}.scan"),
    )
    gate = chain(layer(Linear(width, inner, bias), f"{path}.gate"), layer(act, f"{path}.gate.act"))
    return chain(
        Product((signal, gate), path, "assumed"),
        layer(Norm("rms", inner, f.real("layer_norm_eps", least=0), bias=False), f"{path}.norm"),
        layer(Linear(inner, width, bias), f"{path}.out_proj"),
    )
