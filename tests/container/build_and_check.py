"""Build the image without a daemon and run it: `python tests/container/build_and_check.py` (Debian, as root).

The base is a Debian made on the spot, so that nothing is asked of an image registry; all that is made lies below
`build/` in the clone and is gone afterwards. What fails in the tools themselves, before the image has a part in it, is
Unavailable; everything after that is the image's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import check_image
from runtime import CONFINED, LIMITED, NO_NETWORK, Failed, Runtime, free_port, hindrance, wait_for

CLONE = Path(__file__).parents[2]
TOOLS = ("mmdebstrap", "buildah", "podman", "runc")
BASE, IMAGE = "localhost/kaiming-base:check", "localhost/kaiming-mcp:check"

# Like the image that the Dockerfile names: a Python whose standard library has no bytecode.
MAKE_BASE = (
    "mmdebstrap",
    "--quiet",
    "--variant=minbase",
    "--include=python3,python3-venv,ca-certificates",
    '--customize-hook=find "$1/usr/lib/python3"* -name "*.pyc" -delete',
    "bookworm",
)
# A machine's default limits may exceed what it may hand on, and there may be no systemd to run healthchecks.
HERE = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--no-healthcheck")
# What a build needs of the machine: the registry, and the certificates that it trusts.
TRIAL = """
FROM localhost/kaiming-base:check
RUN python3 -m venv /trial && /trial/bin/pip --disable-pip-version-check download --no-deps -d /trial typing-extensions
"""


class Unavailable(Exception):
    """This machine cannot build or run any image; with the reason."""


@contextmanager
def built() -> Iterator[tuple[Runtime, str]]:
    """A runtime and the image, for as long as the context lasts.

    Raises:
        Unavailable: this machine lacks a tool, or one does not work here.
        AssertionError: the image does not build.
    """
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing or os.getuid() != 0:
        raise Unavailable(f"needs root and {', '.join(missing or TOOLS)}")
    work = CLONE / "build" / "container"
    _clear(work)
    work.mkdir(parents=True)
    # A gigabyte of small files that live for two minutes: in memory where that may be, on the disk of the clone else.
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3g", "tmpfs", work], capture_output=True, check=False)
    # podman holds its run-time directory to 50 characters.
    with tempfile.TemporaryDirectory(prefix="kmcp-") as run:
        storage = ("--root", str(work / "store"), "--runroot", run, "--storage-driver", _driver(work))
        runtime = Runtime(("podman", *storage, "--runtime", "runc"), HERE)
        try:
            try:
                _make_base(runtime, work)
                _try_the_tools(runtime, storage, work)
                runtime = _fitting(runtime)
            except (Failed, AssertionError, subprocess.TimeoutExpired) as failure:
                raise Unavailable(f"before the image has a part in it: {failure}") from failure
            build = _build(storage, "--tag", IMAGE, "--build-arg", f"BASE={BASE}", str(CLONE))
            assert build.returncode == 0, f"the image does not build:\n{build.stdout[-3000:]}{build.stderr[-3000:]}"
            yield runtime, IMAGE
        finally:
            subprocess.run([*runtime.program, "rm", "--all", "--force"], capture_output=True, check=False)
            _clear(work)


def _make_base(runtime: Runtime, work: Path) -> None:
    tar = work / "base.tar"
    made = subprocess.run([*MAKE_BASE, str(tar)], capture_output=True, text=True, timeout=300, check=False)
    if made.returncode != 0:
        raise Failed(f"mmdebstrap: {made.stderr.strip()[-400:]}")
    runtime.call("import", "--quiet", str(tar), BASE)
    tar.unlink()


def _build(storage: tuple[str, ...], *words: str) -> subprocess.CompletedProcess[str]:
    trusted = ("--volume", "/etc/ssl/certs:/etc/ssl/certs:ro")
    # The format keeps HEALTHCHECK, which the other one does not know.
    options = ("--isolation", "chroot", "--pull-never", "--format", "docker", *trusted)
    command = ["buildah", *storage, "bud", *options, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def _try_the_tools(runtime: Runtime, storage: tuple[str, ...], work: Path) -> None:
    (work / "trial").mkdir()
    (work / "trial" / "Dockerfile").write_text(TRIAL, encoding="utf-8")
    trial = _build(storage, str(work / "trial"))
    if trial.returncode != 0:
        raise Failed(f"a build that downloads one package: {(trial.stderr or trial.stdout).strip()[-400:]}")
    if reason := hindrance(runtime, BASE, *CONFINED, *NO_NETWORK):
        raise Failed(f"a container that does nothing: {reason}")
    with runtime.container(BASE, "-c", "input()", options=("--entrypoint", "python3", *NO_NETWORK)) as container:
        runtime.call("exec", container.id, "true")


def _fitting(runtime: Runtime) -> Runtime:
    """The runtime with what else this machine allows; what it does not is said."""
    options, publishes = (*runtime.options, *LIMITED), True
    if reason := hindrance(runtime, BASE, *LIMITED):
        print(f"without {' '.join(LIMITED)}: {reason}")
        options = runtime.options
    port = free_port()
    try:
        serve = ("-m", "http.server", str(port))
        with runtime.container(BASE, *serve, options=("--entrypoint", "python3", *runtime.network(port))) as container:
            wait_for(f"http://127.0.0.1:{port}/", container)
    except (Failed, AssertionError) as failure:
        print(f"HTTP on the machine's own network, not on a published port: {failure}")
        publishes = False
    return Runtime(runtime.program, options, publishes)


def _driver(work: Path) -> str:
    """Overlays where the file system of the clone allows them, else copies."""
    lower, upper, inner, joint = (work / "overlay" / name for name in ("lower", "upper", "work", "joint"))
    for directory in (lower, upper, inner, joint):
        directory.mkdir(parents=True)
    layers = f"lowerdir={lower},upperdir={upper},workdir={inner}"
    mounted = subprocess.run(
        ["mount", "-t", "overlay", "overlay", "-o", layers, joint], capture_output=True, check=False
    )
    if mounted.returncode == 0:
        subprocess.run(["umount", joint], check=True)
    return "overlay" if mounted.returncode == 0 else "vfs"


def _clear(work: Path) -> None:
    """Remove what a run left, also one that was killed: it may be mounted still."""
    for line in reversed(Path("/proc/self/mounts").read_text("utf-8").splitlines()):
        mounted = line.split()[1]
        if mounted.startswith(str(work)):
            subprocess.run(["umount", "--lazy", mounted], check=False)
    shutil.rmtree(work, ignore_errors=True)


def main() -> None:
    try:
        with built() as (runtime, image):
            check_image.run_all(runtime, image)
    except Unavailable as reason:
        sys.exit(f"cannot run here: {reason}")


if __name__ == "__main__":
    main()
