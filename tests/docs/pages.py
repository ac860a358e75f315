"""The commands that docs/ shows, and docs/pictures/ as they draw it: `make docs-pictures`."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PICTURES = DOCS / "pictures"
# The page of the MCP App, as the tests of the page see it in Chromium.
COPIES = {PICTURES / "page.png": ROOT / "tests" / "app" / "screenshots" / "mlp.png"}


def commands(page: Path) -> list[list[str]]:
    """The words of every `kaiming-mcp` or `python` command in the shell blocks of a page."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line) for line in lines if line.startswith(("kaiming-mcp ", "python "))]


def plots() -> dict[Path, list[str]]:
    """By picture, the command that draws it."""
    shown = [words for page in sorted(DOCS.glob("*.md")) for words in commands(page)]
    return {ROOT / words[words.index("-o") + 1]: words for words in shown if words[1] == "plot"}


def run(words: list[str]) -> str:
    """What a command of a page prints, run in the project's directory.

    Raises:
        subprocess.CalledProcessError: the command failed.
    """
    program = ["-m", "kaiming_mcp", *words[1:]] if words[0] == "kaiming-mcp" else words[1:]
    done = subprocess.run(
        [sys.executable, *program], capture_output=True, text=True, encoding="utf-8", cwd=ROOT, timeout=120, check=True
    )
    return done.stdout


def main() -> None:
    """Draw every picture again."""
    PICTURES.mkdir(exist_ok=True)
    for words in plots().values():
        run(words)
    for copy, original in COPIES.items():
        shutil.copyfile(original, copy)


if __name__ == "__main__":
    main()
