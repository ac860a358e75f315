"""What deploy/ promises: hardened, drained in time, and speaking of settings that exist."""

from __future__ import annotations

import copy
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fleet import Replica, free_ports
from load import ask, request
from manifests import DEPLOY, compose, environments, kinds, pod, pod_faults, service_faults

from kaiming_mcp import __version__
from kaiming_mcp.serving.settings import read_settings
from kaiming_mcp.serving.tokens import new_token, read_entries

CLONE = DEPLOY.parent
TEXTS = [
    *sorted(path for path in DEPLOY.rglob("*") if path.is_file()),
    CLONE / "docs" / "deploy.md",
    CLONE / "Dockerfile",
]


@pytest.fixture(scope="module")
def help_text() -> str:
    command = [sys.executable, "-m", "kaiming_mcp", "serve", "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_every_setting_spoken_of_exists(path: Path, help_text: str) -> None:
    named = set(re.findall(r"\bKAIMING_[A-Z_]+[A-Z]\b", path.read_text("utf-8")))
    unknown = {name for name in named if not re.search(rf"\b{name}\b", help_text)}
    assert not unknown


def test_every_flag_that_a_container_is_started_with_exists(help_text: str) -> None:
    [container] = pod()["containers"]
    documented = re.findall(r"serve (--[^\n`]+)", (CLONE / "docs" / "deploy.md").read_text("utf-8"))
    words = [*container["args"], *compose()["services"]["server"]["command"], *" ".join(documented).split()]
    flags = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert "--http" in flags
    assert not {flag for flag in flags if not re.search(rf"{flag}\b", help_text)}


@pytest.mark.parametrize("place", ["compose", "kubernetes"])
def test_the_variables_are_settings_that_the_server_takes(place: str) -> None:
    settings = read_settings({}, environments()[place])
    assert not settings.is_local
    assert settings.token_file is not None
    assert settings.trusted_proxies


@pytest.fixture
def as_deployed(tmp_path: Path) -> Iterator[tuple[Replica, str]]:
    token, entry = new_token("alice")
    (tmp_path / "tokens").write_text(entry.line() + "\n", "utf-8")
    names = {name.removeprefix("KAIMING_").lower(): value for name, value in environments()["kubernetes"].items()}
    [port] = free_ports(1)
    names.update(token_file=str(tmp_path / "tokens"), host="127.0.0.1", drain_seconds="0")
    del names["port"]
    server = Replica(port, tmp_path / "log", **names)
    try:
        server.start()
        server.wait_ready()
        yield server, token
    finally:
        server.kill()


def test_the_deployment_answers_under_its_name_to_who_has_a_token(as_deployed: tuple[Replica, str]) -> None:
    server, token = as_deployed
    allowed = environments()["kubernetes"]["KAIMING_ALLOWED_HOSTS"].split(",")
    for host, bearer, expected in [
        *((name, token, "answered") for name in allowed),
        ("evil.example", token, "status 421"),
        (allowed[0], "guessed", "status 401"),
    ]:
        outcome = ask(server.port, request(16), Host=host, Authorization=f"Bearer {bearer}")
        assert expected in (outcome.fate, outcome.detail)


def test_a_probe_needs_neither_name_nor_token(as_deployed: tuple[Replica, str]) -> None:
    for path in ("/healthz", "/readyz"):
        probe = urllib.request.Request(f"http://{as_deployed[0].address}{path}", headers={"Host": "10.1.2.3:8000"})
        with urllib.request.urlopen(probe, timeout=10) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("place", ["compose", "kubernetes"])
def test_a_container_is_left_the_time_to_drain(place: str) -> None:
    variables = environments()[place]
    needed = float(variables["KAIMING_DRAIN_SECONDS"]) + float(variables["KAIMING_GRACE_SECONDS"])
    patience = compose()["services"]["server"]["stop_grace_period"].removesuffix("s")
    given = float(patience) if place == "compose" else pod()["terminationGracePeriodSeconds"]
    assert given >= needed + 5


def test_readiness_is_lost_well_before_the_drain_is_over() -> None:
    [container] = pod()["containers"]
    probe = container["readinessProbe"]
    noticed = probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]
    assert noticed < float(environments()["kubernetes"]["KAIMING_DRAIN_SECONDS"])


def test_the_pod_is_hardened() -> None:
    assert list(pod_faults(pod())) == []


@pytest.mark.parametrize(
    ("where", "value", "fault"),
    [
        ("securityContext.runAsUser", 0, "runs as root"),
        ("securityContext.seccompProfile", {"type": "Unconfined"}, "no seccomp profile"),
        ("hostNetwork", True, "shares the node"),
        ("automountServiceAccountToken", True, "has a token of the cluster"),
        ("containers.0.securityContext.readOnlyRootFilesystem", False, "writable root"),
        ("containers.0.securityContext.capabilities", {"drop": ["ALL"], "add": ["NET_RAW"]}, "keeps capabilities"),
        ("containers.0.resources.limits", {"cpu": "1"}, "unbounded memory"),
        ("containers.0.livenessProbe.httpGet.path", "/readyz", "liveness by readiness"),
        ("containers.0.volumeMounts.0.subPath", "tokens", "a volume that never changes"),
    ],
)
def test_a_softened_pod_is_noticed(where: str, value: Any, fault: str) -> None:
    softened: Any = copy.deepcopy(pod())
    *way, last = where.split(".")
    part = softened
    for name in way:
        part = part[int(name) if name.isdigit() else name]
    part[last] = value
    assert list(pod_faults(softened)) == [fault]


@pytest.mark.parametrize("name", ["server", "balancer"])
def test_the_services_are_hardened(name: str) -> None:
    service = compose()["services"][name]
    assert list(service_faults(service)) == []
    assert list(service_faults({**service, "read_only": False, "ports": ["8000:8000"], "cap_add": ["SYS_ADMIN"]})) == [
        "writable root",
        "keeps capabilities",
        "reachable from other machines",
    ]


def test_only_the_gateway_comes_in_and_nothing_goes_out() -> None:
    policy = kinds()["NetworkPolicy"]["spec"]
    assert sorted(policy["policyTypes"]) == ["Egress", "Ingress"]
    assert policy["egress"] == []
    [rule] = policy["ingress"]
    assert [set(source) for source in rule["from"]] == [{"namespaceSelector"}]
    assert [port["port"] for port in rule["ports"]] == ["http"]


def test_the_objects_speak_of_the_same_pods() -> None:
    found = kinds()
    labels = found["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        found["Deployment"]["spec"]["selector"]["matchLabels"],
        found["Service"]["spec"]["selector"],
        found["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        *(spread["labelSelector"]["matchLabels"] for spread in pod()["topologySpreadConstraints"]),
    ):
        assert selector == labels
    assert found["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == found["Deployment"]["metadata"]["name"]
    assert "replicas" not in found["Deployment"]["spec"], "each apply would undo what the autoscaler did"
    listed = set(found["Kustomization"]["resources"])
    there = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")}
    assert there - listed == {"kustomization.yaml", "secret.example.yaml"}


def test_the_example_of_a_secret_holds_none() -> None:
    [entry] = read_entries(kinds()["Secret"]["stringData"]["tokens"])
    assert set(entry.digest.removeprefix("sha256:")) == {"0"}


def test_the_version_is_the_same_everywhere() -> None:
    assert compose()["services"]["server"]["image"] == f"kaiming-mcp:{__version__}"
    assert [image["newTag"] for image in kinds()["Kustomization"]["images"]] == [__version__]
    assert f"ARG VERSION={__version__}\n" in (CLONE / "Dockerfile").read_text("utf-8")
