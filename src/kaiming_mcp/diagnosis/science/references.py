"""The zero of energy: atomic references against the energies they are taken from, and constant offsets between two methods."""

from __future__ import annotations

import re

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.principles import SCIENCE
from kaiming_mcp.diagnosis.science.metrics import ERRORS
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.scores import Score
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.diagnosis.science.subjects import sciences
from kaiming_mcp.diagnosis.science.tables import counts_of
from kaiming_mcp.diagnosis.science.units import leading_unit, parse_unit, ratio
from kaiming_mcp.scaffold import number

HARTREE = 27.2114
STRONGEST = 15.0
"""eV per atom that no solid or molecule exceeds: the most strongly bound, tungsten and diamond, are near 9 and 8."""
ALL_ELECTRON = 0.01
"""Relative distance at which a reference is taken for an all-electron energy of the free atom."""
NEAR = 0.1
"""Relative distance at which an offset explains an error: labels scatter about it."""
_NAMES = {"hydrogen": "H", "carbon": "C", "nitrogen": "N", "oxygen": "O", "fluorine": "F", "silicon": "Si", "phosphorus": "P"} | {
    "sulfur": "S", "sulphur": "S", "chlorine": "Cl", "lithium": "Li", "sodium": "Na", "magnesium": "Mg", "boron": "B", "bromine": "Br"
}  # fmt: skip
_NUMBERS = {
    1: "H",
    3: "Li",
    5: "B",
    6: "C",
    7: "N",
    8: "O",
    9: "F",
    11: "Na",
    12: "Mg",
    14: "Si",
    15: "P",
    16: "S",
    17: "Cl",
    35: "Br",
}
_METALS = "Al Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge Zr Nb Mo Ru Rh Pd Ag Cd In Sn Hf Ta W Re Ir Pt Au Pb K Ca".split()
_MOLECULES = {"water": "H2O", "methane": "CH4", "ammonia": "NH3", "methanol": "CH4O", "ethanol": "C2H6O", "benzene": "C6H6", "hydrogen": "H2", "carbon dioxide": "CO2"}  # fmt: skip
_ELEMENT = rf"(?:{'|'.join(_NAMES)}|[A-Z][a-z]?)"
_SAID = re.compile(
    rf"(?<![\w.])(-\d{{1,6}}(?:\.\d{{1,12}})?)\s?(?:eV )?(?:for|of) (?:the |an? )?(?:isolated |free )?({_ELEMENT})\b"
)
_KEYED = re.compile(rf"(?<![\w.])({_ELEMENT}|\d{{1,2}})['\"]?\s?[:=]\s?(-\d{{1,6}}(?:\.\d{{1,12}})?)")
_REFERENCES = re.compile(
    r"\be0s?\b|isolated|free atom|atomic energ|atom_?ref|atomic reference|self[- ]energ", re.IGNORECASE
)
_TOTAL = re.compile(r"\b(?:total energy|potential energy|energy|e_?tot\w*|dft_energy|toten|ref_energy)\b[^.;\n\d-]{0,40}?(-\d{1,7}(?:\.\d{1,12})?)(?! ?(?:ev)?/ ?atom)", re.IGNORECASE)  # fmt: skip
_MANY = re.compile(rf"\b(\d{{1,6}}) ({'|'.join(_MOLECULES)})(?: molecules?)?\b", re.IGNORECASE)
_ATOMS = re.compile(rf"\b(\d{{1,6}}) ({_ELEMENT}) atoms?\b")
_ENERGIES = re.compile(r"(?<![\w.])-\d{1,6}\.\d{1,12}")


def check_references(s: Statement, claims: list[Score], notes: Notes) -> None:
    """References that the text gives by element against the total energy; else two energies whose difference is the error."""
    found = read_references(s.whole) if _REFERENCES.search(s.whole) else {}
    if found:
        _mismatch(s, found, notes)
    elif _REFERENCES.search(s.whole) or "atomic energy" in s.text:
        _single(s, notes)
    _offset(s, claims, notes)


def read_references(text: str) -> dict[str, float]:
    """Energies by element as written: "-13.6 eV for hydrogen", "{1: -13.6, 8: -2041.8}", "O = -432.1"."""
    found: dict[str, float] = {}
    for match in _SAID.finditer(text):
        _put(found, match[2], match[1])
    for match in _KEYED.finditer(text):
        _put(found, match[1], match[2])
    return found


def _put(found: dict[str, float], name: str, value: str) -> None:
    symbol = _NUMBERS.get(int(name), "") if name.isdigit() else _NAMES.get(name.lower(), name)
    if symbol in set(_NUMBERS.values()) and float(value) < 0:
        found.setdefault(symbol, float(value))


def composition(text: str, formulas: tuple[str, ...], elements: set[str]) -> dict[str, int]:
    """Atoms by element of the one system that the text describes in these elements; empty where it names none or several."""
    rows = [{e: n * int(m[1]) for e, n in counts_of(_MOLECULES[m[2].lower()]).items()} for m in _MANY.finditer(text)]
    atoms = {_NAMES.get(m[2].lower(), m[2]): int(m[1]) for m in _ATOMS.finditer(text)}
    rows += [atoms] if atoms else []
    rows += [counts_of(f) for f in formulas] if not rows else []
    fitting = [r for r in rows if r and set(r) <= elements]
    return fitting[0] if fitting and all(r == fitting[0] for r in fitting) else {}


def _mismatch(s: Statement, found: dict[str, float], notes: Notes) -> None:
    free = {e.id: e.energy * HARTREE for e in sciences().elements}
    listed = ", ".join(f"{e} {v:g}" for e, v in list(found.items())[:6])
    same = [e for e, v in found.items() if e != "H" and e in free and abs(v / free[e] - 1) < ALL_ELECTRON]
    text = f"references {listed} eV"
    if same:
        text += f"; {', '.join(f'{e} {free[e]:.0f} eV' for e in same)} is the all-electron energy of the free atom"
    total, counts = _TOTAL.search(s.whole), composition(s.whole, s.formulas, set(found))
    each = None
    if total and counts:
        n = sum(counts.values())
        sum_of = sum(found[e] * k for e, k in counts.items())
        each = (float(total[1]) - sum_of) / n
        text += f"; (E - sum of references) / N = ({float(total[1]):g} - ({sum_of:.6g})) / {n} = {each:.4g} eV per atom, where a binding is -1 to -10"
    elif not same:
        return
    fact = notes.key(
        84,
        notes.facts.add(
            text,
            "computed",
            each,
            "eV per atom",
            "E = sum of references + binding; free atoms to two digits of a Hartree",
        ),
    )
    wrong = each is not None and not -STRONGEST < each < 0
    if wrong and each is not None:
        notes.verdict(
            80,
            f"The references and the labels have different zeros: {each:.4g} eV per atom is left, where a binding is -1 to -10; "
            "that is the size of the error.",
            fact,
        )
    notes.drafts.append(
        Draft(
            "high" if wrong else "note",
            SCIENCE,
            "Labels and references are not of one zero of energy" if wrong else "The references leave a binding",
            (fact,),
            "take the isolated atoms from the same code, functional and pseudopotential as the frames, or fit them by least squares on element counts"
            if wrong
            else "keep these references, and look for the error elsewhere",
            "(E - sum of references) / N on ten frames: between -1 and -10 eV per atom, the same within a few tenths",
            "the error per atom falls from that size to that of the differences between frames" if wrong else "",
            weight=9.5 if wrong else 1,
        )
    )


def _single(s: Statement, notes: Notes) -> None:
    """The energy per atom of a frame of one element, where references are asked for and none is given."""
    total, atoms = _TOTAL.search(s.whole), _ATOMS.findall(s.whole)
    if total is None or len({name for _, name in atoms}) != 1:
        return
    n, element = int(atoms[0][0]), _NAMES.get(atoms[0][1].lower(), atoms[0][1])
    each = float(total[1]) / n if n else 0.0
    if element not in set(_NUMBERS.values()) | set(_METALS) or not n:
        return
    fact = notes.key(
        84,
        notes.facts.add(
            f"E / N = {float(total[1]):g} / {n} = {each:.4g} eV per atom of {element}: the average reference, which holds the binding as well",
            "computed",
            each,
            "eV per atom",
            "least squares with one element is the mean",
        ),
    )
    notes.verdict(
        71,
        f"Per atom of {element} the frame has {each:.4g} eV: as average reference it moves the zero only; dissociation needs the isolated atom of the same settings.",
        fact,
    )
    notes.drafts.append(
        Draft(
            "medium",
            SCIENCE,
            "No reference is given, and one element gives only its mean",
            (fact,),
            f"compute one isolated {element} atom in a large box with the same functional and pseudopotential (spin-polarised) and give that; the average "
            f"{each:.4g} is right only where atoms never part",
            f"binding = {each:.4g} - E0 between -1 and -10 eV per atom",
            weight=8,
        )
    )


def _offset(s: Statement, claims: list[Score], notes: Notes) -> None:
    """Two energies of one thing by two methods, whose difference is the error: a constant, not a misfit."""
    unit = parse_unit("eV")
    error = next(
        (c for c in claims if c.metric in ERRORS and c.unit and unit and ratio(1.0, c.unit, 1.0, unit) is not None),
        None,
    )
    if error is None or error.unit is None or unit is None:
        return
    size = error.value * (ratio(1.0, error.unit, 1.0, unit) or 0.0)
    values = [
        (float(m[0]) * scale, m[0])
        for m in _ENERGIES.finditer(s.whole)
        if (read := leading_unit(s.whole[m.end() :])) and (scale := ratio(1.0, read[0], 1.0, unit)) is not None
    ][:8]
    pairs = [(abs(a - b), x, y) for i, (a, x) in enumerate(values) for b, y in values[i + 1 :]]
    near = min(pairs, key=lambda p: abs(p[0] - size), default=None)
    if near is None or size <= 0 or abs(near[0] / size - 1) > NEAR:
        return
    fact = notes.key(
        83,
        notes.facts.add(
            f"{near[1]} and {near[2]} eV differ by {number(near[0])} eV, and the error is {number(size)} eV: {min(near[0] / size, size / near[0]):.0%} of it is one constant",
            "computed",
            near[0],
            "eV",
            "a constant between two zeros of energy moves no difference and no force",
        ),
    )
    notes.verdict(
        70,
        f"The error of {number(size)} eV is an offset between two zeros of energy ({number(near[0])} eV): compare energies relative to one reference.",
        fact,
    )
    notes.drafts.append(
        Draft(
            "high",
            SCIENCE,
            "Most of the error is a constant",
            (fact,),
            "subtract from each method its own energy of one reference (the bulk, the free atoms), or the mean error per element, before any error is taken",
            f"standard deviation of the error beside its mean; the mean is near {number(near[0])}, and the deviation is what the model gets wrong",
            "the error falls to its spread; forces and differences do not change",
            weight=9,
        )
    )
