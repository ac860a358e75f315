"""How much one client, and all together, may ask for: arithmetic without clocks or sockets."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from ipaddress import IPv6Address, IPv6Network, ip_address

import anyio

from kaiming_mcp.serving.refusals import Refusal, Refused

_MOST_CLIENTS = 10_000
_ROUNDING = 1e-6
_BODIES_HELD = 16
"""Bodies of the largest size that may be held at once, however many requests there are."""


class RateLimiter:
    """A token bucket for each client: `burst` requests at once, then `rate` a second.

    A bucket is one number, the time at which it is full again. In any time t, no client passes more than
    burst + rate * t requests. Where more clients come at once than are remembered, the new ones share a bucket.
    """

    def __init__(self, rate: float, burst: int, most_clients: int = _MOST_CLIENTS) -> None:
        self.interval = 1 / rate
        self.burst = burst
        self.most_clients = most_clients
        self._full_at: dict[str | None, float] = {}
        self._swept_at = float("-inf")

    def wait(self, client: str, now: float) -> float:
        """Count a request at a time, in seconds of any steady clock: 0 if it may pass, else seconds to wait."""
        key = client if client in self._full_at or self._has_room(now) else None
        full_at = max(self._full_at.get(key, now), now) + self.interval
        excess = full_at - now - self.burst * self.interval
        if excess > _ROUNDING * self.interval:
            return excess
        self._full_at[key] = full_at
        return 0.0

    def __len__(self) -> int:
        return len(self._full_at)

    def _has_room(self, now: float) -> bool:
        if len(self._full_at) < self.most_clients:
            return True
        # One sweep in the time that refills a bucket: a flood of addresses must not buy one for each.
        if now - self._swept_at >= self.burst * self.interval:
            self._swept_at = now
            self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        return len(self._full_at) < self.most_clients


def network_of(address: str) -> str:
    """What counts as one client among addresses: an IPv6 host has a whole /64 to choose from."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or IPv6Network((found, 64), strict=False))
    return address


class Gate:
    """At most `in_flight` requests have a turn, `queued` more wait for one, and their bodies fit a bounded room."""

    def __init__(self, in_flight: int, queued: int, max_body_bytes: int) -> None:
        self.turns = anyio.Semaphore(in_flight)
        self.most_inside = in_flight + queued
        self.most_bytes = _BODIES_HELD * max_body_bytes
        self._inside = 0
        self._bytes = 0

    @contextmanager
    def place(self) -> Generator[Callable[[int], None]]:
        """A place inside; what is yielded is called with the bytes that the request holds, part by part.

        Raises:
            Refused: all places, or all room for bodies, are taken.
        """
        if self._inside >= self.most_inside:
            raise Refused(BUSY)
        held = 0

        def hold(count: int) -> None:
            nonlocal held
            if self._bytes + count > self.most_bytes:
                raise Refused(BUSY)
            self._bytes += count
            held += count

        self._inside += 1
        try:
            yield hold
        finally:
            self._inside -= 1
            self._bytes -= held


BUSY = Refusal(
    503, "busy", "The server has too much to do at once. Nothing was done; try again in a second.", retry_after=1
)
