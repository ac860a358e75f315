"""The measured columns as facts, findings, a verdict, and the steps that they call for."""

from __future__ import annotations

import math
from typing import Any

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.residual.columns.judge import (
    HARDLY,
    SURE,
    at_floor,
    decide,
    fit_pays,
    is_ratio,
    other_pays,
    together_pays,
    units_of,
)
from kaiming_mcp.diagnosis.residual.columns.measure import Baseline, Measured, Scored
from kaiming_mcp.diagnosis.residual.columns.stats import GAUSSIAN_TOP, Left
from kaiming_mcp.diagnosis.residual.known import Known
from kaiming_mcp.diagnosis.residual.texts import Asking, Part, Teller, upper
from kaiming_mcp.scaffold import number

FEWEST_FOR_TAILS = 100
LITTLE_NOISE = 0.3
"""Share of the residual that is noise below which it is not worth a finding."""


def columns_part(found: Measured, known: Known, facts: Facts) -> Part:
    """Everything that follows from the columns."""
    say = Teller(known.texts["columns"], facts, {"x": found.roles.target, "found": found})
    if found.baselines:
        first = found.baselines[0]
        say.values |= {"other": first.name, "less": first.share, "others": "; ".join(map(_listed, found.baselines[:3]))}
    _rows(found, say)
    if found.best is None:
        return _alone(found, say)
    best, answer = found.best, decide(found, found.best)
    say.values |= _values(found, best, answer)
    say.values["units"] = units = units_of(found, best.left, known.units) if fit_pays(best.left) else ""
    said = say.texts["units" if answer == "fit" and units else answer]
    _facts(found, best, say)
    drafts = _findings(answer, found, best, say)
    first = next((d for d in [*drafts.values()] if d.severity == "high"), None)
    first = first or drafts.get("better") or drafts.get("together")
    change = first.remedy if first else say.fill(say.texts["open" if answer == "open" else "helps"].change)
    return Part(
        say.fill(said.verdict),
        upper(change),
        _keys(found, best, say),
        [*drafts.values()],
        _steps(answer, found, say),
        say.line("measure"),
        said.quote,
        said.limit,
        _limits(found, best.left, say),
    )


def _values(found: Measured, best: Scored, answer: str) -> dict[str, object]:
    """What the texts about a reference may name."""
    left, x, r = best.left, found.roles.target, best.name
    fitted = f"{number(left.slope)} {r} {left.offset:+.3g}"
    sure = abs(left.slope) > 3 * left.slope_error
    few = f"{left.effective:.0f} independent rows decide nothing; {4 * left.effective:,.0f} would halve the error."
    nothing = f"says almost nothing about {x}" if left.affine > HARDLY else f"leaves {number(left.affine)} when fitted"
    floor, error = found.floor or (0.0, 0.0)
    k, moved = found.ahead or (0, 0.0)
    loss = left.fitted_square if answer == "fit" else left.mean_square
    return {
        "r": r,
        "left": left,
        "fitted": fitted,
        "share": f"Var[{x} - {r}]/Var[{x}] = {_pm(left.share, left.error)}",
        "much": "much" if abs(left.slope) < 1 else "little",
        "worse": ", worse than the mean" if left.share > 1 else "",
        "rest": nothing if answer == "hurts" else f"{fitted} leaves {number(left.affine)}." if sure else few,
        "own": " (made from the column itself)" if best.own else "",
        "together": f"; all references together leave {number(found.together or 0)}" * together_pays(found, left),
        "rows": f"{k} row{'s' * (k > 1)}",
        "moved": moved,
        "floor": floor,
        "error": error,
        "signal": 1 - floor,
        "room": max(1 - floor + SURE * error, 0.0),
        "chance": 2 / math.sqrt(left.effective),
        "variance": left.spread**2,
        "target_variance": left.target_spread**2,
        "rmse": math.sqrt(left.mean_square),
        "relative": math.sqrt(left.share),
        "loss": loss,
        "sd": math.sqrt(loss) if answer == "fit" else left.spread,
    }


def _rows(found: Measured, say: Teller) -> None:
    roles = found.roles
    told = f", references {', '.join(roles.references)} ({roles.told})" if roles.references else ""
    described = {"features": roles.features, "groups": (*roles.groups,), "atom counts": (*roles.counts,)}
    for label, names in described.items():
        told += f", {label} {', '.join(names[:4])}{' …' * (len(names) > 4)}" if names else ""
    told += f", in order of {roles.time}" if roles.time else ""
    spread = f", sd {number(found.best.left.target_spread)}" if found.best else ""
    say.fact("rows", found.rows, roles=told, spread=spread)


def _facts(found: Measured, best: Scored, say: Teller) -> None:
    left = best.left
    for scored in found.references[:3]:
        seen = scored.left
        tail = f"; rows follow each other, {seen.effective:.0f} count" if seen.effective < 0.8 * seen.rows else ""
        say.fact("share", seen.share, name=scored.name, left=seen, tail=tail)
    if math.isfinite(left.slope_error):
        say.fact("slope", left.affine)
    say.fact("step-0", left.mean_square)
    if found.floor is not None:
        floor, _ = found.floor
        rest = f"at most {number(1 - floor)} of the residual can be learned" if floor < 1 else "nothing is left"
        say.fact("noise-share", floor, rest=rest)
    if found.ratio is not None and is_ratio(found):
        say.fact("log-ratio", found.ratio.gain)
    _other_facts(found, say)


def _other_facts(found: Measured, say: Teller) -> None:
    """Baselines that were not given, and the memory of the series."""
    if found.baselines:
        say.fact("others", found.baselines[0].share)
    for lag, rho in [*found.rho.items()][:1]:
        ends = "; above 1/2 at every lag seen"
        if found.half_lag:
            ends = f"; below 1/2 from lag {found.half_lag} on, where persistence leaves more than the mean"
        say.fact("memory", rho, lag=lag, rho=rho, ends=ends)


def _findings(answer: str, found: Measured, best: Scored, say: Teller) -> dict[str, Draft]:
    """All findings about the best reference and what stands beside it, by their ids in columns.yaml."""
    left, drafts = best.left, dict[str, Draft]()

    def add(name: str, *cites: str, high: bool = False, **more: Any) -> None:
        drafts[name] = say.finding(name, *cites, severity="high" if high else None, **more)

    if answer == "ahead":
        add("ahead", say.id("share"), say.fact("ahead", found.ahead[1] if found.ahead else None))
    if answer == "leak":
        add("leak", say.id("share"))
    if fit_pays(left) and answer != "hurts":
        add("units" if say.values["units"] else "fit", say.id("share"), say.id("slope"), high=answer == "fit")
    if answer == "hurts":
        add("hurts", say.id("share"), say.id("slope"))
    if found.floor is not None:
        floor, error = found.floor
        if floor - SURE * error > 1:
            add("noise-too-large", say.id("noise-share"))
        elif at_floor(found):
            add("noise", say.id("noise-share"))
        elif floor >= LITTLE_NOISE:
            add("much-noise", say.id("noise-share"))
    if ratio := say.id("log-ratio"):
        add("ratio", ratio, high=answer == "ratio")
    if other_pays(found, left):
        add("better", say.id("others"), say.id("share"), high=left.share > 1)
    if together_pays(found, left):
        blend = " + ".join(f"{number(w)} {name}".strip() for name, w in found.weights.items()).replace("+ -", "- ")
        fact = say.fact("together", found.together, count=len(found.references), blend=blend)
        add("together", fact, blend=blend)
    if left.rows >= FEWEST_FOR_TAILS and left.top >= 3 * GAUSSIAN_TOP:
        add("tails", say.fact("tails", left.top, top=100 * left.top))
    drafts |= _composition(found, say)
    if answer in {"helps", "ratio", "fit", "open"}:
        drafts["start"] = _start(answer, found, left, say)
    return drafts


def _composition(found: Measured, say: Teller) -> dict[str, Draft]:
    """Where counting atoms explains most of a target."""
    share = next((b.share for b in found.baselines if b.name.startswith("composition")), 1.0)
    if not found.atoms or share > 0.5:
        return {}
    atoms = ", ".join(f"{name} {number(value)}" for name, value in [*found.atoms.items()][:5])
    return {"composition": say.finding("composition", say.id("others"), atoms=atoms, composition=share)}


def _start(answer: str, found: Measured, left: Left, say: Teller) -> Draft:
    learned, fact = "", ""
    if found.learnable is not None:
        fact = say.fact("learnable", found.learnable, learned=max(found.learnable, 0.0))
        learned = " No linear signal of the features is left in it; pure noise looks like this too."
        if found.learnable > 2 / math.sqrt(left.rows):
            learned = f" A line on the features already takes {number(found.learnable)} of the residual."
    biased = answer != "fit" and abs(left.bias) >= 3 * left.bias_error
    bias = f" Correct the bias {number(left.bias)} once: it is no variance." if biased else ""
    output = "b R + a" if answer == "fit" else "R"
    return say.finding("start", say.id("step-0"), fact, bias=bias, learned=learned, output=output)


def _keys(found: Measured, best: Scored, say: Teller) -> list[str]:
    left = best.left
    keys = [f"Var[X-R]/Var[X] = {_pm(left.share, left.error)} with R = {best.name} [{say.id('share')}]"]
    if say.id("slope"):
        slope = _pm(left.slope, left.slope_error)
        keys.append(f"b R + a leaves {number(left.affine)}, b = {slope} [{say.id('slope')}]")
    if found.floor is not None:
        keys.append(f"noise is {_pm(*found.floor)} of Var[X-R] [{say.id('noise-share')}]")
    elif found.baselines:
        keys.append(f"{found.baselines[0].name} leaves {number(found.baselines[0].share)} [{say.id('others')}]")
    else:
        keys.append(f"MSE with F = 0: {number(left.mean_square)} [{say.id('step-0')}]")
    return keys[:3]


def _steps(answer: str, found: Measured, say: Teller) -> list[Asking]:
    others = [*(s.name for s in found.references[1:2]), *(b.name for b in found.baselines[:1]), "the mean"]
    output = say.values["fitted" if answer == "fit" else "r"]
    decided = say.id({"noise": "noise-share", "ratio": "log-ratio"}.get(answer, ""))
    return [
        say.ask("limit-case", say.id("step-0"), output=output),
        say.ask("where", say.id("share"), say.id("slope"), decided, split=say.line(answer)),
        say.ask("cost", say.id("others", "share"), other=others[0]),
    ]


def _limits(found: Measured, left: Left, say: Teller) -> list[str]:
    due = {
        "roles": "assumed" in found.roles.told,
        "tie": found.tie is not None,
        "few": left.effective < 30,
        "fills": found.fills > 0,
        "dropped": found.dropped > 0,
        "cut": found.cut > 0,
        "fitted": True,
    }
    uncertain = 100 / math.sqrt(2 * left.effective)
    return [say.line(f"limit-{name}", uncertain=uncertain) for name, told in due.items() if told]


def _alone(found: Measured, say: Teller) -> Part:
    """Only the target, and what other columns say about it."""
    if not found.baselines:
        said, fact = say.texts["alone"], say.fact("alone")
        key = f"{found.rows:,} rows of {found.roles.target}, mean {number(found.mean)} [{say.id('rows')}]"
        steps = [say.ask("alone-where", fact), say.ask("alone-cost", say.id("rows"))]
        drafts = [say.finding("alone", fact)]
        change = say.fill(said.change)
        return Part(say.fill(said.verdict), change, [key], drafts, steps, said.line, said.quote, said.limit)
    _other_facts(found, say)
    fact = say.id("others")
    said = say.texts["baseline-helps" if found.baselines[0].share < 0.95 else "baseline-hurts"]
    return Part(
        say.fill(said.verdict),
        say.fill(said.change),
        [f"{_listed(b)} [{fact}]" for b in found.baselines[:3]],
        [*_composition(found, say).values(), say.finding("baseline-start", fact)],
        [say.ask("baseline-where", fact), say.ask("baseline-cost", fact)],
        say.line("baseline-start"),
        said.quote,
        said.limit,
        [say.line("limit-fitted")],
    )


def _listed(b: Baseline) -> str:
    return f"{b.name} {number(b.share)}" + (f" ({b.note})" if b.note else "")


def _pm(value: float, error: float) -> str:
    return f"{number(value)} ± {error:.2g}"
