"""The same numbers in the prints of many loops, loggers and boards give the same series and the same layers."""

import json
import math
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.record import Measurements

Steps = Sequence[tuple[int, float]]
Layers = Sequence[tuple[str, float]]


def joined(line: Callable[[int, float], str]) -> Callable[[Steps], str]:
    return lambda steps: "\n".join(line(i, x) for i, x in steps)


def keras(steps: Steps, head: str) -> str:
    return "\n".join(f"Epoch {i}/9999\n{head} - accuracy: 0.1090 - loss: {x:.4f}" for i, x in steps)


BY_STEP: dict[str, Callable[[Steps], str]] = {
    "loop": joined(lambda i, x: f"step {i}: loss {x:.4f}"),
    "tutorial": joined(lambda i, x: f"Iteration: {i}, Loss: {x:.4f}"),
    "time last": joined(lambda i, x: f"INFO:tensorflow:loss = {x:.4f}, step = {i} (12.1 sec)"),
    "at the end": joined(lambda i, x: f"Loss/train: {x:.4f} @ step {i}"),
    "board keys": joined(lambda i, x: f"train/loss {x:.4f} train/lr 1e-3 global_step {i}"),
    "clocks": joined(lambda i, x: f"2024-05-01 10:{i % 60:02d}:12,123 - train - INFO - step={i} loss={x:.4f}"),
    "glog": joined(lambda i, x: f"I0101 10:11:12.123456 140 train.py:88] step {i}, loss {x:.4f}"),
    "levels": joined(lambda i, x: f"[INFO][10:11:12] step {i}, loss {x:.4f}"),
    "nanoGPT": joined(lambda i, x: f"iter {i}: loss {x:.4f}, time 134.21ms, mfu 12.31%"),
    "tensor": joined(lambda i, x: f"step {i} loss tensor({x:.4f}, device='cuda:0', grad_fn=<NllLossBackward0>)"),
    "jax": joined(lambda i, x: f"step {i} - loss: Array({x:.4f}, dtype=float32)"),
    "detectron": joined(lambda i, x: f"eta: 1:02:03  iter: {i}  total_loss: {x:.4f}  time: 0.41  max_mem: 3012M"),
    "Megatron": joined(
        lambda i, x: (
            f" iteration {i}/ 500000 | consumed samples: 25600 | elapsed time per iteration (ms): 500.1"
            f" | lm loss: {x:.4f} | number of skipped iterations: 0 | number of nan iterations: 0 |"
        )
    ),
    "ANSI": joined(lambda i, x: f"\x1b[32mstep {i}\x1b[0m \x1b[1mloss\x1b[0m {x:.4f}"),
    "returns": lambda steps: "\r".join(f"step {i}: loss={x:.4f}" for i, x in steps),
    "json lines": joined(lambda i, x: json.dumps({"step": i, "loss": round(x, 4), "lr": 1e-3})),
    "json log": joined(
        lambda i, x: json.dumps({"time": "2024-01-01T10:00:00Z", "msg": "a", "step": i, "loss": f"{x:.4f}"})
    ),
    "W&B history": joined(
        lambda i, x: json.dumps({"_step": i, "loss": round(x, 4), "_runtime": 1.5, "_timestamp": 17e8})
    ),
    "csv": lambda s: "step,loss,lr\n" + joined(lambda i, x: f"{i},{x:.4f},0.001")(s),
    "Lightning csv": lambda s: "epoch,step,loss,val_acc\n" + joined(lambda i, x: f"0,{i},{x:.4f},")(s),
    "W&B csv": lambda s: (
        '"Step","ruby-3 - loss","ruby-3 - loss__MIN","ruby-3 - loss__MAX"\n'
        + joined(lambda i, x: f'"{i}","{x:.4f}","{x:.4f}","{x:.4f}"')(s)
    ),
    "markdown": lambda s: "| step | loss |\n|---:|---:|\n" + joined(lambda i, x: f"| {i} | {x:.4f} |")(s),
    "tabs": lambda s: "step\tloss\n" + joined(lambda i, x: f"{i}\t{x:.4f}")(s),
    "decimal commas": lambda s: "step;loss\n" + joined(lambda i, x: f"{i};{x:.4f}".replace(".", ","))(s),
    "dict of lists": lambda s: json.dumps({"step": [i for i, _ in s], "loss": [round(x, 4) for _, x in s]}),
}
BY_EPOCH: dict[str, Callable[[Steps], str]] = {
    "loop": joined(lambda i, x: f"Epoch [{i}/9999], Loss: {x:.4f}, Acc: 10.90%"),
    "after": joined(lambda i, x: f"Loss after epoch {i}: {x:.4f}"),
    "Keras 1": lambda s: keras(s, "938/938 [==============================] - 3s 3ms/step"),
    "Keras 2": lambda s: keras(s, "938/938 - 3s - 3ms/step"),
    "Keras 3": lambda s: keras(
        s, "\x1b[1m938/938\x1b[0m \x1b[32m━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m3s\x1b[0m 3ms/step"
    ),
    "Lightning": joined(lambda i, x: f"Epoch {i}: 100%|████| 16/16 [00:01<00:00, 12.01it/s, v_num=4, loss={x:.4f}]"),
    "Trainer": joined(
        lambda i, x: str({"loss": round(x, 4), "grad_norm": 1.2, "learning_rate": 5e-05, "epoch": float(i)})
    ),
    "fastai": lambda s: (
        "epoch  loss  valid_loss  accuracy  time\n" + joined(lambda i, x: f"{i}  {x:.4f}  2.3  0.1  00:12")(s)
    ),
    "of": lambda s: "  Epoch  GPU_mem  loss\n" + joined(lambda i, x: f"  {i}/9999  2.61G  {x:.4f}")(s),
}
WITHIN = {
    "ImageNet": "Epoch: [{e}][  {i}/5000]\tTime  0.312 ( 0.900)\tLoss {x:.4e} (7.0012e+00)\tAcc@1   0.00 (  0.12)"
    "\tAcc@5   0.78 (  0.50)",
    "MNIST": "Train Epoch: {e} [{i}/5000 (1%)]\tLoss: {x:.6f}",
    "mmdet": "Epoch [{e}][{i}/5000]\tlr: 1.978e-03, eta: 1 day, 2:03:04, time: 0.512, loss_cls: 0.912, acc: 92.12,"
    " loss: {x:.4f}",
    "timm": "Train: {e} [{i}/5000 (  4%)]  Loss: {x:.3f} (6.94)  Time: 6.1s,  167.1/s  (6.1s,  167.1/s)  Data: 2.2 (2)",
    "DeiT": "Epoch: [{e}]  [{i}/5000]  eta: 0:10:11  lr: 0.000001  loss: {x:.4f} (6.9411)  time: 0.4912  max mem: 7012",
    "DCGAN": "[{e}/25][{i}/5000]\tloss: {x:.4f}",
    "fairseq": "| train_inner | epoch {e:03d}:     {i} / 5000 loss={x:.3f}, ppl=60.1, wps=2000, num_updates={i},"
    " lr=1e-05, gnorm=1.231, clip=0, loss_scale=64, train_wall=10, gb_free=10.1",
}


LAYERS: dict[str, Callable[[Layers], str]] = {
    "printed": lambda ls: "\n".join(f"{n} grad norm {x:.3e}" for n, x in ls),
    "method": lambda ls: "\n".join(f"{n}.grad.norm() = {x:.3e}" for n, x in ls),
    "tensor": lambda ls: "\n".join(
        f"{n} grad norm tensor({x:.3e}, device='cuda:0', grad_fn=<LinalgVectorNormBackward0>)" for n, x in ls
    ),
    "size": lambda ls: "\n".join(f"{n} | shape (64, 3, 7, 7) | grad norm {x:.3e}" for n, x in ls),
    "bars": lambda ls: "\n".join(f"{n}: ||g||={x:.3e}" for n, x in ls),
    "dots": lambda ls: "Gradient norms\n" + "\n".join(f"  {n} ........ {x:.3e}" for n, x in ls),
    "board": lambda ls: "\n".join(f"grad_norm/{n}: {x:.3e}" for n, x in ls),
    "prompt": lambda ls: "\n".join(f">>> model.{n}.grad.norm()\ntensor({x:.3e})" for n, x in ls).replace("model.", ""),
    "ipython": lambda ls: "\n".join(
        f"In [{i}]: {n}.grad.norm()\nOut[{i}]: tensor({x:.3e})" for i, (n, x) in enumerate(ls)
    ),
    "yaml": lambda ls: "layers:\n" + "\n".join(f"  - name: {n}\n    grad_norm: {x:.3e}" for n, x in ls),
    "after a time": lambda ls: f"epoch 0: loss=2.3 grad_norms={ {n: float(f'{x:.3e}') for n, x in ls} }",
    "one line": lambda ls: "grad norms: " + ", ".join(f"{n}={x:.3e}" for n, x in ls),
    "dict": lambda ls: "grad_norms = " + str({n: float(f"{x:.3e}") for n, x in ls}),
    "pairs": lambda ls: "grad norms: " + str([(n, float(f"{x:.3e}")) for n, x in ls]),
    "series": lambda ls: "\n".join(f"{n}    {x:.3e}" for n, x in ls) + "\nName: grad_norm, dtype: float64",
    "frame": lambda ls: "layer  grad_norm\n" + "\n".join(f"{i}  {n}  {x:.3e}" for i, (n, x) in enumerate(ls)),
    "wide frame": lambda ls: (
        "            grad_norm  act_mean  \\\nlayer\n" + "\n".join(f"{n}   {x:.3e}   0.012" for n, x in ls)
    ),
    "rich": lambda ls: (
        "┃ layer ┃ grad norm ┃\n┡━━━━━━━╇━━━━━━━━━━━┩\n" + "\n".join(f"│ {n} │ {x:.3e} │" for n, x in ls)
    ),
    "csv of times": lambda ls: "grad norm\n\nlayer,step 0\n" + "\n".join(f"{n},{x:.3e}" for n, x in ls),
    "prefix": lambda ls: "\n".join(f"[2024-05-01 10:11:12] [INFO] [t.py:88] {n} grad_norm: {x:.3e}" for n, x in ls),
}


def losses(found: Measurements) -> list[tuple[float, float]]:
    series = found.of("loss", "train")
    assert series is not None
    return [(p.at, p.value.x) for p in series.points]


def runs(most: int = 4000) -> st.SearchStrategy[list[tuple[int, float]]]:
    steps = st.lists(st.integers(1, most), min_size=3, max_size=8, unique=True).map(sorted)
    values = st.floats(0.0101, 19.0).map(lambda x: float(f"{x:.4f}"))
    return steps.flatmap(
        lambda at: st.lists(values, min_size=len(at), max_size=len(at)).map(lambda v: list(zip(at, v, strict=True)))
    )


@settings(max_examples=8, deadline=None)
@given(runs())
@pytest.mark.parametrize("form", BY_STEP)
def test_losses_by_step_are_read_in_every_form(form: str, run: list[tuple[int, float]]) -> None:
    found = read_measurements(BY_STEP[form](run))
    assert losses(found) == run
    assert found.not_understood_count == 0


@settings(max_examples=8, deadline=None)
@given(runs(900))
@pytest.mark.parametrize("form", BY_EPOCH)
def test_losses_by_epoch_are_read_in_every_form(form: str, run: list[tuple[int, float]]) -> None:
    found = read_measurements(BY_EPOCH[form](run))
    assert losses(found) == run
    assert found.not_understood_count == 0


@pytest.mark.parametrize("form", WITHIN)
def test_steps_inside_an_epoch_are_parts_of_it_and_running_means_are_left_out(form: str) -> None:
    rows = [(1, 1000, 6.91), (1, 2500, 6.52), (2, 1000, 6.13)]
    found = read_measurements("\n".join(WITHIN[form].format(e=e, i=i, x=x) for e, i, x in rows))
    assert losses(found) == [(1.2, 6.91), (1.5, 6.52), (2.2, 6.13)]
    assert found.not_understood_count == 0


@settings(max_examples=8, deadline=None)
@given(
    st.lists(st.floats(-13, 3), min_size=3, max_size=12), st.sampled_from(["fc{}.weight", "blocks.{}.attn.qkv.weight"])
)
@pytest.mark.parametrize("form", LAYERS)
def test_gradient_norms_by_layer_are_read_in_every_form(form: str, powers: list[float], name: str) -> None:
    layers = [(name.format(i), 10**p) for i, p in enumerate(powers)]
    found = read_measurements(LAYERS[form](layers))
    read = found.layers("weight gradient", "norm")
    assert read is not None
    rows, quantity = read
    assert [(row.name, row.values[quantity].x) for row in rows.rows] == [(n, float(f"{x:.3e}")) for n, x in layers]
    assert found.not_understood_count == 0


@pytest.mark.parametrize("form", BY_STEP)
def test_a_nan_is_found_with_its_step_in_every_form(form: str) -> None:
    run = [(10, 2.3), (20, 2.2), (30, math.nan)]
    if form == "decimal commas":
        run[1] = (20, 2.2222)
    found = read_measurements(BY_STEP[form](run))
    (event,) = [e for e in found.events if e.kind == "nan"]
    assert event.name.endswith("loss")
    assert event.at is not None
    assert event.at.x == 30


def test_a_headless_matrix_is_listed_and_not_guessed() -> None:
    found = read_measurements("0\t2.303\t0.10\n100\t2.302\t0.11\nfc1 0.012 0.1 1.3")
    assert found.empty
    assert [line for line, _ in found.not_understood] == [1, 2, 3]


def test_a_table_of_tags_holds_a_series_for_each() -> None:
    text = "tag,step,value\ntrain/loss,0,2.3\ntrain/loss,10,2.2\ntrain/grad_norm,0,0.3\ntrain/grad_norm,10,0.2"
    found = read_measurements(text)
    assert [(s.quantity.kind, [p.value.x for p in s.points]) for s in found.series] == [
        ("loss", [2.3, 2.2]),
        ("gradient norm", [0.3, 0.2]),
    ]
    assert found.per_layer == ()


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("layer_0_grad_norm: 1e-7\nlayer_1_grad_norm: 2e-5", {"layer_0": 1e-7, "layer_1": 2e-5}),
        ("grad_norm_fc1=1e-7 grad_norm_fc2=2e-5", {"fc1": 1e-7, "fc2": 2e-5}),
        ("step,grad_norm_fc1,grad_norm_fc2,loss\n0,1e-7,2e-5,2.3", {"fc1": 1e-7, "fc2": 2e-5}),
        ("||dW1|| = 1e-7\n||dW2|| = 2e-5", {"W1": 1e-7, "W2": 2e-5}),
        ("model.norm.weight.data grad norm tensor(1e-7)\nmodel.fc.weight.data grad norm tensor(2e-5)",
         {"model.norm.weight": 1e-7, "model.fc.weight": 2e-5}),
        ("W1.grad norm 1e-7\nW2.grad norm 2e-5", {"W1": 1e-7, "W2": 2e-5}),
        ("grad norms layers 1..2: 1e-7, 2e-5", {"layer 1": 1e-7, "layer 2": 2e-5}),
        ("gradient norm 1e-7 in the first layer and 2e-5 in the last", {"first layer": 1e-7, "last layer": 2e-5}),
        ("Layer 1 | Linear | in 784 out 256 | grad norm 1e-7\nLayer 2 | ReLU | - | -\n"
         "Layer 3 | Linear | in 256 out 10 | grad norm 2e-5", {"Layer 1": 1e-7, "Layer 3": 2e-5}),
        ("grad mean/norm: fc1 0.5/1e-7, fc2 0.5/2e-5", {"fc1": 1e-7, "fc2": 2e-5}),
    ],
)  # fmt: skip
def test_names_and_words_that_stick_together_are_told_apart(text: str, layers: dict[str, float]) -> None:
    found = read_measurements(text)
    read = found.layers("gradient", "norm") or found.layers("weight gradient", "norm")
    assert read is not None
    rows, quantity = read
    assert {row.name: row.values[quantity].x for row in rows.rows} == layers
    assert found.not_understood_count == 0


def test_decimal_logarithms_are_the_sizes_that_they_stand_for() -> None:
    for text in ("log10 grad norm: conv1 -7.2, conv2 -5.1", "0.weight -7.2 (log10 |g|)\n2.weight -5.1 (log10 |g|)"):
        values = [v for row in read_measurements(text).per_layer[0].rows for v in row.values.values()]
        assert [v.x for v in values] == pytest.approx([10**-7.2, 10**-5.1])
        assert values[0].low == pytest.approx(10**-7.25)


def test_a_sentence_gives_its_numbers_the_times_that_stand_before_or_behind_them() -> None:
    def course(text: str) -> list[tuple[float, float]]:
        return [(p.at, p.value.x) for s in read_measurements(text).series for p in s.points]

    assert course("step 0 loss 2.3, after 100 steps 1.1, after 200 steps 0.5") == [(0, 2.3), (100, 1.1), (200, 0.5)]
    assert course("loss 2.3 at step 0, 1.1 at step 100") == [(0, 2.3), (100, 1.1)]
    assert course("losses: 2.3, 1.1, then nan")[:2] == [(0, 2.3), (1, 1.1)]
