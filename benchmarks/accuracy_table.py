"""Theory against measurement, a row a network: the oracle's 63 and those of tests/full/measure_rows.py.

    python benchmarks/accuracy_table.py

q: largest factor between predicted and measured second moment. ratio: predicted over measured gradient ratio
first/last. Measured ratios are geometric means over seeds.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "signal"))

from oracle_networks import ORACLE, predicted  # noqa: E402  # pyright: ignore[reportMissingImports] - found beside the tests

from kaiming_mcp.architecture.notation import read_notation  # noqa: E402
from kaiming_mcp.signal.initialization_words import parse_initialization  # noqa: E402
from kaiming_mcp.signal.trace import trace  # noqa: E402


def line(name: str, q: list[float], ratio: float, measured: float) -> None:
    worst = max(q, key=lambda x: abs(math.log(x)))
    print(f"{name[:60]:<60} q x{worst:<7.3f} ratio x{ratio:<7.3f} (measured {measured:.3g})")


def oracle_row(row: dict[str, Any]) -> None:
    pairs = predicted(row)
    q = [p.q / p.measured_q for p in pairs]
    measured = pairs[0].measured_g / pairs[-1].measured_g
    ratio = math.exp(pairs[0].log_g - pairs[-1].log_g) / measured
    line(
        f"{row['row']:>2} {row['family']} {row.get('activation') or row['norm']} {row['init']} L={row['L']}",
        q,
        ratio,
        measured,
    )


def measured_row(row: dict[str, Any]) -> None:
    stations = trace(read_notation(row["text"]).networks[0], parse_initialization(row["init"]), row["batch"]).stations
    found = [(stations[s["index"]], s) for s in row["stations"]]
    q = [math.exp(s.state.log_q) / m["q"]["mean"] for s, m in found]
    measured = found[0][1]["g"]["geomean"] / found[-1][1]["g"]["geomean"]
    line(row["name"], q, math.exp(found[0][0].log_g - found[-1][0].log_g) / measured, measured)


def main() -> None:
    for row in ORACLE["rows"]:
        oracle_row(row)
    print()
    for row in json.loads((ROOT / "tests" / "data" / "measured.json").read_text(encoding="utf-8"))["rows"]:
        measured_row(row)


if __name__ == "__main__":
    main()
