"""Source of whole models: every network is found, and its parameters add up to what torch counts."""

from __future__ import annotations

import contextlib
import json
import math
import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import (
    Attention,
    Concat,
    Embedding,
    Network,
    Norm,
    Opaque,
    Residual,
    Shape,
    layers,
    walk,
)
from kaiming_mcp.architecture.source.printed import read_printed_with_source, read_with_printout
from kaiming_mcp.architecture.source.reader import looks_like_source, read_source
from kaiming_mcp.architecture.torch_repr import parse
from kaiming_mcp.signal.initialization_words import parse_initialization

DATA = Path(__file__).parent.parent / "data"
TEXTS = {p.stem: p.read_text() for p in sorted((DATA / "source_texts").glob("*.txt"))}
TOTALS: dict[str, dict[str, tuple[int, int]]] = json.loads((DATA / "source_totals.json").read_text())


def read(name: str, wanted: str = "") -> Network:
    return read_source(TEXTS[name], wanted).networks[0]


def ops(network: Network, kind: type) -> list[object]:
    return [layer.op for layer, times in layers(network.root) for _ in range(times) if isinstance(layer.op, kind)]


def count(network: Network, kind: type) -> int:
    return sum(times for node, times in walk(network.root) if isinstance(node, kind))


@pytest.mark.parametrize("name", TOTALS)
def test_parameters_and_modules_are_those_that_torch_counts(name: str):
    found = {n.name: n for n in read_source(TEXTS[name]).networks}
    for cls, (total, modules) in TOTALS[name].items():
        network = found.get(cls) or read(name, cls)
        assert account(network).total == total
        assert account(network).unknown == ()
        assert network.modules == modules


@pytest.mark.parametrize("name", TEXTS)
def test_source_is_recognised(name: str):
    assert looks_like_source(TEXTS[name])
    assert read_source(TEXTS[name]).format == ("keras-source" if name.startswith("keras") else "python-source")


@pytest.mark.parametrize("name", TEXTS)
def test_what_the_code_does_to_its_weights_is_said_in_words_that_the_tools_know(name: str):
    for network in read_source(TEXTS[name]).networks:
        if network.initialization:
            parse_initialization(network.initialization)


def test_resnet_adds_eight_blocks_three_of_them_with_a_projection():
    blocks = [n for n, _ in walk(read("resnet").root) if isinstance(n, Residual)]
    assert len(blocks) == 8
    assert sum(b.shortcut is not None for b in blocks) == 3


def test_a_function_that_builds_another_size_can_be_named():
    assert account(read("resnet", "resnet50")).total == 25_557_032


def test_an_unknown_name_lists_the_classes():
    with pytest.raises(ReadError, match="BasicBlock, Bottleneck, ResNet"):
        read("resnet", "ResNeXt")


def test_two_networks_of_one_text_are_both_read():
    networks = read_source(TEXTS["dcgan"]).networks
    assert [n.name for n in networks] == ["Generator", "Discriminator"]
    assert {n.initialization for n in networks} == {"std 0.02"}
    assert {n.loss for n in networks} == {"BCELoss"}


def test_gpt_has_causal_attention_tied_weights_and_its_own_start():
    network = read("nanogpt")
    attention = ops(network, Attention)
    assert len(attention) == 12
    assert attention[0] == Attention(768, 12, 0, True, packed=True, causal=True)
    assert [d.count for d in network.differences] == [-50304 * 768]
    assert network.initialization == "gpt2"


def test_grouped_queries_and_root_mean_square_norms_are_read_from_llama():
    network = read("llama")
    assert ops(network, Attention)[0] == Attention(256, 8, 64, False, causal=True, scale=1 / math.sqrt(32))
    assert {op.kind for op in ops(network, Norm) if isinstance(op, Norm)} == {"rms"}


def test_a_vision_transformer_keeps_its_position_embedding():
    network = read("vit_einops")
    assert Embedding(65, 1024) in ops(network, Embedding)
    assert network.input == Shape(3, (256, 256))


def test_unets_concatenate_each_level():
    assert count(read("unet_milesial"), Concat) == 3
    assert count(read("unet_lists"), Concat) == 4


def test_an_auxiliary_head_is_beside_the_path():
    network = read("googlenet")
    assert any("beside the path" in d.reason and d.count == 3_156_200 for d in network.differences)
    assert not any(op.name == "InceptionAux" for op in ops(network, Opaque) if isinstance(op, Opaque))


def test_the_input_is_taken_from_the_call_of_the_model():
    assert read("vgg").input == Shape(3, (32, 32))


PRINTED = """Net(
  (layers): ModuleList(
    (0-2): 3 x Block(
      (attn): MultiheadAttention(
        (out_proj): NonDynamicallyQuantizableLinear(in_features=64, out_features=64, bias=True)
      )
      (f): Linear(in_features=64, out_features=64, bias=True)
    )
  )
)"""
FORWARD = """class Block(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.attn, self.f, self.scale = nn.MultiheadAttention(d, 4), nn.Linear(d, d), 0.5
    def forward(self, x):
        x = x + self.attn(x, x, x)[0]
        return x + self.scale * torch.relu(self.f(x))

class Net(nn.Module):
    def __init__(self, d, n):
        super().__init__()
        self.layers = nn.ModuleList([Block(d) for _ in range(n)])
    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x
"""


def test_a_printout_gives_the_sizes_and_the_source_the_order():
    network = read_with_printout(FORWARD, parse(PRINTED).models).networks[0]
    assert count(network, Residual) == 6
    assert account(network).total == 3 * (4 * 64 * 64 + 4 * 64 + 64 * 64 + 64)


def test_a_printed_class_that_the_source_does_not_define_is_left_to_the_printout():
    assert read_printed_with_source(parse(PRINTED).models[0], "class Other(nn.Module):\n    pass") is None


def test_broken_source_names_the_line():
    with pytest.raises(ReadError, match=r"Line 3: this is not complete Python"):
        read_source("import torch\nclass Net(nn.Module):\n    def __init__(self:\n")


STRANGE = [
    "x = [1]\n" + "x = [x, x, x]\n" * 200 + "net = nn.Linear(x, 3)",
    "while True:\n    pass",
    "def f(n):\n    return f(n + 1)\nf(0)",
    "x = 10\n" + "x = x ** x\n" * 50,
    "x = 'a'\n" + "x = x + x\n" * 100,
    "x = range(10**11)\ny = [i for i in x for j in x for k in x]",
    "(" * 300,
    "x = " + "-" * 5000 + "1",
    "x = " + "+".join(["1"] * 20_000),
    "class A(A): pass\nclass B(nn.Module):\n    def forward(self, x):\n        return self(x)",
    "class B(nn.Module):\n    def forward(self, x):\n        while True:\n            x = torch.relu(x)",
    "class B(nn.Module):\n    def forward(self, x):\n        for i in range(10**9): x = x + x\n        return x",
    "m = nn.Sequential()\nm.append(m)\nm.add_module('m', m)",
    "class B(nn.Module):\n    def __init__(self):\n        self.b = B()\n    def forward(self, x): return self.b(x)",
    "x = torch.randn(2)\nx = torch.stack([x, x])\n" * 500,
    "\x00",
    "lambda: (yield)",
]


@pytest.mark.parametrize("text", STRANGE)
def test_strange_source_is_read_or_refused_quickly(text: str):
    begun = time.process_time()
    with contextlib.suppress(ReadError):
        read_source(text)
    assert time.process_time() - begun < 10


TOKENS = [
    "None",
    "0",
    "-1",
    "10**9",
    "self",
    "[]",
    "()",
    "*",
    "1e308",
    "'a'",
    "lambda z: z",
    "x[0]",
    "not ",
    "range(5)",
]


def mutated(text: str, rng: random.Random) -> str:
    for _ in range(rng.randint(1, 5)):
        choice = rng.random()
        lines = text.split("\n")
        if choice < 0.2:
            text = text[: rng.randrange(len(text) + 1)]
        elif choice < 0.4:
            del lines[rng.randrange(len(lines))]
            text = "\n".join(lines)
        elif words := list(re.finditer(r"[\w.]+", text)):
            word = rng.choice(words)
            text = text[: word.start()] + rng.choice([*TOKENS, rng.choice(words)[0]]) + text[word.end() :]
    return text


@given(st.sampled_from(sorted(TEXTS)), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_damaged_source_is_read_or_refused(name: str, seed: int):
    try:
        networks = read_source(mutated(TEXTS[name], random.Random(seed))).networks
    except ReadError:
        return
    for network in networks:
        account(network)
