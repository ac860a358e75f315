"""The diagnosis as a scaffold: verdict, three numbers, one change, the ranking, and the frame to think in."""

from __future__ import annotations

from dataclasses import replace

from kaiming_mcp.diagnosis.draft import Draft, numbered
from kaiming_mcp.diagnosis.gradients.changes import change_for
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.frames import FORM, SOUND, WATCH, frame_of, open_frame
from kaiming_mcp.diagnosis.gradients.mechanisms import DECIDED, TITLES, Candidate
from kaiming_mcp.diagnosis.gradients.operations import by_source
from kaiming_mcp.diagnosis.gradients.picture import spark_lines
from kaiming_mcp.diagnosis.gradients.questions import EXAMPLE, questions, remarks
from kaiming_mcp.diagnosis.gradients.rank import explanations, follows, ranked
from kaiming_mcp.diagnosis.gradients.remedies import Change
from kaiming_mcp.diagnosis.gradients.side import side_findings
from kaiming_mcp.diagnosis.gradients.start import settled
from kaiming_mcp.diagnosis.gradients.theory import Comparison, compare
from kaiming_mcp.diagnosis.gradients.traced import WORKS
from kaiming_mcp.diagnosis.principles import RESIDUAL, SIMPLE
from kaiming_mcp.diagnosis.relevance import limit_of, named_limit, quote_of
from kaiming_mcp.library import Library, Principle
from kaiming_mcp.scaffold import Scaffold, Severity

NAME = "diagnose_gradients"
CALM = ("nothing_wrong", "amp_calibrating", "too_shallow", "print_zeros", "clip_never_binds")
"""Verdicts that no fault of the network stands behind."""
MOST_FACTS = 14
COURSES = ("true_decay_forward", "true_decay_backward", "bias_floor", "growth")
NOT_CLEAR = 0.84
"""Score of a course that theory does not confirm: just below what the verdict calls clear."""


def diagnose(e: Evidence, library: Library) -> Scaffold:
    """Everything of the scaffold but the request line; a short reply where nothing was established."""
    e = settled(e)
    candidates = ranked(e)
    said = remarks(e)
    first = candidates[0] if candidates and candidates[0].score >= DECIDED else None
    if first is None and not e.anything and not candidates:
        asked = "; ".join(f"({i}) {q}" for i, q in enumerate(questions(e), 1))
        return Scaffold(
            tool=NAME,
            verdict=" ".join([f"Cannot tell: {_nothing_read(e)}.", *said]),
            mechanism="cannot_tell",
            needs=f"Send: {asked}.",
            example=EXAMPLE,
        )
    theory = compare(e)
    return _cannot_tell(e, candidates, said, library) if first is None else _decided(e, candidates, theory, library)


def _nothing_read(e: Evidence) -> str:
    """No number at all, or lines with numbers that say nothing of what the numbers are."""
    missed, count = e.measured.not_understood, e.measured.not_understood_count
    if not missed:
        return "no number was given"
    shown = "; ".join(f"line {n} `{text[:60]}`" for n, text in missed[:2])
    return f"{count} line(s) with numbers were read, and none says what its numbers measure ({shown})"


def _decided(e: Evidence, candidates: list[Candidate], theory: list[Comparison], library: Library) -> Scaffold:
    first = _doubted(candidates, theory)
    candidates = [first, *candidates[1:]]
    change = change_for(e, first)
    causes = (c for c in candidates[1:] if c.predicted and follows(first, c.mechanism))
    cause = next(causes, None) if not first.apart else None
    severity: Severity = "note" if first.mechanism in CALM else "high" if first.score >= 0.7 else "medium"
    draft = Draft(
        severity,
        change.principle,
        first.name,
        (*first.evidence, *(c.fact for c in theory if c.agrees)),
        change.do,
        change.test,
        change.effect,
    )
    beside = side_findings(e, first.mechanism)
    drafts = [draft, *beside]
    also = f" Beside it: {'; '.join(d.title for d in beside)}." if beside and first.mechanism in CALM else ""
    return Scaffold(
        tool=NAME,
        verdict=_verdict(first, cause) + also,
        mechanism=first.mechanism,
        located=first.located,
        key_numbers=_key_numbers(e, first),
        first_change=f"{change.do} Predicted: {change.effect}.",
        explanations=explanations(e, candidates),
        established=e.facts.items[:MOST_FACTS],
        findings=numbered(drafts[:3], library),
        frame=frame_of(candidates, change, {f.id for f in e.facts.items[:MOST_FACTS]}),
        answer_form=WATCH if first.mechanism in SOUND else FORM,
        limits=_limits(e, first, change, library),
        quotes=[quote_of(library, p, f"{first.name} {change.do}") for p in [_principle(change, library)] if p],
        picture=spark_lines(e),
        measure=change.test,
    )


def _doubted(candidates: list[Candidate], theory: list[Comparison]) -> Candidate:
    """The first explanation, less certain where a course over depth is not the one of the theory for this network."""
    first, misfits = candidates[0], tuple(c.fact for c in theory if not c.agrees)
    if not misfits or first.predicted or first.mechanism not in COURSES:
        return first
    return replace(first, score=min(first.score, NOT_CLEAR), against=(*first.against, *misfits))


def _principle(change: Change, library: Library) -> Principle | None:
    """The principle of the change, where its page is about signals and gradients; simplicity alone has no words for them."""
    return library.find(change.principle) if change.principle != SIMPLE else None


def _verdict(first: Candidate, cause: Candidate | None) -> str:
    sure = "clear" if first.score >= 0.85 else "likely" if first.score >= 0.7 else "leaning"
    basis = "predicted by theory or from what was stated, not measured" if first.predicted else sure
    begins = "All layers take part alike; it is worst at" if first.even else "It begins at"
    place = f" {begins} {first.located}." if first.located and first.mechanism not in CALM else ""
    own = first.apart or first.name in TITLES.values()
    title = first.name if own else f"{first.name} ({TITLES[first.mechanism]})"
    why = f" Theory names a cause: {cause.name}." if cause else ""
    return f"{title[0].upper()}{title[1:]} ({basis}).{place}{why}"


def _key_numbers(e: Evidence, first: Candidate) -> list[str]:
    """The first fact of the winner, then those with the loss, theory or the other direction."""
    by_id = {f.id: f for f in e.facts.items}
    wanted = [by_id[i] for i in first.evidence if i in by_id]
    wanted += [f for f in e.facts.items if f not in wanted and f.value is not None]
    lines = [f.statement for f in wanted[:3]]
    if len(lines) < 2:
        lines.append(f"read: {'; '.join(e.measured.understood[:3]) or 'statements only, no measurement'}")
    return [line if len(line) <= 220 else line[:220].rsplit(" ", 1)[0] + " …" for line in lines]


def _cannot_tell(e: Evidence, candidates: list[Candidate], said: list[str], library: Library) -> Scaffold:
    asked = questions(e)
    near = f" Nearest: {candidates[0].name} ({candidates[0].score:.2f})." if candidates else ""
    course = e.subject.course if e.subject is not None else None
    if course is not None and course.worst <= WORKS and e.gradient is None and not e.measured.series:
        near = f" In theory the network is sound at initialization ({e.subject.init.describe() if e.subject else ''}).{near}"
    for line in said:
        e.facts.add(line, "computed")
    if not e.facts.items:
        e.facts.add(f"read: {'; '.join(e.measured.understood[:4]) or 'a network, no measurements'}", "read")
    ids = [f.id for f in e.facts.items][:MOST_FACTS]
    change = Change("None before this is measured.", "", asked[0] if asked else "", SIMPLE)
    return Scaffold(
        tool=NAME,
        verdict=" ".join(
            [f"Cannot tell from what was given.{near}", *(line.partition(". ")[0].rstrip(".") + "." for line in said)]
        ),
        mechanism="cannot_tell",
        key_numbers=[f.statement[:220] for f in e.facts.items[:3]],
        first_change="None yet. Measure: " + "; ".join(f"({i}) {q}" for i, q in enumerate(asked, 1)) + ".",
        explanations=explanations(e, candidates),
        established=e.facts.items[:MOST_FACTS],
        findings=numbered(side_findings(e, "cannot_tell")[:2], library),
        frame=open_frame(ids, asked),
        answer_form=FORM,
        limits=_limits(e, None, change, library),
        picture=spark_lines(e),
        measure=asked[0] if asked else change.test,
    )


def _limits(e: Evidence, first: Candidate | None, change: Change, library: Library) -> list[str]:
    lines = list[str]()
    if e.subject is not None:
        lines.append("Theory holds at initialization and infinite width; it says nothing of later steps.")
        if e.subject.untraced:
            lines.append(f"No theory for this network: {e.subject.untraced}.")
    if e.unread:
        lines.append(f"The architecture was not read: {e.unread[:200]}")
    unread = [(n, text) for n, text in e.measured.not_understood if by_source(text) is None]
    missed = e.measured.not_understood_count - len(e.measured.not_understood) + len(unread)
    if missed and unread:
        shown = "; ".join(f"line {n}: {text[:60]}" for n, text in unread[:2])
        lines.append(f"{missed} line(s) with numbers were not understood: {shown}")
    if (
        first is not None
        and e.gradient is not None
        and e.gradient.quantity.kind == "weight gradient"
        and e.activation is None
    ):
        lines.append(
            "Only weight gradients were measured: their norms may stay flat while activations explode and activation "
            "gradients shrink; they prove no health."
        )
    principle = _principle(change, library)
    if principle is not None and first is not None:
        limit = named_limit(principle, e.activation_name.replace("_", " "))
        lines += [limit] if limit else [limit_of(principle, first.name)] if change.principle == RESIDUAL else []
    return lines
