"""A team server to test: as a real process, or as an application in memory."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio
import httpx2
from starlette.types import ASGIApp, Message

from kaiming_mcp.serving.drain import Stops
from kaiming_mcp.serving.http import create_app
from kaiming_mcp.serving.settings import Settings
from kaiming_mcp.serving.tokens import TokenFile

COMMAND = [sys.executable, "-m", "kaiming_mcp", "serve", "--http", "--port", "0"]
HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
MODERN = {**HEADERS, "MCP-Protocol-Version": "2026-07-28"}
_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
}
INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}},
}


def call(tool: str, arguments: Mapping[str, Any], number: Any = 1) -> dict[str, Any]:
    """A call of a tool; it can be sent in either era."""
    params = {"name": tool, "arguments": arguments, "_meta": _META}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def headers_of(message: Mapping[str, Any], era: str = "modern") -> dict[str, str]:
    """The headers that go with a message."""
    if era == "legacy":
        return HEADERS
    params = message.get("params")
    named = {"Mcp-Name": params["name"]} if isinstance(params, dict) and "name" in params else {}
    return {**MODERN, "Mcp-Method": message.get("method", ""), **named}


class Running:
    """A server in a process of its own; its log line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._new: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            self._new.put(line)
        self._new.put(None)

    def event(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The next line of the log for which something holds."""
        while (line := self._new.get(timeout=30)) is not None:
            told = json.loads(line)
            if holds(told):
                return told
        raise AssertionError(f"the server ended: {self.lines}")

    @property
    def url(self) -> str:
        found: list[str] = [json.loads(line)["url"] for line in self.lines if '"listening"' in line]
        return found[0]

    @property
    def root(self) -> str:
        return self.url.removesuffix("/mcp")

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.root.removeprefix("http://").rpartition(":")
        return host, int(port)

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)
        self._reader.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextlib.contextmanager
def running(*options: str, command: Sequence[str] = COMMAND, **variables: str) -> Iterator[Running]:
    """A server that listens; it is killed in the end."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("KAIMING_", "OTEL_"))}
    process = subprocess.Popen(
        [*command, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # Worker processes have their own tests: elsewhere they would only take time.
        env=environment | {"KAIMING_WORKERS": "0"} | variables,
    )
    server = Running(process)
    try:
        server.event(lambda told: told["event"] == "listening")
        yield server
    finally:
        server.end()


def terminate(server: Running) -> None:
    server.process.send_signal(signal.SIGTERM)


@contextlib.asynccontextmanager
async def alive(app: ASGIApp) -> AsyncIterator[None]:
    """An application between its start and its end, as uvicorn takes it through them."""
    to_app: list[Message] = [{"type": "lifespan.startup"}]
    started, ending, ended = anyio.Event(), anyio.Event(), anyio.Event()

    async def receive() -> Message:
        if to_app:
            return to_app.pop()
        await ending.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: Message) -> None:
        assert message["type"] in ("lifespan.startup.complete", "lifespan.shutdown.complete"), message
        (started if message["type"] == "lifespan.startup.complete" else ended).set()

    async def run() -> None:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await started.wait()
        try:
            yield
        finally:
            ending.set()
            with anyio.CancelScope(shield=True):
                await ended.wait()


@contextlib.asynccontextmanager
async def in_memory(
    settings: Settings | None = None,
    tokens: TokenFile | None = None,
    stops: Stops | None = None,
    address: str = "127.0.0.1",
    **more: Any,
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an application without a socket; errors of the application are its own to answer."""
    # Worker processes have their own tests (test_workers.py); here they would only take time.
    app = create_app(replace(settings or Settings(), workers=0), (), tokens, stops, **more)
    async with alive(app):
        transport = httpx2.ASGITransport(app=app, client=(address, 50_000), raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as client:
            yield client
