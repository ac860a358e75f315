"""Who waits, who is passed on, and who is turned away."""

from __future__ import annotations

from collections.abc import Awaitable

import anyio
import mcp_types as types
import pytest

from kaiming_mcp.serving.stdio import line_up
from kaiming_mcp.serving.stdio.line_up import LineUp


def _request(id: int | str) -> types.JSONRPCRequest:
    return types.JSONRPCRequest(jsonrpc="2.0", id=id, method="x")


async def _waits(something: Awaitable[object]) -> bool:
    with anyio.move_on_after(0.05) as scope:
        await something
    return scope.cancelled_caught


async def test_requests_are_passed_on_in_order_and_only_as_many_as_the_server_may_hold() -> None:
    line = LineUp(in_flight=2)
    for id in (1, 2, 3):
        assert await line.put(_request(id), 10)
    assert [await line.take(), await line.take()] == [_request(1), _request(2)]
    assert await _waits(line.take())
    line.finish(2)
    assert await line.take() == _request(3)
    line.finish(1)
    line.finish(3)
    assert not await _waits(line.empty())


async def test_a_request_is_called_back_while_it_waits_and_not_later() -> None:
    line = LineUp(in_flight=1)
    for id in (1, "2", 3):
        await line.put(_request(id), 10)
    await line.take()
    assert not line.call_back(1)
    assert line.call_back(2)
    assert not line.call_back(2)
    line.finish(1)
    assert await line.take() == _request(3)


async def test_requests_of_the_same_id_end_one_by_one() -> None:
    line = LineUp(in_flight=2)
    for _ in range(3):
        await line.put(_request(1), 10)
    await line.take()
    await line.take()
    line.finish(1)
    await line.take()
    assert await _waits(line.empty())
    line.finish(1)
    line.finish(1)
    line.finish(1)
    assert not await _waits(line.empty())


async def test_an_unknown_request_ends_nothing() -> None:
    line = LineUp(in_flight=1)
    await line.put(_request(1), 10)
    await line.take()
    line.finish(2)
    line.finish(None)
    assert await _waits(line.empty())


@pytest.mark.parametrize(("in_line", "held"), [(2, 1000), (1000, 20)])
async def test_a_full_line_is_waited_for_while_it_is_quick(
    in_line: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_up, "PATIENCE_SECONDS", 30)
    line = LineUp(in_line=in_line, held=held)
    for id in (1, 2):
        assert await line.put(_request(id), 10)
    assert await _waits(line.put(_request(3), 10))
    async with anyio.create_task_group() as tasks:

        async def move() -> None:
            line.finish((await line.take()).id)  # type: ignore[union-attr] - a request

        tasks.start_soon(move)
        assert await line.put(_request(4), 10)


@pytest.mark.parametrize(("in_line", "held"), [(2, 1000), (1000, 20)])
async def test_a_full_line_that_is_slow_turns_others_away(
    in_line: int, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_up, "PATIENCE_SECONDS", 0.01)
    line = LineUp(in_line=in_line, held=held)
    for id in (1, 2):
        assert await line.put(_request(id), 10)
    assert not await line.put(_request(3), 10)
    assert line.call_back(1)
    assert await line.put(_request(3), 10)


async def test_a_message_larger_than_all_room_passes_when_it_is_alone() -> None:
    line = LineUp(held=5)
    assert await line.put(_request(1), 10)
    assert await line.take() == _request(1)


async def test_notifications_keep_their_place_and_hold_no_room() -> None:
    line = LineUp(in_flight=1, held=10)
    note = types.JSONRPCNotification(jsonrpc="2.0", method="notifications/initialized")
    await line.put(note, 10)
    assert await line.take() == note
    assert await line.put(_request(1), 10)
    assert await line.take() == _request(1)
