"""Servers to measure, and clients that cost little: this server beside empty ones, over stdio and HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

SDK = """
from mcp.server import MCPServer
server = MCPServer("empty", version="0")
@server.tool()
def echo(text: str = "") -> str:
    "Says it again."
    return text
"""
FASTMCP = """
from fastmcp import FastMCP
server = FastMCP("empty", version="0")
@server.tool
def echo(text: str = "") -> str:
    "Says it again."
    return text
"""
ON_STDIO = {
    "kaiming-mcp": [sys.executable, "-m", "kaiming_mcp"],
    "empty SDK server": [sys.executable, "-c", SDK + "server.run('stdio')"],
    "empty fastmcp server": [sys.executable, "-c", FASTMCP + "server.run(show_banner=False)"],
}
LIGHT = {"kaiming-mcp": ("read_principle", {"id": "residual-learning", "section": "Claim"})}
ECHO = ("echo", {"text": "x" * 400})
"""As long as the section that `read_principle` gives."""
INITIALIZE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "0"}}
MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "0"},
}
LONGEST_LINE = 64 * 1024 * 1024


def on_http(name: str, port: int, *options: str) -> list[str]:
    """The command that serves over HTTP."""
    if name == "kaiming-mcp":
        open_to_all = ["--rate-limit", "0", "--max-in-flight", "1000", "--max-queued", "1000"]
        return [sys.executable, "-m", "kaiming_mcp", "serve", "--http", "--port", str(port), *open_to_all, *options]
    run = f"server.run('streamable-http', port={port}, stateless_http=True)"
    return [sys.executable, "-c", SDK + run]


def light(name: str) -> tuple[str, dict[str, Any]]:
    """A call that costs the server nearly nothing."""
    return LIGHT.get(name, ECHO)


@dataclass
class Stdio:
    """A server's process and the futures of the requests in flight."""

    process: asyncio.subprocess.Process
    waiting: dict[int, asyncio.Future[dict[str, Any]]] = field(default_factory=dict[int, Any])
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def pid(self) -> int:
        """Of the server."""
        return self.process.pid

    async def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        assert self.process.stdin is not None
        number = next(self.numbers)
        self.waiting[number] = asyncio.get_running_loop().create_future()
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        await self.process.stdin.drain()
        return await self.waiting[number]

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result of a tool."""
        return await self.request("tools/call", {"name": tool, "arguments": arguments})

    async def read(self) -> None:
        """Hand out answers until the output ends."""
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            answer = json.loads(line)
            future = self.waiting.pop(answer.get("id", 0), None)
            if future is not None and not future.done():
                future.set_result(answer)


@contextlib.asynccontextmanager
async def stdio(name: str) -> AsyncIterator[Stdio]:
    """A server on stdio, initialised."""
    process = await asyncio.create_subprocess_exec(
        *ON_STDIO[name],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=LONGEST_LINE,
    )
    server = Stdio(process)
    reading = asyncio.create_task(server.read())
    try:
        await server.request("initialize", INITIALIZE)
        yield server
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await reading


@dataclass
class Http:
    """A server's process and a client with connections that stay open."""

    process: asyncio.subprocess.Process
    client: httpx2.AsyncClient
    url: str

    @property
    def pid(self) -> int:
        """Of the server."""
        return self.process.pid

    async def call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result of a tool, by the protocol of 2026."""
        params = {"name": tool, "arguments": arguments, "_meta": MODERN}
        answer = await self.client.post(
            self.url,
            json={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params},
            headers={
                "Accept": "application/json, text/event-stream",
                "Mcp-Protocol-Version": "2026-07-28",
                "Mcp-Method": "tools/call",
                "Mcp-Name": tool,
            },
        )
        return answer.raise_for_status().json()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def http(name: str, *options: str) -> AsyncIterator[Http]:
    """A server over HTTP that answers."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *on_http(name, port, *options), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    limits = httpx2.Limits(max_connections=300, max_keepalive_connections=300)
    try:
        async with httpx2.AsyncClient(timeout=120, limits=limits) as client:
            server = Http(process, client, f"http://127.0.0.1:{port}/mcp")
            deadline = time.monotonic() + 60
            while True:
                try:
                    await server.call(*light(name))
                    break
                except (httpx2.TransportError, httpx2.HTTPStatusError):
                    if time.monotonic() > deadline:
                        raise
                    await asyncio.sleep(0.05)
            yield server
    finally:
        process.terminate()
        await process.wait()


def memory(pid: int) -> float:
    """Resident memory of a process and its children in MB (Linux)."""
    pids, total = [pid], 0
    while pids:
        with contextlib.suppress(OSError):
            place = Path(f"/proc/{pids.pop()}")
            told = (place / "status").read_text(encoding="utf-8").splitlines()
            total += next(int(line.split()[1]) for line in told if line.startswith("VmRSS"))
            for task in (place / "task").iterdir():
                pids += [int(child) for child in (task / "children").read_text(encoding="utf-8").split()]
    return total / 1024


def quantile(times: list[float], part: float) -> float:
    """The value below which that part lies, in milliseconds."""
    return 1e3 * sorted(times)[min(len(times) - 1, int(part * len(times)))]
