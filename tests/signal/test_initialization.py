"""Initializations by name: the variance that each really gives."""

from __future__ import annotations

import math

import pytest

from kaiming_mcp.architecture.ir import Conv, Embedding, Linear, Recurrent
from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.signal.initialization import embedding_variance, recurrent_variances, truncated_variance, variances
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.trace import Trace, trace

WIDE, NARROW = Linear(64, 256), Linear(256, 64)
GAINS = [
    ("pytorch default", 1 / 3),
    ("he", 2),
    ("he normal", 2),
    ("kaiming_uniform_", 2),
    ("kaiming a sqrt(5)", 1 / 3),
    ("leaky 0.2 he", 2 / 1.04),
    ("he fan_out", 2 * 64 / 256),
    ("he fan_avg", 2 * 64 / 160),
    ("xavier", 2 * 64 / 320),
    ("glorot uniform", 2 * 64 / 320),
    ("xavier gain 5/3", 25 / 9 * 2 * 64 / 320),
    ("lecun", 1),
    ("orthogonal", 64 / 256),
    ("orthogonal gain sqrt(2)", 2 * 64 / 256),
    ("std 0.02", 64 * 4e-4),
    ("normal std=0.02", 64 * 4e-4),
    ("normal 1", 64),
    ("uniform 0.05", 64 * 0.05**2 / 3),
    ("truncated normal std 0.02", 64 * 4e-4 * 0.7737413),
    ("trunc_normal_(std=0.02)", 64 * 4e-4),
    ("keras", 2 * 64 / 320),
    ("flax", 1),
    ("zeros", 0),
    ("gpt2", 64 * 4e-4),
    ("GPT-2 style", 64 * 4e-4),
    ("std 1e-3", 64e-6),
]


@pytest.mark.parametrize(("text", "gain"), GAINS, ids=[g[0] for g in GAINS])
def test_a_name_gives_its_variance(text: str, gain: float) -> None:
    assert variances(parse_initialization(text), WIDE)[0] == pytest.approx(gain, rel=1e-6)


@pytest.mark.parametrize("text", ["", "magic", "he 3", "normal", "std x", "xavier gain 1/0", "he gain nan"])
def test_what_is_not_understood_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|Write|needs"):
        parse_initialization(text)


def test_a_described_initialization_reads_as_itself() -> None:
    for text, _ in GAINS:
        init = parse_initialization(text)
        again = parse_initialization(init.describe())
        assert variances(again, WIDE) == pytest.approx(variances(init, WIDE), rel=1e-3)
        assert again.branch == init.branch


def test_a_cut_normal_loses_variance() -> None:
    assert truncated_variance(2.0) == pytest.approx(0.7737413, abs=1e-7)
    assert truncated_variance(50.0) == 1.0


def test_delta_orthogonal_keeps_the_signal_and_loses_nothing_at_a_border() -> None:
    text = "input 32x16x16 ; repeat 10 { conv 32 32 k3 nobias ; tanh }"
    networks = read_notation(text).networks
    delta = trace(networks[0], parse_initialization("delta-orthogonal"), 8).stations[0]
    plain = trace(networks[0], parse_initialization("lecun"), 8).stations[0]
    assert math.exp(delta.state.log_q) == pytest.approx(1.0)
    assert math.exp(plain.state.log_q) < 0.95
    assert variances(parse_initialization("delta orthogonal"), Conv(8, 16, (3,), (1,), (1,), (1,)))[0] == 0.5


def test_tables_and_recurrent_matrices_follow_their_framework() -> None:
    assert embedding_variance(parse_initialization("pytorch"), Embedding(10, 64)) == 1
    assert embedding_variance(parse_initialization("flax"), Embedding(10, 64)) == 1 / 64
    assert embedding_variance(parse_initialization("keras"), Embedding(10, 64)) == pytest.approx(0.05**2 / 3)
    lstm = Recurrent("lstm", 32, 128)
    assert recurrent_variances(parse_initialization("pytorch"), lstm, 32) == pytest.approx((1 / 12, 1 / 3, 2 / 384, 0))
    assert recurrent_variances(parse_initialization("keras"), lstm, 32) == pytest.approx((64 / 544, 1 / 4, 0, 1))
    assert recurrent_variances(parse_initialization("flax"), lstm, 32) == (1, 1, 0, 0)


def _residual(init: str, blocks: int = 16) -> Trace:
    text = f"repeat {blocks} {{ residual {{ relu ; linear 64 64 nobias ; relu ; linear 64 64 nobias }} }}"
    return trace(read_notation(text).networks[0], parse_initialization(init), 8)


@pytest.mark.parametrize("init", ["fixup", "rezero", "skipinit", "he zero-init last", "zero last"])
def test_branches_that_start_at_zero_leave_the_trunk_alone(init: str) -> None:
    found = _residual(init)
    assert math.exp(found.stations[-1].state.log_q) == pytest.approx(1.0)
    assert math.exp(found.main_path()[0].log_g - found.main_path()[-1].log_g) == pytest.approx(1.0)


def test_gpt2_scales_the_last_projection_by_the_number_of_sums() -> None:
    stations = _residual("gpt2").stations
    first, last = stations[0].state.log_q, stations[1].state.log_q
    assert math.exp(first) == pytest.approx(64 * 4e-4 / 2, rel=1e-6)
    assert math.exp(last - first) == pytest.approx(64 * 4e-4 / 2 / 16, rel=1e-6)


def test_fixup_shrinks_the_inner_layer_by_the_depth() -> None:
    """m = 2 layers a branch: L^(-1/(2m-2)) = L^(-1/2) on the std, so 1/L on the variance."""
    assert math.exp(_residual("fixup").stations[0].state.log_q) == pytest.approx(1 / 16, rel=1e-6)


def test_deepnorm_and_t_fixup_scale_what_they_say() -> None:
    mlp = "residual { linear 64 64 ; relu ; linear 64 64 }"
    text = f"repeat 12 {{ residual {{ attention 64 }} ; layernorm 64 ; {mlp} ; layernorm 64 }}"
    network = read_notation(text).networks[0]
    plain = trace(network, parse_initialization("xavier"), 4)
    deep = trace(network, parse_initialization("deepnorm"), 4)
    small = trace(network, parse_initialization("tfixup"), 4)
    inner = [s for s in plain.stations if s.kind == "layer"][1].state.log_q
    assert [s for s in deep.stations if s.kind == "layer"][1].state.log_q - inner == pytest.approx(
        math.log((8 * 12) ** -0.5), abs=0.02
    )
    assert [s for s in small.stations if s.kind == "layer"][1].state.log_q - inner == pytest.approx(
        math.log(0.67**2 * 12**-0.5), abs=0.02
    )
    path = [t.main_path() for t in (plain, deep)]
    ratios = [p[0].log_g - p[-1].log_g for p in path]
    assert abs(ratios[1]) < abs(ratios[0])


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("std 1/sqrt(512)", f"std {512**-0.5!r}"),
        ("uniform sqrt(6/1000)/30", f"uniform {(6 / 1000) ** 0.5 / 30!r}"),
        ("std 0.02/sqrt(2*12)", f"std {0.02 / 24**0.5!r}"),
        ("normal(0, 0.02)", "std 0.02"),
        ("nn.init.normal_(m.weight, 0, 0.01)", "std 0.01"),
        ("N(0, 0.02^2)", "std 0.02"),
        ("N(0, 2/fan_in)", "he"),
        ("std sqrt(2/fan_out)", "he fan_out"),
        ("uniform(-sqrt(6/(fan_in+fan_out)), sqrt(6/(fan_in+fan_out)))", "xavier"),
        ("U(-0.05, 0.05)", "uniform 0.05"),
        ("kaiming_uniform_(self.weight, a=math.sqrt(5))", "he a 2.2360679775"),
        ("trunc_normal std 0.02", "truncated normal std 0.02 cut 100"),
    ],
)
def test_a_formula_is_worked_out(text: str, same: str) -> None:
    found, meant = parse_initialization(text), parse_initialization(same)
    assert (found.scheme, found.mode, found.cut) == (meant.scheme, meant.mode, meant.cut)
    assert (found.std, found.gain) == pytest.approx((meant.std, meant.gain), rel=1e-6)


def test_a_variance_or_a_standard_deviation_is_asked_for() -> None:
    with pytest.raises(ValueError, match="variance"):
        parse_initialization("N(0, 0.02)")


def test_weights_that_are_drawn_anew_leave_the_default_bias() -> None:
    """Hidden layers of a SIREN: E[x²] 0.0024 in torch, of which the bias is more than half."""
    text = 'input 2 ; linear 2 256 init "uniform 0.5 default bias" ; sin ; linear 256 256 init "uniform 0.0027{}"'
    kept, zeroed = (
        trace(read_notation(text.format(bias)).networks[0], parse_initialization("own pytorch"), 32).stations[-1].state
        for bias in (" default bias", "")
    )
    assert math.exp(kept.log_q) - math.exp(zeroed.log_q) == pytest.approx(1 / (3 * 256), rel=1e-6)
