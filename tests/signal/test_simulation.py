"""The numpy network beside the theory: an independent computation of the same numbers."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from kaiming_mcp.architecture.ir import Network
from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.signal.branches import branch_factors
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.simulation import NotSimulatedError, StoppedError, simulate
from kaiming_mcp.signal.simulation.network import forward
from kaiming_mcp.signal.simulation.run import Run
from kaiming_mcp.signal.trace import trace

NETWORKS = [
    ("input 128 ; repeat 8 { linear 128 128 ; tanh }", "xavier gain 5/3"),
    ("input 128 ; repeat 8 { residual scale 0.35 { layernorm 128 ; relu ; linear 128 128 } }", "he"),
    ("input 16x8x8 ; repeat 4 { conv 16 16 k3 circular nobias ; batchnorm ; relu } ; conv 16 16 k1", "he"),
    ("input 16x8x8 ; conv 16 32 k3 s2 ; relu ; conv 32 32 k3 g4 ; relu ; globalpool ; linear 32 32", "he"),
    ("input tokens 24x64 ; repeat 2 { residual { layernorm 64 ; attention 64 heads 4 } } ; linear 64 64", "xavier"),
    ("input 64 ; product { linear 64 64 ; silu } { linear 64 64 } ; linear 64 64", "lecun"),
    ("input 16x8x8 ; conv 16 16 k3 ; concat { identity } { conv 16 16 k3 ; relu } ; upsample 2 ; conv 32 16 k3", "he"),
    ("input 256 ; repeat 6 { linear 256 256 nobias ; relu ; dropout 0.2 }", "orthogonal gain sqrt(2)"),
    ("input 128 ; repeat 12 identical { residual { layernorm ; linear 128 128 ; relu ; linear 128 128 } }", "pytorch"),
    ("input 64 ; repeat 8 { residual { relu ; linear 64 64 ; relu ; linear 64 64 } }", "gpt2"),
]


def _network(text: str) -> Network:
    return read_notation(text).networks[0]


@pytest.mark.parametrize(("text", "init"), NETWORKS, ids=[t[:48] for t, _ in NETWORKS])
def test_theory_and_simulation_agree_within_finite_width(text: str, init: str) -> None:
    network, scheme = _network(text), parse_initialization(init)
    # All runs, however busy the machine: fewer would be another average.
    found = simulate(network, scheme, seconds=300.0)
    stations = trace(network, scheme, found.batch).stations
    assert len(stations) == len(found.q)
    for station, q, error, log_g, log_error in zip(
        stations, found.q, found.q_error, found.log_g, found.log_g_error, strict=True
    ):
        assert math.exp(station.state.log_q) == pytest.approx(q, abs=4 * error + 0.08 * q)
        assert station.log_g == pytest.approx(log_g, abs=4 * log_error + 0.25)


@pytest.mark.parametrize(("text", "init"), NETWORKS, ids=[t[:48] for t, _ in NETWORKS])
def test_the_backward_pass_is_the_derivative_of_the_forward_pass(text: str, init: str) -> None:
    """<J dx, c> = <dx, J^T c> with J by central differences, the same weights drawn twice."""
    network, scheme = _network(text), parse_initialization(init)
    assert network.input is not None
    size = (2, *(network.input.positions or ()), network.input.features or 1)
    draw = np.random.default_rng(5)
    x, direction = draw.normal(size=size), draw.normal(size=size)

    def at(shift: float) -> tuple[np.ndarray, object]:
        factors = branch_factors(network.root, scheme)
        run = Run(scheme, factors, np.random.default_rng(7), lambda: None, np.random.default_rng(8))
        return forward(network.root, x + shift * direction, run)

    step = 1e-6
    y, back = at(0.0)
    cotangent = draw.normal(size=y.shape)
    moved = float(((at(step)[0] - at(-step)[0]) / (2 * step) * cotangent).sum())
    assert moved == pytest.approx(float((back(cotangent) * direction).sum()), rel=1e-4, abs=1e-6)  # type: ignore[operator]


def test_the_same_seed_gives_the_same_numbers() -> None:
    network, init = _network("input 32 ; repeat 3 { linear 32 32 ; relu }"), parse_initialization("he")
    assert simulate(network, init, seed=3).q == simulate(network, init, seed=3).q
    assert simulate(network, init, seed=3).q != simulate(network, init, seed=4).q


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("lstm 8 8", "size of the input"),
        ("input tokens 9x8 ; lstm 8 8", "recurrent is not simulated"),
        ("conv 3 8 k3 ; relu ; conv 8 8 k3", "size of the input"),
        ("input 8x8x8 ; convtranspose 8 8 k4 s2", "transposed"),
        ("input 3x2000x2000 ; repeat 20 { conv 3 3 k3 }", "billion|MB"),
        ("input 65536 ; linear 65536 65536", "billion.*MB"),
        ('input 8 ; linear 8 8 ; unknown "X()" ; linear 8 8', "X is not simulated"),
    ],
)
def test_what_is_not_simulated_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(NotSimulatedError, match=reason):
        simulate(_network(text), parse_initialization("he"))


def test_a_simulation_stops_when_told_and_ends_in_its_time() -> None:
    network, init = _network("input 64x32x32 ; repeat 12 { conv 64 64 k3 ; relu }"), parse_initialization("he")
    with pytest.raises(StoppedError):
        simulate(network, init, stopped=lambda: True)
    begun = time.monotonic()
    try:
        simulate(network, init, seconds=1.0)
    except NotSimulatedError as reason:
        assert "seconds" in str(reason)
    assert time.monotonic() - begun < 4
