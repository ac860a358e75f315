"""Is the group read from the inputs, and what is that worth: classifiers of the site, random against grouped scores."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.principles import SCIENCE
from kaiming_mcp.diagnosis.science.counts import plural
from kaiming_mcp.diagnosis.science.errors import SURE, combined, comparable, ends, metric_errors, ranged
from kaiming_mcp.diagnosis.science.measured import Leak
from kaiming_mcp.diagnosis.science.metrics import ERRORS, written
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.diagnosis.science.statistics import Size
from kaiming_mcp.scaffold import Basis, number

SIGNATURE_AUC = 0.6
"""Rule of thumb of the principle: above it the split must be grouped."""
MOSTLY_ALONE = 1.05
"""Rows per thing below which hardly any has a second row to share."""
CHANCE = {"auc": 0.5, "correlation": 0.0, "r2": 0.0, "nse": 0.0, "kappa": 0.0}
"""What a model without skill scores; other metrics depend on the classes."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A score with the group seen in training and on new ones; `also` what else is new where the group is."""

    metric: str
    seen: float
    new: float
    group: str
    unit: str = ""
    also: tuple[str, ...] = ()


def check_leaks(s: Statement, leak: Leak | None, n: Size | None, notes: Notes) -> None:
    """Everything about signatures and gaps; `n` independent samples behind a stated score, None where unknown."""
    if leak is not None:
        _probe(leak, notes)
    else:
        _stated_signature(s, n, notes)
    if leak is not None and leak.random is not None and leak.grouped is not None:
        _gap(
            Gap(leak.metric or "score", leak.random, leak.grouped, leak.group),
            (leak.gap_error, leak.gap_error) if leak.gap_error else None,
            None,
            "measured",
            _chance(s, leak.metric),
            notes,
        )
    else:
        _stated_gap(s, n, notes)


def _probe(leak: Leak, notes: Notes) -> None:
    if leak.auc is not None and leak.auc_error:
        z = (leak.auc - 0.5) / leak.auc_error
        text = f"AUC {leak.auc:.3g} ± {leak.auc_error:.2g} for the {leak.group} from the inputs ({leak.groups} groups, {leak.samples:,} samples)"
        if leak.accuracy is not None and leak.chance is not None:
            text += f"; accuracy {leak.accuracy:.3g}, largest group {leak.chance:.3g}"
        seen = leak.auc > SIGNATURE_AUC and z > SURE
        fact = notes.facts.add(text, "measured", leak.auc, "AUC", "probe leakage")
        _signature(
            leak.group, f"AUC {leak.auc:.3g}, {z:.3g} standard errors above 0.5", seen, fact, leak.explained, notes
        )
    elif leak.accuracy is not None and leak.chance is not None and leak.accuracy_error:
        z = (leak.accuracy - leak.chance) / leak.accuracy_error
        text = f"accuracy {leak.accuracy:.3g} ± {leak.accuracy_error:.2g} for the {leak.group} from the inputs, chance {leak.chance:.3g}"
        fact = notes.facts.add(text, "measured", leak.accuracy, "accuracy", "probe leakage")
        shown = f"accuracy {leak.accuracy:.3g} at chance {leak.chance:.3g}"
        _signature(leak.group, shown, z > 3, fact, leak.explained, notes)


def _stated_signature(s: Statement, n: Size | None, notes: Notes) -> None:
    score = next((x for x in s.scores if x.role == "leak"), None)
    if score is None:
        return
    thing = score.thing or "group"
    count = next((c.number for c in s.sample.groups if c.noun.found(thing)), None)
    stated = next((x.value for x in s.scores if x.role == "chance"), None)
    chance = 0.5 if score.metric == "auc" else stated if stated is not None else 1 / count if count else 0.5
    errors = metric_errors(score, s, n)
    above = score.value - chance
    shown = f"{written(score.metric)} {score.value:.3g} at chance {chance:.3g}"
    sure = above > SURE * errors[1] if errors else above > 0.1
    # The rule of thumb for the AUC, carried over: a fifth of the way from chance to certainty.
    seen = sure and above > 0.2 * (1 - chance)
    source = f"chance: {'1/k' if count and stated is None and score.metric != 'auc' else 'of the metric'}"
    fact = notes.facts.add(
        f"the {thing} is read from the inputs with {shown}", "stated", score.value, score.metric, source
    )
    _signature(thing, shown, seen, fact, None, notes)


def _signature(thing: str, shown: str, seen: bool, fact: str, explained: float | None, notes: Notes) -> None:
    notes.key(90, fact)
    evidence = [fact]
    if explained is not None:
        evidence.append(
            notes.facts.add(
                f"the {thing} explains {explained:.3g} of the variance of the label",
                "measured",
                explained,
                "share",
                "omega squared",
            )
        )
    if not seen:
        notes.verdict(
            40,
            f"No simple signature of the {thing} was found ({shown}): random folds are tolerable as far as a linear classifier sees.",
            fact,
        )
        notes.drafts.append(
            Draft(
                "note",
                SCIENCE,
                f"The {thing} is not seen by this classifier",
                tuple(evidence),
                "keep the grouped split for the final number all the same; it costs nothing",
                "the same with the features of the trained network in place of the inputs; AUC above 0.6 reopens the question",
            )
        )
        return
    helps = (
        f"it explains {explained:.2g} of the label"
        if explained is not None
        else "whether it helps depends on the label rate"
    )
    notes.drafts.append(
        Draft(
            "high",
            SCIENCE,
            f"The inputs give the {thing} away",
            tuple(evidence),
            f"report only folds by {thing}; balance the label inside each {thing}, or remove the signature and measure again",
            f"random against {thing}-grouped score, 3 seeds; and this classifier again after the removal (below AUC {SIGNATURE_AUC})",
            f"the score falls where label rates differ between {plural(thing)}; {helps}",
            weight=9,
            limit="Dependent samples",
        )
    )
    notes.verdict(
        80, f"A random split is void: the inputs give the {thing} away ({shown}); report folds by {thing}.", fact
    )


def _stated_gap(s: Statement, n: Size | None, notes: Notes) -> None:
    grouped = next((x for x in s.scores if x.role == "grouped"), None)
    if grouped is None:
        return
    # A claimed score that the grouped split has too was taken on it.
    same = {(x.metric, x.value) for x in s.scores if x.role == "grouped"}
    others = [x for x in s.scores if x.role == "random" or (x.role == "claimed" and (x.metric, x.value) not in same)]
    seen = next((x for x in others if comparable(x, grouped)), None)
    if seen is None:
        return
    errors = combined(metric_errors(seen, s, n), metric_errors(grouped, s, n))
    things = [c for c in (s.sample.items, *s.sample.groups) if c]
    words = grouped.said.split()
    found = next((c.one for c in reversed(things) if any(c.noun.found(w) for w in words)), "")
    named = re.search(
        r"(?:unseen|new|held-?out|left-?out|other|external|leave-one-)[ -]?([a-z]{4,20}?)s?\b(?:-out)?",
        grouped.said.lower(),
    )
    named = named or re.search(r"\b(?:whole|entire|complete) ([a-z]{4,15}?)s\b", grouped.said.lower())
    named = named or re.search(r"\bby (?:[a-z-]+ )?([a-z]{4,15})\b", grouped.said.lower())
    found = (
        found
        or (named[1] if named else "")
        or ("source" if {"measured", "real", "experimental"} & set(words) else "group")
    )
    _gap(
        Gap(
            grouped.metric,
            seen.value,
            grouped.value,
            found,
            grouped.unit.text if grouped.unit else "",
            _also_seen(s, found),
        ),
        errors,
        n,
        "stated",
        _chance(s, grouped.metric),
        notes,
    )


def _also_seen(s: Statement, group: str) -> tuple[str, ...]:
    """Finer things that a random split shares too: with the group they are new as well, so the gap is theirs in part."""
    coarse = next((c for c in s.sample.groups if c.one == group), None)
    rows = s.sample.items
    if coarse is None or rows is None:
        return ()
    finer = [c for c in s.sample.groups if not c.noun.set and coarse.number < c.number < rows.number / MOSTLY_ALONE]
    return tuple(c.one for c in finer if c.noun.kind == "replica")


def _gap(
    g: Gap,
    errors: tuple[float, float] | None,
    n: Size | None,
    basis: Basis,
    chance: float | None,
    notes: Notes,
) -> None:
    lower, metric, seen, new, group = g.metric in ERRORS, written(g.metric), g.seen, g.new, g.group
    gap = (new - seen) if lower else (seen - new)
    both = f"{group} and the {g.also[0]} together" if g.also else group
    unit = f" {g.unit}" if g.unit else ""
    text = f"{metric} {seen:.3g}{unit} with the {both} seen, {new:.3g}{unit} on new ones: gap {gap:.3g}"
    if errors:
        text += f" ± {ranged(errors)}"
    lost = gap / (seen - chance) if not lower and chance is not None and seen > chance else None
    if lost is not None and gap > 0:
        text += f", {min(lost, 1):.0%} of the skill above chance ({chance:.3g})"
    if lower and seen > 0 and new > 0:
        text += f", {number(new / seen)} times the error"
    text += f"; errors{ends(errors, n)}" if errors and ends(errors, n) else ""
    fact = notes.key(
        95,
        notes.facts.add(text, basis, gap, metric, "difference; errors in quadrature" if errors else "difference"),
    )
    if errors is not None and gap <= SURE * errors[0]:
        notes.verdict(
            60,
            f"The split does not decide here: {metric} {seen:.3g}{unit} against {new:.3g}{unit} on new {plural(group)}, within {SURE:g} standard errors.",
            fact,
        )
        return
    if gap <= 0:
        return
    open_ = errors is None or gap <= SURE * errors[1]
    unknown = f" (its spread over {plural(group)} decides whether that is beyond chance)" if open_ else ""
    notes.verdict(
        90,
        f"The result is {new:.3g}{unit}, not {seen:.3g}{unit}: {gap:.2g} of {metric} is bought by having seen the {both}{unknown}.",
        fact,
    )
    apart = f"; folds by {g.also[0]} with every {group} on both sides tell the two apart" if g.also else ""
    notes.drafts.append(
        Draft(
            "high",
            SCIENCE,
            f"The score does not carry over to a new {group}",
            (fact, notes.shared) if g.also and notes.shared else (fact,),
            f"report {new:.3g}{unit} with its error over {plural(group)}, tune on grouped folds only, and compare every change there{apart}",
            f"the field's baseline on the same grouped split; a model whose lead vanishes there has learned the {group}",
            f"{metric} {new:.3g}{unit} in use",
            weight=10,
            limit="Dependent samples",
        )
    )


def _chance(s: Statement, metric: str) -> float | None:
    if metric in {"accuracy", "balanced accuracy"}:
        return max(s.prevalence, 1 - s.prevalence) if s.prevalence else 1 / s.classes if s.classes else None
    return s.prevalence if metric == "auprc" else CHANCE.get(metric)
