"""Time from the start of the process to an answer, beside an empty SDK server and an empty fastmcp server.

`python benchmarks/serving/cold_start.py [STARTS]`: the servers take turns, so that a busy machine is busy for all.
Ratios are of medians. The target is 1.10 for `initialize` against the empty SDK server.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import subprocess
import sys
import time

from servers import INITIALIZE, ON_STDIO, light

STEPS = ("initialize", "tools/list", "first call")


def start(name: str) -> list[float]:
    """Seconds from the start to the answer of each step, one after the other."""
    begun = time.perf_counter()
    process = subprocess.Popen(ON_STDIO[name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    assert process.stdout is not None
    tool, arguments = light(name)
    taken: list[float] = []
    for number, (method, params) in enumerate(
        [("initialize", INITIALIZE), ("tools/list", {}), ("tools/call", {"name": tool, "arguments": arguments})]
    ):
        line = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        process.stdin.write(line.encode() + b"\n")
        if number == 0:
            process.stdin.write(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}\n')
        process.stdin.flush()
        assert "error" not in json.loads(process.stdout.readline())
        taken.append(time.perf_counter() - begun)
    process.stdin.close()
    process.wait()
    process.stdout.close()
    return taken


def main() -> None:
    starts = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    names = [n for n in ON_STDIO if "fastmcp" not in n or importlib.util.find_spec("fastmcp")]
    for name in names:
        start(name)  # the first start may compile
    taken: dict[str, list[list[float]]] = {name: [] for name in names}
    for _ in range(starts):
        for name in names:
            taken[name].append(start(name))
    print(f"{starts} starts each, milliseconds from the start of the process, median (fastest)")
    print("| server | " + " | ".join(STEPS) + " | ratio of initialize | ratio of the first call |")
    print("|---" * 6 + "|")
    for name in names:
        columns = list(zip(*taken[name], strict=True))
        base = list(zip(*taken["empty SDK server"], strict=True))
        cells = [f"{1e3 * statistics.median(c):.0f} ({1e3 * min(c):.0f})" for c in columns]
        ratios = [f"{statistics.median(columns[i]) / statistics.median(base[i]):.2f}" for i in (0, 2)]
        print(f"| {name} | " + " | ".join([*cells, *ratios]) + " |")


if __name__ == "__main__":
    main()
