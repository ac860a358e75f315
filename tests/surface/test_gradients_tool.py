"""diagnose_gradients and debug_gradients through a real client: forms, files, errors, the prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client

from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.roots import allow
from kaiming_mcp.server import create_server

ERAS = pytest.mark.parametrize("mode", ["auto", "legacy"])
DECAY = "\n".join(f"fc{i}.weight grad norm {10.0 ** (i - 12):.2e}" for i in range(10))


def _text(result: Any) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, types.TextContent))


@ERAS
async def test_a_diagnosis_comes_as_text_and_data_with_mechanism_and_place(mode: Any) -> None:
    async with Client(create_server(), mode=mode) as client:
        result = await client.call_tool("diagnose_gradients", {"measurements": DECAY, "symptom": "what is this"})
    text, data = _text(result), result.structured_content
    assert not result.is_error
    assert data is not None
    assert data["mechanism"] == "true_decay_backward"
    assert f"[true_decay_backward at {data['located']}]" in "\n".join(text.splitlines()[:3])
    assert all(line in text for line in data["explanations"])
    assert json.loads(data["request"])["tool"] == "diagnose_gradients"
    assert len(json.dumps(data, ensure_ascii=False)) <= 8_000


@ERAS
async def test_nothing_gets_a_short_reply_that_says_what_to_measure(mode: Any) -> None:
    async with Client(create_server(), mode=mode) as client:
        result = await client.call_tool("diagnose_gradients", {"symptom": "it does not train"})
    assert not result.is_error
    assert result.structured_content is not None
    assert result.structured_content["mechanism"] == "cannot_tell"
    assert "kaiming-mcp probe signal" in _text(result)
    assert len(_text(result)) <= 1_200


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ({"architecture": "linear 8 8 ; linear 8 8", "initialization": "magic"}, "'magic'"),
        ({"architecture": "linear 8 8 ; linear 8 8", "batch": -1}, "`batch`"),
        ({"architecture": "linear 8 8 ; linear 8 8", "input": "huge"}, "`input`"),
        ({"measurement": "x"}, "Did you mean 'measurements'"),
        ({"measurements": "path:../secret.txt"}, "measurements"),
    ],
)
async def test_a_wrong_argument_is_named(arguments: dict[str, Any], part: str) -> None:
    async with Client(create_server()) as client:
        result = await client.call_tool("diagnose_gradients", arguments)
    assert result.is_error
    assert part in _text(result)


async def test_prose_as_an_architecture_is_no_error_beside_measurements() -> None:
    async with Client(create_server()) as client:
        result = await client.call_tool(
            "diagnose_gradients", {"measurements": DECAY, "architecture": "a deep net of my own"}
        )
    assert not result.is_error
    assert "The architecture was not read" in _text(result)


async def test_measurements_are_read_from_a_file_below_a_root(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text(DECAY, encoding="utf-8")
    async with Client(create_server((allow(str(tmp_path)),))) as client:
        result = await client.call_tool("diagnose_gradients", {"measurements": "path:log.txt"})
    assert result.structured_content is not None
    assert result.structured_content["mechanism"] == "true_decay_backward"


async def test_the_prompt_embeds_the_diagnosis_where_the_symptom_holds_numbers() -> None:
    async with Client(create_server()) as client:
        numbers = await client.get_prompt("debug_gradients", {"symptom": f"They vanish:\n{DECAY}"})
        words = await client.get_prompt("debug_gradients", {"symptom": "They vanish"})
    assert "true_decay_backward" in str(numbers.messages[0].content)
    assert "Verdict" not in str(words.messages[0].content)


async def test_the_example_call_gives_a_verdict() -> None:
    async with Client(create_server()) as client:
        result = await client.call_tool("diagnose_gradients", json.loads(EXAMPLES["diagnose_gradients"]))
    assert result.structured_content is not None
    assert result.structured_content["mechanism"] == "true_decay_backward"
