"""Serving a team over streamable HTTP."""

from __future__ import annotations

import argparse
import sys

from kaiming_mcp import __version__
from kaiming_mcp.confined import Roots

DEFAULT_PORT = 8000
LOOPBACK = ("127.0.0.1", "localhost", "::1")
GRACE_SECONDS = 0.5


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `serve --http`."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"port (default: {DEFAULT_PORT})")
    parser.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="HOST",
        help="Host header to accept, repeatable; required when --host is not loopback",
    )
    parser.add_argument(
        "--allowed-origin", action="append", default=[], metavar="ORIGIN", help="Origin to accept, repeatable"
    )


def serve_http(options: argparse.Namespace, roots: Roots) -> None:
    """Serve until a signal ends it."""
    host, port = str(options.host), int(options.port)
    if host not in LOOPBACK and not options.allowed_host:
        sys.exit(
            f"kaiming-mcp: --host {host} listens beyond this machine, so say which Host headers to accept, "
            "e.g. --allowed-host kaiming.example.org (with its port where there is one: kaiming.example.org:8000)"
        )
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    from kaiming_mcp.server import create_server

    local = [*LOOPBACK, *(f"{name}:*" for name in ("127.0.0.1", "localhost", "[::1]"))]
    security = TransportSecuritySettings(
        allowed_hosts=[*local, *options.allowed_host],
        allowed_origins=["http://localhost:*", "http://127.0.0.1:*", *options.allowed_origin],
    )
    app = create_server(roots).streamable_http_app(stateless_http=True, host=host, transport_security=security)
    config = uvicorn.Config(app, host=host, port=port, log_level="warning")
    # uvicorn types this as whole seconds, but waits for any float; an open stream must not hold the exit.
    config.timeout_graceful_shutdown = GRACE_SECONDS  # type: ignore[assignment]
    print(f"kaiming-mcp {__version__} on http://{host}:{port}/mcp", file=sys.stderr)  # noqa: T201 - stderr
    uvicorn.Server(config).run()
