"""sdist and wheel: complete, without strays, and a server when installed into an empty environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from smoke import converse

from kaiming_mcp import __version__

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "kaiming_mcp"
STRAYS = {
    "__pycache__",
    "node_modules",
    ".venv",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    ".benchmarks",
    "uv.lock",
}

pytestmark = [
    pytest.mark.tools,
    pytest.mark.skipif(shutil.which("pyproject-build", path=Path(sys.executable).parent) is None, reason="no build"),
    pytest.mark.skipif(shutil.which("uv", path=Path(sys.executable).parent) is None, reason="uv is not installed"),
]


@dataclass(frozen=True)
class Built:
    """The two files, and an environment in which there is nothing but the wheel and what it needs."""

    sdist: Path
    wheel: Path
    environment: Path

    @property
    def command(self) -> Path:
        """The installed entry point."""
        return self.environment / ("Scripts/kaiming-mcp.exe" if os.name == "nt" else "bin/kaiming-mcp")


def _run(*command: str, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=cwd, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def built() -> Iterator[Built]:
    with tempfile.TemporaryDirectory(prefix="kaiming-dist-") as place:
        out, environment = Path(place, "dist"), Path(place, "empty")
        # Given neither --sdist nor --wheel, the wheel is built from the sdist, not from the clone.
        _run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT))
        (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
        uv = str(Path(sys.executable).parent / "uv")
        _run(uv, "venv", "--python", sys.executable, str(environment))
        _run(uv, "pip", "install", "--python", str(environment), str(wheel))
        yield Built(sdist, wheel, environment)


def _names(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def _no_strays(names: set[str]) -> None:
    strays = [
        name for name in names if STRAYS & set(name.split("/")) or name.endswith((".pyc", ".mcpb", ".so", ".whl"))
    ]
    assert not strays


def test_the_sdist_has_what_a_clone_has(built: Built) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not in a clone: nothing to compare the sdist with")
    wanted = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    held = _names(built.sdist)
    assert wanted - held == set()
    assert held - wanted == {"PKG-INFO"}
    _no_strays(held)


def test_the_wheel_has_the_package_with_its_content_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = set(archive.namelist())
    package = {name.removeprefix("kaiming_mcp/") for name in names if name.startswith("kaiming_mcp/")}
    code = {p.relative_to(SRC).as_posix() for p in SRC.rglob("*") if p.suffix == ".py" or p.name == "py.typed"}
    content = {f"principles/{p.relative_to(ROOT / 'principles').as_posix()}" for p in _files(ROOT / "principles")}
    assert code | content | {"examples/plain_mlp20.txt"} <= package
    others = package - code - content - {"examples/plain_mlp20.txt"}
    assert not [name for name in others if not (SRC / name).is_file()]
    about = f"kaiming_mcp-{__version__}.dist-info/"
    assert {name for name in names if not name.startswith("kaiming_mcp/")} == {
        about + name for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    }
    _no_strays(names)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_installed_entry_point_is_a_server(
    built: Built, tmp_path: Path, mode: Literal["auto", "legacy"]
) -> None:
    await converse(str(built.command), [], tmp_path, {"PATH": os.defpath}, mode)


def test_the_installed_commands_work_away_from_the_clone(built: Built, tmp_path: Path) -> None:
    command = str(built.command)
    assert _run(command, "--version", cwd=tmp_path) == f"kaiming-mcp {__version__}\n"
    (server,) = json.loads(_run(command, "config", "zed", cwd=tmp_path))["context_servers"].values()
    assert server == {"command": command, "args": []}
    tried = _run(command, "try", "critique_architecture", "architecture=linear 3 4 ; relu ; linear 4 2", cwd=tmp_path)
    assert tried.startswith("**Verdict.**")
    assert _run(command, "probe", "leakage", cwd=tmp_path).startswith('"""')
    python = str(built.command.parent / ("python.exe" if os.name == "nt" else "python"))
    where = _run(python, "-c", "import kaiming_mcp; print(kaiming_mcp.__file__)", cwd=tmp_path)
    assert str(ROOT) not in where
