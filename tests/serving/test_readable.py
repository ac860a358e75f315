"""Bodies that are no message, and streams that nobody can continue, over the whole application."""

from __future__ import annotations

import http.client
import json

import mcp_types as types
import pytest
from team_server import HEADERS, Running, call, headers_of, in_memory

from kaiming_mcp.serving.settings import Settings


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"", types.PARSE_ERROR, "not valid JSON"),
        (b"{", types.PARSE_ERROR, "not valid JSON"),
        (b"[" * 100_000, types.PARSE_ERROR, "not valid JSON"),
        (b"0", types.INVALID_REQUEST, "Example"),
        (b'{"jsonrpc": 1.5}', types.INVALID_REQUEST, "Example"),
        (b'{"jsonrpc": "2.0", "id": 1, "method": 5}', types.INVALID_REQUEST, "Example"),
        (b"[]", types.INVALID_REQUEST, "batch"),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', types.INVALID_REQUEST, "by itself"),
    ],
)
async def test_a_body_that_is_no_message_is_told_so_in_our_words(body: bytes, code: int, says: str) -> None:
    async with in_memory(Settings()) as client:
        answer = await client.post("/mcp", content=body, headers=HEADERS)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == code
    assert says in error["message"]
    assert "pydantic" not in answer.text


async def test_a_text_cut_within_a_character_costs_that_character(era: str) -> None:
    message = call("trace_signal", {"architecture": "repeat 3 { linear 64 64 ; relu }  # cut"})
    body = json.dumps(message).replace("# cut", "# cut \\ud83d").encode()
    async with in_memory(Settings()) as client:
        answer = await client.post("/mcp", content=body, headers=headers_of(message, era))
    assert answer.status_code == 200
    assert '"isError":false' in answer.text


def test_a_stream_to_be_continued_begins_anew(server: Running) -> None:
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    connection.request("GET", "/mcp", headers={"Accept": "text/event-stream", "Last-Event-ID": "7"})
    assert connection.getresponse().status == 200
    connection.close()
