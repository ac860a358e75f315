"""The leakage probe on data with a known answer: a planted signature is seen, and where there is none it says 0.5."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "src" / "kaiming_mcp" / "probes" / "leakage_probe.py"


@pytest.fixture(scope="module")
def probe() -> Any:
    spec = importlib.util.spec_from_file_location("leakage_probe", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _sites(rng: Any, n: int = 600, k: int = 3) -> Any:
    return rng.integers(0, k, n)


def test_without_a_signature_the_auc_is_one_half_within_its_error(probe: Any) -> None:
    deviations = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        found = probe.measure(rng.standard_normal((400, 12)), _sites(rng, 400))["group_classifier"]
        deviations.append((found["auc"] - 0.5) / found["auc_error"])
        assert abs(found["accuracy"] - found["chance"]) < 4 * found["accuracy_error"]
    # Eight standard normals: their mean within 3/sqrt(8), each within 4.
    assert abs(float(np.mean(deviations))) < 3 / math.sqrt(8)
    assert max(map(abs, deviations)) < 4


def test_a_planted_shift_gives_the_auc_of_two_gaussians(probe: Any) -> None:
    rng = np.random.default_rng(1)
    group = _sites(rng, 4000, 2)
    x = rng.standard_normal((4000, 5))
    x[:, 2] += 1.0 * group
    found = probe.measure(x, group)["group_classifier"]
    # Two unit Gaussians at distance d are told apart with AUC = Phi(d / sqrt 2).
    exact = 0.5 * (1 + math.erf(1.0 / math.sqrt(2) / math.sqrt(2)))
    assert found["auc"] == pytest.approx(exact, abs=3 * found["auc_error"])
    assert abs(found["shuffled_auc"] - 0.5) < 4 * found["auc_error"]


def test_a_difference_of_noise_level_is_seen_too(probe: Any) -> None:
    rng = np.random.default_rng(2)
    group = _sites(rng, 600, 2)
    x = rng.standard_normal((600, 10)) * (1 + group)[:, None]
    assert probe.measure(x, group)["group_classifier"]["auc"] > 0.9


def test_repeats_of_one_patient_do_not_count_as_a_signature_of_the_hospital(probe: Any) -> None:
    rng = np.random.default_rng(3)
    patients = np.repeat(np.arange(60), 20)
    hospital = (np.arange(60) % 2)[patients]
    x = rng.standard_normal((60, 50))[patients] + 0.1 * rng.standard_normal((1200, 50))
    seen = probe.measure(x, hospital)["group_classifier"]["auc"]
    honest = probe.measure(x, hospital, unit=patients)["group_classifier"]
    assert seen > 0.95
    assert abs(honest["auc"] - 0.5) < 4 * honest["auc_error"]
    assert honest["auc_error"] > 0.05


def test_a_shortcut_is_worth_the_gap_and_a_real_signal_is_not(probe: Any) -> None:
    rng = np.random.default_rng(4)
    group = _sites(rng, 900, 6)
    x = rng.standard_normal((900, 10)) + 1.5 * rng.standard_normal((6, 10))[group]
    shortcut = (rng.random(900) < np.array([0.1, 0.2, 0.4, 0.6, 0.8, 0.9])[group]).astype(int)
    cheated = probe.measure(x, group, label=shortcut)
    assert cheated["scores"]["metric"] == "auc"
    assert cheated["scores"]["gap"] > 5 * cheated["scores"]["gap_error"]
    assert abs(cheated["scores"]["grouped"] - 0.5) < 0.12
    assert cheated["label_by_group"] > 0.2
    y = rng.standard_normal((900, 10))
    real = probe.measure(y, group, label=(y[:, 0] + 0.5 * rng.standard_normal(900) > 0).astype(int))
    assert real["scores"]["grouped"] > 0.9
    assert abs(real["scores"]["gap"]) < 0.02
    assert real["label_by_group"] < 0.02


def test_a_number_is_scored_by_r2_and_many_classes_by_accuracy(probe: Any) -> None:
    rng = np.random.default_rng(5)
    group = _sites(rng)
    x = rng.standard_normal((600, 4))
    number = probe.measure(x, group, label=2 * x[:, 0] + rng.standard_normal(600))["scores"]
    assert number["metric"] == "r2"
    # Var(2 x) / (Var(2 x) + 1) = 0.8 can be explained.
    assert number["random"] == pytest.approx(0.8, abs=0.05)
    classes = probe.measure(x, group, label=np.array(["a", "b", "c"])[np.digitize(x[:, 1], [-0.5, 0.5])])["scores"]
    assert classes["metric"] == "accuracy"
    assert classes["random"] > 0.8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"group": [0] * 60}, "at least 2 groups"),
        ({"group": [0, 1] * 29}, "one entry per sample"),
        ({"x": np.full((60, 2), np.nan)}, "nan or inf"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_the_reason(probe: Any, change: dict[str, Any], words: str) -> None:
    given = {"x": np.zeros((60, 2)), "group": [0, 1] * 30} | change
    with pytest.raises(ValueError, match=words):
        probe.measure(**given)


def test_the_script_reads_a_table_and_prints_one_document(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    rows = ["patient,hospital,disease,a,b,note"]
    for i in range(200):
        site = i % 2
        a, b = rng.standard_normal() + 2 * site, rng.standard_normal()
        rows.append(f"P{i // 2},H{site},{int(rng.random() < 0.5)},{a:.4f},{b:.4f},x")
    table = tmp_path / "t.csv"
    table.write_text("\n".join(rows), encoding="utf-8")
    call = [sys.executable, str(PATH), "--table", str(table), "--group", "hospital", "--label", "disease"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["probe"] == "leakage"
    assert found["group"] == "hospital"
    assert found["features"] == 2
    assert found["group_classifier"]["auc"] > 0.85
    wrong = subprocess.run([*call[:-1], "nothing"], capture_output=True, text=True, timeout=60, check=False)
    assert wrong.returncode
    assert "no column 'nothing'" in wrong.stderr


def test_wide_inputs_are_narrowed_and_keep_their_signature(probe: Any) -> None:
    rng = np.random.default_rng(7)
    group = _sites(rng, 200, 2)
    x = rng.standard_normal((200, 60, 60)).astype("float32")
    x[:, :30] += 0.3 * group[:, None, None]
    assert probe.measure(x, group)["group_classifier"]["auc"] > 0.9
