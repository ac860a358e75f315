"""The server as a process on pipes, and a client that may behave as badly as a test likes."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

COMMAND = [sys.executable, "-m", "kaiming_mcp"]
MARK = "KAIMING_MCP_TEST"
"""An environment variable that tells the processes of one test from all others."""
DEADLINE = 60.0
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": "initialize",
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "0"},
}
HEAVY = "repeat 4000 { residual { linear 64 64 } ; relu }"
"""A network that takes seconds."""


def request(id: int | str, method: str, /, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": params}


def call(id: int | str, tool: str, /, **arguments: Any) -> dict[str, Any]:
    return request(id, "tools/call", name=tool, arguments=arguments)


def cancel(id: int | str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}


def line(message: Mapping[str, Any] | bytes) -> bytes:
    return (message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n"


class Served:
    """A server process. Every line on its stdout must be JSON-RPC, and it is killed in all cases."""

    def __init__(self, *arguments: str, command: list[str] = COMMAND, environment: Mapping[str, str] | None = None):
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {}), MARK: self.mark},
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.stdin, self._stdout, self._stderr = self.process.stdin, self.process.stdout, self.process.stderr
        self.faults: list[str] = []
        self.torn = b""
        self.torn_is_fine = False
        self.messages: list[dict[str, Any]] = []
        self.errors = bytearray()
        self._answers: dict[int | str | None, dict[str, Any]] = {}
        self._news = threading.Condition()
        self._reading, self.errors_are_read = threading.Event(), threading.Event()
        self._reading.set()
        self.errors_are_read.set()
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._read_out, self._read_errors)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        ended = self.process.poll() is not None
        self.process.kill()
        for pid in self.alive():
            _kill(pid)
        self.process.wait()
        self._reading.set()
        self.errors_are_read.set()
        for thread in self._threads:
            thread.join(DEADLINE)
        for stream in (self.stdin, self._stdout, self._stderr):
            stream.close()
        if kind is None:
            assert not self.faults, self.faults[:3]
            assert not (self.torn and ended) or self.torn_is_fine, f"the last line was cut short: {self.torn[:100]!r}"

    def initialize(self) -> Self:
        self.send(INITIALIZE)
        assert "result" in self.answer("initialize")
        self.send(INITIALIZED)
        return self

    def send(self, *messages: Mapping[str, Any] | bytes) -> None:
        """Write messages, which the server has to read in time."""
        data = b"".join(map(line, messages))
        assert self.pour(data, DEADLINE) == len(data), f"nothing was read for {DEADLINE} s"

    def pour(self, data: bytes, patience: float) -> int:
        """Write until all is written or the server has read nothing for that many seconds; the bytes written."""
        fd, written = self.stdin.fileno(), 0
        os.set_blocking(fd, False)
        try:
            while written < len(data) and select.select([], [fd], [], patience)[1]:
                with suppress(BlockingIOError):
                    written += os.write(fd, data[written : written + 65536])
        finally:
            os.set_blocking(fd, True)
        return written

    def answer(self, id: int | str | None, within: float = DEADLINE) -> dict[str, Any]:
        """The answer to the request of that id; waits for it."""
        with self._news:
            found = self._news.wait_for(lambda: id in self._answers or self._ended(), within)
            assert found, f"no answer to {id!r} within {within} s; stderr: {self.errors[-2000:]!r}"
            assert id in self._answers, f"the server ended with {self.process.poll()}; stderr: {self.errors[-2000:]!r}"
            return self._answers[id]

    def answers(self, ids: Iterable[int | str], within: float) -> set[int | str]:
        """Those of the requests that are answered, when all are or the time is over or the process has ended."""
        asked = set(ids)
        with self._news:
            self._news.wait_for(lambda: asked <= self._answers.keys() or self._ended(), within)
            return {id for id in asked if id in self._answers}

    def collect(self) -> list[dict[str, Any]]:
        """What the server has said since the last time; forgotten here."""
        with self._news:
            found, self.messages = self.messages, []
            self._answers.clear()
            return found

    def wait_for(self, true: Callable[[], bool], within: float = DEADLINE) -> None:
        """Wait until a condition on what the server has said comes true."""
        with self._news:
            assert self._news.wait_for(true, within), f"stderr: {self.errors[-2000:]!r}"

    def stop_reading(self) -> None:
        """Be a client that reads no more (what was read ahead of this call excepted)."""
        self._reading.clear()

    def go_on_reading(self) -> None:
        self._reading.set()

    def close_output(self) -> None:
        """Be a client that has gone, as far as writing to it goes."""
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, self._stdout.fileno())
        os.close(nothing)
        # A read that waits keeps the pipe open: let it have something to return with.
        self.send(request("the last that is read", "ping"))
        self._threads[0].join(DEADLINE)

    def finish(self, within: float = 5.0) -> float:
        """Wait for the end; the seconds that it took."""
        begun = time.perf_counter()
        self.process.wait(within)
        return time.perf_counter() - begun

    def memory(self, what: str = "VmRSS") -> float:
        """Megabytes that the process holds, or its most so far (`VmHWM`)."""
        return memory_of([self.process.pid], what)

    def alive(self) -> list[int]:
        """Processes that came of this server and still run (Linux; elsewhere none is found)."""
        return marked(self.mark)

    def _ended(self) -> bool:
        return not self._threads[0].is_alive()

    def _read_out(self) -> None:
        with open(self._stdout.fileno(), "rb", closefd=False) as stream:
            for row in stream:
                self._reading.wait()
                self._hear(row)
        with self._news:
            self._news.notify_all()

    def _hear(self, row: bytes) -> None:
        if not row.endswith(b"\n"):
            self.torn = row
            return
        try:
            message = json.loads(row)
            assert message["jsonrpc"] == "2.0"
        except (ValueError, KeyError, TypeError, AssertionError):
            self.faults.append(f"not JSON-RPC on stdout: {row[:200]!r}")
            return
        with self._news:
            self.messages.append(message)
            if "method" not in message:
                self._answers[message.get("id")] = message
            self._news.notify_all()

    def _read_errors(self) -> None:
        while data := self._stderr.read(65536):
            self.errors += data
            self.errors_are_read.wait()


def memory_of(processes: Iterable[int], what: str = "VmRSS") -> float:
    """Megabytes that the processes hold together."""
    rows: list[str] = []
    for pid in processes:
        # A worker may have ended meanwhile.
        with suppress(FileNotFoundError, ProcessLookupError):
            rows += Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return sum(int(row.split()[1]) for row in rows if row.startswith(what)) / 1024


def marked(mark: str) -> list[int]:
    """Running processes with that mark in their environment."""
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"{MARK}={mark}".encode() in (entry / "environ").read_bytes()
            # A zombie has ended: somebody else has to collect it.
            if ours and "State:\tZ" not in (entry / "status").read_text("utf-8"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def until(true: Callable[[], bool], within: float = DEADLINE) -> bool:
    """Whether a condition comes true in time."""
    end = time.monotonic() + within
    while not true():
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.01)
    return True
