"""The signal probe on real torch models: it runs as a user runs it, and agrees with the engine."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.probes import probe_source
from kaiming_mcp.signal.initialization import PYTORCH_DEFAULT
from kaiming_mcp.signal.trace import trace

pytestmark = pytest.mark.full
torch = pytest.importorskip("torch")
nn = torch.nn
SEEDS = 6


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("probe") / "signal_probe.py"
    path.write_text(probe_source("signal"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("signal_probe", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _mlp(depth: int = 10, width: int = 256) -> Any:
    layers = [piece for _ in range(depth) for piece in (nn.Linear(width, width), nn.ReLU(inplace=True))]
    return nn.Sequential(*layers, nn.Linear(width, 64))


MODELS: list[tuple[str, str, Any, tuple[int, ...]]] = [
    ("mlp", "repeat 10 { linear 256 256 ; relu } ; linear 256 64", _mlp, (256,)),
    (
        "conv with batch norm",
        "input 16x16x16 ; repeat 6 { conv 16 16 k3 nobias ; batchnorm ; tanh } ; globalpool ; linear 16 16",
        lambda: nn.Sequential(
            *[
                m
                for _ in range(6)
                for m in (nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.Tanh())
            ],
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 16),
        ),
        (16, 16, 16),
    ),
    (
        "layer norm",
        "repeat 8 { linear 128 128 ; layernorm ; gelu } ; linear 128 128",
        lambda: nn.Sequential(
            *[m for _ in range(8) for m in (nn.Linear(128, 128), nn.LayerNorm(128), nn.GELU())], nn.Linear(128, 128)
        ),
        (128,),
    ),
]


@pytest.mark.parametrize(("name", "text", "make", "size"), MODELS, ids=[m[0] for m in MODELS])
def test_the_probe_agrees_with_the_engine(probe: Any, name: str, text: str, make: Any, size: tuple[int, ...]) -> None:
    stations = trace(read_notation(text).networks[0], PYTORCH_DEFAULT, 64).stations
    runs = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        model = make()
        layers = probe.measure(model, torch.randn(64, *size), seed=seed)["layers"]
        runs.append([row for row in layers if row["type"] in {"Linear", "Conv2d"}])
    assert all(len(run) == len(stations) for run in runs)
    for i, station in enumerate(stations):
        q = sum(run[i]["second_moment"] for run in runs) / SEEDS
        log_g = sum(math.log(run[i]["gradient_sum"]) for run in runs) / SEEDS
        assert math.exp(station.state.log_q) == pytest.approx(q, rel=0.25), (name, i)
        assert abs(station.log_g - log_g) < math.log(1.6), (name, i)
        assert station.log_w is not None
        log_w = sum(math.log(run[i]["weight_grad_norm"]) for run in runs) / SEEDS
        assert abs(station.log_w / 2 + math.log(64) / 2 - log_w) < math.log(1.6), (name, i)


def test_the_probe_puts_everything_back(probe: Any) -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.5)).eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.random.get_rng_state()
    probe.measure(model, torch.randn(16, 8, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert not model.training
    assert all(p.grad is None for p in model.parameters())


def test_dead_and_saturated_units_zeros_and_infinities_are_counted(probe: Any) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.Tanh())
    with torch.no_grad():
        model[0].bias.fill_(-100.0)
        model[2].bias.fill_(100.0)
    rows = {row["type"] + str(row["name"]): row for row in probe.measure(model, torch.randn(32, 4))["layers"]}
    assert rows["ReLU1"]["dead"] == 1.0
    assert rows["Tanh3"]["saturated"] == 1.0
    with torch.no_grad():
        model[0].bias.fill_(math.inf)
    text = json.dumps(probe.measure(model, torch.randn(32, 4)), allow_nan=False)
    assert json.loads(text)["layers"][0]["nonfinite"] == 128


def test_a_loss_is_measured_with_its_gradient(probe: Any) -> None:
    torch.manual_seed(0)
    model, target = nn.Linear(8, 5), torch.randint(0, 5, (64,))
    result = probe.measure(model, torch.randn(64, 8), nn.functional.cross_entropy, target)
    assert result["cotangent"] == "loss"
    assert result["loss"] == pytest.approx(math.log(5), abs=0.5)
    assert result["layers"][0]["weight_grad_norm"] > 0


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
