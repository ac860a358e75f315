"""Which family a config belongs to, and the reader of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from kaiming_mcp.architecture.config import convolutional, encoder, encoder_decoder, speech, state_space, vision
from kaiming_mcp.architecture.config.decoder import read_decoder
from kaiming_mcp.architecture.config.decoder_families import STYLES
from kaiming_mcp.architecture.config.fields import Fields
from kaiming_mcp.architecture.config.parts import Tower

Reader = Callable[[Fields, str], list[Tower]]


@dataclass(frozen=True, slots=True)
class Family:
    """The start of its class names, the end of the usual one, and its reader."""

    prefix: str
    usual: str
    read: Reader


def _decoders() -> dict[str, Family]:
    prefixes = (
        "gpt2 GPT2 gpt_bigcode GPTBigCode gpt_neo GPTNeo gptj GPTJ codegen CodeGen gpt_neox GPTNeoX "
        "opt OPT bloom Bloom falcon Falcon phi Phi phi3 Phi3 llama Llama mistral Mistral "
        "qwen2 Qwen2 qwen3 Qwen3 smollm3 SmolLM3 gemma Gemma gemma2 Gemma2 gemma3_text Gemma3 olmo Olmo olmo2 Olmo2 "
        "olmo3 Olmo3 starcoder2 Starcoder2 cohere Cohere cohere2 Cohere2 stablelm StableLm granite Granite "
        "granitemoe GraniteMoe olmoe Olmoe mixtral Mixtral qwen2_moe Qwen2Moe qwen3_moe Qwen3Moe gpt_oss GptOss "
        "deepseek_v2 DeepseekV2 deepseek_v3 DeepseekV3"
    ).split()
    pairs = zip(prefixes[::2], prefixes[1::2], strict=True)
    found = {family: Family(prefix, "ForCausalLM", partial(read_decoder, STYLES[family])) for family, prefix in pairs}
    return {**found, "gpt2": replace(found["gpt2"], usual="LMHeadModel")}


def _of(read: Callable[[str, Fields, str], list[Tower]], usual: str, words: str) -> dict[str, Family]:
    """Families that one function reads: `family Prefix family Prefix`."""
    pairs = words.split()
    return {
        family: Family(prefix, usual, partial(read, family))
        for family, prefix in zip(pairs[::2], pairs[1::2], strict=True)
    }


FAMILIES: dict[str, Family] = {
    **_of(
        encoder.read_encoder,
        "Model",
        "bert Bert roberta Roberta xlm-roberta XLMRoberta camembert Camembert electra Electra distilbert DistilBert "
        "albert Albert deberta Deberta deberta-v2 DebertaV2 mpnet MPNet",
    ),
    "modernbert": Family("ModernBert", "Model", encoder.read_modernbert),
    **_decoders(),
    **_of(encoder_decoder.read_t5, "ForConditionalGeneration", "t5 T5 mt5 MT5 umt5 UMT5"),
    **_of(
        encoder_decoder.read_bart,
        "ForConditionalGeneration",
        "bart Bart mbart MBart pegasus Pegasus whisper Whisper",
    ),
    **_of(encoder_decoder.read_bart, "MTModel", "marian Marian"),
    **_of(vision.read_vit, "Model", "vit ViT deit DeiT beit Beit dinov2 Dinov2"),
    **_of(
        vision.read_clip,
        "Model",
        "clip CLIP clip_text_model CLIPText clip_vision_model CLIPVision siglip Siglip siglip_text_model SiglipText "
        "siglip_vision_model SiglipVision",
    ),
    "swin": Family("Swin", "Model", convolutional.read_swin),
    "resnet": Family("ResNet", "Model", convolutional.read_resnet),
    **_of(convolutional.read_convnext, "Model", "convnext ConvNext convnextv2 ConvNextV2"),
    "wav2vec2": Family("Wav2Vec2", "Model", speech.read_speech),
    "hubert": Family("Hubert", "Model", speech.read_speech),
    **_of(state_space.read_mamba, "ForCausalLM", "mamba Mamba mamba2 Mamba2"),
}
_KIND = re.compile(
    r"(?:(?:Text)?For[A-Z]\w*|LMHeadModel|DoubleHeadsModel|MTModel|EncoderModel|ModelWithProjection|Model)$"
)


def family_of_class(name: str) -> str:
    """The model_type whose class names start like this one; empty where none does."""
    found = [family for family, known in FAMILIES.items() if re.match(rf"{known.prefix}(?=[A-Z])", name)]
    return max(found, key=lambda family: len(FAMILIES[family].prefix), default="")


def kind_of_class(name: str) -> str:
    """What follows the family's name in a class name: "ForCausalLM", "Model"."""
    found = _KIND.search(name)
    return found[0] if found else name


def nearest(f: Fields) -> str:
    """The family whose layout the usual fields of an unknown model_type fit; empty where none does."""
    strange = f.values.get("is_encoder_decoder") or any(map(f.has, ("encoder_layers", "num_local_experts")))
    if strange or not all(map(f.has, ("hidden_size", "num_hidden_layers", "num_attention_heads"))):
        return ""
    if not f.has("vocab_size"):
        return "vit" if all(map(f.has, ("image_size", "patch_size", "intermediate_size"))) else ""
    if "n_embd" in f.values:
        return "gpt2"
    if not f.has("intermediate_size"):
        return ""
    return "bert" if f.has("type_vocab_size") else "llama" if f.has("rms_norm_eps") else ""
