"""Really trained networks with a planted fault, or none, against the diagnosis: the confusion table.

    python benchmarks/gradient_confusion.py [--all]

The runs of tests/data/gradient_runs.json.gz (made by tests/full/make_gradient_runs.py), each with three wordings of the
symptom of which the last misleads. Right: the mechanism is the planted one, or another that is equally there (`also`).
A false alarm: a healthy run for which a fault is named. With --all every miss, not only the first of each run.
Then the sets made without a look at the rules (gradient_blind.json, gradient_fresh.json), one wording each.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kaiming_mcp.library import library
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.scaffold import Scaffold

STORED = Path(__file__).parents[1] / "tests" / "data"
DATA = STORED / "gradient_runs.json.gz"
BLIND = ("gradient_blind.json", "gradient_fresh.json")
HARMLESS = ("nothing_wrong", "cannot_tell", "too_shallow")


@dataclass(frozen=True)
class Answer:
    """One run with one wording, and what was found."""

    run: dict[str, Any]
    symptom: str
    result: Scaffold

    @property
    def right(self) -> bool:
        """Whether the mechanism is one that is really there."""
        return self.result.mechanism in (self.run["mechanism"], *self.run["also"])

    @property
    def false_alarm(self) -> bool:
        """Whether a healthy run was given a fault."""
        healthy = self.run["mechanism"] == "nothing_wrong" and not self.right
        return healthy and self.result.mechanism not in HARMLESS

    @property
    def misplaced(self) -> bool:
        """Whether the fault has a place and another one, or none, is named."""
        return bool(self.run["layers"]) and not any(place in self.result.located for place in self.run["layers"])


def answers() -> list[Answer]:
    """Every run with every wording."""
    made = list[Answer]()
    for run in json.loads(gzip.decompress(DATA.read_bytes())):
        for symptom in run["symptoms"]:
            made.append(Answer(run, symptom, _diagnosed(run, symptom)))
    return made


def blind_answers(name: str) -> list[Answer]:
    """Every run of a set that was made blind, in its own words."""
    texts = ("symptom", "architecture", "measurements", "training")
    runs = [{**dict.fromkeys(texts, ""), **run} for run in json.loads((STORED / name).read_text(encoding="utf-8"))]
    return [Answer(run, run["symptom"], _diagnosed(run, run["symptom"])) for run in runs]


def _diagnosed(run: dict[str, Any], symptom: str) -> Scaffold:
    try:
        return diagnose_text(library(), symptom, run["architecture"], run["measurements"], run["training"])
    except Exception as error:  # the table counts it; the tests let it through
        return Scaffold(tool="", verdict=f"{type(error).__name__}: {error}", mechanism="CRASHED")


def table(found: list[Answer]) -> list[str]:
    """True mechanisms down, what was found across; only what differs from the diagonal is spelt out."""
    lines = [f"{'true mechanism':<22} {'runs':>4} {'right':>6}  found instead"]
    for kind in sorted({a.run["mechanism"] for a in found}):
        of = [a for a in found if a.run["mechanism"] == kind]
        wrong = Counter(a.result.mechanism or "(none)" for a in of if not a.right)
        also = Counter(a.result.mechanism for a in of if a.right and a.result.mechanism != kind)
        said = [f"{name} x{n}" for name, n in wrong.most_common()]
        said += [f"({name} x{n}, also there)" for name, n in also.most_common()]
        lines.append(f"{kind:<22} {len(of) // 3:>4} {sum(a.right for a in of):>3}/{len(of):<3} {', '.join(said)}")
    return lines


def main() -> None:
    begin = time.perf_counter()
    found = answers()
    spent = time.perf_counter() - begin
    print("\n".join(table(found)))
    print()
    runs = {a.run["name"]: [b for b in found if b.run["name"] == a.run["name"]] for a in found}
    healthy = [a for a in found if a.run["mechanism"] == "nothing_wrong"]
    placed = [a for a in found if a.run["layers"]]
    split = [n for n, of in runs.items() if len({(a.result.mechanism, a.result.located) for a in of}) > 1]
    print(f"right: {sum(a.right for a in found)} of {len(found)} ({sum(a.right for a in found) / len(found):.1%})")
    print(f"false alarms: {sum(a.false_alarm for a in found)} of {len(healthy)} on {len(healthy) // 3} healthy runs")
    print(f"wrong layer: {sum(a.misplaced for a in placed)} of {len(placed)} whose fault has a place")
    print(f"the wording decides: {len(split)} of {len(runs)} runs {split or ''}")
    print(f"time: {1000 * spent / len(found):.0f} ms a call")
    for name in BLIND:
        blind = blind_answers(name)
        wrong = Counter(f"{a.run['mechanism']} -> {a.result.mechanism}" for a in blind if not a.right)
        right, alarms = sum(a.right for a in blind), sum(a.false_alarm for a in blind)
        misses = ", ".join(f"{k} x{n}" for k, n in wrong.most_common())
        print(f"{name}: right {right} of {len(blind)}, false alarms {alarms}; {misses}")
    shown = set[str]()
    for a in found:
        if (a.right and not a.misplaced) or (a.run["name"] in shown and "--all" not in sys.argv):
            continue
        shown.add(a.run["name"])
        where = f" at {a.result.located!r}, true {a.run['layers']}" if a.misplaced else ""
        said = f"{a.run['mechanism']} -> {a.result.mechanism}{where}"
        print(f"  {a.run['name']}: {said}: {a.result.verdict[:140]}")


if __name__ == "__main__":
    main()
