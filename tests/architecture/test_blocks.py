"""More than two hundred real printouts: true totals, or what is unknown named; and the designs behind the names."""

from __future__ import annotations

import contextlib
import gzip
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import (
    Attention,
    Concat,
    Conv,
    Embedding,
    Layer,
    Linear,
    Network,
    Node,
    Norm,
    Opaque,
    Pool,
    Product,
    Residual,
    Scale,
    Sequence,
    Shape,
    layers,
    walk,
)
from kaiming_mcp.architecture.torch_reader import read_torch_repr
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.trace import NotTracedError, trace

DATA = Path(__file__).parents[1] / "data" / "printed_models.json.gz"
ROWS: list[dict[str, Any]] = json.loads(gzip.decompress(DATA.read_bytes()))["models"]
TEXTS: dict[str, str] = {f"{row['library'].split()[0]} {row['name']}": row["text"] for row in ROWS}

IMAGES = """
    torchvision resnet18, torchvision resnet50, torchvision resnext50_32x4d, torchvision vgg16, torchvision vgg16_bn,
    torchvision densenet121, torchvision mobilenet_v2, torchvision mobilenet_v3_large, torchvision mobilenet_v3_small,
    torchvision efficientnet_b0, torchvision efficientnet_v2_s, torchvision convnext_tiny, torchvision regnet_y_400mf,
    torchvision regnet_x_400mf, torchvision googlenet, torchvision inception_v3, torchvision squeezenet1_0,
    torchvision mnasnet1_0, torchvision vit_b_16, torchvision swin_t, torchvision swin_v2_t, torchvision maxvit_t,
    torchvision fcn_resnet50, torchvision deeplabv3_resnet50, timm resnet50, timm seresnet50, timm ecaresnet50d,
    timm resnetv2_50, timm densenet121, timm convnext_tiny, timm convnextv2_tiny, timm vit_base_patch16_224,
    timm beit_base_patch16_224, timm swin_tiny_patch4_window7_224, timm efficientnet_b0, timm mobilenetv3_large_100,
    timm inception_v4, timm vovnet39a, timm nfnet_f0, transformers ViTForImageClassification,
    transformers Dinov2Model, transformers ConvNextForImageClassification, transformers ResNetForImageClassification
"""
TOKENS = """
    BertModel, BertForMaskedLM, RobertaForSequenceClassification, ElectraForPreTraining, DistilBertForMaskedLM,
    AlbertModel, DebertaModel, ModernBertForMaskedLM, GPT2LMHeadModel, GPTNeoForCausalLM, GPTJForCausalLM,
    GPTNeoXForCausalLM, OPTForCausalLM, BloomForCausalLM, FalconForCausalLM, PhiForCausalLM, Phi3ForCausalLM,
    LlamaForCausalLM, Qwen3ForCausalLM, Gemma2ForCausalLM, Olmo2ForCausalLM, T5EncoderModel, BartModel, MambaForCausalLM
"""


def _linear(into: int, out: int, bias: bool = True) -> str:
    return f"Linear(in_features={into}, out_features={out}, bias={bias})"


def _conv(name: str, into: int, out: int, more: str = "") -> str:
    return f"({name}): Conv2d({into}, {out}, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1){more})"


def _read(name: str) -> Network:
    (network,) = read_torch_repr(TEXTS[name]).networks
    return network


def _sequence(text: str) -> Network:
    (network,) = read_torch_repr(text).networks
    return network


def _nodes(network: Network, kind: type[Any]) -> list[Any]:
    return [n for n, times in walk(network.root) for _ in range(times) if isinstance(n, kind)]


def _ops(network: Network, kind: Any) -> list[Any]:
    return [la.op for la, times in layers(network.root) for _ in range(times) if isinstance(la.op, kind)]


def _joined(network: Network) -> str:
    return " | ".join(a.statement for a in network.assumptions)


def _verdict(row: dict[str, Any]) -> str:
    (network,) = read_torch_repr(row["text"]).networks
    found = account(network)
    if found.total == row["parameters"]:
        return "exact"
    said = any("parameters" in a.statement for a in network.assumptions)
    return "explained" if found.unknown or said else "wrong"


def test_totals_are_true_or_what_may_hold_the_rest_is_named() -> None:
    verdicts = {f"{row['library']} {row['name']}": _verdict(row) for row in ROWS}
    assert [name for name, verdict in verdicts.items() if verdict == "wrong"] == []
    assert sum(v == "exact" for v in verdicts.values()) >= 0.95 * len(verdicts)
    assert len(verdicts) >= 200


@pytest.mark.parametrize("name", [n.strip() for n in IMAGES.split(",")])
def test_the_signal_can_be_followed_through_a_network_for_images(name: str) -> None:
    traced = trace(replace(_read(name), input=Shape(3, (224, 224))), parse_initialization("he"), 32)
    assert len(traced.stations) >= 10


@pytest.mark.parametrize("name", [n.strip() for n in TOKENS.split(",")])
def test_the_signal_can_be_followed_through_a_network_for_tokens(name: str) -> None:
    network = _read(f"transformers {name}")
    traced = trace(replace(network, input=Shape(None, (128,))), parse_initialization("he"), 32)
    assert len(traced.stations) >= 9


@pytest.mark.parametrize(
    ("name", "sums"),
    [
        ("torchvision resnet50", 16),
        ("torchvision mobilenet_v2", 10),
        ("torchvision mobilenet_v3_large", 10),
        ("torchvision efficientnet_b0", 9),
        ("torchvision mnasnet1_0", 10),
        ("torchvision convnext_tiny", 18),
        ("torchvision regnet_y_400mf", 16),
        ("torchvision vit_b_16", 24),
        ("torchvision swin_t", 24),
        ("torchvision densenet121", 0),
        ("transformers BertForSequenceClassification", 2 + 24),
        ("transformers GPT2LMHeadModel", 1 + 24),
        ("transformers LlamaForCausalLM", 64),
        ("transformers T5EncoderModel", 12),
    ],
)
def test_a_network_has_the_adds_of_its_design(name: str, sums: int) -> None:
    assert len(_nodes(_read(name), Residual)) == sums


def test_dense_blocks_grow_by_concatenation() -> None:
    network = _read("torchvision densenet121")
    assert len(_nodes(network, Concat)) == 6 + 12 + 24 + 16
    kinds = [type(op).__name__ for op in _ops(network, (Pool, Linear))]
    assert kinds[-2:] == ["Pool", "Linear"]


def test_inception_branches_stand_side_by_side_and_auxiliary_heads_aside() -> None:
    network = _read("torchvision googlenet")
    assert [len(c.branches) for c in _nodes(network, Concat)] == [4] * 9
    aside = [d for d in network.differences if "auxiliary" in d.reason]
    assert len(aside) == 2
    assert all(d.count > 0 and not d.layered for d in aside)


def test_squeeze_and_excitation_multiplies_the_input_by_a_gate() -> None:
    gates = _nodes(_read("torchvision efficientnet_b0"), Product)
    assert len(gates) == 16
    assert all(g.basis == "assumed" for g in gates)


def test_a_gate_that_people_write_in_one_sequential_is_read_as_well() -> None:
    small = f"Sequential( (0): {_linear(16, 4)} (1): ReLU() (2): {_linear(4, 16)} (3): Sigmoid() )"
    network = _sequence(f"SELayer( (avg_pool): AdaptiveAvgPool2d(output_size=1) (fc): {small} )")
    assert len(_nodes(network, Product)) == 1
    trace(replace(network, input=Shape(16, (8, 8))), parse_initialization("he"), 8)


def test_layer_scale_that_is_no_module_is_in_the_branch_and_explained() -> None:
    network = _read("torchvision convnext_tiny")
    assert {op.factor for op in _ops(network, Scale)} == {1e-6}
    (hidden,) = network.differences
    assert (hidden.count, hidden.layered) == (6624, True)
    assert "layer_scale" in hidden.reason


def test_a_position_embedding_of_unknown_length_is_an_assumption_with_its_condition() -> None:
    network = _read("timm vit_base_patch16_384")
    (said,) = [a for a in network.assumptions if "pos_embed" in a.statement]
    assert "224 x 224" in said.statement
    assert "shape of pos_embed" in said.settle


def test_heads_are_read_where_the_size_of_the_query_norm_tells_them() -> None:
    assert {op.heads for op in _ops(_read("transformers Qwen3ForCausalLM"), Attention)} == {32}
    assert {op.heads for op in _ops(_read("transformers LlamaForCausalLM"), Attention)} == {0}


def test_t5_does_not_scale_its_scores_and_counts_norms_that_print_no_size() -> None:
    network = _read("transformers T5EncoderModel")
    assert {op.scale for op in _ops(network, Attention)} == {1.0}
    assert {op.features for op in _ops(network, Norm)} == {512}


def test_gemma_scales_its_embedding_and_normalizes_both_ends_of_a_branch() -> None:
    network = _read("transformers Gemma2ForCausalLM")
    (scale,) = _ops(network, Scale)
    assert scale.factor == pytest.approx(2304**0.5)
    assert _ops(network, Norm)[0].kind == "rms"
    branch = _nodes(network, Residual)[0].branch
    assert sum(isinstance(la.op, Norm) for la, _ in layers(branch)) == 2


def test_parallel_attention_and_mlp_share_one_add() -> None:
    block = _nodes(_read("transformers GPTJForCausalLM"), Residual)[0]
    assert isinstance(block.branch, Sequence)
    inner = block.branch.children[-1]
    assert isinstance(inner, Residual)
    assert inner.shortcut is not None


def test_experts_of_unknown_size_stay_unknown() -> None:
    found = account(_read("transformers MixtralForCausalLM"))
    assert any("MixtralExperts" in name for name in found.unknown)


def test_printed_experts_are_followed_once_and_counted_eight_times() -> None:
    linear = "Linear(in_features={}, out_features={}, bias=False)"
    expert = f"(w1): {linear.format(8, 16)} (w2): {linear.format(16, 8)} (w3): {linear.format(8, 16)} (act_fn): SiLU()"
    network = _sequence(f"Moe( (gate): {linear.format(8, 4)} (experts): ModuleList( (0-3): 4 x Expert( {expert} ) ) )")
    assert account(network).total == 8 * 4 + 4 * 3 * 8 * 16
    assert len(_nodes(network, Product)) == 1


@pytest.mark.parametrize("name", ["torch TransformerEncoder", "torch Transformer pre-norm", "torch TransformerDecoder"])
def test_the_order_that_is_not_printed_has_an_alternative(name: str) -> None:
    network = _read(name)
    (other,) = network.alternatives
    assert "norm_first" in other.condition

    def starts_with_norm(root: Node) -> bool:
        block = next(n for n, _ in walk(root) if isinstance(n, Residual))
        return isinstance(next(layers(block.branch))[0].op, Norm)

    assert starts_with_norm(network.root) != starts_with_norm(other.root)
    assert account(network).total == account(replace(network, root=other.root)).total


def test_where_nothing_is_ambiguous_there_is_no_alternative() -> None:
    assert _read("torchvision resnet18").alternatives == ()


def test_two_convolutions_that_change_the_width_do_not_add_their_input() -> None:
    norm = "(bn{}): BatchNorm2d(32, eps=1e-05)"
    plain = f"Block( {_conv('conv1', 16, 32)} {norm.format(1)} {_conv('conv2', 32, 32)} {norm.format(2)} )"
    assert not _nodes(_sequence(plain), Residual)
    same = plain.replace("Conv2d(16,", "Conv2d(32,")
    assert len(_nodes(_sequence(same), Residual)) == 1
    assert _sequence(same).alternatives


def test_channel_counts_tell_the_concatenations_of_a_u_net() -> None:
    pool = "({}): MaxPool2d(kernel_size=2, stride=2)"
    up = "({}): ConvTranspose2d({}, {}, kernel_size=(2, 2), stride=(2, 2))"
    text = " ".join(
        (
            f"Net( {_conv('e1', 3, 16)}",
            pool.format("p1"),
            _conv("e2", 16, 32),
            pool.format("p2"),
            _conv("mid", 32, 64),
            up.format("u2", 64, 32),
            _conv("d2", 64, 32),
            up.format("u1", 32, 16),
            f"{_conv('d1', 32, 16)} )",
        )
    )
    network = _sequence(text)
    assert len(_nodes(network, Concat)) == 2
    assert "`d2` reads `e2`" in _joined(network)
    assert "`d1` reads `e1`" in _joined(network)
    trace(replace(network, input=Shape(3, (64, 64))), parse_initialization("he"), 8)


def test_a_copy_of_a_design_under_another_class_name_is_read_by_its_children() -> None:
    text = TEXTS["transformers LlamaForCausalLM"].replace("Llama", "MyOwn")
    own = _sequence(text)
    assert len(_nodes(own, Residual)) == len(_nodes(_read("transformers LlamaForCausalLM"), Residual))


def test_a_hidden_parameter_names_its_module() -> None:
    reasons = " ".join(d.reason for d in _read("torchvision vit_b_16").differences)
    for word in ("class_token of VisionTransformer", "pos_embedding", "in_proj of MultiheadAttention"):
        assert word in reasons


def test_a_printed_norm_with_children_keeps_its_parameters() -> None:
    text = "Sequential( (0): BatchNormAct2d( 8, eps=1e-05, affine=True (drop): Identity() (act): SiLU() ) )"
    network = _sequence(text)
    assert account(network).total == 16
    assert isinstance(next(layers(network.root))[0].op, Norm)


def test_what_a_known_block_has_besides_is_counted() -> None:
    block = TEXTS["transformers GPT2Model"].replace(
        "(ln_2): LayerNorm", "(extra): Linear(in_features=3, out_features=5, bias=True) (ln_2): LayerNorm"
    )
    grown = account(_sequence(block)).total - account(_read("transformers GPT2Model")).total
    assert grown == 12 * 20


def test_embeddings_are_added_and_not_chained() -> None:
    network = _read("transformers BertModel")
    tables = [n for n in _nodes(network, Layer) if isinstance(n.op, Embedding)]
    assert len(tables) == 3
    assert "added" in _joined(network)


def test_a_convolution_over_merged_patches_keeps_the_count() -> None:
    network = _read("torchvision swin_t")
    assert sum(isinstance(op, Conv) and op.stride == (2, 2) for op in _ops(network, Conv)) == 3
    assert not _ops(network, Opaque)


_MUTANTS = st.tuples(
    st.sampled_from(sorted(TEXTS)),
    st.lists(st.tuples(st.sampled_from(["drop", "double", "swap", "rename", "cut"]), st.floats(0, 1)), max_size=6),
)


@settings(max_examples=120, deadline=None)
@given(_MUTANTS)
def test_a_damaged_printout_raises_nothing_but_a_read_error(mutant: tuple[str, list[tuple[str, float]]]) -> None:
    name, changes = mutant
    lines = TEXTS[name].splitlines()[:400]
    for kind, share in changes:
        at = min(int(share * len(lines)), len(lines) - 1)
        match kind:
            case "drop":
                lines[at : at + 1] = []
            case "double":
                lines[at:at] = lines[max(0, at - 3) : at]
            case "swap":
                lines[at], lines[0] = lines[0], lines[at]
            case "rename":
                lines[at] = lines[at].replace("Linear(in_features", "Linear(in_feature").replace("Conv2d", "Cnv2d")
            case _:
                lines = lines[: max(1, at)]
        if not lines:
            return
    try:
        reading = read_torch_repr("\n".join(lines))
    except ReadError as error:
        assert str(error)
        return
    for network in reading.networks:
        account(network)


def test_heads_that_are_modules_of_their_own_make_one_attention() -> None:
    head = f"Head( (key): {_linear(32, 8, False)} (query): {_linear(32, 8, False)} (value): {_linear(32, 8, False)} )"
    attention = f"(sa): Many( (heads): ModuleList( (0-3): 4 x {head} ) (proj): {_linear(32, 32)} )"
    norms = "(ln1): LayerNorm((32,), eps=1e-05) (ln2): LayerNorm((32,), eps=1e-05)"
    text = (
        f"Block( {attention} (ffwd): Sequential( (0): {_linear(32, 64)} (1): ReLU() (2): {_linear(64, 32)} ) {norms} )"
    )
    network = _sequence(text)
    (op,) = _ops(network, Attention)
    assert (op.features, op.heads) == (32, 4)
    assert account(network).total == 3 * 32 * 32 + 33 * 32 + 33 * 64 + 65 * 32 + 4 * 32


def test_tables_of_tokens_and_positions_are_added_in_a_model_of_ones_own() -> None:
    text = f"GPT( (tok): Embedding(65, 16) (pos_table): Embedding(8, 16) (head): {_linear(16, 65)} )"
    (block,) = _nodes(_sequence(text), Residual)
    assert block.basis == "assumed"
    two_towers = f"Rec( (user): Embedding(65, 16) (item): Embedding(8, 16) (head): {_linear(32, 1)} )"
    assert not _nodes(_sequence(two_towers), Residual)


def test_an_adapter_stands_beside_the_layer_that_it_adapts() -> None:
    lora = "ModuleDict( (default): {} )"
    adapted = (
        f"lora.Linear( (base_layer): {_linear(16, 16, False)} (lora_dropout): ModuleDict( (default): Identity() ) "
        f"(lora_A): {lora.format(_linear(16, 2, False))} (lora_B): {lora.format(_linear(2, 16, False))} "
        "(lora_embedding_A): ParameterDict() (lora_embedding_B): ParameterDict() )"
    )
    plain = _linear(16, 16, False)
    text = f"LlamaAttention( (q_proj): {adapted} (k_proj): {plain} (v_proj): {adapted} (o_proj): {plain} )"
    network = _sequence(text)
    (op,) = _ops(network, Attention)
    assert op.extra == 2 * (16 * 2 + 2 * 16)
    assert account(network).total == 4 * 256 + 128


def test_a_norm_that_prints_no_size_takes_the_width_that_arrives() -> None:
    text = TEXTS["transformers LlamaForCausalLM"]
    for size in ("4096",):
        text = text.replace(f"LlamaRMSNorm(({size},), eps=1e-06)", "LlamaRMSNorm()")
    assert "LlamaRMSNorm()" in text
    assert account(_sequence(text)).total == account(_read("transformers LlamaForCausalLM")).total


def test_heads_and_windows_that_are_printed_are_read() -> None:
    text = (
        f"WindowAttention( dim=96, window_size=(7, 7), num_heads=3 (qkv): {_linear(96, 288)} "
        f"(attn_drop): Dropout(p=0.0) (proj): {_linear(96, 96)} (proj_drop): Dropout(p=0.0) "
        "(softmax): Softmax(dim=-1) )"
    )
    network = _sequence(text)
    (op,) = _ops(network, Attention)
    assert op.heads == 3
    assert account(network).total == 96 * 288 + 288 + 96 * 96 + 96 + 169 * 3
    assert not any("window" in a.statement for a in network.assumptions)


@pytest.mark.parametrize(
    ("text", "sums"),
    [
        (f"ResidualBlock( (block): Sequential( {_conv('0', 8, 8)} (1): ReLU() {_conv('2', 8, 8)} ) )", 1),
        (f"ResidualBlock( (block): Sequential( {_conv('0', 8, 16)} (1): ReLU() {_conv('2', 16, 16)} ) )", 0),
        (
            f"BasicBlock( (bn1): BatchNorm2d(8) {_conv('conv1', 8, 16)} "
            f"(bn2): BatchNorm2d(16) {_conv('conv2', 16, 16)} {_conv('convShortcut', 8, 16)} )",
            1,
        ),
        (f"ResBlock( (net): Sequential( {_conv('0', 8, 16)} ) (shortcut): Sequential( {_conv('0', 8, 16)} ) )", 1),
        (f"Residual( (fn): PreNorm( (norm): LayerNorm((8,), eps=1e-05) (fn): {_linear(8, 8)} ) )", 1),
        (f"Sequential( {_conv('conv1', 8, 8)} (bn1): BatchNorm2d(8) {_conv('conv2', 8, 8)} (bn2): BatchNorm2d(8) )", 0),
    ],
)
def test_a_block_that_is_called_residual_adds_its_input_where_shapes_allow(text: str, sums: int) -> None:
    assert len(_nodes(_sequence(text), Residual)) == sums


_NESTING = {
    "act": "BasicBlock( (conv1): A() (bn1): B() (conv2): C() (bn2): D() (relu): {} )",
    "drop": "Block( (norm1): A() (attn): B() (norm2): C() (mlp): D() (drop_path): {} )",
    "copies": "Transformer( (layers): ModuleList( (0-31): 32 x {} ) )",
    "attention": "A( (qkv): Linear(in_features=4, out_features=12) "
    "(proj): Linear(in_features=4, out_features=4) (cpb_mlp): {} )",
    "patches": "VisionTransformer( (patch_embed): {} (pos_drop): A() (blocks): B() (norm): C() )",
    "expert": "Moe( (gate): A() (experts): ModuleList( (0-7): 8 x {} ) )",
    "scan": "M( (conv1d): A() (in_proj): B() (x_proj): C() (dt_proj): D() (out_proj): E() (act): {} )",
    "pair": "LlamaDecoderLayer( (input_layernorm): {} (self_attn): A() (post_attention_layernorm): B() (mlp): C() )",
}


@pytest.mark.parametrize("kind", sorted(_NESTING))
def test_known_blocks_nested_in_themselves_are_answered_quickly(kind: str) -> None:
    text = "ReLU()"
    for _ in range(76 // (1 + _NESTING[kind].count("ModuleList"))):
        text = _NESTING[kind].replace("{}", text)
    begun = time.process_time()
    for network in read_torch_repr(text).networks:
        account(network)
        with contextlib.suppress(NotTracedError):
            trace(network, parse_initialization("he"), 8)
    assert time.process_time() - begun < 5
