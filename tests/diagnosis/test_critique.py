"""Findings of the critique: each mechanism on networks that have it, and silence on those that do not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.diagnosis.network import variants
from kaiming_mcp.library import library
from kaiming_mcp.scaffold import Scaffold, render
from kaiming_mcp.signal.initialization import HE
from kaiming_mcp.signal.trace import trace
from kaiming_mcp.tools.critique import critique_text


def _critique(text: str, **rest: Any) -> Scaffold:
    return critique_text(library(), text, **rest)


def _titles(scaffold: Scaffold) -> str:
    return "\n".join(f"{f.severity}: {f.title}" for f in scaffold.findings)


FOUND: list[tuple[str, dict[str, Any], str]] = [
    ("repeat 20 { linear 256 256 ; relu } ; linear 256 10", {}, r"high: PyTorch default does not fit relu"),
    ("repeat 30 { conv 64 64 k3 ; relu }", {"initialization": "xavier"}, r"high: xavier does not fit relu"),
    ("repeat 12 { linear 256 256 ; leaky_relu 0.2 }", {"initialization": "std 0.01"}, r"does not fit leaky_relu"),
    ("repeat 12 { linear 256 256 ; relu }", {"initialization": "normal 1"}, r"high: std 1 does not fit relu"),
    ("repeat 40 { linear 256 256 ; relu } ; linear 256 10", {"initialization": "he"}, r"medium: Deep plain stack"),
    (
        "repeat 7 { residual { conv 64 64 k3 ; relu ; conv 64 64 k3 } }",
        {"initialization": "he"},
        r"Residual sums without",
    ),
    ("repeat 20 { residual { linear 64 64 ; relu } }", {}, r"Residual sums without"),
    ("repeat 40 { linear 256 256 nobias ; batchnorm ; relu }", {}, r"high: Batch normalization without skips"),
    ("repeat 12 { residual { linear 64 64 ; relu ; linear 64 64 } ; layernorm }", {}, r"Post-norm"),
    (
        "repeat 12 { residual { batchnorm ; relu ; conv 8 8 k3 ; relu ; conv 8 8 k3 } shortcut { conv 8 8 k1 } }",
        {},
        r"medium: Multiplicative operations on the skip path",
    ),
    ("repeat 4 { residual { layernorm 64 ; relu ; linear 64 64 } }", {}, r"One-layer residual branches"),
    ("repeat 20 { linear 256 256 ; gelu } ; linear 256 10", {"initialization": "he"}, r"gelu without normalization"),
    ("linear 64 128 ; relu ; linear 128 64 ; linear 64 64 ; relu ; linear 64 4", {}, r"Two linear layers in a row"),
    (
        "conv 3 64 k3 ; batchnorm ; relu ; conv 64 64 k3 ; batchnorm ; relu ; globalpool ; linear 64 10",
        {},
        r"Bias before",
    ),
    ("repeat 12 { linear 128 128 ; sigmoid } ; linear 128 1", {}, r"high: sigmoid in the hidden layers"),
    ("repeat 20 { linear 128 128 ; tanh } ; linear 128 1", {}, r"tanh in the hidden layers"),
    ("linear 64 64 ; relu ; dropout 0.5 ; batchnorm ; linear 64 64 ; relu", {}, r"Dropout before batch"),
    ("linear 64 64 ; batchnorm ; layernorm ; relu ; linear 64 2", {}, r"Two normalizations in a row"),
    (
        "input 3x32x32 ; conv 3 4 k3 ; relu ; conv 4 64 k3 ; relu ; conv 64 64 k3 ; relu ; conv 64 128 k3 s2 ; relu",
        {"initialization": "he"},
        r"bottleneck of 4 channels",
    ),
]


@pytest.mark.parametrize(("text", "given", "expected"), FOUND, ids=lambda v: v[:50] if isinstance(v, str) else "")
def test_a_fault_is_found_with_its_severity(text: str, given: dict[str, Any], expected: str) -> None:
    assert re.search(expected, _titles(_critique(text, **given)))


HEALTHY: list[tuple[str, dict[str, Any]]] = [
    ("linear 784 128 ; relu ; linear 128 10", {}),
    ("linear 784 128 ; relu ; linear 128 64 ; relu ; linear 64 10", {"initialization": "he"}),
    ("repeat 12 { linear 256 256 ; relu } ; linear 256 10", {"initialization": "he"}),
    ("repeat 24 { residual { layernorm 64 ; linear 64 256 ; gelu ; linear 256 64 } } ; layernorm 64 ; linear 64 8", {}),
    ("repeat 20 { linear 256 256 nobias ; layernorm ; relu } ; linear 256 4", {"goal": "18 layers are fine"}),
    (
        "repeat 16 { residual { batchnorm ; relu ; conv 64 64 k3 nobias ; batchnorm ; relu ; conv 64 64 k3 nobias } }",
        {},
    ),
    ("depthwise 64 k3 nobias ; conv 64 128 k1 nobias ; batchnorm ; relu ; globalpool ; linear 128 10", {}),
    ("repeat 30 { residual scale 0 { linear 64 64 ; relu ; linear 64 64 } }", {"initialization": "he"}),
    ("linear 20 20 ; tanh ; linear 20 20 ; tanh ; linear 20 1", {"initialization": "xavier"}),
]


@pytest.mark.parametrize(("text", "given"), HEALTHY, ids=lambda v: v[:60] if isinstance(v, str) else "")
def test_a_sound_network_is_not_accused(text: str, given: dict[str, Any]) -> None:
    scaffold = _critique(text, **given)
    assert not [f for f in scaffold.findings if f.severity in ("high", "medium")]
    assert scaffold.verdict.startswith(("Nothing wrong here", "Sound at initialization"))


def test_the_predicted_effect_is_the_trace_of_the_changed_network() -> None:
    text = "repeat 20 { linear 256 256 ; relu } ; linear 256 10"
    finding = _critique(text).findings[0]
    path = trace(read_notation(text).networks[0], HE, 128).main_path()
    assert path[0].log_g - path[-1].log_g == pytest.approx(0, abs=1e-9)
    assert "gradient first/last 1" in finding.predicted_effect


def test_unnormed_residual_growth_states_the_factor_of_two_per_block_and_the_scale() -> None:
    """Seven blocks of variance 2 each grow x128; 1/sqrt(7) per branch holds e at most."""
    scaffold = _critique("repeat 7 { residual { relu ; linear 512 512 ; relu ; linear 512 512 } }", initialization="he")
    text = render(scaffold)
    assert "x2 per block" in text
    assert "1/sqrt(7) = 0.378" in text


def test_a_branch_that_ends_in_relu_is_told_its_mean_drift() -> None:
    assert "common mean" in render(_critique("repeat 20 { residual { linear 256 256 ; relu } }"))


def test_relu_is_not_proposed_where_second_derivatives_are_needed() -> None:
    scaffold = _critique(
        "repeat 8 { linear 20 20 ; tanh } ; linear 20 1", goal="PINN for a PDE with u_xx", initialization="xavier"
    )
    assert not re.search(r"replace .* by relu", render(scaffold))
    assert "ReLU would have none" in render(scaffold)
    flat = _critique(
        "repeat 8 { linear 20 20 ; relu } ; linear 20 1", goal="PINN for a PDE with u_xx", initialization="he"
    )
    assert flat.findings[0].title == "relu where second derivatives are needed"
    assert flat.findings[0].severity == "high"


def test_constraints_close_remedies() -> None:
    text = "repeat 20 { linear 256 256 ; gelu } ; linear 256 10"
    assert "normalization before each" in render(_critique(text, initialization="he"))
    assert "normalization before each" not in render(
        _critique(text, initialization="he", constraints="no normalization")
    )


def test_what_was_not_given_is_assumed_and_named_and_what_was_given_is_not() -> None:
    text = "repeat 3 { linear 64 64 nobias ; batchnorm ; relu }"
    bare = next(f for f in _critique(text).established if f.basis == "assumed")
    for word in ("initialization = PyTorch default", "input size unknown", "batch = 128"):
        assert word in bare.statement
    full = _critique(text, input="64", batch=32, initialization="he")
    assert not [f for f in full.established if f.basis == "assumed"]


def test_a_network_that_cannot_be_followed_says_why_and_keeps_its_structure() -> None:
    scaffold = _critique("embedding 1000 64 ; repeat 4 { residual { layernorm 64 ; attention 64 } } ; linear 32 1000")
    assert "expects 32 features, 64 arrive" in scaffold.key_numbers[2]
    assert any("4 residual" in n or "residual sums" in n for n in scaffold.key_numbers)
    assert not [f for f in scaffold.established if f.unit == "gradient"]


def test_several_models_in_one_paste_are_named_and_the_first_is_treated() -> None:
    model = "{}( (a): Linear(in_features=3, out_features=4, bias=True) )"
    text = f"{model.format('G')}\n{model.format('D')}"
    limits = " ".join(_critique(text).limits)
    assert "holds 2 models; only G is treated" in limits


def test_unknown_modules_are_never_called_sound() -> None:
    known = _critique("Net( (a): Linear(in_features=8, out_features=8, bias=True) (b): Mystery(3) )")
    assert "unknown (Mystery)" in known.verdict
    assert "Nothing wrong" not in known.verdict
    nothing = _critique("G( (a): _equalized_conv2d(512, 512, 3, 3) (b): PixelwiseNorm() )")
    assert "_equalized_conv2d(512, 512, 3, 3)" in nothing.needs


def test_the_largest_dense_layer_is_the_first_to_remove() -> None:
    text = "input 3x32x32 ; conv 3 8 k3 ; relu ; flatten ; linear 8192 4096 ; relu ; linear 4096 10"
    step = next(s for s in _critique(text).frame if s.field == "removal")
    assert "pool globally" in step.prompt


def test_renaming_and_reformatting_change_no_finding() -> None:
    printed = "Net(\n  (a): Linear(in_features=64, out_features=64, bias=True)\n  (b): ReLU()\n"
    body = "".join(
        f"  (l{i}): Linear(in_features=64, out_features=64, bias=True)\n  (r{i}): ReLU()\n" for i in range(12)
    )
    one = _critique(printed + body + ")")
    other = _critique((printed + body + ")").replace("(l", "(layer_").replace("\n", " "))
    assert _titles(one) == _titles(other)


def test_skips_inserted_by_the_variant_keep_the_weights() -> None:
    network = read_notation("linear 8 8 ; relu ; linear 8 8 ; relu ; linear 8 8 ; relu ; linear 8 2").networks[0]
    changed = variants.with_skips(network)
    assert len(trace(changed, HE, 16).stations) == 5  # four weighted layers, one sum


_WORDS = st.sampled_from(["relu", "gelu", "tanh", "sigmoid", "batchnorm", "layernorm", "dropout 0.1", "linear 16 16"])


@settings(max_examples=60, deadline=None)
@given(st.lists(_WORDS, min_size=1, max_size=6), st.integers(1, 30), st.booleans())
def test_any_network_gets_a_scaffold_with_finite_numbers(words: list[str], times: int, skip: bool) -> None:
    body = f"{{ {' ; '.join(['linear 16 16', *words])} }}"
    text = f"repeat {times} {{ residual {body} }}" if skip else f"repeat {times} {body}"
    scaffold = _critique(text)
    json.dumps(scaffold.structured(), allow_nan=False)
    assert scaffold.frame


def test_a_model_that_is_known_to_initialise_itself_is_doubted_and_not_condemned() -> None:
    text = (Path(__file__).parents[1] / "data" / "model_texts" / "04_repr_vgg16.txt").read_text("utf-8")
    doubted = critique_text(library(), text, "3x224x224")
    assert doubted.findings[0].severity == "medium"
    assert "torchvision" in doubted.verdict
    assert any("constructor" in f.statement and f.basis == "assumed" for f in doubted.established)
    told = critique_text(library(), text, "3x224x224", initialization="pytorch default")
    assert told.findings[0].severity == "high"
    sound = critique_text(library(), text, "3x224x224", initialization="he fan_out")
    assert all(f.severity != "high" for f in sound.findings)


def test_a_loss_is_not_laid_upon_each_of_two_networks() -> None:
    text = (Path(__file__).parents[1] / "data" / "source_texts" / "dcgan.txt").read_text("utf-8")
    assert not any("BCELoss" in f.title for f in critique_text(library(), text).findings)


def test_axes_that_a_text_does_not_name_make_no_sum_wrong() -> None:
    text = (Path(__file__).parents[1] / "data" / "source_texts" / "mixer.txt").read_text("utf-8")
    assert not any("sum do not fit" in f.title for f in critique_text(library(), text).findings)
