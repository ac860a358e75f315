"""Web pages: only of origins that were named, and then with all that a client in a browser needs."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from team_server import HEADERS, INITIALIZE, in_memory

from kaiming_mcp.serving.settings import Settings
from kaiming_mcp.serving.tokens import TokenFile

PAGE = "https://app.example.org"
SETTINGS = Settings(cors_origins=(PAGE,), rate_limit=6, rate_burst=1)
NEEDED = (
    "Accept Authorization Content-Type Last-Event-ID Mcp-Method Mcp-Name Mcp-Protocol-Version Mcp-Session-Id".split()
)


def _words(answer: httpx2.Response, header: str) -> set[str]:
    return {word.strip().lower() for word in answer.headers[header].split(",")}


async def _preflight(client: httpx2.AsyncClient, origin: str = PAGE) -> httpx2.Response:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": ", ".join(NEEDED).lower()}
    return await client.options("/mcp", headers={"Origin": origin, **asked})


async def test_a_preflight_needs_no_token_and_allows_every_header_of_the_protocol(tmp_path: Path) -> None:
    empty = tmp_path / "tokens"
    empty.touch()
    async with in_memory(SETTINGS, TokenFile(empty)) as client:
        answers = [await _preflight(client) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    answer = answers[0]
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert {"get", "post", "delete"} <= _words(answer, "access-control-allow-methods")
    assert {word.lower() for word in NEEDED} <= _words(answer, "access-control-allow-headers")
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_page_may_read_answers_and_refusals_and_what_they_say() -> None:
    async with in_memory(SETTINGS) as client:
        answers = [await client.post("/mcp", json=INITIALIZE, headers={**HEADERS, "Origin": PAGE}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    for answer in answers:
        assert answer.headers["access-control-allow-origin"] == PAGE
        exposed = _words(answer, "access-control-expose-headers")
        assert {"mcp-session-id", "www-authenticate", "retry-after"} <= exposed


async def test_other_pages_may_not() -> None:
    async with in_memory(SETTINGS) as client:
        assert (await _preflight(client, "https://evil.example")).status_code == 400
        answer = await client.post("/mcp", json=INITIALIZE, headers={**HEADERS, "Origin": "https://evil.example"})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("settings", [Settings(), Settings(allowed_origins=(PAGE,))])
async def test_no_page_may_read_unless_asked_for(settings: Settings) -> None:
    async with in_memory(settings) as client:
        assert (await _preflight(client)).status_code in (403, 405)
        answer = await client.post("/mcp", json=INITIALIZE, headers={**HEADERS, "Origin": PAGE})
    assert answer.status_code == (200 if settings.allowed_origins else 403)
    assert "access-control-allow-origin" not in answer.headers
