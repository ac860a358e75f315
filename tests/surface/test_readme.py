"""The README is true: its excerpt, tables, snippets, flags and links."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from mcp import Client

from kaiming_mcp.server import create_server

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]


def _rows(title: str) -> list[str]:
    """First column of the table that follows a line with the title."""
    table = README[README.index(title) :].split("\n\n")[0]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


async def test_the_tables_list_what_the_server_registers() -> None:
    async with Client(create_server()) as client:
        tools = (await client.list_tools()).tools
        prompts = (await client.list_prompts()).prompts
        resources = (await client.list_resources()).resources
    assert _rows("| tool | you give") == [t.name for t in tools]
    for tool in tools:
        row = next(line for line in README.splitlines() if line.startswith(f"| `{tool.name}` |"))
        for argument in tool.input_schema["properties"]:
            assert f"`{argument}`" in row, argument
    assert _rows("| prompt | argument") == [p.name for p in prompts]
    for prompt in prompts:
        row = next(line for line in README.splitlines() if line.startswith(f"| `{prompt.name}` |"))
        assert [a.name for a in prompt.arguments or []] == re.findall(r"`(\w+)`", row)[1:]
    for resource in resources:
        uri = str(resource.uri)
        assert uri in README or uri.rsplit("/", 1)[0] in README


def test_the_excerpt_is_what_the_command_prints() -> None:
    excerpt = re.search(r"<!-- excerpt: kaiming-mcp (.+?) -->\n```\n(.*?)```", README, re.DOTALL)
    assert excerpt
    command = [sys.executable, "-m", "kaiming_mcp", *excerpt[1].split()]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, timeout=60, check=True)
    assert done.stdout.startswith(excerpt[2].rstrip())
    assert len(excerpt[2].splitlines()) >= 7


def test_every_json_snippet_parses_and_names_an_absolute_command() -> None:
    snippets = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", README, re.DOTALL)]
    snippets += [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", README, re.DOTALL)]
    assert len(snippets) == 8  # all clients but Claude Code, which has a command, and the container
    for snippet in snippets:
        (servers,) = snippet.values()
        entry = servers["kaiming"]
        assert entry["command"] == "docker" or entry["command"].startswith("/absolute/")
        assert "-t" not in entry["args"]
        assert "--name" not in entry["args"]


def test_every_flag_of_serve_is_documented_and_exists() -> None:
    helped = subprocess.run(
        [sys.executable, "-m", "kaiming_mcp", "serve", "--help"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=True,
    ).stdout
    flags = set(re.findall(r"--[a-z][a-z-]+", helped)) - {"--help"}
    assert flags == set(re.findall(r"^\| `(--[a-z-]+)`", README, re.MULTILINE)) | {"--http", "--no-telemetry"}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_local_links_lead_somewhere(name: str) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / name).read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


def test_the_readme_stays_readable() -> None:
    assert len(README.encode()) < 20_000  # eight clients and every setting stand in it
