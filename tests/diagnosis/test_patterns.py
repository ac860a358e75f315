"""The three ways of reasoning: which entry the words speak for, and what a step says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.patterns import (
    ASKED,
    era_step,
    load_patterns,
    patterns,
    stack_step,
    symmetry_in,
    symmetry_step,
)
from kaiming_mcp.knowledge import spoken_for
from kaiming_mcp.library import ContentError, content_root, library

SYMMETRIES = {
    "molecules": "Learn DFT energies of small molecules",
    "crystals": "Predict formation energy and band gap of perovskite crystals",
    "proteins": "Design a protein binder from its amino acid sequence",
    "genomes": "Predict promoter activity from DNA",
    "cells": "Annotate cell types in single-cell RNA counts",
    "slides": "Grade tumours on histology whole-slide images of stained tissue",
    "medical-images": "Find pneumonia on a chest X-ray",
    "overhead-images": "Map land cover from satellite images",
    "weather": "Forecast precipitation from ERA5",
    "fluids": "Surrogate of Navier-Stokes at high Reynolds number",
    "dynamics": "Learn the Hamiltonian of a double pendulum",
    "collisions": "Tag top quark jets at the LHC",
    "quantum": "Variational wave function of a frustrated quantum magnet",
    "astronomy-images": "Photometric redshift of galaxies from a sky survey",
    "neural-recordings": "Decode hand movement from cortical spikes",
    "audio": "Recognise the speaker in speech",
    "weights": "Align two checkpoints by permutation of hidden units before model merging",
    "graphs": "Link prediction on a knowledge graph",
    "sets": "Classify lidar point clouds",
    "robots": "A grasp policy for a robot arm",
    "records": "Mortality from electronic health records in the ICU",
    "spectra": "Concentration from Raman spectra",
    "video": "Action recognition in video",
    "tabular": "Predict credit default from a table of 40 columns with incomes",
    "series": "Forecast sensor time series",
    "text": "Fine-tune a language model on legal documents",
    "images": "Recognise objects in photos",
}
STACKS = {
    "latent": "A diffusion model on the latent of a VAE",
    "agents": "An agent makes 20 tool calls",
    "retrieval": "Answer questions from retrieved passages",
    "backbone": "Fine-tune a pre-trained backbone",
    "potential": "Molecular dynamics with a neural network force field",
    "surrogate": "Bayesian optimisation on a surrogate of the simulator",
    "rollout": "Autoregressive rollout of a next state model",
    "docking": "Virtual screening with AlphaFold structures and docking",
    "analysis": "Downscale the ERA5 reanalysis",
    "preprocessing": "Spike sorting and batch correction, then the model",
    "labels": "Distill a teacher with pseudo-labels",
}
ERAS = {
    "layerwise": "A denoising diffusion model with 250 steps",
    "features": "Fingerprints and other hand-crafted descriptors",
    "pretraining": "Self-supervised pre-training, then transfer",
    "weak-baselines": "A neural operator gives a 1000x speed-up over the PDE solver",
    "normalization": "We keep batch norm and the momentum encoder",
    "degradation": "The deeper plain network trains worse; gradients vanish",
    "recurrence": "An LSTM for long-range dependence",
    "two-stage": "A two-stage detector with anchors and auxiliary losses",
    "adversarial": "The discriminator of the GAN wins at once",
    "leakage": "A random split of scans from 3 hospitals and 200 patients",
}


@pytest.mark.parametrize(("expected", "text"), SYMMETRIES.items(), ids=list(SYMMETRIES))
def test_the_data_name_their_group_and_what_is_no_symmetry(expected: str, text: str) -> None:
    assert spoken_for(patterns().symmetries, text)[0].id == expected
    facts = Facts()
    step = symmetry_step(text, facts)
    entry = next(e for e in patterns().symmetries if e.id == expected)
    assert entry.broken in facts.items[0].statement
    assert facts.items[0].basis == "assumed"
    assert entry.test in step.prompt
    assert step.cites == [facts.items[0].id]


@pytest.mark.parametrize(("expected", "text"), STACKS.items(), ids=list(STACKS))
def test_the_practice_names_its_place_on_the_stack(expected: str, text: str) -> None:
    assert spoken_for(patterns().stacks, text)[0].id == expected
    facts = Facts()
    step = stack_step(text, facts)
    entry = next(e for e in patterns().stacks if e.id == expected)
    assert entry.inherits in facts.items[0].statement
    assert entry.measure in step.prompt


@pytest.mark.parametrize(("expected", "text"), ERAS.items(), ids=list(ERAS))
def test_the_practice_names_its_era_and_what_would_refute_it(expected: str, text: str) -> None:
    assert spoken_for(patterns().eras, text)[0].id == expected
    facts = Facts()
    step = era_step(text, facts)
    entry = next(e for e in patterns().eras if e.id == expected)
    assert entry.change in facts.items[0].statement
    assert entry.falsified in step.prompt


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("Weather at one airport: will the runway be wet in two hours, from 4 numbers", "latitude"),
        ("Optical phase of a camera sensor to a distance, one number per pixel", "shift by one pixel"),
        ("Toxicity of a compound from its molecular weight and log P", "forces turn"),
        ("Tritium balance of JET discharges", "boost"),
        ("Count the drones in a warehouse inventory list", "robot base"),
    ],
)
def test_a_group_is_named_only_where_the_data_have_what_it_acts_on(text: str, foreign: str) -> None:
    facts = Facts()
    step = symmetry_step(text, facts)
    assert foreign not in step.prompt
    assert foreign not in " ".join(f.statement for f in facts.items)


def test_the_general_question_is_asked_where_only_the_subject_is_named() -> None:
    assert symmetry_in("Weather at one airport") is None
    assert symmetry_step("Weather at one airport", Facts()).prompt == ASKED
    found = symmetry_in("Weather on a global grid of 1 degree")
    assert found is not None
    assert found.id == "weather"


def test_words_that_only_look_alike_name_nothing() -> None:
    assert not spoken_for(patterns().eras, "a gang of ganglion cells")
    found = spoken_for(patterns().symmetries, "spine MRI of patients")
    assert [e.id for e in found] == ["medical-images"]


@pytest.mark.parametrize("step", [symmetry_step, stack_step, era_step])
def test_without_a_match_the_general_question_is_asked_and_nothing_is_claimed(step: Any) -> None:
    facts = Facts()
    made = step("zzz", facts)
    assert not facts.items
    assert not made.cites
    assert "?" in made.prompt or "State" in made.prompt


@pytest.mark.parametrize(("success", "calls", "whole"), [(0.95, 20, 0.3585), (0.99, 69, 0.4998)])
def test_a_chain_of_calls_is_computed(success: float, calls: int, whole: float) -> None:
    facts = Facts()
    step = stack_step("zzz", facts, success, calls)
    assert facts.items[0].value == pytest.approx(whole, abs=1e-4)
    assert step.cites == [facts.items[0].id]


@pytest.mark.parametrize(("success", "calls"), [(0.0, 5), (1.0, 5), (0.9, 0), (None, 5), (0.9, None)])
def test_no_chain_is_computed_where_there_is_none(success: float | None, calls: int | None) -> None:
    facts = Facts()
    stack_step("zzz", facts, success, calls)
    assert not facts.items


@pytest.mark.parametrize("name", ["symmetries", "stacks", "eras"])
def test_every_entry_fits_a_step_of_a_scaffold_and_stands_once(name: str) -> None:
    for entry in getattr(patterns(), name):
        said = [v for k, v in entry.model_dump().items() if isinstance(v, str) and k != "id"]
        assert sum(map(len, said)) <= 600, entry.id
        assert len(set(entry.words)) == len(entry.words), entry.id
        assert not any(text.endswith(".") for text in said), entry.id


def test_a_fault_in_a_list_names_the_file_and_the_field(tmp_path: Path) -> None:
    for name in ("symmetries.yaml", "stacks.yaml", "eras.yaml"):
        text = (content_root() / "reasoning" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text, encoding="utf-8")
    load_patterns(tmp_path, set(library().sources))
    (tmp_path / "eras.yaml").write_text("- {id: one, title: t, words: [w], then: a, change: b, now: c}", "utf-8")
    with pytest.raises(ContentError, match=r"eras\.yaml: one\.falsified"):
        load_patterns(tmp_path, set(library().sources))


@given(st.text(max_size=2000))
@settings(max_examples=60, deadline=None)
def test_any_text_gives_three_steps_whose_citations_are_facts(text: str) -> None:
    facts = Facts()
    steps = [symmetry_step(text, facts), stack_step(text, facts), era_step(text, facts)]
    assert {c for s in steps for c in s.cites} <= {f.id for f in facts.items}
    assert len({s.field for s in steps}) == 3
