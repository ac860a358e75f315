"""Real texts of real models, one a row: parameters read against the true number, and what is said of the rest.

    python benchmarks/model_table.py [--trace] [NAME ...]

Printed modules (torchvision, timm, transformers), torchinfo, torchsummary and Keras summaries, config.json files, all
through the one door. exact: the total is the true one. explained: it is not, and the reading names modules or
parameters that may hold the rest. stated: it is the total of the text itself, which torchsummary gets wrong where a
layer is shared or never runs. WRONG: it is not, and nothing is said. With --trace also whether the layers connect.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.ir import Network, Shape, layers
from kaiming_mcp.architecture.read import read_architecture
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.trace import NotTracedError, trace

DATA = Path(__file__).parents[1] / "tests" / "data"
HE = parse_initialization("he")


class Sample(NamedTuple):
    """A text, where it comes from, and the true number of parameters."""

    origin: str
    name: str
    text: str
    true: int


def samples() -> Iterator[Sample]:
    """Every stored text."""
    for row in _stored("printed_models")["models"]:
        yield Sample(f"print {row['library'].split()[0]}", row["name"], row["text"], row["parameters"])
    for row in _stored("torch_tables")["tables"]:
        yield Sample(row["tool"], f"{row['name']} {row['settings'] or ''}", row["text"], row["truth"])
    for name, row in _stored("keras_tables").items():
        for layout, text in row["texts"].items():
            yield Sample(f"Keras {name[0]}", f"{name[2:]} {layout}", text, row["facts"]["params"])
    for row in _stored("hf_configs")["rows"]:
        config = row["config"]
        yield Sample(
            "config.json",
            f"{config.get('model_type')} {config.get('architectures')}",
            json.dumps(config),
            row["parameters"],
        )


def _stored(name: str) -> Any:
    return json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))


def verdict(networks: tuple[Network, ...], true: int) -> str:
    """How the total read compares with the true one."""
    found = [account(n) for n in networks]
    total = sum(a.total for a in found)
    if total == true:
        return "exact"
    said = any("parameters" in a.statement or "hold more" in a.statement for n in networks for a in n.assumptions)
    if said or any(a.unknown for a in found):
        return "explained"
    return "stated" if total == sum(n.stated or 0 for n in networks) else "WRONG"


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
    tally: dict[str, Counter[str]] = {}
    joined, total = Counter[bool](), 0.0
    for sample in samples():
        if names and sample.name.split()[0] not in names:
            continue
        begun = time.perf_counter()
        networks = read_architecture(sample.text).networks
        took = time.perf_counter() - begun
        total += took
        word = verdict(networks, sample.true)
        tally.setdefault(sample.origin, Counter())[word] += 1
        read = sum(account(n).total for n in networks)
        apart = sum(d.count for n in networks for d in n.differences)
        line = (
            f"{sample.origin[:18]:<18} {sample.name[:44]:<44} {read:>15,} {sample.true:>15,} "
            f"{word:<9} differences {apart:>14,} {1e3 * took:>5.0f} ms"
        )
        unknown = [name for n in networks for name in account(n).unknown]
        if unknown:
            line += f"  unknown: {', '.join(unknown)[:80]}"
        if "--trace" in sys.argv:
            how = connected(networks[0])
            joined[how == "connected"] += 1
            line += f"  {how}"
        print(line)
    print()
    for origin, words in [*tally.items(), ("all", sum(tally.values(), Counter[str]()))]:
        count = sum(words.values())
        shares = ", ".join(f"{w} {words[w]} ({100 * words[w] / count:.1f} %)" for w in ("exact", "explained", "stated"))
        print(f"{origin:<18} {count:>5} texts: {shares}, silently wrong {words['WRONG']}")
    print(f"{1e3 * total / sum(sum(w.values()) for w in tally.values()):.1f} ms a text")
    if joined:
        print(f"connected: {joined[True]} of {sum(joined.values())}")


if __name__ == "__main__":
    main()
