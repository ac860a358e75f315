"""Tests that run with a client of each protocol era."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp import Client

from kaiming_mcp.server import create_server


def in_both_eras(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Runs a test with a client of each protocol era; the client lives inside the test's own task."""

    @pytest.mark.parametrize("mode", ["auto", "legacy"])
    @functools.wraps(test)
    async def run(mode: Any, **rest: Any) -> None:
        async with Client(create_server(), mode=mode) as client:
            await test(client, **rest)

    _, *parameters = inspect.signature(test).parameters.values()
    mode = inspect.Parameter("mode", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = inspect.Signature([mode, *parameters])  # type: ignore[attr-defined] - what pytest reads
    return run
