"""The picture of a trace and of a diagnosis, from what their texts were made of."""

from __future__ import annotations

from dataclasses import replace

from kaiming_mcp.architecture.notation_writer import write_notation
from kaiming_mcp.diagnosis.draft import numbered
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.start import settled
from kaiming_mcp.diagnosis.gradients.traced import best_traced
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.rules_blocks import block_findings
from kaiming_mcp.diagnosis.network.subject import Course, Subject
from kaiming_mcp.diagnosis.network.traced import severity
from kaiming_mcp.diagnosis.signal.change import ranked_findings
from kaiming_mcp.diagnosis.signal.facts import Beside
from kaiming_mcp.library import Library
from kaiming_mcp.picture import measured as points
from kaiming_mcp.picture.align import aligned
from kaiming_mcp.picture.controls import controls
from kaiming_mcp.picture.course import Drawn, drawn, variant
from kaiming_mcp.picture.findings import breaks_at, markers
from kaiming_mcp.picture.floors import floors
from kaiming_mcp.picture.model import Block, Call, Measured, Norm, Picture, Place, Quantity, Variant
from kaiming_mcp.picture.thin import thinned
from kaiming_mcp.printable import printable
from kaiming_mcp.scaffold import Fact, Scaffold
from kaiming_mcp.scaffold import Finding as Found
from kaiming_mcp.signal.initialization import PYTORCH_DEFAULT
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.trace import trace

AXES: dict[Quantity, str] = {
    "second_moment": "E[x²], mean square of a layer's output",
    "correlation": "share of E[x²] that two inputs have in common",
    "gradient": "Σ gradient² of a place, relative to the last",
    "weight_gradient": "‖dL/dW‖², relative to the last",
}
LONGEST_LABEL = 80
UNIT = "if the gradient of one element is 1 at the last place (another scale of the loss moves it)"
MEASURED = "at the scale that was measured (a norm taken over the elements of one input)"
BEFORE, AFTER = "as pasted", "after the first change"


def picture_of_trace(
    subject: Subject, scaffold: Scaffold, sent: Call, beside: Beside | None, library: Library
) -> Picture:
    """The picture beside a trace; `sent` is the call as it came, its network in any format."""
    assert subject.trace is not None, "what is not traced is refused before"
    found = drawn(subject.trace)
    then = _cited(subject, scaffold)
    about = next((_about(f) for f in scaffold.established if then and f.id == then[0]), "")
    picture = _of_network(subject, found, scaffold, sent, (then[1], about) if then else None)
    named = _findings(subject, scaffold, library)
    return thinned(
        picture.model_copy(
            update={
                "measured": points.simulated(beside, drawn(beside.theory)) if beside else [],
                "floors": floors(found.elements(), found.last, None, UNIT),
                "findings": markers(named, scaffold.established, picture.places, "", breaks_at(subject, found)),
            }
        )
    )


def picture_of_diagnosis(e: Evidence, scaffold: Scaffold, sent: Call | None) -> Picture | None:
    """The picture beside a diagnosis; None where neither a network was followed nor layers were measured."""
    e = settled(replace(e, facts=Facts()))
    subject = e.subject
    found = drawn(subject.trace) if subject is not None and subject.trace is not None else None
    if subject is not None and found is not None and found.main and sent is not None:
        best = best_traced(e)
        then = (best.then, best.do) if best is not None and scaffold.first_change.startswith(best.do) else None
        picture = _of_network(subject, found, scaffold, sent, then)
        breaks = breaks_at(subject, found)
    else:
        found, breaks = None, None
        picture = _of_rows(e, scaffold)
        if picture is None:
            return None
    theory = picture.variants[0] if picture.variants else None
    measured, shift = _measured(e, picture.places, theory, found)
    elements = found.elements() if found else [None] * len(picture.places)
    last = found.last if found else len(picture.places) - 1
    measurable = shift is not None or not any(m.quantity == "gradient" for m in measured)
    return thinned(
        picture.model_copy(
            update={
                "measured": measured,
                "floors": floors(elements, last, shift, UNIT if shift is None else MEASURED) if measurable else [],
                "findings": markers(scaffold.findings, scaffold.established, picture.places, scaffold.located, breaks),
            }
        )
    )


def _measured(
    e: Evidence, places: list[Place], theory: Variant | None, found: Drawn | None
) -> tuple[list[Measured], float | None]:
    """All measured points, and what the squared gradient of one element was moved by to stand on its axis."""
    shown = points.gradients(e, places, theory and theory.gradient, found)
    weights = points.weight_gradients(e, places, theory and theory.weight_gradient, found)
    signal = points.activations(e, places, theory and theory.second_moment)
    return [*shown.points, *weights.points, *signal.points, *points.alike(e, places)], shown.shift


def _of_network(
    subject: Subject, found: Drawn, scaffold: Scaffold, sent: Call, then: tuple[Course, str] | None
) -> Picture:
    """What is drawn of a network that was followed, before or after its change."""
    variants = [variant(found, BEFORE, subject.init.describe())]
    if then is not None and then[0].network is not None and then[0].init is not None:
        after = drawn(trace(then[0].network, then[0].init, subject.batch))
        variants.append(aligned(found, after, variant(after, AFTER, printable(then[1]))))
    notation = write_notation(subject.network)
    hidden = subject.activation
    return Picture(
        title=_title(subject),
        tool=scaffold.tool,
        verdict=scaffold.verdict,
        axes=AXES,
        places=_places(found),
        variants=variants,
        blocks=[Block(first=first, last=last, label="residual") for first, last in found.axis.blocks],
        norms=[Norm(place=place, label=label) for place, label in found.axis.norms],
        change=scaffold.first_change,
        call=sent.model_copy(update={"architecture": notation, "initialization": _words(subject, sent)}),
        controls=controls(notation, _words(subject, sent), hidden.name if hidden else ""),
    )


def _of_rows(e: Evidence, scaffold: Scaffold) -> Picture | None:
    """The measured layers alone."""
    rows = points.rows_of(e)
    if len(rows) < 2:
        return None
    places = [
        Place(name=printable(r.name)[:LONGEST_LABEL], label=printable(r.kind), kind="layer", inside=False, line=0)
        for r in rows
    ]
    title = f"{len(rows)} measured layers"
    return Picture(
        title=title,
        tool=scaffold.tool,
        verdict=scaffold.verdict,
        axes=AXES,
        places=places,
        variants=[],
        change=scaffold.first_change,
    )


def _places(found: Drawn) -> list[Place]:
    return [
        Place(
            name=printable(s.path or s.label or s.kind)[:LONGEST_LABEL],
            label=printable(s.label)[:LONGEST_LABEL],
            kind="sum" if s.kind == "sum" else "layer",
            inside=s.inside,
            line=line,
            main=i in found.main,
        )
        for i, (s, line) in enumerate(zip(found.stations, found.axis.lines, strict=True))
    ]


def _title(subject: Subject) -> str:
    network = subject.network
    count = structure.weighted(network.root)
    act = f", {subject.activation.name}" if subject.activation is not None else ""
    name = printable(network.name)[:LONGEST_LABEL]
    return f"{name[:1].upper()}{name[1:]}: {count:,} weighted layers{act}, {subject.init.describe()}"


def _words(subject: Subject, sent: Call) -> str:
    """The initialization in words that are read as the one that was traced."""
    if subject.init == PYTORCH_DEFAULT:
        return "pytorch default"
    for words in (sent.initialization, subject.init.describe(), f"std {subject.init.std:g}"):
        try:
            if words.strip() and parse_initialization(words) == subject.init:
                return words.strip()
        except ValueError:
            continue
    return sent.initialization


def _cited(subject: Subject, scaffold: Scaffold) -> tuple[str, Course] | None:
    """Of the changes whose effect the first change states, the first that is healthy, or else the healthiest."""
    told = [(i, c) for i, c in subject.changed.items() if f"[{i}]" in scaffold.first_change and c.network is not None]
    return next((pair for pair in told if pair[1].healthy), min(told, key=lambda pair: pair[1].worst, default=None))


def _about(fact: Fact) -> str:
    """The change whose course a fact states."""
    name, traced, _ = fact.statement.partition(", traced: ")
    return name if traced else "each layer its own draw" if fact.unit == "copies" else fact.statement


def _findings(subject: Subject, scaffold: Scaffold, library: Library) -> list[Found]:
    """What the first change rests on, as findings: the rules that it was taken from, or itself."""
    cited = _cited(subject, scaffold)
    drafts = ranked_findings(subject) or [d for d in block_findings(subject) if cited and cited[0] in d.evidence]
    if drafts:
        return numbered(drafts, library)
    if cited is None or subject.course is None:
        return []
    return [
        Found(
            id="D1",
            severity=severity(subject.course.worst),
            title=scaffold.verdict.partition(". ")[0],
            evidence=[cited[0]],
            remedy=scaffold.first_change,
            test=scaffold.measure,
            principle="",
        )
    ]
