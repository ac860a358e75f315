"""Findings of the critique: each mechanism on networks that have it, and silence on those that do not."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.architecture.ir import Shape
from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.diagnosis.network import variants
from kaiming_mcp.diagnosis.network.rates import settled, told
from kaiming_mcp.diagnosis.network.rules_blocks import RESET, own_draws
from kaiming_mcp.diagnosis.network.subject import course_of
from kaiming_mcp.diagnosis.network.wishes import read_wishes
from kaiming_mcp.diagnosis.relevance import named_limit, named_quote
from kaiming_mcp.library import library
from kaiming_mcp.replies.critique import critique_text
from kaiming_mcp.scaffold import Scaffold, power, render
from kaiming_mcp.signal.initialization import HE, PYTORCH_DEFAULT, Initialization
from kaiming_mcp.signal.trace import trace


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
    for word in ("initialization = PyTorch default", "its size unknown", "batch = 128"):
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


COPIES = (
    "repeat 12 identical { residual { attention 64 heads 4 packed } ; layernorm ; "
    "residual { linear 64 256 ; relu ; linear 256 64 } ; layernorm }"
)


def _fact(scaffold: Scaffold, part: str) -> str:
    return next(f.statement for f in scaffold.established if part in f.statement)


def _step(scaffold: Scaffold, field: str) -> str:
    return next(s.prompt for s in scaffold.frame if s.field == field)


def test_the_remedy_for_copies_is_the_change_that_was_traced() -> None:
    """Drawing each layer at the same default; Glorot over all matrices is another change, and is told apart."""
    scaffold = _critique(COPIES, input="tokens 32")
    finding = next(f for f in scaffold.findings if "same weights" in f.title)
    own = variants.with_own_weights(replace(read_notation(COPIES).networks[0], input=Shape(None, (32,))))
    then, glorot = course_of(own, PYTORCH_DEFAULT, 128), course_of(own, Initialization("xavier"), 128)
    assert then is not None
    assert glorot is not None
    assert RESET in finding.remedy
    assert "xavier" not in finding.remedy
    assert f"gradient first/last {power(then.log_backward)} instead of" in finding.predicted_effect
    assert f"xavier_uniform_ on every matrix {power(glorot.log_backward)}" in _fact(scaffold, "copies of one")
    assert "apply he to every layer after" in own_draws(HE)


def test_what_fails_in_training_is_evidence_and_never_called_sound() -> None:
    trouble = _critique(COPIES, input="tokens 32", goal="tagging; loss stays flat without warm-up")
    assert trouble.findings[0].severity == "high"
    assert trouble.verdict.startswith("Post-norm without warm-up")
    assert "loss stays flat without warm-up" in _fact(trouble, "the goal says")
    assert "arm the learning rate up" in trouble.first_change
    calm = _critique(COPIES, input="tokens 32", goal="tagging, with warm-up")
    assert calm.verdict.startswith("Sound at initialization")
    healthy = _critique("linear 32 64 ; relu ; linear 64 4", initialization="he", goal="my loss is stuck at 0.69")
    assert healthy.verdict.startswith('Nothing at initialization explains that "my loss is stuck at 0.69"')
    assert "measure" in healthy.first_change


@pytest.mark.parametrize(
    ("goal", "symptom"),
    [
        ("tagging; loss stays flat without warm-up", "loss stays flat without warm-up"),
        ("the network does not train", "the network does not train"),
        ("training diverges after 100 steps at lr 0.1, batch 8", "training diverges after 100 steps at lr 0.1"),
        ("train deep without vanishing gradients", ""),
        ("it must not diverge", ""),
        ("flat minima and generalization", ""),
        ("an image classifier", ""),
    ],
)
def test_a_symptom_is_told_from_a_wish(goal: str, symptom: str) -> None:
    assert read_wishes(goal).symptom == symptom


def test_a_wish_without_something_is_no_wish_for_it() -> None:
    assert not read_wishes("x", "no pretrained weights").fixed_init
    assert read_wishes("x", "the weights are pretrained").fixed_init
    assert read_wishes("no warm-up").no_warm_up
    assert not read_wishes("no warm-up").warm_up
    assert read_wishes("we use warm-up").warm_up


def test_a_rate_is_told_from_a_transient_and_from_a_sum() -> None:
    steady = settled([0.0, -0.5, -0.5, -0.5, -0.5, -0.5])
    assert steady.level
    assert (steady.since, steady.log_before) == (1, -0.5)
    assert told(steady, -0.1, "layer") == "level from place 2 on"
    growing = settled([0.0, -0.7, 0.3, 1.3, 2.3, 3.3])
    assert growing.log_step == pytest.approx(1.0)
    assert growing.since == 1
    summed = settled([math.log(1 + k) for k in range(30)])
    assert summed.log_step is None
    assert told(summed, 0.1, "block") == "no steady rate"
    assert settled([0.0, -math.inf, 0.0]).log_step is None


GPT2 = (
    "embedding 30000 768 ; repeat 12 { residual { layernorm ; attention 768 heads 12 causal } ; "
    "residual { layernorm ; linear 768 3072 ; gelu ; linear 3072 768 } } ; layernorm ; linear 768 30000 nobias"
)


def test_a_trunk_that_adds_up_is_given_no_rate_and_its_start_is_named() -> None:
    scaffold = _critique(GPT2, input="tokens 64", initialization="gpt2")
    text = render(scaffold)
    assert not re.search(r"x[\d.]+ per block", text)
    assert "trunk enters with 4.00e-04" in scaffold.verdict
    assert "from number 13 on E[x²] changes x2" in scaffold.verdict
    assert "In a normed trunk" in _step(scaffold, "invariant")
    assert "std(F)/std(x)" in _fact(scaffold, "trunk enters")


def test_two_vocabulary_matrices_are_the_first_to_remove_where_they_are_untied() -> None:
    scaffold = _critique(GPT2, input="tokens 64", initialization="gpt2")
    assert "tie the head to the embedding" in _step(scaffold, "removal")
    held = next(f for f in scaffold.established if "untied as read" in f.statement)
    assert held.value == pytest.approx(2 * 30000 * 768 / _value(scaffold, "parameters"), rel=1e-5)
    tied = _critique(f"{GPT2} ; extra -23040000", input="tokens 64", initialization="gpt2")
    assert "6 of the 12 transformer layers" in _step(tied, "removal")
    assert not [f for f in tied.established if "untied" in f.statement]


def _value(scaffold: Scaffold, unit: str) -> float:
    return next(f.value for f in scaffold.established if f.unit == unit and f.value is not None)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("linear 32 128 ; relu ; linear 128 128 ; relu ; linear 128 1", "the dense layer `linear 128 128`"),
        ("linear 32 64 ; relu ; linear 64 48 ; relu ; linear 48 1", "one of the 2 hidden layers"),
        ("linear 32 64 ; relu ; linear 64 1", "half of the hidden width"),
        ("repeat 9 { linear 64 64 ; relu } ; linear 64 8", "4 of the 9 layers that keep their width"),
        ("repeat 7 { residual { batchnorm ; relu ; linear 8 8 ; relu ; linear 8 8 } }", "3 of the 7 residual blocks"),
    ],
)
def test_what_is_removed_first_is_a_whole_number_of_parts(text: str, what: str) -> None:
    scaffold = _critique(text, initialization="he")
    assert f"Remove first: {what}" in _step(scaffold, "removal")


def test_a_sound_network_is_asked_what_would_break_first_and_may_stay_as_it_is() -> None:
    scaffold = _critique("repeat 12 { linear 128 128 ; relu } ; linear 128 8", initialization="he")
    assert "At twice the depth: E[x²] last/first 1, gradient first/last 1" in _step(scaffold, "invariant")
    assert "or none" in _step(scaffold, "decision")
    broken = _critique("repeat 12 { linear 128 128 ; relu } ; linear 128 8")
    assert "Which one breaks first" in _step(broken, "invariant")
    assert "or none" not in _step(broken, "decision")


def test_a_step_without_a_number_of_this_network_is_left_out() -> None:
    shallow = _critique("linear 32 64 ; relu ; linear 64 4", initialization="he")
    assert [s.field for s in shallow.frame] == ["invariant", "mechanism", "contract", "removal", "decision"]
    assert [f.name for f in shallow.answer_form] == [s.field for s in shallow.frame]
    deep = _critique("repeat 20 { linear 256 256 nobias ; relu } ; linear 256 10", initialization="xavier")
    assert "is that of 19 ReLU layers under Xavier" in _fact(deep, "under Xavier")
    for scaffold in (shallow, deep):
        for step in scaffold.frame:
            assert step.cites != ["F1"], step


def test_a_quotation_speaks_of_what_was_found_or_is_left_out() -> None:
    bias = _critique("repeat 4 { conv 8 8 k3 ; batchnorm ; relu } ; globalpool ; linear 8 2", initialization="he")
    assert bias.quotes == []
    smooth = _critique("repeat 20 { linear 256 256 ; gelu } ; linear 256 10", initialization="he")
    assert all("rectifier" not in q.text for q in smooth.quotes)
    rectified = _critique("repeat 20 { linear 256 256 ; relu } ; linear 256 10")
    assert "rectifier" in rectified.quotes[0].text
    assert named_quote(library(), "no such words") is None
    assert named_limit(library().principles["residual-learning"], "no such words") is None


def test_a_limit_bears_on_the_network() -> None:
    three = _critique("linear 32 64 ; relu ; linear 64 64 ; relu ; linear 64 1", initialization="he")
    assert not any("1202 layers" in line for line in three.limits)
    assert "block" not in three.measure
    deep = _critique(
        "repeat 60 { residual { layernorm ; linear 64 64 ; relu ; linear 64 64 } } ; layernorm ; linear 64 8"
    )
    assert any("1202 layers" in line for line in deep.limits)


def test_a_regression_is_told_the_error_that_its_untrained_output_adds() -> None:
    text = "linear 32 128 ; relu ; linear 128 128 ; relu ; linear 128 1"
    scaffold = _critique(text, initialization="he", goal="regress a standardized target")
    assert _value(scaffold, "squared error at step 0") == pytest.approx(3.0)
    finding = next(f for f in scaffold.findings if "untrained output" in f.title)
    assert "1.02 instead of 3" in finding.predicted_effect
    assert not [f for f in _critique(text, initialization="he").established if f.unit == "squared error at step 0"]


def test_logits_of_some_size_raise_the_first_cross_entropy() -> None:
    text = "linear 32 64 ; relu ; linear 64 10"
    last = trace(read_notation(text).networks[0], Initialization("xavier"), 8).stations[-1]
    expected = math.log(10) + math.exp(last.state.log_q) / 2
    assert _value(_critique(text, initialization="xavier"), "loss at step 0") == pytest.approx(expected, rel=1e-5)


def test_every_traced_effect_is_a_fact_that_its_finding_cites() -> None:
    for text, arguments, _ in FOUND:
        for finding in _critique(text, **arguments).findings:
            for name in re.findall(r"\[([AF]\d+)\]", finding.predicted_effect):
                assert name in finding.evidence
            if "first/last" in finding.predicted_effect:
                assert re.search(r"\[[AF]\d+\]", finding.predicted_effect), finding


def test_a_gain_that_fits_most_layers_is_not_called_unfit() -> None:
    text = "repeat 12 { linear 128 128 ; relu } ; linear 128 8192 ; relu ; linear 8192 64 ; relu ; linear 64 4"
    scaffold = _critique(text, initialization="he fan_out")
    assert re.search(r"he fan_out does not fit relu in 3 of 15 layers", _titles(scaffold))
