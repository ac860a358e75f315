"""What models and hosts make of arguments on the way, and what the tools are called with.

The server here writes down the calls instead of answering them, so that every argument of every tool can be tried.
"""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types
import pytest
from everything import PROMPTS, TOOLS
from mcp import Client
from mcp.shared.exceptions import MCPError

from kaiming_mcp.calls import Progress
from kaiming_mcp.server import create_server

LOOKS_LIKE_JSON = ('{"a": 1}', "[1]", '["a", "b"]', "null", "5", "true", '"quoted"', "NaN", " padded ", "1e400")
LONGEST_ERROR = 300
"""Tokens."""
both_eras = pytest.mark.parametrize("mode", ["auto", "legacy"])


class Written:
    """Calls that are only written down."""

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}

    async def reply(
        self, tool: str, arguments: dict[str, Any], progress: Progress | None = None, picture: bool = False
    ) -> types.CallToolResult:
        del progress, picture
        self.arguments = arguments
        least = {"read_principle": {"text": ""}, "check_answer": {"verdict": ""}}
        content = least.get(tool, {"tool": tool, "verdict": ""})
        return types.CallToolResult(content=[types.TextContent(type="text", text="-")], structured_content=content)

    async def prompt(self, name: str, arguments: dict[str, str]) -> str:
        self.arguments = {"prompt": name, **arguments}
        return "-"


def _kind(argument: dict[str, Any]) -> str:
    return "enum" if "enum" in argument else argument["type"]


async def _schemas(client: Client) -> dict[str, dict[str, Any]]:
    return {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}


@both_eras
async def test_a_text_that_looks_like_json_arrives_as_it_was_sent(mode: Any) -> None:
    written = Written()
    async with Client(create_server(calls=written), mode=mode) as client:
        for tool, schema in (await _schemas(client)).items():
            names = [name for name, argument in schema["properties"].items() if _kind(argument) == "string"]
            for text in LOOKS_LIKE_JSON:
                result = await client.call_tool(tool, dict.fromkeys(names, text))
                assert not result.is_error, result.content
                assert {name: written.arguments[name] for name in names} == dict.fromkeys(names, text)


SENT: dict[str, list[tuple[Any, Any]]] = {
    "integer": [("32", 32), (" 32 ", 32), ("-1", -1), (32.0, 32), ("32.0", 32), ("", None), (None, None)],
    "boolean": [("true", True), ("True", True), ("false", False), ("1", True), (0, False), ("", None), (None, None)],
    "string": [
        (784, "784"),
        (0.5, "0.5"),
        (True, "true"),
        (["a, b", "c"], "a, b\nc"),
        ([1, 2], "[1, 2]"),
        ({"x": ["é"]}, '{"x": ["é"]}'),
        (None, None),
    ],
    "enum": [("", None), (None, None)],
}
"""By declared type: what is sent, and what the tool is to be called with (None: as if it had been left out)."""


@both_eras
async def test_numbers_as_text_and_objects_for_text_are_taken_and_null_is_nothing(mode: Any) -> None:
    written = Written()
    async with Client(create_server(calls=written), mode=mode) as client:
        for tool, schema in (await _schemas(client)).items():
            least = dict.fromkeys(schema.get("required", []), "x")
            await client.call_tool(tool, least)
            left_out = written.arguments
            for name, argument in schema["properties"].items():
                for sent, meant in SENT[_kind(argument)]:
                    if sent is None and name in least:
                        continue
                    result = await client.call_tool(tool, {**least, name: sent})
                    assert not result.is_error, (tool, name, sent, result.content)
                    given = written.arguments[name]
                    assert given == (left_out[name] if meant is None else meant), (tool, name, sent)
                    assert type(given) is {"string": str, "integer": int, "boolean": bool}[argument["type"]]


@both_eras
async def test_an_argument_of_the_wrong_kind_is_named_with_an_example(mode: Any) -> None:
    async with Client(create_server(calls=Written()), mode=mode) as client:
        for tool, schema in (await _schemas(client)).items():
            for name, argument in schema["properties"].items():
                if _kind(argument) != "string":
                    for wrong in ("many", "1.5", [1], {"a": 1}):
                        refused = await client.call_tool(tool, {**TOOLS[tool], name: wrong})
                        _names(refused, name, "Example: ")
        for tool, schema in (await _schemas(client)).items():
            for name in schema.get("required", []):
                _names(await client.call_tool(tool, {}), name, "Example: ")
                _names(await client.call_tool(tool, {name: None}), name, "Example: ")


@both_eras
async def test_an_unknown_argument_is_refused_with_the_nearest_that_is_known(mode: Any) -> None:
    async with Client(create_server(calls=Written()), mode=mode) as client:
        for tool, schema in (await _schemas(client)).items():
            for name in schema["properties"]:
                refused = await client.call_tool(tool, {**TOOLS[tool], f"{name}x": "1"})
                _names(refused, f"{name}x", f"Did you mean '{name}'?")
            _names(await client.call_tool(tool, {**TOOLS[tool], "q9": 1}), "q9", *schema["properties"])


def _names(refused: types.CallToolResult, *parts: str) -> None:
    assert refused.is_error
    assert refused.structured_content is None
    (said,) = refused.content
    assert isinstance(said, types.TextContent)
    assert all(part in said.text for part in parts), (parts, said.text)
    assert len(said.text) / 4 <= LONGEST_ERROR


@both_eras
async def test_an_error_stays_short_whatever_was_sent(mode: Any) -> None:
    long = "z" * 100_000
    async with Client(create_server(), mode=mode) as client:
        for tool in ("critique_architecture", "trace_signal", "reframe_as_residual"):
            call = {**TOOLS[tool], "mapping" if tool == "reframe_as_residual" else "architecture": "linear 3 4"}
            _names(await client.call_tool(tool, {**call, "initialization": long}), "`initialization`", "e.g.")
        _names(await client.call_tool("read_principle", {long: ""}), "Unknown argument", "xample")
        _names(await client.call_tool("trace_signal", {"architecture": "linear 3 4", "batch": "9" * 4000}), "`batch`")
        for call in (client.call_tool(long), client.get_prompt(long)):
            with pytest.raises(MCPError) as caught:
                await call
            assert caught.value.error.code == types.INVALID_PARAMS
            assert len(caught.value.error.message) / 4 <= LONGEST_ERROR


@both_eras
async def test_the_request_line_may_come_back_as_an_object(mode: Any) -> None:
    async with Client(create_server(), mode=mode) as client:
        scaffold = (await client.call_tool("derive_initialization", TOOLS["derive_initialization"])).structured_content
        assert scaffold is not None
        answer = {"answer": "**direction**: forward", "request": scaffold["request"]}
        as_text = await client.call_tool("check_answer", answer)
        as_object = await client.call_tool("check_answer", {**answer, "request": json.loads(scaffold["request"])})
    assert as_text.structured_content == as_object.structured_content
    assert "altered" not in json.dumps(as_object.structured_content)


@both_eras
async def test_a_prompt_takes_every_text_as_it_was_sent(mode: Any) -> None:
    written = Written()
    async with Client(create_server(calls=written), mode=mode) as client:
        for prompt, arguments in PROMPTS.items():
            for text in LOOKS_LIKE_JSON:
                await client.get_prompt(prompt, dict.fromkeys(arguments, text))
                assert written.arguments == {"prompt": prompt, **dict.fromkeys(arguments, text)}


@both_eras
async def test_a_prompt_names_what_is_missing_empty_or_unknown(mode: Any) -> None:
    async with Client(create_server(calls=Written()), mode=mode) as client:
        for prompt, arguments in PROMPTS.items():
            for name in arguments:
                rest = {k: v for k, v in arguments.items() if k != name}
                wrong = {"missing": rest, "empty": {**rest, name: " "}, "unknown": {**arguments, f"{name}x": "1"}}
                for call in wrong.values():
                    with pytest.raises(MCPError) as caught:
                        await client.get_prompt(prompt, call)
                    assert caught.value.error.code == types.INVALID_PARAMS
                    assert f"'{name}" in caught.value.error.message
        with pytest.raises(MCPError, match="Did you mean 'review_network'"):
            await client.get_prompt("review_netwrk", {"architecture": "x"})
