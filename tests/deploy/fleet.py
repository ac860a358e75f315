"""Servers over HTTP that tests start, kill, end and start again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

COMMAND = [sys.executable, "-m", "kaiming_mcp", "serve", "--http"]
READY_WITHIN, ENDS_WITHIN = 60, 30


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for probe in sockets:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in sockets]
    finally:
        for probe in sockets:
            probe.close()


def status(url: str) -> int:
    """What a GET answers; 0 when nothing does."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code
    except OSError:
        return 0


class Replica:
    """One server on a port of its own, started again and again; its log goes on in one file."""

    def __init__(self, port: int, log: Path, **settings: str) -> None:
        self.port = port
        self.log = log
        variables = {f"KAIMING_{name.upper()}": value for name, value in settings.items()}
        self.environment = {**os.environ, "KAIMING_PORT": str(port), **variables}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """As the balancer's file of servers has it."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and return; see wait_ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(COMMAND, env=self.environment, stderr=log, stdout=log)

    def wait_ready(self) -> None:
        """Return when /readyz says yes."""
        assert self.process is not None
        deadline = time.monotonic() + READY_WITHIN
        while status(f"http://{self.address}/readyz") != 200:
            assert self.process.poll() is None, f"the server ended:\n{self.log.read_text('utf-8')[-2000:]}"
            assert time.monotonic() < deadline, f"not ready within {READY_WITHIN} s"

    def end(self, sent: signal.Signals) -> int:
        """Send a signal and wait for the end; the exit status."""
        assert self.process is not None
        self.process.send_signal(sent)
        return self.process.wait(ENDS_WITHIN)

    def kill(self) -> None:
        """Whatever its state is."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(ENDS_WITHIN)
