"""The statements of a text in the layer notation, each with where it stands, as `notation_writer` writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from kaiming_mcp.architecture.notation_words import Token, find_word

_PIECE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[;{}\n]|[^\s;{}"]+', re.DOTALL)
_ENDS = frozenset(";{}\n")


@dataclass(frozen=True, slots=True)
class Statement:
    """A layer word with its arguments; `word` is its name in the table of words."""

    word: str
    head: Token
    arguments: tuple[Token, ...]

    @property
    def span(self) -> tuple[int, int]:
        """From the word to the end of its arguments."""
        last = (self.head, *self.arguments)[-1]
        return self.head.at, last.at + len(last.text)

    def after(self, name: str) -> Token | None:
        """The token behind an argument's name."""
        texts = [t.text for t in self.arguments]
        return self.arguments[texts.index(name) + 1] if name in texts[:-1] else None


def statements(text: str) -> Iterator[Statement]:
    """Every statement in the order of the text; the word of a block is one with what stands before its brace."""
    begun: list[Token] = []
    for token in [*(Token(m[0], m.start()) for m in _PIECE.finditer(text)), Token(";", len(text))]:
        if token.text not in _ENDS:
            begun.append(token)
        elif begun:
            found = find_word(begun[0].text)
            yield Statement(found[0].name if found else "", begun[0], tuple(begun[1:]))
            begun = []
