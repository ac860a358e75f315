import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiming_mcp.measurements import layers
from kaiming_mcp.measurements.quantity import quantity_of
from kaiming_mcp.measurements.value import number, numbers, with_points


@pytest.mark.parametrize(
    ("text", "x", "low", "high"),
    [
        ("0.0000", 0.0, -5e-5, 5e-5),
        ("-0.0000", 0.0, -5e-5, 5e-5),
        ("1.2e-05", 1.2e-5, 1.15e-5, 1.25e-5),
        ("1e-3", 1e-3, 5e-4, 1.5e-3),
        ("0.000e+00", 0.0, 0.0, 0.0),
        ("-0.0000E+00", 0.0, 0.0, 0.0),
        ("0e+00", 0.0, 0.0, 0.0),
        ("0.00e-05", 0.0, -5e-8, 5e-8),
        ("0.0 × 10^-5", 0.0, -5e-7, 5e-7),
        ("7", 7.0, 7.0, 7.0),
        ("0.", 0.0, 0.0, 0.0),
        ("1,234", 1234.0, 1234.0, 1234.0),
        ("80 %", 0.8, 0.795, 0.805),
        ("50k", 5e4, 5e4, 5e4),
        ("1.2 × 10^-5", 1.2e-5, 1.15e-5, 1.25e-5),
        ("3×10⁻⁵", 3e-5, 2.5e-5, 3.5e-5),
        ("10⁻⁵", 1e-5, 5e-6, 1.5e-5),
        ("−2.5", -2.5, -2.55, -2.45),
    ],
)
def test_a_number_allows_the_interval_of_its_last_digit(text: str, x: float, low: float, high: float) -> None:
    value = number(text)
    assert value is not None
    assert (value.x, value.low, value.high) == pytest.approx((x, low, high), rel=1e-12, abs=1e-300)


def test_a_bound_is_an_upper_bound_of_the_size() -> None:
    value = number("< 1e-7")
    assert value is not None
    assert value.size == (0.0, 1e-7)
    assert value.below


def test_nan_and_infinities_are_not_finite() -> None:
    found = [v for _, _, v in numbers("nan NaN inf -inf Infinity information banana")]
    assert [v.finite for v in found] == [False] * 5
    assert found[3].x == -math.inf


@pytest.mark.parametrize("text", ["0.weight", "features.10.weight", "v2.13.0", "conv2d", "16x16", "fp16", "x**2"])
def test_digits_of_names_and_versions_are_no_numbers(text: str) -> None:
    assert list(numbers(text)) == []


def test_decimal_commas_are_read_where_nothing_else_is_possible() -> None:
    assert with_points("fc1\t1,2e-05") == "fc1\t1.2e-05"
    assert with_points("loss 0,112") == "loss 0.112"
    assert with_points("loss,grad\n1,20000") == "loss,grad\n1,20000"
    assert with_points("x in [0,1e8] and 1,234") == "x in [0,1e8] and 1,234"


@given(st.floats(-1e300, 1e300), st.integers(0, 12))
def test_a_printed_number_is_inside_its_interval(x: float, places: int) -> None:
    for text in (f"{x:.{places}e}", repr(x)):
        value = number(text)
        assert value is not None
        # The interval is computed in floats: allow their rounding.
        assert value.low - abs(x) * 1e-15 <= x <= value.high + abs(x) * 1e-15


@pytest.mark.parametrize(
    ("words", "kind", "statistic", "split"),
    [
        ("grad norm", "gradient", "norm", ""),
        ("val_loss", "loss", "unknown", "val"),
        ("trainAccuracy", "accuracy", "unknown", "train"),
        ("E[(dL/dx)^2]", "activation gradient", "mean square", ""),
        ("weight_grad_norm", "weight gradient", "norm", ""),
        ("mean|h|", "activation", "mean abs", ""),
        ("update/data ratio", "update ratio", "unknown", ""),
        ("grad_scale", "loss scale", "unknown", ""),
        ("grad ratio first/last", "gradient ratio", "unknown", ""),
        ("dead fraction", "dead", "unknown", ""),
        ("banana", "unknown", "unknown", ""),
    ],
)
def test_words_say_what_was_measured(words: str, kind: str, statistic: str, split: str) -> None:
    quantity = quantity_of(words)
    assert (quantity.kind, quantity.statistic, quantity.split) == (kind, statistic, split)


@pytest.mark.parametrize(
    "names",
    [
        ["layer1", "layer2", "layer10"],
        ["0", "2", "10"],
        ["conv1.weight", "layer1.0.conv1.weight", "layer1.0.conv2.weight", "layer4.1.conv2.weight", "fc.weight"],
        ["features.0.weight", "features.10.weight", "classifier.0.weight", "classifier.6.weight"],
        ["conv1", "conv2", "fc1", "fc2"],
        ["conv2d", "conv2d_1", "conv2d_10", "dense", "dense_1"],
        ["wte.weight", "h.0.attn.c_attn.weight", "h.0.mlp.c_fc.weight", "h.1.attn.c_attn.weight", "lm_head.weight"],
        ["rnn.weight_ih_l0", "rnn.weight_ih_l1", "rnn.weight_ih_l10"],
        ["first layer", "last layer"],
    ],
)
def test_names_give_the_depth_whatever_the_printed_order(names: list[str]) -> None:
    shuffled = names[::-1]
    order, basis = layers.order(shuffled)
    assert basis == "names"
    assert [shuffled[i] for i in order] == names


def test_names_without_any_order_stay_as_printed() -> None:
    assert layers.order(["zeta", "alpha", "mixer_x"]) == ([0, 1, 2], "as printed")


def test_norms_embeddings_and_biases_are_told_by_name() -> None:
    assert layers.role("layer1.0.bn1.weight") == "norm"
    assert layers.role("h.0.ln_1.weight") == "norm"
    assert layers.role("wte.weight") == "embedding"
    assert layers.role("layer1.0.conv1.weight") == ""
    assert (layers.part("fc1.bias"), layers.part("fc1.weight"), layers.part("fc1")) == ("bias", "weight", "")
