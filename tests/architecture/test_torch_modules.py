"""Printed leaves of torch.nn against the counts and shapes that torch itself gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kaiming_mcp.architecture.ir import Activation, Attention, Opaque, Shape, layers
from kaiming_mcp.architecture.parameters import parameter_count
from kaiming_mcp.architecture.shapes import output_shape
from kaiming_mcp.architecture.torch_modules import is_known
from kaiming_mcp.architecture.torch_reader import read_torch_repr

LEAVES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "torch_leaf_reprs.json").read_text(encoding="utf-8")
)["leaves"]


def _op(text: str) -> Any:
    root = read_torch_repr(f"Sequential(\n  (0): {text}\n)").networks[0].root
    (found,) = layers(root)
    return found[0].op


@pytest.mark.parametrize("leaf", [la for la in LEAVES if la["parameters"] is not None], ids=lambda la: la["repr"][:60])
def test_a_printed_leaf_has_the_parameters_that_torch_counts(leaf: dict[str, Any]) -> None:
    assert parameter_count(_op(leaf["repr"])) == leaf["parameters"]


@pytest.mark.parametrize("leaf", [la for la in LEAVES if la["parameters"] is None], ids=lambda la: la["repr"][:60])
def test_a_lazy_leaf_without_sizes_stays_unknown(leaf: dict[str, Any]) -> None:
    op = _op(leaf["repr"])
    assert isinstance(op, Opaque)
    assert parameter_count(op) is None


@pytest.mark.parametrize("leaf", [la for la in LEAVES if "output" in la], ids=lambda la: la["repr"][:60])
def test_a_printed_leaf_gives_the_shape_that_torch_gives(leaf: dict[str, Any]) -> None:
    op = _op(leaf["repr"])
    if isinstance(op, Opaque | Activation):
        return
    features, *positions = leaf["input"]
    shape = output_shape(op, Shape(features, tuple(positions)))
    if len(leaf["output"]) == 1:
        assert shape.features == leaf["output"][0]
    else:
        assert (shape.features, *(shape.positions or ())) == tuple(leaf["output"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Linear (784 -> 256)", 784 * 256 + 256),
        ("Conv2d (3, 64, kernel_size=(3, 3), stride=(1, 1))", 3 * 64 * 9 + 64),
        ("Conv1D(nf=4800, nx=1600)", 1600 * 4800 + 4800),
        ("LlamaRMSNorm((2048,), eps=1e-06)", 2048),
        ("BatchNorm2d(32, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)", 64),
    ],
)
def test_old_and_foreign_spellings_are_read(text: str, expected: int) -> None:
    assert parameter_count(_op(text)) == expected


def test_an_unknown_leaf_is_kept_as_it_was_printed() -> None:
    op = _op("_equalized_conv2d(512, 512, 3, 3)")
    assert op == Opaque("_equalized_conv2d", "512, 512, 3, 3")
    assert not is_known("_equalized_conv2d")


def test_a_convolution_with_impossible_groups_is_not_read_by_halves() -> None:
    assert isinstance(_op("Conv2d(10, 64, kernel_size=(3, 3), stride=(1, 1), groups=4)"), Opaque)


def test_parameters_outside_the_four_projections_are_counted_once() -> None:
    assert parameter_count(Attention(8, 2, bias=False)) == 4 * 8 * 8
    assert parameter_count(Attention(8, 2, bias=False, extra=5)) == 4 * 8 * 8 + 5
