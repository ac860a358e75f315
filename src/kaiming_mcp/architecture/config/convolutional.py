"""Convolutional and windowed vision models: ResNet, ConvNeXt, Swin.

Source: transformers 5.x, models/{resnet,convnext,convnextv2,swin}.
"""

from __future__ import annotations

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
    layer,
    mlp,
    pre_norm,
    repeated,
    residual,
    unknown_head,
)
from kaiming_mcp.architecture.config.vision import grid_of, patches
from kaiming_mcp.architecture.ir import Conv, Linear, Node, Norm, Opaque, Pool, Repeat, Scale, Shape


def read_resnet(f: Fields, kind: str) -> list[Tower]:
    """ResNet: stem, stages of basic or bottleneck blocks."""
    tower = Tower(f, input=Shape(f.whole("num_channels"), None), initialization="he fan_out")
    width, act = f.whole("embedding_size"), f.word("hidden_act")
    sizes, depths = _stages(f)
    tower.add(*_unit(f.whole("num_channels"), width, 7, 2, "embedder"), layer(activation(act), "embedder.act"))
    tower.add(layer(Pool("max", (3, 3), (2, 2), (1, 1)), "embedder.pool"))
    basic = f.word("layer_type") == "basic"
    early = not basic and f.flag("downsample_in_bottleneck")
    for i, (size, depth) in enumerate(zip(sizes, depths, strict=True)):
        stride = 2 if i or f.flag("downsample_in_first_stage") else 1
        first = _residual_unit(width, size, stride, act, basic, early, f"stages.{i}")
        rest = _residual_unit(size, size, 1, act, basic, early, f"stages.{i}")
        tower.add(*repeated([first, *[rest] * (depth - 1)], f"stages.{i}"))
        width = size
    tower.assume("blocks are act(shortcut(x) + branch(x)): the family's known forward()")
    _image_head(f, tower, kind, width)
    return [tower]


def _stages(f: Fields) -> tuple[tuple[int, ...], tuple[int, ...]]:
    sizes, depths = f.wholes("hidden_sizes"), f.wholes("depths")
    if len(sizes) != len(depths):
        f.refuse(f"hidden_sizes holds {len(sizes)} stages, depths {len(depths)}")
    return sizes, depths


def _unit(into: int, out: int, kernel: int, stride: int, path: str) -> tuple[Node, Node]:
    conv = Conv(into, out, (kernel,) * 2, (stride,) * 2, (kernel // 2,) * 2, (1, 1), bias=False)
    return layer(conv, f"{path}.convolution"), layer(Norm("batch", out), f"{path}.normalization")


def _residual_unit(into: int, out: int, stride: int, act: str, basic: bool, early: bool, path: str) -> Node:
    relu, inner = layer(activation(act), f"{path}.act"), out // 4
    if basic:
        branch = chain(*_unit(into, out, 3, stride, path), relu, *_unit(out, out, 3, 1, path))
    else:
        branch = chain(
            *_unit(into, inner, 1, stride if early else 1, path),
            relu,
            *_unit(inner, inner, 3, 1 if early else stride, path),
            relu,
            *_unit(inner, out, 1, 1, path),
        )
    shortcut = chain(*_unit(into, out, 1, stride, f"{path}.shortcut")) if into != out or stride != 1 else None
    return chain(residual(branch, path, 1.0, shortcut), relu)


def _image_head(f: Fields, tower: Tower, kind: str, width: int, norm: Node | None = None) -> None:
    if kind in ("Model", "ForImageClassification"):
        tower.add(layer(Pool("avg"), "pooler"))
    if norm is not None:
        tower.add(norm)
    if kind == "ForImageClassification":
        tower.add(layer(Linear(width, f.labels()), "classifier"))
    elif kind != "Model":
        unknown_head(tower, kind)


def read_convnext(family: str, f: Fields, kind: str) -> list[Tower]:
    """ConvNeXt: depthwise convolution, norm, two linear layers, layer scale."""
    tower = Tower(f, initialization=f.std())
    sizes, depths = _stages(f)
    act, eps = f.word("hidden_act"), f.real("layer_norm_eps", least=0)
    grid = grid_of(f)
    patches(tower, grid, sizes[0])
    tower.add(layer(Norm("layer", sizes[0], 1e-6), "embeddings.norm"))
    start = f.real("layer_scale_init_value", 0.0) if family == "convnext" else 0.0
    width = sizes[0]
    for i, (size, depth) in enumerate(zip(sizes, depths, strict=True)):
        path = f"stages.{i}"
        if i:
            tower.add(layer(Norm("layer", width, 1e-6), f"{path}.downsampling.norm"))
            tower.add(layer(Conv(width, size, (2, 2), (2, 2), (0, 0), (1, 1)), f"{path}.downsampling"))
        depthwise = layer(Conv(size, size, (7, 7), (1, 1), (3, 3), (1, 1), size), f"{path}.dwconv")
        response = layer(Opaque("GlobalResponseNorm", "", 8 * size), f"{path}.grn") if family == "convnextv2" else None
        branch = chain(
            depthwise,
            layer(Norm("layer", size, 1e-6), f"{path}.norm"),
            mlp(size, 4 * size, act, path, True, response),
            layer(Scale(start, size), f"{path}.layer_scale") if start > 0 else None,
        )
        tower.add(Repeat(depth, residual(branch, path), path))
        width = size
    tower.assume("blocks are x + branch(x): the family's known forward()")
    _image_head(f, tower, kind, width, layer(Norm("layer", width, eps), "norm"))
    return [tower]


def read_swin(f: Fields, kind: str) -> list[Tower]:
    """Swin: attention within windows, patches merged two by two between stages."""
    tower = Tower(f, initialization=f.std())
    depths, counts = f.wholes("depths"), f.wholes("num_heads")
    if len(depths) != len(counts):
        f.refuse(f"depths holds {len(depths)} stages, num_heads {len(counts)}")
    width, window, act = f.whole("embed_dim"), f.whole("window_size"), f.word("hidden_act")
    normal, qkv = Normal("layer", f.real("layer_norm_eps", least=0)), f.flag("qkv_bias")
    drop = dropout(f.share("hidden_dropout"), "dropout")
    grid = grid_of(f)
    patches(tower, grid, width)
    tower.add(layer(Norm("layer", width), "embeddings.norm"))
    if f.flag("use_absolute_embeddings"):
        tower.steps = [embedded(chain(*tower.steps), width, [(grid.count, "position_embeddings")])]
    if kind == "ForMaskedImageModeling":
        tower.differ(width, "mask token")
    for i, (depth, count) in enumerate(zip(depths, counts, strict=True)):
        path = f"stages.{i}"
        if width % count:
            f.refuse(f"stage {i} has {width:,} features, not a multiple of its {count:,} heads")
        heads, table = Heads(count, width // count, count), (2 * window - 1) ** 2 * count
        mixer = attention(width, heads, f"{path}.attention", biases=biased(qkv, True), more=table)
        feed = mlp(width, f.widened("mlp_ratio", width), act, f"{path}.mlp")
        norms = [normal.layer(width, f"{path}.{name}.norm") for name in ("attention", "mlp")]
        block = pre_norm([(norms[0], chain(mixer, drop), None), (norms[1], chain(feed, drop), None)], path)
        tower.add(Repeat(depth, block, path))
        if i + 1 < len(depths):
            merge = Conv(width, 2 * width, (2, 2), (2, 2), (0, 0), (1, 1), bias=False)
            tower.add(layer(Norm("layer", 4 * width), f"{path}.merge.norm"), layer(merge, f"{path}.merge"))
            width *= 2
    tower.assume("blocks are x + attention(norm(x)), then x + mlp(norm(x)): the family's known forward()")
    tower.assume(f"attention is within windows of {window} x {window}; it is traced over all positions")
    tower.assume("four neighbours are merged by a linear layer: the same as a 2 x 2 convolution of stride 2")
    tower.add(normal.layer(width, "norm"))
    if kind == "ForMaskedImageModeling":
        pixels = f.whole("encoder_stride") ** 2 * f.whole("num_channels")
        tower.add(layer(Linear(width, pixels), "decoder"))
    else:
        _image_head(f, tower, kind, width)
    return [tower]
