"""Three servers behind a real balancer: killed, ended and started again under load, and no request is lost."""

from __future__ import annotations

import signal
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from balancers import Balancer, balancer, program
from fleet import Replica, free_ports
from load import Load
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

pytestmark = pytest.mark.tools

CLIENTS = 4
ROUND = 30


@pytest.fixture(scope="module")
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Replica]]:
    # All the load comes from one address. Between /readyz saying no and the end the balancer has time to see it.
    settings = {"rate_limit": "0", "workers": "1", "drain_seconds": "1.5", "grace_seconds": "5"}
    logs = tmp_path_factory.mktemp("servers")
    servers = [Replica(port, logs / f"{n}.log", **settings) for n, port in enumerate(free_ports(3))]
    try:
        for server in servers:
            server.start()
        for server in servers:
            server.wait_ready()
        yield servers
    finally:
        for server in servers:
            server.kill()


@pytest.fixture(params=["nginx", "haproxy"])
def front(request: pytest.FixtureRequest, replicas: list[Replica], tmp_path: Path) -> Iterator[Balancer]:
    name = str(request.param)
    if program(name) is None:
        pytest.skip(f"{name} is not installed")
    [port] = free_ports(1)
    with balancer(name, port, [replica.address for replica in replicas], tmp_path) as running:
        yield running


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def _again(replica: Replica, load: Load, front: Balancer) -> None:
    """Start it, and wait until it has its share again."""
    replica.start()
    replica.wait_ready()
    before = front.served()[replica.address]
    load.wait_for(1, lambda: front.served()[replica.address] >= before + 3)


def test_no_request_is_lost_when_servers_are_killed(
    replicas: list[Replica], front: Balancer, capsys: pytest.CaptureFixture[str]
) -> None:
    with Load(front.port, CLIENTS) as load:
        load.wait_for(ROUND, lambda: len(front.served()) == len(replicas))
        for replica in replicas[:2]:
            replica.end(signal.SIGKILL)
            load.wait_for(ROUND)
            _again(replica, load, front)
    fates = _report("killed", load, front, capsys)
    assert fates["lost"] == fates["wrong"] == 0, [o for o in load.outcomes if o.fate in ("lost", "wrong")]
    assert len(front.served()) == len(replicas)
    # Streams that had begun on the server that was killed: at most one of each client each time.
    cut = [outcome for outcome in load.outcomes if outcome.fate == "cut"]
    assert len(cut) <= CLIENTS * 2
    assert {outcome.era for outcome in cut} <= {"legacy"}
    assert any(passed.tried > 1 for passed in front.passed()), "nothing had to be sent again: the test shows nothing"


async def test_no_request_and_no_client_is_lost_in_a_rolling_restart(
    replicas: list[Replica], front: Balancer, capsys: pytest.CaptureFixture[str]
) -> None:
    load = Load(front.port, CLIENTS)

    def roll() -> None:
        with load:
            load.wait_for(ROUND, lambda: len(front.served()) == len(replicas))
            for replica in replicas:
                assert replica.end(signal.SIGTERM) == 0
                _again(replica, load, front)

    async with _client(front, "auto") as modern, _client(front, "legacy") as legacy:
        for client in (modern, legacy):
            assert not (await client.call_tool("read_principle", {"id": "residual-learning"})).is_error
        await anyio.to_thread.run_sync(roll)
        for client in (modern, legacy):
            assert not (await client.call_tool("read_principle", {"id": "residual-learning"})).is_error
    fates = _report("rolling restart", load, front, capsys)
    assert set(fates) == {"answered"}, [outcome for outcome in load.outcomes if outcome.fate != "answered"]


async def test_progress_passes_the_balancer_as_it_happens(front: Balancer, mode: str) -> None:
    calls = {"architecture": "repeat 40 { linear 512 512 ; relu }", "simulate": True}
    told: list[float] = []

    async def tell(progress: float, total: float | None, message: str | None) -> None:
        del progress, total, message
        told.append(time.perf_counter())

    with anyio.fail_after(60):
        async with _client(front, mode) as client:
            began = time.perf_counter()
            result = await client.call_tool("trace_signal", calls, progress_callback=tell)
            ended = time.perf_counter()
    assert not result.is_error
    # A balancer that gathered the stream would hand all of it over at the end. A share of the call, not seconds: the
    # computing takes a fifth of the time on another machine.
    assert told[-1] - told[0] > (ended - began) / 2


def _client(front: Balancer, mode: Any) -> Client:
    return Client(streamable_http_client(f"http://127.0.0.1:{front.port}/mcp"), mode=mode)


def _report(what: str, load: Load, front: Balancer, capsys: pytest.CaptureFixture[str]) -> Counter[str]:
    fates = Counter(str(outcome.fate) for outcome in load.outcomes)
    times = [outcome.seconds for outcome in load.outcomes]
    again = sum(passed.tried > 1 for passed in front.passed())
    told = ", ".join(f"{count} {fate}" for fate, count in fates.most_common())
    share = "/".join(str(count) for count in sorted(front.served().values()))
    p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
    with capsys.disabled():
        print(  # noqa: T201 - figures are to be seen
            f"\n{front.name}, {what}: {len(load.outcomes)} requests ({told}), {again} sent again, "
            f"by server {share}, p50 {p50:.3f} s, p99 {p99:.3f} s"
        )
    return fates
