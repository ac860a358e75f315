"""nginx and HAProxy from the system's packages, with the files of deploy/; only ports and addresses are put in."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fleet import status

DEPLOY = Path(__file__).parents[2] / "deploy"
READY_WITHIN = 20


@dataclass(frozen=True)
class Passed:
    """One line of a balancer's log: the servers that it tried, in their order, and the last one."""

    tried: int
    server: str


@dataclass(frozen=True)
class Balancer:
    """A running balancer: its port, and what it wrote."""

    name: str
    port: int
    log: Path

    def passed(self) -> list[Passed]:
        """The calls that it passed on, so far."""
        lines = self.log.read_text("utf-8", "replace").splitlines()
        return [_read_nginx(m) if self.name == "nginx" else _read_haproxy(m) for m in map(_CALL.search, lines) if m]

    def served(self) -> Counter[str]:
        """How many calls each server answered, so far."""
        return Counter(passed.server for passed in self.passed())


_CALL = re.compile(r'"POST /mcp HTTP/1.1" .*upstream=(?P<servers>.+?) (?:tries|retries)=(?P<tries>\S.*)')


def _read_nginx(found: re.Match[str]) -> Passed:
    servers = found["servers"].split(", ")
    return Passed(len(servers), servers[-1])


def _read_haproxy(found: re.Match[str]) -> Passed:
    return Passed(1 + int(found["tries"].split()[0].lstrip("+")), found["servers"])


@contextmanager
def balancer(name: str, port: int, servers: list[str], directory: Path) -> Iterator[Balancer]:
    """The balancer of that name before servers, each an address with its port."""
    log = directory / f"{name}.log"
    command = _nginx(port, servers, directory) if name == "nginx" else _haproxy(port, servers, directory)
    # Two descriptors write to it: one that nginx opens itself.
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + READY_WITHIN
        while status(f"http://127.0.0.1:{port}/healthz") != 200:
            assert process.poll() is None, f"{name} ended:\n{log.read_text('utf-8')}"
            assert time.monotonic() < deadline, f"{name} is not ready:\n{log.read_text('utf-8')}"
        yield Balancer(name, port, log)
    finally:
        process.kill()
        process.wait(READY_WITHIN)


def program(name: str) -> str | None:
    """Where a balancer's program is; Debian puts it where only root looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin")


def _nginx(port: int, servers: list[str], directory: Path) -> list[str]:
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    assert text.count("listen 8080;") == 1
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace("/tmp/", f"{directory}/")
    (directory / "nginx.conf").write_text(text, "utf-8")
    lines = [f"server {server} max_fails=0;" for server in servers]
    (directory / "upstreams.conf").write_text("\n".join(lines), "utf-8")
    # In the foreground, and without a master whose children would live on when it is killed.
    return [str(program("nginx")), "-c", str(directory / "nginx.conf"), "-g", "daemon off; master_process off;"]


def _haproxy(port: int, servers: list[str], directory: Path) -> list[str]:
    text = (DEPLOY / "haproxy.cfg").read_text("utf-8")
    assert text.count("bind :8080") == 1
    (directory / "haproxy.cfg").write_text(text.replace("bind :8080", f"bind 127.0.0.1:{port}"), "utf-8")
    lines = [f"    server {server} {server}" for server in servers]
    (directory / "backend.cfg").write_text("\n".join(["backend kaiming", *lines, ""]), "utf-8")
    return [str(program("haproxy")), "-db", "-f", str(directory / "haproxy.cfg"), "-f", str(directory / "backend.cfg")]
