"""The probes as a user runs them, from a terminal; and what is written alike in all of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.probes import PROBES, file_name, probe_source

pytestmark = pytest.mark.full
for name in ("torch", "jax", "flax", "keras"):
    pytest.importorskip(name)


def test_the_probe_runs_from_a_terminal_and_prints_json_only(tmp_path: Path) -> None:
    (tmp_path / "signal_probe.py").write_text(probe_source("signal"), encoding="utf-8")
    (tmp_path / "nets.py").write_text(
        "from torch import nn\nprint('hello')\n\n"
        "def make():\n    return nn.Sequential(nn.Embedding(50, 16), nn.Linear(16, 4))\n",
        encoding="utf-8",
    )
    command = [
        sys.executable,
        "signal_probe.py",
        "--model",
        "nets:make",
        "--input",
        "12",
        "--tokens",
        "50",
        "--batch",
        "4",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120, check=True)
    document = json.loads(done.stdout)
    assert [row["type"] for row in document["layers"]] == ["Embedding", "Linear"]
    assert document["layers"][1]["shape"] == [12, 4]
    assert "hello" in done.stderr


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_steps_are_measured_from_a_terminal(tmp_path: Path, loss: str) -> None:
    (tmp_path / "signal_probe.py").write_text(probe_source("signal"), encoding="utf-8")
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n\n"
        "def make():\n    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3))\n",
        encoding="utf-8",
    )
    options = f"--model nets:make --input 8 --batch 16 --loss {loss} --classes 3 --steps 20 --lr 0.5"
    command = [sys.executable, "signal_probe.py", *options.split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=120, check=True)
    found = read_measurements(done.stdout)
    series = found.of("loss")
    assert series is not None
    assert len(series.points) == 21
    assert series.points[-1].value.x < series.points[0].value.x
    assert [layers.at.x for layers in found.per_layer if layers.at] == [0, 20]
    assert found.not_understood == ()


SCRIPTS = {
    "signal-flax": (
        "from flax import linen\n\n\ndef make():\n    return linen.Sequential([linen.Dense(8), linen.relu])\n",
        "",
    ),
    "signal-keras": (
        "import keras\n\n\ndef make():\n    return keras.Sequential([keras.layers.Dense(8, 'relu')])\n",
        "jax",
    ),
}


@pytest.mark.parametrize("form", SCRIPTS)
def test_the_forms_run_from_a_terminal(form: str, tmp_path: Path) -> None:
    text, backend = SCRIPTS[form]
    (tmp_path / file_name(form)).write_text(probe_source(form), encoding="utf-8")
    (tmp_path / "nets.py").write_text(text, encoding="utf-8")
    command = [sys.executable, file_name(form), *"--model nets:make --input 6 --batch 4".split()]
    environment = {**os.environ, "KERAS_BACKEND": backend or "torch"}
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, encoding="utf-8", timeout=180, check=True, env=environment
    )
    document = json.loads(done.stdout)
    assert [row["type"] for row in document["layers"]] == ["Dense", "ReLU"]
    assert document["layers"][0]["weight_grad_norm"] > 0
    assert document.get("backend", backend) == backend


def test_what_both_numpy_forms_compute_is_written_alike() -> None:
    names = "_statistics _cosine _gradient _weight_numbers _half _first_nonfinite _number printed".split()

    def source(form: str, name: str) -> str:
        text = probe_source(form)
        return text[text.index(f"def {name}(") :].split("\n\n\n")[0]

    assert all(source("signal-flax", name) == source("signal-keras", name) for name in names)
    assert source("signal", "printed") == source("signal-keras", "printed")


@pytest.mark.parametrize("name", PROBES)
def test_a_probe_imports_nothing_of_this_package(name: str) -> None:
    assert "kaiming" not in probe_source(name).lower()
