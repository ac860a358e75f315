"""The options of `kaiming-mcp config`; what it does is imported when it is called, for servers start with these too."""

from __future__ import annotations

import argparse

from kaiming_mcp.clients.table import CLIENTS


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `config`."""
    parser.add_argument("client", metavar="CLIENT", help=", ".join(client.id for client in CLIENTS))
    parser.add_argument("--docker", action="store_true", help="start the container image instead of this installation")
    parser.add_argument(
        "--root",
        action="append",
        default=[],
        dest="directories",
        metavar="DIR",
        help="directory whose text files `path:...` arguments may name, repeatable (default: none)",
    )
