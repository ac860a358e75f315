"""Rows without names, columns without words, and shares in every notation."""

import pytest

from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.record import Measurements


def column(found: Measurements, kind: str, statistic: str = "") -> dict[str, float]:
    layers = found.layers(kind, statistic)
    assert layers is not None
    rows, quantity = layers
    return {row.name: row.values[quantity].x for row in rows.rows if quantity in row.values}


@pytest.mark.parametrize(
    "text",
    [
        "layer,rms,cosine\nfc1,1.2,0.1\nfc2,1.1,0.5\nfc3,0.9,0.9",
        "layer,cosine,rms\nfc1,0.1,1.2\nfc2,0.5,1.1\nfc3,0.9,0.9",
        "layer  rms  cosine\nfc1    1.2  0.1\nfc2    1.1  0.5\nfc3    0.9  0.9",
        "| cosine | layer | rms |\n|---|---|---|\n| 0.1 | fc1 | 1.2 |\n| 0.5 | fc2 | 1.1 |\n| 0.9 | fc3 | 0.9 |",
    ],
)
def test_a_column_head_never_gives_its_words_to_another_column(text: str) -> None:
    found = read_measurements(text)
    assert column(found, "activation", "rms") == {"fc1": 1.2, "fc2": 1.1, "fc3": 0.9}
    assert column(found, "cosine") == {"fc1": 0.1, "fc2": 0.5, "fc3": 0.9}
    assert {q.kind for q in found.per_layer[0].quantities} == {"activation", "cosine"}


@pytest.mark.parametrize("head", ["second_moment", "mean", "std", "var", "mean_abs", "rms"])
def test_statistics_of_layers_without_any_word_are_of_activations_by_assumption(head: str) -> None:
    for text in (f"layer,{head}\nfc1,0.9\nfc2,0.5", f"fc1: {head}=0.9\nfc2: {head}=0.5"):
        (layers,) = read_measurements(text).per_layer
        (quantity,) = layers.quantities
        assert (quantity.kind, quantity.basis) == ("activation", "assumed")


def test_statistics_of_parameters_without_any_word_stay_unknown() -> None:
    (layers,) = read_measurements("name,mean,std\nfc1.weight,0.01,0.2\nfc2.weight,0.02,0.1").per_layer
    assert {q.kind for q in layers.quantities} == {"unknown"}


def test_a_statistic_continues_the_number_before_it() -> None:
    found = read_measurements("layer,grad_mean,std,act_mean,std\nfc1,1e-5,2e-5,0.1,0.3\nfc2,1e-3,2e-3,0.2,0.4")
    assert column(found, "gradient", "std") == {"fc1": 2e-5, "fc2": 2e-3}
    assert column(found, "activation", "mean") == {"fc1": 0.1, "fc2": 0.2}


@pytest.mark.parametrize(
    ("text", "names", "kinds"),
    [
        (
            "0 (Linear): mean=0.02 std=0.58\n1 (ReLU): mean=0.12 std=0.43\n2 (Linear): mean=0.05 std=0.31",
            ["0", "1", "2"],
            ["Linear", "ReLU", "Linear"],
        ),
        (
            "features.0 (Conv2d): mean=0.02 std=0.58\nfeatures.1 (ReLU) mean=0.12 std=0.43",
            ["features.0", "features.1"],
            ["Conv2d", "ReLU"],
        ),
        (
            "layer 1 (      Tanh): mean -0.02, std 0.75\nlayer 3 (Tanh): mean 0.00, std 0.69",
            ["layer 1", "layer 3"],
            ["Tanh", "Tanh"],
        ),
        (
            "Linear(in_features=8, out_features=8, bias=True) mean=0.02 std=0.58\nReLU() mean=0.12 std=0.43",
            ["layer 0 (Linear)", "layer 1 (ReLU)"],
            ["Linear", "ReLU"],
        ),
        (
            "| layer | mean | std |\n|---|---|---|\n| fc1 (Linear) | 0.02 | 0.58 |\n| act (ReLU) | 0.1 | 0.4 |",
            ["fc1", "act"],
            ["Linear", "ReLU"],
        ),
        ("Linear-1: mean 0.1 std 0.2\nReLU-2: mean 0.1 std 0.2", ["Linear-1", "ReLU-2"], ["Linear", "ReLU"]),
    ],
)
def test_rows_that_begin_with_an_index_or_a_class_are_layers(text: str, names: list[str], kinds: list[str]) -> None:
    found = read_measurements(text)
    (layers,) = found.per_layer
    assert [row.name for row in layers.rows] == names
    assert [row.kind for row in layers.rows] == kinds
    assert all(Quantity("activation", "std", basis="assumed") in row.values for row in layers.rows)
    assert [row.weighted for row in layers.rows] == [kind in ("Linear", "Conv2d") for kind in kinds]
    assert found.not_understood_count == 0


@pytest.mark.parametrize("mark", ["{} {}", "{}: {}", "{}, {}", "{}) {}", "  {}  ->  {}"])
def test_numbered_rows_count_what_their_headline_says(mark: str) -> None:
    rows = "\n".join(mark.format(i, f"{10.0**-i:.2e}") for i in range(12))
    expected = [float(f"{10.0**-i:.2e}") for i in range(12)]
    assert list(column(read_measurements(f"grad norms\n{rows}"), "gradient", "norm").values()) == expected
    series = read_measurements(f"losses\n{rows}").of("loss")
    assert series is not None
    assert [(p.at, p.value.x) for p in series.points] == list(enumerate(expected))
    (unnamed,) = read_measurements(rows).series
    assert not unnamed.quantity.known
    assert [p.value.x for p in unnamed.points] == expected


@pytest.mark.parametrize(
    "text",
    [
        "layer,fraction_of_active_units\nrelu1,0.75\nrelu2,0.0625",
        "relu1 fraction of active neurons: 0.75\nrelu2 fraction of active neurons: 0.0625",
        "relu1: 75% alive\nrelu2: 6.25% alive",
        "relu1: never active 25%\nrelu2: never active 93.75%",
        "relu1: 16 of 64 channels always zero\nrelu2: 60 of 64 channels always zero",
        '{"alive_units": {"relu1": 0.75, "relu2": 0.0625}}',
        "layer,dead\nrelu1,16/64\nrelu2,60/64",
        "relu1: 16/64 dead\nrelu2: 60/64 dead",
        "dead neurons: relu1 16/64, relu2 60/64",
        "layer,dead %\nrelu1,25\nrelu2,93.75",
        "layer  dead\nrelu1  25.00\nrelu2  93.75",
    ],
)
def test_shares_of_dead_units_are_read_in_every_notation(text: str) -> None:
    found = read_measurements(text)
    assert column(found, "dead") == pytest.approx({"relu1": 0.25, "relu2": 0.9375}, abs=1e-12)
    assert found.not_understood_count == 0


@pytest.mark.parametrize(
    "text",
    [
        "relu1 active fraction: 0.75\nrelu2 active fraction: 0.0625",
        "relu1: 75% active\nrelu2: 6.25% active",
        "layer,nonzero\nrelu1,48/64\nrelu2,4/64",
        "layer,zero activations\nrelu1,25%\nrelu2,93.75%",
    ],
)
def test_a_share_of_active_outputs_says_nothing_of_dead_units(text: str) -> None:
    found = read_measurements(text)
    assert column(found, "zero") == pytest.approx({"relu1": 0.25, "relu2": 0.9375}, abs=1e-12)
    assert found.layers("dead") is None


def test_beside_percentages_a_small_number_is_a_percentage_too() -> None:
    assert column(read_measurements("layer,dead\nrelu1,0.5\nrelu2,93.75"), "dead") == {"relu1": 0.005, "relu2": 0.9375}
    found = read_measurements("epoch 1 acc 0.78\nepoch 2 acc 12.5\nepoch 3 acc 40.0").of("accuracy")
    assert found is not None
    assert [p.value.x for p in found.points] == pytest.approx([0.0078, 0.125, 0.4])


def test_a_count_of_units_without_their_total_is_no_share() -> None:
    assert read_measurements("relu1 dead units: 12\nrelu2 dead units: 60").layers("dead") is None


def test_columns_of_steps_are_times() -> None:
    found = read_measurements("grad norm\n\nlayer,step 0,step 100\nfc1,1e-5,1e-6\nfc2,1e-3,2e-3")
    assert [layers.at.x for layers in found.per_layer if layers.at] == [0, 100]
    assert [[v.x for row in layers.rows for v in row.values.values()] for layers in found.per_layer] == [
        [1e-5, 1e-3],
        [1e-6, 2e-3],
    ]


def test_several_numbers_on_the_line_of_each_layer_are_several_times() -> None:
    found = read_measurements("grad norms\nfc1: 1e-5, 2e-5, 3e-5\nfc2: 1e-3, 2e-3, 3e-3")
    assert [[v.x for row in layers.rows for v in row.values.values()] for layers in found.per_layer] == [
        [1e-5, 1e-3],
        [2e-5, 2e-3],
        [3e-5, 3e-3],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "activations std per layer: 1.0 0.5 0.25",
        "std of the activations over the layers: 1.0, 0.5, 0.25",
        "activations std: 1.0 -> 0.5 -> 0.25",
    ],
)
def test_a_list_of_numbers_of_layers_is_one_a_layer(text: str) -> None:
    found = column(read_measurements(text), "activation", "std")
    assert found == {"layer 0": 1.0, "layer 1": 0.5, "layer 2": 0.25}


def test_the_ratio_beside_a_gradient_and_its_weight_is_an_update_ratio() -> None:
    text = "conv1: grad_norm=1e-5 | weight_norm=12 | ratio=1e-6\nconv2: grad_norm=1e-3 | weight_norm=12 | ratio=1e-4"
    assert column(read_measurements(text), "update ratio") == {"conv1": 1e-6, "conv2": 1e-4}
    text = "weight   (27, 10) | mean -0.000121 | std 8.02e-03 | grad:data ratio 8.01e-03\n"
    text += "weight  (30, 200) | mean -0.000036 | std 2.44e-03 | grad:data ratio 2.44e-03"
    assert list(column(read_measurements(text), "update ratio").values()) == [8.01e-3, 2.44e-3]


def test_columns_of_two_precisions_stand_side_by_side_and_zeros_of_a_parameter_are_of_its_gradient() -> None:
    text = (
        "layer,grad_norm_fp16,grad_norm_fp32,zero_fraction_fp16\nfc1.weight,0.0,2.2e-5,1.0\nfc2.weight,2e-4,2e-4,0.88"
    )
    (layers,) = read_measurements(text).per_layer
    values = layers.rows[0].values
    assert values[Quantity("weight gradient", "norm", "fp16")].x == 0
    assert values[Quantity("weight gradient", "norm", "fp32")].x == 2.2e-5
    assert values[Quantity("gradient zero", "unknown", "fp16", "assumed")].x == 1
    found = read_measurements("fc1.weight grad norm 1e-6 zeros 29%\nfc2.weight grad norm 1e-5 zeros 12%")
    assert column(found, "gradient zero") == {"fc1.weight": 0.29, "fc2.weight": 0.12}
    assert column(read_measurements("layer,zeros\nrelu1,0.5\nrelu2,0.75"), "zero") == {"relu1": 0.5, "relu2": 0.75}
    assert read_measurements("x = zeros(1, requires_grad); x.norm().backward()").layers("zero") is None
