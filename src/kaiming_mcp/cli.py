"""Commands and transports: stdio by default, `serve --http`, and `try`, a real client in a terminal."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from kaiming_mcp import __version__
from kaiming_mcp.confined import Root, Roots
from kaiming_mcp.probes import PROBES, probe_source
from kaiming_mcp.roots import allow

DEFAULT_PORT = 8000
LOOPBACK = ("127.0.0.1", "localhost", "::1")
GRACE_SECONDS = 0.5


def main() -> None:
    """Entry point of the `kaiming-mcp` command."""
    options = _parser().parse_args()
    roots = (*options.root, *getattr(options, "command_root", ()))
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    if options.command in ("try", "probe") and hasattr(signal, "SIGPIPE"):
        # A reader that has seen enough (`| head`) ends the command, as with any other tool.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    match options.command:
        case "serve" if options.http:
            _serve_http(options.host, options.port, options.allowed_host, options.allowed_origin, roots)
        case "try":
            from kaiming_mcp.trial import run_tool

            sys.exit(run_tool(options.tool, options.argument, roots))
        case "probe":
            sys.stdout.write(probe_source(options.name))
        case _:
            _serve_stdio(roots)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kaiming-mcp",
        description="Kaiming He's way of thinking as MCP tools. Without a command: serve on stdio.",
    )
    parser.add_argument("--version", action="version", version=f"kaiming-mcp {__version__}")
    _add_root(parser, "root")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    serve = commands.add_parser("serve", help="serve on stdio, or over HTTP with --http")
    serve.add_argument("--http", action="store_true", help="streamable HTTP at /mcp instead of stdio")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback)")
    serve.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"port (default: {DEFAULT_PORT})")
    serve.add_argument(
        "--allowed-host",
        action="append",
        default=[],
        metavar="HOST",
        help="Host header to accept, repeatable; required when --host is not loopback",
    )
    serve.add_argument(
        "--allowed-origin", action="append", default=[], metavar="ORIGIN", help="Origin to accept, repeatable"
    )
    _add_root(serve, "command_root")
    trial = commands.add_parser("try", help="call a tool through a real client and print what a model would see")
    trial.add_argument("tool", help="such as critique_architecture")
    trial.add_argument("argument", nargs="*", help="key=value, or key=@file to read the value from a file")
    _add_root(trial, "command_root")
    probe = commands.add_parser("probe", help="print a script that measures a model in your own environment")
    probe.add_argument("name", choices=list(PROBES), help="kaiming-mcp probe signal > signal_probe.py")
    return parser


def _add_root(parser: argparse.ArgumentParser, name: str) -> None:
    # A command's own option would overwrite the same one given before it, so the two have their own names.
    parser.add_argument(
        "--root",
        action="append",
        default=[],
        type=_root,
        dest=name,
        metavar="DIR",
        help="directory whose text files `path:...` arguments may name, repeatable (default: none)",
    )


def _root(directory: str) -> Root:
    try:
        return allow(directory)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _serve_stdio(roots: Roots) -> None:
    # The thread that reads stdin cannot be cancelled, and PID 1 has no default handlers: leave at once.
    # Every reply is flushed when it is written, so nothing is lost.
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _leave)
    from kaiming_mcp.server import create_server

    create_server(roots).run("stdio")


def _leave(signum: int, frame: FrameType | None) -> None:
    del signum, frame
    os._exit(0)


def _serve_http(host: str, port: int, allowed_hosts: list[str], allowed_origins: list[str], roots: Roots) -> None:
    if host not in LOOPBACK and not allowed_hosts:
        sys.exit(
            f"kaiming-mcp: --host {host} listens beyond this machine, so say which Host headers to accept, "
            "e.g. --allowed-host kaiming.example.org (with its port where there is one: kaiming.example.org:8000)"
        )
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    from kaiming_mcp.server import create_server

    local = [*LOOPBACK, *(f"{name}:*" for name in ("127.0.0.1", "localhost", "[::1]"))]
    security = TransportSecuritySettings(
        allowed_hosts=[*local, *allowed_hosts],
        allowed_origins=["http://localhost:*", "http://127.0.0.1:*", *allowed_origins],
    )
    app = create_server(roots).streamable_http_app(stateless_http=True, host=host, transport_security=security)
    config = uvicorn.Config(app, host=host, port=port, log_level="warning")
    # uvicorn types this as whole seconds, but waits for any float; an open stream must not hold the exit.
    config.timeout_graceful_shutdown = GRACE_SECONDS  # type: ignore[assignment]
    print(f"kaiming-mcp {__version__} on http://{host}:{port}/mcp", file=sys.stderr)  # noqa: T201 - stderr
    uvicorn.Server(config).run()


def read_value(text: str) -> str:
    """The value of an argument: itself, or the content of a file when it begins with @.

    Raises:
        OSError: the file cannot be read.
    """
    return Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
