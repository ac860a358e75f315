"""derive_initialization: the numbers against closed forms, and what it says of each situation."""

from __future__ import annotations

import ast
import math
import re
from typing import Any

import pytest

from kaiming_mcp.library import library
from kaiming_mcp.scaffold import Scaffold
from kaiming_mcp.tools.initialization import derive_text

# Gains of a unit Gaussian (quadrature): forward 1/sqrt(E[phi^2]); chi_1; slope of the variance map.
GAINS = [
    ("relu", math.sqrt(2), 1.0, 1.0),
    ("leaky_relu 0.2", 1.386750, 1.0, 1.0),
    ("gelu", 1.533530, 1.072032, 1.1441),
    ("silu", 1.676532, 1.066634, 1.1726),
    ("tanh", 1.592537, 1.177807, 0.4611),
    ("selu", 1.0, 1.071575, 0.7826),
    ("sigmoid", 1.846229, 0.152827, 0.1063),
    ("mish", 1.486848, 1.059118, 1.0763),
    ("hardswish", 1.736657, 1.081323, 1.2239),
    ("relu2", 0.816497, 1.333333, 2.0),
]


def _derive(**arguments: Any) -> Scaffold:
    return derive_text(library(), **arguments)


def _fact(scaffold: Scaffold, unit: str) -> str:
    return next(f.statement for f in scaffold.established if f.unit == unit)


@pytest.mark.parametrize(("activation", "gain", "chi", "slope"), GAINS, ids=[g[0] for g in GAINS])
def test_gain_gradient_factor_and_stability_are_those_of_the_moments(
    activation: str, gain: float, chi: float, slope: float
) -> None:
    scaffold = _derive(activation=activation, fan_in=400)
    found = re.search(r"gain forward [^=]*= ([\d.]+)", _fact(scaffold, "gain"))
    assert found is not None
    assert float(found[1]) == pytest.approx(gain, rel=1e-5)
    said = _fact(scaffold, "slope")
    assert f"x{chi:.4f} a layer" in said
    assert f"(slope {slope:.4f})" in said
    std = next(f.value for f in scaffold.established if f.unit == "std")
    assert std == pytest.approx(gain / 20, rel=1e-5)


def test_a_strided_convolution_has_the_fans_of_its_elements() -> None:
    scaffold = _derive(activation="relu", layer="conv 64 128 k3 s2")
    std = next(f for f in scaffold.established if f.unit == "std")
    assert std.value == pytest.approx(math.sqrt(2 / 576))
    assert "fan_out 288 of one element" in std.source
    assert "fan_out 1152" in " ".join(f.statement for f in scaffold.established)


@pytest.mark.parametrize("activation", ["gelu", "silu", "mish", "hardswish"])
def test_an_unstable_scale_says_that_no_gain_is_enough_and_what_is(activation: str) -> None:
    scaffold = _derive(activation=activation, fan_in=512, depth=30)
    assert "no gain is enough" in scaffold.verdict
    assert scaffold.findings[0].severity == "high"
    assert "norm" in scaffold.findings[0].remedy
    assert "residual" in scaffold.findings[0].remedy


def test_relu_holds_and_the_default_does_not() -> None:
    scaffold = _derive(activation="relu", fan_in=256, depth=30)
    assert "holds relu over 30 layers" in scaffold.verdict
    assert "E[x²] x1, gradient first/last x1" in scaffold.key_numbers[1]
    assert any("default breaks" in f.title for f in scaffold.findings)


def test_sigmoid_is_to_be_replaced_and_tanh_has_a_reach() -> None:
    assert "No gain saves sigmoid" in _derive(activation="sigmoid", fan_in=256).verdict
    tanh = _derive(activation="tanh", fan_in=256, depth=40)
    assert "that depth is 14 layers" in tanh.findings[0].remedy
    assert math.floor(math.log(10) / math.log(1.177807)) == 14


def test_with_norms_the_gain_hardly_matters() -> None:
    scaffold = _derive(activation="relu", fan_in=256, normalized=True)
    assert "hardly matters" in scaffold.verdict
    assert scaffold.findings[0].severity == "note"


def test_branches_are_scaled_by_their_number() -> None:
    scaffold = _derive(activation="relu", fan_in=256, residual_branches=25)
    assert "1/sqrt(25) = 0.2" in scaffold.findings[0].remedy
    assert "E[x²] x1.68e+07" in scaffold.findings[0].title  # 2^24
    assert "2.56" in scaffold.findings[0].predicted_effect  # 1.04^24


def test_depth_moves_the_numbers_over_depth_and_nothing_else() -> None:
    short, long = _derive(activation="tanh", fan_in=64, depth=10), _derive(activation="tanh", fan_in=64, depth=20)
    assert short.key_numbers[0] == long.key_numbers[0]
    assert short.key_numbers[1] != long.key_numbers[1]
    assert _fact(short, "gain") == _fact(long, "gain")


@pytest.mark.parametrize("framework", ["pytorch", "flax", "keras"])
@pytest.mark.parametrize(
    "layer", ["linear 64 32 nobias", "conv 8 16 k3 s2", "depthwise 8 k3", "convtranspose 8 4 k4 s2"]
)
def test_the_code_parses_and_holds_the_std(framework: Any, layer: str) -> None:
    scaffold = _derive(activation="relu", layer=layer, framework=framework)
    tree = ast.parse(scaffold.code)
    numbers = [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, float)]
    std = next(f.value for f in scaffold.established if f.unit == "std")
    assert std is not None
    assert any(abs(n - std) < 1e-5 * std for n in numbers)


def test_ordinary_scaffolds_stay_small() -> None:
    assert len(_derive(activation="gelu", fan_in=1024, depth=30).model_dump_json(exclude_defaults=True)) <= 8_000
