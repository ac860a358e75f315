"""What logs and libraries print beside a score, and words that mean something else than they seem to."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kaiming_mcp.diagnosis.generative.readouts import read_readouts
from kaiming_mcp.diagnosis.generative.reported import read_reported
from kaiming_mcp.library import library
from kaiming_mcp.replies.generative import reframe_text
from kaiming_mcp.scaffold import Scaffold, render


def _reframe(problem: str, **rest: Any) -> Scaffold:
    return reframe_text(library(), problem, **rest)


def _titles(scaffold: Scaffold) -> list[str]:
    return [f.title for f in scaffold.findings]


def test_coverage_by_quantile_is_an_interval_and_a_shifted_median() -> None:
    scaffold = _reframe(
        "DeepAR forecast of sales: Coverage[0.1]: 0.38, Coverage[0.5]: 0.74, Coverage[0.9]: 0.79", target="next 12 days"
    )
    text = render(scaffold)
    assert "0.41 of the outcomes lie between the 0.1 and 0.9 quantiles, 0.8 would be right: too narrow" in text
    assert "0.74 lie below the median forecast, 0.5 would be right: it is too high" in text
    assert scaffold.first_change.startswith("Look at the location first")


def test_coverage_at_its_level_is_no_finding() -> None:
    scaffold = _reframe("forecast: Coverage[0.1]: 0.11, Coverage[0.5]: 0.49, Coverage[0.9]: 0.9", target="next 12 days")
    assert "The reported spread is not the error that is made" not in _titles(scaffold)


def test_a_mase_above_one_puts_the_naive_forecast_first() -> None:
    scaffold = _reframe("Forecast of hourly load, MASE 3.2", target="next 24 hours")
    assert scaffold.first_change.startswith("Use the (seasonal) naive forecast")
    assert "3.2 x that of the naive forecast" in render(scaffold)
    better = _reframe("Forecast of hourly load, MASE 0.8", target="next 24 hours")
    assert "The naive forecast is better than the model" not in _titles(better)


@pytest.mark.parametrize(
    ("text", "kl"),
    [
        ("the kl loss is approx. zero after 3 epochs", 0.0),
        ("kl term 0.002 nats", 0.002),
        ("kl drops to 3e-05", 3e-5),
        ("kl divergence of 12.5 nats", 12.5),
        ("kl weight of 0.01 and annealing", None),
        ("kl coefficient 0", None),
    ],
)
def test_the_kl_of_a_latent_is_read_and_its_weight_is_not(text: str, kl: float | None) -> None:
    assert read_readouts(text).kl == kl


def test_a_kl_near_zero_is_a_latent_that_is_not_used_and_its_posterior_is_no_spread_of_x() -> None:
    scaffold = _reframe("Text VAE with an LSTM decoder: samples from prior and posterior agree, KL term 0.003 nats")
    assert _titles(scaffold)[0] == "The latent is unused"
    assert "with a KL of 0.003 nats the latent knows no more than that of x" in render(scaffold)
    assert "'posterior' speaks for a spread" not in render(scaffold)
    alive = _reframe("Text VAE with an LSTM decoder: KL term 9.1 nats, samples look fine")
    assert "The latent is unused" not in _titles(alive)


def test_the_perplexity_of_codes_is_bits_of_a_token() -> None:
    text = render(_reframe("VQ-VAE on images, codebook of size 1024, codebook perplexity of 32"))
    assert "perplexity 32 of 1,024 codes is 5 of 10 bits a token (50%)" in text


def test_intervals_that_are_too_wide_are_not_searched_for_what_narrows_them() -> None:
    wide = _reframe("Forecast of wind: the 90% interval covers 99% of the observations", target="12 steps ahead")
    assert "too wide" in render(wide)
    assert "narrows" not in wide.first_change
    narrow = _reframe("Forecast of wind: the 90% interval covers 55% of the observations", target="12 steps ahead")
    assert "narrows" in narrow.first_change
    whole = _reframe("The 95% prediction interval of our forecast has coverage 100.0%", target="next 36 hours")
    assert "95% intervals that cover all outcomes are too wide" in render(whole)


def test_an_ensemble_standard_deviation_is_a_spread_and_no_deviation_of_the_target() -> None:
    reported = read_reported("rmse of the ensemble mean is 2 k, ensemble standard deviation is 1 k", "")
    assert (reported.rmse, reported.spread, reported.deviation) == (2.0, 1.0, None)
    bracketed = read_reported("the spread (ensemble standard deviation) is 1.3 k", "")
    assert bracketed.spread == pytest.approx(1.3)


def test_two_values_of_psnr_are_a_ratio_of_squared_errors() -> None:
    told = read_reported("psnr is 24 db where the l1 network has 27 db", "").worse
    assert told is not None
    assert 1 + told == pytest.approx(10**0.3)
    scaffold = _reframe(
        "Super-resolution with a diffusion model: PSNR 24 dB, our regressor has 27 dB",
        condition="64x64x3",
        target="256x256x3",
        metric="PSNR",
    )
    assert "an error 2 x the regressor's, where one sample of a perfect posterior has 2 x" in render(scaffold)
    assert math.isclose(10 * math.log10(2), 3.01, abs_tol=0.001)


def test_a_number_glued_to_a_letter_counts_no_samples() -> None:
    text = render(_reframe("x4 super-resolution of photos", condition="64x64x3", target="256x256x3"))
    assert "4 photos" not in text
    assert "samples do not support" not in text


@pytest.mark.parametrize(
    "problem",
    [
        "ImageNet 64 with classifier guidance: FID 3.3 without, 7.2 at scale 1, and the Inception score rises",
        "Classifier-free guidance on CIFAR-10 images gives random images of all classes",
    ],
)
def test_guidance_by_a_classifier_is_no_classification(problem: str) -> None:
    scaffold = _reframe(problem)
    assert scaffold.verdict.startswith("Pose it as p(x|y)")
    assert {"Guidance buys typical samples with coverage", "The condition is not used"} & set(_titles(scaffold))


def test_two_known_answers_outweigh_a_squared_error() -> None:
    scaffold = _reframe(
        "Inverse kinematics: elbow up or down, theta is either +0.9 or -0.9 rad and the net predicts a straight arm",
        condition="position, 2 numbers",
        target="2 joint angles",
        metric="MSE",
    )
    assert scaffold.verdict.startswith("Pose it as p(x|y)")
    assert "dim(x)/dim(y) = 2/2 = 1" in render(scaffold)
    assert "at an error of 0.81" in render(scaffold)


def test_an_error_of_what_was_given_is_no_distance_in_x() -> None:
    given = {"condition": "spectrum, 200 points", "target": "5 layer thicknesses"}
    scaffold = _reframe("Inverse design of a film for a target spectrum", metric="MSE of the spectrum", **given)
    assert scaffold.verdict.startswith("Pose it as p(x|y)")
    assert "mse is optimal at the mean" not in render(scaffold)


def test_a_sequence_of_so_many_residues_is_discrete() -> None:
    scaffold = _reframe(
        "Inverse folding: many sequences fold into one backbone",
        condition="backbone of 200 residues, 3 coordinates each",
        target="sequence of 200 residues",
    )
    assert "over-determine" not in render(scaffold)


def test_grey_colours_are_the_mean_and_no_inverse_problem() -> None:
    scaffold = _reframe("Colorization: an L2 loss gives desaturated colours, a car could be red or blue", metric="L2")
    assert not scaffold.verdict.startswith("Regress:")
    assert "Tikhonov" not in render(scaffold)


def test_an_underscore_before_loss_hides_no_kl() -> None:
    assert read_readouts("the kl_loss seems to become zero after some hundred steps").kl == 0.0


def test_a_band_of_quantiles_asks_for_no_single_quantile() -> None:
    scaffold = _reframe(
        "Quantile forecasts of demand: the P10-P90 band contains only 62% of actuals instead of 80%",
        target="next 28 days",
        metric="pinball loss",
    )
    assert scaffold.verdict.startswith("Pose it as p(x|y)")
    assert "80% intervals that cover 0.62 are too narrow" in render(scaffold)


def test_exact_match_is_a_score_and_no_look_up() -> None:
    scaffold = _reframe("Retrosynthesis: given a product predict reactants; top-1 exact match is 53%")
    assert not scaffold.verdict.startswith("Look it up")


def test_samples_that_are_drawn_are_none_to_learn_from() -> None:
    scaffold = _reframe(
        "Pedestrian trajectories turn left or right; minADE of 20 samples is 0.21 m",
        target="next 12 steps, 2 coordinates",
        data="1,536 pedestrians",
        samples_per_query=20,
    )
    text = render(scaffold)
    assert "20 samples do not support" not in text
    assert "1,536 pedestrians" in text


def test_a_ratio_of_signal_to_distortion_is_one_of_squared_errors() -> None:
    told = read_reported("si-sdr 16 db where the predictive network has 19 db", "").worse
    assert told is not None
    assert 1 + told == pytest.approx(10**0.3)


def test_too_large_a_spread_is_not_said_to_grow() -> None:
    text = render(
        _reframe("Ensemble forecast, spread/error ratio is 1.4", target="rain at 320 stations", samples_per_query=25)
    )
    assert "overdispersed, the spread must be 0.7 x as large" in text


def test_plastic_texture_is_blur_and_synthetic_images_for_a_classifier_are_augmentation() -> None:
    plastic = _reframe("CT denoising: a U-Net with MSE gives texture that looks plastic", metric="PSNR")
    assert "Blur is the conditional mean" in _titles(plastic)
    rare = _reframe("Would generating synthetic images with a GAN improve the classifier on a rare class?")
    assert "Samples hold no information beyond their training set" in _titles(rare)
