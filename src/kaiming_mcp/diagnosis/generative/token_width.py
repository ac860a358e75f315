"""How wide a token of x is, and the network that reads it."""

from __future__ import annotations

import math
import re

__all__ = ["read_token"]

_PATCH = re.compile(
    r"patch(?:es)?(?:[ -]?size)?\s*(?:of|=|:|is)?\s*(\d{1,4})(?:\s?[x×]\s?(\d{1,4}))?(?:\s?[x×]\s?(\d{1,4}))?|"
    r"(\d{1,4})\s?[x×]\s?(\d{1,4})(?:\s?[x×]\s?(\d{1,4}))?[\s-]patch"
)
_CHANNELS = re.compile(r"(\d{1,4})[\s-]*(?:latent )?(?:channels?|bands|variables|colou?rs)\b")
_WIDTH = re.compile(
    r"(?:hidden(?:[\s-]*(?:size|width|dim\w*|units))?|d_model|model width|model dim\w*|embedding (?:dim\w*|width|size)|width)\s*"
    r"(?:of|=|:|is)?\s*(\d{1,6})|(\d{1,6})[- ](?:wide|hidden units|hidden)"
)
_TOKEN = re.compile(r"(?:token|patch) (?:dim\w*|width)\s*(?:of|=|:|is)?\s*(\d{1,6})|(\d{1,6})[- ]dim\w* tokens?")


def read_token(text: str) -> tuple[int | None, int | None]:
    """(token dimension, hidden width); a patch of p x q on c channels has p q c values."""
    named = _TOKEN.search(text)
    patch = _PATCH.search(text)
    width = _WIDTH.search(text)
    token = int(named[1] or named[2]) if named else None
    if token is None and patch:
        sides = [int(g) for g in patch.groups() if g]
        channels = _CHANNELS.search(text)
        # A third side of up to 4 is the channels: 16x16x3.
        inside = len(sides) == 3 and sides[2] <= 4
        token = math.prod(sides * 2 if len(sides) == 1 else sides)
        token *= 1 if inside else int(channels[1]) if channels else 3
    wide = int(width[1] or width[2]) if width else None
    return token or None, wide or None
