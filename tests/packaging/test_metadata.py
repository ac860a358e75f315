"""The registry's server.json, the bundle's manifest and the marks of ownership: valid, and one version everywhere."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from mcp import Client

from kaiming_mcp import __version__
from kaiming_mcp.server import create_server
from kaiming_mcp.skill import URI as SKILL
from kaiming_mcp.skill import frontmatter

ROOT = Path(__file__).parents[2]
NAME = "io.github.kaiming-mcp/kaiming-mcp"


def _json(path: str) -> Any:
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _validate(document: Any) -> None:
    schema = _json("tests/data/schemas/server-json.json")
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)


def test_server_json_is_what_the_registry_takes() -> None:
    _validate(_json("server.json"))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("description",), "x" * 101),
        (("name",), "kaiming-mcp"),
        (("version",), "^0.1.0"),
        (("packages", 0, "version"), "latest"),
        (("packages", 0, "transport"), {"type": "pipe"}),
        (("packages", 0, "packageArguments", 0, "type"), "flag"),
        (("packages", 1, "version"), "0.1.0"),
        (("packages", 1, "identifier"), "ghcr.io/kaiming-mcp/kaiming-mcp"),
        (("title_",), "x"),
    ],
)
def test_the_schema_refuses_what_the_registry_refuses(path: tuple[str | int, ...], value: Any) -> None:
    document = _json("server.json")
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        _validate(document)


def test_the_owner_marks_the_readme_and_the_image_with_the_registered_name() -> None:
    assert _json("server.json")["name"] == NAME
    assert re.findall(r"<!-- mcp-name: (\S+) -->", _text("README.md")) == [NAME]
    assert f'io.modelcontextprotocol.server.name="{NAME}"' in _text("Dockerfile")


async def test_one_version_stands_everywhere() -> None:
    async with Client(create_server()) as client:
        assert client.server_info
        said = client.server_info.version
        (skill,) = (await client.read_resource(SKILL)).contents
    registered, manifest = _json("server.json"), _json("bundle/manifest.json")
    pypi, oci = registered["packages"]
    newest = re.search(r"^## \[([^\]]+)\]", _text("CHANGELOG.md"), re.MULTILINE)
    assert newest
    versions = {
        "server over MCP": said,
        "server.json": registered["version"],
        "server.json, pypi": pypi["version"],
        "server.json, oci": oci["identifier"].rpartition(":")[2],
        "bundle/manifest.json": manifest["version"],
        "CHANGELOG.md": newest[1],
        "skill": frontmatter(getattr(skill, "text", ""))["metadata"]["version"],
    }
    assert versions == dict.fromkeys(versions, __version__)
    project = tomllib.loads(_text("pyproject.toml"))["project"]
    assert project["dynamic"] == ["version"]
    assert [pypi["identifier"], manifest["name"]] == [project["name"]] * 2
    assert manifest["compatibility"]["runtimes"]["python"] == project["requires-python"]


async def test_the_manifest_lists_the_tools_and_prompts_of_the_server() -> None:
    manifest = _json("bundle/manifest.json")
    async with Client(create_server()) as client:
        tools = (await client.list_tools()).tools
        prompts = (await client.list_prompts()).prompts
    expected = [{"name": t.name, "description": (t.description or "").splitlines()[0]} for t in tools]
    assert manifest["tools"] == expected
    assert [(p["name"], p["description"], p["arguments"]) for p in manifest["prompts"]] == [
        (p.name, p.description, [a.name for a in p.arguments or []]) for p in prompts
    ]
    for prompt in manifest["prompts"]:
        assert re.findall(r"\$\{arguments\.(\w+)\}", prompt["text"]) == prompt["arguments"]


def test_the_manifest_has_a_privacy_policy_that_exists_and_runs_nothing_but_the_server() -> None:
    manifest = _json("bundle/manifest.json")
    (policy,) = manifest["privacy_policies"]
    assert policy.startswith(manifest["homepage"])
    assert f"### {policy.partition('#')[2].replace('-', ' ').title()}" in _text("README.md")
    server = manifest["server"]
    assert server["type"] == "uv"
    assert (ROOT / server["entry_point"]).is_file()
    assert manifest["user_config"]["directories"]["default"] == []
