"""A directory that the server may read below, with traps in it."""

from __future__ import annotations

import os
from pathlib import Path

from fuzz_checks import CANARY


def make_root(folder: Path) -> Path:
    """A root with a file in it, and one beside it that nobody may read."""
    root = folder / "root"
    (folder / "secret.txt").write_text(CANARY, "utf-8")
    (root / "nets").mkdir(parents=True)
    (root / "nets" / "net.py").write_text("class Net(nn.Module): pass", "utf-8")
    if hasattr(os, "mkfifo"):
        os.mkfifo(root / "nets" / "fifo")
        (root / "link").symlink_to(folder)
    return root
