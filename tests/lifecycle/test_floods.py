"""Clients that ask for more than can be done, or read nothing: memory is bounded, and what comes next is answered."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from served import ENVELOPE, Served, call, cancel, line, request

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="memory is read from /proc")  # noqa: PTH112
BUSY = -32010
HEAVY = "repeat 200 { residual { linear 64 64 } ; relu }"
"""A network that takes about a second."""


@pytest.fixture
def served() -> Iterator[Served]:
    with Served() as served:
        yield served.initialize()
        assert b"Traceback" not in served.errors


def _pings(count: int) -> bytes:
    return b"".join(line(request(i, "ping")) for i in range(count))


def _ask_for_good(served: Served, within: float) -> None:
    served.send(request("good", "tools/list"))
    assert len(served.answer("good", within)["result"]["tools"]) == 10


@pytest.mark.parametrize("asked", [{"jsonrpc": "2.0"}, {}], ids=["requests", "what is refused"])
def test_a_client_that_never_reads_is_read_no_further(served: Served, asked: dict[str, str]) -> None:
    before = served.memory("VmHWM")
    served.stop_reading()
    lists = b"".join(line({**asked, "id": i, "method": "tools/list"}) for i in range(100_000))
    assert served.pour(lists, patience=1.5) < len(lists) / 4
    assert served.memory("VmHWM") - before < 80


def test_a_client_that_reads_late_gets_every_answer(served: Served) -> None:
    served.stop_reading()
    pings = _pings(100_000)
    written = served.pour(pings, patience=1.5)
    assert written < len(pings) / 4
    served.go_on_reading()
    end = pings.index(b"\n", written)
    served.send(pings[written:end])
    _ask_for_good(served, 20)
    for i in range(pings[:end].count(b"\n")):
        answer = served.answer(i)
        assert "result" in answer or answer["error"]["code"] == BUSY


def test_light_requests_at_once_are_all_answered_however_many(served: Served) -> None:
    before = served.memory("VmHWM")
    served.send(_pings(5_000))
    _ask_for_good(served, 30)
    assert all(served.answer(i).get("result") == {} for i in range(5_000))
    assert served.memory("VmHWM") - before < 60


@pytest.mark.parametrize("together", [True, False], ids=["each at once", "all at the end"])
def test_heavy_calls_that_are_all_cancelled_hold_up_nothing(served: Served, together: bool) -> None:
    before, count = served.memory("VmHWM"), 3000
    calls = [call(i, "critique_architecture", architecture=HEAVY) for i in range(count)]
    cancels = [cancel(i) for i in range(count)]
    if together:
        served.send(*[message for pair in zip(calls, cancels, strict=True) for message in pair])
    else:
        served.send(*calls)
        served.send(*cancels)
    _ask_for_good(served, 20)
    served.send(call("useful", "critique_architecture", architecture="repeat 20 { linear 64 64 ; relu }"))
    assert "Verdict" in served.answer("useful", 30)["result"]["content"][0]["text"]
    turned_away = [m for m in served.messages if m.get("error", {}).get("code") == BUSY]
    assert bool(turned_away) is not together
    assert all("Send it again" in m["error"]["message"] for m in turned_away)
    # What was done before its cancellation came: a few by the patience of the line.
    assert len(served.messages) - len(turned_away) <= 3 + 30
    assert served.memory("VmHWM") - before < 150


def test_large_messages_are_held_only_a_few_at_a_time(served: Served) -> None:
    before = served.memory("VmHWM")
    # Every place for heavy calls is taken for some seconds, so that what follows has to wait.
    served.send(*[call(f"heavy {i}", "critique_architecture", architecture=HEAVY) for i in range(5)])
    large = b'"' + b"a" * (8 * 1024 * 1024 - 300) + b'"'
    for i in range(40):
        served.send(
            b'{"jsonrpc": "2.0", "id": %d, "method": "tools/call", "params": {"name": "critique_architecture", '
            b'"arguments": {"architecture": %b}}}' % (i, large)
        )
    _ask_for_good(served, 30)
    for i in range(40):
        answer = served.answer(i)
        assert answer["result"]["isError"] if "result" in answer else answer["error"]["code"] == BUSY
    assert served.memory("VmHWM") - before < 250


def test_a_cancelled_call_reports_no_more_progress(served: Served) -> None:
    # Clients close the connection over progress of a call that they have forgotten.
    simulation = call("slow", "trace_signal", architecture="repeat 20 { linear 512 512 ; relu }", simulate=True)
    simulation["params"]["_meta"] = {"progressToken": "token"}
    served.send(simulation)
    served.wait_for(lambda: any(m.get("method") == "notifications/progress" for m in served.messages))
    served.send(cancel("slow"), request("after", "ping"))
    served.answer("after")
    seen = len(served.messages)
    served.send(call(1, "trace_signal", architecture="repeat 20 { linear 64 64 ; relu }", simulate=True))
    served.answer(1)
    assert [m for m in served.messages[seen:] if "method" in m or m["id"] == "slow"] == []


def test_the_modern_era_is_bounded_as_well() -> None:
    with Served() as served:
        served.send(request("first", "server/discover", _meta=ENVELOPE))
        served.answer("first")
        before = served.memory("VmHWM")
        served.stop_reading()
        lists = b"".join(line(request(i, "tools/list", _meta=ENVELOPE)) for i in range(100_000))
        assert served.pour(lists, patience=1.5) < len(lists) / 4
        assert served.memory("VmHWM") - before < 80
