"""One HTTP request and what became of it: the line of the log, and what is measured."""

from __future__ import annotations

import secrets
import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

_KEY = "kaiming.exchange"
_VERBS = ("GET", "POST", "DELETE", "OPTIONS", "HEAD", "PUT", "PATCH")


@dataclass(slots=True)
class Exchange:
    """What may be told of a request: nothing here is a text that the client chose.

    Verbs, paths, methods and tools are named only where this server knows them, and addresses only where they
    are addresses.
    """

    verb: str
    path: str
    address: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    begun: float = field(default_factory=time.perf_counter)
    client: str | None = None
    """The name of the token."""
    method: str | None = None
    """Of MCP, such as tools/call."""
    tool: str | None = None
    error: str | None = None
    """`tool` or `protocol` where MCP answered with an error, `crash` where the server failed."""
    refusal: str | None = None
    """The one word of a Refusal."""
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def outcome(self) -> str:
        """One word for what became of it."""
        if self.refusal:
            return f"refused: {self.refusal}"
        if self.error or self.status >= 400:
            return f"error: {self.error or 'protocol'}"
        return "ok" if self.status else "disconnected"

    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self.begun


def begin(scope: MutableMapping[str, Any], paths: tuple[str, ...]) -> Exchange:
    """The exchange of a request, kept in its scope."""
    verb, path = scope["method"], scope["path"]
    exchange = Exchange(
        verb=verb if verb in _VERBS else "other",
        path=path if path in paths else "other",
        address=_address(scope.get("client")),
    )
    scope[_KEY] = exchange
    return exchange


def exchange_of(scope: MutableMapping[str, Any]) -> Exchange:
    """The exchange that a request belongs to, once it has begun."""
    return scope[_KEY]


def _address(client: Any) -> str:
    # Behind a trusted proxy this is what a header says.
    try:
        return str(ip_address(client[0]))
    except (TypeError, ValueError, IndexError):
        return "unknown"
