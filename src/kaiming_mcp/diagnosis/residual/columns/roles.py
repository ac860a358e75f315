"""Which column is the target, which are references, and which only describe the sample: by their names first."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np

from kaiming_mcp.diagnosis.residual.columns.table import FEWEST_ROWS, Numbers, Table
from kaiming_mcp.diagnosis.residual.known import known

ELEMENTS = frozenset(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb "
    "Mo Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi".split()
)
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}:\d{2}")
_FORMULA = re.compile(r"(?:[A-Z][a-z]?\d{0,3}){1,20}")
_PART = re.compile(r"([A-Z][a-z]?)(\d{0,3})")
_COUNT_NAME = re.compile(r"(?:n|num|count|#)?_?(?:of_)?(?P<element>[A-Z][a-z]?)(?:_?(?:count|atoms|s))?")


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of columns by what they are. `told` says how target and references were recognised."""

    target: str
    references: tuple[str, ...]
    features: tuple[str, ...] = ()
    counts: dict[str, Numbers] = field(default_factory=dict[str, Numbers])
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    time: str = ""
    noise: str = ""
    told: str = ""


def assign(table: Table, reference: str, prose: str) -> Roles:
    """Roles from the words of the names, then from what was said, then from their order."""
    names, counts = [*table.numbers], _counts(table)
    kinds = {n: _kinds(n) for n in (*names, *table.texts)}
    plain = [n for n in names if not kinds[n] & {"target", "reference"}]
    noisy = (n for n in names if "noise" in kinds[n] and (_finite(table.numbers[n]) > 0).all() and len(names) > 2)
    noise = next(noisy, "")
    time = next((n for n in plain if "time" in kinds[n] and _ordered(table.numbers[n])), "")
    numbered = [n for n in plain if "group" in kinds[n] and n not in {time, noise} and n not in counts]
    labelled = {n: v for n, v in table.texts.items() if "time" not in kinds[n] and not _DATE.match(v[0])}
    labelled |= {n: tuple(f"{v:g}" for v in table.numbers[n]) for n in numbered}
    groups = {n: v for n, v in labelled.items() if 2 <= len(set(v)) <= len(v) // 2}
    left = [n for n in names if n not in {time, noise} and n not in counts]
    left = [n for n in left if n not in numbered] or left or names[:1]
    time = time or next((n for n in table.texts if "time" in kinds[n]), "")
    target, references, told = _divide(left, kinds, reference, prose, table)
    features = tuple(n for n in left if n != target and n not in references)
    return Roles(target, references, features, counts, groups, time, noise, told)


def _divide(
    left: list[str], kinds: dict[str, set[str]], reference: str, prose: str, table: Table
) -> tuple[str, tuple[str, ...], str]:
    """Target, references, and how they were recognised."""
    said = next((n for n in left if _called_target(n, prose)), "")
    asked = [n for n in left if _mentioned(n, reference)]
    targets = [n for n in left if "target" in kinds[n] and n not in asked]
    by_name = [n for n in left if "reference" in kinds[n] and n not in targets]
    # Columns x and y without another: the usual names of an input and its target.
    pair = [n.lower() for n in left] == ["x", "y"]
    if said and said not in asked:
        target = said
    elif targets and not (len(targets) == 1 and pair):
        target = targets[0]
    else:
        others = [n for n in left if n not in asked and n not in by_name]
        target = others[-1] if pair else (others or left)[0]
    references = tuple(n for n in dict.fromkeys([*asked, *by_name]) if n != target)
    if references:
        return target, references, "by name" if said or targets else f"the rest taken as target: {target}"
    rest = [n for n in left if n != target]
    alike = [n for n in rest if _comparable(table.numbers[target], table.numbers[n])]
    return target, tuple(alike or rest[:1]), "assumed from their order and scale" if rest else "one series"


def _called_target(name: str, prose: str) -> bool:
    quoted = re.escape(name.lower())
    before = rf"\b(?:target|predict|truth)\s*(?:is|=|:|column)?\s*[`'\"]?{quoted}\b(?!\w)"
    return bool(re.search(rf"{before}|(?<!\w){quoted}[`'\"]?\s*(?:is|=)\s*(?:the\s+)?target\b", prose))


def _mentioned(name: str, reference: str) -> bool:
    said, own = (re.findall(r"[a-z0-9]+", t.lower()) for t in (reference, name))
    telling = any(len(w) > 3 and w in said and w not in known().column_words["target"] for w in own)
    return bool(own) and (set(own) <= set(said) or telling)


def _comparable(x: Numbers, r: Numbers) -> bool:
    """Whether a column could stand in the place of the target: about its scale, not far from its level."""
    both = np.isfinite(x) & np.isfinite(r)
    if both.sum() < FEWEST_ROWS:
        return False
    spread, other = float(x[both].std()), float(r[both].std())
    level = abs(float(r[both].mean() - x[both].mean()))
    return spread > 0 and 0.2 * spread < other < 5 * spread and level < 3 * (spread + other)


def _counts(table: Table) -> dict[str, Numbers]:
    """Numbers of atoms by element, from columns named after elements or from a column of formulas."""
    found: dict[str, Numbers] = {}
    for name, values in table.numbers.items():
        match, there = _COUNT_NAME.fullmatch(name), _finite(values)
        if match and match["element"] in ELEMENTS and ((there >= 0) & (there == np.round(there))).all():
            found[name] = values
    if len(found) >= 2 or {"C", "nC", "n_C"} & found.keys():
        return found
    for column in table.texts.values():
        read = [elements(c) for c in column]
        if sum(r is not None for r in read) >= 0.9 * len(column):
            kinds = sorted({e for r in read if r for e in r})
            return {e: np.array([float(r.get(e, 0)) if r else np.nan for r in read]) for e in kinds[:20]}
    return {}


def elements(text: str) -> dict[str, int] | None:
    """Atoms of a molecular formula such as C2H6O; None for anything else."""
    text = text.strip()
    if len(text) > 60 or not _FORMULA.fullmatch(text):
        return None
    found: dict[str, int] = {}
    for element, count in _PART.findall(text):
        found[element] = found.get(element, 0) + int(count or 1)
    return found if found.keys() <= ELEMENTS else None


def _kinds(name: str) -> set[str]:
    """What the words of a name say that a column is: ids of roles.yaml."""
    spaced = re.sub(r"_|(?<=[a-z])(?=[A-Z])", " ", name).lower()
    words = {*re.findall(r"[a-z]+[0-9]*", spaced), *re.findall(r"[a-z]+", spaced)}
    return {kind for kind, listed in known().column_words.items() if words & listed}


def _finite(values: Numbers) -> Numbers:
    return values[np.isfinite(values)]


def _ordered(values: Numbers) -> bool:
    there = _finite(values)
    steps = np.diff(there)
    distinct = len(np.unique(there)) == len(there)
    return len(steps) > 0 and (distinct or bool((steps >= 0).all()) or bool((steps <= 0).all()))
