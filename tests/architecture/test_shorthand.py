"""Layers jotted down one after the other, as people write them in a question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.notation_writer import write_notation
from kaiming_mcp.architecture.read import read_architecture
from kaiming_mcp.architecture.shorthand import looks_like_shorthand, read_shorthand

JOTTED = [
    (
        "Conv2d(3,4,3,1,1) ReLU; Conv2d(4,64,3,1,1) ReLU; ...  (no BN, default init)",
        "conv 3 4 k3 ; relu ; conv 4 64 k3 ; relu",
    ),
    ("Dense(9, tanh, input_dim=2) x 8 -> Dense(1)", "linear 2 9 ; tanh ; repeat 7 { linear 9 9 ; tanh } ; linear 9 1"),
    (
        "Dense(5, sigmoid, input 1) -> Dense(5, 'elu') -> Dense(1)",
        "linear 1 5 ; sigmoid ; linear 5 5 ; elu ; linear 5 1",
    ),
    ("Conv2d(3, 8, 5) ReLU; Conv2d(8, 8, stride 2) ReLU", "conv 3 8 k5 p0 ; relu ; conv 8 8 k3 s2 ; relu"),
    ("nn.Linear(7, 2), nn.ReLU(), nn.Dropout(0.5), nn.Linear(2,1)", "linear 7 2 ; relu ; dropout 0.5 ; linear 2 1"),
    ("10 x Linear(256, 256)\ntanh", "repeat 10 { linear 256 256 } ; tanh"),
    ("Linear(3, 2) -> BN -> ReLU -> Linear(2, 1) -> sigmoid", "linear 3 2 ; batchnorm 2 ; relu ; linear 2 1 ; sigmoid"),
]


@pytest.mark.parametrize(("text", "notation"), JOTTED)
def test_jotted_layers_are_read_in_their_order(text: str, notation: str) -> None:
    reading = read_architecture(text)
    assert " ".join(write_notation(reading.networks[0]).split()) == notation
    assert "order written" in reading.networks[0].assumptions[0].statement


@pytest.mark.parametrize(
    "text",
    [
        "Linear layers with relu do not train",
        "My network has three linear layers followed by a softmax, trained with Adam.",
        "I use Linear(10, 20) and then a ReLU but the gradient vanishes in the first layer of my network, why?",
        "Dropout(0.5) ReLU",
        "",
    ],
)
def test_prose_with_names_of_layers_is_not_guessed_at(text: str) -> None:
    assert not looks_like_shorthand(text)


def test_a_width_that_is_not_said_is_asked_for() -> None:
    with pytest.raises(ReadError, match="width that enters"):
        read_shorthand("Dense(20, tanh) x 8 -> Dense(1)")


def test_a_printed_container_without_labels_is_read_in_its_order() -> None:
    body = "Conv1d(4, 96, kernel_size=(11,), padding=(5,)) BatchNorm1d(96) ReLU MaxPool1d(2)"
    text = f"Net(\n  (body): Sequential( {body} )\n)"
    written = write_notation(read_architecture(text).networks[0])
    assert " ".join(written.split()) == "conv1d 4 96 k11 ; batchnorm 96 ; relu ; maxpool1d 2"


@given(st.text(alphabet="Conv2dLinearDse(),.;x> \n0123456789relu", max_size=200))
def test_random_text_raises_nothing_but_a_read_error(text: str) -> None:
    if looks_like_shorthand(text):
        try:
            read_shorthand(text)
        except ReadError as error:
            assert "Example" in str(error)
