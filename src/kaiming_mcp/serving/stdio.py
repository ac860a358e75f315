"""Serving one client on stdin and stdout."""

from __future__ import annotations

import os
import signal
from types import FrameType

from kaiming_mcp.confined import Roots


def serve_stdio(roots: Roots) -> None:
    """Serve until the end of input or a signal; either ends the process at once."""
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
