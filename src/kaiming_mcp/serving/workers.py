"""Heavy calls in processes of their own: they use every core, stall nobody, and can be cut off at any time."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import Any

import anyio
import anyio.to_process
import mcp_types as types
from mcp.server.mcpserver.exceptions import ToolError

from kaiming_mcp.calls import InThreads, Progress
from kaiming_mcp.confined import Roots
from kaiming_mcp.replies import TAKES_NETWORKS, prompt, reply

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 0.25
_NICER = 10
_ENDED = (
    "The process that worked on this call ended before it was done, most likely for lack of memory. Send a smaller "
    "network, or one block of it with `repeat`. Example: repeat 20 { linear 256 256 ; relu }"
)


class InProcesses(InThreads):
    """Heavy calls in worker processes, `most` at once; light calls, and simulations with progress, in threads.

    A cancelled call, or one that ran into the request's timeout, has its worker killed; the next one starts another.
    """

    def __init__(self, roots: Roots, most: int) -> None:
        super().__init__(roots)
        self._workers = anyio.CapacityLimiter(most)
        self.warmed = False

    async def reply(
        self, tool: str, arguments: dict[str, Any], progress: Progress | None = None, picture: bool = False
    ) -> types.CallToolResult:
        """The result of a tool."""
        if tool not in TAKES_NETWORKS or progress is not None:
            return await super().reply(tool, arguments, progress, picture)
        return await self._run(reply, tool, arguments, self.roots, picture)

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        """The message of a prompt."""
        return await self._run(prompt, name, arguments, self.roots)

    async def warm(self) -> None:
        """Start every worker and have it load the core: the first caller should not wait for that."""
        try:
            async with anyio.create_task_group() as group:
                for _ in range(int(self._workers.total_tokens)):
                    group.start_soon(self._run, _load, os.getpid())
        except* (ToolError, OSError):
            logger.error("no worker process could be started", exc_info=True)
        else:
            self.warmed = True

    async def _run(self, function: Any, *arguments: Any) -> Any:
        try:
            return await anyio.to_process.run_sync(function, *arguments, cancellable=True, limiter=self._workers)
        except anyio.BrokenWorkerProcess as error:
            raise ToolError(_ENDED) from error


def _load(server: int) -> None:
    """In a worker: what the first call would load. It ends with its server, whatever it is working on.

    The terminal's Ctrl-C is for the server alone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        # Where cores are few, what takes seconds gives way to what takes a millisecond.
        os.nice(_NICER)
    threading.Thread(target=_outlive_nobody, args=(server,), daemon=True).start()
    reply("critique_architecture", {"architecture": "linear 8 8 ; relu ; linear 8 8"})


def _outlive_nobody(server: int) -> None:
    # An idle worker sees its pipe close; one that is working would see it only afterwards.
    while os.getppid() == server:
        time.sleep(_LOOK_SECONDS)
    os._exit(0)
