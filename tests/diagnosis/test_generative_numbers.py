"""Every number of a reframing: read as people write it, and equal to a closed form or an independent computation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from kaiming_mcp.diagnosis.generative.answers import read_answers
from kaiming_mcp.diagnosis.generative.quantities import clock, framed, horizon, size, value
from kaiming_mcp.diagnosis.generative.reported import read_reported
from kaiming_mcp.diagnosis.generative.scores import best_of_scale, chi_square_limit, guided_width, narrowed
from kaiming_mcp.diagnosis.generative.timing import read_timing
from kaiming_mcp.library import library
from kaiming_mcp.replies.generative import reframe_text
from kaiming_mcp.scaffold import Fact, Scaffold


def _reframe(problem: str, **rest: Any) -> Scaffold:
    return reframe_text(library(), problem, **rest)


def _fact(scaffold: Scaffold, unit: str) -> Fact:
    return next(f for f in scaffold.established if f.unit == unit)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1,000", 1000), ("1e-3", 1e-3), ("3,2", 3.2), ("10^5", 1e5), ("2.5", 2.5), ("1.2 x 10^-3", 1.2e-3), ("1e999", 0)],
)
def test_numbers_are_read_as_they_are_written(text: str, expected: float) -> None:
    assert value(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18 frames of 256x256", 18 * 256 * 256),
        ("12 variables x 721x1440", 12 * 721 * 1440),
        ("17 joints x 3", 51),
        ("3-D coordinates of 120 atoms, 360 values", 360),
        ("lookback of length 96, 7 variables", 672),
        ("20k genes", 20_000),
        ("a codeword", None),
    ],
)
def test_sizes_of_a_sample(text: str, expected: int | None) -> None:
    assert size(text) == expected


@pytest.mark.parametrize(
    ("target", "condition", "expected"),
    [
        ("the next 18 frames", "the last 6 radar frames, 256x256", 18 * 65536),
        ("the next frame", "four frames of 84x84", 84 * 84),
        ("12 monthly frames", "3 frames of 5 variables, 90x180", 12 * 5 * 90 * 180),
        ("18 frames of 128x128", "6 frames, 256x256", None),
        ("18 values", "6 frames, 256x256", None),
        ("18 frames", "6 frames", None),
    ],
)
def test_frames_without_a_size_are_taken_to_be_those_of_the_condition(
    target: str, condition: str, expected: int | None
) -> None:
    assert framed(target, condition) == expected


def test_steps_of_a_sampler_are_no_horizon() -> None:
    assert horizon("50 denoising steps for the next 24 hours") == 24
    assert horizon("1000 diffusion steps") is None
    assert horizon("20 tool calls") == 20


@pytest.mark.parametrize(("seconds", "shown"), [(0.004, "4 ms"), (86400.0, "1 day"), (3600.0, "1 h"), (2e-5, "20 µs")])
def test_times_are_shown_in_their_unit(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


REPORTED: list[tuple[str, dict[str, Any]]] = [
    ("R2 of 0.97 on held-out data", {"explained": 0.97}),
    ("explains 85 % of the variance", {"explained": 0.85}),
    ("R = 0.42 ± 0.05", {"ratio": (0.42, 0.05)}),
    ("a correlation of r = 0.8", {"ratio": None, "explained": None}),
    ("90 % intervals cover 72 % of 400 test cases", {"coverage": (0.9, 0.72), "cases": 400}),
    ("72 % are covered at nominal 90 %", {"coverage": (0.9, 0.72)}),
    ("spread is 0.8 and the RMSE of the mean 1.2", {"spread": 0.8, "rmse": 1.2}),
    ("guidance scale 7.5", {"guidance": 7.5}),
    ("CFG w=3", {"guidance": 3.0}),
    ("a 60M-parameter U-Net", {"parameters": 6e7}),
    ("structure, 12 parameters", {"parameters": None}),
    ("25 principal components explain 95 %", {"intrinsic": 25}),
    ("codebook of 1024, 256 tokens", {"codebook": 1024, "tokens": 256}),
    ("super-resolution by a factor of 4", {"factor": (4.0, "super-resol")}),
    ("downscaling from 25 km to 2 km", {"factor": (12.5, "resolution")}),
    ("a 100-year flood", {"rare": 0.01, "rare_unit": "year"}),
    ("1 in 1,000 days", {"rare": 0.001, "rare_unit": "day"}),
    ("understocking costs 5, overstocking costs 1", {"costs": (5.0, 1.0)}),
    ("only the 90th percentile", {"quantile": 0.9}),
    ("value-at-risk at 99 %", {"quantile": 0.99}),
]


@pytest.mark.parametrize(("text", "expected"), REPORTED, ids=lambda v: v if isinstance(v, str) else "")
def test_what_is_reported_is_read(text: str, expected: dict[str, Any]) -> None:
    found = read_reported(text.lower(), text)
    assert {name: getattr(found, name) for name in expected} == expected


TIMES: list[tuple[str, dict[str, Any]]] = [
    ("budget 100 ms, one forward pass takes 12 ms, 50 denoising steps", {"limit": 0.1, "evaluation": 0.012, "nfe": 50}),
    ("real-time control at 10 hz", {"limit": 0.1}),
    ("a 100 hz ecg with 12 leads", {"limit": None}),
    ("predict within 2 hours ahead", {"limit": None, "ahead": 7200.0}),
    ("each step is 95 % correct", {"success": 0.95, "drift": None}),
    ("fails 5 % of the time at each step", {"success": 0.95}),
    ("an error of 3,2 % per step", {"drift": 0.032, "success": None}),
    ("errors double every 2 days, 10 days ahead", {"doubling": 172800.0, "ahead": 864000.0}),
]


@pytest.mark.parametrize(("text", "expected"), TIMES, ids=lambda v: v if isinstance(v, str) else "")
def test_times_and_chains_are_read(text: str, expected: dict[str, Any]) -> None:
    found = read_timing(text, "")
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected)


def test_splits_of_answers_are_read_and_splits_of_data_are_not() -> None:
    assert read_answers("70 % mark the whole, 30 % a part").shares == (0.7, 0.3)
    assert read_answers("60/40 split of the annotators").shares == (0.6, 0.4)
    assert read_answers("3 of 5 annotators see a tumour").shares == (0.6, 0.4)
    assert read_answers("80 % train, 20 % test").shares == ()
    assert read_answers("an 80/20 split into train and test").shares == ()


# Cost of samples.


@pytest.mark.parametrize("k", [1, 4, 20])
def test_the_mean_of_k_posterior_samples_costs_one_plus_one_over_k(k: int) -> None:
    rng = np.random.default_rng(0)
    y = rng.standard_normal(200_000)
    left = rng.gamma(0.5, size=y.size)  # any law of x given y
    x = y + left - 0.5
    samples = y[:, None] + rng.gamma(0.5, size=(y.size, k)) - 0.5
    ratio = np.mean((x - samples.mean(axis=1)) ** 2) / np.mean((x - y) ** 2)
    shown = _fact(_reframe("Forecast the next 6 hours", metric="MSE", samples_per_query=k), "x MMSE").value
    assert shown == pytest.approx(1 + 1 / k)
    assert ratio == pytest.approx(1 + 1 / k, rel=0.02)


@pytest.mark.parametrize(
    ("percent", "k", "said"),
    [
        (41, 1, "just what sampling costs"),
        (30, 1, "less than sampling costs"),
        (90, 1, "1.34 x more than sampling costs"),
        (12, 4, "just what sampling costs"),
    ],
)
def test_an_error_above_the_regressors_is_held_against_the_cost_of_sampling(percent: int, k: int, said: str) -> None:
    problem = f"We replaced the forecast of tomorrow by a diffusion model and RMSE got worse by {percent} %"
    scaffold = _reframe(problem, metric="RMSE", samples_per_query=k)
    fact = _fact(scaffold, "x sampling cost")
    assert fact.value == pytest.approx((1 + percent / 100) / math.sqrt(1 + 1 / k), rel=1e-5)
    assert said in fact.statement
    assert scaffold.findings[0].evidence == [fact.id]
    assert ("explains" in scaffold.findings[0].title) == ("more than" in said)


def test_with_r_known_the_ceilings_of_r_squared_are_given() -> None:
    text = _fact(_reframe("Forecast the demand of the next day; R = 0.4", metric="RMSE"), "x MMSE").statement
    assert "R² at best 0.6 for the mean, 0.2 for one posterior sample" in text


def test_two_answers_give_the_error_of_the_best_single_one() -> None:
    fact = _fact(_reframe("The inverse has several answers, either 2 or 8"), "squared error")
    grid = np.linspace(0, 10, 10_001)
    loss = 0.5 * (grid - 2) ** 2 + 0.5 * (grid - 8) ** 2
    assert fact.value == pytest.approx(loss.min())
    assert f"{grid[loss.argmin()]:.3g}, which is neither" in fact.statement


@pytest.mark.parametrize("split", [(0.7, 0.3), (0.5, 0.5), (0.9, 0.1)])
def test_a_split_of_annotators_leaves_p_times_one_minus_p(split: tuple[float, float]) -> None:
    text = f"{split[0]:.0%} of the annotators mark the whole and {split[1]:.0%} a part"
    fact = _fact(_reframe(text), "squared loss")
    best = min(split[0] * (1 - q) ** 2 + split[1] * q**2 for q in np.linspace(0, 1, 2001))
    assert fact.value == pytest.approx(best, abs=1e-6)


def test_chains_multiply_and_drifts_add() -> None:
    chain = _fact(_reframe("plan 20 steps, each 95 % correct per step; several routes are possible"), "p^n")
    assert chain.value == pytest.approx(0.95**20)
    drift = _fact(
        _reframe("neural surrogate rollout with 1 % relative error per step over 400 steps"), "relative error"
    )
    assert drift.value == pytest.approx(4.0)
    assert "adds up to 0.2 if it is random" in drift.statement


# Calibration.


def test_narrow_intervals_are_widened_by_the_ratio_of_normal_quantiles() -> None:
    fact = _fact(_reframe("Forecasts: 90 % intervals cover 72 % of 400 test cases", metric="CRPS"), "x width")
    assert fact.value is not None
    assert narrowed(0.9, 1 / fact.value) == pytest.approx(0.72, abs=1e-5)
    assert f"{abs(0.72 - 0.9) / math.sqrt(0.09 / 400):.2g} standard errors" in fact.statement


def test_a_coverage_within_its_error_is_no_finding() -> None:
    scaffold = _reframe("Forecasts of rain: 90 % intervals cover 91 % of 300 test cases", metric="CRPS")
    assert "right within the error, 0.58 standard errors over 300 cases" in scaffold.key_numbers[0]
    assert not any("spread is not" in f.title for f in scaffold.findings)


@pytest.mark.parametrize("k", [2, 10, 50])
def test_a_calibrated_ensemble_has_error_over_spread_of_root_k_plus_one_over_k(k: int) -> None:
    rng = np.random.default_rng(1)
    members, truth = rng.standard_normal((100_000, k)), rng.standard_normal(100_000)
    error = math.sqrt(np.mean((members.mean(axis=1) - truth) ** 2))
    spread = math.sqrt(np.mean(members.var(axis=1, ddof=1)))
    assert error / spread == pytest.approx(math.sqrt((k + 1) / k), rel=0.01)
    text = _fact(_reframe("Forecast rain of the next day", metric="CRPS", samples_per_query=k), "x CRPS").statement
    assert f"must be {math.sqrt((k + 1) / k):.4g}" in text


@pytest.mark.parametrize("k", [2, 10, 50])
def test_the_plain_crps_of_k_members_is_too_large_by_one_over_k(k: int) -> None:
    rng = np.random.default_rng(2)
    members, truth = np.sort(rng.standard_normal((60_000, k)), axis=1), rng.standard_normal(60_000)
    pairs = 2 * (members * (2 * np.arange(1, k + 1) - k - 1)).sum(axis=1)  # sum over i, j of |x_i - x_j|
    near = np.abs(members - truth[:, None]).mean(axis=1)
    plain, fair = near - pairs / (2 * k * k), near - pairs / (2 * k * (k - 1))
    assert fair.mean() == pytest.approx(1 / math.sqrt(math.pi), rel=0.02)  # CRPS of N(0, 1) on itself
    assert plain.mean() / fair.mean() == pytest.approx(1 + 1 / k, rel=0.02)


@pytest.mark.parametrize(("freedom", "known"), [(3, 7.815), (9, 16.919), (19, 30.144), (99, 123.225)])
def test_the_limit_of_chi_square(freedom: int, known: float) -> None:
    assert chi_square_limit(freedom) == pytest.approx(known, rel=0.01)


@pytest.mark.parametrize(("weight", "ratio"), [(3.0, 0.5), (7.5, 0.1), (1.0, 0.3), (4.0, 1.0)])
def test_guidance_narrows_a_gaussian_as_integration_says(weight: float, ratio: float) -> None:
    x = np.linspace(-12, 12, 200_001)
    mean = math.sqrt(1 - ratio) * 0.7
    log_p = weight * (-((x - mean) ** 2) / (2 * ratio)) + (1 - weight) * (-(x**2) / 2)
    p = np.exp(log_p - log_p.max())
    p /= p.sum()
    deviation = math.sqrt((p * x**2).sum() - (p * x).sum() ** 2)
    assert guided_width(weight, ratio) == pytest.approx(deviation / math.sqrt(ratio), rel=1e-6)


@pytest.mark.parametrize(("dimensions", "k"), [(1, 3), (1, 20), (2, 5), (2, 20)])
def test_the_best_of_k_agrees_with_simulation(dimensions: int, k: int) -> None:
    scale, gain = best_of_scale(k, dimensions)
    rng = np.random.default_rng(3)
    truth, samples = rng.standard_normal((40_000, 1, dimensions)), rng.standard_normal((40_000, k, dimensions))

    def error(s: float) -> float:
        return float(np.sqrt(((s * samples - truth) ** 2).sum(axis=2)).min(axis=1).mean())

    assert error(scale) / error(1.0) == pytest.approx(gain, abs=0.02)
    assert error(scale) <= min(error(scale - 0.2), error(scale + 0.2))


# Counts.


def test_a_rare_event_needs_many_samples_and_may_be_missing_from_the_data() -> None:
    text = "Probabilistic forecast of a 100-year flood from 40 years of data; range of possible outcomes"
    fact = _fact(_reframe(text, samples_per_query=50), "samples")
    n = fact.value
    assert n == pytest.approx(0.99 / (0.01 * 0.04))
    assert math.sqrt(0.01 * 0.99 / (n or 1)) / 0.01 == pytest.approx(0.2)
    assert "hold 0.4 of them on average, and none with probability 0.67" in fact.statement


def test_coverage_needs_as_many_conditions_as_the_binomial_says() -> None:
    fact = _fact(_reframe("Forecast the next 24 hours of load", metric="CRPS"), "conditions")
    assert fact.value == math.ceil(1.96**2 * 0.09 / 0.05**2)


@pytest.mark.parametrize("d", [2, 4, 8])
def test_the_nearest_training_case_lies_at_n_to_the_minus_one_over_d(d: int) -> None:
    fact = _fact(_reframe("generate images", data=f"3,000 images, intrinsic dimension {d}"), "relative distance")
    rng = np.random.default_rng(d)
    ball = rng.standard_normal((3001, d))
    ball *= (rng.random(3001) ** (1 / d) / np.linalg.norm(ball, axis=1))[:, None]
    near = np.linalg.norm(ball[:-1] - ball[-1] * 0.5, axis=1).min()
    typical = np.median([np.linalg.norm(ball - p * 0.5, axis=1)[ball[:, 0] != p[0]].min() for p in ball[:200]])
    assert fact.value == pytest.approx(3000 ** (-1 / d), rel=1e-5)
    assert near > 0
    assert fact.value == pytest.approx(float(typical), rel=0.5)


def test_bits_of_a_code_and_dimensions_that_are_not_measured() -> None:
    music = _reframe("Music generation from text, codebook of 1024 and 1,500 tokens", target="720,000 values of sound")
    assert _fact(music, "bits").value == 1500 * 10
    mri = _reframe("Reconstruct 8x accelerated MRI", target="image 320x320")
    assert _fact(mri, "share of dimensions").value == pytest.approx(7 / 8)
    zoom = _reframe("4x super-resolution of photos", target="512x512 image")
    assert _fact(zoom, "share of dimensions").value == pytest.approx(15 / 16)


@pytest.mark.parametrize(("x", "y", "free"), [(30, 10, 20), (12, 200, 0)])
def test_the_free_directions_are_those_of_the_forward_jacobian(x: int, y: int, free: int) -> None:
    fact = _fact(_reframe("inverse design", condition=f"{y} values", target=f"structure, {x} values"), "directions")
    jacobian = np.random.default_rng(4).standard_normal((y, x))
    assert fact.value == free == x - np.linalg.matrix_rank(jacobian)


def test_the_budget_divides_by_time_turns_and_samples() -> None:
    scaffold = _reframe(
        "Load scenarios for the next day within 500 ms; one evaluation takes 4 ms", samples_per_query=100
    )
    fact = _fact(scaffold, "evaluations")
    assert fact.value == 125
    assert "1 for each without" in fact.statement


def test_the_quantile_of_two_costs_minimises_the_expected_cost() -> None:
    fact = _fact(_reframe("Order for tomorrow: understocking costs 5, overstocking costs 1"), "quantile")
    demand = np.random.default_rng(5).gamma(3, size=50_000)
    orders = np.linspace(0, 12, 601)
    cost = [np.mean(5 * np.maximum(demand - o, 0) + np.maximum(o - demand, 0)) for o in orders]
    assert fact.value == pytest.approx(5 / 6)
    assert np.quantile(demand, fact.value or 0) == pytest.approx(orders[int(np.argmin(cost))], abs=0.1)


def test_growth_noise_windows_and_records() -> None:
    growth = _fact(_reframe("Weather forecast: errors double every 2 days, 10 days ahead", metric="CRPS"), "x")
    assert growth.value == 32
    noise = _reframe("Predict the energy; measurement noise 0.3, standard deviation of the target 1.0", metric="MAE")
    assert any(f.value == pytest.approx(0.09) for f in noise.established)
    daily = _reframe("Forecast rain of the next 5 days", data="40 years of daily data", metric="CRPS")
    assert _fact(daily, "samples").value == 14_610
