"""Print real models of torchvision, timm, transformers and torch.nn, and count their parameters.

    python tests/full/make_printed_models.py

Writes tests/data/printed_models.json.gz. Needs torch, torchvision, timm and transformers; the weights are never
made, for every model is built on the meta device.
"""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
import transformers
from torch import nn

DATA = Path(__file__).parents[1] / "data" / "printed_models.json.gz"

TIMM = """
    resnet50 resnet50d resnext50_32x4d seresnet50 ecaresnet50d resnetv2_50 resnet26t wide_resnet50_2 regnety_032
    regnetx_016 densenet121 res2net50_26w_4s skresnet18 convnext_tiny convnextv2_tiny convnext_small
    vit_tiny_patch16_224 vit_base_patch16_224 vit_small_patch14_dinov2 vit_base_patch16_siglip_224 vit_base_patch16_384
    deit_small_patch16_224 deit3_small_patch16_224 cait_xxs24_224 beit_base_patch16_224 beitv2_base_patch16_224
    eva02_tiny_patch14_224 swin_tiny_patch4_window7_224 swinv2_tiny_window8_256 mixer_b16_224 gmlp_s16_224
    resmlp_12_224 poolformer_s12 efficientnet_b0 efficientnetv2_rw_s tf_efficientnetv2_b0 mobilenetv2_100
    mobilenetv3_large_100 mobilenetv4_conv_small mnasnet_100 fbnetc_100 ghostnet_100 hardcorenas_a repvgg_a0
    vgg16 inception_v3 inception_v4 xception41 dpn68 cspdarknet53 vovnet39a dla34 hrnet_w18_small rexnet_100
    legacy_senet154 selecsls42b nfnet_f0 edgenext_small mobilevit_s levit_128 coatnet_0_rw_224 maxvit_tiny_tf_224
    pit_ti_224 pvt_v2_b0 twins_svt_small visformer_tiny xcit_tiny_12_p16_224 davit_tiny focalnet_tiny_srf
""".split()

TOO_LARGE = {"regnet_y_128gf", "regnet_x_32gf", "regnet_y_32gf", "regnet_x_16gf", "regnet_y_16gf"}  # built for real
SEGMENTATION = ("deeplabv3_resnet50", "deeplabv3_mobilenet_v3_large", "fcn_resnet50", "lraspp_mobilenet_v3_large")
DETECTION = (
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_mobilenet_v3_large_fpn",
    "retinanet_resnet50_fpn",
    "maskrcnn_resnet50_fpn",
    "ssd300_vgg16",
    "ssdlite320_mobilenet_v3_large",
    "fcos_resnet50_fpn",
)
VIDEO = ("r3d_18", "mc3_18", "r2plus1d_18", "s3d")

# Configuration class, model class, changes of the defaults.
TRANSFORMERS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("BertConfig", "BertModel", {}),
    ("BertConfig", "BertForMaskedLM", {}),
    ("BertConfig", "BertForSequenceClassification", {}),
    ("RobertaConfig", "RobertaForMaskedLM", {}),
    ("RobertaConfig", "RobertaForSequenceClassification", {}),
    ("ElectraConfig", "ElectraForPreTraining", {}),
    ("DistilBertConfig", "DistilBertForSequenceClassification", {}),
    ("DistilBertConfig", "DistilBertForMaskedLM", {}),
    ("AlbertConfig", "AlbertModel", {}),
    ("DebertaConfig", "DebertaModel", {}),
    ("DebertaV2Config", "DebertaV2ForSequenceClassification", {}),
    ("XLMRobertaConfig", "XLMRobertaForTokenClassification", {}),
    ("ModernBertConfig", "ModernBertForMaskedLM", {}),
    ("GPT2Config", "GPT2LMHeadModel", {}),
    ("GPT2Config", "GPT2Model", {}),
    ("GPTNeoConfig", "GPTNeoForCausalLM", {}),
    ("GPTJConfig", "GPTJForCausalLM", {}),
    ("GPTNeoXConfig", "GPTNeoXForCausalLM", {}),
    ("OPTConfig", "OPTForCausalLM", {}),
    ("BloomConfig", "BloomForCausalLM", {}),
    ("FalconConfig", "FalconForCausalLM", {}),
    ("PhiConfig", "PhiForCausalLM", {}),
    ("Phi3Config", "Phi3ForCausalLM", {}),
    ("LlamaConfig", "LlamaForCausalLM", {}),
    ("LlamaConfig", "LlamaForCausalLM", {"num_key_value_heads": 8, "vocab_size": 128256, "intermediate_size": 14336}),
    ("MistralConfig", "MistralForCausalLM", {}),
    ("Qwen2Config", "Qwen2ForCausalLM", {}),
    ("Qwen3Config", "Qwen3ForCausalLM", {}),
    ("GemmaConfig", "GemmaForCausalLM", {}),
    ("Gemma2Config", "Gemma2ForCausalLM", {}),
    ("Gemma3TextConfig", "Gemma3ForCausalLM", {}),
    ("Olmo2Config", "Olmo2ForCausalLM", {}),
    ("StableLmConfig", "StableLmForCausalLM", {}),
    ("CohereConfig", "CohereForCausalLM", {}),
    ("MixtralConfig", "MixtralForCausalLM", {}),
    ("Qwen2MoeConfig", "Qwen2MoeForCausalLM", {}),
    ("MambaConfig", "MambaForCausalLM", {}),
    ("T5Config", "T5ForConditionalGeneration", {}),
    ("T5Config", "T5EncoderModel", {}),
    ("T5Config", "T5ForConditionalGeneration", {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
    ("BartConfig", "BartForConditionalGeneration", {}),
    ("BartConfig", "BartModel", {}),
    ("WhisperConfig", "WhisperForConditionalGeneration", {}),
    ("ViTConfig", "ViTForImageClassification", {}),
    ("ViTConfig", "ViTModel", {}),
    ("DeiTConfig", "DeiTForImageClassification", {}),
    ("Dinov2Config", "Dinov2Model", {}),
    ("CLIPConfig", "CLIPModel", {}),
    ("CLIPVisionConfig", "CLIPVisionModel", {}),
    ("SwinConfig", "SwinForImageClassification", {}),
    ("ResNetConfig", "ResNetForImageClassification", {}),
    ("ConvNextConfig", "ConvNextForImageClassification", {}),
    ("SegformerConfig", "SegformerForSemanticSegmentation", {}),
    ("Wav2Vec2Config", "Wav2Vec2ForCTC", {}),
)

TORCH: dict[str, Callable[[], nn.Module]] = {
    "Transformer": nn.Transformer,
    "Transformer pre-norm": lambda: nn.Transformer(256, 4, 3, 3, 1024, norm_first=True, batch_first=True),
    "TransformerEncoder": lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(512, 8), 6),
    "TransformerEncoder gelu, final norm": lambda: nn.TransformerEncoder(
        nn.TransformerEncoderLayer(384, 6, activation=nn.GELU(), norm_first=True), 4, nn.LayerNorm(384)
    ),
    "TransformerDecoder": lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(256, 8, bias=False), 6),
    "MultiheadAttention": lambda: nn.Sequential(nn.Linear(10, 64), nn.TransformerEncoderLayer(64, 4, 128)),
}


def models() -> Iterator[tuple[str, str, Callable[[], nn.Module]]]:
    """Library, name and maker of every model."""
    vision = torchvision.models
    for name in vision.list_models(module=vision):
        if name in TOO_LARGE:
            continue
        known = {"init_weights": False} if name in {"googlenet", "inception_v3"} else {}
        yield "torchvision", name, lambda name=name, known=known: vision.get_model(name, weights=None, **known)
    for name in (*SEGMENTATION, *DETECTION, *VIDEO):
        backbone = {} if name in VIDEO else {"weights_backbone": None}
        yield "torchvision", name, lambda name=name, b=backbone: vision.get_model(name, weights=None, **b)
    for name in TIMM:
        yield "timm", name, lambda name=name: timm.create_model(name, pretrained=False)
    for config, cls, changes in TRANSFORMERS:
        yield (
            "transformers",
            f"{cls} {changes or ''}".strip(),
            lambda config=config, cls=cls, changes=changes: getattr(transformers, cls)(
                getattr(transformers, config)(**changes)
            ),
        )
    for name, make in TORCH.items():
        yield "torch", name, make


def build(make: Callable[[], nn.Module]) -> nn.Module:
    """The model without its weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.device("meta"):
                model = make()
        except NotImplementedError:  # RegNet computes its widths with tensors
            model = make()
    if hasattr(model, "tie_weights"):
        model.tie_weights()
    return model


def main() -> None:
    """Write the file, and name what could not be built."""
    versions = {m.__name__: m.__version__ for m in (torch, torchvision, timm, transformers)}
    rows = list[dict[str, Any]]()
    for library, name, make in models():
        try:
            model = build(make)
        except Exception as problem:
            print(f"{library} {name}: {type(problem).__name__}: {str(problem)[:120]}")  # noqa: T201
            continue
        rows.append(
            {
                "name": name,
                "library": f"{library} {versions[library]}",
                "parameters": sum(p.numel() for p in model.parameters()),
                "text": str(model),
            }
        )
    text = json.dumps({"models": rows}, indent=0)
    DATA.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(rows)} models, {len(text):,} characters, {DATA.stat().st_size:,} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
