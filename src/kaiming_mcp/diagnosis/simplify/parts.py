"""A part of a method, and when two names mean the same part."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from kaiming_mcp.diagnosis.simplify.lists import Kind, KnownPart

MOST_LINES = 4
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_BRITISH = re.compile(r"is(?=(?:ation|ed|ing|er|e)$)(?<=[aeilmrt]is)")
_LONG = {"aux": "auxiliary", "reg": "regularization", "aug": "augmentation"}
"""Short forms of one word."""
_FILLER = frozenset(
    "the a an our my its their new novel proposed with and or of for in on to at by from as loss losses term terms module "
    "block branch head part component step stage regularizer regulariser penalty objective layer layers network net use "
    "uses used using enable is are model method full extra additional l module unit also weight lambda no".split()
)


@dataclass(frozen=True, slots=True)
class Part:
    """Something that can be taken out, or swapped where it is `base`; where it was read."""

    name: str
    kind: Kind
    known: KnownPart | None = None
    lines: tuple[int, ...] = ()
    weight: str = ""
    hours: float | None = None
    alias: str = ""
    word: str = ""
    """The word of the list that was found; tells parts of one entry apart."""

    only: bool = False
    """Whether it is the only loss of the method."""

    @property
    def base(self) -> bool:
        """Whether it can be swapped only."""
        return self.only or (self.known is not None and self.known.base)

    @property
    def key(self) -> str:
        """What two readings of one part have in common."""
        if self.known is None:
            return "own:" + " ".join(sorted(tokens(self.name)))
        if self.known.umbrella and self.word not in umbrella(self.known):
            return f"{self.known.id}:{self.word}"
        return self.known.id

    @property
    def extra(self) -> frozenset[str]:
        """Words of the name beyond those of the list's entry: `prototype` of a prototype contrastive loss."""
        said = re.sub(r"[^a-z0-9]", "", self.name.lower())
        plain = self.word and self.word in said
        return frozenset(t for t in tokens(self.name) if t not in self.word) if plain else frozenset()

    @property
    def cost(self) -> int:
        """0 nothing to 3 a second training; own parts count as a network pass, own losses as little."""
        if self.known is not None:
            return self.known.cost
        return 1 if self.kind in {"loss", "training", "data"} else 3 if self.kind == "stage" else 2

    def joined(self, other: Part) -> Part:
        """Both readings of one part."""
        return replace(
            self,
            lines=tuple(dict.fromkeys((*self.lines, *other.lines)))[:MOST_LINES],
            weight=self.weight or other.weight,
            hours=self.hours if self.hours is not None else other.hours,
            alias=self.alias or other.alias,
        )


def umbrella(known: KnownPart) -> set[str]:
    """The words that stand for all of an entry, without separators."""
    return {re.sub(r"[\s_-]+", "", w.lower()) for w in known.umbrella}


@lru_cache(maxsize=4096)
def tokens(name: str) -> frozenset[str]:
    """The words of a name that tell it apart, lower-case, without plural s."""
    lower: list[str] = [w.lower() for w in _WORD.findall(name)]
    words = [_BRITISH.sub("iz", _LONG.get(w, w)) for w in lower]
    kept = [w for w in words if not {w, w.removesuffix("s")} & _FILLER and (len(w) > 1 or w.isdigit())]
    return frozenset(w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith("ss") else w for w in kept or words)


SHORTEST, ALIKE = 3, 5
"""Letters of a short form, and letters that two forms of one word share at least."""
_COMPOUND = re.compile(r"wise|aware|scale|level|net|former|like|free|less|guided|based")


def akin(one: str, other: str) -> bool:
    """Whether two words are forms of one: `pos` and positional, `shifting` and shifted; not depth and depthwise."""
    short, long = sorted((one, other), key=len)
    if short == long:
        return True
    shared = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if _COMPOUND.fullmatch(long[shared:]):
        return False
    return (shared == len(short) >= SHORTEST and short.isalpha()) or shared >= max(ALIKE, 0.6 * len(long))


def within(few: frozenset[str], many: frozenset[str]) -> bool:
    """Whether every word of `few` is akin to one of `many`."""
    return all(any(akin(a, b) for b in many) for a in few)


def initials(name: str) -> str:
    """The first letters of its words, as an abbreviation has them."""
    return "".join(w[0] for w in _WORD.findall(name)).lower()


def one_name(part: Part, label: str) -> bool:
    """Whether a label is the part's own name or its abbreviation."""
    mine = tokens(part.name)
    short = re.sub(r"[^a-z0-9]", "", label.lower())
    return bool(mine and mine == tokens(label)) or bool(part.alias and part.alias.lower() == short)


def same(part: Part, label: str, known: str = "", word: str = "") -> float:
    """How surely a label means this part: 0 no, above 0 the surer the larger.

    `known` is the id of the list's entry that the label speaks for, `word` its word.
    """
    mine, theirs = tokens(part.name), tokens(label)
    short = re.sub(r"[^a-z0-9]", "", label.lower())
    if one_name(part, label):
        return 4.0
    if known and part.known is not None and part.known.id == known:
        whole = umbrella(part.known)
        if part.known.base and not whole and part.word != word and not theirs <= mine:
            return 0.0  # a ConvNeXt is no EfficientNet
        if part.word == word:
            return 3.5
        if mine and theirs and (mine <= theirs or theirs <= mine):
            return 3.2
        return 3.0 if not whole or word in whole or part.word in whole else 0.0
    if known and part.known is not None:
        return 2.5 if theirs and theirs <= part.extra else 0.0
    if mine and theirs and (mine <= theirs or theirs <= mine):
        return 2.0 + len(mine & theirs) / len(mine | theirs)
    if len(short) >= 2 and short in {initials(part.name), initials(part.name)[:-1]} and len(mine) > 1:
        return 2.0
    if len(theirs) == 1 and len(mine) > 1 and next(iter(theirs)) in {initials(part.name), initials(part.name)[:-1]}:
        return 2.0
    shared = len(mine & theirs) / max(len(mine | theirs), 1)
    if not mine or not theirs or shared > 0.5:
        return shared
    # Forms of one word come last: a name that stands as such is surer.
    return 0.9 if within(theirs, mine) or within(mine, theirs) else 0.0
