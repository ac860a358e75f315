"""Serving a team over streamable HTTP: settings, application, uvicorn."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import uvicorn
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from kaiming_mcp.confined import Roots
from kaiming_mcp.library import library
from kaiming_mcp.server import create_server
from kaiming_mcp.serving.admission import Admission, RateLimited, TokenRequired
from kaiming_mcp.serving.connections import bounded_protocol
from kaiming_mcp.serving.drain import DrainingServer, Stops, leave_on_signal
from kaiming_mcp.serving.health import Paths
from kaiming_mcp.serving.hosts import EVERY, LOOPBACK_HOSTS, LOOPBACK_ORIGINS, HostGuard
from kaiming_mcp.serving.logs import configure_logs
from kaiming_mcp.serving.observed import Observed, note_message
from kaiming_mcp.serving.readable import Readable
from kaiming_mcp.serving.settings import SettingError, Settings, misspelt, read_settings
from kaiming_mcp.serving.tokens import TokenFile, TokenFileError
from kaiming_mcp.serving.workers import InProcesses

logger = logging.getLogger(__name__)

CORS_METHODS = ["GET", "POST", "DELETE"]
CORS_REQUEST_HEADERS = [
    "Accept",
    "Authorization",
    "Content-Type",
    "Last-Event-ID",
    "Mcp-Method",
    "Mcp-Name",
    "Mcp-Protocol-Version",
    "Mcp-Session-Id",
]
CORS_ANSWER_HEADERS = ["Mcp-Session-Id", "WWW-Authenticate", "Retry-After", "X-Request-Id"]
_LARGEST_HEAD = 16 * 1024


def serve_http(options: argparse.Namespace, roots: Roots) -> None:
    """Serve until a signal ends it; a setting that cannot be used ends it at once, with status 2."""
    leave_on_signal()
    stop_telemetry: Callable[[], None] = lambda: None  # noqa: E731 - what there is to stop unless asked for
    try:
        settings = read_settings(vars(options), os.environ)
        configure_logs(settings.log_level, settings.log_format)
        if settings.telemetry:
            from kaiming_mcp.serving.telemetry import start_telemetry

            stop_telemetry = start_telemetry()
        tokens = _tokens(settings)
        sockets = _listen(settings)
    except (SettingError, TokenFileError) as error:
        print(f"kaiming-mcp: {error}", file=sys.stderr)  # noqa: T201 - stderr
        sys.exit(2)
    _warn(settings, tokens)
    _run(settings, roots, tokens, sockets)
    stop_telemetry()
    # Taking the interpreter down would cost a third of the second in which the process should end.
    os._exit(0)


def _run(settings: Settings, roots: Roots, tokens: TokenFile | None, sockets: list[socket.socket]) -> None:
    stops = Stops()
    connections: set[Any] = set()
    app = create_app(settings, roots, tokens, stops, lambda: len(connections))
    config = uvicorn.Config(
        app,
        http=bounded_protocol(settings.receive_timeout, settings.max_connections),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        h11_max_incomplete_event_size=_LARGEST_HEAD,
    )
    config.timeout_keep_alive = settings.keep_alive  # type: ignore[assignment] - any float will do
    server = DrainingServer(config, stops, settings.drain_seconds, settings.grace_seconds)
    connections = server.server_state.connections
    server.run(sockets)


def create_app(
    settings: Settings,
    roots: Roots = (),
    tokens: TokenFile | None = None,
    stops: Stops | None = None,
    connections: Callable[[], int] = lambda: 0,
) -> ASGIApp:
    """The whole application. From outside in: the log, health, CORS, hosts, the token, the rate, the limits,
    what can be read, MCP.

    Raises:
        ContentError: a content file breaks a rule.
    """
    # On stdio it is loaded when it is first asked for; here no client should wait for it, nor find it broken.
    library()
    stops = stops or Stops()
    workers = InProcesses(roots, settings.workers) if settings.workers else None
    server = create_server(roots, workers)
    server.middleware.append(note_message)
    endpoint = server.streamable_http_app(
        stateless_http=True,
        max_request_body_size=settings.max_body_bytes,
        # HostGuard is the check; what the SDK would do beside it is told there.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    if workers is not None:
        _warm_at_start(endpoint, workers)
    app: ASGIApp = Admission(Readable(endpoint), settings, stops, connections)
    if tokens is not None:
        app = TokenRequired(app, required_scopes=[])
    app = RateLimited(app, settings)
    if tokens is not None:
        # Any other TokenVerifier of the SDK can stand here, one for OAuth as well.
        app = AuthenticationMiddleware(app, backend=BearerAuthBackend(tokens))
    origins = [*LOOPBACK_ORIGINS, *settings.allowed_origins, *settings.cors_origins]
    app = HostGuard(app, [*LOOPBACK_HOSTS, *settings.allowed_hosts], origins)
    if settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_REQUEST_HEADERS,
            expose_headers=CORS_ANSWER_HEADERS,
        )
    return _Application(Observed(Paths(app, lambda: _not_ready(stops, workers)), stops), endpoint)


class _Application:
    """Requests to the one part, start and end to the other."""

    def __init__(self, requests: ASGIApp, lifespan: ASGIApp) -> None:
        self.requests = requests
        self.lifespan = lifespan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.requests if scope["type"] == "http" else self.lifespan)(scope, receive, send)


def _warm_at_start(endpoint: Starlette, workers: InProcesses) -> None:
    before = endpoint.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[Any]:
        async with before(app) as state, anyio.create_task_group() as tasks:
            tasks.start_soon(workers.warm)
            yield state
            tasks.cancel_scope.cancel()

    endpoint.router.lifespan_context = lifespan


def _not_ready(stops: Stops, workers: InProcesses | None) -> str | None:
    if stops.draining:
        return "draining"
    return "starting" if workers is not None and not workers.warmed else None


def _tokens(settings: Settings) -> TokenFile | None:
    if settings.token_file is None:
        return None
    tokens = TokenFile(settings.token_file)
    if not tokens.load():
        logger.warning("the token file holds no token: every call will be refused")
    return tokens


def _listen(settings: Settings) -> list[socket.socket]:
    """Sockets on every address that the host stands for; uvicorn listens on them when it can answer."""
    try:
        found = socket.getaddrinfo(settings.host, settings.port, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE)
        return [_bound(family, address) for family, _, _, _, address in found]
    except OSError as error:
        raise SettingError(
            f"cannot listen on --host {settings.host} --port {settings.port}: {error.strerror}. "
            "Another port, such as --port 8001, or 0 for any free one, may do."
        ) from None


def _bound(family: socket.AddressFamily, address: Any) -> socket.socket:
    # socket.create_server leaves the protocol open, and then asyncio leaves Nagle's algorithm on: 40 ms for each call.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
    except OSError:
        listening.close()
        raise
    return listening


def _warn(settings: Settings, tokens: TokenFile | None) -> None:
    if tokens is None and not settings.is_local:
        logger.warning(
            "anyone who reaches this port may call: give --token-file (KAIMING_TOKEN_FILE) where not all are trusted"
        )
    if EVERY in settings.allowed_hosts:
        logger.warning("every Host header is accepted (--allowed-host '*'): a proxy must check it instead")
    if EVERY in settings.allowed_origins:
        logger.warning("web pages of every origin may call (--allowed-origin '*')")
    for variable, meant in misspelt(os.environ).items():
        logger.warning("a variable is no setting", extra={"variable": variable, "nearest": meant})
