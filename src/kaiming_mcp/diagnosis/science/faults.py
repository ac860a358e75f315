"""Known faults whose words stand in the text."""

from __future__ import annotations

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.principles import SCIENCE
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.diagnosis.science.subjects import Pitfall, Recognised, sciences
from kaiming_mcp.knowledge import pattern
from kaiming_mcp.scaffold import SEVERITIES

MOST = 3
LONGEST_REMEDY = 150
WEIGHTS = {"high": 46, "medium": 20}
"""Of a verdict; a measured number or a named split outweighs a word."""


def check_faults(s: Statement, skip: frozenset[str], notes: Notes) -> tuple[frozenset[str], frozenset[str]]:
    """The faults that the words show, the most serious first; of equals the one that more words speak for.

    Those in `skip` are dealt with elsewhere. Ids and words are returned, so that no other check says the same.
    """
    found = [(p, words) for p in sciences().pitfalls if p.id not in skip and (words := spoken(p, s.text, s.recognised))]
    found.sort(key=lambda pair: (SEVERITIES.index(pair[0].severity), -len(pair[1])))
    for pitfall, words in found[:MOST]:
        said = notes.facts.add("the text says " + ", ".join(f"{w!r}" for w in words[:4]), "stated")
        notes.drafts.append(
            Draft(
                pitfall.severity,
                SCIENCE,
                pitfall.title,
                (said,),
                pitfall.remedy,
                pitfall.test,
                pitfall.effect,
                weight=6 + min(len(words), 4) / 4,
                limit=pitfall.limit,
            )
        )
        if pitfall.severity in WEIGHTS:
            notes.verdict(
                WEIGHTS[pitfall.severity] + min(len(words), 6) / 2, f"{pitfall.title}: {_short(pitfall.remedy)}.", said
            )
    return frozenset(p.id for p, _ in found), frozenset(w for _, words in found[:MOST] for w in words)


def _short(remedy: str) -> str:
    """The first clauses of a remedy, as many as a verdict carries."""
    pieces = remedy.replace(". ", "; ").split("; ")
    text = pieces[0]
    for piece in pieces[1:]:
        if len(text) + len(piece) > LONGEST_REMEDY:
            break
        text = f"{text}; {piece}"
    return text


def spoken(pitfall: Pitfall, text: str, recognised: Recognised) -> tuple[str, ...]:
    """The words of a fault that stand in a lower-case text; none where it does not belong to the subject."""
    subject = recognised.subject
    here = {subject.id, subject.field} if subject else {recognised.field}
    if pitfall.within and not here & set(pitfall.within):
        return ()
    words = pitfall.found(text)
    more = tuple(dict.fromkeys(pattern(pitfall.also).findall(text))) if pitfall.also else ()
    if not words or (pitfall.also and not more) or (pitfall.unless and pattern(pitfall.unless).search(text)):
        return ()
    return tuple(dict.fromkeys((*words, *more)))
