"""Commands and transports: stdio by default, `serve --http`, and `try`, a real client in a terminal."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kaiming_mcp import __version__
from kaiming_mcp.confined import Root
from kaiming_mcp.probes import PROBES, probe_source
from kaiming_mcp.roots import ROOTS_VARIABLE, allow


def main() -> None:
    """Entry point of the `kaiming-mcp` command."""
    options = _parser(sys.argv[1:]).parse_args()
    roots = (*options.root, *getattr(options, "command_root", ())) or _roots_of_environment()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    if options.command in ("try", "probe", "config", "plot") and hasattr(signal, "SIGPIPE"):
        # A reader that has seen enough (`| head`) ends the command, as with any other tool.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    match options.command:
        case "serve" if options.http:
            from kaiming_mcp.serving.http import serve_http

            serve_http(options, roots)
        case "token":
            _print_token(options.name, options.last_day)
        case "try":
            from kaiming_mcp.trial import run_tool

            sys.exit(run_tool(options.tool, options.argument, roots))
        case "plot":
            from kaiming_mcp.plot import plot

            sys.exit(plot(options))
        case "probe":
            sys.stdout.write(probe_source(options.name))
        case "config":
            from kaiming_mcp.clients.command import print_config

            sys.exit(print_config(options, [str(root.given) for root in options.root]))
        case _:
            from kaiming_mcp.serving.stdio import serve_stdio

            serve_stdio(roots)


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kaiming-mcp",
        description="Kaiming He's way of thinking as MCP tools. Without a command: serve on stdio.",
    )
    parser.add_argument("--version", action="version", version=f"kaiming-mcp {__version__}")
    _add_root(parser, "root")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (about, add_options) in COMMANDS.items():
        command = commands.add_parser(name, help=about)
        # Options stand where they are used; a server that a host starts should not wait for those of other commands.
        if name in words:
            add_options(command)
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    from kaiming_mcp.serving.settings import add_options

    parser.add_argument("--http", action="store_true", help="streamable HTTP at /mcp instead of stdio")
    add_options(parser)
    _add_root(parser, "command_root", several=True)


def _add_try(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tool", help="such as critique_architecture")
    parser.add_argument("argument", nargs="*", help="key=value, or key=@file to read the value from a file")
    _add_root(parser, "command_root")


def _add_plot(parser: argparse.ArgumentParser) -> None:
    from kaiming_mcp.plot import add_options

    add_options(parser)


def _add_probe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=list(PROBES), help="kaiming-mcp probe signal > signal_probe.py")


def _add_config(parser: argparse.ArgumentParser) -> None:
    from kaiming_mcp.clients.options import add_options

    add_options(parser)


def _add_token(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="whose it is; stands in the log")
    parser.add_argument(
        "--last-day", default="", metavar="DATE", help="day (UTC) after which it is refused: 2030-12-31"
    )


COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "serve": ("serve on stdio, or over HTTP with --http", _add_serve),
    "try": ("call a tool through a real client and print what a model would see", _add_try),
    "plot": ("draw the signal over depth: kaiming-mcp plot net.txt -o signal.svg", _add_plot),
    "probe": ("print a script that measures a model in your own environment", _add_probe),
    "config": ("print what a client needs to start this server", _add_config),
    "token": ("make a bearer token for the team server: kaiming-mcp token alice >> /etc/kaiming/tokens", _add_token),
}


def _print_token(name: str, last_day: str) -> None:
    """The token to the person, on stderr and never again; its line for the file to stdout."""
    from kaiming_mcp.serving.tokens import new_token

    try:
        token, entry = new_token(name, last_day)
    except ValueError as error:
        print(f"kaiming-mcp: {error}", file=sys.stderr)  # noqa: T201 - stderr
        sys.exit(2)
    print(f"The token of {name}, shown this once:\n\n  {token}\n", file=sys.stderr)  # noqa: T201 - stderr
    sys.stdout.write(entry.line() + "\n")


def _roots_of_environment() -> tuple[Root, ...]:
    try:
        return tuple(allow(part) for part in os.environ.get(ROOTS_VARIABLE, "").split(os.pathsep) if part.strip())
    except ValueError as error:
        print(f"kaiming-mcp: {ROOTS_VARIABLE}: {error}", file=sys.stderr)  # noqa: T201 - stderr
        sys.exit(2)


def _add_root(parser: argparse.ArgumentParser, name: str, several: bool = False) -> None:
    # A command's own option would overwrite the same one given before it, so the two have their own names. A bundle's
    # host writes all directories that were chosen, or none, behind one --root; only `serve` has no words to follow it.
    parser.add_argument(
        "--root",
        action="extend" if several else "append",
        nargs="*" if several else None,
        default=[],
        type=_root,
        dest=name,
        metavar="DIR",
        help=f"directory whose text files `path:...` arguments may name (repeatable; {ROOTS_VARIABLE}; default: none)",
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
