"""The frames to think in: of a fault, of a run in which nothing is wrong, and where nothing was decided."""

from __future__ import annotations

from collections.abc import Sequence

from kaiming_mcp.diagnosis.gradients.mechanisms import TITLES, Candidate
from kaiming_mcp.diagnosis.gradients.rank import RIVALS, follows
from kaiming_mcp.diagnosis.gradients.remedies import Change
from kaiming_mcp.scaffold import FormField, Step

SOUND = ("nothing_wrong", "amp_calibrating")
"""Verdicts after which there is nothing to derive, only something to watch."""
FORM = [
    FormField(name="invariant", holds="what should be conserved, its value now (fact id)", wants=["number"]),
    FormField(name="mechanism", holds="one sentence: what multiplies, cuts or floods the gradient, citing a fact id"),
    FormField(name="rival", holds="the next likeliest explanation, and the number that rules it out", wants=["test"]),
    FormField(
        name="decision",
        holds="one change, its predicted number, and the number at which to give it up",
        wants=["number", "test"],
    ),
]
WATCH = [
    FormField(
        name="invariant", holds="what held, its value now (fact id), and its distance from the alarm", wants=["number"]
    ),
    FormField(name="mechanism", holds="one sentence: what in the design or the run keeps it there, citing a fact id"),
    FormField(name="rival", holds="what would go wrong first, and the number that would show it", wants=["test"]),
    FormField(name="decision", holds="no change; the alarm value, and when to look again", wants=["number", "test"]),
]
_FIELDS = [f.name for f in FORM]


def frame_of(candidates: Sequence[Candidate], change: Change, shown: set[str]) -> list[Step]:
    """The steps behind a verdict; `shown` are the ids of the facts that are listed."""
    first = candidates[0]
    rival = next((c for c in candidates[1:] if not follows(c, first.mechanism)), None)
    other = rival.name if rival else next((TITLES[r] for r in RIVALS.get(first.mechanism, ())), "chance")
    cites = [i for i in first.evidence if i in shown]
    against = [i for i in rival.evidence if i in shown] if rival else []
    if first.mechanism in SOUND:
        prompts = (
            "Depth and time should leave the scale of signal and gradient alone. What of it was measured, and how far is each "
            "number from its alarm?",
            "What in the design or in the run keeps these numbers there? Name also what was not measured.",
            f"Which number would move first if {other} began, and what is it now?",
            f"{change.do if first.change else 'Change nothing.'} {change.effect[:1].upper()}{change.effect[1:]}. When do you look again?",
        )
    else:
        prompts = (
            "Depth and time should leave the scale of signal and gradient alone, and every number finite. What breaks here, and "
            "by what factor?",
            f"Derive in one line why {first.name} gives these numbers, and not only the words of the symptom.",
            f"The nearest other explanation is {other}. What number tells the two apart here?",
            f"One change only. The prediction to beat: {change.effect or 'state one'}. When do you give it up?",
        )
    return _steps(prompts, (cites, cites, against or cites, cites))


def open_frame(ids: list[str], asked: Sequence[str]) -> list[Step]:
    """The steps where the input does not decide."""
    prompts = (
        "What should be conserved here, and was it measured at all?",
        "Name two mechanisms that fit what was said; do not choose between them.",
        f"What would each of them show in: {asked[0] if asked else 'the probe'}?",
        "Ask for that measurement, and say which result leads to which change.",
    )
    return _steps(prompts, (ids[:2],) * 4)


def _steps(prompts: Sequence[str], cites: Sequence[list[str]]) -> list[Step]:
    ways = ("Fundamental symmetry", "The principle", "Simplicity", "Decide")
    return [
        Step(way=way, prompt=prompt, cites=ids, field=field)
        for way, prompt, ids, field in zip(ways, prompts, cites, _FIELDS, strict=True)
    ]
