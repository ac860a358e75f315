"""reframe_as_generative: what was said decides, numbers are computed, words never decide against data."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.catalogue import catalogue, load_catalogue
from kaiming_mcp.diagnosis.generative.pairs import read_pairs, spread
from kaiming_mcp.diagnosis.generative.statement import read_task, size
from kaiming_mcp.library import ContentError, content_root, library
from kaiming_mcp.replies.generative import reframe_text
from kaiming_mcp.scaffold import Scaffold, render

STARTS = {
    "generate": "Pose it as p(x|y)",
    "regress": "Regress:",
    "classify": "Classify:",
    "mean and residual": "Regress the mean, then",
    "cannot tell": "Cannot tell yet",
}


def _reframe(problem: str, **rest: Any) -> Scaffold:
    return reframe_text(library(), problem, **rest)


def _all(scaffold: Scaffold) -> str:
    return render(scaffold).lower()


def test_forecasting_asks_to_noise_only_the_future_and_tests_the_leak() -> None:
    text = _all(
        _reframe(
            "Forecasting as conditional generation with a diffusion model: how to train without passing future values?",
            condition="lookback of 96 steps, 7 variables",
            target="horizon of 24 steps, 7 variables",
        )
    )
    assert "noise only the future" in text
    assert "change the future values in the conditioning tensor" in text
    assert "crps" in text
    assert "coverage of 90 %" in text
    assert "dim(x)/dim(y) = 168/672 = 0.25" in text


def test_inverse_design_names_the_collapsed_mean_and_the_forward_surrogate() -> None:
    scaffold = _reframe(
        "A deterministic inverse network for one-to-many property to structure maps",
        condition="target spectrum s",
        target="structure, geometry parameters",
    )
    text = _all(scaffold)
    assert "mean 0" in text
    assert "a²" in text
    assert "independent forward" in text
    assert "outside the support" in text


def test_a_masked_forecast_loses_joint_structure_and_keeps_padding_out() -> None:
    text = _all(_reframe("Use an imputation transformer to forecast: mask the last 24 steps, predict all at once"))
    assert "joint structure" in text
    assert "padding" in text
    assert "marginal" in text


def test_split_annotations_give_p_times_one_minus_p_and_the_k_sample_reading() -> None:
    scaffold = _reframe("3 masks with a min-over-masks loss; 70 % of annotators mark the whole object and 30 % a part")
    text = _all(scaffold)
    assert "0.21" in text
    assert "k-sample generator without probabilities" in text
    assert scaffold.verdict.startswith(STARTS["generate"])


CASES: list[tuple[str, dict[str, Any]]] = [
    (
        "generate",
        {"problem": "Given a desired spectrum, propose a geometry. Different ones have the same spectrum."},
    ),
    ("generate", {"problem": "Find molecules with a target binding affinity", "data": "30k molecules"}),
    (
        "generate",
        {
            "problem": "What will the load look like over the coming 48 hours?",
            "metric": "CRPS",
            "samples_per_query": 50,
        },
    ),
    (
        "generate",
        {"problem": "Radiologists outline one nodule differently; 4 annotators per scan", "metric": "Dice"},
    ),
    ("generate", {"problem": "Learn a policy from human demonstrations: pass the obstacle left or right"}),
    ("generate", {"problem": "Sample Boltzmann-distributed conformers of a peptide"}),
    ("generate", {"problem": "text-to-speech with natural prosody"}),
    ("mean and residual", {"problem": "Forecast rain for the next 6 hours", "metric": "MSE", "samples_per_query": 20}),
    ("regress", {"problem": "Emulate a deterministic ODE solver: same output for same input", "metric": "relative L2"}),
    ("regress", {"problem": "Predict the band gap of crystals", "data": "40k samples", "metric": "MAE"}),
    ("regress", {"problem": "Forecast tomorrow's price; only need the expected value", "metric": "MAE"}),
    ("regress", {"problem": "Map patient features to length of stay", "data": "120 patients, 40 features"}),
    ("classify", {"problem": "Detect whether a mammogram contains a lesion", "metric": "AUC", "data": "12,000 scans"}),
    ("classify", {"problem": "Classify galaxies into 5 categories"}),
    ("cannot tell", {"problem": "Colorize old photos"}),
    ("cannot tell", {"problem": "I have sensor data and want to use diffusion models", "target": "128 values"}),
]


@pytest.mark.parametrize(("answer", "given"), CASES, ids=lambda v: v if isinstance(v, str) else v["problem"][:40])
def test_the_verdict_follows_from_what_was_said(answer: str, given: dict[str, Any]) -> None:
    assert _reframe(**given).verdict.startswith(STARTS[answer])


@pytest.mark.parametrize("given", [given for _, given in CASES], ids=lambda v: v["problem"][:40])
def test_every_answer_names_the_measurement_that_settles_it_and_stays_small(given: dict[str, Any]) -> None:
    scaffold = _reframe(**given)
    assert "E Var[X|Y]/Var[X]" in scaffold.measure
    assert len(json.dumps(scaffold.structured(), ensure_ascii=False)) <= 8000
    assert scaffold.findings


PARAPHRASES = [
    [
        "Forecast the wind power of the next 24 hours from the last week; several outcomes are possible",
        "From the last week, what will wind power be in the coming 24 hours? Many futures are possible.",
        "Predict upcoming wind power, 24 hours ahead, given one week of history. The outcome is uncertain.",
    ],
    [
        "Inverse design: many structures share one property",
        "We need candidates that reach a target property; the solution is not unique",
        "Given a desired property, generate structures; one property corresponds to many structures",
    ],
]


@pytest.mark.parametrize("texts", PARAPHRASES, ids=lambda v: v[0][:30])
def test_other_words_for_one_task_give_one_verdict_and_one_family(texts: list[str]) -> None:
    scaffolds = [_reframe(t) for t in texts]
    assert len({s.verdict.split(":")[0] for s in scaffolds}) == 1
    assert len({s.first_change.split("then")[-1] for s in scaffolds}) == 1


def test_two_different_problems_share_less_than_most_of_their_lines() -> None:
    one = set(render(_reframe(**CASES[1][1])).splitlines())
    other = set(render(_reframe(**CASES[10][1])).splitlines())
    assert len(one & other) < 0.6 * min(len(one), len(other))


@pytest.mark.parametrize("problem", ["", "hello", "   ", "????", "please help me", "🙂" * 50])
def test_nothing_said_gets_a_short_reply_with_an_example(problem: str) -> None:
    scaffold = _reframe(problem)
    assert scaffold.needs
    assert scaffold.example
    assert not scaffold.frame
    assert len(json.dumps(scaffold.structured(), ensure_ascii=False)) < 1200


def test_a_token_as_wide_as_the_network_must_predict_x() -> None:
    scaffold = _reframe("Generate images with patch 16 and hidden 768, predicting noise", metric="FID")
    assert scaffold.first_change.startswith("Let the network output x")
    narrow = _reframe("Generate images with patch 4 and hidden 768, predicting noise", metric="FID")
    assert "token width 48 against hidden width 768" in render(narrow)
    assert not narrow.first_change.startswith("Let the network output x")


def test_a_chain_of_steps_compounds_its_errors() -> None:
    text = render(_reframe("An agent takes 20 steps, each 95 % correct per step, to plan several possible routes"))
    assert f"{0.95**20:.3g}" in text
    assert "13.5 steps" in text


def test_squared_error_of_k_samples_costs_one_plus_one_over_k() -> None:
    assert "1.05 x the minimum" in render(_reframe("Forecast the next 6 hours", samples_per_query=20))
    assert "2 x the minimum" in render(_reframe("Forecast the next 6 hours"))


def _csv(y: Any, x: Any) -> str:
    return "y,x\n" + "\n".join(f"{a:.6f},{b:.6f}" for a, b in zip(y, x, strict=True))


@settings(max_examples=20, deadline=None)
@given(st.floats(0.0, 0.9), st.integers(0, 1000))
def test_r_recovers_the_known_share_of_linear_gaussian_pairs(share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.standard_normal(800)
    x = math.sqrt(1 - share) * y + math.sqrt(share) * rng.standard_normal(800)
    pairs = read_pairs(_csv(y, x))
    assert pairs is not None
    found = spread(pairs)
    assert found is not None
    assert abs(found.ratio - share) < 5 * found.error + 0.03


def test_pasted_pairs_decide_whatever_the_words_say() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(40.0), 10)
    modes = np.where(rng.random(400) < 0.5, 1.0, -1.0) + 0.05 * rng.standard_normal(400)
    assert _reframe("deterministic surrogate", data=_csv(y, modes)).verdict.startswith(STARTS["generate"])
    line = y + 0.01 * rng.standard_normal(400)
    sure = _reframe("inverse design, many structures share one property", data=_csv(y, line))
    assert sure.verdict.startswith(STARTS["regress"])
    assert any(f.basis == "measured" for f in sure.established)


def test_json_pairs_and_odd_tables_are_read_or_left_alone() -> None:
    rows = [{"cond": i, "target": i * 2.0, "note": "a"} for i in range(20)]
    pairs = read_pairs(json.dumps(rows))
    assert pairs is not None
    assert pairs.names == ("cond", "target")
    for text in ("", "a,b\n1,2", "y,x\n" + "1,nan\n" * 20, "[" * 10_000, '[{"a": 1}]' * 20, "y;x\n" + "1;1\n" * 9):
        found = read_pairs(text)
        assert found is None or spread(found) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18 frames of 256x256", 18 * 256 * 256),
        ("12 variables x 721x1440", 12 * 721 * 1440),
        ("target spectrum, 200 frequencies", 200),
        ("lookback of 96 steps, 7 variables", 672),
        ("a photograph", None),
    ],
)
def test_sizes_are_multiplied_as_people_write_them(text: str, expected: int | None) -> None:
    assert size(text) == expected


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=300), st.text(max_size=100), st.text(max_size=100), st.integers(0, 10_000_000))
def test_any_text_is_answered(problem: str, data: str, metric: str, samples: int) -> None:
    scaffold = _reframe(problem, data=data, metric=metric, samples_per_query=samples)
    assert scaffold.verdict
    json.dumps(scaffold.structured(), allow_nan=False)


def test_a_long_text_is_answered_quickly() -> None:
    assert _reframe("forecast the next steps " * 50_000, data="1 " * 300_000).verdict


def test_the_kind_of_task_is_found_by_its_words() -> None:
    task = read_task("super-resolution of MRI scans", "", "", "", "", 0, catalogue())
    assert task.kind is not None
    assert task.kind.id == "reconstruction"


def test_a_fault_in_the_catalogue_names_file_and_field(tmp_path: Any) -> None:
    for path in (content_root() / "generative").iterdir():
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    families = tmp_path / "families.yaml"
    good = families.read_text(encoding="utf-8")
    families.write_text(good.replace("fits: [synthesis, trajectory", "fits: [sinthesis, trajectory"), encoding="utf-8")
    with pytest.raises(ContentError, match=r"families\.yaml: one-step\.fits: 'sinthesis'"):
        load_catalogue(tmp_path, set(library().sources))
    families.write_text(good.replace("title:", "titel:", 1), encoding="utf-8")
    with pytest.raises(ContentError, match=r"families\.yaml: regression\.tit"):
        load_catalogue(tmp_path, set(library().sources))
