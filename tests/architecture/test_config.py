"""Configs of every family against the library's own totals, their structure and signal; strange and broken configs."""

from __future__ import annotations

import gzip
import json
import math
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.config.families import FAMILIES
from kaiming_mcp.architecture.config.reader import looks_like_config, read_config
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Dropout,
    Layer,
    Linear,
    Network,
    Norm,
    Opaque,
    Product,
    Repeat,
    Residual,
    Scale,
    Sequence,
    Shape,
    layers,
    walk,
)
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.trace import trace

DATA = Path(__file__).parents[1] / "data"
ROWS: list[dict[str, Any]] = json.loads(gzip.decompress((DATA / "hf_configs.json.gz").read_bytes()))["rows"]
BY_FAMILY: dict[str, list[dict[str, Any]]] = defaultdict(list)
for _row in ROWS:
    BY_FAMILY[_row["config"]["model_type"]].append(_row)
LLAMA: dict[str, Any] = json.loads((DATA / "model_texts" / "12_config_hf_llama.json").read_text(encoding="utf-8"))
PLAIN = [row["config"] for row in ROWS[::2]]


def _read(config: dict[str, Any] | str) -> list[Network]:
    text = config if isinstance(config, str) else json.dumps(config)
    return list(read_config(text).networks)


def _family(name: str, cls: str = "", **fields: Any) -> list[Network]:
    named = {"architectures": [cls]} if cls else {}
    return _read({"model_type": name, **named, **fields})


def _total(networks: list[Network]) -> int:
    return sum(account(network).total for network in networks)


def _said(network: Network) -> str:
    return " / ".join(a.statement for a in network.assumptions)


def _body(network: Network) -> Sequence | Residual:
    """What one block holds."""
    body = next(node.body for node, _ in walk(network.root) if isinstance(node, Repeat))
    assert isinstance(body, Sequence | Residual)
    return body


def _kinds(node: object) -> list[str]:
    """The children of a sequence in short: names of nodes, or of the operation of a layer."""
    assert isinstance(node, Sequence)
    return [type(c.op if isinstance(c, Layer) else c).__name__ for c in node.children]


def _op(network: Network, kind: type) -> Any:
    return next(layer.op for layer, _ in layers(network.root) if isinstance(layer.op, kind))


def test_every_family_has_true_totals_to_agree_with() -> None:
    assert set(BY_FAMILY) == set(FAMILIES)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_parameters_add_up_to_the_librarys_total(family: str) -> None:
    for row in BY_FAMILY[family]:
        networks = _read(row["config"])
        assert _total(networks) == row["parameters"], row["config"]
        assert not any(account(network).unknown for network in networks)
        assert all(network.name.startswith(row["config"]["architectures"][0]) for network in networks)


@pytest.mark.parametrize(
    ("file", "name", "total"),
    [
        ("12_config_hf_llama.json", "LlamaForCausalLM", 1_100_048_384),
        ("14_config_hf_bert.json", "BertModel", 109_482_240),
        ("16_config_hf_gpt2_xl.json", "GPT2LMHeadModel", 1_557_611_200),
    ],
)
def test_a_file_without_a_class_is_read_as_the_usual_one_and_says_so(file: str, name: str, total: int) -> None:
    text = (DATA / "model_texts" / file).read_text(encoding="utf-8")
    assert looks_like_config(text)
    (network,) = _read(text)
    assert (network.name, _total([network])) == (name, total)
    assert f"taken as {name}" in _said(network)
    assert "library's defaults" not in _said(network)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_signal_can_be_traced_through_every_family(family: str) -> None:
    smallest = min(BY_FAMILY[family], key=lambda row: row["parameters"])
    for network in _read(smallest["config"]):
        assert network.input is not None
        if network.input.positions is None:
            waveform = network.input.features == 1
            known = replace(network, input=Shape(network.input.features, (3000 if waveform else 128,)))
        else:
            known = network
        stations = trace(known, parse_initialization(network.initialization or "pytorch"), 32).stations
        assert stations
        assert all(math.isfinite(station.state.log_q) and math.isfinite(station.log_g) for station in stations)


def test_every_initialization_is_understood() -> None:
    words = {network.initialization for config in PLAIN for network in _read(config)} - {""}
    assert {"std 0.02", "gpt2 std 0.02", "lecun", "he fan_out"} <= words
    for word in words:
        parse_initialization(word)


def test_bert_is_post_norm_with_a_pooler_and_gpt2_pre_norm_with_a_tied_head() -> None:
    (bert,) = _family("bert", "BertModel")
    assert _kinds(_body(bert)) == ["Residual", "Norm", "Residual", "Norm"]
    assert [la.op for la, _ in layers(bert.root)][-2:] == [Linear(768, 768), Activation("tanh")]
    assert _op(bert, Dropout) == Dropout(0.1)
    assert _op(bert, Norm) == Norm("layer", 768, 1e-12)
    (gpt2,) = _family("gpt2", "GPT2LMHeadModel")
    assert _kinds(_body(gpt2)) == ["Residual", "Residual"]
    branch = _body(gpt2).children[0].branch  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType, reportUnknownMemberType]
    assert _kinds(branch) == ["Norm", "Attention", "Dropout"]
    assert [d.count for d in gpt2.differences] == [-50257 * 768]


@pytest.mark.parametrize(
    ("family", "fields", "sums", "first"),
    [
        ("gptj", {}, 1, ["Norm", "Residual"]),
        ("gpt_neox", {}, 1, None),
        ("falcon", {}, 1, ["Norm", "Residual"]),
        ("falcon", {"parallel_attn": False}, 2, ["Norm", "Attention"]),
        ("llama", {}, 2, ["Norm", "Attention"]),
        ("gemma2", {}, 2, ["Norm", "Attention", "Norm"]),
        ("olmo2", {}, 2, ["Attention", "Norm"]),
    ],
)
def test_blocks_add_and_normalize_where_the_family_does(
    family: str, fields: dict[str, Any], sums: int, first: list[str] | None
) -> None:
    (network,) = _family(family, **fields)
    body = _body(network)
    residuals = [body] if isinstance(body, Residual) else [c for c in body.children if isinstance(c, Residual)]
    assert len(residuals) == sums
    assert all(r.basis == "assumed" for r in residuals)
    if first is None:
        assert isinstance(residuals[0].branch, Residual)
        assert _kinds(residuals[0].branch.branch)[0] == "Norm"
    else:
        assert _kinds(residuals[0].branch) == first


def test_grouped_queries_own_head_widths_and_partial_biases_reach_the_attention() -> None:
    (network,) = _read({**LLAMA, "head_dim": 32, "num_key_value_heads": 8})
    found = _op(network, Attention)
    assert (found.heads, found.kv_width, found.causal) == (32, 256, True)
    assert found.extra == 2 * 2048 * (32 * 32 - 2048)
    assert _op(_family("qwen2")[0], Attention).extra == 3 * 4096
    assert _op(_family("bert")[0], Attention) == Attention(768, 12)
    assert _op(_family("gpt_neo")[0], Attention).scale == 1.0


def test_multipliers_stand_in_the_tree() -> None:
    (gemma,) = _family("gemma", hidden_size=2048)
    assert _op(gemma, Scale).factor == pytest.approx(math.sqrt(2048))
    (granite,) = _family("granite", embedding_multiplier=12, residual_multiplier=0.22, attention_multiplier=0.0078)
    assert _op(granite, Scale) == Scale(12.0)
    assert {n.scale for n, _ in walk(granite.root) if isinstance(n, Residual)} == {0.22}
    assert _op(granite, Attention).scale == 0.0078
    (beit,) = _family("beit")
    assert _op(beit, Scale) == Scale(0.1, 768)


def test_gated_and_plain_mlps_take_the_activation_of_the_file() -> None:
    (network,) = _read({**LLAMA, "hidden_act": "gelu_new"})
    product = next(node for node, _ in walk(network.root) if isinstance(node, Product))
    assert [la.op for la, _ in layers(product)] == [
        Linear(2048, 5632, False),
        Activation("gelu_tanh"),
        Linear(2048, 5632, False),
    ]
    assert _op(_family("opt")[0], Activation) == Activation("relu")


def test_albert_repeats_one_body_and_subtracts_its_copies() -> None:
    (network,) = _family("albert", "AlbertModel")
    assert next(n for n, _ in walk(network.root) if isinstance(n, Repeat)).count == 12
    assert any(d.count < 0 and "share" in d.reason for d in network.differences)


def test_a_mixture_shows_one_tokens_path_and_counts_the_other_experts() -> None:
    (network,) = _family("mixtral")
    assert Linear(4096, 2 * 14336, False) in [la.op for la, _ in layers(network.root)]
    assert {d.reason: d.count for d in network.differences} == {
        "experts beyond the 2 of 8 that a token passes": 32 * 6 * 3 * 4096 * 14336,
        "routers of the experts": 32 * 8 * 4096,
    }
    assert "2 of 8 experts" in _said(network)


def test_encoder_and_decoder_and_two_towers_are_networks_of_their_own() -> None:
    encoder, decoder = _family("t5", "T5ForConditionalGeneration")
    assert (encoder.name, decoder.name) == ("T5ForConditionalGeneration encoder", "T5ForConditionalGeneration decoder")
    assert "add up" in _said(encoder)
    assert any("cross_attention" in la.path for la, _ in layers(decoder.root))
    text, vision = _family("clip", "CLIPModel")
    assert (text.input, vision.input) == (Shape(None, None), Shape(3, (224, 224)))


def test_the_input_of_a_vision_model_is_the_image_and_that_of_a_language_model_stays_open() -> None:
    assert _family("vit", image_size=[96, 64], num_channels=1, patch_size=8)[0].input == Shape(1, (96, 64))
    assert _read(LLAMA)[0].input == Shape(None, None)


def test_the_number_of_classes_is_that_of_the_labels() -> None:
    labels = {str(i): str(i) for i in range(17)}
    (network,) = _family("bert", "BertForSequenceClassification", id2label=labels)
    assert [la.op for la, _ in layers(network.root)][-1] == Linear(768, 17)


def test_absent_fields_are_the_librarys_and_listed() -> None:
    (network,) = _family("llama", "LlamaForCausalLM", hidden_size=64, num_attention_heads=4)
    assert "num_hidden_layers = 32" in _said(network)
    assert "hidden_size =" not in _said(network)


def test_dropout_of_attention_weights_is_said_not_to_be_modelled() -> None:
    (network,) = _family("bert", attention_probs_dropout_prob=0.1)
    assert "attention_probs_dropout_prob = 0.1" in _said(network)


def test_an_unknown_head_is_opaque_and_the_rest_is_read() -> None:
    (network,) = _family("bert", "BertForDreaming")
    assert account(network).unknown
    assert "ForDreaming" in _said(network)


def test_an_unknown_family_is_read_by_the_nearest_layout_with_an_assumption() -> None:
    (network,) = _read({**LLAMA, "model_type": "newlm", "architectures": ["NewLMForCausalLM"]})
    assert "newlm is not known: read as llama" in _said(network)
    assert _total([network]) == 1_100_048_384
    (by_class,) = _read({**LLAMA, "model_type": "", "architectures": ["LlamaForCausalLM"]} | {"model_type": None})
    assert "not known" not in _said(by_class)


def test_the_language_model_inside_a_larger_model_is_read_and_the_rest_stays_unknown() -> None:
    outer = {"model_type": "llava", "architectures": ["LlavaForConditionalGeneration"], "text_config": LLAMA}
    (network,) = _read(outer)
    assert account(network).unknown
    assert "only the language model" in _said(network)
    assert _op(network, Opaque).parameters is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"hidden_size": "2048"}, r"`hidden_size` must be a whole number .* not '2048'.*\"hidden_size\": 768"),
        ({"hidden_size": [1]}, "`hidden_size` must be .* not a list"),
        ({"hidden_size": 10**12}, "1,000,000,000"),
        ({"hidden_size": -4}, "`hidden_size`"),
        ({"hidden_size": True}, "`hidden_size`"),
        ({"num_hidden_layers": 10_001}, "10,000"),
        ({"num_attention_heads": 0}, "`num_attention_heads`"),
        ({"num_attention_heads": 7, "head_dim": None}, "not a multiple"),
        ({"num_key_value_heads": 5}, "num_key_value_heads"),
        ({"rms_norm_eps": float("nan")}, "`rms_norm_eps`"),
        ({"rms_norm_eps": float("inf")}, "`rms_norm_eps`"),
        ({"rms_norm_eps": -1e-5}, "`rms_norm_eps`"),
        ({"tie_word_embeddings": "no"}, "`tie_word_embeddings` must be true or false"),
        ({"hidden_act": 3}, "`hidden_act`"),
        ({"architectures": 3}, "`architectures`"),
        ({"architectures": [3]}, "`architectures`"),
        (
            {"model_type": "perceiver", "architectures": None, "num_attention_heads": None},
            "Known: bert, .*print\\(model\\)",
        ),
        ({"model_type": {"a": 1}}, "`model_type`"),
    ],
)
def test_a_wrong_field_is_named_with_a_valid_example(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(ReadError, match=expected):
        _read({**LLAMA, "architectures": ["LlamaForCausalLM"], **change})


def test_a_wrong_field_of_a_nested_config_is_named_with_its_place() -> None:
    with pytest.raises(ReadError, match=r"vision_config\.hidden_size"):
        _family("clip", "CLIPModel", vision_config={"hidden_size": "x"})
    with pytest.raises(ReadError, match="`vision_config` must be a nested config"):
        _family("clip", "CLIPModel", vision_config=3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "{",
        '{"model_type": "llama",',
        '{"model_type": "llama" "hidden_size": 3}',
        '{"a": ' * 100_000,
        "[" * 100_000,
        '{"model_type": ' + "[" * 100_000,
        '{"hidden_size": ' + "9" * 10_000 + "}",
        "{}",
        "{'a': \"b",
    ],
)
def test_what_is_no_config_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ReadError, match=r"model_type|Known: bert"):
        read_config(text)


def test_bad_json_is_told_with_its_line() -> None:
    with pytest.raises(ReadError, match="Line 5"):
        read_config('Here it is:\n\n{\n "model_type": "llama",\n "hidden_size": = 3\n}')


def _python(config: dict[str, Any]) -> str:
    return repr(config)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda t: f"LlamaConfig {t}\n",
        lambda t: f"my model's config.json:\n```json\n{t}\n```\nwhy does the loss not fall?",
        lambda t: f"config = {t}",
        lambda t: t.replace('"hidden_size"', '// the width\n "hidden_size"').replace("\n}", ",  # end\n}"),
        lambda t: _python({**json.loads(t), "shape": (1, 2), "note": 'it\'s "so"'}),
        lambda t: _python(json.loads(t)).replace("'silu'", "'silu', 'torch_dtype': torch.bfloat16"),
        lambda t: t.replace("{", '{"hidden_size": 7,', 1),
    ],
)
def test_prose_fences_comments_and_python_forms_are_read_alike(wrap: Any) -> None:
    text = wrap(json.dumps(LLAMA, indent=1))
    assert looks_like_config(text)
    assert _total(_read(text)) == 1_100_048_384


def test_other_formats_do_not_look_like_a_config() -> None:
    for text in (
        "repeat 20 { linear 64 64 ; relu }",
        (DATA / "model_texts" / "11_repr_hf_llama_1b.txt").read_text(encoding="utf-8"),
        "class Net(nn.Module):\n  def forward(self, x):\n    return {'model_type': 'llama'}",
        "config = {\n 'lr': 0.1, 'layers': 3 }",
        '{"loss": [1, 2]}',
    ):
        assert not looks_like_config(text)


def test_t5_says_that_the_head_is_tied_whatever_the_file_says() -> None:
    (_, decoder) = _family("t5", "T5ForConditionalGeneration", tie_word_embeddings=False)
    assert "before 5" in _said(decoder)


_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.integers(0, 70),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(-1, 40), max_size=5),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.sampled_from(["gelu", "gated-gelu", "layer", "group", "c2p|p2c", ["c2p"], "auto"]),
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_fields_are_read_or_refused(data: st.DataObject) -> None:
    config = dict(data.draw(st.sampled_from([row["config"] for row in ROWS])))
    for name in data.draw(st.lists(st.sampled_from(sorted(config)), max_size=4)):
        if data.draw(st.booleans()):
            config.pop(name, None)
        else:
            config[name] = data.draw(_VALUES)
    try:
        networks = _read(config)
    except ReadError:
        return
    for network in networks:
        account(network)
        if network.initialization:
            parse_initialization(network.initialization)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_cut_or_garbled_text_is_read_or_refused(data: st.DataObject) -> None:
    text = json.dumps(data.draw(st.sampled_from(PLAIN)), indent=1)
    at = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(at, min(len(text), at + 30)))
    garbled = text[:at] + data.draw(st.text(max_size=8)) + text[end:]
    looks_like_config(garbled)
    try:
        read_config(garbled)
    except ReadError:
        return


@pytest.mark.parametrize(
    "text",
    [
        '{"' * 500_000,
        "{'" + '\\"' * 500_000,
        "{\n" * 500_000,
        '{"a": "' + "\\" * 1_000_000,
        '{"a": 1' + ", " * 500_000,
        "// " * 300_000 + "{",
        '{"model_type": "llama", "mlp_only_layers": [' + "1," * 400_000 + "1]}",
        '{"model_type": "qwen2_moe", "num_hidden_layers": 10000, "decoder_sparse_step": 2}',
    ],
)
def test_a_large_hostile_text_takes_no_time(text: str) -> None:
    start = time.process_time()
    looks_like_config(text)
    with suppress(ReadError):
        read_config(text)
    assert time.process_time() - start < 3
