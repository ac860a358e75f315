"""The block as a verdict, its numbers, and the steps of thought that its own facts call for."""

from __future__ import annotations

import math

from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.residual.block.facts import Case, block_facts, branch_scale
from kaiming_mcp.diagnosis.residual.block.findings import block_findings
from kaiming_mcp.diagnosis.residual.block.model import Asked, Block
from kaiming_mcp.diagnosis.residual.block.operations import Ruled
from kaiming_mcp.diagnosis.residual.block.trunk import even_scale, log_growth
from kaiming_mcp.diagnosis.residual.known import Known
from kaiming_mcp.diagnosis.residual.texts import Asking, Part, Teller
from kaiming_mcp.scaffold import SEVERITIES, number, power

NEARLY_ZERO = 0.1
"""Sum of a² over all branches below which they count as starting at zero."""


def block_part(asked: Asked, indexed: bool, known: Known, facts: Facts) -> Part:
    """Everything that follows from the block, its depth and its training; `indexed` for a scale 1/sqrt(i + 1)."""
    case = Case(asked, Teller(known.texts["block"], facts, _values(asked)))
    block_facts(case)
    found = sorted(block_findings(case), key=lambda r: (SEVERITIES.index(r.draft.severity), -r.draft.weight))
    serious = next((r for r in found if r.draft.severity in ("high", "medium")), None)
    part = _answer(case, found, serious)
    told = {f.id for f in facts.items if f.statement.startswith("measured elsewhere")}
    measured = [i for r in found[:1] for i in r.draft.evidence if i in told]
    named = (case.say.id(n) for n in ("trained", "growth", "product", "bent"))
    part.keys = case.say.told(*named, *measured, *(case.say.id(n) for n in ("moment", "start", "zero")))[:3]
    part.drafts = [r.draft for r in found]
    part.steps = _steps(case)
    part.measure = case.say.line("measure")
    if indexed:
        _indexed(case, part)
    return part


def _values(asked: Asked) -> dict[str, object]:
    """What all texts about a block may name."""
    count, trained = asked.count, asked.trained
    worse = trained.worse if trained is not None else 0.0
    return {
        "asked": asked,
        "block": asked.block,
        "count": count,
        "even": even_scale(count),
        "trained": trained,
        "state": "worse" if worse > 0 else "better",
        "gap": abs(worse),
        "half_depth": f"{count // 2} of {count} blocks" if count > 3 else "half the depth",
        "depth_pair": f"{count} and {count // 2} blocks" if count > 3 else "this depth and of half of it",
    }


def _answer(case: Case, found: list[Ruled], serious: Ruled | None) -> Part:
    """The gravest finding as the verdict, or what is sound."""
    say, block, change = case.say, case.block, _calm_change(case)
    if serious is not None:
        remedy = serious.draft.remedy
        change = remedy[0].upper() + remedy[1:]
    told = serious or next((r for r in found if r.draft.limit == "Shallow nets"), None)
    if told is not None:
        return Part(told.verdict, change, quote=told.quote, limit=told.draft.limit)
    assert block is not None, "only a block can have nothing against it"
    name, more = "sound", {"nearly": "nearly " * bool(block.after or block.kinds), "held": _held(case, block)}
    if not block.sums:
        scaled = "; give `depth` to have its branch scale"
        if case.asked.count > 1:
            scale = f"branch scale {number(branch_scale(case.asked))} or zero last weights"
            scaled = f"; start it at {'gamma = 0 in the last norm' if block.normed else scale}"
        name, more = "fits", {"scaled": scaled}
    text = say.texts[name]
    return Part(say.fill(text.verdict, **more), change, quote=text.quote, limit=text.limit)


def _held(case: Case, block: Block) -> str:
    seen, count = case.course, case.asked.count
    if seen is not None and seen.sums > 1:
        kept = f"E[x²] becomes {power(seen.log_q)}, the squared gradient changes x{power(seen.log_gradient)}"
        return f"; over {seen.sums} sums {kept}"
    if block.map is not None and count > 1:
        return f"; over {count} sums E[x²] becomes {power(log_growth(block.map, count))}"
    return ""


def _calm_change(case: Case) -> str:
    asked, block, added, name = case.asked, case.block, case.asked.added, "bare"
    if block is None:
        name = "unknown"
    elif not block.sums:
        name = "plain"
    elif added is not None and added <= NEARLY_ZERO:
        name = "none"
    elif asked.transformer and asked.count > 1:
        name = "transformer"
    elif block.normed:
        name = "norm"
    return case.say.fill(case.say.texts[f"change-{name}"].change, at="near" if added else "at")


def _steps(case: Case) -> list[Asking]:
    say, block, trained, seen = case.say, case.block, case.asked.trained, case.course
    base = case.say.id("zero", "trained", "growth", "block")
    against = block is not None and (block.kinds or block.after or not block.fits)
    conserved, state = "kept-product" if "product" in case.say.ids else "kept-general", ""
    if seen is not None and seen.sums > 1:
        worst = max(abs(seen.log_q), abs(seen.log_gradient)) / math.log(10)
        state = "neither is kept" if worst > 2 else "both stay within a factor of 100" if worst > 1 else "both are kept"
        conserved = "kept-traced"
    depths = "untrained" if trained is None else "said" if trained.said else "trained"
    cites = [i for i in (case.say.id("growth"), case.say.id("moment"), case.say.id("product")) if i]
    return [
        say.ask("ask-not-zero" if against else "ask-zero", base),
        say.ask("ask-kept", *(cites or [base]), conserved=say.line(conserved, seen=seen, state=state)),
        say.ask("ask-depth", case.say.id("trained", "start") or base, depths=say.line(f"depth-{depths}")),
        say.ask("ask-removal", case.say.id("block") or base, present=_present(block)),
    ]


def _present(block: Block | None) -> str:
    """What could be removed."""
    found: list[str] = []
    if block is not None:
        found += [o.kind.replace("-", " ") + " on the skip" for o in block.kinds]
        found += [f"{a.partition(' ')[2]} after the add" for a in block.after]
        found += ["the norm in the branch"] * bool(block.normed) + [f"the {block.inner} inside F"] * bool(block.inner)
    return ", ".join(dict.fromkeys(found)) or "the branch's depth, its width, every second block"


def _indexed(case: Case, part: Part) -> None:
    """A scale 1/sqrt(i + 1) on what enters block i is one over the trunk's own standard deviation."""
    depths = [case.asked.count] if case.asked.count else [10, 20, 40]
    listed = ", ".join(f"{1 + d} (sd {number((1 + d) ** 0.5)}) after {d}" for d in depths)
    fact = case.say.fact("indexed", 1 + depths[-1], listed=listed)
    part.keys = [*case.say.told(fact), *part.keys][:3]
    part.verdict = case.say.texts["indexed"].verdict + part.verdict
