"""Measured gaps of a symmetry, judged by the thresholds of the pattern."""

from __future__ import annotations

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.science.measured import Broken, Symmetry
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.scaffold import number

SYMMETRY = "fundamental-symmetry"
HOLDS, BROKEN = 1e-3, 0.05
"""Thresholds of the pattern (rules of thumb): below the first it holds, above the second it does not."""


def check_symmetry(symmetry: Symmetry, notes: Notes) -> None:
    """Each transform: held, nearly held, broken, below what can be seen, or blind to what is no symmetry."""
    basis = "measured" if any(r.probe for r in symmetry.rows) else "stated"
    if symmetry.variation is not None:
        varies = symmetry.variation
        constant = notes.facts.add(
            f"the outputs vary over the samples by {number(varies)} of their size",
            basis,
            varies,
            "relative",
            "probe symmetry",
        )
        if varies < HOLDS:
            notes.verdict(
                84, f"The gaps mean nothing: the output is nearly constant (variation {number(varies)}).", constant
            )
            notes.drafts.append(
                Draft(
                    "high",
                    SYMMETRY,
                    "A constant has every symmetry",
                    (constant,),
                    "measure on a trained model, or on inputs that differ",
                    f"variation of the output above {HOLDS:g}",
                    weight=9,
                )
            )
            return
    for row in sorted(symmetry.rows, key=lambda r: (not r.exact, -r.gap)):
        _row(row, symmetry, basis == "measured", notes)


def _row(row: Broken, symmetry: Symmetry, measured: bool, notes: Notes) -> None:
    fact = notes.facts.add(
        f"max |f(gx) - g f(x)| / |f(x)| = {number(row.gap)} under {row.name}",
        "measured" if measured else "stated",
        row.gap,
        "relative gap",
        "probe symmetry" if measured else "",
    )
    if not row.exact:
        if row.gap < HOLDS:
            notes.key(78, fact)
            notes.verdict(
                62,
                f"The model cannot see {row.name} (gap {number(row.gap)}), which is no symmetry here: it confuses what differs.",
                fact,
            )
            notes.drafts.append(
                Draft(
                    "high",
                    SYMMETRY,
                    f"Blind to {row.name}, which is no symmetry",
                    (fact,),
                    "feed a quantity that changes under it (a signed volume, a dihedral, a side or time marker)",
                    f"the same gap after the change, above {BROKEN:g} on pairs whose labels differ",
                    weight=6,
                )
            )
        return
    notes.key(78 if row.gap >= HOLDS else 40, fact)
    if row.gap < HOLDS:
        notes.verdict(38, f"The symmetry holds: gap {number(row.gap)} under {row.name} (below {HOLDS:g}).", fact)
        return
    if row.gap < 10 * symmetry.smallest:
        fact = notes.facts.add(
            f"two equal calls differ by {number(symmetry.smallest)}: the gap under {row.name} is not told apart from it",
            "measured",
        )
        notes.verdict(
            64,
            f"Not measurable yet: the model differs from itself by {number(symmetry.smallest)}; switch dropout and sampling off.",
            fact,
        )
        return
    broken = row.gap > BROKEN
    if broken:
        notes.verdict(
            74,
            f"The design does not have the symmetry it needs: gap {number(row.gap)} under {row.name}, above {BROKEN:g}.",
            fact,
        )
    else:
        notes.verdict(
            63,
            f"The symmetry is only approximate: gap {number(row.gap)} under {row.name}, between {HOLDS:g} and {BROKEN:g}.",
            fact,
        )
    notes.drafts.append(
        Draft(
            "high" if broken else "medium",
            SYMMETRY,
            f"{row.name[:1].upper()}{row.name[1:]} is {'broken' if broken else 'held only nearly'}",
            (fact,),
            "build it in (invariant inputs, an equivariant layer, or the average over the group); augmentation only lowers the gap"
            if broken
            else "repeat in float64 and on a finer grid: a gap that falls is rounding or discretisation, one that stays is the design",
            f"the same gap below {HOLDS:g}",
            f"an error of that relative size, {number(row.gap)}, appears under {row.name} without any change of the truth",
            weight=8 if broken else 5,
            limit="Where the symmetry is exact",
        )
    )
