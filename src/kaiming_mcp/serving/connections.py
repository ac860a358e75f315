"""Connections with an end: to the wait for a request, to the wait for a reader, and to their number."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

_SPARE = 64
"""Connections beyond the limit that are still told so (503), and where health is still answered."""


def bounded_protocol(receive_timeout: float, max_connections: int) -> type[H11Protocol]:
    """uvicorn's HTTP protocol, which alone would wait for ever for the head of a request or for a reader.

    `receive_timeout` in seconds, for the head of a request and for each pause in taking the answer.
    """

    class Bounded(H11Protocol):
        _head_timer: asyncio.TimerHandle | None = None
        _reader_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] - as in uvicorn
            super().connection_made(transport)
            if len(self.connections) > max_connections + _SPARE:
                transport.abort()
                return
            self._head_timer = self.loop.call_later(receive_timeout, transport.abort)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None and not self.cycle.response_complete:  # pyright: ignore[reportUnnecessaryComparison] - None before the first
                self._head_timer = _cancelled(self._head_timer)
            elif self._head_timer is None and not self.transport.is_closing():
                # A next request has begun to come, or the rest of one that is answered already.
                self._head_timer = self.loop.call_later(receive_timeout, self.transport.abort)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._reader_timer = self.loop.call_later(receive_timeout, self.transport.abort)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._reader_timer = _cancelled(self._reader_timer)

        def connection_lost(self, exc: Exception | None) -> None:
            self._head_timer = _cancelled(self._head_timer)
            self._reader_timer = _cancelled(self._reader_timer)
            super().connection_lost(exc)

    return Bounded


def _cancelled(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
