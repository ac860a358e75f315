"""What was measured stands on the place that it names, in the unit of its axis, with its interval."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from statistics import median

import pytest
from networks import DECAY, PLAIN, drawn

from kaiming_mcp.picture.match import place_of, places_of
from kaiming_mcp.picture.model import Measured, Picture
from kaiming_mcp.replies import draw

NET = "repeat 19 { linear 64 64 ; relu } ; linear 64 10"


def _of(picture: Picture, quantity: str) -> list[Measured]:
    return [m for m in picture.measured if m.quantity == quantity]


def test_measured_gradients_keep_their_ratios_and_stand_on_theory_as_one() -> None:
    _, picture = drawn("diagnose_gradients", architecture=NET, measurements=DECAY)
    points, theory = _of(picture, "gradient"), picture.variants[0].gradient
    assert [p.place for p in points] == list(range(20))
    printed = [float(line.split(",")[1]) for line in DECAY.splitlines()[1:]]
    values = [p.value for p in points if p.value is not None]
    assert [v - values[-1] for v in values] == pytest.approx(
        [2 * math.log10(x / printed[-1]) for x in printed], abs=2e-4
    )
    assert median((theory[p.place] or 0) - (p.value or 0) for p in points) == pytest.approx(0, abs=1e-3)
    assert points[0].note == "activation gradient, norm: 4.39e-09 as printed"


def test_the_interval_is_that_of_the_printed_digits() -> None:
    _, picture = drawn("diagnose_gradients", architecture=NET, measurements=DECAY)
    point = _of(picture, "gradient")[0]
    assert point.value is not None
    assert point.low == pytest.approx(point.value + 2 * math.log10(4.385 / 4.39), abs=2e-4)
    assert point.high == pytest.approx(point.value + 2 * math.log10(4.395 / 4.39), abs=2e-4)


def test_the_ratio_of_the_points_is_the_number_of_the_text() -> None:
    scaffold, picture = drawn("diagnose_gradients", architecture=NET, measurements=DECAY)
    points = _of(picture, "gradient")
    ratio = 10 ** (((points[0].value or 0) - (points[-1].value or 0)) / 2)
    assert any(f"{ratio:.2e}"[:4] in line for line in scaffold.key_numbers), scaffold.key_numbers


def test_the_second_course_is_after_the_change_that_the_diagnosis_traced() -> None:
    scaffold, picture = drawn("diagnose_gradients", architecture=NET, measurements=DECAY)
    assert "he" in scaffold.first_change
    assert picture.variants[1].gradient == pytest.approx([0.0] * 20, abs=1e-3)
    assert picture.change == scaffold.first_change


def test_a_floor_stands_at_the_scale_that_was_measured() -> None:
    _, picture = drawn("diagnose_gradients", architecture=NET, measurements=DECAY)
    floor = next(f for f in picture.floors if (f.name, f.kind) == ("float16", "subnormal"))
    first = _of(picture, "gradient")[0]
    element = 4.39e-9 / math.sqrt(64)
    assert first.value is not None
    assert floor.values[0] is not None
    assert first.value - floor.values[0] == pytest.approx(2 * math.log10(element / 2**-24), abs=1e-2)
    assert "measured" in floor.about


def test_without_a_network_the_layers_that_were_measured_are_the_places() -> None:
    _, picture = drawn("diagnose_gradients", measurements=DECAY)
    assert [p.name for p in picture.places][:3] == ["layer 0", "layer 2", "layer 4"]
    assert picture.variants == []
    assert picture.controls == []
    assert picture.call is None
    assert _of(picture, "gradient")[-1].value == 0


def test_a_printed_zero_is_a_bound_and_an_exact_zero_is_said() -> None:
    rows = "\n".join(f"layers.{i}.weight grad norm: {v}" for i, v in enumerate(["<1e-4", "0.0000", "0.0012", "0.0340"]))
    _, picture = drawn("diagnose_gradients", measurements=rows)
    bound, zero, small, _ = _of(picture, "weight_gradient")
    assert bound.value is None
    assert bound.high is not None
    assert zero.value is None
    assert zero.low is None
    assert zero.high is not None
    assert small.value is not None
    assert zero.high < small.value
    assert zero.note.endswith("0.0000 as printed")


def test_prose_without_numbers_has_no_picture() -> None:
    scaffold, picture = draw("diagnose_gradients", {"symptom": "my gradients vanish"})
    assert scaffold.needs
    assert picture is None


def test_the_probe_gives_points_of_every_quantity() -> None:
    layers = [
        {
            "name": str(2 * i), "type": "Linear", "call": 1, "shape": [64], "second_moment": 0.5 * 0.5**i, "mean": 0.0,
            "cosine": 1 - 0.5 ** (i + 1), "zero": 0.0, "dead": 0.0, "nonfinite": 0, "gradient": 1e-4 * 4.0**i,
            "gradient_sum": 64e-4 * 4.0**i, "gradient_nonfinite": 0, "weight_norm": 4.6, "weight_std": 0.072,
            "fan_in": 64, "weight_grad_norm": 0.1 * 2.0**i,
        }
        for i in range(6)
    ]  # fmt: skip
    probe = {"probe": "signal", "version": 1, "model": "Net", "samples": 32, "layers": layers}
    _, picture = drawn(
        "diagnose_gradients", architecture="repeat 6 { linear 64 64 ; relu }", measurements=json.dumps(probe)
    )
    moments = _of(picture, "second_moment")
    assert [m.value for m in moments] == pytest.approx([math.log10(0.5 * 0.5**i) for i in range(6)], abs=1e-3)
    assert [m.value for m in _of(picture, "correlation")] == pytest.approx(
        [1 - 0.5 ** (i + 1) for i in range(6)], abs=1e-5
    )
    for quantity in ("gradient", "weight_gradient"):
        values = [m.value or 0.0 for m in _of(picture, quantity)]
        assert [b - a for a, b in pairwise(values)] == pytest.approx([2 * math.log10(2)] * 5, abs=1e-3)


def test_a_simulation_stands_beside_the_theory_with_its_error() -> None:
    scaffold, picture = drawn("trace_signal", architecture=PLAIN, simulate=True)
    points = _of(picture, "gradient")
    assert len(points) == len(_of(picture, "second_moment")) == 20
    assert points[-1].value == 0
    theory = picture.variants[0]
    for point in _of(picture, "second_moment"):
        assert point.low is not None
        assert point.high is not None
        assert abs((point.value or 0) - (theory.second_moment[point.place] or 0)) < 0.1
        assert point.low <= (point.value or 0) <= point.high
    told = next(f for f in scaffold.established if f.statement.startswith("theory / simulation"))
    assert f"{10 ** (points[0].value or 0):.2e}"[:3] in told.statement


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("layers.0.fc1.weight", 0),
        ("module.layers.1.fc1", 2),
        ("model.layers.1.fc2.weight", 3),
        ("layers.0.fc2.bias", 1),
        ("head", 4),
        ("fc1", None),
        ("", None),
        ("10", None),
    ],
)
def test_names_are_matched_at_dots(name: str, place: int | None) -> None:
    names = ["layers.0.fc1", "layers.0.fc2", "layers.1.fc1", "layers.1.fc2", "model.head"]
    assert place_of(name, names) == place


def test_rows_without_known_names_are_spread_over_the_depth() -> None:
    names = [f"block{i}" for i in range(9)]
    assert places_of(["a", "b", "c"], names, range(9)) == [0, 4, 8]
    assert places_of([f"x{i}" for i in range(9)], names, range(9)) == list(range(9))
    assert places_of(["block2", "?", "block7"], names, range(9)) == [2, 3, 7]
    assert places_of(["x"], names, range(9)) == [0]
