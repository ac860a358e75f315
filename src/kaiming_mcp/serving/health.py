"""/healthz: the process lives. /readyz: it takes requests. Both tell that and the version, to anyone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from kaiming_mcp import __version__
from kaiming_mcp.serving.refusals import Refusal, refuse, send_json

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

ENDPOINT = "/mcp"
LIVE, READY = "/healthz", "/readyz"
PATHS = (ENDPOINT, f"{ENDPOINT}/", LIVE, READY)


class Paths:
    """Answers for health, passes the endpoint on, and knows no other path.

    Health stands before every check: a probe comes by the address of a container, without a token, and often.
    """

    def __init__(self, app: ASGIApp, not_ready: Callable[[], str | None]) -> None:
        self.app = app
        self.not_ready = not_ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on; `not_ready` tells in one word why the server takes no requests."""
        path = scope["path"]
        if path not in PATHS:
            await refuse(scope, send, Refusal(404, "path", f"Nothing is here. The endpoint is {ENDPOINT}."))
        elif path not in (LIVE, READY):
            await self.app(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            allow = [(b"allow", b"GET, HEAD")]
            await refuse(scope, send, Refusal(405, "method", f"{path} is read with GET."), allow)
        else:
            reason = self.not_ready() if path == READY else None
            body = json.dumps({"status": reason or "ok", "version": __version__}).encode()
            await send_json(send, 503 if reason else 200, body, [(b"cache-control", b"no-store")])
