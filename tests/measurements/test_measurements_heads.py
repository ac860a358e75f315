"""Heads of tables that tell little, columns that count, clocks side by side, and numbers that a logger repeats."""

from __future__ import annotations

import pytest

from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.record import Measurements
from kaiming_mcp.measurements.trend import trend


def _points(found: Measurements, kind: str, split: str = "") -> list[tuple[float, float]]:
    series = found.of(kind, split)
    return [(p.at, p.value.x) for p in series.points] if series else []


@pytest.mark.parametrize("mark", [" ", ",", " | ", "\t"])
def test_columns_without_a_known_name_are_no_losses(mark: str) -> None:
    rows = [
        ["epoch", "loss", "foo", "bar", "baz"],
        *([str(i), f"2.{9 - i}", "71", "0.001", f"3{i}.5"] for i in range(4)),
    ]
    found = read_measurements("\n".join(mark.join(row) for row in rows))
    assert _points(found, "loss") == [(0, 2.9), (1, 2.8), (2, 2.7), (3, 2.6)]


def test_a_first_column_that_counts_is_no_number_of_a_line() -> None:
    text = "epoch | loss | lr\n" + "\n".join(f"{i} | {2.3 - 0.1 * i:.2f} | 0.1" for i in range(12))
    assert [at for at, _ in _points(read_measurements(text), "loss")] == [float(i) for i in range(12)]


def test_columns_of_gradients_are_layers() -> None:
    head = "epoch loss g_fc1 g_fc2 g_out ‖W1‖"
    found = read_measurements(
        f"{head}\n0 2.40 1e-5 1e-4 1e-3 4.6\n1 2.31 2e-5 2e-4 2e-3 4.5\n2 2.30 3e-5 3e-4 3e-3 4.4"
    )
    kinds = {(row.name, q.kind) for row in found.per_layer[0].rows for q in row.values}
    assert kinds == {("fc1", "gradient"), ("fc2", "gradient"), ("out", "gradient"), ("W1", "weight")}
    assert len(_points(found, "loss")) == 3


def test_the_finer_of_two_clocks_counts() -> None:
    found = read_measurements("iter 76 step 38: loss 10.8\niter 77 step 39: loss 10.7\niter 78 step 39: loss 10.6")
    assert _points(found, "loss") == [(76, 10.8), (77, 10.7), (78, 10.6)]


def test_the_step_beside_the_name_of_a_loss_is_a_time() -> None:
    found = read_measurements("Epoch: 11\nValidation loss 6312:  0.149928\nEpoch: 12\nValidation loss 6838:  0.147172")
    assert _points(found, "loss", "val") == [(6312, 0.149928), (6838, 0.147172)]


def test_a_loss_that_caffe_prints_once_more_with_its_weight_is_one_loss() -> None:
    lines = [
        f"solver.cpp:229] Iteration {i}, loss = {x}\nsolver.cpp:245]     Train net output #0: accuracy = 0.5\n"
        f"solver.cpp:245]     Train net output #1: loss = {x} (* 1 = {x} loss)"
        for i, x in ((0, 21.4058), (20, 9.3365))
    ]
    found = read_measurements("\n".join(lines))
    assert _points(found, "loss") == [(0, 21.4058), (20, 9.3365)]
    assert _points(found, "loss", "train") == [(0, 21.4058), (20, 9.3365)]
    assert _points(found, "accuracy", "train") == [(0, 0.5), (20, 0.5)]


def test_a_loss_below_rows_of_layers_is_no_layer() -> None:
    found = read_measurements("name grad_mean\n0.weight 0.0012\n2.weight 0.0034\nloss 0.0011")
    assert [row.name for row in found.per_layer[0].rows] == ["0.weight", "2.weight"]
    assert [f.value.x for f in found.facts if f.quantity.kind == "loss"] == [0.0011]


def test_a_headline_of_two_quantities_names_both_numbers_of_each_row() -> None:
    rows = [(0.47, 0.076), (0.93, 0.071), (0.99, 0.073)]
    lines = [f"conv{i} : {a} {b}" for i, (a, b) in enumerate(rows)]
    found = read_measurements("\n".join(["layer: cosine between nodes, E[h²]", *lines]))
    kinds = {q.kind: [row.values[q].x for row in found.per_layer[0].rows] for q in found.per_layer[0].quantities}
    assert kinds == {"cosine": [0.47, 0.93, 0.99], "activation": [0.076, 0.071, 0.073]}


def test_nested_keys_of_a_printed_model_are_one_name() -> None:
    nested = {"encoder": {"layer": {str(i): {"attention.weight.grad": 10.0 ** (i - 7)} for i in range(3)}}}
    found = read_measurements(str(nested))
    assert [row.name for row in found.per_layer[0].rows] == [f"encoder.layer.{i}.attention.weight" for i in range(3)]


@pytest.mark.parametrize("places", [(0, 1, 2, 3, 30), (0, 10, 20, 30, 49)])
def test_the_rate_is_one_of_layers_where_only_some_were_printed(places: tuple[int, ...]) -> None:
    found = read_measurements("\n".join(f"layer {i}: hidden rms {1.5**i:.6e}" for i in places))
    shown = trend(found.per_layer[0], Quantity("activation", "rms"))
    assert shown is not None
    assert shown.places == places
    assert shown.factor == pytest.approx(1.5, rel=1e-5)
    assert shown.break_ is None


def test_a_clip_is_read_by_the_name_of_the_call() -> None:
    for text in ("clip_grad_norm 0.01, SGD", "clip_grad_norm=0.01", "clip grad norm: 0.01"):
        clip = read_measurements("", text).training.clip
        assert clip is not None, text
        assert clip.x == 0.01


def test_a_vocabulary_is_read_in_front_of_a_comma() -> None:
    assert read_measurements("", "vocab 50, cross entropy").training.classes == 50
