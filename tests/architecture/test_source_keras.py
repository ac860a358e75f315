"""Keras source of every form. The totals of seq, fun, ae and unet are Keras' own, those of lstm and sub by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Concat,
    Conv,
    Linear,
    Network,
    Op,
    Opaque,
    Recurrent,
    Residual,
    Shape,
    layers,
    walk,
)
from kaiming_mcp.architecture.source.reader import looks_like_source, read_source
from kaiming_mcp.signal.initialization_words import parse_initialization

DATA = Path(__file__).parent.parent / "data" / "source_texts"
TOTALS = {"seq": 167_690, "fun": 43_146, "lstm": 670_033, "ae": 53_625, "sub": 2_770_634, "unet": 107_457}


def read(name: str) -> Network:
    return read_source((DATA / f"keras_{name}.txt").read_text()).networks[0]


def chain(text: str) -> list[Op]:
    return [layer.op for layer, _ in layers(read_source(text).networks[0].root)]


@pytest.mark.parametrize("name", TOTALS)
def test_trainable_parameters_add_up(name: str):
    text = (DATA / f"keras_{name}.txt").read_text()
    assert looks_like_source(text)
    reading = read_source(text)
    assert (reading.format, account(reading.networks[0]).total) == ("keras-source", TOTALS[name])
    assert account(reading.networks[0]).unknown == ()


def test_a_functional_resnet_adds_its_shortcuts():
    blocks = [n for n, _ in walk(read("fun").root) if isinstance(n, Residual)]
    assert [b.shortcut is not None for b in sorted(blocks, key=lambda b: b.shortcut is not None)] == [False] * 3 + [
        True
    ]
    assert read("fun").input == Shape(3, (32, 32))
    assert read("fun").loss == "CategoricalCrossentropy"


@pytest.mark.parametrize(("name", "words"), [("fun", "he"), ("ae", "keras"), ("seq", "own keras")])
def test_one_kernel_initializer_for_all_is_the_initialization(name: str, words: str):
    assert read(name).initialization == words
    assert not words or parse_initialization(words)


def test_a_model_of_models_is_one_network():
    networks = read_source((DATA / "keras_ae.txt").read_text()).networks
    assert [n.name for n in networks] == ["auto"]


def test_a_function_that_returns_a_model_is_run_with_its_defaults():
    assert any(isinstance(n, Concat) for n, _ in walk(read("unet").root))


def test_layers_without_imports_are_those_of_keras():
    text = "model = Sequential()\nmodel.add(LSTM(7, input_shape=(5, 3)))\nmodel.add(Dense(1, activation='tanh'))"
    assert chain(text) == [Recurrent("lstm", 3, 7), Linear(7, 1), Activation("tanh")]


def test_an_unbounded_activation_inside_a_cell_is_said():
    text = "model = Sequential()\nmodel.add(LSTM(7, activation='{}', input_shape=(5, 3)))\nmodel.add(Dense(1))"
    assert any("bounds the state" in a.statement for a in read_source(text.format("relu")).networks[0].assumptions)
    assert not any("bounds the state" in a.statement for a in read_source(text.format("tanh")).networks[0].assumptions)


def test_same_padding_with_a_stride_halves_the_image():
    text = (
        "from keras import Input, Model, layers\nx = i = Input((28, 28, 3))\n"
        "x = layers.SeparableConv2D(8, 3, strides=2, padding='same')(x)\nx = layers.Flatten()(x)\n"
        "m = Model(i, layers.Dense(2)(x))"
    )
    found = chain(text)
    assert found[0] == Conv(3, 3, (3, 3), (2, 2), (1, 1), (1, 1), 3, False)
    assert found[-1] == Linear(14 * 14 * 8, 2)


def test_attention_with_wide_heads_counts_all_its_numbers():
    text = (
        "from keras import Input, Model, layers\ni = Input((16, 32))\n"
        "x = layers.MultiHeadAttention(num_heads=4, key_dim=32)(i, i)\nm = Model(i, layers.add([i, x]))"
    )
    network = read_source(text).networks[0]
    (op,) = [la.op for la, _ in layers(network.root) if isinstance(la.op, Attention)]
    assert (op.heads, account(network).total) == (4, 3 * (32 * 128 + 128) + 128 * 32 + 32)


def test_without_a_shape_of_the_input_nothing_is_guessed():
    network = read_source(
        "import keras\nm = keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(2)])"
    ).networks[0]
    first = next(layers(network.root))[0].op
    assert isinstance(first, Opaque)
    assert any("keras.Input" in a.settle for a in network.assumptions)
