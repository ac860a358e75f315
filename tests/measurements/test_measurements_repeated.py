"""Rows known by the lines around them, names that only a column tells, places of a sequence, and headlines."""

import time

import pytest

from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.record import Measurements


def column(found: Measurements, kind: str, statistic: str = "") -> dict[str, float]:
    layers = found.layers(kind, statistic)
    assert layers is not None
    rows, quantity = layers
    return {row.name: row.values[quantity].x for row in rows.rows if quantity in row.values}


def points(found: Measurements, kind: str, split: str = "") -> list[tuple[float, float]]:
    series = next(s for s in found.series if s.quantity.kind == kind and s.quantity.split == split)
    return [(p.at, p.value.x) for p in series.points]


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        (
            "[probe] 1  act.std=0.9 act.max=1\n[probe] 4  act.std=0.5 act.max=-1\n[probe] 7  act.std=0.2 act.max=+3",
            "activation",
            {"1": 0.9, "4": 0.5, "7": 0.2},
        ),
        (
            "t=9 |dL/dh|=0.3\nt=6 |dL/dh|=0.02\nt=3 |dL/dh|=0.001",
            "activation gradient",
            {"t=3": 0.001, "t=6": 0.02, "t=9": 0.3},
        ),
        ("m0 3.5e2\nm7 2.5\nm12 0.03", "unknown", {"m0": 350.0, "m7": 2.5, "m12": 0.03}),
        (
            "gelu  2: std 0.9  cos(a, b) 0.2\ngelu  5: std 0.8  cos(a, b) 0.4\ngelu  9: std 0.7  cos(a, b) 0.8",
            "cosine",
            {"gelu 2": 0.2, "gelu 5": 0.4, "gelu 9": 0.8},
        ),
        (
            "0 mean 0.31 std 0.9\n1 mean 0.30 std 0.5\n2 mean 0.32 std 0.3",
            "activation",
            {"layer 0": 0.31, "layer 1": 0.30, "layer 2": 0.32},
        ),
        ("stage   2 | out.norm() = 3\nstage   9 | out.norm() = 9", "activation", {"stage 2": 3.0, "stage 9": 9.0}),
    ],
)
def test_lines_that_begin_alike_with_a_counter_are_rows_of_layers(
    text: str, kind: str, expected: dict[str, float]
) -> None:
    found = read_measurements(text)
    assert column(found, kind) == expected
    assert found.not_understood_count == 0


@pytest.mark.parametrize("stem", ["seed", "run", "fold", "class", "epoch", "gpu"])
def test_what_counts_no_layers_makes_no_rows(stem: str) -> None:
    assert not read_measurements("\n".join(f"{stem} {i} acc 0.{i}1" for i in range(5))).per_layer


def test_one_column_of_names_is_of_layers_whatever_the_words_in_them() -> None:
    names = ["stem_out", "enc1", "enc2", "middle", "dec1", "output"]
    expected = {name: 10.0**-i for i, name in enumerate(names)}
    lines = "\n".join(f"{name}: {x:.0e}" for name, x in expected.items())
    for text in (f"gradient norms\n{lines}", f"gradient norms: {expected}"):
        assert column(read_measurements(text), "gradient", "norm") == expected
    assert not read_measurements("loss 0.3\nacc 0.9\nlr 0.1\nepoch 3").per_layer


@pytest.mark.parametrize("head", ["position 0, 2, ... 10", "position 0, 2, 4, 6, 8, 10", "positions 0, 2, .. 10"])
def test_an_array_below_a_list_of_places_is_one_number_for_each(head: str) -> None:
    found = read_measurements(f"size of dLoss/dInput at {head}:\n[1.5e-09 2.5e-08 3.5e-07\n 4.5e-06 5.5e-05 6.5e-04]")
    assert column(found, "activation gradient") == {
        f"position {2 * i}": float(f"{i + 1}.5e-0{9 - i}") for i in range(6)
    }


def test_a_line_between_the_head_of_a_table_and_its_rows_belongs_to_neither() -> None:
    found = read_measurements(
        "layer   cosine   |h|\nloss 0.71\n    3   0.9    2.5\n    2   0.6    2.0\n    1   0.2    1.5"
    )
    assert column(found, "cosine") == {"layer 1": 0.2, "layer 2": 0.6, "layer 3": 0.9}
    assert column(found, "activation", "norm") == {"layer 1": 1.5, "layer 2": 2.0, "layer 3": 2.5}
    assert [(f.quantity.kind, f.value.x) for f in found.facts] == [("loss", 0.71)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("net.1: share |gelu| >= 0.99: 12.5%\nnet.3: share |gelu| >= 0.99: 75%", {"net.1": 0.125, "net.3": 0.75}),
        ("policy.tanh |y|>.95 0.125\npolicy.fc2 |y|>.95 0.75", {"policy.tanh": 0.125, "policy.fc2": 0.75}),
        ("tanh1: 0.125 of outputs > 0.98\ntanh2: 0.75 of outputs > 0.98", {"tanh1": 0.125, "tanh2": 0.75}),
        ("unit1: % units <0.01 or >0.99: 12.5\nunit2: % units <0.01 or >0.99: 75.0", {"unit1": 0.125, "unit2": 0.75}),
        ("layer,frac |a|>0.99\nfc1,0.125\nfc2,0.75", {"fc1": 0.125, "fc2": 0.75}),
    ],
)  # fmt: skip
def test_outputs_beyond_a_limit_are_saturated(text: str, expected: dict[str, float]) -> None:
    assert column(read_measurements(text), "saturated") == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "layer | std across inputs | rms\n1 | 0.5 | 0.9\n2 | 0.1 | 0.8",
        "layer 1: rms 0.9, std across inputs 0.5\nlayer 2: rms 0.8, std across inputs 0.1",
        "layer 1   rms 0.9 variation between samples 0.5\nlayer 2   rms 0.8 variation between samples 0.1",
    ],
)
def test_a_spread_between_inputs_is_no_size_of_activations(text: str) -> None:
    found = read_measurements(text)
    assert column(found, "spread") == {"layer 1": 0.5, "layer 2": 0.1}
    assert column(found, "activation", "rms") == {"layer 1": 0.9, "layer 2": 0.8}


def test_numbers_of_one_layer_that_only_their_words_tell_apart_are_rows_apart() -> None:
    text = "\n".join(f"t={t} reset_gate saturated 0.{t}1 update_gate saturated 0.{t}2" for t in range(1, 4))
    (layers,) = read_measurements(text).per_layer
    assert len(layers.rows) == 6
    assert {"reset_gate t=1", "update_gate t=3"} <= {row.name for row in layers.rows}


@pytest.mark.parametrize(
    ("head", "rows", "kind", "statistic"),
    [
        ("p.grad.norm() in fp16, no loss scaler:", "fc1.weight 0.0\nfc2.weight 3e-7", "weight gradient", "norm"),
        ("residual stream rms per block:", "blocks.0 1.5\nblocks.1 2.5", "activation", "rms"),
        ("trunk std", "trunk.0 1.5\ntrunk.1 2.5", "activation", "std"),
        ("cosine of the outputs (over 64 pairs)", "layer1 0.5\nlayer2 0.9", "cosine", ""),
        ("grad wrt h, ||.||2", "h[0] 1e-9\nh[8] 1e-3", "gradient", "norm"),
    ],
)
def test_a_headline_says_what_its_rows_are(head: str, rows: str, kind: str, statistic: str) -> None:
    assert list(column(read_measurements(f"{head}\n{rows}"), kind, statistic).values()) == [
        float(row.split()[-1]) for row in rows.split("\n")
    ]


def test_pairs_below_a_headline_of_two_statistics_are_read_apart() -> None:
    found = read_measurements("outputs: mean / std\nfc1 0.1 / 0.9\nfc2 -0.2 / 0.4")
    assert column(found, "activation", "mean") == {"fc1": 0.1, "fc2": -0.2}
    assert column(found, "activation", "std") == {"fc1": 0.9, "fc2": 0.4}


def test_a_gradient_that_is_none_gives_its_name_to_no_other_number() -> None:
    found = read_measurements("expert0.weight grad 0.01 load 0.9\nexpert1.weight grad None load 0.0")
    assert column(found, "weight gradient") == {"expert0.weight": 0.01}
    assert found.not_understood_count == 0


def test_what_is_not_there_and_layer_sizes_are_no_measurements() -> None:
    found = read_measurements(
        "3 hidden layer relu net (100-50-25-10), no GradScaler\n7% of the gradient values are exactly 0"
    )
    assert [(f.quantity.kind, f.value.x) for f in found.facts] == [("gradient zero", pytest.approx(0.07))]
    assert found.training.scaler is False


def test_a_statistic_beside_a_share_of_zeros_is_of_the_numbers_themselves() -> None:
    found = read_measurements("fc1.weight zeros=90% max=6e-8\nfc2.weight zeros=40% max=3e-6")
    assert column(found, "weight gradient", "max") == {"fc1.weight": 6e-8, "fc2.weight": 3e-6}
    assert column(found, "gradient zero") == {"fc1.weight": 0.9, "fc2.weight": 0.4}


def test_lists_of_pairs_follow_the_quantity_before_them() -> None:
    found = read_measurements("hidden norm by depth: 1:12.1 2:19.8 3:33.0\nloss 100: 2.3, 200: 2.2, 300: 2.1")
    assert column(found, "activation", "norm") == {"layer 1": 12.1, "layer 2": 19.8, "layer 3": 33.0}
    assert points(found, "loss") == [(100, 2.3), (200, 2.2), (300, 2.1)]


def test_many_lines_of_one_form_take_linear_time() -> None:
    def seconds(n: int) -> float:
        text = "\n".join(f"[hook] {i % 10_000} out.std=0.5 m{i} {i}" for i in range(n))
        began = time.process_time()
        read_measurements(text)
        return time.process_time() - began

    seconds(200)
    assert seconds(4_000) < 40 * max(seconds(400), 0.01)


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        (
            "gradient sizes\n30: 2e-2\n20: 4e-4\n10: 9e-6",
            "gradient",
            {"layer 10": 9e-6, "layer 20": 4e-4, "layer 30": 2e-2},
        ),
        (
            "Block  1/9 | out sd 0.8\nBlock  2/9 | out sd 0.5",
            "activation",
            {"Block 1": 0.8, "Block 2": 0.5},
        ),
        ("step 9 sparsity: m1=0.5 m2=0.75 m3=1.0", "zero", {"m1": 0.5, "m2": 0.75, "m3": 1.0}),
        (
            "layer 1: corr(f(x1), f(x2)) = 0.5, var = 1.5\nlayer 2: corr(f(x1), f(x2)) = 0.9, var = 1.0",
            "cosine",
            {"layer 1": 0.5, "layer 2": 0.9},
        ),
        ("||x|| into block 1: 20\n||x|| into block 2: 90.5", "activation", {"block 1": 20, "block 2": 90.5}),
        (
            "distance between node embeddings\nafter 1 conv: 2.5\nafter 2 convs: 0.5\nafter 4 convs: 0.25",
            "spread",
            {"layer 1": 2.5, "layer 2": 0.5, "layer 4": 0.25},
        ),
    ],
)
def test_places_are_read_however_they_are_counted(text: str, kind: str, expected: dict[str, float]) -> None:
    found = read_measurements(text)
    assert column(found, kind) == expected
    assert found.not_understood_count == 0


@pytest.mark.parametrize("rows", ["0 loss=4.5\n500 loss=4.25\n1000 loss=4.0", "loss\n0: 4.5\n500: 4.25\n1k: 4.0"])
def test_numbers_that_count_before_a_loss_are_steps(rows: str) -> None:
    assert points(read_measurements(rows), "loss") == [(0, 4.5), (500, 4.25), (1000, 4.0)]


def test_powers_of_two_and_gradients_that_overflow_are_read() -> None:
    found = read_measurements(
        "Step 1: loss scale 2^16, inf grads, skip\nStep 2: loss scale 2^15, loss 7.5\nStep 3: loss scale 2^15, loss 7.0"
    )
    assert points(found, "loss scale") == [(1, 65536), (2, 32768), (3, 32768)]
    assert [(e.kind, e.value.x) for e in found.events if e.value] == [("overflow", 65536)]
    assert [e.name for e in found.events if e.kind == "inf"] == ["gradient"]
