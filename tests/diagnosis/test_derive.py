"""derive_initialization: the numbers against closed forms, and what it says of each situation."""

from __future__ import annotations

import ast
import math
import re
from typing import Any

import pytest

from kaiming_mcp.architecture.ir import Network
from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.diagnosis.network.subject import course_of
from kaiming_mcp.library import library
from kaiming_mcp.replies.initialization import derive_text
from kaiming_mcp.scaffold import SEVERITIES, Scaffold
from kaiming_mcp.signal.initialization import Initialization

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


def _stack(activation: str, width: int, depth: int, first: str = "") -> Network:
    """`depth` layers, the first of which reads the data."""
    text = (
        f"{first}linear {width} {width} nobias ; repeat {depth - 1} {{ {activation} ; linear {width} {width} nobias }}"
    )
    return read_notation(text).networks[0]


def _numbers(text: str) -> list[float]:
    """E[x²] last/first and gradient first/last, the first pair that stands in a text."""
    pair = re.search(r"E\[x²\] last/first ([\d.e+-]+), gradient first/last ([\d.e+-]*\d)", text)
    assert pair is not None
    return [float(pair[1]), float(pair[2])]


def _traced(network: Network, std: float) -> list[float]:
    found = course_of(network, Initialization("normal", std=std), 256)
    assert found is not None
    return [math.exp(found.log_forward), math.exp(found.log_backward)]


@pytest.mark.parametrize("activation", ["gelu", "silu", "tanh", "selu", "sigmoid"])
def test_the_numbers_are_those_of_the_code_with_a_first_layer_of_its_own(activation: str) -> None:
    """The code's two stds, put into a network and traced: what the fact says, and what it warns of."""
    scaffold = _derive(activation=activation, fan_in=256, depth=30)
    first, rest = (float(x) for x in re.findall(r"weight, 0\.0, ([\d.e-]+)\)", scaffold.code))
    assert first == pytest.approx(1 / 16)
    # Six digits of an unstable std are worth half a percent after 30 layers.
    held = _traced(_stack(activation, 256, 30, f"multiply {first / rest:.12g} ; "), rest)
    assert "derived std, as in the code" in _fact(scaffold, "gradient")
    assert _numbers(_fact(scaffold, "gradient")) == pytest.approx(held, rel=0.01)
    trap = _traced(_stack(activation, 256, 30), rest)
    assert _numbers(_fact(scaffold, "gradient then").partition("unit inputs give")[2]) == pytest.approx(trap, rel=0.01)


def test_the_trap_of_gelu_is_what_a_network_of_that_code_does() -> None:
    """Measured in torch (five seeds): E[x²] x36 to x90, gradient x148 to x197."""
    text = _fact(_derive(activation="gelu", fan_in=1024, depth=30), "gradient then")
    assert "E[x²] last/first 68.4, gradient first/last 164" in text


def test_a_rectifier_needs_no_first_layer_of_its_own() -> None:
    scaffold = _derive(activation="relu", fan_in=256, depth=30)
    assert "first" not in scaffold.code
    assert not [f for f in scaffold.established if f.unit == "gradient then"]


@pytest.mark.parametrize("framework", ["pytorch", "keras", "flax"])
def test_the_default_over_depth_is_the_default_of_that_very_layer(framework: Any) -> None:
    """Variance of the layer over the derived one, to the power of the layers between."""
    scaffold = _derive(activation="leaky_relu 0.2", layer="conv 64 128 k4 s2 nobias", depth=6, framework=framework)
    share = re.search(r"variance x([\d.]+) of the derived", " ".join(f.statement for f in scaffold.established))
    then = re.search(rf"; {framework}[^;]* E\[x²\] last/first ([\d.e-]+)", _fact(scaffold, "gradient"), re.IGNORECASE)
    assert share is not None
    assert then is not None
    assert float(then[1]) == pytest.approx(float(share[1]) ** 5, rel=0.01)


def test_behind_norms_the_branches_decide_and_the_code_follows_the_advice() -> None:
    scaffold = _derive(
        activation="silu", layer="linear 768 3072", residual_branches=48, normalized=True, framework="flax"
    )
    assert "branches decides" in scaffold.verdict
    assert "hardly matters" not in scaffold.verdict + " ".join(f.title for f in scaffold.findings)
    assert scaffold.first_change.startswith("Keep the default for the weights and multiply each branch by 1/sqrt(48)")
    assert "normal(" not in scaffold.code
    assert "x + 0.1443 * branch(x)" in scaffold.code
    slope = next(f for f in scaffold.established if f.unit == "slope")
    assert "does not compound" in slope.statement
    assert all(slope.id not in step.cites for step in scaffold.frame)
    effect = next(f.predicted_effect for f in scaffold.findings)
    assert "E[x²] last/first 1.1" in effect
    assert re.search(r"\[F\d+\]", effect)


def test_with_norms_the_code_keeps_the_default() -> None:
    assert "normal_" not in _derive(activation="relu", fan_in=256, normalized=True).code


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh", "sigmoid"])
@pytest.mark.parametrize("branches", [0, 40])
def test_findings_stand_in_the_order_of_their_severity(activation: str, branches: int) -> None:
    for normalized in (False, True):
        found = _derive(activation=activation, fan_in=64, residual_branches=branches, normalized=normalized).findings
        assert [f.severity for f in found] == sorted((f.severity for f in found), key=SEVERITIES.index)


def test_quotations_and_limits_belong_to_the_activation() -> None:
    assert "rectifier" in _derive(activation="relu", fan_in=64).quotes[0].text
    assert "rectifier" not in _derive(activation="gelu", fan_in=64).quotes[0].text
    assert not any("GELU" in line for line in _derive(activation="leaky_relu 0.2", fan_in=64).limits)
    assert any("GELU" in line for line in _derive(activation="gelu", fan_in=64).limits)
