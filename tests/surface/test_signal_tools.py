"""trace_signal and derive_initialization through a real client: forms, progress, cancellation, errors."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import Client

from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.server import create_server
from kaiming_mcp.signal import simulation
from kaiming_mcp.signal.simulation import StoppedError

ERAS = pytest.mark.parametrize("mode", ["auto", "legacy"])


def _text(result: Any) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, types.TextContent))


@ERAS
async def test_a_trace_comes_as_text_and_data_with_table_and_sparkline(mode: Any) -> None:
    async with Client(create_server(), mode=mode) as client:
        result = await client.call_tool("trace_signal", {"architecture": "repeat 20 { linear 64 64 ; tanh }"})
    text, data = _text(result), result.structured_content
    assert not result.is_error
    assert data is not None
    assert data["picture"] in text
    assert data["table"] in text
    assert all(fact["statement"] in text for fact in data["established"])
    assert "▁" in text
    assert len(text) < 8_000


@ERAS
async def test_a_simulation_reports_progress_and_stands_beside_the_theory(mode: Any) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        assert (total, message) == (100, "draws of the weights")
        heard.append(progress)

    async with Client(create_server(), mode=mode) as client:
        result = await client.call_tool(
            "trace_signal",
            {"architecture": "repeat 6 { linear 32 32 ; relu }", "initialization": "he", "simulate": True},
            progress_callback=hear,
        )
    assert "theory / simulation" in _text(result)
    assert heard
    assert heard == sorted(heard)
    assert heard[-1] == 100


async def test_a_cancelled_simulation_ends_its_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    running, ended = threading.Event(), threading.Event()

    def endless(*_: Any, stopped: Any, **__: Any) -> None:
        running.set()
        for _attempt in range(6_000):
            if stopped():
                ended.set()
                raise StoppedError
            threading.Event().wait(0.01)

    monkeypatch.setattr(simulation, "simulate", endless)
    async with Client(create_server()) as client:
        with anyio.move_on_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(
                    client.call_tool,
                    "trace_signal",
                    {"architecture": "linear 8 8 ; relu ; linear 8 8", "simulate": True},
                )
                await anyio.to_thread.run_sync(running.wait, 30)
                group.cancel_scope.cancel()
        assert await anyio.to_thread.run_sync(ended.wait, 30)
        assert not (await client.call_tool("read_principle", {})).is_error


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("trace_signal", {"architecture": "linear 8 8 ; linear 9 9"}, "expects 9 features"),
    ("trace_signal", {"architecture": "linear 8 8"}, "fewer than two"),
    ("trace_signal", {"architecture": "linear 8 8 ; linear 8 8", "initialization": "magic"}, "'magic'"),
    ("trace_signal", {"architecture": "linear 8 8 ; linear 8 8", "batch": -1}, "`batch`"),
    ("trace_signal", {"architecture": "linear 8 8", "simulat": True}, "Did you mean 'simulate'"),
    ("derive_initialization", {"activation": "gelo", "fan_in": 8}, "Did you mean gelu"),
    ("derive_initialization", {"activation": "relu"}, "`fan_in` or `layer`"),
    ("derive_initialization", {"activation": "relu", "fan_in": -3}, "`fan_in`"),
    ("derive_initialization", {"activation": "relu", "layer": "conv 3"}, "`layer`"),
    ("derive_initialization", {"activation": "relu", "layer": "relu"}, "one linear or convolution"),
    ("derive_initialization", {"activation": "relu", "fan_in": 8, "framework": "caffe"}, "'framework'"),
    ("derive_initialization", {"activation": "relu " * 50, "fan_in": 8}, "`activation`"),
]


@ERAS
@pytest.mark.parametrize(("tool", "arguments", "part"), WRONG, ids=[f"{t}-{p}" for t, _, p in WRONG])
async def test_a_wrong_argument_is_named_with_an_example(
    mode: Any, tool: str, arguments: dict[str, Any], part: str
) -> None:
    async with Client(create_server(), mode=mode) as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert part in _text(result)
    assert "xample" in _text(result) or "expected e.g." in _text(result)


async def test_prose_gets_a_short_reply_that_says_what_to_send() -> None:
    async with Client(create_server()) as client:
        result = await client.call_tool("trace_signal", {"architecture": "my network has some layers"})
    assert not result.is_error
    assert "Nothing was established yet." in _text(result)
    assert len(_text(result)) < 1_200


async def test_the_example_calls_work() -> None:
    import json

    async with Client(create_server()) as client:
        for name, example in EXAMPLES.items():
            result = await client.call_tool(name, json.loads(example))
            assert not result.is_error, name


def test_the_probe_is_printed_by_a_command() -> None:
    command = [sys.executable, "-m", "kaiming_mcp", "probe", "signal"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=True)
    assert done.stdout.startswith('"""Probe `signal`')
    compile(done.stdout, "signal_probe.py", "exec")
