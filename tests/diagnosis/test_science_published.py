"""Scores beside what a paper reports, floors of other quantities, zeros of energy, and the scales of an equation."""

from __future__ import annotations

import math

import pytest

from kaiming_mcp.diagnosis.science.counts import read_counts, sample
from kaiming_mcp.diagnosis.science.plain import plain
from kaiming_mcp.diagnosis.science.references import composition, read_references
from kaiming_mcp.diagnosis.science.scales import given, read_equation, unknown_size
from kaiming_mcp.diagnosis.science.scores import read_scores
from kaiming_mcp.diagnosis.science.units import parse_unit, ratio
from kaiming_mcp.library import library
from kaiming_mcp.replies.science import translate_text
from kaiming_mcp.scaffold import Scaffold, render


def _tell(**given: str) -> Scaffold:
    return translate_text(library(), **given)


def _titles(scaffold: Scaffold) -> list[str]:
    return [f.title for f in scaffold.findings]


def _roles(text: str) -> list[tuple[str, float, str]]:
    return [(x.metric, round(x.value, 6), x.role) for x in read_scores(plain(text))]


def test_a_typical_floor_is_compared_with_its_own_quantity_only() -> None:
    same = {"field": "chemistry", "data": "130000 molecules", "measurements": "MAE 32 meV"}
    gap = render(_tell(problem="HOMO-LUMO gap of QM9 molecules, DFT labels", **same))
    assert "times the typical" not in gap
    assert "hybrid DFT against experiment (atomisation energy) 2 to 5 kcal/mol" in gap
    assert "times the typical hybrid DFT" in render(_tell(problem="atomisation energy of QM9 molecules", **same))


@pytest.mark.parametrize("runs", ["wind-tunnel runs", "runs of the experiment"])
def test_discretisation_is_no_floor_of_what_was_measured(runs: str) -> None:
    text = render(
        _tell(
            field="physics",
            problem="drag of airfoils, cfd is the baseline",
            data=f"640 {runs}",
            measurements="error 4 %",
        )
    )
    assert "times the typical" not in text
    assert "times the typical discretisation" in render(
        _tell(
            field="physics",
            problem="drag of airfoils by a cfd solver",
            data="640 simulations",
            measurements="error 4 %",
        )
    )


def test_a_per_cent_of_noise_is_no_noise_in_the_unit_of_the_error() -> None:
    text = render(
        _tell(
            field="physics",
            problem="predict lift of an airfoil",
            data="200 runs",
            measurements="RMSE 0.3; measurement noise 5 %",
        )
    )
    assert "a perfect model would show" not in text


@pytest.mark.parametrize(
    "text", ["log mol/L", "log10(mol/L)", "log units", "(log mol/L)", "logS", "log S units", "log(mg/kg)"]
)
def test_the_logarithm_of_a_concentration_is_a_power_of_ten(text: str) -> None:
    unit, ten = parse_unit(text), parse_unit("log10")
    assert unit is not None
    assert ten is not None
    assert ratio(0.6, unit, 0.5, ten) == pytest.approx(1.2)


def test_a_natural_logarithm_is_a_smaller_step() -> None:
    unit, ten = parse_unit("ln mol/L"), parse_unit("log10")
    assert unit is not None
    assert ten is not None
    assert ratio(1.0, unit, 1.0, ten) == pytest.approx(math.log10(math.e))


@pytest.mark.parametrize(
    "text",
    [
        "The paper reports 89.6% accuracy, I get 80.2%.",
        "I get accuracy 80.2 % whereas the authors report 89.6 %.",
        "The published accuracy is 89.6 %; ours is 80.2 %",
        "Sorting 3 classes: paper reports 89.6 %; mine gives 80.2 %",
    ],
)
def test_the_number_of_a_paper_is_not_ones_own(text: str) -> None:
    roles = {role: value for _, value, role in _roles(text)}
    assert roles == {"reported": 0.896, "claimed": 0.802}


def test_a_gap_to_a_paper_is_given_in_standard_errors() -> None:
    scaffold = _tell(
        field="chemistry",
        problem="I obtain RMSE 1.655 compared to RMSE 1.480 in the paper",
        data="642 molecules, scaffold split 80/10/10",
    )
    assert scaffold.verdict.startswith("The report is not missed: 0.175")
    worse = _tell(
        field="chemistry",
        problem="QM9: test_gap_mae 0.110 eV. The paper reports an MAE of 46 meV",
        data="20000 test molecules",
    )
    assert worse.verdict.startswith("Not reproduced")
    assert "0.064 eV short of the report" in render(worse)


def test_two_protocols_are_two_experiments() -> None:
    scaffold = _tell(
        field="neuroscience",
        problem="3 classes: paper reports 89.6% leave-one-session-out; "
        "my leave-one-subject-out gives mean 80.23% std 10.92%",
        data="15 subjects with 3 sessions each",
    )
    assert scaffold.verdict.startswith("Two experiments, not one")
    assert "3.32 standard errors of one's own mean" in render(scaffold)


def test_a_mean_square_is_compared_as_its_root() -> None:
    scaffold = _tell(
        field="chemistry",
        problem="ESOL: val_mse 0.341, test_mse 0.571. However, the paper reports 0.514 RMSE",
        data="1128 molecules",
    )
    assert "as roots 0.756 against 0.514" in scaffold.verdict


def test_a_unit_shows_in_the_ratio_of_two_errors() -> None:
    scaffold = _tell(
        field="chemistry", problem="my MAE is 2.306, the paper reports MAE 0.1", data="9000 test molecules"
    )
    assert "eV to kcal/mol" in scaffold.verdict


def test_scores_of_training_and_validation_are_no_claims() -> None:
    roles = _roles("training AUC 0.959, test AUC 0.684; val_mse 0.34 and test_mse 0.57")
    assert ("auc", 0.959, "fit") in roles
    assert ("auc", 0.684, "claimed") in roles
    assert [r for m, _, r in roles if m == "rmse"] == ["fit", "claimed"]


def test_what_is_far_from_training_is_no_score_of_training() -> None:
    roles = _roles("R2 0.60 on a random split; for enzymes below 40% sequence identity to training R2 is -0.1")
    assert roles == [("r2", 0.6, "random"), ("r2", -0.1, "grouped")]


def test_an_exponent_of_a_unit_is_no_score() -> None:
    assert _roles("RMSE scores are too large and I get 292.5 m^2/s^2 at 72 hours lead time") == [
        ("rmse", 292.5, "claimed")
    ]


def test_a_forest_scored_by_two_splits_is_the_model_and_no_baseline() -> None:
    roles = _roles(
        "Yield with random forest: regular 10-fold cross-validation R2 0.78, spatial 10-fold cross-validation R2 0.41."
    )
    assert roles == [("r2", 0.78, "random"), ("r2", 0.41, "grouped")]


def test_a_training_error_far_above_the_test_is_two_kinds_of_rows() -> None:
    scaffold = _tell(
        field="chemistry",
        problem="forces of molecules. TRAIN RMSE F = 6814.1 meV/Å, TEST RMSE F = 25.9 meV/Å",
        data="900 geometries",
    )
    assert "263 times" in scaffold.verdict


def test_an_error_is_shown_as_a_share_of_the_spread_of_the_target() -> None:
    scaffold = _tell(
        field="materials",
        problem="elastic moduli of crystals: MAE 12 GPa where the mean absolute deviation of the data is 48 GPa",
        data="9000 materials",
    )
    assert any(f.value == pytest.approx(0.25) for f in scaffold.established)
    ratio_said = [r for m, v, r in _roles("MAE/MAD is 0.42") if r == "spread"]
    assert ratio_said == []


def test_a_lead_on_counted_sites_has_an_error_bar() -> None:
    text = render(
        _tell(field="materials", problem="active sites: AUC 0.91 against 0.88 for the random forest", data="1430 sites")
    )
    assert "gain 0.03 ± 0.0122" in text


def test_rows_that_are_the_steps_of_a_span_are_not_all_independent() -> None:
    text = render(
        _tell(
            field="climate",
            problem="rain of the next day from daily fields, 1979-2010",
            data="11680 fields",
            measurements="RMSE 2.9 mm/day; persistence 3.6 mm/day",
        )
    )
    assert "if 11,680 to 11,267 samples are independent" in text


def test_nights_of_one_person_and_trials_of_each_are_no_totals() -> None:
    nights = sample(
        read_counts(
            "two nights of one individual are in both; 39 recordings of 20 subjects".replace("two", "2").replace(
                "one", "1"
            )
        )
    )
    assert [c.number for c in nights.groups] == [20]
    trials = sample(read_counts("149940 samples from 84 trials of 105 subjects"))
    assert [c.number for c in trials.groups] == [84 * 105, 105]


def test_references_of_all_electrons_do_not_fit_a_pseudopotential() -> None:
    text = "total energy -1879.62 eV, E0 = -2041.84 eV for oxygen and -13.6 eV for hydrogen, 64 water molecules"
    assert read_references(text) == {"O": -2041.84, "H": -13.6}
    assert composition(text, (), {"O", "H"}) == {"H": 128, "O": 64}
    scaffold = _tell(field="chemistry", problem=f"MACE: {text}", data="1593 frames")
    expected = (-1879.62 + 64 * 2041.84 + 128 * 13.6) / 192
    assert any(f.value == pytest.approx(expected) for f in scaffold.established)
    assert "all-electron energy of the free atom" in render(scaffold)


def test_references_by_atomic_number_that_leave_a_binding_are_kept() -> None:
    scaffold = _tell(
        field="chemistry",
        problem="MACE with E0s {1: -13.6, 8: -432.5}; total energy -471.0 eV of H2O, MAE too large",
        data="900 frames of molecules",
    )
    assert "The references leave a binding" in render(scaffold)
    assert "different zeros" not in scaffold.verdict


def test_an_error_that_is_a_difference_of_two_zeros_is_an_offset() -> None:
    scaffold = _tell(
        field="materials",
        problem="EAM potential of a crystal: bulk energy by DFT -10.9197 eV, by EAM -6.8100 eV",
        data="300 structures",
        measurements="MAE 4.03 eV/atom",
    )
    assert "offset between two zeros of energy (4.11 eV)" in scaffold.verdict


def test_one_element_gives_its_mean_as_reference() -> None:
    scaffold = _tell(
        field="materials",
        problem="energy of the first frame is -5332.09 eV with 720 B atoms; which E0?",
        data="frames of a crystal",
    )
    assert "-7.406 eV per atom of B" in render(scaffold)


@pytest.mark.parametrize("sign", ["rigid shift", "constant offset"])
def test_a_constant_shift_of_one_composition_is_not_composition(sign: str) -> None:
    scaffold = _tell(
        field="chemistry",
        problem=f"forces of molecules are good, but a {sign} upon the total energy of NH3",
        data="432 atoms",
    )
    assert scaffold.verdict.startswith("A constant shift of the energy")


def test_the_unknown_of_an_equation_is_sized_from_its_numbers() -> None:
    equation = read_equation("EI w'''' = q with E = 2.1e11")
    assert equation is not None
    assert (equation.unknown, equation.order, equation.right) == ("w", 4, "q")
    values = given("E = 210e9 Pa, I = 8.3e-6 m^4, L = 10 m, q = 5 kN/m")
    size = unknown_size(equation, values)
    assert size is not None
    assert size[0] == pytest.approx(5e3 * 1e4 / (210e9 * 8.3e-6))
    assert unknown_size(equation, {"L": 10.0}) is None


def test_a_beam_in_raw_units_is_scaled_by_its_load() -> None:
    scaffold = _tell(field="physics", problem="PINN of a beam, M''(x) = -q(x)", data="L = 6 m, q = 1 kN/m")
    assert "M / (q L^2)" in scaffold.verdict
    assert "3.6e+04" in scaffold.verdict


def test_a_group_far_from_one_sets_terms_apart_and_a_reynolds_number_is_no_scale() -> None:
    hammer = _tell(
        field="physics",
        problem="PINN, P(0, t) = 1000 Pa H(t)",
        data="pipe 100 m, wave speed 1000 m/s, density 1000 kg/m3",
    )
    assert "= 1.00e-06: terms 6 decades apart" in render(hammer)
    cavity = _tell(
        field="physics",
        problem="PINN of the cavity works at Re = 100 and fails at Re = 1000, nu = 0.001",
        data="collocation points 10000",
    )
    assert "0.0316 of L" in cavity.verdict
    assert "decades" not in render(cavity)


def test_a_downscaled_mean_drifts_under_another_climate() -> None:
    scaffold = _tell(
        field="climate",
        problem="downscale rain with a CNN, applied to future CMIP6 climate: the mean drifts by 8 %",
        data="11680 daily fields",
    )
    assert scaffold.verdict.startswith("A downscaled field need not keep the mean")


def test_two_reports_of_one_method_are_compared_with_each_other() -> None:
    scaffold = _tell(
        field="chemistry",
        problem="In your manuscript the RMSE of GROVER on FreeSolv is 2.272. The original paper reports RMSE 1.544.",
        data="642 molecules",
    )
    assert scaffold.verdict.startswith("Two reports of one method differ by 0.728")


def test_who_tries_to_reach_a_number_has_not_got_it() -> None:
    assert _roles("I am trying to reproduce the AUC 0.88 of the paper, my AUC is 0.81") == [
        ("auc", 0.88, "reported"),
        ("auc", 0.81, "claimed"),
    ]


def test_a_word_behind_a_unit_is_no_atom() -> None:
    (score,) = read_scores("RMSE 0.78 K at 240x121")
    assert score.unit is not None
    assert score.unit.text == "K"
    each = parse_unit("eV/at")
    assert each is not None
    assert "atom" in each.powers


def test_the_average_of_several_targets_is_held_against_the_reported_average() -> None:
    text = render(
        _tell(
            field="drug discovery",
            problem="the paper reports Pearson R target average = 0.65. Mine are Pearson 0.44 on one "
            "and 0.59 on the other, average Pearson 0.52",
            data="140 pairs of 2 targets",
        )
    )
    assert "correlation 0.52 of one's own against correlation 0.65 reported" in text


def test_dynamics_that_break_are_not_answered_by_a_force_error() -> None:
    scaffold = _tell(
        field="chemistry",
        problem="MACE: force RMSE 22 meV/Å but MD is unstable, simulation explodes",
        data="one trajectory",
    )
    assert scaffold.verdict.startswith("A small force error on frames of one trajectory")


def test_errors_on_two_grids_are_compared_by_the_scales_between() -> None:
    scaffold = _tell(
        field="weather",
        problem="Z500 RMSE is 125.8 m^2/s^2 at 1440x721, when regridding to 64x32 the RMSE drops to 113.4 m^2/s^2",
        data="one year of forecasts",
    )
    share = 1 - (113.4 / 125.8) ** 2
    assert any(f.value == pytest.approx(share, rel=0.01) for f in scaffold.established)
    assert "Scores at two resolutions are two scores" in _titles(scaffold)
