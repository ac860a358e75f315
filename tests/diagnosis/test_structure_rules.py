"""Structural findings: one network that has each fault, sound ones that have none, and what the text leaves open."""

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

from kaiming_mcp.architecture.ir import (
    Alternative,
    Assumption,
    Conv,
    Difference,
    Layer,
    Network,
    Reading,
    Sequence,
    Shape,
)
from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.diagnosis.network.critique import critique
from kaiming_mcp.diagnosis.network.facts import Given
from kaiming_mcp.diagnosis.network.losses import least_binary, least_cross_entropy, wanted
from kaiming_mcp.diagnosis.network.places import survey
from kaiming_mcp.diagnosis.network.stretches import longest_run
from kaiming_mcp.diagnosis.network.subject import examine
from kaiming_mcp.diagnosis.network.wishes import read_wishes
from kaiming_mcp.library import library
from kaiming_mcp.replies.critique import critique_text
from kaiming_mcp.scaffold import Scaffold
from kaiming_mcp.signal.initialization import PYTORCH_DEFAULT
from kaiming_mcp.signal.initialization_words import parse_initialization

TEXTS = Path(__file__).parents[1] / "data" / "model_texts"


def _network(text: str, **fields: Any) -> Network:
    return replace(read_notation(text).networks[0], **fields)


def _examined(network: Network, initialization: str = "", batch: int = 128) -> Scaffold:
    init = parse_initialization(initialization) if initialization else PYTORCH_DEFAULT
    subject = examine(network, init, batch, read_wishes(""))
    return critique(subject, Reading("layer-notation", (network,)), Given(True, True, True), library())


def _titles(scaffold: Scaffold) -> str:
    return "\n".join(f"{f.severity}: {f.title}" for f in scaffold.findings)


def _facts(scaffold: Scaffold, unit: str) -> list[float]:
    return [f.value for f in scaffold.established if f.unit == unit and f.value is not None]


BLOCK = "residual { conv 64 64 k3 nobias ; batchnorm ; relu ; conv 64 64 k3 nobias ; batchnorm }"
PRE = "residual { layernorm 64 ; linear 64 256 ; gelu ; linear 256 64 }"
FOUND: list[tuple[str, str, str]] = [
    (f"repeat 24 {{ {PRE} }} ; linear 64 8", "he", r"medium: No final norm"),
    (f"repeat 4 {{ {PRE} }} ; linear 64 8", "", r"low: No final norm"),
    (
        "input 3x32x32 ; conv 3 64 k3 ; relu ; residual { conv 64 128 k3 s2 ; relu ; conv 128 128 k3 } ; globalpool",
        "",
        r"high: The two sides",
    ),
    ("linear 64 64 ; relu ; linear 32 4", "", r"medium: Layers that do not connect"),
    ("input 8x16 ; groupnorm 3 8", "", r"high: Groups that do not divide"),
    ("repeat 2 { residual { layernorm 64 ; attention 64 heads 5 } }", "", r"high: Attention heads that do not"),
    ("repeat 2 { residual { layernorm 64 ; attention 64 heads 8 kv 12 } }", "", r"high: Attention heads that do not"),
    ("repeat 2 { residual { layernorm 64 ; attention 64 heads 8 kv 24 } }", "", r"high: Attention heads that do not"),
    ("repeat 2 { residual { layernorm 64 ; attention 64 heads 64 } }", "", r"low: Attention heads of width 1$"),
    (
        "repeat 2 { residual { layernorm 1024 ; attention 1024 heads 2 } }",
        "",
        r"low: Attention heads of width 512",
    ),
    ("linear 64 1 ; layernorm 1 ; relu ; linear 1 4", "", r"high: A normalization over a single number"),
    ("input 64x8x8 ; conv 64 64 k3 ; groupnorm 64 64 ; relu ; conv 64 64 k3", "", r"low: Group norm with one channel"),
    ("input 3x32x32 ; conv 3 64 k3 ; relu ; conv 64 64 k1 s2 ; relu ; globalpool ; linear 64 10", "", r"A stride that"),
    ("input 64x1x1 ; repeat 4 { conv 64 64 k3 ; relu }", "he", r"medium: Kernels larger than the map"),
    (
        "input 3x32x32 ; conv 3 64 k4 s4 p0 ; conv 64 64 k2 s2 p0 ; relu ; repeat 6 { conv 64 64 k3 ; relu }",
        "he",
        r"Resolution is lost",
    ),
    (
        'embedding 1000 64 ; multiply 8 ; unknown "PositionalEncoding()" ; linear 64 64 ; relu ; linear 64 9',
        "",
        r"low: The token vectors drown",
    ),
    (
        "residual scale 1 { embedding 512 64 } shortcut { embedding 1000 64 ; multiply 0.1 } ; linear 64 9",
        "",
        r"low: The position vectors drown",
    ),
    (
        "repeat 7 { residual { selu ; linear 64 64 } ; multiply 0.5 } ; linear 64 8",
        "lecun",
        r"Residual sums multiplied",
    ),
    (
        "repeat 12 { product { linear 64 64 ; sigmoid } { linear 64 64 } } ; linear 64 8",
        "lecun",
        r"high: Sigmoid gates multiply",
    ),
    ("input 64x16x16 ; repeat 12 { depthwise 64 k3 ; relu }", "he fan_out", r"high: fan_out of grouped"),
    (
        "input 64x16x16 ; repeat 12 { depthwise 64 k3 nobias ; batchnorm ; relu ; conv 64 64 k1 }",
        "he fan_out",
        r"note: fan_out of grouped",
    ),
    (
        "input 64x16x16 ; repeat 12 { residual { conv 64 64 k3 nobias ; batchnorm ; relu ; dropout 0.1 } }",
        "",
        r"medium: Residual branches that are never negative",
    ),
    (f"input 64x16x16 ; repeat 20 {{ {BLOCK} ; relu }} ; globalpool ; linear 64 4", "", r"note: A nonlinearity after"),
    (f"input 64x16x16 ; repeat 60 {{ {BLOCK} ; relu }} ; globalpool ; linear 64 4", "", r"low: A nonlinearity after"),
    (f"input 64x16x16 ; repeat 220 {{ {BLOCK} ; relu }}", "", r"medium: A nonlinearity after"),
    (f"repeat 4 {{ {PRE} }} ; repeat 12 {{ linear 64 64 ; layernorm ; relu }}", "", r"low: A stage of 12 layers"),
    (f"repeat 4 {{ {PRE} }} ; repeat 40 {{ linear 64 64 ; layernorm ; relu }}", "", r"medium: Deep plain stack: 40"),
    (
        "repeat 6 identical { residual { layernorm 64 ; linear 64 64 ; relu ; linear 64 64 } }",
        "",
        r"start with the same",
    ),
    ("linear 64 64 ; relu ; batchnorm ; linear 64 4", "", r"note: Batch norm behind the nonlinearity"),
    ("linear 64 64 ; relu ; linear 64 1 ; softmax", "", r"high: A softmax over one unit"),
    ("linear 64 64 ; relu ; linear 64 1 ; relu", "", r"medium: relu at the very output"),
    ("linear 64 64 ; relu ; linear 64 10 ; dropout 0.5", "", r"medium: Dropout on the output"),
    ("linear 64 64 ; relu ; linear 64 1 ; sigmoid", "", r"note: A sigmoid at the output"),
    (
        "linear 64 64 ; layernorm ; dropout 0.1 ; layernorm ; relu ; linear 64 2",
        "",
        r"low: Two normalizations in a row",
    ),
    (
        "input 3x64x64 ; conv 3 32 k3 s2 ; relu ; conv 32 64 k3 s2 ; relu ; convtranspose 64 32 k2 s2 ; relu ; "
        "convtranspose 32 3 k2 s2",
        "he",
        r"note: The decoder gets no features",
    ),
    (
        "input 3x32x32 ; conv 3 8 k3 ; relu ; conv 8 8 k3 ; relu ; conv 8 8 k3 ; relu ; flatten ; "
        "linear 8192 512 ; relu ; linear 512 10",
        "he",
        r"low: One fully connected layer",
    ),
]


@pytest.mark.parametrize(("text", "initialization", "expected"), FOUND, ids=lambda v: v[:60])
def test_a_structural_fault_is_found_with_its_severity(text: str, initialization: str, expected: str) -> None:
    scaffold = _examined(_network(text), initialization)
    found = _titles(scaffold) + "\n" + "\n".join(line for line in scaffold.limits if "further" in line)
    assert re.search(expected, found, re.MULTILINE)


LOSSES: list[tuple[str, str, str]] = [
    ("softmax", "CrossEntropyLoss", "high"),
    ("sigmoid", "CrossEntropyLoss", "high"),
    ("tanh", "nn.CrossEntropyLoss()", "high"),
    ("relu", "CrossEntropyLoss", "medium"),
    ("log_softmax", "CrossEntropyLoss", "note"),
    ("", "CrossEntropyLoss", ""),
    ("sigmoid", "BCEWithLogitsLoss", "high"),
    ("relu", "BCEWithLogitsLoss", "medium"),
    ("", "torch.nn.BCEWithLogitsLoss", ""),
    ("", "BCELoss", "high"),
    ("tanh", "BCELoss", "high"),
    ("sigmoid", "BCELoss", ""),
    ("", "NLLLoss", "high"),
    ("softmax", "NLLLoss", "high"),
    ("log_softmax", "F.nll_loss", ""),
    ("softmax", "categorical_crossentropy", ""),
    ("", "sparse_categorical_crossentropy", "high"),
    ("", "SparseCategoricalCrossentropy(from_logits=True)", ""),
    ("softmax", "SparseCategoricalCrossentropy(from_logits=True)", "high"),
    ("sigmoid", "MSELoss", "low"),
    ("tanh", "mse", "low"),
    ("", "MSELoss", ""),
    ("softmax", "TripletMarginLoss", ""),
]


@pytest.mark.parametrize(("last", "loss", "grade"), LOSSES)
def test_last_activation_and_loss_are_judged_together(last: str, loss: str, grade: str) -> None:
    text = f"linear 64 64 ; relu ; linear 64 10{' ; ' + last if last else ''}"
    scaffold = _examined(_network(text, loss=loss))
    assert [f.severity for f in scaffold.findings] == ([grade] if grade else [])
    assert any(loss in f.statement for f in scaffold.established)


def test_the_floor_of_a_doubled_softmax_is_computed() -> None:
    """Probabilities as logits: at best one is 1 and the rest 0, so -ln(e / (e + 9)) = 1.4612."""
    assert least_cross_entropy(0, 1, 10) == pytest.approx(-math.log(math.e / (math.e + 9)), rel=1e-12)
    assert least_binary(0, 1) == pytest.approx((math.log1p(math.exp(-1)), math.log(2)), rel=1e-12)
    scaffold = _examined(_network("linear 64 64 ; relu ; linear 64 10 ; softmax", loss="CrossEntropyLoss"))
    assert any("1.46" in f.statement for f in scaffold.established)


def test_a_missing_sigmoid_may_be_hidden_in_forward() -> None:
    hidden = (Assumption("Net: functional calls are not shown", "forward()"),)
    network = _network("linear 64 64 ; relu ; linear 64 1", loss="BCELoss", assumptions=hidden)
    assert _titles(_examined(network)).startswith("medium: No sigmoid")


def test_one_class_has_no_cross_entropy() -> None:
    scaffold = _examined(_network("linear 8 8 ; relu ; linear 8 1", loss="CrossEntropyLoss"))
    assert _titles(scaffold).startswith("high: CrossEntropyLoss over one class")


def test_without_a_loss_a_fact_says_which_one_fits() -> None:
    for text, word in (
        ("linear 64 64 ; relu ; linear 64 10", "fits CrossEntropyLoss"),
        ("linear 64 64 ; relu ; linear 64 1", "fits BCEWithLogitsLoss"),
        ("linear 64 64 ; relu ; linear 64 9 ; log_softmax", "fits NLLLoss"),
    ):
        assert any(word in f.statement for f in _examined(_network(text)).established)


@pytest.mark.parametrize("name", ["BCELoss", "nn.BCELoss()", "torch.nn.functional.binary_cross_entropy", "bce_loss"])
def test_a_loss_is_known_under_its_names(name: str) -> None:
    assert wanted(name) == "probability"


def test_few_values_behind_a_batch_norm_are_counted_with_the_batch() -> None:
    network = _network("input 64 ; linear 64 32 nobias ; batchnorm ; relu ; linear 32 4")
    assert "high: Batch statistics over 1 value" in _titles(_examined(network, batch=1))
    assert "medium: Batch statistics over 4 value" in _titles(_examined(network, batch=4))
    assert "Batch statistics" not in _titles(_examined(network, batch=64))
    wide = _network("input 3x16x16 ; conv 3 8 k3 nobias ; batchnorm ; relu ; globalpool ; linear 8 4")
    assert "Batch statistics" not in _titles(_examined(wide, batch=1))


def test_a_finding_cites_the_line_and_the_words_of_the_user() -> None:
    scaffold = _examined(_network("linear 64 64\nbatchnorm ; relu\nlinear 64 64 nobias\nlayernorm ; layernorm"))
    cited = [f.statement for f in scaffold.established]
    assert any("line 1: `linear 64 64`" in s for s in cited)
    assert any("line 4: `layernorm`" in s for s in cited)


def test_groups_that_do_not_divide_a_convolution_are_found() -> None:
    conv = Conv(10, 12, (3, 3), (1, 1), (1, 1), (1, 1), groups=4)
    network = Network("net", Sequence((Layer(conv),)), Shape(10, (8, 8)))
    assert "high: Groups that do not divide" in _titles(_examined(network))


def test_the_share_of_weights_that_only_see_padding_is_exact() -> None:
    """A 3x3 kernel on a 1x1 map uses its centre alone: 8 of 9 weights meet padding."""
    scaffold = _examined(_network("input 64x1x1 ; conv 64 64 k3 nobias ; relu ; conv 64 64 k3 nobias"), "he")
    (share,) = (f.value for f in scaffold.established if "only ever multiply padding" in f.statement)
    assert share == pytest.approx(8 / 9)
    none = _examined(_network("input 64x2x2 ; conv 64 64 k3 nobias ; relu ; conv 64 64 k3 nobias"), "he")
    assert not [f for f in none.established if "padding" in f.statement]


def test_doubled_channels_in_a_decoder_are_a_hidden_concatenation_and_no_fault() -> None:
    text = "input 3x32x32 ; conv 3 32 k3 ; maxpool 2 ; conv 32 64 k3 ; relu ; convtranspose 64 32 k2 s2 ; conv 64 32 k3"
    hidden = (Assumption("UNet: skips are not shown", "forward()"),)
    scaffold = _examined(_network(text, name="UNet", assumptions=hidden))
    assert any("twice the channels" in f.statement and f.value == 1 for f in scaffold.established)
    assert not [f for f in scaffold.findings if f.severity != "note"]


def test_a_net_called_unet_without_joins_is_told_so() -> None:
    text = (
        "input 3x64x64 ; conv 3 32 k3 s2 ; relu ; conv 32 64 k3 s2 ; relu ; convtranspose 64 32 k2 s2 ; relu ; "
        "convtranspose 32 3 k2 s2"
    )
    assert "medium: The decoder gets no features" in _titles(_examined(_network(text, name="UNet"), "he"))


def test_other_networks_that_the_text_allows_are_traced_too() -> None:
    post = "repeat 24 { residual { linear 64 256 ; relu ; linear 256 64 } ; layernorm 64 }"
    plain = "repeat 24 { linear 64 64 ; relu }"
    network = _network(
        post,
        alternatives=(Alternative("norm_first=True", read_notation(plain).networks[0].root),),
        assumptions=(Assumption("norm_first = False, the default", "print(model.layers[0].norm_first)"),),
    )
    scaffold = _examined(network)
    assert any(f.statement.startswith("if norm_first=True:") for f in scaffold.established)
    line = next(line for line in scaffold.limits if line.startswith("Open:"))
    assert "print(model.layers[0].norm_first)" in line
    same = replace(network, alternatives=(Alternative("norm_first=False", network.root),))
    assert not [line for line in _examined(same).limits if line.startswith("Open:")]


def test_a_total_that_the_text_states_is_compared_with_the_account() -> None:
    network = _network("linear 10 10 ; relu ; linear 10 2", differences=(Difference(-5, "tied"),))
    total = 132 - 5
    agrees = _examined(replace(network, stated=total))
    assert any(f.basis == "stated" and "agrees" in f.statement for f in agrees.established)
    differs = _examined(replace(network, stated=total + 40))
    said = next(f.statement for f in differs.established if "itself states" in f.statement)
    assert "+40 not explained" in said
    assert "tied" in said


def _mobile_net() -> str:
    rows = [
        (32, 16, 1, 1, 1),
        (16, 24, 6, 2, 2),
        (24, 32, 6, 2, 3),
        (32, 64, 6, 2, 4),
        (64, 96, 6, 1, 3),
        (96, 160, 6, 2, 3),
    ]
    lines = ["input 3x224x224\nconv 3 32 k3 s2 nobias ; batchnorm ; relu6"]
    for into, out, factor, stride, times in rows:
        for i in range(times):
            width, step = (into, stride) if i == 0 else (out, 1)
            wide = width * factor
            first = f"conv {width} {wide} k1 nobias ; batchnorm ; relu6 ; " if factor > 1 else ""
            last = f"conv {wide} {out} k1 nobias ; batchnorm"
            body = f"{first}depthwise {wide} k3 s{step} nobias ; batchnorm ; relu6 ; {last}"
            lines.append(f"residual {{ {body} }}" if step == 1 and width == out else body)
    return "\n".join([*lines, "conv 160 1280 k1 nobias ; batchnorm ; relu6 ; globalpool ; linear 1280 1000"])


def _res_net(blocks: tuple[int, ...], bottleneck: bool) -> str:
    lines = ["input 3x224x224\nconv 3 64 k7 s2 nobias ; batchnorm ; relu ; maxpool 3 s2 p1"]
    into = 64
    for stage, (times, width) in enumerate(zip(blocks, (64, 128, 256, 512), strict=True)):
        for i in range(times):
            step = 2 if stage and not i else 1
            out = 4 * width if bottleneck else width
            kernels = ((into, width, 1, 1), (width, width, 3, step), (width, out, 1, 1))
            rows = kernels if bottleneck else ((into, width, 3, step), (width, width, 3, 1))
            body = " ; relu ; ".join(f"conv {a} {b} k{k} s{s} nobias ; batchnorm" for a, b, k, s in rows)
            skip = f" shortcut {{ conv {into} {out} k1 s{step} nobias ; batchnorm }}" if step > 1 or into != out else ""
            lines.append(f"residual {{ {body} }}{skip} ; relu")
            into = out
    return "\n".join([*lines, f"globalpool ; linear {into} 1000"])


def _vgg16_bn() -> str:
    lines, into = ["input 3x224x224"], 3
    for times, width in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(times):
            lines.append(f"conv {into} {width} k3 ; batchnorm ; relu")
            into = width
        lines.append("maxpool 2")
    head = "flatten ; linear 25088 4096 ; relu ; dropout 0.5 ; linear 4096 4096 ; relu ; dropout 0.5 ; linear 4096 1000"
    return "\n".join([*lines, head])


def _dense_net() -> str:
    lines, width = ["input 3x224x224\nconv 3 64 k7 s2 nobias ; batchnorm ; relu ; maxpool 3 s2 p1"], 64
    for stage, times in enumerate((6, 12, 24, 16)):
        for _ in range(times):
            grown = f"batchnorm {width} ; relu ; conv {width} 128 k1 nobias ; batchnorm ; relu ; conv 128 32 k3 nobias"
            lines.append(f"concat {{ identity }} {{ {grown} }}")
            width += 32
        if stage < 3:
            lines.append(f"batchnorm {width} ; relu ; conv {width} {width // 2} k1 nobias ; avgpool 2")
            width //= 2
    return "\n".join([*lines, f"batchnorm {width} ; relu ; globalpool ; linear {width} 1000"])


def _u_net() -> str:
    def pair(into: int, out: int) -> str:
        return f"conv {into} {out} k3 nobias ; batchnorm ; relu ; conv {out} {out} k3 nobias ; batchnorm ; relu"

    inner = pair(512, 1024)
    for width in (512, 256, 128, 64):
        inner = (
            f"concat {{ identity }} {{ maxpool 2 ; {inner} ; convtranspose {2 * width} {width} k2 s2 }} ; "
            f"{pair(2 * width, width)}"
        )
        inner = f"{pair(width // 2 if width > 64 else 3, width)} ; {inner}"
    return f"input 3x256x256\n{inner} ; conv 64 1 k1"


_ATTEND = "attention 768 heads 12"
_FEED = "linear 768 3072 ; gelu ; linear 3072 768"
SOUND = {
    "resnet18": _res_net((2, 2, 2, 2), False),
    "resnet50": _res_net((3, 4, 6, 3), True),
    "vgg16_bn": _vgg16_bn(),
    "densenet121": _dense_net(),
    "mobilenet_v2": _mobile_net(),
    "vit": f"input 3x224x224\nconv 3 768 k16 s16\nrepeat 12 {{ residual {{ layernorm 768 ; {_ATTEND} }} ; residual "
    f"{{ layernorm 768 ; {_FEED} }} }}\nlayernorm 768 ; globalpool ; linear 768 1000",
    "gpt2": f"""input tokens 1024
residual {{ embedding 1024 768 }} shortcut {{ embedding 50257 768 }} ; dropout 0.1
repeat 12 {{ residual {{ layernorm 768 ; {_ATTEND} causal ; dropout 0.1 }}
residual {{ layernorm 768 ; {_FEED} ; dropout 0.1 }} }}
layernorm 768 ; linear 768 50257 nobias""",
    "llama": """input tokens 2048
embedding 32000 2048
repeat 22 { residual { rmsnorm 2048 ; attention 2048 heads 32 kv 256 causal nobias }
residual { rmsnorm 2048 ; product { linear 2048 5632 nobias ; silu } { linear 2048 5632 nobias }
linear 5632 2048 nobias } }
rmsnorm 2048 ; linear 2048 32000 nobias""",
    "bert": f"""input tokens 512
embedding 30522 768 ; layernorm 768 ; dropout 0.1
repeat 12 {{ residual {{ {_ATTEND} ; dropout 0.1 }} ; layernorm 768
residual {{ {_FEED} ; dropout 0.1 }} ; layernorm 768 }}
linear 768 768 ; tanh ; linear 768 2""",
    "unet": _u_net(),
}
_OF_THE_SIGNAL = r"Batch normalization without skips|Post-norm|does not fit"
"""Findings of other rules, which these networks do deserve."""


@pytest.mark.parametrize("initialization", ["", "he fan_out"])
@pytest.mark.parametrize("name", SOUND)
def test_a_standard_network_is_not_accused(name: str, initialization: str) -> None:
    scaffold = _examined(_network(SOUND[name]), initialization)
    loud = [f for f in scaffold.findings if f.severity in ("high", "medium")]
    assert not [f.title for f in loud if not re.search(_OF_THE_SIGNAL, f.title)]


@pytest.mark.parametrize("path", sorted(TEXTS.glob("*.txt")), ids=lambda p: p.stem)
def test_a_printed_model_gets_no_loud_structural_finding(path: Path) -> None:
    scaffold = critique_text(library(), path.read_text(encoding="utf-8"))
    loud = [f for f in scaffold.findings if f.severity in ("high", "medium")]
    assert not [f.title for f in loud if not re.search(_OF_THE_SIGNAL + "|in the hidden layers", f.title)]


def test_every_layer_of_a_repeated_body_is_met_once_for_each_copy() -> None:
    found = survey(_network("input 8x64x64 ; repeat 5 { conv 8 8 k3 s2 ; relu } ; repeat 1000 { conv 8 8 k3 ; relu }"))
    convs = [p for p in found.places if isinstance(p.layer.op, Conv)]
    assert sum(p.copies for p in convs) == 1005
    assert [p.entered.positions for p in convs] == [(64, 64), (32, 32), (16, 16), (8, 8), (4, 4), (2, 2)]


def test_the_longest_run_without_a_skip_crosses_seams_and_stops_at_sums() -> None:
    branch = " ; ".join(["linear 8 8"] * 4)
    text = f"linear 8 8 ; repeat 3 {{ linear 8 8 ; residual {{ {branch} }} ; linear 8 8 }}"
    assert longest_run(_network(text).root).depth == 4
    assert longest_run(_network("repeat 7 { linear 8 8 ; relu ; linear 8 16 ; linear 16 8 }").root).depth == 21
    assert longest_run(_network("relu ; tanh").root).depth == 0


_WORDS = st.sampled_from(
    "relu|sigmoid|softmax|batchnorm|layernorm|groupnorm 4 16|groupnorm 3 16|dropout 0.1|linear 16 16|linear 16 1|"
    "linear 8 8|multiply 0.5|residual { linear 16 16 ; relu }|residual { linear 16 8 }|"
    "concat { identity } { linear 16 16 }|product { linear 16 16 ; sigmoid } { identity }|"
    "attention 16 heads 3|conv 16 16 k3 s2|conv 16 16 k1 s2|upsample 2|"
    "depthwise 16 k3|globalpool|flatten|embedding 10 16|convtranspose 16 16 k2 s2".split("|")
)


@settings(max_examples=80, deadline=None)
@given(
    st.lists(_WORDS, min_size=1, max_size=7),
    st.integers(1, 40),
    st.sampled_from(["", "input 16x8x8", "input 16", "input tokens 5"]),
    st.sampled_from(["", "CrossEntropyLoss", "BCELoss", "nn.NLLLoss", "MSELoss", "?"]),
    st.sampled_from([1, 3, 128]),
)
def test_any_network_with_any_loss_gets_finite_numbers_and_true_citations(
    words: list[str], times: int, shape: str, loss: str, batch: int
) -> None:
    text = f"{shape} repeat {times} {{ {' ; '.join(words)} }} ; {words[0]}"
    scaffold = _examined(_network(text, loss=loss), batch=batch)
    json.dumps(scaffold.structured(), allow_nan=False)
    ids = {f.id for f in scaffold.established}
    assert {i for f in scaffold.findings for i in f.evidence} <= ids


COUNTED = [
    "conv 3 64 k3 ; batchnorm ; relu ; "
    "@8 { residual { conv 64 64 k3 ; batchnorm ; relu ; conv 64 64 k3 ; batchnorm } ; relu }",
    "@5 { linear 64 64 ; batchnorm ; layernorm ; relu } ; linear 64 8",
    "@5 { relu ; linear 64 64 } ; batchnorm ; linear 64 64",
    "@4 { linear 64 64 ; linear 64 64 ; relu } ; linear 64 8",
    "@3 { @2 { linear 64 64 ; dropout 0.2 ; batchnorm ; relu } ; linear 64 64 } ; linear 64 8",
    "@3 { concat { @2 { linear 64 64 ; batchnorm ; relu } } { linear 64 64 ; relu ; batchnorm } ; linear 128 64 }",
    "@20 { residual { conv 8 8 k3 nobias ; batchnorm } ; relu ; residual { conv 8 8 k3 nobias ; batchnorm } ; relu }",
    "@6 { residual { linear 64 64 ; relu ; linear 64 64 } ; layernorm }",
    "@6 { residual { linear 64 64 ; relu ; linear 64 64 } ; multiply 0.5 }",
]


def _unrolled(text: str) -> str:
    """The text with every `@N { ... }` written out N times, the inner ones first."""
    while (match := re.search(r"@(\d+) \{([^@]*)$", text)) is not None:
        depth, end = 1, match.start(2)
        while depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        body = text[match.start(2) : end - 1]
        text = text[: match.start()] + " ; ".join([body] * int(match[1])) + text[end:]
    return text


@pytest.mark.parametrize("text", COUNTED)
def test_what_repeats_is_counted_as_if_it_were_written_out(text: str) -> None:
    units = {"parameters", "pairs", "layers", "norms", "sums", "of the skip path"}
    counted = {
        form: [(f.unit, f.value) for f in _examined(_network(written), "he").established if f.unit in units]
        for form, written in (("short", text.replace("@", "repeat ")), ("long", _unrolled(text)))
    }
    assert counted["short"] == counted["long"]


def test_a_bias_before_a_norm_is_counted_in_every_copy() -> None:
    text = COUNTED[0].replace("@", "repeat ")
    fact = next(f for f in _examined(_network(text), "he").established if "right before a batch norm" in f.statement)
    assert fact.value == 17 * 64
    assert fact.statement.startswith("17 layers")
