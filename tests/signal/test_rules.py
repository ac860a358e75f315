"""Each kind of layer against a closed form or an independent computation, and what moves when one thing changes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.architecture.ir import Activation, Attention, Norm, Pool, Shape, Upsample
from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.signal.initialization import Initialization
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.rules import Setting, apply, cells
from kaiming_mcp.signal.rules.attention import participation, steering
from kaiming_mcp.signal.rules.norms import fluctuation
from kaiming_mcp.signal.rules.recurrent import through_time
from kaiming_mcp.signal.state import Cotangent, State, flat_profile, white_noise
from kaiming_mcp.signal.trace import Trace, trace

HE = Setting(Initialization("he"), 32)


def _trace(text: str, init: str = "he", batch: int = 32) -> Trace:
    return trace(read_notation(text).networks[0], parse_initialization(init), batch)


def _q(found: Trace, index: int = -1) -> float:
    return math.exp(found.stations[index].state.log_q)


def _ratio(found: Trace) -> float:
    path = found.main_path()
    return math.exp(path[0].log_g - path[-1].log_g)


def _state(shape: Shape, within: float = 1.0, mean: float = 0.0) -> State:
    return State(0.0, mean, 1 - mean**2, within, within, shape, flat_profile(shape))


# Norms whose statistics are taken over few values.


@pytest.mark.parametrize(("common", "freedom", "count"), [(0.3, 7, 8), (0.65, 7, 8), (0.9, 31, 32), (0.5, 1, 2)])
def test_the_mean_of_one_over_a_small_variance_agrees_with_monte_carlo(common: float, freedom: int, count: int) -> None:
    draw = np.random.default_rng(0)
    x = draw.chisquare(freedom, size=2_000_000) / count
    s = 1 - common + common * x
    found = fluctuation(common, freedom, count)
    assert math.exp(found.log_inverse) == pytest.approx(float((1 / s).mean()), rel=2e-3)
    assert found.common == pytest.approx(float((common * x / s).mean()), rel=2e-3)


def test_group_norm_over_all_channels_of_a_vector_is_layer_norm_but_for_small_groups() -> None:
    state = _state(Shape(4096))
    wide = apply(Norm("group", 4096, groups=1), state, HE)
    layer = apply(Norm("layer", 4096), state, HE)
    assert wide.state.log_q == pytest.approx(layer.state.log_q, abs=1e-3)
    assert wide.back(Cotangent(0.0)).log_g == pytest.approx(layer.back(Cotangent(0.0)).log_g, abs=1e-2)


def test_instance_norm_removes_what_positions_share() -> None:
    state = _state(Shape(8, (32, 32)), within=0.25)
    after = apply(Norm("instance", 8), state, HE).state
    assert after.within == pytest.approx(1.0, abs=1e-3)
    assert math.exp(after.log_q) == pytest.approx(1.0, abs=1e-3)


def test_a_norm_of_one_value_leaves_only_its_eps() -> None:
    after = apply(Norm("instance", 8), _state(Shape(8)), HE).state
    assert after.log_q == -math.inf


# Pooling and enlargement.


@pytest.mark.parametrize(("window", "common"), [(4, 0.0), (9, 0.0), (4, 0.5), (4, 0.8)])
def test_max_pooling_agrees_with_monte_carlo(window: int, common: float) -> None:
    draw = np.random.default_rng(1)
    z = math.sqrt(common) * draw.normal(size=(400_000, 1)) + math.sqrt(1 - common) * draw.normal(size=(400_000, window))
    side = round(math.sqrt(window))
    pool, shape = Pool("max", (side, side), (side, side)), Shape(8, (18 * side, 18 * side))
    plain = apply(pool, _state(shape, within=1 - common), HE).state
    assert math.exp(plain.log_q) == pytest.approx(float((z.max(1) ** 2).mean()), rel=0.01)
    assert plain.mean * math.exp(plain.log_q / 2) == pytest.approx(float(z.max(1).mean()), rel=0.01)
    rectified = apply(Activation("relu"), _state(shape, within=1 - common), HE)
    passed = apply(pool, rectified.state, HE)
    largest = np.maximum(z.max(1), 0)
    assert math.exp(passed.state.log_q) == pytest.approx(float((largest**2).mean()), rel=0.01)
    # The winner is positive wherever any value is: that share of the gradient passes the ReLU before.
    back = rectified.back(passed.back(Cotangent(0.0))).log_g
    assert math.exp(back) == pytest.approx(float((z.max(1) > 0).mean()), rel=0.02)


@pytest.mark.parametrize("within", [1.0, 0.4])
def test_average_pooling_keeps_one_nth_and_what_is_common(within: float) -> None:
    after = apply(Pool("avg", (2, 2), (2, 2)), _state(Shape(8, (16, 16)), within=within), HE)
    assert math.exp(after.state.log_q) == pytest.approx(1 - 0.75 * within)
    assert math.exp(after.back(Cotangent(0.0)).log_g) == pytest.approx(0.25)


@pytest.mark.parametrize(("together", "gathered"), [(0.0, 1.0), (1.0, 4.0), (0.5, 2.5)])
def test_repetition_gathers_gradients_that_agree(together: float, gathered: float) -> None:
    passed = apply(Upsample(2.0), _state(Shape(8, (8, 8))), HE)
    assert passed.state.log_q == 0.0
    assert math.exp(passed.back(Cotangent(0.0, together)).log_g) == pytest.approx(gathered)


# Attention.


@pytest.mark.parametrize("variance", [0.0, 0.25, 1.0, 4.0])
@pytest.mark.parametrize("tokens", [2, 16, 200])
def test_the_squared_weights_of_a_softmax_agree_with_monte_carlo(variance: float, tokens: int) -> None:
    scores = np.random.default_rng(2).normal(size=(200_000 // tokens, tokens)) * math.sqrt(variance)
    weights = np.exp(scores - scores.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    assert participation(variance, tokens) == pytest.approx(float((weights**2).sum(1).mean()), rel=0.06)


@pytest.mark.parametrize(("variance", "tokens"), [(0.1, 64), (1.0, 16), (8.0, 64), (64.0, 64)])
def test_how_far_the_output_moves_with_its_scores_agrees_with_monte_carlo(variance: float, tokens: int) -> None:
    scores = np.random.default_rng(3).normal(size=(400_000 // tokens, tokens)) * math.sqrt(variance)
    p = np.exp(scores - scores.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    moved = (p**2 * (1 - 2 * p + (p**2).sum(1, keepdims=True))).sum(1).mean()
    assert steering(variance, tokens) == pytest.approx(float(moved), rel=0.05)


def test_wide_scores_carry_the_gradient_of_torch() -> None:
    """6 pre-norm blocks, width 512, 8 heads, 64 tokens, xavier, scores not divided: ln of the ratio 7.30 in torch."""
    found = _trace(
        "input tokens 64 x 512 ; repeat 6 { residual { layernorm 512 ; attention 512 heads 8 scale 1 } }", "xavier"
    )
    assert math.log(_ratio(found)) == pytest.approx(7.3, abs=0.4)
    assert _q(found) == pytest.approx(5.28, rel=0.05)


def test_a_causal_mask_averages_over_what_each_token_sees() -> None:
    assert participation(0.0, -64) == pytest.approx(sum(1 / i for i in range(1, 65)) / 64)
    assert participation(0.7, -100_000) == pytest.approx(math.exp(0.7) * math.log(100_000) / 100_000, rel=0.15)


def test_attention_over_unlike_tokens_averages_them_away_and_over_alike_ones_does_not() -> None:
    op, shape = Attention(64, 4, bias=False), Shape(64, (128,))
    setting = Setting(Initialization("lecun", gain=0.1), 8)
    unlike = apply(op, _state(shape), setting).state.log_q
    alike = apply(op, _state(shape, within=0.0), setting).state.log_q
    assert math.exp(alike) == pytest.approx(1e-4, rel=1e-6)  # V_v V_o = 0.1^4
    assert math.exp(unlike - alike) == pytest.approx(1 / 128, rel=1e-2)


# Shared weights.


@pytest.mark.parametrize(("a", "r"), [(0.5, 0.1), (0.0, 0.6), (0.9, 0.05)])
def test_powers_of_one_matrix_agree_with_their_closed_sum(a: float, r: float) -> None:
    """||(aI + rG)^T v||^2 for Gaussian G, averaged: 12 steps of 400 units."""
    draw, width, steps = np.random.default_rng(3), 400, 12
    found = list[float]()
    for _ in range(6):
        matrix = a * np.eye(width) + r * draw.normal(size=(width, width)) / math.sqrt(width)
        v = draw.normal(size=width) / math.sqrt(width)
        for _ in range(steps):
            v = matrix @ v
        found.append(float(v @ v))
    log_ratio, _ = through_time(cells.Jacobian(a, r, 0.0), steps)
    assert math.exp(log_ratio) == pytest.approx(float(np.mean(found)), rel=0.35)


def test_shared_weights_grow_coherently_where_independent_ones_would_not() -> None:
    log_ratio, per_step = through_time(cells.Jacobian(0.5, 0.2, 0.0), 100)
    assert math.exp(per_step) == pytest.approx(0.7**2, rel=0.02)
    assert log_ratio > 100 * math.log(0.5**2 + 0.2**2) + 20
    independent, _ = through_time(cells.Jacobian(0.0, 0.0, 0.29), 100)
    assert independent == pytest.approx(100 * math.log(0.29))


def test_gates_at_rest_are_one_half_and_a_forget_bias_opens_them() -> None:
    drive = cells.Drive(0.1, (0.0, 0.0, 0.0), 1 / 3, 0.01, 0.0)
    assert cells.lstm(drive, 100).jacobian.a == pytest.approx(0.5)
    opened = cells.lstm(drive._replace(forget=1.0), 100).jacobian.a
    assert opened == pytest.approx(1 / (1 + math.exp(-1)), abs=0.01)
    assert cells.gru(drive, 100).jacobian.a == pytest.approx(0.5)


def test_layers_that_start_as_copies_add_up_coherently() -> None:
    body = "residual { layernorm 64 ; linear 64 64 ; relu ; linear 64 64 }"
    own, copied = (_trace(f"repeat 20 {word} {{ {body} }}", "pytorch") for word in ("", "identical"))
    assert _q(copied, 1) == pytest.approx(_q(own, 1))
    assert _q(copied) > 2 * _q(own)
    assert _ratio(copied) > 2 * _ratio(own)
    assert [s.path for s in copied.stations] == [s.path for s in own.stations]


def test_copies_without_a_common_draw_of_weight_are_as_independent() -> None:
    """A branch at scale zero adds nothing, and one copy is one layer."""
    for text in (
        "repeat 9 {} {{ residual scale 0 {{ layernorm 64 ; linear 64 64 }} }}",
        "repeat 1 {} {{ linear 64 64 }}",
    ):
        own, copied = (_trace(f"linear 64 64 ; {text.format(word)} ; linear 64 64") for word in ("", "identical"))
        assert [s.state.log_q for s in copied.stations] == pytest.approx([s.state.log_q for s in own.stations])
        assert _ratio(copied) == pytest.approx(_ratio(own))


# What is not modelled, and joins.


def test_what_has_no_rule_passes_unchanged_and_is_named() -> None:
    found = _trace('linear 64 64 ; relu ; unknown "Mystery(4)" ; linear 64 64 ; relu ; linear 64 8')
    assert len(found.stations) == 3
    assert any("Mystery (1)" in note for note in found.left_out)
    assert _q(found, 1) == pytest.approx(2.0)


def test_branches_of_unknown_width_are_taken_as_equally_wide_and_that_is_said() -> None:
    found = _trace('linear 8 8 ; concat { unknown "A()" } { linear 8 8 } ; linear 16 8 ; relu ; linear 8 8')
    assert any("unknown width" in note for note in found.left_out)


def test_a_gate_halves_the_features_and_multiplies() -> None:
    found = _trace("linear 64 128 ; glu ; linear 64 64", "lecun")
    gate = 0.293379  # E[sigmoid(z)^2]
    assert _q(found) == pytest.approx(gate, rel=1e-5)


def test_products_multiply_second_moments_and_add_gradients() -> None:
    found = _trace("linear 64 64 ; product { linear 64 64 } { linear 64 64 } ; linear 64 64", "lecun")
    assert _q(found) == pytest.approx(1.0)
    assert math.exp(found.stations[0].log_g - found.stations[-1].log_g) == pytest.approx(2.0)


def test_a_weight_gradient_adds_up_over_positions_that_agree() -> None:
    """One matrix used at S positions: alike inputs under alike gradients give S times the norm's square."""
    pooled = _trace("input 8x16x16 ; conv 8 8 k1 nobias ; globalpool ; linear 8 8 nobias", "lecun")
    apart = _trace("input 8x16x16 ; conv 8 8 k1 nobias ; flatten ; linear 2048 8 nobias", "lecun")
    for found in (pooled, apart):
        station = found.stations[0]
        assert station.log_w is not None
        # White noise has nothing in common between positions, so nothing adds up.
        assert station.log_w - station.log_g == pytest.approx(math.log(8))
    alike = _trace("input 8x16x16 ; conv 8 8 k1 ; relu ; conv 8 8 k1 nobias ; globalpool ; linear 8 8", "pytorch")
    station = alike.stations[1]
    assert station.log_w is not None
    assert station.log_w - station.log_g > math.log(8) + math.log(10) + station.state.log_q


# Metamorphic: one thing changes.


def test_depth_multiplies_the_logarithm_and_leaves_the_rate() -> None:
    logs = [math.log(_ratio(_trace(f"repeat {n} {{ linear 64 64 nobias ; relu }}", "lecun"))) for n in (11, 21)]
    assert logs[1] == pytest.approx(2 * logs[0])


def test_a_branch_scale_moves_the_trunk_by_its_square() -> None:
    ends = [
        _q(_trace(f"repeat 10 {{ residual scale {s} {{ layernorm 64 ; relu ; linear 64 64 }} }}")) for s in (1.0, 0.5)
    ]
    assert ends[0] - 1 == pytest.approx(4 * (ends[1] - 1), rel=1e-3)


def test_the_batch_moves_batch_norm_and_nothing_else() -> None:
    body = "repeat 8 {{ linear 64 64 nobias ; {} relu }} ; linear 64 64"
    plain, normed = body.format(""), body.format("batchnorm ;")
    assert _ratio(_trace(plain, batch=4)) == _ratio(_trace(plain, batch=4096))
    small, large = _ratio(_trace(normed, batch=4)), _ratio(_trace(normed, batch=4096))
    assert small != pytest.approx(large, rel=1e-3)


def test_a_norm_before_the_head_leaves_the_trunk_and_fixes_the_head() -> None:
    trunk = "repeat 12 { residual { layernorm 64 ; relu ; linear 64 64 } }"
    bare, normed = _trace(f"{trunk} ; linear 64 64"), _trace(f"{trunk} ; layernorm 64 ; linear 64 64")
    assert [s.state.log_q for s in bare.stations[:-1]] == [s.state.log_q for s in normed.stations[:-1]]
    assert _q(normed) == pytest.approx(2.0, rel=1e-4)
    assert _q(bare) == pytest.approx(2 * _q(bare, -2), rel=1e-6)


def test_the_gain_moves_both_directions_of_a_relu_stack_alike() -> None:
    for gain in (0.9, 1.1):
        path = _trace("repeat 10 { linear 64 64 nobias ; relu }", f"he gain {gain}").main_path()
        assert path[-1].state.log_q - path[0].state.log_q == pytest.approx(9 * math.log(gain**2))
        assert path[0].log_g - path[-1].log_g == pytest.approx(9 * math.log(gain**2))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["relu", "leaky_relu 0.3", "prelu 0.1", "identity"]),
    st.floats(0.01, 100),
    st.integers(1, 12),
)
def test_the_relu_family_is_equivariant_to_scale(activation: str, scale: float, depth: int) -> None:
    text = f"repeat {depth} {{ linear 32 32 nobias ; {activation} }} ; linear 32 32 nobias"
    a = _trace(text, "std 0.2").stations
    b = _trace(text, f"std {0.2 * scale:.12f}").stations
    step = 2 * math.log(float(f"{0.2 * scale:.12f}") / 0.2)
    for i, (x, y) in enumerate(zip(a, b, strict=True), 1):
        assert y.state.log_q - x.state.log_q == pytest.approx(i * step, abs=1e-9)
        assert y.state.across == pytest.approx(x.state.across)


_BODIES = st.sampled_from(
    [
        "linear 32 32 ; gelu",
        "residual { layernorm 32 ; linear 32 32 ; relu ; linear 32 32 }",
        "attention 32 heads 4 ; layernorm 32",
        "residual { linear 32 32 ; tanh } ; batchnorm 32",
        "lstm 32 32",
        "linear 32 64 ; glu",
    ]
)


@settings(max_examples=30, deadline=None)
@given(_BODIES, st.integers(2, 6), st.sampled_from(["he", "pytorch", "gpt2", "orthogonal"]))
def test_a_repeat_is_traced_as_what_it_stands_for(body: str, times: int, init: str) -> None:
    repeated = _trace(f"input tokens 16x32\nrepeat {times} {{ {body} }} ; linear 32 8", init)
    unrolled = _trace("input tokens 16x32\n" + " ; ".join([body] * times) + " ; linear 32 8", init)
    for a, b in zip(repeated.stations, unrolled.stations, strict=True):
        assert a.state.log_q == pytest.approx(b.state.log_q, rel=1e-9, abs=1e-9)
        assert a.log_g == pytest.approx(b.log_g, rel=1e-9, abs=1e-9)


_ANY = st.sampled_from(
    [
        "conv 8 8 k3",
        "conv 8 8 k3 s2 g2",
        "convtranspose 8 8 k4 s2 p1",
        "depthwise 8 k3",
        "maxpool 2",
        "avgpool 2",
        "upsample 2",
        "upsample 2 linear",
        "groupnorm 4 8",
        "instancenorm 8",
        "batchnorm 8",
        "relu",
        "softmax",
        "log_softmax",
        "sigmoid",
        "dropout 0.5",
        'unknown "X()"',
        "residual { conv 8 8 k3 ; relu }",
        "concat { conv 8 4 k1 } { conv 8 4 k3 }",
        "product { conv 8 8 k1 ; sigmoid } { identity }",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_ANY, min_size=1, max_size=8), st.sampled_from(["he", "pytorch", "std 3", "zeros", "orthogonal"]))
def test_any_image_network_gives_products_below_their_second_moment_and_no_nan(steps: list[str], init: str) -> None:
    found = _trace(f"input 8x16x16 ; conv 8 8 k3 ; {' ; '.join(steps)} ; conv 8 8 k1", init, 8)
    for station in found.stations:
        state = station.state
        assert not math.isnan(state.log_q)
        assert not math.isnan(station.log_g)
        assert station.log_w is None or not math.isnan(station.log_w)
        assert -1 <= state.mean <= 1
        for distance in (state.across, state.within, state.apart):
            assert -1e-9 <= distance <= 2 + 1e-9


def test_white_noise_has_nothing_in_common() -> None:
    state = white_noise(Shape(3, (4, 4)))
    assert (state.log_q, state.mean, state.across, state.within, state.apart) == (0.0, 0.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("factor", [0.3, 1.0, 1e-6, 0.0])
def test_a_learnable_scale_in_a_branch_is_the_scale_of_the_branch(factor: float) -> None:
    inside = _trace(f"repeat 6 {{ residual {{ layernorm ; linear 32 32 ; tanh ; multiply {factor} learnable 32 }} }}")
    outside = _trace(f"repeat 6 {{ residual scale {factor} {{ layernorm ; linear 32 32 ; tanh }} }}")
    assert (_q(inside), _ratio(inside)) == pytest.approx((_q(outside), _ratio(outside)), rel=1e-9)
