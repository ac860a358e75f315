"""Serving one client on stdin and stdout."""

from __future__ import annotations

import logging
import signal
import sys
import traceback
from types import FrameType

from kaiming_mcp.confined import Roots
from kaiming_mcp.serving.stdio.wire import Wire


def serve_stdio(roots: Roots) -> None:
    """Serve until the end of input, of the client or of the parent, or a signal; each ends the process at once.

    The exit status is 0 then, and 2 when the start fails, with the reason on stderr.
    """
    try:
        wire = Wire()
    except OSError as error:
        sys.exit(_failed(f"stdin and stdout must be open ({error})"))

    def leave(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        wire.leave(0)

    # PID 1 has no default handlers. Set before the imports that take time.
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), leave)
    # What a client gets wrong is told to the client; stderr may never be read, and then it fills.
    logging.getLogger("mcp").setLevel(logging.ERROR)
    import anyio

    from kaiming_mcp.server import create_server
    from kaiming_mcp.serving.stdio.connection import serve

    try:
        server = create_server(roots)
    except (OSError, ValueError) as error:
        wire.leave(_failed(str(error)))
    status = 1
    try:
        anyio.run(serve, server, wire)
        status = 0
    except BaseException:
        traceback.print_exc()
    wire.leave(status)


def _failed(reason: str) -> int:
    print(f"kaiming-mcp: cannot start: {reason}", file=sys.stderr)  # noqa: T201 - stderr
    return 2
