"""What a printout, a table or the code of one class hides: findings say what was assumed, and how much was seen."""

from __future__ import annotations

import math
from typing import Any

import pytest

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.ir import Layer, Linear, Norm, Residual, layers, walk
from kaiming_mcp.architecture.read import read_architecture
from kaiming_mcp.architecture.torch_modules.leaves import sizeless
from kaiming_mcp.architecture.torch_repr import Module
from kaiming_mcp.diagnosis.network.stretches import certain_run, longest_run
from kaiming_mcp.library import library
from kaiming_mcp.replies.critique import critique_text
from kaiming_mcp.scaffold import Scaffold, render

CONV = "Conv2d(64, 64, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))"
NORM = "BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)"
LAYER_NORM = "LayerNorm((64,), eps=1e-05, elementwise_affine=True)"


def _module(head: str, *children: str) -> str:
    inner = "\n".join("  " + line for child in children for line in child.split("\n"))
    return f"{head}(\n{inner}\n)"


def _blocks(count: int, *inside: str) -> str:
    return _module("Net", _module("(body): Sequential", _module(f"(0-{count - 1}): {count} x MyBlock", *inside)))


def _in_a_row(count: int, *steps: str) -> str:
    rows = [step for _ in range(count) for step in steps]
    return _module("Sequential", *(f"({i}): {row}" for i, row in enumerate(rows)))


def _critique(text: str, **given: Any) -> Scaffold:
    return critique_text(library(), text, **given)


def _titles(scaffold: Scaffold) -> str:
    return "\n".join(f"{f.severity}: {f.title}" for f in scaffold.findings)


def test_a_run_that_only_an_assumed_order_makes_is_a_small_finding_that_says_so() -> None:
    hidden = _blocks(20, f"(conv1): {CONV}", "(act): ReLU()", f"(conv2): {CONV}")
    found = _critique(hidden, initialization="he")
    assert "low: Deep plain stack only if the assumed order holds (40 layers)" in _titles(found)
    assert "forward() of Net, MyBlock" in render(found)
    assert "medium: Deep plain stack: 40" in _titles(_critique(_in_a_row(40, CONV, "ReLU()"), initialization="he"))


def test_a_block_with_one_weighted_layer_hides_no_skip_that_would_end_a_run() -> None:
    root = read_architecture(_blocks(20, f"(conv): {CONV}", "(act): ReLU()")).networks[0].root
    assert certain_run(root).depth == longest_run(root).depth == 20


def test_batch_norm_without_skips_is_certain_only_where_the_order_is() -> None:
    hidden = _blocks(10, f"(c1): {CONV}", f"(n1): {NORM}", "(act): ReLU()", f"(c2): {CONV}", f"(n2): {NORM}")
    assert "low: Batch normalization without skips, if the assumed order holds" in _titles(_critique(hidden))
    shown = _critique(_in_a_row(20, CONV, NORM, "ReLU()"))
    assert "Batch normalization without skips: gradients grow" in shown.verdict


def test_two_branches_side_by_side_are_no_projection_on_the_skip() -> None:
    mlp = "linear 64 256 ; gelu ; linear 256 64"
    beside = f"residual {{ {mlp} }} shortcut {{ linear 64 64 ; tanh ; linear 64 64 }}"
    text = f"repeat 12 {{ residual {{ layernorm 64 ; {beside} }} }}"
    assert "Multiplicative" not in _titles(_critique(text))
    one = f"repeat 12 {{ residual {{ layernorm 64 ; {mlp} }} shortcut {{ linear 64 64 }} }}"
    assert "medium: Multiplicative operations on the skip path" in _titles(_critique(one))


def test_an_activation_before_a_projection_that_halves_the_map_is_on_no_identity() -> None:
    branch = "relu ; conv 64 64 k3 s2 ; relu ; conv 64 64 k3"
    halves = f"input 64x32x32 ; repeat 3 {{ residual {{ {branch} }} shortcut {{ relu ; avgpool 2 ; conv 64 64 k1 }} }}"
    assert "Multiplicative" not in _titles(_critique(halves))


FEED = "linear 64 256 ; gelu ; linear 256 64"
PRE = f"residual {{ layernorm 64 ; attention 64 heads 4 }} ; residual {{ layernorm 64 ; {FEED} }}"


def test_a_final_norm_between_encoder_and_decoder_is_no_post_norm() -> None:
    text = f"repeat 6 {{ {PRE} }} ; layernorm 64 ; repeat 6 {{ {PRE} }} ; layernorm 64 ; linear 64 100"
    assert "Post-norm" not in _titles(_critique(text))


def test_a_norm_behind_every_second_sum_is_post_norm() -> None:
    text = f"repeat 6 {{ residual {{ attention 64 heads 4 }} ; residual {{ {FEED} }} ; layernorm 64 }}"
    assert "Post-norm" in _titles(_critique(text))


def test_the_verdict_tells_how_much_of_a_shallow_table_was_seen() -> None:
    table = """Layer (type:depth-idx)   Output Shape   Param #
Net                      [1, 10]        --
├─Linear: 1-1            [1, 100]       10,100
├─Odd: 1-2               [1, 100]       80,000
├─Linear: 1-3            [1, 10]        1,010
Total params: 91,110"""
    found = _critique(table)
    assert "1 module is counted without a look inside: 80,000 of 91,110 parameters (88%) were not seen" in found.verdict
    assert "Nothing wrong" not in found.verdict


BLOCK = """class B(nn.Module):
    def __init__(self, c=16):
        super().__init__()
        self.conv1 = nn.Conv2d(c, c, 3, padding=1)
        self.conv2 = nn.Conv2d(c, c, 3, padding=1)
        {more}
    def forward(self, x):
        out = self.conv2(F.relu(self.conv1(x)))
        return {total}
B()"""


@pytest.mark.parametrize("name", ["shortcut", "skip", "identity", "downsample", "res", "residual_conv"])
@pytest.mark.parametrize("total", ["out + self.{0}(x)", "self.{0}(x) + out"])
def test_what_is_called_a_shortcut_is_one_though_nothing_defines_it(name: str, total: str) -> None:
    text = f"""class B(nn.Module):
    def forward(self, x):
        out = self.conv2(F.relu(self.conv1(x)))
        return {total.format(name)}"""
    (block,) = (n for n, _ in walk(read_architecture(text).networks[0].root) if isinstance(n, Residual))
    assert block.shortcut is not None
    assert sum(isinstance(n, Layer) and name in str(n.op) for n, _ in walk(block.shortcut)) == 1


def test_of_two_branches_of_equal_weight_the_one_called_shortcut_is_one() -> None:
    more = "self.shortcut = nn.Sequential(nn.Conv2d(c, c, 1), nn.ReLU(), nn.Conv2d(c, c, 1))"
    text = BLOCK.format(more=more, total="out + self.shortcut(x)")
    (block,) = (n for n, _ in walk(read_architecture(text).networks[0].root) if isinstance(n, Residual))
    assert {layer.path for layer, _ in layers(block.branch)} >= {"conv1", "conv2"}


def test_a_class_called_residual_that_adds_nothing_is_told_of() -> None:
    plain = BLOCK.replace("class B", "class ResBlock").replace("B()", "ResBlock()")
    assert "medium: Named residual, but no sum was read" in _titles(_critique(plain.format(more="", total="out")))
    assert "Named residual" not in _titles(_critique(plain.format(more="", total="out + x")))
    assert "Named residual" not in _titles(_critique(BLOCK.format(more="", total="out")))


@pytest.mark.parametrize(
    "line",
    [
        "self.lstm.bias_hh_l0.data[20:40] = 1.0",
        "self.lstm.bias_hh_l0.data[20:40].fill_(1.0)",
        "nn.init.constant_(self.lstm.bias_hh_l0[20:40], 1.0)",
        "nn.init.ones_(self.lstm.bias_hh_l0[20:40])",
    ],
)
def test_a_part_of_the_bias_of_an_lstm_is_said_with_what_it_keeps(line: str) -> None:
    text = f"""class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(10, 20)
        {line}
    def forward(self, x):
        return self.lstm(x)[0]
Net()"""
    found = _critique(text, input="tokens 100 x 10")
    gate = 1 / (1 + math.exp(-1))
    assert f"sigmoid(1) = {gate:.4g} instead of 0.5, and {gate**100:.3g}" in render(found)
    assert not any("forget" in f.remedy for f in found.findings)


def test_weights_that_are_scaled_when_called_start_as_they_act() -> None:
    network = read_architecture(_module("Sequential", "(0): EqualLinear(64, 64)", "(1): EqualLinear(64, 8)")).networks[
        0
    ]
    assert [(la.op, la.start) for la, _ in layers(network.root)] == [
        (Linear(64, 64), "lecun"),
        (Linear(64, 8), "lecun"),
    ]
    assert "1/sqrt(fan_in) at run time" in network.assumptions[0].statement


def test_a_graph_convolution_counts_its_matrix_and_says_what_the_mean_over_neighbours_may_do() -> None:
    network = read_architecture(_module("GCN", "(conv1): GCNConv(1433, 16)", "(conv2): GCNConv(16, 7)")).networks[0]
    assert account(network).total == 1433 * 16 + 16 + 16 * 7 + 7
    assert any("neighbours" in a.statement for a in network.assumptions)


def test_a_scale_norm_is_a_root_mean_square_with_one_number() -> None:
    hidden = sizeless(Module("norm", "ScaleNorm", "", (), 1, 1, "ScaleNorm()"), "norm", 64)
    assert hidden is not None
    assert hidden.count == 1
    assert isinstance(hidden.layer.op, Norm)
    assert hidden.layer.op.kind == "rms"


def test_packed_queries_keys_and_values_start_with_half_the_variance_of_separate_ones() -> None:
    found = _critique(
        "input tokens 8 x 64 ; repeat 3 { residual { attention 64 heads 4 packed } }", initialization="xavier"
    )
    (fact,) = (f for f in found.established if f.unit == "of the variance")
    assert fact.value == pytest.approx((64 + 64) / (64 + 3 * 64))
    assert "gain=1.414" in render(found)


def test_a_stride_on_a_layer_that_another_width_reaches_may_lie_on_the_skip() -> None:
    block = [
        "(conv): Conv2d(32, 64, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))",
        "(down): Conv2d(32, 64, kernel_size=(1, 1), stride=(2, 2))",
    ]
    text = _module("Net", "(stem): Conv2d(3, 32, kernel_size=(3, 3), stride=(1, 1))", _module("(body): Stage", *block))
    assert "medium: A stride" not in _titles(_critique(text, input="3x64x64"))


def test_layers_without_a_printed_nonlinearity_are_not_called_sound() -> None:
    found = _critique(_module("Net", *(f"(fc{i}): Linear(in_features=64, out_features=64)" for i in range(20))))
    assert found.verdict.startswith("No fault in what is printed, but no nonlinearity is")
    assert "forward() of Net" in found.first_change
    assert not [f.title for f in found.findings if f.severity in ("high", "medium")]


def test_a_keras_summary_without_activations_is_not_called_sound_either() -> None:
    rows = "\n".join(f"| dense_{i} (Dense) | (None, 64) | 4,160 |" for i in range(4))
    table = f"| Layer (type) | Output Shape | Param # |\n| input_layer (InputLayer) | (None, 64) | 0 |\n{rows}\n"
    found = _critique(table + " Total params: 16,640")
    assert "no nonlinearity is" in found.verdict
    assert "model.get_config()" in found.first_change


def test_norms_that_a_hidden_forward_holds_are_not_said_to_follow_each_other() -> None:
    parts = ["(norm1): " + LAYER_NORM, "(norm2): " + LAYER_NORM, "(fc1): Linear(in_features=64, out_features=64)"]
    hidden = _module(
        "Net", _module("(block): Odd", *parts, "(act): GELU()", "(fc2): Linear(in_features=64, out_features=9)")
    )
    assert "Two normalizations" not in _titles(_critique(hidden))
    assert "Two normalizations" in _titles(_critique("linear 64 64 ; layernorm 64 ; layernorm 64 ; relu ; linear 64 9"))


def test_a_scale_that_no_rule_explains_is_not_called_right() -> None:
    found = _critique("linear 8 256 ; relu ; linear 256 256 ; relu ; linear 256 2", initialization="std 0.001")
    assert "Nothing wrong" not in found.verdict


def test_a_signal_through_blocks_that_may_add_their_input_is_a_grade_lower() -> None:
    inside = (f"(conv1): {CONV}", "(act): ReLU()", f"(conv2): {CONV}", "(act2): ReLU()")
    assert "medium: PyTorch default does not fit relu" in _titles(_critique(_blocks(10, *inside)))
    assert "unless a hidden forward() adds back" in _critique(_blocks(10, *inside)).verdict
    assert "high: PyTorch default does not fit relu" in _titles(_critique(_in_a_row(20, CONV, "ReLU()")))
