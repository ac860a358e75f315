"""The spread of E[x²] between seeds: against Monte Carlo, against closed forms, and silent where it is not derived."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.signal.branches import branch_factors
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.simulation.network import forward
from kaiming_mcp.signal.simulation.run import Run
from kaiming_mcp.signal.squares import of_logarithm, square_covariance
from kaiming_mcp.signal.trace import Trace, trace


def _trace(text: str, init: str = "he") -> Trace:
    return trace(read_notation(text).networks[0], parse_initialization(init), 64)


def _measured(text: str, init: str, draws: int, batch: int) -> float:
    """Standard deviation of ln E[x²] at the end of the main path over draws of the weights."""
    network, scheme = read_notation(text).networks[0], parse_initialization(init)
    found = trace(network, scheme, batch)
    at = next(i for i, s in enumerate(found.stations) if s is found.main_path()[-1])
    assert network.input is not None
    size = (batch, *(network.input.positions or ()), network.input.features or 1)
    x, logs = np.random.default_rng(99).normal(size=size), list[float]()
    for seed in range(draws):
        factors = branch_factors(network.root, scheme)
        run = Run(scheme, factors, np.random.default_rng(seed), lambda: None, np.random.default_rng(-seed - 1 + 2**32))
        forward(network.root, x, run)
        logs.append(math.log(float((run.outputs[at] ** 2).mean())))
    return float(np.std(logs, ddof=1))


BRANCH = "linear 64 64 ; relu ; linear 64 64"
NETWORKS = [
    ("input 32 ; linear 32 64 ; relu ; linear 64 64 ; relu ; linear 64 1", "he", 300, 256),
    ("input 32 ; linear 32 32 ; sigmoid ; linear 32 1", "lecun", 300, 128),
    ("input 64 ; repeat 12 { linear 64 64 ; relu }", "he", 200, 64),
    (f"input 64 ; repeat 12 {{ residual {{ {BRANCH} }} }}", "he", 200, 64),
    (f"input 64 ; repeat 10 {{ residual {{ relu ; {BRANCH} }} }}", "he", 300, 64),
    (f"input 64 ; repeat 8 {{ residual {{ {BRANCH} }} }} ; linear 64 1", "he", 300, 64),
    (f"input 64 ; repeat 12 {{ residual {{ layernorm ; relu ; {BRANCH} }} }}", "he", 200, 64),
    ("input 64 ; linear 64 32 ; selu ; repeat 8 { linear 32 32 ; selu } ; linear 32 4", "lecun", 300, 256),
    ("input 16x8x8 ; repeat 6 { residual { conv 16 16 k3 ; relu ; conv 16 16 k3 } } ; globalpool", "he", 100, 16),
]


@pytest.mark.parametrize(("text", "init", "draws", "batch"), NETWORKS, ids=[t[:60] for t, *_ in NETWORKS])
def test_the_spread_agrees_with_monte_carlo_within_a_fifth(text: str, init: str, draws: int, batch: int) -> None:
    assert _trace(text, init).log_q_spread == pytest.approx(_measured(text, init, draws, batch), rel=0.2)


def test_a_deep_rectified_stack_spreads_by_five_over_the_width_a_layer() -> None:
    """Inputs that have become alike: sqrt(5 sum(1/n)) (Hanin & Rolnick 2018)."""
    deep, twice = (_trace(f"repeat {n} {{ linear 256 256 ; relu }}").log_q_spread for n in (400, 800))
    assert twice**2 - deep**2 == pytest.approx(400 * 5 / 256, rel=0.02)


def test_one_output_that_ignores_its_input_is_one_squared_gaussian() -> None:
    """The variance of ln chi²_n is trigamma(n/2): pi²/2 for 1, pi²/6 for 2."""
    assert of_logarithm(1.0, 2.0) == pytest.approx(math.pi**2 / 2, rel=1e-3)
    assert of_logarithm(1.0, 1.0) == pytest.approx(math.pi**2 / 6, rel=1e-3)
    assert of_logarithm(0.3, 2 * 0.3**2 / 1000) == pytest.approx(2 * 0.3**2 / 1000, rel=0.01)


def test_the_squares_of_a_relu_have_the_moments_of_its_kernel() -> None:
    assert square_covariance("relu", None, 0.0, 1.0, 1.0) == pytest.approx(5.0)
    draw = np.random.default_rng(3)
    u, v = draw.normal(size=(2, 2_000_000))
    pair = 0.6 * u + 0.8 * v
    for name, phi in (("relu", lambda x: np.maximum(x, 0)), ("tanh", np.tanh)):
        a, b = phi(u) ** 2, phi(pair) ** 2
        exact = float(np.cov(a, b)[0, 1] / a.mean() ** 2)
        assert square_covariance(name, None, 0.0, 0.6, 0.36) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize(
    "text",
    [
        "input tokens 16x64 ; repeat 4 { residual { attention 64 heads 4 } }",
        "input 3x16x16 ; conv 3 16 k3 ; relu ; maxpool 2 ; conv 16 16 k3 ; relu ; conv 16 16 k3",
        "repeat 12 identical { residual { linear 64 64 ; relu ; linear 64 64 } }",
        "input 64x8x8 ; repeat 4 { depthwise 64 k3 ; relu }",
        "repeat 6 { linear 64 2 ; relu ; linear 2 64 ; relu }",
        "linear 8 8 ; softmax ; linear 8 8",
    ],
)
def test_what_is_not_derived_is_not_stated(text: str) -> None:
    assert _trace(text).log_q_spread == 0.0


def test_a_norm_leaves_only_what_follows_it() -> None:
    behind = "linear 64 64 ; relu ; linear 64 8"
    assert _trace(f"repeat 20 {{ linear 64 64 ; relu }} ; layernorm ; {behind}").log_q_spread < 0.6
    assert _trace(f"repeat 20 {{ linear 64 64 ; relu }} ; {behind}").log_q_spread > 1.0


_STEPS = st.sampled_from(
    ["linear 16 16", "relu", "gelu", "tanh", "layernorm", "rmsnorm", "batchnorm", "dropout 0.3", "multiply 0.5", "glu"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_STEPS, min_size=1, max_size=7), st.integers(1, 12), st.booleans(), st.sampled_from(["he", "pytorch"]))
def test_any_network_has_a_finite_spread(steps: list[str], times: int, skip: bool, init: str) -> None:
    body = f"{{ linear 16 16 ; {' ; '.join(s for s in steps if s != 'glu')} ; linear 16 16 }}"
    text = f"repeat {times} {{ residual {body} }} ; linear 16 4" if skip else f"repeat {times} {body} ; linear 16 4"
    assert 0 <= _trace(text, init).log_q_spread < math.inf
