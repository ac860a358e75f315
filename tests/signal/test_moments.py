"""Gaussian moments: against the published six digits, closed forms, and Monte Carlo."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiming_mcp.signal.activations import find, names
from kaiming_mcp.signal.moments import moments, pair_distance, pair_slope

# E[phi], E[phi^2], E[phi'^2] for a standard normal input, to the digits printed.
TABLE: dict[str, tuple[float | None, float, float, float]] = {
    "identity": (None, 0.0, 1.0, 1.0),
    "relu": (None, 0.398942, 0.5, 0.5),
    "leaky_relu": (0.2, 0.319154, 0.52, 0.52),
    "prelu": (0.25, 0.299207, 0.53125, 0.53125),
    "elu": (1.0, 0.160521, 0.644945, 0.668102),
    "selu": (None, 0.0, 1.0, 1.071575),
    "gelu": (None, 0.282095, 0.425221, 0.455851),
    "gelu_tanh": (None, 0.282039, 0.425194, 0.455818),
    "silu": (None, 0.206621, 0.355776, 0.379482),
    "tanh": (None, 0.0, 0.394294, 0.464403),
    "sigmoid": (None, 0.5, 0.293379, 0.044836),
    "softplus": (None, 0.806059, 0.921246, 0.293379),
    "mish": (None, 0.240404, 0.452342, 0.479084),
    "hardswish": (None, 0.166217, 0.331567, 0.358532),
    "relu2": (None, 0.5, 1.5, 2.0),
    "sin": (None, 0.0, 0.432332, 0.567668),
    "softsign": (None, 0.0, 0.183014, 0.227671),
}


@pytest.mark.parametrize("name", TABLE)
def test_moments_agree_with_the_table_to_six_digits(name: str) -> None:
    parameter, mean, second, slope = TABLE[name]
    found = moments(name, parameter, 0.0, 0.0)
    assert found.mean == pytest.approx(mean, abs=1e-6)
    assert math.exp(found.log_second) == pytest.approx(second, abs=1e-6)
    assert math.exp(found.log_slope) == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize(("center", "variance"), [(0.0, 1.0), (0.7, 4.0), (-1.0, 0.05)])
def test_quadrature_agrees_with_monte_carlo(name: str, center: float, variance: float) -> None:
    act = find(name)
    assert act is not None
    draws = np.random.default_rng(0).standard_normal(200_000)
    u = math.sqrt(variance) * (center + draws)
    found = moments(name, None, center, math.log(variance))
    for sample, predicted in ((act.phi(u) ** 2, found.log_second), (act.dphi(u) ** 2, found.log_slope)):
        error = sample.std() / math.sqrt(len(draws))
        assert abs(sample.mean() - math.exp(predicted)) < 5 * error + 1e-9


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("distance", [1.7, 1.0, 0.2, 1e-3])
def test_the_distance_of_a_pair_agrees_with_monte_carlo(name: str, distance: float) -> None:
    act = find(name)
    assert act is not None
    a, b = np.random.default_rng(1).standard_normal((2, 100_000))
    c = 1 - distance
    other = c * a + math.sqrt(1 - c * c) * b
    sample = 0.5 * (act.phi(a) - act.phi(other)) ** 2
    predicted = math.exp(pair_distance(name, None, 0.0, 0.0, distance))
    assert abs(sample.mean() - predicted) < 5 * sample.std() / math.sqrt(len(a)) + 1e-9


def test_the_relu_pair_follows_the_arc_cosine_kernel() -> None:
    for c in (0.9, 0.3, 0.0, -0.5):
        kernel = (math.sqrt(1 - c * c) + c * (math.pi - math.acos(c))) / math.pi
        assert math.exp(pair_distance("relu", None, 0.0, 0.0, 1 - c)) == pytest.approx(0.5 * (1 - kernel), rel=1e-9)


def test_the_relu_correlation_map_from_zero_has_the_published_values() -> None:
    distance, seen = 1.0, {}
    for layer in range(1, 51):
        distance = 2 * math.exp(pair_distance("relu", None, 0.0, 0.0, distance))
        seen[layer] = 1 - distance
    for layer, value in {1: 0.3183, 5: 0.7359, 10: 0.8715, 20: 0.9484, 50: 0.9879}.items():
        assert seen[layer] == pytest.approx(value, abs=1e-4)


@given(
    st.sampled_from(names()),
    st.floats(-3, 3),
    st.floats(-2000, 2000),
    st.floats(0, 2),
)
def test_no_scale_gives_a_number_that_is_not_one(name: str, center: float, log_v: float, distance: float) -> None:
    found = moments(name, None, center, log_v)
    assert not math.isnan(found.mean + found.log_second + found.log_slope)
    assert not math.isnan(pair_distance(name, None, center, log_v, distance))


@given(st.sampled_from(names()), st.floats(-4, 4))
def test_the_half_square_distance_never_exceeds_twice_the_second_moment(name: str, log_v: float) -> None:
    second = moments(name, None, 0.0, log_v).log_second
    for distance in (0.1, 1.0, 2.0):
        assert pair_distance(name, None, 0.0, log_v, distance) <= second + math.log(2) + 1e-6


# timm 1.0.31, models/nfnet.py, _nonlin_gamma: sampled by its authors.
TIMM_GAMMA = {
    "relu": 1.7139588594436646,
    "gelu": 1.7015043497085571,
    "silu": 1.7881293296813965,
    "tanh": 1.5939117670059204,
    "elu": 1.2716004848480225,
    "selu": 1.0008515119552612,
    "sigmoid": 4.803835391998291,
    "softplus": 1.9203323125839233,
    "softsign": 2.338853120803833,
    "leaky_relu": 1.70590341091156,
    "logsigmoid": 1.9193484783172607,
    "relu6": 1.7131484746932983,
}


@pytest.mark.parametrize("name", TIMM_GAMMA)
def test_timms_constants_are_one_over_the_standard_deviation(name: str) -> None:
    m = moments(name, None, 0.0, 0.0)
    second = math.exp(m.log_second)
    assert TIMM_GAMMA[name] == pytest.approx(1 / math.sqrt(second - m.mean**2), rel=0.005)
    if abs(m.mean) > 0.1:
        # One over the root mean square, which a gain is, is another number.
        assert TIMM_GAMMA[name] > 1.02 / math.sqrt(second)


@pytest.mark.parametrize("name", ["tanh", "gelu", "relu", "selu", "hardtanh", "silu"])
@pytest.mark.parametrize(("mean", "log_variance", "distance"), [(0.0, 0.0, 0.3), (0.5, 1.0, 0.7), (-1.0, -1.0, 1.2)])
def test_products_of_slopes_agree_with_monte_carlo(
    name: str, mean: float, log_variance: float, distance: float
) -> None:
    act = find(name)
    assert act is not None
    draw, sigma = np.random.default_rng(9), math.exp(log_variance / 2)
    u = draw.normal(size=1_000_000)
    w = (1 - distance) * u + math.sqrt(1 - (1 - distance) ** 2) * draw.normal(size=1_000_000)
    a, b = act.dphi(sigma * (mean + u)), act.dphi(sigma * (mean + w))
    measured = float((a * b).mean() / (a * a).mean())
    assert pair_slope(name, None, mean, log_variance, distance) == pytest.approx(measured, abs=5e-3)


@pytest.mark.parametrize("name", ["relu", "tanh", "gelu"])
def test_a_pair_keeps_its_share_where_a_float_would_overflow(name: str) -> None:
    """phi is a power law at an extreme scale, so D / E[phi^2] no longer moves."""
    for far, near in ((900.0, 300.0), (-900.0, -300.0)):
        shares = [pair_distance(name, None, 0.0, v, 0.4) - moments(name, None, 0.0, v).log_second for v in (far, near)]
        assert shares[0] == pytest.approx(shares[1], abs=1e-6)
