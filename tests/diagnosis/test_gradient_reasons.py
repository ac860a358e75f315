"""What an answer may claim: how sure it is, what follows from what, numbers as pasted, a frame that fits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kaiming_mcp.library import library
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.scaffold import Scaffold, render

NAN_RUN = """iter 820 loss 2.914 grad_norm 0.6 scale 32768
iter 840 loss 2.902 grad_norm 1.1 scale 32768
iter 860 loss 3.005 grad_norm 9.7 scale 16384
iter 880 loss nan grad_norm nan scale 8192
RuntimeError: Function 'SoftmaxBackward0' returned nan values in its 0th output."""
SIGMOIDS = "linear 100 100 ; sigmoid ; repeat 8 { linear 100 100 ; sigmoid } ; linear 100 7"
LEARNS = "\n".join(f"epoch {i} loss {2.0 * 0.8**i:.3f} val_loss {2.1 * 0.82**i:.3f}" for i in range(1, 8))


def diagnosed(**texts: Any) -> Scaffold:
    return diagnose_text(library(), **texts)


def decay(n: int, factor: float) -> str:
    return "\n".join(f"fc{i}.weight grad norm {0.2 * factor ** (n - i):.3e}" for i in range(1, n + 1))


@pytest.mark.parametrize(
    ("said", "precision", "first", "sure"),
    [
        ("attention logits max 58900", "fp16 autocast with GradScaler", "The range of float16", "likely"),
        ("", "fp16 autocast with GradScaler", "The range of float16", "likely"),
        ("", "bf16", "An infinite number that comes in", "likely"),
        ("the key padding mask leaves fully masked rows", "fp32", "Softmax over a fully masked row", "clear"),
        ("the key padding mask leaves fully masked rows", "fp16", "Softmax over a fully masked row", "clear"),
    ],
)
def test_a_softmax_that_returned_nan_is_masked_only_where_a_mask_is_named(
    said: str, precision: str, first: str, sure: str
) -> None:
    scaffold = diagnosed(symptom=f"nan after 880 steps. {said}", measurements=NAN_RUN, training=precision)
    assert scaffold.mechanism == "nan_origin"
    assert scaffold.verdict.startswith(first)
    assert f"({sure})" in scaffold.verdict
    if "16 " in f"{precision} " and precision != "bf16":
        assert sum("nan_origin" in line for line in scaffold.explanations) == 2


def test_gradient_norm_and_scale_before_the_nan_are_facts() -> None:
    statements = " ".join(f.statement for f in diagnosed(measurements=NAN_RUN, training="fp16").established)
    assert "gradient norm 0.6 to 9.7 (x16.2)" in statements
    assert "loss scale 32768 to 8192 (x0.25)" in statements


def test_the_line_of_the_user_is_evidence_and_not_a_line_that_was_not_understood() -> None:
    line = "r = ((p - q) ** 2).sum(1).sqrt()"
    scaffold = diagnosed(
        measurements=f"step 1 loss 0.9\nstep 2 loss nan\nFunction 'SqrtBackward0' returned nan values\n  {line}"
    )
    assert scaffold.located == line
    assert line in scaffold.established[0].statement
    assert not any("not understood" in limit for limit in scaffold.limits)


def test_a_loss_at_chance_is_a_consequence_of_a_decay_and_no_rival() -> None:
    scaffold = diagnosed(
        symptom="loss 1.9462 since the start",
        architecture=SIGMOIDS,
        measurements=decay(10, 0.25),
        training="SGD 0.01, cross entropy, 7 classes",
    )
    assert scaffold.mechanism == "true_decay_backward"
    assert any("it follows from `true_decay_backward`" in line for line in scaffold.explanations)
    assert "constant prediction" not in next(step for step in scaffold.frame if step.field == "rival").prompt
    assert any("bias_floor" in line and "in theory" in line for line in scaffold.explanations)
    assert any(f.statement == "loss 1.9462" for f in scaffold.established)


def test_a_course_that_theory_does_not_confirm_is_not_clear_and_the_misfit_is_against_it() -> None:
    sure, unsure = (
        diagnosed(architecture=SIGMOIDS, measurements=decay(10, factor), initialization="xavier")
        for factor in (0.25, 0.02)
    )
    misfit = next(f for f in unsure.established if "differs from" in f.statement)
    assert "(clear)" in sure.verdict
    assert "(likely)" in unsure.verdict
    assert "another start than stated" in misfit.statement
    assert misfit.id not in unsure.findings[0].evidence
    assert misfit.id in unsure.explanations[0].partition("against")[2]


def test_an_accuracy_of_chance_keeps_its_digits_for_many_classes() -> None:
    scaffold = diagnosed(symptom="loss stays at 10.82", training="cross entropy, 50000 classes")
    assert any("0.002 %" in f.statement for f in scaffold.established)


@pytest.mark.parametrize(
    ("learns", "limit"), [(True, "1000 where the loss falls"), (False, "100 where nothing is learned")]
)
def test_a_flat_course_says_which_alarm_it_keeps(learns: bool, limit: str) -> None:
    scaffold = diagnosed(measurements=decay(6, 0.9) + ("\n\n" + LEARNS if learns else ""))
    assert any(f"alarm beyond a factor {limit}" in f.statement for f in scaffold.established)


def test_a_decay_is_not_said_to_keep_an_alarm() -> None:
    scaffold = diagnosed(measurements=decay(9, 0.5), symptom="stuck at ln 10")
    assert scaffold.mechanism == "true_decay_backward"
    assert not any("alarm" in f.statement for f in scaffold.established)


def test_a_healthy_run_gets_a_frame_of_its_own() -> None:
    scaffold = diagnosed(
        symptom="all well?", measurements=LEARNS, training="AdamW 1e-3, warmup 7 epochs, cross entropy, 9 classes"
    )
    statements = " ".join(f.statement for f in scaffold.established)
    text = render(scaffold)
    assert scaffold.mechanism == "nothing_wrong"
    assert "validation loss 1.722 to 0.523" in statements
    assert "warm-up of 7 epochs" in statements
    assert "alarm if the loss" in scaffold.first_change
    assert not scaffold.measure.startswith("validation loss")
    assert not any(words in text for words in ("Which of the two breaks", "Derive in one line", "to beat: none"))


@pytest.mark.parametrize("measurements", [NAN_RUN, LEARNS])
def test_no_quotation_or_limit_is_printed_that_has_nothing_to_do_with_it(measurements: str) -> None:
    scaffold = diagnosed(measurements=measurements, training="fp32")
    assert scaffold.quotes == []
    assert not any("data" in limit for limit in scaffold.limits)
    assert "was once explained" not in render(scaffold)


def test_three_layers_of_many_show_a_decay_with_a_wide_error() -> None:
    scaffold = diagnosed(symptom="gradients die in 40 layers: layer2 3e-10, layer 15 4e-8, layer 40 2e-2")
    assert scaffold.mechanism == "true_decay_backward"
    assert scaffold.located == "layer2"
    assert "over 39 layers" in scaffold.established[0].statement


def test_zeros_of_float16_that_float32_does_not_share_are_underflow() -> None:
    table = "layer,grad_fp16,grad_fp32\nenc1,0,{}\nenc2,0,{}\nenc3,2e-6,2e-6\nenc4,1e-3,1e-3"
    lost, cut = (diagnosed(measurements=table.format(*x)) for x in (("4e-9", "1e-8"), ("0", "0")))
    assert lost.mechanism == "underflow_half"
    assert lost.located == "enc1"
    assert cut.mechanism != "underflow_half"


def test_many_skipped_steps_are_no_calibration() -> None:
    losses = "\nstep 0 loss 2.30\nstep 400 loss 2.31\nstep 800 loss 2.30"
    few, many = (
        diagnosed(measurements=f"skipped steps: {n}{losses}", training="fp16 with GradScaler").mechanism
        for n in (4, 390)
    )
    assert few == "amp_calibrating"
    assert many == "nan_origin"


def test_updates_that_are_nothing_ask_for_a_larger_rate() -> None:
    ratios = "\n".join(f"fc{i} update ratio {i}e-9" for i in range(1, 6))
    losses = "\n".join(f"step {i * 100} loss 2.0794" for i in range(5))
    scaffold = diagnosed(measurements=f"{ratios}\n{losses}", training="SGD lr 1e-7, cross entropy, 8 classes")
    assert scaffold.mechanism == "stuck_at_chance"
    assert "Multiply the learning rate by 3.00e+05" in scaffold.first_change


def test_the_answer_keeps_to_its_size() -> None:
    for texts in ({"measurements": NAN_RUN, "training": "fp16"}, {"measurements": LEARNS}):
        assert len(json.dumps(diagnosed(**texts).structured(), ensure_ascii=False)) <= 8_000
