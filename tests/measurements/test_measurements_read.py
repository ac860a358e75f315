import json
import math

import pytest

from kaiming_mcp.measurements.quantity import Quantity
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


@pytest.mark.parametrize(
    ("text", "kind", "split", "expected"),
    [
        ("step 5 loss 3.0 total_norm 0.2\nstep 9 loss 2.9 total_norm 0.3", "gradient norm", "", [(5, 0.2), (9, 0.3)]),
        ("loss fell 0.9 -> 0.4, then suddenly 0.8 and stays 0.8", "loss", "", [(0, 0.9), (1, 0.4), (2, 0.8), (3, 0.8)]),
        ("loss 7.1 at step 10, 6.2 at 300, 6.1 at 900", "loss", "", [(10, 7.1), (300, 6.2), (900, 6.1)]),
        ("step 0 loss 7.1, step 20 6.2, step 40 6.1", "loss", "", [(0, 7.1), (20, 6.2), (40, 6.1)]),
        ("epoch 1 train 3.1 val 3.0\nepoch 2 train 2.8 val 3.2", "loss", "val", [(1, 3.0), (2, 3.2)]),
        ("epoch,train,val\n1,0.55,0.5\n2,0.65,0.6", "accuracy", "train", [(1, 0.55), (2, 0.65)]),
        ("epoch 1 zero activations 10%\nepoch 2 zero activations 90%", "zero", "", [(1, 0.1), (2, 0.9)]),
        ("[ep 2 | 10it] L=0.50 gn=3.0\n[ep 3 | 10it] L=0.25 gn=2.0", "loss", "", [(2, 0.5), (3, 0.25)]),
        ("ep  tr_loss  va_loss\n0   2.5   2.4\n1   2.25  2.3", "loss", "val", [(0, 2.4), (1, 2.3)]),
        (
            "epoch=1, train: {loss: 0.5, acc: 3%}, valid: {loss: 0.6}\nepoch=2, train: {loss: 0.4}, valid: {loss: 0.7}",
            "loss",
            "val",
            [(1, 0.6), (2, 0.7)],
        ),
        ("upd 1 xent 9.5\nupd 50 xent 7.5", "loss", "", [(1, 9.5), (50, 7.5)]),
    ],
)
def test_courses_are_read_as_they_are_told(
    text: str, kind: str, split: str, expected: list[tuple[float, float]]
) -> None:
    assert points(read_measurements(text), kind, split) == expected


def test_depths_before_their_numbers_are_theirs() -> None:
    found = read_measurements("test accuracy: 3 layers 91%, 9 layers 72%, 27 layers 10%")
    assert [(f.depth, f.value.x) for f in found.facts] == [(3, 0.91), (9, 0.72), (27, 0.1)]


def test_what_a_clip_leaves_is_no_limit() -> None:
    found = read_measurements(
        "step 1, grad norm before clip 0.25, after clip 0.25\nclip_coef=1.0 total_norm=0.5 (max_norm=5)"
    )
    assert found.training.clip is not None
    assert found.training.clip.x == 5
    limit = found.of("clip")
    assert limit is not None
    assert [p.value.x for p in limit.points] == [5]
