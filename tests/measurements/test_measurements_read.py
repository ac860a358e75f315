import json
import math
from pathlib import Path

import pytest

from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.record import Measurements

DATA = Path(__file__).parent.parent / "data"
PROBE = (DATA / "measurements_probe.json").read_text(encoding="utf-8")
PROBE_STEPS = (DATA / "measurements_probe_steps.json").read_text(encoding="utf-8")


def column(found: Measurements, kind: str, statistic: str = "") -> dict[str, float]:
    layers = found.layers(kind, statistic)
    assert layers is not None
    rows, quantity = layers
    return {row.name: row.values[quantity].x for row in rows.rows if quantity in row.values}


def points(found: Measurements, kind: str, split: str = "") -> list[tuple[float, float]]:
    series = next(s for s in found.series if s.quantity.kind == kind and s.quantity.split == split)
    return [(p.at, p.value.x) for p in series.points]


def kinds(found: Measurements) -> list[str]:
    return [event.kind for event in found.events]


def test_the_probe_is_read_in_its_own_order_with_exact_numbers() -> None:
    found = read_measurements(f"here it is:\n```json\n{PROBE}```\n")
    (layers,) = found.per_layer
    assert layers.order == "probe order"
    assert [row.name for row in layers.rows] == ["0", "1", "2", "3", "4", "5"]
    assert [row.weighted for row in layers.rows] == [True, False, True, False, False, True]
    assert layers.rows[3].role == "norm"
    raw = json.loads(PROBE)["layers"]
    value = layers.rows[0].values[Quantity("activation gradient", "mean square")]
    assert value.exact
    assert value.x == raw[0]["gradient"]
    assert layers.rows[0].values[Quantity("zero", "value")].exact
    assert found.probe["dtype"] == "float32"
    assert found.probe["samples"] == 32


def test_nulls_of_the_probe_are_numbers_that_were_not_finite() -> None:
    document = json.loads(PROBE)
    document["layers"][0]["gradient"] = None
    found = read_measurements(json.dumps(document))
    assert not found.per_layer[0].rows[0].values[Quantity("activation gradient", "mean square")].finite
    assert "nan" in kinds(found)


def test_a_probe_of_two_times_gives_layers_at_both_and_series_over_the_steps() -> None:
    found = read_measurements(f"```\n{PROBE_STEPS}```")
    raw = json.loads(PROBE_STEPS)
    assert [layers.at.x for layers in found.per_layer if layers.at] == [0, 3]
    for layers, time in zip(found.per_layer, raw["times"], strict=True):
        assert layers.order == "probe order"
        assert [row.name for row in layers.rows] == ["0", "1", "2", "3", "4"]
        for row, own in zip(layers.rows, time["layers"], strict=True):
            assert row.values[Quantity("activation gradient", "mean square")].x == own["gradient"]
            assert row.values[Quantity("activation", "max")].x == own["max"]
            if own.get("update_ratio") is not None:
                assert row.values[Quantity("update ratio", "norm")].x == own["update_ratio"]
            if own.get("weight_half_zero") is not None:
                assert row.values[Quantity("weight underflow", "zero")].x == own["weight_half_zero"]
    first = found.layers("activation gradient")
    assert first is not None
    assert first[1] == Quantity("activation gradient", "mean square")
    assert first[0].at is not None
    assert first[0].at.x == 0
    assert points(found, "loss") == list(zip(raw["run"]["step"], raw["run"]["loss"], strict=True))
    assert points(found, "gradient norm") == list(zip(raw["run"]["step"], raw["run"]["gradient_norm"], strict=True))
    assert found.not_understood == ()


def test_the_head_of_the_probe_names_parameters_and_the_first_nonfinite_tensor() -> None:
    document = json.loads(PROBE_STEPS)
    first = {"step": 2, "pass": "backward", "tensor": "gradient of the output", "name": "1", "type": "ReLU"}
    document["first_nonfinite"] = first | {"value": "nan", "after": "gradient of the output of 2"}
    document["run"]["loss"][-1] = None
    head = read_measurements(json.dumps(document)).probe
    assert (head["frozen"], head["zero_initialized"], head["no_gradient"]) == ("0.weight", "2.weight", "")
    assert (head["first_nonfinite.step"], head["first_nonfinite.name"]) == (2, "1")
    assert (head["optimizer"], head["lr"]) == ("SGD", 0.5)
    assert "first_nonfinite.name" not in read_measurements(PROBE_STEPS).probe
    (event,) = read_measurements(json.dumps(document)).events
    assert (event.kind, event.name) == ("nan", "loss")
    assert event.at is not None
    assert event.at.x == 3


@pytest.mark.parametrize("times", [None, 3, [], [3], [{"step": "x"}], [{"layers": 1}], {"step": 0}])
def test_strange_times_of_the_probe_leave_its_layers(times: object) -> None:
    document = json.loads(PROBE_STEPS) | {"times": times, "run": times}
    found = read_measurements(json.dumps(document))
    (layers,) = found.per_layer
    assert layers.at is None
    assert len(layers.rows) == 5


@pytest.mark.parametrize(
    "text",
    [
        "fc1.weight grad norm: 1e-05\nfc2.weight grad norm: 0.001\nfc10.weight grad norm: 0.1",
        "fc10.weight grad norm: 0.1\nfc1.weight grad norm: 1e-05\nfc2.weight grad norm: 0.001",
        "layer,grad norm\nfc2.weight,0.001\nfc10.weight,0.1\nfc1.weight,1e-05",
        "grad norm;layer\n0.001;fc2.weight\n0.1;fc10.weight\n1e-05;fc1.weight",
        "| layer | grad norm |\n|---|---|\n| fc1.weight | 1e-05 |\n| fc2.weight | 0.001 |\n| fc10.weight | 0.1 |",
        "quantity\tfc1.weight\tfc10.weight\tfc2.weight\ngrad norm\t1e-05\t0.1\t0.001",
        "layer        grad_norm\nfc1.weight   1e-05\nfc2.weight   0.001\nfc10.weight  0.1",
        "layer        grad_norm\n0  fc1.weight   1e-05\n1  fc2.weight   0.001\n2  fc10.weight  0.1".replace(
            "layer  ", "   layer  "
        ),
        '{"grad_norm": {"fc1.weight": 1e-05, "fc10.weight": 0.1, "fc2.weight": 0.001}}',
        '[{"name": "fc1.weight", "grad_norm": 1e-05}, {"name": "fc10.weight", "grad_norm": 0.1},'
        ' {"name": "fc2.weight", "grad_norm": 0.001}]',
        '{"grad_norm/fc1.weight": 1e-05, "grad_norm/fc2.weight": 0.001, "grad_norm/fc10.weight": 0.1}',
        "Gradient norms:\nfc1.weight 1e-05\nfc2.weight 0.001\nfc10.weight 0.1",
        "grad norms: fc1.weight 1e-05, fc2.weight 0.001, fc10.weight 0.1",
        "name: fc1.weight, grad norm: tensor(1e-05)\nname: fc2.weight, grad norm: tensor(0.001)\n"
        "name: fc10.weight, grad norm: tensor(0.1, device='cuda:0')",
        ">>> for n, p in model.named_parameters(): print(n, p.grad.norm())\nfc1.weight tensor(1e-05)\n"
        "fc2.weight tensor(0.001)\nfc10.weight tensor(0.1)",
        "2024-01-01 10:00:00,123 INFO fc1.weight grad norm 1e-05\n"
        "2024-01-01 10:00:01,123 INFO fc2.weight grad norm 0.001\n"
        "2024-01-01 10:00:02,123 INFO fc10.weight grad norm 0.1",
    ],
)
def test_every_form_of_the_same_table_gives_the_same_layers(text: str) -> None:
    found = read_measurements(text)
    (layers,) = found.per_layer
    assert column(found, "weight gradient", "norm") == {"fc1.weight": 1e-5, "fc2.weight": 1e-3, "fc10.weight": 0.1}
    assert [row.name for row in layers.rows] == ["fc1.weight", "fc2.weight", "fc10.weight"]
    assert layers.order == "names"
    assert found.not_understood_count == 0


def test_several_statistics_of_one_line_share_its_quantity() -> None:
    found = read_measurements("layer 3 | grad mean 1.2e-3 std 4e-4 max 0.1")
    assert {(q.kind, q.statistic) for q in found.per_layer[0].quantities} == {
        ("gradient", "mean"),
        ("gradient", "std"),
        ("gradient", "max"),
    }


def test_printed_tensors_over_several_lines_are_summed_up() -> None:
    found = read_measurements(
        "fc1.weight.grad: tensor([[0., 0.],\n        [0., 0.]])\nfc2.weight.grad: tensor([[1e-3, -2e-3],\n  [0., 0.]])"
    )
    assert column(found, "weight gradient", "max") == {"fc1.weight": 0.0, "fc2.weight": 2e-3}
    assert found.per_layer[0].rows[0].values[Quantity("weight gradient", "max")].exact


def test_short_zeros_are_exact_only_beside_numbers_in_full() -> None:
    full = (
        read_measurements("layer1 grad: 0.0\nlayer2 grad: 2.3441e-07\nlayer3 grad: 0.0012312312").per_layer[0].rows[0]
    )
    short = read_measurements("layer1 grad: 0.0\nlayer2 grad: 0.0002\nlayer3 grad: 0.0120").per_layer[0].rows[0]
    assert next(iter(full.values.values())).exact
    assert next(iter(short.values.values())).high == 5e-5


def test_histograms_bound_the_sizes() -> None:
    text = json.dumps(
        {
            "_step": 3,
            "gradients/fc1.weight": {"_type": "histogram", "values": [1, 2, 1], "bins": [-0.3, -0.1, 0.1, 0.3]},
        }
    )
    row = read_measurements(text).per_layer[0].rows[0]
    value = row.values[Quantity("weight gradient", "mean abs")]
    assert (value.low, value.high) == pytest.approx((0.05, 0.2))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Epoch 1/10, Loss: 0.69\nEpoch 2/10, Loss: 0.68", [(1, 0.69), (2, 0.68)]),
        (
            "Epoch 1/2\n9/9 [=====] - 3s 3ms/step - loss: 0.69\nEpoch 2/2\n9/9 [=====] - 3s 3ms/step - loss: 0.68",
            [(1, 0.69), (2, 0.68)],
        ),
        (
            "Epoch 1/2\n9/9 ━━━━━ 5s 2ms/step - loss: 0.69\nEpoch 2/2\n9/9 ━━━━━ 5s 2ms/step - loss: 0.68",
            [(1, 0.69), (2, 0.68)],
        ),
        (
            "Epoch 1:  12%|█▏  | 3/25 [00:01<00:08,  2.5it/s, loss=0.69, v_num=4]\n"
            "Epoch 2:  12%|█▏  | 3/25 [00:01<00:08,  2.5it/s, loss=0.68, v_num=4]",
            [(1, 0.69), (2, 0.68)],
        ),
        (
            "{'loss': 0.69, 'grad_norm': 1.0, 'epoch': 1.0}\n{'loss': 0.68, 'grad_norm': 1.0, 'epoch': 2.0}",
            [(1, 0.69), (2, 0.68)],
        ),
        (
            "iter 1: loss 0.69, time 134.2ms, mfu 12.3%\niter 2: loss 0.68, time 134.2ms, mfu 12.3%",
            [(1, 0.69), (2, 0.68)],
        ),
        (
            " iteration 1/ 500 | elapsed time per iteration (ms): 500.1 | lm loss: 6.9E-01 |\n"
            " iteration 2/ 500 | elapsed time per iteration (ms): 500.1 | lm loss: 6.8E-01 |",
            [(1, 0.69), (2, 0.68)],
        ),
        ("step,loss\n1,0.69\n2,0.68", [(1, 0.69), (2, 0.68)]),
        ('{"epoch": [1, 2], "loss": [0.69, 0.68]}', [(1, 0.69), (2, 0.68)]),
        ("iter 1 0.69 | 2 0.68", [(1, 0.69), (2, 0.68)]),
        ("loss: [0.69, 0.68]", [(0, 0.69), (1, 0.68)]),
    ],
)
def test_every_form_of_log_gives_the_same_losses(text: str, expected: list[tuple[float, float]]) -> None:
    assert points(read_measurements(text), "loss") == expected


def test_train_and_validation_are_told_apart() -> None:
    found = read_measurements(
        "Epoch 1 | Train Loss: 0.5, Acc: 30% | Val Loss: 0.6, Acc: 25%\n"
        "Epoch 2 | Train Loss: 0.4, Acc: 40% | Val Loss: 0.7, Acc: 20%"
    )
    assert points(found, "loss", "train") == [(1, 0.5), (2, 0.4)]
    assert points(found, "accuracy", "val") == [(1, 0.25), (2, 0.2)]


def test_tensorboard_exports_are_series_of_unknown_quantity() -> None:
    for text in (
        "Wall time,Step,Value\n1690000000.1,5,2.3\n1690000001.1,6,2.2",
        "[[1690000000.1, 5, 2.3], [1690000001.1, 6, 2.2]]",
    ):
        (series,) = read_measurements(text).series
        assert not series.quantity.known
        assert [(p.at, p.value.x) for p in series.points] == [(5, 2.3), (6, 2.2)]


def test_the_first_nan_of_each_quantity_is_an_event_with_its_time() -> None:
    found = read_measurements("step 10 loss 2.3\nstep 20 loss nan\nstep 30 loss nan")
    (event,) = found.events
    assert (event.kind, event.line, event.name) == ("nan", 2, "loss")
    assert event.at is not None
    assert event.at.x == 20
    series = found.of("loss")
    assert series is not None
    assert series.first_nonfinite is not None
    assert series.first_nonfinite.at == 20


def test_skipped_steps_and_loss_scales_are_events() -> None:
    found = read_measurements(
        "OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 65536, reducing to 32768\n"
        "Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to 16384.0\n"
        "gradient overflow detected, ignoring gradient, setting loss scale to: 8192.0"
    )
    assert kinds(found) == ["overflow"] * 3
    assert [event.value.x for event in found.events if event.value] == [32768, 16384, 8192]


def test_anomaly_mode_names_the_function_and_the_line_of_code() -> None:
    found = read_measurements(
        "Warning: Error detected in LogBackward0. Traceback of forward call that caused the error:\n"
        '  File "train.py", line 31, in <module>\n    loss = -(y * torch.log(p)).sum()\n'
        "Traceback (most recent call last):\n"
        '  File "train.py", line 33, in <module>\n    loss.backward()\n'
        "RuntimeError: Function 'LogBackward0' returned nan values in its 0th output."
    )
    assert kinds(found) == ["anomaly", "anomaly"]
    assert {event.name for event in found.events} == {"LogBackward0"}
    assert found.not_understood_count == 0


def test_warnings_and_assertions_are_events() -> None:
    found = read_measurements(
        "RuntimeWarning: overflow encountered in exp\nAssertionError: loss is nan\nUserWarning: something else"
    )
    assert [(e.kind, e.name) for e in found.events] == [
        ("warning", "overflow in exp"),
        ("assertion", "AssertionError"),
        ("warning", "UserWarning"),
    ]


def test_nan_that_is_denied_is_no_event() -> None:
    assert kinds(read_measurements("float32 has no NaN. number of nan iterations:   0")) == []


def test_depths_that_are_compared_are_facts() -> None:
    found = read_measurements("train acc: depth 2 = 80 %, depth 7 = 50 %")
    assert [(f.depth, f.value.x, f.quantity.kind, f.quantity.split) for f in found.facts] == [
        (2, 0.8, "accuracy", "train"),
        (7, 0.5, "accuracy", "train"),
    ]
    sweep = read_measurements("depth sweep D=4..28: ratio 1.47e-01 -> 2.02e-12")
    assert [(f.depth, f.value.x) for f in sweep.facts] == [(4, 0.147), (28, 2.02e-12)]
    table = read_measurements("depth,train acc\n20,0.91\n56,0.87")
    assert [(f.depth, f.value.x) for f in table.facts] == [(20, 0.91), (56, 0.87)]


def test_ratios_and_ranges_are_facts() -> None:
    found = read_measurements("grad ratio first/last g0/g19 = 2.155e-08\nx in [-100,100]; targets between 0 and 1e8")
    assert [(f.quantity.kind, f.value.x) for f in found.facts] == [
        ("gradient ratio", 2.155e-8),
        ("range", -100),
        ("range", 100),
        ("range", 0),
        ("range", 1e8),
    ]


def test_layers_named_after_the_number_are_joined_to_it() -> None:
    found = read_measurements("The gradient norm drops from 1.2 at layer 20 to 3e-8 at layer 1.")
    assert column(found, "gradient", "norm") == {"layer 1": 3e-8, "layer 20": 1.2}


def test_gradients_without_a_layer_are_those_of_the_network() -> None:
    found = read_measurements("step 10 grad_norm 0.31 (clip 1.0)\nstep 20 grad_norm inf (clip 1.0)")
    assert points(found, "gradient norm") == [(10, 0.31), (20, math.inf)]
    assert points(found, "clip") == [(10, 1.0), (20, 1.0)]
    assert found.training.clip is not None


def test_repeated_prints_are_several_times_of_the_run() -> None:
    found = read_measurements(
        "\n".join(f"Epoch {e}\nfc1.weight grad norm 1e-{e}\nfc2.weight grad norm 1" for e in range(1, 30))
    )
    assert len(found.per_layer) == 8
    times = [layers.at.x for layers in found.per_layer if layers.at]
    assert (times[0], times[-1]) == (1, 29)


def test_what_was_not_understood_is_listed_with_its_line() -> None:
    found = read_measurements("loss 2.3\nfoo bar 17 baz\n" + "quux 18.5\n" * 10)
    assert found.not_understood[0] == (2, "foo bar 17 baz")
    assert (len(found.not_understood), found.not_understood_count) == (5, 11)


def test_prose_without_numbers_gives_nothing() -> None:
    found = read_measurements("The metric is stuck from the start; no gradient numbers given.")
    assert found.empty
    assert found.not_understood_count == 0


@pytest.mark.parametrize(
    "text",
    [
        "mean |grad| per layer: 1e-12 (conv1), 4e-9 (conv2), 2e-5 (conv3)",
        "mean |grad|: conv1 1e-12, conv2 4e-9, conv3 2e-5",
        "Layer  mean abs grad  std\nconv2  4e-9   1.0\nconv3  2e-5   1.0\nconv1  1e-12  1.0",
    ],
)
def test_a_layer_may_stand_before_or_after_its_number(text: str) -> None:
    assert column(read_measurements(text), "gradient", "mean abs") == {"conv1": 1e-12, "conv2": 4e-9, "conv3": 2e-5}


def test_as_many_numbers_as_layers_are_one_for_each() -> None:
    found = read_measurements("gradient norm (block 1 to block 3): 1e-7, 1e-6, 1e-5")
    assert column(found, "gradient", "norm") == {"block 1": 1e-7, "block 2": 1e-6, "block 3": 1e-5}
    shared = read_measurements("grads: layers 1,2: 0")
    assert column(shared, "gradient") == {"layer 1": 0, "layer 2": 0}


def test_heads_that_count_are_layers() -> None:
    found = read_measurements("| Layer | 1 | 2 |\n|---|---|---|\n| grad norm | 1e-6 | 1e-4 |")
    assert column(found, "gradient", "norm") == {"layer 1": 1e-6, "layer 2": 1e-4}


def test_max_and_min_of_one_line_are_both_kept() -> None:
    row = read_measurements("Gradients:\nconv1 max 0.0003 min -0.0002").per_layer[0].rows[0]
    assert {q.statistic for q in row.values} == {"max", "min"}
