import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_measurements_formats import BY_EPOCH, BY_STEP, LAYERS, WITHIN

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.measurements.reader import MOST_CHARACTERS, MOST_LISTED, read_measurements
from kaiming_mcp.measurements.trend import trend

DATA = Path(__file__).parent.parent / "data"
EXAMPLES = (DATA / "measurements_examples.txt").read_text(encoding="utf-8").split("\n%%%\n")
EXAMPLES += [form([(10, 2.3), (20, 2.2)]) for form in (*BY_STEP.values(), *BY_EPOCH.values())]
EXAMPLES += [form([("fc1.weight", 1e-7), ("fc2.weight", 0.1)]) for form in LAYERS.values()]
EXAMPLES += [form.format(e=1, i=10, x=2.3) for form in WITHIN.values()]
PROBE = (DATA / "measurements_probe.json").read_text(encoding="utf-8")
PIECES = [
    "\n",
    " ",
    "nan",
    "-inf",
    "1e999",
    "{",
    "}",
    "[",
    "]",
    "|",
    ",",
    "layer 3",
    "0.0000",
    "\x00",
    "é",
    "%",
    "'",
    '"',
    ":",
    "#1 ",
    "(ReLU)",
    "/",
    "12/64",
    "1e308/1e-300",
    "0.000e+00",
    "Name: x, dtype: float64",
    "log10",
]


def survives(text: str) -> None:
    found = read_measurements(text, text)
    for layers in found.per_layer:
        assert [row.index for row in layers.rows] == list(range(len(layers.rows)))
        for quantity in layers.quantities:
            trend(layers, quantity)
    assert len(found.not_understood) <= MOST_LISTED


@settings(max_examples=120, deadline=None)
@given(st.sampled_from([*EXAMPLES, PROBE]), st.data())
def test_mutated_measurements_never_raise(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text)))
        to = data.draw(st.integers(at, min(len(text), at + 20)))
        text = text[:at] + data.draw(st.sampled_from(PIECES)) + text[to:]
    survives(text)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(EXAMPLES), st.sampled_from(EXAMPLES), st.integers(0, 200), st.integers(0, 200))
def test_pieces_of_two_texts_never_raise(one: str, two: str, i: int, j: int) -> None:
    survives(one[:i] + two[j:])


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="abce01.,:|[]{}()'\"-+=<>% \n\t%/nanif", max_size=300))
def test_noise_never_raises(text: str) -> None:
    survives(text)


def test_a_text_that_is_too_long_is_refused_with_an_example() -> None:
    with pytest.raises(ReadError, match="grad norm"):
        read_measurements("1" * (MOST_CHARACTERS + 1))


@pytest.mark.parametrize(
    "piece",
    [
        "[", "{\n", "[\n", "1", "1,", "|", "'", "a.b.", "{'a': [\n", "x=1;", "tensor([[1,\n", "nan ", "(", "layer 1 ",
        "0 1\n1 2\n", "1 (ReLU): mean=0.1 std=0.2\n", "ReLU(", "Epoch [1][5/9] loss 2 (3)\n", "loss_a 1 loss_b 2\n",
        "a/b/", ".grad", "fc1 1\nName: g, dtype: float64\n", "grad_norm_", "1/2 ",
    ],
)  # fmt: skip
def test_time_is_linear_in_the_length(piece: str) -> None:
    def cost(n: int) -> float:
        begin = time.process_time()
        read_measurements(piece * (n // len(piece)))
        return time.process_time() - begin

    cost(1_000)
    # A quadratic reader would take 64 times as long for 8 times the text.
    assert cost(160_000) < 24 * cost(20_000) + 1.0


def test_deep_nesting_is_no_document() -> None:
    survives("[" * 100_000 + "]" * 100_000)
    survives('{"a":' * 5_000 + "1" + "}" * 5_000)


def test_a_text_of_too_many_lines_is_refused_at_once() -> None:
    with pytest.raises(ReadError, match="200,000 lines"):
        read_measurements("\n" * 200_001)
