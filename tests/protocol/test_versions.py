"""Versions of the protocol are the SDK's to negotiate: none is written in the product."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from mcp.types import version as known

import kaiming_mcp
from kaiming_mcp.server import create_server

SOURCES = Path(kaiming_mcp.__file__).parent
ACCEPT = {"Accept": "application/json, text/event-stream"}


def test_no_version_of_the_protocol_is_written_in_the_product() -> None:
    for path in SOURCES.rglob("*.py"):
        text = path.read_text("utf-8")
        assert not [version for version in known.KNOWN_PROTOCOL_VERSIONS if version in text], path


async def _answer(offered: str) -> str:
    """The version that a new server answers an offer with."""
    client = {"protocolVersion": offered, "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    app = create_server().streamable_http_app(stateless_http=True, json_response=True)
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers=ACCEPT) as web,
    ):
        return (await web.post("/mcp", json=asked)).json()["result"]["protocolVersion"]


@pytest.mark.parametrize("version", known.HANDSHAKE_PROTOCOL_VERSIONS)
async def test_a_client_gets_the_version_it_offers(version: str) -> None:
    assert await _answer(version) == version


async def test_a_client_of_the_future_gets_the_latest_that_the_handshake_has() -> None:
    assert await _answer("2999-01-01") == known.LATEST_HANDSHAKE_VERSION
