"""`kaiming-mcp config CLIENT`: the snippet alone on stdout, where it goes on stderr."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kaiming_mcp.clients.launch import Launch, check_mount, contained, docker_program, installed, rooted
from kaiming_mcp.clients.snippet import snippet
from kaiming_mcp.clients.table import SERVER, Client, UnknownClientError, find


def print_config(options: argparse.Namespace, before: Sequence[str] = ()) -> int:
    """Print it; `before` are roots that were given before the command. 2 for a bad argument, else 0."""
    try:
        client = find(options.client)
        launch = _launch(client, [*before, *options.directories], options.docker)
        text = snippet(client, launch, sys.platform == "win32").encode("utf-8")
    except UnknownClientError as error:
        return _refuse(f"{error}")
    except UnicodeEncodeError as error:
        return _refuse(f"a path is not Unicode, as such files are: rename it ({error})")
    except ValueError as error:
        return _refuse(f"--root: {error}")
    # Configuration files are UTF-8, whatever the terminal is.
    sys.stdout.buffer.write(text)
    sys.stdout.flush()
    sys.stderr.write(_note(client, options.docker))
    return 0


def _refuse(why: str) -> int:
    sys.stderr.write(f"kaiming-mcp config: {why}\n")
    return 2


def _launch(client: Client, directories: Sequence[str], docker: bool) -> Launch:
    for directory in directories:
        if directory.startswith("${") and not (client.workspace and directory.startswith(client.workspace)):
            raise ValueError(f"{client.title} does not fill in {directory}: give a path, --root /home/me/project")
    if docker:
        for directory in directories:
            check_mount(directory)
        return contained(directories, docker_program(client.in_window))
    from kaiming_mcp.roots import allow

    roots = [d if d.startswith("${") else str(allow(d).given) for d in directories]
    called = os.path.abspath(sys.argv[0])  # noqa: PTH100 - resolve() would follow links
    here = installed(Path(called), Path(sys.executable), lambda path: os.access(path, os.X_OK))
    return rooted(here, roots)


def _note(client: Client, docker: bool) -> str:
    file = client.file(sys.platform)
    place = f"Goes into {file} ({client.where})." if file else f"{client.where[0].upper()}{client.where[1:]}."
    if client.form == "json":
        place += f' If it has "{client.key}" already, add "{SERVER}" to it.'
    image = " Build the image once: docker build -t kaiming-mcp ." if docker else ""
    return f"{place}\nSee {client.docs}.{image}\n"
