"""Logs in German, French and Spanish, powers of ten as people type them, and lists of layers."""

from __future__ import annotations

import pytest

from kaiming_mcp.measurements.reader import read_measurements
from kaiming_mcp.measurements.record import Measurements
from kaiming_mcp.measurements.tongues import in_english


def _series(found: Measurements, kind: str, split: str = "") -> list[float]:
    series = found.of(kind, split)
    return [p.value.x for p in series.points] if series else []


def _layers(found: Measurements) -> dict[str, float]:
    return {row.name: next(iter(row.values.values())).x for row in found.per_layer[0].rows}


def test_a_german_table_with_decimal_commas_is_read() -> None:
    head = "Epoche;Trainingsfehler;Validierungsfehler"
    found = read_measurements(f"{head}\n0;40,5214;44,5735\n1;0,1939;0,2133\n2;0,1510;0,1652")
    assert _series(found, "loss", "train") == [40.5214, 0.1939, 0.151]
    assert _series(found, "loss", "val") == [44.5735, 0.2133, 0.1652]


@pytest.mark.parametrize(
    "line",
    [
        "Époque {i} : perte = {x}, précision = {y} %, norme du gradient = 1,25",
        "Época {i}: pérdida {x}, exactitud {y} %, norma 1,25",
        "Epoche {i}: Verlust {x}, Genauigkeit {y} %, Gradientennorm 1,25",
    ],
)
def test_lines_of_other_languages_are_read_as_english_ones(line: str) -> None:
    values = ["2,3026", "1,7182", "0,9001"]
    found = read_measurements("\n".join(line.format(i=i, x=x, y=f"{10 + 30 * i},5") for i, x in enumerate(values)))
    assert _series(found, "loss") == [2.3026, 1.7182, 0.9001]
    assert _series(found, "accuracy") == [pytest.approx(x) for x in (0.105, 0.405, 0.705)]


def test_english_texts_stay_as_they_are() -> None:
    text = "step 3 loss 0.5 grad_norm 1.0\nla perte.py"
    assert in_english(text) == text


def test_powers_of_ten_beside_decimal_commas_are_read() -> None:
    found = read_measurements("Gradientennormen\n" + "\n".join(f"Schicht {i}: 1,{40 + i}·10^-{i}" for i in (1, 2, 3)))
    assert _layers(found) == pytest.approx({"layer 1": 1.41e-1, "layer 2": 1.42e-2, "layer 3": 1.43e-3})


def test_a_bare_list_below_a_headline_of_blocks_is_one_number_a_layer() -> None:
    found = read_measurements("mean square of x after block i:\n1.95, 4.03, 9.74, 18.7")
    assert _layers(found) == {"layer 0": 1.95, "layer 1": 4.03, "layer 2": 9.74, "layer 3": 18.7}


def test_from_first_to_last_above_a_list_is_no_ratio() -> None:
    for head in ("grad norms (first→last layer): [{}]", "grad norms first to last: {}"):
        found = read_measurements(head.format("3e-9, 2e-7, 1e-5, 4e-3"))
        assert list(_layers(found).values()) == [3e-9, 2e-7, 1e-5, 4e-3]
        assert not found.facts


def test_a_layer_behind_a_colon_is_a_layer() -> None:
    found = read_measurements("layer:0, std:15.9\nlayer:1, std:256.6\nlayer:2, std:4107.2\noutput is nan in 3 layers")
    assert _layers(found) == {"layer 0": 15.9, "layer 1": 256.6, "layer 2": 4107.2}
