"""What a line says, and which refusals have an id to go to."""

from __future__ import annotations

import json

import mcp_types as types
import pytest

from kaiming_mcp.serving.messages import Read, Unserved
from kaiming_mcp.serving.stdio.incoming import read
from kaiming_mcp.serving.stdio.lines import Overlong

PING = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
DEEP = b"[" * 100_000


def _one(line: bytes | Overlong) -> Read:
    (item,) = read(line)
    return item


@pytest.mark.parametrize("line", [PING, PING + b"\r", b"\xef\xbb\xbf" + PING, b"  " + PING + b"\t"])
def test_line_ends_marks_and_blanks_do_not_matter(line: bytes) -> None:
    assert _one(line) == types.JSONRPCRequest(jsonrpc="2.0", id=1, method="ping")


@pytest.mark.parametrize("line", [b"", b"\r", b"   ", b"\xef\xbb\xbf"])
def test_an_empty_line_says_nothing(line: bytes) -> None:
    assert not list(read(line))


@pytest.mark.parametrize(
    ("text", "arrives"),
    [
        (b"caf\xe9", "caf�"),
        (b"\\ud83d\\ude00", "\U0001f600"),
        (b"cut \\ud83d", "cut ?"),
        (b"\\u0000\\u001b[31m", "\x00\x1b[31m"),
    ],
)
def test_a_broken_character_costs_that_character_and_not_the_request(text: bytes, arrives: str) -> None:
    item = _one(b'{"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"text": "' + text + b'"}}')
    assert isinstance(item, types.JSONRPCRequest)
    assert item.params == {"text": arrives}


@pytest.mark.parametrize(
    ("line", "id", "code"),
    [
        (b'{"jsonrpc": "2.0", "id": 7, "method": "x", "params": {"a": ', 7, types.PARSE_ERROR),
        (b'{"id": "a\\"b", "method": "x", "params": ' + DEEP, 'a"b', types.PARSE_ERROR),
        (b'{"method": "x", "params": ' + DEEP + b', "jsonrpc": "2.0", "id": 7}', 7, types.PARSE_ERROR),
        (b'{"method": "x", "params": ' + DEEP + b', "id": "z", "jsonrpc": "2.0"}', "z", types.PARSE_ERROR),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "x", "params": {"n": ' + b"9" * 5000 + b"}}", 7, types.PARSE_ERROR),
        (b'{"jsonrpc": "1.0", "id": 7, "method": "x"}', 7, types.INVALID_REQUEST),
        (b'{"id": 7, "method": "x"}', 7, types.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 7, "method": 5}', 7, types.INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "x", "params": [1]}', 7, types.INVALID_REQUEST),
        (b"[" + PING + b"]", 1, types.INVALID_REQUEST),
    ],
)
def test_a_request_that_cannot_be_read_is_answered_where_its_id_can(line: bytes, id: int | str, code: int) -> None:
    item = _one(line)
    assert isinstance(item, Unserved)
    assert (item.answer.id, item.answer.error.code) == (id, code)


@pytest.mark.parametrize(
    "line",
    [
        b"garbage",
        b"\xff\xfe\x00",
        DEEP,
        b"7",
        b"null",
        b"{}",
        b"[7]",
        b'{"jsonrpc": "2.0", "id": 7}',
        b'{"jsonrpc": "2.0", "id": 7, "result": []}',
        b'{"jsonrpc": "2.0", "id": null, "method": 5}',
        b'{"jsonrpc": "2.0", "id": true, "method": 5}',
        b'{"params": {"id": 7, "x": ' + DEEP,
        b'{"params": ' + DEEP + b', "id": 7}}',
        b'{"text": "\\", \\"id\\": 7}',
    ],
)
def test_what_has_no_id_of_its_own_is_not_answered(line: bytes) -> None:
    item = _one(line)
    assert isinstance(item, Unserved)
    assert item.answer.id is None


def test_each_request_of_a_batch_is_refused_by_its_own_id() -> None:
    items = list(
        read(b'[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","method":"b"},{"id":"c","method":"c"}]')
    )
    assert [item.answer.id for item in items if isinstance(item, Unserved)] == [1, None, "c"]


@pytest.mark.parametrize(
    ("head", "tail", "id"),
    [
        (b'{"jsonrpc":"2.0","id":3,"method":"x","params":{"a":"', b'"}}', 3),
        (b'{"method":"x","params":{"a":"', b'"},"jsonrpc":"2.0","id":"q"}', "q"),
        (b'{"method":"x","params":{"a":"', b'"},"id":"q","jsonrpc":"2.0"}\r', "q"),
        (b"aaaa", b"aaaa", None),
    ],
)
def test_a_message_that_is_too_long_is_told_the_limit_and_the_way_out(head: bytes, tail: bytes, id: object) -> None:
    item = _one(Overlong(head, tail))
    assert isinstance(item, Unserved)
    assert item.answer.id == id
    for part in ("8,388,608 bytes", "--root", "path:"):
        assert part in item.answer.error.message


def test_numbers_that_json_does_not_know_are_left_to_the_tools() -> None:
    item = _one(b'{"jsonrpc": "2.0", "id": 1, "method": "x", "params": {"n": [NaN, Infinity, 1e999, -0]}}')
    assert isinstance(item, types.JSONRPCRequest)


def test_an_id_of_any_length_is_kept() -> None:
    item = _one(json.dumps({"jsonrpc": "2.0", "id": 10**30, "method": "x"}).encode())
    assert isinstance(item, types.JSONRPCRequest)
    assert item.id == 10**30
