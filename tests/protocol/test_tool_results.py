"""What comes back: every result fits its schema, says the same in both forms, and stays within what hosts show.

Some hosts give a model the structured form, some the text, and none gives it both.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from everything import FAULTS, TOOLS
from jsonschema import Draft202012Validator
from mcp import Client

from kaiming_mcp.server import create_server

MODELS = sorted((Path(__file__).parents[1] / "data" / "model_texts").glob("*.txt"))
NOTHING_TO_READ: dict[str, dict[str, Any]] = {
    "critique_architecture": {"architecture": "a deep network with many layers"},
    "diagnose_gradients": {"symptom": "it does not work"},
    "trace_signal": {"architecture": "a deep network with many layers"},
    "reframe_as_generative": {"problem": "hello"},
    "reframe_as_residual": {"mapping": "hello"},
    "simplify_method": {"pipeline": "hello"},
    "translate_to_science": {"problem": "hello"},
}
"""A call of each tool that can have nothing to work on."""
LARGE: dict[str, dict[str, Any]] = {
    "critique_architecture": {
        "architecture": "Net(\n"
        + "\n".join(f"({i}): Mystery{i}(in={i})" for i in range(4000))
        + "\n(l): Linear(in_features=3, out_features=4)\n)"
    },
    "diagnose_gradients": {
        "symptom": "the loss does not move",
        "measurements": "\n".join(f"layer{i}.weight grad norm {1e-3 * 0.97 ** (i % 400):.3e}" for i in range(2000)),
    },
    "trace_signal": {"architecture": " ; ".join(f"linear {w} {w + 1} ; relu" for w in range(8, 300))},
    "reframe_as_generative": {"problem": "forecast rainfall, several futures are possible; " * 400},
    "reframe_as_residual": {
        "mapping": "predict the next value",
        "data": "target,reference\n" + "\n".join(f"{i + i % 7},{i}" for i in range(2000)),
    },
    "simplify_method": {"pipeline": "; ".join(f"auxiliary head {i}, EMA, mixup, distillation {i}" for i in range(400))},
    "translate_to_science": {"field": "medicine", "problem": "find pneumonia on chest X-rays of 3 hospitals; " * 400},
    "check_answer": {
        "answer": "\n".join(f"**field {i}**: He et al. say “words {i} that nobody said”" for i in range(300))
    },
}
"""A call of each tool with a long argument that makes it say much."""
CHARACTERS_PER_TOKEN = 4
ORDINARY, MOST, MOST_OF_A_NEED = 2_000, 8_000, 300
"""Tokens of an ordinary result, of any, and of one that says what to send."""
ONLY_STRUCTURED = {"tool", "unit", "value"}
"""Fields that have no words of their own in the text: the request names the tool, a statement holds value and unit."""
OF_THE_RENDERING = {"0.81"}
"""Numbers of headings."""
NUMBER = re.compile(r"(\d[\d,]*)(?:\.(\d+))?(?:e([+-]?\d+))?(\s?%)?")
Ask = Callable[[str, dict[str, Any]], Awaitable[tuple[str, dict[str, Any]]]]
"""A call of a tool: its text and its structured form, which fits the schema."""
both_eras = pytest.mark.parametrize("mode", ["auto", "legacy"])


@asynccontextmanager
async def _asked(mode: Any) -> AsyncIterator[Ask]:
    async with Client(create_server(), mode=mode) as client:
        schemas = {tool.name: tool.output_schema or False for tool in (await client.list_tools()).tools}

        async def ask(tool: str, arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
            result = await client.call_tool(tool, arguments)
            (block,) = result.content
            assert isinstance(block, types.TextContent)
            assert not result.is_error, block.text
            assert block.text.strip()
            assert result.structured_content is not None
            Draft202012Validator(schemas[tool], format_checker=Draft202012Validator.FORMAT_CHECKER).validate(
                result.structured_content
            )
            return block.text, result.structured_content

        yield ask


def _tokens(content: dict[str, Any]) -> float:
    return len(json.dumps(content, ensure_ascii=False, allow_nan=False)) / CHARACTERS_PER_TOKEN


def _leaves(part: Any, field: str = "") -> Iterator[tuple[str, Any]]:
    match part:
        case dict():
            for key, value in part.items():
                yield from _leaves(value, key)
        case list():
            for value in part:
                yield from _leaves(value, field)
        case _:
            yield field, part


def _printed(text: str) -> Iterator[tuple[float, float]]:
    """Each number of a text, and half a unit of the last digit that is printed; a share of 5 % may be held as 0.05."""
    for whole, fraction, exponent, percent in NUMBER.findall(text):
        digits = float(f"{whole.replace(',', '')}{fraction}")
        for scale in (1, 100) if percent else (1,):
            unit = 10.0 ** (int(exponent or 0) - len(fraction)) / scale
            yield digits * unit, unit / 2


def _says_the_same(text: str, content: dict[str, Any]) -> None:
    said = [(field, value) for field, value in _leaves(content) if field not in ONLY_STRUCTURED]
    assert not [(field, value) for field, value in said if str(value) not in text]
    for fact in content.get("established", []):
        value = abs(fact.get("value", math.inf))
        printed = [*_printed(fact["statement"])]
        assert value == math.inf or any(abs(value - n) <= 1.001 * half for n, half in printed), fact
    # Nor does the text say more: its ids and its numbers all stand in the structured form.
    facts = re.findall(r"^- \[(\w+)\] ", text, re.MULTILINE)
    findings = re.findall(r"^- \*\*(\w+) \((?:high|medium|low|note)\)", text, re.MULTILINE)
    assert facts == [fact["id"] for fact in content.get("established", [])]
    if "established" in content:
        assert findings == [finding["id"] for finding in content.get("findings", [])]
    written = json.dumps(content, ensure_ascii=False)
    numbers = {n for n in re.findall(r"\d[\d,.]*\d(?:e[+-]?\d+)?", text) if n not in written} - OF_THE_RENDERING
    assert not numbers


@pytest.mark.parametrize("tool", TOOLS)
@both_eras
async def test_the_example_of_every_tool_is_ordinary_and_the_same_in_both_forms(mode: Any, tool: str) -> None:
    async with _asked(mode) as ask:
        text, content = await ask(tool, TOOLS[tool])
    _says_the_same(text, content)
    assert _tokens(content) <= ORDINARY
    assert len(text) / CHARACTERS_PER_TOKEN <= ORDINARY


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
async def test_the_results_for_a_real_model_are_the_same_in_both_forms(path: Path) -> None:
    async with _asked("auto") as ask:
        for tool in ("critique_architecture", "trace_signal"):
            text, content = await ask(tool, {"architecture": path.read_text("utf-8")})
            _says_the_same(text, content)
            assert _tokens(content) <= ORDINARY


@pytest.mark.parametrize("tool", NOTHING_TO_READ)
@both_eras
async def test_a_call_with_nothing_to_read_is_told_what_to_send_and_no_more(mode: Any, tool: str) -> None:
    async with _asked(mode) as ask:
        text, content = await ask(tool, NOTHING_TO_READ[tool])
    _says_the_same(text, content)
    assert {"tool", "verdict", "needs", "example"} <= set(content)
    assert not {"established", "findings", "frame", "request"} & set(content)
    assert _tokens(content) <= MOST_OF_A_NEED
    assert len(text) / CHARACTERS_PER_TOKEN <= MOST_OF_A_NEED


@pytest.mark.parametrize("tool", LARGE)
async def test_no_result_is_longer_than_hosts_show_whatever_was_sent(tool: str) -> None:
    async with _asked("auto") as ask:
        text, content = await ask(tool, LARGE[tool])
    _says_the_same(text, content)
    assert _tokens(content) <= MOST
    assert len(text) / CHARACTERS_PER_TOKEN <= MOST


async def test_every_page_of_the_library_fits_what_hosts_show() -> None:
    async with _asked("auto") as ask:
        _, index = await ask("read_principle", {})
        for name in re.findall(r"kaiming://(?:principles|reasoning)/([\w-]+)", index["text"]):
            text, content = await ask("read_principle", {"id": name})
            assert text == content["text"]
            assert _tokens(content) <= MOST


@pytest.mark.parametrize("tool", FAULTS)
@both_eras
async def test_a_refusal_has_text_and_no_structured_form(mode: Any, tool: str) -> None:
    async with Client(create_server(), mode=mode) as client:
        result = await client.call_tool(tool, FAULTS[tool])
    assert result.is_error
    assert result.structured_content is None
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    assert re.search(r"xample|e\.g\.", block.text)


def test_every_tool_is_held_to_every_rule() -> None:
    assert set(FAULTS) == set(TOOLS)
    assert set(TOOLS) - set(LARGE) == {"derive_initialization", "read_principle"}  # no argument makes them say more
    assert set(TOOLS) - set(NOTHING_TO_READ) == {"derive_initialization", "read_principle", "check_answer"}
