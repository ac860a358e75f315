"""Real clients take what `config` prints for them, start the server with it and connect."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kaiming_mcp.clients.launch import Launch, rooted
from kaiming_mcp.clients.snippet import snippet
from kaiming_mcp.clients.table import find

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "tests" / "tools" / "node_modules" / ".bin"
LAUNCH = rooted(Launch(str(Path(sys.executable).parent / "kaiming-mcp"), ()), [str(ROOT / "examples")])

pytestmark = [pytest.mark.tools, pytest.mark.skipif(os.name == "nt", reason="npm's scripts are called another way")]


def _program(name: str) -> str:
    program = PROGRAMS / name
    if not program.exists():
        pytest.skip(f"{name} is not installed (make tools)")
    return str(program)


def _run(words: list[str], home: Path) -> str:
    """What a client says, with a home of its own and without what the machine sets for other clients."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_COLOR": "1"}
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=home / "project",
        env=environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path


def test_claude_code_adds_the_server_and_connects(home: Path) -> None:
    claude = _program("claude")
    _, *words = shlex.split(snippet(find("claude-code"), LAUNCH))
    _run([claude, *words], home)
    (line,) = [line for line in _run([claude, "mcp", "list"], home).splitlines() if line.startswith("kaiming:")]
    assert line.endswith("Connected")
    assert "Failed" not in line


def test_gemini_cli_reads_the_settings_and_connects(home: Path) -> None:
    gemini = _program("gemini")
    folder = home / ".gemini"
    folder.mkdir()
    (folder / "settings.json").write_text(snippet(find("gemini-cli"), LAUNCH), encoding="utf-8")
    # It starts no server in a directory that the person has not said to trust.
    (folder / "trustedFolders.json").write_text(json.dumps({str(home / "project"): "TRUST_FOLDER"}), encoding="utf-8")
    (line,) = [line for line in _run([gemini, "mcp", "list"], home).splitlines() if " kaiming: " in line]
    assert line.endswith("- Connected")
