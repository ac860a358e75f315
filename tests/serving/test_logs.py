"""The log: one line per request in one form, and never a word that a client wrote."""

from __future__ import annotations

import json
import logging
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from mcp import Client
from team_server import HEADERS, INITIALIZE, Running, call, headers_of, in_memory, running, terminate

from kaiming_mcp.server import create_server
from kaiming_mcp.serving.logs import Lines

MARK = "s3cr3tmark"
HOSTILE = f'{MARK}\r\n\x1b[31m{{"level": "error"}}\u2028{MARK}'


def _record(
    message: object, *arguments: object, name: str = "other.library", error: BaseException | None = None, **extra: Any
) -> logging.LogRecord:
    trace = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord(name, logging.WARNING, "/lib/module.py", 7, message, arguments, trace, "function")
    record.__dict__.update(extra)
    return record


def _told(record: logging.LogRecord) -> dict[str, Any]:
    line = Lines(as_json=True).format(record)
    assert "\n" not in line
    return json.loads(line)


def _raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_our_lines_carry_their_fields() -> None:
    told = _told(_record("request", name="kaiming_mcp.serving.observed", status=200, client=None, seconds=0.25))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", told.pop("time"))
    assert told == {"level": "warning", "event": "request", "status": 200, "seconds": 0.25}


def test_of_other_libraries_only_what_stands_in_their_source_is_shown() -> None:
    assert _told(_record("Tool %r failed: %r", "trace", MARK))["event"] == "Tool %r failed: %r"
    assert _told(_record(f"Invalid Host header: {MARK}"))["event"] == "message of a library"
    assert _told(_record(ValueError(MARK)))["event"] == "message of a library"
    assert _told(_record("Invalid HTTP request received.", name="uvicorn.error"))["event"].startswith("Invalid HTTP")
    assert _told(_record(f"Traceback\n  {MARK}", name="uvicorn.error"))["event"] == "message of a library"
    assert _told(_record("x", some_field=MARK)) == _told(_record("x"))
    assert _told(_record("x"))["place"] == "module.function:7"


def test_an_exception_shows_its_type_and_places_but_not_its_words() -> None:
    told = _told(_record("failed", name="kaiming_mcp", error=_raised(ExceptionGroup("g", [_raised(KeyError(MARK))]))))
    assert told["error"] == "KeyError"
    assert re.fullmatch(r"serving/test_logs\.py:\d+ _raised", told["at"][-1])
    assert MARK not in json.dumps(told)


def test_text_is_one_line_too_whatever_it_holds() -> None:
    line = Lines(as_json=False).format(_record("request", name="kaiming_mcp", client=HOSTILE, status=200, tool="trace"))
    assert re.match(r"\S+ WARNING request client=", line)
    assert line.isprintable()
    assert line.endswith(" status=200 tool=trace")


async def test_each_request_is_one_line(server: Running) -> None:
    message = call("derive_initialization", {"activation": "relu", "fan_in": "64"})
    async with httpx2.AsyncClient() as client:
        answer = await client.post(server.url, json=message, headers=headers_of(message))
    identity = answer.headers["x-request-id"]
    told = server.event(lambda told: told.get("request_id") == identity)
    assert told["bytes_out"] == len(answer.content)
    assert 0 < told.pop("seconds") < 60
    for key in ("time", "bytes_in", "bytes_out"):
        del told[key]
    assert told == {
        "level": "info",
        "event": "request",
        "request_id": identity,
        "address": "127.0.0.1",
        "verb": "POST",
        "path": "/mcp",
        "method": "tools/call",
        "tool": "derive_initialization",
        "status": 200,
        "outcome": "ok",
    }
    assert sum(f'"{identity}"' in line for line in server.lines) == 1


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        (call("critique_architecture", {"architecture": "conv 3"}), "error: tool"),
        (call("no_such_tool", {}), "error: protocol"),
        ({**call("read_principle", {}), "method": "no/such/method"}, "error: protocol"),
        ({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": 7}, "refused: message"),
    ],
)
async def test_what_became_of_a_request_is_one_word(server: Running, era: str, message: Any, outcome: str) -> None:
    async with httpx2.AsyncClient() as client:
        answer = await client.post(server.url, json=message, headers=headers_of(message, era))
    told = server.event(lambda told: told.get("request_id") == answer.headers["x-request-id"])
    assert told["outcome"] == outcome
    if message["params"] != 7:
        assert told["method"] == ("tools/call" if message["method"] == "tools/call" else "other")
    if "no_such_tool" in str(message):
        assert told["tool"] == "other"


async def test_a_failure_of_the_server_names_the_line_of_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise LookupError(MARK)

    monkeypatch.setattr("kaiming_mcp.serving.admission.Admission.__call__", broken)
    with caplog.at_level(logging.INFO):
        async with in_memory() as client:
            answer = await client.post("/mcp", json=INITIALIZE, headers=HEADERS)
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] in answer.json()["error"]["message"]
    assert MARK not in answer.text
    failed = next(record for record in caplog.records if record.message == "request failed")
    assert failed.__dict__["request_id"] == answer.headers["x-request-id"]
    assert MARK not in Lines(as_json=True).format(failed)


@pytest.fixture
def talkative() -> Iterator[Running]:
    with running("--log-level", "debug", "--rate-limit", "0", "--workers", "0") as process:
        yield process


async def _messages() -> list[dict[str, Any]]:
    """Every argument of every tool and prompt with the mark in it, and much that is wrong."""
    messages: list[dict[str, Any]] = []
    async with Client(create_server()) as client:
        for tool in (await client.list_tools()).tools:
            for argument in tool.input_schema["properties"]:
                messages.extend(call(tool.name, {argument: value}) for value in (HOSTILE, [{MARK: HOSTILE}]))
            messages.append(call(tool.name, {MARK: 1}))
        for prompt in (await client.list_prompts()).prompts:
            for argument in prompt.arguments or []:
                params = {**call(prompt.name, {argument.name: HOSTILE})["params"]}
                messages.append({"jsonrpc": "2.0", "id": MARK, "method": "prompts/get", "params": params})
    meta = call("x", {})["params"]["_meta"]
    return [
        *messages,
        call(MARK, {}),
        call("read_principle", {"id": MARK}, MARK),
        {"jsonrpc": "2.0", "id": MARK, "method": MARK, "params": {"_meta": meta}},
        {"jsonrpc": "2.0", "method": MARK},
        {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": f"kaiming://{MARK}", "_meta": meta}},
        {"jsonrpc": "2.0", "id": 1, "method": "prompts/get", "params": {"name": MARK, "_meta": meta}},
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": MARK},
        {"jsonrpc": MARK, "id": {MARK: MARK}},
    ]


async def test_no_word_of_a_client_reaches_the_log(talkative: Running) -> None:
    async with httpx2.AsyncClient(base_url=talkative.root, timeout=60) as client:
        for message in await _messages():
            for era in ("modern", "legacy"):
                await client.post("/mcp", json=message, headers=headers_of(message, era))
        for header in (
            "Host Origin Authorization User-Agent X-Request-Id X-Forwarded-For Accept Content-Type Cookie "
            "Last-Event-ID Mcp-Protocol-Version Mcp-Method Mcp-Name Mcp-Session-Id Mcp-Param-Id Referer traceparent"
        ).split():
            await client.post("/mcp", json=INITIALIZE, headers={**HEADERS, header: f"Bearer {MARK}"})
        await client.post("/mcp", content=f'{{"{MARK}'.encode(), headers=HEADERS)
        await client.post("/mcp", content=f'{{"{MARK}'.encode(), headers=headers_of(INITIALIZE))
        await client.post(f"/{MARK}?{MARK}={MARK}", json=INITIALIZE, headers=HEADERS)
        await client.post(f"/mcp?{MARK}", json=INITIALIZE, headers=HEADERS)
        await client.request(MARK, "/mcp", headers=HEADERS)
    for raw in (
        f"{MARK}\r\n\r\n",
        f"GET /mcp HTTP/1.1\r\nHost: {MARK}\r\n{MARK}\r\n\r\n",
        f"GET /{MARK}\x00 HTTP/9\r\n\r\n",
    ):
        with socket.create_connection(talkative.address, 10) as connection:
            connection.sendall(raw.encode())
            while connection.recv(4096):
                pass
    terminate(talkative)
    assert talkative.process.wait(20) == 0
    talkative.end()
    written = "".join(talkative.lines)
    assert len(talkative.lines) > 100
    assert MARK not in written.lower()
    assert "Traceback" not in written
    assert all({"time", "level", "event"} <= json.loads(line).keys() for line in talkative.lines)


def test_stray_exceptions_take_the_same_form() -> None:
    script = (
        "import threading, warnings; from kaiming_mcp.serving.logs import configure_logs;"
        "configure_logs('info', 'json');"
        f"warnings.warn('{MARK}');"
        f"thread = threading.Thread(target=int, args=('{MARK}',)); thread.start(); thread.join();"
        f"int('{MARK}')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert MARK not in done.stderr
    assert [line.get("error") for line in told] == [None, "ValueError", "ValueError"]
