"""A container runtime as the checks use it: docker, or podman without a daemon."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

# What docs/deploy.md tells people to run with.
CONFINED = ("--read-only", "--cap-drop=all", "--security-opt", "no-new-privileges")
LIMITED = ("--pids-limit", "128", "--memory", "1g")
NO_NETWORK = ("--network=none",)

INITIALIZE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "check", "version": "0"}}
STARTS_WITHIN, ANSWERS_WITHIN, ENDS_WITHIN = 60, 60, 30


class Failed(Exception):
    """A command of the runtime failed; with what it said."""


@dataclass(frozen=True)
class Container:
    """A running container, attached to the process that started it."""

    id: str
    process: subprocess.Popen[bytes]
    pid: int  # of its first process, as this machine numbers it

    @property
    def stdin(self) -> IO[bytes]:
        """What the container reads."""
        assert self.process.stdin is not None
        return self.process.stdin

    def ask(self, number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """The result of one request over stdio."""
        assert self.process.stdout is not None
        self.stdin.write(message(number, method, params))
        self.stdin.flush()
        assert select.select([self.process.stdout], [], [], ANSWERS_WITHIN)[0], f"no answer in {ANSWERS_WITHIN} s"
        answer = json.loads(self.process.stdout.readline())
        assert answer["id"] == number, answer
        return dict(answer["result"])

    def send(self, sent: signal.Signals) -> None:
        """Signal the first process, as `stop` does."""
        os.kill(self.pid, sent)

    def seconds_to_end(self, act: Callable[[], object]) -> float:
        """From the act until the first process is gone, without the time that the runtime takes to clear away."""
        watched = os.pidfd_open(self.pid)
        try:
            begun = time.perf_counter()
            act()
            assert select.select([watched], [], [], ENDS_WITHIN)[0], f"still there after {ENDS_WITHIN} s"
            return time.perf_counter() - begun
        finally:
            os.close(watched)


def message(number: int, method: str, params: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"


@dataclass(frozen=True)
class Runtime:
    """The program with its own options, and what every `run` here needs."""

    program: tuple[str, ...]
    options: tuple[str, ...] = ()
    publishes: bool = True  # a container's port on this machine; else the HTTP checks share the machine's network

    def call(self, *words: str) -> str:
        """What a command of the runtime prints.

        Raises:
            Failed: the command failed.
        """
        done = subprocess.run([*self.program, *words], capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise Failed(f"{self.program[0]} {words[0]}: {done.stderr.strip()[-400:]}")
        return done.stdout.strip()

    def run(self, image: str, *words: str, options: tuple[str, ...] = ()) -> str:
        """What a container prints that is there for one command.

        Raises:
            Failed: the command failed.
        """
        return self.call(*self._run(image, words, options))

    def _run(self, image: str, words: tuple[str, ...], options: tuple[str, ...]) -> tuple[str, ...]:
        return ("run", "--rm", *self.options, *options, image, *words)

    @contextlib.contextmanager
    def container(self, image: str, *words: str, options: tuple[str, ...] = ()) -> Iterator[Container]:
        """A container with an open stdin; whatever happens, it is gone afterwards."""
        with tempfile.TemporaryDirectory() as directory:
            told = Path(directory) / "id"
            command = self._run(image, words, ("-i", "--cidfile", str(told), *options))
            process = subprocess.Popen([*self.program, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            try:
                yield Container(*self._started(told, process))
            finally:
                if told.exists():
                    subprocess.run([*self.program, "rm", "-f", told.read_text()], capture_output=True, check=False)
                process.kill()
                process.wait()
                for stream in (process.stdin, process.stdout):
                    assert stream is not None
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()

    def _started(self, told: Path, process: subprocess.Popen[bytes]) -> tuple[str, subprocess.Popen[bytes], int]:
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline and process.poll() is None:
            if told.exists() and (name := told.read_text()):
                state = json.loads(self.call("inspect", "--format", "{{json .State}}", name))
                if state["Running"]:
                    return name, process, _visible(int(state["Pid"]))
        raise AssertionError(f"the container did not start: exit status {process.poll()}")

    def network(self, port: int) -> tuple[str, ...]:
        """The options that make a container's port reachable under the same number here."""
        return ("-p", f"127.0.0.1:{port}:{port}") if self.publishes else ("--network=host",)

    def running(self) -> set[str]:
        """The containers that run now."""
        return set(self.call("ps", "--quiet", "--no-trunc").split())


def _visible(pid: int) -> int:
    try:
        Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError as error:
        raise Failed("the runtime runs its containers in another machine, so nothing can be timed here") from error
    return pid


def hindrance(runtime: Runtime, image: str, *options: str) -> str:
    """Why a container that does nothing does not run with these options here; empty when it does."""
    try:
        runtime.run(image, "-c", "pass", options=(*options, "--entrypoint", "python3"))
    except Failed as error:
        return str(error)
    return ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, container: Container) -> None:
    """Return when a container answers there with 200."""
    deadline = time.monotonic() + STARTS_WITHIN
    while status(urllib.request.Request(url)) != 200:
        assert time.monotonic() < deadline, f"{url} does not answer 200"
        assert container.process.poll() is None, f"the container ended before {url} answered"


def status(request: urllib.request.Request) -> int:
    """The status of the answer; 0 when there is none."""
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code
    except (OSError, http.client.HTTPException):
        return 0
