"""deploy/ and the Dockerfile before the programs and schemas of those who will read them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from balancers import program
from manifests import DEPLOY, KUBERNETES, kinds

pytestmark = pytest.mark.tools

OLDEST, NEWEST = "1.30", "1.37"


def _run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120, check=False)


def _tool(name: str) -> str:
    """A command of the extra `tools`, beside the Python that runs the tests, or one of the system."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else program(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def test_the_dockerfile_has_no_finding_of_hadolint(tmp_path: Path) -> None:
    hadolint = _tool("hadolint")
    told = _run(hadolint, "--failure-threshold", "style", DEPLOY.parent / "Dockerfile")
    assert told.returncode == 0, told.stdout
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd / && sudo true\n", "utf-8")
    assert _run(hadolint, "--failure-threshold", "style", tmp_path / "Dockerfile").returncode == 1


def test_the_compose_file_is_of_the_compose_specification(tmp_path: Path) -> None:
    check = (_tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec")
    told = _run(*check, DEPLOY / "compose.yaml")
    assert told.returncode == 0, told.stdout
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    (tmp_path / "compose.yaml").write_text(text.replace("read_only:", "readonly:"), "utf-8")
    assert _run(*check, tmp_path / "compose.yaml").returncode == 1


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("kind", sorted(set(kinds()) - {"Kustomization"}))
def test_every_object_is_of_the_schema_of_kubernetes(kind: str, version: str) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    document = kinds()[kind]
    validator.validate(document, version, strict=True)
    with pytest.raises(validator.ValidationError):
        validator.validate({**document, "specs": {}}, version, strict=True)


def test_kustomize_puts_the_parts_together() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    validator = pytest.importorskip("kubernetes_validate")
    built = _run("kubectl", "kustomize", KUBERNETES)
    assert built.returncode == 0, built.stderr
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(built.stdout))
    assert sorted(document["kind"] for document in documents) == sorted(set(kinds()) - {"Kustomization", "Secret"})
    for document in documents:
        validator.validate(document, NEWEST, strict=True)
        assert document["metadata"]["namespace"] == "kaiming-mcp"
    [image] = kinds()["Kustomization"]["images"]
    assert f'"{image["newName"]}:{image["newTag"]}"' in json.dumps(documents)


@pytest.mark.parametrize("servers", ["backend.example.cfg", "compose-backend.cfg"])
def test_haproxy_takes_its_files(servers: str) -> None:
    told = _run(_tool("haproxy"), "-c", "-f", DEPLOY / "haproxy.cfg", "-f", DEPLOY / servers)
    assert told.returncode == 0, told.stderr


def test_nginx_takes_its_files(tmp_path: Path) -> None:
    nginx = _tool("nginx")
    text = (DEPLOY / "nginx.conf").read_text("utf-8").replace("/tmp/", f"{tmp_path}/")
    (tmp_path / "nginx.conf").write_text(text, "utf-8")
    shutil.copy(DEPLOY / "upstreams.example.conf", tmp_path / "upstreams.conf")
    told = _run(nginx, "-t", "-c", tmp_path / "nginx.conf")
    assert told.returncode == 0, told.stderr
