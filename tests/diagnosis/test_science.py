"""translate_to_science: what is a sample, what leaks, what the laws and the noise say of a claimed score."""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.diagnosis.science.counts import read_counts, sample
from kaiming_mcp.diagnosis.science.faults import spoken
from kaiming_mcp.diagnosis.science.plain import plain
from kaiming_mcp.diagnosis.science.scores import read_scores
from kaiming_mcp.diagnosis.science.subjects import Recognised, load_sciences, recognise, sciences
from kaiming_mcp.diagnosis.science.tables import counts_of
from kaiming_mcp.diagnosis.science.units import parse_unit
from kaiming_mcp.library import ContentError, content_root, library
from kaiming_mcp.replies.science import EXAMPLE_CALL, translate_text
from kaiming_mcp.scaffold import Scaffold, render

if TYPE_CHECKING:
    from tests.conftest import Golden

PROBES = Path(__file__).parents[2] / "src" / "kaiming_mcp" / "probes"
SIX_DIGITS = 5e-6
"""A fact keeps six digits of its value."""
XRAYS = {
    "field": "medicine",
    "problem": "Detect pneumonia on chest X-rays",
    "data": "112,000 images of 30,805 patients from 3 hospitals, 8 % positive, random 80/20 split",
}


def _tell(field: str = "", problem: str = "", data: str = "", measurements: str = "") -> Scaffold:
    return translate_text(library(), field, problem, data, measurements)


def _facts(scaffold: Scaffold) -> str:
    return "\n".join(f.statement for f in scaffold.established)


def _titles(scaffold: Scaffold) -> list[str]:
    return [f.title for f in scaffold.findings]


def _value(scaffold: Scaffold, words: str) -> float:
    fact = next(f for f in scaffold.established if words in f.statement)
    assert fact.value is not None
    return fact.value


def _probe(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, PROBES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# The knowledge

SUBJECTS = {
    "protein-structure": "Predict protein structure and residue contacts",
    "protein-fitness": "Predict ΔΔG of a mutation",
    "genomics": "Predict chromatin accessibility from DNA",
    "human-genetics": "A polygenic score from genotypes (GWAS)",
    "single-cell": "Annotate cell types in scRNA data",
    "ecology": "Species distribution from occurrence records",
    "epidemics": "Forecast influenza incidence",
    "medical-imaging": "Find nodules on a CT scan",
    "histology": "Grade biopsies on whole-slide images",
    "ehr": "ICU mortality from laboratory values",
    "drug-binding": "Docking and binding affinity of kinase inhibitors",
    "physiology": "Arrhythmia from a wearable ECG",
    "molecular-energies": "A neural network potential for molecular dynamics",
    "crystals": "Band gap of perovskites",
    "reactions": "Yield prediction for Suzuki couplings",
    "molecular-properties": "Solubility of drug-like compounds from SMILES",
    "spectra": "Concentration from Raman spectra",
    "batteries": "Cycle life of lithium-ion cells",
    "pde": "A neural operator for Navier-Stokes",
    "turbulence": "A subgrid closure for large-eddy simulation",
    "dynamics": "Learn the Hamiltonian of a pendulum",
    "collisions": "Top tagging of jets at the LHC",
    "quantum": "Ground state of a frustrated spin chain",
    "plasma": "Disruption prediction in a tokamak",
    "weather-forecast": "Medium-range forecast of geopotential with ERA5",
    "nowcasting": "Nowcast rain from radar",
    "climate": "Downscale CMIP climate projections",
    "ocean": "Predict sea surface temperature and salinity",
    "hydrology": "Streamflow of ungauged catchments",
    "land": "Land cover from Sentinel satellites",
    "seismology": "Pick earthquake P-waves",
    "galaxy-images": "Galaxy morphology",
    "photometric-redshift": "Photometric redshift",
    "light-curves": "Exoplanet transits in light curves",
    "cosmology": "Cosmological parameters from the matter power spectrum",
    "stellar-spectra": "Effective temperature and metallicity of stars",
    "spikes": "Decode reaching from motor cortex spikes",
    "eeg": "Seizures in EEG",
    "fmri": "Phenotype from resting-state fMRI",
    "macro": "GDP nowcast each quarter, quarterly inflation",
    "finance": "Return prediction for a stock portfolio",
    "causal-policy": "Treatment effect of a village programme, randomised",
    "conflict": "Onset of civil war by country-year",
}


@pytest.mark.parametrize(("expected", "text"), SUBJECTS.items(), ids=list(SUBJECTS))
def test_every_subject_is_recognised_and_its_card_is_in_the_scaffold(expected: str, text: str) -> None:
    subject = next(s for s in sciences().subjects if s.id == expected)
    scaffold = _tell(problem=f"Train a network: {text}")
    facts = _facts(scaffold)
    for part in (subject.unit, subject.groups, subject.split, subject.conserved, subject.baseline, subject.metric):
        assert part in facts
    for floor in subject.floors:
        assert floor.what in facts
    assert subject.back in render(scaffold)


def test_every_field_has_a_general_card_and_each_subject_belongs_to_one() -> None:
    known = sciences()
    assert {s.field for s in known.subjects if s.general} == set(known.fields)
    assert len({s.id for s in known.subjects}) == len(known.subjects)
    assert set(SUBJECTS) == {s.id for s in known.subjects if not s.general}


def test_every_floor_has_a_unit_that_can_be_compared_and_an_ordered_range() -> None:
    for subject in sciences().subjects:
        for floor in subject.floors:
            assert parse_unit(floor.unit) is not None, floor
            assert 0 < floor.low <= floor.high, floor
        if subject.memory:
            unit = parse_unit(subject.memory.unit)
            assert unit is not None
            assert dict(unit.dims) == {"s": 1}


def test_every_pitfall_is_reached_by_its_words_and_only_inside_its_subjects() -> None:
    known = sciences()
    for pitfall in known.pitfalls:
        said = f"{pitfall.words[0]} {pitfall.also[0] if pitfall.also else ''}".lower()
        inside = [s for s in known.subjects if not pitfall.within or {s.id, s.field} & set(pitfall.within)]
        assert inside, pitfall.id
        for subject in known.subjects:
            here = Recognised(subject, (), subject.field, True)
            assert bool(spoken(pitfall, said, here)) == (subject in inside), pitfall.id
        assert not pitfall.also or not spoken(
            pitfall, pitfall.words[0], Recognised(inside[0], (), inside[0].field, True)
        )


@pytest.mark.parametrize(
    ("file", "text", "fault"),
    [
        ("subjects/astronomy.yaml", "symmetry: astronomy-images=>symmetry: nonsense", r"symmetry: 'nonsense'"),
        ("subjects/physics.yaml", "back: [he-2015-resnet]=>back: [nobody-1999]", r"cited: 'nobody-1999'"),
        ("subjects/neuroscience.yaml", "baseline:=>base:", r"neuroscience\.yaml: neuroscience\."),
        ("pitfalls.yaml", "within: [drug-binding]=>within: [alchemy]", r"within: 'alchemy'"),
        ("counted.yaml", "kind: item=>kind: thing", r"counted\.yaml: .*kind"),
    ],
)
def test_a_fault_in_the_lists_names_file_entry_and_field(tmp_path: Path, file: str, text: str, fault: str) -> None:
    root = content_root() / "science"
    for path in (*root.glob("*.yaml"), *root.glob("subjects/*.yaml")):
        target = tmp_path / path.relative_to(root)
        target.parent.mkdir(exist_ok=True)
        target.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    load_sciences(tmp_path, set(library().sources))
    old, new = text.split("=>")
    broken = (tmp_path / file).read_text(encoding="utf-8")
    assert old in broken
    (tmp_path / file).write_text(broken.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ContentError, match=fault):
        load_sciences(tmp_path, set(library().sources))


def test_a_field_that_is_not_listed_gets_the_method_and_no_invention() -> None:
    scaffold = _tell("archaeology", "date pottery shards from photos", "1,200 photos from 14 sites", "MAE 35 years")
    assert scaffold.verdict.startswith("'archaeology' is not among the fields known here")
    assert "unit:" not in _facts(scaffold)
    assert "a linear model on a handful of known variables" in render(scaffold)
    assert _value(scaffold, "a classifier of the site") == pytest.approx(1 / 14)


def test_one_stray_word_does_not_turn_an_unknown_field_into_a_known_one() -> None:
    known = sciences()
    assert recognise("petrography", "permeability of rock from ct scans", known).subject is None
    found = recognise("petrography", "lesion on a chest ct scan", known)
    assert found.subject is not None
    assert found.subject.id == "medical-imaging"
    assert not found.listed


# The cases

CASES: dict[str, tuple[dict[str, str], list[str], list[str]]] = {
    "S02": (
        {
            "field": "chemistry",
            "problem": "Total or atomisation energies as targets? E_total (Hartree), molecules of different size and "
            "composition",
        },
        ["C -37.84", "O -75.06", "H -0.5", "element counts", "per atom", "sum over atoms", "98.9%"],
        ["patient"],
    ),
    "S03": (
        {
            "field": "chemistry",
            "problem": "Is SchNet size extensible? Train on N atoms, run on M>>N; atom-wise energies summed; cut-off "
            "graph",
        },
        ["linear in N", "a mean would stay at E", "cut-off x layers", "long-range"],
        ["The readout must scale"],
    ),
    "S05": (
        {
            "field": "biology",
            "problem": "Which structure tokens for a protein language model? residue contacts as text vs Bio2Token; "
            "context budget",
        },
        ["SE(3)-invariant", "tokens per residue", "RMSD", "VAE with a discrete prior", "mirror image"],
        ["Hartree"],
    ),
    "S06": (
        {
            "field": "chemistry",
            "problem": "Force training NaN for clusters with different atom numbers: symmetry functions, forces = "
            "-dE/dR, padded neighbour lists; nan only with mixed N; changing lr does not help",
        },
        ["distance 0", "mask before the square root, twice", "0 x nan = nan"],
        ["learning rate"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_cases_get_what_they_must_and_nothing_foreign(case: str) -> None:
    given, must, must_not = CASES[case]
    scaffold = _tell(**given)
    text = render(scaffold)
    for words in must:
        assert words in text, words
    for words in must_not:
        assert words not in text, words


def test_a_gap_between_random_and_grouped_split_is_the_result() -> None:
    scaffold = _tell(
        **XRAYS,
        measurements="AUC 0.93 on the random split, 0.81 on a held-out hospital; logistic regression on age 0.72; "
        "a classifier predicts the hospital with 97 % accuracy",
    )
    assert scaffold.verdict.startswith("The result is 0.81, not 0.93")
    assert "28% of the skill above chance (0.5)" in _facts(scaffold)
    assert "accuracy 0.97 at chance 0.333" in _facts(scaffold)
    assert "The inputs give the hospital away" in _titles(scaffold)
    assert scaffold.first_change.startswith("Report 0.81")


def test_an_equal_score_on_both_splits_is_not_called_a_leak() -> None:
    scaffold = _tell(**XRAYS, measurements="AUC 0.812 on the random split, 0.810 on a held-out hospital")
    assert scaffold.verdict.startswith("The split does not decide here")
    assert not any("carry over" in t for t in _titles(scaffold))


def test_an_error_below_the_noise_is_suspected_and_at_the_noise_is_finished() -> None:
    data = {"field": "chemistry", "problem": "predict solubility", "data": "1,128 compounds, scaffold split"}
    below = _tell(**data, measurements="RMSE 0.45 log units; experimental error 0.6 log units")
    assert "below the noise of the labels (0.75 times)" in below.verdict
    at = _tell(**data, measurements="RMSE 0.63 log units; experimental error 0.6 log units")
    assert "more model buys nothing" in at.verdict
    above = _tell(**data, measurements="RMSE 1.2 log units; experimental error 0.6 log units")
    assert _value(above, "noise of the labels") == pytest.approx(2.0)
    assert "noise is 25% of its squared error" in _facts(above)
    differ = _tell(**data, measurements="RMSE 0.63 log units; replicates differ by 0.6 log units")
    assert _value(differ, "noise of the labels") == pytest.approx(0.63 / (0.6 / math.sqrt(2)), rel=SIX_DIGITS)
    absolute = _tell(**data, measurements="MAE 0.63 log units; experimental error 0.6 log units")
    assert _value(absolute, "noise of the labels") == pytest.approx(
        0.63 / (0.6 * math.sqrt(2 / math.pi)), rel=SIX_DIGITS
    )


def test_noise_in_another_unit_is_converted_and_in_another_dimension_refused() -> None:
    problem = {"field": "chemistry", "problem": "predict molecular energies"}
    same = _tell(**problem, measurements="RMSE 50 meV; experimental uncertainty 1 kcal/mol")
    assert _value(same, "noise of the labels") == pytest.approx(50 / 43.364, rel=1e-3)
    other = _tell(**problem, measurements="RMSE 50 meV; experimental uncertainty 0.1 Å")
    assert "cannot be compared: different dimensions" in _facts(other)


def test_the_typical_floor_of_the_subject_is_named_as_a_rule_of_thumb() -> None:
    scaffold = _tell("materials", "predict formation energy of crystals", "45,000 crystals", "MAE 0.03 eV/atom")
    fact = next(f for f in scaffold.established if "times the typical" in f.statement)
    assert "0.2 to 0.375 times" in fact.statement
    assert "rule of thumb" in fact.source
    assert "not with nature" in render(scaffold)


def test_an_accuracy_equal_to_the_larger_class_is_no_skill() -> None:
    scaffold = _tell("medicine", "detect sepsis in the ICU", "5,000 patients, 8 % positive", "accuracy 92 %")
    assert scaffold.verdict.startswith("No skill is shown: accuracy 0.92 against 0.92")
    better = _tell("medicine", "detect sepsis in the ICU", "5,000 patients, 8 % positive", "accuracy 96 %")
    assert not better.verdict.startswith("No skill")


def test_a_baseline_within_two_standard_errors_is_not_beaten() -> None:
    near = _tell("medicine", "ICU mortality", "400 patients, 20 % died", "AUC 0.86, logistic regression AUC 0.84")
    assert near.verdict.startswith("No result yet")
    far = _tell("medicine", "ICU mortality", "40,000 patients, 20 % died", "AUC 0.86, logistic regression AUC 0.78")
    assert "The baseline is beaten" in _titles(far)


def test_a_skill_of_a_forecast_is_one_minus_the_squared_ratio() -> None:
    scaffold = _tell("weather", "forecast 2 m temperature", "ERA5 1979-2017, 6-hourly", "RMSE 1.8 K; persistence 2.9 K")
    assert "skill 1 - (ours/baseline)² = 0.615" in _facts(scaffold)
    assert _value(scaffold, "steps in time are worth") == pytest.approx(1678, rel=0.01)


def test_dimensionless_groups_are_counted_written_and_computed() -> None:
    scaffold = _tell(
        "physics",
        "Learn the drag of a cylinder: velocity 2 m/s, diameter 0.05 m, density 1000 kg/m3, viscosity 1e-3 Pa s; "
        "output force in N",
        "500 simulations",
    )
    assert "rank 3: 2 dimensionless groups" in _facts(scaffold)
    assert "diameter velocity density / viscosity = 1.00e+05" in _facts(scaffold)
    lonely = _tell(
        "physics", "Predict the period: length (m), gravity (m/s^2), mass (kg), period (s); a surrogate model"
    )
    assert "mass enters no group" in _facts(lonely)


def test_extrapolation_in_size_and_the_receptive_field_are_computed() -> None:
    scaffold = _tell(
        "chemistry",
        "A SchNet with cutoff 5 Å and 6 interaction blocks trained on 20 atoms is used on 2,000 atoms, energies "
        "summed over atoms",
        "",
        "MAE 2 meV/atom",
    )
    assert _value(scaffold, "trained at") == pytest.approx(100)
    assert _value(scaffold, "receptive field") == pytest.approx(30)
    assert "89.4 to 4e+03 meV in total" in _facts(scaffold)


def test_the_shares_of_a_pasted_composition_table_are_measured() -> None:
    rng = np.random.default_rng(0)
    energy = {"H": -0.5, "C": -37.84, "N": -54.58, "O": -75.06}
    forms = "CH4 C2H6 C3H8 C2H4 C6H6 H2O NH3 CH4O C2H6O CH2O C3H6O C4H10".split()
    rows = []
    for form in forms:
        counts = counts_of(form)
        free = sum(n * energy[e] for e, n in counts.items())
        rows.append(f"{form},{free - 0.15 * sum(counts.values()) + 0.02 * rng.standard_normal():.4f}")
    scaffold = _tell("chemistry", "learn total energies", "formula,energy\n" + "\n".join(rows))
    assert scaffold.verdict.startswith("Take composition off first")
    assert _value(scaffold, "element counts (C, H, N, O)") > 0.9999999
    assert "standard deviation 57" in _facts(scaffold)


def test_a_structure_of_trials_and_windows_is_multiplied_out() -> None:
    scaffold = _tell(
        "neuroscience",
        "classify emotion from EEG",
        "32 subjects, 40 trials each, 60 windows per trial with 50 % overlapping windows, random split",
        "accuracy 95 %",
    )
    assert "76,800 windows, 1,280 trials, 32 subjects" in _facts(scaffold)
    assert "the 76,800 windows are 32 subjects" in scaffold.verdict
    assert "Overlapping windows share samples across the split" in _titles(scaffold)


SIX = [
    (XRAYS, ["hospital", "0.333"], ["Hartree", "persistence"]),
    (
        {"field": "single-cell biology", "problem": "classify cell types",
         "data": "480,000 cells of 12 donors, random split", "measurements": "accuracy 96 %; 84 % on held-out donors"},
        ["donor", "between 12", "negative binomial"],
        ["voxel", "Hartree"],
    ),
    (
        {"field": "astronomy", "problem": "photometric redshifts from 5 bands",
         "data": "250,000 galaxies with spectroscopic redshift from 2 surveys", "measurements": "scatter 0.02"},
        ["Labels exist only for a selected part", "Δz/(1+z)", "1/2 = 0.5"],
        ["patient"],
    ),
    (
        {"field": "finance", "problem": "predict daily stock returns", "data": "500 stocks, 10 years daily, backtest",
         "measurements": "Sharpe 2.1"},
        ["Sharpe ratio 2.1 ± 0.57", "embargo", "hindsight"],
        ["Hounsfield", "rotation"],
    ),
    (
        {"field": "materials", "problem": "classify phases from XRD patterns, trained on simulated data",
         "data": "150 specimens", "measurements": "accuracy 99 % on simulated, 62 % on measured patterns"},
        ["The result is 0.62, not 0.99", "partial least squares"],
        ["cos(latitude)"],
    ),
    (
        {"field": "physics", "problem": "PINN for Navier-Stokes with ReLU activations and a boundary loss"},
        ["the second derivative is 0 almost everywhere", "nondimensionalise", "mcgreivy-2024-weak-baselines"],
        ["patient", "scaffold split"],
    ),
    (
        {"field": "social science", "problem": "predict civil war onset with random forests",
         "data": "6,500 country-years of 150 countries; imputation on the whole data set before the split; 1.5 % "
         "positive",
         "measurements": "AUC 0.91, logistic regression 0.77"},
        ["fitted before the split", "kapoor-2023-leakage", "Nothing is conserved here"],
        ["Navier"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "must", "must_not"), SIX, ids=lambda v: v["field"] if isinstance(v, dict) else "")
def test_different_problems_get_different_scaffolds(
    given: dict[str, str], must: list[str], must_not: list[str]
) -> None:
    text = render(_tell(**given))
    for words in must:
        assert words in text, words
    for words in must_not:
        assert words not in text, words


def test_two_different_problems_share_less_than_half_of_their_lines() -> None:
    texts = [set(render(_tell(**given)).splitlines()) for given, _, _ in SIX]
    for i, one in enumerate(texts):
        for other in texts[i + 1 :]:
            assert len(one & other) < 0.5 * min(len(one), len(other))


# Metamorphic: one fact changes, and what depends on it; words change, and nothing does.


def test_more_patients_change_the_effective_size_and_leave_the_card_alone() -> None:
    one = _tell(**XRAYS)
    other = _tell(**(XRAYS | {"data": XRAYS["data"].replace("30,805", "61,610")}))
    assert _value(other, "independent samples") > _value(one, "independent samples")
    assumed = [[f.statement for f in s.established if f.basis == "assumed"] for s in (one, other)]
    assert assumed[0] == assumed[1]


def test_a_grouped_split_takes_the_finding_away() -> None:
    random = _tell(**XRAYS)
    grouped = _tell(**(XRAYS | {"data": XRAYS["data"].replace("random 80/20 split", "80/20 split by patient")}))
    assert "The image is the row, the patient is the sample" in _titles(random)
    assert "The image is the row, the patient is the sample" not in _titles(grouped)


def test_another_number_of_sites_changes_the_chance_of_the_site_classifier() -> None:
    for k in (2, 5, 10):
        scaffold = _tell("medicine", "detect tumours on MRI", f"4,000 scans from {k} scanners")
        assert _value(scaffold, "a classifier of the scanner") == pytest.approx(1 / k)


def test_the_subject_decides_baseline_and_symmetry() -> None:
    weather = _facts(_tell("weather", "forecast geopotential days ahead"))
    molecules = _facts(_tell("chemistry", "a neural network potential for molecules"))
    assert "persistence" in weather
    assert "persistence" not in molecules
    assert "Coriolis" in weather
    assert "relabelling of equal atoms" in molecules


PARAPHRASES = [
    (
        "112,000 images of 30,805 patients from 3 hospitals",
        "images: 112000 images, taken of 30805 patients in three hospitals",
        "from 3 hospitals we have 30,805 patients and 112k images",
    ),
    (
        "AUC 0.93 on the random split, 0.81 on a held-out hospital",
        "with a random split the AUC is 0.93; AUC of 0.81 on an unseen hospital",
        "AUC = 93 % (random split) vs AUC = 81 % (external hospital)",
    ),
]


def test_other_words_for_the_same_counts_and_scores_give_the_same_numbers() -> None:
    read = [sample(read_counts(plain(t))) for t in PARAPHRASES[0]]
    for found in read:
        assert found.items is not None
        assert found.items.number == 112_000
        assert [(g.number, g.noun.id) for g in found.groups] == [(30_805, "patient"), (3, "site")]
    for text in PARAPHRASES[1]:
        scores = [(s.metric, s.value, s.role) for s in read_scores(plain(text))]
        assert scores == [("auc", 0.93, "random"), ("auc", 0.81, "grouped")]


def test_predictions_in_a_table_are_held_against_the_baseline_over_groups() -> None:
    rng = np.random.default_rng(6)
    site = np.arange(300) % 10
    y = rng.standard_normal(300)
    good, base = y + 0.3 * rng.standard_normal(300), y + 0.6 * rng.standard_normal(300)
    head = "site,y_true,y_pred,persistence\n"
    rows = "\n".join(f"S{s},{a:.4f},{b:.4f},{c:.4f}" for s, a, b, c in zip(site, y, good, base, strict=True))
    scaffold = _tell("hydrology", "predict discharge", head + rows)
    assert "over 10 values of site" in _facts(scaffold)
    assert "The baseline is beaten" in _titles(scaffold)


# Probes


def test_the_leakage_probe_is_accepted_and_judged() -> None:
    probe = _probe("leakage_probe")
    rng = np.random.default_rng(7)
    group = rng.integers(0, 4, 800)
    x = rng.standard_normal((800, 8)) + 1.5 * rng.standard_normal((4, 8))[group]
    label = (rng.random(800) < np.array([0.1, 0.4, 0.6, 0.9])[group]).astype(int)
    leaking = probe.printed(probe.measure(x, group, label=label, name="scanner"))
    seen = _tell("medicine", "detect tumours on MRI", "800 scans from 4 scanners", leaking)
    assert seen.verdict.startswith("The result is")
    assert "The inputs give the scanner away" in _titles(seen)
    assert any(f.basis == "measured" for f in seen.established)
    clean = probe.printed(probe.measure(rng.standard_normal((800, 8)), group, name="scanner"))
    calm = _tell("medicine", "detect tumours on MRI", "800 scans from 4 scanners", f"the probe says:\n{clean}\nthanks")
    assert "No simple signature of the scanner" in calm.verdict
    assert "The inputs give the scanner away" not in _titles(calm)


def test_the_symmetry_probe_is_accepted_and_judged_by_the_thresholds() -> None:
    probe = _probe("symmetry_probe")
    points = np.random.default_rng(8).standard_normal((10, 5, 3))

    def energy(x: Any) -> Any:
        return np.sqrt(((x[:, :, None] - x[:, None]) ** 2).sum(axis=-1)).sum(axis=(1, 2))

    def printed(f: Any, *rest: Any) -> str:
        return probe.printed(probe.measure(f, points, {"rotation": (probe.rotate(), None, *rest)}))

    told = {"field": "chemistry", "problem": "energies of molecules with a network"}
    holds = _tell(**told, measurements=printed(energy))
    assert "The symmetry holds" in holds.verdict
    near = _tell(**told, measurements=printed(lambda x: energy(x) * (1 + 0.02 * np.tanh(x[:, 0, 0]))))
    assert "only approximate" in near.verdict
    broken = _tell(**told, measurements=printed(lambda x: (x[:, :, 0] ** 2).sum(axis=1)))
    assert broken.verdict.startswith("The design does not have the symmetry it needs")
    assert broken.findings[0].principle == "kaiming://reasoning/fundamental-symmetry"
    blind = _tell(**told, measurements=printed(energy, "may change"))
    assert "cannot see rotation" in blind.verdict
    constant = _tell(**told, measurements=printed(lambda x: np.ones(len(x))))
    assert "nearly constant" in constant.verdict


def test_gaps_in_words_are_judged_too() -> None:
    scaffold = _tell("particle physics", "tag jets", "", "rotation of the jet about the beam changes the score by 4 %")
    assert _value(scaffold, "under rotation") == pytest.approx(0.04)
    angle = _tell("particle physics", "tag jets", "", "we augment by rotations of 90 degrees")
    assert "max |f(gx)" not in _facts(angle)


# Replies without anything, bad input, limits of size


@pytest.mark.parametrize(
    "given",
    [{}, {"problem": "hello"}, {"field": "asdf", "problem": "qwerty"}, {"problem": "🙂" * 50}, {"field": "biology"}],
)
def test_nothing_said_gets_a_short_reply_with_an_example(given: dict[str, str]) -> None:
    scaffold = _tell(**given)
    assert scaffold.needs
    assert scaffold.example
    assert not scaffold.frame
    assert not scaffold.established
    assert len(json.dumps(scaffold.structured(), ensure_ascii=False)) < 1200


def test_a_field_alone_is_answered_with_its_subjects() -> None:
    assert "medical imaging" in _tell("biology").needs
    assert "weather forecasting" in _tell("weather").needs


def test_a_text_that_is_too_long_is_refused_by_name() -> None:
    with pytest.raises(ToolError, match=r"`data` has 2,000,001 characters"):
        _tell("medicine", "x", "1" * 2_000_001)


ALL = [given for given, _, _ in SIX] + [given for given, _, _ in CASES.values()]


@pytest.mark.parametrize("given", ALL, ids=lambda v: v["problem"][:30])
def test_a_scaffold_is_whole_and_small(given: dict[str, str]) -> None:
    scaffold = _tell(**given)
    assert len(json.dumps(scaffold.structured(), ensure_ascii=False)) <= 8000
    _check(scaffold)
    assert scaffold.measure
    assert scaffold.limits
    request = json.loads(scaffold.request)
    assert request["tool"] == "translate_to_science"
    assert request["args"] == {k: v for k, v in given.items() if v}


def _check(scaffold: Scaffold) -> None:
    ids = [f.id for f in scaffold.established]
    assert len(ids) == len(set(ids))
    cited = {i for f in scaffold.findings for i in f.evidence} | {i for s in scaffold.frame for i in s.cites}
    assert cited <= set(ids)
    for line in scaffold.key_numbers:
        assert line.rsplit("[", 1)[1].rstrip("]") in ids
    assert [s.field for s in scaffold.frame] == [f.name for f in scaffold.answer_form]
    assert 3 <= len(scaffold.frame) <= 6
    known = {p.uri for p in library().principles.values()} | {
        p.uri for p in [library().find("fundamental-symmetry")] if p
    }
    for finding in scaffold.findings:
        assert finding.principle in known
        assert finding.remedy
        assert finding.test
    quotes = {q.text for p in library().principles.values() for q in p.quotes}
    assert all(q.text in quotes for q in scaffold.quotes)


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            "medicine weather chemistry predict patients images AUC RMSE accuracy random split held-out hospital noise "
            "kcal/mol eV ± % vs . , ; ( ) [ ] { } \n rotation changes by train on atoms run 1 0 0.93 1,000 1e-3 1e400 "
            "-5 nan inf 99 3 of from each per persistence baseline classifier predicts the site K m/s kg/m^3 Pa ICC "
            "10-fold 5 years daily".split(" ")
        ),
        st.text(max_size=8),
        st.floats(allow_nan=True, allow_infinity=True).map(str),
    ),
    max_size=60,
).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["", "medicine", "physics", "chemistry", "weather", "alchemy"]), PIECES, PIECES, PIECES)
def test_any_text_is_answered_with_a_whole_scaffold_or_a_short_reply(
    field: str, problem: str, data: str, measurements: str
) -> None:
    scaffold = _tell(field, problem, data, measurements)
    text = json.dumps(scaffold.structured(), allow_nan=False, ensure_ascii=False)
    if scaffold.needs:
        assert len(text) < 1300
        return
    assert len(text) <= 8000
    _check(scaffold)
    assert "nan" not in " ".join(scaffold.key_numbers).split()


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400), st.text(max_size=400))
def test_any_characters_are_read(problem: str, measurements: str) -> None:
    scaffold = _tell("biology", problem, "", measurements)
    assert scaffold.verdict
    json.dumps(scaffold.structured(), allow_nan=False)


@pytest.mark.parametrize(
    "text",
    [
        "1" * 100_000,
        "a," * 50_000,
        "(" * 50_000,
        '{"a":' * 20_000,
        "1 " * 50_000,
        "train on 20 atoms run on " * 4_000,
        "a,b\n" * 30_000,
    ],
    ids=["digits", "commas", "brackets", "json", "numbers", "sizes", "lines"],
)
def test_hostile_texts_are_read_in_linear_time(text: str) -> None:
    for name in ("problem", "data", "measurements"):
        given = {"field": "medicine", "problem": "predict x"} | {name: text}
        assert _tell(**given).verdict


def test_the_example_is_answered() -> None:
    assert not _tell(**json.loads(EXAMPLE_CALL)).needs


GOLDEN = {
    "science_xrays": XRAYS
    | {
        "measurements": "AUC 0.93 on the random split, 0.81 on a held-out hospital; logistic regression on age 0.72; a "
        "classifier predicts the hospital with 97 % accuracy"
    },
    "science_energies": CASES["S02"][0] | {"data": "QM9, 134k molecules such as C7H10O2 and CH4"},
    "science_drag": {
        "field": "fluid dynamics",
        "problem": "Learn the pressure drop in pipes: velocity 2 m/s, diameter 0.05 m, density 1000 kg/m3, viscosity "
        "1e-3 Pa s, length 3 m; output pressure drop in Pa",
        "data": "500 CFD simulations, train at Re 1000 to 5000 and use at Re 1e5",
        "measurements": "1000x faster than CFD",
    },
    "science_unknown": {
        "field": "archaeology",
        "problem": "date pottery shards from photos",
        "data": "1,200 photos from 14 sites",
        "measurements": "MAE 35 years; two experts differ by 40 years",
    },
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_translations_are_what_was_signed(name: str, golden: Golden) -> None:
    golden.check(name, render(_tell(**GOLDEN[name])))
