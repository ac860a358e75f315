"""Real summaries of Keras 2 and 3 in several widths, older layouts, cut and mutated texts."""

from __future__ import annotations

import contextlib
import gzip
import json
import random
import re
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Concat,
    Conv,
    Dropout,
    Embedding,
    Layer,
    Linear,
    Network,
    Norm,
    Opaque,
    Pool,
    Product,
    Recurrent,
    Residual,
    Sequence,
    Shape,
    layers,
    walk,
)
from kaiming_mcp.architecture.keras.summary import looks_like_keras_summary, read_keras_summary
from kaiming_mcp.architecture.keras.table import LONGEST_TEXT, parse

DATA = Path(__file__).parents[1] / "data" / "keras_tables.json.gz"
TABLES: dict[str, dict[str, Any]] = json.loads(gzip.decompress(DATA.read_bytes()))
TEXTS = [(model, variant) for model, entry in sorted(TABLES.items()) for variant in entry["texts"]]
OBLONG = {"3 InceptionV3", "2 InceptionV3", "3 grouped", "2 grouped"}
HIDDEN_INPUT = {f"{major} {name}" for major in (2, 3) for name in ("cnn", "signal_1d", "MobileNetV3Small")}
"""Models whose table leaves a first kernel, a stride or a dilation open."""


def _text(model: str, variant: str = "plain") -> str:
    return TABLES[model]["texts"][variant]


def _one(text: str) -> Network:
    (network,) = read_keras_summary(text).networks
    return network


def _ops(network: Network, kind: type) -> list[Any]:
    return [layer.op for layer, _ in layers(network.root) if isinstance(layer.op, kind)]


def _statements(network: Network) -> str:
    return "\n".join(a.statement for a in network.assumptions)


HEAD = " Layer (type)                Output Shape              Param #"


def _table(rows: str, total: int) -> str:
    lines = ['Model: "m"', "_" * 65, HEAD, "=" * 65, rows, "=" * 65, f"Total params: {total:,}"]
    return "\n".join(lines)


def _row(name: str, shape: str, count: int) -> str:
    return f" {name:<27} {shape:<25} {count}"


@pytest.mark.parametrize(("model", "variant"), TEXTS)
def test_the_account_gives_the_true_total_and_explains_every_difference(model: str, variant: str) -> None:
    text, facts = _text(model, variant), TABLES[model]["facts"]
    assert looks_like_keras_summary(text)
    network = _one(text)
    found = account(network)
    assert found.total == network.stated == facts["params"]
    assert found.printed + sum(d.count for d in found.differences) == found.total


@pytest.mark.parametrize(
    ("model", "variant"), [t for t in TEXTS if t[1] in {"plain", "wide"} and "ConvNeXt" not in t[0]]
)
def test_kernels_strides_and_groups_are_those_of_the_model(model: str, variant: str) -> None:
    network = _one(_text(model, variant))
    read = {layer.path: layer for layer, _ in layers(network.root) if isinstance(layer.op, Conv)}
    wrong: list[str] = []
    for name, (kernel, stride, bias, groups) in TABLES[model]["facts"]["convs"].items():
        if name not in read:
            continue
        op = read[name].op
        assert isinstance(op, Conv)
        same = list(op.kernel) == kernel and list(op.stride) == stride and op.bias == bias
        if not same or op.groups not in {groups, op.in_channels}:
            wrong.append(name)
            assert read[name].basis == "assumed"
    if model not in OBLONG | HIDDEN_INPUT:
        assert not wrong


@pytest.mark.parametrize(
    ("model", "residuals"),
    [("ResNet50", 16), ("ResNet50V2", 16), ("MobileNetV2", 10), ("Xception", 12), ("EfficientNetB0", 9)],
)
@pytest.mark.parametrize("major", ["2", "3"])
@pytest.mark.parametrize("variant", ["plain", "narrow"])
def test_every_add_of_a_functional_model_is_a_residual_sum(
    major: str, variant: str, model: str, residuals: int
) -> None:
    network = _one(_text(f"{major} {model}", variant))
    assert sum(isinstance(n, Residual) for n, _ in walk(network.root)) == residuals
    assert network.input is not None
    assert network.input.features == 3


@pytest.mark.parametrize("major", ["2", "3"])
def test_narrow_columns_and_wide_ones_read_to_the_same_network(major: str) -> None:
    for model in ("unet", "transformer", "shared_dense", "mlp", "grouped", "autoencoder"):
        wide, narrow = (_one(_text(f"{major} {model}", v)) for v in ("wide", "narrow"))
        assert wide.root == narrow.root


def test_keras_2_and_keras_3_tell_of_the_same_network() -> None:
    for model in ("unet", "transformer", "mlp", "lstm", "grouped", "cnn", "volume", "ResNet50", "DenseNet121"):
        assert _one(_text(f"2 {model}")).root == _one(_text(f"3 {model}")).root


@pytest.mark.parametrize("major", ["2", "3"])
def test_skips_of_a_u_net_are_concatenations_and_its_input_is_channels_last(major: str) -> None:
    network = _one(_text(f"{major} unet"))
    assert sum(isinstance(n, Concat) for n, _ in walk(network.root)) == 2
    assert network.input == Shape(3, (64, 64))
    assert {op.stride for op in _ops(network, Conv) if op.transposed} == {(2, 2)}


@pytest.mark.parametrize("major", ["2", "3"])
@pytest.mark.parametrize("variant", ["plain", "nested", "narrow"])
def test_a_tower_that_two_inputs_share_is_counted_once(major: str, variant: str) -> None:
    network = _one(_text(f"{major} siamese", variant))
    (difference,) = [d for d in network.differences if d.count < 0]
    assert difference.count == -224
    assert "tower" in difference.reason


def test_a_layer_called_three_times_stands_three_times_with_the_same_weights() -> None:
    network = _one(_text("3 shared_dense"))
    again = [la for la, _ in layers(network.root) if la.path == "again"]
    assert len(again) == 3
    assert [d.count for d in network.differences] == [-2 * 420]


def test_batch_norm_statistics_and_bias_vectors_are_named_as_differences() -> None:
    network = _one(_text("3 unet"))
    channels = sum(op.features for op in _ops(network, Norm))
    (difference,) = network.differences
    assert (difference.count, difference.layered) == (2 * channels, False)
    assert "moving mean" in difference.reason
    network = _one(_text("3 lstm"))
    recurrent = _ops(network, Recurrent)
    assert [(op.kind, op.hidden, op.bidirectional) for op in recurrent] == [
        ("lstm", 24, True),
        ("gru", 16, False),
        ("rnn", 8, False),
    ]
    # One bias vector of four gates in two directions, and one of one gate; the GRU has both vectors.
    assert sorted(d.count for d in network.differences) == [-2 * 4 * 24, -8]
    assert _ops(network, Embedding) == [Embedding(10_000, 32)]


def test_a_transformer_block_has_attention_inside_a_residual_sum() -> None:
    network = _one(_text("3 transformer"))
    assert [op.features for op in _ops(network, Attention)] == [48, 48]
    assert all(op.extra == 0 for op in _ops(network, Attention))
    residuals = [n for n, _ in walk(network.root) if isinstance(n, Residual)]
    assert len(residuals) == 4
    assert network.input == Shape(None, (40,))


def test_a_gate_is_a_product_of_branches() -> None:
    network = _one(_text("3 squeeze"))
    (gate,) = [n for n, _ in walk(network.root) if isinstance(n, Product)]
    names = [layer.op.name for layer, _ in layers(gate) if isinstance(layer.op, Activation)]
    assert names == ["relu", "sigmoid"]


@pytest.mark.parametrize(
    ("before", "after", "window"),
    [(26, 13, (2, 2)), (11, 5, (2, 2)), (112, 56, (2, 2)), (7, 4, (2, 2)), (32, 30, (3, 1)), (40, 10, (4, 4))],
)
def test_a_pooling_window_is_as_wide_as_its_stride_where_that_gives_the_shape(
    before: int, after: int, window: tuple[int, int]
) -> None:
    conv = _row("conv2d (Conv2D)", f"(None, {before}, {before}, 8)", 224)
    rows = [conv, _row("max_pooling2d (MaxPooling2D)", f"(None, {after}, {after}, 8)", 0)]
    (pool,) = _ops(_one(_table("\n".join(rows), 224)), Pool)
    assert (pool.kernel[0], pool.stride[0]) == window


def test_a_batch_norm_whose_class_is_cut_off_is_known_whatever_its_name() -> None:
    text = """Model: "m"
┏━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━┓
┃ Layer (type)        ┃ Output Shape      ┃    Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━┩
│ stem_conv (Conv2D)  │ (None, 28, 28, 8) │        224 │
├─────────────────────┼───────────────────┼────────────┤
│ conv2_block1_preac… │ (None, 28, 28, 8) │         32 │
│ (BatchNormalizatio… │                   │            │
└─────────────────────┴───────────────────┴────────────┘
 Total params: 256 (1.00 KB)"""
    assert [norm.kind for norm in _ops(_one(text), Norm)] == ["batch"]


def test_zero_padding_belongs_to_the_convolution_behind_it() -> None:
    network = _one(_text("3 ResNet50"))
    first = _ops(network, Conv)[0]
    assert (first.kernel, first.stride, first.padding) == ((7, 7), (2, 2), (3, 3))
    assert Pool("max", (3, 3), (2, 2), (1, 1)) in _ops(network, Pool)


def test_activations_in_arguments_are_not_invented_but_named() -> None:
    network = _one(_text("2 mlp"))
    assert not _ops(network, Activation)
    assert "6 of 6" in _statements(network)
    assert any("get_config" in a.settle for a in network.assumptions)


def test_an_activation_layer_without_a_telling_name_stays_unknown() -> None:
    rows = [_row("dense (Dense)", "(None, 8)", 72), _row("activation (Activation)", "(None, 8)", 0)]
    network = _one(_table("\n".join(rows), 72))
    (unknown,) = _ops(network, Opaque)
    assert unknown.name == "Activation"
    assert "which function activation applies" in _statements(network)


def test_several_outputs_are_named_and_the_rest_is_still_counted() -> None:
    network = _one(_text("3 two_inputs"))
    assert "several outputs" in _statements(network)
    assert any("kind" in d.reason and d.count == 51 for d in network.differences)


def test_initial_states_are_named_and_the_encoder_is_still_counted() -> None:
    network = _one(_text("2 seq2seq"))
    assert "first states of lstm_1" in _statements(network)
    assert account(network).total == 53_800
    assert network.input == Shape(40, None)


def test_a_nested_model_is_opaque_until_it_is_expanded() -> None:
    (opaque,) = [op for op in _ops(_one(_text("3 transfer")), Opaque) if op.name == "Functional"]
    assert opaque.parameters == 2_257_984
    network = _one(_text("3 transfer", "nested"))
    assert len(_ops(network, Conv)) == 52
    assert "does not show what is connected to what inside" in _statements(network)


def test_the_optimizer_is_not_part_of_the_model() -> None:
    network = _one(_text("3 compiled"))
    assert network.stated == account(network).total == 41


def test_a_table_cropped_by_its_window_keeps_its_shapes_and_names_what_is_lost() -> None:
    network = _one(_text("3 mlp", "cropped"))
    assert account(network).total == TABLES["3 mlp"]["facts"]["params"]
    assert any("does not show" in d.reason for d in network.differences)
    network = _one(_text("3 unet", "cropped"))
    assert "no column 'Connected to'" in _statements(network)


def test_unknown_classes_keep_their_parameters() -> None:
    network = _one(_table(_row("mystery (MyLayer)", "(None, 8)", 123), 123))
    assert _ops(network, Opaque)[0].parameters == 123
    assert account(network).total == 123


def test_weights_that_no_row_lists_are_a_difference() -> None:
    network = _one(_table(_row("dense (Dense)", "(None, 8)", 72), 100))
    assert [(d.count, d.reason) for d in network.differences] == [(28, "weights of the model that no row lists")]


OLD = """Model: "model_1"
__________________________________________________________________________________________________
Layer (type)                    Output Shape         Param #     Connected to
==================================================================================================
input_1 (InputLayer)            (None, 8, 8, 16)     0
__________________________________________________________________________________________________
conv2d_1 (Conv2D)               (None, 8, 8, 16)     2320        input_1[0][0]
__________________________________________________________________________________________________
batch_normalization_1 (BatchNor (None, 8, 8, 16)     64          conv2d_1[0][0]
__________________________________________________________________________________________________
activation_relu (Activation)    (None, 8, 8, 16)     0           batch_normalization_1[0][0]
__________________________________________________________________________________________________
add_1 (Add)                     (None, 8, 8, 16)     0           activation_relu[0][0]
                                                                 input_1[0][0]
__________________________________________________________________________________________________
flatten_1 (Flatten)             (None, 1024)         0           add_1[0][0]
__________________________________________________________________________________________________
dense_1 (Dense)                 (None, 10)           10250       flatten_1[0][0]
==================================================================================================
Total params: 12,634
Trainable params: 12,602
Non-trainable params: 32
"""


def test_the_layout_before_keras_2_7_is_read() -> None:
    network = _one(OLD)
    assert account(network).total == network.stated == 12_634
    (residual,) = [n for n, _ in walk(network.root) if isinstance(n, Residual)]
    assert [type(layer.op) for layer, _ in layers(residual)] == [Conv, Norm, Activation]
    assert network.name == "model_1"


ASCII = """Model: "sequential"
+---------------------------------+------------------------+---------------+
| Layer (type)                    | Output Shape           |       Param # |
|---------------------------------+------------------------+---------------|
| dense (Dense)                   | (None, 64)             |         8,256 |
|---------------------------------+------------------------+---------------|
| batch_normalization             | (None, 64)             |           256 |
| (BatchNormalization)            |                        |               |
|---------------------------------+------------------------+---------------|
| dense_1 (Dense)                 | (None, 3)              |           195 |
+---------------------------------+------------------------+---------------+
 Total params: 8,707 (34.01 KB)
"""


def test_boxes_of_plain_characters_are_read() -> None:
    network = _one(ASCII)
    assert [op.in_features for op in _ops(network, Linear)] == [128, 64]
    assert account(network).total == 8_707


@pytest.mark.parametrize("text", [OLD, ASCII, _text("3 mlp"), _text("2 mlp"), _text("3 lstm"), _text("2 generator")])
def test_lost_line_breaks_and_foreign_ones_read_to_the_same_layers(text: str) -> None:
    plain = _one(text)
    assert _one(text.replace("\n", "\r\n")).root == plain.root
    assert _one(text.replace("\n", "\\n")).root == plain.root
    joined = _one(re.sub(r"\s*\n\s*", " ", text))
    assert {la.path for la, _ in layers(joined.root)} <= {la.path for la, _ in layers(plain.root)}


def test_lost_rules_and_blank_lines_read_to_the_same_network() -> None:
    for model in ("2 mlp", "3 mlp", "2 unet", "3 unet"):
        text = _text(model)
        kept = "\n".join(line for line in text.split("\n") if re.search(r"\w", line))
        assert _one(kept).root == _one(text).root


def test_lost_blanks_in_a_table_of_columns_read_to_the_same_layers() -> None:
    text = re.sub(r" +", " ", _text("2 mlp"))
    assert _one(text).root == _one(_text("2 mlp")).root


def test_rows_without_their_header_are_read() -> None:
    lines = _text("3 mlp").split("\n")
    text = "\n".join(lines[4:-4])
    assert looks_like_keras_summary(text)
    assert _one(text).root == _one(_text("3 mlp")).root


def test_what_surrounds_a_table_is_passed_over() -> None:
    text = f"Here is my model:\n```\n>>> model.summary()\n\x1b[1m{_text('3 unet')}\x1b[0m\n```\nWhy does it not learn?"
    assert looks_like_keras_summary(text)
    assert _one(text).root == _one(_text("3 unet")).root


def test_several_summaries_in_one_paste_are_several_networks() -> None:
    text = "\n".join(_text(f"{major} {model}") for model in ("mlp", "unet") for major in (2, 3))
    networks = read_keras_summary(text).networks
    assert len(networks) == 4
    assert networks[1].root == networks[0].root
    assert [account(n).total for n in networks] == [n.stated for n in networks]


def test_channels_first_models_are_turned_round() -> None:
    rows = [
        _row("conv2d (Conv2D)", "(None, 24, 16, 16)", 672),
        _row("bn (BatchNormalization)", "(None, 24, 16, 16)", 96),
        _row("conv2d_1 (Conv2D)", "(None, 32, 14, 14)", 6944),
    ]
    network = _one(_table("\n".join(rows), 7712))
    assert [(op.in_channels, op.out_channels) for op in _ops(network, Conv)] == [(3, 24), (24, 32)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "my network has three Dense layers and 128 units",
        "        Layer (type)               Output Shape         Param #\n" + "=" * 64 + "\n"
        "            Linear-1                   [-1, 10]           7,850",
        "Layer (type:depth-idx)    Output Shape    Param #\n├─Linear: 1-1   [1, 10]   7,850",
        "Sequential(\n  (0): Linear(in_features=784, out_features=10, bias=True)\n)",
    ],
)
def test_other_texts_are_not_taken_for_a_keras_summary(text: str) -> None:
    assert not looks_like_keras_summary(text)


def test_an_empty_table_says_what_was_expected() -> None:
    with pytest.raises(ReadError, match=r"dense \(Dense\)"):
        read_keras_summary('Model: "sequential"\n____\n Layer (type)   Output Shape   Param #\n====\nTotal params: 0')


def test_a_text_beyond_the_bound_is_refused() -> None:
    with pytest.raises(ReadError, match="characters"):
        read_keras_summary("x" * (LONGEST_TEXT + 1))


_PIECES = [
    "│",
    "┃",
    "|",
    "(",
    ")",
    "[",
    "]",
    ",",
    "'",
    "…",
    "└",
    "0",
    "9" * 25,
    "None",
    "\n",
    " ",
    "(Conv2D)",
    "[1][0]",
]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([t for t in TEXTS if t[0].split()[1] not in {"NASNetMobile", "DenseNet121"}]), st.randoms())
def test_mutated_texts_are_read_or_refused(which: tuple[str, str], rng: random.Random) -> None:
    text = _text(*which)
    begin = rng.randrange(max(1, len(text) - 20_000))
    text = text[begin : begin + 20_000] if rng.random() < 0.7 else text[:20_000]
    for _ in range(rng.randrange(5)):
        at = rng.randrange(len(text) + 1)
        end = min(len(text), at + rng.randrange(200))
        text = rng.choice(
            [text[:at], text[:at] + text[end:], text[:end] + text[at:], text[:at] + rng.choice(_PIECES) + text[at:]]
        )
    try:
        networks = read_keras_summary(text).networks
    except ReadError:
        return
    for network in networks:
        found = account(network)
        assert network.stated is None or found.total == network.stated


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="│┃|()[],'…└ \n0129None_=dAConv2Dense:\"", max_size=400))
def test_anything_at_all_is_read_or_refused(text: str) -> None:
    looks_like_keras_summary(text)
    with contextlib.suppress(ReadError):
        read_keras_summary(text)


def _many(count: int) -> str:
    return "\n".join(_row(f"dense_{i} (Dense)", "(None, 8)", 72) for i in range(count))


_INPUTS = "┃ Layer (type) ┃ Output Shape ┃ Param # ┃ Connected to ┃\n" + "".join(
    f"│ i{i} (InputLayer) │ (None, 3) │ 0 │ {'-' if i else 'x[0][0]'} │\n" for i in range(15_000)
)
_HOSTILE = {
    "rows": _table(_many(15_000), 15_000 * 72),
    "bars": '"Model: "x"\n' + "│" * 500_000,
    "names": "a" * 1_000_000 + " (Dense) (None, 3) 4",
    "open": "(" * 500_000 + "\nLayer (type)  Output Shape  Param #",
    "cells": "┃ Layer (type) ┃ Output Shape ┃ Param # ┃ Connected to ┃\n"
    + "\n".join(f"│ aaaaaaaa{i}… (Ad… │ (None, 3) │ 0 │ aaaaaa…, aaaaaaa… │\n├──┼──┤" for i in range(6_000)),
    "shared": "┃ Layer (type) ┃ Output Shape ┃ Param # ┃ Connected to ┃\n"
    + "".join(f"│ d (Dense) │ (None, 3) │ 12 │ {', '.join(f'd[{i}][0]' for i in range(20_000))} │\n"),
    "nested": "┃ Layer (type) ┃ Output Shape ┃ Param # ┃\n"
    + "\n".join(f"│ {' ' * (3 * i)}└ m (Functional) │ (None, 3) │ 12 │" for i in range(1_100)),
    "inputs": _INPUTS,
    "blanks": "Layer (type)  Output Shape  Param #\n" + " " * 1_500_000 + "x",
}


@pytest.mark.parametrize("name", _HOSTILE)
def test_hostile_texts_are_answered_in_seconds(name: str) -> None:
    begin = time.process_time()
    text = _HOSTILE[name]
    looks_like_keras_summary(text)
    with contextlib.suppress(ReadError):
        read_keras_summary(text)
    assert time.process_time() - begin < 8


def test_a_row_says_its_line() -> None:
    (table,) = parse(OLD)
    assert [row.line for row in table.rows] == [5, 7, 9, 11, 13, 16, 18]
    assert Counter(type(n) for n, _ in walk(_one(OLD).root))[Sequence] >= 1
    layer = next(la for la, _ in layers(_one(OLD).root) if la.path == "conv2d_1")
    assert isinstance(layer, Layer)
    assert (layer.origin.line, layer.origin.text) == (7, "conv2d_1 (Conv2D)")
    assert not _ops(_one(OLD), Dropout)
