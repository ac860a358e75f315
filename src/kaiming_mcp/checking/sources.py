"""Sources that an answer cites: by key, by arXiv number, or by author and year."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kaiming_mcp.library import Library

_KEY = re.compile(r"\[@([\w-]{3,60})\]|(?<![\w/.])@([a-z]+-\d{4}[\w-]*)")
_ARXIV = re.compile(r"\b(\d{4}\.\d{4,5})(?:v\d+)?\b")
_NAMED = re.compile(
    r"\b([A-Z][\w'’-]+)\s+(?:et\s+al\.?|(?:and|&)\s+[A-Z][\w'’-]+),?\s*\(?((?:19|20)\d\d)[a-z]?\b|"
    r"\b([A-Z][\w'’-]+)\s+\(((?:19|20)\d\d)[a-z]?\)|"
    r"[(;]\s*([A-Z][\w'’-]+)(?:\s*(?:,|and|&)\s*[A-Z][\w'’.-]+)*,?\s+((?:19|20)\d\d)[a-z]?\s*[);]"
)
_NO_NAME = frozenset(
    "In Since From By Until After Before During January February March April May June July August September October "
    "November December Spring Summer Autumn Fall Winter Year Version Python CUDA Windows Office ImageNet COCO ILSVRC "
    "CIFAR CVPR ICCV ECCV NeurIPS ICLR ICML TMLR AISTATS The Of And Era Circa Around About Was Is To On For As Like "
    "Copyright".split()
)


def unknown_sources(text: str, library: Library, own: str) -> Iterator[str]:
    """Citations that are neither in the library nor in the user's `own` text, as written, each once."""
    locators = " ".join(f"{s.locator} {s.note} {s.venue}" for s in library.sources.values())
    seen: set[str] = set()
    for written, known in _cited(text, library, locators):
        if not known and written not in own and written not in seen:
            seen.add(written)
            yield written


def _cited(text: str, library: Library, locators: str) -> Iterator[tuple[str, bool]]:
    for match in _KEY.finditer(text):
        yield match[0], (match[1] or match[2]) in library.sources
    for match in _ARXIV.finditer(text):
        if re.search(r"arxiv[\s:./a-z]*$", text[max(0, match.start() - 14) : match.start()], re.IGNORECASE):
            yield match[0], match[1] in locators
    for match in _NAMED.finditer(text):
        name, year = (g for g in match.groups() if g is not None)
        if name not in _NO_NAME:
            yield match[0].strip(" (;)"), _has(library, name, int(year))


def _has(library: Library, name: str, year: int) -> bool:
    """An entry with that author of about that year; preprint and venue may lie a year apart."""
    return any(
        re.search(rf"\b{re.escape(name)}\b", s.authors) is not None and abs(s.year - year) <= 1
        for s in library.sources.values()
    )
