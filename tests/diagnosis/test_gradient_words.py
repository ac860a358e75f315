"""What sentences state, and what stands beside the verdict: frozen layers, an idle clip, zeros and their print."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from kaiming_mcp.diagnosis.gradients import data_words, words
from kaiming_mcp.library import library
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.scaffold import Scaffold

LEARNS = "\n".join(f"step {10 * i} loss {2.3 * 0.8**i:.4f}" for i in range(10))


def diagnosed(**texts: Any) -> Scaffold:
    return diagnose_text(library(), **texts)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("raw uint8 images go in", [("pixels", 0, 255)]),
        ("pixel values 0..255 as float", [("pixels 0..255", 0, 255)]),
        ("pixel values 0..255, divided by 255", []),
        ("stock prices (1500-4200, unscaled)", [("prices", 1500, 4200)]),
        ("features between 95,000 and 105,000, not normalized", [("features", 95_000, 105_000)]),
        ("features between 0 and 500, standardized before", []),
        ("the column ranges from 1.2e6 to 3.4e6", [("column", 1.2e6, 3.4e6)]),
        ("depth in mm (0 to 9000), unnormalised", [("the input", 0, 9000)]),
        ("labels about -4.1e3", [("labels", -4.1e3, 0)]),
        ("labels about 4.1e3, standardised to unit variance", []),
        ("raw int16 audio", [("int16 values", -32768, 32767)]),
        ("int16 audio, divided by 32768", []),
        ("weights not scaled, 100 to 500 epochs", []),
    ],
)
def test_ranges_of_data_that_nobody_scaled(text: str, found: list[tuple[str, float, float]]) -> None:
    assert [tuple(r) for r in data_words.ranges(text)] == found


def test_features_are_described_in_lines_and_tables() -> None:
    line = "X.describe(): income mean 52000 std 31000; age mean 41 std 12"
    table = "features\nname  mean  std\nincome  52000.0  31000\nage  41  12"
    for text in (line, table):
        assert list(data_words.described(text)) == [("income", 52000, 31000), ("age", 41, 12)]
    assert list(data_words.described("features: fc1 mean 0.4 std 0.6")) == []


def test_cosines_come_from_spread_and_distance_where_only_these_are_printed() -> None:
    cosines = "a: cos(x_i, x_j) 0.5\nb: cos(x_i, x_j) 0.9\nc: cos(x_i, x_j) 0.99"
    spread = "1 mean 0.5 std across samples 0.5\n3 mean 0.5 std across samples 0.05\n5 mean 0.5 std across samples 0"
    distance = "\n".join(
        f"l{i}: mean ||h|| 2.0, mean distance between two samples {x}" for i, x in ((1, 2), (2, 0.2), (3, 0))
    )
    assert words.alike(cosines) == (("a", 0.5), ("b", 0.9), ("c", 0.99))
    assert [x for _, x in words.alike(spread)] == pytest.approx([0.5, 1 / 1.01, 1])
    assert [x for _, x in words.alike(distance)] == pytest.approx([4 / 6, 4 / 4.02, 1])


def test_shares_terms_ratios_and_depths_are_read_from_sentences() -> None:
    assert words.saturated("body.1: fraction |tanh|>0.99 = 71.3%") == (("body.1", pytest.approx(0.713)),)
    assert words.zero_share("61% of the gradient values are exactly 0") == pytest.approx(0.61)
    assert words.zero_share("layer0 nonzero grads: 16 / 64") == pytest.approx(0.75)
    assert words.loss_terms("loss at epoch 0: pde 3.1e12, bc 0.8") == {"pde": 3.1e12, "bc": 0.8}
    assert words.ratio_by_depth("grad ratio first/last: D=5 0.21, D=10 8.1e-3") == [(5, 0.21), (10, 8.1e-3)]
    assert words.accuracy_by_depth("train accuracy: 2 layers 98%, 8 layers 55%") == [(2, 0.98), (8, 0.55)]
    assert words.before_output("pre-sigmoid output has mean -14.2") == -14.2
    assert words.without_gradient("fc2.weight.grad is all zeros, fc1 is fine") == ["fc2.weight"]
    unused = "Parameters which did not receive grad for rank 0: aux.weight, aux.bias"
    assert words.without_gradient(unused) == ["aux.weight", "aux.bias"]


@pytest.mark.parametrize(
    "text", ["", "a", "0" * 5_000, "1 " * 5_000, "mean std " * 2_000, "|" * 9_000, "loss term " * 3_000]
)
def test_no_text_takes_long_or_breaks(text: str) -> None:
    for read in (words.alike, words.loss_terms, words.saturated, words.zero_share, words.before_output, words.gates):
        read(text)
    assert words.before_activation(text) is not None
    assert list(data_words.called(f"x.mean() [{text}")) == []
    assert list(data_words.ranges(text)) is not None
    assert list(data_words.described(text)) is not None


def test_a_run_that_learns_is_not_accused_because_its_clip_never_binds() -> None:
    log = "\n".join(f"step {i} loss {2.3 * 0.8**i:.4f} grad_norm 0.{5 + i % 3}" for i in range(10))
    scaffold = diagnosed(measurements=log, training="clip_grad_norm_(1.0)")
    assert scaffold.mechanism == "nothing_wrong"
    assert "a clip that never binds" in scaffold.verdict
    assert scaffold.findings[1].severity == "note"


@pytest.mark.parametrize(
    "losses",
    [
        [2.9, 2.91, 2.88, 2.9, 2.92, 2.89, 2.9, 2.91],
        [3.2, 1.0, 0.3, 0.1, 0.05, 0.2, 0.85, 0.6],
    ],
    ids=["it does not learn", "it becomes unstable"],
)
def test_an_idle_clip_is_named_where_the_run_has_trouble(losses: list[float]) -> None:
    log = "\n".join(f"step {i} loss {x} grad_norm 0.{5 + i % 3}" for i, x in enumerate(losses))
    scaffold = diagnosed(measurements=log, training="clip_grad_norm_(20.0)")
    assert scaffold.mechanism == "clip_never_binds"


def test_one_frozen_layer_is_mentioned_beside_a_healthy_verdict() -> None:
    rows = [
        {"name": f"{2 * i}", "type": "Linear", "second_moment": 1.0, "gradient_sum": 1.0, "cosine": 0.3}
        for i in range(6)
    ]
    document = json.dumps({"probe": "signal", "version": 2, "frozen": ["4.weight"], "layers": rows})
    scaffold = diagnosed(measurements=document)
    assert scaffold.mechanism == "nothing_wrong"
    assert "no gradient in `4.weight` (requires_grad is False)" in scaffold.verdict


def test_a_layer_without_a_gradient_is_the_verdict_unless_it_is_meant() -> None:
    rows = "\n".join(f"block{i}.weight grad norm {'0.0' if i == 2 else 0.2 + 0.01 * i}" for i in range(5))
    alone = diagnosed(measurements=rows)
    meant = diagnosed(measurements=f"{rows}\n\n{LEARNS}", training="block2 is frozen (requires_grad = False)")
    assert (alone.mechanism, alone.located) == ("structural_zero", "block2.weight")
    assert meant.mechanism == "nothing_wrong"
    assert "`block2.weight`" in meant.verdict


@pytest.mark.parametrize(
    ("code", "change"),
    [("z = enc(x).detach()", "Take the `.detach()` out"), ("p.requires_grad = False", "Set requires_grad = True")],
)
def test_what_cuts_the_graph_is_what_is_changed(code: str, change: str) -> None:
    rows = "enc.weight grad None\ndec.weight grad norm 0.4"
    assert change in diagnosed(measurements=rows, symptom=code).first_change


def test_a_short_zero_among_long_numbers_is_no_rounded_one() -> None:
    def kind(*values: str) -> str:
        return diagnosed(measurements="\n".join(f"fc{i}.weight grad {v}" for i, v in enumerate(values))).mechanism

    assert kind("0.0", "0.213", "0.331", "0.412") == "structural_zero"
    assert kind("0.0", "0.001", "0.002", "0.01") == "print_zeros"
    assert kind("0.000", "0.001", "0.002", "0.004") == "print_zeros"
    assert kind("0.0000", "0.2130", "0.3310", "0.4120") == "structural_zero"


def test_a_decay_that_reaches_the_end_of_float32_is_a_decay() -> None:
    values = [10 ** (-2 - 1.2 * (39 - i)) for i in range(40)]
    text = "\n".join(f"layers.{i}.weight grad norm {0.0 if v < 1e-45 else v:.3g}" for i, v in enumerate(values))
    scaffold = diagnosed(measurements=text)
    assert scaffold.mechanism == "true_decay_backward"
    assert "until float32 underflows" in scaffold.verdict
    assert "structural" not in scaffold.first_change


def test_the_rate_counts_layers_and_not_printed_rows() -> None:
    rows = "\n".join(f"block{i} output std {2 ** (i / 2):.4g}" for i in (0, 10, 20, 30, 40, 49))
    scaffold = diagnosed(measurements=rows, symptom="a residual net without norms, He")
    facts = " ".join(f.statement for f in scaffold.established)
    assert scaffold.mechanism == "growth"
    assert "over 50 layers" in facts
    assert "x1.41 " in facts
    assert f"1/sqrt(50) = {1 / math.sqrt(50):.3g}" in scaffold.first_change


def test_a_softmax_in_front_of_cross_entropy_is_the_first_change() -> None:
    log = "\n".join(f"epoch {i} loss 2.30{i % 3} acc 0.10" for i in range(6))
    scaffold = diagnosed(measurements=log, symptom="nn.Softmax is my last layer, then nn.CrossEntropyLoss")
    assert scaffold.mechanism == "stuck_at_chance"
    assert scaffold.first_change.startswith("Take the softmax out")
