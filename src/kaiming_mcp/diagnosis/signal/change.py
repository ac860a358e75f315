"""The first change of a trace: the remedy of what was found, or the variant that helps most, traced on this network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from kaiming_mcp.architecture.ir import Network
from kaiming_mcp.diagnosis.draft import Draft, worst_first
from kaiming_mcp.diagnosis.network import structure, variants
from kaiming_mcp.diagnosis.network.rules_blocks import own_draws
from kaiming_mcp.diagnosis.network.rules_signal import signal_findings
from kaiming_mcp.diagnosis.network.structure import post_normed
from kaiming_mcp.diagnosis.network.subject import Course, Subject, course_of
from kaiming_mcp.diagnosis.network.traced import Effect, gain_candidates, traced
from kaiming_mcp.signal.initialization import Initialization

NORMED_TRUNK = math.log(1e4)
"""Change of the gradient over a trunk with norms in its branches, up to which no rate is behind it."""


class Change(NamedTuple):
    """A change in the imperative, with the facts and the words of its effect."""

    do: str
    effect: Effect


def is_trunk(subject: Subject) -> bool:
    """Whether the course is that of a normed residual trunk, which adds up and has no rate; a post-norm one does not."""
    here = subject.course
    small = here is not None and abs(here.log_backward) < NORMED_TRUNK
    return (
        small and subject.normed and structure.has_skip(subject.network.root) and not post_normed(subject.network.root)
    )


def ranked_findings(subject: Subject) -> list[Draft]:
    """What the signal shows, the worst first."""
    if subject.ranked is None:
        subject.ranked = worst_first(signal_findings(subject))
    return subject.ranked


def change_of(subject: Subject, here: Course) -> Change | None:
    """What to change first; None where these numbers call for nothing."""
    found = ranked_findings(subject)
    if found and not (here.healthy and found[0].severity in {"low", "note"}):
        top = found[0]
        effects = tuple(i for i in top.evidence if f"[{i}]" in top.effect)
        do = f"{top.remedy[0].upper()}{top.remedy[1:]}"
        return Change(f"{top.title} [{top.evidence[0]}]. {do}", Effect(effects, top.effect))
    copied = next((f for f in subject.facts.items if f.unit == "copies" and f.value), None)
    if copied is not None and abs(math.log(copied.value or 1.0) - here.log_backward) > math.log(2):
        return Change(
            f"{own_draws(subject.init)}.", Effect((copied.id,), f"{copied.statement.partition(': ')[2]} [{copied.id}].")
        )
    if here.healthy or is_trunk(subject):
        return None
    tried = [(course_of(network, init, subject.batch), do, name) for do, name, network, init in _variants(subject)]
    best = min(((then.worst, do, name, then) for then, do, name in tried if then is not None), default=None)
    if best is None or (best[0] > here.worst / 2 and not best[3].healthy):
        return Change("no single change that was tried holds it: find the row of the table where it sets in.", Effect())
    return Change(f"{best[1]}.", traced(subject, best[2], best[3]))


def _variants(subject: Subject) -> Iterator[tuple[str, str, Network, Initialization]]:
    """Changes of this network with a name: other weights, other norms, other joins."""
    network, init = subject.network, subject.init
    sums = sum(n for _, n in structure.residuals(network.root))
    if not subject.normed:
        for best, _ in gain_candidates(subject)[:1]:
            yield f"initialise every weighted layer with {best.describe()}, biases zero", best.describe(), network, best
        normed = variants.with_norm_before_activation(network)
        yield "put a normalization before each nonlinearity", "LayerNorm before each", normed, init
    if sums:
        scale = 1 / math.sqrt(sums)
        scaled = variants.with_branch_scale(network, scale)
        yield f"multiply each branch by 1/sqrt({sums}) = {scale:.3g}", f"branch scale {scale:.3g}", scaled, init
        pre = variants.with_pre_norm(network)
        if pre != network:
            yield "move each norm to the start of its branch", "pre-norm", pre, init
    else:
        yield "put identity skips round pairs of layers", "pairs wrapped in skips", variants.with_skips(network), init
