"""Symmetry, units, composition, size: what the laws of a field say of the numbers that were given."""

from __future__ import annotations

import math
import re

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.principles import SCIENCE
from kaiming_mcp.diagnosis.science.dimensions import alone, pi_groups
from kaiming_mcp.diagnosis.science.measured import Symmetry
from kaiming_mcp.diagnosis.science.metrics import ERRORS
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.scales import check_scales, is_solved
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.diagnosis.science.subjects import sciences
from kaiming_mcp.diagnosis.science.symmetry import check_symmetry
from kaiming_mcp.diagnosis.science.tables import Table, counts_of
from kaiming_mcp.scaffold import number

BINDING = -0.15
"""Hartree per atom that binds an organic molecule: a rule of thumb (methane -0.13 with five atoms)."""
TOTAL_ENERGY = "total-energy"
"""Id of the fault that the words for total energies show."""
KCAL_PER_HARTREE = 627.509
COMPOSITION = 0.99
_SUMMED = re.compile(
    r"(?:atom-?wise |atomic |local )?energies (?:are )?summed|summed? (?:of|over) (?:the )?(?:all )?(?:atom\w*|local)|sum of atom\w*|atom-?wise energ\w*"
)
_MOLECULAR = re.compile(r"molecul|organic|\bqm\d|\bani\b|peptide|drug|atomi[sz]ation")
EXTENSIVE = frozenset({"molecular-energies", "crystals", "chemistry-and-materials", "quantum"})


def check_laws(s: Statement, table: Table | None, symmetry: Symmetry | None, total: bool, notes: Notes) -> None:
    """Broken symmetries, dimensionless groups, composition (`total`: total energies are the target), size, receptive field."""
    if symmetry is not None:
        check_symmetry(symmetry, notes)
    _dimensions(s, notes)
    check_scales(s, notes)
    _composition(s, table, total, notes)
    _summed(s, notes)
    _sizes(s, notes)
    _receptive(s, notes)


def _dimensions(s: Statement, notes: Notes) -> None:
    if not s.quantities:
        return
    rank, groups = pi_groups(s.quantities)
    n = len(s.quantities)
    listed = ", ".join(g.text + (f" = {number(g.value)}" if g.value is not None else "") for g in groups[:5])
    fact = notes.facts.add(
        f"{n} quantities ({', '.join(q.name for q in s.quantities)}), rank {rank}: {n - rank} dimensionless groups"
        + (f": {listed}" if listed else ""),
        "computed",
        n - rank,
        "groups",
        "Buckingham: n - rank of the matrix of units",
    )
    notes.key(58, fact)
    # Where an equation is solved its coordinates are inputs, though no number stands for them.
    lonely = alone(s.quantities) if groups and not is_solved(s.text) else ()
    if not groups:
        notes.drafts.append(
            Draft(
                "low",
                SCIENCE,
                "The list gives scales, and nothing to measure with them",
                (fact,),
                "add the target and the coordinates with their units; each over the scale that these quantities form is what the net should see",
                "every input and output of order 1; metres to feet changes none of them",
                weight=4,
            )
        )
    if lonely:
        names, one = " and ".join(lonely), len(lonely) == 1
        missing = notes.facts.add(
            f"{names} enter{'s' if one else ''} no group: its dimension occurs nowhere else", "computed"
        )
        notes.drafts.append(
            Draft(
                "medium",
                SCIENCE,
                f"{names} cannot matter as the list stands",
                (missing,),
                "drop it, or name the quantity with the same dimension that is missing",
                "the output with it doubled; a law cannot change, a net may",
                weight=5,
            )
        )
    if groups and rank:
        notes.verdict(41, f"Train on {n - rank} dimensionless groups, not on {n} raw quantities: {listed}.", fact)
        notes.drafts.append(
            Draft(
                "medium",
                SCIENCE,
                "Raw units make the map depend on the choice of units",
                (fact,),
                f"feed and predict the {n - rank} groups (logarithms, where they span decades)",
                "metres to feet on the inputs; predictions in physical units change by less than 1e-6",
                f"{rank} input dimensions fewer, and runs at other scales become training data",
                weight=5,
            )
        )


def _composition(s: Statement, table: Table | None, total: bool, notes: Notes) -> None:
    if table and table.composition:
        c = table.composition
        fact = notes.facts.add(
            f"element counts ({', '.join(c.elements)}) explain all but {number(1 - c.explained)} of the variance of the energies ({c.rows} rows): standard deviation "
            f"{number(c.deviation)} before, {number(c.left)} after",
            "measured",
            c.explained,
            "R²",
            "least squares with a constant",
        )
        notes.key(85, fact)
        if c.explained > COMPOSITION:
            notes.verdict(
                72,
                f"Take composition off first: counting atoms explains all but {number(1 - c.explained)} of the variance of the target.",
                fact,
            )
            notes.drafts.append(
                Draft(
                    "high",
                    SCIENCE,
                    "The target is composition",
                    (fact,),
                    "subtract the regression on element counts (fitted on the training set), learn the rest, scale it per atom",
                    f"RMSE against {number(c.left)}, which is what counting atoms leaves; R² on raw energies says nothing",
                    f"the spread of the target falls {number(c.deviation / c.left) if c.left > 0 else 'to 0'} times",
                    weight=9,
                )
            )
        return
    energies = {e.id: e.energy for e in sciences().elements}
    if total:
        _share_of_total(s, energies, notes)
    subject = s.recognised.subject
    energy = "energ" in s.text or "e_total" in s.text
    if subject is None or subject.id not in EXTENSIVE or not energy:
        return
    rows = [(f, counts_of(f)) for f in s.formulas]
    rows = [(f, c) for f, c in rows if c and set(c) <= set(energies)]
    shares = {e: energies[e] for e in ("H", "C", "N", "O")}
    base = ", ".join(f"{e} {v:g}" for e, v in shares.items())
    if rows:
        parts: list[str] = []
        for formula, counts in rows[:4]:
            free = sum(n * energies[e] for e, n in counts.items())
            binding = BINDING * sum(counts.values())
            parts.append(f"{formula} {free:.1f} Ha, binding about {binding:.1f} ({binding / (free + binding):.2%})")
        fact = notes.facts.add(
            f"free atoms ({base} Ha): " + "; ".join(parts),
            "computed",
            source="sum of free-atom energies; binding -0.15 Ha per atom (rule of thumb)",
        )
        notes.key(52, fact)
    elif total and _MOLECULAR.search(s.text):
        step = energies["C"] + 2 * energies["H"]
        share = step / (step + 3 * BINDING)
        fact = notes.facts.add(
            f"free atoms: {base} Ha. One CH2 more changes a total energy by {step:.2f} Ha of free atoms and about {3 * BINDING:.2f} Ha of "
            f"binding: {share:.1%} is composition",
            "computed",
            share,
            "share",
            "sum of free-atom energies; binding -0.15 Ha per atom (rule of thumb)",
        )
        notes.key(52, fact)


def _share_of_total(s: Statement, energies: dict[str, float], notes: Notes) -> None:
    """What an R² near 1 on total energies leaves as an error, where the spread is that of composition."""
    score = next((x for x in s.scores if x.metric == "r2" and 0.9 < x.value < 1), None)
    if score is None:
        return
    left = math.sqrt(1 - score.value)
    step = abs(energies["C"] + 2 * energies["H"])
    fact = notes.facts.add(
        f"R² {score.value:.6g} leaves an RMSE of {number(left)} of the target's standard deviation: at a spread of only one CH2 "
        f"({step:.2f} Ha) that is {number(left * step * KCAL_PER_HARTREE)} kcal/mol",
        "computed",
        left * step * KCAL_PER_HARTREE,
        "kcal/mol",
        "sqrt(1 - R²) x spread",
    )
    notes.key(68, fact)


def _summed(s: Statement, notes: Notes) -> None:
    """A sum of atom-wise parts is extensive by construction: what then limits larger systems is range."""
    subject, said = s.recognised.subject, _SUMMED.search(s.text)
    if subject is None or subject.id not in EXTENSIVE or said is None or not (s.larger or s.sizes):
        return
    fact = notes.facts.add(
        f"the text says {said[0]!r}: a sum over atoms is linear in N (two copies far apart give 2 E), a mean would stay at E",
        "read",
        source="E(2 copies) = 2 E(1)",
    )
    notes.key(51, fact)
    notes.drafts.append(
        Draft(
            "medium",
            SCIENCE,
            "The sum carries to any size, its parts only to known environments",
            (fact,),
            "flag atoms whose environment is unlike all training ones (distance of descriptors, spread of an ensemble), and label some cut-outs of "
            "the larger system",
            "error per atom against size on the largest labelled systems; |E(2) - 2 E(1)| / |E(1)| below 1e-5 for two far copies",
            "flat error per atom where environments repeat; it rises with charges and dispersion beyond the receptive field",
            weight=6,
            limit="Uncertainty of two kinds",
        )
    )
    notes.verdict(
        48,
        "Yes, by its readout: a sum of atom-wise energies is linear in N. What may fail is range (cut-off x layers) and environments that were "
        "never seen.",
        fact,
    )


def _sizes(s: Statement, notes: Notes) -> None:
    if s.sizes is None:
        return
    small, large, what = s.sizes
    factor = large / small
    text = f"trained at {small:,.4g} and used at {large:,.4g} {what}: {number(factor)} times"
    subject = s.recognised.subject
    extensive = subject is not None and subject.id in EXTENSIVE
    if extensive:
        text += f"; a sum readout scales the energy by {number(factor)}, a mean readout by 1"
        error = next(
            (x for x in s.scores if x.metric in ERRORS and x.role in {"claimed", "random", "grouped"} and x.unit), None
        )
        if error is not None and error.unit is not None and "atom" in error.unit.powers:
            unit = error.unit.text.split("/atom")[0]
            text += f"; an error of {number(error.value)} {unit} per atom becomes {number(error.value * math.sqrt(large))} to {number(error.value * large)} {unit} in total"
    fact = notes.key(
        62,
        notes.facts.add(
            text,
            "computed",
            factor,
            "x size",
            "M/N; errors add as sqrt(M) if independent, as M if systematic" if extensive else "M/N",
        ),
    )
    per = f" per {what.rstrip('s')}" if extensive else ""
    outside = factor > 1.5 or factor < 0.67
    if outside:
        notes.drafts.append(
            Draft(
                "medium",
                SCIENCE,
                f"Use lies {number(factor)} times outside what was trained",
                (fact,),
                f"hold out the largest values that have labels and plot the error{per} against them",
                f"error{per} flat: it transfers; rising: long-range parts, new regimes or scales below the grid",
                weight=5,
                limit="Uncertainty of two kinds",
            )
        )
        why = (
            "it holds for a sum of local parts; test it on the largest systems with labels"
            if extensive
            else "hold the largest values with labels out and see whether the error is flat"
        )
        notes.verdict(
            30, f"An extrapolation by {number(factor)} in {what} that nothing measured supports yet: {why}.", fact
        )


def _receptive(s: Statement, notes: Notes) -> None:
    if s.cutoff is None:
        return
    radius, unit = s.cutoff
    if s.layers:
        reach = radius * s.layers
        text = f"receptive field: cut-off {radius:g} {unit} x {s.layers} interactions = {reach:.4g} {unit}; what acts further is not seen"
        fact = notes.facts.add(text, "computed", reach, unit, "cut-off x interactions")
    else:
        text = f"each interaction layer reaches {radius:g} {unit}; t layers see t x {radius:g} {unit}"
        fact = notes.facts.add(text, "computed", radius, unit, "cut-off x interactions")
    notes.key(50, fact)
