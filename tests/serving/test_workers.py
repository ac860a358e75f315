"""Heavy calls in worker processes: they stall nobody, are cut off in time, and leave nobody behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from team_server import Running, call, headers_of, running

from kaiming_mcp.replies import reply

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the processes are counted in /proc")
SMALL = "repeat 20 { linear 64 64 ; relu }"
HEAVY = "repeat 4000 { residual { linear 64 64 } ; relu }"
"""Tens of seconds of computing."""
DEADLINE = 60.0


def children(process: int) -> set[int]:
    found: set[int] = set()
    for task in Path(f"/proc/{process}/task").iterdir():
        with contextlib.suppress(OSError):
            found |= {int(child) for child in (task / "children").read_text(encoding="utf-8").split()}
    return found


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(true: Callable[[], Any], seconds: float = DEADLINE) -> None:
    """Ask again and again until it is so."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not become so"
        os.sched_yield()


def send(server: Running, tool: str, seconds: float = DEADLINE, **arguments: Any) -> httpx2.Response:
    message = call(tool, arguments)
    return httpx2.post(server.url, json=message, headers=headers_of(message), timeout=seconds)


def ready(server: Running) -> bool:
    return httpx2.get(f"{server.root}/readyz", timeout=10).status_code == 200


@contextlib.contextmanager
def with_workers(*options: str) -> Iterator[Running]:
    with running("--workers", "2", "--rate-limit", "0", *options) as server:
        until(lambda: ready(server))
        yield server


@contextlib.contextmanager
def heavy_call(server: Running) -> Iterator[list[httpx2.Response]]:
    """A heavy call in flight, and its answer once there is one."""
    answers: list[httpx2.Response] = []

    def ask() -> None:
        with contextlib.suppress(httpx2.TransportError):
            answers.append(send(server, "critique_architecture", architecture=HEAVY))

    before = {child: ticks(child) for child in children(server.process.pid)}
    thread = threading.Thread(target=ask)
    thread.start()
    until(lambda: any(ticks(child) > had + 5 for child, had in before.items()))
    yield answers
    thread.join(DEADLINE)


def ticks(process: int) -> int:
    """Time that a process has computed, in hundredths of a second."""
    try:
        told = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return int(told[11])


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with with_workers("--request-timeout", "6") as process:
        yield process


def test_it_is_ready_once_its_workers_have_loaded_the_core(server: Running) -> None:
    assert len(children(server.process.pid)) == 2


def test_a_worker_gives_what_a_thread_gives(server: Running) -> None:
    result = send(server, "critique_architecture", architecture=SMALL).json()["result"]
    here = reply("critique_architecture", {"architecture": SMALL})
    assert result["structuredContent"] == here.structured_content


def test_an_error_of_a_worker_says_what_to_send(server: Running) -> None:
    result = send(server, "critique_architecture", architecture="linear 3").json()["result"]
    assert result["isError"]
    assert "Example: linear" in result["content"][0]["text"]


def test_light_calls_are_answered_while_heavy_ones_run_and_these_are_cut_off_in_time(server: Running) -> None:
    with heavy_call(server) as answers:
        lights = 0
        while not answers:
            assert "result" in send(server, "read_principle", id="residual-learning").json()
            lights += 1
        assert lights > 5
    assert answers[0].status_code == 504
    # The worker was killed with its work; another takes its place.
    assert not send(server, "critique_architecture", architecture=SMALL).json()["result"].get("isError")


def test_a_worker_that_dies_is_told_of_and_replaced() -> None:
    with with_workers() as server:
        with heavy_call(server) as answers:
            busy = max(children(server.process.pid), key=ticks)
            os.kill(busy, signal.SIGKILL)
        result = answers[0].json()["result"]
        assert result["isError"]
        assert "ended before it was done" in result["content"][0]["text"]
        assert not send(server, "critique_architecture", architecture=SMALL).json()["result"].get("isError")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_server_even_at_work(sent: signal.Signals) -> None:
    with with_workers() as server:
        workers = children(server.process.pid)
        with heavy_call(server):
            server.process.send_signal(sent)
            server.process.wait(DEADLINE)
            until(lambda: not any(alive(worker) for worker in workers), 10)


def test_without_workers_there_are_none() -> None:
    with running("--workers", "0") as server:
        until(lambda: ready(server))
        assert "result" in send(server, "critique_architecture", architecture=SMALL).json()
        assert children(server.process.pid) == set()
        assert json.loads(json.dumps(server.lines))
