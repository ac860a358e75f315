"""Run a built image for real: `python tests/container/check_image.py IMAGE [podman|docker]`.

A command, not a test: it needs a container runtime. It checks, and prints with their times, that the image
answers `initialize` and a tool call over stdio with no network and a read-only root, stops on SIGTERM in under
a second as PID 1, answers over HTTP on a published port, and refuses a foreign Host.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

PORT = 8822
HARDENED = ["--read-only", "--tmpfs", "/tmp", "--cap-drop=all", "--security-opt", "no-new-privileges"]
INITIALIZE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "check", "version": "0"}}
CALL = {"name": "critique_architecture", "arguments": {"architecture": "repeat 20 { linear 64 64 ; relu }"}}


def main() -> None:
    image = sys.argv[1]
    runtime = sys.argv[2] if len(sys.argv) > 2 else "podman"
    # runc and the limits are for machines whose control groups or hard limits a default run exceeds.
    extra = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"] if runtime == "podman" else []
    run = [runtime, *(["--runtime", "runc"] if runtime == "podman" else []), "run", "--rm", *extra, *HARDENED]
    over_stdio([*run, "-i", "--network=none", image])
    over_http([*run, "-p", f"127.0.0.1:{PORT}:{PORT}", image])


def message(number: int, method: str, params: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"


def over_stdio(command: list[str]) -> None:
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(message(1, "initialize", INITIALIZE))
    process.stdin.flush()
    answer = json.loads(process.stdout.readline())
    print(f"initialize: {answer['result']['serverInfo']['name']} after {time.perf_counter() - begun:.2f} s")
    process.stdin.write(message(2, "tools/call", CALL))
    process.stdin.flush()
    result = json.loads(process.stdout.readline())["result"]
    assert not result.get("isError"), result
    print("tools/call:", result["content"][0]["text"].splitlines()[0])
    begun = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=15)
    spent = time.perf_counter() - begun
    print(f"SIGTERM: stopped after {spent:.2f} s")
    assert spent < 2, "the runtime itself takes part of a second"


def over_http(command: list[str]) -> None:
    hosts = ["--allowed-host", f"127.0.0.1:{PORT}"]
    process = subprocess.Popen([*command, "serve", "--http", "--host", "0.0.0.0", "--port", str(PORT), *hosts])
    try:
        deadline = time.monotonic() + 30
        status = 0
        while status != 200 and time.monotonic() < deadline:
            status = post({})
        print("HTTP initialize:", status)
        foreign = post({"Host": "evil.example"})
        print("HTTP with a foreign Host:", foreign)
        assert (status, foreign) == (200, 421)
    finally:
        begun = time.perf_counter()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=15)
        print(f"SIGTERM: stopped after {time.perf_counter() - begun:.2f} s")


def post(headers: dict[str, str]) -> int:
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/mcp",
        message(1, "initialize", INITIALIZE),
        {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **headers},
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return 0


if __name__ == "__main__":
    main()
