"""How a server on stdio ends: in under a second, whatever it does just then, with nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import COMMAND, HEAVY, INITIALIZE, MARK, Served, call, line, marked, request, until

pytestmark = pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="processes are counted in /proc")
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
IN_NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc"]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _keep_busy(served: Served) -> None:
    """A heavy call is under way, in whichever process."""
    at_rest = sum(map(_cpu_seconds, served.alive()))
    served.send(call("heavy", "critique_architecture", architecture=HEAVY))
    assert until(lambda: sum(map(_cpu_seconds, served.alive())) > at_rest + 0.3)


def _block(served: Served) -> None:
    """The client reads no more, and the server waits for it."""
    served.stop_reading()
    served.pour(b"".join(line(request(i, "tools/list")) for i in range(2000)), patience=1)


def _must_end(served: Served, status: int = 0) -> None:
    assert served.finish() < 1
    assert served.process.returncode == status
    assert until(lambda: not served.alive(), 1), "a process was left behind"
    assert served.errors == b""


@pytest.fixture(params=["at rest", "under a heavy call"])
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with Served() as served:
        served.initialize()
        if request.param == "under a heavy call":
            _keep_busy(served)
        yield served


@pytest.mark.parametrize("sent", SIGNALS)
def test_a_signal_ends_it(served: Served, sent: signal.Signals) -> None:
    served.process.send_signal(sent)
    _must_end(served)


def test_the_end_of_input_ends_it(served: Served) -> None:
    served.stdin.close()
    _must_end(served)


def test_a_client_that_has_gone_ends_it(served: Served) -> None:
    served.close_output()
    served.send(request("nobody", "ping"))
    _must_end(served)


def test_a_client_that_reads_no_more_does_not_keep_it() -> None:
    with Served() as served:
        served.initialize()
        _block(served)
        served.torn_is_fine = True
        served.process.send_signal(signal.SIGTERM)
        _must_end(served)


def test_a_reply_that_is_being_written_is_written_to_its_end() -> None:
    with Served() as served:
        served.initialize()
        served.send(*[request(i, "tools/list") for i in range(100)])
        served.wait_for(lambda: len(served.messages) > 20)
        served.process.send_signal(signal.SIGTERM)
        _must_end(served)


def test_what_was_asked_before_the_end_of_input_is_answered() -> None:
    asked = [INITIALIZE, request("last", "tools/list")]
    # The last line has no end, as of `printf '%s'`.
    done = subprocess.run(COMMAND, input=b"".join(map(line, asked)).rstrip(), capture_output=True, check=True)
    answers = [json.loads(row) for row in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == ["initialize", "last"]
    assert answers[1]["result"]["tools"]


def test_a_refusal_is_told_before_the_end_as_well() -> None:
    done = subprocess.run(COMMAND, input=b'{"id": 7, "method": "ping"}', capture_output=True, check=True)
    (answer,) = map(json.loads, done.stdout.splitlines())
    assert answer["id"] == 7
    assert "error" in answer


def _start_from_a_parent(then: str) -> tuple[subprocess.Popen[bytes], str]:
    """A process that starts a server on its own pipes, talks to it, and goes on with `then`."""
    mark = f"parent-{os.getpid()}-{os.urandom(8).hex()}"
    program = f"""
import subprocess, sys, time
server = subprocess.Popen({COMMAND!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
server.stdin.write({line(INITIALIZE)!r}); server.stdin.flush(); server.stdout.readline()
{then}
print("ready", flush=True)
time.sleep(600)
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env={**os.environ, MARK: mark}, start_new_session=True
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    return parent, mark


@pytest.fixture
def killed_parent(request: pytest.FixtureRequest) -> Iterator[str]:
    parent, mark = _start_from_a_parent(request.param)
    try:
        assert len(marked(mark)) >= 2
        parent.kill()
        parent.wait()
        yield mark
    finally:
        parent.kill()
        parent.wait()
        assert parent.stdout is not None
        parent.stdout.close()
        for pid in marked(mark):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("killed_parent", ["pass"], indirect=True)
def test_a_killed_parent_ends_it(killed_parent: str) -> None:
    assert until(lambda: not marked(killed_parent), 1)


HELD_OPEN = (
    'subprocess.Popen(["sleep", "600"], close_fds=False, pass_fds=(server.stdin.fileno(), server.stdout.fileno()))'
)


@pytest.mark.skipif(sys.platform != "linux", reason="seen by a pidfd here")
@pytest.mark.parametrize("killed_parent", [HELD_OPEN], indirect=True)
def test_a_killed_parent_ends_it_though_another_child_holds_the_pipe_open(killed_parent: str) -> None:
    assert until(lambda: len(marked(killed_parent)) == 1, 1), "the server has outlived its parent"


THREAD = """
import threading
def start():
    global second
    second = subprocess.Popen({command!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    second.stdin.write({initialize!r}); second.stdin.flush(); assert second.stdout.readline()
thread = threading.Thread(target=start); thread.start(); thread.join()
for _ in range(3):
    second.stdin.write({ping!r}); second.stdin.flush(); assert second.stdout.readline()
"""


@pytest.mark.parametrize(
    "killed_parent",
    [THREAD.format(command=COMMAND, initialize=line(INITIALIZE), ping=line(request(1, "ping")))],
    indirect=True,
)
def test_the_end_of_the_thread_that_started_it_does_not_end_it(killed_parent: str) -> None:
    # That the second server answered after its thread had ended is asserted in the parent, before it was "ready".
    assert until(lambda: not marked(killed_parent), 1)


@pytest.fixture(scope="module")
def namespace() -> list[str]:
    if shutil.which("unshare") is None or subprocess.call([*IN_NAMESPACE, "true"], stderr=subprocess.DEVNULL):
        pytest.skip("no right to make a PID namespace")
    return IN_NAMESPACE


def _first_process(unshare: int) -> int:
    children = Path(f"/proc/{unshare}/task/{unshare}/children").read_text("utf-8").split()
    return int(children[0])


@pytest.mark.parametrize("how", [*SIGNALS, None], ids=str)
def test_it_ends_as_process_1_as_well(namespace: list[str], how: signal.Signals | None) -> None:
    with Served(command=[*namespace, *COMMAND]) as served:
        served.initialize()
        if how in (signal.SIGTERM, None):
            _keep_busy(served)
        if how is None:
            served.stdin.close()
        else:
            os.kill(_first_process(served.process.pid), how)
        _must_end(served)
