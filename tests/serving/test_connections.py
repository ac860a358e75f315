"""Connections: none may wait for ever, whichever side is slow, and there are only so many."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Iterator

import httpx2
import pytest
from team_server import INITIALIZE, Running, call, headers_of, running

from kaiming_mcp.serving.http import _listen  # pyright: ignore[reportPrivateUsage] - what asyncio makes of its sockets
from kaiming_mcp.serving.settings import Settings

HEAD = "POST /mcp HTTP/1.1\r\nHost: localhost\r\n"
_BODY = json.dumps(INITIALIZE)
_REQUEST = (
    HEAD
    + "".join(f"{k}: {v}\r\n" for k, v in headers_of(INITIALIZE, "legacy").items())
    + f"Content-Length: {len(_BODY)}\r\n\r\n{_BODY}"
)


@pytest.fixture(scope="module")
def impatient() -> Iterator[Running]:
    with running(
        "--receive-timeout", "0.3", "--max-body-bytes", "1000", "--rate-limit", "0", "--keep-alive", "1"
    ) as server:
        yield server


def _closed(connection: socket.socket, within: float = 10) -> bytes:
    """What comes until the server closes the connection."""
    connection.settimeout(within)
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            received += part
    return received


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("", b""),
        ("POST /mcp HT", b""),
        (HEAD + "Content-Type: applic", b""),
        (HEAD + "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{", b"408"),
        (HEAD + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12", b"408"),
    ],
)
def test_a_request_that_does_not_go_on_is_ended(impatient: Running, sent: str, status: bytes) -> None:
    with socket.create_connection(impatient.address) as connection:
        connection.sendall(sent.encode())
        begun = time.perf_counter()
        received = _closed(connection)
        assert 0.2 < time.perf_counter() - begun < 5
    assert received[9:12] == status


def test_a_head_that_comes_byte_by_byte_is_ended(impatient: Running) -> None:
    with socket.create_connection(impatient.address) as connection:
        begun = time.perf_counter()
        connection.settimeout(0.02)
        ended = False
        while not ended and time.perf_counter() - begun < 10:
            try:
                connection.sendall(b"P")
                ended = connection.recv(100) == b""
            except TimeoutError:
                continue
            except ConnectionError:
                ended = True
        assert ended
        assert time.perf_counter() - begun > 0.2


@pytest.mark.parametrize("together", [True, False])
def test_a_second_request_that_does_not_go_on_is_ended_too(impatient: Running, together: bool) -> None:
    with socket.create_connection(impatient.address) as connection:
        connection.sendall((_REQUEST + (HEAD if together else "")).encode())
        _answered(connection)
        connection.sendall(b"POST /mcp" if not together else b"")
        begun = time.perf_counter()
        assert _closed(connection) == b""
        assert time.perf_counter() - begun < 5


def _answered(connection: socket.socket) -> None:
    """Take one answer in, which is a stream of one event."""
    assert connection.recv(12) == b"HTTP/1.1 200"
    received = b""
    while not received.endswith(b"\r\n0\r\n\r\n"):
        received += connection.recv(65_536)


def test_an_idle_connection_stays_for_its_time(impatient: Running) -> None:
    with socket.create_connection(impatient.address) as connection:
        for _ in range(2):
            connection.sendall(_REQUEST.encode())
            _answered(connection)
        begun = time.perf_counter()
        assert _closed(connection) == b""
        assert time.perf_counter() - begun > 0.8


def test_a_body_that_is_too_large_is_answered_while_it_still_comes(impatient: Running) -> None:
    with httpx2.Client() as client:
        for _ in range(2):
            answer = client.post(impatient.url, content=b"x" * 3_000_000, headers=headers_of(INITIALIZE, "legacy"))
            assert (answer.status_code, answer.json()["error"]["data"]["reason"]) == (413, "size")


def test_who_sends_on_after_the_refusal_is_ended(impatient: Running) -> None:
    with socket.create_connection(impatient.address) as connection:
        connection.sendall((HEAD + "Content-Length: 1000000000000\r\n\r\n").encode())
        assert connection.recv(12) == b"HTTP/1.1 413"
        begun, ended = time.perf_counter(), False
        while not ended and time.perf_counter() - begun < 10:
            try:
                connection.sendall(b"x" * 1000)
            except ConnectionError:
                ended = True
        assert ended


def test_who_does_not_take_the_answer_is_ended(impatient: Running) -> None:
    """The reader fills both ends' buffers and then stalls; the server must not keep the answer for ever."""
    message = json.dumps({**call("x", {}), "method": "tools/list"})
    fields = "".join(f"{k}: {v}\r\n" for k, v in headers_of({"method": "tools/list"}).items())
    request = f"{HEAD}{fields}Content-Length: {len(message)}\r\n\r\n{message}".encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(impatient.address)
        connection.settimeout(0.5)
        begun, ended = time.perf_counter(), False
        while not ended and time.perf_counter() - begun < 20:
            try:
                connection.sendall(request)
            except TimeoutError:
                continue
            except ConnectionError:
                ended = True
        assert ended


@pytest.mark.parametrize(
    "head",
    [
        "X: " + "x" * 20_000 + "\r\n",
        "".join(f"X-{i}: {'x' * 100}\r\n" for i in range(1000)),
        "no header\r\n",
        "A: \x00\r\n",
    ],
)
def test_a_head_that_is_too_large_or_none_is_refused(impatient: Running, head: str) -> None:
    with socket.create_connection(impatient.address) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall((HEAD + head + "\r\n").encode())
        received = _closed(connection)
    assert received[9:12] in (b"400", b"431", b"")
    assert httpx2.get(f"{impatient.root}/healthz").status_code == 200


async def test_small_answers_do_not_wait_for_the_acknowledgement_of_their_head() -> None:
    """Nagle's algorithm, which a listening socket without its protocol leaves on, costs 40 ms a call."""
    (listening,) = _listen(Settings(port=0))
    found: list[int] = []

    def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.append(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async with await asyncio.start_server(accepted, sock=listening):
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        assert await reader.read() == b""
        writer.close()
    assert found == [1]


def test_a_websocket_is_not_spoken(impatient: Running) -> None:
    head = "GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with socket.create_connection(impatient.address) as connection:
        connection.sendall(head.encode())
        assert connection.recv(12) != b"HTTP/1.1 101"


def test_there_are_only_so_many_connections() -> None:
    with running("--max-connections", "3") as server, contextlib.ExitStack() as stack:
        open_ones = [stack.enter_context(socket.create_connection(server.address)) for _ in range(80)]
        with httpx2.Client(base_url=server.root) as client:
            # Beyond the spare ones nobody is let in; those that were let in are told, and health is answered.
            with pytest.raises(httpx2.TransportError):
                client.get("/healthz")
            open_ones.pop(0).close()
            for connection in open_ones[60:]:
                connection.close()
            begun = time.perf_counter()
            answer = None
            while answer is None and time.perf_counter() - begun < 10:
                with contextlib.suppress(httpx2.TransportError):
                    answer = client.get("/healthz")
            assert answer is not None
            assert answer.status_code == 200
            busy = client.post("/mcp", json=INITIALIZE, headers=headers_of(INITIALIZE, "legacy"))
            assert (busy.status_code, busy.headers["connection"]) == (503, "close")
            assert busy.headers["retry-after"] == "1"


def test_the_address_of_a_client_is_its_own_unless_a_trusted_proxy_tells_it() -> None:
    forwarded = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
    for options, address in (((), "127.0.0.1"), (("--trusted-proxy", "127.0.0.0/8"), "203.0.113.9")):
        with running(*options) as server:
            answer = httpx2.post(server.url, json=INITIALIZE, headers={**headers_of(INITIALIZE, "legacy"), **forwarded})
            told = server.event(lambda told, answer=answer: told.get("request_id") == answer.headers["x-request-id"])
            assert told["address"] == address
