"""How many independent samples there are, and what a split must hold apart."""

from __future__ import annotations

import math

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.principles import SCIENCE
from kaiming_mcp.diagnosis.science.counts import MANY_SETTINGS, Count
from kaiming_mcp.diagnosis.science.design import check_design, independent_steps
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.diagnosis.science.statistics import Size, effective_size, half_interval, share_error
from kaiming_mcp.diagnosis.science.tables import Table

SHOWN_ICC = (0.1, 0.5)
"""Intraclass correlations at which the effective size is shown where none is given."""
FEW_GROUPS = 12
TEST_SHARE = 0.2
SAME_SPAN = 0.05
"""Relative distance at which a count of rows is that of the steps of the span."""


def check_samples(s: Statement, table: Table | None, seen: frozenset[str], notes: Notes) -> None:
    """Groups and splits, prevalence, variables against samples, autocorrelation; `seen` words belong to a known fault."""
    _groups(s, table, not any(w in s.random_split or s.random_split in w for w in seen), notes)
    check_design(s, notes)


def independent(s: Statement, table: Table | None) -> Size | None:
    """Independent samples that a reported score rests on: the test set where its size is given, else everything."""
    icc = s.icc if s.icc is not None else table.clustered.icc if table and table.clustered else None
    test = sorted(s.sample.test, key=lambda c: -c.number)
    items, groups = s.sample.items, s.sample.inner
    if test:
        most, fewest = test[0].number, test[-1].number
    elif items is not None and items.noun.rows and groups is None:
        # Rows inside a session or a catchment were not counted: the error of a score over them is unknown.
        return None
    elif items is not None:
        share = s.test_share or 1.0
        most = items.number * share
        fewest = max(groups.number * share, 1.0) if groups else most
    else:
        steps = independent_steps(s)
        if steps is None and s.span is None and groups is not None and len(s.sample.groups) == 1:
            # "1,430 sites" and no finer row: they are what was scored.
            return Size(groups.number, groups.number, groups.number)
        return Size(steps[0], steps[1], steps[1]) if steps else None
    steps = independent_steps(s)
    if steps is not None and groups is None and not test and abs(steps[0] / most - 1) < SAME_SPAN:
        return Size(most, min(steps[1], most))
    known = effective_size(most, fewest, icc) if icc is not None else most if most == fewest else None
    return Size(most, fewest, known)


def _named(c: Count) -> str:
    return f"{c.number:,.0f} {c.one if c.number == 1 else c.many}"


def _groups(s: Statement, table: Table | None, unsaid: bool, notes: Notes) -> None:
    items, inner = s.sample.items, s.sample.inner
    if table and table.clustered:
        _clustered(table, notes)
    counted = [c for c in (items, *s.sample.groups) if c]
    if not counted:
        if unsaid and s.random_split and not s.grouped_split and s.recognised.subject:
            _unnamed_split(s, notes)
        return
    read = notes.facts.add(
        "counted in the text: " + ", ".join(_named(c) for c in counted), "read", counted[0].number, counted[0].many
    )
    if inner and items:
        _split(s, items, inner, read, notes)
    elif unsaid and s.random_split and not s.grouped_split and s.recognised.subject:
        _unnamed_split(s, notes)
    _context(s, notes)
    outer = s.sample.outer or (items if items and items.noun.kind == "replica" else None)
    if outer and outer.number <= FEW_GROUPS:
        _few(outer, notes)


def _split(s: Statement, items: Count, inner: Count, read: str, notes: Notes) -> None:
    size = items.number / inner.number
    if size < 1.05:
        return
    shown = SHOWN_ICC if s.icc is None else (s.icc,)
    sizes = [effective_size(items.number, inner.number, icc) for icc in shown]
    at = ", ".join(f"{n:,.0f} at ICC {icc:g}" for n, icc in zip(sizes, shown, strict=True))
    effective = notes.facts.add(
        f"independent samples: between {inner.number:,.0f} ({items.many} of one {inner.one} alike) and {items.number:,.0f}; {at}",
        "computed",
        sizes[-1],
        inner.many,
        "n / (1 + (m - 1) ICC)",
    )
    notes.key(60, effective)
    held = s.test_share or TEST_SHARE
    shared = 1 - held ** (size - 1)
    both = notes.facts.add(
        f"a random {100 * (1 - held):.3g}/{100 * held:.3g} split has another {items.one} of the same {inner.one} in training for {shared:.1%} of the test {items.many}",
        "computed",
        shared,
        "share",
        f"1 - {held:g}^(m - 1), m = {size:.3g}",
    )
    notes.shared = both
    outer = s.sample.outer
    wider = f", and hold out whole {outer.many} for any claim about new ones" if outer and outer is not inner else ""
    if s.grouped_split and not s.random_split:
        notes.facts.add(f"the split is said to be grouped ({s.grouped_split!r})", "stated")
        return
    sure = bool(s.random_split)
    notes.drafts.append(
        Draft(
            "high" if sure else "medium",
            SCIENCE,
            f"The {items.one} is the row, the {inner.one} is the sample",
            (read, both, effective),
            f"split by {inner.one}{wider}; bootstrap every error over {inner.many}",
            f"random against {inner.one}-grouped folds, 3 seeds; a gap above 2 seed standard deviations is leakage",
            f"standard errors grow by up to {math.sqrt(items.number / inner.number):.2g}",
            weight=6,
            limit="Dependent samples",
        )
    )
    start = "The random split is void as evidence" if sure else f"Split by {inner.one} before anything else"
    notes.verdict(
        50 if sure else 35,
        f"{start}: the {items.number:,.0f} {items.many} are {inner.number:,.0f} {inner.many}, and a new {inner.one} is what counts.",
        read,
    )


def _context(s: Statement, notes: Notes) -> None:
    """What a classifier of the setting (site, survey, instrument) scores by chance, and what shows a signature."""
    rows, setting = s.sample.items, s.sample.outer
    if (
        setting is None
        or setting.noun.kind != "context"
        or setting.noun.set
        or not 2 <= setting.number <= MANY_SETTINGS
    ):
        return
    if any(x.role in {"leak", "grouped"} for x in s.scores):
        return
    units = s.sample.inner or rows
    chance = 1 / setting.number
    text = f"a classifier of the {setting.one} scores 1/{setting.number:,.0f} = {chance:.3g} by chance (equal sizes)"
    sign = f"clearly above {chance:.3g}"
    if units is not None:
        above = chance + 2 * share_error(chance, max(units.number, 2.0))
        text += f"; above {above:.3g} the {units.number:,.0f} {units.many} carry its signature"
        sign = f"above {above:.3g} (chance {chance:.3g})"
    fact = notes.key(38, notes.facts.add(text, "computed", chance, "accuracy", "1/k + 2 sqrt(p (1 - p) / n)"))
    notes.drafts.append(
        Draft(
            "medium",
            SCIENCE,
            f"The {setting.one} may be read from the inputs",
            (fact,),
            f"train a small classifier of the {setting.one} before any model; for comparison, three image data sets were told apart with 84.7 % at "
            "chance 33 % (liu-2024-dataset-bias)",
            f"its accuracy on held-out {units.many if units else 'samples'}: a signature is {sign}",
            weight=3,
        )
    )
    come = f"{rows.number:,.0f} {rows.many} come" if rows else "the data come"
    notes.verdict(
        31,
        f"Look for a signature of the {setting.one} before any model: {come} from {setting.number:,.0f} {setting.many}; a classifier {sign} "
        "makes random folds void.",
        fact,
    )


def _few(outer: Count, notes: Notes) -> None:
    k = int(outer.number)
    if k == 1:
        fact = notes.facts.add(
            f"1 {outer.one}: no spread between {outer.many} can be estimated; the claim holds for this one", "computed"
        )
    else:
        half = half_interval(1.0, k)
        fact = notes.facts.add(
            f"{k} {outer.many}: the 95 % interval of a mean over new {outer.many} is ±{half:.3g} standard deviations between them",
            "computed",
            half,
            "standard deviations",
            "t / sqrt(k)",
        )
        notes.key(25, fact)
    notes.drafts.append(
        Draft(
            "medium" if k <= 5 else "low",
            SCIENCE,
            f"A claim about new {outer.many} rests on {k}",
            (fact,),
            f"report the score of each held-out {outer.one} in turn, not only the pooled one"
            if k > 1
            else f"get a second {outer.one} for the test; until then test on its last part, with a gap of several correlation times",
            f"spread of the {k} scores against the error inside one; more {outer.many}, not more rows, narrow it"
            if k > 1
            else f"a second {outer.one}",
            weight=2,
        )
    )


def _clustered(table: Table, notes: Notes) -> None:
    c = table.clustered
    if c is None:
        return
    fact = notes.facts.add(
        f"column {c.column!r} by {c.group!r}: ICC {c.icc:.3g} over {c.groups} groups, so {c.items:,} rows are worth {c.effective:,.0f}",
        "measured",
        c.effective,
        "independent rows",
        "one-way analysis of variance; n / (1 + (m - 1) ICC)",
    )
    notes.key(75, fact)
    if c.icc > 0.05:
        notes.drafts.append(
            Draft(
                "high" if c.effective < c.items / 2 else "medium",
                SCIENCE,
                f"Rows of one {c.group} are alike",
                (fact,),
                f"fold by {c.group}, and take errors over its {c.groups} values",
                f"error bars bootstrapped over {c.group} against over rows; their ratio should be {math.sqrt(c.items / c.effective):.2g}",
                f"standard errors grow by {math.sqrt(c.items / c.effective):.2g}",
                weight=7,
                limit="Dependent samples",
            )
        )
        notes.verdict(
            55,
            f"Fold by {c.group}: the {c.items:,} rows are worth {c.effective:,.0f} independent ones (ICC {c.icc:.2g}, measured).",
            fact,
        )


def _unnamed_split(s: Statement, notes: Notes) -> None:
    subject = s.recognised.subject
    if subject is None:
        return
    said = notes.facts.add(f"the split is said to be random ({s.random_split!r})", "stated")
    notes.drafts.append(
        Draft(
            "high",
            SCIENCE,
            "A random split is named where groups leak",
            (said,),
            f"split {subject.split}",
            "score by both splits, 3 seeds; a gap above 2 seed standard deviations is leakage",
            weight=3,
            limit="Dependent samples",
        )
    )
    notes.verdict(
        34, f"The random split decides nothing here: what leaks is {subject.groups}; split {subject.split}.", said
    )
