"""Commands and transports: stdio by default, `serve --http`, and `try`, a real client in a terminal."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from pathlib import Path

from kaiming_mcp import __version__
from kaiming_mcp.confined import Root
from kaiming_mcp.probes import PROBES, probe_source
from kaiming_mcp.roots import allow
from kaiming_mcp.serving import http


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
            http.serve_http(options, roots)
        case "try":
            from kaiming_mcp.trial import run_tool

            sys.exit(run_tool(options.tool, options.argument, roots))
        case "probe":
            sys.stdout.write(probe_source(options.name))
        case _:
            from kaiming_mcp.serving.stdio import serve_stdio

            serve_stdio(roots)


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
    http.add_options(serve)
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


def read_value(text: str) -> str:
    """The value of an argument: itself, or the content of a file when it begins with @.

    Raises:
        OSError: the file cannot be read.
    """
    return Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
