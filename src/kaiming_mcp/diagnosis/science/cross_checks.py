"""Numbers of a log that check each other: a loss at ln n, a mean with the spread of its folds, an error in total and per atom."""

from __future__ import annotations

import math
import re

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.principles import SCIENCE
from kaiming_mcp.diagnosis.science.counts import Count
from kaiming_mcp.diagnosis.science.metrics import ERRORS
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.plain import NUMBER
from kaiming_mcp.diagnosis.science.scores import Score
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.scaffold import number

APART = 3.0
"""Times that a training error exceeds that of the test where they are not of one kind."""
NEAR = 0.01
"""Relative distance at which two numbers are taken for one: three digits of a log."""
_LOSS = re.compile(
    rf"\b(?:contrastive |info-?nce |cross-?entropy |clip |training |train |validation )*loss\b[^.;\n\d]{{0,40}}?({NUMBER})"
)
_BATCH = re.compile(rf"\bbatch(?:[ -]?size)?\s?(?:of|=|:|is)?\s?({NUMBER})")
_CONTRASTIVE = re.compile(r"contrastive|info-?nce|\bclip\b|ntxent|nt-xent|in-batch")
_MEAN_STD = re.compile(
    rf"\b(?:mean|average)\s?(?:accuracy|score|auc|of)?\s?(?:is|=|:|of)?\s?({NUMBER})\s?(%)?[\s,;(and]{{0,6}}"
    rf"(?:std|s\.d\.|sd|standard deviation)\s?(?:of|=|:)?\s?({NUMBER})\s?(%)?"
)
_ON_GRID = re.compile(
    rf"({NUMBER})(?:[^.;\n\d]|\^\d){{0,20}} at (\d{{2,5}}x\d{{2,5}})\b|\b(?:to|at|on) (\d{{2,5}}x\d{{2,5}})\b[^.;,\n\d]{{0,40}}?({NUMBER})"
)
_ATOMS = re.compile(rf"({NUMBER}) atoms\b")


def cross_checks(s: Statement, notes: Notes) -> None:
    """All of them."""
    _guessing(s, notes)
    _folds(s, notes)
    _per_atom(s, notes)
    _fitted(s, notes)
    _grids(s, notes)


def _guessing(s: Statement, notes: Notes) -> None:
    """A cross-entropy at ln n has not left the uniform guess: n in a batch for a contrastive loss, else the classes."""
    loss, batch = _LOSS.search(s.text), _BATCH.search(s.text)
    if loss is None:
        return
    contrastive = _CONTRASTIVE.search(s.text) is not None
    n = float(batch[1]) if contrastive and batch else float(s.classes) if s.classes and not contrastive else 0.0
    value = float(loss[1])
    if n < 2 or value <= 0 or abs(value / math.log(n) - 1) > NEAR:
        return
    of = f"{n:,.0f} in a batch" if contrastive else f"{n:,.0f} classes"
    fact = notes.facts.add(
        f"loss {number(value)} is ln {n:,.0f} = {math.log(n):.4g}: the guess 1/{n:,.0f} among {of}",
        "computed",
        math.log(n),
        "nats",
        "cross-entropy of a uniform guess",
    )
    notes.key(92, fact)
    notes.verdict(
        82,
        f"Nothing was learned by this loss: {number(value)} is the guess among {of}; whatever the score shows comes from elsewhere.",
        fact,
    )
    notes.drafts.append(
        Draft(
            "high",
            SCIENCE,
            "The loss is that of a guess",
            (fact,),
            "find where the score comes from (retrieval of near-copies, a mean profile) before trusting it, and make the loss fall on 100 fixed samples",
            f"the loss must fall well below {math.log(n):.3g} on the training set; the score of the untrained model on the same split is its true zero",
            weight=10,
        )
    )


def fold_error(s: Statement) -> tuple[float, float, float, Count] | None:
    """(mean, standard deviation between folds, standard error of the mean, the units that are independent)."""
    found = _MEAN_STD.search(s.text)
    units = s.sample.inner or s.sample.items
    if found is None or units is None or units.number < 2:
        return None
    scale = 100.0 if found[2] or found[4] else 1.0
    mean, spread = float(found[1]) / scale, float(found[3]) / scale
    return (mean, spread, spread / math.sqrt(units.number), units) if 0 < spread < abs(mean) else None


def _folds(s: Statement, notes: Notes) -> None:
    """A standard deviation between folds is the error of one fold; the mean's is smaller by the root of the units."""
    found = fold_error(s)
    if found is None:
        return
    mean, spread, error, units = found
    fact = notes.facts.add(
        f"mean {number(mean)}, standard deviation {number(spread)}: the mean is known to ± {number(error)} over {units.number:,.0f} {units.many}, "
        f"95 % interval {number(mean - 2 * error)} to {number(mean + 2 * error)}",
        "computed",
        error,
        "standard error",
        "s / sqrt(k); folds of one unit are not independent",
    )
    notes.key(72, fact)


def _fitted(s: Statement, notes: Notes) -> None:
    """A training error far above that of the test: the two sets are of different kinds."""
    for fit in (x for x in s.scores if x.role == "fit" and x.metric in ERRORS and x.value > 0):
        test = next(
            (x for x in s.scores if x.role in {"claimed", "random", "grouped"} and x.metric == fit.metric), None
        )
        if test is None or test.value <= 0 or fit.value < APART * test.value or fit.unit != test.unit:
            continue
        by = fit.value / test.value
        fact = notes.facts.add(
            f"training error {number(fit.value)} is {number(by)} times that of the test ({number(test.value)}): if a share p of the training rows holds it, their error is {number(fit.value)} / sqrt(p)",
            "computed",
            by,
            "x",
            "squared errors add",
        )
        notes.key(80, fact)
        notes.verdict(
            62,
            f"Training and test are not of one kind: the training error is {number(by)} times the other, so a few rows hold nearly all of it.",
            fact,
        )
        notes.drafts.append(
            Draft(
                "high",
                SCIENCE,
                "A few training rows hold the error",
                (fact,),
                "list the ten rows with the largest errors and their labels (units, an unconverged calculation, atoms that overlap); cap or drop what the model will never "
                "meet, and put rows of every kind into validation and test",
                "error per kind of row, not pooled; the median beside the root mean square",
                weight=9,
            )
        )
        return


def _grids(s: Statement, notes: Notes) -> None:
    """Errors of one metric on two grids: the share of the squared error that lies in the scales between them."""
    told = {(m[2] or m[3]): float(m[1] or m[4]) for m in _ON_GRID.finditer(s.text)}
    if len(told) < 2 or not any(x.metric in {"rmse", "mae"} for x in s.scores):
        return
    (low, coarse), (high, fine) = sorted(told.items(), key=lambda pair: _points(pair[0]))[:: len(told) - 1]
    if not 0 < coarse < fine:
        return
    share = 1 - (coarse / fine) ** 2
    fact = notes.facts.add(
        f"{number(fine)} at {high} and {number(coarse)} at {low}: {share:.1%} of the squared error lies in the scales that the coarser grid averages away",
        "computed",
        share,
        "share",
        "1 - (coarse / fine)², if both are one forecast",
    )
    notes.key(80, fact)
    notes.verdict(
        60,
        f"Scores at two resolutions are two scores: {share:.1%} of the squared error is averaged away at {low}.",
        fact,
    )
    notes.drafts.append(
        Draft(
            "medium",
            SCIENCE,
            "Scores at two resolutions are two scores",
            (fact,),
            "average forecast and truth to the coarsest grid before either is scored; no model became better by it",
            "one forecast scored on both grids, beside persistence and climatology on both: skill against those moves far less",
            weight=8,
        )
    )


def _points(grid: str) -> int:
    """Cells of "240x121"."""
    return math.prod(int(n) for n in grid.split("x"))


def per_atom(s: Statement) -> tuple[Score, Score] | None:
    """(error in total, the same per atom): two errors whose ratio is a number of atoms that the text names."""
    sizes = {float(n) for n in _ATOMS.findall(s.text)}
    errors = [x for x in s.scores if x.metric in ERRORS and x.value > 0]
    pairs = ((total, each) for total in errors for each in errors if total.value > 2 * each.value)
    return next((p for p in pairs if any(abs(p[0].value / p[1].value / n - 1) < NEAR for n in sizes if n)), None)


def _per_atom(s: Statement, notes: Notes) -> None:
    pair = per_atom(s)
    if pair is None:
        return
    total, each = (number(x.value) for x in pair)
    n = pair[0].value / pair[1].value
    fact = notes.facts.add(
        f"{total} / {each} = {n:.3g} atoms: one error, in total and per atom",
        "computed",
        n,
        "atoms",
        "error in total / number of atoms",
    )
    notes.key(86, fact)
    notes.verdict(
        56,
        f"The two errors are one: {total} in total is {each} for each of {n:.3g} atoms; compare only per atom.",
        fact,
    )
    notes.drafts.append(
        Draft(
            "medium",
            SCIENCE,
            "One error is written in two units",
            (fact,),
            "compare only per atom, and over the same frames; what a log prints for one batch scatters about that",
            "the total over the value per atom is N in each system; the mean over all batches of an epoch against the value over the whole set",
            weight=6,
        )
    )
