"""The translation as a scaffold: verdict, numbers, findings, the subject's card, and the frame."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from kaiming_mcp.diagnosis.draft import Draft, numbered
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.principles import SCIENCE
from kaiming_mcp.diagnosis.relevance import limit_of, quote_of
from kaiming_mcp.diagnosis.science.card import add_card, first_baseline, glossary
from kaiming_mcp.diagnosis.science.claims import check_claims
from kaiming_mcp.diagnosis.science.cross_checks import cross_checks
from kaiming_mcp.diagnosis.science.faults import check_faults
from kaiming_mcp.diagnosis.science.frame import FORM, frame, stop
from kaiming_mcp.diagnosis.science.laws import TOTAL_ENERGY, check_laws
from kaiming_mcp.diagnosis.science.leaks import check_leaks
from kaiming_mcp.diagnosis.science.measured import read_probes, said_gaps
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.samples import check_samples, independent
from kaiming_mcp.diagnosis.science.statement import Statement, read_statement
from kaiming_mcp.diagnosis.science.subjects import Sciences, Subject, sciences
from kaiming_mcp.diagnosis.science.tables import read_table
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import AIM, ORDINARY, SEVERITIES, Scaffold

NAME = "translate_to_science"
TELLING = 50
"""Weight of a key number that stays among the facts though nothing cites it."""
FAIR = 6_500
"""Characters above which the quotation goes too."""
MOST_LIMITS, MOST_TITLES = 3, 3
LONGEST_KEY = 130


@dataclass(frozen=True, slots=True)
class Level:
    """What a scaffold of at most `bound` characters holds: facts that nothing cites, findings, the steps of stack and era."""

    unused: bool
    findings: int
    reasoning: bool
    quote: bool
    bound: int


SHORTER = (
    Level(True, 4, True, True, AIM),
    Level(False, 4, True, True, AIM),
    Level(False, 3, True, True, AIM),
    Level(False, 2, True, True, AIM),
    Level(False, 2, False, True, AIM),
    Level(False, 2, False, True, FAIR),
    Level(False, 2, False, False, ORDINARY),
    Level(False, 1, False, False, ORDINARY),
)
"""Ever shorter; the first that fits is sent."""
EXAMPLE = (
    'field = "medicine"  problem = "find pneumonia on chest X-rays"\n'
    'data = "112,000 images of 30,805 patients from 3 hospitals, 8 % positive, random 80/20 split"\n'
    'measurements = "AUC 0.93 random split, 0.81 on a held-out hospital; logistic regression 0.78"'
)
QUOTED = {
    "physics and partial differential equations": "physical constraints structure dynamical systems",
    "chemistry and materials": "physical constraints structure dynamical systems",
    "weather, climate and the earth": "physical constraints structure dynamical systems",
}
"""Words that pick a quotation for a field; others get the one on telling data sets apart."""


def translate(
    field: str, problem: str, data: str, measurements: str, library: Library, room: int = ORDINARY
) -> Scaffold:
    """Everything of the scaffold but the request line, in at most `room` characters of JSON where that can be had.

    Where nothing was established, what to send.
    """
    known = sciences()
    s = read_statement(field, problem, data, measurements, known)
    table = read_table(data) or read_table(measurements)
    leak, symmetry = read_probes(f"{measurements}\n{data}")
    symmetry = symmetry or said_gaps(s.text)
    if not _sayable(s) and table is None and leak is None and symmetry is None:
        return _needs(s, known)
    notes = Notes()
    n = independent(s, table)
    # Where a table shows the share of composition, words about it add nothing.
    skip = frozenset({TOTAL_ENERGY}) if table and table.composition else frozenset[str]()
    faults, seen = check_faults(s, skip, notes)
    check_samples(s, table, seen, notes)
    cross_checks(s, notes)
    check_leaks(s, leak, n, notes)
    check_claims(s, table, n, notes)
    check_laws(s, table, symmetry, TOTAL_ENERGY in faults, notes)
    unprobed = leak is None and all(x.role not in {"leak", "grouped"} for x in s.scores)
    for level in SHORTER:
        scaffold = _scaffold(s, replace(notes, facts=Facts(list(notes.facts.items))), unprobed, library, level)
        if len(json.dumps(scaffold.structured(), ensure_ascii=False)) <= room - (ORDINARY - level.bound):
            break
    return scaffold  # pyright: ignore[reportPossiblyUnboundVariable] - SHORTER is not empty


def _scaffold(s: Statement, notes: Notes, unprobed: bool, library: Library, level: Level) -> Scaffold:
    subject = s.recognised.subject
    cells, empty = glossary(s, notes)
    card = add_card(subject, notes) if subject else {}
    top = max(notes.verdicts, default=(0.0, "", ""))
    # The finding behind the verdict goes first, so that verdict and first change speak of one thing.
    drafts = sorted(notes.drafts, key=lambda d: (top[2] not in d.evidence, SEVERITIES.index(d.severity), -d.weight))
    shown = drafts[: level.findings]
    steps = frame(s, card, cells, empty, notes, level.reasoning)
    keys = _keys(notes)
    told = {i for weight, i in notes.keys if weight >= TELLING}
    used = {*keys, *told, *(i for d in shown for i in d.evidence), *(i for step in steps for i in step.cites)}
    principle = library.principles[SCIENCE]
    fields = {step.field for step in steps}
    return Scaffold(
        tool=NAME,
        verdict=_verdict(s, subject, empty, top[1]),
        key_numbers=[f"{_short(f.statement)} [{f.id}]" for i in keys for f in notes.facts.items if f.id == i],
        first_change=_first_change(subject, drafts[0].remedy if drafts else ""),
        established=[f for f in notes.facts.items if level.unused or f.id in used],
        findings=numbered([_ended(d) for d in shown], library),
        frame=steps,
        answer_form=[f for f in FORM if f.name in fields],
        limits=_limits(s, drafts, len(shown), library),
        quotes=[quote_of(library, principle, _quoted(s, subject, [d.title for d in drafts[:2]]))]
        if level.quote
        else [],
        measure=_measure(s, drafts[0].test if drafts else "", unprobed),
    )


def _short(statement: str) -> str:
    """A fact as a key number: its first clauses, as far as they keep to LONGEST_KEY."""
    pieces = statement.split("; ")
    kept = 1
    while kept < len(pieces) and len("; ".join(pieces[: kept + 1])) <= LONGEST_KEY:
        kept += 1
    return "; ".join(pieces[:kept])


def _ended(draft: Draft) -> Draft:
    """Remedy, effect and test as sentences with a stop."""
    return replace(draft, remedy=stop(draft.remedy), effect=stop(draft.effect), test=stop(draft.test))


def _quoted(s: Statement, subject: Subject | None, titles: list[str]) -> str:
    if any("augmentation" in t for t in titles):
        return "supervised learning dependent augmentation valid"
    if any(w in s.text for w in ("transfer", "pre-train", "pretrain", "fine-tun")):
        return "supervision negative transfer physics"
    if subject is None:
        return "tools common language translate terminology concepts understand"
    return QUOTED.get(subject.field, "modern networks excellent accuracy classifying dataset image")


def _sayable(s: Statement) -> bool:
    subject = s.recognised.subject
    numbers = s.sample.items or s.sample.groups or s.scores or s.quantities or s.span
    return bool(
        (subject and (not subject.general or s.task or numbers)) or (s.task and (s.field or numbers)) or s.quantities
    )


def _needs(s: Statement, known: Sciences) -> Scaffold:
    mine = [x.title for x in known.subjects if x.field == s.recognised.field and not x.general]
    listed = (
        f"Of {s.recognised.field} these are known: {', '.join(mine)}. "
        if mine
        else f"Known fields: {'; '.join(known.fields)}. "
    )
    return Scaffold(
        tool=NAME,
        verdict="Nothing was established yet.",
        needs=f"{listed}Send the problem in a sentence (what is predicted from what), the data (how many samples of how many patients, "
        "molecules, storms … from how many sites, how they are split), and what was measured (score on random and on grouped "
        "folds, baseline, noise of repeated measurements, or the JSON of the leakage or symmetry probe).",
        example=EXAMPLE,
    )


def _verdict(s: Statement, subject: Subject | None, empty: tuple[str, ...], best: str) -> str:
    if subject is None:
        start = (
            f"{s.field!r} is not among the fields known here, so only the method and your own numbers speak"
            if s.field
            else ("The field was not recognised, so only the method and your own numbers speak")
        )
        return f"{start}. {best}" if best else f"{start}: {len(empty)} of 8 cells of the glossary are empty."
    if best:
        return best
    return f"Not ready to compare models: {len(empty)} of 8 cells of the glossary are empty; split {subject.split}, and score {first_baseline(subject)} on it first."


def _keys(notes: Notes) -> list[str]:
    """Ids of the three heaviest key numbers."""
    heaviest = sorted(notes.keys, key=lambda pair: -pair[0])
    return list(dict.fromkeys(i for _, i in heaviest))[:3]


def _first_change(subject: Subject | None, remedy: str) -> str:
    if remedy:
        return stop(remedy[0].upper() + remedy[1:])
    if subject:
        return f"Split {subject.split}; then score {subject.baseline} on it."
    return "Fill the empty cells with someone of the field, then score a linear model and the last or mean value on a split by group."


def _limits(s: Statement, drafts: list[Draft], shown: int, library: Library) -> list[str]:
    principle = library.principles[SCIENCE]
    subject = s.recognised.subject
    lines: list[str] = []
    if subject is not None and not s.recognised.listed:
        lines.append(
            f"{s.field!r} is not in the list of fields; it was read as {subject.title} from {', '.join(s.recognised.words[:3])}."
        )
    if subject is not None and subject.general:
        lines.append(f"Only the field is known ({subject.title}), not the subject: the card is general.")
    if s.recognised.others:
        lines.append(
            "The text also speaks of "
            + " and ".join(o.title for o in s.recognised.others)
            + ": ask again in those words for its card."
        )
    missing = [
        name
        for name, there in (
            ("number of samples and of groups", s.sample.items or s.sample.groups),
            ("score on a grouped split", any(x.role == "grouped" for x in s.scores)),
            ("baseline score", any(x.role == "baseline" for x in s.scores)),
            ("noise of the labels", any(x.role == "noise" for x in s.scores)),
        )
        if not there
    ]
    if missing:
        lines.append("Not found in the text: " + ", ".join(missing) + ".")
    for words in dict.fromkeys(d.limit for d in drafts if d.limit):
        line = limit_of(principle, words)
        if len(lines) < MOST_LIMITS and line not in lines:
            lines.append(line)
    if len(lines) < 2:
        lines.append(limit_of(principle, "Translation can erase" if drafts else "public statements"))
    if len(drafts) > shown:
        titles = [d.title for d in drafts[shown:] if d.severity != "note"] or [drafts[shown].title]
        lines.append(f"Further findings, in short: {'; '.join(titles[:MOST_TITLES])}.")
    return lines


def _measure(s: Statement, test: str, unprobed: bool) -> str:
    contexts = [c.one for c in s.sample.groups if c.noun.kind == "context" and c.number > 1 and not c.noun.set]
    thing = contexts[-1] if contexts else "group (site, batch, instrument, date)"
    probe = (
        f"probe kaiming://probes/leakage: predict the {thing} from the inputs, and score random against grouped folds; AUC above 0.6 or a gap "
        "above 2 seed standard deviations means grouped results only."
    )
    wanted = unprobed and bool(s.sample.groups or s.random_split or not test)
    pieces = [stop(test), probe] if wanted else [stop(test)]
    return " ".join(p[0].upper() + p[1:] for p in pieces if p)
