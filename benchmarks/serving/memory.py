"""Memory after many mixed calls, which should be flat: `python benchmarks/serving/memory.py [CALLS] [--minutes M]`.

Every tool's example, networks of growing size, errors and cancelled calls, over stdio and HTTP. `--minutes 20` is the
soak: calls until that time is over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from typing import Any

from servers import Http, Stdio, http, memory, stdio

from kaiming_mcp.examples import EXAMPLES

IN_FLIGHT = 16
ROWS = 10


TRANSPORTS = {"stdio": stdio, "http": http}


def calls_of_all_kinds(seed: int) -> list[tuple[str, dict[str, Any]]]:
    """A mix that no cache can hold: most calls light, as in a conversation, and every one a little different."""
    draw = random.Random(seed)
    mix: list[tuple[str, dict[str, Any]]] = []
    for tool, example in EXAMPLES.items():
        arguments = json.loads(example)
        arguments.pop("simulate", None)
        mix.append((tool, arguments))
    mix += [("read_principle", {"id": name}) for name in ("residual-learning", "abstraction-stack", "no-such-page")] * 8
    mix += [("derive_initialization", {"activation": "gelu", "fan_in": draw.randrange(16, 4096)}) for _ in range(8)]
    width = draw.randrange(8, 512)
    dense = f"linear {width} {width}"
    mix += [
        ("critique_architecture", {"architecture": f"repeat {draw.randrange(2, 20)} {{ {dense} ; relu }}"}),
        ("trace_signal", {"architecture": f"linear {width} 8 ; gelu ; linear 8 {width}"}),
        ("simplify_method", {"pipeline": f"L = L_a + {draw.random():.3f} L_b; EMA 0.999"}),
        ("derive_initialization", {"activation": f"relo{draw.random()}", "fan_in": 8}),
        ("read_principle", {f"x{draw.random()}": ""}),
    ]
    draw.shuffle(mix)
    return mix


async def soak(server: Stdio | Http, kind: str, calls: int, seconds: float) -> None:
    begun, done, reported = time.monotonic(), 0, -1.0
    lock = asyncio.Lock()

    async def caller(number: int) -> None:
        nonlocal done, reported
        seed = number
        while True:
            seed += IN_FLIGHT
            for tool, arguments in calls_of_all_kinds(seed):
                await server.call(tool, arguments)
                async with lock:
                    done += 1
                    part = (time.monotonic() - begun) / seconds if seconds else done / calls
                    if part >= reported + 1 / ROWS:
                        reported = part
                        spent = time.monotonic() - begun
                        print(f"| {kind} | {done:,} | {spent:.0f} | {memory(server.pid):.1f} |", flush=True)
                if part >= 1:
                    return

    await asyncio.gather(*(caller(n) for n in range(IN_FLIGHT)))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--transport", choices=TRANSPORTS, help="one of the two alone")
    options = parser.parse_args()
    print("| transport | calls | seconds | resident MB with workers |\n|---|---|---|---|")
    for name in [options.transport] if options.transport else TRANSPORTS:
        async with TRANSPORTS[name]("kaiming-mcp") as server:
            await soak(server, name, options.calls, 60 * options.minutes)


if __name__ == "__main__":
    asyncio.run(main())
