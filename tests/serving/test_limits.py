"""Rates and room, as arithmetic: no client ever gets more than its bucket holds, and memory is bounded."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiming_mcp.serving.limits import BUSY, Gate, RateLimiter, network_of
from kaiming_mcp.serving.refusals import Refused

_steps = st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 3)), max_size=120)
_rates = st.floats(0.05, 100)
_bursts = st.integers(1, 20)


def _passed(limiter: RateLimiter, steps: list[tuple[str, float]], start: float) -> dict[str, list[float]]:
    """When each client's requests passed."""
    now, passed = start, dict[str, list[float]]()
    for client, later in steps:
        now += later
        if not limiter.wait(client, now):
            passed.setdefault(client, []).append(now)
    return passed


@given(_steps, _rates, _bursts, st.sampled_from([0.0, 1e6]))
def test_no_client_passes_more_than_its_burst_and_rate_in_any_window(
    steps: list[tuple[str, float]], rate: float, burst: int, start: float
) -> None:
    for times in _passed(RateLimiter(rate, burst), steps, start).values():
        for i, begin in enumerate(times):
            for j in range(i, len(times)):
                assert j - i + 1 <= burst + rate * (times[j] - begin) + 1e-3


@given(_steps, _rates, _bursts)
def test_a_client_is_not_held_to_what_others_ask(steps: list[tuple[str, float]], rate: float, burst: int) -> None:
    together = _passed(RateLimiter(rate, burst), steps, 0)
    for client in "abcdef":
        alone, now = RateLimiter(rate, burst), 0.0
        passed = list[float]()
        for other, later in steps:
            now += later
            if other == client and not alone.wait(client, now):
                passed.append(now)
        assert passed == together.get(client, [])


@given(_steps, _rates, _bursts)
def test_who_waits_as_long_as_told_passes(steps: list[tuple[str, float]], rate: float, burst: int) -> None:
    limiter, now = RateLimiter(rate, burst), 0.0
    for client, later in steps:
        now += later
        if wait := limiter.wait(client, now):
            assert wait <= burst / rate * 1.001 + 1e-6
            now += wait * (1 + 1e-9) + 1e-9
            assert limiter.wait(client, now) == 0


@given(_steps, _rates, _bursts, st.integers(1, 3))
def test_more_clients_than_are_remembered_share_a_bucket_and_no_memory_is_taken(
    steps: list[tuple[str, float]], rate: float, burst: int, most: int
) -> None:
    limiter = RateLimiter(rate, burst, most)
    for times in _passed(limiter, steps, 0).values():
        for i, begin in enumerate(times):
            assert len(times) - i <= burst + rate * (times[-1] - begin) + 1e-3
    assert len(limiter) <= most + 1


def test_a_flood_of_addresses_takes_no_memory_and_ends_with_it() -> None:
    limiter = RateLimiter(rate=10, burst=100, most_clients=1000)
    passed = sum(not limiter.wait(f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", i * 1e-5) for i in range(50_000))
    assert len(limiter) <= 1001
    assert passed <= 1000 + 100 + 10
    assert limiter.wait("192.0.2.1", 1e3) == 0
    assert len(limiter) < 10


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("unknown", "unknown", True),
    ],
)
def test_an_ipv6_network_is_one_client(one: str, other: str, same: bool) -> None:
    assert (network_of(one) == network_of(other)) is same


async def test_places_and_bytes_are_given_back() -> None:
    gate = Gate(in_flight=1, queued=1, max_body_bytes=10)
    for _ in range(3):
        with gate.place() as hold, gate.place():
            hold(160)
            with pytest.raises(Refused) as full, gate.place():
                pass
            assert full.value.refusal is BUSY
            with pytest.raises(Refused):
                hold(1)
    with pytest.raises(Refused), gate.place() as hold:
        hold(161)
    with gate.place() as hold:
        hold(160)


async def test_turns_are_taken_one_after_the_other() -> None:
    gate = Gate(in_flight=2, queued=10, max_body_bytes=1)
    most = now = 0

    async def work() -> None:
        nonlocal most, now
        async with gate.turns:
            now += 1
            most = max(most, now)
            await anyio.lowlevel.checkpoint()
            now -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(work)
    assert most == 2
