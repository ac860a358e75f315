"""Statistics of data, outputs and scores that sentences state, terms of a loss, shares, settings."""

import time

import pytest

from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.training import training


def facts(text: str) -> dict[tuple[str, str, str], float]:
    return {(f.quantity.kind, f.quantity.statistic, f.label): f.value.x for f in read_measurements(text).facts}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x: mean 121 std 68", {("input", "mean"): 121, ("input", "std"): 68}),
        ("x.mean() 2e-7 x.std() 5E-6", {("input", "mean"): 2e-7, ("input", "std"): 5e-6}),
        ("inputs have std 3.5e4", {("input", "std"): 3.5e4}),
        ("y_train.mean() = 4.1e-5, y.std() = 2.0e-6", {("target", "mean"): 4.1e-5, ("target", "std"): 2.0e-6}),
        (
            "targets mean 980 kg, std 3 kg; predictions mean 12 kg",
            {("target", "mean"): 980, ("target", "std"): 3, ("prediction", "mean"): 12},
        ),
        ("std of predictions 0.004, R2 = -312.5", {("prediction", "std"): 0.004, ("r2", "value"): -312.5}),
        ("before tanh: mean 14.2  max 31", {("pre-activation", "mean"): 14.2, ("pre-activation", "max"): 31}),
        ("attention scores: std 41.0, max 180", {("pre-activation", "std"): 41, ("pre-activation", "max"): 180}),
        (
            "softmax: mean top probability 0.98, entropy 0.05 nats (uniform would be ln 16 = 2.773)",
            {("top probability", "mean"): 0.98, ("entropy", "mean"): 0.05, ("entropy", "max"): 2.773},
        ),
        ("reconstruction: min 0.0 max 0.0", {("prediction", "min"): 0, ("prediction", "max"): 0}),
        ("largest gradient norm so far: 0.83", {("gradient norm", "max"): 0.83}),
        ("inputs[:2, 3] = [86400.0, 172800.0]", {("input", "max"): 172800}),
    ],
)
def test_statistics_of_data_and_outputs_are_facts_and_nothing_else(
    text: str, told: dict[tuple[str, str], float]
) -> None:
    found = read_measurements(text)
    assert {(f.quantity.kind, f.quantity.statistic): f.value.x for f in found.facts} == told
    assert not found.per_layer
    assert not found.series
    assert not found.not_understood


def test_a_described_frame_tells_of_each_column() -> None:
    frame = "         height      salary   y\ncount    500.0       500.0  500.0\nmean       1.7     81000.5  0.3\n"
    found = facts(frame + "std        0.1     23000.1  0.5\n")
    assert found["input", "mean", "salary"] == 81000.5
    assert found["input", "std", "height"] == 0.1
    assert found["target", "mean", "y"] == 0.3


def test_a_frame_of_layers_is_none_of_data() -> None:
    found = read_measurements("activations\n      layer1  layer2\nmean     0.1     0.2\nstd      1.1     2.2\n")
    assert not any(f.quantity.kind == "input" for f in found.facts)


@pytest.mark.parametrize(
    "text",
    [
        "std of the output over customers = 0.0e+00",
        "output std across 64 patients: 0.0",
        "max difference img_a vs img_b of the output 0.0",
    ],
)
def test_a_spread_between_inputs_is_no_activation(text: str) -> None:
    assert [f.quantity.kind for f in read_measurements(text).facts] == ["spread"]


def test_a_wish_for_mean_0_and_std_1_is_no_measurement() -> None:
    found = read_measurements("norm after each block, activations are fine (mean 0, std 1), yet it explodes")
    assert not found.facts
    assert not found.per_layer


def test_the_total_is_the_loss_and_the_rest_are_its_terms() -> None:
    text = "\n".join(f"ep{e:02d} total {9 - e}.50 rec {8 - e}.25 kl 0.{e}5" for e in range(4))
    found = read_measurements(text)
    losses = found.of("loss")
    assert losses is not None
    assert [(p.at, p.value.x) for p in losses.points] == [(0, 9.5), (1, 8.5), (2, 7.5), (3, 6.5)]
    assert {s.label for s in found.series if s.quantity.kind == "loss term"} == {"rec", "kl"}


def test_units_that_are_zero_for_a_whole_batch_are_dead() -> None:
    found = read_measurements("neurons 0 for the whole batch of 256: relu(0) 12.5%, relu(2) 100.0%")
    layers = found.layers("dead")
    assert layers is not None
    assert [row.values[layers[1]].x for row in layers[0].rows] == [0.125, 1.0]


def test_a_sum_that_a_script_prints_as_zero_is_exactly_zero() -> None:
    found = read_measurements("enc.weight.grad.abs().sum() = 0.0\ndec.weight.grad.abs().sum() = 0.0")
    layers = found.layers("weight gradient")
    assert layers is not None
    assert all(row.values[layers[1]].exact for row in layers[0].rows)


def test_t_beside_an_error_is_a_step_and_the_trained_error_is_the_loss() -> None:
    text = "\n".join(f"t={20 * i} MAE={900 - i}.5 grad={i + 1}.5" for i in range(4))
    found = read_measurements(text, "L1 loss, SGD")
    losses = found.of("loss")
    assert losses is not None
    assert [(p.at, p.value.x) for p in losses.points] == [(0, 900.5), (20, 899.5), (40, 898.5), (60, 897.5)]
    assert not found.per_layer


def test_iterations_of_an_unrolled_net_are_its_depth() -> None:
    head, rows = "iteration,rms_h,rms_grad_h", [f"{k},0.5,{10.0 ** (k - 6):.1e}" for k in range(6)]
    found = read_measurements("\n".join([head, *rows]))
    layers = found.layers("gradient")
    assert layers is not None
    assert [row.values[layers[1]].x for row in layers[0].rows] == [10.0 ** (k - 6) for k in range(6)]
    with_loss = read_measurements("\n".join([f"{head},loss", *(f"{row},2.{i}" for i, row in enumerate(rows))]))
    assert not with_loss.per_layer


def test_a_list_of_logits_holds_neither_layers_nor_times() -> None:
    found = read_measurements("logits dog [0.11, 0.52, -0.03]\nlogits car [0.11, 0.52, -0.03]")
    assert not found.per_layer
    assert not found.series


@pytest.mark.parametrize(
    ("text", "classes"),
    [("5 emotions", 5), ("like a 9-sided die", 9), ("80 token types", 80), ("12 species", 12), ("8 logits", 8)],
)
def test_classes_are_counted_in_other_nouns_too(text: str, classes: int) -> None:
    assert training(f"Adam 1e-3, {text}").classes == classes


@pytest.mark.parametrize(
    ("text", "clip", "kind"),
    [
        ("tf.keras.optimizers.SGD(0.1, clipvalue=2.5)", 2.5, "value"),
        ("optimizers.Adam(1e-3, clipnorm=4.0)", 4.0, "norm"),
        ("optimizer: adam\ngrad_clip: 7.5\nlr: 1e-3", 7.5, "norm"),
    ],
)
def test_clips_in_calls_and_in_yaml(text: str, clip: float, kind: str) -> None:
    found = training(text)
    assert found.clip is not None
    assert (found.clip.x, found.clip_kind) == (clip, kind)


def test_the_likelihood_of_a_gaussian_is_no_cross_entropy() -> None:
    assert training("gaussian nll, Adam").loss == "gaussian likelihood"


def test_an_l4_with_a_number_is_a_layer_and_no_device() -> None:
    assert training("", "L3 1.000, L4 1.000").device is None
    assert training("trained on an L4 in fp16").device == "L4"


def test_long_texts_of_bare_rows_and_of_digits_take_linear_time() -> None:
    begin = time.process_time()
    read_measurements("1;2;3\n2;3;4\n4;5;6\n\n" * 2_000, "a, b, c\n" * 500)
    read_measurements("loss a, b: " + "1" * 400 + " x\n" + "1 " * 3_000 + "x")
    assert time.process_time() - begin < 10
