"""Random HTTP around random messages: headers that lie, bodies cut short, and what is no HTTP at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from fuzz_requests import Requests
from fuzz_values import STRANGE, mutated_bytes

ODD_SHARE, BROKEN_SHARE = 0.15, 0.03
HEADERS = {
    "Content-Type": (
        "application/json",
        "application/json; charset=utf-16",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/" + "x" * 500,
        "",
    ),
    "Accept": (
        "application/json, text/event-stream",
        "application/json",
        "text/event-stream",
        "*/*",
        "text/html",
        "",
        ";q=,",
    ),
    "Host": ("127.0.0.1", "evil.example", "localhost:1", "127.0.0.1:99999", "[::1", "", "a" * 300, "127.0.0.1@evil"),
    "Origin": ("http://localhost:3000", "https://evil.example", "null", "file://", ""),
    "Mcp-Method": ("tools/list", "tools/call", "TOOLS/CALL", "x" * 2000, "", "=?utf-8?b?eA==?="),
    "Mcp-Name": ("critique_architecture", "nobody", "kaiming://principles", "=?base64?eA==?=", ""),
    "Mcp-Protocol-Version": ("2026-07-28", "2025-06-18", "2024-11-05", "1999-01-01", "9" * 300, ""),
    "Mcp-Session-Id": ("", "x", "../../etc", "0" * 5000),
    "Last-Event-ID": ("0", "x" * 100),
    "Authorization": ("Bearer x", "Basic eDp4", "Bearer " + "a" * 4000, ""),
    "X-Forwarded-For": ("1.2.3.4", "not an address", "::1, " * 50),
    "Content-Encoding": ("gzip", "br"),
    "Expect": ("100-continue",),
}
PATHS = (
    "/",
    "/mcp/",
    "//mcp",
    "/mcp?x=%ff&y",
    "/mcp%00",
    "/../mcp",
    "/healthz",
    "/readyz",
    "/metrics",
    "/.env",
    "/%2e%2e/x",
)
VERBS = ("GET", "DELETE", "PUT", "OPTIONS", "HEAD", "PATCH", "TRACE", "BREW")


@dataclass(frozen=True)
class Exchange:
    """An HTTP request; where it is `broken`, its bytes as they go over the wire, cut short by the end of writing."""

    verb: str
    path: str
    headers: dict[str, str]
    body: bytes
    broken: bytes = b""


class Exchanges:
    """Draws HTTP requests, all of them the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.draw = Random(seed)
        self._messages = {modern: Requests(seed + modern, modern) for modern in (False, True)}

    def next(self, id: int) -> Exchange:
        """The next request: an honest one around a random message, or an odd or a broken one."""
        draw = self.draw
        modern = draw.random() < 0.5
        body = self._messages[modern].next(id).body
        verb, path, headers = "POST", "/mcp", _honest(body, modern)
        if draw.random() < ODD_SHARE:
            for name in draw.sample(list(HEADERS), draw.randint(1, 3)):
                headers[name] = draw.choice(HEADERS[name])
                if draw.random() < 0.3:
                    del headers[name]
            verb = draw.choice(VERBS) if draw.random() < 0.2 else verb
            body = body if verb == "POST" else b""
            path = draw.choice(PATHS) if draw.random() < 0.2 else path
        if draw.random() < BROKEN_SHARE:
            return Exchange(verb, path, headers, body, self._broken(headers, body))
        return Exchange(verb, path, headers, body)

    def _broken(self, headers: dict[str, str], body: bytes) -> bytes:
        draw = self.draw
        length = draw.choice((len(body) + 50, len(body) * 2 + 1, 10**12, -1, "x", f"{len(body)}, 3", ""))
        lines = [
            "POST /mcp HTTP/1.1",
            *(f"{name}: {value}" for name, value in {"Host": "127.0.0.1", **headers}.items()),
            f"Content-Length: {length}",
        ]
        match draw.randrange(6):
            case 0:
                lines.append("X: " + "a" * 200_000)
            case 1:
                lines += ["Transfer-Encoding: chunked", "Content-Length: 5"]
                body = b"5\r\n" + body[:5] + b"\r\nffffffffffffffffff\r\n" + body
            case 2:
                lines += [f"X-{i}: 1" for i in range(2000)]
            case 3:
                lines.append(draw.choice(STRANGE)[:100])
            case _:
                pass
        wire = "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n\r\n" + body
        return mutated_bytes(draw, wire) if draw.random() < 0.3 else wire


def _honest(body: bytes, modern: bool) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    if not modern:
        return headers
    try:
        message: Any = json.loads(body)
        method, params = message["method"], message.get("params") or {}
        name = params.get("name") or params.get("uri")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return headers
    headers["Mcp-Protocol-Version"] = "2026-07-28"
    for key, value in (("Mcp-Method", method), ("Mcp-Name", name)):
        if isinstance(value, str) and value.isascii() and value.isprintable():
            headers[key] = value
    return headers
