"""Where calls run: in threads, a few at a time, so that a heavy one holds up no light one."""

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

Progress = Callable[[float], Coroutine[Any, Any, None]]
"""Told the part that is done, from 0 to 1."""


class Calls(Protocol):
    """Runs the calls of tools and prompts; both raise ToolError where an argument is not understood."""

    async def reply(
        self, tool: str, arguments: dict[str, Any], progress: Progress | None = None
    ) -> types.CallToolResult:
        """The result of a tool."""
        ...

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        """The message of a prompt."""
        ...


class InThreads:
    """Calls in threads of this process."""

    def __init__(self, roots: Roots = ()) -> None:
        self.roots = roots

    async def reply(
        self, tool: str, arguments: dict[str, Any], progress: Progress | None = None
    ) -> types.CallToolResult:
        """The result of a tool."""
        from kaiming_mcp.replies import reply

        if progress is not None:
            return await _watched(partial(reply, tool, arguments, self.roots), progress)
        return await anyio.to_thread.run_sync(reply, tool, arguments, self.roots)

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        """The message of a prompt."""
        from kaiming_mcp.replies import prompt

        return await anyio.to_thread.run_sync(prompt, name, arguments, self.roots)


async def _watched(work: partial[types.CallToolResult], progress: Progress) -> types.CallToolResult:
    stop = threading.Event()

    def tell(done: float) -> None:
        anyio.from_thread.run(progress, done)

    try:
        return await anyio.to_thread.run_sync(partial(work, progress=tell, stopped=stop.is_set), abandon_on_cancel=True)
    finally:
        # A cancelled call leaves its thread behind: this ends it before its next layer.
        stop.set()
