"""What was found in an answer, and its two forms: structured, and as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kaiming_mcp.checking.answer import Answer, read_answer
from kaiming_mcp.checking.facts import agreeing, contradictions, uncited, unknown_ids
from kaiming_mcp.checking.form import gaps
from kaiming_mcp.checking.person import impersonations
from kaiming_mcp.checking.quotations import marked, misattributed, nearest, source_of, stands_in
from kaiming_mcp.checking.sources import unknown_sources
from kaiming_mcp.library import Library
from kaiming_mcp.results import Checked, Remark
from kaiming_mcp.scaffold import Fact, FormField

MOST_FINDINGS, MOST_UNCITED, LONGEST_SAID = 40, 30, 200


@dataclass(frozen=True, slots=True)
class Basis:
    """What an answer is held against.

    `own` are the user's words, `scaffold` the text that the facts came with, `apart` ids that cannot be recomputed;
    `facts` is None where none could be, and `remarks` say why.
    """

    form: list[FormField]
    facts: Mapping[str, Fact] | None
    apart: frozenset[str] = frozenset()
    own: tuple[str, ...] = ()
    scaffold: str = ""
    altered: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def check(text: str, basis: Basis, library: Library) -> Checked:
    """Everything that can be verified about an answer, field by field."""
    answer = read_answer(text, [f.name for f in basis.form])
    places = [*answer.fields.items(), ("", answer.rest)]
    found = [
        *(
            Remark(kind="altered argument", said=name, expected="as in the line that came with the scaffold")
            for name in basis.altered
        ),
        *(Remark(kind=g.kind, field=g.field, expected=g.asked) for g in gaps(answer, basis.form)),
        *(r for name, part in places for r in _of_facts(name, part, basis)),
        *(r for name, part in places for r in _of_words(name, part, basis, library)),
    ]
    shown = found[:MOST_FINDINGS]
    numbers = sum(agreeing(part, basis.facts) for _, part in places) if basis.facts is not None else 0
    return Checked(
        verdict=_verdict(found, answer, numbers),
        findings=shown,
        uncited=_uncited(places) if basis.facts is not None else [],
        checked=[
            *_scope(basis, answer, numbers),
            *([f"{len(found) - len(shown)} further findings"] if len(found) > len(shown) else []),
        ],
    )


def rendered(result: Checked) -> str:
    """The same as Markdown."""
    lines = [f"**{result.verdict}**"]
    for r in result.findings:
        place = f" in `{r.field}`" if r.field else ""
        said = f": {_ticked(r.said)}" if r.said else ""
        expected = f" — expected: {r.expected}" if r.expected else ""
        lines.append(f"- {r.kind}{place}{said}{expected}")
    if result.uncited:
        lines.append("\nNumbers that cite no fact (not compared): " + "; ".join(map(_ticked, result.uncited)))
    return "\n".join([*lines, "", *result.checked]) + "\n"


def _ticked(said: str) -> str:
    return f"`{said.replace('`', chr(39))}`"


def _of_facts(field: str, text: str, basis: Basis) -> Iterator[Remark]:
    facts = basis.facts
    if facts is None:
        return
    for name in unknown_ids(text, facts, basis.apart):
        yield Remark(kind="unknown fact", field=field, said=name, expected=_ids(facts))
    for each in contradictions(text, facts):
        stated = "; ".join(f"[{i}] {facts[i].statement}" for i in each.ids)
        yield Remark(
            kind="contradiction",
            field=field,
            said=f"{each.said} [{', '.join(each.ids)}]",
            expected=f"{each.expected} ({stated[:LONGEST_SAID]})",
        )


def _of_words(field: str, text: str, basis: Basis, library: Library) -> Iterator[Remark]:
    for quote in marked(text):
        known = source_of(quote.text, library)
        if known is not None:
            if misattributed(quote, known):
                yield Remark(
                    kind="attribution",
                    field=field,
                    said=quote.text[:LONGEST_SAID],
                    expected=f"{known.attribution}, {known.source}",
                )
            continue
        if stands_in(quote.text, basis.own):
            continue
        like = nearest(quote.text, library)
        if like is not None or quote.attributed:
            words = f"“{like.text}” ({like.attribution}; {like.grade})" if like else "no such words are in the library"
            yield Remark(kind="quotation", field=field, said=f"“{quote.text[:LONGEST_SAID]}”", expected=words)
    for written in unknown_sources(text, library, "\n".join((*basis.own, basis.scaffold))):
        yield Remark(
            kind="unknown source",
            field=field,
            said=written,
            expected="a key of kaiming://sources, or a source that the user named",
        )
    for stretch in impersonations(text, library):
        yield Remark(kind="impersonation", field=field, said=stretch[:LONGEST_SAID], expected="the third person")


def _uncited(places: list[tuple[str, str]]) -> list[str]:
    listed = [
        f"{name or 'outside the fields'}: {', '.join(found)}" for name, part in places if (found := uncited(part))
    ]
    return listed[:MOST_UNCITED]


def _verdict(found: list[Remark], answer: Answer, numbers: int) -> str:
    if not found:
        return f"No findings: {len(answer.fields)} fields, {numbers} cited number{'s' * (numbers != 1)} agree."
    kinds = list(dict.fromkeys(r.kind for r in found))
    return f"{len(found)} finding{'s' * (len(found) != 1)}: {', '.join(kinds)}."


def _scope(basis: Basis, answer: Answer, numbers: int) -> list[str]:
    parts = [*basis.remarks]
    if basis.facts is not None:
        parts.append(f"Recomputed {len(basis.facts)} facts; {numbers} cited number{'s' * (numbers != 1)} agree.")
        if basis.apart:
            parts.append(f"Not recomputed from the short form, so not compared: {', '.join(sorted(basis.apart))}.")
    if basis.form and not answer.fields:
        parts.append(
            "No field of the form was found: write each as **name**: text, or send JSON with these keys: "
            + ", ".join(f.name for f in basis.form)
        )
    return parts


def _ids(facts: Mapping[str, Fact]) -> str:
    return "one of " + ", ".join(facts) if facts else "no fact was established"
