"""One idiom of PyTorch source at a time: what it becomes in the tree."""

from __future__ import annotations

import textwrap

import pytest

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import (
    Activation,
    Attention,
    Concat,
    Conv,
    Dropout,
    Layer,
    Linear,
    Network,
    Norm,
    Op,
    Opaque,
    Pool,
    Product,
    Recurrent,
    Repeat,
    Reshape,
    Residual,
    Scale,
    Upsample,
    layers,
    walk,
)
from kaiming_mcp.architecture.source.reader import read_source

A, B = "self.a", "self.b"


def module(forward: str, init: str = "", arguments: str = "") -> str:
    made = textwrap.indent(textwrap.dedent(init), " " * 8)
    run = textwrap.indent(textwrap.dedent(forward), " " * 8)
    return (
        "import torch, math\nimport torch.nn as nn\nimport torch.nn.functional as F\n"
        f"class Net(nn.Module):\n    def __init__(self{arguments}):\n        super().__init__()\n"
        f"        self.a = nn.Linear(8, 8)\n        self.b = nn.Linear(8, 8)\n{made}\n"
        f"    def forward(self, x):\n{run}\n"
    )


def read(forward: str, init: str = "", arguments: str = "") -> Network:
    return read_source(module(forward, init, arguments)).networks[0]


def chain(network: Network) -> list[Op]:
    return [layer.op for layer, _ in layers(network.root)]


def residuals(network: Network) -> list[Residual]:
    return [n for n, _ in walk(network.root) if isinstance(n, Residual)]


@pytest.mark.parametrize(
    ("call", "op"),
    [
        ("F.relu(x)", Activation("relu")),
        ("torch.relu(x)", Activation("relu")),
        ("x.relu_()", Activation("relu")),
        ("F.leaky_relu(x, 0.2)", Activation("leaky_relu", 0.2)),
        ("F.elu(x, alpha=0.5)", Activation("elu", 0.5)),
        ("F.gelu(x, approximate='tanh')", Activation("gelu_tanh")),
        ("x * torch.sigmoid(x)", Activation("silu")),
        ("torch.sin(x)", Activation("sin")),
        ("F.dropout(x, 0.3, self.training)", Dropout(0.3)),
        ("F.max_pool2d(x, 2)", Pool("max", (2, 2), (2, 2), (0, 0))),
        ("F.avg_pool2d(x, 3, stride=2, padding=1)", Pool("avg", (3, 3), (2, 2), (1, 1))),
        ("F.adaptive_avg_pool2d(x, 1)", Pool("avg", output=(1, 1))),
        ("x.mean(dim=(2, 3))", Pool("avg")),
        ("x.mean([2, 3])", Pool("avg")),
        ("torch.max(x, 1)[0]", Pool("max")),
        ("torch.flatten(x, 1)", Reshape("flatten")),
        ("x.view(x.size(0), -1)", Reshape("flatten")),
        ("F.interpolate(x, scale_factor=2, mode='bilinear')", Upsample(2.0, linear=True)),
        ("x / 2", Scale(0.5)),
        ("math.sqrt(4) * x", Scale(2.0)),
        ("-x", Scale(-1.0)),
        ("x[:, -1]", Reshape("identity")),
        ("F.layer_norm(x, (8,))", Norm("layer", 8, affine=False)),
        ("strange(x)", Opaque("strange", "strange(x)", 0)),
    ],
)
def test_a_function_of_a_tensor_is_an_operation(call: str, op: Op):
    assert chain(read(f"x = self.a(x)\nreturn {call}"))[1:] == [op]


@pytest.mark.parametrize(
    "call",
    [
        "x.permute(0, 2, 1)",
        "x.transpose(1, 2)",
        "x.unsqueeze(1).squeeze(1)",
        "x.contiguous().view(-1, 4, 2)",
        "x.to(x.device)",
    ],
)
def test_what_only_moves_numbers_changes_nothing(call: str):
    assert chain(read(f"return self.b(torch.tanh(self.a({call})))")) == [
        Linear(8, 8),
        Activation("tanh"),
        Linear(8, 8),
    ]


@pytest.mark.parametrize(
    "sum_",
    ["x + self.a(x)", "self.a(x) + x", "torch.add(x, self.a(x))", "x.add(self.a(x))", "sum([x, self.a(x)])"],
)
def test_a_sum_with_the_input_is_a_residual(sum_: str):
    (only,) = residuals(read(f"return {sum_}"))
    assert (only.branch, only.shortcut, only.scale) == (Layer(Linear(8, 8)), None, 1.0)


def test_an_in_place_sum_is_a_residual():
    assert len(residuals(read("h = self.a(x)\nh += x\nreturn h"))) == 1


def test_a_gate_that_starts_at_zero_scales_its_branch_by_zero():
    network = read("return x + self.alpha * self.a(x)", "self.alpha = nn.Parameter(torch.zeros(1))")
    assert chain(network) == [Linear(8, 8), Scale(0.0, 1)]
    assert account(network).total == 72 + 1 + 72


def test_a_layer_scale_is_counted():
    network = read("return x + self.g * self.a(x)", "self.g = nn.Parameter(1e-6 * torch.ones(8))")
    assert Scale(1e-6, 8) in chain(network)


def test_a_layer_that_is_never_called_is_a_difference():
    (only,) = read("return self.a(x)").differences
    assert (only.count, "b" in only.reason) == (72, True)


def test_a_layer_that_is_used_twice_is_counted_once():
    network = read("return self.b(self.a(self.a(x)))")
    assert account(network).total == 144


def test_halves_of_a_projection_are_projections():
    network = read("a, g = self.wide(x).chunk(2, dim=-1)\nreturn a * F.gelu(g)", "self.wide = nn.Linear(8, 32)")
    assert any(isinstance(n, Product) for n, _ in walk(network.root))
    assert chain(network) == [Linear(8, 16), Linear(8, 16), Activation("gelu")]


def test_a_concatenation_has_branches():
    network = read("return torch.cat([x, self.a(x), self.b(x)], 1)")
    assert [len(n.branches) for n, _ in walk(network.root) if isinstance(n, Concat)] == [3]


def test_attention_written_out_is_attention():
    network = read(
        """
        B, T, C = x.shape
        q, k, v = [t.view(B, T, 2, 4).transpose(1, 2) for t in self.qkv(x).split(8, dim=-1)]
        w = (q @ k.transpose(-2, -1)) / math.sqrt(4)
        w = w.masked_fill(torch.tril(torch.ones(T, T)) == 0, float('-inf')).softmax(-1)
        return self.a((w @ v).transpose(1, 2).reshape(B, T, C))
        """,
        "self.qkv = nn.Linear(8, 24)",
    )
    (only,) = [op for op in chain(network) if isinstance(op, Attention)]
    assert (only.features, only.heads, only.causal, only.packed, only.scale) == (8, 2, True, True, 0.5)


@pytest.mark.parametrize(("first", "norms"), [("True", "inside"), ("False", "outside")])
def test_a_transformer_layer_has_its_norm_where_the_source_says(first: str, norms: str):
    network = read(
        "return self.t(x)",
        f"self.t = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 9, 0, 'gelu', norm_first={first}), 3)",
    )
    (repeat,) = [n for n, _ in walk(network.root) if isinstance(n, Repeat)]
    assert (repeat.count, repeat.identical) == (3, True)
    inside = any(isinstance(la.op, Norm) for r in residuals(network) for la, _ in layers(r.branch))
    assert inside == (norms == "inside")
    assert Activation("gelu") in chain(network)


def test_a_recurrent_layer_unpacks():
    network = read("o, (h, c) = self.r(x)\nreturn self.a(h[-1])", "self.r = nn.LSTM(8, 8, 2, batch_first=True)")
    assert chain(network)[0] == Recurrent("lstm", 8, 8, 2)


def test_checkpoints_and_super_are_followed():
    text = module("return torch.utils.checkpoint.checkpoint(self._run, x)") + (
        "    def _run(self, x):\n        return self.a(x)\n"
        "class Deep(Net):\n    def forward(self, x):\n        return self.b(super().forward(x))\n"
    )
    assert chain(read_source(text, "Deep").networks[0]) == [Linear(8, 8), Linear(8, 8)]


def test_a_convolution_with_keywords_and_same_padding():
    network = read("return self.c(x)", "self.c = nn.Conv2d(3, 6, kernel_size=(3, 5), padding='same', bias=False)")
    assert chain(network) == [Conv(3, 6, (3, 5), (1, 1), (1, 2), (1, 1), 1, False)]


def test_an_argument_without_a_value_leaves_its_layers_unknown_and_says_which():
    network = read("return self.c(x)", "self.c = nn.Linear(8, hidden)", ", hidden")
    assert chain(network) == [Opaque("Linear", "in_features=8, out_features=hidden")]
    assert any("model = Net(hidden=...)" in a.settle for a in network.assumptions)


def test_a_line_below_the_class_gives_the_argument():
    text = module("return self.c(x)", "self.c = nn.Linear(8, hidden)", ", hidden") + "model = Net(hidden=5)\n"
    assert chain(read_source(text).networks[0]) == [Linear(8, 5)]


def test_a_condition_that_the_text_does_not_settle_is_named():
    network = read("if x.shape[1] > 3:\n    x = torch.relu(x)\nreturn self.a(x)")
    assert chain(network) == [Linear(8, 8)]
    assert any("x.shape[1] > 3" in a.statement for a in network.assumptions)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("nn.init.kaiming_normal_(m.weight, nonlinearity='relu')", "he"),
        ("nn.init.kaiming_uniform_(m.weight, a=math.sqrt(5))", "he a 2.23607"),
        ("nn.init.xavier_uniform_(m.weight, gain=nn.init.calculate_gain('tanh'))", "xavier gain 1.66667"),
        ("nn.init.orthogonal_(m.weight, 1.4)", "orthogonal gain 1.4"),
        ("m.weight.data.normal_(0.0, 0.02)", "std 0.02"),
        ("nn.init.trunc_normal_(m.weight, std=0.02)", "truncated normal std 0.02 cut 100"),
        ("nn.init.kaiming_normal_(m.weight, mode='fan_out', nonlinearity='linear')", "lecun fan_out"),
    ],
)
def test_one_scheme_for_all_weights_is_the_initialization(code: str, words: str):
    init = f"for m in self.modules():\n    if isinstance(m, nn.Linear):\n        {code}\n"
    assert read("return self.b(self.a(x))", init).initialization == f"{words} default bias"
    zeroed = f"{init}        nn.init.zeros_(m.bias)\n"
    assert read("return self.b(self.a(x))", zeroed).initialization == words


def test_a_start_that_covers_some_layers_only_stands_with_these_layers():
    network = read("return self.b(self.a(x))", "nn.init.zeros_(self.b.weight)")
    assert network.initialization == "own pytorch"
    assert [la.start for la, _ in layers(network.root)] == ["", "zero default bias"]


def test_a_start_that_is_not_understood_is_an_assumption():
    network = read("return self.b(self.a(x))", "self.b.weight.data.bernoulli_(0.5)")
    assert network.initialization == ""
    assert any("not understood" in a.statement for a in network.assumptions)


def test_a_start_from_the_sizes_of_a_convolution_is_worked_out():
    text = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(3, 8, 5)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                n = m.kernel_size[0] * m.kernel_size[1] * m.out_channels
                m.weight.data.normal_(0, math.sqrt(2.0 / n))
    def forward(self, x):
        return self.a(x)
"""
    assert read_source(text).networks[0].initialization == "std 0.1 default bias"


def test_weights_that_are_multiplied_keep_their_scheme():
    network = read("return self.b(self.a(x))", "nn.init.xavier_normal_(self.b.weight)\nself.b.weight.data.mul_(0.1)")
    assert [la.start for la, _ in layers(network.root)] == ["", "xavier gain 0.1 default bias"]


def test_tied_weights_are_counted_once():
    network = read("return self.b(self.a(x))", "self.b.weight = self.a.weight")
    assert account(network).total == 72 + 8


def test_lines_without_a_class_are_read():
    lines = [
        "self.fc1 = nn.Linear(784, 256)",
        "self.fc2 = nn.Linear(256, 10)",
        "x = F.relu(self.fc1(x))",
        "self.fc2(x)",
    ]
    text = "\n".join(f"    {line}" for line in lines)
    assert chain(read_source(text).networks[0]) == [Linear(784, 256), Activation("relu"), Linear(256, 10)]


def test_a_fenced_block_is_read_out_of_prose():
    text = "My net:\n```python\nnet = nn.Sequential(nn.Linear(4, 2), nn.ReLU())\n```\nWhy?"
    assert chain(read_source(text).networks[0]) == [Linear(4, 2), Activation("relu")]


def test_a_loop_that_builds_layers_outside_of_a_class():
    text = "layers = []\nfor i in range(3):\n    layers += [nn.Linear(4, 4), nn.Tanh()]\nnet = nn.Sequential(*layers)"
    assert chain(read_source(text).networks[0]) == [Linear(4, 4), Activation("tanh")] * 3


def test_a_layer_of_an_unknown_library_is_taken_by_its_name_and_said_so():
    network = read_source("import loralib as lora\nnet = nn.Sequential(lora.Linear(4, 4, r=2), nn.ReLU())").networks[0]
    assert next(layers(network.root))[0].basis == "assumed"
    assert any("loralib.Linear" in a.statement for a in network.assumptions)


def test_source_without_a_network_says_what_to_send():
    with pytest.raises(ReadError, match=r"class Net\(nn.Module\)"):
        read_source("import torch\nprint(torch.__version__)")


def test_layers_know_their_line():
    first = next(layers(read_source("net = nn.Sequential(\n    nn.Linear(4, 2),\n    nn.ReLU())").networks[0].root))[0]
    assert (first.origin.line, first.origin.text) == (2, "nn.Linear(4, 2),")


def test_sentences_round_the_code_are_left_out_and_said_so():
    text = "Here is my model:\nnet = nn.Sequential(nn.Linear(4, 2), nn.ReLU())\ngrads: layer 1 is 0 why"
    network = read_source(text).networks[0]
    assert chain(network) == [Linear(4, 2), Activation("relu")]
    assert sum("was left out" in a.statement for a in network.assumptions) == 2
