"""Text from outside, made safe to show."""

from __future__ import annotations

import re

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_].*?(?:\x07|\x1b\\)|[@-Z\\-_])", re.DOTALL)
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""C0 without tab and line break, C1, zero-width and bidirectional marks, lone surrogates, and tags, which spell text
that no eye sees."""


def printable(text: str) -> str:
    """The text without terminal escapes and without characters that are not seen."""
    return UNSEEN.sub("", _ESCAPES.sub("", text))
