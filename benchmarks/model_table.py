"""Real printed models, one a row: parameters read against the true number, and what the reading says of the rest.

    python benchmarks/model_table.py [--trace] [NAME ...]

exact: the total is the true one. explained: it is not, and the reading names modules or parameters that may hold the
rest. WRONG: it is not, and nothing is said. With --trace also whether the layers connect.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.ir import Network, Shape, layers
from kaiming_mcp.architecture.torch_reader import read_torch_repr
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.trace import NotTracedError, trace

DATA = Path(__file__).parents[1] / "tests" / "data" / "printed_models.json.gz"
HE = parse_initialization("he")


def verdict(network: Network, true: int) -> str:
    """How the total read compares with the true one."""
    found = account(network)
    if found.total == true:
        return "exact"
    said = any("parameters" in a.statement for a in network.assumptions)
    return "explained" if found.unknown or said else "WRONG"


def connected(network: Network) -> str:
    """Whether the signal can be followed, on an image of 224 x 224 or on 128 tokens."""
    first = next(iter(layers(network.root)))[0].op
    axes = len(getattr(first, "kernel", ()))
    positions = {1: (16_000,), 2: (224, 224), 3: (16, 112, 112)}.get(axes, (128,))
    shape = Shape(getattr(first, "in_channels", None), positions)
    try:
        trace(replace(network, input=shape), HE, 32)
    except NotTracedError as problem:
        return str(problem)[:90]
    return "connected"


def main() -> None:
    names = [a for a in sys.argv[1:] if not a.startswith("--")]
    rows: list[dict[str, Any]] = json.loads(gzip.decompress(DATA.read_bytes()))["models"]
    tally, joined, total = Counter[str](), Counter[bool](), 0.0
    for row in rows:
        if names and row["name"] not in names:
            continue
        begun = time.perf_counter()
        (network,) = read_torch_repr(row["text"]).networks
        took = time.perf_counter() - begun
        total += took
        found, word = account(network), verdict(network, row["parameters"])
        tally[word] += 1
        apart = sum(d.count for d in network.differences)
        line = (
            f"{row['library'].split()[0][:12]:<12} {row['name'][:44]:<44} {found.total:>15,} {row['parameters']:>15,} "
            f"{word:<9} differences {apart:>14,} {1e3 * took:>5.0f} ms"
        )
        if found.unknown:
            line += f"  unknown: {', '.join(found.unknown)[:80]}"
        if "--trace" in sys.argv:
            how = connected(network)
            joined[how == "connected"] += 1
            line += f"  {how}"
        print(line)
    count = sum(tally.values())
    shares = ", ".join(f"{word} {tally[word]} ({100 * tally[word] / count:.1f} %)" for word in ("exact", "explained"))
    print(f"\n{count} models: {shares}, silently wrong {tally['WRONG']}; {1e3 * total / count:.1f} ms a model")
    if joined:
        print(f"connected: {joined[True]} of {count}")


if __name__ == "__main__":
    main()
