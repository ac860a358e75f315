"""The official TypeScript client, in both its generations: what most hosts are built on.

It holds every structured result against the output schema of its tool by itself, and throws where one does not fit.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from everything import FAULTS, PROMPTS, TOOLS
from live import NODE_MODULES, STDIO, node, served

pytestmark = pytest.mark.tools

SCRIPT = Path(__file__).with_name("everything.mjs")
CALLS = json.dumps({"tools": TOOLS, "faults": FAULTS, "prompts": PROMPTS})
ERA = {"first": "legacy", "second": "modern"}
PACKAGE = {"first": "sdk", "second": "client"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as at:
        yield at


def _told(generation: str, target: list[str]) -> dict[str, Any]:
    if not (NODE_MODULES / "@modelcontextprotocol" / PACKAGE[generation]).exists():
        pytest.skip("the TypeScript client is not installed: make tools")
    done = subprocess.run(
        [node(), str(SCRIPT), generation, *target],
        input=CALLS,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("transport", ["stdio", "http"])
@pytest.mark.parametrize("generation", ERA)
def test_everything_is_listed_and_every_part_answers(url: str, generation: str, transport: str) -> None:
    told = _told(generation, ["stdio", *STDIO] if transport == "stdio" else ["http", url])
    assert told["era"] == ERA[generation]
    assert {tool["name"] for tool in told["listed"]} == set(TOOLS) == set(told["tools"])
    assert {prompt["name"] for prompt in told["promptsListed"]} == set(PROMPTS)
    assert told["templates"]
    assert told["notes"] > 0
    for name, result in told["tools"].items():
        assert not result.get("isError"), name
        assert result["content"][0]["text"], name
        assert result["structuredContent"], name
    for name in FAULTS:
        refused = told["refused"][name]
        assert refused["isError"], name
        assert refused["content"][0]["text"], name
        assert "structuredContent" not in refused, name
    assert all(prompt["messages"][0]["content"]["text"] for prompt in told["prompts"].values())
    assert all(page["contents"][0]["text"] for page in told["resources"].values())
