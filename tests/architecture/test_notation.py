"""The layer notation: reading, writing back, its guide, and its errors."""

from __future__ import annotations

import re
import time
from pathlib import Path

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
    Repeat,
    Reshape,
    Residual,
    Scale,
    Sequence,
    Shape,
    layers,
    walk,
)
from kaiming_mcp.architecture.notation import looks_like_notation, parse_shape, read_notation
from kaiming_mcp.architecture.notation_words import TABLE, WORDS
from kaiming_mcp.architecture.notation_writer import normalise, write_notation
from kaiming_mcp.architecture.read import EXAMPLE, NotAnArchitectureError, read_architecture
from kaiming_mcp.library import content_root

GUIDE = (content_root() / "guide" / "layer-notation.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```kaiming\n(.*?)```", GUIDE, re.DOTALL)


def _network(text: str) -> Network:
    return read_notation(text).networks[0]


def test_the_example_of_the_error_messages_is_read() -> None:
    network = _network(EXAMPLE)
    assert network.input == Shape(3, (32, 32))
    (repeat,) = [n for n, _ in walk(network.root) if isinstance(n, Repeat)]
    assert repeat.count == 8
    assert sum(t for la, t in layers(network.root) if isinstance(la.op, Conv)) == 17


@pytest.mark.parametrize("text", EXAMPLES)
def test_every_example_of_the_guide_parses_and_is_recognised(text: str) -> None:
    assert looks_like_notation(text)
    assert list(layers(_network(text).root))


@pytest.mark.parametrize("word", TABLE, ids=lambda w: w.name)
def test_every_word_is_documented_and_its_example_parses(word: object) -> None:
    name, example = getattr(word, "name"), getattr(word, "example")  # noqa: B009 - pytest passes ids of any type
    assert re.search(rf"\b{re.escape(name)}\b", GUIDE), f"{name} is missing from the guide"
    if name not in {"input", "shortcut"}:
        assert _network(example)


@pytest.mark.parametrize("text", [EXAMPLE, *EXAMPLES])
def test_lost_line_breaks_and_semicolons_change_nothing(text: str) -> None:
    bare = re.sub(r"#[^\n]*", "", text)
    assert _network(" ".join(bare.split())).root == _network(text).root
    assert _network(re.sub(r"[;\s]+", " ", bare)).root == _network(text).root


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3x224x224", Shape(3, (224, 224))),
        ("784", Shape(784, ())),
        ("(3, 32, 32)", Shape(3, (32, 32))),
        ("tokens 1024", Shape(None, (1024,))),
        ("tokens 1024 x 512", Shape(512, (1024,))),
        ("4x1000", Shape(4, (1000,))),
    ],
)
def test_shapes_are_read_in_the_ways_people_write_them(text: str, expected: Shape) -> None:
    assert parse_shape(text) == expected


@pytest.mark.parametrize("text", ["", "big", "0x3", "1x2x3x4x5", "3x-2", "9" * 50])
def test_a_shape_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ReadError, match="3x224x224"):
        parse_shape(text)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("linear 3 4\ncovn 3 4 k3", r"line 2, column 1.*did you mean 'conv'"),
        ("conv 3", "needs OUT and k"),
        ("repeat 3 { linear 3 3", "never closed"),
        ("linear 3 4 }", "closes no block"),
        ("linear 3 0", "whole number"),
        ("linear 3 4 5", "no further number"),
        ("repeat 2000000 { relu }", "at most 1,000,000"),
        ("{ " * 100, "not a layer word"),
        ("repeat 2 { " * 100, "nested deeper"),
        ("conv 3 64 k3 g2", "must divide"),
        ("input 3x32x32", "no layer"),
    ],
)
def test_an_error_names_the_place_what_was_expected_and_an_example(text: str, part: str) -> None:
    with pytest.raises(ReadError, match=part) as caught:
        read_notation(text)
    assert "Example:" in str(caught.value)
    assert "line " in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a ResNet with 20 layers and ReLU",
        "My network has three linear layers followed by a softmax, trained with Adam.",
        "Linear layers with relu do not train",
        '{"name": "bert", "hidden": 768}',
    ],
)
def test_prose_and_foreign_formats_are_not_guessed_at(text: str) -> None:
    with pytest.raises(NotAnArchitectureError, match="layer notation"):
        read_architecture(text)


_ACTIVATIONS = st.sampled_from(["relu", "gelu", "tanh", "silu", "sin", "softmax"]).map(Activation)
_SIZE = st.integers(1, 4096)
_OPS = st.one_of(
    st.builds(Linear, _SIZE, _SIZE, st.booleans()),
    st.builds(
        lambda i, o, k, s, p, d, b: Conv(i, o, (k,) * 2, (s,) * 2, (p,) * 2, (d,) * 2, 1, b),
        _SIZE,
        _SIZE,
        st.integers(1, 9),
        st.integers(1, 3),
        st.integers(0, 4),
        st.integers(1, 3),
        st.booleans(),
    ),
    st.builds(lambda c, k: Conv(c, c, (k, 1), (1, 1), (0, 0), (1, 1), c), st.integers(2, 512), st.integers(1, 9)),
    st.builds(
        lambda i, o, e: Conv(i, o, (4,), (2,), (1,), (1,), 1, True, True, (e,) if e else ()),
        _SIZE,
        _SIZE,
        st.integers(0, 1),
    ),
    _ACTIVATIONS,
    st.builds(Activation, st.just("leaky_relu"), st.floats(0.001, 0.9)),
    st.builds(Scale, st.sampled_from([0.0, 1e-6, -2.0]), st.integers(0, 9)),
    st.builds(Norm, st.sampled_from(["batch", "layer"]), _SIZE, st.sampled_from([1e-5, 1e-6, 1e-3]), st.booleans()),
    st.builds(lambda c: Norm("rms", c, 1e-6, True, False), _SIZE),
    st.builds(lambda g, c: Norm("group", c, groups=g), st.integers(1, 32), _SIZE),
    st.builds(lambda k, s: Pool("max", (k, k), (s, s), (0, 0)), st.integers(1, 5), st.integers(1, 4)),
    st.just(Pool("avg")),
    st.builds(lambda n: Pool("avg", output=(n, n)), st.integers(1, 9)),
    st.builds(Dropout, st.floats(0, 1)),
    st.builds(Embedding, _SIZE, _SIZE),
    st.builds(Attention, _SIZE, st.integers(0, 16), st.integers(0, 512), st.booleans()),
    st.builds(Recurrent, st.sampled_from(["lstm", "gru", "rnn"]), _SIZE, _SIZE, st.integers(1, 4), st.booleans()),
    st.just(Reshape("flatten")),
    st.builds(Opaque, st.sampled_from(["PixelNorm", "My_Block"]), st.text('abc"\\\n,=() 0', max_size=12)),
)
_NODES = st.recursive(
    _OPS.map(Layer),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(lambda c: Sequence(tuple(c))),
        st.builds(Repeat, st.integers(2, 50), inner, identical=st.booleans()),
        st.builds(Residual, inner, st.none() | inner, st.sampled_from([1.0, 0.5, 0.0, -1.0])),
        st.lists(inner, min_size=2, max_size=3).map(lambda c: Concat(tuple(c))),
        st.lists(inner, min_size=2, max_size=2).map(lambda c: Product(tuple(c))),
    ),
    max_leaves=10,
)
_INPUTS = st.none() | st.builds(lambda c, n: Shape(c, (n, n)), _SIZE, _SIZE) | st.builds(Shape, _SIZE)


@settings(max_examples=200, deadline=None)
@given(_NODES, _INPUTS)
def test_what_is_written_reads_back_to_the_same_network(root: object, shape: Shape | None) -> None:
    network = Network("any", root, shape)  # pyright: ignore[reportArgumentType] - hypothesis builds a Node
    text = write_notation(network)
    back = _network(text)
    assert normalise(back.root) == normalise(network.root)
    assert back.input == shape
    assert _network(" ".join(text.split())).root == back.root or '"' in text


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='conv linear{};"#0123456789kxsp.\n residual repeat', max_size=200))
def test_random_text_raises_nothing_but_a_read_error(text: str) -> None:
    looks_like_notation(text)
    try:
        read_notation(text)
    except ReadError as error:
        assert "Example" in str(error) or "xample" in str(error)


@pytest.mark.parametrize(
    "text", ["relu ; " * 200_000, "{" * 500_000, '"' * 500_000, "linear 3 " * 99_999, "#" * 500_000]
)
def test_large_text_is_answered_quickly(text: str) -> None:
    begun = time.process_time()
    looks_like_notation(text)
    try:
        read_notation(text)
    except ReadError as error:
        assert str(error)
    assert time.process_time() - begun < 10


def test_runs_of_equal_structure_are_folded() -> None:
    text = "linear 784 256 ; " + "relu ; linear 256 256 ; " * 18 + "relu ; linear 256 10"
    assert len(write_notation(_network(text))) < 100


def test_every_alias_leads_to_a_word() -> None:
    assert set(WORDS.values()) == set(TABLE)
    assert _network("swish").root == _network("silu").root


def test_a_guide_exists_for_the_resource() -> None:
    assert Path(content_root() / "guide" / "layer-notation.md").stat().st_size < 7500


def test_what_stands_outside_the_layers_is_kept_and_read_back() -> None:
    text = (
        'linear 64 10 ; unknown "Mystery(3)" parameters 77 ; extra -40 ; extra 100 ; total 9 ; loss "CrossEntropyLoss"'
    )
    network = read_notation(text).networks[0]
    assert account(network).total == 64 * 10 + 10 + 77 + 60
    assert (network.loss, network.stated) == ("CrossEntropyLoss", 9)
    assert network.modules == 3
    again = read_notation(write_notation(network)).networks[0]
    assert (account(again).total, again.loss, again.stated) == (account(network).total, network.loss, 9)


@pytest.mark.parametrize("text", ["loss 2.31 ; loss 2.30 ; loss 2.29", "loss 2.31\nlinear 3 4", "extra 5 ; relu"])
def test_a_log_of_losses_is_no_network(text: str) -> None:
    assert not looks_like_notation(text)


@pytest.mark.parametrize("text", ["linear 3 4 ; extra many", "linear 3 4 ; extra 1.5", "linear 3 4 ; loss mse"])
def test_a_wrong_number_or_text_outside_the_layers_is_named(text: str) -> None:
    with pytest.raises(ReadError, match=r"extra|loss"):
        read_notation(text)


def test_an_even_kernel_without_padding_is_taken_so_and_said() -> None:
    open_ = read_notation("input 3x32x32 ; conv 3 8 k4 s2 ; relu").networks[0]
    assert "even kernel" in open_.assumptions[0].statement
    for settled in ("conv 3 8 k4 s2 p1", "conv 3 8 k4 s4", "conv 3 8 k3 s2", "convtranspose 3 8 k4 s2"):
        assert not read_notation(f"input 3x32x32 ; {settled} ; relu").networks[0].assumptions
    written = write_notation(read_notation("conv 3 8 k4 s2 p0").networks[0])
    assert not read_notation(written).networks[0].assumptions
