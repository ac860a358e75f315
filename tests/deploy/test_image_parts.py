"""What goes into the image: fixed versions that fit the package, and a healthcheck that finds the server."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import pytest
from manifests import DEPLOY
from packaging.requirements import Requirement

PROJECT: dict[str, Any] = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text("utf-8"))
RUN, BUILD = DEPLOY / "image" / "requirements.txt", DEPLOY / "image" / "build-requirements.txt"
PLATFORM = {"sys_platform": "linux", "platform_system": "Linux", "platform_python_implementation": "CPython"}


def _pins(text: str) -> list[tuple[Requirement, int]]:
    """The requirements of a file, each with the number of its hashes."""
    logical = re.sub(r"\\\n\s*", " ", text)
    lines = [line for line in logical.splitlines() if line.strip() and not line.startswith("#")]
    return [(Requirement(line.partition(" --hash=")[0]), line.count("--hash=sha256:")) for line in lines]


def _wanted() -> dict[str, list[str]]:
    return {
        RUN.name: [
            *PROJECT["project"]["dependencies"],
            *PROJECT["project"]["optional-dependencies"].get("telemetry", []),
        ],
        BUILD.name: PROJECT["build-system"]["requires"],
    }


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("path", [RUN, BUILD], ids=lambda path: path.name)
def test_the_fixed_versions_fit_what_the_package_asks_for(path: Any, python: str) -> None:
    environment = {**PLATFORM, "python_version": python, "python_full_version": f"{python}.1"}
    held = [pin for pin, _ in _pins(path.read_text("utf-8")) if not pin.marker or pin.marker.evaluate(environment)]
    versions = {pin.name.lower(): str(pin.specifier).removeprefix("==") for pin in held}
    assert len(versions) == len(held), "one version of each"
    for text in _wanted()[path.name]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(versions[wanted.name.lower()]), f"{text}: `make requirements`"


@pytest.mark.parametrize("path", [RUN, BUILD], ids=lambda path: path.name)
def test_every_version_is_fixed_by_hashes_and_from_no_place_of_its_own(path: Any) -> None:
    text = path.read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-[^-]|^\s*--(?!hash)", text, re.MULTILINE)
    for pin, hashes in _pins(text):
        assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), pin
        assert hashes > 0, pin


def test_the_build_is_given_all_that_the_wheel_is_made_of() -> None:
    dockerfile = (DEPLOY.parent / "Dockerfile").read_text("utf-8")
    copied = {
        word.removeprefix("./") for line in re.findall(r"^COPY ([^-].*)", dockerfile, re.M) for word in line.split()
    }
    admitted = set(re.findall(r"^!(\S+)", (DEPLOY.parent / ".dockerignore").read_text("utf-8"), re.M))
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    for source in [*wheel["packages"], *wheel["force-include"], PROJECT["project"]["readme"]]:
        assert source.split("/")[0] in copied & admitted, source


@pytest.fixture(scope="module")
def healthcheck() -> ModuleType:
    spec = importlib.util.spec_from_file_location("healthcheck", DEPLOY / "image" / "healthcheck.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("command", "environment", "place"),
    [
        ("kaiming-mcp", {}, None),
        ("kaiming-mcp --root /models", {"KAIMING_PORT": "9000"}, None),
        ("kaiming-mcp serve --http", {}, ("127.0.0.1", 8000)),
        ("kaiming-mcp serve --http --host 0.0.0.0 --port 9000", {"KAIMING_PORT": "8123"}, ("127.0.0.1", 9000)),
        ("/sbin/docker-init -- kaiming-mcp serve --http --port=9000", {}, ("127.0.0.1", 9000)),
        ("kaiming-mcp serve --http", {"KAIMING_HOST": "::", "KAIMING_PORT": "9000"}, ("127.0.0.1", 9000)),
        ("kaiming-mcp serve --http", {"KAIMING_HOST": "10.1.2.3"}, ("10.1.2.3", 8000)),
        ("kaiming-mcp serve --http", {"KAIMING_PORT": "tcp://10.96.0.1:80"}, ("127.0.0.1", 8000)),
    ],
)
def test_the_healthcheck_finds_where_the_server_listens(
    healthcheck: ModuleType, command: str, environment: Mapping[str, str], place: tuple[str, int] | None
) -> None:
    assert healthcheck.address(command.split(), environment) == place
