"""The styles of the decoder-only families.

Source: transformers 5.x, models/<family>/modeling_<family>.py.
"""

from __future__ import annotations

from kaiming_mcp.architecture.config.decoder import Order, Style
from kaiming_mcp.architecture.config.experts import Experts
from kaiming_mcp.architecture.config.fields import Fields
from kaiming_mcp.architecture.config.parts import attention, biased, heads_of
from kaiming_mcp.architecture.ir import Attention, Layer
from kaiming_mcp.architecture.parameters import parameter_count


def _one_head(f: Fields) -> int | None:
    return 1 if f.flag("multi_query") else None


def _falcon_heads(f: Fields) -> int | None:
    if f.flag("new_decoder_architecture"):
        return None
    return 1 if f.flag("multi_query") else f.whole("num_attention_heads")


def _falcon_order(f: Fields) -> Order:
    if not f.flag("parallel_attn"):
        return "pre"
    two = f.optional("num_ln_in_parallel_attn") or (2 if f.flag("new_decoder_architecture") else 1)
    return "two norms" if two == 2 else "parallel"


def _gpt2_scale(f: Fields) -> float:
    return 0.0 if f.flag("scale_attn_weights") else 1.0


def _gemma_scale(f: Fields) -> float:
    return f.positive("query_pre_attn_scalar") ** -0.5


def _sparse_step(f: Fields, count: int) -> list[bool]:
    dense, step = f.indices("mlp_only_layers"), f.whole("decoder_sparse_step")
    return [i not in dense and (i + 1) % step == 0 for i in range(count)]


def _after_dense(f: Fields, count: int) -> list[bool]:
    dense = f.whole("first_k_dense_replace", least=0)
    return [i >= dense for i in range(count)]


def _latent(f: Fields, width: int) -> Layer:
    """Multi-head latent attention: low-rank queries, keys and values, counted exactly."""
    count, rank = f.whole("num_attention_heads"), f.whole("kv_lora_rank")
    rope, nope, value = f.whole("qk_rope_head_dim"), f.whole("qk_nope_head_dim"), f.whole("v_head_dim")
    bias = f.flag("attention_bias", False)
    low, queries = f.optional("q_lora_rank"), count * (rope + nope)
    true = width * queries if low is None else low * (width + queries + 1 + bias)
    true += width * (rank + rope) + (rank + rope) * bias + rank + rank * count * (nope + value)
    true += count * value * width + width * bias
    plain = Attention(width, count, 0, False, causal=True)
    return Layer(
        Attention(width, count, 0, False, true - (parameter_count(plain) or 0), causal=True), "layers.attention"
    )


_LLAMA = Style(qkv_bias="attention_bias", out_bias="attention_bias", mlp_bias="mlp_bias")
_QWEN3 = Style(qkv_bias="attention_bias", out_bias="attention_bias", query_norm="head")
_GPTJ = Style("layer", order="parallel", gated=False, mlp_bias=True, head_bias=True)
_GEMMA = Style(qkv_bias="attention_bias", out_bias="attention_bias", root_width=True)
_OLMO2 = Style(order="after", qkv_bias="attention_bias", out_bias="attention_bias", query_norm="width")
_COHERE = Style(
    "layer",
    norm_bias=False,
    order="parallel",
    qkv_bias="attention_bias",
    out_bias="attention_bias",
    query_norm="width",
    query_norm_field="use_qk_norm",
)
_LATENT = "low-rank query, key and value projections are counted exactly and traced as full matrices"

STYLES: dict[str, Style] = {
    "gpt2": Style(
        "layer",
        gated=False,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        extra_positions=0,
        initialization="gpt2 std",
        scale=_gpt2_scale,
    ),
    "gpt_bigcode": Style(
        "layer",
        gated=False,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        extra_positions=0,
        initialization="gpt2 std",
        scale=_gpt2_scale,
        key_values=_one_head,
    ),
    "gpt_neo": Style("layer", gated=False, out_bias=True, mlp_bias=True, extra_positions=0, scale=lambda _: 1.0),
    "gptj": _GPTJ,
    "codegen": _GPTJ,
    "gpt_neox": Style(
        "layer",
        order=lambda f: "two norms" if f.flag("use_parallel_residual") else "pre",
        gated=False,
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        mlp_bias=True,
    ),
    "opt": Style(
        "layer",
        affine="layer_norm_elementwise_affine",
        eps=1e-5,
        order=lambda f: "pre" if f.flag("do_layer_norm_before") else "post",
        gated=False,
        qkv_bias="enable_bias",
        out_bias="enable_bias",
        mlp_bias="enable_bias",
        extra_positions=2,
    ),
    "bloom": Style("layer", gated=False, act="", qkv_bias=True, out_bias=True, mlp_bias=True, embedding_norm=True),
    "falcon": Style(
        "layer",
        order=_falcon_order,
        gated=False,
        qkv_bias="bias",
        out_bias="bias",
        mlp_bias="bias",
        key_values=_falcon_heads,
    ),
    "phi": Style(
        "layer",
        order="parallel",
        gated=False,
        qkv_bias=True,
        out_bias=True,
        mlp_bias=True,
        head_bias=True,
        query_norm="head",
        query_norm_field="qk_layernorm",
        query_norm_bias=True,
    ),
    "phi3": Style(),
    "llama": _LLAMA,
    "mistral": Style(),
    "qwen2": Style(qkv_bias=True),
    "qwen3": _QWEN3,
    "smollm3": _LLAMA,
    "gemma": _GEMMA,
    "gemma2": Style(
        order="sandwich",
        act="hidden_activation",
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        root_width=True,
        scale=_gemma_scale,
        remark="the soft cap on attention scores is not modelled; it is far above the scores at the start",
    ),
    "gemma3_text": Style(
        order="sandwich",
        act="hidden_activation",
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        root_width=True,
        query_norm="head",
        scale=_gemma_scale,
    ),
    "olmo": Style("layer", affine=False, eps=1e-5, qkv_bias="attention_bias", out_bias="attention_bias"),
    "olmo2": _OLMO2,
    "olmo3": _OLMO2,
    "starcoder2": Style("layer", gated=False, qkv_bias="use_bias", out_bias="use_bias", mlp_bias="use_bias"),
    "cohere": _COHERE,
    "cohere2": _COHERE,
    "stablelm": Style(
        "layer",
        order=lambda f: "parallel" if f.flag("use_parallel_residual") else "pre",
        qkv_bias="use_qkv_bias",
        query_norm="width",
        query_norm_field="qk_layernorm",
    ),
    "granite": Style(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        mlp_bias="mlp_bias",
        scale=lambda f: f.real("attention_multiplier"),
    ),
    "granitemoe": Style(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        scale=lambda f: f.real("attention_multiplier"),
        experts=Experts(),
    ),
    "olmoe": Style(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        query_norm="width",
        experts=Experts(normalized="norm_topk_prob"),
    ),
    "mixtral": Style(experts=Experts()),
    "qwen2_moe": Style(
        qkv_bias="qkv_bias",
        experts=Experts("moe_intermediate_size", "shared_expert_intermediate_size", True, normalized="norm_topk_prob"),
        sparse=_sparse_step,
    ),
    "qwen3_moe": Style(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        query_norm="head",
        experts=Experts("moe_intermediate_size", normalized="norm_topk_prob"),
        sparse=_sparse_step,
    ),
    "gpt_oss": Style(
        qkv_bias="attention_bias",
        out_bias="attention_bias",
        attention=lambda f, width: attention(
            width,
            heads_of(f, width),
            "layers.attention",
            biases=biased(f.flag("attention_bias"), f.flag("attention_bias")),
            more=f.whole("num_attention_heads"),
            causal=True,
        ),
        experts=Experts(bias=True),
        remark="one learned number a head joins the softmax (sinks), and the gates are clipped: counted, not traced",
    ),
    "deepseek_v2": Style(
        attention=_latent,
        experts=Experts("moe_intermediate_size", "n_shared_experts", normalized=False),
        sparse=_after_dense,
        remark=_LATENT,
    ),
    "deepseek_v3": Style(
        attention=_latent,
        experts=Experts("moe_intermediate_size", "n_shared_experts", normalized="norm_topk_prob"),
        sparse=_after_dense,
        remark=_LATENT,
    ),
}
