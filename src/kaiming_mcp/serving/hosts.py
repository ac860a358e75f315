"""Which Host and Origin headers are answered: what keeps a web page from reaching the server through a rebound name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from ipaddress import AddressValueError, IPv6Address, ip_address
from typing import TYPE_CHECKING

from kaiming_mcp.serving.refusals import Refusal, refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

EVERY = "*"
LOOPBACK_HOSTS = ("localhost:*", "127.0.0.1:*", "[::1]:*")
LOOPBACK_ORIGINS = tuple(f"{scheme}://{host}" for scheme in ("http", "https") for host in LOOPBACK_HOSTS)

_HOST = re.compile(r"(?P<name>[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}|\*))?")
_ORIGIN = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]{0,30})://(?P<host>.+)")


def is_loopback(address: str) -> bool:
    """Whether listening on an address is listening to this machine alone."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return address.lower() == "localhost"


def in_url(address: str) -> str:
    """An address as it stands in a URL: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


def host_pattern(text: str) -> str:
    """A Host header to accept, in the form that is_host_allowed compares; `name:*` stands for any port or none.

    Raises:
        ValueError: it is no host name or address, with or without a port.
    """
    asked = text.strip().lower()
    if asked == EVERY:
        return EVERY
    with suppress(AddressValueError):
        asked = in_url(str(IPv6Address(asked)))
    if not _HOST.fullmatch(asked):
        raise ValueError
    return asked


def origin_pattern(text: str) -> str:
    """An Origin header to accept, a scheme and a host; `https://name:*` stands for any port or none.

    Raises:
        ValueError: it is no origin.
    """
    asked = text.strip().lower().removesuffix("/")
    if asked == EVERY:
        return EVERY
    found = _ORIGIN.fullmatch(asked)
    if not found or not _HOST.fullmatch(found["host"]):
        raise ValueError
    return asked


def one_origin(text: str) -> str:
    """An origin without a wildcard, as cross-origin answers name it.

    Raises:
        ValueError: it is no origin, or stands for more than one.
    """
    if EVERY in text:
        raise ValueError
    return origin_pattern(text)


def is_host_allowed(host: str, patterns: Iterable[str]) -> bool:
    """Whether a Host header is one of the patterns; case does not matter."""
    found = _HOST.fullmatch(host.lower())
    return any(
        pattern == EVERY or (found is not None and (pattern == found[0] or pattern == f"{found['name']}:*"))
        for pattern in patterns
    )


def is_origin_allowed(origin: str, patterns: Collection[str]) -> bool:
    """Whether an Origin header is one of the patterns."""
    if EVERY in patterns:
        return True
    found = _ORIGIN.fullmatch(origin.lower())
    if not found:
        return False
    scheme = f"{found['scheme']}://"
    return is_host_allowed(found["host"], [p.removeprefix(scheme) for p in patterns if p.startswith(scheme)])


class HostGuard:
    """Answers only requests whose Host, and Origin where there is one, is listed.

    The SDK has such a check too. This one stands before any body is read, ignores case as HTTP does, accepts a
    host without a port under `name:*`, tells what to set, and keeps header values out of the log.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], origins: Collection[str]) -> None:
        self.app = app
        self.hosts = hosts
        self.origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse with 421 (Host) or 403 (Origin), or pass the request on."""
        headers = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1")
        origin = headers.get(b"origin", b"").decode("latin-1")
        if not is_host_allowed(host, self.hosts):
            await refuse(scope, send, _foreign_host(host))
        elif origin and not is_origin_allowed(origin, self.origins):
            await refuse(scope, send, _foreign_origin(origin))
        else:
            await self.app(scope, receive, send)


def _foreign_host(host: str) -> Refusal:
    shown = host.lower() if _HOST.fullmatch(host.lower()) else "kaiming.example.org"
    return Refusal(
        421,
        "host",
        f"This server does not answer to this Host header. Whoever runs it can allow it: --allowed-host {shown} "
        f"or KAIMING_ALLOWED_HOSTS={shown} (name:* for any port).",
    )


def _foreign_origin(origin: str) -> Refusal:
    found = _ORIGIN.fullmatch(origin.lower())
    shown = found[0] if found and _HOST.fullmatch(found["host"]) else "https://app.example.org"
    return Refusal(
        403,
        "origin",
        f"This server does not answer web pages of this Origin. Whoever runs it can allow them: "
        f"--allowed-origin {shown} or KAIMING_ALLOWED_ORIGINS={shown}; --cors-origin, for pages that read the answers.",
    )
