"""Lines of bounded length out of chunks of any length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

LONGEST_LINE = 8 * 1024 * 1024
"""Bytes of one message. An argument of the greatest length passes in any script as UTF-8, and two of them in ASCII with
their line breaks escaped; TypeScript clients and servers hold at most 10 MiB."""
ENDS = 512
"""Bytes that are kept of either end of a longer line: clients write the id of a request first or last."""


@dataclass(frozen=True)
class Overlong:
    """What is left of a line that was too long to be kept."""

    head: bytes
    tail: bytes


class Lines:
    """Cuts chunks into lines; of a line that is too long only the two ends are ever held."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self._longest = longest
        self._kept = bytearray()
        self._head = b""

    def feed(self, chunk: bytes) -> Iterator[bytes | Overlong]:
        """The lines that end in this chunk, without their ends."""
        first, *others = chunk.split(b"\n")
        self._add(first)
        for part in others:
            yield self._taken()
            self._add(part)

    def rest(self) -> bytes | Overlong:
        """The last line, where the input ended without a line end."""
        return self._taken()

    def _add(self, part: bytes) -> None:
        if not self._head and len(self._kept) + len(part) > self._longest:
            self._head = bytes(self._kept[:ENDS] or part[:ENDS])
        self._kept += part
        if self._head:
            del self._kept[:-ENDS]

    def _taken(self) -> bytes | Overlong:
        line = Overlong(self._head, bytes(self._kept)) if self._head else bytes(self._kept)
        self._kept, self._head = bytearray(), b""
        return line
