"""What goes wrong, where the user's words speak for it: entries of concerns.yaml as findings."""

from __future__ import annotations

from kaiming_mcp.catalogue import Catalogue, Concern
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.decide import Decision
from kaiming_mcp.diagnosis.generative.statement import Task
from kaiming_mcp.diagnosis.principles import GENERATIVE
from kaiming_mcp.knowledge import pattern, spoken_for

MOST = 3


def concerns(task: Task, decision: Decision, known: Catalogue, facts: Facts) -> list[Draft]:
    """The entries that the words speak for most and nothing cancels, as drafts."""
    chosen = [c for c in spoken_for(known.concerns, task.text) if _bears(c, task, decision)]
    return [_draft(c, facts) for c in chosen[:MOST]]


def _bears(concern: Concern, task: Task, decision: Decision) -> bool:
    if concern.unless and pattern(concern.unless).search(task.text):
        return False
    if decision.answer in {"regress", "classify", "instead"} and not concern.always:
        return False
    return not concern.tasks or any(k.id in concern.tasks for k in task.kinds[:2])


def _draft(concern: Concern, facts: Facts) -> Draft:
    fact = facts.add(concern.states, "assumed", source=", ".join(concern.sources) or "general knowledge")
    return Draft(
        concern.severity,
        GENERATIVE,
        concern.title,
        (fact,),
        f"{concern.remedy}.",
        f"{concern.test}.",
        weight=3.3,
        limit=concern.limit,
    )
