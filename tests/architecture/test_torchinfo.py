"""torchinfo tables: printed by the tool itself from real models, whose parameters are known."""

from __future__ import annotations

import gzip
import json
from collections import Counter
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
    Difference,
    Embedding,
    Linear,
    Network,
    Opaque,
    Recurrent,
    Residual,
    Shape,
    layers,
    walk,
)
from kaiming_mcp.architecture.tables.torchinfo import looks_like_torchinfo, read_torchinfo
from kaiming_mcp.architecture.tables.torchsummary import looks_like_torchsummary
from kaiming_mcp.architecture.torch_modules import is_known, to_layer
from kaiming_mcp.architecture.torch_repr import LONGEST_TEXT, Module

DATA = json.loads(gzip.decompress((Path(__file__).parents[1] / "data" / "torch_tables.json.gz").read_bytes()))
TABLES: list[dict[str, Any]] = [t for t in DATA["tables"] if t["tool"] == "torchinfo"]
IDS = [f"{t['name']}-{i}" for i, t in enumerate(TABLES)]
OWN_WEIGHTS = {"ShiftedWindowAttention"}
"""Leaves of their library that compute with the weights of children which never run themselves."""


def one(text: str) -> Network:
    (network,) = read_torchinfo(text).networks
    return network


def table(name: str, **wanted: object) -> str:
    """The table of this model with exactly these settings; columns = their number."""
    for t in TABLES:
        given = {k: v for k, v in t["settings"].items() if k != "col_names"}
        given["columns"] = len(t["settings"].get("col_names", ()))
        if t["name"] == name and given == {"columns": 0} | wanted:
            return t["text"]
    raise KeyError(name)


@pytest.mark.parametrize("case", TABLES, ids=IDS)
def test_the_account_of_every_table_gives_the_true_number_of_parameters(case: dict[str, Any]) -> None:
    assert looks_like_torchinfo(case["text"])
    assert not looks_like_torchsummary(case["text"])
    network = one(case["text"])
    assert account(network).total == case["truth"] == network.stated


@pytest.mark.parametrize("case", [t for t in TABLES if t["full"]], ids=lambda t: t["name"])
def test_a_table_of_full_depth_leaves_no_module_of_torch_unknown(case: dict[str, Any]) -> None:
    opaque = {la.op.name for la, _ in layers(one(case["text"]).root) if isinstance(la.op, Opaque)}
    assert not {name for name in opaque if is_known(name)}
    assert opaque <= OWN_WEIGHTS


def test_weights_are_inferred_as_the_models_have_them() -> None:
    wrong, total = Counter[str](), Counter[str]()
    for case in TABLES:
        if not case["full"] or "hide_recursive_layers" in str(case["settings"]):
            continue
        for kind in (Linear, Conv, Embedding, Recurrent):
            printed = [to_layer(Module("", *leaf), "").op for leaf in DATA["leaves"][case["name"]]]
            true = Counter(op for op in printed if isinstance(op, kind))
            got = Counter(la.op for la, _ in layers(one(case["text"]).root) if isinstance(la.op, kind))
            wrong[kind.__name__] += (true - got).total()
            total[kind.__name__] += true.total()
    assert wrong["Embedding"] == wrong["Recurrent"] == 0
    # A merging of patches keeps its reduction apart, as an unknown module; seven by one and one by seven look alike.
    assert wrong["Linear"] <= 6
    assert wrong["Conv"] <= 30
    assert total["Conv"] > 1_500


def test_a_resnet_at_the_usual_depth_is_read_whole_with_its_projections() -> None:
    network = one(table("resnet50"))
    shortcuts = [node.shortcut for node, _ in walk(network.root) if isinstance(node, Residual)]
    assert len(shortcuts) == 16
    assert sum(shortcut is not None for shortcut in shortcuts) == 4
    assert not [la for la, _ in layers(network.root) if isinstance(la.op, Opaque)]
    assert network.input == Shape(3, (224, 224))
    assert network.name == "ResNet"


def test_children_below_the_depth_limit_stay_unknown_with_their_count() -> None:
    network = one(table("resnet18", depth=1))
    opaque = [la.op for la, _ in layers(network.root) if isinstance(la.op, Opaque)]
    assert [op.name for op in opaque] == ["Sequential"] * 4
    assert [op.parameters for op in opaque] == [147_968, 525_568, 2_099_712, 8_393_728]


def test_a_module_that_runs_again_counts_once() -> None:
    network = one(table("shared"))
    assert [la.op for la, _ in layers(network.root)].count(Linear(32, 32)) == 4
    (difference,) = network.differences
    assert difference.count == -3 * 1_056


def test_parameters_of_a_module_itself_are_a_difference_that_names_it() -> None:
    network = one(table("vit_b_16", depth=10))
    assert [d.count for d in network.differences] == [768, 151_296]
    assert all("itself" in d.reason for d in network.differences)


def test_lists_in_turns_below_the_depth_limit_stand_in_the_total_alone() -> None:
    network = one(table("interleaved", depth=1))
    assert network.differences == (Difference(21_440, "in the text's total but in no row"),)


@pytest.mark.parametrize(("name", "first"), [("encoder_pre", True), ("encoder_post", False)])
def test_the_order_of_rows_tells_pre_norm_from_post_norm(name: str, first: bool) -> None:
    network = one(table(name, depth=10, row_settings=["var_names", "depth"], columns=3))
    inside = [
        any(la.path.endswith("norm1") for la, _ in layers(node.branch))
        for node, _ in walk(network.root)
        if isinstance(node, Residual) and any(isinstance(la.op, Attention) for la, _ in layers(node.branch))
    ]
    assert inside == [first] * 3
    assert not network.alternatives
    assert not [a for a in network.assumptions if "norm_first" in a.statement]


def test_a_recurrent_layer_is_solved_from_its_count() -> None:
    network = one(table("lstm"))
    assert [la.op for la, _ in layers(network.root)] == [
        Embedding(5000, 64),
        Recurrent("lstm", 64, 96, 2, True, True),
        Linear(192, 5),
    ]
    assert network.input == Shape(None, (20,))


def test_several_tables_are_several_networks_and_rows_may_lose_their_header() -> None:
    first, second = table("mlp"), table("shared")
    assert [n.name for n in read_torchinfo(first + "\nand\n" + second).networks] == ["Sequential", "Shared"]
    rows = "\n".join(line for line in first.splitlines() if line.startswith("├─"))
    assert looks_like_torchinfo(rows)
    network = one(rows)
    assert account(network).total == 670_218
    assert network.stated is None
    assert any("ends without its totals" in a.statement for a in network.assumptions)


def test_a_transformer_layer_that_ran_as_one_is_opened_where_its_count_fits() -> None:
    text = """Layer (type:depth-idx)    Output Shape    Param #
Encoder                   [2, 10, 64]     --
├─TransformerEncoderLayer: 1-1  [2, 10, 64]  33,472
├─TransformerEncoderLayer: 1-2  [2, 10, 64]  33,473
Total params: 66,945"""
    network = one(text)
    assert account(network).total == 66_945
    assert Linear(64, 128) in [la.op for la, _ in layers(network.root)]
    assert [la.op.name for la, _ in layers(network.root) if isinstance(la.op, Opaque)] == ["TransformerEncoderLayer"]


@pytest.mark.parametrize(
    "text", ["", "no table", "Layer (type:depth-idx)  Output Shape  Param #", "x" * (LONGEST_TEXT + 1)]
)
def test_what_holds_no_row_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ReadError, match="├─Linear: 1-1"):
        read_torchinfo(text)


def test_a_table_nested_without_end_is_refused() -> None:
    rows = "\n".join(f"├─Block: {depth}-1   --" for depth in range(1, 200))
    with pytest.raises(ReadError, match="nested deeper than 80"):
        read_torchinfo(rows)


SMALL = [t["text"] for t in TABLES if len(t["text"]) < 8_000]


@settings(max_examples=150, deadline=2_000)
@given(st.data())
def test_a_damaged_table_raises_nothing_but_a_read_error(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(SMALL))
    lines = text.splitlines()
    for at in data.draw(st.lists(st.integers(0, len(lines) - 1), max_size=8)):
        lines[at] = data.draw(
            st.sampled_from(["", lines[0], lines[at][:20], lines[at].replace("1", "0"), lines[at] * 2])
        )
    text = "\n".join(lines)
    for at in data.draw(st.lists(st.integers(0, max(0, len(text) - 1)), max_size=30)):
        text = text[:at] + data.draw(st.sampled_from("0179-,.[]()│└─+: aLx\n")) + text[at + 1 :]
    text = text[: data.draw(st.integers(0, len(text)))]
    looks_like_torchinfo(text)
    try:
        networks = read_torchinfo(text).networks
    except ReadError:
        return
    for network in networks:
        found = account(network)
        if network.stated is not None and not found.unknown and not network.assumptions:
            assert found.total == network.stated
