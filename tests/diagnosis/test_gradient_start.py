"""Where the weights start, measured, read in the code, stated or assumed; and what a change of them is traced to do."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from mcp import Client

from kaiming_mcp.library import library
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.scaffold import Scaffold
from kaiming_mcp.server import create_server

WIDTH = 64


def diagnosed(**texts: Any) -> Scaffold:
    return diagnose_text(library(), **texts)


def statements(scaffold: Scaffold) -> str:
    return " | ".join(f"{f.statement} ({f.basis})" for f in scaffold.established)


def probe(std: float, depth: int, fans: tuple[int, ...] = (), **keys: Any) -> str:
    """What our probe prints of a plain ReLU net whose weights have this std: theory's own course."""
    fans = fans or (WIDTH,) * depth
    gains = [std * math.sqrt(fan / 2) for fan in fans]
    layers = [
        {
            "name": f"{2 * i}", "type": "Linear", "second_moment": 0.5 * math.prod(g * g for g in gains[: i + 1]),
            "gradient_sum": math.prod(g * g for g in gains[i + 1 :]), "weight_std": std, "fan_in": fans[i],
            "weight_grad_norm": 0.1,
        }
        for i in range(depth)
    ]  # fmt: skip
    return json.dumps({"probe": "signal", "version": 2, "layers": layers, **keys})


def plain(depth: int) -> str:
    return f"input {WIDTH} ; repeat {depth - 1} {{ linear {WIDTH} {WIDTH} ; relu }} ; linear {WIDTH} {WIDTH}"


@pytest.mark.parametrize(("std", "said"), [(0.5, "std 0.5"), (0.02, "std 0.02")])
def test_the_measured_std_replaces_the_assumed_default(std: float, said: str) -> None:
    scaffold = diagnosed(measurements=probe(std, 12), architecture=plain(12))
    gain = std * math.sqrt(WIDTH / 2)
    assert re.search(rf"initial weights: .*{said}.*by the probe\) \(measured\)", statements(scaffold))
    assert f"x{gain:.3g} of theory" in statements(scaffold)
    assert "PyTorch default" not in statements(scaffold)
    before = re.search(r"gradient amplitude first/last (\S+) -> 1,", scaffold.first_change)
    assert before is not None, scaffold.first_change
    assert float(before[1]) == pytest.approx(gain**11, rel=0.01)
    assert "(before: gradient and activation measured)" in scaffold.first_change


@pytest.mark.parametrize(
    ("std", "said"), [(math.sqrt(2 / WIDTH), "initial weights: he ("), (1 / math.sqrt(3 * WIDTH), "PyTorch default (")]
)
def test_measured_stds_are_known_by_their_scheme(std: float, said: str) -> None:
    assert said in statements(diagnosed(measurements=probe(std, 12), architecture=plain(12)))


def test_stds_that_follow_no_scheme_decide_nothing() -> None:
    text = json.loads(probe(0.1, 8))
    for i, row in enumerate(text["layers"]):
        row["weight_std"] = 0.02 * 3**i
    said = statements(diagnosed(measurements=json.dumps(text), architecture=plain(8)))
    assert "PyTorch default (nothing else was said; the std of one weight settles it) (assumed)" in said


def test_a_stated_initialization_that_was_not_made_is_named() -> None:
    scaffold = diagnosed(measurements=probe(0.5, 12), architecture=plain(12), initialization="he")
    assert "not he as stated" in statements(scaffold)


def test_printed_gradients_are_the_before_of_a_traced_change() -> None:
    values = [1e-1 * 0.3 ** (19 - i) for i in range(20)]
    text = "layer,output grad norm\n" + "\n".join(f"{2 * i},{v:.4e}" for i, v in enumerate(values))
    scaffold = diagnosed(measurements=text, architecture=plain(20))
    assert f"gradient amplitude first/last {0.3**19:.2e} -> 1" in scaffold.first_change
    assert "(before: gradient measured)" in scaffold.first_change


def test_measured_weight_gradients_are_compared_with_traced_weight_gradients() -> None:
    values = [1e-1 * 0.5 ** (19 - i) for i in range(20)]
    text = "\n".join(f"body.{2 * i}.weight grad norm {v:.4e}" for i, v in enumerate(values))
    scaffold = diagnosed(measurements=text, architecture=plain(20))
    assert f"weight gradient amplitude first/last {0.5**19:.2e} -> " in scaffold.first_change


def test_a_convolutional_net_with_small_weights_is_told_to_draw_them_anew_not_to_change_its_design() -> None:
    for size, depth in ((8, 20), (16, 20), (32, 40)):
        net = f"input 16x{size}x{size} ; repeat {depth} {{ conv 16 16 k3 ; relu }} ; globalpool ; linear 16 10"
        scaffold = diagnosed(architecture=net, initialization="std 0.01")
        assert scaffold.first_change.startswith("Initialise every weighted layer with he"), scaffold.first_change


def test_the_design_changes_where_no_initialization_works() -> None:
    net = "input 48 ; repeat 40 { linear 48 48 ; batchnorm ; relu } ; linear 48 10"
    assert "residual blocks" in diagnosed(architecture=net).first_change


def test_sigmoids_are_replaced_before_the_design_is() -> None:
    net = "input 64 ; repeat 12 { linear 64 64 ; sigmoid } ; linear 64 10"
    assert diagnosed(architecture=net).first_change.startswith("Replace the hidden sigmoids by tanh")


def test_numbers_that_contradict_a_sound_start_ask_for_the_weights_and_change_nothing() -> None:
    values = [1e-1 * 0.3 ** (19 - i) for i in range(20)]
    text = "layer,output grad norm\n" + "\n".join(f"{2 * i},{v:.4e}" for i, v in enumerate(values))
    scaffold = diagnosed(measurements=text, architecture=plain(20), initialization="he")
    assert scaffold.mechanism == "true_decay_backward"
    assert "differs from x1 of theory" in statements(scaffold)
    assert scaffold.first_change.startswith("Before any change print the std of every weight")


def source(weight: str, act: str = "nn.ReLU()") -> str:
    return f"""
import torch.nn as nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        layers = []
        for _ in range(16):
            layers += [nn.Linear(64, 64), {act}]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(64, 10)
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            {weight}
            nn.init.zeros_(module.bias)

    def forward(self, x):
        return self.head(self.body(x))
"""


@pytest.mark.parametrize(
    ("weight", "act", "init", "mechanism", "rate"),
    [
        # E[x^2] goes by fan_in Var[w] / 2 per ReLU layer: 64 x 0.02^2 / 2, and 1/2 for Xavier in a square layer.
        ("nn.init.normal_(module.weight, std=0.02)", "nn.ReLU()", "std 0.02", "true_decay_backward", "x0.113"),
        ("nn.init.xavier_uniform_(module.weight)", "nn.ReLU()", "xavier", "true_decay_backward", "x0.719"),
        ("nn.init.orthogonal_(module.weight)", "nn.Tanh()", "orthogonal", "cannot_tell", "x0.908"),
        ("nn.init.zeros_(module.weight)", "nn.ReLU()", "zero", "structural_zero", "x0 "),
        ("module.weight.data.normal_(0, 0.5)", "nn.ReLU()", "std 0.5", "growth", "x2.83"),
    ],
)
async def test_the_initialization_of_pasted_source_is_read_and_stated(
    weight: str, act: str, init: str, mechanism: str, rate: str
) -> None:
    async with Client(create_server()) as client:
        arguments = {"architecture": source(weight, act), "symptom": "it does not learn"}
        result = await client.call_tool("diagnose_gradients", arguments)
    data = result.structured_content
    assert data is not None
    assert data["mechanism"] == mechanism
    facts = [(f["statement"], f["basis"]) for f in data["established"]]
    assert (f"initial weights: {init} (read in the code)", "read") in facts
    theory = [statement for statement, basis in facts if basis == "computed" and f"({init})" in statement]
    assert len(theory) == 1
    assert f"({rate}" in theory[0]


def test_weights_that_all_start_at_zero_are_to_be_drawn_not_to_be_waited_for() -> None:
    scaffold = diagnosed(architecture=source("nn.init.zeros_(module.weight)"))
    assert "Draw the weights at random" in scaffold.first_change
    assert "one optimizer step" not in scaffold.first_change


def test_a_sound_network_without_measurements_is_said_to_be_sound_in_theory() -> None:
    scaffold = diagnosed(architecture=source('nn.init.kaiming_normal_(module.weight, nonlinearity="relu")'))
    assert scaffold.mechanism == "cannot_tell"
    assert "In theory the network is sound at initialization (he)" in scaffold.verdict
