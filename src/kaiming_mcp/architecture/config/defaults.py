"""What the library takes for a field that a config leaves out: fields of the configuration classes that are read here.

Source: transformers 5.x, models/<family>/configuration_<family>.py (class attributes; null is left out).
A row that starts with =FAMILY has the fields of that row where it does not say otherwise.
"""

from __future__ import annotations

from functools import lru_cache

Value = int | float | bool | str | list[int]

_TABLE = {
    "bert": (
        "vocab_size=30522 hidden_size=768 num_hidden_layers=12 num_attention_heads=12 intermediate_size=3072 "
        "hidden_act=gelu hidden_dropout_prob=0.1 max_position_embeddings=512 type_vocab_size=2 initializer_range=0.02 "
        "layer_norm_eps=1e-12 add_cross_attention=False tie_word_embeddings=True"
    ),
    "roberta": "=bert vocab_size=50265",
    "xlm-roberta": "=bert",
    "camembert": "=bert",
    "electra": "=bert embedding_size=128 hidden_size=256 num_attention_heads=4 intermediate_size=1024",
    "distilbert": (
        "vocab_size=30522 max_position_embeddings=512 n_layers=6 n_heads=12 dim=768 hidden_dim=3072 dropout=0.1 "
        "activation=gelu initializer_range=0.02 tie_word_embeddings=True"
    ),
    "albert": (
        "vocab_size=30000 embedding_size=128 hidden_size=4096 num_hidden_layers=12 num_hidden_groups=1 "
        "num_attention_heads=64 intermediate_size=16384 inner_group_num=1 hidden_act=gelu_new hidden_dropout_prob=0.0 "
        "max_position_embeddings=512 type_vocab_size=2 initializer_range=0.02 layer_norm_eps=1e-12 "
        "tie_word_embeddings=True"
    ),
    "deberta": (
        "vocab_size=50265 hidden_size=768 num_hidden_layers=12 num_attention_heads=12 intermediate_size=3072 "
        "hidden_act=gelu hidden_dropout_prob=0.1 max_position_embeddings=512 type_vocab_size=0 initializer_range=0.02 "
        "layer_norm_eps=1e-07 relative_attention=False position_biased_input=True tie_word_embeddings=True"
    ),
    "deberta-v2": (
        "=deberta vocab_size=128100 hidden_size=1536 num_hidden_layers=24 num_attention_heads=24 intermediate_size=6144"
    ),
    "mpnet": (
        "vocab_size=30527 hidden_size=768 num_hidden_layers=12 num_attention_heads=12 intermediate_size=3072 "
        "hidden_act=gelu hidden_dropout_prob=0.1 max_position_embeddings=512 initializer_range=0.02 "
        "layer_norm_eps=1e-12 relative_attention_num_buckets=32 tie_word_embeddings=True"
    ),
    "modernbert": (
        "vocab_size=50368 hidden_size=768 intermediate_size=1152 num_hidden_layers=22 num_attention_heads=12 "
        "hidden_activation=gelu initializer_range=0.02 norm_eps=1e-05 norm_bias=False attention_bias=False "
        "mlp_bias=False decoder_bias=True classifier_bias=False tie_word_embeddings=True"
    ),
    "gpt2": (
        "vocab_size=50257 n_positions=1024 n_embd=768 n_layer=12 n_head=12 activation_function=gelu_new "
        "resid_pdrop=0.1 embd_pdrop=0.1 layer_norm_epsilon=1e-05 initializer_range=0.02 scale_attn_weights=True "
        "add_cross_attention=False tie_word_embeddings=True"
    ),
    "gpt_bigcode": "=gpt2 activation_function=gelu_pytorch_tanh multi_query=True",
    "gpt_neo": (
        "vocab_size=50257 max_position_embeddings=2048 hidden_size=2048 num_layers=24 num_heads=16 "
        "activation_function=gelu_new resid_dropout=0.0 embed_dropout=0.0 layer_norm_epsilon=1e-05 "
        "initializer_range=0.02 tie_word_embeddings=True"
    ),
    "gptj": (
        "vocab_size=50400 n_embd=4096 n_layer=28 n_head=16 activation_function=gelu_new resid_pdrop=0.0 "
        "embd_pdrop=0.0 layer_norm_epsilon=1e-05 initializer_range=0.02 tie_word_embeddings=False"
    ),
    "codegen": "=gptj",
    "gpt_neox": (
        "vocab_size=50432 hidden_size=6144 num_hidden_layers=44 num_attention_heads=64 intermediate_size=24576 "
        "hidden_act=gelu hidden_dropout=0.0 initializer_range=0.02 layer_norm_eps=1e-05 tie_word_embeddings=False "
        "use_parallel_residual=True attention_bias=True"
    ),
    "opt": (
        "vocab_size=50272 hidden_size=768 num_hidden_layers=12 ffn_dim=3072 max_position_embeddings=2048 "
        "do_layer_norm_before=True _remove_final_layer_norm=False dropout=0.1 num_attention_heads=12 "
        "activation_function=relu init_std=0.02 enable_bias=True layer_norm_elementwise_affine=True "
        "tie_word_embeddings=True"
    ),
    "bloom": (
        "vocab_size=250880 hidden_size=64 n_layer=2 n_head=8 layer_norm_epsilon=1e-05 initializer_range=0.02 "
        "hidden_dropout=0.0 tie_word_embeddings=True"
    ),
    "falcon": (
        "vocab_size=65024 hidden_size=4544 num_hidden_layers=32 num_attention_heads=71 layer_norm_epsilon=1e-05 "
        "initializer_range=0.02 hidden_dropout=0.0 new_decoder_architecture=False multi_query=True parallel_attn=True "
        "bias=False activation=gelu tie_word_embeddings=True"
    ),
    "phi": (
        "vocab_size=51200 hidden_size=2048 intermediate_size=8192 num_hidden_layers=24 num_attention_heads=32 "
        "resid_pdrop=0.0 embd_pdrop=0.0 hidden_act=gelu_new initializer_range=0.02 layer_norm_eps=1e-05 "
        "tie_word_embeddings=False qk_layernorm=False"
    ),
    "phi3": (
        "vocab_size=32064 hidden_size=3072 intermediate_size=8192 num_hidden_layers=32 num_attention_heads=32 "
        "resid_pdrop=0.0 embd_pdrop=0.0 hidden_act=silu initializer_range=0.02 rms_norm_eps=1e-05 "
        "tie_word_embeddings=False"
    ),
    "llama": (
        "vocab_size=32000 hidden_size=4096 intermediate_size=11008 num_hidden_layers=32 num_attention_heads=32 "
        "hidden_act=silu initializer_range=0.02 rms_norm_eps=1e-06 tie_word_embeddings=False attention_bias=False "
        "mlp_bias=False"
    ),
    "mistral": (
        "vocab_size=32000 hidden_size=4096 intermediate_size=14336 num_hidden_layers=32 num_attention_heads=32 "
        "num_key_value_heads=8 hidden_act=silu initializer_range=0.02 rms_norm_eps=1e-06 tie_word_embeddings=False"
    ),
    "qwen2": "=mistral vocab_size=151936 intermediate_size=22016 num_key_value_heads=32",
    "qwen3": "=qwen2 head_dim=128 attention_bias=False",
    "gemma": (
        "vocab_size=256000 hidden_size=3072 intermediate_size=24576 num_hidden_layers=28 num_attention_heads=16 "
        "num_key_value_heads=16 head_dim=256 hidden_act=gelu_pytorch_tanh initializer_range=0.02 rms_norm_eps=1e-06 "
        "tie_word_embeddings=True attention_bias=False"
    ),
    "gemma2": (
        "vocab_size=256000 hidden_size=2304 intermediate_size=9216 num_hidden_layers=26 num_attention_heads=8 "
        "num_key_value_heads=4 head_dim=256 hidden_activation=gelu_pytorch_tanh initializer_range=0.02 "
        "rms_norm_eps=1e-06 tie_word_embeddings=True attention_bias=False query_pre_attn_scalar=256"
    ),
    "gemma3_text": "=gemma2 vocab_size=262208",
    "olmo": (
        "vocab_size=50304 hidden_size=4096 intermediate_size=11008 num_hidden_layers=32 num_attention_heads=32 "
        "hidden_act=silu initializer_range=0.02 tie_word_embeddings=False attention_bias=False"
    ),
    "olmo2": "=olmo rms_norm_eps=1e-05",
    "olmo3": "=olmo2",
    "olmoe": (
        "=olmo2 hidden_size=2048 intermediate_size=2048 num_hidden_layers=16 num_attention_heads=16 "
        "num_experts_per_tok=8 num_experts=64 norm_topk_prob=False"
    ),
    "starcoder2": (
        "vocab_size=49152 hidden_size=3072 intermediate_size=12288 num_hidden_layers=30 num_attention_heads=24 "
        "num_key_value_heads=2 hidden_act=gelu_pytorch_tanh initializer_range=0.018042 norm_epsilon=1e-05 "
        "residual_dropout=0.0 embedding_dropout=0.0 use_bias=True tie_word_embeddings=True"
    ),
    "cohere": (
        "vocab_size=256000 hidden_size=8192 intermediate_size=22528 logit_scale=0.0625 num_hidden_layers=40 "
        "num_attention_heads=64 hidden_act=silu initializer_range=0.02 layer_norm_eps=1e-05 tie_word_embeddings=True "
        "attention_bias=False use_qk_norm=False"
    ),
    "cohere2": (
        "vocab_size=256000 hidden_size=8192 intermediate_size=22528 logit_scale=0.0625 num_hidden_layers=40 "
        "num_attention_heads=64 hidden_act=silu initializer_range=0.02 layer_norm_eps=1e-05 tie_word_embeddings=True "
        "attention_bias=False"
    ),
    "stablelm": (
        "vocab_size=50304 intermediate_size=6912 hidden_size=2560 num_hidden_layers=32 num_attention_heads=32 "
        "num_key_value_heads=32 hidden_act=silu initializer_range=0.02 layer_norm_eps=1e-05 tie_word_embeddings=False "
        "use_qkv_bias=False qk_layernorm=False use_parallel_residual=False hidden_dropout=0.0"
    ),
    "granite": "=llama embedding_multiplier=1.0 logits_scaling=1.0 residual_multiplier=1.0 attention_multiplier=1.0",
    "granitemoe": (
        "=olmo vocab_size=32000 rms_norm_eps=1e-06 embedding_multiplier=1.0 logits_scaling=1.0 "
        "residual_multiplier=1.0 attention_multiplier=1.0 num_local_experts=8 num_experts_per_tok=2"
    ),
    "smollm3": (
        "=llama vocab_size=128256 hidden_size=2048 num_hidden_layers=36 num_attention_heads=16 num_key_value_heads=4 "
        "tie_word_embeddings=True"
    ),
    "mixtral": "=mistral rms_norm_eps=1e-05 num_experts_per_tok=2 num_local_experts=8",
    "qwen2_moe": (
        "=qwen2 hidden_size=2048 intermediate_size=5632 num_hidden_layers=24 num_attention_heads=16 "
        "num_key_value_heads=16 decoder_sparse_step=1 moe_intermediate_size=1408 shared_expert_intermediate_size=5632 "
        "num_experts_per_tok=4 num_experts=60 norm_topk_prob=False qkv_bias=True"
    ),
    "qwen3_moe": (
        "=olmoe vocab_size=151936 intermediate_size=6144 num_hidden_layers=24 num_attention_heads=32 "
        "num_key_value_heads=4 rms_norm_eps=1e-06 decoder_sparse_step=1 moe_intermediate_size=768 num_experts=128"
    ),
    "deepseek_v2": (
        "=olmo vocab_size=102400 rms_norm_eps=1e-06 first_k_dense_replace=0 kv_lora_rank=512 q_lora_rank=1536 "
        "n_routed_experts=64 n_shared_experts=2 qk_nope_head_dim=128 qk_rope_head_dim=64 routed_scaling_factor=1.0 "
        "v_head_dim=128 moe_intermediate_size=1407"
    ),
    "deepseek_v3": (
        "=deepseek_v2 vocab_size=129280 hidden_size=7168 intermediate_size=18432 moe_intermediate_size=2048 "
        "num_hidden_layers=61 num_attention_heads=128 n_shared_experts=1 n_routed_experts=256 "
        "routed_scaling_factor=2.5 num_experts_per_tok=8 first_k_dense_replace=3 norm_topk_prob=True"
    ),
    "gpt_oss": (
        "=mixtral num_hidden_layers=36 num_local_experts=128 vocab_size=201088 hidden_size=2880 "
        "intermediate_size=2880 head_dim=64 num_attention_heads=64 num_experts_per_tok=4 attention_bias=True"
    ),
    "t5": (
        "vocab_size=32128 d_model=512 d_kv=64 d_ff=2048 num_layers=6 num_heads=8 relative_attention_num_buckets=32 "
        "dropout_rate=0.1 layer_norm_epsilon=1e-06 initializer_factor=1.0 feed_forward_proj=relu"
    ),
    "mt5": "=t5 vocab_size=250112 d_ff=1024 num_layers=8 num_heads=6 feed_forward_proj=gated-gelu",
    "umt5": "=mt5",
    "bart": (
        "vocab_size=50265 max_position_embeddings=1024 encoder_layers=12 encoder_ffn_dim=4096 "
        "encoder_attention_heads=16 decoder_layers=12 decoder_ffn_dim=4096 decoder_attention_heads=16 "
        "activation_function=gelu d_model=1024 dropout=0.1 init_std=0.02 scale_embedding=False "
        "tie_word_embeddings=True"
    ),
    "mbart": "=bart",
    "pegasus": "=bart",
    "marian": "=bart vocab_size=58101",
    "whisper": (
        "vocab_size=51865 num_mel_bins=80 encoder_layers=4 encoder_attention_heads=6 decoder_layers=4 "
        "decoder_attention_heads=6 decoder_ffn_dim=1536 encoder_ffn_dim=1536 activation_function=gelu d_model=384 "
        "dropout=0.0 init_std=0.02 scale_embedding=False max_source_positions=1500 max_target_positions=448 "
        "classifier_proj_size=256 tie_word_embeddings=True"
    ),
    "vit": (
        "hidden_size=768 num_hidden_layers=12 num_attention_heads=12 intermediate_size=3072 hidden_act=gelu "
        "hidden_dropout_prob=0.0 initializer_range=0.02 layer_norm_eps=1e-12 image_size=224 patch_size=16 "
        "num_channels=3 qkv_bias=True encoder_stride=16"
    ),
    "deit": "=vit",
    "beit": (
        "hidden_size=768 num_hidden_layers=12 num_attention_heads=12 intermediate_size=3072 hidden_act=gelu "
        "hidden_dropout_prob=0.0 initializer_range=0.02 layer_norm_eps=1e-12 image_size=224 patch_size=16 "
        "num_channels=3 use_mask_token=False use_absolute_position_embeddings=False use_relative_position_bias=False "
        "use_shared_relative_position_bias=False layer_scale_init_value=0.1 use_mean_pooling=True"
    ),
    "dinov2": (
        "hidden_size=768 num_hidden_layers=12 num_attention_heads=12 mlp_ratio=4 hidden_act=gelu "
        "hidden_dropout_prob=0.0 initializer_range=0.02 layer_norm_eps=1e-06 image_size=224 patch_size=14 "
        "num_channels=3 qkv_bias=True layerscale_value=1.0 use_swiglu_ffn=False use_mask_token=True"
    ),
    "swin": (
        "image_size=224 patch_size=4 num_channels=3 embed_dim=96 depths=2,2,6,2 num_heads=3,6,12,24 window_size=7 "
        "mlp_ratio=4.0 qkv_bias=True hidden_dropout_prob=0.0 hidden_act=gelu use_absolute_embeddings=False "
        "initializer_range=0.02 layer_norm_eps=1e-05 encoder_stride=32"
    ),
    "resnet": (
        "num_channels=3 embedding_size=64 hidden_sizes=256,512,1024,2048 depths=3,4,6,3 layer_type=bottleneck "
        "hidden_act=relu downsample_in_first_stage=False downsample_in_bottleneck=False"
    ),
    "convnext": (
        "num_channels=3 patch_size=4 hidden_sizes=96,192,384,768 depths=3,3,9,3 hidden_act=gelu "
        "initializer_range=0.02 layer_norm_eps=1e-12 layer_scale_init_value=1e-06 image_size=224"
    ),
    "convnextv2": (
        "num_channels=3 patch_size=4 hidden_sizes=96,192,384,768 depths=3,3,9,3 hidden_act=gelu "
        "initializer_range=0.02 layer_norm_eps=1e-12 image_size=224"
    ),
    "clip": "projection_dim=512",
    "clip_text_model": (
        "vocab_size=49408 hidden_size=512 intermediate_size=2048 projection_dim=512 num_hidden_layers=12 "
        "num_attention_heads=8 max_position_embeddings=77 hidden_act=quick_gelu layer_norm_eps=1e-05"
    ),
    "clip_vision_model": (
        "hidden_size=768 intermediate_size=3072 projection_dim=512 num_hidden_layers=12 num_attention_heads=12 "
        "num_channels=3 image_size=224 patch_size=32 hidden_act=quick_gelu layer_norm_eps=1e-05"
    ),
    "siglip": "",
    "siglip_text_model": (
        "vocab_size=32000 hidden_size=768 intermediate_size=3072 num_hidden_layers=12 num_attention_heads=12 "
        "max_position_embeddings=64 hidden_act=gelu_pytorch_tanh layer_norm_eps=1e-06"
    ),
    "siglip_vision_model": (
        "hidden_size=768 intermediate_size=3072 num_hidden_layers=12 num_attention_heads=12 num_channels=3 "
        "image_size=224 patch_size=16 hidden_act=gelu_pytorch_tanh layer_norm_eps=1e-06 vision_use_head=True"
    ),
    "wav2vec2": (
        "vocab_size=32 hidden_size=768 num_hidden_layers=12 num_attention_heads=12 intermediate_size=3072 "
        "hidden_act=gelu hidden_dropout=0.1 initializer_range=0.02 layer_norm_eps=1e-05 feat_extract_norm=group "
        "feat_extract_activation=gelu conv_dim=512,512,512,512,512,512,512 conv_stride=5,2,2,2,2,2,2 "
        "conv_kernel=10,3,3,3,3,2,2 conv_bias=False num_conv_pos_embeddings=128 num_conv_pos_embedding_groups=16 "
        "do_stable_layer_norm=False mask_time_prob=0.05 mask_feature_prob=0.0 num_codevectors_per_group=320 "
        "num_codevector_groups=2 codevector_dim=256 proj_codevector_dim=256 classifier_proj_size=256 "
        "add_adapter=False"
    ),
    "hubert": (
        "vocab_size=32 hidden_size=768 num_hidden_layers=12 num_attention_heads=12 intermediate_size=3072 "
        "hidden_act=gelu hidden_dropout=0.1 feat_proj_layer_norm=True initializer_range=0.02 layer_norm_eps=1e-05 "
        "feat_extract_norm=group feat_extract_activation=gelu conv_dim=512,512,512,512,512,512,512 "
        "conv_stride=5,2,2,2,2,2,2 conv_kernel=10,3,3,3,3,2,2 conv_bias=False num_conv_pos_embeddings=128 "
        "num_conv_pos_embedding_groups=16 conv_pos_batch_norm=False do_stable_layer_norm=False mask_time_prob=0.05 "
        "classifier_proj_size=256"
    ),
    "mamba": (
        "vocab_size=50280 hidden_size=768 state_size=16 num_hidden_layers=32 layer_norm_epsilon=1e-05 expand=2 "
        "conv_kernel=4 use_bias=False use_conv_bias=True hidden_act=silu initializer_range=0.1 "
        "tie_word_embeddings=True"
    ),
    "mamba2": (
        "=mamba num_heads=128 head_dim=64 vocab_size=32768 hidden_size=4096 state_size=128 num_hidden_layers=64 "
        "n_groups=8 tie_word_embeddings=False"
    ),
}


@lru_cache(maxsize=1)
def defaults() -> dict[str, dict[str, Value]]:
    """The library's default of every field that is read, for each family."""
    found: dict[str, dict[str, Value]] = {}
    for family, row in _TABLE.items():
        found[family] = {}
        for name, _, text in (pair.partition("=") for pair in row.split()):
            found[family] |= {name: _value(text)} if name else found[text]
    return found


def _value(text: str) -> Value:
    if text in ("True", "False"):
        return text == "True"
    if "," in text:
        return [int(part) for part in text.split(",") if part]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
