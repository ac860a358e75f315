"""Depth scales: fixed points, slopes and lengths against known values and against the trace itself."""

from __future__ import annotations

import math

import pytest

from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.scales import scales, slope_at
from kaiming_mcp.signal.trace import trace

# (activation, gain^2, slope of q', chi_1) at the gain that holds E[x^2] = 1.
KNOWN = [
    ("tanh", 1.592537**2, 0.4611, 1.1778),
    ("selu", 1.0, 0.7826, 1.0716),
    ("elu", 1.245198**2, 0.8910, 1.0359),
    ("softsign", 2.337533**2, 0.4767, 1.2440),
    ("sin", 1.520867**2, 0.3130, 1.3130),
    ("gelu", 1.533530**2, 1.1441, 1.0720),
    ("relu", 2.0, 1.0, 1.0),
]


@pytest.mark.parametrize(("name", "gain", "slope", "chi"), KNOWN, ids=[k[0] for k in KNOWN])
def test_slopes_and_gradient_factors_at_one_are_known(name: str, gain: float, slope: float, chi: float) -> None:
    assert slope_at(name, None, gain, 0.0, 1.0) == pytest.approx(slope, abs=1e-4)
    if slope < 0.999:
        found = scales(name, None, gain, 0.0)
        assert found.q_star == pytest.approx(1.0, abs=1e-4)
        assert found.chi == pytest.approx(chi, abs=2e-4)
        assert found.xi_scale == pytest.approx(-1 / math.log(slope), rel=1e-2)


def test_tanh_at_pytorchs_gain_settles_at_its_known_point() -> None:
    found = scales("tanh", None, 25 / 9, 0.0)
    assert found.q_star == pytest.approx(1.178, abs=1e-3)
    assert found.chi == pytest.approx(1.210, abs=1e-3)
    assert found.distance == pytest.approx(1.0, abs=1e-6)  # chaotic: two inputs end unlike


def test_below_the_edge_inputs_become_alike_with_the_length_of_chi() -> None:
    found = scales("tanh", None, 1.5**2, 0.3)
    assert found.distance == pytest.approx(0.0)
    assert found.xi_inputs == pytest.approx(-1 / math.log(found.chi), rel=1e-3)


def test_a_scale_that_runs_away_has_no_fixed_point() -> None:
    assert scales("relu", None, 3.0, 0.0).q_star is None
    assert scales("relu2", None, 5.0, 0.0).q_star is None


def test_the_default_bias_is_the_floor_that_the_trace_ends_at() -> None:
    found = scales("relu", None, 1 / 3, 1 / (3 * 256))
    last = trace(read_notation("repeat 40 { linear 256 256 ; relu }").networks[0], parse_initialization("pytorch"), 8)
    assert found.q_star == pytest.approx(math.exp(last.stations[-1].state.log_q), rel=1e-6)
