"""Requests of many kinds to reframe_as_generative: what must stand in the answer, and what one changed word changes."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.catalogue import catalogue
from kaiming_mcp.library import library
from kaiming_mcp.replies.generative import reframe_text
from kaiming_mcp.scaffold import ORDINARY, Scaffold, render


def _reframe(problem: str, **rest: Any) -> Scaffold:
    return reframe_text(library(), problem, **rest)


def _families(scaffold: Scaffold) -> str:
    return next((f.statement for f in scaffold.established if f.statement.startswith("families")), "")


def _titles(scaffold: Scaffold) -> list[str]:
    return [f.title for f in scaffold.findings]


# Cases from threads (G01, G02, G04, G06).

G01: dict[str, Any] = {
    "problem": "How do I train a diffusion model for forecasting without passing future values to it?",
    "condition": "x_past, lookback of length 96, 7 variables",
    "target": "x_future, horizon of 24 steps, 7 variables",
}
G02: dict[str, Any] = {
    "problem": "How can a deterministic inverse network give one-to-many property to structure maps? "
    "Two symmetric solutions at ±1.5",
    "condition": "target spectrum, a vector of 100 values",
    "target": "structure x, 8 geometry parameters",
}
G04: dict[str, Any] = {
    "problem": "Forecasting with a masked-imputation transformer: ImputationDataset uses a random noise mask, "
    "I want the last T steps",
    "metric": "MSE",
}
G06: dict[str, Any] = {
    "problem": "A prompt gives 3 masks and the loss is the min over the masks. Why do they not stay identical? "
    "70 % of the annotations show the whole object, 30 % a part"
}


def test_forecasting_asked_about_leaks_puts_the_mask_and_the_leak_test_first() -> None:
    scaffold = _reframe(**G01)
    assert scaffold.verdict.startswith("Pose it as p(x|y)")
    first = scaffold.findings[0]
    assert "noise only the future" in first.remedy
    assert "loss on 1 - mask" in first.remedy
    assert "clean past back at each step" in first.remedy
    assert "change the future values in the conditioning tensor" in first.test
    assert "CRPS" in render(scaffold)
    assert "dim(x)/dim(y) = 168/672" in render(scaffold)


def test_a_deterministic_network_is_no_deterministic_outcome() -> None:
    scaffold = _reframe(**G02)
    assert scaffold.verdict.startswith("Pose it as p(x|y)")
    assert "squared-error optimum is 0, which is neither, at an error of 2.25" in render(scaffold)
    assert "re-score them with an independent forward surrogate" in render(scaffold)
    assert "100 numbers of y over-determine 8 of x" in render(scaffold)


def test_a_masked_forecast_with_mse_is_a_mean_and_says_what_that_loses() -> None:
    scaffold = _reframe(**G04)
    assert scaffold.verdict.startswith("Regress")
    assert "One-shot outputs lose the joint structure" in _titles(scaffold)
    assert "padding" in render(scaffold)
    assert "variance of the sum" in render(scaffold)


def test_three_masks_with_a_minimum_are_a_generator_without_probabilities() -> None:
    text = render(_reframe(**G06))
    assert "p(1-p) = 0.21" in text
    assert "a minimum over 3 heads reaches 0 but gives no frequencies" in text
    assert "K-sample generator without probabilities" in text


# Where generating is the wrong formulation.

INSTEAD = [
    ("Rank:", "Rank 10,000 candidate drugs for a wet-lab shortlist of 50", "popularity or recency"),
    ("Look it up:", "A chatbot should look up the warranty period by serial number in our database", "exact keys"),
    ("Compute it:", "Learn to multiply two 20-digit integers", "the algorithm itself"),
    ("Optimise:", "Vehicle routing for 200 customers: minimise the total distance", "standard solver"),
    ("Control:", "A controller for a drone; we have a simulator and a reward function", "PID or LQR"),
    ("Score, do not sample:", "Anomaly detection in turbine vibration with a flow", "k-th nearest normal sample"),
    ("Learn the representation:", "Learn an embedding of cells for clustering", "PCA"),
]


@pytest.mark.parametrize(("verdict", "problem", "baseline"), INSTEAD, ids=lambda v: v[:20])
def test_a_task_that_is_no_distribution_over_x_gets_its_own_verdict(verdict: str, problem: str, baseline: str) -> None:
    scaffold = _reframe(problem)
    assert scaffold.verdict.startswith(verdict)
    assert baseline in scaffold.first_change
    assert not _families(scaffold)
    assert "output" not in [s.field for s in scaffold.frame]
    assert not scaffold.quotes


@pytest.mark.parametrize(
    ("problem", "kept"),
    [
        ("Probabilistic forecast of rain; the rank histogram is U-shaped", "Pose it"),
        ("Forecast sea surface temperature anomalies 6 months ahead with an ensemble forecast", "Pose it"),
        ("Image synthesis: does the noise scheduling matter?", "Pose it"),
    ],
)
def test_words_inside_other_words_do_not_turn_the_task(problem: str, kept: str) -> None:
    assert _reframe(problem).verdict.startswith(kept)


def test_a_fixed_pde_is_regressed_and_the_solver_is_the_baseline() -> None:
    scaffold = _reframe(
        "Should I use diffusion to solve the Poisson equation?", condition="source 128x128", target="potential 128x128"
    )
    assert scaffold.verdict.startswith("Regress:")
    assert "coarser grid at equal wall-clock" in scaffold.first_change
    assert "run the simulator twice" in scaffold.measure


# Kinds of x, of data, of limits: the families follow.

BASE: dict[str, Any] = {
    "problem": "Generate designs with a target stiffness; many designs share one stiffness",
    "condition": "stiffness, 6 numbers",
    "target": "structure, 30 parameters",
    "data": "40,000 designs",
}


@pytest.mark.parametrize(
    ("changed", "in_", "out"),
    [
        ({}, "best first: normalizing flow", "best first: a surrogate"),
        ({"target": "SMILES string of a molecule"}, "autoregression over tokens", "normalizing flow (exact"),
        ({"target": "microstructure image 256x256"}, "diffusion or flow matching", "Ruled out: diffusion"),
        (
            {"data": "320 designs measured in the lab"},
            "best first: a surrogate with an acquisition",
            "best first: diff",
        ),
    ],
)
def test_families_change_with_the_kind_of_x_and_the_data(changed: dict[str, str], in_: str, out: str) -> None:
    fact = _families(_reframe(**{**BASE, **changed}))
    assert in_ in fact
    assert out not in fact


def test_very_few_designs_call_for_a_search_through_the_forward_map() -> None:
    scaffold = _reframe(**{**BASE, "data": "120 designs measured in the lab"})
    assert scaffold.verdict.startswith("Search: fit the forward map y(x)")
    assert "120 samples do not support" in scaffold.verdict


def test_too_little_data_and_too_little_time_rule_families_out_with_the_reason() -> None:
    few = _families(_reframe("Image synthesis", target="64x64 image", data="500 images"))
    assert (
        "diffusion or flow matching on the whole of x needs about 2,000 samples (rule of thumb), 500 images given"
        in few
    )
    slow = _families(
        _reframe("Image synthesis within 20 ms; one evaluation takes 10 ms", target="64x64 image", data="1M images")
    )
    assert "needs 10 evaluations in turn, 2 fit" in slow
    assert slow.split("Ruled out")[0].count("one-step generator") == 1


def test_one_demonstration_is_many_states() -> None:
    scaffold = _reframe("Robot policy from demonstrations", target="action of 7 joints", data="200 demonstrations")
    assert "needs about" not in _families(scaffold)


def test_a_tight_loop_names_the_evaluations_and_the_one_step_figures_with_their_source() -> None:
    scaffold = _reframe(
        "Diffusion policy from demonstrations; control loop at 10 Hz; one evaluation takes 15 ms; 100 DDPM steps"
    )
    assert "allow 6 evaluations in turn" in scaffold.key_numbers[0]
    assert scaffold.findings[0].severity == "high"
    assert "3.43" in scaffold.findings[0].predicted_effect
    assert "geng-2025-meanflow" in scaffold.findings[0].predicted_effect


# One argument changed: the named fact changes, the rest stays.

FORECAST: dict[str, Any] = {
    "problem": "Forecast wind power; several futures are possible",
    "condition": "168 values of history",
    "target": "24 values",
    "data": "3 years of hourly data",
    "metric": "CRPS",
    "samples_per_query": 20,
}


@pytest.mark.parametrize(
    ("changed", "unit", "before", "after"),
    [
        ({"samples_per_query": 50}, "x CRPS", 1.05, 1.02),
        ({"target": "48 values"}, "dim ratio", 24 / 168, 48 / 168),
        ({"data": "6 years of hourly data"}, "samples", 26_298, 52_596),
    ],
)
def test_one_changed_number_changes_its_fact_alone(
    changed: dict[str, Any], unit: str, before: float, after: float
) -> None:
    one, other = _reframe(**FORECAST), _reframe(**{**FORECAST, **changed})
    values = [{f.unit: f.value for f in s.established if f.value is not None} for s in (one, other)]
    assert values[0][unit] == pytest.approx(before, rel=1e-4)
    assert values[1][unit] == pytest.approx(after, rel=1e-4)
    assert {u: v for u, v in values[0].items() if u not in {unit, "windows"}} == pytest.approx(
        {u: v for u, v in values[1].items() if u not in {unit, "windows"}}
    )
    assert _titles(one) == _titles(other)


@pytest.mark.parametrize(
    ("metric", "start"),
    [("CRPS", "Pose it"), ("MSE", "Regress the mean, then"), ("FID", "Pose it"), ("MAE", "Regress the mean, then")],
)
def test_the_metric_decides_between_samples_and_their_centre(metric: str, start: str) -> None:
    scaffold = _reframe(**{**FORECAST, "metric": metric})
    assert scaffold.verdict.startswith(start)
    assert ("median" in scaffold.verdict) == (metric == "MAE")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("gradient boosting reaches R2 of 0.97 on held-out data", "R is at most 0.03"),
        ("R = 0.02 ± 0.005 on repeats", "R is at most 0.03"),
        ("RMSE 0.2 where the standard deviation of the target is 1.0", "R is at most 0.04"),
    ],
)
def test_a_good_regressor_bounds_r_and_decides(said: str, answer: str) -> None:
    scaffold = _reframe(f"Should a diffusion model predict the yield? {said}", data="4,000 reactions")
    assert scaffold.verdict.startswith("Regress")
    assert answer in scaffold.verdict


def test_a_poor_regressor_bounds_r_and_does_not_decide() -> None:
    scaffold = _reframe("Forecast the next day; the best regressor has R2 of 0.4", metric="CRPS")
    assert "0.6" in scaffold.key_numbers[0]
    assert scaffold.verdict.startswith("Pose it")


def test_only_a_quantile_is_asked_for() -> None:
    scaffold = _reframe("How many to bake for tomorrow: understocking costs 5, overstocking costs 1", data="900 days")
    assert scaffold.verdict.startswith("Regress")
    assert scaffold.first_change.startswith("Fit the 0.833 quantile alone with the pinball loss")


# What goes wrong, where the words show it.

CONCERNS = [
    ("The latent is unused", "My conditional VAE has posterior collapse", {"data": "250k molecules"}),
    ("The condition is not used", "The image generation model ignores the condition", {}),
    ("Blur is the conditional mean", "Colorization gives washed out images", {"metric": "L2"}),
    ("Without pairs p(x|y) is not determined", "Image-to-image translation of stains, unpaired", {}),
    ("A best-of-K score is not proper", "Pedestrian trajectory forecasts, we report minADE_20", {}),
    ("A generator may emit its training records", "Synthetic patient records to share the data", {}),
    ("A sample may show what was not measured", "Accelerated MRI: no tumour may be hallucinated", {"metric": "CRPS"}),
    ("The condition leaves the training range", "Statistical downscaling for the future climate", {"metric": "CRPS"}),
    ("What is missing depends on its value", "Imputation of values that are missing not at random", {}),
    ("Guidance trades calibration for typicality", "Text-to-image with guidance scale 7.5", {"metric": "FID"}),
    ("The frozen decoder is a ceiling", "Image synthesis in the latent space of a frozen VAE", {"metric": "FID"}),
    ("Trained on true prefixes, run on its own", "Autoregressive forecast, teacher forcing", {"metric": "CRPS"}),
    ("Samples hold no information beyond their training set", "Image synthesis to augment the training set", {}),
    ("Overlapping windows are not independent", "Forecast the next day from overlapping windows", {"metric": "CRPS"}),
]


@pytest.mark.parametrize(("title", "problem", "rest"), CONCERNS, ids=lambda v: v[:25] if isinstance(v, str) else "")
def test_a_named_trouble_is_a_finding_with_a_test(title: str, problem: str, rest: dict[str, Any]) -> None:
    scaffold = _reframe(problem, **rest)
    finding = next(f for f in scaffold.findings if f.title == title)
    assert len(finding.test) > 40
    others = {t for t, _, _ in CONCERNS} - {title}
    assert len(others & set(_titles(scaffold))) <= 1


def test_no_trouble_is_found_where_none_is_named() -> None:
    plain = _reframe(**{**FORECAST, "problem": "Forecast wind power"})
    assert not {t for t, _, _ in CONCERNS} & set(_titles(plain))


# Form.

REQUESTS = [G01, G02, G04, G06, BASE, FORECAST, *({"problem": p, **r} for _, p, r in CONCERNS)]


def _sound(scaffold: Scaffold) -> None:
    ids = [f.id for f in scaffold.established]
    cited = {i for f in scaffold.findings for i in f.evidence} | {i for s in scaffold.frame for i in s.cites}
    uris = {p.uri for p in (*library().principles.values(), *library().reasoning.values())}
    quotes = {q.text for p in library().principles.values() for q in p.quotes}
    assert len(ids) == len(set(ids))
    assert cited <= set(ids)
    assert {f.principle for f in scaffold.findings} <= uris
    assert [s.field for s in scaffold.frame] == [f.name for f in scaffold.answer_form]
    assert 3 <= len(scaffold.frame) <= 6
    assert {q.text for q in scaffold.quotes} <= quotes
    assert len(json.dumps(scaffold.structured(), ensure_ascii=False, allow_nan=False)) <= ORDINARY


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda r: r["problem"][:30])
def test_every_answer_is_sound_and_recomputable(request_: dict[str, Any]) -> None:
    scaffold = _reframe(**request_)
    _sound(scaffold)
    line = json.loads(scaffold.request)
    assert json.loads(_reframe(**line["args"]).request)["facts"] == line["facts"]


def test_different_requests_share_less_than_half_of_their_lines() -> None:
    mri = {"problem": "Reconstruct 8x accelerated MRI", "target": "image 320x320", "data": "1,500 scans"}
    rendered = [render(_reframe(**r)).splitlines() for r in (G01, G02, G06, mri)]
    texts = [{line for line in lines if len(line) > 80} for lines in rendered]
    for i, one in enumerate(texts):
        for other in texts[:i]:
            assert len(one & other) < 0.5 * min(len(one), len(other))


WORDS = sorted({w for e in (*catalogue().tasks, *catalogue().concerns, *catalogue().kinds) for w in e.words})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=12),
    st.sampled_from(
        ["", "R2 of 0.8", "guidance scale 5", "60/40 split", "within 50 ms", "1 in 1,000", "±0.3", "95 % per step"]
    ),
    st.sampled_from(["", "128x128 field", "12 parameters", "a label"]),
    st.sampled_from(["", "500 samples", "50,000 sequences", "y,x\n" + "".join(f"{i},{i % 7}\n" for i in range(40))]),
    st.integers(0, 100),
)
def test_any_mixture_of_words_gives_a_sound_answer(
    words: list[str], number: str, target: str, data: str, samples: int
) -> None:
    scaffold = _reframe(" ".join([*words, number]), target=target, data=data, samples_per_query=samples)
    if not scaffold.needs:
        _sound(scaffold)


@pytest.mark.parametrize(
    "text",
    [
        "forecast " * 100_000,
        "1," * 400_000,
        "90 % " * 100_000,
        "either 1 or " * 50_000,
        "R2 of " * 100_000,
        "\x00\x07\ufffe" * 100_000,
        '{"probe": "posterior_spread", ' * 1,
        "ten days ahead of 5 % per step " * 20_000,
    ],
    ids=lambda t: repr(t[:14]),
)
def test_hostile_texts_are_answered_in_linear_time(text: str) -> None:
    _reframe("warm up: forecast the next day")
    began = time.process_time()
    try:
        scaffold = _reframe(text, data=text)
    except ToolError as error:
        assert "`data`" in str(error)
    else:
        assert scaffold.verdict
    assert time.process_time() - began < 5
