"""What every answer is held to."""

from __future__ import annotations

import json
import os
import re
import site
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import kaiming_mcp

CANARY = "the-canary-outside-of-all-roots"
_PACKAGE = Path(kaiming_mcp.__file__).parent
FOLDERS = {
    str(folder) + os.sep
    for folder in (
        _PACKAGE,
        _PACKAGE.parents[1],
        Path.cwd(),
        Path.home(),
        Path(sys.prefix),
        Path(sys.base_prefix),
        sysconfig.get_paths()["stdlib"],
        *site.getsitepackages(),
        tempfile.gettempdir(),
    )
    if len(str(folder)) > 3
}
TEXTS = (
    "Traceback (most recent",
    "nternal server error",
    "site-packages",
    "pydantic.dev",
    "root:x:0",
    CANARY,
    *sorted(FOLDERS),
)
INSIDE = re.compile(r'\bat 0x[0-9a-f]{6,}>|<(?:class|function|module|bound method|built-in) |File \\?"[^"]+", line \d')


def leak(answer: str, sent: bytes) -> str | None:
    """What an answer tells that it should not, unless it was sent."""
    found = {text for text in TEXTS if text in answer} | {match[0] for match in INSIDE.finditer(answer)}
    echo = sent.decode("utf-8", "replace") if found else ""
    echo += echo.replace('\\"', '"')
    for text in found:
        if text not in echo:
            at = answer.index(text)
            return answer[max(0, at - 200) : at + 300]
    return None


def told(faults: list[str]) -> str:
    """The first few faults, whole; the rest is much the same."""
    return "\n".join([f"{len(faults)} faults", *faults[:5], *(fault[:300] for fault in faults[5:20])])


def must_be_answered(body: bytes) -> Any:
    """The id that an answer to this line on stdio has, or None where there may be none."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or "method" not in message:
        return None
    id = message.get("id")
    if isinstance(id, str):
        # Half a surrogate pair comes back as the character that stands for it.
        return id.encode("utf-8", "replace").decode()
    return id if isinstance(id, int) and not isinstance(id, bool) else None
