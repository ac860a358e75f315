"""Runs with planted causes: what must not be accused, what the change is, and what is not said of nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kaiming_mcp.library import library
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.scaffold import Scaffold


def _diagnose(**texts: Any) -> Scaffold:
    return diagnose_text(library(), **texts)


def _facts(scaffold: Scaffold) -> str:
    return " ".join(f.statement for f in scaffold.established)


OVERFLOW = "Gradient overflow.  Skipping step, loss scaler 0 reducing loss scale to {}"


def test_a_loss_scale_that_falls_below_every_use_is_no_healthy_start() -> None:
    scaffold = _diagnose(measurements="\n".join(OVERFLOW.format(2.0 ** (-1000 - i)) for i in range(6)))
    assert scaffold.mechanism == "nan_origin"
    assert "no finite gradient overflows" in _facts(scaffold)


def test_overflows_late_in_a_run_are_no_start() -> None:
    epochs = [f"Epoch: {i}\nValidation loss {500 * i}:  0.14{i}" for i in range(1, 9)]
    log = "\n".join(
        [*epochs, "Epoch: 9", *(OVERFLOW.format(2.0**i) for i in range(8, 0, -1)), "Validation loss 4500:  0.71"]
    )
    scaffold = _diagnose(measurements=log)
    assert scaffold.mechanism != "amp_calibrating"
    assert "above the training loss" not in _facts(scaffold)


def test_an_overflow_that_a_sentence_tells_of_is_that_of_the_forward_pass() -> None:
    told = "nan loss after 34 iterations with fp16: an overflow in the second layer, 66246.39 in fp32, is above 65504"
    scaffold = _diagnose(symptom=told)
    assert scaffold.mechanism == "nan_origin"
    assert "range of float16" in scaffold.verdict


def test_a_gradient_norm_that_is_nan_in_the_first_interval_alone_is_the_scaler() -> None:
    rows = ("[1][100/6259] lr: 1e-3, loss: 1.90, grad_norm: nan", "[1][200/6259] lr: 1e-3, loss: 0.91, grad_norm: 3.97")
    log = "\n".join(f"Epoch {row}" for row in rows)
    assert _diagnose(measurements=log, training="mixed precision").mechanism == "amp_calibrating"


def test_a_gradient_norm_that_stays_nan_is_not_left_undecided() -> None:
    log = "\n".join(f"iteration {i} | loss scale: 1.0 | grad norm: nan" for i in range(5426, 5430))
    scaffold = _diagnose(measurements=log)
    assert scaffold.mechanism == "nan_origin"
    assert "at the last 4 of 4 steps" in _facts(scaffold)


def test_a_zero_loss_beside_a_nan_norm_is_no_loss() -> None:
    norms = (1.2, 1.4, math.nan, math.nan)
    losses = (2.31, 2.02, 0.0, 0.0)
    log = "\n".join(
        str({"loss": x, "grad_norm": n, "epoch": i / 10}) for i, (x, n) in enumerate(zip(losses, norms, strict=True))
    )
    scaffold = _diagnose(measurements=log)
    assert scaffold.mechanism == "nan_origin"
    assert "logged as 0 beside a gradient norm that is nan" in _facts(scaffold)


def test_a_loss_that_grows_by_decades_before_nan_diverges_also_over_two_lines() -> None:
    scaffold = _diagnose(measurements="step 0: loss=2.3076\nstep 5: loss=180.97\nstep 10: loss=nan\nstep 15: loss=nan")
    assert scaffold.mechanism == "growth"
    assert "learning rate" in scaffold.first_change
    assert "gradient norm" not in _facts(scaffold)


@pytest.mark.parametrize(("limit", "name"), [("87.3365", "float32"), ("16.1181", "Keras"), ("100.0", "BCELoss")])
def test_a_loss_at_the_clamp_of_a_log_is_divergence(limit: str, name: str) -> None:
    log = f"Iteration 0, loss = 2.41\nIteration 20, loss = {limit}\nIteration 40, loss = {limit}"
    scaffold = _diagnose(measurements=log)
    assert scaffold.mechanism == "growth"
    assert name in _facts(scaffold)


def test_a_loss_that_jumped_first_was_not_stuck_since_the_start() -> None:
    losses = (0.6773, 2.4587, 5.3353, 1.0234, 10.6901, 0.6931, 0.6931, 0.6931, 0.6931, 0.6931)
    scaffold = _diagnose(measurements="\n".join(f"step: {i} loss: {x}" for i, x in enumerate(losses)))
    assert scaffold.mechanism == "died_after_learning"
    assert "since the start" not in scaffold.verdict
    assert "jumps" in scaffold.verdict


def test_a_std_of_zero_divides_and_is_no_root() -> None:
    log = "\n".join(f"batch {i} loss {2.3 - 0.01 * i:.3f}" for i in range(6)) + "\nbatch 6 loss nan"
    scaffold = _diagnose(symptom="x = (x - x.mean(0)) / x.std(0) before the net; suddenly nan", measurements=log)
    assert scaffold.mechanism == "nan_origin"
    assert "division by a std of 0" in scaffold.verdict.lower()


def test_losses_of_one_step_are_averaged_and_not_added() -> None:
    log = "\n".join(
        f"[rank{r}] step {s} loss {2.3 * math.exp(-s / 40) + 0.01 * r:.4f}" for s in range(0, 100, 10) for r in (0, 1)
    )
    scaffold = _diagnose(measurements=log)
    assert scaffold.mechanism == "nothing_wrong"
    assert "loss 2.305 to" in _facts(scaffold)


def _unzeroed(step: int) -> float:
    return 0.27 + 0.24 * step + 0.0008 * step**2


def test_gradients_that_add_up_are_told_from_growth_and_from_health() -> None:
    log = "\n".join(f"step {s} loss {2.31 - 0.006 * s:.4f} grad norm {_unzeroed(s):.3f}" for s in range(0, 44, 4))
    scaffold = _diagnose(measurements=log)
    assert scaffold.mechanism == "growth"
    assert "zero_grad" in scaffold.first_change
    assert "geometric" not in scaffold.verdict


@pytest.mark.parametrize(
    "course", [lambda s: 0.3 * math.exp(s / 15), lambda s: 0.3 + 0.05 * s, lambda s: 0.3 + 0.7 * s]
)
def test_other_rises_of_the_norm_are_no_missing_zero_grad(course: Any) -> None:
    log = "\n".join(f"step {s} loss {2.31 - 0.006 * s:.4f} grad norm {course(s):.3f}" for s in range(0, 44, 4))
    assert "zero_grad" not in _diagnose(measurements=log).first_change


STUCK = (2.297, 2.295, 2.298, 2.277, 2.290, 2.312, 2.297, 2.284)


def test_a_clip_that_binds_at_every_step_is_the_change() -> None:
    log = "step,train_loss,grad_norm_before_clip\n" + "\n".join(f"{20 * i},{x},0.2{i}8" for i, x in enumerate(STUCK))
    for clip, optimizer, binds in (("0.01", "SGD", True), ("0.01", "Adam", False), ("0.2", "SGD", False)):
        scaffold = _diagnose(
            measurements=log, training=f"{optimizer} lr 0.05, clip_grad_norm {clip}, cross entropy, 10 classes"
        )
        assert scaffold.mechanism == "stuck_at_chance"
        assert ("Raise the clip from 0.01" in scaffold.first_change) == binds


def test_weights_that_shrink_to_nothing_name_the_weight_decay() -> None:
    rows = "\n".join(f"{i} | {x} | {4.6 * 0.25**i:.2e} | {4.5 * 0.25**i:.2e}" for i, x in enumerate(STUCK))
    training = "SGD momentum 0.9 lr 0.1 weight decay 0.3, cross entropy 10 classes"
    scaffold = _diagnose(measurements=f"epoch | loss | ‖W1‖ | ‖W2‖\n{rows}", training=training)
    assert scaffold.mechanism == "stuck_at_chance"
    assert "weight decay from 0.3 to 0.003" in scaffold.first_change


def test_behind_a_batch_norm_no_other_std_is_proposed() -> None:
    rows = "\n".join(f"{3 * i}.weight\t{0.1 * 1.21 ** (30 - i):.4g}" for i in range(31))
    scaffold = _diagnose(measurements=f"name\tgrad_norm\n{rows}", training="30 x (Linear, BatchNorm, ReLU), He")
    assert scaffold.mechanism == "growth"
    assert "std of every hidden weight" not in scaffold.first_change
    assert "layer norm" in scaffold.first_change


def test_time_steps_get_a_change_of_the_recurrent_weight() -> None:
    rows = "\n".join(f"t={i} : {1e-2 * 0.4 ** (29 - i):.3e}" for i in range(30))
    scaffold = _diagnose(measurements=f"gradient norm per time step ||dL/dh_t||\n{rows}", symptom="RNN of 30 steps")
    assert scaffold.mechanism == "true_decay_backward"
    assert "recurrent weight" in scaffold.first_change
    assert "per time step" in scaffold.first_change


def test_a_sum_x_plus_branch_is_a_residual() -> None:
    values = ", ".join(f"{1.95 * 2**i:.3g}" for i in range(24))
    scaffold = _diagnose(
        measurements=f"mean square of x after block i:\n{values}", symptom="x = x + W2 relu(W1 x), He init"
    )
    assert scaffold.mechanism == "growth"
    assert "residual branch" in scaffold.first_change


def test_lines_that_were_not_understood_are_not_called_no_number() -> None:
    scaffold = _diagnose(measurements="relu3 counts (bins: count)\n[0.0, 0.1): 16384\n[0.1, 0.2): 0\n[0.2, 0.3): 0")
    assert scaffold.mechanism == "cannot_tell"
    assert "no number was given" not in scaffold.verdict
    assert "[0.0, 0.1): 16384" in scaffold.verdict


def test_parameters_without_a_gradient_lead_to_requires_grad() -> None:
    log = "\n".join(f"backbone.base.{i}.conv.weight has None grad" for i in range(4))
    scaffold = _diagnose(measurements=log, symptom="After loss.backward() these are not updated")
    assert scaffold.mechanism == "structural_zero"
    assert "requires_grad" in scaffold.first_change
    assert "zero-initialised" not in scaffold.first_change


def test_zeros_of_a_print_above_a_loss_are_those_of_the_print() -> None:
    rows = "\n".join(f"{2 * i}.weight 0.0000" for i in range(5))
    log = f"print(f'{{name}} {{p.grad.abs().mean():.4f}}')\n{rows}\nloss 0.0011"
    assert _diagnose(measurements=log).mechanism == "print_zeros"


def test_shares_of_dead_units_in_a_sentence_are_read() -> None:
    told = "97 % of the ReLUs in conv4 and 99 % in conv5 output zero for every image. loss stays 2.303 (10 classes)"
    scaffold = _diagnose(symptom=told)
    assert scaffold.mechanism == "dead_relu"
    assert scaffold.located == "conv4"


def test_a_sound_run_that_overfits_says_so() -> None:
    pairs = [(2.2, 2.1), (1.5, 1.6), (0.9, 1.4), (0.4, 1.7), (0.1, 2.4), (0.03, 3.1)]
    log = "\n".join(f"Epoch {i} train_loss={a} val_loss={b}" for i, (a, b) in enumerate(pairs))
    assert "overfitting" in _diagnose(measurements=log).verdict


def test_an_exported_loss_without_a_name_is_the_loss_that_it_is_said_to_be() -> None:
    rows = "\n".join(f"17000{i}.5,{10 * i},{2.3 * math.exp(-i / 6):.6f}" for i in range(20))
    scaffold = _diagnose(measurements=f"Wall time,Step,Value\n{rows}", symptom="export of Loss/train from TensorBoard")
    assert scaffold.mechanism == "nothing_wrong"
    assert "loss 2.3 to" in _facts(scaffold)


def test_a_mean_with_signs_is_no_size_and_its_zeros_no_zero_gradients() -> None:
    means = (-0.000345, 0.000087, 0.000912, -0.001634, 0.007606, 0.0)
    log = "\n".join(f"{2 * i}.weight grad mean {x:.6f}" for i, x in enumerate(means))
    scaffold = _diagnose(measurements=log)
    assert scaffold.mechanism == "cannot_tell"
    assert "per layer" not in _facts(scaffold)


def test_a_printed_scalar_of_tensorflow_is_a_number() -> None:
    log = "\n".join(f"Step {i}: loss=tf.Tensor(0.69{30 + i}, shape=(), dtype=float32)" for i in range(6))
    assert _diagnose(measurements=log, training="binary classification").mechanism == "stuck_at_chance"


def test_a_batch_of_one_has_no_std() -> None:
    for told in ("Expected more than 1 value per channel when training", "the std over a batch of size 1, then nan"):
        scaffold = _diagnose(symptom=f"loss is nan: {told}", measurements="step 0 loss 2.3\nstep 1 loss nan")
        assert "std of one sample" in scaffold.verdict.lower(), told


def test_of_two_networks_the_first_does_not_speak_for_both() -> None:
    runs = {"run A (he)": (0.82, 0.80, 0.79), "run B (default)": (0.33, 0.012, 0.011)}
    log = "\n\n".join(
        "\n".join([name, *(f"layer {i} act std {x}" for i, x in zip((1, 5, 10), xs, strict=True))])
        for name, xs in runs.items()
    )
    assert _diagnose(measurements=log).mechanism != "nothing_wrong"


def test_a_range_test_of_the_rate_is_meant_to_end_high() -> None:
    losses = (2.3, 2.28, 2.2, 2.0, 1.7, 1.4, 1.3, 1.9, 6.2, 88.0)
    log = "\n".join(f"lr={1e-6 * 10 ** (i / 2):.2e} loss={x}" for i, x in enumerate(losses))
    assert _diagnose(measurements=log, symptom="LR range test").mechanism != "growth"
