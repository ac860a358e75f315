"""A request that is turned away: a status, and a body that clients show and models can read."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kaiming_mcp.serving import REFUSED
from kaiming_mcp.serving.exchange import exchange_of

if TYPE_CHECKING:
    from starlette.types import Scope, Send


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is turned away; `retry_after` in seconds where trying again can help."""

    status: int
    reason: str
    """One word, for logs and metrics."""
    message: str
    retry_after: float | None = None
    close: bool = False
    """Whether the connection ends with the answer."""
    code: int = REFUSED
    """Of the JSON-RPC error."""

    def error(self, request_id: Any = None) -> bytes:
        """The JSON-RPC error, for a request or, without an id, for the HTTP request as a whole."""
        data: dict[str, Any] = {"reason": self.reason, "status": self.status}
        if self.retry_after is not None:
            data["retryAfterSeconds"] = self._seconds()
        error = {"code": self.code, "message": self.message, "data": data}
        body = {"jsonrpc": "2.0", "id": request_id, "error": error}
        return json.dumps(body, separators=(",", ":")).encode()

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Retry-After and the like, without those of the body."""
        retry = [] if self.retry_after is None else [(b"retry-after", str(self._seconds()).encode())]
        return retry + ([(b"connection", b"close")] if self.close else [])

    def _seconds(self) -> int:
        return max(1, math.ceil(self.retry_after or 0))


class Refused(Exception):
    """Raised where a request is turned away."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


async def refuse(
    scope: Scope, send: Send, refusal: Refusal, more_headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    """Send a refusal as the whole answer."""
    exchange_of(scope).refusal = refusal.reason
    await send_json(send, refusal.status, refusal.error(), [*refusal.headers(), *(more_headers or [])])


async def send_json(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Send an answer of JSON."""
    own = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": body})
