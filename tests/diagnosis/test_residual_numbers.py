"""The numbers behind reframe_as_residual: closed forms, brute force and simulation agree."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kaiming_mcp.architecture.read import read_architecture
from kaiming_mcp.arithmetic import value_of
from kaiming_mcp.diagnosis.residual.block.depth import read_blocks, read_trained
from kaiming_mcp.diagnosis.residual.block.expression import read_expression, tokens_of
from kaiming_mcp.diagnosis.residual.block.formula import read_formula
from kaiming_mcp.diagnosis.residual.block.reader import blocks_of
from kaiming_mcp.diagnosis.residual.block.trunk import Map, course, described, even_scale, fixup_scale, log_growth
from kaiming_mcp.diagnosis.residual.columns import stats
from kaiming_mcp.diagnosis.residual.columns.roles import assign, elements
from kaiming_mcp.diagnosis.residual.columns.table import read_table
from kaiming_mcp.diagnosis.residual.words.laws import estimates
from kaiming_mcp.diagnosis.residual.words.said import read_horizon, read_samples, read_stated
from kaiming_mcp.signal.initialization import HE

Numbers = NDArray[np.float64]


def _autoregressive(n: int, rho: float, rng: np.random.Generator) -> Numbers:
    x = rng.standard_normal(n)
    for i in range(1, n):
        x[i] = rho * x[i - 1] + math.sqrt(1 - rho**2) * x[i]
    return x


# --- shares and their errors


@given(st.floats(0.1, 3), st.floats(-2, 2), st.floats(0.05, 2), st.integers(0, 500))
@settings(max_examples=40, deadline=None)
def test_the_share_left_is_one_plus_v_squared_minus_two_rho_v(
    scale: float, offset: float, noise: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(200)
    r = scale * x + noise * rng.standard_normal(200) + offset
    found = stats.left(x, r)
    assert found is not None
    v, rho = r.std() / x.std(), np.corrcoef(x, r)[0, 1]
    assert found.share == pytest.approx(1 + v**2 - 2 * rho * v, rel=1e-9)
    assert found.affine == pytest.approx((1 - rho**2) * 199 / 198, rel=1e-9)
    assert found.slope == pytest.approx(rho / v, rel=1e-9)
    assert found.mean_square == pytest.approx(np.mean((x - r) ** 2), rel=1e-9)


@given(st.floats(-50, 50), st.floats(0.01, 100), st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_units_and_zero_of_both_columns_do_not_matter(shift: float, factor: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(60)
    r = x + rng.standard_normal(60)
    one, other = stats.left(x, r), stats.left(factor * (x + shift), factor * (r - shift))
    assert one is not None and other is not None  # noqa: PT018
    assert other.share == pytest.approx(one.share, rel=1e-6)
    assert other.error == pytest.approx(one.error, rel=1e-4)


def _independent(rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    r = rng.standard_normal(250)
    return r + 0.5 * rng.standard_normal(250), r


def _persistent(rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    x = _autoregressive(600, 0.85, rng)
    return x[1:], x[:-1]


@pytest.mark.parametrize(
    ("draw", "truth"), [(_independent, 0.2), (_persistent, 2 * (1 - 0.85))], ids=["independent rows", "time series"]
)
def test_two_standard_errors_cover_the_true_share(draw: Callable[..., tuple[Numbers, Numbers]], truth: float) -> None:
    rng = np.random.default_rng(5)
    found = [stats.left(*draw(rng)) for _ in range(300)]
    inside = [abs(f.share - truth) < 2 * f.error for f in found if f is not None]
    assert 0.88 < np.mean(inside) < 0.985


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.8])
def test_the_correlation_time_of_ar1_is_one_plus_rho_over_one_minus_rho(rho: float) -> None:
    rng = np.random.default_rng(2)
    found = np.mean([stats.correlation_time(_autoregressive(4000, rho, rng)) for _ in range(10)])
    assert found == pytest.approx((1 + rho) / (1 - rho), rel=0.12)


def test_leave_one_out_is_what_leaving_one_out_gives() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((2, 40))
    x = 2 * a - b + rng.standard_normal(40)
    errors = []
    for i in range(40):
        rest = np.arange(40) != i
        made = np.column_stack([np.ones(39), a[rest], b[rest]])
        fit = np.linalg.lstsq(made, x[rest], rcond=None)[0]
        errors.append(x[i] - fit @ [1, a[i], b[i]])
    means = [(x[i] - np.delete(x, i).mean()) for i in range(40)]
    assert stats.leave_one_out(x, [a, b]) == pytest.approx(
        np.sum(np.square(errors)) / np.sum(np.square(means)), rel=1e-9
    )


def test_group_means_leave_out_the_row_itself() -> None:
    x = np.array([1.0, 3.0, 10.0, 14.0, 5.0, 5.5])
    labels = ("a", "a", "b", "b", "c", "c")
    found = stats.group_means(x, labels)
    expected = np.mean([4, 4, 16, 16, 0.25, 0.25]) / np.var(x, ddof=1)
    assert found == (pytest.approx(expected), 3)


def test_the_ratio_is_preferred_for_multiplicative_noise_and_not_for_additive() -> None:
    rng = np.random.default_rng(4)
    r = np.exp(1.5 * rng.standard_normal(300))
    for x, wanted in ((r * np.exp(0.3 * rng.standard_normal(300)), True), (r + 50 + rng.standard_normal(300), False)):
        found = stats.left(x, r)
        assert found is not None
        seen = stats.ratio(x, r, found.slope * r + found.offset)
        assert seen is not None
        assert (seen.gain > 2 * seen.error) is wanted


def test_a_reference_that_runs_ahead_is_told_from_one_that_follows() -> None:
    x = _autoregressive(400, 0.9, np.random.default_rng(6))
    ahead, behind = stats.shift(x[:-1], x[1:]), stats.shift(x[1:], x[:-1])
    assert ahead is not None and behind is not None  # noqa: PT018
    assert (ahead.rows, behind.rows) == (-1, 1)
    assert ahead.share == pytest.approx(0, abs=1e-12)
    assert stats.shift(x, x + 0.1) is None


# --- stated numbers


def _share(text: str) -> float | None:
    found = estimates(read_stated(text), read_horizon(text))
    return found[0].share if found else None


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("predict next-day temperature; the lag-1 autocorrelation is 0.7", 0.6),
        ("AR(1) with rho = 0.9, forecast 10 steps ahead", 2 * (1 - 0.9**10)),
        ("autocorrelation at 6 hours is 0.5, horizon 12 hours", 2 * (1 - 0.25)),
        ("decorrelation time 5 days, forecast 3 days ahead", 2 * (1 - math.exp(-0.6))),
        ("decorrelation time 2 hours, forecast 60 minutes ahead", 2 * (1 - math.exp(-0.5))),
        ("persistence RMSE 2.1 K, target std 4.2 K", 0.25),
        ("residual std 5 kcal/mol, standard deviation 35 kcal/mol", (5 / 35) ** 2),
        ("the residual variance is 0.5; the variance of the target is 2,5 K", 0.2),
        ("denoise at 10 dB SNR", 0.1),
        ("the coarse solver explains 92 % of the variance", 0.08),
        ("correlation 0.45 between R and X", 1.1),
        ("only 12 % of the variance remains: remaining 12 %", 0.12),
        ("MAE of the solver 1.0, std 4", math.pi / 2 / 16),
    ],
)
def test_stated_numbers_give_the_share_of_the_closed_form(text: str, share: float) -> None:
    assert _share(text) == pytest.approx(share, rel=1e-6)


@pytest.mark.parametrize(
    "text", ["std 4.2 K", "our model has RMSE 2 K, std 4 K", "a 3 % error rate", "5 layers", "", "rmse 3"]
)
def test_numbers_that_decide_nothing_give_no_share(text: str) -> None:
    assert not [e for e in estimates(read_stated(text), None) if e.kind == "share"]


def test_scaled_references_leave_what_simulation_leaves() -> None:
    rng = np.random.default_rng(7)
    x = rng.standard_normal(200_000)
    noisy = x + math.sqrt(10**0.5) * rng.standard_normal(200_000)
    law = estimates(read_stated("SNR of -5 dB"), None)[0]
    assert law.share == pytest.approx(np.var(x - noisy), rel=0.02)
    assert law.slope is not None
    assert law.scaled == pytest.approx(np.var(x - law.slope * noisy), rel=0.02)


@pytest.mark.parametrize(
    ("text", "kind", "value", "unit"),
    [
        ("std of 4.2K", "spread", 4.2, "K"),
        ("repeatability 3,2 %", "noise", 0.032, "%"),
        ("0.5 K noise and a spread of 3 K", "noise", 0.5, "K"),
        ("observation error 0.4 hPa", "noise", 0.4, "hPa"),
        ("rank 8", "rank", 8, ""),
        ("need 1 kcal/mol accuracy", "rmse", 1, "kcal/mol"),
    ],
)
def test_a_number_belongs_to_its_nearest_word(text: str, kind: str, value: float, unit: str) -> None:
    found = read_stated(text)[0]
    assert (found.kind, found.value, found.unit) == (kind, pytest.approx(value), unit)


def test_a_range_of_snr_is_read_at_both_ends() -> None:
    assert [s.value for s in read_stated("SNR between -5 and 10 dB")] == [-5, 10]


def test_counts_of_samples_are_no_metres_and_no_days() -> None:
    assert read_samples("7,000 molecules") == 7000
    assert read_samples("50k images of galaxies") == 50_000
    assert read_samples("2 m temperature at stations, 30 days") is None


# --- trunks


@pytest.mark.parametrize(
    ("step", "blocks", "log_q"),
    [
        (Map(), 20, 20 * math.log(2)),
        (Map(branch=1 / 50), 50, 50 * math.log(1.02)),
        (Map(degree=0.0), 40, math.log(41)),
        (Map(after=1 / math.sqrt(2)), 30, 0.0),
        (Map(branch=0.0), 1000, 0.0),
        (Map(skip=0.9, branch=0.0), 50, 100 * math.log(0.9)),
    ],
)
def test_a_trunk_grows_by_its_closed_form(step: Map, blocks: int, log_q: float) -> None:
    assert log_growth(step, blocks) == pytest.approx(log_q, abs=1e-9)


def test_scales_for_a_depth() -> None:
    assert even_scale(50) == pytest.approx(0.1414, abs=1e-4)
    assert math.exp(log_growth(Map(branch=even_scale(1000) ** 2), 1000)) < math.e
    assert fixup_scale(50, 2) == pytest.approx(50**-0.5)
    assert fixup_scale(16, 3) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("moment", "degree", "skip", "after", "closed"),
    [
        (1.0, 1.0, 1.0, (), 2.0**12),
        (1.0, 0.0, 1.0, (), 13.0),
        (0.25, 1.0, 1.0, (), 1.25**12),
        (1.0, 1.0, 0.9, (), 1.81**12),
        (1.0, 1.0, 1.0, ("scale-after 0.5",), 0.5**12),
        (1.0, 1.0, 1.0, ("norm-after norm",), 1.0),
    ],
)
def test_a_described_block_is_traced_to_its_closed_form(
    moment: float, degree: float, skip: float, after: tuple[str, ...], closed: float
) -> None:
    found = course(*described(moment, degree, skip, after), 12)
    assert found is not None
    assert found.sums == 12
    assert math.exp(found.log_q) == pytest.approx(closed, rel=1e-4)


def test_the_branch_is_measured_as_a_simulation_measures_it() -> None:
    network = read_architecture("residual { linear 256 512 ; relu ; linear 512 256 }").networks[0]
    block = blocks_of(network, HE)[0]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((256, 500))
    moments = []
    for _ in range(10):
        one = rng.standard_normal((512, 256)) * math.sqrt(2 / 256)
        two = rng.standard_normal((256, 512)) * math.sqrt(2 / 512)
        moments.append(np.mean((two @ np.maximum(one @ x, 0)) ** 2))
    assert block.moment == pytest.approx(np.mean(moments), rel=0.03)
    assert block.degree == pytest.approx(1)
    assert (block.layers, block.normed, block.ends) == (2, False, "layer")


# --- formulas, depth, columns


@pytest.mark.parametrize(
    ("text", "on_skip", "after", "branch"),
    [
        ("y = x + F(x)", [], [], 1.0),
        ("x_{l+1} = x_l + 0.1 F(x_l)", [], [], 0.1),
        ("x = (x + res(x)) / sqrt(2)", [], ["scale-after 0.7071"], 1.0),
        (r"x = \frac{1}{\sqrt{2}} (x + F(x))", [], ["scale-after 0.7071"], 1.0),
        ("h = 0.9*h + F(h)", [("scale", 0.9)], [], 1.0),
        ("y = selu(x + f(x))", [], ["activation-after selu"], 1.0),
        ("x = self.norm1(x + self.drop(self.attn(x)))", [], ["norm-after norm1"], 1.0),
        ("out += identity\nreturn F.relu(out)", [], ["activation-after relu"], 1.0),
        ("y = W_s x + F(x)", [("projection", None)], [], 1.0),
        ("y = dropout(x) + f(x)", [("dropout", None)], [], 1.0),
        ("H(x)*T(x) + x*(1 - T(x)), bias -6", [("gate", pytest.approx(1 - 1 / (1 + math.exp(6))))], [], 1.0),
        ("x = x + alpha * F(x), alpha = 0", [], [], 0.0),
        ("x = x + alpha * F(x)", [], [], None),
        ("y = x - F(x)", [], [], -1.0),
        (r"x = \lambda x + F(x), \lambda = 0.9", [("scale", 0.9)], [], 1.0),
        (r"x = x + \alpha F(x), \alpha = 0.2", [], [], 0.2),
    ],
)
def test_a_sum_in_a_formula_is_taken_apart(
    text: str, on_skip: list[tuple[str, float | None]], after: list[str], branch: float | None
) -> None:
    block = read_formula(text)
    assert block is not None
    assert [(o.kind, o.factor) for o in block.on_skip] == on_skip
    assert list(block.after) == after
    assert block.branch_factor == branch


@pytest.mark.parametrize("text", ["1 + 2 = 3", "the mean + two sigma", "a + b", "DFT + U", "x", "", "f(x)", "((((x +"])
def test_other_sums_are_no_blocks(text: str) -> None:
    assert read_formula(text) is None


@given(st.text(alphabet="x+-*/()sqrtf0123456789. ^,", max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_expression_is_read_or_left(text: str) -> None:
    node, _ = read_expression(tokens_of(text), 0)
    assert node is None or value_of(node) is None or math.isfinite(value_of(node) or 0.0)
    read_formula(text)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("ResNet-110 on CIFAR-10", 54),
        ("ResNet-50", 16),
        ("a 12-layer transformer", 24),
        ("over 50 blocks", 50),
        ("32 residual blocks", 32),
        ("a 56-layer plain net", 28),
        ("no number", None),
    ],
)
def test_sums_are_counted_as_networks_are_named(text: str, count: int | None) -> None:
    found = read_blocks(text, None)
    assert (found.count if found else None) == count


@pytest.mark.parametrize(
    ("text", "worse"),
    [
        ("20 layers: train error 6.2 %, 56 layers: train error 8.1 %", 0.019),
        ("training loss of the 56-layer net is 0.31, of the 20-layer net 0.25", 0.06),
        ("the net of 40 layers trains to 0.12 ± 0.01 and that of 20 layers to 0.15 ± 0.01", -0.03),
        ("20-layer: train acc 99 %, test 91 %; 56-layer: train acc 97 %, test 88 %", 0.02),
        ("training error is not higher for the deep net", 0.0),
        ("test error 8 % at 56 layers and 7 % at 20 layers", None),
    ],
)
def test_training_errors_at_two_depths_are_compared(text: str, worse: float | None) -> None:
    found = read_trained(text)
    assert (found.worse if found else None) == (None if worse is None else pytest.approx(worse))


def test_molecular_formulas_are_counted() -> None:
    assert elements("C2H6O") == {"C": 2, "H": 6, "O": 1}
    assert elements("NaCl") == {"Na": 1, "Cl": 1}
    assert elements("Xyz") is None
    assert elements("ethanol") is None


ROWS = "\n".join(f"{i}.5,{i}.25" for i in range(12))


@pytest.mark.parametrize(
    ("text", "reference", "prose", "target", "references"),
    [
        ("x,r\n" + ROWS, "", "", "x", ("r",)),
        ("r,x\n" + ROWS, "", "", "x", ("r",)),
        ("x,y\n" + ROWS, "", "", "y", ("x",)),
        ("a,b\n" + ROWS, "", "", "a", ("b",)),
        ("a,b\n" + ROWS, "a", "", "b", ("a",)),
        ("a,b\n" + ROWS, "", "target = b", "b", ("a",)),
        ("E_ccsd,E_b3lyp\n" + ROWS, "", "", "E_ccsd", ("E_b3lyp",)),
        ("persistence,obs\n" + ROWS, "", "", "obs", ("persistence",)),
    ],
)
def test_columns_are_told_apart_by_name_then_words_then_order(
    text: str, reference: str, prose: str, target: str, references: tuple[str, ...]
) -> None:
    table = read_table(text)
    assert table is not None
    roles = assign(table, reference, prose)
    assert (roles.target, roles.references) == (target, references)


def test_fill_values_are_no_measurements() -> None:
    rows = [f"{math.sin(i):.4f},{math.sin(i) + 0.1:.4f}" for i in range(30)]
    table = read_table("x,r\n" + "\n".join([*rows, "-9999,0.2", "0.3,-9999"]))
    assert table is not None
    assert table.fills == 2
    assert np.isnan(table.numbers["x"][30])
    assert np.isfinite(table.numbers["x"][:30]).all()


@pytest.mark.parametrize(
    "text",
    [
        "x: 1, 2, 3, 4, 5, 6, 7, 8.5\nr: 1, 2, 3, 4, 5, 6, 7, 8",
        '{"x": [1,2,3,4,5,6,7,8.5], "r": [1,2,3,4,5,6,7,8]}',
        '[{"x": 1.5, "r": 1}' + ', {"x": 2.5, "r": 3}' * 8 + "]",
        "| x | r |\n|---|---|\n" + "| 1.5 | 2 |\n" * 9,
        "x;r\n" + "1,5;2,25\n" * 9,
        "Pairs of two stations, in K:\nx r\n" + "1.5 2\n" * 9,
    ],
)
def test_tables_in_the_usual_forms_are_read(text: str) -> None:
    table = read_table(text)
    assert table is not None
    assert list(table.numbers) == ["x", "r"]
    assert table.rows >= 8
