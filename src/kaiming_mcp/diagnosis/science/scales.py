"""Sizes of the unknown and of the terms of a differential equation, from the numbers that a text gives."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.principles import SCIENCE
from kaiming_mcp.diagnosis.science.dimensions import pi_groups
from kaiming_mcp.diagnosis.science.notes import Notes
from kaiming_mcp.diagnosis.science.plain import NUMBER
from kaiming_mcp.diagnosis.science.statement import Statement
from kaiming_mcp.diagnosis.science.units import leading_unit
from kaiming_mcp.scaffold import number

FAR = 2.0
"""Decades from 1 at which a term of a squared loss is no longer seen beside another."""
MOST = 16
_REYNOLDS = re.compile(rf"\b(?:[Rr]e|[Rr]eynolds(?: numbers?)?)\s?(?:=|of|is|:|~)?\s?({NUMBER})")
_POINTS = re.compile(
    rf"(?:collocation|residual|training) points\s?(?:of|=|:)?\s?({NUMBER})|({NUMBER}) (?:collocation|residual) points"
)
_COUNTS = frozenset({"n", "N", "lr", "epochs", "seed", "Re", "Ra", "Ma", "Pr", "batch", "layers"})
"""Names that are no quantity of the equation."""
_SOLVED = re.compile(
    r"\bpinns?\b|physics-? ?informed|residual loss|pde loss|collocation|deepxde|neuralpde", re.IGNORECASE
)
_GIVEN = re.compile(rf"(?<![\w'])([A-Za-zα-ωΑ-Ω]\w{{0,7}})(?:\([^()=]{{1,12}}\))?\s?=\s?({NUMBER})")
_TERM = r"(?P<c>(?:[A-Za-zα-ω]{1,3}[ *·]{0,2}){0,3}?)"
_RIGHT = r"\s?=\s?-?\s?(?P<r>[A-Za-zα-ω]\w{0,5}|\d+(?:\.\d+)?)(?:\([a-z, ]{1,6}\))?(?:\s?/\s?\(?(?P<d>[A-Za-zα-ω]{1,3}(?:[ *·]?[A-Za-z])?)\)?)?"
_EQUATIONS = (
    re.compile(_TERM + r"(?P<u>[A-Za-zα-ω])(?P<n>'{1,4})(?:\([a-z]\))?" + _RIGHT),
    re.compile(_TERM + r"(?P<u>[A-Za-zα-ω])_(?P<n>x{2,4}|y{2,4}|z{2,4})\b" + _RIGHT),
    re.compile(_TERM + r"d\^?(?P<n>[1-4])\s?(?P<u>[A-Za-zα-ω])\s?/\s?d[a-z]\^?[1-4]" + _RIGHT),
)


@dataclass(frozen=True, slots=True)
class Equation:
    """coefficient · u^(order) = ± right / divisor, with the names as written."""

    coefficient: str
    unknown: str
    order: int
    right: str
    divisor: str


def given(text: str) -> dict[str, float]:
    """Values by symbol, in SI where a unit stands behind: "L = 6 m", "P(0, t) = 1000 Pa"; the first of a symbol counts."""
    found: dict[str, float] = {}
    for match in _GIVEN.finditer(text):
        unit = leading_unit(text[match.end() :])
        if match[1] not in found and len(found) < MOST:
            found[match[1]] = float(match[2]) * (unit[0].factor if unit else 1.0)
    return found


def read_equation(text: str) -> Equation | None:
    """The first equation of one derivative and one right side."""
    for form in _EQUATIONS:
        if m := form.search(text):
            order = int(m["n"]) if m["n"].isdigit() else len(m["n"])
            return Equation(m["c"].strip(" *·"), m["u"], order, m["r"], m["d"] or "")
    return None


def unknown_size(e: Equation, values: dict[str, float]) -> tuple[float, str] | None:
    """(size, formula) of the unknown, right · L^n / coefficient, where every number of it was given."""
    right = float(e.right) if e.right[0].isdigit() else values.get(e.right)
    under = [_product(part, values) for part in (e.coefficient, e.divisor)]
    length = values.get("L") or values.get("l")
    if not right or not length or not all(under):
        return None
    names = [p for p in (e.coefficient, e.divisor) if p]
    formula = f"{e.right} L^{e.order}" + (f" / ({' '.join(names)})" if names else "")
    return abs(right) * length**e.order / abs(math.prod(u or 1.0 for u in under)), formula


def _product(names: str, values: dict[str, float]) -> float | None:
    """The product of symbols such as "EI", which is one symbol where it was given as one; 1 for none."""
    whole = 1.0
    for name in re.split(r"[ *·]+", names) if names else []:
        letters = [name] if name in values else list(name)
        if not all(x in values for x in letters):
            return None
        whole *= math.prod(values[x] for x in letters)
    return whole


def is_solved(text: str) -> bool:
    """Whether an equation is solved by a network, whose coordinates are inputs."""
    return _SOLVED.search(text) is not None


def check_scales(s: Statement, notes: Notes) -> None:
    """What a network of order 1 meets where a residual is minimised in raw units."""
    if not is_solved(s.text):
        return
    values, equation = given(s.whole), read_equation(s.whole)
    size = unknown_size(equation, values) if equation else None
    if equation and size:
        _unknown(equation, *size, notes)
        return
    apart = [
        (abs(math.log10(g.value)), g) for g in pi_groups(s.quantities)[1] if g.value and g.value > 0
    ] if s.quantities else []  # fmt: skip
    far = max(apart, key=lambda p: p[0], default=None)
    if far is not None and far[0] >= FAR:
        text = f"{far[1].text} = {number(far[1].value or 0.0)}: terms {far[0]:.2g} decades apart, their squares in a loss {2 * far[0]:.2g}"
        _decades(
            notes.facts.add(text, "computed", far[1].value, "ratio", "dimensionless group of the given numbers"), notes
        )
        return
    reynolds = max((float(m[1]) for m in _REYNOLDS.finditer(s.whole)), default=0.0)
    if reynolds > 1:
        _layer(s, reynolds, notes)
        return
    sizes = [abs(v) for k, v in values.items() if v and k not in _COUNTS]
    span = math.log10(max(sizes) / min(sizes)) if len(sizes) > 1 else 0.0
    if span >= 2 * FAR:
        low, high = (next(k for k, v in values.items() if abs(v) == x) for x in (min(sizes), max(sizes)))
        text = f"{low} = {number(min(sizes))} to {high} = {number(max(sizes))} in SI: {span:.2g} decades, squared in a loss {2 * span:.2g}"
        _decades(notes.facts.add(text, "computed", span, "decades", "log10 of the ratio"), notes)


def _unknown(e: Equation, size: float, formula: str, notes: Notes) -> None:
    fact = notes.key(
        77,
        notes.facts.add(
            f"{e.unknown} is of the size {formula} = {number(size)} in SI, where a fresh network gives order 1; the square of that is {number(size**2)}",
            "computed",
            size,
            "SI",
            f"{e.unknown} / L^{e.order} balances the right side",
        ),
    )
    scaled = f"X = x / L, U = {e.unknown} / ({formula}) turn it into U{chr(39) * e.order} = ±1 in any unit"
    notes.verdict(
        59,
        f"The unknown is {number(size)} in SI and the network gives order 1: solve for {e.unknown} / ({formula}).",
        fact,
    )
    notes.drafts.append(
        Draft(
            "high",
            SCIENCE,
            "The equation is solved in raw units",
            (fact,),
            f"{scaled}; impose the boundary values by construction",
            "the same run with metres and with millimetres gives one loss curve; every term at step 0 within 0.1 to 10",
            f"U of order 1 instead of {number(size)}",
            weight=9,
        )
    )


def _layer(s: Statement, reynolds: float, notes: Notes) -> None:
    """The thickness of the layer that a flow forms at a Reynolds number, beside the spacing of the collocation points."""
    thick = 1 / math.sqrt(reynolds)
    text = f"at Re = {reynolds:,.4g} the viscous term is 1/Re = {number(1 / reynolds)} of the others, and layers are about 1/sqrt(Re) = {number(thick)} of L thick"
    points = _POINTS.search(s.text)
    many = float(points[1] or points[2]) if points else 0.0
    if many > 1:
        text += f"; {many:,.0f} points lie {number(many**-0.5)} of L apart in the plane"
    fact = notes.key(77, notes.facts.add(text, "computed", thick, "of L", "balance of advection and diffusion"))
    notes.verdict(
        45,
        f"The equation holds, the layer is thin: {number(thick)} of L at Re = {reynolds:,.4g}; resolve it and reach it in steps.",
        fact,
    )
    notes.drafts.append(
        Draft(
            "high",
            SCIENCE,
            "The flow has a layer that the loss hardly sees",
            (fact,),
            "continue in Re from a solution that works (steps of about 2), put half of the points within three layers of the walls, and impose the walls by construction",
            "the velocity profiles on both centre lines against a published solver at each Re; a finite-volume solve of the same case takes seconds",
            weight=8,
        )
    )


def _decades(fact: str, notes: Notes) -> None:
    notes.key(77, fact)
    notes.verdict(
        45,
        "The numbers of the equation are decades apart: divide each variable by its own scale before any loss is weighted.",
        fact,
    )
    notes.drafts.append(
        Draft(
            "high",
            SCIENCE,
            "Terms of the loss are decades apart",
            (fact,),
            "write each variable as its scale times a number of order 1 (boundary value, length, travel or diffusion time) and train on those",
            "size of every term at step 0 after scaling: within 0.1 to 10 of each other",
            weight=8,
        )
    )
