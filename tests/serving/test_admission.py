"""What a request may take: bytes, time, turns and its client's rate; and what is answered beyond it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.shared.exceptions import MCPError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from team_server import INITIALIZE, call, headers_of, in_memory

from kaiming_mcp.serving.admission import Admission, RateLimited
from kaiming_mcp.serving.drain import Stops
from kaiming_mcp.serving.exchange import begin
from kaiming_mcp.serving.settings import Settings
from kaiming_mcp.serving.tokens import TokenFile, new_token

MESSAGE = call("read_principle", {"id": "residual-learning"}, "request 7")
QUICK = Settings(request_timeout=0.02)


class Asked:
    """A request to an application without a server around it: parts come when they are given."""

    def __init__(self, app: ASGIApp, verb: str = "POST", **headers: str) -> None:
        self.app = app
        self.scope: Scope = {
            "type": "http",
            "method": verb,
            "path": "/mcp",
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
            "client": ("192.0.2.1", 1),
        }
        self.give, self._parts = anyio.create_memory_object_stream[Message](100)
        self.sent: list[Message] = []
        self.answered = anyio.Event()
        begin(self.scope, ("/mcp",))

    def body(self, content: bytes, *, more: bool = False) -> Asked:
        self.give.send_nowait({"type": "http.request", "body": content, "more_body": more})
        return self

    async def _send(self, message: Message) -> None:
        await anyio.lowlevel.checkpoint()
        self.sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self.answered.set()

    async def run(self) -> None:
        async with self._parts, self.give:
            await self.app(self.scope, self._parts.receive, self._send)

    @property
    def status(self) -> int:
        return self.sent[0]["status"]

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.sent[1]["body"])["error"]


class Inner:
    """What stands behind the admission in these tests: it takes the body, and answers when it is let."""

    def __init__(self, *, stream: bool = False, silent: bool = False, stubborn: bool = False) -> None:
        self.stream = stream
        self.silent = silent
        self.stubborn = stubborn
        self.bodies: list[bytes] = []
        self.go_on, self.begun, self.cancelled = anyio.Event(), anyio.Event(), False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        self.bodies.append((await receive())["body"])
        self.begun.set()
        kind = b"text/event-stream" if self.stream else b"application/json"
        start: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]}
        if self.stream:
            await send(start)
            if not self.silent:
                await send({"type": "http.response.body", "body": b": progress\r\n\r\n", "more_body": True})
        try:
            with anyio.CancelScope(shield=self.stubborn):
                await self.go_on.wait()
        except BaseException:
            self.cancelled = True
            raise
        if not self.stream:
            await send(start)
        await send({"type": "http.response.body", "body": b"{}"})


def _admission(app: ASGIApp, settings: Settings | None = None, **more: Any) -> Admission:
    given = {"stops": Stops(), "connections": lambda: 0, **more}
    return Admission(app, settings or Settings(), **given)


async def test_a_body_in_parts_arrives_whole() -> None:
    inner = Inner()
    inner.go_on.set()
    asked = Asked(_admission(inner)).body(b"ab", more=True).body(b"cd")
    await asked.run()
    assert inner.bodies == [b"abcd"]
    assert asked.status == 200


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_refused(declared: bool) -> None:
    inner = Inner()
    headers = {"content-length": "11"} if declared else {}
    asked = Asked(_admission(inner, Settings(max_body_bytes=10)), **headers)
    if not declared:
        asked.body(b"123456", more=True).body(b"78901")
    await asked.run()
    assert asked.status == 413
    assert asked.error["data"] == {"reason": "size", "status": 413}
    assert "10 bytes" in asked.error["message"]
    assert inner.bodies == []


async def test_a_body_as_large_as_allowed_is_taken() -> None:
    inner = Inner()
    inner.go_on.set()
    asked = Asked(_admission(inner, Settings(max_body_bytes=10)), **{"content-length": "10"}).body(b"1234567890")
    await asked.run()
    assert asked.status == 200


async def test_a_body_that_does_not_come_is_waited_for_only_so_long() -> None:
    asked = Asked(_admission(Inner(), Settings(receive_timeout=0.02))).body(b"{", more=True)
    with anyio.fail_after(10):
        await asked.run()
    assert asked.status == 408
    assert asked.headers[b"connection"] == b"close"
    assert asked.headers[b"retry-after"] == b"1"


async def test_a_client_that_goes_away_before_its_body_is_there_is_forgotten() -> None:
    asked = Asked(_admission(Inner())).body(b"{", more=True)
    asked.give.send_nowait({"type": "http.disconnect"})
    await asked.run()
    assert asked.sent == []


async def test_a_late_answer_becomes_504_and_the_work_is_cancelled() -> None:
    inner = Inner()
    asked = Asked(_admission(inner, QUICK)).body(json.dumps(MESSAGE).encode())
    with anyio.fail_after(10):
        await asked.run()
    assert asked.status == 504
    assert asked.error["data"] == {"reason": "timeout", "status": 504, "retryAfterSeconds": 10}
    assert inner.cancelled


async def test_a_stream_that_is_late_ends_with_an_error_for_the_request() -> None:
    inner = Inner(stream=True)
    asked = Asked(_admission(inner, QUICK)).body(json.dumps(MESSAGE).encode())
    with anyio.fail_after(10):
        await asked.run()
    assert asked.status == 200
    event = asked.sent[-1]["body"].decode()
    assert event.startswith("event: message\r\ndata: ")
    told = json.loads(event.partition("data: ")[2])
    assert (told["id"], told["error"]["data"]["reason"]) == ("request 7", "timeout")
    assert inner.cancelled


async def test_a_stream_that_has_said_nothing_yet_can_still_be_refused() -> None:
    asked = Asked(_admission(Inner(stream=True, silent=True), QUICK)).body(json.dumps(MESSAGE).encode())
    with anyio.fail_after(10):
        await asked.run()
    assert asked.status == 504
    assert asked.error["data"]["reason"] == "timeout"


async def test_the_answer_does_not_wait_for_work_that_runs_on_but_its_turn_does() -> None:
    inner = Inner(stubborn=True)
    admission = _admission(inner, replace(QUICK, max_in_flight=1))
    begun: list[bytes] = []
    first, second = Asked(admission).body(b"1"), Asked(admission).body(b"2")
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.run)
            await first.answered.wait()
            tasks.start_soon(second.run)
            await second.answered.wait()
            begun += inner.bodies
            inner.go_on.set()
    assert begun == [b"1"]
    assert (first.status, second.status) == (504, 504)
    assert len(first.sent) == 2


async def test_requests_beyond_the_turns_wait_and_beyond_the_queue_are_refused() -> None:
    inner = Inner()
    admission = _admission(inner, Settings(max_in_flight=1, max_queued=1))
    asked = [Asked(admission).body(str(i).encode()) for i in range(3)]
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for one in asked:
                tasks.start_soon(one.run)
            await asked[2].answered.wait()
            await inner.begun.wait()
            assert inner.bodies == [b"0"]
            inner.go_on.set()
    assert [one.status for one in asked] == [200, 200, 503]
    assert asked[2].headers[b"retry-after"] == b"1"
    assert asked[2].error["data"] == {"reason": "busy", "status": 503, "retryAfterSeconds": 1}


async def test_a_slow_body_holds_no_turn() -> None:
    inner = Inner()
    inner.go_on.set()
    admission = _admission(inner, Settings(max_in_flight=1))
    slow, quick = Asked(admission).body(b"{", more=True), Asked(admission).body(b"{}")
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(slow.run)
            await quick.run()
            assert quick.status == 200
            assert slow.sent == []
            slow.body(b"}")
    assert slow.status == 200


async def test_bodies_are_held_in_a_bounded_room() -> None:
    admission = _admission(Inner(), Settings(max_body_bytes=10))
    held = [Asked(admission).body(b"1234567890", more=True) for _ in range(17)]
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for one in held:
                tasks.start_soon(one.run)
            await held[-1].answered.wait()
            tasks.cancel_scope.cancel()
    assert [one.status for one in held if one.sent] == [503]


async def test_too_many_connections_are_told_so_and_closed() -> None:
    asked = Asked(_admission(Inner(), Settings(max_connections=5), connections=lambda: 6)).body(b"{}")
    await asked.run()
    assert asked.status == 503
    assert asked.headers[b"connection"] == b"close"


async def test_open_streams_are_bounded_and_take_no_turn() -> None:
    class Stream:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            del scope
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await receive()

    admission = _admission(Stream(), Settings(max_connections=4, max_in_flight=1))
    streams = [Asked(admission, "GET") for _ in range(3)]
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for one in streams:
                tasks.start_soon(one.run)
            await streams[-1].answered.wait()
            assert [one.status for one in streams] == [200, 200, 503]
            tasks.cancel_scope.cancel()


async def test_a_failure_behind_is_not_hidden() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        raise LookupError("told")

    with pytest.raises(LookupError, match="told"):
        await Asked(_admission(broken)).body(b"{}").run()


async def test_a_client_beyond_its_rate_is_told_when_to_try_again(era: str) -> None:
    async with in_memory(Settings(rate_limit=6, rate_burst=2)) as client:
        headers = headers_of(MESSAGE, era)
        answers = [await client.post("/mcp", json=MESSAGE, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 9 <= int(answers[2].headers["retry-after"]) <= 10
    told = answers[2].json()["error"]
    assert "at most 6 a minute" in told["message"]
    assert told["data"]["retryAfterSeconds"] == int(answers[2].headers["retry-after"])


async def _first_refusal(client: Client) -> MCPError:
    for _ in range(6):
        try:
            await client.call_tool("read_principle", {"id": "residual-learning"})
        except MCPError as refused:
            return refused
    raise AssertionError("never refused")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_real_client_reads_why_it_was_refused_and_when_to_come_back(mode: str) -> None:
    async with (
        in_memory(Settings(rate_limit=1, rate_burst=6)) as http,
        Client(streamable_http_client("http://127.0.0.1:8000/mcp", http_client=http), mode=mode) as client,  # pyright: ignore[reportArgumentType] - a Literal
    ):
        refused = await _first_refusal(client)
    assert refused.error.data["reason"] == "rate"
    assert "try again in" in refused.error.message


async def test_the_rate_is_of_the_token_and_not_of_the_address(tmp_path: Any) -> None:
    made = {name: new_token(name) for name in ("alice", "bob")}
    path = tmp_path / "tokens"
    path.write_text("\n".join(entry.line() for _, entry in made.values()), encoding="utf-8")
    async with in_memory(Settings(rate_limit=1, rate_burst=1), TokenFile(path)) as client:

        async def status(name: str) -> int:
            token = made[name][0] if name in made else name
            headers = {**headers_of(MESSAGE), "Authorization": f"Bearer {token}"}
            return (await client.post("/mcp", json=MESSAGE, headers=headers)).status_code

        # Guesses count against the address, and leave those who hold a token alone.
        assert [await status(name) for name in ("guess", "guess", "alice", "bob", "alice")] == [401, 429, 200, 200, 429]


async def test_a_flood_of_addresses_leaves_those_who_hold_a_token_alone() -> None:
    inner = Inner()
    inner.go_on.set()
    app = RateLimited(inner, Settings(rate_limit=1, rate_burst=1))
    assert app.addresses is not None
    app.addresses.most_clients = 0
    flood = [Asked(app).body(b"") for _ in range(3)]
    for asked in flood:
        await asked.run()
    named = Asked(app).body(b"")
    named.scope["user"] = AuthenticatedUser(AccessToken(token="x", client_id="alice", scopes=[]))
    await named.run()
    assert [asked.status for asked in (*flood, named)] == [200, 429, 429, 200]


async def test_without_a_limit_nobody_is_held() -> None:
    app = RateLimited(Inner(), Settings(rate_limit=0))
    assert app.names is app.addresses is None


async def test_a_late_tool_is_answered_in_time_over_the_whole_application(era: str) -> None:
    deep = "repeat 1000 { residual { linear 64 64 ; gelu ; linear 64 64 } ; layernorm }"
    message = call("trace_signal", {"architecture": deep})
    async with in_memory(Settings(request_timeout=0.1)) as client:
        answer = await client.post("/mcp", json=message, headers=headers_of(message, era))
    # The older protocol answers by a stream, but it has not begun: nothing was said yet.
    assert answer.status_code == 504
    assert json.loads(answer.text)["error"]["data"]["reason"] == "timeout"


async def test_what_the_sdk_answers_stays_as_it_is() -> None:
    async with in_memory() as client:
        assert (await client.post("/mcp", content=b"{", headers=headers_of(INITIALIZE, "legacy"))).status_code == 400
        assert (await client.post("/mcp", json=INITIALIZE, headers={"Content-Type": "text/plain"})).status_code == 400
        assert (await client.delete("/mcp", headers=headers_of(INITIALIZE, "legacy"))).status_code == 405
        assert (await client.get("/mcp", headers=headers_of(INITIALIZE))).status_code == 405
        assert (await client.get("/elsewhere")).status_code == 404
