"""Vision transformers (ViT, DeiT, BEiT, DINOv2) and models of two towers (CLIP, SigLIP).

Source: transformers 5.x, models/{vit,deit,beit,dinov2,clip,siglip}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from kaiming_mcp.architecture.config.defaults import defaults
from kaiming_mcp.architecture.config.fields import Fields
from kaiming_mcp.architecture.config.parts import (
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
    pre_norm,
    residual,
    unknown_head,
)
from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Concat,
    Conv,
    Embedding,
    Linear,
    Node,
    Pool,
    Repeat,
    Scale,
    Shape,
)
from kaiming_mcp.architecture.parameters import total_parameters

_FORWARD = "blocks are x + attention(norm(x)), then x + mlp(norm(x)): the family's known forward()"
_FIRST = "the head reads the class token; it is shown as applied to every patch, and the class token is not traced"


@dataclass(frozen=True, slots=True)
class Grid:
    """Image and patch sizes."""

    channels: int
    image: tuple[int, int]
    patch: tuple[int, int]

    @property
    def cells(self) -> tuple[int, int]:
        """Patches along each axis."""
        return self.image[0] // self.patch[0], self.image[1] // self.patch[1]

    @property
    def count(self) -> int:
        """Patches of an image."""
        return self.cells[0] * self.cells[1]


def grid_of(f: Fields) -> Grid:
    """The patches of an image.

    Raises:
        ReadError: an image smaller than a patch.
    """
    grid = Grid(f.whole("num_channels"), _pair(f, "image_size"), _pair(f, "patch_size"))
    if not grid.count:
        f.refuse(f"image_size {grid.image} is smaller than patch_size {grid.patch}")
    return grid


def _pair(f: Fields, name: str) -> tuple[int, int]:
    if not isinstance(f.values.get(name), list | tuple):
        return f.whole(name), f.whole(name)
    sizes = f.wholes(name)
    return (sizes[0], sizes[-1])


def patches(tower: Tower, grid: Grid, width: int, bias: bool = True) -> None:
    """The convolution that cuts an image into patches."""
    tower.input = Shape(grid.channels, grid.image)
    tower.add(layer(Conv(grid.channels, width, grid.patch, grid.patch, (0, 0), (1, 1), bias=bias), "patch_embedding"))


def read_vit(family: str, f: Fields, kind: str) -> list[Tower]:
    """One network: patches, class token, pre-norm blocks, norm, head."""
    tower = Tower(f, initialization=f.std())
    tower.assume(_FORWARD)
    width, grid = f.whole("hidden_size"), grid_of(f)
    normal = Normal("layer", f.real("layer_norm_eps", least=0))
    patches(tower, grid, width)
    special = 2 if family == "deit" else 1
    tower.differ(special * width, "class token" if special == 1 else "class and distillation tokens")
    if kind == "ForMaskedImageModeling" or (f.knows("use_mask_token") and f.flag("use_mask_token")):
        tower.differ(width, "mask token")
    if not f.knows("use_absolute_position_embeddings") or f.flag("use_absolute_position_embeddings"):
        tower.steps = [embedded(chain(*tower.steps), width, [(grid.count + special, "position_embeddings")])]
    if drop := dropout(f.share("hidden_dropout"), "embeddings.dropout"):
        tower.add(drop)
    tower.add(Repeat(f.whole("num_hidden_layers"), _vit_block(family, f, tower, grid, normal), "layers"))
    mean = family == "beit" and f.flag("use_mean_pooling")
    if not mean:
        tower.add(normal.layer(width, "norm"))
    _vit_head(family, f, tower, kind, normal, mean)
    return [tower]


def _vit_block(family: str, f: Fields, tower: Tower, grid: Grid, normal: Normal) -> Node:
    width, heads = f.whole("hidden_size"), heads_of(f, f.whole("hidden_size"), f.whole("num_attention_heads"))
    qkv = f.flag("qkv_bias") if f.knows("qkv_bias") else True
    more = 0
    if family == "beit":
        table = ((2 * grid.cells[0] - 1) * (2 * grid.cells[1] - 1) + 3) * heads.count
        more = table if f.flag("use_relative_position_bias") else 0
        if f.flag("use_shared_relative_position_bias"):
            tower.differ(table, "relative position biases, shared by all layers")
    name = {"dinov2": "layerscale_value", "beit": "layer_scale_init_value"}.get(family)
    scale = f.real(name) if name else 0.0
    grown = layer(Scale(scale, width), "layers.layer_scale") if scale > 0 or family == "dinov2" else None
    mixer = attention(width, heads, "layers.attention", biases=(qkv, qkv and family != "beit", qkv, True), more=more)
    drop = dropout(f.share("hidden_dropout"), "layers.dropout")
    feed = _vit_mlp(f, width)
    return pre_norm(
        [
            (normal.layer(width, "layers.attention.norm"), chain(mixer, drop), grown),
            (normal.layer(width, "layers.mlp.norm"), chain(feed, drop), grown),
        ],
        "layers",
    )


def _vit_mlp(f: Fields, width: int) -> Node:
    if f.knows("mlp_ratio"):
        inner = f.widened("mlp_ratio", width)
        if f.flag("use_swiglu_ffn"):
            return gated_mlp(width, (int(inner * 2 / 3) + 7) // 8 * 8, "silu", "layers.mlp", True)
    else:
        inner = f.whole("intermediate_size")
    return mlp(width, inner, f.word("hidden_act"), "layers.mlp")


def _vit_head(family: str, f: Fields, tower: Tower, kind: str, normal: Normal, mean: bool) -> None:
    width = f.whole("hidden_size")
    if mean and kind in ("Model", "ForImageClassification"):
        tower.add(layer(Pool("avg"), "pooler"), normal.layer(width, "pooler.norm"))
    match kind:
        case "Model" if family in ("vit", "deit"):
            size = f.whole("pooler_output_size", width)
            act = Activation(f.word("pooler_act", "tanh"))
            tower.add(layer(Linear(width, size), "pooler"), layer(act, "pooler.act"))
            tower.assume(_FIRST)
        case "Model" | "Backbone":
            pass
        case "ForImageClassification" if family == "dinov2":
            both = Concat((layer(Pool("avg"), "class_token"), layer(Pool("avg"), "mean_of_patches")), "head")
            tower.add(both, layer(Linear(2 * width, f.labels()), "classifier"))
            tower.assume("the head reads the class token beside the mean of the patches; both are shown as means")
        case "ForImageClassification" | "ForImageClassificationWithTeacher":
            tower.add(layer(Linear(width, f.labels()), "classifier"))
            if not mean:
                tower.assume(_FIRST)
            if kind == "ForImageClassificationWithTeacher":
                tower.differ((width + 1) * f.labels(), "the distillation token's classifier")
        case "ForMaskedImageModeling" if family in ("vit", "deit"):
            pixels = f.whole("encoder_stride", 16) ** 2 * f.whole("num_channels")
            tower.add(layer(Linear(width, pixels), "decoder"))
        case _:
            unknown_head(tower, kind)


def read_clip(family: str, f: Fields, kind: str) -> list[Tower]:
    """Text and vision towers as networks of their own, whose parameters add up to the model's."""
    base, _, side = family.partition("_")
    if side:
        return [_tower(base, "text" if side.startswith("text") else "vision", f, kind)]
    text, vision = (
        f.nested(f"{side}_config", cast(dict[str, Any], defaults()[f"{base}_{side}_model"]))
        for side in ("text", "vision")
    )
    if kind == "ForImageClassification":
        tower = _tower(base, "vision", vision, "Features")
        tower.add(layer(Linear(vision.whole("hidden_size"), f.labels()), "classifier"))
        return [tower]
    towers = [_tower(base, "text", text, "Tower"), _tower(base, "vision", vision, "Tower")]
    if kind != "Model":
        unknown_head(towers[-1], kind)
    elif base == "clip":
        size = f.whole("projection_dim")
        for tower, inner in zip(towers, (text, vision), strict=True):
            tower.add(layer(Linear(inner.whole("hidden_size"), size, False), f"{tower.name}_projection"))
    towers[-1].differ(1 if base == "clip" else 2, "logit_scale" if base == "clip" else "logit_scale and logit_bias")
    for tower in towers:
        tower.assume("2 networks, text and vision, whose parameters add up to the model's")
    return towers


def _tower(base: str, side: str, f: Fields, kind: str) -> Tower:
    clip = base == "clip"
    tower = Tower(f, side if kind == "Tower" else "", initialization="gpt2 lecun" if clip else "xavier")
    tower.assume(_FORWARD)
    tower.assume(
        "weights start with 1/width and a factor 1/(2 layers) on each branch, embeddings with std 0.02: close to LeCun "
        "with GPT-2's scaling"
        if clip
        else "attention and mlp start with Xavier, embeddings and patches with LeCun",
        "the class's _init_weights()",
    )
    width, normal = f.whole("hidden_size"), Normal("layer", f.real("layer_norm_eps", least=0))
    if side == "text":
        token = layer(Embedding(f.whole("vocab_size"), width), "text.embed_tokens")
        tower.add(embedded(token, width, [(f.whole("max_position_embeddings"), "text.embed_positions")]))
    else:
        grid = grid_of(f)
        patches(tower, grid, width, not clip)
        tower.differ(width * clip, "class token")
        tower.steps = [embedded(chain(*tower.steps), width, [(grid.count + clip, "vision.embed_positions")])]
        if clip:
            tower.add(normal.layer(width, "vision.pre_norm"))
    heads = heads_of(f, width, f.whole("num_attention_heads"))
    path = f"{side}.layers"
    mixer = attention(width, heads, f"{path}.attention", biases=biased(True, True), causal=clip and side == "text")
    feed = mlp(width, f.whole("intermediate_size"), f.word("hidden_act"), f"{path}.mlp")
    norms = [normal.layer(width, f"{path}.{name}.norm") for name in ("attention", "mlp")]
    block = pre_norm([(norms[0], mixer, None), (norms[1], feed, None)], path)
    tower.add(Repeat(f.whole("num_hidden_layers"), block, path))
    if clip and kind == "Features":
        tower.differ(2 * width, "the last norm, which the classifier does not read")
    else:
        tower.add(normal.layer(width, f"{side}.norm"))
    if not clip:
        _siglip_head(f, tower, side, kind, normal)
    if kind == "ModelWithProjection":
        tower.add(layer(Linear(width, f.whole("projection_dim"), False), f"{side}_projection"))
    return tower


def _siglip_head(f: Fields, tower: Tower, side: str, kind: str, normal: Normal) -> None:
    width = f.whole("hidden_size")
    if side == "text":
        tower.add(layer(Linear(width, f.optional("projection_size") or width), "text.head"))
    elif f.flag("vision_use_head"):
        feed = mlp(width, f.whole("intermediate_size"), f.word("hidden_act"), "vision.head.mlp")
        head = chain(
            layer(Attention(width, f.whole("num_attention_heads"), packed=True), "vision.head.attention"),
            residual(chain(normal.layer(width, "vision.head.norm"), feed), "vision.head"),
        )
        if kind == "Features":
            tower.differ(total_parameters(head) + width, "the pooling head, which the classifier does not read")
        else:
            tower.differ(width, "the probe that attends to the patches")
            tower.add(head)
