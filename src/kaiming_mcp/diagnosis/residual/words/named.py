"""Units and energies that the words name: a conversion between target and reference, what one atom weighs."""

from __future__ import annotations

import math
import re

from kaiming_mcp.diagnosis.residual.known import Atom, Unit
from kaiming_mcp.diagnosis.residual.texts import Teller
from kaiming_mcp.diagnosis.residual.words.spoken import Spoken
from kaiming_mcp.knowledge import LONGEST_READ

KCAL_PER_HARTREE = 627.5095
USUAL = frozenset("HCNO")
_ELEMENT = re.compile(r"(?<![A-Za-z])(H|B|C|N|O|F|Si|P|S|Cl)(?=[,/ )]|$)")
_RANGE = re.compile(
    r"(-?\d{1,9}(?:\.\d{1,9})?)\s?(?:\.\.|to|…)\s?(-?\d{1,9}(?:\.\d{1,9})?) ?(?:ha\b|hartree)", re.IGNORECASE
)
_LONG_FORMS = {"hartree": r"(?:hartrees?|ha)", "angstrom": r"(?:angstroms?|å)"}


def conversion(spoken: Spoken, units: tuple[Unit, ...]) -> Unit | None:
    """A conversion whose one unit stands in the target's words and the other in the reference's."""
    target, reference = (t[:LONGEST_READ].lower() for t in (spoken.text, spoken.reference_text))
    for unit in units:
        pair = (_pattern(unit.to), _pattern(unit.of))
        for one, other in (pair, pair[::-1]):
            if other.search(reference) and bool(one.search(target)) > bool(one.search(reference)):
                return unit
        if pair[0].search(reference) and pair[1].search(reference):
            return unit
    return None


def _pattern(unit: str) -> re.Pattern[str]:
    words = _LONG_FORMS.get(unit, re.escape(unit.split(" (", maxsplit=1)[0].lower()))
    return re.compile(rf"(?<![\w/.]){words}(?![\w/])")


def atoms_fact(spoken: Spoken, atoms: tuple[Atom, ...], say: Teller) -> None:
    """One atom against chemical accuracy; a stated range of the rest against one atom."""
    text = f"{spoken.text} {spoken.reference_text}"[:LONGEST_READ]
    named = set(_ELEMENT.findall(text))
    listed = [a for a in atoms if a.id in (named if len(named) > 1 else USUAL)]
    heavy = next((a for a in listed if a.id == "C"), listed[-1])
    size = abs(heavy.energy)
    kcal = size * KCAL_PER_HARTREE
    shown = ", ".join(f"{a.id} {a.energy:g}" for a in listed)
    say.fact("atoms", 1 / kcal, listed=shown, heavy=heavy.id, size=size, kcal=kcal, small=1 / kcal)
    match = _RANGE.search(text)
    width = abs(float(match[2]) - float(match[1])) if match else 0.0
    if 0 < width < 1e6:
        sd = width / math.sqrt(12)
        share = (sd / size) ** 2
        say.fact("atoms-range", share, heavy=heavy.id, square=size**2, width=width, sd=sd, share=share)
