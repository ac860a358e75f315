"""Runs made by someone who did not know the rules of the diagnosis, each logged in another hand.

The calls are those of tests/full/make_blind_gradient_runs.py, which checked every truth by a measurement of its own.
Both sets have been looked at since: they hold the rules in place, and say no more what those are worth on unseen runs.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kaiming_mcp.library import library
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.scaffold import Scaffold

DATA = Path(__file__).parents[1] / "data"
SETS = {name: json.loads((DATA / f"gradient_{name}.json").read_text()) for name in ("blind", "fresh")}
RUNS: dict[str, dict[str, Any]] = {run["name"]: run for run in SETS["blind"]}
BOTH: dict[str, dict[str, Any]] = {f"{name}_{run['name']}": run for name, runs in SETS.items() for run in runs}
MEASURED = [name for name, run in RUNS.items() if run.get("measurements")]
CALM = ("nothing_wrong", "cannot_tell")
"""What accuses nobody; anything else must be one that the run lists as equally there."""
WORDINGS = (
    "Please look at this run.",
    "I am sure the gradients vanish in the first layers.",
    "It must be exploding; or is the learning rate to blame?",
)
RENAMED = {
    "body": "spine",
    "block": "stage",
    "blocks": "stages",
    "features": "front",
    "fc": "lin",
    "dense": "proj",
    "enc": "down",
    "encoder": "reader",
    "decoder": "writer",
    "trunk": "tower",
    "hidden": "inner",
    "res": "branch",
    "net": "core",
}
"""Names of layers and what they become; names that say a kind (relu, conv, attn) stay."""
NUMBER = re.compile(r"(?<![\w.])\d\.\d{2,}e[+-]\d+(?![\w.])")
GRADIENTS_ALONE = (
    "true_decay_backward_dense_sigmoid",
    "true_decay_backward_rnn_time",
    "true_decay_backward_gru_words",
    "true_decay_backward_plain_tanh",
    "growth_norm_no_skip",
    "growth_rnn_explodes",
)
"""Runs that hold gradients and nothing else: a loss times a constant multiplies every number of them."""


@cache
def found(name: str, symptom: str = "", measurements: str = "", architecture: str = "") -> Scaffold:
    run = RUNS.get(name) or BOTH[name]
    return diagnose_text(
        library(),
        symptom or run["symptom"],
        architecture or run.get("architecture", ""),
        measurements or run.get("measurements", ""),
        run.get("training", ""),
        initialization=run.get("initialization", ""),
    )


def right(name: str) -> bool:
    run = RUNS.get(name) or BOTH[name]
    return found(name).mechanism in (run["mechanism"], *run["also"])


def confusion(names: list[str]) -> str:
    """True mechanisms down, what was found instead across."""
    lines = [f"{sum(map(right, names))} of {len(names)} right"]
    for kind in sorted({BOTH[n]["mechanism"] for n in names}):
        of = [n for n in names if BOTH[n]["mechanism"] == kind]
        wrong = Counter(found(n).mechanism or "(none)" for n in of if not right(n))
        lines.append(f"{kind:<20} {sum(map(right, of))}/{len(of)}  {', '.join(f'{k} x{v}' for k, v in wrong.items())}")
    return "\n".join(lines)


def test_at_least_95_percent_of_the_blind_runs_are_named_right() -> None:
    names = list(BOTH)
    assert len(names) == 213
    assert sum(map(right, names)) >= 0.95 * len(names), confusion(names)


@pytest.mark.parametrize("name", [n for n, run in BOTH.items() if run["mechanism"] == "nothing_wrong"])
def test_no_healthy_blind_run_is_given_a_fault(name: str) -> None:
    said = found(name)
    assert said.mechanism in (*CALM, *BOTH[name]["also"]), said.verdict


def test_a_fault_with_a_place_is_located_there() -> None:
    placed = [n for n, run in RUNS.items() if run["layers"] and found(n).mechanism == run["mechanism"]]
    wrong = [
        f"{n}: {found(n).located!r}, true {RUNS[n]['layers']}"
        for n in placed
        if not any(place.lower() in found(n).located.lower() for place in RUNS[n]["layers"])
    ]
    assert len(wrong) <= 0.05 * len(placed), "\n".join(wrong)


def test_every_mechanism_has_four_blind_runs_and_the_healthy_ones_are_24() -> None:
    kinds = Counter(run["mechanism"] for run in RUNS.values())
    assert len(kinds) == 22
    assert {kind: n for kind, n in kinds.items() if n < 4} == {}
    assert kinds["nothing_wrong"] >= 24


def reversed_rows(text: str) -> str | None:
    """The rows of a table of layers from last to first; None where rows are steps or there is more than one table."""
    lines = text.split("\n")
    head, rows = (1, lines[1:]) if not re.search(r"\d[.e]", lines[0]) else (0, lines)
    step = re.compile(r"\b(?:step|it|iter|epoch|ep|update|loss|batch|iterations)\b|timestep|^\[\d|\bt=\d", re.I)
    if len(rows) < 4 or any(step.search(line) for line in lines):
        return None
    shape = {re.sub(r"[\d.]+|e[+-]|None|\s+|body|head|out", "", row)[:3] for row in rows}
    return "\n".join(lines[:head] + rows[::-1]) if len(shape) <= 2 else None


def renamed(text: str) -> str:
    """Every layer under another name, the numbers in the names kept."""
    return re.sub(r"(?<![A-Za-z])(" + "|".join(RENAMED) + r")(?=[._\d])", lambda found: RENAMED[found[1]], text)


def coarser(text: str) -> str:
    """Numbers in the e-form with two digits."""
    return NUMBER.sub(lambda found: f"{float(found[0]):.1e}", text)


def pasted(text: str, way: str) -> str:
    """The same text as it comes out of a chat, a terminal, or another logger."""
    lines = text.split("\n")
    return {
        "fence": f"```text\n{text}\n```",
        "windows": "\r\n".join(lines),
        "quoted": "\n".join(f"> {line}" for line in lines),
        "rank": "\n".join(f"[rank0]: {line}" for line in lines),
        "capital": re.sub(r"(?<=\d)e(?=[+-]\d)", "E", text),
        "indented": "\n".join(f"    {line}" for line in lines),
    }[way]


def scaled(text: str) -> str:
    """Every decimal number times 8; counts and indices stay."""
    decimal = re.compile(r"(?<![\w.:])\d+\.\d+(?:e[+-]?\d+)?(?![\w.:])|(?<==)\d\.?\d*e-\d+")
    return decimal.sub(lambda found: f"{8 * float(found[0]):.4g}", text)


REVERSED = [n for n in MEASURED if reversed_rows(RUNS[n]["measurements"])]
NAMED = [n for n in MEASURED if renamed(RUNS[n]["measurements"]) != RUNS[n]["measurements"]]
EXACT = [n for n in MEASURED if coarser(RUNS[n]["measurements"]) != RUNS[n]["measurements"]]


@pytest.mark.parametrize("name", MEASURED)
def test_the_words_of_the_symptom_do_not_change_the_mechanism(name: str) -> None:
    assert {found(name, symptom=words).mechanism for words in WORDINGS} == {found(name).mechanism}


@pytest.mark.parametrize("name", REVERSED)
def test_the_order_of_the_rows_changes_neither_mechanism_nor_place(name: str) -> None:
    other = found(name, measurements=reversed_rows(RUNS[name]["measurements"]) or "")
    assert (other.mechanism, other.located) == (found(name).mechanism, found(name).located)


@pytest.mark.parametrize("name", NAMED)
def test_the_names_of_the_layers_do_not_change_the_mechanism(name: str) -> None:
    run = RUNS[name]
    other = found(name, measurements=renamed(run["measurements"]), architecture=renamed(run.get("architecture", "")))
    assert (other.mechanism, other.located) == (found(name).mechanism, renamed(found(name).located))


@pytest.mark.parametrize("name", EXACT)
def test_the_digits_of_the_print_change_neither_mechanism_nor_place(name: str) -> None:
    other = found(name, measurements=coarser(RUNS[name]["measurements"]))
    assert (other.mechanism, other.located) == (found(name).mechanism, found(name).located)


@pytest.mark.parametrize("way", ["fence", "windows", "quoted", "rank", "capital", "indented"])
@pytest.mark.parametrize("name", MEASURED)
def test_how_the_text_was_pasted_changes_neither_mechanism_nor_place(name: str, way: str) -> None:
    other = found(name, measurements=pasted(RUNS[name]["measurements"], way))
    assert (other.mechanism, other.located) == (found(name).mechanism, found(name).located)


@pytest.mark.parametrize("name", GRADIENTS_ALONE)
def test_a_loss_times_a_constant_changes_neither_mechanism_nor_place(name: str) -> None:
    other = found(name, measurements=scaled(RUNS[name]["measurements"]))
    assert (other.mechanism, other.located) == (found(name).mechanism, found(name).located)
