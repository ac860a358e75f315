"""A load of requests of both protocol eras, each of which can be told from every other by its answer."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Fate = Literal["answered", "cut", "lost", "wrong"]
MODERN = "2026-07-28"
DEADLINE = 120
PAGES = {
    "residual-learning": "Residual Learning",
    "simplicity-in-complexity": "Simplicity in Complexity",
    "ai-as-a-common-language": "AI as a Common Language",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one request.

    `cut`: the answer had begun, so no balancer may send the request again. `lost`: any other failure. `wrong`: an
    answer that belongs to another request, or is an error.
    """

    number: int
    kind: str
    era: str
    fate: Fate
    seconds: float
    detail: str = ""


@dataclass(frozen=True)
class Request:
    """A tool call and the text that only its own answer has."""

    number: int
    tool: str
    arguments: dict[str, Any]
    proof: str
    era: str

    def body(self) -> bytes:
        """As JSON-RPC."""
        params: dict[str, Any] = {"name": self.tool, "arguments": self.arguments}
        if self.era == "modern":
            about = {
                "protocolVersion": MODERN,
                "clientCapabilities": {},
                "clientInfo": {"name": "load", "version": "0"},
            }
            params["_meta"] = {f"io.modelcontextprotocol/{name}": value for name, value in about.items()}
        call = {"jsonrpc": "2.0", "id": self.number, "method": "tools/call", "params": params}
        return json.dumps(call).encode()

    def headers(self) -> dict[str, str]:
        """As a client of its era sends them."""
        common = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        if self.era == "legacy":
            return {**common, "MCP-Protocol-Version": "2025-06-18"}
        return {**common, "MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": self.tool}


def request(number: int) -> Request:
    """The number decides what is asked: light and heavier tools, and eras, in turn."""
    era = ("modern", "legacy")[number % 2]
    match number // 2 % 4:
        case 0:
            arguments: dict[str, Any] = {"architecture": f"repeat 100 {{ linear {number} {number} ; relu }}"}
            return Request(number, "critique_architecture", arguments, f"linear {number} {number} ; relu", era)
        case 1:
            arguments = {"architecture": f"repeat 30 {{ linear {number} {number} ; tanh }}", "initialization": "xavier"}
            return Request(number, "trace_signal", arguments, f"linear {number} {number} ; tanh", era)
        case 2:
            arguments = {"activation": "relu", "fan_in": number, "fan_out": 64}
            return Request(number, "derive_initialization", arguments, f'"fan_in": {number},', era)
        case _:
            page, heading = list(PAGES.items())[number // 8 % len(PAGES)]
            return Request(number, "read_principle", {"id": page}, heading, era)


class Load:
    """Clients in threads that ask one request after the other until they are told to stop."""

    def __init__(self, port: int, clients: int) -> None:
        self.port = port
        self.outcomes: list[Outcome] = []
        self._numbers = itertools.count(16)
        self._news = threading.Condition()
        self._stopping = False
        self._threads = [threading.Thread(target=self._ask_on, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        for thread in self._threads:
            thread.join()

    def wait_for(self, more: int, holds: Callable[[], bool] = lambda: True) -> None:
        """Return after so many more requests, when the condition holds."""
        begun = len(self.outcomes)
        with self._news:
            done = self._news.wait_for(lambda: len(self.outcomes) >= begun + more and holds(), DEADLINE)
        assert done, f"{len(self.outcomes) - begun} more requests within {DEADLINE} s, and not what was waited for"

    def _ask_on(self) -> None:
        while not self._stopping:
            outcome = ask(self.port, request(next(self._numbers)))
            with self._news:
                self.outcomes.append(outcome)
                self._news.notify_all()


def ask(port: int, asked: Request, **headers: str) -> Outcome:
    """Send one request once, on a connection of its own, with more headers where there are any."""
    begun = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    fate: Fate = "lost"
    try:
        connection.request("POST", "/mcp", asked.body(), {**asked.headers(), **headers})
        answer = connection.getresponse()
        detail = f"status {answer.status}"
        if answer.status == 200:
            fate = "cut"
            fate, detail = _judged(asked, answer.read().decode())
    except (OSError, http.client.HTTPException, ValueError) as error:
        detail = repr(error)
    finally:
        connection.close()
    return Outcome(asked.number, asked.tool, asked.era, fate, time.perf_counter() - begun, detail)


def _judged(asked: Request, text: str) -> tuple[Fate, str]:
    events = [line.removeprefix("data:") for line in text.splitlines() if line.startswith("data:")]
    if not text.startswith("{") and not any(event.strip() for event in events):
        return "cut", "a stream without its event"
    message = json.loads(text if text.startswith("{") else events[-1])
    result = message.get("result", {})
    if message.get("id") != asked.number or "content" not in result or result.get("isError"):
        return "wrong", str(message)[:300]
    told = result["content"][0]["text"]
    return ("answered", "") if asked.proof in told else ("wrong", told[:300])
