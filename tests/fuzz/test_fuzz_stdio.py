"""Thousands of random requests over stdio: the process lives and answers, says nothing of its inside, and stays small.

`FUZZ_SEED=7 FUZZ_COUNT=100000 pytest tests/fuzz` draws others and more.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fuzz_checks import leak, must_be_answered, told
from fuzz_requests import Message, Requests
from fuzz_root import make_root
from served import DEADLINE, ENVELOPE, Served, request

SEED = int(os.environ.get("FUZZ_SEED", "1"))
COUNT = int(os.environ.get("FUZZ_COUNT", "10000")) // 2
AT_ONCE = 50
GROWTH = 60
"""Megabytes, from a third of the requests to all of them."""


class Fuzzed:
    """A server under fuzz, and what was found."""

    def __init__(self, served: Served, modern: bool) -> None:
        self.served, self.modern = served, modern
        self.faults: list[str] = []
        self.slowest = 0.0
        self.memory: list[float] = []

    def run(self) -> None:
        draw = Requests(SEED, self.modern)
        if not self.modern:
            self.served.initialize()
        self._must_still_answer()
        for begin in range(0, COUNT, AT_ONCE):
            self._send([draw.next(i) for i in range(begin, begin + AT_ONCE)])
            if len(self.faults) > 50:
                return
            if begin <= COUNT // 3 < begin + AT_ONCE:
                self._weigh()
        self._must_still_answer()
        self._weigh()

    def _send(self, batch: list[Message]) -> None:
        begun = time.perf_counter()
        self.served.send(*[message.body for message in batch])
        expected = [(message, id) for message in batch if (id := must_be_answered(message.body)) is not None]
        answers = self.served.answers([id for _, id in expected], DEADLINE)
        self.slowest = max(self.slowest, time.perf_counter() - begun)
        self.faults += [f"no answer: {m.body[:2000]!r}" for m, id in expected if id not in answers]
        sent = b"\n".join(message.body for message in batch)
        for message in self.served.collect():
            if found := leak(json.dumps(message, ensure_ascii=False), sent):
                guilty = next((m.body for m, id in expected if id == message.get("id")), b"?")
                self.faults.append(f"a leak: {found!r} in answer to {guilty[:3000]!r}")

    def _must_still_answer(self) -> None:
        meta = {"_meta": ENVELOPE} if self.modern else {}
        self.served.send(request("good", "tools/list", **meta))
        assert len(self.served.answer("good")["result"]["tools"]) == 10

    def _weigh(self) -> None:
        if Path("/proc/self").is_dir():
            self.memory.append(self.served.memory())


def test_random_requests_over_stdio(tmp_path: Path) -> None:
    root = str(make_root(tmp_path))
    with Served("--root", root) as legacy, Served("--root", root) as modern, ThreadPoolExecutor() as threads:
        fuzzed = [Fuzzed(legacy, modern=False), Fuzzed(modern, modern=True)]
        # Both at once, each on its own process; `list` raises what a thread has raised.
        list(threads.map(Fuzzed.run, fuzzed))
        for one in fuzzed:
            assert not one.faults, told(one.faults)
            assert b"Traceback" not in one.served.errors, one.served.errors[-5000:].decode(errors="replace")
            if one.memory:
                assert one.memory[-1] - one.memory[0] < GROWTH
            print(f"{COUNT} requests, slowest batch {one.slowest:.1f} s, {one.memory} MB")  # noqa: T201
