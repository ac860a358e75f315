"""How the server is started: by the installed command, or in a container."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath, PureWindowsPath

IMAGE = "kaiming-mcp"
HARDENED = ("run", "-i", "--rm", "--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", "--network=none")
"""Never -t, which rewrites the protocol's line ends; never --name: some hosts start a server twice."""
MOUNT = "/models"


@dataclass(frozen=True, slots=True)
class Launch:
    """A command and its arguments."""

    command: str
    args: tuple[str, ...]


def installed(called: PurePath, python: PurePath, runs: Callable[[PurePath], bool]) -> Launch:
    """The command of this installation: its script, or else the interpreter with the module.

    `called` is how this process was started and `python` its interpreter, both absolute; `runs` tells whether a file
    can be run. Links stay as they are: an upgrade moves what they point to.
    """
    for path in (called, python.parent / "kaiming-mcp"):
        script = path.with_suffix(".exe") if isinstance(path, PureWindowsPath) else path
        if script.stem == "kaiming-mcp" and runs(script):
            return Launch(str(script), ())
    return Launch(str(python), ("-m", "kaiming_mcp"))


def rooted(launch: Launch, roots: Sequence[str]) -> Launch:
    """The launch of a server that may read below these directories."""
    options = [word for root in roots for word in ("--root", root)]
    return Launch(launch.command, (*launch.args, *options))


def contained(roots: Sequence[str], program: str = "docker") -> Launch:
    """The launch of a container that sees these directories, read-only, and nothing else."""
    places = [MOUNT] if len(roots) == 1 else [f"{MOUNT}/{i}" for i, _ in enumerate(roots, 1)]
    mounts = [word for root, place in zip(roots, places, strict=True) for word in ("-v", f"{root}:{place}:ro")]
    return rooted(Launch(program, (*HARDENED, *mounts, IMAGE)), places)


def docker_program(in_window: bool) -> str:
    """`docker`, with its absolute path where the client does not see the PATH of a shell."""
    return (shutil.which("docker") if in_window else None) or "docker"


def check_mount(root: str) -> None:
    """Refuse what `docker run -v` cannot mount, or should not.

    Raises:
        ValueError: the directory is relative, the whole machine, or has a colon in it.
    """
    if root.startswith("${"):
        return
    path = PureWindowsPath(root) if PureWindowsPath(root).drive else PurePosixPath(root)
    if not path.is_absolute():
        raise ValueError(f"{root!r} is relative, and a container is started elsewhere: give --root {_EXAMPLE}")
    if len(path.parts) == 1:
        raise ValueError(f"{root!r} holds the whole machine: give one project instead, --root {_EXAMPLE}")
    if ":" in root.removeprefix(path.drive):
        raise ValueError(f"{root!r} has a colon, which docker's -v cannot take: rename it, --root {_EXAMPLE}")


_EXAMPLE = "/home/me/project"
