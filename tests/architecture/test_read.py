"""The door: every format through one argument, noise taken off, parts of one paste read together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Attention, Layer, Linear, Reading, Residual, layers, walk
from kaiming_mcp.architecture.read import MOST_LINES, read_architecture

TEXTS = Path(__file__).parents[1] / "data" / "model_texts"
FACTS = json.loads((TEXTS / "manifest.json").read_text("utf-8"))["facts"]
NAMES = sorted(FACTS)

PREFIXES = [
    "2024-05-01 12:00:00,123 - train - INFO - ",
    "[rank0]: ",
    "> ",
]


def _text(name: str) -> str:
    return (TEXTS / name).read_text("utf-8")


def _totals(reading: Reading) -> list[int]:
    return [account(n).total for n in reading.networks]


@pytest.mark.parametrize("name", NAMES)
def test_every_given_text_has_its_true_total(name: str) -> None:
    facts = FACTS[name]
    wanted = [facts[key] for key in ("params", "params_G", "params_D") if key in facts]
    assert _totals(read_architecture(_text(name))) == wanted


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_on_every_line_changes_nothing(prefix: str, name: str) -> None:
    text = _text(name)
    noisy = "\r\n".join(prefix + line for line in text.split("\n"))
    assert _totals(read_architecture(noisy)) == _totals(read_architecture(text))


@pytest.mark.parametrize("name", NAMES)
def test_fences_numbers_and_colours_change_nothing(name: str) -> None:
    text = _text(name)
    numbered = "\n".join(f"{i:4d} {line}" for i, line in enumerate(text.split("\n"), 1))
    fenced = f"Why does this not train?\n\n```text\n{text}\n```\nThanks (for any help)!"
    coloured = "\n".join(f"\x1b[32m{line}\x1b[0m" for line in text.split("\n"))
    wanted = _totals(read_architecture(text))
    for noisy in (numbered, fenced, coloured):
        assert _totals(read_architecture(noisy)) == wanted


SOURCE = """import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)

    def forward(self, x):
        return x + self.fc2(torch.tanh(self.fc1(self.norm(x))))

class Net(nn.Module):
    def __init__(self, width, depth):
        super().__init__()
        self.blocks = nn.ModuleList([Block(width) for _ in range(depth)])
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.head(x)
"""
PRINTED = """Net(
  (blocks): ModuleList(
    (0-5): 6 x Block(
      (norm): LayerNorm((64,), eps=1e-05, elementwise_affine=True)
      (fc1): Linear(in_features=64, out_features=64, bias=True)
      (fc2): Linear(in_features=64, out_features=64, bias=True)
    )
  )
  (head): Linear(in_features=64, out_features=10, bias=True)
)"""


def test_source_decides_what_the_printout_hides_and_the_printout_the_sizes() -> None:
    reading = read_architecture(f"My model\n{SOURCE}\nprints as\n{PRINTED}\n")
    network = reading.networks[0]
    assert "source" in reading.format
    assert account(network).total == 6 * (128 + 2 * 65 * 64) + 650
    assert sum(times for node, times in walk(network.root) if isinstance(node, Residual)) == 6
    assert any(getattr(la.op, "name", "") == "tanh" for la, _ in layers(network.root))


def test_a_printout_alone_says_that_its_skips_are_hidden() -> None:
    network = read_architecture(PRINTED).networks[0]
    assert not any(isinstance(node, Residual) for node, _ in walk(network.root))
    assert any("Block" in a.statement for a in network.assumptions)


def test_a_configuration_gives_heads_and_initialization_to_the_printout() -> None:
    text = f"{_text('12_config_hf_llama.json')}\n\n{_text('11_repr_hf_llama_1b.txt')}"
    network = read_architecture(text).networks[0]
    heads = {la.op.heads for la, _ in layers(network.root) if isinstance(la.op, Attention)}
    assert heads == {32}
    assert network.initialization == "std 0.02"
    assert account(network).total == FACTS["11_repr_hf_llama_1b.txt"]["params"]


def test_a_configuration_of_another_model_is_doubted() -> None:
    text = f"{_text('14_config_hf_bert.json')}\n\n{_text('11_repr_hf_llama_1b.txt')}"
    assert any("configuration" in a.statement for a in read_architecture(text).networks[0].assumptions)


def test_source_with_a_table_takes_its_total_and_input() -> None:
    table = """==========================================================================================
Layer (type:depth-idx)                   Output Shape              Param #
==========================================================================================
Net                                      [8, 10]                   --
├─Linear: 1-1                            [8, 64]                   2,112
├─Linear: 1-2                            [8, 10]                   650
==========================================================================================
Total params: 2,762
=========================================================================================="""
    source = (
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.a = nn.Linear(32, 64)\n        self.b = nn.Linear(64, 10)\n"
        "    def forward(self, x):\n        return self.b(self.a(x).sin())\n"
    )
    network = read_architecture(f"{source}\nsummary(Net(), (8, 32))\n{table}").networks[0]
    assert network.stated == account(network).total == 2762
    assert any(getattr(la.op, "name", "") == "sin" for la, _ in layers(network.root))


def test_two_models_are_told_apart_and_one_is_picked_by_name() -> None:
    text = _text("08_repr_dcgan_pair.txt")
    assert [n.name for n in read_architecture(text).networks] == ["Generator", "Discriminator"]
    assert read_architecture(text, "discriminator").networks[0].name == "Discriminator"
    with pytest.raises(ReadError, match="Generator, Discriminator"):
        read_architecture(text, "Encoder")


TABLE = """=====================================================
Layer (type:depth-idx)      Output Shape      Param #
=====================================================
Net                         [32, 10]          --
├─Linear: 1-1               [32, 10]          1,290
=====================================================
Total params: 1,290"""


@pytest.mark.parametrize(("cls", "networks"), [("Net", 1), ("Other", 2)])
def test_a_table_beside_a_printout_gives_its_total_or_is_another_network(cls: str, networks: int) -> None:
    width = 128 if cls == "Net" else 64
    printed = f"{cls}(\n  (fc): Linear(in_features={width}, out_features=10, bias=True)\n)"
    reading = read_architecture(f"{printed}\n\n{TABLE}")
    assert len(reading.networks) == networks
    assert [n.stated for n in reading.networks][-1] == 1290


@pytest.mark.parametrize("gap", ["  ...", "…", "<snip>", "[...]"])
def test_lines_that_were_left_out_are_named(gap: str) -> None:
    text = f"Net(\n  (a): Linear(in_features=4, out_features=8, bias=True)\n{gap}\n  (b): ReLU()\n)"
    assert "left out at line 3" in read_architecture(text).networks[0].assumptions[0].statement


def test_a_class_of_a_source_file_is_picked_by_name() -> None:
    made = SOURCE + "\nmodel = Net(32, 2)\n"
    assert account(read_architecture(made).networks[0]).total == 2 * (64 + 2 * 33 * 32) + 330
    assert read_architecture(made, "Block").networks[0].name == "Block"


def test_a_broken_part_is_left_aside_and_said() -> None:
    network = read_architecture(f"{PRINTED}\n\nimport torch\nclass Net(nn.Module:\n    x = = 3\n").networks[0]
    assert account(network).total > 0
    assert isinstance(next(iter(layers(network.root)))[0], Layer)


def test_a_text_without_bounds_is_refused_at_once() -> None:
    with pytest.raises(ReadError, match="at most"):
        read_architecture("\n" * (MOST_LINES + 1))
    with pytest.raises(ReadError, match="at most"):
        read_architecture("x" * 2_000_001)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "My network has three layers.",
        '{"a": 3}',
        "def f(x):\n    return x + 1",
        "class Net(nn.Module):\n    def forward(self, x): return x",
        "Layer (type)   Output Shape   Param #",
    ],
)
def test_what_is_no_network_is_answered_with_what_to_send(text: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_architecture(text)
    assert "Send" in str(caught.value) or "Expected" in str(caught.value)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_random_mutations_of_real_texts_raise_nothing_but_a_read_error(data: st.DataObject) -> None:
    text = _text(data.draw(st.sampled_from(NAMES)))[:6000]
    for _ in range(data.draw(st.integers(1, 6))):
        at, end = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
        new = data.draw(st.sampled_from(["", "(", ")", "\n", "0", "nan", "x" * 50, "{", '"', "│", "-1", " "]))
        text = text[:at] + new + text[min(end, at + 40) :]
    try:
        reading = read_architecture(text)
    except ReadError:
        return
    assert reading.networks
    assert all(account(n).total >= 0 or n.differences for n in reading.networks)


def test_a_linear_layer_alone_is_a_network() -> None:
    reading = read_architecture("Linear(in_features=3, out_features=4, bias=True)")
    assert [la.op for la, _ in layers(reading.networks[0].root)] == [Linear(3, 4)]
