"""Real processes over stdio and HTTP: both eras, clean stdout, quick exits."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

COMMAND = [sys.executable, "-m", "kaiming_mcp"]
EXAMPLE = Path(__file__).parents[2] / "examples" / "plain_mlp20.txt"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}},
}
posix = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.filterwarnings("default::ResourceWarning")
async def test_stdio_answers_a_real_client(mode: str) -> None:
    server = StdioServerParameters(command=COMMAND[0], args=COMMAND[1:])
    with anyio.fail_after(60):
        async with Client(server, mode=mode) as client:  # pyright: ignore[reportArgumentType] - a Literal
            result = await client.call_tool("critique_architecture", {"architecture": EXAMPLE.read_text("utf-8")})
            assert not result.is_error
            assert len((await client.list_resources()).resources) == 33


def _finish(process: subprocess.Popen[bytes], within: float) -> float:
    begun = time.perf_counter()
    process.wait(timeout=within)
    spent = time.perf_counter() - begun
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None and not stream.closed:
            stream.close()
    return spent


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def http_server() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = _free_port()
    command = [*COMMAND, "serve", "--http", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
    yield process, f"http://127.0.0.1:{port}/mcp"
    process.kill()
    _finish(process, 5)


@pytest.fixture
async def web(http_server: tuple[subprocess.Popen[bytes], str]) -> AsyncIterator[httpx2.AsyncClient]:
    del http_server
    async with httpx2.AsyncClient() as client:
        yield client


async def test_http_answers_a_real_client(http_server: tuple[subprocess.Popen[bytes], str], mode: str) -> None:
    with anyio.fail_after(60):
        async with Client(streamable_http_client(http_server[1]), mode=mode) as client:  # pyright: ignore[reportArgumentType] - a Literal
            result = await client.call_tool("critique_architecture", {"architecture": EXAMPLE.read_text("utf-8")})
            assert not result.is_error
            assert len((await client.list_prompts()).prompts) == 5


async def test_http_refuses_a_foreign_host_and_origin(
    http_server: tuple[subprocess.Popen[bytes], str], web: httpx2.AsyncClient
) -> None:
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    foreign = await web.post(http_server[1], json=INITIALIZE, headers={**headers, "Host": "evil.example"})
    assert foreign.status_code == 421
    origin = await web.post(http_server[1], json=INITIALIZE, headers={**headers, "Origin": "http://evil.example"})
    assert origin.status_code == 403
    assert (await web.post(http_server[1], json=INITIALIZE, headers=headers)).status_code == 200


@posix
def test_sigterm_ends_the_http_server_in_under_a_second(http_server: tuple[subprocess.Popen[bytes], str]) -> None:
    process, _ = http_server
    process.send_signal(signal.SIGTERM)
    begun = time.perf_counter()
    process.wait(timeout=5)
    assert time.perf_counter() - begun < 1
    assert process.returncode == 0


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, encoding="utf-8", timeout=60, check=False
    )


def test_listening_beyond_this_machine_needs_the_hosts_to_accept() -> None:
    done = _run("serve", "--http", "--host", "0.0.0.0")
    assert done.returncode != 0
    assert "--allowed-host" in done.stderr


@posix
def test_a_reader_that_has_seen_enough_ends_a_probe_quietly() -> None:
    process = subprocess.Popen([*COMMAND, "probe", "signal"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait(30) in (0, -signal.SIGPIPE)


def test_the_version_is_printed() -> None:
    assert re.fullmatch(r"kaiming-mcp \d+\.\d+\.\d+\n", _run("--version").stdout)


def test_try_prints_what_a_model_would_see() -> None:
    done = _run("try", "critique_architecture", f"architecture=@{EXAMPLE}")
    assert done.returncode == 0
    assert done.stdout.startswith("**Verdict.**")
    assert "does not fit relu" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("try", "critique_architecture", "architecture"), 2, "key=value"),
        (("try", "critique_architecture", "architecture=@/no/such/file"), 2, "no/such/file"),
        (("try", "critique", "a=b"), 1, "critique_architecture"),
        (("try", "critique_architecture", "architecture=conv 3"), 1, "conv needs"),
    ],
)
def test_a_wrong_try_says_what_is_wrong(arguments: tuple[str, ...], code: int, part: str) -> None:
    done = _run(*arguments)
    assert done.returncode == code
    assert part in done.stderr
    assert "Traceback" not in done.stderr
