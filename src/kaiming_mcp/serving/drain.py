"""The way out: say no to new work, finish what is in flight, and leave in any case."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import threading
import time
from types import FrameType
from weakref import WeakSet

import anyio
import uvicorn
from sse_starlette.sse import AppStatus

from kaiming_mcp.serving.health import ENDPOINT
from kaiming_mcp.serving.hosts import in_url

logger = logging.getLogger(__name__)

_LAST_SECONDS = 0.35
"""What uvicorn's own steps take after the grace, at most; then the process leaves without them."""


def leave_on_signal() -> None:
    """Until the server is there to end in order: a signal ends the process, also as the first of a container."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)


def _leave(sig: int, frame: FrameType | None) -> None:
    del sig, frame
    os._exit(0)


class Stops:
    """Where the server stands: serving, draining (about to stop, and saying so), stopping (nothing waits any more)."""

    def __init__(self) -> None:
        self.draining = False
        self.stopping = False
        self._idle: WeakSet[anyio.CancelScope] = WeakSet()

    def idle(self, seconds: float = math.inf) -> anyio.CancelScope:
        """Around a wait with no work behind it, of at most some seconds: it is cut short when the server stops."""
        scope = anyio.CancelScope(deadline=anyio.current_time() + seconds)
        self._idle.add(scope)
        if self.stopping:
            scope.cancel()
        return scope

    def stop(self) -> None:
        """End all idle waits."""
        self.stopping = True
        for scope in list(self._idle):
            scope.cancel()


class DrainingServer(uvicorn.Server):
    """uvicorn, but for signals: the first drains for some seconds and then stops, the second leaves at once.

    Either way the exit status is 0, and no open stream, stalled client or busy thread can hold the exit.
    """

    def __init__(self, config: uvicorn.Config, stops: Stops, drain_seconds: float, grace_seconds: float) -> None:
        super().__init__(config)
        # uvicorn types this as whole seconds, but waits for any float.
        config.timeout_graceful_shutdown = grace_seconds  # type: ignore[assignment]
        # Else the answers of clients of the older protocol, which are streams, are cut without the grace.
        AppStatus.disable_automatic_graceful_drain()
        self.stops = stops
        self.drain_seconds = drain_seconds
        self.last_seconds = drain_seconds + grace_seconds + _LAST_SECONDS
        self._stop_at = math.inf
        self._signalled = threading.Event()
        threading.Thread(target=self._leave_in_any_case, daemon=True).start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal has come. uvicorn would raise it again after the end, for another status than 0."""
        del sig, frame
        if self.stops.draining:
            os._exit(0)
        self.stops.draining = True
        self._stop_at = time.monotonic() + self.drain_seconds
        self._signalled.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell where it listens once it answers, and signals end it in order."""
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        logger.info("listening", extra={"url": f"http://{in_url(host)}:{port}{ENDPOINT}"})

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: see whether it is time to stop."""
        if time.monotonic() >= self._stop_at:
            self.stops.stop()
            self.should_exit = True
        return await super().on_tick(counter)

    def _leave_in_any_case(self) -> None:
        self._signalled.wait()
        time.sleep(self.last_seconds)
        os._exit(0)
