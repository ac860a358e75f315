"""Where the calls of tools and prompts run: somewhere where a heavy one holds up no light one.

Following a network through hundreds of layers takes seconds of Python; looking a principle up takes a millisecond.
Heavy calls wait for one of a few places, light ones never do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Protocol

import anyio
import anyio.from_thread
import anyio.to_thread
import mcp_types as types

from kaiming_mcp.confined import Roots
from kaiming_mcp.replies import TAKES_NETWORKS, prompt, reply

HEAVY_AT_ONCE = 2
"""More threads share the interpreter's lock with the light calls and finish no sooner (docs/performance.md)."""

Progress = Callable[[float], Coroutine[Any, Any, None]]
"""Told the part that is done, from 0 to 1."""


class Calls(Protocol):
    """Runs the calls of tools and prompts; both raise ToolError where an argument is not understood."""

    async def reply(
        self, tool: str, arguments: dict[str, Any], progress: Progress | None = None, picture: bool = False
    ) -> types.CallToolResult:
        """The result of a tool, with its picture where the client can show one."""
        ...

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        """The message of a prompt."""
        ...


class InThreads:
    """Calls in threads of this process."""

    def __init__(self, roots: Roots = ()) -> None:
        self.roots = roots
        self._places = anyio.CapacityLimiter(HEAVY_AT_ONCE)

    async def reply(
        self, tool: str, arguments: dict[str, Any], progress: Progress | None = None, picture: bool = False
    ) -> types.CallToolResult:
        """The result of a tool."""
        if progress is not None:
            return await self._watched(partial(reply, tool, arguments, self.roots, picture), progress)
        # A thread cannot be ended: a cancelled call keeps its place until it is done, or threads would pile up.
        places = self._places if tool in TAKES_NETWORKS else None
        return await anyio.to_thread.run_sync(reply, tool, arguments, self.roots, picture, limiter=places)

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        """The message of a prompt."""
        return await anyio.to_thread.run_sync(prompt, name, arguments, self.roots, limiter=self._places)

    async def _watched(self, work: partial[types.CallToolResult], progress: Progress) -> types.CallToolResult:
        stop = threading.Event()

        def tell(done: float) -> None:
            anyio.from_thread.run(progress, done)

        watched = partial(work, progress=tell, stopped=stop.is_set)
        try:
            return await anyio.to_thread.run_sync(watched, abandon_on_cancel=True, limiter=self._places)
        finally:
            # A cancelled call leaves its thread behind: this ends it before its next layer.
            stop.set()
