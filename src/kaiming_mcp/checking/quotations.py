"""Quotations in an answer: word for word in the library, in what the user sent, or nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from kaiming_mcp.library import Library, Quote

FEWEST_WORDS = 5
"""Fewer words between quotation marks are a term or a label, unless they are attributed."""
FEWEST_ATTRIBUTED = 3
AROUND = 120
"""Characters before and after in which a speaker is looked for."""
ALIKE = 0.6
"""Share of common words in order from which a text between marks is taken for an altered quotation."""
_PAIRS = {"“": "”", "„": "“”", "«": "»", "‘": "’", '"': '"'}
LONGEST = 1200
_BLOCK = re.compile(r"^[ \t]*>[ \t]?(.+(?:\n[ \t]*>[ \t]?.+)*)", re.MULTILINE)
_AUTHOR = re.compile(r"\s(?:[—–]{1,2}|--|-)\s*([^—–]{2,120})$|\s\(([^()]{2,120})\)\W*$")
_SPEAKER = re.compile(
    r"\b(?:He et al|Kaiming|K\. He|[A-Z][a-z]+ et al|said|says|wrote|writes|put it|puts it|states|stated|argues|argued|"
    r"in (?:his|her|their) words|quot\w*|according to|the (?:\w+ ){0,2}paper)\b"
)
_ALONE = re.compile(r"\b(?:Kaiming(?:\s+He)?|Prof(?:essor|\.)?\s+He|K\.\s*He|He)\b(?!\s+(?:et\s+al|init|and\b|,|&))")
_ELLIPSIS = re.compile(r"\s*(?:\[\s*)?(?:…|\.{3})(?:\s*\])?\s*")


@dataclass(frozen=True, slots=True)
class Marked:
    """Words between quotation marks, with the text just before and after."""

    text: str
    before: str
    after: str

    @property
    def attributed(self) -> bool:
        """Whether somebody is named as their author."""
        return _SPEAKER.search(f"{self.before[-80:]} {self.after[:80]}") is not None


def marked(text: str) -> Iterator[Marked]:
    """Everything that stands as a quotation: between marks, or as a block with an author named."""
    spans: list[tuple[int, int]] = []
    for start, end in _between_marks(text):
        found = _at(text, start, end, text[start + 1 : end - 1])
        count = len(found.text.split())
        if count >= FEWEST_WORDS or (count >= FEWEST_ATTRIBUTED and found.attributed):
            spans.append((start, end))
            yield found
    for match in _BLOCK.finditer(text):
        if any(start < match.end() and match.start() < end for start, end in spans):
            continue
        words = re.sub(r"\n[ \t]*>[ \t]?", " ", match[1]).strip(" *_")
        author = _AUTHOR.search(words)
        if author and len(words[: author.start()].split()) >= FEWEST_WORDS:
            yield Marked(words[: author.start()].strip(" *_"), text[: match.start()][-AROUND:], author[0])


def _at(text: str, start: int, end: int, words: str) -> Marked:
    return Marked(words.strip(), text[max(0, start - AROUND) : start], text[end : end + AROUND])


def _between_marks(text: str) -> Iterator[tuple[int, int]]:
    """Outermost pairs of quotation marks; marks of one kind may nest, an apostrophe opens nothing."""
    at = 0
    while at < len(text):
        closing = _PAIRS.get(text[at])
        end = 0 if closing is None else _closing(text, at, closing)
        if end:
            yield at, end
        at = end or at + 1


def _closing(text: str, start: int, closing: str) -> int:
    opening, depth = text[start], 1
    for at in range(start + 1, min(len(text), start + LONGEST)):
        if text[at] in closing and not (closing == "’" and text[at + 1 : at + 2].isalnum()):
            depth -= 1
        elif text[at] == opening:
            depth += 1
        if not depth:
            return at + 1
    return 0


def source_of(words: str, library: Library) -> Quote | None:
    """The quotation of the library that holds these words, each part between ellipses word for word and in order."""
    parts = [_plain(p) for p in _ELLIPSIS.split(words) if len(_plain(p)) > 2]
    for quote in _quotes(library):
        whole, at = f" {_plain(quote.text)} ", 0
        for part in parts:
            at = whole.find(f" {part} ", at) + 1
            if not at:
                break
        else:
            if parts:
                return quote
    return None


def stands_in(words: str, texts: Iterable[str]) -> bool:
    """Whether the words stand in one of the texts, such as the user's own."""
    plain = _plain(words)
    return any(f" {plain} " in f" {_plain(t)} " for t in texts)


def nearest(words: str, library: Library) -> Quote | None:
    """The quotation that these words alter: more than ALIKE of the words are the same, in order."""
    said = _plain(words).split()
    best, like = None, ALIKE
    for quote in _quotes(library):
        matcher = SequenceMatcher(None, said, _plain(quote.text).split(), autojunk=False)
        same = sum(block.size for block in matcher.get_matching_blocks())
        if said and same / len(said) > like:
            best, like = quote, same / len(said)
    return best


def misattributed(found: Marked, quote: Quote) -> bool:
    """Whether a sentence of several authors is given to Kaiming He alone."""
    if "Kaiming He" in quote.attribution or "et al" not in quote.attribution:
        return False
    near = re.split(r"[.!?\n]\s", found.before)[-1][-60:]
    if re.search(r"\bet al\b", near) or re.search(r"\bet al\b", found.after[:60]):
        return False
    return (
        _ALONE.search(near) is not None or re.match(r"\W{0,4}(?:Kaiming(?:\s+He)?|K\.\s*He)\b", found.after) is not None
    )


def _quotes(library: Library) -> Iterator[Quote]:
    for principle in (*library.principles.values(), *library.reasoning.values()):
        yield from principle.quotes


def _plain(text: str) -> str:
    """Words only: case, marks, dashes and spaces do not make another quotation, words do."""
    return " ".join(re.findall(r"[^\W_]+(?:[’'][^\W_]+)?", text.lower().replace("’", "'")))
