"""A finding before it is numbered, and its last form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import SEVERITIES, Finding, Severity


@dataclass(frozen=True, slots=True)
class Draft:
    """A finding before it is numbered; `weight` orders findings of equal severity."""

    severity: Severity
    principle: str
    title: str
    evidence: tuple[str, ...]
    remedy: str
    test: str
    effect: str = ""
    weight: float = 0.0
    limit: str = ""
    """Words that pick the limit of the principle that belongs to this finding."""


def worst_first(drafts: Iterable[Draft]) -> list[Draft]:
    """The drafts by severity, and among equals by weight."""
    return sorted(drafts, key=lambda d: (SEVERITIES.index(d.severity), -d.weight))


def numbered(drafts: list[Draft], library: Library) -> list[Finding]:
    """The drafts as findings D1, D2, …, each linked to its principle's resource."""
    return [_finding(i, draft, library) for i, draft in enumerate(drafts, 1)]


def _finding(i: int, draft: Draft, library: Library) -> Finding:
    principle = library.find(draft.principle)
    return Finding(
        id=f"D{i}",
        severity=draft.severity,
        title=draft.title,
        evidence=list(draft.evidence),
        remedy=draft.remedy,
        predicted_effect=draft.effect,
        test=draft.test,
        principle=principle.uri if principle else draft.principle,
    )
