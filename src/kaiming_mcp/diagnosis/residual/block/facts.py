"""The facts that a block and its depth establish; the findings cite them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from kaiming_mcp.architecture.ir import Residual
from kaiming_mcp.diagnosis.network import variants
from kaiming_mcp.diagnosis.network.subject import ASSUMED_BATCH, course_of
from kaiming_mcp.diagnosis.residual.block.depth import Trained
from kaiming_mcp.diagnosis.residual.block.model import Asked, Block
from kaiming_mcp.diagnosis.residual.block.reader import blocks_of
from kaiming_mcp.diagnosis.residual.block.trunk import (
    Course,
    Map,
    course,
    described,
    even_scale,
    fixup_scale,
    log_growth,
)
from kaiming_mcp.diagnosis.residual.block.zero import zero_case
from kaiming_mcp.diagnosis.residual.texts import Teller
from kaiming_mcp.scaffold import number, power
from kaiming_mcp.signal.activations import find
from kaiming_mcp.signal.initialization import HE

MOST_TRACED = 2_000
"""Blocks of a described network that are traced."""
UNTRACED = frozenset(("projection", "dropout", "unknown", "activation-on-skip", "norm-on-skip"))
"""Operations on the skip that a block known by its numbers alone cannot stand for."""


@dataclass(slots=True)
class Case:
    """What is asked about a block."""

    asked: Asked
    say: Teller
    course: Course | None = None
    product: float = 1.0
    """Of the constants and gates on the skip over all sums."""

    @property
    def block(self) -> Block | None:
        """The block that counts."""
        return self.asked.block


def block_facts(case: Case) -> None:
    """Record everything that the block, its depth and its training tell."""
    asked, block, say = case.asked, case.asked.block, case.say
    if asked.trained is not None:
        _trained(asked.trained, say)
    if block is None:
        if asked.count > 1 and asked.trained is None:
            _start(case, Block("", "stated"))
        return
    layers = "" if block.layers is None else f"; {block.layers} weighted layer{'s' * (block.layers != 1)} in F"
    others = ", ".join(f"{b.sums} of {b.shown[:60]}" for b in asked.blocks[1:3])
    beside = f"; beside it {others}" if others else ""
    many = f"{block.sums} sums of " if block.sums > 1 else ""
    name = "block" if block.sums else "no-skip"
    say.fact(name, block.sums or None, basis=block.basis, many=many, layers=layers, beside=beside)
    _moment(case, block)
    _product(case, block)
    if block.sums:
        _growth(case, block)
    elif asked.network is not None and asked.init is not None:
        _without_skips(case, block)
    basis = "read" if block.basis == "read" else "assumed"
    say.fact("zero", basis=basis, zero=zero_case(block))
    _start(case, block)


def _moment(case: Case, block: Block) -> None:
    asked, degree = case.asked, block.degree
    if block.moment is None:
        return
    kind = ""
    if degree is not None:
        kind = f"; it grows as (E[x²])^{number(degree)}"
        kind = "; it does not follow the scale of x, so each block adds the same" if degree < 0.05 else kind
        kind = "; it grows with x, so blocks multiply" if degree > 0.95 else kind
    sign = f"; {100 * block.mean**2:.0f} % of it is a common mean" if block.mean**2 > 0.1 else ""
    rest = ", ".join(number(b.moment) for b in asked.blocks[1:3] if b.moment is not None)
    others = f"; the other branch {rest}" if rest else ""
    if asked.network is None:
        how, by = asked.moment_told or "a branch that keeps the scale was taken", ""
        basis = "stated" if asked.moment_told else "assumed"
    else:
        how = f"{asked.init_told}, standardised random input{_with_he(asked, block)}"
        basis, by = ("computed" if asked.given else "assumed"), "signal trace of the branch"
    case.say.fact("moment", block.moment, basis=basis, by=by, how=how, kind=kind, sign=sign, others=others)


def _with_he(asked: Asked, block: Block) -> str:
    """The same branch with He weights, where the initialization had to be assumed and matters."""
    if asked.given or asked.network is None:
        return ""
    if block.ends == "norm" and block.degree is not None and block.degree < 0.05:
        return "; not given"
    again = blocks_of(asked.network, HE)
    he = next((b.moment for b in again if b.shown == block.shown and b.moment is not None), None)
    return "; not given" if he is None else f"; not given: with He it is {number(he)}"


def _product(case: Case, block: Block) -> None:
    """The product of the constants and gates on the skip path."""
    factors = [o.factor for o in block.kinds if o.factor is not None and o.kind in ("scale", "gate")]
    if block.post_norm or (not factors and block.after_factor == 1):
        return
    each, length = math.prod(factors) * block.after_factor, case.asked.count or max(block.sums, 1)
    log = math.log(each) if each > 0 else -math.inf
    case.product = math.exp(max(length * log, -700)) if each > 0 else 0.0
    gate = next((o.factor for o in block.kinds if o.kind == "gate" and o.factor is not None), None)
    note = "" if gate is None else f" (the gate at the start, sigmoid of its bias: {number(gate)})"
    times = f"{each:.4g}^{length} = {power(length * log)}"
    if length == 1:
        times = f"{each:.4g} a block, {each:.4g}^50 = {power(50 * log)}"
    case.say.fact("product", case.product, times=times, note=note)


def _growth(case: Case, block: Block) -> None:
    asked, say, here = case.asked, case.say, block.map
    case.course = seen = _course(asked, block)
    law = _law(block) if len(asked.blocks) == 1 else ""
    if seen is not None and seen.sums > 1:
        drift = f"; {100 * seen.mean_share:.0f} % of it is a common mean" if seen.mean_share > 0.2 else ""
        twin = ""
        if seen.copies_log_q is not None:
            twin = f"; layers start as copies of one: with weights of their own it would be {power(seen.copies_log_q)}"
        start = f"starts at {power(seen.log_first)} and " if abs(seen.log_first) > 1e-6 else ""
        say.fact(
            "traced",
            math.exp(min(seen.log_q, 600)),
            seen=seen,
            log_sd=seen.log_q / 2,
            law="" if start else law,
            start=start,
            drift=drift,
            twin=twin,
        )
    elif here is not None and asked.count > 1:
        log_q = log_growth(here, asked.count)
        say.fact("closed", math.exp(min(log_q, 600)), log_q=log_q, law=_law(block))


def _without_skips(case: Case, block: Block) -> None:
    """A network without skips as it is, and with skips where they fit."""
    asked, say = case.asked, case.say
    network, init = asked.network, asked.init
    assert network is not None
    assert init is not None
    if block.moment is not None:
        wrapped = replace(network, root=Residual(network.root))
        seen = course(wrapped, init, asked.count) if block.fits and asked.count > 1 else None
        if seen is not None:
            value = math.exp(min(seen.log_q, 600))
            say.fact("wrapped", value, seen=seen, law=_law(block))
        return
    now = course_of(network, init, ASSUMED_BATCH)
    here = then = ""
    if now is not None:
        # Only of a network that can be followed: others may have millions of layers, each to be written out here.
        with_skips = course_of(variants.with_skips(network), init, ASSUMED_BATCH)
        here = f"; the squared gradient at the first layer is {power(now.log_backward)} x that at the last"
        then = f", with pre-normalised skips {power(with_skips.log_backward)} x" if with_skips is not None else ""
    say.fact("room", block.kept, pairs=block.kept // 2, here=here, then=then)


def _law(block: Block) -> str:
    """The closed form, where it holds."""
    if block.after or block.kinds or block.moment is None or block.degree is None or block.mean**2 > 0.1:
        return ""
    return ", 1 + L a²" if block.degree < 0.05 else ", (1 + a²)^L" if block.degree > 0.95 else ""


def _course(asked: Asked, block: Block) -> Course | None:
    if asked.network is not None and asked.init is not None:
        return course(asked.network, asked.init, asked.times if asked.depth and asked.blocks else 0)
    named = [a.partition(" ") for a in block.after]
    strange = any(kind == "activation-after" and find(name) is None for kind, _, name in named)
    if (
        block.moment is None
        or not 1 < asked.count <= MOST_TRACED
        or strange
        or {o.kind for o in block.kinds} & UNTRACED
    ):
        return None
    return course(*described(block.moment, block.degree or 0.0, block.skip, block.after), asked.count)


def branch_scale(asked: Asked) -> float:
    """The even scale that keeps the sum of a² over all branches at 1; 1 where it is below that already."""
    added = asked.added
    return min(1.0, 1 / math.sqrt(added)) if added else even_scale(asked.count)


def scaled_growth(asked: Asked, here: Map, scale: float) -> float:
    """ln q after every branch is multiplied by `scale`."""
    if asked.network is not None and asked.init is not None and asked.block is not None:
        changed = variants.with_branch_scale(asked.network, (asked.block.branch_factor or 1.0) * scale)
        seen = course(changed, asked.init, asked.times if asked.sums <= 2 else 0)
        if seen is not None:
            return seen.log_q - seen.log_first
    return log_growth(replace(here, branch=here.branch * scale**2), asked.count)


def _start(case: Case, block: Block) -> None:
    """How the branch starts at this depth."""
    asked, depth, scale = case.asked, case.asked.count, 0.0
    if depth < 2 or not (block.sums or block.fits):
        return
    parts = ["gamma = 0 in the last norm, or last weights at zero, keeps E[x²] = 1"]
    if not block.normed:
        scale, layers = branch_scale(asked), block.layers or 2
        parts = [_scaled(asked, block, scale)]
        if layers >= 2 and scale < 1:
            inner = f"{depth}^(-1/{2 * layers - 2}) = {number(fixup_scale(depth, layers))}"
            parts.append(f"Fixup: inner layers x {inner}, last 0")
    if asked.transformer:
        parts.append(f"GPT-2: output projections x 1/sqrt({depth}) = {number(even_scale(depth))}")
    case.say.fact("start", scale, starts="; ".join(parts))


def _scaled(asked: Asked, block: Block, scale: float) -> str:
    """The scale with what it makes of the trunk."""
    depth, added = asked.count, asked.added
    if added is not None and 0 < added <= 1:
        return f"no scale is needed, the sum of a² is {number(added)}"
    even = (added or depth) / depth
    shown = f"1/sqrt({depth})" if abs(even - 1) < 0.01 else f"1/sqrt({depth} a²)"
    here = block.map or Map(branch=even)
    # What stands on the skip has findings of its own: here it is taken as clear.
    clear = block.sums and not block.kinds and block.after_factor == 1
    end = scaled_growth(asked, here, scale) if clear else log_growth(Map(1.0, even * scale**2, here.degree), depth)
    return f"{shown} = {number(scale)} gives E[x²] = {power(end)}, zero (last layer, SkipInit, ReZero) 1"


def _trained(trained: Trained, say: Teller) -> None:
    if trained.said:
        say.fact("trained-said")
        return
    spread = f" ± {number(trained.spread)}" if trained.spread is not None else ""
    what = "accuracy" if trained.accuracy else "error or loss"
    say.fact("trained", trained.worse, what=what, spread=spread)
