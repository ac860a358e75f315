"""The official conformance suite over HTTP, for every version of the specification that it knows.

Two servers are asked: the product with the fixtures that the suite calls by name, and the product alone, which must
pass whatever needs no fixture.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from live import script, served

pytestmark = pytest.mark.tools

HERE = Path(__file__).parent
EXPECTED = {path.stem: path for path in sorted((HERE / "expected_failures").glob("*.yaml"))}
SUITE = ("@modelcontextprotocol", "conformance", "dist", "index.js")
ON_EVERY_MESSAGE = "wire-schema-valid"
"""A check that every scenario holds, whatever it is about."""
NO_FIXTURE = {
    "server-initialize",
    "ping",
    "completion-complete",
    "tools-list",
    "resources-list",
    "prompts-list",
    "dns-rebinding-protection",
    "caching",
    "http-header-validation",
    "sep-2164-resource-not-found",
}
FEW_FIXTURES = "server-stateless"
"""A scenario that says of four of its checks that they cannot be tested without a fixture."""
HOLLOW = re.compile(r"Unknown (?:tool|prompt) |Unknown resource: (?!\S*nonexistent)|untestable")
"""What an answer says that came about without the fixture."""
SKILLS = ("sep-2640-skills-enumeration", "sep-2640-skills-manifest")
"""Scenarios of an extension, which belong to no version."""
Checks = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def with_fixtures() -> Iterator[str]:
    script(*SUITE)
    with served([sys.executable, str(HERE / "fixture_server.py")]) as url:
        yield url


@pytest.fixture(scope="module")
def alone() -> Iterator[str]:
    script(*SUITE)
    with served() as url:
        yield url


def _suite(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*script(*SUITE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False)


def _checks(kept: Path) -> Checks:
    """The checks of each scenario; a folder is named server-SCENARIO-TIME."""
    found: Checks = {}
    for path in kept.glob("*/checks.json"):
        named = re.fullmatch(r"server-(.+)-\d{4}-\d\d-\d\dT.*", path.parent.name)
        assert named is not None, path
        found[named[1]] = json.loads(path.read_text("utf-8"))
    return found


@functools.cache
def _scenarios(version: str) -> set[str]:
    listed = _suite("list", "--server", "--spec-version", version).stdout
    return set(re.findall(r"^ +- (\S+)", listed, re.MULTILINE))


def _with(checks: Checks, *statuses: str) -> set[str]:
    return {name for name, cs in checks.items() if any(c["status"] in statuses for c in cs)}


def _unchecked(checks: Checks) -> set[str]:
    """Scenarios that passed because nothing of theirs was looked at."""
    own = {name: [c for c in cs if c["id"] != ON_EVERY_MESSAGE] for name, cs in checks.items()}
    return set(checks) - _with(own, "SUCCESS", "FAILURE", "WARNING")


def test_every_version_that_the_suite_knows_is_run() -> None:
    tags = re.findall(r"\[(.+)\]", _suite("list", "--server").stdout)
    versions = {v for tag in tags for v in tag.split(",") if v[0].isdigit()}
    assert versions == set(EXPECTED)


@pytest.mark.parametrize("version", EXPECTED)
def test_every_expected_failure_has_its_reason(version: str) -> None:
    entries = [line for line in EXPECTED[version].read_text("utf-8").splitlines() if line.lstrip().startswith("- ")]
    assert not [line for line in entries if not re.search(r" {2}# \w.{7}", line)]


@pytest.mark.parametrize("version", EXPECTED)
def test_the_suite_passes_but_for_what_is_expected(with_fixtures: str, version: str, tmp_path: Path) -> None:
    expected = yaml.safe_load(EXPECTED[version].read_text("utf-8"))
    options = ["--suite", "all", "--spec-version", version, "--expected-failures", str(EXPECTED[version])]
    done = _suite("server", "--url", with_fixtures, *options, "-o", str(tmp_path))
    checks = _checks(tmp_path)
    assert done.returncode == 0, done.stdout[-4000:]
    assert set(checks) == _scenarios(version)
    assert _with(checks, "FAILURE", "WARNING") == set(expected["server"])
    assert _unchecked(checks) == set(expected["unchecked"])
    passed = {name: json.dumps(cs) for name, cs in checks.items() if name not in expected["server"]}
    assert not [name for name, said in passed.items() if HOLLOW.search(said)]


@pytest.mark.parametrize("version", EXPECTED)
def test_the_product_alone_passes_what_needs_no_fixture(alone: str, version: str, tmp_path: Path) -> None:
    expected = yaml.safe_load(EXPECTED[version].read_text("utf-8"))
    _suite("server", "--url", alone, "--suite", "all", "--spec-version", version, "-o", str(tmp_path))
    checks = _checks(tmp_path)
    owed = NO_FIXTURE & _scenarios(version) - set(expected["server"])
    assert owed <= set(checks)
    assert not owed & (_with(checks, "FAILURE", "WARNING") | _unchecked(checks))
    failed = [c for c in checks.get(FEW_FIXTURES, []) if c["status"] == "FAILURE"]
    assert all(c["errorMessage"].startswith("Not testable") for c in failed), failed


@pytest.mark.parametrize("scenario", SKILLS)
def test_the_skill_of_the_product_passes_the_checks_of_its_extension(alone: str, scenario: str, tmp_path: Path) -> None:
    done = _suite("server", "--url", alone, "--scenario", scenario, "-o", str(tmp_path))
    assert done.returncode == 0, done.stdout[-4000:]
    (checks,) = _checks(tmp_path).values()
    assert {check["status"] for check in checks} == {"SUCCESS"}
    assert len(checks) > 1
