"""Something that changes, and that others wait for."""

from __future__ import annotations

from collections.abc import Callable

import anyio


class Changing:
    """Wakes whoever waits for it each time that it says it has changed."""

    def __init__(self) -> None:
        self._changed = anyio.Event()

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            await self._changed.wait()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
