"""The head of the scaffold: verdict, key numbers, one change, the deciding measurement."""

from __future__ import annotations

from kaiming_mcp.diagnosis.simplify.bar import LIKELY, loss_of, luck, meter, metric_of, not_excluded, threshold
from kaiming_mcp.diagnosis.simplify.effects import errors_of
from kaiming_mcp.diagnosis.simplify.noise import seeds_needed
from kaiming_mcp.diagnosis.simplify.shown import name, names, number, signed
from kaiming_mcp.diagnosis.simplify.subject import Subject

SHORT, FEW = 130, 2


def verdict_of(s: Subject) -> str:
    """One sentence that decides."""
    harmful, noise = s.with_verdict("harmful"), s.with_verdict("noise")
    kept, undecided = s.with_verdict("stays", "collapse", "small"), s.undecided
    collapse = s.with_verdict("collapse")
    gap = f"; keep {names(collapse, 2)}" if collapse else ""
    if s.enough is not None and s.gain:
        effect = s.enough.ablation.effect if s.enough.ablation else 0.0
        gap += f"; {name(s.enough)} alone ({signed(effect or 0.0)}) is all of the claimed gain of {number(abs(s.gain))}"
    blind = s.with_verdict("blind")
    gap += f"; {metric_of(s)} cannot judge {names(blind, 2)}" if blind else ""
    gap += f"; {len(undecided)} of {s.removable} parts are undecided" if undecided and not blind else ""
    chance = luck(s)
    if chance is not None and chance > LIKELY and s.gain:
        tried = s.context.tuned or s.context.best_of or 0
        rest = f"; {name(s.order[0])} goes first" if s.order else ""
        return f"The gain of {number(abs(s.gain))} is not shown: the best of {tried:,} leads by as much by chance with probability {number(chance)}{rest}."
    if s.base is not None and s.full is not None and s.gain is not None and s.gain < 0 and s.context.claim is None:
        ratio = f" = {number(-s.gain / s.noise.deviation)} s" if s.noise else ""
        return f"The baseline as given is better than the full method by {number(-s.gain)}{ratio}: make both equal in data, schedule and tuning before any removal."
    if harmful:
        a = harmful[0].ablation
        amount = f" by {number(abs(a.effect))}" if a and a.effect is not None else ""
        return f"Remove {names(harmful, 2)}: the score is better without it{amount}{gap}."
    if noise:
        verb = "the effect is" if len(noise) == 1 else "their effects are"
        reach = not_excluded(s, noise)
        lead = "Remove" if reach is None else "Try first without"
        open_end = f", though up to {number(reach)} is not excluded" if reach is not None else ""
        return f"{lead} {names(noise, 3)}: {verb} below the seed noise ({threshold(s)}){open_end}{gap}."
    if not s.removable:
        return "There is nothing to remove: only the base of a method was read, so the baseline is the question."
    if little(s):
        return f"There is little to remove: {names(list(s.order), 2)} on a plain base; whether it beats the tuned baseline is the question."
    if not s.ablations and s.undirected:
        return f"Cannot tell: {s.undirected} scores are named after parts and do not say whether each was added or taken out."
    if not s.ablations:
        what = (
            f"none of the {s.removable} removable parts has an ablation"
            if s.removable > 1
            else f"{name(s.judged[0])} has no ablation"
        )
        return f"Nothing shows what is needed: {what}; test {name(s.order[0])} first."
    read = [j for j in s.judged if j.verdict == "open"]
    if kept and undecided:
        return f"Keep {names(kept, 3)}; {name(undecided[0])} is the first to test{gap.removeprefix(f'; keep {names(collapse, 2)}') if collapse else gap}."
    if kept:
        return f"Stop removing: {names(kept, 4)} {'is' if len(kept) == 1 else 'are'} load-bearing; what is left is the baseline and the slope."
    if read:
        reason = next((j.ablation.reason for j in read if j.ablation and j.ablation.reason), "too few seeds")
        reason = reason if s.trains else "single scores, not paired"
        none = sum(j.verdict == "none" for j in s.judged)
        rest = f", and {none} more {'has' if none == 1 else 'have'} no ablation" if none else ""
        rest += _within_cases(s)
        return f"Nothing is decided: {len(read)} part{'s have' if len(read) > 1 else ' has'} an ablation that cannot be read ({reason}){rest}."
    return f"Nothing is decided: no part was removed alone with a score; test {name(s.order[0])} first."


def _within_cases(s: Subject) -> str:
    """The gain in standard errors of the test set, where it is below two of them."""
    errors = errors_of(s, s.gain) if s.noise is None and s.gain else None
    if errors is None or not s.gain or abs(s.gain) >= 2 * errors.unpaired:
        return ""
    return f"; the whole gain of {number(abs(s.gain))} is {number(abs(s.gain) / errors.unpaired)} standard errors of the test set (unpaired)"


def little(s: Subject) -> bool:
    """Whether nothing but a cost-free habit or two stands on the base, and nothing was measured."""
    return not s.ablations and 0 < s.removable <= FEW and all(j.part.cost == 0 for j in s.judged)


def key_numbers(s: Subject, ids: dict[str, str]) -> list[str]:
    """Up to three facts for the head, with their ids."""
    lines: list[str] = []
    if s.removable:
        none = sum(j.verdict == "none" for j in s.judged)
        count = len(s.inventory.knobs)
        knobs = f", {count} knob{'s' * (count > 1)}" if count else ""
        lines.append(
            f"{s.removable} removable part{'s' * (s.removable > 1)}{knobs}; {none} without any ablation [{ids['inventory']}, {ids['coverage']}]"
        )
    known = {f.id: f for f in s.facts.items}
    first = next((ids[k] for j in s.order if (k := f"effect:{j.part.key}") in ids), None)
    wanted = [first, *(ids.get(k) for k in ("luck", "seeds", "given", "test", "sweep", "plan", "knobs"))]
    for fact in dict.fromkeys(w for w in wanted if w):
        lines.append(f"{_short(known[fact].statement)} [{fact}]")
    return lines[:3]


def _short(statement: str) -> str:
    """The first clauses of a fact, for the head of the scaffold."""
    clauses = statement.split("; ")
    kept = clauses[0]
    for clause in clauses[1:]:
        if len(kept) + len(clause) > SHORT:
            break
        kept += f"; {clause}"
    return kept


def first_change(s: Subject) -> str:
    """The one change to make first."""
    if not s.order:
        base = s.baseline.baseline if s.baseline else "the boring baseline"
        return f"Score the boring baseline at equal tuning: {base}."
    first = s.order[0]
    if first.verdict == "harmful":
        return f"Take {name(first)} out and re-measure the rest; it comes back only for a {loss_of(s)} above {threshold(s)}."
    if first.verdict == "noise":
        a = first.ablation
        had = (
            min((a.with_score.seeds or 1, a.without_score.seeds or 1)) if a and a.with_score and a.without_score else 1
        )
        if had >= seeds_needed(2):
            return f"Take {name(first)} out: the {had} seeds per arm already see 2 s. Re-measure the rest with it gone; it comes back only for a {loss_of(s)} above {threshold(s)}."
        guard = f" Watch {meter(first)}." if first.part.known and first.part.known.meter else ""
        return f"Take {name(first)} out, {seeds_needed(2)} seeds per arm; it comes back only for a {loss_of(s)} above {threshold(s)}, then re-measure the rest.{guard}"
    if first.verdict == "small":
        return f"Weigh {name(first)} against its cost: its effect is real but below {threshold(s)}; drop it if it has a knob of its own."
    watched = "" if first.part.known is None else f" Watch {meter(first)}."
    if little(s) and s.baseline:
        return (
            f"Tune the plain base with as many trials as any addition gets; it is the baseline: {s.baseline.baseline}."
        )
    if not s.trains:
        free = first.part.known.free if first.part.known else ""
        how = f"{free} ({name(first)})" if free else f"the pipeline without {name(first)}"
        return f"Run the same cases and count pairs: {how}; it stays only if b - c > 2·sqrt(b + c), where b and c are the cases that only one of the two gets right."
    free = next((j for j in s.undecided if j.part.known and j.part.known.free and j.part.known.cost > 0), None)
    if free is not None and free.part.known is not None and free is not first:
        return f"Today, without a training run: {free.part.known.free} ({name(free)}). Then train without {name(first)}, the same seeds and budget; it stays only for a {loss_of(s)} above {threshold(s)}."
    known = first.part.known
    if known is not None and known.free:
        return f"Test {name(first)} today without a training run: {known.free}; it stays only for a {loss_of(s)} above {threshold(s)}."
    several = " (first with 3 seeds of the full method, to have s)" if s.noise is None else ""
    return f"Train without {name(first)}, everything else equal{several}; it stays only for a {loss_of(s)} above {threshold(s)}.{watched}"


def measure(s: Subject) -> str:
    """The measurement that decides."""
    if not s.order:
        return "The tuned baseline and the method with 3 seeds each: a gap below 2 s is none."
    first = s.order[0]
    seeds = seeds_needed(2)
    if not s.trains:
        return f"Paired on the same cases: full pipeline and without {name(first)}; b - c against 2·sqrt(b + c)."
    if s.noise is None:
        return f"3 seeds of the full method give s; then {seeds} seeds with and without {name(first)}: it stays if the mean {loss_of(s)} exceeds 2 s."
    return f"{seeds} seeds with and without {name(first)}, the same seeds in both arms: it stays if the mean {loss_of(s)} exceeds {threshold(s)}."
