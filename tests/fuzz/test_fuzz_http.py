"""Thousands of random requests over HTTP: the same as over stdio, and headers and bodies that lie.

`FUZZ_SEED=7 FUZZ_COUNT=100000 pytest tests/fuzz` draws others and more.
"""

from __future__ import annotations

import errno
import http.client
import json
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fuzz_checks import leak, told
from fuzz_http import Exchange, Exchanges
from fuzz_root import make_root
from served import DEADLINE, Served, memory_of, request, until

SEED = int(os.environ.get("FUZZ_SEED", "1"))
COUNT = int(os.environ.get("FUZZ_COUNT", "10000"))
CLIENTS = 4
GROWTH = 80
"""Megabytes of all processes together, from a third of the requests to all of them."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Served, int]]:
    options = ("--port", "0", "--rate-limit", "0", "--receive-timeout", "3", "--root", str(make_root(tmp_path)))
    with Served("serve", "--http", *options) as served:
        assert until(lambda: b"listening" in served.errors)
        (line,) = (row for row in served.errors.splitlines() if b"listening" in row)
        yield served, int(json.loads(line)["url"].rpartition(":")[2].partition("/")[0])


class Client:
    """One connection after the other, and what was found on them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection = self._new()
        self.faults: list[str] = []
        self.seen: Counter[int] = Counter()
        self.slowest = 0.0

    def send(self, exchange: Exchange) -> None:
        begun = time.perf_counter()
        try:
            status, said = self._break(exchange.broken) if exchange.broken else self._ask(exchange)
        except TimeoutError:
            self.faults.append(f"no answer within {DEADLINE} s: {exchange}"[:4000])
            self._connection.close()
            return
        self.slowest = max(self.slowest, time.perf_counter() - begun)
        self.seen[status] += 1
        sent = exchange.broken or exchange.body + json.dumps(exchange.headers).encode()
        if status >= 500 and status != 503:
            self.faults.append(f"status {status}: {said[:500]!r} to {exchange}"[:4000])
        if found := leak(said.decode("utf-8", "replace"), sent):
            self.faults.append(f"a leak: {found!r} in answer to {exchange}"[:4000])

    def close(self) -> None:
        self._connection.close()

    def _new(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=DEADLINE)

    def _ask(self, exchange: Exchange) -> tuple[int, bytes]:
        for is_last_try in (False, True):
            try:
                self._connection.request(exchange.verb, exchange.path, exchange.body, exchange.headers)
                answer = self._connection.getresponse()
                if exchange.verb == "GET" and "event-stream" in (answer.getheader("Content-Type") or ""):
                    # A stream for what the server may say by itself: it has no end.
                    self._connection.close()
                    return answer.status, b""
                return answer.status, answer.read()
            except (http.client.HTTPException, ConnectionError):
                # The server closes connections after some refusals; that is seen with the next request.
                self._connection.close()
                if is_last_try:
                    return 0, b""
        raise AssertionError

    def _break(self, wire: bytes) -> tuple[int, bytes]:
        with socket.create_connection(("127.0.0.1", self._port), timeout=DEADLINE) as connection:
            said = b""
            try:
                connection.sendall(wire)
                connection.shutdown(socket.SHUT_WR)
                while data := connection.recv(65536):
                    said += data
            except OSError as error:
                # The server had closed it already: what it said is read, or lost with it.
                if not isinstance(error, ConnectionError) and error.errno != errno.ENOTCONN:
                    raise
        status = said[9:12]
        return int(status) if status.isdigit() else 0, said


def test_random_requests_over_http(server: tuple[Served, int]) -> None:
    served, port = server
    exchanges, lock = Exchanges(SEED), threading.Lock()
    numbers = iter(range(COUNT))
    clients = [Client(port) for _ in range(CLIENTS)]
    memory: list[float] = []

    def work(client: Client) -> None:
        while sum(len(c.faults) for c in clients) < 50:
            with lock:
                number = next(numbers, None)
                if number is None:
                    return
                exchange = exchanges.next(number)
                if number == COUNT // 3 and Path("/proc/self").is_dir():
                    memory.append(memory_of(served.alive()))
            client.send(exchange)

    with ThreadPoolExecutor(CLIENTS) as threads:
        # `list` raises what a thread has raised.
        list(threads.map(work, clients))
    body = json.dumps(request(1, "tools/list")).encode()
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    good = Client(port)
    good.send(Exchange("POST", "/mcp", headers, body))
    assert good.seen == {200: 1}
    for client in (*clients, good):
        client.close()
    faults = [fault for client in (*clients, good) for fault in client.faults]
    assert not faults, told(faults)
    assert b"Traceback" not in served.errors, served.errors[-5000:].decode(errors="replace")
    if memory:
        memory.append(memory_of(served.alive()))
        assert memory[1] - memory[0] < GROWTH
    seen = sum((client.seen for client in clients), Counter[int]())
    print(f"{COUNT} requests, slowest {max(c.slowest for c in clients):.1f} s, {dict(seen)}, {memory} MB")  # noqa: T201
