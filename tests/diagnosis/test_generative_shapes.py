"""reframe_as_generative: counts told as rates, few numbers against many, plain numbers against pictures and stages."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from kaiming_mcp.diagnosis.generative.pairs import read_pairs, spread
from kaiming_mcp.diagnosis.generative.quantities import counted, size
from kaiming_mcp.diagnosis.generative.rates import numerals
from kaiming_mcp.diagnosis.generative.reported import read_reported
from kaiming_mcp.library import library
from kaiming_mcp.probes.posterior_spread_probe import estimate
from kaiming_mcp.replies.generative import reframe_text
from kaiming_mcp.scaffold import Scaffold, render


def _reframe(problem: str, **rest: Any) -> Scaffold:
    return reframe_text(library(), problem, **rest)


def _families(scaffold: Scaffold) -> str:
    return next(f.statement for f in scaffold.established if f.statement.startswith("families"))


# A rate times its duration.


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("72 hours of inflow, 15 numbers per hour", 72 * 15),
        ("4 readings a day for two weeks", 56),
        ("6 s of 8-lead ecg at 250 hz, 8 leads", 6 * 250 * 8),
        ("the coming day at 10-minute resolution", 144),
        ("five days of hourly data, 3 variables", 360),
        ("glucose every five minutes over the last two hours", 24),
        ("thirty-six hours of 4 variables, half-hourly", 288),
        ("8 shots, 16 receivers, 2 s at 125 hz", 8 * 16 * 250),
        ("3 coordinates per atom, 21 atoms", 63),
        ("7 numbers at each of 5 sites", 35),
        ("power in each of the next 36 hours", 36),
        ("30 hourly values", 30),
        ("15 numbers per hour", None),
        ("10 s of signal, 64x64 pixels, 3 channels", 64 * 64 * 3),
    ],
)
def test_a_rate_is_multiplied_by_its_duration(text: str, expected: int | None) -> None:
    assert size(text) == expected


def test_the_measurement_names_the_whole_of_y() -> None:
    scaffold = _reframe(
        "forecast the inflow of a reservoir", condition="72 hours, 15 numbers per hour", target="the next 12 hours"
    )
    assert "y has 1,080 values" in scaffold.measure
    assert "12/1,080" in render(scaffold)


def test_numbers_in_words_are_numbers() -> None:
    assert numerals("forty-two days of a dozen wells") == "42 days of 12 wells"
    assert "14 days" in numerals("over a fortnight")
    assert numerals("sixteen weightings") == "sixteen weightings"


def test_one_is_singular() -> None:
    assert counted(1, "value") == "1 value"
    assert counted(2880, "value") == "2,880 values"
    rendered = render(
        _reframe("emulate a solver", condition="load, 1 parameter", target="stress, 1 value", data=_pairs())
    )
    assert "1 values" not in rendered
    assert "1 numbers" not in rendered
    assert "1 dimensions" not in rendered


# A number with a unit is no class.

DOCKS = "the dispatcher then picks one of several docks"


@pytest.mark.parametrize("target", ["arrival time in minutes", "remaining minutes", "lateness_min", "delay [s]"])
def test_a_target_with_a_unit_outweighs_a_word_for_classes(target: str) -> None:
    scaffold = _reframe(f"predict the arrival of a ship; {DOCKS}", condition="40 numbers", target=target, metric="RMSE")
    text = render(scaffold)
    assert "class frequencies" not in text
    assert "log-loss" not in text
    assert "rewards the conditional mean" in text


@pytest.mark.parametrize("target", ["one of 4 docks", "whether it is more than 30 minutes late", ""])
def test_without_one_the_word_decides(target: str) -> None:
    assert _reframe(f"predict the arrival of a ship; {DOCKS}", target=target).verdict.startswith("Classify")


def test_a_pinball_loss_on_one_number_asks_for_quantiles() -> None:
    said = {"target": "arrival time in minutes", "metric": "pinball loss at 0.1, 0.5 and 0.9"}
    assert _reframe("arrival of a truck", **said).verdict.startswith("Regress")
    assert not _reframe("arrival of a truck", **said, samples_per_query=20).verdict.startswith("Regress:")


@pytest.mark.parametrize(
    "text",
    [
        "unsold loaves are thrown away at 0.50 eur, a missed sale costs 1.50 eur",
        "a stock-out loses us $3 and leftover stock $1",
        "understocking costs 6, overstocking costs 2",
    ],
)
def test_costs_are_read_in_either_order(text: str) -> None:
    costs = read_reported(text, text).costs
    assert costs is not None
    assert costs[0] / sum(costs) == pytest.approx(0.75)


def test_one_patient_holds_many_windows_of_a_forecast() -> None:
    said = {"target": "pressure in mmHg at 5 instants", "data": "30 patients, ten days each", "metric": "RMSE"}
    scaffold = _reframe("where will the blood pressure be over the coming hour", **said, samples_per_query=25)
    assert "too few" not in render(scaffold)
    assert scaffold.verdict.startswith("Regress the mean, then generate the residual")


# Few numbers need no deep sampler; several modes need more than one centre.


def _pairs(modes: int = 2, groups: int = 6, each: int = 8, noise: float = 0.05, digits: int = 3) -> str:
    rng = np.random.default_rng(4)
    rows = [
        (g, (i % modes) * 3.0 + 0.4 * g + noise * rng.standard_normal()) for g in range(groups) for i in range(each)
    ]
    return "y,x\n" + "\n".join(f"{y},{x:.{digits}f}" for y, x in rows)


def test_two_modes_of_one_number_are_a_mixture_first_and_no_diffusion() -> None:
    scaffold = _reframe("recover the depth from the echo phase", target="depth in m", data=_pairs(), metric="RMSE")
    fact = _families(scaffold).split("Ruled out")[0]
    assert "best first: a mixture density network" in fact
    assert "iffusion" not in fact
    assert "MeanFlow" not in fact
    modes = next(f for f in scaffold.findings if f.title == "x has several modes at like y")
    assert "a mixture with 2 to 5 components on the one number of x" in modes.remedy


def test_many_numbers_keep_the_diffusion() -> None:
    few = _reframe("Forecast the load", target="load in each of the next 24 hours", metric="CRPS", data="3,000 days")
    many = _reframe("Forecast rain", target="next 18 frames of 256x256", metric="CRPS", data="50,000 sequences")
    assert "copula" in _families(few)
    assert "iffusion" not in _families(few)
    assert "iffusion" in _families(many)
    assert "copula" not in _families(many)
    named = _reframe("Forecast the load by diffusion", target="the next 24 hours", metric="CRPS", data="3,000 days")
    assert "diffusion or flow matching" in _families(named)


def test_one_number_has_nothing_to_join() -> None:
    scaffold = _reframe("gauge height", target="height in cm", data=_pairs(modes=1, noise=0.3, digits=5), metric="RMSE")
    assert "copula" not in _families(scaffold)


# Pairs in shapes that are no table.

ROWS = [(i % 6, round(2.0 * (i % 6) + 0.1 * math.sin(7 * i), 2)) for i in range(24)]
ODD = {
    "named lists": "y = np.array({})\nx = np.array({})".format(*([r[k] for r in ROWS] for k in (0, 1))),
    "rows": "y: {}\nx: {}".format(*(" ".join(str(r[k]) for r in ROWS) for k in (0, 1))),
    "tuples": ", ".join(f"({y}, {x})" for y, x in ROWS),
    "named cells": "\n".join(f"y={y} x={x}" for y, x in ROWS),
    "cells with errors": "y,x\n" + "\n".join(f"{y},{x} ± 0.1" for y, x in ROWS),
    "cells with units": "y,x\n" + "\n".join(f"{y} cm,{x} rad" for y, x in ROWS),
    "groups": "\n".join(f"{g}: " + ", ".join(str(x) for y, x in ROWS if y == g) for g in range(6)),
    "one line": "pairs: " + "; ".join(f"{y},{x}" for y, x in ROWS),
    "json lines": "\n".join(json.dumps({"y": y, "x": x}) for y, x in ROWS),
}


@pytest.mark.parametrize("shape", ODD)
def test_pairs_are_read_in_the_shape_in_which_they_are_pasted(shape: str) -> None:
    table, pasted = (read_pairs(t) for t in ("y,x\n" + "\n".join(f"{y},{x}" for y, x in ROWS), ODD[shape]))
    assert table is not None
    assert pasted is not None
    assert sorted(pasted.target.ravel()) == sorted(table.target.ravel())
    one, other = spread(table), spread(pasted)
    assert one is not None
    assert other is not None
    assert other.ratio == pytest.approx(one.ratio, rel=1e-9)


def test_words_around_odd_pairs_stay_and_prose_is_no_table() -> None:
    found = read_pairs("measured twice a day\n" + ODD["named lists"])
    assert found is not None
    assert found.around == "measured twice a day"
    assert read_pairs("8 layers, 1,000; 2,000 images, 12 heads (3, 4), lr=0.1 wd=0.2, 5 ± 1") is None


# The error of R, and identical pairs.


def test_r_at_its_bound_keeps_an_error() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y, x = np.repeat(np.arange(6.0), 6)[:, None], rng.standard_normal((36, 1))
        found = estimate(y, x)
        assert found["error"] > 0.03
        assert found["low"] < 0.95


def test_the_interval_of_few_groups_covers_the_truth() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(200):
        groups = np.repeat(np.sqrt(0.1) * rng.standard_normal(6), 6)
        found = estimate(
            np.repeat(np.arange(6.0), 6)[:, None], (groups + np.sqrt(0.9) * rng.standard_normal(36))[:, None]
        )
        inside += found["low"] <= 0.9 <= found["high"]
    assert inside >= 180


def test_rounded_repeats_are_kept_and_copies_are_left_out_and_counted() -> None:
    rng = np.random.default_rng(6)
    y = np.repeat(np.arange(6.0), 8)
    x = 2.0 * y + 0.05 * rng.standard_normal(48)
    rounded = estimate(y[:, None], x.round(2)[:, None])
    assert len(np.unique(np.column_stack([y, x.round(2)]), axis=0)) < 48
    assert rounded["repeated_rows"] == 0
    assert rounded["pairs"] == 48
    copied = "y,x\n" + "\n".join(
        f"{a},{b:.6f}" for a, b in [*zip(y, x, strict=True), *list(zip(y, x, strict=True))[:6]]
    )
    scaffold = _reframe("calibration of a scale", target="mass in g", data=copied)
    assert any("6 more identical to one of them left out" in f.statement for f in scaffold.established)


# Symmetry, stages and eras only where they are.


def _step(scaffold: Scaffold, way: str) -> str:
    return next((s.prompt for s in scaffold.frame if s.way == way), "")


@pytest.mark.parametrize(
    ("problem", "condition", "target"),
    [
        (
            "temperature of a furnace from the colour of its camera image",
            "ratio of two pixels, 1 number",
            "1 value in K",
        ),
        ("which pH gives a stated activity of an enzyme", "activity in %, 1 number", "pH, 1 value"),
    ],
)
def test_plain_numbers_are_asked_for_their_own_symmetry(problem: str, condition: str, target: str) -> None:
    prompt = _step(_reframe(problem, condition=condition, target=target), "Fundamental symmetry")
    assert prompt.startswith("What may be done to the input")
    assert "shift by one pixel" not in prompt


def test_a_picture_keeps_the_symmetry_of_pictures() -> None:
    scaffold = _reframe("Image synthesis", target="photo 64x64", data="50,000 photos")
    assert "Test:" in _step(scaffold, "Fundamental symmetry")


@pytest.mark.parametrize(
    ("problem", "target"),
    [
        ("Forecast the load of a city at once", "load in each of the next 24 hours"),
        ("distance of an object from an echo; several answers are possible", "distance in m"),
    ],
)
def test_no_stages_no_era_of_stages_and_no_contract(problem: str, target: str) -> None:
    scaffold = _reframe(problem, target=target, metric="CRPS", samples_per_query=10)
    assert {"era_test", "contract"}.isdisjoint({f.name for f in scaffold.answer_form})
    assert "are composed" not in render(scaffold)
    assert "pre-training" not in render(scaffold)


def test_a_rollout_is_composed_and_repeats_the_era_of_stages() -> None:
    scaffold = _reframe("Autoregressive rollout in a cascade of two stages; forecast the next 40 steps", metric="CRPS")
    assert "40 steps are composed" in _step(scaffold, "Abstraction stack")
    assert "layer-wise" in render(scaffold)


def test_ordinary_scaffolds_stay_short() -> None:
    wind = _reframe(
        "day-ahead forecast of a solar park",
        condition="36 hours of power, 20 numbers per hour",
        target="power in each of the next 24 hours",
        data="2,000 days of hourly data",
        metric="CRPS",
        samples_per_query=20,
    )
    assert len(json.dumps(wind.structured(), ensure_ascii=False)) <= 6200
