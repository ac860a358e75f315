"""torchsummary tables: printed by the tool itself from real models, whose parameters are known."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Conv, Linear, Network, Opaque, Pool, Residual, Shape, layers, walk
from kaiming_mcp.architecture.tables.torchsummary import looks_like_torchsummary, read_torchsummary
from kaiming_mcp.architecture.torch_modules import is_known
from kaiming_mcp.architecture.torch_repr import LONGEST_TEXT

DATA = json.loads(gzip.decompress((Path(__file__).parents[1] / "data" / "torch_tables.json.gz").read_bytes()))
TABLES: dict[str, dict[str, Any]] = {t["name"]: t for t in DATA["tables"] if t["tool"] == "torchsummary"}
MISCOUNTED = {"gru", "rnn", "shared", "extras", "convnext_tiny", "swin_t"}
"""torchsummary's own total is wrong here: weights used again, bare parameters, modules that never run."""


def one(text: str) -> Network:
    (network,) = read_torchsummary(text).networks
    return network


@pytest.mark.parametrize("name", TABLES)
def test_the_account_of_every_table_agrees_with_its_total(name: str) -> None:
    network = one(TABLES[name]["text"])
    assert looks_like_torchsummary(TABLES[name]["text"])
    assert account(network).total == network.stated
    assert (network.stated == TABLES[name]["truth"]) == (name not in MISCOUNTED)


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"gru", "rnn"}))
def test_no_module_of_torch_stays_unknown(name: str) -> None:
    opaque = {la.op.name for la, _ in layers(one(TABLES[name]["text"]).root) if isinstance(la.op, Opaque)}
    assert not {cls for cls in opaque if is_known(cls)}


@pytest.mark.parametrize(("name", "cls"), [("gru", "GRU"), ("convnext_tiny", "CNBlock")])
def test_what_the_tool_does_not_count_is_said(name: str, cls: str) -> None:
    assert any("alone" in a.statement and cls in a.statement for a in one(TABLES[name]["text"]).assumptions)


def test_a_recurrent_layer_without_a_count_is_unknown_unless_its_input_is_shown() -> None:
    assert account(one(TABLES["gru"]["text"])).unknown
    text = """Layer (type)   Output Shape   Param #
Linear-1   [-1, 30, 40]   440
GRU-2   [[-1, 30, 128], [-1, 2, 128]]   0
Total params: 440"""
    network = one(text)
    assert account(network).total > 440
    assert any("does not count" in a.statement for a in network.assumptions)


def test_children_of_known_blocks_go_below_their_own_row() -> None:
    network = one(TABLES["resnet50"]["text"])
    blocks = [node for node, _ in walk(network.root) if isinstance(node, Residual)]
    assert len(blocks) == 16
    assert sum(block.shortcut is not None for block in blocks) == 4
    assert Conv(256, 512, (1, 1), (2, 2), (0, 0), (1, 1), bias=False) in [la.op for la, _ in layers(network.root)]
    assert network.input == Shape(3, (224, 224))


def _table(*rows: str) -> str:
    """Rows `Conv2d 64 32 36,864`: class, channels, width of the map, count."""
    head = "Layer (type)               Output Shape         Param #"
    cells = (row.split() for row in rows)
    return "\n".join([head, *(f"{c}-{i} [-1, {n}, {w}, {w}] {p}" for i, (c, n, w, p) in enumerate(cells, 1))])


def test_a_block_that_calls_its_activations_as_functions_has_its_skip_and_its_projection() -> None:
    pair = ["Conv2d 64 32 36,864", "BatchNorm2d 64 32 128"]
    wide = ["Conv2d 128 16 73,728", "BatchNorm2d 128 16 256", "Conv2d 128 16 147,456", "BatchNorm2d 128 16 256"]
    projection = ["Conv2d 128 16 8,192", "BatchNorm2d 128 16 256"]
    stem = ["Conv2d 64 32 1,728", "BatchNorm2d 64 32 128"]
    block, last = "ResidualBlock 64 32 0", "ResidualBlock 128 16 0"
    network = one(_table(*stem, *pair, *pair, block, *wide, *projection, last))
    sums = [n for n, _ in walk(network.root) if isinstance(n, Residual)]
    assert [n.shortcut is not None for n in sums] == [False, True]


def test_an_inverted_residual_adds_where_its_shape_stays_and_leaves_the_stem_outside() -> None:
    stem = ["Conv2d 16 32 432", "BatchNorm2d 16 32 32", "Hardswish 16 32 0"]
    first = ["Conv2d 16 32 144", "BatchNorm2d 16 32 32", "Hardswish 16 32 0"]
    project = ["Conv2d 16 32 256", "BatchNorm2d 16 32 32"]
    network = one(_table(*stem, *first, *project, "InvertedResidual 16 32 0"))
    (block,) = (n for n, _ in walk(network.root) if isinstance(n, Residual))
    assert sum(isinstance(la.op, Conv) for la, _ in layers(block.branch)) == 2


def test_a_table_shows_the_order_of_execution_so_that_an_activation_stays_where_it_ran() -> None:
    rows = ["Linear 8 4 72", "Linear 8 4 72", "Tanh 8 4 0"]
    kinds = [type(la.op).__name__ for la, _ in layers(one(_table(*rows).replace(", 4, 4]", "]")).root)]
    assert kinds == ["Linear", "Linear", "Activation"]


def test_a_flat_table_is_read_in_its_order_with_what_it_cannot_show() -> None:
    network = one(TABLES["alexnet"]["text"])
    ops = [la.op for la, _ in layers(network.root)]
    assert ops[0] == Conv(3, 64, (11, 11), (4, 4), (2, 2), (1, 1))
    assert ops[2] == Pool("max", (3, 3), (2, 2), (0, 0))
    assert ops[-1] == Linear(4096, 1000)
    assert network.modules == 22
    assert any("skips" in a.statement for a in network.assumptions)


def test_tables_one_after_the_other_are_networks_of_their_own() -> None:
    both = TABLES["generator"]["text"] + TABLES["discriminator"]["text"]
    assert [n.stated for n in read_torchsummary(both).networks] == [940_800, 142_592]


@pytest.mark.parametrize("text", ["", "Layer (type)  Output Shape  Param #", "x" * (LONGEST_TEXT + 1)])
def test_what_holds_no_row_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ReadError, match="Linear-1"):
        read_torchsummary(text)


@settings(max_examples=150, deadline=2_000)
@given(st.data())
def test_a_damaged_table_raises_nothing_but_a_read_error(data: st.DataObject) -> None:
    lines = TABLES[data.draw(st.sampled_from(["resnet18", "conv1d", "conv3d", "gru", "unet", "groups"]))][
        "text"
    ].splitlines()
    for at in data.draw(st.lists(st.integers(0, len(lines) - 1), max_size=8)):
        lines[at] = data.draw(
            st.sampled_from(["", lines[-1], lines[at][:30], lines[at].replace("1", "0"), lines[at] * 2])
        )
    text = "\n".join(lines)
    for at in data.draw(st.lists(st.integers(0, max(0, len(text) - 1)), max_size=30)):
        text = text[:at] + data.draw(st.sampled_from("0179-,.[]() aL\n")) + text[at + 1 :]
    text = text[: data.draw(st.integers(0, len(text)))]
    looks_like_torchsummary(text)
    try:
        networks = read_torchsummary(text).networks
    except ReadError:
        return
    for network in networks:
        account(network)
