"""/healthz and /readyz: for anyone, under any name, and as long as the process lives."""

from __future__ import annotations

from pathlib import Path

import pytest
from team_server import HEADERS, INITIALIZE, in_memory

from kaiming_mcp import __version__
from kaiming_mcp.serving.drain import Stops
from kaiming_mcp.serving.settings import Settings
from kaiming_mcp.serving.tokens import TokenFile


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("verb", ["GET", "HEAD"])
async def test_health_needs_no_token_no_listed_host_and_no_rate(tmp_path: Path, path: str, verb: str) -> None:
    empty = tmp_path / "tokens"
    empty.touch()
    settings = Settings(rate_limit=1, rate_burst=1, max_connections=1)
    async with in_memory(settings, TokenFile(empty), connections=lambda: 50) as client:
        for _ in range(5):
            answer = await client.request(
                verb, path, headers={"Host": "10.1.2.3:8000", "Origin": "https://evil.example"}
            )
            assert answer.status_code == 200
        assert (await client.post("/mcp", json=INITIALIZE, headers=HEADERS)).status_code == 401


async def test_health_tells_its_state_and_the_version_and_nothing_else() -> None:
    async with in_memory() as client:
        for path in ("/healthz", "/readyz"):
            answer = await client.get(path)
            assert answer.json() == {"status": "ok", "version": __version__}
            assert answer.headers["cache-control"] == "no-store"


async def test_a_draining_server_is_alive_but_not_ready_and_still_answers() -> None:
    stops = Stops()
    async with in_memory(stops=stops) as client:
        stops.draining = True
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.post("/mcp", json=INITIALIZE, headers=HEADERS)
        assert answer.status_code == 200
        assert answer.headers.get_list("connection") == ["close"]


async def test_health_is_only_read() -> None:
    async with in_memory() as client:
        answer = await client.post("/healthz")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
