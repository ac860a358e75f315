"""The Inspector's command line lists and calls everything over both transports, one process for each call."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from everything import FAULTS, PROMPTS, TOOLS
from live import STDIO, script, served

pytestmark = pytest.mark.tools

AT_ONCE = max(2, os.cpu_count() or 2)
LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
REFUSED = 5
"""Exit code of the Inspector for a result with isError."""


@dataclass(frozen=True)
class Inspector:
    """Runs the Inspector against one server, in one era of the protocol."""

    target: list[str]
    era: str
    home: Path

    def run(self, method: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        launcher = script("@modelcontextprotocol", "inspector", "clients", "launcher", "build", "index.js")
        command = [*launcher, "--cli", *self.target, "--protocol-era", self.era, "--format", "json"]
        return subprocess.run(
            [*command, "--method", method, *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
            env={**os.environ, "HOME": str(self.home)},
        )

    def ask(self, call: tuple[str, ...]) -> dict[str, Any]:
        done = self.run(*call)
        assert done.returncode == 0, (call, done.stdout[-500:], done.stderr[-500:])
        return json.loads(done.stdout)["result"]

    def ask_all(self, calls: list[tuple[str, ...]]) -> list[dict[str, Any]]:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(self.ask, calls))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as at:
        yield at


@pytest.fixture(params=["stdio", "http"])
def target(request: pytest.FixtureRequest, url: str) -> list[str]:
    return STDIO if request.param == "stdio" else [url, "--transport", "http"]


def _lists(inspector: Inspector) -> dict[str, list[dict[str, Any]]]:
    answers = inspector.ask_all([(method,) for method in LISTS])
    return {key: answer[key] for key, answer in zip(LISTS.values(), answers, strict=True)}


def test_everything_is_listed_and_every_part_answers(target: list[str], tmp_path: Path) -> None:
    inspector = Inspector(target, "legacy" if target == STDIO else "modern", tmp_path)
    listed = _lists(inspector)
    assert {tool["name"] for tool in listed["tools"]} == set(TOOLS)
    assert {prompt["name"] for prompt in listed["prompts"]} == set(PROMPTS)
    assert listed["resourceTemplates"]
    uris = [resource["uri"] for resource in listed["resources"]]
    if target == STDIO:
        # A start of the server for each call: one resource of each kind, while the other clients read all over stdio.
        uris = list({uri.split("/")[2]: uri for uri in uris}.values())
    tools = [("tools/call", "--tool-name", name, "--tool-args-json", json.dumps(call)) for name, call in TOOLS.items()]
    prompts = [
        ("prompts/get", "--prompt-name", name, "--prompt-args", *(f"{k}={v}" for k, v in call.items()))
        for name, call in PROMPTS.items()
    ]
    answers = inspector.ask_all([*tools, *prompts, *(("resources/read", "--uri", uri) for uri in uris)])
    for name, answer in zip(TOOLS, answers, strict=False):
        assert not answer.get("isError"), name
        assert answer["content"][0]["text"], name
        assert answer["structuredContent"], name
    for answer in answers[len(tools) : -len(uris)]:
        assert answer["messages"][0]["content"]["text"]
    for uri, answer in zip(uris, answers[-len(uris) :], strict=True):
        assert answer["contents"][0]["uri"] == uri
        assert answer["contents"][0]["text"]


def test_the_other_era_of_each_transport_lists_the_same(url: str, tmp_path: Path) -> None:
    over_http = ["--transport", "http"]
    usual, *others = [
        _lists(Inspector(target, era, tmp_path))
        for target, era in (([url, *over_http], "modern"), ([url, *over_http], "legacy"), (STDIO, "modern"))
    ]
    assert others == [usual, usual]


def test_the_inspector_finds_no_schema_that_a_host_would_refuse(url: str, tmp_path: Path) -> None:
    inspector = Inspector([url, "--transport", "http"], "modern", tmp_path)
    done = inspector.run("tools/list", "--strict")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_refusal_reaches_the_inspector_as_one(url: str, tmp_path: Path) -> None:
    call = ("tools/call", "--tool-name", "read_principle", "--tool-args-json", json.dumps(FAULTS["read_principle"]))
    done = Inspector([url, "--transport", "http"], "modern", tmp_path).run(*call)
    assert done.returncode == REFUSED
    assert "Did you mean 'residual-learning'" in done.stdout


def test_the_inspector_verifies_every_file_of_the_skill(url: str, tmp_path: Path) -> None:
    inspector = Inspector([url, "--transport", "http"], "modern", tmp_path)
    (report,) = [json.loads(line) for line in inspector.run("skills/list", "--verify").stdout.splitlines()]
    assert report["outcome"] == "verified"
    assert len(report["files"]) > 1
