"""The diagnosis as a scaffold: verdict, three numbers, one change, the ranking, and the frame to think in."""

from __future__ import annotations

from kaiming_mcp.diagnosis.draft import Draft, numbered
from kaiming_mcp.diagnosis.gradients.changes import change_for
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import DECIDED, TITLES, Candidate
from kaiming_mcp.diagnosis.gradients.questions import EXAMPLE, questions, remarks
from kaiming_mcp.diagnosis.gradients.rank import RIVALS, explanations, ranked
from kaiming_mcp.diagnosis.gradients.remedies import Change
from kaiming_mcp.diagnosis.gradients.side import side_findings
from kaiming_mcp.diagnosis.gradients.theory import compare
from kaiming_mcp.diagnosis.principles import SIMPLE
from kaiming_mcp.diagnosis.relevance import limit_of, quote_of
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import FormField, Scaffold, Severity, Step

NAME = "diagnose_gradients"
CALM = ("nothing_wrong", "amp_calibrating", "too_shallow", "print_zeros", "clip_never_binds")
"""Verdicts that no fault of the network stands behind."""
MOST_FACTS = 14
FORM = [
    FormField(
        name="invariant", holds="what should be conserved along depth or over the steps, its value now (fact id)"
    ),
    FormField(name="mechanism", holds="one sentence: what multiplies, cuts or floods the gradient, citing a fact id"),
    FormField(name="rival", holds="the next likeliest explanation, and the number that rules it out or would"),
    FormField(name="decision", holds="one change, its predicted number, and the number at which to give it up"),
]


def diagnose(e: Evidence, library: Library) -> Scaffold:
    """Everything of the scaffold but the request line; a short reply where nothing was established."""
    candidates = ranked(e)
    said = remarks(e)
    first = candidates[0] if candidates and candidates[0].score >= DECIDED else None
    if first is None and not e.anything and not candidates:
        asked = "; ".join(f"({i}) {q}" for i, q in enumerate(questions(e), 1))
        return Scaffold(
            tool=NAME,
            verdict=" ".join(["Cannot tell: no number was given.", *said]),
            mechanism="cannot_tell",
            needs=f"Send: {asked}.",
            example=EXAMPLE,
        )
    theory = compare(e)
    return _cannot_tell(e, candidates, said, library) if first is None else _decided(e, candidates, theory, library)


def _decided(e: Evidence, candidates: list[Candidate], theory: list[str], library: Library) -> Scaffold:
    first = candidates[0]
    change = change_for(e, first)
    cause = next((c for c in candidates[1:] if c.predicted), None) if first.mechanism == "stuck_at_chance" else None
    severity: Severity = "note" if first.mechanism in CALM else "high" if first.score >= 0.7 else "medium"
    draft = Draft(
        severity, change.principle, first.name, (*first.evidence, *theory), change.do, change.test, change.effect
    )
    drafts = [draft, *side_findings(e, first.mechanism)]
    return Scaffold(
        tool=NAME,
        verdict=_verdict(first, cause, e.learning),
        mechanism=first.mechanism,
        located=first.located,
        key_numbers=_key_numbers(e, first),
        first_change=f"{change.do} Predicted: {change.effect}.",
        explanations=explanations(e, candidates),
        established=e.facts.items[:MOST_FACTS],
        findings=numbered(drafts[:3], library),
        frame=_frame(e, candidates, change),
        answer_form=FORM,
        limits=_limits(e, first, change, library),
        quotes=[quote_of(library, p, f"{first.name} {change.do}") for p in [library.find(change.principle)] if p],
        measure=change.test,
    )


def _verdict(first: Candidate, cause: Candidate | None, learning: bool) -> str:
    sure = "clear" if first.score >= 0.85 else "likely" if first.score >= 0.7 else "leaning"
    basis = "predicted by theory or from what was stated, not measured" if first.predicted else sure
    begins = "All layers take part alike; it is worst at" if first.even else "It begins at"
    place = f" {begins} {first.located}." if first.located and first.mechanism not in CALM else ""
    title = TITLES[first.mechanism] if first.name in TITLES.values() else f"{first.name} ({TITLES[first.mechanism]})"
    if first.mechanism == "clip_never_binds" and learning:
        title += "; otherwise nothing is wrong, the loss falls"
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
        frame=_open_frame(ids, asked),
        answer_form=FORM,
        limits=_limits(e, None, change, library),
        measure=asked[0] if asked else change.test,
    )


def _frame(e: Evidence, candidates: list[Candidate], change: Change) -> list[Step]:
    first = candidates[0]
    rival = next((c for c in candidates[1:]), None)
    other = rival.name if rival else next((TITLES[r] for r in RIVALS.get(first.mechanism, ())), "chance")
    cites = [i for i in first.evidence if i in {f.id for f in e.facts.items[:MOST_FACTS]}]
    return [
        Step(
            way="Fundamental symmetry",
            prompt="Depth and time should leave the scale of signal and gradient alone. Which of the two breaks here, and by what factor?",
            cites=cites,
            field="invariant",
        ),
        Step(
            way="The principle",
            prompt=f"Derive in one line why {first.name} gives these numbers, and not only the words of the symptom.",
            cites=cites,
            field="mechanism",
        ),
        Step(
            way="Earlier era",
            prompt=f"The same symptom was once explained by {other}. What number tells the two apart here?",
            cites=list(rival.evidence) if rival else cites,
            field="rival",
        ),
        Step(
            way="Decide",
            prompt=f"One change only. The prediction to beat: {change.effect or 'state one'}. When do you give it up?",
            cites=cites,
            field="decision",
        ),
    ]


def _open_frame(ids: list[str], asked: list[str]) -> list[Step]:
    cites = ids[:2]
    return [
        Step(
            way="Fundamental symmetry",
            prompt="What should be conserved here, and was it measured at all?",
            cites=cites,
            field="invariant",
        ),
        Step(
            way="The principle",
            prompt="Name two mechanisms that fit what was said; do not choose between them.",
            cites=cites,
            field="mechanism",
        ),
        Step(
            way="Simplicity",
            prompt=f"What would each of them show in: {asked[0] if asked else 'the probe'}?",
            cites=cites,
            field="rival",
        ),
        Step(
            way="Decide",
            prompt="Ask for that measurement, and say which result leads to which change.",
            cites=cites,
            field="decision",
        ),
    ]


def _limits(e: Evidence, first: Candidate | None, change: Change, library: Library) -> list[str]:
    lines = list[str]()
    if e.subject is not None:
        lines.append("Theory holds at initialization and infinite width; it says nothing of later steps.")
        if e.subject.untraced:
            lines.append(f"No theory for this network: {e.subject.untraced}.")
    if e.unread:
        lines.append(f"The architecture was not read: {e.unread[:200]}")
    missed = e.measured.not_understood_count
    if missed:
        shown = "; ".join(f"line {n}: {text[:60]}" for n, text in e.measured.not_understood[:2])
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
    principle = library.find(change.principle)
    if principle is not None and first is not None:
        lines.append(limit_of(principle, first.name))
    return lines
