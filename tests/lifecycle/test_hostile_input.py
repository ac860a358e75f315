"""Whatever a client writes: the process lives, its memory is bounded, and the next good request is answered."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from served import ENVELOPE, Served, call, cancel, line, request

from kaiming_mcp.replies.lengths import LONGEST_ARGUMENT

MEGABYTE = 1024 * 1024
linux = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="memory is read from /proc")  # noqa: PTH112 - at import
DEEP = b"[" * 100_000
CALL = b'{"jsonrpc": "2.0", "id": %b, "method": "tools/call", "params": {"name": "derive_initialization", %b}}'

HOSTILE = {
    "nothing": b"",
    "blanks": b"  \t\r",
    "garbage": b"\x1b[31mgarbage\x07",
    "not UTF-8": b"\xff\xfe\x00\x80{",
    "UTF-16": '{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16"),
    "zeros": b"\x00" * 1000,
    "deep nesting": DEEP,
    "deep nesting of objects": b'{"a":' * 100_000,
    "a request cut short": b'{"jsonrpc": "2.0", "method": "tools/list',
    "a number": b"1e999",
    "an empty batch": b"[]",
    "a batch of anything": b'[1, null, {}, [[]], "x"]',
    "an answer to nothing": b'{"jsonrpc": "2.0", "id": 3, "result": {}}',
    "an error to nothing": b'{"jsonrpc": "2.0", "id": null, "error": {"code": 1, "message": "x"}}',
    "no id but null": b'{"jsonrpc": "2.0", "id": null, "method": "tools/list"}',
    "an id that is no id": b'{"jsonrpc": "2.0", "id": {"a": [1.5]}, "method": "tools/list"}',
    "a notification nobody knows": b'{"jsonrpc": "2.0", "method": "notifications/\\u0000\\ud800"}',
    "progress of nothing": b'{"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": []}}',
    "a cancellation of nothing": line(cancel(12345)),
    "a cancellation of anything": line({**cancel(1), "params": {"requestId": {"a": [None]}}}),
    "a cancellation without an id": line({**cancel(1), "params": {}}),
}
REFUSED = {
    "the wrong version": (b'{"jsonrpc": "1.0", "id": "r", "method": "ping"}', -32600),
    "parameters in a list": (b'{"jsonrpc": "2.0", "id": "r", "method": "ping", "params": [1]}', -32600),
    "a method that is no text": (b'{"jsonrpc": "2.0", "id": "r", "method": null}', -32600),
    "a batch": (b'[{"jsonrpc": "2.0", "id": "r", "method": "ping"}]', -32600),
    "deep nesting, id first": (b'{"jsonrpc": "2.0", "id": "r", "method": "ping", "params": ' + DEEP, -32700),
    "deep nesting, id last": (b'{"method": "ping", "params": ' + DEEP + b', "jsonrpc": "2.0", "id": "r"}', -32700),
    "a bare control character": (CALL % (b'"r"', b'"arguments": {"activation": "re\x00lu"}'), -32700),
    "an endless number": (CALL % (b'"r"', b'"arguments": {"fan_in": ' + b"9" * 10_000 + b"}"), -32700),
}
ANSWERED = {
    "NaN": CALL % (b'"a"', b'"arguments": {"activation": "relu", "fan_in": NaN, "depth": Infinity}'),
    "a large number": CALL % (b'"a"', b'"arguments": {"activation": "relu", "fan_in": 1e400}'),
    "half a character": CALL % (b'"a"', b'"arguments": {"activation": "re\\ud800lu"}'),
    "Latin-1": CALL % (b'"a"', b'"arguments": {"activation": "re\xe9lu"}'),
    "a zero in a text": CALL % (b'"a"', b'"arguments": {"activation": "re\\u0000lu"}'),
    "the same key twice": CALL % (b'"a"', b'"arguments": {"activation": "relu"}, "arguments": {}'),
    "a Windows line end": CALL % (b'"a"', b'"arguments": {}') + b"\r",
    "a byte order mark": b"\xef\xbb\xbf" + CALL % (b'"a"', b'"arguments": {}'),
}


class Talk:
    """A server that a whole file of tests abuses, in one era of the protocol."""

    def __init__(self, served: Served, era: str) -> None:
        self.served, self.era, self._count = served, era, 0

    def new_id(self) -> str:
        self._count += 1
        return f"{self._count}"

    def must_still_answer(self) -> None:
        meta = {"_meta": ENVELOPE} if self.era == "modern" else {}
        self.served.send(request(id := f"good {self.new_id()}", "tools/list", **meta))
        assert len(self.served.answer(id)["result"]["tools"]) == 10


@pytest.fixture(scope="module", params=["legacy", "modern"])
def talk(request: pytest.FixtureRequest) -> Iterator[Talk]:
    with Served() as served:
        talk = Talk(served, request.param)
        if request.param == "legacy":
            served.initialize()
        talk.must_still_answer()
        yield talk
        assert b"Traceback" not in served.errors
        assert len(served.errors) < 3000


def _new(served: Served, act: Any) -> list[dict[str, Any]]:
    before = len(served.messages)
    act()
    return [m for m in served.messages[before:] if not str(m.get("id")).startswith("good")]


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_what_cannot_be_answered_is_not(talk: Talk, hostile: bytes) -> None:
    def act() -> None:
        talk.served.send(hostile)
        talk.must_still_answer()

    assert not _new(talk.served, act)


@pytest.mark.parametrize(("sent", "code"), REFUSED.values(), ids=REFUSED)
def test_a_request_that_cannot_be_read_is_refused_by_its_id(talk: Talk, sent: bytes, code: int) -> None:
    def act() -> None:
        talk.served.send(sent)
        talk.must_still_answer()

    (answer,) = _new(talk.served, act)
    assert (answer["id"], answer["error"]["code"]) == ("r", code)


@pytest.mark.parametrize("sent", ANSWERED.values(), ids=ANSWERED)
def test_a_strange_call_is_answered_like_any_other(talk: Talk, sent: bytes) -> None:
    id = talk.new_id()
    if talk.era == "modern":
        sent = sent.replace(b'"params": {', b'"params": {"_meta": ' + json.dumps(ENVELOPE).encode() + b", ")
    talk.served.send(sent.replace(b'"a"', json.dumps(id).encode()))
    talk.must_still_answer()
    assert talk.served.answer(id)["result"]["content"][0]["text"]


def test_requests_of_the_same_id_are_each_answered(talk: Talk) -> None:
    def act() -> None:
        talk.served.send(*[request("same", "nothing/known")] * 3)
        talk.must_still_answer()

    assert [m["id"] for m in _new(talk.served, act)] == ["same"] * 3


def test_a_client_that_writes_byte_by_byte_is_served(talk: Talk) -> None:
    for byte in line(request("slow", "nothing/known")):
        os.write(talk.served.stdin.fileno(), bytes([byte]))
    assert "error" in talk.served.answer("slow")


@linux
@pytest.mark.parametrize("megabytes", [9, 64])
def test_a_line_that_is_too_long_takes_no_memory_and_is_refused(talk: Talk, megabytes: int) -> None:
    before = talk.served.memory("VmHWM")
    id = f"long {megabytes}"
    text = b'{"name": "x", "arguments": {"architecture": "' + b"a" * (megabytes * MEGABYTE) + b'"}}'
    talk.served.send(b'{"method": "tools/call", "params": ' + text + f', "jsonrpc": "2.0", "id": "{id}"}}'.encode())
    refusal = talk.served.answer(id)["error"]
    assert "8,388,608 bytes" in refusal["message"]
    assert "--root" in refusal["message"]
    talk.served.send(b"a" * (megabytes * MEGABYTE))
    talk.must_still_answer()
    assert talk.served.memory("VmHWM") - before < 40


@pytest.mark.parametrize(
    "arguments",
    [
        {"id": "𝛼" * LONGEST_ARGUMENT},
        {"id": "a line\n" * (LONGEST_ARGUMENT // 7), "section": "a line\n" * (LONGEST_ARGUMENT // 7)},
    ],
    ids=["one of the greatest length in any script", "two of the greatest length in ASCII"],
)
def test_the_longest_arguments_reach_their_tool(talk: Talk, arguments: dict[str, str]) -> None:
    message = call("longest", "read_principle", **arguments)
    if talk.era == "modern":
        message["params"]["_meta"] = ENVELOPE
    talk.served.send(json.dumps(message, ensure_ascii=False).encode())
    assert talk.served.answer("longest")["result"]["isError"]
