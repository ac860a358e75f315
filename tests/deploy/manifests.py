"""The files of deploy/ as values, and what a hardened one may not lack."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"


def kinds() -> dict[str, dict[str, Any]]:
    """The Kubernetes objects by their kind; there is one of each."""
    found = [yaml.safe_load(path.read_text("utf-8")) for path in sorted(KUBERNETES.glob("*.yaml"))]
    named = {document["kind"]: document for document in found}
    assert len(named) == len(found)
    return named


def pod() -> dict[str, Any]:
    """The Deployment's pod."""
    return dict(kinds()["Deployment"]["spec"]["template"]["spec"])


def compose() -> dict[str, Any]:
    """compose.yaml with the defaults of its variables."""
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    return dict(yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)))


def environments() -> dict[str, dict[str, str]]:
    """The variables that each of the two hands to the server."""
    [container] = pod()["containers"]
    return {
        "compose": dict(compose()["services"]["server"]["environment"]),
        "kubernetes": {entry["name"]: entry["value"] for entry in container["env"]},
    }


def pod_faults(spec: dict[str, Any]) -> Iterator[str]:
    """What a pod of the `restricted` standard may not lack, and what this one needs beyond."""
    inner, [container] = spec.get("securityContext", {}), spec["containers"]
    own, resources = container.get("securityContext", {}), container.get("resources", {})
    holds = {
        "runs as root": inner.get("runAsNonRoot") is True and inner.get("runAsUser", 0) > 0,
        "no seccomp profile": inner.get("seccompProfile", {}).get("type") == "RuntimeDefault",
        "may gain privileges": own.get("allowPrivilegeEscalation") is False,
        "writable root": own.get("readOnlyRootFilesystem") is True,
        "keeps capabilities": own.get("capabilities", {}) == {"drop": ["ALL"]},
        "has a token of the cluster": spec.get("automountServiceAccountToken") is False,
        "unbounded memory": {"cpu", "memory"}
        <= resources.get("limits", {}).keys() & resources.get("requests", {}).keys(),
        "not spread": bool(spec.get("topologySpreadConstraints")),
        "shares the node": not any(spec.get(f"host{what}") for what in ("Network", "PID", "IPC")),
        "mounts the node": not any("hostPath" in volume for volume in spec.get("volumes", [])),
        "a volume that never changes": not any("subPath" in mount for mount in container.get("volumeMounts", [])),
        "no startup probe": container.get("startupProbe", {}).get("httpGet", {}).get("path") == "/healthz",
        "liveness by readiness": container.get("livenessProbe", {}).get("httpGet", {}).get("path") == "/healthz",
        "readiness by liveness": container.get("readinessProbe", {}).get("httpGet", {}).get("path") == "/readyz",
    }
    return (fault for fault, held in holds.items() if not held)


def service_faults(service: dict[str, Any]) -> Iterator[str]:
    """The same of a compose service."""
    holds = {
        "writable root": service.get("read_only") is True,
        "keeps capabilities": service.get("cap_drop") == ["ALL"] and "cap_add" not in service,
        "may gain privileges": "no-new-privileges:true" in service.get("security_opt", []),
        "unbounded processes": service.get("pids_limit", 0) > 0,
        "unbounded memory": bool(service.get("mem_limit")),
        "privileged": not service.get("privileged"),
        "reachable from other machines": all(port.startswith("127.0.0.1:") for port in service.get("ports", [])),
        "a name, so no second one": "container_name" not in service,
        "writable mounts": all(mount.endswith(":ro") for mount in service.get("volumes", [])),
    }
    return (fault for fault, held in holds.items() if not held)
