"""Code as users paste it: layers that start in ways of their own, skips that are not what they seem, short pieces."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.diagnosis.network.first_loss import mean_log_sum
from kaiming_mcp.library import library
from kaiming_mcp.replies.critique import critique_text
from kaiming_mcp.replies.initialization import derive_text
from kaiming_mcp.replies.trace import trace_text
from kaiming_mcp.scaffold import Scaffold, render


def _critique(text: str, **rest: Any) -> Scaffold:
    return critique_text(library(), textwrap.dedent(text), **rest)


def _titles(scaffold: Scaffold) -> str:
    return "\n".join(f"{f.severity}: {f.title}" for f in scaffold.findings)


def _value(scaffold: Scaffold, unit: str) -> float:
    return next(f.value for f in scaffold.established if f.unit == unit and f.value is not None)


SIREN = """
    class Sine(nn.Module):
        def __init__(self, n_in, n_out, first=False, omega=30):
            super().__init__()
            self.omega, self.n_in = omega, n_in
            self.linear = nn.Linear(n_in, n_out)
            if first:
                self.linear.weight.data.uniform_(-1 / n_in, 1 / n_in)
            else:
                self.linear.weight.data.uniform_(-np.sqrt(6 / n_in) / omega, np.sqrt(6 / n_in) / omega)
        def forward(self, x):
            return torch.sin(self.omega * self.linear(x))
    net = nn.Sequential(Sine(2, 256, True), *[Sine(256, 256) for _ in range(4)], nn.Linear(256, 1))
"""


def test_layers_that_the_code_starts_differently_are_each_traced_at_their_own_start() -> None:
    scaffold = _critique(SIREN)
    told = render(scaffold)
    assert "uniform 0.00510" in told
    assert "PyTorch default does not fit" not in told
    # sin keeps about half of a unit Gaussian, and sqrt(6/n)/30 with the factor 30 holds it: a level course.
    rows = [row.split("|")[3] for row in trace_text(library(), textwrap.dedent(SIREN)).table.splitlines()[2:]]
    assert float(rows[4]) / float(rows[1]) == pytest.approx(1, rel=0.2)


def test_a_start_written_behind_a_layer_is_for_that_layer_alone() -> None:
    text = 'input 256 ; linear 256 256 nobias ; relu ; linear 256 10 nobias init "std 0.01"'
    scaffold = _critique(text, initialization="he")
    assert _value(scaffold, "second moment") == pytest.approx(256 * 1e-4 * 0.5, rel=0.01)
    plain = _critique(text.replace(' init "std 0.01"', ""), initialization="he")
    assert _value(plain, "second moment") == pytest.approx(1, rel=0.01)
    with pytest.raises(ToolError, match="init of"):
        _critique('linear 4 4 ; linear 4 4 init "whatever"')


def test_an_argument_overrules_the_starts_of_the_code() -> None:
    assert "initialization as given: he" in render(_critique(SIREN, initialization="he"))


LORA = """
    class Lora(nn.Module):
        def __init__(self, n=512, r=8):
            super().__init__()
            self.w = nn.Linear(n, n)
            self.a = nn.Linear(n, r, bias=False)
            self.b = nn.Linear(r, n, bias=False)
            {start}
            nn.init.zeros_(self.b.weight)
        def forward(self, x):
            return self.w(x) + self.b(self.a(x))
"""


def test_two_zero_factors_never_train_and_one_does() -> None:
    both = _critique(LORA.format(start="nn.init.zeros_(self.a.weight)"))
    assert "high: Zeros that can never leave zero" in _titles(both)
    one = _critique(LORA.format(start="nn.init.kaiming_uniform_(self.a.weight, a=5 ** 0.5)"))
    assert "never leave" not in _titles(one)
    assert "note: Residual branches that start at zero" in _titles(one)


def test_a_zero_layer_in_front_of_a_relu_never_trains() -> None:
    scaffold = _critique('input 512 ; rmsnorm 512 ; linear 512 4 nobias init "zero" ; relu ; linear 4 2')
    assert "high: Zeros that can never leave zero" in _titles(scaffold)
    smooth = _critique('input 512 ; rmsnorm 512 ; linear 512 4 nobias init "zero" ; gelu ; linear 4 2')
    assert "never leave" not in _titles(smooth)


def test_a_head_that_starts_at_zero_is_no_vanishing_signal() -> None:
    text = "input 64 ; linear 64 64 ; relu ; linear 64 64 ; relu ; linear 64 10"
    zero = _critique(text.replace("linear 64 10", 'linear 64 10 init "zero"'))
    assert "note: The head starts at zero" in _titles(zero)
    assert _value(zero, "gradient") == pytest.approx(_value(_critique(text), "gradient"))


def test_a_branch_that_starts_at_zero_leaves_a_rectified_trunk_as_it_is() -> None:
    branch = "conv 64 64 k3 nobias ; batchnorm ; relu ; conv 64 64 k3 nobias ; batchnorm"
    for block in (f"residual scale 0 {{ {branch} }}", f"residual {{ {branch} ; multiply 0 learnable 64 }}"):
        scaffold = _critique(f"input 64x32x32 ; repeat 8 {{ {block} ; relu }}")
        assert _value(scaffold, "second moment") == pytest.approx(0.5, rel=1e-6)
        assert _value(scaffold, "gradient") == pytest.approx(0.5, rel=1e-6)


def test_a_skip_that_is_added_twice_is_named_with_its_factor() -> None:
    block = "residual { residual { conv 64 64 k3 nobias ; batchnorm ; relu ; conv 64 64 k3 nobias ; batchnorm } }"
    scaffold = _critique(f"input 64x32x32 ; repeat 8 {{ {block} }}")
    assert "high: The skip is added twice" in _titles(scaffold)
    assert _value(scaffold, "of the skip path") == pytest.approx(2**8)
    assert not scaffold.verdict.startswith(("Nothing wrong", "Sound"))


def test_deepnorm_is_not_called_a_fault() -> None:
    layer = (
        "residual {{ attention 512 heads 8 }} shortcut {{ multiply {a} }} ; layernorm 512 ; "
        "residual {{ linear 512 2048 ; relu ; linear 2048 512 }} shortcut {{ multiply {a} }} ; layernorm 512"
    )
    scaffold = _critique(f"input tokens 64 x 512 ; repeat 12 {{ {layer.format(a=24**0.25)} }}")
    assert not [f for f in scaffold.findings if f.severity in {"high", "medium", "low"}]
    assert "beta (8N)^(-1/4) = 0.3195" in render(scaffold)


def test_a_skip_that_is_already_scaled_is_not_scaled_again() -> None:
    """DeepNorm written out and named: alpha is in the text, and the initialization adds beta alone."""
    layer = "residual {{ attention 512 }}{skip} ; layernorm 512 ; residual {{ linear 512 512 }}{skip} ; layernorm 512"
    written = f"input tokens 64 x 512 ; repeat 6 {{ {layer.format(skip=f' shortcut {{ multiply {12**0.25} }}')} }}"
    bare = f"input tokens 64 x 512 ; repeat 6 {{ {layer.format(skip='')} }}"
    tables = [trace_text(library(), text, initialization="deepnorm").table for text in (written, bare)]
    gradients = [[row.split("|")[5] for row in table.splitlines()] for table in tables]
    assert gradients[0] == gradients[1]


def test_scores_that_are_not_divided_saturate_the_softmax() -> None:
    text = "input tokens 64 x 512 ; repeat 6 {{ residual {{ layernorm 512 ; attention 512 heads 8{} }} }}"
    bare = _critique(text.format(" scale 1"), initialization="xavier")
    assert "medium: Attention scores without 1/sqrt(head width)" in _titles(bare)
    assert _value(bare, "std of the scores") == pytest.approx(8, rel=0.01)
    assert "Attention scores" not in _titles(_critique(text.format(""), initialization="xavier"))
    assert "Attention scores" not in _titles(_critique(text.format(" scale 1/64"), initialization="xavier"))


@pytest.mark.parametrize(("sigma", "classes", "value"), [(1.0, 10, 2.7289), (3.0, 10, 5.085), (27.713, 32128, 114.57)])
def test_the_first_cross_entropy_of_wide_logits_is_exact(sigma: float, classes: int, value: float) -> None:
    assert mean_log_sum(sigma, classes) == pytest.approx(value, rel=2e-3)


def test_a_head_with_unit_weights_is_told_its_first_loss() -> None:
    text = 'embedding 32128 768 ; rmsnorm 768 ; linear 768 32128 nobias ; loss "CrossEntropyLoss"'
    scaffold = _critique(text, initialization="std 1")
    assert "medium: The untrained logits are too wide" in _titles(scaffold)
    assert 110 < _value(scaffold, "loss at step 0") < 118
    assert "too wide" not in _titles(_critique(text, initialization="std 0.02"))


def test_the_body_inside_one_long_skip_is_the_main_path() -> None:
    restorer = "input 1x32x32 ; residual { conv 1 64 k3 ; relu ; repeat 15 { conv 64 64 k3 ; relu } ; conv 64 1 k3 }"
    scaffold = _critique(restorer, initialization="pytorch default")
    assert "17 places" in scaffold.key_numbers[0]
    assert "does not fit relu" in _titles(scaffold)
    nested = (
        "input 3x32x32 ; conv 3 64 k3 ; residual { repeat 16 { residual { conv 64 64 k3 ; relu ; conv 64 64 k3 } } ; "
        "conv 64 64 k3 } ; conv 64 256 k3 ; conv 256 3 k3"
    )
    assert "16 places" in _critique(nested, initialization="he").key_numbers[0]


def test_weights_that_are_used_again_are_no_share_above_one() -> None:
    text = """
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.c = nn.Conv2d(8, 8, 3, padding=1)
            def forward(self, x):
                for _ in range(6):
                    x = x + self.c(F.relu(x))
                return x
    """
    assert "%" not in _critique(text).first_change


def test_one_block_in_a_list_several_times_is_named() -> None:
    text = """
        class Block(nn.Module):
            def __init__(self, c=16):
                super().__init__()
                self.conv = nn.Conv2d(c, c, 3, padding=1)
            def forward(self, x):
                return x + torch.relu(self.conv(x))
        net = nn.Sequential(*(10 * [Block()]))
    """
    assert "medium: One module stands in several places of a list" in _titles(_critique(text))
    assert "several places" not in _titles(_critique(text.replace("10 * [Block()]", "[Block() for _ in range(10)]")))


IN_PLACE = """
    class Block(nn.Module):
        def __init__(self, c=64):
            super().__init__()
            self.conv = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(c, c, 3, padding=1), nn.ReLU(inplace=True),
                                      nn.Conv2d(c, c, 1))
        def forward(self, input):
            skip = {skip}
            return self.conv(input) + skip
    net = nn.Sequential(*[Block() for _ in range(4)])
"""


def test_a_layer_that_overwrites_what_the_skip_carries_is_found() -> None:
    assert "medium: An in-place layer changes what the skip carries" in _titles(
        _critique(IN_PLACE.format(skip="input"))
    )
    assert "in-place" not in _titles(_critique(IN_PLACE.format(skip="input.clone()")))


def test_a_norm_of_keras_over_the_last_axis_is_found_where_the_channels_come_first() -> None:
    text = """
        from tensorflow.keras.layers import *
        from tensorflow.keras.models import Model
        inp = Input(shape=(7, 300, 48))
        x = Conv2D(64, (3, 3), padding='same', data_format='channels_first')(inp)
        x = BatchNormalization({axis})(x)
        x = Activation('relu')(x)
        x = Conv2D(64, (3, 3), padding='same', data_format='channels_first')(x)
        model = Model(inp, x)
    """
    wrong = _critique(text.format(axis=""))
    assert "medium: A normalization over positions instead of channels" in _titles(wrong)
    right = _critique(text.format(axis="axis=1"))
    assert "over positions" not in _titles(right)
    assert _value(right, "parameters") == 7 * 9 * 64 + 64 + 2 * 64 + 64 * 9 * 64 + 64


def test_keras_of_old_is_read_with_its_own_words() -> None:
    text = """
        model = Sequential()
        model.add(Convolution2D(32, 3, 3, border_mode='same', input_shape=(3, 32, 32), init='he_normal'))
        model.add(Activation('relu'))
        model.add(MaxPooling2D(pool_size=(2, 2)))
        model.add(Flatten())
        model.add(Dense(output_dim=512, init='uniform'))
        model.add(Activation('relu'))
        model.add(Dense(10, init='normal'))
    """
    scaffold = _critique(text)
    told = render(scaffold)
    assert _value(scaffold, "parameters") == 3 * 9 * 32 + 32 + 32 * 16 * 16 * 512 + 512 + 5130
    assert "uniform 0.05" in told
    assert "std 0.05" in told
    assert "channels first" in told


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))", 2),
        ("nn.LSTM(64, 256, num_layers=2)", 1),
        ("m = nn.Conv2d(4, 4, 3, groups=4)\nnn.init.kaiming_normal_(m.weight, mode='fan_out')", 1),
    ],
)
def test_a_call_without_a_name_is_a_network(text: str, layers: int) -> None:
    assert _value(_critique(text), "weighted layers") == layers


def test_a_piece_without_its_layers_is_answered_with_what_is_missing() -> None:
    scaffold = _critique("def forward(self, x):\n    return x + self.c2(F.gelu(self.c1(F.gelu(x))))\n")
    assert "self.c1" in scaffold.needs
    assert not scaffold.findings


def test_a_layer_as_code_has_it_is_derived() -> None:
    called = derive_text(library(), "relu", layer="torch.nn.Conv2d(4, 4, 3, groups=4)")
    assert f"{math.sqrt(2 / 9):.3g}" in called.verdict
    with pytest.raises(ToolError, match="product"):
        derive_text(library(), "swiglu", fan_in=64)


def test_a_sequence_may_be_written_length_first_and_jotted_layers_take_the_width_of_the_input() -> None:
    recurrent = _critique("LSTM(64, 32, batch_first=True) ; Linear(32, 2)", input="100x64")
    assert "gradient" in render(recurrent)
    assert "do not connect" not in render(recurrent)
    assert _value(_critique("Dense(50, relu) x 6 -> Dense(3)", input="2"), "weighted layers") == 7


@pytest.mark.parametrize(
    ("cell", "steps", "grade", "rate"),
    [
        ("lstm", 40, "medium", 0.394),  # per step in torch, over 40 steps, mean of ten seeds
        ("gru", 40, "low", 0.393),
        ("rnn", 40, "medium", 0.279),
    ],
)
def test_a_recurrent_layer_that_forgets_is_not_called_sound(cell: str, steps: int, grade: str, rate: float) -> None:
    scaffold = _critique(f"input tokens {steps} x 64 ; {cell} 64 256 ; linear 256 2")
    assert math.exp(math.log(_value(scaffold, "gradient over time")) / (steps - 1)) == pytest.approx(rate, rel=0.1)
    assert f"{grade}: The gradient fades over the {steps} steps" in _titles(scaffold)


def test_few_steps_are_no_finding_and_steps_that_nobody_gave_are_a_small_one() -> None:
    assert "fades" not in _titles(_critique("input tokens 8 x 64 ; lstm 64 256 ; linear 256 2"))
    assert "low: The gradient fades" in _titles(_critique("lstm 64 256 ; linear 256 2"))


def test_forget_gates_that_start_open_are_the_predicted_remedy() -> None:
    found = _critique("nn.LSTM(64, 256, batch_first=True)", input="tokens 100 x 64").findings[0]
    assert "forget gates at 1" in found.remedy
    assert "0.69" in found.predicted_effect
    already = _critique("input tokens 100 x 64 ; lstm 64 256 ; linear 256 2", initialization="keras").findings[0]
    assert "forget gates" not in already.remedy
