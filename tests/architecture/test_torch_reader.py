"""Real printouts, whole, collapsed and cut; random module trees; anything at all."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import (
    Attention,
    Conv,
    Linear,
    Network,
    Norm,
    Opaque,
    Product,
    Repeat,
    Residual,
    layers,
    walk,
)
from kaiming_mcp.architecture.torch_reader import read_torch_repr
from kaiming_mcp.architecture.torch_repr import looks_like_torch_repr

DATA = Path(__file__).parents[1] / "data" / "model_texts"
FACTS: dict[str, dict[str, Any]] = json.loads((DATA / "manifest.json").read_text(encoding="utf-8"))["facts"]
FILES = sorted(name for name in FACTS if "_repr_" in name)


def _read(name: str) -> list[Network]:
    return list(read_torch_repr((DATA / name).read_text(encoding="utf-8")).networks)


def _count(network: Network, kind: type) -> int:
    return sum(times for layer, times in layers(network.root) if isinstance(layer.op, kind))


@pytest.mark.parametrize("name", FILES)
def test_the_parameter_total_is_the_true_one(name: str) -> None:
    facts = FACTS[name]
    expected = [facts["params"]] if "params" in facts else [facts["params_G"], facts["params_D"]]
    accounts = [account(network) for network in _read(name)]
    assert [a.total for a in accounts] == expected
    for a in accounts:
        assert not a.unknown
        assert a.printed + sum(d.count for d in a.differences) == a.total


@pytest.mark.parametrize("name", FILES)
def test_every_printed_module_is_accounted_for(name: str) -> None:
    text = (DATA / name).read_text(encoding="utf-8")
    printed = 0
    # The number of lines that open or hold a module, each weighted by the run lengths above it.
    scale: list[tuple[int, int]] = []
    for line in text.splitlines():
        found = re.match(r"(\s*)(?:\([\w.\-]+\): )?(?:(\d+) x )?[A-Z]\w*\(", line)
        if not found:
            continue
        depth = len(found[1])
        scale = [(d, s) for d, s in scale if d < depth]
        times = int(found[2] or 1) * (scale[-1][1] if scale else 1)
        scale.append((depth, times))
        printed += times
    assert sum(network.modules for network in _read(name)) == printed


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("joint", [" ", "", "\r\n"])
def test_lost_or_foreign_line_breaks_read_to_the_same_network(name: str, joint: str) -> None:
    text = (DATA / name).read_text(encoding="utf-8")
    collapsed = read_torch_repr(re.sub(r"\s*\n\s*", joint, text))
    assert [n.root for n in collapsed.networks] == [n.root for n in _read(name)]


def test_what_surrounds_a_printout_is_passed_over() -> None:
    text = (DATA / "01_repr_plain_mlp20_relu.txt").read_text(encoding="utf-8")
    pasted = f"Here is my model (it does not train):\n```\n>>> print(model)\n\x1b[1m{text}\x1b[0m```\nWhy? (help)"
    assert read_torch_repr(pasted).networks[0].root == _read("01_repr_plain_mlp20_relu.txt")[0].root


def test_the_plain_stack_has_its_layers() -> None:
    (network,) = _read("01_repr_plain_mlp20_relu.txt")
    assert _count(network, Linear) == 20
    assert not network.assumptions


def test_resnet_blocks_are_residual_sums_with_projections_where_the_size_changes() -> None:
    (network,) = _read("03_repr_resnet18.txt")
    blocks = [n for n, _ in walk(network.root) if isinstance(n, Residual)]
    assert len(blocks) == 8
    assert sum(b.shortcut is not None for b in blocks) == 3
    assert all(b.basis == "assumed" for b in blocks)
    assert (_count(network, Conv), _count(network, Norm)) == (20, 20)
    assert any("BasicBlock" in a.statement for a in network.assumptions)


def test_the_hidden_in_proj_is_counted_and_explained() -> None:
    (network,) = _read("09_repr_torch_transformer_encoder12.txt")
    (difference,) = account(network).differences
    assert difference.count == 12 * (3 * 512 * 512 + 3 * 512)
    assert "in_proj" in difference.reason


@pytest.mark.parametrize(
    ("name", "first"),
    [("09_repr_torch_transformer_encoder12", "attention"), ("10_repr_torch_transformer_encoder12_preln", "norm")],
)
def test_a_final_norm_hints_at_pre_norm_and_the_hint_is_named(name: str, first: str) -> None:
    (network,) = _read(f"{name}.txt")
    block = next(n for n, _ in walk(network.root) if isinstance(n, Residual))
    op = next(iter(layers(block)))[0].op
    assert isinstance(op, Attention if first == "attention" else Norm)
    (assumption,) = network.assumptions
    assert "norm_first" in assumption.statement
    assert "norm_first" in assumption.settle


def test_an_encoder_of_deep_copies_starts_with_identical_layers() -> None:
    (network,) = _read("09_repr_torch_transformer_encoder12.txt")
    (repeat,) = [n for n, _ in walk(network.root) if isinstance(n, Repeat)]
    assert (repeat.count, repeat.identical) == (12, True)


def test_the_tied_head_of_gpt2_is_counted_once() -> None:
    (network,) = _read("15_repr_hf_gpt2_xl.txt")
    (difference,) = account(network).differences
    assert difference.count == -50257 * 1600
    assert _count(network, Attention) == 48


def test_a_gated_mlp_is_a_product_and_grouped_queries_keep_their_width() -> None:
    (network,) = _read("11_repr_hf_llama_1b.txt")
    assert sum(t for n, t in walk(network.root) if isinstance(n, Product)) == 22
    attention = next(la.op for la, _ in layers(network.root) if isinstance(la.op, Attention))
    assert (attention.features, attention.kv_width) == (2048, 256)


def test_two_models_in_one_paste_are_told_apart() -> None:
    assert [n.name for n in _read("08_repr_dcgan_pair.txt")] == ["Generator", "Discriminator"]


def test_unknown_classes_are_reported_and_not_dropped() -> None:
    text = (
        "Generator( (layers): ModuleList( (0): Init( (conv): _equalized_conv2d(512, 512, 3, 3) (n): PixelNorm() ) ) )"
    )
    (network,) = read_torch_repr(text).networks
    assert _count(network, Opaque) == 2
    assert account(network).unknown == ("_equalized_conv2d(512, 512, 3, 3)", "PixelNorm()")
    assert any("Init" in a.statement for a in network.assumptions)


@pytest.mark.parametrize("name", FILES)
def test_a_printout_that_is_cut_off_is_read_as_far_as_it_goes(name: str) -> None:
    text = (DATA / name).read_text(encoding="utf-8").rstrip()
    for share in (0.5, 0.9, 0.99):
        reading = read_torch_repr(text[: int(len(text) * share)])
        assert any("cut off" in a.statement for a in reading.networks[-1].assumptions) or len(reading.networks) < 2


@pytest.mark.parametrize(
    "text",
    ["A((a): " * 100_000, "A(" + "(" * 1_000_000, "A((a): B((" * 100_000, "(a): " * 300_000, "Aaaa" * 400_000],
)
def test_hostile_text_is_answered_quickly(text: str) -> None:
    begun = time.process_time()
    looks_like_torch_repr(text)
    try:
        read_torch_repr(text)
    except ReadError as error:
        assert str(error)
    assert time.process_time() - begun < 5


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab(): \nLinear0123x,=.'\\\x1b", max_size=400))
def test_random_text_raises_nothing_but_a_read_error(text: str) -> None:
    looks_like_torch_repr(text)
    try:
        read_torch_repr(text)
    except ReadError as error:
        assert str(error)


_LEAVES = st.sampled_from(["ReLU()", "Linear(in_features=3, out_features=4, bias=True)", "Foo(size=(3, 3), x=[1])"])
_TREES = st.recursive(_LEAVES, lambda inner: st.lists(inner, min_size=1, max_size=4), max_leaves=12)


def _printed(tree: Any, name: str = "", indent: int = 0) -> list[str]:
    label = f"({name}): " if name else ""
    pad = " " * indent
    if isinstance(tree, str):
        return [f"{pad}{label}{tree}"]
    inner = [line for i, child in enumerate(tree) for line in _printed(child, str(i), indent + 2)]
    return [f"{pad}{label}Sequential(", *inner, f"{pad})"]


def _leaves(tree: Any) -> int:
    return 1 if isinstance(tree, str) else sum(map(_leaves, tree))


@settings(deadline=None)
@given(st.lists(_TREES, min_size=1, max_size=4))
def test_any_printed_tree_reads_to_one_layer_for_each_leaf(tree: list[Any]) -> None:
    lines = _printed(tree)
    (network,) = read_torch_repr("\n".join(lines)).networks
    assert len(list(layers(network.root))) == _leaves(tree)
    (collapsed,) = read_torch_repr(" ".join(line.strip() for line in lines)).networks
    assert collapsed.root == network.root
