"""p99 of a light call while eight heavy critiques run: `python benchmarks/serving/stall.py [SECONDS]`.

Heavy: a trunk of 400 residual blocks, seconds of computing. Over stdio heavy calls wait for one of a few threads; over
HTTP they run in worker processes (`--workers`); `--workers 0` shows what these are for.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

from servers import Http, Stdio, http, light, quantile, stdio

HEAVY = ("critique_architecture", {"architecture": "repeat 400 { residual { linear 64 64 } ; relu }"})
AT_ONCE = 8


async def measure(name: str, transport: Callable[[], Any], seconds: float) -> None:
    server: Stdio | Http
    async with transport() as server:
        await server.call(*HEAVY)
        idle = await lights(server, 2.0)
        done = 0

        async def heavy() -> None:
            nonlocal done
            while True:
                await server.call(*HEAVY)
                done += 1

        tasks = [asyncio.create_task(heavy()) for _ in range(AT_ONCE)]
        await asyncio.sleep(0.5)
        busy = await lights(server, seconds)
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    cells = [f"{quantile(times, part):.1f}" for times in (idle, busy) for part in (0.5, 0.99)]
    print(f"| {name} | " + " | ".join(cells) + f" | {len(busy)} | {done} |", flush=True)


async def lights(server: Stdio | Http, seconds: float) -> list[float]:
    """Seconds of light calls, one after the other."""
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        await server.call(*light("kaiming-mcp"))
        taken.append(time.perf_counter() - begun)
    return taken


async def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    print(f"{AT_ONCE} heavy calls at once for {seconds:.0f} s")
    print("| server | idle p50 ms | idle p99 | busy p50 | busy p99 | light calls | heavy calls done |")
    print("|---" * 7 + "|")
    await measure("stdio", lambda: stdio("kaiming-mcp"), seconds)
    await measure("HTTP, worker processes", lambda: http("kaiming-mcp"), seconds)
    await measure("HTTP, --workers 0", lambda: http("kaiming-mcp", "--workers", "0"), seconds)


if __name__ == "__main__":
    asyncio.run(main())
