"""The report of a trace: rates apart from transients, causes by name, and a first change that follows from them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kaiming_mcp.library import library
from kaiming_mcp.replies.trace import trace_text
from kaiming_mcp.scaffold import Scaffold

BATCH_NORM = "repeat 30 { linear 512 512 ; batchnorm ; relu } ; linear 512 10"


def _report(text: str, **given: Any) -> Scaffold:
    return trace_text(library(), text, **given)


def test_a_transient_is_told_from_the_rate() -> None:
    scaffold = _report("repeat 20 { linear 256 256 ; tanh }", initialization="xavier gain 5/3")
    assert "settles at E[x²] 1.18 from place 5 on (before it a transient, x0.434)" in scaffold.verdict
    assert "x1.21 per layer towards the input, from place 5 on (x21 first/last)" in scaffold.verdict
    assert "shrinks" not in scaffold.verdict


def test_batch_norm_without_skips_is_named_with_its_known_rate_and_no_gain_is_offered() -> None:
    scaffold = _report(BATCH_NORM, batch=100_000, initialization="he")
    assert "gradient grows x1.47 per layer" in scaffold.verdict
    cause = next(f for f in scaffold.established if "pi/(pi-1) = 1.467" in f.statement)
    assert cause.value == pytest.approx(1.467, abs=2e-3)
    assert "no gain acts on it" in cause.statement
    assert cause.id in scaffold.first_change
    assert re.search(r"LayerNorm or GroupNorm, or put identity skips", scaffold.first_change)
    assert "gain" not in scaffold.first_change


CHANGES = [
    (BATCH_NORM, "he", "Replace BatchNorm by LayerNorm"),
    ("input 3x16x16 ; conv 3 8 k3 ; repeat 16 { residual { conv 8 8 k3 ; relu ; conv 8 8 k3 } }", "he", "1/sqrt(16)"),
    ("repeat 20 { linear 256 256 ; relu } ; linear 256 10", "", "with he"),
    ("repeat 20 { linear 64 64 ; sigmoid } ; linear 64 10", "", "Replace the hidden sigmoids"),
    ("repeat 20 { linear 256 256 ; gelu } ; linear 256 10", "he", "Put a normalization before each nonlinearity"),
    (
        "input tokens 32 ; repeat 12 identical { residual { attention 64 heads 4 packed } ; layernorm ; "
        "residual { linear 64 256 ; relu ; linear 256 64 } ; layernorm }",
        "",
        "a draw of its own",
    ),
    ("input 8x128x128 ; repeat 6 { conv 8 8 k3 ; relu ; maxpool 2 }", "he", "a normalization before each"),
]


@pytest.mark.parametrize(("text", "init", "expected"), CHANGES, ids=[t[:50] for t, *_ in CHANGES])
def test_the_first_change_follows_from_what_was_found_and_is_traced(text: str, init: str, expected: str) -> None:
    scaffold = _report(text, initialization=init)
    assert expected in scaffold.first_change
    cited = re.findall(r"\[([AF]\d+)\]", scaffold.first_change.partition("Predicted:")[2])
    assert cited
    assert set(cited) <= {f.id for f in scaffold.established if "first/last" in f.statement}
    assert set(cited) == set(next(s.cites for s in scaffold.frame if s.field == "change"))


def test_a_sound_network_needs_no_change_and_is_shown_at_twice_its_depth() -> None:
    scaffold = _report("repeat 12 { linear 128 128 ; relu } ; linear 128 8", initialization="he")
    assert scaffold.first_change.startswith("None")
    assert any(f.statement.startswith("at twice the depth (25 places") for f in scaffold.established)
    assert "At twice the depth" in scaffold.frame[0].prompt


def test_a_column_that_would_hold_only_zeros_is_left_out() -> None:
    assert "mean²" not in _report("repeat 8 { linear 64 64 ; relu }").table
    assert "mean²" in _report("repeat 8 { residual { linear 64 64 ; relu } }").table


def test_a_stack_without_a_steady_rate_names_the_layer_that_moves_it() -> None:
    text = "repeat 10 { linear 64 64 ; relu } ; linear 64 64 ; relu ; linear 64 1"
    assert "most of it at 6:linear (x64)" in _report(text, initialization="he fan_out").verdict


def test_the_spread_between_seeds_is_stated_where_it_is_wide_and_derived() -> None:
    def spread(text: str, init: str) -> float | None:
        return next((f.value for f in _report(text, initialization=init).established if f.unit == "factor"), None)

    assert spread("repeat 20 { linear 256 256 ; tanh }", "xavier gain 5/3") is None
    residual = "input 3x32x32 ; conv 3 64 k3 ; repeat 16 { residual { conv 64 64 k3 ; relu ; conv 64 64 k3 } }"
    assert spread(residual, "he") == pytest.approx(1.8, abs=0.2)  # 40 draws in torch: 1.78
    assert spread("linear 32 128 ; relu ; linear 128 128 ; relu ; linear 128 1", "he") == pytest.approx(1.75, abs=0.15)
