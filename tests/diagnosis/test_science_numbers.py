"""The numbers of translate_to_science: read as people write them, and checked against closed forms and simulation."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.diagnosis.science.counts import read_counts, sample
from kaiming_mcp.diagnosis.science.dimensions import alone, pi_groups, read_quantities
from kaiming_mcp.diagnosis.science.plain import plain
from kaiming_mcp.diagnosis.science.scores import read_scores
from kaiming_mcp.diagnosis.science.statistics import (
    auc_error,
    correlation_error,
    effective_size,
    explained_error,
    half_interval,
    series_size,
    share_error,
)
from kaiming_mcp.diagnosis.science.tables import counts_of, read_table
from kaiming_mcp.diagnosis.science.units import parse_unit, ratio
from kaiming_mcp.library import library
from kaiming_mcp.replies.science import translate_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "accuracy drops from 0,95 to 0,71 for new patients",
            [("accuracy", 0.95, "claimed"), ("accuracy", 0.71, "grouped")],
        ),
        ("97.5 % accuracy", [("accuracy", 0.975, "claimed")]),
        ("R² = 0.85", [("r2", 0.85, "claimed")]),
        ("RMSE 2.1 %, AR(1) 2.2 %", [("rmse", 2.1, "claimed"), ("rmse", 2.2, "baseline")]),
        ("inter-rater kappa of 0.6", [("kappa", 0.6, "noise")]),
        ("persistence RMSE 2.1 K, ours 1.8 K", [("rmse", 2.1, "baseline"), ("rmse", 1.8, "claimed")]),
        ("a site classifier reaches AUC 0.98", [("auc", 0.98, "leak")]),
        ("error of 1.5×10⁻³ eV", [("error", 1.5e-3, "claimed")]),
        ("8 % of patients are positive", []),
        ("no numbers here", []),
        ("R2 .91, R2 .55 with one plate left out", [("r2", 0.91, "claimed"), ("r2", 0.55, "grouped")]),
        ("MAE 3 % shuffled, 7 % on held-out reactors", [("mae", 3, "random"), ("mae", 7, "grouped")]),
        ("MAE 3 %, 7 % on compounds never seen in training", [("mae", 3, "claimed"), ("mae", 7, "grouped")]),
        ("repeat titrations differ by 0.4", [("rmse", 0.4, "noise")]),
        ("NSE 0.7, 0.3 when two basins are held out", [("nse", 0.7, "claimed"), ("nse", 0.3, "grouped")]),
        ("leave-one-subject-out AUC 0.61", [("auc", 0.61, "grouped")]),
    ],
)
def test_scores_are_read_as_people_write_them(text: str, expected: list[tuple[str, float, str]]) -> None:
    assert [(s.metric, pytest.approx(s.value), s.role) for s in read_scores(plain(text))] == expected


@pytest.mark.parametrize(
    ("text", "items", "groups"),
    [
        ("20 slides per patient, 400 patients", 8_000, [400]),
        ("1,000 simulations with 200 snapshots each", 200_000, [1_000]),
        ("124 cells with 96,700 cycles", 96_700, [124]),
        ("100 trajectories of 1,000 steps", 100_000, [100]),
        ("unrolled for 40 steps: 300 orbits of 40 steps", 12_000, [300]),
        ("900 shots at 12 laser powers, 40 steps ahead", 900, [12]),
        ("5 400 tiles of 31 orthophotos", 5_400, []),
        ("two hundred thousand spectra of 80 specimens", 200_000, [80]),
        ("two raters disagree by 4 cells; 600 cells of 20 donors", 600, [20]),
        ("20,000 genes of 200 patients", 200, []),
        ("6,500 country-years of 150 countries", 6_500, [150]),
        ("2,186 languages", 2_186, []),
        ("1 kcal/mol chemical accuracy", None, []),
        ("we trained 12 layers for 90 epochs", None, []),
    ],
)
def test_counts_are_read_as_people_write_them(text: str, items: int | None, groups: list[int]) -> None:
    found = sample(read_counts(plain(text)))
    assert (found.items.number if found.items else None) == items
    assert [g.number for g in found.groups] == groups


# Closed forms


def test_the_design_effect_is_the_variance_of_a_mean_over_clusters() -> None:
    rng = np.random.default_rng(0)
    icc, size, groups = 0.3, 8, 25
    draws = math.sqrt(icc) * rng.standard_normal((20_000, groups, 1)) + math.sqrt(1 - icc) * rng.standard_normal(
        (20_000, groups, size)
    )
    seen = 1 / float(draws.mean(axis=(1, 2)).var())
    assert effective_size(groups * size, groups, icc) == pytest.approx(seen, rel=0.03)
    assert effective_size(200, 25, 0.0) == 200
    assert effective_size(200, 25, 1.0) == pytest.approx(25)


def test_the_error_of_an_auc_agrees_with_simulation() -> None:
    rng = np.random.default_rng(1)
    shift, positives, negatives = 1.0, 40, 60
    exact = 0.5 * (1 + math.erf(shift / 2))
    seen = []
    for _ in range(4000):
        a, b = rng.standard_normal(positives) + shift, rng.standard_normal(negatives)
        seen.append(float((a[:, None] > b[None]).mean()))
    assert auc_error(exact, positives, negatives) == pytest.approx(float(np.std(seen)), rel=0.1)


def test_steps_of_an_autoregressive_series_are_worth_what_simulation_shows() -> None:
    rng = np.random.default_rng(2)
    rho, n = 0.8, 400
    x = np.zeros((3000, n))
    x[:, 0] = rng.standard_normal(3000)
    for i in range(1, n):
        x[:, i] = rho * x[:, i - 1] + math.sqrt(1 - rho**2) * rng.standard_normal(3000)
    steps, effective = series_size(n, -1 / math.log(rho), 1.0)
    assert steps == n
    assert effective == pytest.approx(n * (1 - rho) / (1 + rho))
    assert effective == pytest.approx(1 / float(x.mean(axis=1).var()), rel=0.05)


def test_errors_of_shares_correlations_and_r2_agree_with_simulation() -> None:
    rng = np.random.default_rng(3)
    assert share_error(0.2, 100) == pytest.approx(float((rng.binomial(100, 0.2, 20_000) / 100).std()), rel=0.02)
    r, n = 0.6, 80
    x = rng.standard_normal((6000, n))
    y = r * x + math.sqrt(1 - r * r) * rng.standard_normal((6000, n))
    a, b = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    seen = (a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    assert correlation_error(r, n) == pytest.approx(float(seen.std()), rel=0.05)
    assert explained_error(r * r, n) == pytest.approx(float((seen**2).std()), rel=0.05)


def test_the_interval_over_few_groups_uses_students_t() -> None:
    # t(0.975) for 2, 4 and 30 degrees of freedom: 4.303, 2.776, 2.042.
    assert half_interval(1.0, 3) == pytest.approx(4.303 / math.sqrt(3))
    assert half_interval(1.0, 5) == pytest.approx(2.776 / math.sqrt(5))
    assert half_interval(1.0, 31) == pytest.approx(2.042 / math.sqrt(31), rel=0.01)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Ha", "eV", 27.2114),
        ("Ha", "kcal/mol", 627.509),
        ("kcal/mol", "kJ/mol", 4.184),
        ("kcal/mol", "meV", 43.364),
        ("Ha/bohr", "eV/Å", 51.422),
        ("eV/Å^3", "GPa", 160.218),
        ("mm/h", "m/s", 1 / 3.6e6),
        ("W/(m K)", "kg m s^-3 K^-1", 1.0),
        ("1/s", "Hz", 1.0),
        ("°C", "K", 1.0),
        ("log units", "dex", 1.0),
        ("mmag", "mag", 1e-3),
    ],
)
def test_units_are_converted(one: str, other: str, expected: float) -> None:
    a, b = parse_unit(one), parse_unit(other)
    assert a is not None
    assert b is not None
    assert ratio(1.0, a, 1.0, b) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("text", ["", "hello", "kg//", "m^^2", "GNN", "AUC", "/", "kg m)", "per"])
def test_what_is_no_unit_is_none(text: str) -> None:
    unit = parse_unit(text)
    assert unit is None or not unit.dims


def test_pi_groups_have_no_dimension_and_there_are_n_minus_rank_of_them() -> None:
    text = "velocity (m/s), length (m), density (kg/m3), viscosity (Pa s), force (N), heat flux (W/m2), temperature (K)"
    quantities = read_quantities(text, False)
    assert len(quantities) == 7
    rank, groups = pi_groups(quantities)
    matrix = np.array([[float(q.unit.powers.get(b, 0)) for b in ("m", "kg", "s", "K")] for q in quantities])
    assert rank == np.linalg.matrix_rank(matrix)
    assert len(groups) == 7 - rank
    known = {q.name: q for q in quantities}
    for group in groups:
        total = sum(
            np.array([float(known[n].unit.powers.get(b, 0)) for b in ("m", "kg", "s", "K")]) * p
            for n, p in group.powers
        )
        assert np.allclose(total, 0)
    assert alone(quantities) == ("temperature",)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[st.integers(-3, 3)] * 3), min_size=3, max_size=7))
def test_any_list_of_quantities_has_groups_without_dimension(powers: list[tuple[int, int, int]]) -> None:
    text = ", ".join(f"{'abcdefg'[i]}x (m^{a} kg^{b} s^{c})" for i, (a, b, c) in enumerate(powers))
    quantities = read_quantities(text, False)
    if not quantities:
        return
    rank, groups = pi_groups(quantities)
    assert rank + len(groups) == len(quantities)
    known = {q.name: dict(q.unit.dims) for q in quantities}
    for group in groups:
        for base in ("m", "kg", "s"):
            assert sum(known[n].get(base, 0) * p for n, p in group.powers) == 0


# Tables


def test_a_table_with_groups_gives_the_planted_intraclass_correlation() -> None:
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(200), 10)
    y = math.sqrt(0.4) * rng.standard_normal(200)[group] + math.sqrt(0.6) * rng.standard_normal(2000)
    table = read_table("patient,value\n" + "\n".join(f"P{g},{v:.5f}" for g, v in zip(group, y, strict=True)))
    assert table is not None
    assert table.clustered is not None
    assert table.clustered.icc == pytest.approx(0.4, abs=0.07)
    assert table.clustered.effective == pytest.approx(effective_size(2000, 200, table.clustered.icc))


def test_repeated_measurements_give_noise_and_the_ceiling_of_r2() -> None:
    rng = np.random.default_rng(5)
    true = 2 * rng.standard_normal(3000)
    rows = "\n".join(f"{a:.5f},{b:.5f}" for a, b in (true[:, None] + 0.5 * rng.standard_normal((3000, 2))))
    table = read_table("rep1,rep2\n" + rows)
    assert table is not None
    assert table.repeated is not None
    assert table.repeated.noise == pytest.approx(0.5, rel=0.05)
    assert table.repeated.ceiling == pytest.approx(4 / 4.25, abs=0.01)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a,b\n1,2",
        "patient,value\n" + "P1,nan\n" * 20,
        "x\n" * 100,
        "a,b\n" + 'q,"1\n' * 50,
        "a,b\n" + "1e400,2\n" * 20,
    ],
)
def test_odd_tables_are_left_alone(text: str) -> None:
    table = read_table(text)
    assert table is None or table.clustered is None


@pytest.mark.parametrize("formula", ["C7H10O2", "CH4", "NaCl", "H2O"])
def test_formulas_are_counted_by_element(formula: str) -> None:
    assert sum(counts_of(formula).values()) == sum(int(n or 1) for n in re.findall(r"[A-Z][a-z]?(\d*)", formula))
    assert counts_of(f"{formula}!") == {}


# Further numbers that a verdict rests on, through the tool


def _value(words: str, **given: str) -> float:
    scaffold = translate_text(library(), **given)
    fact = next(f for f in scaffold.established if words in f.statement)
    assert fact.value is not None
    return fact.value


def test_an_r2_near_one_on_total_energies_is_turned_into_an_error() -> None:
    found = _value("leaves an RMSE", field="chemistry", problem="R2 = 0.9999 on total energies of molecules in Hartree")
    assert found == pytest.approx(math.sqrt(1e-4) * 38.84 * 627.509, rel=5e-6)  # a fact keeps six digits


def test_an_accuracy_is_held_against_chance_among_k_classes() -> None:
    given = {"field": "neuroscience", "problem": "decode 8 stimulus classes from spikes", "data": "200 trials"}
    assert _value("chance among 8 classes", **given, measurements="accuracy 60 %") == pytest.approx(0.6 - 1 / 8)
    scaffold = translate_text(library(), **given, measurements="accuracy 15 %")
    assert scaffold.verdict.startswith("No skill is shown: accuracy 0.15 against 0.125")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8 % positive", 0.08),
        ("1 in 50 actives", 0.02),
        ("45 cases and 55 controls", 0.45),
        ("1,000 positive images, 5,000 negatives", 1 / 6),
        ("95 % of patients are healthy", 0.05),
        ("prevalence of 0.3", 0.3),
    ],
)
def test_prevalence_is_read_as_people_write_it(text: str, expected: float) -> None:
    given = {"field": "medicine", "problem": "detect a lesion on MRI", "data": text}
    assert _value("prevalence", **given) == pytest.approx(max(expected, 1 - expected), rel=5e-6)


@pytest.mark.parametrize(
    ("data", "steps", "effective"),
    [
        ("3 years of radar every 5 minutes, decorrelation time of 4 hours", 315_570, 3_287),
        ("300 months, lag-1 autocorrelation 0.95", 300, 300 * 0.05 / 1.95),
        ("10 years of daily data, decorrelation time 5 days", 3_652, 364),
    ],
)
def test_series_are_read_and_shrunk_to_what_they_are_worth(data: str, steps: float, effective: float) -> None:
    scaffold = translate_text(library(), "weather", "forecast rain", data)
    fact = next(f for f in scaffold.established if "steps in time are worth" in f.statement)
    assert fact.statement.startswith(f"{steps:,}")
    assert fact.value == pytest.approx(effective, rel=0.01)


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("trained on 20 atoms and used on 2,000 atoms", 100),
        ("train at Re 1000 to 5000 and use at Re 1e5", 20),
        ("Does a neural operator trained at 64x64 work at 256x256?", 4),
        ("train on 36 spins and test on 100 spins", 100 / 36),
    ],
)
def test_extrapolation_is_read_as_people_write_it(text: str, factor: float) -> None:
    assert _value("trained at", field="physics", problem=text) == pytest.approx(factor)


def test_few_events_per_variable_are_counted() -> None:
    given = {"field": "medicine", "problem": "ICU mortality", "data": "400 patients, 10 % died, 80 covariates"}
    assert _value("events of the rarer class per variable", **given) == pytest.approx(0.5)
    omics = {"field": "biology", "problem": "diagnose from gene expression", "data": "20,000 genes of 200 patients"}
    assert _value("patients per variable", **omics) == pytest.approx(0.01)


def test_a_ceiling_of_r2_follows_from_noise_and_spread() -> None:
    told = "R2 0.95; standard deviation of the target 2.0 log units; measurement error 0.6 log units"
    given = {"field": "chemistry", "problem": "predict solubility", "measurements": told}
    assert _value("R² cannot exceed", **given) == pytest.approx(1 - 0.09)


def _said(**given: str) -> str:
    scaffold = translate_text(library(), **given)
    return "\n".join(
        [scaffold.verdict, *(f.statement for f in scaffold.established), *(f.title for f in scaffold.findings)]
    )


def test_errors_are_compared_at_one_horizon_only() -> None:
    told = (
        "error 2 % after 1 step, 45 % after 30 steps, classical solver 3 % after 30 steps, persistence 6 % after 1 step"
    )
    text = _said(field="physics", problem="surrogate of the shallow water equations", measurements=told)
    assert "error 2 % against error 6 % of the baseline at 1 step: gain 4" in text
    assert "error 45 % against error 3 % of the baseline at 30 steps: gain -42" in text
    assert "error 2 % against error 3 %" not in text


def test_a_lead_within_its_errors_is_not_shown_and_no_loss_either() -> None:
    given = {"field": "chemistry", "problem": "predict log P", "data": "600 values of 300 compounds in 90 scaffolds"}
    text = _said(**given, measurements="RMSE 0.70 on new scaffolds, random forest RMSE 0.72")
    assert "The baseline is not shown to be beaten" in text
    assert "The baseline is not beaten" not in text
    assert "standard errors; unpaired, if 600 or only 90 are independent" in text
    worse = _said(**given, measurements="RMSE 0.75 on new scaffolds, random forest RMSE 0.72")
    assert "The baseline is not beaten" in worse


def test_a_gap_names_everything_that_is_new_with_the_group() -> None:
    given = {"field": "neuroscience", "problem": "decode the grip force from spikes"}
    both = _said(
        **given,
        data="40,000 windows of 300 sessions from 9 laboratories, shuffled windows",
        measurements="R2 0.8 shuffled, R2 0.4 on a left-out laboratory",
    )
    assert "having seen the laboratory and the session together" in both
    alone = _said(
        **given, data="300 sessions of 9 laboratories", measurements="R2 0.8 shuffled, R2 0.4 on a left-out laboratory"
    )
    assert "session together" not in alone


def test_settings_are_counted_and_are_no_leak() -> None:
    text = _said(
        field="physics",
        problem="predict the drag of a foil",
        data="8,000 snapshots of 400 simulations at 16 angles of attack, random split",
        measurements="error 1 % random split, error 4 % on held-out simulations",
    )
    assert "400 simulations, 16 angles" in text
    assert text.startswith("The result is 4 %, not 1 %")
    assert "angle may be read" not in text


@pytest.mark.parametrize(
    "text",
    [
        "emulator of the 3D flow took 5 s, climatology 7.2 %, stable for 30 m of channel, density in kg/m3",
        "after 12 s the model reaches 3 m, with 9 kg in it",
    ],
)
def test_pieces_of_sentences_are_no_quantities(text: str) -> None:
    names = {q.name for q in read_quantities(text, True)}
    assert not any(re.search(r"\b(?:the|in|of|after|with|it|climatology)\b", n) for n in names)


def test_a_unit_in_the_text_fills_its_cell() -> None:
    given = {"field": "chemistry", "problem": "predict the yield of a reaction"}
    assert (
        "units" not in _said(**given, data="concentration in mmol/L of 90 compounds").split("empty:")[1].split("\n")[0]
    )
    assert "units" in _said(**given, data="90 compounds, 3 hours, 80 %").split("empty:")[1].split("\n")[0]


def test_what_flows_back_to_solubility_is_its_own_formula() -> None:
    scaffold = translate_text(library(), "chemistry", "predict log S from SMILES")
    back = next(s.prompt for s in scaffold.frame if s.field == "flows_back")
    assert "solubility equation" in back
    assert "extensive" not in back


@pytest.mark.parametrize(("split", "held"), [("60/40", 0.4), ("90/10", 0.1), ("80/20", 0.2)])
def test_the_share_of_items_with_a_twin_in_training_follows_the_split_that_was_said(split: str, held: float) -> None:
    said = f"112,000 images of 28,000 patients, random {split} split"
    found = translate_text(library(), "medicine", "find pneumonia on chest X-rays", said).established
    (fact,) = [f for f in found if "split has another" in f.statement]
    assert split in fact.statement
    assert fact.value == pytest.approx(1 - held**3, rel=1e-5)
