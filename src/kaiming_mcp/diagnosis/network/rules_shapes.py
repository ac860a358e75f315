"""Findings about sizes that do not fit together: sums, neighbours, groups, heads."""

from __future__ import annotations

from collections.abc import Callable

from kaiming_mcp.architecture.ir import Attention, Conv, Layer, Norm, Opaque, Shape, layers
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network import rules_maps, rules_norms
from kaiming_mcp.diagnosis.network.places import Meeting, Survey, survey
from kaiming_mcp.diagnosis.network.structure import cite
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.diagnosis.principles import INIT, RESIDUAL, SIMPLE

NARROWEST_HEAD, WIDEST_HEAD = 8, 256
_RUN = "one forward pass on one batch of the shapes that you use."


def shape_findings(subject: Subject) -> list[Draft]:
    """All findings about sizes."""
    found = survey(subject.network)
    rules: tuple[Callable[[Subject, Survey], Draft | None], ...] = (
        _sides,
        _unconnected,
        _groups,
        _heads,
        rules_norms.erased,
        rules_norms.one_channel_groups,
        rules_norms.few_values,
        rules_maps.skipped,
        rules_maps.padding_only,
        rules_maps.small_maps,
        rules_maps.bare_decoder,
    )
    return [draft for rule in rules if (draft := rule(subject, found)) is not None]


def _sides(subject: Subject, found: Survey) -> Draft | None:
    """Two sides of a sum that cannot be added."""
    # Behind a layer that does not fit what arrives, axes were exchanged or reshaped: no size is known there.
    hidden = {id(m.layer) for m in found.misfits}
    wrong = [
        m
        for m in found.meetings
        if not _fit(m.skip, m.branch) and not any(id(la) in hidden for la, _ in layers(m.residual))
    ]
    if not wrong:
        return None
    first = wrong[0]
    assumed = first.residual.basis == "assumed" or bool(subject.network.assumptions)
    fact = subject.facts.add(
        f"{sum(m.copies for m in wrong)} residual sum(s) do not fit, first the one whose branch begins at "
        f"{cite(first.residual.branch)}: the branch gives {_size(first.branch)}, the shortcut {_size(first.skip)}"
        + (" (as the block is assumed to work)" if assumed else ""),
        "assumed" if assumed else "read",
        sum(m.copies for m in wrong),
        "sums",
        letter="F",
    )
    return Draft(
        "low" if assumed else "high",
        RESIDUAL,
        "The two sides of a residual sum do not fit",
        (fact,),
        f"project the shortcut where the size changes: {_projection(first)} (option B of the paper).",
        _RUN,
        weight=100,
        limit="Target far from identity",
    )


def _fit(one: Shape, other: Shape) -> bool:
    same = one.features is None or other.features is None or one.features == other.features
    if not same and 1 not in (one.features, other.features):
        return False
    if one.positions is None or other.positions is None or len(one.positions) != len(other.positions):
        return True
    return all(a == b or 1 in (a, b) for a, b in zip(one.positions, other.positions, strict=True))


def _size(shape: Shape) -> str:
    positions = "x".join(str(n) for n in shape.positions or ())
    return f"{shape.features or '?'} features" + (f" at {positions} positions" if positions else "")


def _projection(meeting: Meeting) -> str:
    skip, branch = meeting.skip, meeting.branch
    if not any(isinstance(la.op, Conv) for la, _ in layers(meeting.residual.branch)):
        return f"linear {skip.features} {branch.features}"
    stride = 1
    if skip.positions and branch.positions and branch.positions[0]:
        stride = max(1, round(skip.positions[0] / branch.positions[0]))
    return f"conv {skip.features} {branch.features} k1 s{stride} nobias ; batchnorm"


def _unconnected(subject: Subject, found: Survey) -> Draft | None:
    """Layers that expect another width than arrives: an error, or a concatenation that the text hides."""
    if not found.misfits:
        return None
    first = found.misfits[0]
    doubled = [m for m in found.misfits if m.arrived and m.expected == 2 * m.arrived]
    if doubled and len(doubled) == len(found.misfits):
        subject.facts.add(
            f"{len(doubled)} layer(s) take twice the channels that arrive, first {cite(doubled[0].layer)} "
            f"({doubled[0].expected} against {doubled[0].arrived}): the mark of a concatenation with encoder features, "
            "which the text does not show",
            "assumed",
            len(doubled),
            "concatenations",
        )
        if subject.network.assumptions:
            return None
    if subject.network.assumptions or any(isinstance(la.op, Opaque) for la, _ in layers(subject.network.root)):
        return None
    fact = subject.facts.add(
        f"{cite(first.layer)} expects {first.expected} features, {first.arrived} arrive",
        "read",
        first.expected,
        "features",
    )
    return Draft(
        "medium",
        SIMPLE if doubled else INIT,
        "Layers that do not connect",
        (fact,),
        f"give the layer {first.arrived} input features, or write the reshape or concatenation that stands before it.",
        _RUN,
        weight=100,
    )


def _groups(subject: Subject, _: Survey) -> Draft | None:
    """Groups that do not divide the channels."""
    for layer, _times in layers(subject.network.root):
        op = layer.op
        sizes = (op.in_channels, op.out_channels) if isinstance(op, Conv) else ()
        if isinstance(op, Norm) and op.kind == "group" and op.features:
            sizes = (op.features,)
        groups = op.groups if isinstance(op, Conv | Norm) else 1
        wrong = next((size for size in sizes if size % max(groups, 1)), None)
        if wrong is None:
            continue
        fact = subject.facts.add(
            f"{cite(layer)}: {groups} groups do not divide {wrong} channels", "read", groups, "groups"
        )
        best = max(g for g in range(1, min(groups, wrong) + 1) if all(size % g == 0 for size in sizes))
        return Draft(
            "high",
            INIT,
            "Groups that do not divide the channels",
            (fact,),
            f"use {best} groups, or a multiple of {groups} channels: the framework refuses to build this layer.",
            _RUN,
            weight=95,
        )
    return None


def _heads(subject: Subject, _: Survey) -> Draft | None:
    """Heads that do not divide the width, or whose width is extreme."""
    for layer, _times in layers(subject.network.root):
        op = layer.op
        # With `extra` the heads may be wider or narrower than features / heads.
        if not isinstance(op, Attention) or not op.heads or op.extra:
            continue
        wrong = _misfit_of_heads(op)
        if wrong:
            fact = subject.facts.add(f"{cite(layer)}: {wrong}", "read", op.heads, "heads")
            best = max(h for h in range(1, op.heads + 1) if op.features % h == 0)
            return Draft(
                "high",
                INIT,
                "Attention heads that do not divide the width",
                (fact,),
                f"use {best} heads of width {op.features // best}, or a width that is a multiple of {op.heads}; key and value "
                "heads must divide the query heads.",
                _RUN,
                weight=95,
            )
        width = op.features // op.heads
        if not NARROWEST_HEAD <= width <= WIDEST_HEAD:
            return _extreme_head(subject, layer, op, width)
    return None


def _misfit_of_heads(op: Attention) -> str:
    if op.features % op.heads:
        return f"{op.heads} heads do not divide the width {op.features}"
    width = op.features // op.heads
    if op.kv_width % width:
        return f"keys and values of width {op.kv_width} are no whole number of heads of width {width}"
    if op.heads % (op.kv_width // width):
        return f"{op.kv_width // width} key and value heads do not divide {op.heads} query heads"
    return ""


def _extreme_head(subject: Subject, layer: Layer, op: Attention, width: int) -> Draft:
    if width < NARROWEST_HEAD:
        what = f"scores are inner products of {width} number(s): the score matrix of a head has rank {width} at most"
        remedy = f"use {max(1, op.features // 64)} heads (width about 64)."
    else:
        what = f"few heads for {op.features} features, {op.heads} pattern(s) of attention for each position"
        remedy = f"use {max(1, op.features // 64)} heads (width about 64), equal parameters."
    fact = subject.facts.add(f"{cite(layer)}: {op.heads} heads of width {width}; {what}", "read", width, "head width")
    return Draft(
        "low",
        INIT,
        f"Attention heads of width {width}",
        (fact,),
        remedy,
        "validation loss with the other number of heads: equal parameters, equal steps, three seeds.",
    )
