"""What a host and its model read before the first call: names, schemas, descriptions, hints, and what they cost.

The rules are lists of what is allowed, so that a keyword nobody thought of is refused too. Hosts hand the schema of the
arguments to their model's interface, which knows a small subset; the schema of a result reaches no model and may nest,
but holds no reference either, for some hosts follow none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from everything import PROMPTS, TOOLS
from jsonschema import Draft202012Validator
from mcp import Client
from mcp_types import Tool

from kaiming_mcp.server import create_server

CHARACTERS_PER_TOKEN = 4
MOST_TOKENS_OF_A_LIST = 3_000
LONGEST_NAME = 60
"""Characters of server and tool that a host allows; hosts write them as mcp__SERVER__TOOL."""
LONGEST_INSTRUCTIONS = 2_048
LONGEST_DESCRIPTION = 600
OF_ARGUMENTS = {"type", "properties", "required"}
OF_AN_ARGUMENT = {"type", "description", "default", "enum"}
OF_RESULTS = {
    *OF_ARGUMENTS,
    *OF_AN_ARGUMENT,
    "items",
    "additionalProperties",
    "maxItems",
}
PLAIN = {"string": str, "integer": int, "boolean": bool}
STEERING = re.compile(
    r"\b(always|never use|must|first call|call (this|the|it)|then (use|call)|before (any|all|every)|prefer)\b",
    re.IGNORECASE,
)


@pytest.fixture(params=["auto", "legacy"])
async def tools(request: pytest.FixtureRequest) -> list[Tool]:
    async with Client(create_server(), mode=request.param) as client:
        return (await client.list_tools()).tools


def _schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and every schema in it."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])]
    for part in inner:
        yield from _schemas(part)


async def test_arguments_are_flat_plain_typed_and_described(tools: list[Tool]) -> None:
    assert {tool.name for tool in tools} == set(TOOLS)
    for tool in tools:
        schema = tool.input_schema
        assert schema["type"] == "object"
        assert set(schema) <= OF_ARGUMENTS, tool.name
        assert set(schema.get("required", [])) <= set(schema["properties"])
        for name, argument in schema["properties"].items():
            where = f"{tool.name}.{name}"
            assert set(argument) <= OF_AN_ARGUMENT, where
            assert argument["type"] in PLAIN, where
            assert argument["description"].strip(), where
            assert ("default" in argument) != (name in schema.get("required", [])), where
            assert type(argument.get("default", PLAIN[argument["type"]]())) is PLAIN[argument["type"]], where


async def test_every_schema_is_one_of_json_schema_2020_12(tools: list[Tool]) -> None:
    for tool in tools:
        Draft202012Validator.check_schema(tool.input_schema)
        assert tool.output_schema is not None
        Draft202012Validator.check_schema(tool.output_schema)


async def test_results_are_objects_without_references_unions_or_nulls(tools: list[Tool]) -> None:
    for tool in tools:
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"
        for schema in _schemas(tool.output_schema):
            assert set(schema) <= OF_RESULTS, (tool.name, schema)
            assert schema["type"] in {*PLAIN, "number", "array", "object"}, (tool.name, schema)
            assert schema.get("default", "") is not None
            assert schema["type"] != "array" or "items" in schema
            assert schema["type"] != "object" or schema["properties"]


async def test_the_list_of_tools_costs_a_model_at_most_3000_tokens(tools: list[Tool]) -> None:
    shown = [t.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"output_schema"}) for t in tools]
    assert len(json.dumps(shown)) / CHARACTERS_PER_TOKEN <= MOST_TOKENS_OF_A_LIST


async def test_names_fit_every_host_behind_the_name_of_the_server(tools: list[Tool]) -> None:
    for tool in tools:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", tool.name)
        assert len(f"mcp__kaiming-mcp__{tool.name}") <= LONGEST_NAME


async def test_every_tool_has_a_title_and_says_that_it_only_reads(tools: list[Tool]) -> None:
    assert len({tool.title for tool in tools}) == len(TOOLS)
    for tool in tools:
        assert tool.title
        assert tool.annotations is not None
        hints = tool.annotations.model_dump(exclude_none=True)
        assert hints == {
            "read_only_hint": True,
            "destructive_hint": False,
            "idempotent_hint": True,
            "open_world_hint": False,
        }


async def test_a_description_says_what_the_tool_does_and_when_to_use_it(tools: list[Tool]) -> None:
    for tool in tools:
        assert tool.description is not None
        does, _, when = tool.description.partition("\n\n")
        assert re.match(r"[A-Z][a-z]+s ", does), tool.name
        assert re.match(r"Use (when|before|where) ", when), tool.name
        assert len(tool.description) <= LONGEST_DESCRIPTION, tool.name


async def test_no_description_steers_a_model_to_other_tools(tools: list[Tool]) -> None:
    for tool in tools:
        said = [tool.description or "", *(p["description"] for p in tool.input_schema["properties"].values())]
        assert not [text for text in said if STEERING.search(text)], tool.name
        assert not [other for other in TOOLS if other != tool.name and other in " ".join(said)], tool.name


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_instructions_reach_a_client_whole(mode: Any) -> None:
    async with Client(create_server(), mode=mode) as client:
        assert client.instructions
        assert len(client.instructions) <= LONGEST_INSTRUCTIONS


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_prompts_and_their_arguments_have_titles_and_descriptions(mode: Any) -> None:
    async with Client(create_server(), mode=mode) as client:
        prompts = (await client.list_prompts()).prompts
    assert {prompt.name for prompt in prompts} == set(PROMPTS)
    for prompt in prompts:
        assert len(f"mcp__kaiming-mcp__{prompt.name}") <= LONGEST_NAME
        assert prompt.title
        assert prompt.description
        assert not STEERING.search(prompt.description)
        assert [argument.name for argument in prompt.arguments or []] == list(PROMPTS[prompt.name])
        assert all(argument.required and argument.description for argument in prompt.arguments or [])
