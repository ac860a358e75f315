"""Sizes of scaffolds in tokens (characters of the structured form / 4), by tool, over everything that is stored.

    python benchmarks/scaffold_sizes.py [EVERY]

Takes each EVERYth stored model and gradient run, and the call behind every stored answer.
"""

from __future__ import annotations

import gzip
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.library import library
from kaiming_mcp.replies.check import REPEATABLE
from kaiming_mcp.scaffold import Scaffold

DATA = Path(__file__).parents[1] / "tests" / "data"
CAP = 8_000
"""Tokens that no result exceeds (the 25,000 token limits of hosts lie far above)."""


def main(every: int) -> None:
    sizes: dict[str, list[float]] = {}
    for tool, arguments in _calls(every):
        try:
            scaffold = REPEATABLE[tool].run(library(), **arguments)
        except ToolError:
            continue
        if not scaffold.needs:
            sizes.setdefault(tool, []).append(_tokens(scaffold))
    print(f"{'tool':24} {'scaffolds':>9} {'median':>7} {'95 %':>7} {'largest':>8}")
    for tool, found in sorted(sizes.items()):
        print(_row(tool, found))
    print(_row("all", [size for found in sizes.values() for size in found]))
    print(f"cap {CAP}")


def _row(name: str, found: list[float]) -> str:
    ordered = sorted(found)
    return (
        f"{name:24} {len(found):9} {statistics.median(found):7.0f} {ordered[int(0.95 * (len(found) - 1))]:7.0f} "
        f"{ordered[-1]:8.0f}"
    )


def _tokens(scaffold: Scaffold) -> float:
    return len(json.dumps(scaffold.structured(), ensure_ascii=False)) / 4


def _calls(every: int) -> Iterator[tuple[str, dict[str, Any]]]:
    models = json.loads(gzip.decompress((DATA / "printed_models.json.gz").read_bytes()))["models"]
    for model in models[::every]:
        yield "critique_architecture", {"architecture": model["text"]}
        yield "trace_signal", {"architecture": model["text"]}
    texts = ("symptom", "architecture", "measurements", "training")
    for run in json.loads((DATA / "gradient_blind.json").read_text(encoding="utf-8"))[::every]:
        yield "diagnose_gradients", {k: run.get(k, "") for k in texts}
    for path in sorted((DATA / "answers").glob("*.md")):
        head = path.read_text(encoding="utf-8").partition("-->\n")[0]
        call = json.loads(head.removeprefix("<!--"))
        yield call["tool"], {k: v for k, v in call["args"].items() if k != "simulate"}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
