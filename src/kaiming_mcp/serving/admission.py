"""The way in: a request's client and rate, its body, its turn, and the time it may take."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, RequireAuthMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaiming_mcp.serving.drain import Stops
from kaiming_mcp.serving.exchange import exchange_of
from kaiming_mcp.serving.limits import BUSY, Gate, RateLimiter, network_of
from kaiming_mcp.serving.refusals import Refusal, Refused, refuse, send_json
from kaiming_mcp.serving.settings import Settings

_TIMED_OUT = -32001
"""What the SDKs use for a request that took too long."""
STOPPING = Refusal(
    503, "stopping", "The server is stopping. Try again: another one, or the next, will answer.", 1, close=True
)


class TokenRequired(RequireAuthMiddleware):
    """The SDK's guard, with an answer that clients can show; the header of its challenge is the SDK's."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what has a good token."""
        if not isinstance(scope.get("user"), AuthenticatedUser):
            exchange_of(scope).refusal = "token"
        await super().__call__(scope, receive, send)

    async def _send_auth_error(self, send: Send, status_code: int, error: str, description: str) -> None:
        challenge: list[tuple[bytes, bytes]] = []

        async def keep(message: Message) -> None:
            challenge.extend(header for header in message.get("headers", []) if header[0] == b"www-authenticate")

        await super()._send_auth_error(keep, status_code, error, description)
        refusal = Refusal(
            status_code,
            "token",
            "This server needs a token that it knows: send the header `Authorization: Bearer TOKEN`. Yours is "
            "missing, mistyped, revoked or past its last day; ask whoever runs the server for one.",
        )
        await send_json(send, status_code, refusal.error(), challenge)


class RateLimited:
    """Names the client, by its token or else by its address, and holds it to its rate."""

    def __init__(self, app: ASGIApp, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.app = app
        self.clock = clock
        self.per_minute = settings.rate_limit
        # Two tables, so that a flood of addresses cannot crowd out those who hold a token.
        self.names, self.addresses = (
            RateLimiter(settings.rate_limit / 60, settings.rate_burst) if settings.rate_limit else None
            for _ in range(2)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with 429 and the time to wait."""
        exchange, user = exchange_of(scope), scope.get("user")
        if isinstance(user, AuthenticatedUser):
            exchange.client = user.access_token.client_id
        limiter = self.names if exchange.client else self.addresses
        who = exchange.client or network_of(exchange.address)
        if limiter is not None and (wait := limiter.wait(who, self.clock())):
            await refuse(scope, send, _too_many(self.per_minute, wait))
        else:
            await self.app(scope, receive, send)


def _too_many(per_minute: int, wait: float) -> Refusal:
    seconds = max(1, round(wait + 0.5))
    return Refusal(
        429,
        "rate",
        f"Too many requests: at most {per_minute} a minute from one client. Nothing was done; "
        f"try again in {seconds} s.",
        retry_after=seconds,
    )


class Admission:
    """Takes in bodies that are neither too large nor too slow, gives requests their turn, and answers in time."""

    def __init__(self, app: ASGIApp, settings: Settings, stops: Stops, connections: Callable[[], int]) -> None:
        self.app = app
        self.settings = settings
        self.stops = stops
        self.connections = connections
        self.gate = Gate(settings.max_in_flight, settings.max_queued, settings.max_body_bytes)
        self.streams = Gate(max(1, settings.max_connections // 2), 0, 0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on within its bounds, or refuse it."""
        answer = Answer(scope, send)
        try:
            if self.connections() > self.settings.max_connections:
                raise Refused(replace(BUSY, close=True))
            if scope["method"] == "POST":
                await self._call(answer, scope, receive)
            else:
                await self._stream(answer, scope, receive)
        except Refused as refused:
            await answer.conclude(refused.refusal)
        except asyncio.CancelledError:
            # uvicorn cancels what the grace was too short for; that much can still be told.
            if not self.stops.stopping:
                raise
            await answer.conclude(STOPPING)

    async def _call(self, answer: Answer, scope: Scope, receive: Receive) -> None:
        with self.gate.place() as hold:
            body = await self._body(scope, receive, hold)
            if body is None:
                return
            answer.body = body

            async def work() -> None:
                async with self.gate.turns:
                    await self.app(scope, replayed(body, receive), answer.send)

            await self._in_time(answer, work)

    async def _stream(self, answer: Answer, scope: Scope, receive: Receive) -> None:
        """A GET opens a stream, which has no end of its own and nothing behind it."""
        with self.streams.place(), self.stops.idle() as stream:
            await self.app(scope, receive, answer.send)
        if stream.cancelled_caught:
            await answer.conclude(STOPPING)

    async def _body(self, scope: Scope, receive: Receive, hold: Callable[[int], None]) -> bytes | None:
        """The body, or None when the client went away."""
        exchange, largest = exchange_of(scope), self.settings.max_body_bytes
        if _declared(scope) > largest:
            raise Refused(_too_large(largest))
        body = bytearray()
        with self.stops.idle(self.settings.receive_timeout):
            while (message := await receive())["type"] == "http.request":
                part = message.get("body", b"")
                exchange.bytes_in += len(part)
                if len(body) + len(part) > largest:
                    raise Refused(_too_large(largest))
                hold(len(part))
                body += part
                if not message.get("more_body"):
                    return bytes(body)
            return None
        raise Refused(STOPPING if self.stops.stopping else _too_slow(self.settings.receive_timeout))

    async def _in_time(self, answer: Answer, work: Callable[[], Awaitable[None]]) -> None:
        """Do the work; when its time is over, answer at once and then cancel it.

        The answer does not wait for the work to be gone, but the request's turn does: a thread that runs on is
        still work in flight.
        """
        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:

            async def expire() -> None:
                await anyio.sleep(self.settings.request_timeout)
                await answer.conclude(_too_late(self.settings.request_timeout))
                tasks.cancel_scope.cancel()

            tasks.start_soon(expire)
            try:
                await work()
            except Exception as error:
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None and not answer.concluded:
            raise failure


class Answer:
    """What has been answered so far, so that an answer can also be brought to its end from outside."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.body = b""
        self.concluded = False
        self._send = send
        self._head: Message | None = None
        self._started = self._complete = self._is_stream = False

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on, unless it has been concluded."""
        if self.concluded:
            return
        if message["type"] == "http.response.start":
            self._head = message
            self._is_stream = dict(message["headers"]).get(b"content-type", b"").startswith(b"text/event-stream")
            if self.scope["method"] == "POST":
                # Until there is something to say it may still become another answer, and a balancer may still ask
                # another server; whoever opens a stream with GET waits for the head alone.
                return
        elif not message.get("more_body"):
            self._complete = True
        await self._begin()
        if message["type"] != "http.response.start":
            await self._send(message)

    async def _begin(self) -> None:
        if not self._started and self._head is not None:
            self._started = True
            await self._send(self._head)

    async def conclude(self, refusal: Refusal) -> None:
        """End the answer with a refusal: as the whole of it, or as the last event of a stream that has begun."""
        if self._complete or self.concluded:
            return
        self.concluded = True
        if not self._started:
            await refuse(self.scope, self._send, refusal)
        elif self._is_stream:
            exchange_of(self.scope).refusal = refusal.reason
            asked = _id_of(self.body)
            event = b"" if asked is None else b"event: message\r\ndata: " + refusal.error(asked) + b"\r\n\r\n"
            await self._send({"type": "http.response.body", "body": event})


def replayed(body: bytes, receive: Receive) -> Receive:
    """A receive that gives the whole body, then what comes after it."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return parts.pop() if parts else await receive()

    return replay


def _declared(scope: Scope) -> int:
    length = dict(scope["headers"]).get(b"content-length", b"0")
    return int(length) if length.isdigit() else 0


def _id_of(body: bytes) -> Any:
    try:
        found = json.loads(body)["id"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return found if isinstance(found, str | int) else None


def _too_large(largest: int) -> Refusal:
    return Refusal(
        413,
        "size",
        f"The request is larger than the {largest:,} bytes that this server takes. Send less text: the network in "
        "layer notation, or the part of the log that shows the trouble.",
    )


def _too_slow(seconds: float) -> Refusal:
    return Refusal(408, "slow", f"The request did not arrive within {seconds:g} s. Try again.", 1, close=True)


def _too_late(seconds: float) -> Refusal:
    return Refusal(
        504,
        "timeout",
        f"No answer within {seconds:g} s; the call was stopped. Try again later, or ask for less: a smaller network, "
        "or no simulation.",
        retry_after=10,
        code=_TIMED_OUT,
    )
