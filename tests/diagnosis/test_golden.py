"""Rendered scaffolds, whole, as a model gets them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.library import library
from kaiming_mcp.replies.critique import critique_text
from kaiming_mcp.replies.generative import reframe_text
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.replies.initialization import derive_text
from kaiming_mcp.replies.trace import trace_text
from kaiming_mcp.scaffold import Scaffold, render

if TYPE_CHECKING:
    from tests.conftest import Golden

TEXTS = Path(__file__).parents[1] / "data" / "model_texts"
POST_ACTIVATION = """input 3x32x32
conv 3 64 k3 nobias ; batchnorm ; relu
repeat 8 { residual { conv 64 64 k3 nobias ; batchnorm ; relu ; conv 64 64 k3 nobias ; batchnorm } ; relu }
globalpool ; linear 64 10"""
PLAIN_CONV = "input 3x32x32 ; conv 3 64 k3 ; relu ; repeat 19 { conv 64 64 k3 ; relu } ; globalpool ; linear 64 10"
PRE_NORM = """input 256
repeat 12 { residual { layernorm 256 ; linear 256 1024 ; gelu ; linear 1024 256 } }
layernorm 256 ; linear 256 10"""


def _printed(name: str) -> str:
    return (TEXTS / f"{name}.txt").read_text(encoding="utf-8")


CRITIQUES = {
    "plain_mlp20": lambda: critique_text(library(), _printed("01_repr_plain_mlp20_relu")),
    "plain_conv20": lambda: critique_text(library(), PLAIN_CONV),
    "residual_conv": lambda: critique_text(library(), POST_ACTIVATION, initialization="he", batch=128),
    "nothing_wrong": lambda: critique_text(library(), PRE_NORM, initialization="xavier"),
    "sigmoid_mlp20": lambda: critique_text(library(), _printed("02_repr_sigmoid_mlp20")),
    "vgg16": lambda: critique_text(library(), _printed("04_repr_vgg16"), input="3x224x224"),
    "resnet18": lambda: critique_text(library(), _printed("03_repr_resnet18"), input="3x224x224"),
    "encoder12": lambda: critique_text(library(), _printed("09_repr_torch_transformer_encoder12")),
    "gpt2_xl": lambda: critique_text(library(), _printed("15_repr_hf_gpt2_xl")),
}
REFRAMINGS = {
    "generative_forecast": lambda: reframe_text(
        library(),
        "Predict rainfall for the next 18 frames from radar; several futures are possible",
        "6 frames of 256x256",
        "18 frames of 256x256",
        "50,000 sequences",
        "MSE",
        20,
    ),
    "generative_inverse_design": lambda: reframe_text(
        library(),
        "Inverse design of an acoustic metamaterial: many structures share one spectrum",
        "target spectrum, 200 frequencies",
        "structure, 12 parameters",
        "5,000 designs",
    ),
}
TRACES = {
    "trace_mlp20": lambda: trace_text(library(), _printed("01_repr_plain_mlp20_relu")),
    "trace_vgg16": lambda: trace_text(library(), _printed("04_repr_vgg16"), "3x224x224", 0, "he fan_out"),
    "trace_resnet18": lambda: trace_text(library(), _printed("03_repr_resnet18"), "3x224x224", 128, "he fan_out"),
    "trace_encoder12": lambda: trace_text(library(), _printed("09_repr_torch_transformer_encoder12"), "tokens 128x512"),
    "trace_gpt2_xl": lambda: trace_text(library(), _printed("15_repr_hf_gpt2_xl"), "tokens 1024", 0, "gpt2"),
}
DERIVATIONS = {
    "derive_gelu": lambda: derive_text(library(), "gelu", fan_in=1024, depth=30),
    "derive_relu_conv": lambda: derive_text(library(), "relu", layer="conv 64 128 k3 s2", depth=20),
}
DECAY = "layer,output grad norm\n" + "\n".join(f"{2 * i},{0.1 * 0.41 ** (19 - i):.2e}" for i in range(20))
DIAGNOSES = {
    "diagnosis_decay": lambda: diagnose_text(
        library(), "the loss is stuck", "repeat 19 { linear 64 64 ; relu } ; linear 64 10", DECAY, "SGD lr 0.1"
    ),
    "diagnosis_open": lambda: diagnose_text(
        library(), measurements="\n".join(f"fc{i}.weight grad norm 0.{3 + i % 4}1" for i in range(12))
    ),
}
ALL = {**CRITIQUES, **REFRAMINGS, **TRACES, **DERIVATIONS, **DIAGNOSES}


@pytest.mark.parametrize("name", ALL)
def test_golden_scaffolds_are_what_was_signed(name: str, golden: Golden) -> None:
    golden.check(name, render(ALL[name]()))


@pytest.mark.parametrize("name", ALL)
def test_an_ordinary_scaffold_stays_within_two_thousand_tokens(name: str) -> None:
    assert len(json.dumps(ALL[name]().structured(), ensure_ascii=False)) <= 8000


@pytest.mark.parametrize("name", ALL)
def test_the_first_ten_lines_hold_verdict_three_numbers_and_one_change(name: str) -> None:
    head = "\n".join(render(ALL[name]()).splitlines()[:10])
    assert "**Verdict.**" in head
    assert "**First change.**" in head
    assert head.count("\n- ") in (2, 3)


def _cited(scaffold: Scaffold) -> set[str]:
    return {i for f in scaffold.findings for i in f.evidence} | {i for s in scaffold.frame for i in s.cites}


@pytest.mark.parametrize("name", ALL)
def test_every_citation_is_a_fact_and_every_step_ends_in_a_field(name: str) -> None:
    scaffold = ALL[name]()
    ids = [f.id for f in scaffold.established]
    assert len(ids) == len(set(ids))
    assert _cited(scaffold) <= set(ids)
    assert [s.field for s in scaffold.frame] == [f.name for f in scaffold.answer_form]
    assert 3 <= len(scaffold.frame) <= 6


@pytest.mark.parametrize("name", ALL)
def test_text_and_structure_carry_the_same_content(name: str) -> None:
    scaffold = ALL[name]()
    text = render(scaffold)
    for part in _strings(scaffold.structured()):
        if part not in EXAMPLES:
            assert part in text, part


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [s for k, v in value.items() if k not in {"unit"} for s in _strings(v)]
    if isinstance(value, list):
        return [s for v in value for s in _strings(v)]
    return []


@pytest.mark.parametrize("name", ALL)
def test_a_finding_links_its_principle_and_has_a_remedy_and_a_test(name: str) -> None:
    for finding in ALL[name]().findings:
        assert re.fullmatch(r"kaiming://(principles|reasoning)/[a-z-]+", finding.principle)
        assert finding.remedy
        assert finding.test


@pytest.mark.parametrize("name", ALL)
def test_quotations_come_from_the_library_with_their_grade(name: str) -> None:
    known = {q.text: q.grade for p in library().principles.values() for q in p.quotes}
    for quote in ALL[name]().quotes:
        assert known[quote.text] == quote.grade


def test_the_request_line_names_the_tool_and_changes_with_the_facts() -> None:
    he = json.loads(critique_text(library(), "repeat 9 { linear 64 64 ; relu }", initialization="he").request)
    assert he["tool"] == "critique_architecture"
    assert re.fullmatch(r"[0-9a-f]{8}", he["facts"])
    default = json.loads(critique_text(library(), "repeat 9 { linear 64 64 ; relu }").request)
    assert he["facts"] != default["facts"]
    again = critique_text(library(), he["args"]["architecture"], initialization="he")
    assert json.loads(again.request)["facts"] == he["facts"]
