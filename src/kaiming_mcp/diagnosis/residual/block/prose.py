"""What prose says about a block: operations on the sum, where they stand, and whether branches keep the scale."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from kaiming_mcp.diagnosis.residual.block.model import Block, OnSkip
from kaiming_mcp.diagnosis.residual.known import Known
from kaiming_mcp.knowledge import LONGEST_READ

_ABOUT = re.compile(
    r"\b(?:skip|shortcut|residual (?:block|branch|connection|net|unit|sum|path)|resnet|highway|identity path|identity mapping|trunk|add & norm|post-?ln|"
    r"pre-?ln|post-?norm|pre-?norm|rezero|skipinit|fixup|deepnorm|layer ?scale|zero-init|residuals?\b|concatenat\w*)"
)
_RESIZED = re.compile(
    r"between (?:the )?stages|size changes|downsampl|down-sampl|stride|dimension (?:change|increase)|where the (?:width|size|shape)|changes? (?:of )?(?:width|size)|only (?:where|when)"
)
_EVERYWHERE = re.compile(r"\b(?:every|each|all|everywhere|always|throughout)\b")
_EACH_UNIT = re.compile(r"variance (?:of )?(?:1|one)\b|\bvar\.? ?=? ?1\b|unit variance|unit branch")
_HE = re.compile(r"\bhe (?:init|normal)|kaiming")
_UNIT = re.compile(r"variance-preserving|normali[sz]es (?:its|the|each) branch")
_PRE = re.compile(
    r"pre-?norm|pre-?ln|pre-?activation|norm(?:ali[sz]\w*)? (?:inside|before|at the start of|in) (?:the|each|every) (?:branch|block)|normali[sz]es (?:its|the|each) branch|branch \w* ?normali[sz]ed|batchnorm in|layernorm in"
)
_BARE = re.compile(
    r"no norm|without (?:any )?norm|norm(?:ali[sz]ation)?-free|no batch ?norm|without batch ?norm|no scaling|unnormali[sz]ed|no bn\b|no ln\b"
)
_ZERO = re.compile(
    r"zero[- ]init|rezero|skipinit|initiali[sz]ed (?:to|at|with) zero|(?:alpha|gamma|γ|α) ?= ?0(?:\.0{1,3})?(?![.\d])"
)
_INDEXED = re.compile(r"1\s?/\s?(?:math\.|np\.)?sqrt\s?\(?\s?([il]|idx|index|layer)\s?(?:\+\s?1)?\s?\)?")
_FACTOR = re.compile(
    r"(?:skip|shortcut|identity)[^.;\n\d]{0,30}\b(?:by|with|times|of|weight|constant|scale|factor|to)\s?=?\s?(\d?\.\d{1,4})|(?<!\w)(\d?\.\d{1,4}) ?[x*×·]? ?(?:x\b|on the (?:skip|shortcut))"
)
_BIAS = re.compile(r"bias (?:of |= ?|is |at )?(-?\d{1,2}(?:\.\d{1,3})?)")
_NOT = re.compile(r"\b(?:no|not|without|instead of|removed?|rather than)\s+(?:\w+\s+)?$")
TRANSFORMER = re.compile(r"\b(?:transformer|gpt|bert|vit|llama|attention|encoder layer|decoder layer)\b")
_AFTER = {"norm-after": "norm-after norm", "activation-after": "activation-after relu"}
_ON_SKIP = frozenset(("projection", "gate", "scale", "dropout", "activation-on-skip", "norm-on-skip", "concatenation"))


@dataclass(frozen=True, slots=True)
class BlockWords:
    """Ids of operations, whether the size changes there, E[F²]/E[x²] that the words imply, norm, and an indexed scale."""

    about: bool
    operations: tuple[str, ...] = ()
    resizes: bool | None = None
    moment: float | None = None
    normed: bool | None = None
    indexed: bool = False
    unit: bool = False
    """Whether each branch is said to have unit variance."""
    factor: float | None = None
    """The constant on the skip."""
    opening: float | None = None
    """Of a gate, by its bias."""
    told: str = ""
    """What was said of the branch's second moment."""

    @property
    def described(self) -> bool:
        """Whether the words alone describe a block."""
        return bool(self.operations) or self.normed is not None or self.moment is not None


def read_block_words(text: str, known: Known, formula: bool) -> BlockWords:
    """Read a text; without a word about skips or blocks, and without a formula, only `about` = False."""
    said = text[:LONGEST_READ].lower()
    if not formula and not _ABOUT.search(said):
        return BlockWords(False)
    factor, bias = _FACTOR.search(said), _BIAS.search(said)
    normed = True if _PRE.search(said) else False if _BARE.search(said) else None
    unit, he, zero = (bool(p.search(said)) for p in (_EACH_UNIT, _HE, _ZERO))
    implied = formula or normed is not None or unit or he or bool(_UNIT.search(said))
    told = "said to have unit variance" if unit else "He weights were said" if he else ""
    return BlockWords(
        True,
        tuple(o.id for o in known.operations if (words := o.found(said)) and not _negated(said, words[0])),
        True if _RESIZED.search(said) else False if _EVERYWHERE.search(said) else None,
        0.0 if zero else 1.0 if implied else None,
        normed,
        bool(_INDEXED.search(said)),
        unit,
        float(factor[1] or factor[2]) if factor else None,
        1 / (1 + math.exp(max(min(float(bias[1]), 50.0), -50.0))) if bias else None,
        "said to start at zero" if zero else told,
    )


def with_words(block: Block | None, words: BlockWords) -> Block:
    """A block completed by what prose says of it."""
    made = block or Block("x + F(x), as described", "stated")
    on_skip, after = [*made.on_skip], [*made.after]
    for name in words.operations:
        if name in _AFTER and not any(a.startswith(name) for a in after):
            after.append(_AFTER[name])
        elif name in _ON_SKIP and not any(o.kind == name for o in on_skip):
            detail = f"x {words.factor:g}" if name == "scale" and words.factor is not None else ""
            factor = {"gate": words.opening, "scale": words.factor}.get(name)
            on_skip.append(OnSkip(name, detail, factor, words.resizes if name == "projection" else None))
    implied = 1.0 if words.moment is None and "norm-after" in words.operations else words.moment
    moment = made.moment
    if moment is None and implied is not None and made.branch_factor is not None:
        moment = implied * made.branch_factor**2
    normed = made.normed if made.normed is not None else words.normed
    return replace(
        made,
        on_skip=tuple(on_skip),
        after=tuple(after),
        layers=1 if "one-layer" in words.operations else made.layers,
        ends="positive" if "positive-branch" in words.operations else made.ends,
        moment=moment,
        degree=made.degree if made.degree is not None else (0.0 if normed or words.unit else 1.0),
        normed=normed,
    )


def _negated(text: str, word: str) -> bool:
    at = text.find(word)
    return bool(_NOT.search(text[max(0, at - 30) : at]))
