"""The two ends of the wire: stdin and stdout, taken from everything else in this process."""

from __future__ import annotations

import os
import sys
import threading
from typing import NoReturn

CHUNK = 64 * 1024
GRACE_SECONDS = 0.2
"""How long a reply that is being written may hold the exit."""


class Wire:
    """Reads and writes whole chunks of bytes, whatever the locale says of the standard streams.

    From here on a stray `print` goes to stderr, and children inherit neither end.

    Raises:
        OSError: stdin or stdout is closed.
    """

    def __init__(self) -> None:
        for fd in (0, 1):
            os.fstat(fd)
        if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison] - None where fd 2 was closed
            # It takes the lowest number that is free, which is 2.
            os.open(os.devnull, os.O_WRONLY)
        self._in, self._out = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        _point(0, nothing)
        _point(1, 2)
        os.close(nothing)
        if sys.platform != "win32":
            # Whoever shares the pipe may have made it non-blocking.
            os.set_blocking(self._in, True)
            os.set_blocking(self._out, True)
        self._writing = threading.Lock()

    def read(self) -> bytes:
        """What there is, at most a chunk; empty at the end of input, and where it cannot be read any more."""
        try:
            return os.read(self._in, CHUNK)
        except OSError:
            return b""

    def write(self, data: bytes) -> None:
        """All of it.

        Raises:
            OSError: nobody reads any more.
        """
        with self._writing:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._out, rest) :]

    def leave(self, status: int) -> NoReturn:
        """End the process at once, between two replies where the client reads on.

        Threads that read or compute cannot be cancelled, and an interpreter that ends would wait for them.
        """
        self._writing.acquire(timeout=GRACE_SECONDS)
        os._exit(status)


def _point(fd: int, target: int) -> None:
    os.dup2(target, fd)
    if sys.platform == "win32":
        from mcp.os.win32.utilities import rebind_std_handle_to_fd

        rebind_std_handle_to_fd(fd)
