"""Findings from the computed signal: scale lost or gained, forward or backward, and by what.

One mechanism is named for each network. Each remedy is traced on the same network, so that its predicted
effect is a number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.network.rules_activation import no_curvature, saturation, unstable, unstable_untraced
from kaiming_mcp.diagnosis.network.rules_gain import collapse, gain
from kaiming_mcp.diagnosis.network.rules_growth import batch_norm_without_skip, residual_growth
from kaiming_mcp.diagnosis.network.stretches import assumed_blocks
from kaiming_mcp.diagnosis.network.subject import Course, Subject
from kaiming_mcp.scaffold import Severity

_MILDER: dict[Severity, Severity] = {"high": "medium", "medium": "low"}


def signal_findings(subject: Subject) -> list[Draft]:
    """Findings that rest on the trace; none where there is no trace."""
    here = subject.course
    if subject.trace is None or here is None:
        return unstable_untraced(subject)
    rules: list[Callable[[Subject, Course], Draft | None]] = [
        residual_growth,
        batch_norm_without_skip,
        saturation,
        unstable,
        gain,
    ]
    found = [draft for rule in rules if (draft := rule(subject, here)) is not None]
    # A collapse is named on its own only where no broken scale explains it.
    alike = None if found else collapse(subject, here)
    flat = no_curvature(subject)
    found += [draft for draft in (alike, flat) if draft is not None]
    if subject.bare:
        # What a hidden nonlinearity would change is no more than a doubt.
        return [replace(d, severity="low") if d.severity != "note" else d for d in found]
    if 2 * assumed_blocks(subject.network.root) > structure.weighted(subject.network.root):
        return [_unless_added(d) for d in found]
    return found


def _unless_added(draft: Draft) -> Draft:
    """A finding about blocks whose forward() is hidden and may add their input back, one grade lower."""
    milder = _MILDER.get(draft.severity)
    if milder is None:
        return draft
    return replace(draft, severity=milder, title=f"{draft.title}, unless a hidden forward() adds back")
