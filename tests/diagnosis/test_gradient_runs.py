"""Networks really trained with a planted fault, or none: the diagnosis finds it, whatever the symptom says.

The runs are those of tests/full/make_gradient_runs.py; `benchmarks/gradient_confusion.py` prints the table.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kaiming_mcp.library import library
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.scaffold import Scaffold

DATA = Path(__file__).parents[1] / "data" / "gradient_runs.json.gz"
RUNS: dict[str, dict[str, Any]] = {run["name"]: run for run in json.loads(gzip.decompress(DATA.read_bytes()))}
HEALTHY = [name for name, run in RUNS.items() if run["mechanism"] == "nothing_wrong"]
HARMLESS = ("nothing_wrong", "cannot_tell", "too_shallow")


@cache
def found(name: str, wording: int) -> Scaffold:
    run = RUNS[name]
    return diagnose_text(library(), run["symptoms"][wording], run["architecture"], run["measurements"], run["training"])


def test_at_least_95_percent_of_the_faults_are_named() -> None:
    wrong = [
        f"{name}: {run['mechanism']} -> {found(name, 0).mechanism}"
        for name, run in RUNS.items()
        if found(name, 0).mechanism not in (run["mechanism"], *run["also"])
    ]
    assert len(wrong) <= 0.05 * len(RUNS), "\n".join(wrong)


@pytest.mark.parametrize("name", HEALTHY)
def test_no_healthy_run_is_given_a_fault(name: str) -> None:
    assert found(name, 2).mechanism in HARMLESS, found(name, 2).verdict


def test_more_than_twenty_healthy_runs_and_three_of_each_fault_are_held() -> None:
    assert len(HEALTHY) >= 20
    kinds = [run["mechanism"] for run in RUNS.values()]
    assert {kind: kinds.count(kind) for kind in kinds if kinds.count(kind) < 3} == {}
    assert len(set(kinds)) == 22


def test_every_answer_keeps_to_the_size_of_a_scaffold() -> None:
    sizes = {name: len(json.dumps(found(name, 0).structured(), ensure_ascii=False)) for name in RUNS}
    assert {name: size for name, size in sizes.items() if size > 8_000} == {}


@pytest.mark.parametrize("name", [name for name, run in RUNS.items() if run["layers"]])
def test_a_fault_that_has_a_place_is_located_there(name: str) -> None:
    assert any(place in found(name, 0).located for place in RUNS[name]["layers"]), found(name, 0).located


@pytest.mark.parametrize("name", list(RUNS))
def test_the_wording_of_the_symptom_never_decides(name: str) -> None:
    assert len({(found(name, i).mechanism, found(name, i).located) for i in range(3)}) == 1
