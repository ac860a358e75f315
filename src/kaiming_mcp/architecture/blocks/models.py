"""Whole models: what stands between their printed parts, and parts beside the main path.

Sources: torchvision.models (mobilenetv2, mnasnet, shufflenetv2, segmentation, detection, ssd); timm.models.
"""

from __future__ import annotations

from kaiming_mcp.architecture.blocks.block import Block, Builder, entry, in_order, stack
from kaiming_mcp.architecture.ir import Concat, Node, Pool, Product, Reshape, Residual, Sequence


def pooled(*before: str) -> Builder:
    """A global average, which is a function, between the last convolution and the classifier."""

    def build(block: Block) -> Node:
        first = block.steps(*before)
        block.known("a global average before the classifier")
        return Sequence((*first, block.layer(Pool("avg"), "avgpool"), *block.rest()), block.path)

    return build


def with_auxiliary(block: Block) -> Node:
    """Segmentation: an auxiliary head stands beside the main path, in training only."""
    block.aside("aux_classifier", "an auxiliary head beside the main path, used in training")
    return in_order(block)


def atrous_pyramid(block: Block) -> Node:
    """ASPP: dilated convolutions and a pooled branch side by side, then a projection."""
    inner = block.inside("convs")
    block.known("the convolutions of convs side by side, then project")
    return Sequence((Concat(tuple(inner.each()), inner.path), *block.steps("project")), block.path)


def detector(block: Block) -> Node:
    """Detection: the backbone is followed; heads that look at several levels or regions are counted beside it."""
    for name in ("rpn", "roi_heads", "head"):
        if name in block:
            block.aside(name, "a head over several levels or regions, not followed")
    block.known("the backbone is followed, the heads are counted")
    return Sequence(tuple(block.rest()), block.path)


def pyramid(block: Block) -> Node:
    """BackboneWithFPN: the body is followed, the pyramid over its stages is counted."""
    block.aside("fpn", "a feature pyramid over several stages, not followed")
    return Sequence(tuple(block.steps("body")), block.path)


def two_towers(block: Block) -> Node:
    """CLIP: an image tower and a text tower that meet in a similarity; the image tower is followed."""
    biased = block.module.cls.startswith("Siglip")
    block.hide(1 + biased, "logit_scale and logit_bias" if biased else "logit_scale")
    for name in ("text_model", "text_projection"):
        if name in block:
            block.aside(name, "the text tower, beside the image tower that is followed")
    block.known("two towers; the image tower is followed")
    return Sequence(tuple(block.steps("vision_model", "visual_projection")), block.path)


def lite_head(block: Block) -> Node:
    """LRASPPHead: cbr(x) * scale(x) to the scores; those of an early feature are added, and only counted here."""
    block.aside("low_classifier", "scores from an early feature, not followed")
    block.known("cbr(x) * scale(x), then high_classifier; low_classifier's scores are added")
    pair = Product((block.node("cbr"), block.node("scale")), block.path, "assumed")
    return Sequence((pair, *block.steps("high_classifier")), block.path)


def ssd_features(block: Block) -> Node:
    """SSDFeatureExtractorVGG: a scale for each channel of conv4_3."""
    block.hide(512, "scale_weight")
    return in_order(block)


def fusion(block: Block) -> Node:
    """MobileVitBlock: the input beside what the transformer made of it, then conv_fusion."""
    block.known("conv_fusion of x beside conv_proj(norm(transformer(conv_1x1(conv_kxk(x)))))")
    inner = block.sequence("conv_kxk", "conv_1x1", "transformer", "norm", "conv_proj")
    same = block.layer(Reshape("identity"), "x")
    return Sequence((Concat((same, inner), block.path), *block.steps("conv_fusion")), block.path)


def speech(block: Block) -> Node:
    """Wav2Vec2Model: the vector that hides a masked step is a parameter."""
    steps = block.steps("feature_extractor", "feature_projection")
    block.hide(block.context.width, "masked_spec_embed")
    return Sequence((*steps, *block.rest()), block.path)


def rep_vgg(block: Block) -> Node:
    """RepVggBlock: 3x3, 1x1 and, where the shape stays, a norm of the input, added; then the activation."""
    block.known("conv_kxk(x) + conv_1x1(x) + identity(x), then the activation")
    total: Node = Residual(block.node("conv_kxk"), block.node("conv_1x1"), 1.0, block.path, "assumed")
    if "identity" in block and block.children["identity"].cls != "NoneType":
        total = Residual(total, block.node("identity"), 1.0, block.path, "assumed")
    return Sequence((total, *block.steps("drop_path", "attn", "act")), block.path)


ENTRIES = (
    entry("cbr scale low_classifier high_classifier", lite_head),
    entry("features extra", ssd_features, "features", r"SSDFeatureExtractorVGG"),
    entry("conv_kxk conv_1x1 transformer norm conv_proj conv_fusion", fusion),
    entry("feature_extractor feature_projection encoder", speech),
    entry(
        "pos_conv_embed layer_norm dropout layers",
        stack("+ pos_conv_embed", "layer_norm", "dropout", "layers"),
        cls=r"(?!.*Stable).*",
    ),
    entry("conv activation layer_norm", stack("conv", "layer_norm", "activation"), "conv", r"\w*NormConvLayer"),
    entry("features classifier", pooled("features"), "features", r"MobileNetV2"),
    entry("layers classifier", pooled("layers"), "layers", r"MNASNet"),
    entry(
        "conv1 maxpool stage2 stage3 stage4 conv5 fc", pooled("conv1", "maxpool", "stage2", "stage3", "stage4", "conv5")
    ),
    entry("backbone classifier aux_classifier", with_auxiliary),
    entry("convs project", atrous_pyramid),
    entry("backbone rpn roi_heads", detector),
    entry("backbone anchor_generator head", detector),
    entry("body fpn", pyramid),
    entry("text_model vision_model visual_projection text_projection", two_towers),
    entry("text_model vision_model", two_towers, "text_model", r"Siglip\w*"),
    entry("conv_kxk conv_1x1 act", rep_vgg, "identity drop_path attn"),
)
