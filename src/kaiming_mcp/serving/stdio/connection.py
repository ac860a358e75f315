"""One client on the wire: lines in, messages to the SDK's server, answers out, and the end of all that."""

from __future__ import annotations

import errno
import logging
from functools import partial

import anyio
import anyio.to_thread
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.server import MCPServer
from mcp.shared.message import ServerMessageMetadata, SessionMessage

from kaiming_mcp.serving.messages import Unserved, turned_away
from kaiming_mcp.serving.stdio.incoming import read
from kaiming_mcp.serving.stdio.line_up import LineUp
from kaiming_mcp.serving.stdio.lines import Lines, Overlong
from kaiming_mcp.serving.stdio.outgoing import Outgoing, encode
from kaiming_mcp.serving.stdio.parent import parent_ended
from kaiming_mcp.serving.stdio.wire import CHUNK, Wire

LAST_WORDS_SECONDS = 0.4
"""How long calls may still be answered after the end of input, as in `printf '...' | kaiming-mcp`."""
MOST_NOTES = 5
"""Lines on stderr about unreadable input; a client may never read what is written there."""

_log = logging.getLogger(__name__)
_Items = SessionMessage | Exception


async def serve(server: MCPServer, wire: Wire) -> None:
    """Serve one client, with bounded memory whatever it sends and whether or not it reads.

    The end of the input, of the output or of the parent ends the process.
    """
    await _Connection(wire).serve(server)


class _Connection:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._line_up, self._outgoing = LineUp(), Outgoing()
        self._to_server, self._from_client = anyio.create_memory_object_stream[_Items](0)
        self._notes = 0

    async def serve(self, server: MCPServer) -> None:
        async with anyio.create_task_group() as tasks:
            for task in (self._receive, self._pass_on, self._transmit, self._outlive_nobody):
                tasks.start_soon(task)
            await _run(server, self._from_client, self._outgoing)

    async def _receive(self) -> None:
        # Threads of their own: calls that fill the common ones must not make the server deaf and dumb.
        thread = anyio.CapacityLimiter(1)
        lines = Lines()
        while chunk := await anyio.to_thread.run_sync(self._wire.read, abandon_on_cancel=True, limiter=thread):
            for line in lines.feed(chunk):
                await self._hear(line)
        await self._hear(lines.rest())
        with anyio.move_on_after(LAST_WORDS_SECONDS):
            await self._line_up.empty()
            await self._outgoing.flushed()
        self._wire.leave(0)

    async def _hear(self, line: bytes | Overlong) -> None:
        for item in read(line):
            match item:
                case Unserved(answer) if answer.id is None:
                    self._note(answer.error.message)
                case Unserved(answer):
                    await self._outgoing.refuse(answer)
                case types.JSONRPCNotification(method="notifications/cancelled"):
                    # It goes past the line, or it would wait behind the very requests that it ends.
                    if not self._line_up.call_back((item.params or {}).get("requestId")):
                        await self._to_server.send(SessionMessage(item))
                case _:
                    has_room = await self._line_up.put(item, len(line) if isinstance(line, bytes) else 0)
                    if not has_room and isinstance(item, types.JSONRPCRequest):
                        await self._outgoing.refuse(turned_away(item).answer)

    async def _pass_on(self) -> None:
        while True:
            message = await self._line_up.take()
            ends = None
            if isinstance(message, types.JSONRPCRequest):
                ends = ServerMessageMetadata(on_request_unanswered=partial(self._end, message.id))
            await self._to_server.send(SessionMessage(message, ends))

    async def _end(self, id: types.RequestId) -> None:
        self._line_up.finish(id)

    async def _transmit(self) -> None:
        thread = anyio.CapacityLimiter(1)
        while True:
            batch = [await self._outgoing.take()]
            data = encode(batch[0][0])
            while self._outgoing and len(data) < CHUNK:
                batch.append(self._outgoing.pop())
                data += encode(batch[-1][0])
            try:
                await anyio.to_thread.run_sync(self._wire.write, data, limiter=thread)
            except OSError as error:
                # The client has gone (EINVAL: on Windows): nothing to say, and nobody to say it to.
                self._wire.leave(0 if error.errno in (errno.EPIPE, errno.EINVAL) else 1)
            self._outgoing.written(len(batch))
            for message, ends in batch:
                if ends and isinstance(message, (types.JSONRPCResponse, types.JSONRPCError)):
                    self._line_up.finish(message.id)

    async def _outlive_nobody(self) -> None:
        await parent_ended()
        self._wire.leave(0)

    def _note(self, reason: str) -> None:
        self._notes += 1
        if self._notes <= MOST_NOTES:
            _log.warning(
                "A line on stdin has no id to answer to: %s%s",
                reason,
                " Further ones are not reported." if self._notes == MOST_NOTES else "",
            )


async def _run(server: MCPServer, incoming: MemoryObjectReceiveStream[_Items], outgoing: Outgoing) -> None:
    # MCPServer offers only its own stdio transport, which reads lines of any length and any number of requests.
    lowlevel = server._lowlevel_server  # pyright: ignore[reportPrivateUsage] - the one way to run it on given streams
    await lowlevel.run(incoming, outgoing, lowlevel.create_initialization_options())
