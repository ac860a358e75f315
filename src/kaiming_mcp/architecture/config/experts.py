"""Mixture of experts: the path of one token, and the parameters of the experts that it does not pass.

Source: transformers 5.x, models/{mixtral,qwen2_moe,qwen3_moe,olmoe,granitemoe,gpt_oss,deepseek_v2,deepseek_v3}.
"""

from __future__ import annotations

from dataclasses import dataclass

from kaiming_mcp.architecture.config.fields import Fields
from kaiming_mcp.architecture.config.parts import Tower, chain, gated_mlp, residual, scaled
from kaiming_mcp.architecture.ir import Node


@dataclass(frozen=True, slots=True)
class Experts:
    """What a family's mixture fixes; names are those of fields."""

    inner: str = "intermediate_size"
    shared: str = ""
    """The width of the shared expert, or, for deepseek, how many widths of an expert it has."""
    shared_gate: bool = False
    bias: bool = False
    normalized: bool | str = True
    """Whether the weights of the chosen experts sum to one."""


def mixture(style: Experts, f: Fields, tower: Tower, width: int, layers: int) -> Node:
    """The mlp of one token in each of `layers` layers: its top experts as one gated mlp, the rest as differences."""
    act = f.word("hidden_act")
    count, top, inner = f.whole("num_local_experts"), f.whole("num_experts_per_tok"), f.whole(style.inner)
    if top > count:
        f.refuse(f"num_experts_per_tok {top:,} is more than the {count:,} experts")
    one = 3 * width * inner + (2 * inner + width) * style.bias
    tower.differ(layers * (count - top) * one, f"experts beyond the {top} of {count} that a token passes")
    tower.differ(layers * (top - 1) * width * style.bias, "output biases of all but one of the chosen experts")
    tower.differ(layers * count * (width + style.bias), "routers of the experts")
    even = style.normalized if isinstance(style.normalized, bool) else f.flag(style.normalized)
    weight = 1 / top if even else 1 / count
    if f.knows("routed_scaling_factor"):
        weight *= f.real("routed_scaling_factor")
    tower.assume(
        f"one token's path is shown: {top} of {count} experts as one mlp of {top} times the width, each weighted by "
        f"{weight:.3g}, an even router at the start",
        "the router's weights on a real batch",
    )
    routed = chain(gated_mlp(width, top * inner, act, "layers.experts", style.bias), scaled(weight, "layers.router"))
    wide = _shared_width(style, f, inner)
    if not wide:
        return routed
    if style.shared_gate:
        tower.differ(layers * width, "gates of the shared experts")
    return residual(routed, "layers.experts", 1.0, gated_mlp(width, wide, act, "layers.shared_expert"))


def _shared_width(style: Experts, f: Fields, inner: int) -> int:
    if not style.shared:
        return 0
    size = f.whole(style.shared, least=0)
    return size * inner if style.shared == "n_shared_experts" else size
