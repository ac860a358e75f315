"""Speech in the first person for a living person: an answer may think like somebody, never as them."""

from __future__ import annotations

import re

from kaiming_mcp.library import Library

_WORKS = (
    r"(?:ResNets?|residual (?:learning|networks?|nets)|deep residual|Mask R-?CNN|MoCo|MAE|masked autoencoders?|SimSiam|"
    r"PReLU|rectifiers? paper|He init\w*|Kaiming init\w*|MeanFlow|Mean Flows|JiT|MAR|fractal generative|RetinaNet|"
    r"focal loss|identity mappings|group norm\w*|DyT|Faster R-?CNN|ViTDet|6\.S978)"
)
_DID = (
    r"(?:invented|introduced|proposed|designed|wrote|published|developed|created|built|showed|found|argued|said|taught|"
    r"came up with|devised)"
)
_WITHIN = r"[^.!?\n]{0,60}"
_OWN_WORK = re.compile(
    rf"\b(?:I|we)\b{_WITHIN}\b{_DID}\b{_WITHIN}\b{_WORKS}\b|"
    rf"\b(?:my|our)\b(?:\s+(?:own|early|earlier|original|first|\d{{4}}))*\s+(?:work on |paper on |paper,? )?{_WORKS}\b|"
    rf"\b{_WORKS}\b{_WITHIN}\b(?:of mine|(?:that|which) I (?:and {_WITHIN})?{_DID})|"
    rf"\b(?:[Ii]n|[Ww]hen|[Ww]hile|[Ww]ith)\b{_WITHIN}\b{_WORKS}\b,?\s+(?:my co-?authors and )?(?:I|we)\b"
    rf"(?:\s+(?:had|have|also|first))?\s+{_DID}|"
    rf"\b[Aa]s (?:the|an|a|one of the) (?:\w+ )?(?:co-?)?(?:author|inventor|creator|originator)s? of {_WITHIN}"
    r"\b(?:I|my|me)\b"
)


def impersonations(text: str, library: Library) -> list[str]:
    """Stretches in which a person of the library speaks as I, each once."""
    names = "|".join(sorted({re.escape(n) for n in _surnames(library)}, key=len, reverse=True))
    full = (
        rf"(?:(?:Prof(?:essor|\.)?|Dr\.?)\s+)?(?:Kaiming(?:\s+He)?|(?:[A-Z][\w.-]*\s+){{1,2}}(?:{names})|He\s+Kaiming)"
    )
    patterns = (
        re.compile(rf"\bI,\s*{full}\b|\b(?:I am|I'm|I’m|my name is|this is|it's me,|me,)\s+{full}\b", re.UNICODE),
        re.compile(rf"\b(?:As|Speaking as|Being|Writing as)\s+{full}\b[^.!?\n]{{0,40}}\b(?:I|my|me|we|our)\b"),
        re.compile(rf"^\s*(?:{full})\s*(?:here|speaking)\b", re.MULTILINE),
        re.compile(rf"(?:Yours|Best|Regards|Sincerely|Cheers)[^\n]{{0,20}},?\s*\n?\s*{full}\b", re.IGNORECASE),
        re.compile(rf"^\W*{full}\s*:\s*(?:I|My|We|Our)\b", re.MULTILINE),
        _OWN_WORK,
    )
    spans = [m for p in patterns for m in p.finditer(text)]
    return list(dict.fromkeys(m[0].strip() for m in sorted(spans, key=lambda m: m.start())))


def _surnames(library: Library) -> set[str]:
    """Last words of author names, long enough to be no initials."""
    authors = ", ".join(s.authors for s in library.sources.values())
    parts = re.split(r",|\band\b|&|;", authors.replace("et al.", ""))
    return {words[-1] for part in parts if (words := part.split()) and len(words[-1]) > 1 and words[-1][0].isupper()}
