"""Real problems of real users: what the critique must say of them, and the wrong advice that it must not give.

The texts stand in tests/data/cases_networks.json as the users gave them. Where a text is no network in a format that
can be read, the network that it describes is written in the layer notation here.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Reading
from kaiming_mcp.architecture.read import read_architecture
from kaiming_mcp.library import library
from kaiming_mcp.replies.critique import critique_text
from kaiming_mcp.scaffold import Scaffold, render

DATA = Path(__file__).parents[1] / "data"
CASES: dict[str, dict[str, str]] = json.loads((DATA / "cases_networks.json").read_text(encoding="utf-8"))


def _critique(text: str, **rest: Any) -> Scaffold:
    return critique_text(library(), text, **rest)


def _loud(scaffold: Scaffold) -> list[str]:
    return [f.title for f in scaffold.findings if f.severity in ("high", "medium")]


def _titles(scaffold: Scaffold) -> str:
    return "\n".join(f"{f.severity}: {f.title}" for f in scaffold.findings)


def _value(scaffold: Scaffold, unit: str) -> float:
    return next(f.value for f in scaffold.established if f.unit == unit and f.value is not None)


@pytest.mark.parametrize("case", CASES)
def test_a_users_text_is_read_or_answered_with_what_to_send(case: str) -> None:
    text = CASES[case]["text"]
    try:
        reading = read_architecture(text)
    except ReadError as refused:
        assert len(str(refused)) <= 1200
    else:
        assert isinstance(reading, Reading)
        assert all(network.modules >= 0 for network in reading.networks)
    scaffold = _critique(text)
    assert scaffold.needs or scaffold.established
    # What is not known is never called sound.
    assert not (scaffold.verdict.startswith("Nothing wrong") and "unknown" in render(scaffold).split("## ")[0])


@pytest.mark.parametrize("blocks", [10, 20, 40])
def test_a01_a_trunk_of_unit_branches_grows_by_one_each(blocks: int) -> None:
    scaffold = _critique(
        f"input 512 ; repeat {blocks} {{ residual {{ layernorm 512 ; linear 512 512 nobias }} }}",
        initialization="lecun",
    )
    assert _value(scaffold, "second moment") == pytest.approx((1 + blocks) / 2, rel=0.01)
    assert not _loud(scaffold)


def test_a04_layers_that_start_identical_are_found_with_their_consequence() -> None:
    printed = (DATA / "model_texts" / "09_repr_torch_transformer_encoder12.txt").read_text(encoding="utf-8")
    scaffold = _critique(printed)
    assert "12 layers start with the same weights" in _titles(scaffold)
    apart = next(f for f in scaffold.established if f.unit == "copies")
    assert apart.basis == "computed"
    finding = next(f for f in scaffold.findings if "same weights" in f.title)
    assert apart.id in finding.evidence
    assert "torch.equal" in finding.test


def test_a05_seven_unscaled_sums_double_and_one_over_sqrt_two_holds_them() -> None:
    block = "residual { relu ; linear 512 512 nobias ; relu ; linear 512 512 nobias }"
    bare = _critique(f"input 512 ; repeat 7 {{ {block} }}", initialization="he")
    assert "Residual sums without normalization" in _titles(bare)
    assert _value(bare, "per block") == pytest.approx(2, rel=0.01)
    fixed = _critique(f"input 512 ; repeat 7 {{ {block} ; multiply 1/sqrt(2) }}", initialization="he")
    assert _value(fixed, "second moment") == pytest.approx(1, rel=0.01)
    assert _value(fixed, "of the skip path") == pytest.approx(2**-3.5, rel=1e-6)
    assert not _loud(fixed)


def test_a06_a_branch_that_ends_in_relu_is_told_so_and_its_parameters_add_up() -> None:
    branch = "conv1d 96 48 k3 d2 nobias ; batchnorm ; relu ; conv1d 48 96 k1 nobias ; batchnorm ; relu ; dropout 0.3"
    scaffold = _critique(f"input 96x512 ; repeat 10 {{ residual {{ {branch} }} }}", initialization="keras default")
    assert "medium: Residual branches that are never negative" in _titles(scaffold)
    assert _value(scaffold, "common mean") > 0.5
    assert _value(scaffold, "parameters") == 10 * (13_824 + 4_608 + 2 * 48 + 2 * 96)
    assert "gamma" in next(f.remedy for f in scaffold.findings if "never negative" in f.title)


def test_a07_a_gain_counted_twice_doubles_the_second_moment_in_every_layer() -> None:
    text = "input 512 ; repeat 10 { linear 512 512 nobias ; relu ; multiply 1.41421356 }"
    once, twice = _critique(text, initialization="lecun"), _critique(text, initialization="he")
    assert _value(once, "second moment") == pytest.approx(1, rel=0.01)
    assert _value(twice, "second moment") == pytest.approx(2**9, rel=0.01)


def test_a09_a_sum_is_held_by_the_square_root_of_two_and_not_by_two() -> None:
    block = "residual { selu ; linear 512 512 nobias }"
    bare = _critique(f"input 512 ; repeat 8 {{ {block} }}", initialization="lecun")
    assert "Residual sums without normalization" in _titles(bare)
    root = _critique(f"input 512 ; repeat 8 {{ {block} ; multiply 1/sqrt(2) }}", initialization="lecun")
    assert _value(root, "second moment") == pytest.approx(1, rel=0.02)
    half = _critique(f"input 512 ; repeat 8 {{ {block} ; multiply 1/2 }}", initialization="lecun")
    finding = next(f for f in half.findings if "multiplied by a constant" in f.title)
    assert finding.severity == "medium"
    assert "1/sqrt(2)" in finding.remedy
    assert "E[x²] last/first 1 " in finding.predicted_effect


def test_a10_custom_classes_are_named_and_nothing_is_said_of_their_scale() -> None:
    scaffold = _critique(CASES["A10"]["text"])
    told = render(scaffold)
    assert "_equalized_deconv2d(512, 512, 4, 4)" in told
    assert not _loud(scaffold)
    assert not re.search(r"too large|std 1|collapse", told)


def test_a12_relu_is_not_proposed_for_a_tanh_network_of_eight_layers_with_u_xx() -> None:
    text = "input 20 ; repeat 8 { linear 20 20 ; tanh } ; linear 20 1"
    scaffold = _critique(text, initialization="xavier", goal="PINN, residual with u_xx")
    told = render(scaffold)
    assert not re.search(r"(replace .* by|use) relu", told, re.IGNORECASE)
    assert "ReLU would have none" in told
    assert 0.01 < _value(scaffold, "gradient") < 1
    assert not [f for f in scaffold.findings if f.severity == "high"]


def test_v02_the_three_stages_of_twenty_convolutions_get_three_answers() -> None:
    start = "input 16x16x16"
    plain = _critique(f"{start} ; repeat 20 {{ conv 16 16 k3 ; relu }}")
    assert re.search(r"high: PyTorch default does not fit relu", _titles(plain))
    assert 1e-17 < _value(plain, "gradient") < 1e-13
    naive = _critique(f"{start} ; repeat 20 {{ residual {{ conv 16 16 k3 ; relu }} }}")
    assert "Residual sums without normalization" in _titles(naive)
    assert "common mean" in render(naive)
    normed = _critique(f"{start} ; repeat 20 {{ residual {{ groupnorm 4 16 ; relu ; conv 16 16 k3 }} }}")
    assert not _loud(normed)


def test_v03_three_sigmoid_layers_do_not_vanish_to_zero() -> None:
    scaffold = _critique("input 64 ; linear 64 64 ; sigmoid ; linear 64 64 ; sigmoid ; linear 64 1 ; sigmoid")
    assert _value(scaffold, "gradient") > 1e-5
    assert not [f for f in scaffold.findings if f.severity == "high"]


def test_v05_a_mixer_of_unknown_class_is_neither_sound_nor_guilty() -> None:
    block = 'residual { rmsnorm 256 ; unknown "Mamba2(d_model=256)" }'
    scaffold = _critique(f"embedding 1000 256 ; repeat 8 {{ {block} }} ; rmsnorm 256 ; linear 256 10")
    assert "unknown (Mamba2)" in scaffold.verdict
    assert not _loud(scaffold)


VGG = "input 3x32x32\n" + "\n".join(
    f"{' ; '.join(f'conv {a} {b} k3 ; relu' for a, b in rows)} ; maxpool 2"
    for rows in (
        ((3, 64), (64, 64)),
        ((64, 128), (128, 128)),
        ((128, 256), (256, 256), (256, 256)),
        ((256, 512), (512, 512), (512, 512)),
        ((512, 512), (512, 512), (512, 512)),
    )
)


def test_v07_vgg16_on_small_images_is_dead_on_arrival_with_the_default_and_not_with_he() -> None:
    text = f"{VGG}\nflatten ; linear 512 4096 ; relu ; linear 4096 4096 ; relu ; linear 4096 10"
    dead = _critique(text)
    assert re.search(r"high: PyTorch default does not fit relu", _titles(dead))
    assert _value(dead, "share") < 1e-6
    assert "barely depends on the input" in dead.verdict
    alive = _critique(text, initialization="he")
    assert not [f for f in alive.findings if f.severity == "high"]
    assert _value(alive, "share") > 1e-3
    assert any("fits CrossEntropyLoss" in f.statement for f in alive.established)


def test_v11_both_the_default_gain_and_the_bottleneck_of_four_channels_are_found() -> None:
    rows = "3 4 k3;4 64 k3;64 64 k3;64 64 k3 s2;64 128 k3;128 128 k3;128 128 k3 s2;128 256 k3;256 256 k3".split(";")
    text = "input 3x32x32\n" + "\n".join(f"conv {row} ; relu" for row in rows)
    scaffold = _critique(text)
    titles = _titles(scaffold)
    assert re.search(r"(high|medium): PyTorch default does not fit relu", titles)
    assert "bottleneck of 4 channels" in titles
    assert _value(scaffold, "share") < 1e-3


def test_v12_the_sigmoid_at_the_output_is_the_bottleneck_and_depth_is_not() -> None:
    text = "input 256 ; repeat 6 { linear 256 256 ; leaky_relu 0.02 } ; linear 256 1 ; sigmoid"
    scaffold = _critique(text, initialization="he gain 0.9998")
    assert "A sigmoid at the output" in _titles(scaffold)
    assert _value(scaffold, "largest slope") == 0.25
    assert "0.0066" in render(scaffold)
    assert "Deep plain stack" not in render(scaffold)
    assert math.isclose(1 / (1 + math.exp(-5)) * (1 - 1 / (1 + math.exp(-5))), 0.0066, rel_tol=0.02)


def test_v13_two_normed_residual_modules_do_not_vanish() -> None:
    block = (
        "residual { attention 64 heads 4 } ; layernorm ; residual { linear 64 64 ; relu ; linear 64 64 } ; layernorm"
    )
    scaffold = _critique(f"input tokens 32x64 ; repeat 2 {{ {block} }} ; linear 64 1")
    assert 0.03 < _value(scaffold, "gradient") < 30
    assert not _loud(scaffold)


def test_e05_a_standard_deviation_of_one_is_the_fault_and_not_relu() -> None:
    scaffold = _critique("input 784 ; linear 784 30 ; relu ; linear 30 10", initialization="std 1")
    assert re.search(r"(high|medium): std 1 does not fit relu", _titles(scaffold))
    assert "he" in scaffold.first_change
    assert not re.search(r"replace .* by sigmoid", render(scaffold))


def test_e06_two_hidden_layers_are_not_blamed_for_the_scale_of_the_data() -> None:
    text = "input 1 ; linear 1 50 ; sigmoid ; linear 50 50 ; elu ; linear 50 1"
    scaffold = _critique(text, initialization="keras default", goal="fit y = x^4")
    assert not [f for f in scaffold.findings if f.severity == "high"]
    assert "without a skip" not in render(scaffold)


def test_e10_he_holds_the_scale_of_a_plain_stack_whatever_its_depth() -> None:
    text = "input 2 ; linear 2 128 ; relu ; linear 128 64 ; relu ; linear 64 32 ; relu ; linear 32 1"
    scaffold = _critique(text, initialization="he")
    assert not _loud(scaffold)
    assert "1/sqrt(4)" not in render(scaffold)


def test_e11_a_normed_residual_trunk_grows_by_one_a_block_and_is_no_explosion() -> None:
    branch = "linear 256 256 nobias ; batchnorm ; relu ; linear 256 256 nobias ; batchnorm"
    scaffold = _critique(f"input 256 ; repeat 50 {{ residual {{ {branch} }} }}", initialization="he", batch=64)
    assert _value(scaffold, "second moment") == pytest.approx(51 / 2, rel=0.02)
    assert 100 < _value(scaffold, "gradient") < 2000
    assert not _loud(scaffold)
