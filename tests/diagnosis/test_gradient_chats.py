"""Messages as people type them into a chat: prose with a few numbers in it, a log in one line with semicolons."""

from __future__ import annotations

import math

import pytest

from kaiming_mcp.library import library
from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.scaffold import Scaffold

RNN = "t=400: 1.0, t=300: 2e-3, t=200: 5e-6, t=100: 1e-8, t=1: 3e-11"
CLASSIFIER = "nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 1), nn.Sigmoid(){})"


def said(symptom: str = "", architecture: str = "", measurements: str = "", training: str = "") -> Scaffold:
    return diagnose_text(library(), symptom, architecture, measurements, training)


@pytest.mark.parametrize(
    "symptom",
    [
        "Trains fine for 3k steps, then the loss spikes from 2.1 to 6.9 and never recovers. grad norm 54 at the spike",
        "everything good until epoch 12 (loss 2.4), then suddenly loss 6.91 and 0.1 % accuracy forever",
        "smooth until step 12000, then it shot up to 7.4 within 50 steps and stayed there",
        "mon modèle apprend bien, puis la loss saute de 0.4 à 6.9 et ne redescend jamais",
    ],
)
def test_a_told_jump_from_which_a_run_never_came_back_is_no_run_that_is_stuck_since_its_start(symptom: str) -> None:
    answer = said(symptom=symptom, training="AdamW lr 3e-3, no clip, 1000 classes")
    assert answer.mechanism == "died_after_learning"
    assert "learning rate" in answer.first_change


@pytest.mark.parametrize(
    "symptom", ["stuck at 6.908 from the first step, never goes down", "the loss stays at 6.908 since the beginning"]
)
def test_a_loss_that_was_never_lower_is_told_as_stuck(symptom: str) -> None:
    answer = said(symptom=symptom, measurements="ep 1 6.908; ep 2 6.908; ep 3 6.907", training="1000 classes")
    assert answer.mechanism == "stuck_at_chance"


def test_one_spike_from_which_the_run_came_back_is_no_fault() -> None:
    log = "step 4 loss 2.62; step 5 loss 2.61; step 6 loss 3.40; step 7 loss 2.71; step 8 loss 2.60; step 9 loss 2.59"
    answer = said(symptom="is this spike a problem?", measurements=log)
    assert answer.mechanism == "nothing_wrong"
    assert "came back by itself" in answer.verdict


def test_gradients_listed_by_time_step_are_a_course_with_a_rate_per_step() -> None:
    answer = said(symptom="RNN forgets", measurements=f"grad norm wrt h_t: {RNN}")
    assert answer.mechanism == "true_decay_backward"
    assert "time steps" in answer.verdict
    rate = math.exp(math.log(3e-11) / 399)
    assert f"{rate:.3g}"[:4] in answer.first_change


def test_a_gated_cell_is_told_the_bias_of_its_gate_for_the_steps_that_were_measured() -> None:
    answer = said(symptom="LSTM does not learn long dependencies", measurements=f"grad norm wrt h_t: {RNN}")
    assert f"ln 399 = {math.log(399):.3g}" in answer.first_change


def test_time_steps_named_in_the_symptom_and_one_a_line_are_read_alike() -> None:
    log = "\n".join(f"t={t} -> {0.8 * math.exp((t - 60) / 5):.2g}" for t in range(60, 0, -10))
    assert said(symptom="tanh RNN, gradient norm at each timestep", measurements=log).mechanism == "true_decay_backward"
    grows = "dL/dh explodes in my rnn: t=50 1.0, t=40 35, t=30 1100, t=20 4.1e4, t=10 1.3e6"
    assert said(symptom=grows).mechanism == "growth"


def test_losses_by_the_noise_level_of_a_diffusion_model_are_no_recurrent_net() -> None:
    answer = said(symptom="diffusion loss by timestep", measurements="t=10: 0.2, t=100: 0.08, t=300: 0.02, t=900: 4e-3")
    assert answer.mechanism == "cannot_tell"


@pytest.mark.parametrize(
    "log",
    [
        "D_loss 0.69 0.31 0.05 0.002 1e-5; G_loss 0.7 1.9 4.2 8.7 14.1; G grad norm 1.2 0.8 0.2 0.01 3e-4",
        "[epoch 1] loss_D=0.512 loss_G=1.9\n[epoch 2] loss_D=0.104 loss_G=4.7\n[epoch 3] loss_D=0.011 loss_G=8.1",
        "errD 0.002 errG 9.8",
    ],
)
def test_a_discriminator_whose_loss_goes_to_0_has_won_and_is_no_sound_descent(log: str) -> None:
    answer = said(symptom="GAN: images are noise", measurements=log)
    assert answer.mechanism == "saturation"
    assert "discriminator has won" in answer.verdict


@pytest.mark.parametrize(
    "log", ["epoch 5 D 1.31 G 0.82; epoch 10 D 1.35 G 0.77; epoch 20 D 1.33 G 0.81", "D loss 0.6 G loss 1.1, both flat"]
)
def test_two_players_in_balance_are_neither_stuck_nor_called_sound(log: str) -> None:
    answer = said(symptom="are my GAN losses ok?", measurements=log)
    assert answer.mechanism == "cannot_tell"
    assert "2 ln 2 = 1.386" in answer.first_change


def test_a_word_that_holds_the_letters_gan_is_no_pair_of_players() -> None:
    answer = said(
        symptom="Logan here, began a slogan classifier", measurements="ep 1 1.9; ep 2 1.1; ep 3 0.7; ep 4 0.5"
    )
    assert answer.mechanism == "nothing_wrong"


def test_a_kl_term_at_0_is_a_code_that_carries_nothing() -> None:
    log = "epoch 1 recon 180.2 kl 4.1; epoch 2 recon 165.0 kl 0.02; epoch 5 recon 162.4 kl 0.0003"
    answer = said(symptom="VAE samples all look the same", measurements=log)
    assert "posterior collapse" in answer.verdict.lower()
    distilled = said(symptom="distillation", measurements="epoch 1 kl 2.1; epoch 3 kl 0.4; epoch 9 kl 0.03")
    assert "collapse" not in distilled.verdict


def test_a_value_loss_that_grows_with_the_returns_is_no_divergence() -> None:
    log = "iter 1 value_loss 0.8 reward 12; iter 50 value_loss 6.4 reward 60; iter 200 value_loss 41 reward 240"
    assert said(symptom="PPO: value loss increases", measurements=log).mechanism == "nothing_wrong"
    worse = "step 1e4 q_loss 0.02; step 5e4 q_loss 4.0; step 1e5 q_loss 900; step 2e5 q_loss 3e5"
    assert said(symptom="DQN, returns stay at -200", measurements=worse).mechanism == "growth"


def test_a_falling_loss_of_values_alone_proves_no_learning() -> None:
    log = "step 1e4 loss 0.05; step 1e5 loss 0.02; step 1e6 loss 0.004"
    assert said(symptom="DQN on pong, reward stays -21", measurements=log).mechanism == "cannot_tell"


@pytest.mark.parametrize(
    "log",
    [
        "epoch 1 train 1.2 val 1.1; epoch 5 train 0.4 val 0.6; epoch 10 train 0.1 val 0.9; epoch 20 train 0.01 val 1.6",
        "ep 1: loss 0.9 / val_loss 0.8 | ep 5: loss 0.4 / val_loss 0.6 | "
        "ep 9: loss 0.1 / val_loss 1 | ep 20: loss 0.02 / val_loss 1.6",
    ],
)
def test_a_validation_loss_that_rises_is_overfitting_and_the_change_fits_it(log: str) -> None:
    answer = said(symptom="val loss goes up while train loss goes down", measurements=log)
    assert answer.mechanism == "nothing_wrong"
    assert "overfitting from epoch 5 on" in answer.verdict
    assert answer.first_change.startswith("Stop at epoch 5")


def test_a_training_accuracy_far_above_the_held_out_one_is_said() -> None:
    answer = said(symptom="Training accuracy 100%, validation accuracy 54%. x-rays of 300 patients")
    assert "does not generalise" in answer.verdict
    assert "54.0%" in answer.key_numbers[0]


@pytest.mark.parametrize(
    ("symptom", "log"),
    [
        ("nan from the first step", "step 0 loss nan grad nan; input min -3.4e38 max 3.4e38"),
        ("netcdf input, x.max() = 9.96921e+36", "step 0 loss nan"),
        ("loss is nan. df.isna().sum() says 37 missing values", ""),
    ],
)
def test_data_that_are_no_data_come_before_the_range_of_half_precision(symptom: str, log: str) -> None:
    answer = said(symptom=symptom, measurements=log, training="fp16, lr 1e-3")
    assert (answer.mechanism, answer.located) == ("nan_origin", "the input")
    assert "bfloat16," not in answer.first_change


def test_data_that_were_checked_for_missing_values_are_not_accused() -> None:
    log = "step 200 loss 0.9; step 290 loss 0.8; step 300 loss nan"
    answer = said(
        symptom="nan after 300 steps. I checked: no NaN values in the data", measurements=log, training="fp32"
    )
    assert answer.located != "the input"


def test_the_std_of_a_last_batch_of_one_is_no_square_root() -> None:
    answer = said(symptom="only the last batch gives nan, it has 1 sample and i normalize with x.std(0)")
    assert answer.located == "the std of one sample"


def test_two_sigmoids_in_a_row_are_the_cause_and_the_depth_is_none() -> None:
    answer = said(
        symptom="all outputs are 0.5, loss stays 0.6931",
        architecture=CLASSIFIER.format(", nn.Sigmoid()"),
        measurements="epoch 1 0.6931 epoch 2 0.6931 epoch 3 0.6931",
    )
    assert "Two sigmoids in a row" in answer.verdict
    assert "too few layers" not in answer.verdict


def test_a_sigmoid_in_front_of_a_loss_with_logits_is_named_and_one_in_front_of_a_plain_one_is_not() -> None:
    log = "epoch 1 0.66; epoch 5 0.48; epoch 20 0.34; epoch 50 0.32; epoch 100 0.315"
    twice = said(architecture=CLASSIFIER.format(""), measurements=log, training="BCEWithLogitsLoss, Adam 1e-3")
    assert "sigmoid in front of a loss that applies its own" in twice.verdict
    once = said(architecture=CLASSIFIER.format(""), measurements=log, training="BCELoss, Adam 1e-3")
    assert "in front of" not in once.verdict


def test_a_softmax_before_the_cross_entropy_is_told_by_its_floor_unless_a_loss_lies_below_it() -> None:
    words = "model ends with nn.Softmax(dim=1) and I use nn.CrossEntropyLoss, 10 classes"
    stands = said(symptom=words, measurements="ep1 1.72 ep2 1.55 ep3 1.48 ep4 1.463 ep5 1.462")
    assert "softmax in front of a loss" in stands.verdict
    assert any(f"{math.log(1 + 9 / math.e):.4g}" in line for line in stands.key_numbers)
    falls = said(symptom=words, measurements="ep1 1.72 ep2 1.1 ep3 0.7 ep4 0.5 ep5 0.4")
    assert "softmax" not in falls.verdict


@pytest.mark.parametrize(
    "symptom",
    [
        "I use softmax only for the metrics, CrossEntropyLoss gets logits",
        "attention uses softmax internally, logits go to CrossEntropyLoss",
        "I removed the softmax before CrossEntropyLoss",
    ],
)
def test_a_softmax_elsewhere_is_none_in_front_of_the_loss(symptom: str) -> None:
    log = "epoch 1 2.2; epoch 2 2.0; epoch 3 1.8; epoch 4 1.65; epoch 5 1.55"
    assert said(symptom=symptom, measurements=log, training="10 classes").mechanism == "nothing_wrong"


def test_a_loss_that_is_the_entropy_of_a_constant_accuracy_is_a_constant_prediction() -> None:
    log = "epoch 1 loss 0.052 acc 0.991; epoch 2 loss 0.051 acc 0.991; epoch 3 loss 0.051 acc 0.991"
    answer = said(symptom="fraud detection, recall 0", measurements=log)
    assert answer.mechanism == "stuck_at_chance"
    assert "frequency of the classes" in answer.verdict


def test_a_rate_of_0_explains_a_flat_loss_and_one_at_the_very_end_does_not() -> None:
    still = "; step 30 lr 0 loss 1.9; step 40 lr 0 loss 1.9"
    log = f"step 0 lr 1e-3 loss 4; step 10 lr 5e-4 loss 2; step 20 lr 0 loss 1.9{still}"
    assert "learning rate is 0" in said(measurements=log).verdict
    assert said(measurements=log[: log.index("; step 30")]).mechanism == "nothing_wrong"


def test_a_plateau_far_from_0_of_which_the_user_complains_is_not_called_sound() -> None:
    log = "ep 1 1.9; ep 2 1.4; ep 3 1.2; ep 4 1.13; ep 5 1.12; ep 6 1.12; ep 7 1.12; ep 8 1.12"
    answer = said(symptom="loss plateaued, tried everything", measurements=log)
    assert answer.mechanism == "cannot_tell"
    assert "one fixed batch" in answer.first_change


def test_a_plateau_at_the_entropy_of_smoothed_labels_is_sound() -> None:
    log = "ep 1 1.33; ep 2 0.55; ep 3 0.53; ep 4 0.522; ep 5 0.521; ep 6 0.520; ep 7 0.521; ep 8 0.520"
    answer = said(symptom="stuck at 0.5", measurements=log, training="label_smoothing=0.1, 10 classes")
    assert "floor of smoothed labels" in answer.verdict


def test_a_clip_far_below_every_norm_explains_a_loss_that_hardly_falls() -> None:
    log = "step 10 loss 6.88 grad_norm 45.2; step 50 loss 6.79 grad_norm 51.0; step 100 loss 6.70 grad_norm 48.7"
    answer = said(measurements=log, training="SGD lr 0.1, clip_grad_norm 0.01")
    assert answer.first_change.startswith("Raise the clip from 0.01")


def test_gradients_that_are_said_to_be_never_reset_add_up() -> None:
    answer = said(symptom="grad norm keeps growing: 1.1 2.2 3.4 4.5 5.7. i dont call optimizer.zero_grad()")
    assert answer.mechanism == "growth"
    assert "zero_grad" in answer.first_change


def test_a_first_loss_far_above_the_one_that_is_expected_is_told_unless_it_is_a_sum() -> None:
    log = "step 0 loss 340.2; step 100 loss 95.1; step 500 loss 22; step 1000 loss 11.5"
    answer = said(symptom="gpt initial loss is 340 instead of 10.8", measurements=log)
    assert "logits of the start" in answer.verdict
    summed = said(symptom="nats per sequence, summed over tokens", measurements=log, training="vocab 50257")
    assert summed.mechanism == "nothing_wrong"


@pytest.mark.parametrize(
    "log",
    [
        "step 0 ppl 50311; step 1000 ppl 812; step 5000 ppl 120; step 20000 ppl 41; step 50000 ppl 24",
        "step 0: bpb 8.01; step 1000: bpb 2.4; step 5000: bpb 1.61; step 20000: bpb 1.32",
        "epoch 1 val ppl 310.2\nepoch 2 val ppl 190.5\nepoch 5 val ppl 121.0\nepoch 10 val ppl 98.7",
    ],
)
def test_perplexity_and_bits_are_losses_that_fall(log: str) -> None:
    assert said(symptom="is this normal?", measurements=log).mechanism == "nothing_wrong"


def test_a_new_time_on_the_line_ends_the_split_of_the_one_before() -> None:
    read = read_measurements("ep 5: loss 0.8 / val_loss 0.9 | ep 10: loss 0.4 / val_loss 0.7")
    assert [p.value.x for p in read.series[0].points] == [0.8, 0.4]


@pytest.mark.parametrize(
    "log", ["ep1 1.7 ep2 1.1 ep3 0.7", "epoch1: 1.7, epoch2: 1.1, epoch3: 0.7", "step1 1.7; step2 1.1; step3 0.7"]
)
def test_times_that_are_glued_to_their_name_are_read_all_along_the_line(log: str) -> None:
    assert [[(p.at, p.value.x) for p in one.points] for one in read_measurements(log).series] == [
        [(1, 1.7), (2, 1.1), (3, 0.7)]
    ]
