"""The trace of whole networks: closed forms, padding, and what it refuses."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.signal import plain, trunk
from kaiming_mcp.signal.initialization import HE, PYTORCH_DEFAULT
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.survey import NotTracedError
from kaiming_mcp.signal.trace import Trace, trace


def _trace(text: str, init: str = "he", batch: int = 128) -> Trace:
    return trace(read_notation(text).networks[0], parse_initialization(init), batch)


def _backward(text: str, init: str = "he", batch: int = 128) -> float:
    path = _trace(text, init, batch).main_path()
    return math.exp(path[0].log_g - path[-1].log_g)


def test_he_keeps_a_relu_stack_at_one_in_both_directions() -> None:
    path = _trace("repeat 30 { linear 512 512 ; relu }").main_path()
    assert math.exp(path[-1].state.log_q) == pytest.approx(2.0)
    assert math.exp(path[0].log_g - path[-1].log_g) == pytest.approx(1.0)


def test_the_pytorch_default_without_bias_loses_a_sixth_per_layer() -> None:
    path = _trace("repeat 30 { linear 512 512 nobias ; relu }", "pytorch").main_path()
    assert path[-1].state.log_q - path[0].state.log_q == pytest.approx(-29 * math.log(6))


def test_the_default_bias_holds_a_floor_that_ignores_the_input() -> None:
    last = _trace("repeat 30 { linear 512 512 ; relu }", "pytorch").main_path()[-1]
    floor = 1 / (3 * 512) / (1 - 1 / 6)
    assert math.exp(last.state.log_q) == pytest.approx(floor, rel=1e-6)
    assert last.state.across < 1e-15


def test_unnormed_residual_sums_double_and_a_scale_of_one_over_root_l_stops_at_e() -> None:
    doubled = _trace("repeat 30 { residual { relu ; linear 512 512 } }").main_path()[-1]
    assert math.exp(doubled.state.log_q) == pytest.approx(2.0**30, rel=1e-6)
    scaled = _trace("repeat 100 { residual scale 0.1 { relu ; linear 512 512 } }").main_path()[-1]
    assert math.exp(scaled.state.log_q) == pytest.approx(1.01**100, rel=1e-6)


def test_a_branch_that_ends_in_relu_adds_the_cross_term_of_the_means() -> None:
    """x + relu(W x), 20 layers, default init: 3352 measured, 22 without the cross term."""
    last = _trace("repeat 20 { residual { linear 512 512 ; relu } }", "pytorch").main_path()[-1]
    assert math.exp(last.state.log_q) == pytest.approx(3352, rel=0.05)


def test_a_pre_normed_trunk_grows_linearly() -> None:
    last = _trace("repeat 50 { residual { layernorm 256 ; relu ; linear 256 256 ; relu ; linear 256 256 } }")
    assert math.exp(last.main_path()[-1].state.log_q) == pytest.approx(51, rel=1e-3)


def test_batch_norm_and_relu_without_skips_explode_by_pi_over_pi_minus_one() -> None:
    text = "relu ; repeat 20 { linear 4096 4096 nobias ; batchnorm ; relu }"
    assert _backward(text, batch=100_000) ** (1 / 19) == pytest.approx(math.pi / (math.pi - 1), rel=1e-3)


def test_layer_norm_and_relu_stay_flat() -> None:
    assert _backward("relu ; repeat 20 { linear 512 512 ; layernorm ; relu }") == pytest.approx(1.0, rel=0.01)


def test_a_norm_on_a_tiny_signal_is_held_back_by_its_eps() -> None:
    path = _trace("linear 256 256 ; layernorm ; relu ; linear 256 256", "std 0.0000625").main_path()
    q = 256 * 0.0000625**2
    assert math.exp(path[1].state.log_q) == pytest.approx(q * 0.5 * q / (q + 1e-5), rel=1e-6)


@pytest.mark.parametrize(("depth", "kept"), [(10, 0.807), (50, 0.550)])
def test_zero_padding_costs_what_the_band_matrix_says(depth: int, kept: float) -> None:
    text = f"input 64x32x32 ; repeat {depth} {{ conv 64 64 k3 nobias ; relu }}"
    last = _trace(text).main_path()[-1]
    band = np.eye(32) + np.eye(32, k=1) + np.eye(32, k=-1)
    direct = (np.linalg.matrix_power(band / 3, depth) @ np.ones(32)).mean() ** 2
    assert math.exp(last.state.log_q) / 2 == pytest.approx(direct, rel=1e-9)
    assert math.exp(last.state.log_q) / 2 == pytest.approx(kept, abs=1e-3)


def test_circular_padding_costs_nothing() -> None:
    last = _trace("input 8x16x16 ; repeat 10 { conv 8 8 k3 nobias circular ; relu }").main_path()[-1]
    assert math.exp(last.state.log_q) == pytest.approx(2.0)


def test_twenty_default_convolutions_shrink_the_gradient_as_measured() -> None:
    """A course author measured 2.155e-8 for the norm ratio; 16 channels spread it by e^{+-1.2}."""
    ratio = _backward("input 16x16x16 ; repeat 20 { conv 16 16 k3 ; relu }", "pytorch") ** 0.5
    assert 2.155e-8 / 3 < ratio < 2.155e-8 * 3


def test_a_strided_and_a_transposed_convolution_use_the_fans_that_elements_have() -> None:
    q = [math.exp(s.state.log_q) for s in _trace("convtranspose 64 32 k4 s2 p1 nobias", "std 0.1").stations]
    assert q[0] == pytest.approx(64 * 16 / 4 * 0.01)
    grouped = _trace("depthwise 64 k3 nobias", "he").stations[0]
    assert math.exp(grouped.state.log_q) == pytest.approx(2.0)


def test_a_depthwise_kernel_under_fan_out_is_too_small_by_the_number_of_groups() -> None:
    grouped = _trace("depthwise 64 k3 nobias", "he fan_out").stations[0]
    assert math.exp(grouped.state.log_q) == pytest.approx(2.0 / 64)


@pytest.mark.parametrize(
    ("blocks", "size", "padding", "measured_q", "ratio", "allowed"),
    [
        (16, 32, "circular", 13.4, 178, 1.05),
        (16, 32, "", 13.4, 155, 1.2),
        (50, 32, "", 44.8, 2632, 1.3),
        (16, 8, "", 13.4, 102, 1.5),
    ],
)
def test_a_trunk_with_relu_after_the_add_is_a_reflected_walk(
    blocks: int, size: int, padding: str, measured_q: float, ratio: float, allowed: float
) -> None:
    """Measured towers; a Gaussian trunk gives 248 after 16 blocks and 11,830 after 50."""
    conv = f"conv 64 64 k3 nobias {padding}"
    text = (
        f"input 64x{size}x{size} ; conv 64 64 k1 nobias ; "
        f"repeat {blocks} {{ residual {{ {conv} ; batchnorm ; relu ; {conv} ; batchnorm }} ; relu }}"
    )
    stations = _trace(text, "orthogonal", 64).stations
    assert math.exp(stations[-1].state.log_q) == pytest.approx(measured_q, rel=0.03)
    found = math.exp(stations[0].log_g) / ratio
    assert 1 / allowed <= found <= allowed


def test_the_density_of_a_reflected_walk_keeps_its_mass_and_grows_as_theory_says() -> None:
    density = trunk.rectified(trunk.gaussian(1.0))
    assert density.mean == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-3)
    assert density.second == pytest.approx(0.5, rel=1e-3)
    for _ in range(400):
        walked = trunk.added(density, 1.0)
        assert walked is not None
        density = trunk.rectified(walked)
    assert density.mass.sum() == pytest.approx(1.0)
    assert density.second == pytest.approx(400, rel=0.05)  # q ~ l
    assert density.mean == pytest.approx(math.sqrt(2 * 400 / math.pi), rel=0.05)


def test_depths_that_underflow_a_float_are_followed_in_logs() -> None:
    path = _trace("repeat 400 { linear 256 256 nobias ; relu }", "std 0.01").main_path()
    assert path[-1].state.log_q < -1000
    assert math.isfinite(path[0].log_g)


def test_a_thousand_layers_take_well_under_ten_seconds() -> None:
    begun = time.process_time()
    _trace("repeat 500 { residual { layernorm 64 ; linear 64 64 ; gelu ; linear 64 64 } }", "xavier")
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('unknown "Mystery()"', "Mystery"),
        ("linear 64 64 ; relu ; linear 32 32", "32 features"),
        ("repeat 1000000 { linear 8 8 ; relu }", "at most"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(NotTracedError, match=reason):
        _trace(text)


def test_a_last_softmax_is_left_out() -> None:
    assert len(_trace("linear 8 8 ; relu ; linear 8 4 ; softmax").stations) == 2


_STEPS = st.sampled_from(
    [
        "linear 32 32",
        "relu",
        "gelu",
        "tanh",
        "sigmoid",
        "layernorm 32",
        "rmsnorm 32",
        "batchnorm 32",
        "dropout 0.3",
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_STEPS, min_size=1, max_size=8), st.integers(1, 40), st.sampled_from([0.0, 0.1, 1.0, -2.0]))
def test_any_stack_of_modelled_layers_gives_finite_logs(steps: list[str], times: int, scale: float) -> None:
    text = f"repeat {times} {{ residual scale {scale} {{ {' ; '.join(steps)} ; linear 32 32 }} }} ; linear 32 8"
    for init in (HE, PYTORCH_DEFAULT):
        for station in trace(read_notation(text).networks[0], init, 16).stations:
            assert not math.isnan(station.state.log_q)
            assert not math.isnan(station.log_g)
            assert -1 <= station.state.mean <= 1
            assert 0 <= station.state.across <= 2 + 1e-9


_PLAIN = st.sampled_from(
    ["linear 32 32", "linear 32 32 nobias", "relu", "gelu", "tanh", "leaky_relu 0.2", "layernorm 32", "rmsnorm 32"]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_PLAIN, min_size=1, max_size=6), st.integers(2, 12), st.sampled_from(["he", "pytorch", "std 0.3"]))
def test_a_plain_run_is_followed_as_by_the_general_rules(steps: list[str], times: int, init: str) -> None:
    text = f"linear 32 32 ; repeat {times} {{ {' ; '.join(steps)} ; linear 32 32 }} ; relu ; linear 32 8"
    fast = _trace(text, init).stations
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "SHORTEST", 10**9)
        general = _trace(text, init).stations
    assert len(fast) == len(general)
    for a, b in zip(fast, general, strict=True):
        assert a.path == b.path
        assert a.state.log_q == pytest.approx(b.state.log_q, rel=1e-9, abs=1e-9)
        # The general path carries the law of a ReLU on a grid, whose mean square is 1/pi to 1e-8.
        assert a.state.across == pytest.approx(b.state.across, rel=1e-7, abs=1e-12)
        assert a.log_g == pytest.approx(b.log_g, rel=1e-9, abs=1e-9)
        assert a.log_w == pytest.approx(b.log_w, rel=1e-9, abs=1e-9)
