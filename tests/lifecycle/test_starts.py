"""How a server on stdio starts, or says why it cannot; and that only JSON-RPC in UTF-8 is on its wire."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from served import COMMAND, INITIALIZE, Served, call, line, request

posix = pytest.mark.skipif(os.name == "nt", reason="a shell closes the streams")
FOREIGN = {
    "the C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"},
    "a Windows code page": {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
    "UTF-16": {"PYTHONIOENCODING": "utf-16", "PYTHONUTF8": "0"},
}


def _fails(done: subprocess.CompletedProcess[bytes], *parts: str) -> None:
    assert done.returncode == 2
    assert done.stdout == b""
    said = done.stderr.decode()
    assert "Traceback" not in said
    for part in parts:
        assert part in said


def test_a_root_that_is_no_directory_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    done = subprocess.run(
        [*COMMAND, "--root", str(missing)], input=line(INITIALIZE), capture_output=True, check=False, timeout=60
    )
    _fails(done, "--root", str(missing))


@posix
@pytest.mark.parametrize("closed", ["<&-", ">&-"])
def test_a_closed_stream_is_named(closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {shlex.join(COMMAND)} {closed}"], input=b"", capture_output=True, check=False, timeout=60
    )
    _fails(done, "kaiming-mcp: cannot start", "stdin and stdout must be open")


@posix
def test_a_closed_stderr_is_no_hindrance() -> None:
    with Served(command=["sh", "-c", f"exec {shlex.join(COMMAND)} 2>&-"]) as served:
        served.initialize()
        served.send(b"garbage", request(1, "tools/list"))
        assert "result" in served.answer(1)
        served.stdin.close()
        assert served.finish() < 1
        assert served.process.returncode == 0


def _program(change: str) -> list[str]:
    """A server whose making is changed."""
    start = "from kaiming_mcp.serving.stdio import serve_stdio; serve_stdio(())"
    return [sys.executable, "-c", f"import kaiming_mcp.server as server\n{change}\n{start}"]


def test_a_start_that_fails_says_why() -> None:
    broken = "def fail(*_): raise OSError('principles/sources.yaml: cannot be read')\nserver.create_server = fail"
    done = subprocess.run(_program(broken), input=line(INITIALIZE), capture_output=True, check=False, timeout=60)
    _fails(done, "kaiming-mcp: cannot start: principles/sources.yaml: cannot be read")


NOISY = """
import os, subprocess, sys
make = server.create_server
def noisy(*given):
    print("a stray print", flush=True)
    os.write(1, b"a stray write\\n")
    subprocess.run(["echo", "a stray child"])
    print("what a child reads:", repr(subprocess.run(["cat"], capture_output=True).stdout), file=sys.stderr)
    return make(*given)
server.create_server = noisy
"""


@posix
def test_what_others_print_never_reaches_the_wire() -> None:
    with Served(command=_program(NOISY)) as served:
        served.initialize()
        served.stdin.close()
        served.finish()
    for part in (b"a stray print", b"a stray write", b"a stray child", b"what a child reads: b''"):
        assert part in served.errors


@pytest.mark.parametrize("environment", FOREIGN.values(), ids=FOREIGN)
def test_the_wire_is_utf_8_whatever_the_locale(environment: dict[str, str]) -> None:
    name = "é—𝛼—名前"
    with Served(environment=environment) as served:
        served.initialize()
        served.send(json.dumps(call(name, name), ensure_ascii=False).encode("utf-8"))
        assert name in served.answer(name)["error"]["message"]
        served.send(call("quoted", "read_principle", id="residual-learning"))
        assert "×" in served.answer("quoted")["result"]["content"][0]["text"]


def test_a_client_that_never_reads_stderr_is_served() -> None:
    with Served() as served:
        served.initialize()
        served.errors_are_read.clear()
        for i in range(20):
            served.send(
                *[b"garbage \xff" * 20] * 1000, *[{**INITIALIZE, "id": None, "method": "notifications/x"}] * 100
            )
            served.send({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": [i]}})
            served.send(request(i, "ping"))
            assert "result" in served.answer(i)
