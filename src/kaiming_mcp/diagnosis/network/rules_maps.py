"""Findings about maps: positions that no weight sees, weights that see no position, resolution lost early."""

from __future__ import annotations

import math
import re

from kaiming_mcp.architecture.ir import Concat, Conv, Op, Pool, Residual, Upsample, layers, walk
from kaiming_mcp.architecture.parameters import parameter_count
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.network.places import Place, Survey
from kaiming_mcp.diagnosis.network.stretches import assumed_layers
from kaiming_mcp.diagnosis.network.structure import cite
from kaiming_mcp.diagnosis.network.subject import Subject
from kaiming_mcp.diagnosis.principles import INIT, RESIDUAL, SIMPLE

UNUSED_LARGE, UNUSED_SMALL = 0.25, 0.02
"""Shares of all parameters."""
SMALL_MAP, LARGE_MAP = 4, 16


def skipped(subject: Subject, found: Survey) -> Draft | None:
    """Strides longer than the kernel: positions that no weight ever sees."""
    blind = [(seen, p) for p in found.places if (seen := _seen(p)) < 1 and p.where != "shortcut"]
    if not blind:
        return None
    # A 1x1 kernel with a stride is as likely a projection on the skip path, where the forward() is hidden or another
    # width than its own arrives.
    hidden = assumed_layers(subject.network.root) | {id(misfit.layer) for misfit in found.misfits}
    main = [pair for pair in blind if pair[1].where == "main" and id(pair[1].layer) not in hidden]
    share, place = min(main or blind, key=lambda pair: pair[0])
    fact = subject.facts.add(
        f"{sum(p.copies for _, p in blind)} convolution(s) step further than their kernel reaches, first {cite(place.layer)}: "
        f"{1 - share:.0%} of the positions are thrown away unseen",
        "computed",
        1 - share,
        "of the positions",
    )
    return Draft(
        "medium" if main else "low",
        SIMPLE if not main else INIT,
        "A stride that skips positions",
        (fact,),
        "put the stride on a kernel that covers it (3x3), or average-pool before the 1x1 convolution.",
        "validation error with the stride moved, equal parameters.",
        weight=1 - share,
    )


def _seen(place: Place) -> float:
    op = place.layer.op
    if not isinstance(op, Conv) or op.transposed:
        return 1.0
    axes = zip(op.kernel, op.stride, place.entered.positions or op.kernel, strict=False)
    # An axis of one position has nothing to skip.
    known = place.entered.positions is not None
    return math.prod(min(1.0, k / s) for k, s, n in axes if not (known and n == 1))


def padding_only(subject: Subject, found: Survey) -> Draft | None:
    """Kernel taps that only ever meet padding, because the map is smaller than the kernel."""
    idle = [(_idle(p) * p.copies, p) for p in found.places]
    total = sum(n for n, _ in idle)
    share = total / max(subject.account.total, 1)
    if share < UNUSED_SMALL:
        return None
    _, place = max(idle, key=lambda pair: pair[0])
    where = "x".join(str(n) for n in place.entered.positions or ())
    fact = subject.facts.add(
        f"{total:,} weights ({share:.0%} of all parameters) only ever multiply padding, most in {cite(place.layer)} on a "
        f"{where} map",
        "computed",
        share,
        "of the parameters",
    )
    return Draft(
        "medium" if share > UNUSED_LARGE else "low",
        SIMPLE,
        "Kernels larger than the map: weights that only see padding",
        (fact,),
        "keep the resolution longer (smaller stride in the first layers), or end the stages earlier.",
        "the gradient of the outer taps of these kernels: exactly zero.",
        f"{total:,} parameters start to count, or go.",
        weight=share,
    )


def _idle(place: Place) -> int:
    op = place.layer.op
    if not isinstance(op, Conv) or op.transposed or op.padding_mode != "zeros" or not place.entered.positions:
        return 0
    if len(place.entered.positions) != len(op.kernel) or not any(op.padding):
        return 0
    used = 1.0
    for n, k, s, p, d in zip(place.entered.positions, op.kernel, op.stride, op.padding, op.dilation, strict=True):
        if n > d * (k - 1) or k > 1000:
            continue
        out = max(1, (n + 2 * p - d * (k - 1) - 1) // s + 1)
        met = sum(any(0 <= i * s + j * d - p < n for i in range(min(out, n + 1))) for j in range(k))
        used *= met / k
    weights = (parameter_count(op) or 0) - op.out_channels * op.bias
    return round(weights * (1 - used))


def small_maps(subject: Subject, found: Survey) -> Draft | None:
    """Resolution that is lost before most of the convolutions."""
    size = max(subject.network.input.positions or (0,)) if subject.network.input else 0
    wide = [
        p
        for p in found.places
        if isinstance(p.layer.op, Conv)
        and max(p.layer.op.kernel) > 1
        and not p.layer.op.transposed
        and p.entered.positions
    ]
    total = sum(p.copies for p in wide)
    small = [p for p in wide if max(p.entered.positions or (0,)) <= SMALL_MAP]
    count = sum(p.copies for p in small)
    if size < LARGE_MAP or total < 4 or 2 * count < total:
        return None
    first = small[0]
    where = "x".join(str(n) for n in first.entered.positions or ())
    fact = subject.facts.add(
        f"{count} of {total} spatial convolutions work on maps of at most {SMALL_MAP} positions a side (input {size}), from "
        f"{cite(first.layer)} on ({where})",
        "computed",
        count / total,
        "of the convolutions",
    )
    return Draft(
        "low" if 4 * count < 3 * total else "medium",
        INIT,
        "Resolution is lost before most of the convolutions",
        (fact,),
        "move the strides and pools later, so that the middle of the network still has a map to look at.",
        "training loss with one stride of the first layers removed, equal steps.",
        weight=0.3,
    )


def bare_decoder(subject: Subject, found: Survey) -> Draft | None:
    """A decoder that gets nothing from the encoder but what passes the narrowest map."""
    ups = [i for i, p in enumerate(found.places) if _enlarges(p)]
    downs = [i for i, p in enumerate(found.places) if _shrinks(p) and ups and i < ups[0]]
    if len(ups) < 2 or len(downs) < 2 or found.misfits or _bridged(subject):
        return None
    narrow = found.places[ups[0]]
    count, start = narrow.entered.count, subject.network.input
    held = (
        f"; everything passes {narrow.entered.features * count:,} numbers, of {start.features * start.count:,} in the input"
        if count and narrow.entered.features and start and start.features and start.count
        else ""
    )
    fact = subject.facts.add(
        f"{len(downs)} reductions of the map, then {len(ups)} enlargements from {cite(narrow.layer)} on, and no concatenation "
        f"or sum joins encoder and decoder{subject.hidden_forward}{held}",
        "read",
        len(ups),
        "enlargements",
    )
    named = re.search(r"u[-_ ]?net", subject.network.name, re.IGNORECASE)
    return Draft(
        "note" if not named else "low" if subject.network.assumptions else "medium",
        RESIDUAL,
        "The decoder gets no features from the encoder",
        (fact,),
        "for a map of the input's resolution (segmentation, denoising) concatenate or add encoder features at each size; an "
        "autoencoder needs none.",
        "training loss with the encoder's features joined at one size, equal steps.",
        weight=0.4,
    )


def _enlarges(place: Place) -> bool:
    return _enlarges_op(place.layer.op)


def _enlarges_op(op: Op) -> bool:
    return (isinstance(op, Conv) and op.transposed and max(op.stride) > 1) or (
        isinstance(op, Upsample) and op.factor > 1
    )


def _shrinks(place: Place) -> bool:
    op = place.layer.op
    return (isinstance(op, Conv) and not op.transposed and max(op.stride) > 1) or (
        isinstance(op, Pool) and bool(op.kernel)
    )


def _bridged(subject: Subject) -> bool:
    """Whether a join spans an enlargement: its other side then brings features from before."""
    joins = (node for node, _ in walk(subject.network.root) if isinstance(node, Concat | Residual))
    return any(_enlarges_op(layer.op) for node in joins for layer, _ in layers(node))
