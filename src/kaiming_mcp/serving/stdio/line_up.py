"""Requests in the order they came: a few with the server, more in line, and beyond that no room."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import anyio
import mcp_types as types

from kaiming_mcp.serving.stdio.changing import Changing
from kaiming_mcp.serving.stdio.lines import LONGEST_LINE

MOST_IN_FLIGHT = 256
"""Requests that the server holds at a time."""
MOST_IN_LINE = 256
"""Messages that wait for their turn."""
MOST_BYTES = 4 * LONGEST_LINE
"""Bytes of all messages that are held: four of the longest."""
PATIENCE_SECONDS = 5.0
"""How long the first in a full line may have waited before nobody else is taken."""


@dataclass(frozen=True)
class _Place:
    message: types.JSONRPCMessage
    size: int
    since: float


class LineUp(Changing):
    """Holds what was read until the server has room for it; a request can be called back while it waits.

    An id stands for itself as number or text alike, as the SDK correlates a cancellation.
    """

    def __init__(self, in_flight: int = MOST_IN_FLIGHT, in_line: int = MOST_IN_LINE, held: int = MOST_BYTES) -> None:
        super().__init__()
        self._most_in_flight, self._most_in_line, self._most_bytes = in_flight, in_line, held
        self._line: OrderedDict[int, _Place] = OrderedDict()
        self._waiting: dict[str, int] = {}
        self._in_flight: dict[str, list[int]] = {}
        self._count = self._bytes = self._tickets = 0

    async def put(self, message: types.JSONRPCMessage, size: int) -> bool:
        """Add a message of that many bytes at the end, and whether it was: a full line is waited for while it is quick.

        Whoever sends many light requests at once is thus slowed down, and whoever sends more heavy ones than can be
        done is turned away, so that what comes after them, a cancellation perhaps, is still read.
        """
        arrived = anyio.current_time()
        while not self._has_room(size):
            first = next(iter(self._line.values()), None)
            with anyio.CancelScope(deadline=(first.since if first else arrived) + PATIENCE_SECONDS) as patience:
                await self._changed.wait()
            if patience.cancelled_caught:
                return False
        self._tickets += 1
        self._line[self._tickets] = _Place(message, size, arrived)
        self._bytes += size
        if isinstance(message, types.JSONRPCRequest):
            self._waiting[str(message.id)] = self._tickets
        self._change()
        return True

    async def take(self) -> types.JSONRPCMessage:
        """The message whose turn it is; waits until the server has room for a request."""
        await self._until(lambda: bool(self._line) and self._count < self._most_in_flight)
        ticket, place = self._line.popitem(last=False)
        message = place.message
        if isinstance(message, types.JSONRPCRequest):
            if self._waiting.get(str(message.id)) == ticket:
                del self._waiting[str(message.id)]
            self._in_flight.setdefault(str(message.id), []).append(place.size)
            self._count += 1
        else:
            self._bytes -= place.size
        self._change()
        return message

    def call_back(self, id: object) -> bool:
        """Drop the request of that id if it still waits."""
        ticket = self._waiting.pop(str(id), None)
        if ticket is None:
            return False
        self._bytes -= self._line.pop(ticket).size
        self._change()
        return True

    def finish(self, id: types.RequestId | None) -> None:
        """The server is done with the request of that id."""
        sizes = self._in_flight.get(str(id))
        if sizes is None:
            return
        self._bytes -= sizes.pop()
        self._count -= 1
        if not sizes:
            del self._in_flight[str(id)]
        self._change()

    async def empty(self) -> None:
        """Wait until nothing is in line or with the server."""
        await self._until(lambda: not self._line and not self._count)

    def _has_room(self, size: int) -> bool:
        # A message that is larger than all room alone still passes when nothing else is held.
        return len(self._line) < self._most_in_line and (not self._bytes or self._bytes + size <= self._most_bytes)
