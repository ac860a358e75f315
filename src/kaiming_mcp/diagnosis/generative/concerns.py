"""What goes wrong, where the user's words speak for it: entries of concerns.yaml as findings."""

from __future__ import annotations

from kaiming_mcp.catalogue import Catalogue, Concern
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.decide import Decision
from kaiming_mcp.diagnosis.generative.statement import Task
from kaiming_mcp.diagnosis.generative.supply import Found
from kaiming_mcp.diagnosis.principles import GENERATIVE
from kaiming_mcp.knowledge import pattern, spoken_for

MOST = 3
_TOLD = {"guided": "guidance"}
"""Entries that a number says better, where it is known."""
_SHOWN = {"posterior-collapse": "kl", "codebook-collapse": "codes"}
"""Entries that a number shows."""


def concerns(task: Task, decision: Decision, known: Catalogue, ids: Found, facts: Facts) -> list[Draft]:
    """The entries that the words speak for most and nothing cancels, as drafts."""
    said = f"{task.text} {task.signs}"
    chosen = [c for c in spoken_for(known.concerns, said) if _bears(c, task, decision) and _TOLD.get(c.id) not in ids]
    return [_draft(c, ids, facts) for c in chosen[:MOST]]


def _bears(concern: Concern, task: Task, decision: Decision) -> bool:
    if concern.unless and pattern(concern.unless).search(task.text):
        return False
    if decision.answer in {"regress", "classify", "instead"} and not concern.always:
        return False
    return not concern.tasks or any(k.id in concern.tasks for k in task.kinds[:2])


def _draft(concern: Concern, ids: Found, facts: Facts) -> Draft:
    fact = facts.add(concern.states, "assumed", source=", ".join(concern.sources) or "general knowledge")
    number = ids.get(_SHOWN.get(concern.id, ""))
    return Draft(
        concern.severity,
        GENERATIVE,
        concern.title,
        (number, fact) if number else (fact,),
        f"{concern.remedy}.",
        f"{concern.test}.",
        weight=3.3,
        limit=concern.limit,
    )
