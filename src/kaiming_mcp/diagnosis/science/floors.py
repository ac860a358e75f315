"""A claimed error held against the noise of the labels: stated, measured by repeats, or typical of the subject."""

from __future__ import annotations

import math
import re

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.principles import SCIENCE
from kaiming_mcp.diagnosis.science.metrics import BOUNDED, ERRORS, written
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.scores import Score
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.diagnosis.science.subjects import Floor
from kaiming_mcp.diagnosis.science.tables import Table
from kaiming_mcp.diagnosis.science.units import Unit, parse_unit, ratio
from kaiming_mcp.knowledge import pattern
from kaiming_mcp.scaffold import number

AT_FLOOR = 1.1
"""Within 10 % of the noise more model buys nothing (rule of thumb of the principle)."""
MAE_OF_NOISE = math.sqrt(2 / math.pi)
"""Mean absolute value of Gaussian noise of standard deviation 1."""
_DIFFER = re.compile(r"\bdiffer|difference|disagree|between (?:two|2)\b|duplicate")


def check_floors(s: Statement, claims: list[Score], table: Table | None, notes: Notes) -> None:
    """The noise that the text states, else the typical one of the subject; ceilings; repeats in a table."""
    noise = next((x for x in s.scores if x.role == "noise"), None)
    if noise is not None:
        _floor(s, noise, notes)
    else:
        for claimed in {x.metric: x for x in reversed(claims)}.values():
            _typical_floor(s, claimed, notes)
    _ceiling(s, noise, notes)
    if table and table.repeated:
        _repeated(s, table, notes)


def shown(x: Score) -> str:
    """A score with its metric and unit."""
    root = f" (root of MSE {number(x.square)})" if x.square is not None else ""
    return f"{written(x.metric)} {number(x.value)}{f' {x.unit.text}' if x.unit else ''}{root}"


def scaled_to(other: Score, to: Score) -> float | None:
    """The other score in the unit of `to`; None where they cannot be compared."""
    if other.metric in BOUNDED or (other.unit is None and to.unit is None):
        return other.value
    if other.unit is None or to.unit is None:
        known = other.unit or to.unit
        # A number without a unit is taken to be in that of the other, but a per cent is relative to something unsaid.
        return None if known is not None and known.text == "%" else other.value
    factor = ratio(1.0, other.unit, 1.0, to.unit)
    return None if factor is None else other.value * factor


def _floor(s: Statement, noise: Score, notes: Notes) -> None:
    if noise.metric in BOUNDED:
        _agreement(s, noise, notes)
        return
    claimed = next(
        (x for role in ("grouped", "claimed", "random") for x in s.scores if x.role == role and x.metric in ERRORS),
        None,
    )
    if claimed is None:
        return
    scaled = scaled_to(noise, claimed)
    if scaled is None or scaled <= 0:
        if noise.unit and claimed.unit:
            notes.facts.add(
                f"{shown(claimed)} and a noise in {noise.unit.text} cannot be compared: different dimensions",
                "computed",
            )
        return
    differ = bool(_DIFFER.search(noise.said))
    sigma = scaled / math.sqrt(2) if differ else scaled
    floor = sigma * (MAE_OF_NOISE if claimed.metric == "mae" else 1.0)
    over = claimed.value / floor
    unit = f" {claimed.unit.text}" if claimed.unit else ""
    text = f"noise of the labels σ = {number(sigma)}{unit}" + (" (difference of two / √2)" if differ else "")
    text += f"; a perfect model would show {written(claimed.metric)} {number(floor)}{unit}; the claim is {over:.3g} times that"
    if over >= 1:
        text += f", so noise is {1 / over**2:.0%} of its squared error" if claimed.metric != "mae" else ""
    fact = notes.key(
        80,
        notes.facts.add(text, "computed", over, "x floor", "σ² = ½ E[d²]" if differ else "RMSE >= σ; MAE >= 0.798 σ"),
    )
    _judge_floor(over, shown(claimed), fact, notes)


def _judge_floor(over: float, shown: str, fact: str, notes: Notes) -> None:
    if over < 0.98:
        notes.verdict(
            76,
            f"{shown} lies below the noise of the labels ({over:.2g} times): find the leak or the wrong noise before using it.",
            fact,
        )
        draft = Draft(
            "high",
            SCIENCE,
            "The error is below the noise of the labels",
            (fact,),
            "look for copies of test labels in training, smoothed or averaged labels, or a noise estimate from another range",
            "error on freshly repeated measurements of test items; it cannot be below σ",
            weight=9,
            limit="At the error floor",
        )
    elif over < AT_FLOOR:
        notes.verdict(
            58,
            f"{shown} is at the noise of the labels ({over:.3g} times): more model buys nothing, better measurements do.",
            fact,
        )
        draft = Draft(
            "medium",
            SCIENCE,
            "The error is at the noise of the labels",
            (fact,),
            "stop at the simplest model that reaches this; average repeated measurements of the test items instead",
            "error against the mean of k repeats; it falls as the noise does if the model is good",
            weight=6,
            limit="At the error floor",
        )
    else:
        draft = Draft(
            "note",
            SCIENCE,
            "There is room above the noise",
            (fact,),
            "spend it on grouped data first, then on the model",
            "learning curve over groups (1/4, 1/2, all): does the error still fall?",
            f"at best {1 - 1 / over:.0%} lower error",
            limit="At the error floor",
        )
    notes.drafts.append(draft)


def _agreement(s: Statement, noise: Score, notes: Notes) -> None:
    claimed = next(
        (x for x in s.scores if x.role in {"grouped", "claimed", "random"} and x.metric == noise.metric), None
    )
    if claimed is None:
        return
    over = claimed.value - noise.value
    fact = notes.facts.add(
        f"{shown(claimed)} against {noise.value:.3g} between readers or repeats: {over:+.3g}",
        "computed",
        over,
        claimed.metric,
    )
    notes.key(80, fact)
    if over > 0:
        notes.verdict(
            57,
            f"The model agrees with its labels better than readers with each other ({claimed.value:.3g} over {noise.value:.3g}): it has learned one reader.",
            fact,
        )
        notes.drafts.append(
            Draft(
                "medium",
                SCIENCE,
                "The score is above the agreement of readers",
                (fact,),
                "score against a second reader, and against the consensus of at least three",
                f"agreement with the second reader; above {noise.value:.3g} only then is it better than a reader",
                weight=6,
                limit="Translation can erase meaning",
            )
        )


def _typical_floor(s: Statement, claimed: Score, notes: Notes) -> None:
    """The subject's typical noise, where its unit can be compared with that of the claim."""
    subject = s.recognised.subject
    if subject is None or claimed.metric not in ERRORS:
        return
    measured = claimed.unit or Unit("1", 1.0, ())
    for floor in subject.floors:
        unit = parse_unit(floor.unit)
        low = ratio(floor.low, unit, 1.0, measured) if unit else None
        if unit is None or low is None or low <= 0 or not _same_kind(floor, measured):
            continue
        if (not unit.dims and floor.unit != measured.text) or not of_one_quantity(floor, s):
            continue
        high = low * floor.high / floor.low
        fact = notes.facts.add(
            f"{shown(claimed)} is {number(claimed.value / high)} to {number(claimed.value / low)} times the typical {floor.what} "
            f"({number(low)} to {number(high)}{f' {claimed.unit.text}' if claimed.unit else ''})",
            "computed",
            claimed.value / high,
            "x floor",
            "rule of thumb of the field; repeat a measurement to replace it",
        )
        notes.key(55, fact)
        _judge_typical(floor, claimed, low, high, fact, notes)
        return


def of_one_quantity(floor: Floor, s: Statement) -> bool:
    """Whether the text speaks of the floor's quantity and of no other that shares its unit."""
    named = bool(floor.of) and pattern(floor.of).search(s.text) is not None
    return named and not (floor.unless and pattern(floor.unless).search(s.text))


def _same_kind(floor: Floor, unit: Unit) -> bool:
    """A floor per atom holds for errors per atom only, and a whole one for whole energies."""
    per_atom = "per atom" in floor.what or "formation energy" in floor.what
    return per_atom == ("atom" in unit.powers) or not unit.powers or floor.unit in {"K", "m", "log10", "Å", "mmHg", "s"}


def _judge_typical(floor: Floor, claimed: Score, low: float, high: float, fact: str, notes: Notes) -> None:
    if floor.about == "truth" and claimed.value < high:
        notes.drafts.append(
            Draft(
                "medium",
                SCIENCE,
                "The error measures agreement with the reference method, not with nature",
                (fact,),
                "say so in the claim, and test on measured values; more fitting cannot remove the error of the reference",
                "error against experiment on 50 cases, beside that of the reference method itself",
                weight=5,
                limit="At the error floor",
            )
        )
    elif floor.about == "label" and claimed.value < low:
        notes.verdict(
            44,
            f"{shown(claimed)} is below the usual {floor.what}: look for duplicates or a single source of labels first.",
            fact,
        )
        notes.drafts.append(
            Draft(
                "medium",
                SCIENCE,
                f"The error is below the usual {floor.what}",
                (fact,),
                "look for duplicates across the split and for labels from one source; then measure the scatter on this data set",
                "scatter of repeated entries in the data; error on another source",
                weight=5,
                limit="At the error floor",
            )
        )


def _ceiling(s: Statement, noise: Score | None, notes: Notes) -> None:
    """R² cannot exceed 1 - σ²/Var; a correlation cannot exceed the root of the reliability."""
    spread = next((x for x in s.scores if x.role == "spread"), None)
    if noise is not None and spread is not None and spread.value > 0 and noise.metric in ERRORS:
        scaled = scaled_to(noise, spread)
        if scaled is not None and 0 < scaled < spread.value:
            top = 1 - (scaled / spread.value) ** 2
            claimed = next(
                (x for x in s.scores if x.metric == "r2" and x.role in {"claimed", "random", "grouped"}), None
            )
            text = f"R² cannot exceed {top:.3g} (σ {number(scaled)}, spread {number(spread.value)})"
            fact = notes.key(72, notes.facts.add(text, "computed", top, "R²", "1 - σ²/Var[y]"))
            if claimed and claimed.value > top:
                _judge_floor(math.sqrt((1 - claimed.value) / (1 - top)), shown(claimed), fact, notes)
    subject = s.recognised.subject
    reliability = next((f for f in subject.floors if f.unit == "icc"), None) if subject else None
    if reliability is not None:
        low, high = math.sqrt(reliability.low), math.sqrt(reliability.high)
        notes.facts.add(
            f"{reliability.what} is {reliability.low:g} to {reliability.high:g}, so one edge cannot correlate with anything above "
            f"{low:.2g} to {high:.2g}",
            "assumed",
            high,
            "r",
            "r <= sqrt(reliability); rule of thumb",
        )


def _repeated(s: Statement, table: Table, notes: Notes) -> None:
    r = table.repeated
    if r is None:
        return
    fact = notes.facts.add(
        f"{r.items} items measured twice: σ = {number(r.noise)}, so R² against one of them cannot exceed {r.ceiling:.3g}",
        "measured",
        r.noise,
        "unit of the column",
        "σ² = ½ E[d²]",
    )
    notes.key(82, fact)
    claimed = next(
        (x for x in s.scores if x.role in {"claimed", "grouped", "random"} and x.metric in {"rmse", "mae"}), None
    )
    if claimed:
        floor = r.noise * (MAE_OF_NOISE if claimed.metric == "mae" else 1.0)
        _judge_floor(claimed.value / floor, shown(claimed), fact, notes) if floor > 0 else None
