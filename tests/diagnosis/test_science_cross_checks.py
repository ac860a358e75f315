"""Numbers of a scientific text that check each other, and what must not be taken for scores, samples or units."""

from __future__ import annotations

import pytest

from kaiming_mcp.diagnosis.science.counts import read_counts, sample
from kaiming_mcp.diagnosis.science.dimensions import read_quantities
from kaiming_mcp.diagnosis.science.scores import read_scores
from kaiming_mcp.library import library
from kaiming_mcp.replies.science import translate_text
from kaiming_mcp.scaffold import Scaffold, render


def _tell(**given: str) -> Scaffold:
    return translate_text(library(), **given)


def _titles(scaffold: Scaffold) -> list[str]:
    return [f.title for f in scaffold.findings]


def _scored(text: str) -> list[tuple[str, float, str]]:
    return [(x.metric, x.value, x.role) for x in read_scores(text)]


def test_a_contrastive_loss_at_ln_of_the_batch_is_a_guess() -> None:
    given = {
        "field": "biology",
        "problem": "gene expression from histology by contrastive learning",
        "data": "36 slides of 8 patients",
    }
    guess = _tell(**given, measurements="contrastive loss 5.54 with batch size 256, Pearson r 0.4")
    assert guess.verdict.startswith("Nothing was learned by this loss")
    assert "ln 256 = 5.545" in render(guess)
    learned = _tell(**given, measurements="contrastive loss 3.1 with batch size 256, Pearson r 0.4")
    assert "The loss is that of a guess" not in _titles(learned)


def test_a_loss_is_no_score_of_the_metric_before_it() -> None:
    assert _scored("Pearson r 0.38 on held-out slides; loss 4.85") == [("correlation", 0.38, "grouped")]
    assert _scored("MAE is 1000s of eV per atom. The total energy of the first frame is -1879.62 eV") == []


def test_an_error_is_never_negative_and_a_correlation_above_one_is_no_per_cent() -> None:
    assert _scored("RMSE -3.2 K") == []
    assert _scored("correlation 4.85") == []
    assert _scored("accuracy 85") == [("accuracy", 0.85, "claimed")]


def test_a_correlation_after_another_error_is_its_own_metric() -> None:
    assert _scored("RMSE 1.28 pKd, r 0.82; ligand only r is still 0.77") == [
        ("rmse", 1.28, "claimed"),
        ("correlation", 0.82, "claimed"),
        ("correlation", 0.77, "baseline"),
    ]


def test_from_and_to_of_a_rise_are_baseline_and_claim_on_one_split() -> None:
    rise = read_scores("With the scaffold split pre-training improves ROC-AUC from 0.70 to 0.73.")
    assert [(x.value, x.role) for x in rise] == [(0.7, "baseline"), (0.73, "grouped")]
    fall = read_scores("On new hospitals the AUC falls from 0.90 to 0.71.")
    assert [(x.value, x.role) for x in fall] == [(0.9, "claimed"), (0.71, "grouped")]


def test_one_split_alone_is_no_gap_between_splits() -> None:
    scaffold = _tell(
        field="chemistry",
        problem="BACE inhibition. With the scaffold split pre-training improves ROC-AUC from 0.70 to 0.73.",
        data="1,513 molecules",
        measurements="ROC-AUC 0.70 without, 0.73 with pre-training, test of 152 molecules",
    )
    assert "with the group seen" not in render(scaffold)
    assert "gain 0.03 ± 0.0587" in render(scaffold)


def test_the_mean_of_folds_is_known_better_than_one_fold() -> None:
    scaffold = _tell(
        field="neuroscience",
        problem="emotion from EEG, leave-one-subject-out gives mean 80% std 12%",
        data="16 subjects with 3 sessions each",
    )
    assert "the mean is known to ± 0.03 over 16 subjects" in render(scaffold)


def test_one_error_in_total_and_per_atom_is_told_by_the_number_of_atoms() -> None:
    scaffold = _tell(
        field="chemistry",
        problem="The log and the test disagree: Energy RMSE 2.4 eV and Energy RMSE/Natoms 0.02 eV",
        data="120 atoms, AIMD frames, DFT energies",
    )
    assert "2.4 / 0.02 = 120 atoms" in render(scaffold)
    assert "times the typical" not in render(scaffold)


def test_fewer_sessions_than_people_are_sessions_of_each() -> None:
    found = sample(read_counts("9 subjects, 2 sessions of 288 trials each"))
    assert found.items is not None
    assert found.items.number == 9 * 2 * 288
    assert found.inner is not None
    assert (found.inner.noun.id, found.inner.number) == ("subject", 9)


def test_both_arms_of_a_design_are_the_people_and_proteins_are_variables() -> None:
    found = sample(read_counts("84 cases and 96 controls, 1463 proteins"))
    assert found.items is not None
    assert (found.items.number, found.variables) == (180, 1463)
    parts = sample(read_counts("200 subjects, 100 patients and 100 controls, 50 slices each"))
    assert [g.number for g in parts.groups] == [200]


def test_what_a_frame_holds_and_what_was_averaged_away_are_no_samples() -> None:
    frames = sample(read_counts("64 water molecules per frame, 1593 frames of one trajectory"))
    assert frames.items is not None
    assert frames.items.number == 1593
    pixels = sample(read_counts("11800000 trees in 190000 plots, aggregated to 59857 pixels"))
    assert pixels.items is not None
    assert pixels.items.number == 59857


def test_a_number_in_the_name_of_a_data_set_counts_nothing() -> None:
    found = sample(read_counts("CIFAR-10 images, 50000 images"))
    assert found.items is not None
    assert found.items.number == 50000
    assert sample(read_counts("CIFAR-10 images")).items is None


def test_a_core_set_of_so_many_is_the_test_set() -> None:
    found = sample(read_counts("4852 complexes, core set of 285"))
    assert [c.number for c in found.test] == [285]


def test_arguments_of_functions_are_no_quantities() -> None:
    beam = "M''(x) = -q(x), M(0) = M(L) = 0 with L = 6 m and q = 1 kN/m"
    hammer = "P(0, t) = 1000 Pa H(t), pipe 100 m, wave speed 1000 m/s, density 1000 kg/m3"
    assert read_quantities(beam, True) == ()
    assert [q.name for q in read_quantities(hammer, True)] == ["P", "pipe", "wave speed", "density"]
    listed = read_quantities("density (kg/m^3), speed (m/s), length (m)", False)
    assert len(listed) == 3


def test_scales_without_a_group_are_not_called_useless() -> None:
    scaffold = _tell(
        field="fluid dynamics", problem="PINN of a pipe 100 m long, wave speed 1000 m/s, density 1000 kg/m3"
    )
    assert "cannot matter" not in render(scaffold)


def test_a_label_that_coincides_with_the_batch_comes_before_the_split() -> None:
    scaffold = _tell(
        field="biology",
        problem="Cancer from plasma proteomics. All cases were measured in batch 1, all controls in batch 2.",
        data="84 cases and 96 controls, 1,463 proteins, 5-fold cross-validation",
        measurements="AUC 0.97",
    )
    assert scaffold.verdict.startswith("Label and batch coincide")
    assert "if 180 samples are independent" in render(scaffold)


@pytest.mark.parametrize(
    ("problem", "title"),
    [
        (
            "MAE of thousands of eV per atom: the frames have -1879 eV and we set E0 = -2041 eV for oxygen",
            "Atomic references and labels must come from one method",
        ),
        (
            "sGDML: the model converges on forces, but the energy RMSE stays at 4 kcal/mol",
            "Forces fit and energies do not",
        ),
    ],
)
def test_energies_and_their_references_are_told_apart(problem: str, title: str) -> None:
    assert _titles(_tell(field="chemistry", problem=problem, data="DFT energies and forces"))[0] == title


def test_labels_of_bright_galaxies_are_another_population() -> None:
    scaffold = _tell(
        field="astronomy",
        problem="Photometric redshift of galaxies; NMAD 0.012 on spectroscopic galaxies, we want it for fainter ones",
    )
    assert scaffold.verdict.startswith("Labels exist for another population")
    assert "template fitting" in render(scaffold)


def test_anothers_model_is_the_baseline() -> None:
    assert _scored("ParticleNet has AUC 0.9858, our transformer 0.9849") == [
        ("auc", 0.9858, "baseline"),
        ("auc", 0.9849, "claimed"),
    ]


def test_one_trajectory_is_not_held_out_in_turn() -> None:
    scaffold = _tell(field="chemistry", problem="force field for glycine", data="1,000 geometries of one trajectory")
    assert "in turn" not in render(scaffold)


def test_steps_of_training_are_no_steps_in_time() -> None:
    found = sample(read_counts("after 500000 steps rmse_f is 18.7, 2400 frames of a solid"))
    assert found.items is not None
    assert found.items.number == 2400
    assert found.groups == ()


def test_numbers_copied_from_another_unit_system_are_asked_about_first() -> None:
    scaffold = _tell(
        field="chemistry",
        problem="rmse_f is 18.7 eV/A: the DFT output is in Hartree/bohr and I copied the numbers",
        data="2,400 frames with 96 atoms",
    )
    assert scaffold.verdict.startswith("Labels may be in another unit")
    assert "51.42" in scaffold.first_change


def test_held_out_groups_are_found_in_any_form_of_the_words() -> None:
    text = "Random split of the sequences gives Pearson 0.81; holding out chromosomes 0.68."
    assert [x.role for x in read_scores(text)] == ["random", "grouped"]


def test_the_unit_of_an_error_counts_nothing_and_carries_to_the_baseline() -> None:
    text = "MAE 41 admissions; last value 38 admissions"
    assert sample(read_counts(f"50 states. {text}")).groups == ()
    assert _scored(text) == [("mae", 41.0, "claimed"), ("mae", 38.0, "baseline")]


def test_tried_sets_of_features_are_no_groups() -> None:
    scaffold = _tell(
        field="finance",
        problem="Daily stock returns: the best of 200 feature sets has a Sharpe ratio of 2.1 over 3 years",
        data="500 stocks, 756 days",
    )
    text = render(scaffold)
    assert "200 sets" not in text
    assert "the best of 200 worthless strategies" in text


def test_an_identity_split_and_whole_years_are_grouped() -> None:
    assert [x.role for x in read_scores("Spearman 0.74 random, 0.46 at 30% identity")] == ["random", "grouped"]
    scaffold = _tell(
        field="agriculture",
        problem="Corn yield by county: R2 0.85 with random split, 0.42 when whole years are held out",
        data="1,100 counties, 13 years",
    )
    assert "with the year seen" in render(scaffold)


def test_the_end_of_a_word_is_no_cut_off() -> None:
    given = {"field": "medicine", "problem": "sepsis from ICU vitals, 38,000 stays of 29,500 patients"}
    assert "interaction layer" not in render(_tell(**given, measurements="AUROC 0.87, AUPRC 0.21"))


def test_a_negative_r2_has_no_standard_error() -> None:
    text = render(
        _tell(field="chemistry", problem="kcat: R2 0.60 on a random split of 17,010 pairs, R2 -0.1 on new ones")
    )
    assert "± 0," not in text


def test_names_of_quantities_in_a_sentence_lose_what_leads_to_them() -> None:
    text = "drag from speed 10 m/s, length 0.3 m, viscosity 1.5e-5 m2/s, density 1.2 kg/m3 and force 2 N"
    assert [q.name for q in read_quantities(text, True)] == ["speed", "length", "viscosity", "density", "force"]


def test_the_group_is_named_by_the_words_before_the_number() -> None:
    scaffold = _tell(
        field="medicine",
        problem="Sepsis from ICU vitals with 5-fold cross-validation over stays: AUROC 0.87. "
        "On eICU from 20 other hospitals AUROC falls to 0.71.",
        data="38,000 stays of 29,500 patients",
    )
    assert "having seen the hospital" in scaffold.verdict
    assert "Shuffled time steps test interpolation, not forecasting" not in _titles(scaffold)
