"""Names of parts as they stand in prose: what belongs to a name, which kind it is, which value follows."""

from __future__ import annotations

import re

from kaiming_mcp.diagnosis.simplify.lists import Hit, Kind
from kaiming_mcp.diagnosis.simplify.reading.text import NUMBER
from kaiming_mcp.diagnosis.simplify.reading.words import PLAIN_MODIFIERS

LONGEST_NAME, BEFORE = 44, 28
VALUE = re.compile(
    r"(?:'s)?\s*(?:loss|term|schedule|layers?|of the weights|regulari[sz]\w*)?(?:\s*[(\[:=]\s*|\s+)"
    r"(?:(?:with|of|at|by|and|a|an|the|rate|decay|alpha|factor|ratio|scale|strength|p|m|max norm|weighted|weight|"
    r"coefficient|coeff?|tau|prob\w*|lambda\w*|beta\w*|gamma\w*|[λβγ]\w*|temperature|value|norm|set to|momentum)"
    rf"\s*[=:]?\s*){{0,4}}(?!-)({NUMBER})"
    r"(?![\w-]|\s?(?:seeds?|runs?|points?|stages?|heads?|layers?|gpu|images|classes|%?\s*mask))"
)
"""The number that a name is given, right after it."""
VALUE_BEFORE = re.compile(rf"(?<![\d.])({NUMBER})(?<!\.)\s?[*x×]?\s?$")
LENGTH_BEFORE = re.compile(
    r"(\d[\d,]*k?)[- ](?:epochs?|steps?|iterations?|iters?)\s+(?:of\s+)?(?:linear\s+|gradual\s+)?$"
)
_CONTEXT: tuple[tuple[str, Kind], ...] = (
    ("loss", "loss"),
    ("objective", "loss"),
    ("stage", "stage"),
    ("module", "module"),
    ("architect", "module"),
    ("component", "module"),
    ("augment", "data"),
    ("data", "data"),
    ("regulari", "training"),
    ("train", "training"),
    ("optim", "training"),
    ("schedule", "training"),
    ("trick", "training"),
    ("inference", "inference"),
    ("test time", "inference"),
    ("post", "inference"),
)
_NOUN = re.compile(
    r"[\s-](?:loss|term|module|branch|head|schedule|penalty|regulari[sz]ation|regulari[sz]er|augmentation|router|block|"
    r"encoder|layers?)\b"
)
_NOUN_AT_END = re.compile(
    r"(?:loss|term|penalty|module|head|ensemble|schedule|router|retriever|reranker|augmentation)$"
)
_ABSENT = re.compile(
    r"[a-z]*\s+(?:(?:term|loss|penalty|module|layers?|head)\s+)?(?:(?:is|was|are|were)\s+)?(?:not used|removed|dropped|disabled)\b|"
    r"[a-z]*\s+(?:is|was|are|were)\s+off\b|[\s-]free\b"
)
GONE = re.compile(r"\b(?:removed|dropped|disabled|not used)\s*$", re.IGNORECASE)
"""An entry of a list that says of itself that it is gone."""


def kind_of(context: str, name: str = "") -> Kind:
    """The kind that a heading or a name speaks for; a module where neither does."""
    for text in (context.lower(), name.lower()):
        for word, kind in _CONTEXT:
            if word in text or text == kind:
                return kind
    return "module"


def context_of(words: str) -> str:
    """The kind that a path of settings speaks for, "" where none does."""
    return next((kind for word, kind in _CONTEXT if word in words), "")


def head_of(item: str) -> tuple[str, str]:
    """(name, rest) of "Name (XY): what it does"; the rest is empty where the item is a name alone."""
    bare = re.sub(r"^\*\*|\*\*(?=\s|:|$)|^`|`$", "", item.strip())
    head = re.match(r"^(.{2,60}?)(?:\s*:\s+|\s+-\s+|\s*\(|;\s|\.\s)(.*)$", bare)
    return (head[1], head[2]) if head else (bare, "")


def commas(text: str) -> list[str]:
    """Items of a comma list; commas inside brackets and numbers stay."""
    flat = re.sub(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}", " ", text)
    return [p.strip() for p in re.split(r",(?!\d{3})|;|\band\b|\s&\s|\s\+\s", flat) if p.strip(" .")]


def bracketed(text: str) -> list[tuple[str, str]]:
    """Items of a comma list with what stands in their brackets: [("GAN", "0.5"), ("EMA", "")]."""
    found: list[tuple[str, str]] = []
    for item in re.split(r"[,;]\s*(?![^()]{0,80}\))", text):
        inside = re.search(r"\(([^()]*)\)", item)
        found += [(name, inside[1] if inside else "") for name in commas(item)]
    return found


def modifiers(text: str) -> list[str]:
    """The words before a head noun that belong to its name, three at most."""
    kept: list[str] = []
    for word in reversed(text.split()):
        if word.lower().strip(",.:;()") in PLAIN_MODIFIERS or re.search(r"[,.:;()]$", word) or word.isdigit():
            break
        kept.insert(0, word.strip("*`\"'"))
    return [w for w in kept if w][-3:]


def written(text: str, hit: Hit) -> str:
    """The words of a hit as the person wrote them, with what belongs to the name on both sides."""
    end = hit.end + tail(text.lower(), hit.end)
    noun = _NOUN.match(text, end)
    end += len(noun[0]) if noun else 0
    begin = hit.begin
    if noun or _NOUN_AT_END.search(text[begin:end].lower()):
        own = " ".join(modifiers(re.split(r"[^\w\s/'-]", text[max(0, begin - 40) : begin])[-1])[-2:])
        if own and text[begin - len(own) - 1 : begin].strip() == own:
            begin -= len(own) + 1
    name = re.sub(r"\s+", " ", text[begin:end]).strip(" -_,.")[:LONGEST_NAME]
    return name.split("(")[0].strip(" -_,.") or name if name.count("(") > name.count(")") else name


def number_in(text: str) -> str:
    """The number in "weight 0.5" or "0.5", "" where there is none or more than a weight."""
    found = re.fullmatch(
        rf"(?:weight(?:ed)?|w|lambda|λ|coeff?\w*|x|×)?\s*[=:]?\s*({NUMBER})\s*", text.strip(), re.IGNORECASE
    )
    return found[1] if found else ""


def tail(lower: str, end: int) -> int:
    """Characters from a place to the end of its word."""
    rest = re.match(r"[a-z0-9]*", lower[end : end + 24])
    return rest.end() if rest else 0


def said_absent(after: str) -> bool:
    """Whether what follows a name says that it was taken out."""
    return _ABSENT.match(after) is not None
