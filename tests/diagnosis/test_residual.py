"""reframe_as_residual: what is left after a cheap reference, what a block adds, and when either hurts."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.diagnosis.residual.known import known, load_known
from kaiming_mcp.library import ContentError, content_root, library
from kaiming_mcp.replies.residual import EXAMPLE_CALL, NAME, residual_text
from kaiming_mcp.request import digest, read_request
from kaiming_mcp.scaffold import Scaffold, render

if TYPE_CHECKING:
    from tests.conftest import Golden

TEXTS = Path(__file__).parents[1] / "data" / "model_texts"


def _reframe(mapping: str, **rest: Any) -> Scaffold:
    return residual_text(library(), mapping, **rest)


def _csv(**columns: Any) -> str:
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(v if isinstance(v, str) else f"{v:.7g}" for v in row) for row in rows]
    return "\n".join([",".join(columns), *lines])


def _draw(n: int, seed: int = 0, count: int = 2) -> Any:
    return np.random.default_rng(seed).standard_normal((count, n))


def _series(n: int, rho: float, seed: int = 1) -> Any:
    x = np.random.default_rng(seed).standard_normal(n)
    for i in range(1, n):
        x[i] = rho * x[i - 1] + math.sqrt(1 - rho**2) * x[i]
    return x


def _value(scaffold: Scaffold, unit: str) -> float:
    value = next(f.value for f in scaffold.established if f.unit == unit)
    assert value is not None
    return value


def _titles(scaffold: Scaffold) -> str:
    return " | ".join(f.title for f in scaffold.findings)


def _check(scaffold: Scaffold) -> None:
    """What holds for every answer."""
    size = len(json.dumps(scaffold.structured(), ensure_ascii=False, allow_nan=False))
    assert scaffold.verdict
    if scaffold.needs:
        assert scaffold.example
        assert not scaffold.frame
        assert size < 1_200
        return
    assert size <= 8_000
    ids = [f.id for f in scaffold.established]
    assert len(ids) == len(set(ids))
    cited = {i for f in scaffold.findings for i in f.evidence} | {i for s in scaffold.frame for i in s.cites}
    assert cited <= set(ids)
    assert {i for line in scaffold.key_numbers for i in re.findall(r"\[([AF]\d+)\]", line)} <= set(ids)
    assert [s.field for s in scaffold.frame] == [f.name for f in scaffold.answer_form]
    assert 3 <= len(scaffold.frame) <= 6
    assert scaffold.findings or re.match(r"Sound|An identity skip|1/sqrt", scaffold.verdict)
    for finding in scaffold.findings:
        assert library().find(finding.principle.rpartition("/")[2]) is not None
        assert finding.evidence
        assert finding.remedy
        assert finding.test
    known_quotes = {q.text for p in library().principles.values() for q in p.quotes}
    assert scaffold.quotes
    assert all(q.text in known_quotes for q in scaffold.quotes)
    assert scaffold.first_change
    assert scaffold.measure


# --- columns


def test_a_forecast_against_persistence_is_measured_with_its_error() -> None:
    x = _series(800, 0.85)
    scaffold = _reframe("predict next-day anomaly", reference="persistence", data=_csv(x=x[1:], persistence=x[:-1]))
    _check(scaffold)
    share = np.var(x[1:] - x[:-1], ddof=1) / np.var(x[1:], ddof=1)
    assert _value(scaffold, "share left") == pytest.approx(share, rel=1e-6)
    assert scaffold.verdict.startswith("Predict x - persistence: it leaves 0.3")
    assert _value(scaffold, "MSE at step 0") == pytest.approx(np.mean((x[1:] - x[:-1]) ** 2), rel=1e-5)
    assert "rows follow each other" in render(scaffold)
    assert "below 1/2 from lag" in render(scaffold)


def test_a_reference_that_varies_too_much_is_fitted_first() -> None:
    t, e = _draw(400)
    scaffold = _reframe("correct the coarse solver", data=_csv(truth=t, coarse=1.4 * t + 2 + 0.3 * e))
    _check(scaffold)
    assert scaffold.verdict.startswith("Fit the reference before subtracting it")
    assert "The reference varies too much" in _titles(scaffold)
    rho = np.corrcoef(t, 1.4 * t + 2 + 0.3 * e)[0, 1]
    assert _value(scaffold, "share left by b R + a") == pytest.approx((1 - rho**2) * 399 / 398, rel=1e-4)


def test_a_reference_without_information_hurts_whatever_the_words_say() -> None:
    t, r = _draw(400)
    scaffold = _reframe("delta-learning on B3LYP", reference="b3lyp", data=_csv(ccsd=t, b3lyp=r))
    _check(scaffold)
    assert scaffold.verdict.startswith("The reference hurts")
    assert "says almost nothing" in scaffold.verdict
    assert scaffold.first_change.startswith("Do not subtract")


def test_a_slope_of_627_is_hartree_to_kcal() -> None:
    h, e = _draw(120)
    scaffold = _reframe("CCSD(T) from B3LYP", data=_csv(ccsd=627.51 * (0.02 * h - 0.1) + 0.2 * e, b3lyp=0.02 * h - 0.1))
    _check(scaffold)
    assert "hartree to kcal/mol (627.51)" in scaffold.verdict
    plain = _reframe("CCSD(T) from B3LYP", data=_csv(ccsd=2.3 * h + 0.2 * e, b3lyp=h))
    assert "hartree" not in plain.verdict


def test_nothing_is_left_at_the_noise_floor() -> None:
    t, e = _draw(500)
    data = _csv(obs=2 * t + 0.5 * e, model=2 * t)
    at_floor = _reframe("soil moisture from a land surface model; sensor noise 0.5", data=data)
    _check(at_floor)
    assert at_floor.verdict.startswith("Stop here")
    above = _reframe("soil moisture from a land surface model; sensor noise 0.1", data=data)
    assert above.verdict.startswith("Predict obs - model")
    assert "at most 0.95" in render(above) or "at most 0.96" in render(above)


def test_multiplicative_errors_ask_for_the_ratio() -> None:
    a, b = _draw(300)
    r = np.exp(1.5 * a)
    scaffold = _reframe("galaxy mass from a scaling relation", data=_csv(x=r * np.exp(0.3 * b), law=r))
    _check(scaffold)
    assert scaffold.verdict.startswith("Predict the ratio, not the difference")
    assert "ln X - ln R" in scaffold.first_change


def test_composition_is_found_in_columns_of_counts_and_in_formulas() -> None:
    rng = np.random.default_rng(2)
    c, h, o = rng.integers(1, 9, 200), rng.integers(2, 18, 200), rng.integers(0, 4, 200)
    energy = -37.9 * c - 0.55 * h - 75.1 * o + 0.02 * rng.standard_normal(200)
    counted = _reframe("DFT energy from structure", data=_csv(C=c, H=h, O=o, E=energy))
    formulas = [f"C{a}H{b}" + (f"O{d}" if d else "") for a, b, d in zip(c, h, o, strict=True)]
    written = _reframe("DFT energy from structure", data=_csv(formula=formulas, E=energy))
    for scaffold in (counted, written):
        _check(scaffold)
        assert scaffold.verdict.startswith("Subtract composition")
        assert "C -37.9, H -0.55, O -75.1" in render(scaffold)
        assert _value(scaffold, "share left by another") < 1e-6


def test_several_references_are_ranked_and_a_better_baseline_is_named() -> None:
    rng = np.random.default_rng(3)
    site = rng.integers(0, 8, 240)
    base, signal = (3 * rng.standard_normal(8))[site], rng.standard_normal(240)
    scaffold = _reframe(
        "biomass at field sites",
        data=_csv(
            site=[f"s{i}" for i in site],
            biomass=base + signal,
            lidar_model=base + 0.8 * rng.standard_normal(240),
            allometry=signal + rng.standard_normal(240),
        ),
    )
    _check(scaffold)
    shares = [f.statement for f in scaffold.established if f.unit == "share left"]
    assert "lidar_model" in shares[0]
    assert "allometry" in shares[1]
    assert "mean of the other rows of the same site" in scaffold.first_change
    assert "know different things" in _titles(scaffold)


def test_a_reference_that_holds_the_future_is_caught() -> None:
    x = _series(300, 0.97)
    scaffold = _reframe("forecast discharge, daily", data=_csv(day=np.arange(299), obs=x[:-1], model=x[1:]))
    _check(scaffold)
    assert scaffold.verdict.startswith("Align first: model runs 1 row ahead")
    late = _reframe("forecast discharge, daily", data=_csv(day=np.arange(299), obs=x[1:], persistence=x[:-1]))
    assert late.verdict.startswith("Predict obs - persistence")


def test_the_target_as_its_own_reference_is_doubted() -> None:
    t, _ = _draw(60)
    assert _reframe("predict yield", data=_csv(target=t, baseline=t)).verdict.startswith("Doubt the reference")


def test_a_few_rows_that_rule_the_residual_are_named() -> None:
    t, e = _draw(300)
    e[:2] = 40
    scaffold = _reframe("calibrate a sensor", data=_csv(target=10 * t, reference=10 * t + e))
    assert "A few rows rule the residual" in _titles(scaffold)
    assert "A few rows" not in _titles(_reframe("calibrate", data=_csv(target=10 * t, reference=10 * t + 3 * t[::-1])))


def test_counts_are_held_against_poisson() -> None:
    rng = np.random.default_rng(5)
    mean = np.exp(rng.standard_normal(400) + 2)
    scaffold = _reframe("counts of cases per district", data=_csv(cases=rng.poisson(mean), expected=mean))
    assert scaffold.verdict.startswith("Stop here")
    assert "Pearson dispersion" in render(scaffold)


def test_a_series_alone_is_its_own_persistence() -> None:
    x = _series(400, 0.5, seed=3)
    scaffold = _reframe("forecast the next step of this series", data="x\n" + "\n".join(f"{v:.5f}" for v in x))
    _check(scaffold)
    assert "worse than the mean" in scaffold.verdict
    assert re.search(r"0\.[345]\d* x\(t-1\)", scaffold.verdict)


def test_features_that_explain_the_residual_are_counted() -> None:
    t, e = _draw(400)
    f = np.random.default_rng(9).standard_normal(400)
    scaffold = _reframe("correct a solver", data=_csv(truth=t, coarse=t + 0.5 * f + 0.1 * e, mach=f))
    explained = next(f for f in scaffold.established if f.unit == "share of the residual").value
    assert explained == pytest.approx(0.25 / 0.26, abs=0.02)


# --- what changes when one thing changes


def test_rescaled_columns_change_the_units_and_not_the_share() -> None:
    t, e = _draw(200)
    one = _reframe("correct a solver", data=_csv(truth=t, coarse=t + 0.5 * e))
    other = _reframe("correct a solver", data=_csv(truth=1000 * t + 5, coarse=1000 * t + 500 * e + 5))
    assert _value(other, "share left") == pytest.approx(_value(one, "share left"), rel=1e-4)
    assert _value(other, "MSE at step 0") == pytest.approx(1e6 * _value(one, "MSE at step 0"), rel=1e-3)
    assert one.verdict[:40] == other.verdict[:40]


def test_another_reference_changes_its_share_and_leaves_the_rest() -> None:
    t, e = _draw(200)
    good, bad = (_reframe("correct a solver", data=_csv(truth=t, coarse=t + s * e)) for s in (0.3, 0.6))
    assert _value(bad, "share left") == pytest.approx(4 * _value(good, "share left"), rel=1e-3)
    assert good.established[0].statement == bad.established[0].statement
    assert [s.field for s in good.frame] == [s.field for s in bad.frame]


def test_rows_in_another_order_give_the_same_share() -> None:
    t, e = _draw(200)
    order = np.random.default_rng(1).permutation(200)
    texts = [_csv(truth=a, coarse=b) for a, b in ((t, t + e), (t[order], (t + e)[order]))]
    one, other = (_reframe("correct a solver", data=text) for text in texts)
    assert _value(one, "share left") == pytest.approx(_value(other, "share left"), rel=1e-9)


def test_a_shorter_memory_turns_persistence_from_help_to_harm() -> None:
    task = "predict next-day temperature field from today's"
    long, short = (_reframe(task, reference="persistence", data=f"lag-1 autocorrelation {r}") for r in (0.7, 0.4))
    assert "leaves 0.6 of the variance" in long.verdict
    assert "scaled by 0.7 it leaves 0.51" in long.verdict
    assert short.verdict.startswith("Persistence hurts")
    assert "leaves 0.84" in short.verdict
    assert [s.field for s in long.frame] == [s.field for s in short.frame]


PARAPHRASES = [
    [
        "predict next-day temperature field from today's",
        "forecast tomorrow's temperature field from the current field",
        "Given today's temperature map, what will it be one day ahead? (forecast)",
    ],
    ["denoise ECG", "remove noise from ECG recordings", "ECG denoising"],
    [
        "DFT energy from structure",
        "predict total energies of molecules",
        "Learn the DFT energy of molecules with a GNN",
    ],
]


@pytest.mark.parametrize("texts", PARAPHRASES, ids=lambda v: v[0][:20])
def test_other_words_for_one_mapping_give_one_reference(texts: list[str]) -> None:
    scaffolds = [_reframe(t) for t in texts]
    for scaffold in scaffolds:
        _check(scaffold)
    assert len({s.verdict for s in scaffolds}) == 1
    assert len({s.first_change for s in scaffolds}) == 1


# --- words


def test_noise_above_the_signal_makes_the_input_a_bad_reference() -> None:
    scaffold = _reframe("denoise ECG", reference="the noisy signal", data="SNR between -5 and 10 dB")
    _check(scaffold)
    assert "at -5 dB it leaves 3.16" in scaffold.verdict
    assert "at 10 dB it leaves 0.1" in scaffold.verdict
    assert "b = SNR/(1 + SNR)" in scaffold.first_change


def test_class_logits_have_no_identity_in_pixels() -> None:
    scaffold = _reframe("classify images into 1000 classes with a skip from the pixels to the logits")
    _check(scaffold)
    assert scaffold.verdict.startswith("No identity here")
    assert "Target far from identity" in " ".join(scaffold.limits)
    assert "Predict X - R" not in scaffold.verdict


def test_another_modality_is_no_reference() -> None:
    scaffold = _reframe("U-Net predicts CT from MRI with a global skip from input to output")
    _check(scaffold)
    assert scaffold.verdict.startswith("No identity here")
    assert "leaks the input's contrast" in render(scaffold)


def test_delta_learning_with_stated_errors_gives_share_goal_and_loss() -> None:
    scaffold = _reframe(
        "CCSD(T) energies from B3LYP for 7,000 molecules",
        reference="B3LYP",
        data="std of the target 240 kcal/mol, B3LYP RMSE 6 kcal/mol; need 1 kcal/mol accuracy",
    )
    _check(scaffold)
    assert _value(scaffold, "share left") == pytest.approx((6 / 240) ** 2)
    assert _value(scaffold, "goal") == pytest.approx(1 - 1 / 36)
    assert _value(scaffold, "MSE at step 0") == pytest.approx(36)
    assert _value(scaffold, "relative error") == pytest.approx(2 / math.sqrt(7000), rel=1e-5)


def test_units_that_differ_are_named() -> None:
    text = render(_reframe("energies in kcal/mol from DFT", reference="DFT energy in hartree"))
    assert "a factor of 627.51" in text
    assert "a factor of" not in render(_reframe("energies in kcal/mol from DFT", reference="DFT energy in kcal/mol"))


def test_a_low_rank_update_starts_at_the_frozen_model() -> None:
    scaffold = _reframe("LoRA fine-tuning of a language model, rank 8, hidden size 4096")
    _check(scaffold)
    assert scaffold.verdict.startswith("It is a residual by construction")
    assert "grad A is exactly 0" in render(scaffold)


def test_levels_of_prices_flatter() -> None:
    scaffold = _reframe("predict tomorrow's stock price with an LSTM; R2 0.98 on prices", reference="last price")
    _check(scaffold)
    assert scaffold.verdict.startswith("R² in levels near 1 is persistence")


def test_a_reanalysis_is_not_there_in_time() -> None:
    assert "Is the reference there at query time?" in _titles(
        _reframe("forecast wind 6 hours ahead", reference="ERA5 reanalysis")
    )
    assert "at query time?" not in _titles(_reframe("forecast wind 6 hours ahead", reference="GFS forecast"))


REQUESTS: list[dict[str, Any]] = [
    {"mapping": "predict next-day temperature field from today's"},
    {"mapping": "denoise ECG"},
    {"mapping": "DFT energy from structure"},
    {"mapping": "1x1 conv shortcut between stages"},
    {"mapping": "super-resolution of satellite images", "reference": "bicubic", "data": "bicubic PSNR 28 dB"},
    {"mapping": "precipitation nowcast from radar", "data": "50,000 sequences"},
    {"mapping": "PINN ansatz: u = g(x) + x*(1-x)*N(x)"},
    {"mapping": "Residual RL on top of a PID controller"},
    {
        "mapping": "neural surrogate for one time step of Navier-Stokes",
        "reference": "coarse solver explains 95 % of the variance",
    },
    {"mapping": "protein structure from sequence", "reference": "homologous template"},
    {"mapping": "hospital admissions per week", "reference": "expected count from population at risk"},
    {"mapping": "solubility from SMILES", "reference": "group contribution"},
    {"mapping": "emulate radiative transfer", "reference": "the old parameterisation; K/day, ours in K/s"},
    {"mapping": "skip scaled by 0.9 over 50 blocks"},
    {"mapping": "ReZero: x = x + alpha * F(x), alpha initialised to 0", "depth": 100},
    {"mapping": "residual { conv 64 64 k3 ; relu ; conv 64 64 k3 }", "depth": 50, "initialization": "he"},
    {"mapping": "DeepNorm: x = LN(2.6*x + F(x)) in a 200-layer transformer"},
    {"mapping": "linear 784 256 ; repeat 40 { relu ; linear 256 256 } ; relu ; linear 256 10", "initialization": "he"},
]


@pytest.mark.parametrize("arguments", REQUESTS, ids=lambda v: v["mapping"][:40])
def test_every_request_is_answered_in_form(arguments: dict[str, Any]) -> None:
    _check(_reframe(**arguments))


def test_different_requests_share_few_facts_and_findings() -> None:
    telling = ("- [", "- **D", "  Do:", "  Test:", "**Verdict")
    texts = [{t for t in render(_reframe(**a)).splitlines() if t.startswith(telling)} for a in REQUESTS]
    for i, one in enumerate(texts):
        for other in texts[i + 1 :]:
            assert len(one & other) < 0.5 * min(len(one), len(other))


# --- blocks


def test_a_he_branch_without_norm_doubles_and_one_over_root_l_holds_it() -> None:
    scaffold = _reframe("residual { linear 64 64 ; relu ; linear 64 64 }", depth=30, initialization="xavier")
    _check(scaffold)
    assert _value(scaffold, "a²") == pytest.approx(0.5)
    assert _value(scaffold, "E[x_L²]") == pytest.approx(1.5**30, rel=1e-6)
    assert _value(scaffold, "branch scale") == pytest.approx(1 / math.sqrt(15))
    assert scaffold.verdict.startswith("Scale the branches: over 30 sums")


def test_depth_changes_the_scale_and_not_the_branch() -> None:
    block = "residual { linear 64 64 ; relu ; linear 64 64 }"
    few, many = (_reframe(block, depth=d, initialization="he") for d in (10, 1000))
    assert _value(few, "a²") == _value(many, "a²") == pytest.approx(2)
    assert _value(few, "branch scale") / _value(many, "branch scale") == pytest.approx(10)
    assert "gives E[x²] = 2.59" in next(f.statement for f in few.established if f.unit == "branch scale")


def test_a_pre_norm_trunk_grows_by_one_a_block() -> None:
    block = "residual { layernorm 64 ; linear 64 64 ; relu ; linear 64 64 }"
    scaffold = _reframe(block, depth=40, initialization="xavier")
    _check(scaffold)
    assert scaffold.verdict.startswith("Sound")
    assert _value(scaffold, "E[x_L²]") == pytest.approx(1 + 40 * 0.5, rel=0.01)
    assert "grows" not in _titles(scaffold)


@pytest.mark.parametrize(
    ("mapping", "depth", "part", "number"),
    [
        ("1x1 conv on every shortcut of a ResNet-110", 0, "Take the projection off", "12.22"),
        ("highway gate on the skip, bias 0, ResNet-110", 0, "Take the gate off the skip: it leaves 5.55e-17", "12.86"),
        ("highway gate on the skip, bias -6, ResNet-110", 0, "it leaves 0.875", "6.91"),
        ("skip scaled by 0.9 over 50 blocks", 0, "it leaves 0.00515", "12.35"),
        ("dropout on the skip", 50, "Clear the skip", "failed to converge"),
        ("a single-layer branch: skip around every layer", 20, "No benefit is expected", "9.90"),
        ("residual { linear 64 64 }", 20, "No benefit is expected", "9.90"),
        ("residual { linear 64 64 ; tanh ; linear 64 64 } ; layernorm", 24, "Post-norm", "8.17"),
        (
            "residual { conv 8 8 k3 ; batchnorm ; relu ; conv 8 8 k3 ; batchnorm } ; relu",
            333,
            "Move relu into the branch",
            "4.92",
        ),
        (
            "residual { conv 8 8 k3 ; relu ; conv 8 8 k3 } shortcut { conv 8 8 k1 }",
            54,
            "Take the projection off",
            "12.22",
        ),
        ("1x1 conv shortcut between stages", 0, "Keep the projection where the size changes", "24.52"),
    ],
)
def test_what_stands_on_the_sum_is_met_with_its_figures(mapping: str, depth: int, part: str, number: str) -> None:
    scaffold = _reframe(mapping, depth=depth)
    _check(scaffold)
    assert part in scaffold.verdict
    assert number in render(scaffold)


def test_an_identity_skip_raises_none_of_these() -> None:
    block = "residual { batchnorm ; relu ; conv 64 64 k3 ; batchnorm ; relu ; conv 64 64 k3 }"
    scaffold = _reframe(block, depth=54, initialization="he")
    assert scaffold.verdict.startswith("Sound")
    assert not [f for f in scaffold.findings if f.severity in ("high", "medium")]


def test_the_sum_that_cannot_be_taken_is_said() -> None:
    scaffold = _reframe("conv 64 128 k3 s2 ; relu ; conv 128 128 k3", depth=20)
    _check(scaffold)
    assert scaffold.verdict.startswith("No identity fits round this stretch: 64 to 128 features")


def test_a_class_with_open_sizes_is_read_with_usual_ones() -> None:
    source = (
        "class Block(nn.Module):\n    def __init__(self, d):\n        super().__init__()\n"
        "        self.a = nn.Linear(d, 4 * d)\n"
        "        self.b = nn.Linear(4 * d, d)\n        self.n = nn.LayerNorm(d)\n    def forward(self, x):\n"
        "        return x + self.b(F.gelu(self.a(self.n(x))))\n"
    )
    scaffold = _reframe(source, depth=24, initialization="xavier")
    _check(scaffold)
    assert "d=64 taken" in render(scaffold)
    assert _value(scaffold, "a²") > 0.1


def test_printed_networks_are_judged_as_a_whole() -> None:
    scaffold = _reframe((TEXTS / "03_repr_resnet18.txt").read_text("utf-8"), initialization="he")
    _check(scaffold)
    assert "at 18 layers" in scaffold.verdict
    vgg = _reframe((TEXTS / "04_repr_vgg16.txt").read_text("utf-8"))
    assert "not deep enough to need them" in vgg.verdict


@pytest.mark.parametrize(
    ("mapping", "verdict"),
    [
        ("20 layers: train error 6.2 %, 56 layers: train error 8.1 %; add skips?", "Degradation"),
        ("56 layers: training loss 0.11 ± 0.02, 20 layers: training loss 0.15 ± 0.02; add skips?", "No degradation"),
        ("20 layers: training loss 0.15 ± 0.02, 56 layers: training loss 0.16 ± 0.02; add skips?", "No degradation"),
        (
            "1202 layers test worse than 110, training error below 0.1 % in both. Would more skips help?",
            "No degradation",
        ),
    ],
)
def test_only_a_higher_training_error_of_the_deeper_net_is_degradation(mapping: str, verdict: str) -> None:
    scaffold = _reframe(mapping)
    _check(scaffold)
    assert scaffold.verdict.startswith(verdict)


def test_vanishing_gradients_are_told_from_degradation() -> None:
    scaffold = _reframe("We add skips to fix vanishing gradients in our 18-layer plain CNN")
    _check(scaffold)
    assert "Degradation is not vanishing gradients" in _titles(scaffold)
    assert scaffold.quotes[0].text.startswith("We argue that this optimization difficulty is unlikely")
    assert "27.94" in scaffold.verdict


# --- kinds from real threads (ids of the cases)


def test_a01_the_index_in_the_scale_is_the_trunks_variance() -> None:
    line = (
        "for i, block in enumerate(blocks): block.initialize(fixup_scale = 1/sqrt(i+1)) ; each block normalises its "
        "branch to variance 1"
    )
    for depth, variance, deviation in ((10, 11, "3.32"), (20, 21, "4.58"), (40, 41, "6.4")):
        scaffold = _reframe(line, depth=depth)
        _check(scaffold)
        assert _value(scaffold, "trunk variance") == variance
        assert f"{variance} (sd {deviation}) after {depth} blocks" in render(scaffold)
        assert _value(scaffold, "E[x_L²]") == pytest.approx(variance, rel=1e-3)


def test_a05_a_missing_root_two_doubles_the_variance() -> None:
    bare = _reframe("discriminator block: x = conv2(conv1(x)); x = x + res(x)   (no scaling) x 7 blocks")
    _check(bare)
    assert _value(bare, "E[x_L²]") == pytest.approx(128, rel=1e-3)
    divided = _reframe("discriminator block: x = (x + res(x)) / sqrt(2), 7 blocks")
    assert _value(divided, "E[x_L²]") == pytest.approx(1, rel=1e-3)
    assert _value(divided, "product") == pytest.approx(2**-3.5)


def test_a06_a_branch_that_ends_in_relu_and_dropout_only_rises() -> None:
    block = (
        "residual { conv1d 96 48 k3 nobias ; batchnorm ; relu ; conv1d 48 96 k1 nobias ; batchnorm ; relu ; "
        "dropout 0.3 }"
    )
    scaffold = _reframe(block, depth=11)
    _check(scaffold)
    assert "End the branch with its weights" in scaffold.verdict
    assert "7.84" in render(scaffold)


def test_a09_selu_after_a_sum_of_two_unit_signals() -> None:
    scaffold = _reframe("y = selu(x + f(x)) ; x, f(x) each mean 0 var 1")
    _check(scaffold)
    text = render(scaffold)
    assert "(x + F)/sqrt(2) has 1, (x + F)/2 only 0.5" in scaffold.verdict
    assert "slope 0.783" in text
    assert "x1.0716" in text
    assert "(4, 8, ... if nothing brings it back)" in text


def test_a12_relu_and_skips_for_a_pinn_are_half_right() -> None:
    scaffold = _reframe(
        "Suggests ReLU activations and residual connections for an 8-layer tanh PINN; "
        "Dense(20, tanh) x 8 -> Dense(1); PDE with u_xx"
    )
    _check(scaffold)
    assert scaffold.verdict.startswith("A ReLU network has no second derivative: keep a smooth nonlinearity")
    assert "27.94" in render(scaffold)
    tanh = _reframe("residual connections for an 8-layer tanh PINN with u_xx")
    assert "second derivative" not in _titles(tanh)


def test_s02_total_energies_are_composition_first() -> None:
    scaffold = _reframe(
        "Total or atomisation energies as targets? E_total (Hartree), molecules of different size/composition; "
        "atomisation energies have a range of about -4..0 Ha"
    )
    _check(scaffold)
    text = render(scaffold)
    assert scaffold.verdict.startswith("Subtract the composition first")
    assert "C -37.84" in text
    assert "sum over atoms" in text
    assert "is 9.31e-04 of that" in text
    assert "permutation" in text or "relabelling" in text


def test_v02_a_naive_skip_drifts_and_a_pre_norm_one_does_not() -> None:
    naive = _reframe("repeat 20 { residual { conv 16 16 k3 ; relu } } ; globalpool ; linear 16 5")
    _check(naive)
    assert "never negative" in naive.verdict
    assert "common mean" in naive.verdict
    normed = _reframe("repeat 20 { residual { groupnorm 4 ; relu ; conv 16 16 k3 } } ; globalpool ; linear 16 5")
    assert "never negative" not in render(normed)


def test_v03_a_zero_factor_has_no_gradient_on_the_other() -> None:
    assert "grad A is exactly 0, grad B is not" in render(
        _reframe("lora.Linear(784, 256, r=4) adapters, LoRA on a sigmoid net")
    )


def test_a04_copies_of_one_layer_grow_faster() -> None:
    text = render(_reframe((TEXTS / "10_repr_torch_transformer_encoder12_preln.txt").read_text("utf-8")))
    found = re.search(r"becomes ([\d.e+]+) .* with weights of their own it would be ([\d.e+]+)", text)
    assert found
    assert float(found[1]) > float(found[2])


RARE: list[tuple[dict[str, Any], str]] = [
    ({"mapping": "residual { linear 64 64 ; relu ; linear 64 64 } shortcut { relu }", "depth": 12}, "Clear the skip"),
    ({"mapping": "residual { linear 64 64 ; relu ; linear 64 64 } shortcut { layernorm 64 }"}, "a norm stands on it"),
    ({"mapping": "we concatenate the skip with the branch in each block"}, "Concatenation is no identity"),
    ({"mapping": "y = act(x + f(x))"}, "act after the add"),
    ({"mapping": "y = x + F(x)", "depth": 5_000}, "closed form, (1 + a²)^L"),
    ({"mapping": "linear 64 64 ; relu ; linear 64 64", "depth": 10}, "with an identity skip round each of 10 copies"),
    ({"mapping": "residual { linear 64 64 ; relu ; linear 64 64 ; sigmoid }"}, "Doing nothing cannot be represented"),
    (
        {"mapping": "predict yield", "data": "yield\n" + "\n".join(f"{(7 * i) % 11}.5" for i in range(12))},
        "stands alone",
    ),
    (
        {"mapping": "energy", "data": "C,H,E\n" + "\n".join(f"{i % 3},{i % 4},{(i * i) % 7}.5" for i in range(40))},
        "None of the columns is a reference",
    ),
    ({"mapping": "atomisation energies of molecules from structure"}, "Free atoms are subtracted already"),
    ({"mapping": "correct a solver", "data": "correlation 0.8 between R and X"}, "0.36"),
    ({"mapping": "correct a solver; std 4 K, rmse 0.5 K, sensor noise 0.6 K"}, "Stop at the reference"),
    ({"mapping": "correct a solver; std 5 K, solver RMSE 1 K, we need 2 K RMSE"}, "meets the goal 2 K by itself"),
    ({"mapping": "super-resolution of satellite images"}, "only after a transform"),
    ({"mapping": "correct a solver; of the variance the remaining 12 %"}, "stated: 0.12 of the variance is left"),
]


@pytest.mark.parametrize(("arguments", "part"), RARE, ids=lambda v: v["mapping"][:30] if isinstance(v, dict) else "")
def test_what_is_rarely_said_is_said_in_form(arguments: dict[str, Any], part: str) -> None:
    scaffold = _reframe(**arguments)
    _check(scaffold)
    assert part in render(scaffold)


def test_noise_is_weighed_and_equal_references_are_not_ranked() -> None:
    t, e = _draw(300)
    first, second = _draw(300, seed=4)
    data = _csv(obs=t + 0.5 * e, nwp=t + 0.1 * first, gfs=t + 0.1 * second)
    much, more = (render(_reframe("calibrate the sensor", data=f"sensor noise {s}\n{data}")) for s in (0.35, 0.9))
    assert "Much of the residual is noise" in much
    assert "cannot be told apart" in much
    assert "varies less than the noise allows" in more


# --- the tool


@pytest.mark.parametrize(
    "mapping", ["", "hello", "   ", "????", "asdf qwer zxcv", "please help me", "🙂" * 50, "x\ty\nz"]
)
def test_nothing_said_gets_a_short_reply_with_an_example(mapping: str) -> None:
    scaffold = _reframe(mapping)
    assert scaffold.needs
    _check(scaffold)


def test_too_few_rows_are_counted() -> None:
    assert "`data` holds 2 rows" in _reframe("predict x", data="x,r\n1,2\n2,3.5").needs
    assert "`data` holds 2 rows" in " ".join(_reframe("denoise ECG", data="x,r\n1,2\n2,3.5").limits)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"depth": -1}, "`depth`"),
        ({"depth": 10**7}, "`depth`"),
        ({"initialization": "magic"}, "`initialization`"),
        ({"data": "x,r\n" + "1,2\n" * 9}, "constant"),
        ({"mapping": "residual { conv 3 }"}, "`mapping`"),
        ({"mapping": "path:net.py"}, "`mapping`"),
        ({"data": "path:pairs.csv"}, "`data`"),
    ],
)
def test_an_error_names_the_argument_and_shows_a_valid_one(arguments: dict[str, Any], part: str) -> None:
    with pytest.raises(ToolError, match=part) as error:
        _reframe(**{"mapping": "denoise ECG", **arguments})
    assert re.search(r"xample|e\.g\.", str(error.value))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=300), st.text(max_size=80), st.text(max_size=200), st.integers(0, 100_000))
def test_any_text_is_answered(mapping: str, reference: str, data: str, depth: int) -> None:
    try:
        _check(_reframe(mapping, reference=reference, data=data, depth=depth))
    except ToolError as error:
        assert "`" in str(error)


WORDS = st.sampled_from(
    "predict denoise forecast energy residual skip gate dropout x + F(x) 0.9 50 blocks layers std 3 K rmse 1e-3 5 % "
    "SNR -5 dB R2 0.9 train error , ; . ( ) / sqrt(2) relu norm he gpt transformer from today's structure LoRA rank 8 "
    "±0.3 1,000 nan inf autocorrelation 0.7 ahead days noise 0 correlation -1 hartree price y= *x".split(" ")
)


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS, max_size=25), st.lists(WORDS, max_size=6), st.lists(WORDS, max_size=12), st.integers(0, 500))
def test_any_mixture_of_telling_words_is_answered(a: list[str], b: list[str], c: list[str], depth: int) -> None:
    try:
        _check(_reframe(" ".join(a), reference=" ".join(b), data=" ".join(c), depth=depth))
    except ToolError as error:
        assert "`" in str(error)


NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.integers(-5, 5), st.sampled_from(["", "NA", "-9999", "1e400"])
)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=8, max_size=40),
    st.sampled_from(["x,r,f", "t,x,r", "E,C,H"]),
)
def test_any_columns_are_measured_or_refused(rows: list[tuple[Any, ...]], names: str) -> None:
    data = "\n".join([names, *(",".join(str(v) for v in row) for row in rows)])
    try:
        _check(_reframe("forecast the next step", reference="r", data=data))
    except ToolError as error:
        assert "`data`" in str(error)


def test_long_texts_are_answered() -> None:
    for arguments in (
        {"mapping": "x + f(x) " * 200_000},
        {"mapping": "\n" * 1_500_000},
        {"mapping": "denoise", "data": "1 " * 900_000},
        {"mapping": "forecast", "data": "x,r,t\n" + "".join(f"{i % 7}.5,{i % 5}.25,{i}\n" for i in range(90_000))},
    ):
        try:
            assert _reframe(**arguments).verdict
        except ToolError as error:
            assert "`" in str(error)


@pytest.mark.parametrize("arguments", [a for a in REQUESTS if "path" not in a], ids=lambda v: v["mapping"][:40])
def test_the_request_line_gives_the_same_facts_again(arguments: dict[str, Any]) -> None:
    line = read_request(_reframe(**arguments).request)
    assert line.tool == NAME
    again = residual_text(library(), **line.args)
    assert digest([f for f in again.established if f.id not in line.apart]) == line.facts


def test_the_example_is_answered() -> None:
    assert "leaves 0.6 of the variance" in render(residual_text(library(), **json.loads(EXAMPLE_CALL)))


# --- the content


def test_the_lists_cite_and_refer_to_what_exists() -> None:
    lists = known()
    used = {r for m in lists.mappings for r in m.references}
    assert used <= {r.id for r in lists.references}
    assert {o.place for o in lists.operations} == {"skip", "after", "branch"}
    assert all(u.factor > 0 for u in lists.units)
    for reference in lists.references:
        assert re.search(r"\d|=|Var|loss|score|share|autocorrelation", reference.test), reference.id


def test_a_fault_in_the_lists_names_file_and_field(tmp_path: Path) -> None:
    for folder in ("residual", "science"):
        (tmp_path / folder).mkdir()
        for path in (content_root() / folder).glob("*.yaml"):
            (tmp_path / folder / path.name).write_text(path.read_text("utf-8"), "utf-8")
    mappings = tmp_path / "residual" / "mappings.yaml"
    good = mappings.read_text("utf-8")
    mappings.write_text(good.replace("[noisy-input, template]", "[noisy-inputs, template]", 1), "utf-8")
    with pytest.raises(ContentError, match=r"mappings\.yaml: denoising\.references: 'noisy-inputs'"):
        load_known(tmp_path, set(library().sources))
    mappings.write_text(good.replace("space: same", "space: some", 1), "utf-8")
    with pytest.raises(ContentError, match=r"mappings\.yaml: denoising\.space"):
        load_known(tmp_path, set(library().sources))


def _noise(n: int, seed: int) -> list[float]:
    """Sums of twelve uniforms by a generator of our own, so that golden numbers are the same everywhere."""
    state, found = seed, []
    for _ in range(n):
        total = -6.0
        for _ in range(12):
            state = (1103515245 * state + 12345) % 2**31
            total += state / 2**31
        found.append(total)
    return found


def _golden_columns() -> str:
    x = [0.0]
    for e in _noise(200, 7):
        x.append(0.8 * x[-1] + 0.6 * e)
    model = [0.9 * v + 0.35 * e for v, e in zip(x, _noise(201, 11), strict=True)]
    lines = [f"{t},{x[t]:.3f},{x[t - 1]:.3f},{model[t]:.3f}" for t in range(1, 201)]
    return "\n".join(["day,obs,persistence,nwp", *lines])


GOLDEN: dict[str, dict[str, Any]] = {
    "residual_columns": {"mapping": "forecast tomorrow's anomaly; sensor noise 0.1 K", "data": _golden_columns()},
    "residual_block": {
        "mapping": "residual { conv 64 64 k3 ; relu ; conv 64 64 k3 } ; relu",
        "depth": 50,
        "initialization": "he",
    },
    "residual_words": {
        "mapping": "Predict next-day temperature field from today's",
        "reference": "persistence",
        "data": "lag-1 autocorrelation 0.7, std 5 K, instrument noise 0.3 K, 4,000 rows",
        "depth": 12,
    },
    "residual_energy": {"mapping": "DFT energies (hartree) of molecules of C, H, N, O from their structure"},
    "residual_gate": {
        "mapping": "highway gate on the skip, bias 0, 50 blocks; is it a good idea against vanishing gradients?"
    },
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_reframings_are_what_was_signed(name: str, golden: Golden) -> None:
    scaffold = _reframe(**GOLDEN[name])
    _check(scaffold)
    golden.check(name, render(scaffold))


@pytest.mark.parametrize("name", GOLDEN)
def test_the_first_ten_lines_hold_verdict_three_numbers_and_one_change(name: str) -> None:
    head = "\n".join(render(_reframe(**GOLDEN[name])).splitlines()[:10])
    assert "**Verdict.**" in head
    assert "**First change.**" in head
    assert head.count("\n- ") in (2, 3)
