"""The symmetry probe on functions whose gap is known."""

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

PATH = Path(__file__).parents[2] / "src" / "kaiming_mcp" / "probes" / "symmetry_probe.py"
POINTS = np.random.default_rng(0).standard_normal((12, 5, 3))


@pytest.fixture(scope="module")
def probe() -> Any:
    spec = importlib.util.spec_from_file_location("symmetry_probe", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _energy(x: Any) -> Any:
    """A sum over pairs of 1/(1 + r²)."""
    squared = ((x[:, :, None] - x[:, None]) ** 2).sum(axis=-1)
    return (1 / (1 + squared)).sum(axis=(1, 2))


def _force(x: Any) -> Any:
    """Minus its gradient."""
    apart = x[:, :, None] - x[:, None]
    return (4 * apart / (1 + (apart**2).sum(axis=-1, keepdims=True)) ** 2).sum(axis=2)


def _gaps(found: dict[str, Any]) -> dict[str, float]:
    return {row["name"]: row["max"] for row in found["transforms"]}


def test_an_invariant_and_an_equivariant_function_have_no_gap_beyond_rounding(probe: Any) -> None:
    energy = probe.measure(
        _energy,
        POINTS,
        {"rotation": (probe.rotate(), None), "shift": (probe.translate(), None), "labels": (probe.permute(), None)},
    )
    force = probe.measure(
        _force, POINTS, {"rotation": (probe.rotate(), probe.rotate()), "labels": (probe.permute(), probe.permute())}
    )
    for gap in [*_gaps(energy).values(), *_gaps(force).values()]:
        assert gap < 1e-13
    assert energy["repeat"] == 0
    assert 0 < energy["variation"] < 1


def test_a_broken_symmetry_has_the_gap_that_was_computed_by_hand(probe: Any) -> None:
    doubled = probe.measure(lambda x: (x**2).sum(axis=(1, 2)), POINTS, {"units": (probe.scale(2.0), None)})
    assert _gaps(doubled)["units"] == pytest.approx(3.0)  # |4 f - f| / |f|
    mirrored = probe.measure(
        lambda x: np.linalg.det(x[:, :3]), POINTS, {"mirror": (probe.mirror(), None, "may change")}
    )
    assert _gaps(mirrored)["mirror"] == pytest.approx(2.0)  # a signed volume turns over
    assert mirrored["transforms"][0]["expected"] == "may change"
    held = probe.measure(_force, POINTS, {"rotation": (probe.rotate(), None)})
    assert 0.05 < _gaps(held)["rotation"] <= 2.0 + 1e-9  # vectors of one length differ by at most twice it


def test_a_small_planted_breaking_is_read_at_its_size(probe: Any) -> None:
    def tilted(x: Any) -> Any:
        return _energy(x) * (1 + 1e-4 * np.sin(x[:, 0, 0]))

    gap = _gaps(probe.measure(tilted, POINTS, {"rotation": (probe.rotate(), None)}))["rotation"]
    assert 1e-5 < gap < 2e-4


def test_a_shift_of_a_grid_is_seen_through_strides_only(probe: Any) -> None:
    grid = np.random.default_rng(1).standard_normal((6, 32))
    kernel = np.array([1.0, 2.0, 0.5])

    def whole(x: Any) -> Any:
        return np.stack([k * np.roll(x, i, axis=-1) for i, k in enumerate(kernel)]).sum(axis=0)

    def strided(x: Any) -> Any:
        return whole(x)[:, ::2].max(axis=1)

    assert _gaps(probe.measure(whole, grid, {"roll": (probe.roll(), probe.roll())}))["roll"] < 1e-14
    assert _gaps(probe.measure(strided, grid, {"roll": (probe.roll(), None)}))["roll"] > 0.01


def test_noise_and_constants_are_told(probe: Any) -> None:
    rng = np.random.default_rng(2)
    noisy = probe.measure(
        lambda x: _energy(x) + 0.01 * rng.standard_normal(len(x)), POINTS, {"r": (probe.rotate(), None)}
    )
    assert noisy["repeat"] > 1e-4
    constant = probe.measure(lambda x: np.ones(len(x)), POINTS, {"r": (probe.rotate(), None)})
    assert constant["variation"] == 0
    single = probe.measure(lambda x: _energy(x.astype("float32")), POINTS, {"r": (probe.rotate(), None)})
    assert single["rounding"] == pytest.approx(2.0**-23)


def test_rotations_are_proper_and_the_same_for_input_and_output(probe: Any) -> None:
    for seed in range(20):
        turn = probe._rotation(3, seed)
        assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1.0)
    assert np.array_equal(probe.rotate()(POINTS, 3), probe.rotate()(POINTS, 3))


def test_what_cannot_be_measured_is_refused(probe: Any) -> None:
    with pytest.raises(ValueError, match="at least one transform"):
        probe.measure(_energy, POINTS, {})
    with pytest.raises(ValueError, match="one output per sample"):
        probe.measure(lambda x: x.sum(), POINTS, {"r": (probe.rotate(), None)})
    with pytest.raises(ValueError, match="nan or inf"):
        probe.measure(lambda x: np.full(len(x), math.nan), POINTS, {"r": (probe.rotate(), None)})


def test_the_script_runs_by_itself_and_prints_one_document(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("def predict(x):\n    return (x ** 2).sum(axis=(1, 2))\n", encoding="utf-8")
    np.save(tmp_path / "x.npy", POINTS)
    call = [sys.executable, str(PATH), "--model", "nets:predict", "--input", "x.npy"]
    applied = ["--apply", "rotate:same", "--apply", "scale:same", "--apply", "mirror:may"]
    done = subprocess.run([*call, *applied], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    gaps = _gaps(json.loads(done.stdout))
    assert gaps["rotate:same"] < 1e-12
    assert gaps["scale:same"] == pytest.approx(3.0)
    wrong = subprocess.run(
        [*call, "--apply", "spin:same"], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert wrong.returncode
    assert "rotate, mirror" in wrong.stderr
