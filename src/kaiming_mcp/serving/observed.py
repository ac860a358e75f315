"""Watches requests begin and end: one line of the log for each, and what is measured."""

from __future__ import annotations

import logging
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult
from mcp_types.methods import SPEC_CLIENT_METHODS, SPEC_CLIENT_NOTIFICATION_METHODS
from opentelemetry.metrics import get_meter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaiming_mcp import __version__
from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.serving.drain import Stops
from kaiming_mcp.serving.exchange import Exchange, begin, exchange_of
from kaiming_mcp.serving.health import LIVE, PATHS, READY
from kaiming_mcp.serving.refusals import Refusal, refuse

logger = logging.getLogger(__name__)

_METHODS = SPEC_CLIENT_METHODS | SPEC_CLIENT_NOTIFICATION_METHODS
_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]


def known_method(method: Any) -> str:
    """A method of MCP by its name, anything else as `other`."""
    return method if method in _METHODS else "other"


def known_tool(name: Any) -> str:
    """A tool of this server by its name, anything else as `other`."""
    return name if name in EXAMPLES else "other"


class Observed:
    """The outermost part of the server: names the request, and tells what became of it."""

    def __init__(self, app: ASGIApp, stops: Stops) -> None:
        self.app = app
        self.stops = stops
        self.instruments = Instruments()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and log and measure it when it is over."""
        exchange = begin(scope, PATHS)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                headers = [*message["headers"], (b"x-request-id", exchange.id.encode())]
                if self.stops.draining:
                    # A client that keeps its connection would send the next request into the end of it.
                    headers = [header for header in headers if header[0] != b"connection"]
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            else:
                exchange.bytes_out += len(message.get("body", b""))
            await send(message)

        self.instruments.begun(exchange)
        try:
            await self.app(scope, receive, noting)
        except Exception:
            exchange.error = "crash"
            logger.exception("request failed", extra={"request_id": exchange.id})
            if exchange.status:
                raise
            await refuse(scope, noting, _crash(exchange))
        finally:
            self.instruments.ended(exchange)
            _log(exchange)


def _crash(exchange: Exchange) -> Refusal:
    return Refusal(
        500, "crash", f"The server failed on this request. Whoever runs it finds why in its log under {exchange.id}."
    )


def _log(exchange: Exchange) -> None:
    level = logging.DEBUG if exchange.path in (LIVE, READY) else logging.INFO
    told = {
        "request_id": exchange.id,
        "client": exchange.client,
        "address": exchange.address,
        "verb": exchange.verb,
        "path": exchange.path,
        "method": exchange.method,
        "tool": exchange.tool,
        "status": exchange.status,
        "outcome": exchange.outcome,
        "seconds": round(exchange.seconds(), 4),
        "bytes_in": exchange.bytes_in,
        "bytes_out": exchange.bytes_out,
    }
    logger.log(level, "request", extra=told)


async def note_message(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
    """MCP middleware: which method and tool an HTTP request turned out to be, and whether it went wrong."""
    request: Any = ctx.request
    exchange = exchange_of(request.scope)
    exchange.method = known_method(ctx.method)
    if ctx.method == "tools/call":
        exchange.tool = known_tool((ctx.params or {}).get("name"))
    try:
        result = await call_next(ctx)
    except MCPError:
        exchange.error = "protocol"
        raise
    except Exception:
        exchange.error = "crash"
        raise
    match result:
        case CallToolResult(is_error=True) | {"isError": True}:
            exchange.error = "tool"
        case _:
            pass
    return result


class Instruments:
    """What is measured, by the names that OpenTelemetry has for it; without a provider this does nothing."""

    def __init__(self) -> None:
        meter = get_meter("kaiming_mcp", __version__)
        self._active = meter.create_up_down_counter("http.server.active_requests", "{request}", "Requests in flight")
        self._requests = meter.create_histogram(
            "http.server.request.duration",
            "s",
            "Time of HTTP requests",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._operations = meter.create_histogram(
            "mcp.server.operation.duration",
            "s",
            "Time of MCP requests",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._refusals = meter.create_counter("kaiming.refusals", "{request}", "Requests turned away, by reason")
        self._errors = meter.create_counter("kaiming.tool.errors", "{call}", "Calls that a tool answered with an error")

    def begun(self, exchange: Exchange) -> None:
        """Count a request in."""
        self._active.add(1, {"http.request.method": exchange.verb})

    def ended(self, exchange: Exchange) -> None:
        """Count a request out, with its time and what became of it."""
        seconds = exchange.seconds()
        self._active.add(-1, {"http.request.method": exchange.verb})
        http = {
            "http.request.method": exchange.verb,
            "http.route": exchange.path,
            "http.response.status_code": exchange.status,
        }
        self._requests.record(seconds, http)
        if exchange.method:
            mcp = {"mcp.method.name": exchange.method, "gen_ai.tool.name": exchange.tool, "error.type": exchange.error}
            self._operations.record(seconds, {key: value for key, value in mcp.items() if value})
        if exchange.refusal:
            self._refusals.add(1, {"reason": exchange.refusal})
        if exchange.error == "tool":
            self._errors.add(1, {"gen_ai.tool.name": exchange.tool or "other"})
