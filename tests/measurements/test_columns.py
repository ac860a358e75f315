"""Tables as people paste them: which columns hold numbers, which words, and what stands around."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaiming_mcp.measurements.columns import LARGEST_TEXT, read_columns, read_table

ROWS = [(0.5 * i, 2.0 - i) for i in range(12)]


def _lines(mark: str, decimal: str = ".") -> str:
    return "\n".join(f"{a:.2f}{mark}{b:.2f}".replace(".", decimal) for a, b in ROWS)


FORMS = {
    "comma": "y,x\n" + _lines(","),
    "semicolon": "y;x\n" + _lines(";"),
    "decimal comma": "y;x\n" + _lines(";", ","),
    "tab": "y\tx\n" + _lines("\t"),
    "spaces": "y   x\n" + _lines("   "),
    "markdown": "| y | x |\n|---|--:|\n" + "\n".join(f"| {a} | {b} |" for a, b in ROWS),
    "prose before": "Measured on 3 benches, in March.\n\ny,x\n" + _lines(","),
    "json rows": json.dumps([{"y": a, "x": b} for a, b in ROWS]),
    "json columns": "these: " + json.dumps({"y": [a for a, _ in ROWS], "x": [b for _, b in ROWS]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_paste_a_table_gives_the_same_columns(form: str) -> None:
    found = read_columns(FORMS[form], 8)
    assert list(found) == ["y", "x"]
    assert np.allclose(np.column_stack([found["y"], found["x"]]), ROWS)


def test_rows_with_a_gap_are_left_out_in_all_columns() -> None:
    found = read_columns("y,x\n" + _lines(",") + "\n7,NA\n,3", 8)
    assert len(found["y"]) == len(found["x"]) == len(ROWS)


def test_words_are_kept_beside_the_numbers_and_the_prose_apart() -> None:
    rows = "\n".join(f"{'AB'[i % 2]},{i},{i * i}" for i in range(10))
    table = read_table(f"Two sites, one instrument.\nsite,y,x\n{rows}", 8)
    assert table.words == {"site": ["A", "B"] * 5}
    assert list(table.numbers) == ["y", "x"]
    assert table.around == "Two sites, one instrument."


def test_lists_in_json_become_columns() -> None:
    rows = [{"y": i, "x": [i, 2 * i]} for i in range(9)]
    assert list(read_columns(json.dumps(rows), 8)) == ["y", "x 1", "x 2"]


def test_thousands_and_per_cent_signs_are_read() -> None:
    found = read_columns("n;share\n" + "1,234;5 %\n12,500;7 %\n" * 5, 8)
    assert found["n"][1] == 12500
    assert found["share"][0] == 5


def test_a_table_without_a_header_has_numbered_columns() -> None:
    assert list(read_columns("1 2\n" * 9, 8)) == ["column 1", "column 2"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no table, 3 sites and 4 labs\n" * 20,
        "y,x\n1,2\n",
        "y,x\n" + "1,nan\n" * 20,
        "[" * 100_000,
        "a," * 100_000,
        '"' * 100_000,
        "x" * (LARGEST_TEXT + 1),
    ],
    ids=lambda t: t[:12],
)
def test_no_table_is_no_columns(text: str) -> None:
    found = read_columns(text, 8)
    assert len(found) < 2


def test_very_long_tables_are_thinned_evenly() -> None:
    found = read_columns("y,x\n" + "\n".join(f"{i},{i}" for i in range(150_000)), 8)
    assert 10_000 < len(found["y"]) < 30_000
    assert found["y"][-1] > 149_900 * 0.99


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=400), st.integers(1, 10))
def test_any_text_gives_columns_of_one_length(text: str, fewest: int) -> None:
    table = read_table(text, fewest)
    lengths = {len(c) for c in (*table.numbers.values(), *table.words.values())}
    assert len(lengths) <= 1
    assert all(np.isfinite(c).all() for c in table.numbers.values())
