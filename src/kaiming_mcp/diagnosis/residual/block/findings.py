"""Findings about a block in its network: growth, size, degradation, depth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from kaiming_mcp.architecture.ir import Node
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.residual.block.facts import Case, branch_scale, scaled_growth
from kaiming_mcp.diagnosis.residual.block.model import Block
from kaiming_mcp.diagnosis.residual.block.operations import QUADRUPLE, Ruled, operation_findings, rule
from kaiming_mcp.diagnosis.residual.block.trunk import log_growth
from kaiming_mcp.scaffold import number, power

SHALLOW = 18
"""Layers up to which a plain net is solved as well (He et al. 2016, Table 2)."""


def block_findings(case: Case) -> list[Ruled]:
    """All findings about the block, its depth and its training."""
    block, found = case.block, list[Ruled]()
    if block is not None:
        found += [*operation_findings(case, block), *_growth(case, block), *_size(case, block)]
    elif case.say.id("start"):
        found.append(_unsent(case))
    return [*found, *_degradation(case), *_shallow(case)]


def _growth(case: Case, block: Block) -> Iterator[Ruled]:
    """Trunks that grow because their branches are neither normed nor scaled."""
    asked, here, count, seen = case.asked, block.map, case.asked.count, case.course
    changed = any(o.kind in ("scale", "gate") for o in block.kinds) or block.after_factor != 1 or block.post_norm
    if not block.sums or here is None or block.normed or changed:
        return
    log = seen.log_q - seen.log_first if seen else log_growth(here, count) if count > 1 else 0.0
    if (count > 1 and log < QUADRUPLE) or (count <= 1 and (here.branch < 0.25 or here.degree < 0.95)):
        return
    cites = (case.say.id("growth"), case.say.id("moment"), case.say.id("start"))
    guessed = asked.network is None and block.normed is None and not asked.moment_told
    if count <= 1:
        over, guess = f"by {number(1 + here.branch)} a block", "E[x²] doubles a block"
        says = "grows-perhaps" if guessed else "grows-still"
        name = "grows-perhaps" if guessed else "grows"
        more: dict[str, Any] = {
            "over": over,
            "to": "",
            "guess": guess,
            "normed": "and gains 1",
            "shown": "1/sqrt(L a²)",
            "effect": "",
        }
        yield rule(case, name, *cites, says=says, **more)
        return
    scale = branch_scale(asked)
    then, normed = scaled_growth(asked, here, scale), log_growth(replace(here, degree=0.0), count)
    rest = "; what is left is the common mean of the branches" if then > QUADRUPLE else ""
    more = {
        "over": f"over {count} sums",
        "to": f" to E[x²] = {power(log)}",
        "log": log,
        "then": then,
        "scale": scale,
        "guess": f"over {count} sums E[x²] grows to {power(log)}",
        "normed": f"to 1 + L = {count + 1}",
        "shown": f"1/sqrt({count} a²) = {number(scale)}",
        "effect": f"E[x²] {power(log)} to {power(then)} with the scale, 1 + L a² = {power(normed)} with a norm (computed){rest}.",
    }
    if guessed:
        yield rule(case, "grows-perhaps", *cites, **more)
        return
    grade = "medium" if log <= math.log(100) else "high"
    yield rule(case, "grows", *cites, severity=grade, says="" if then <= QUADRUPLE else "grows-still", **more)


def _size(case: Case, block: Block) -> Iterator[Ruled]:
    """A size that changes, and a network without skips in which they would fit."""
    if not block.fits and not block.kinds:
        yield rule(case, "size", case.say.ids["zero"], change=block.change)
    elif block.fits and not block.sums and block.moment is None and block.kept >= 2:
        name = "plain-deep" if (block.layers or block.kept) > SHALLOW else "plain-shallow"
        yield rule(case, name, case.say.id("growth", "block"), pairs=block.kept // 2)


def _unsent(case: Case) -> Ruled:
    """Only the depth is known."""
    depth = case.asked.depth
    deep = (depth.layers if depth else None) or 2 * case.asked.count
    name = "unsent-deep" if deep > SHALLOW else "unsent-shallow"
    return rule(case, name, case.say.id("start"), deep=deep, half=deep // 2, scale=branch_scale(case.asked))


def _degradation(case: Case) -> Iterator[Ruled]:
    trained = case.asked.trained
    if trained is None:
        return
    noise = 2 * math.sqrt(2) * trained.spread if trained.spread is not None else 0.0
    where = "the deeper net" if trained.said else f"the net of {trained.deep[0]} layers"
    if trained.worse > noise:
        sure = "its seed deviation is not given"
        if trained.spread is not None:
            sure = f"more than 2 deviations of the difference ({number(noise)})"
        than = "" if trained.said else f" by {number(trained.worse)} than at {trained.shallow[0]}"
        goal = "the shallow one's" if trained.said else number(trained.shallow[1])
        yield rule(case, "degradation", case.say.id("trained"), where=where, than=than, sure=sure, goal=goal)
        return
    why, advice = f"{where} trains no worse", "if the test error is worse, regularise or take less depth."
    if trained.worse > 0:
        why, advice = "the difference lies within the seeds", "the difference is within the seeds: train more of them."
    yield rule(case, "no-degradation", case.say.id("trained"), why=why, advice=advice)


def _shallow(case: Case) -> Iterator[Ruled]:
    asked, block, depth = case.asked, case.block, case.asked.depth
    if depth is None or asked.transformer or (asked.trained is not None and asked.trained.worse > 0):
        return
    layers = depth.layers or depth.count * ((block.layers if block else None) or 2)
    if asked.network is not None and asked.blocks and asked.times == 1:
        layers = _main_layers(asked.network.root)
    if layers <= SHALLOW:
        sound = " The block itself is sound." if block is not None and block.sums else ""
        yield rule(case, "shallow", value=layers, deep=layers, sound=sound)


def _main_layers(root: Node) -> int:
    """Weighted layers outside shortcuts, as depth is usually counted."""
    aside = sum(n * structure.weighted(b.shortcut) for b, n in structure.residuals(root) if b.shortcut is not None)
    return structure.weighted(root) - aside
