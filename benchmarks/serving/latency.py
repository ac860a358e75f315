"""Latency and throughput at 1, 32 and 256 in flight, over stdio and HTTP, beside an empty SDK server.

`python benchmarks/serving/latency.py [CALLS]`: the light call of each server; what the SDK and the client cost is in
both, and the ratio is what this server adds.
"""

from __future__ import annotations

import asyncio
import sys
import time

from servers import Http, Stdio, http, light, quantile, stdio

IN_FLIGHT = (1, 32, 256)
NAMES = ("empty SDK server", "kaiming-mcp")


async def load(server: Stdio | Http, name: str, calls: int, in_flight: int) -> tuple[list[float], float]:
    """Seconds of each call, and calls a second."""
    tool, arguments = light(name)
    taken: list[float] = []
    left = iter(range(calls))

    async def caller() -> None:
        for _ in left:
            begun = time.perf_counter()
            answer = await server.call(tool, arguments)
            assert "result" in answer, answer
            taken.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(in_flight)))
    return taken, calls / (time.perf_counter() - begun)


async def measure(calls: int) -> None:
    print(f"{calls} calls each")
    print("| transport | in flight | server | p50 ms | p99 ms | calls/s | calls/s of the empty server = 1 |")
    print("|---" * 7 + "|")
    for transport in (stdio, http):
        for in_flight in IN_FLIGHT:
            base = 0.0
            for name in NAMES:
                async with transport(name) as server:
                    await load(server, name, 64, min(in_flight, 32))
                    taken, rate = await load(server, name, calls, in_flight)
                base = base or rate
                p50, p99 = quantile(taken, 0.5), quantile(taken, 0.99)
                kind = transport.__name__
                print(f"| {kind} | {in_flight} | {name} | {p50:.2f} | {p99:.2f} | {rate:.0f} | {rate / base:.2f} |")


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
