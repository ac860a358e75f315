"""What waits to be written to the client."""

from __future__ import annotations

import json
from collections import deque
from types import TracebackType
from typing import Self

import mcp_types as types
from mcp.shared.message import SessionMessage

from kaiming_mcp.serving.stdio.changing import Changing

MOST_WAITING = 64
"""Messages in the queue beyond which whatever is not an answer has to wait."""


class Outgoing(Changing):
    """The write stream of the SDK, and the refusals of the transport, in one queue.

    A message is in the queue before the sender can be cancelled: what the SDK has begun to answer is answered, so that
    each request ends exactly once. Answers are bounded by the requests in flight; all else waits for room.
    """

    def __init__(self) -> None:
        super().__init__()
        self._messages: deque[tuple[types.JSONRPCMessage, bool]] = deque()
        self._unwritten = 0

    async def send(self, item: SessionMessage, /) -> None:
        """Queue a message of the server; a notification waits for room after it."""
        ends = isinstance(item.message, (types.JSONRPCResponse, types.JSONRPCError))
        self._put(item.message, ends)
        if not ends:
            await self._room()

    async def refuse(self, answer: types.JSONRPCError) -> None:
        """Queue an answer to a request that never reached the server; waits for room after it."""
        self._put(answer, ends=False)
        await self._room()

    async def take(self) -> tuple[types.JSONRPCMessage, bool]:
        """The next message, and whether a request with the server ends by it."""
        await self._until(lambda: bool(self._messages))
        return self.pop()

    def pop(self) -> tuple[types.JSONRPCMessage, bool]:
        """The next message.

        Raises:
            IndexError: none waits.
        """
        first = self._messages.popleft()
        self._change()
        return first

    def written(self, count: int) -> None:
        """That many of the messages that were taken are on the wire."""
        self._unwritten -= count
        self._change()

    async def flushed(self) -> None:
        """Wait until every message is on the wire."""
        await self._until(lambda: not self._unwritten)

    def __len__(self) -> int:
        return len(self._messages)

    async def aclose(self) -> None:
        """Nothing to close: the process ends with the connection."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def _put(self, message: types.JSONRPCMessage, ends: bool) -> None:
        self._messages.append((message, ends))
        self._unwritten += 1
        self._change()

    async def _room(self) -> None:
        await self._until(lambda: len(self._messages) < MOST_WAITING)


def encode(message: types.JSONRPCMessage) -> bytes:
    """A message as one line of UTF-8."""
    try:
        text = message.model_dump_json(by_alias=True, exclude_unset=True)
    except ValueError:
        # Half a surrogate pair out of a user's text costs that character, not the answer.
        text = json.dumps(message.model_dump(by_alias=True, exclude_unset=True), ensure_ascii=False)
    return text.encode("utf-8", "replace") + b"\n"
