"""Run a built image for real: `python tests/container/check_image.py IMAGE [docker | podman OPTIONS...]`.

Each check is a function of the runtime and the image that prints its figures and fails by an assertion. They need a
runtime whose containers are processes of this machine (Linux). `build_and_check.py` builds the image first.
"""

from __future__ import annotations

import json
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from runtime import (
    CONFINED,
    INITIALIZE,
    LIMITED,
    NO_NETWORK,
    Container,
    Failed,
    Runtime,
    free_port,
    message,
    status,
    wait_for,
)

CALL = {"name": "critique_architecture", "arguments": {"architecture": "repeat 20 { linear 64 64 ; relu }"}}
SLOW = {"name": "trace_signal", "arguments": {"architecture": "repeat 20 { linear 256 256 ; relu }", "simulate": True}}
ALONE = (*CONFINED, *NO_NETWORK)
HEALTHCHECK = ("python", "-I", "-S", "/opt/healthcheck.py")
JSON = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}

# Seen from inside: what the server imports without finding bytecode, what a running server should not have at hand.
INSIDE = """
import importlib.util, json, os, pathlib, sys
import kaiming_mcp.server, kaiming_mcp.serving.http, uvicorn, numpy
compiled = [getattr(m, "__cached__", None) for m in list(sys.modules.values())]
print(json.dumps({
    "without_bytecode": [c for c in compiled if c and not os.path.exists(c)],
    "modules": len([c for c in compiled if c]),
    "pip": [n for n in ("pip", "hatchling", "pytest") if importlib.util.find_spec(n)],
    "tests": [str(p) for p in pathlib.Path(sys.prefix).rglob("tests")],
    "user": [os.getuid(), os.getgid()],
    "writable": [p for p in ("/", "/opt", "/opt/venv", "/etc", "/usr") if os.access(p, os.W_OK)],
}))
"""


def the_image_is_lean_labelled_and_compiled(runtime: Runtime, image: str) -> None:
    told = json.loads(runtime.call("inspect", "--type", "image", image))[0]
    config, labels = told["Config"], told["Config"]["Labels"]
    print(
        f"size: {told['Size'] / 1e6:.0f} MB, user {config['User']}, base {labels.get('base', 'as the Dockerfile says')}"
    )
    assert config["User"].split(":")[0].isdigit()
    assert config["Entrypoint"] == ["kaiming-mcp"]
    assert config["StopSignal"] in ("SIGTERM", "15")
    assert {f"org.opencontainers.image.{n}" for n in ("source", "version", "licenses", "url", "documentation")} <= set(
        labels
    )
    assert labels["io.modelcontextprotocol.server.name"] == "io.github.kaiming-mcp/kaiming-mcp"
    inside = json.loads(runtime.run(image, "-c", INSIDE, options=("--entrypoint", "python", *ALONE)))
    print(f"{inside['modules']} modules at work, all compiled before; uid {inside['user'][0]}")
    assert inside["without_bytecode"] == []
    assert inside["pip"] == []
    assert inside["tests"] == []
    assert 0 not in inside["user"]
    assert inside["writable"] == []


def it_answers_over_stdio_without_network_or_a_writable_root(runtime: Runtime, image: str) -> None:
    begun = time.perf_counter()
    with runtime.container(image, options=ALONE) as container:
        server = container.ask(1, "initialize", INITIALIZE)["serverInfo"]
        print(f"initialize: {server['name']} {server['version']} after {time.perf_counter() - begun:.2f} s")
        result = container.ask(2, "tools/call", CALL)
        assert not result.get("isError"), result
        print("tools/call:", result["content"][0]["text"].splitlines()[0])


def sigterm_ends_it_as_the_first_process(runtime: Runtime, image: str) -> None:
    _ends_by(runtime, image, signal.SIGTERM)


def sigint_ends_it_as_the_first_process(runtime: Runtime, image: str) -> None:
    _ends_by(runtime, image, signal.SIGINT)


def the_end_of_input_ends_it(runtime: Runtime, image: str) -> None:
    _ends_by(runtime, image, None)


def _ends_by(runtime: Runtime, image: str, sent: signal.Signals | None) -> None:
    with runtime.container(image, options=ALONE) as container:
        container.ask(1, "initialize", INITIALIZE)
        spent = container.seconds_to_end(container.stdin.close if sent is None else lambda: container.send(sent))
        print(f"{sent.name if sent else 'end of input'}: ended after {spent:.3f} s")
        assert spent < 1
        assert container.process.wait(30) == 0


def two_serve_at_once_and_leave_no_orphan(runtime: Runtime, image: str) -> None:
    """Some hosts start a server twice, and a host that is killed says nothing to its servers."""
    with runtime.container(image, options=ALONE) as first, runtime.container(image, options=ALONE) as second:
        for container in (first, second):
            container.ask(1, "initialize", INITIALIZE)
        for container in (second, first):
            assert not container.ask(2, "tools/call", CALL).get("isError")
        both = {first.id, second.id}
        assert both <= runtime.running()
        ended = first.seconds_to_end(first.stdin.close)
        killed = second.seconds_to_end(second.process.kill)
        print(f"two at once; the client gone: ended after {ended:.3f} s; the client killed: after {killed:.3f} s")
        assert max(ended, killed) < 1
    assert both & runtime.running() == set()


def it_writes_nowhere(runtime: Runtime, image: str) -> None:
    """With a writable root and /tmp this time: nothing is written even where it could be."""
    with runtime.container(image, options=NO_NETWORK) as container:
        container.ask(1, "initialize", INITIALIZE)
        container.ask(2, "tools/call", CALL)
        lines = [line.split()[-1] for line in runtime.call("diff", container.id).splitlines()]
        # Runtimes put names and mount points there, and the server's user may not write there.
        written = [path for path in lines if not path.startswith(("/etc", "/dev", "/proc", "/sys", "/run"))]
        print("written by a session:", written or "nothing")
        assert written == []


def the_healthcheck_asks_nothing_of_a_stdio_server(runtime: Runtime, image: str) -> None:
    with runtime.container(image, options=ALONE) as container:
        container.ask(1, "initialize", INITIALIZE)
        assert runtime.call("exec", container.id, *HEALTHCHECK) == "serves stdio"


def it_serves_http_and_refuses_a_foreign_host(runtime: Runtime, image: str) -> None:
    with _over_http(runtime, image) as (_, port):
        own, foreign = _post(port, "initialize", INITIALIZE), _post(port, "initialize", INITIALIZE, Host="evil.example")
        print(f"HTTP: /healthz 200, initialize {own}, with a foreign Host {foreign}")
        assert (own, foreign) == (200, 421)
        # A heavy call has a process of its own, which has to start below a read-only root as well.
        with urllib.request.urlopen(_request(port, "tools/call", CALL), timeout=60) as answer:
            assert b"Verdict" in answer.read()


def the_healthcheck_tells_a_hung_http_server(runtime: Runtime, image: str) -> None:
    with _over_http(runtime, image) as (container, _):
        assert runtime.call("exec", container.id, *HEALTHCHECK) == "/healthz: 200"
        container.send(signal.SIGSTOP)
        try:
            said = runtime.call("exec", container.id, *HEALTHCHECK)
        except Failed:
            print("healthcheck: healthy while it answers, unhealthy when it hangs")
            return
        finally:
            container.send(signal.SIGCONT)
        raise AssertionError(f"a hung server counts as healthy: {said}")


def sigterm_ends_http_with_an_open_stream(runtime: Runtime, image: str) -> None:
    with _over_http(runtime, image) as (container, port), _open_stream(port):
        spent = container.seconds_to_end(lambda: container.send(signal.SIGTERM))
        print(f"SIGTERM over HTTP with an open stream: ended after {spent:.3f} s")
        assert spent < 1


@contextmanager
def _over_http(runtime: Runtime, image: str) -> Iterator[tuple[Container, int]]:
    port = free_port()
    words = ("serve", "--http", "--host", "0.0.0.0", "--port", str(port), "--allowed-host", f"127.0.0.1:{port}")
    with runtime.container(image, *words, options=(*CONFINED, *runtime.network(port))) as container:
        wait_for(f"http://127.0.0.1:{port}/healthz", container)
        yield container, port


def _request(port: int, method: str, params: dict[str, Any], **headers: str) -> urllib.request.Request:
    return urllib.request.Request(f"http://127.0.0.1:{port}/mcp", message(1, method, params), {**JSON, **headers})


def _post(port: int, method: str, params: dict[str, Any], **headers: str) -> int:
    return status(_request(port, method, params, **headers))


@contextmanager
def _open_stream(port: int) -> Iterator[None]:
    """A simulation that reports its progress, of which the first report has come."""
    params = {**SLOW, "_meta": {"progressToken": 1}}
    with urllib.request.urlopen(_request(port, "tools/call", params), timeout=60) as stream:
        assert stream.headers.get_content_type() == "text/event-stream"
        while not (line := stream.readline()).startswith(b"data:"):
            assert line, "the stream ended before its first report"
        assert b"notifications/progress" in line
        yield


CHECKS = (
    the_image_is_lean_labelled_and_compiled,
    it_answers_over_stdio_without_network_or_a_writable_root,
    sigterm_ends_it_as_the_first_process,
    sigint_ends_it_as_the_first_process,
    the_end_of_input_ends_it,
    two_serve_at_once_and_leave_no_orphan,
    it_writes_nowhere,
    the_healthcheck_asks_nothing_of_a_stdio_server,
    it_serves_http_and_refuses_a_foreign_host,
    the_healthcheck_tells_a_hung_http_server,
    sigterm_ends_http_with_an_open_stream,
)


def run_all(runtime: Runtime, image: str) -> None:
    """Every check, each with its figures below its name."""
    for check in CHECKS:
        print(f"- {check.__name__.replace('_', ' ')}")
        check(runtime, image)


def main() -> None:
    image, *program = sys.argv[1:]
    run_all(Runtime(tuple(program) or ("docker",), LIMITED), image)


if __name__ == "__main__":
    main()
