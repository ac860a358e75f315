import csv
import io
import json
from pathlib import Path

import pytest

from kaiming_mcp.measurements.quantity import Quantity
from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.record import Measurements

DATA = Path(__file__).parent.parent / "data"
PROBE = (DATA / "measurements_probe.json").read_text(encoding="utf-8")
PROBE_STEPS = (DATA / "measurements_probe_steps.json").read_text(encoding="utf-8")


def points(found: Measurements, kind: str) -> list[tuple[float, float]]:
    series = next(s for s in found.series if s.quantity.kind == kind)
    return [(p.at, p.value.x) for p in series.points]


def test_the_probe_is_read_in_its_own_order_with_exact_numbers() -> None:
    found = read_measurements(f"here it is:\n```json\n{PROBE}```\n")
    (layers,) = found.per_layer
    assert layers.order == "probe order"
    assert [row.name for row in layers.rows] == ["0", "1", "2", "3", "4", "5"]
    assert [row.weighted for row in layers.rows] == [True, False, True, False, False, True]
    assert layers.rows[3].role == "norm"
    raw = json.loads(PROBE)["layers"]
    value = layers.rows[0].values[Quantity("activation gradient", "mean square")]
    assert value.exact
    assert value.x == raw[0]["gradient"]
    assert layers.rows[0].values[Quantity("zero", "value")].exact
    assert found.probe["dtype"] == "float32"
    assert found.probe["samples"] == 32


def test_nulls_of_the_probe_are_numbers_that_were_not_finite() -> None:
    document = json.loads(PROBE)
    document["layers"][0]["gradient"] = None
    found = read_measurements(json.dumps(document))
    assert not found.per_layer[0].rows[0].values[Quantity("activation gradient", "mean square")].finite
    assert "nan" in [event.kind for event in found.events]


def test_a_probe_of_two_times_gives_layers_at_both_and_series_over_the_steps() -> None:
    found = read_measurements(f"```\n{PROBE_STEPS}```")
    raw = json.loads(PROBE_STEPS)
    assert [layers.at.x for layers in found.per_layer if layers.at] == [0, 3]
    for layers, time in zip(found.per_layer, raw["times"], strict=True):
        assert layers.order == "probe order"
        assert [row.name for row in layers.rows] == ["0", "1", "2", "3", "4"]
        for row, own in zip(layers.rows, time["layers"], strict=True):
            assert row.values[Quantity("activation gradient", "mean square")].x == own["gradient"]
            assert row.values[Quantity("activation", "max")].x == own["max"]
            if own.get("update_ratio") is not None:
                assert row.values[Quantity("update ratio", "norm")].x == own["update_ratio"]
            if own.get("weight_half_zero") is not None:
                assert row.values[Quantity("weight underflow", "zero")].x == own["weight_half_zero"]
    first = found.layers("activation gradient")
    assert first is not None
    assert first[1] == Quantity("activation gradient", "mean square")
    assert first[0].at is not None
    assert first[0].at.x == 0
    assert points(found, "loss") == list(zip(raw["run"]["step"], raw["run"]["loss"], strict=True))
    assert points(found, "gradient norm") == list(zip(raw["run"]["step"], raw["run"]["gradient_norm"], strict=True))
    assert found.events == ()
    assert found.not_understood == ()


def test_the_head_of_the_probe_names_parameters_and_the_first_nonfinite_tensor() -> None:
    document = json.loads(PROBE_STEPS)
    first = {"step": 2, "pass": "backward", "tensor": "gradient of the output", "name": "1", "type": "ReLU"}
    document["first_nonfinite"] = first | {"value": "nan", "after": "gradient of the output of 2"}
    document["run"]["loss"][-1] = None
    head = read_measurements(json.dumps(document)).probe
    assert (head["frozen"], head["zero_initialized"], head["no_gradient"]) == ("0.weight", "2.weight", "")
    assert (head["first_nonfinite.step"], head["first_nonfinite.name"]) == (2, "1")
    assert (head["optimizer"], head["lr"]) == ("SGD", 0.5)
    assert "first_nonfinite.name" not in read_measurements(PROBE_STEPS).probe
    (event,) = read_measurements(json.dumps(document)).events
    assert (event.kind, event.name) == ("nan", "loss")
    assert event.at is not None
    assert event.at.x == 3


@pytest.mark.parametrize("times", [None, 3, [], [3], [{"step": "x"}], [{"layers": 1}], {"step": 0}])
def test_strange_times_of_the_probe_leave_its_layers(times: object) -> None:
    document = json.loads(PROBE_STEPS) | {"times": times, "run": times}
    found = read_measurements(json.dumps(document))
    (layers,) = found.per_layer
    assert layers.at is None
    assert len(layers.rows) == 5


def test_counts_of_what_is_not_finite_are_numbers_of_layers_and_no_messages_of_the_run() -> None:
    document = json.loads(PROBE_STEPS)
    document["layers"][0]["nonfinite"] = document["times"][0]["layers"][0]["nonfinite"] = 7
    document["first_nonfinite"] = {"step": 0, "pass": "forward", "name": "0", "value": "inf", "after": None}
    for text in (json.dumps(document), json.dumps(document, indent=1)):
        found = read_measurements(text)
        assert found.events == ()
        assert found.per_layer[0].rows[0].values[Quantity("nonfinite", "value")].x == 7


def test_what_half_precision_would_lose_and_the_update_ratios_are_values_of_the_rows() -> None:
    document = json.loads(PROBE_STEPS)
    own = document["times"][1]["layers"][0]
    own |= {"half_zero": 0.25, "half_subnormal": 0.5, "weight_half_zero": 0.125, "weight_half_subnormal": 0.75}
    values = read_measurements(json.dumps(document)).per_layer[1].rows[0].values
    assert values[Quantity("update ratio", "norm")].x == own["update_ratio"]
    assert values[Quantity("underflow", "zero")].x == 0.25
    assert values[Quantity("underflow", "subnormal")].x == 0.5
    assert values[Quantity("weight underflow", "zero")].x == 0.125
    assert values[Quantity("weight underflow", "subnormal")].x == 0.75
    assert all(value.exact for value in values.values())


def test_a_zero_of_the_probe_is_exact_whatever_stands_beside_it() -> None:
    document = json.loads(PROBE)
    for i, row in enumerate(document["layers"]):
        row["gradient"] = 0.25 if i else 0.0
    value = read_measurements(json.dumps(document)).per_layer[0].rows[0].values
    assert value[Quantity("activation gradient", "mean square")].exact


def _as_csv(rows: list[dict[str, object]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(key for row in rows for key in row)))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


@pytest.mark.parametrize("form", ["list", "csv"])
def test_the_layers_of_the_probe_are_known_without_their_document(form: str) -> None:
    rows = json.loads(PROBE)["layers"]
    for row in rows:
        row.pop("shape", None)
    (layers,) = read_measurements(json.dumps(rows, indent=1) if form == "list" else _as_csv(rows)).per_layer
    assert layers.order == "probe order"
    assert [row.kind for row in layers.rows] == [row["type"] for row in rows]
    for row, own in zip(layers.rows, rows, strict=True):
        assert row.values[Quantity("activation gradient", "mean square")].x == own["gradient"]
        assert row.values[Quantity("activation", "mean square")].x == own["second_moment"]
