"""Servers in processes of their own, and the programs from node_modules that are run against them."""

from __future__ import annotations

import functools
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

STDIO = [sys.executable, "-m", "kaiming_mcp"]
NODE_MODULES = Path(__file__).parents[1] / "tools" / "node_modules"
NEWEST_NEEDED = 22
"""The major version of Node.js that the conformance suite and the Inspector need."""
START_SECONDS, END_SECONDS = 60, 10
BETWEEN_TRIES_SECONDS = 0.05


@contextmanager
def served(program: Sequence[str] = STDIO) -> Iterator[str]:
    """A server on a free port of this machine, by the URL of its endpoint; ended in all cases.

    It counts no requests: a suite asks more often in a minute than any client may.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = [*program, "serve", "--http", "--rate-limit", "0", "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _until_listening(process, port, log)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            # A signal that it may answer, so that its worker processes end with it.
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(END_SECONDS)


def _until_listening(process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            process.wait(BETWEEN_TRIES_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        break
    log.seek(0)
    pytest.fail(f"the server did not listen: {log.read().decode(errors='replace')[-2000:]}")


@functools.cache
def node() -> str:
    """Node.js, new enough; a test without it is skipped with the reason."""
    for found in (shutil.which("node", path=str(NODE_MODULES / ".bin")), shutil.which("node")):
        if found is not None:
            told = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=60, check=False)
            if told.returncode == 0 and int(told.stdout.strip().lstrip("v").split(".")[0]) >= NEWEST_NEEDED:
                return found
    pytest.skip(f"Node.js {NEWEST_NEEDED} or newer is missing: make tools")


def script(*parts: str) -> list[str]:
    """The command that runs a script of a package; a test without it is skipped with the reason."""
    path = NODE_MODULES.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts[:2])} is not installed: make tools")
    return [node(), str(path)]
