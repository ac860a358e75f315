"""The words as facts, findings, a verdict, and the steps that they call for."""

from __future__ import annotations

import math
from typing import Any

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.principles import RESIDUAL
from kaiming_mcp.diagnosis.residual.known import Known
from kaiming_mcp.diagnosis.residual.texts import Asking, Part, Teller, upper
from kaiming_mcp.diagnosis.residual.words.laws import Estimate
from kaiming_mcp.diagnosis.residual.words.named import atoms_fact, conversion
from kaiming_mcp.diagnosis.residual.words.said import Stated
from kaiming_mcp.diagnosis.residual.words.spoken import Spoken
from kaiming_mcp.knowledge import LONGEST_READ
from kaiming_mcp.scaffold import SEVERITIES, number

PAYS = 0.95
"""Share of the share left below which scaling the reference is worth a word."""
SPACES = {
    "same": "input and target share a space",
    "partly": "the input becomes a reference after a known transform",
    "other": "no identity exists",
}


def spoken_part(spoken: Spoken, known: Known, facts: Facts) -> Part:
    """Everything that follows from the words."""
    say = _teller(spoken, known, facts)
    laws = _facts(spoken, known, say)
    name = _answer(spoken, say)
    answer = say.texts[name]
    change = say.texts["adds-scaled"] if name in ("adds", "leaves") and _scaling_pays(spoken.deciding) else answer
    part = Part(say.fill(answer.verdict), say.fill(change.change), quote=answer.quote, limit=answer.limit)
    part.drafts = _findings(spoken, known, laws, say)
    _caution(spoken, known, facts, part)
    part.keys = say.told(*laws[:2], *(say.id(n) for n in ("step-0", "atoms", "low-rank", "pairs")))[:3]
    part.steps = _steps(spoken, laws, say)
    part.measure = say.line("measure")
    due = {"share": spoken.deciding is None, "kind": spoken.kind is None}
    due["assumed"] = any(e.assumed for e in spoken.estimates[:3])
    part.limits = [say.line(f"limit-{n}") for n, told in due.items() if told]
    return part


def spoken_aside(spoken: Spoken, known: Known, facts: Facts, part: Part) -> None:
    """What the words add where columns or a block have decided."""
    _caution(spoken, known, facts, part)
    if spoken.kind is not None and spoken.kind.id != "depth-of-network":
        say = _teller(spoken, known, facts)
        _kind_fact(spoken, say)
        part.drafts += _trap(spoken, say)


def _teller(spoken: Spoken, known: Known, facts: Facts) -> Teller:
    """The texts with everything that they may name."""
    kind, ref, best = spoken.kind, spoken.reference, spoken.deciding
    share = best.share if best is not None else 0.0
    bins = _bins(spoken)
    scaled = ""
    if best is not None and best.slope is not None and best.scaled is not None and _scaling_pays(best):
        b = "b = " if share >= 1 else ""
        scaled = f"; scaled by {b}{number(best.slope)} it leaves {number(best.scaled)}"
    values = {
        "spoken": spoken,
        "kind": kind,
        "ref": ref,
        "best": best,
        "name": spoken.name,
        "named": " ".join(spoken.reference_text.split())[:120],
        "space": SPACES[kind.space] if kind is not None else "",
        "because": kind.because if kind is not None else "the identity is no reference",
        "fits": f"It fits: {ref.fits}." if ref is not None else "",
        "start": ref.start if ref is not None else "zero-init the output layer",
        "test": ref.test if ref is not None else "Var[X-R]/Var[X] on 100 held-out pairs",
        "trap_test": ref.test if ref is not None else "training loss over equal steps with and without the reference",
        "atoms": known.reference("composition"),
        "scaled": scaled,
        "sd": math.sqrt(abs(share)),
        "sure": "A reference exists" if kind is not None else "A reference is named",
        "stand_in": "",
        "beside": "; ".join(
            f" {e.told} leaves {number(e.share)} as stated" for e in spoken.estimates if e.kind == "share" and e.told
        ),
        "better": f"; {spoken.better.told} leaves less, {number(spoken.better.share)}: try it first"
        if spoken.better
        else "",
        "sign": f"{upper(spoken.name)} hurts at the low end" if share >= 1 else f"Predict X - R with R = {spoken.name}",
        "bins": "; ".join(f"{e.told} it leaves {number(e.share)}, shrunk {number(e.scaled or 0.0)}" for e in bins),
        "other": spoken.references[1].title if len(spoken.references) > 1 else "the mean",
    }
    if ref is not None:
        values["stand_in"] = f" Another reference can stand in, {spoken.name}; what it leaves is not measured yet."
    return Teller(known.texts["words"], facts, values)


def _bins(spoken: Spoken) -> list[Estimate]:
    return [e for e in spoken.estimates if e.reference == "noisy-input"]


def _scaling_pays(best: Estimate | None) -> bool:
    """Whether b R leaves clearly less than R."""
    if best is None or best.scaled is None or best.slope is None:
        return False
    return best.scaled < (0.98 if best.share >= 1 else PAYS * best.share)


def _answer(spoken: Spoken, say: Teller) -> str:
    """The id of the answer in words.yaml: the first that holds."""
    best, kind = spoken.deciding, spoken.kind
    if spoken.floor is not None:
        return "floor"
    if best is not None:
        return "range" if len(_bins(spoken)) > 1 else "adds" if best.share >= 1 else "leaves"
    if say.id("atoms") and spoken.counts_atoms:
        return "composition"
    if say.id("low-rank"):
        return "low-rank"
    if kind is not None and kind.space != "same":
        return kind.space
    return "exists" if spoken.reference is not None else "unknown"


def _facts(spoken: Spoken, known: Known, say: Teller) -> list[str]:
    """Record everything that the words tell; the facts of the laws, in the order of the estimates."""
    ref, best, found = spoken.reference, spoken.deciding, list[str]()
    _kind_fact(spoken, say)
    if ref is not None:
        say.fact("reference", by=", ".join(ref.sources) or "general knowledge")
    elif spoken.given:
        say.fact("named")
    for e in spoken.estimates[:5]:
        assumed = f" (assumed: {e.assumed})" if e.assumed else ""
        filled: dict[str, Any] = {"share": e.share, "scaled": e.scaled, "slope": e.slope, "assumed": assumed}
        found.append(say.fact(e.law, e.share, **filled, **e.values))
    law = ref.law if ref is not None else ""
    if law == "composition" and spoken.of_energy:
        atoms_fact(spoken, known.atoms, say)
    if law == "low-rank":
        say.fact("low-rank")
    if best is not None and spoken.spread is not None:
        _start(best, spoken.spread, say)
    if spoken.samples:
        error = 2 / math.sqrt(spoken.samples)
        say.fact("pairs", error, percent=100 * error)
    elif best is None:
        say.fact("pairs-needed", 51)
    return found


def _kind_fact(spoken: Spoken, say: Teller) -> None:
    if spoken.kind is not None:
        say.fact("kind", by=", ".join(spoken.kind.sources) or "general knowledge")


def _some(laws: list[str], say: Teller) -> str:
    """A fact to cite where no other fits."""
    return say.id("reference", "kind") or next(iter(laws), "") or say.id("pairs")


def _start(best: Estimate, spread: Stated, say: Teller) -> None:
    """Loss at step 0 and spread of the residual in the target's unit."""
    sd, named = spread.value, spread.unit
    unit = f" {named}" if named and named != "%" else ""
    squared = f" ({named})²" if "/" in unit else f"{unit}²" if unit else ""
    loss, scaled = best.share * sd**2, ""
    if best.scaled is not None and best.scaled < PAYS * best.share:
        scaled = f"; with b R {number(best.scaled * sd**2)}{squared}"
    rmse = math.sqrt(max(loss, 0.0))
    say.fact("step-0", loss, mean_square=loss, rmse=rmse, unit=unit, squared=squared, scaled=scaled)


def _findings(spoken: Spoken, known: Known, laws: list[str], say: Teller) -> list[Draft]:
    best, found, of = spoken.deciding, list[Draft](), dict(zip(map(id, spoken.estimates), laws, strict=False))
    law = of.get(id(best), "")
    if best is not None and best.share >= 1:
        found.append(say.finding("adds-scaled" if _scaling_pays(best) else "adds", law, say.id("reference")))
    elif _scaling_pays(best):
        found.append(say.finding("scale", law, say.id("step-0")))
    for e in spoken.estimates:
        if (e.law == "skill" and e.share <= 0) or e.law == "drift":
            found.append(
                say.finding("no-skill" if e.law == "skill" else "drift-grows", of.get(id(e)) or _some(laws, say))
            )
    if spoken.floor is not None:
        found.append(say.finding("floor", of.get(id(spoken.floor)) or _some(laws, say)))
    if atoms := say.id("atoms"):
        found.append(say.finding("composition" if spoken.counts_atoms else "composition-left", atoms))
    if unit := conversion(spoken, known.units):
        found.append(
            say.finding("units", say.fact("units", unit.factor, unit=unit), unit=unit, inverse=1 / unit.factor)
        )
    found += _trap(spoken, say)
    if spoken.kind is None and spoken.reference is not None:
        found.append(say.finding("when-it-hurts", say.id("reference")))
    return found or [say.finding("needed", _some(laws, say))]


def _trap(spoken: Spoken, say: Teller) -> list[Draft]:
    """What goes wrong in this kind of mapping."""
    kind = spoken.kind
    if kind is None:
        return []
    second = f"; then compare {spoken.references[1].title}" if len(spoken.references) > 1 and not spoken.given else ""
    name = "trap-far" if kind.space == "other" else "trap"
    grade = "low" if kind.space == "same" else "medium"
    return [say.finding(name, say.id("kind"), say.id("reference"), severity=grade, second=second)]


def _caution(spoken: Spoken, known: Known, facts: Facts, part: Part) -> None:
    """Add what is overlooked or believed wrongly, the gravest first; a grave belief stands before the verdict."""
    text = f"{spoken.text} {spoken.reference_text}"[:LONGEST_READ].lower()
    for c in sorted(known.cautions, key=lambda c: SEVERITIES.index(c.severity)):
        if not c.speaks(text):
            continue
        source = ", ".join(c.sources) or "general knowledge"
        fact = facts.add(c.why, "stated" if c.sources else "assumed", source=source)
        part.drafts.append(Draft(c.severity, RESIDUAL, c.title, (fact,), f"{c.remedy}.", f"{c.test}.", weight=4))
        part.corrects = part.corrects or c.quote
        if c.severity == "high" and not part.first:
            part.first = (f"{c.title}: {c.remedy}.", f"{upper(c.remedy)}.")


def _steps(spoken: Spoken, laws: list[str], say: Teller) -> list[Asking]:
    some = _some(laws, say)
    law = next(iter(laws), "") or say.id("atoms", "low-rank", "pairs") or some
    question = "leaves" if spoken.deciding is not None else "fits" if spoken.reference is not None else "unknown"
    return [
        say.ask("limit-case", say.id("step-0") or some),
        say.ask("where", law, question=say.line(question)),
        say.ask("cost", some),
    ]
