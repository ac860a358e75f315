"""Legends and captions that do not stand above their rows, and labels with integers in them."""

import pytest

from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.record import Measurements

ROWS = [(0, 2.31, 0.41), (40, 1.87, 0.52), (80, 1.22, 0.63), (120, 0.95, 0.58)]


def points(found: Measurements, kind: str) -> list[tuple[float, float]]:
    series = found.of(kind)
    assert series is not None
    return [(p.at, p.value.x) for p in series.points]


@pytest.mark.parametrize("mark", [" | ", ";", "\t", ",", "   "])
@pytest.mark.parametrize(
    ("legend", "training"),
    [
        ("(step | loss | grad norm)", ""),
        ("(update / train loss / gradient norm; sorry for the format)", ""),
        ("columns are: iteration, loss, grad_norm", ""),
        ("", "step;loss;grad norm"),
        ("", "Adam\ncolumns: step, loss, grad norm before clipping"),
    ],
)
def test_rows_take_the_names_of_a_legend_below_them_or_in_the_training(mark: str, legend: str, training: str) -> None:
    text = "\n".join(mark.join(map(str, row)) for row in ROWS)
    found = read_measurements(f"{text}\n{legend}", training)
    assert points(found, "loss") == [(step, loss) for step, loss, _ in ROWS]
    assert points(found, "gradient norm") == [(step, norm) for step, _, norm in ROWS]


def test_a_legend_in_brackets_may_have_no_time() -> None:
    found = read_measurements("2.3, 0.1\n2.2, 0.2\n2.1, 0.3\n(loss, grad norm)")
    assert points(found, "loss") == [(0, 2.3), (1, 2.2), (2, 2.1)]
    assert points(found, "gradient norm") == [(0, 0.1), (1, 0.2), (2, 0.3)]


def test_the_hidden_layer_is_a_place_and_its_mean_a_measurement() -> None:
    found = read_measurements("weight gradients:\nthe hidden layer below gets 0.43\nhidden 1 0.1\nhidden 2 0.2")
    assert not [f for f in found.facts if f.quantity.kind == "activation"]
    found = read_measurements("hidden layer mean 0.3 std 0.1")
    assert [(f.quantity.kind, f.quantity.statistic) for f in found.facts] == [
        ("activation", "mean"),
        ("activation", "std"),
    ]


def test_a_sentence_of_as_many_parts_is_no_legend() -> None:
    text = "\n".join(";".join(map(str, row)) for row in ROWS)
    found = read_measurements(text, "Adam 1e-3, fp32, batch 64")
    assert not found.series


@pytest.mark.parametrize("caption", ["(gradient norms)", "(grad norm per layer, last layer first)", "^ grad norms"])
def test_a_caption_below_says_what_the_rows_are(caption: str) -> None:
    found = read_measurements(f"fc3.weight 0.4\nfc2.weight 0.02\nfc1.weight 0.001\n{caption}\n\nbn.weight 1.0")
    layers = found.layers("weight gradient")
    assert layers is not None
    assert {row.name: row.values[layers[1]].x for row in layers[0].rows if layers[1] in row.values} == {
        "fc1.weight": 0.001,
        "fc2.weight": 0.02,
        "fc3.weight": 0.4,
    }


def test_a_headline_with_a_number_of_its_own_says_what_its_rows_are() -> None:
    found = read_measurements("gradient norms after one backward (loss 1.95):\n  hidden 4 → 2e-3\n  hidden 1 → 5e-7")
    layers = found.layers("gradient")
    assert layers is not None
    assert [row.values[layers[1]].x for row in layers[0].rows] == [5e-7, 2e-3]
    assert [(f.quantity.kind, f.value.x) for f in found.facts] == [("loss", 1.95)]


@pytest.mark.parametrize(
    ("line", "unit", "gap"),
    [
        ("loss every 25 steps: 0.9 0.8 0.7 0.6", "step", 25),
        ("training loss every 2 epochs: 0.9, 0.8, 0.7, 0.6", "epoch", 2),
        ("loss (first 64 images): 0.9 0.8 0.7 0.6", "row", 1),
    ],
)
def test_an_integer_in_a_label_is_no_value(line: str, unit: str, gap: int) -> None:
    found = read_measurements(line)
    series = found.of("loss")
    assert series is not None
    assert series.unit == unit
    assert [(p.at, p.value.x) for p in series.points] == [(0, 0.9), (gap, 0.8), (2 * gap, 0.7), (3 * gap, 0.6)]


def test_variants_of_one_run_stay_apart() -> None:
    found = read_measurements("loss, lr 3e-4 const: 2.1 2.0 2.1 2.0\nloss, 500 warmup: 2.1 1.4 0.8 0.3")
    assert {s.label: s.points[-1].value.x for s in found.series} == {
        "loss, lr 3e-4 const": 2.0,
        "loss, 500 warmup": 0.3,
    }


def test_a_slice_is_no_value() -> None:
    found = read_measurements("print(history[::20])\nlosses[::20]\n[0.5, 0.4, 0.3]")
    assert [(s.quantity.kind, [p.value.x for p in s.points]) for s in found.series] == [("loss", [0.5, 0.4, 0.3])]
    assert not found.facts


def test_inline_lists_of_layers_are_layers_in_order() -> None:
    found = read_measurements("cosine between node embeddings (128 nodes): L1 0.61, L2 0.93, L3 0.999")
    layers = found.layers("cosine")
    assert layers is not None
    assert [row.values[layers[1]].x for row in layers[0].rows] == [0.61, 0.93, 0.999]
    found = read_measurements("tiny gradients: layer1 3e-9, layer 12 2e-5, layer 24 0.1")
    assert [row.name for row in found.per_layer[0].rows] == ["layer1", "layer 12", "layer 24"]


def test_shares_with_the_layer_in_brackets_behind_them() -> None:
    found = read_measurements("grad underflow in half: 64.0% (tok_embed), 8.5% (mixer), 0.2% (lm_head)")
    layers = found.layers("underflow", "zero")
    assert layers is not None
    assert {row.name: row.values[layers[1]].x for row in layers[0].rows} == {
        "tok_embed": 0.64,
        "mixer": 0.085,
        "lm_head": 0.002,
    }


def test_gates_of_one_letter_are_gates_at_each_time() -> None:
    text = "fraction saturated per gate\n" + "\n".join(f"t={t} i 0.{t}1 f 0.{t}2 o 0.{t}3" for t in (1, 2, 3))
    found = read_measurements(text)
    layers = found.layers("saturated")
    assert layers is not None
    assert {row.name: row.values[layers[1]].x for row in layers[0].rows}["f_gate t=2"] == 0.22
