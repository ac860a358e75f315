"""Networks that people write themselves: what the order of registration hides, and what sizes and parts tell."""

from __future__ import annotations

from typing import Any

import pytest

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Concat,
    Conv,
    Dropout,
    Linear,
    Network,
    Norm,
    Product,
    Residual,
    layers,
    walk,
)
from kaiming_mcp.architecture.torch_reader import read_torch_repr


def _linear(name: str, into: int, out: int, bias: bool = True) -> str:
    return f"({name}): Linear(in_features={into}, out_features={out}, bias={bias})"


def _conv(name: str, into: int, out: int) -> str:
    return f"({name}): Conv2d({into}, {out}, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))"


def _bn(name: str, width: int) -> str:
    return f"({name}): BatchNorm2d({width}, eps=1e-05, momentum=0.1)"


def _norm(name: str, width: int) -> str:
    return f"({name}): LayerNorm(({width},), eps=1e-05, elementwise_affine=True)"


def _module(cls: str, *children: str) -> str:
    return f"{cls}(\n" + "\n".join(children) + "\n)"


def _read(cls: str, *children: str) -> Network:
    (network,) = read_torch_repr(_module(cls, *children)).networks
    return network


def _ops(network: Network) -> list[Any]:
    return [la.op for la, times in layers(network.root) for _ in range(times)]


def _names(network: Network) -> str:
    """One letter for each layer, in order of execution."""
    letters = {Linear: "L", Conv: "C", Activation: "a", Norm: "n", Dropout: "d"}
    return "".join(letters.get(type(op), "?") for op in _ops(network))


def _nodes(network: Network, kind: type[Any]) -> int:
    return sum(times for node, times in walk(network.root) if isinstance(node, kind))


def _said(network: Network) -> str:
    return " | ".join(a.statement for a in network.assumptions)


ATTENTION = (
    "(attn): MultiheadAttention(\n(out_proj): NonDynamicallyQuantizableLinear(in_features=64, out_features=64)\n)"
)
FEED = _module("(ff): Sequential", _linear("0", 64, 256), "(1): GELU(approximate='none')", _linear("2", 256, 64))


@pytest.mark.parametrize(
    ("children", "order"),
    [
        ([_norm("first", 64), ATTENTION, _norm("second", 64), FEED], "before"),
        ([ATTENTION, _norm("first", 64), FEED, _norm("second", 64)], "behind"),
        (
            [
                ATTENTION,
                _linear("up", 64, 256),
                "(act): ReLU()",
                _linear("down", 256, 64),
                _norm("a", 64),
                _norm("b", 64),
            ],
            "behind",
        ),
    ],
)
def test_the_parts_of_a_transformer_block_are_known_under_any_name(children: list[str], order: str) -> None:
    network = _read("Net", _module("(blocks): ModuleList", _module("(0-5): 6 x Whatever", *children)))
    assert _nodes(network, Residual) == 12
    inside = [n for n, _ in walk(network.root) if isinstance(n, Residual)]
    normed = [any(isinstance(la.op, Norm) for la, _ in layers(block.branch)) for block in inside]
    assert normed == [order == "before"] * len(inside)
    assert "a transformer block's" in _said(network)


def test_a_final_norm_anywhere_behind_the_blocks_makes_pre_norm_likelier_and_the_other_order_an_alternative() -> None:
    block = [ATTENTION, FEED, _norm("a", 64), _norm("b", 64)]
    layered = _module("(blocks): ModuleList", _module("(0-3): 4 x Whatever", *block))
    network = _read("Net", layered, "(drop): Dropout(p=0.1)", _norm("ln_f", 64), _linear("head", 64, 10))
    first = next(n for n, _ in walk(network.root) if isinstance(n, Residual))
    assert any(isinstance(la.op, Norm) for la, _ in layers(first.branch))
    assert len(network.alternatives) == 1


def test_a_final_norm_behind_blocks_in_a_sequential_counts_for_each_of_them() -> None:
    blocks = [_module(f"({i}): TransformerBlock", ATTENTION, FEED, _norm("a", 64), _norm("b", 64)) for i in range(3)]
    network = _read("GPT", _module("(blocks): Sequential", *blocks), _norm("final", 64), _linear("head", 64, 10))
    sums = [n for n, _ in walk(network.root) if isinstance(n, Residual)]
    assert all(any(isinstance(la.op, Norm) for la, _ in layers(n.branch)) for n in sums)


@pytest.mark.parametrize(
    ("family", "inside"), [("BioGpt", True), ("Speech2Text", True), ("PLBart", False), ("Bart", False)]
)
def test_the_order_of_norms_is_that_of_the_family_where_names_are_the_same(family: str, inside: bool) -> None:
    projections = [_linear(f"{x}_proj", 64, 64) for x in ("k", "v", "q", "out")]
    parts = [_module(f"(self_attn): {family}Attention", *projections), "(activation_fn): GELUActivation()"]
    parts += [_norm("self_attn_layer_norm", 64), _linear("fc1", 64, 256), _linear("fc2", 256, 64)]
    network = _read(f"{family}DecoderLayer", *parts, _norm("final_layer_norm", 64))
    first = next(n for n, _ in walk(network.root) if isinstance(n, Residual))
    assert any(isinstance(la.op, Norm) for la, _ in layers(first.branch)) == inside


def test_norms_inside_wrappers_of_the_sublayers_belong_to_the_block() -> None:
    wrapper = _module("(0-1): 2 x SublayerConnection", _norm("norm", 64), "(dropout): Dropout(p=0.1)")
    attention = _module("(self_attn): MultiHeadedAttention", _linear("linears", 64, 64))
    feed = _module("(feed_forward): PositionwiseFeedForward", _linear("w_1", 64, 256), _linear("w_2", 256, 64))
    block = _module("(0-5): 6 x EncoderLayer", attention, feed, _module("(sublayer): ModuleList", wrapper))
    network = _read("Encoder", _module("(layers): ModuleList", block), _norm("norm", 64))
    assert _nodes(network, Residual) == 12
    assert account(network).total == 6 * (64 * 65 + 64 * 257 + 256 * 65 + 2 * 128) + 128


def test_parts_that_do_not_return_the_width_are_no_transformer_block() -> None:
    network = _read("Net", ATTENTION, _norm("a", 64), _norm("b", 64), _linear("fc1", 64, 256), _linear("fc2", 256, 10))
    assert _nodes(network, Residual) == 0


def test_attention_by_hand_is_one_attention_under_any_names_and_a_list_of_four_is_not() -> None:
    own = _read(
        "Attention",
        *(_linear(f"W{x}", 64, 64) for x in "qkv"),
        _linear("fc_out", 64, 64),
    )
    assert [type(op) for op in _ops(own)] == [Attention]
    grouped = _read(
        "A",
        _linear("wq", 64, 64, False),
        _linear("wk", 64, 16, False),
        _linear("wv", 64, 16, False),
        _linear("wo", 64, 64, False),
    )
    (op,) = _ops(grouped)
    assert isinstance(op, Attention)
    assert op.kv_features == 16
    assert account(grouped).total == 64 * (64 + 16 + 16 + 64)


def test_one_projection_for_query_key_and_value_is_attention_with_the_one_that_leads_back() -> None:
    (op,) = _ops(_read("A", _linear("qkv", 64, 192, False), "(drop): Dropout(p=0.1)", _linear("projection", 64, 64)))
    assert isinstance(op, Attention)
    plain = _ops(_read("A", _linear("qkv", 64, 128), _linear("projection", 64, 64)))
    assert not any(isinstance(op, Attention) for op in plain)


def test_an_activation_that_is_printed_once_runs_after_every_layer_but_the_last() -> None:
    inner = _module(
        "(layers): ModuleList",
        _linear("0", 2, 50),
        _linear("1-7", 50, 50).replace("): ", "): 7 x "),
        _linear("8", 50, 1),
    )
    network = _read("PINN", inner, "(act): Tanh()")
    assert [type(la.op) for la, _ in layers(network.root)] == [Linear, Activation, Linear, Activation, Linear]
    assert sorted(_names(network)) == sorted("La" * 8 + "L")
    assert "`act` is printed once" in _said(network)


def test_of_two_activations_behind_the_layers_the_sigmoid_ends_the_network() -> None:
    network = _read("Net", _linear("fc1", 8, 16), _linear("fc2", 16, 4), "(relu): ReLU()", "(sigmoid): Sigmoid()")
    assert _names(network) == "LaLa"
    assert [op.name for op in _ops(network) if isinstance(op, Activation)] == ["relu", "sigmoid"]


def test_an_activation_registered_first_stands_behind_the_norms() -> None:
    children = ["(relu): ReLU()", "(drop): Dropout(p=0.5)"]
    for i, (a, b) in enumerate([(8, 16), (16, 32)], 1):
        children += [_linear(f"fc{i}", a, b), f"(bn{i}): BatchNorm1d({b}, eps=1e-05)"]
    assert _names(_read("Net", *children, _linear("fc3", 32, 4))) == "LnaLnadL"


@pytest.mark.parametrize(
    ("order", "children"),
    [
        ("LaL", [_linear("fc1", 8, 16), "(act): ReLU()", _linear("fc2", 16, 4)]),
        ("LaLL", [_linear("fc1", 8, 16), "(elu): ELU()", _linear("fc2", 16, 8), _linear("gate", 8, 8)]),
        ("LLLa", [*(_linear(n, 8, 8) for n in ("query", "key", "value")), "(softmax): Softmax(dim=-1)"]),
        ("LLa", [_linear("fc1", 8, 16), _linear("fc2", 16, 4), "(sigmoid): Sigmoid()"]),
    ],
)
def test_an_activation_between_layers_or_at_the_end_stays_where_it_is(order: str, children: list[str]) -> None:
    network = _read("Net", *children)
    assert _names(network) == order
    assert "printed once" not in _said(network)


def test_an_activation_printed_once_in_a_block_of_convolutions_stands_behind_the_last_as_well() -> None:
    convs = [_conv("conv1", 3, 8), _bn("bn1", 8), _conv("conv2", 8, 8), _bn("bn2", 8)]
    inner = _module("(block): ConvBlock", *convs, "(relu): ReLU()")
    assert _names(_read("Net", inner, _conv("head", 8, 1))) == "CnaCnaC"


def test_an_activation_printed_between_two_kinds_of_layers_serves_both() -> None:
    convs = [_conv("conv1", 3, 8), _bn("bn1", 8), _conv("conv2", 8, 8), _bn("bn2", 8), "(relu): ReLU()"]
    assert _names(_read("Net", *convs, _linear("fc1", 32, 16), _linear("fc2", 16, 4))) == "CnaCnaLaL"


def test_a_depthwise_and_a_pointwise_convolution_keep_the_one_activation_behind_them() -> None:
    depthwise = _conv("depthwise", 8, 8)[:-1] + ", groups=8)"
    pointwise = "(pointwise): Conv2d(8, 16, kernel_size=(1, 1), stride=(1, 1))"
    assert _names(_read("Separable", depthwise, pointwise, _bn("bn", 16), "(relu): ReLU()")) == "CCna"


def test_lists_of_layers_norms_and_activations_run_member_by_member() -> None:
    layered = _module("(fc): ModuleList", _linear("0", 8, 16), _linear("1", 16, 16), _linear("2", 16, 1))
    norms = _module("(bns): ModuleList", "(0-1): 2 x BatchNorm1d(16, eps=1e-05)")
    acts = _module("(acts): ModuleList", "(0-1): 2 x ReLU()")
    assert _names(_read("Net", layered, acts, norms)) == "LnaLnaL"


def test_the_vectors_of_a_list_of_tables_stand_side_by_side_with_normalized_numbers() -> None:
    tables = _module("(embeds): ModuleList", "(0): Embedding(10, 5)", "(1): Embedding(7, 4)")
    network = _read("TabularModel", tables, "(bn): BatchNorm1d(6, eps=1e-05)", _linear("fc", 15, 2))
    assert _nodes(network, Concat) == 2
    assert "beside what `bn` normalizes" in _said(network)


@pytest.mark.parametrize("cls", ["TabularModel", "TextEncoder", "Encoder", "MLP", "AlexNet"])
def test_a_class_of_ones_own_that_is_called_as_a_librarys_is_assumed(cls: str) -> None:
    network = _read(cls, _linear("fc1", 8, 16), _linear("fc2", 16, 4), "(relu): ReLU()")
    assert f"{cls}: children run once" in _said(network)
    assert _names(network) == "LaL"


def test_a_mixer_adds_both_of_its_normed_parts() -> None:
    def part(name: str, width: int) -> str:
        feed = _module("(1): FeedForward", _linear("up", width, 128), "(act): GELU()", _linear("down", 128, width))
        return _module(f"({name}): Sequential", _norm("0", 64), feed)

    block = _module("(0-3): 4 x MixerBlock", part("token_mix", 196), part("channel_mix", 64))
    assert _nodes(_read("Net", _module("(blocks): ModuleList", block)), Residual) == 8


def test_batch_norms_registered_together_follow_the_layers_of_their_width() -> None:
    convs = [
        f"(conv{i}): Conv1d({a}, {b}, kernel_size=(1,), stride=(1,))" for i, (a, b) in enumerate([(3, 64), (64, 128)])
    ]
    norms = [f"(bn{i}): BatchNorm1d({width}, eps=1e-05)" for i, width in enumerate([64, 128])]
    network = _read("PointNet", *convs, *norms)
    assert _names(network) == "CnCn"
    assert "bn0 behind conv0" in _said(network)


def test_of_heads_that_read_one_feature_the_one_that_fits_what_follows_is_followed() -> None:
    network = _read(
        "VAE",
        *(_linear("enc", 784, 400), _linear("mu", 400, 20), _linear("logvar", 400, 20)),
        *(_linear("dec", 20, 400), _linear("out", 400, 784)),
    )
    assert [op.out_features for op in _ops(network)] == [400, 20, 400, 784]
    assert account(network).total == 784 * 400 + 400 + 2 * (400 * 20 + 20) + 20 * 400 + 400 + 400 * 784 + 784
    assert "`mu`, `logvar` each read 400 features" in _said(network)


def test_of_parts_that_fit_what_follows_a_projection_named_as_a_skip_is_not_the_main_path() -> None:
    network = _read("Block", _linear("downsample", 8, 16), _linear("fc1", 8, 16), _linear("fc2", 16, 16))
    assert [la.path for la, _ in layers(network.root)] == ["fc1", "fc2"]


def test_heads_at_the_end_and_parts_that_add_up_stand_side_by_side() -> None:
    heads = _module("(heads): ModuleDict", *(_linear(name, 64, out) for name, out in (("a", 1), ("b", 5), ("c", 3))))
    ends = _read("MultiTask", _linear("trunk", 16, 64), heads)
    assert _nodes(ends, Concat) == 1
    wide = _read("Two", _linear("left", 16, 8), _linear("right", 16, 24), _linear("out", 32, 1))
    assert _nodes(wide, Concat) == 1


def test_convolutions_of_several_kernels_stand_side_by_side_where_their_widths_add_up() -> None:
    network = _read("Scales", *(_conv(name, 64, 32) for name in "abc"), _conv("fuse", 96, 64))
    (joined,) = (n for n, _ in walk(network.root) if isinstance(n, Concat))
    assert len(joined.branches) == 3


def test_a_projection_named_as_a_skip_is_added_to_the_branch_beside_it() -> None:
    branch = _module("(net): Sequential", _linear("0", 8, 16), "(1): ReLU()", _linear("2", 16, 16))
    assert _nodes(_read("Block", branch, _linear("skip", 8, 16)), Residual) == 1


def test_a_decoder_that_takes_twice_what_arrives_is_no_head_beside_another() -> None:
    up = "(up): ConvTranspose2d(64, 32, kernel_size=(2, 2), stride=(2, 2))"
    network = _read("Up", up, "(conv): Conv2d(64, 32, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))")
    assert _nodes(network, Concat) == 0
    assert "each read" not in _said(network)


def test_modules_that_a_sequential_prints_again_count_once() -> None:
    parts = [_linear("fc1", 8, 16), "(a1): ReLU()", _linear("fc2", 16, 16), "(a2): ReLU()"]
    again = _module("(net): Sequential", *(p.replace(p[: p.index(")")], f"({i}") for i, p in enumerate(parts)))
    network = _read("Net", *parts, again, _linear("head", 16, 1))
    assert account(network).total == 8 * 16 + 16 + 16 * 16 + 16 + 17
    assert _names(network) == "LaLaL"
    assert "count once" in _said(network)


def test_a_layer_of_wavenet_multiplies_filter_and_gate_and_leads_its_skip_aside() -> None:
    def conv(name: str, out: int, size: int, cls: str = "Conv1d") -> str:
        return f"({name}): {cls}(32, {out}, kernel_size=({size},), stride=(1,))"

    block = [conv("filter_conv", 32, 2, "CausalConv1d"), conv("gate_conv", 32, 2, "CausalConv1d")]
    network = _read("ResBlock", *block, conv("res_conv", 32, 1), conv("skip_conv", 128, 1))
    assert (_nodes(network, Residual), _nodes(network, Product)) == (1, 1)
    assert account(network).total == 2 * (32 * 32 * 2 + 32) + 32 * 33 + 33 * 128


@pytest.mark.parametrize("cls", ["CausalConv1d", "MaskedConv1d", "DynamicQuantizedConv1d"])
def test_a_subclass_that_prints_torchs_arguments_is_read_as_assumed(cls: str) -> None:
    network = _read("Net", f"(conv): {cls}(4, 8, kernel_size=(3,), stride=(1,))")
    ((layer, _),) = layers(network.root)
    assert layer.op == Conv(4, 8, (3,), (1,), (0,), (1,))
    assert layer.basis == "assumed"


def test_a_layer_of_ones_own_with_other_weights_stays_unknown() -> None:
    assert account(_read("Net", "(fc): NoisyLinear(in_features=4, out_features=8, bias=True)")).unknown


def _language_model(cls: str, head: str = "lm_head") -> list[str]:
    return [_module(f"({cls.lower()}): {cls}Model", "(wte): Embedding(100, 8)"), _linear(head, 8, 100, False)]


@pytest.mark.parametrize(
    ("cls", "total"),
    [("RoFormerForMaskedLM", 800), ("BioGptForCausalLM", 800), ("Mamba2ForCausalLM", 1600), ("LlamaForCausalLM", 1600)],
)
def test_heads_are_tied_where_the_class_ties_them(cls: str, total: int) -> None:
    assert account(_read(cls, *_language_model(cls.partition("For")[0]))).total == total


def test_a_tied_model_inside_a_wrapper_is_tied_as_well() -> None:
    inner = _module("(model): GPT2LMHeadModel", *_language_model("GPT2"))
    wrapped = _read("PeftModelForCausalLM", _module("(base_model): LoraModel", inner))
    assert account(wrapped).total == 800


def test_the_copy_that_is_trained_runs_and_the_original_counts_beside_it() -> None:
    saved = _module("(modules_to_save): ModuleDict", _linear("default", 8, 4))
    network = _read("Net", _module("(head): ModulesToSaveWrapper", _linear("original_module", 8, 4), saved))
    assert _names(network) == "L"
    assert account(network).total == 2 * 36


def test_an_adapted_table_is_not_added_to_itself() -> None:
    factors = ["(lora_A): ModuleDict()", "(lora_B): ModuleDict()"]
    table = _module("(embed): lora.Embedding", "(base_layer): Embedding(100, 8)", *factors)
    assert _nodes(_read("Net", table, _linear("head", 8, 4)), Residual) == 0


def test_a_head_of_the_shape_of_the_table_may_be_tied_and_that_is_said() -> None:
    network = _read("CharLM", "(embed): Embedding(100, 8)", _linear("out", 8, 100, False))
    assert account(network).total == 1600
    assert "tied to the token embedding, the model has 800 parameters fewer" in _said(network)


def test_tokens_and_positions_that_no_printout_shows_are_named() -> None:
    block = _module("(0-1): 2 x Block", _norm("n1", 64), ATTENTION, _norm("n2", 64), FEED)
    patches = "(patch): Conv2d(3, 64, kernel_size=(16, 16), stride=(16, 16))"
    network = _read("MyViT", patches, _module("(blocks): ModuleList", block), _linear("head", 64, 10))
    assert f"{64 * 198:,} more for images of 224 x 224" in _said(network)
