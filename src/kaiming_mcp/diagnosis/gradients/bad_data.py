"""Data that no network can take: missing values, fill values, memory that nobody wrote."""

from __future__ import annotations

import re

from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.mechanisms import Candidate
from kaiming_mcp.measurements.record import Fact

_FILLS = (
    (3.4028235e38, "an end of the range of float32", 0.01),
    (1.7976931e308, "an end of the range of float64", 0.01),
    (9.96921e36, "the default fill value of netCDF", 0.01),
    (1e20, "a usual fill value of climate data", 0.0),
)
"""Sizes that stand for data that are not there, what they are, and how far a printed one may be off."""
_DATA = re.compile(r"\b(?:inputs?|x|features?|data(?:set)?|batch|images?|targets?|labels?|y|columns?)\b", re.I)
_MISSING = re.compile(
    r"\bis_?(?:na|null|nan)\b[^\n]{0,30}?\b(?:sum|any|mean)\b[^\n\d]{0,25}(?P<n>[1-9]\d{0,8}|True)\b"
    r"|\b(?:missing|NaN|null|empty) (?:values?|entries|cells|rows)\b[^.\n]{0,30}\b(?:in|from)\b[^.\n]{0,25}"
    r"\b(?:data|column|feature|input|csv|target|label)\w*"
    r"|\bNaNs? in (?:the |my |our |some )?(?:data|columns?|features?|inputs?|csv|targets?|labels?)\b",
    re.I,
)
_TOLD = re.compile(
    r"\b(?:inputs?|x|features?|data(?:set)?|images?|targets?|labels?|y)(?:_\w{1,12})?\b[^\n=:]{0,25}[=:\s]\s?(?P<x>-?\d(?:\.\d{1,9})?e\+?\d\d{1,2})\b",
    re.I,
)
"""`x.max() = 9.97e+36`"""
_NONE = re.compile(
    r"\b(?:no|not|without|never|zero|0|any|removed|dropped|filled|imputed|replaced|cleaned|checked)\b[^.\n]{0,40}$",
    re.I,
)
_NONE_AFTER = re.compile(r"^[^.\n]{0,20}(?:\b(?:0|none|no|nothing|zero)\b|\?)", re.I)


def bad_data(e: Evidence) -> Candidate | None:
    """What is not finite, or is no number of any data, goes in: beside this no precision and no rate matters."""
    found = _extreme(e) or _missing(e)
    if not found:
        return None
    return Candidate(
        "nan_origin",
        0.93,
        (found,),
        "the input",
        "the data that go in: missing or fill values, or memory that nobody wrote",
        change="Look at the data before the network: assert torch.isfinite(x).all() and x.abs().max() < 1e6 in the loader, and mask, fill "
        "or leave out what fails. Neither another precision nor a clip nor a smaller rate touches it.",
        effect="the assertion names the file and the column, and the first loss of a clean batch is a number",
        test="min, max and share of values that are not finite of every feature and target, over the whole set",
    )


def _extreme(e: Evidence) -> str:
    sizes = {f.value.text: f.value.x for f in e.measured.facts if f.value.finite and _of_data(f)}
    sizes |= {m["x"]: float(m["x"]) for m in _TOLD.finditer(e.told[:20_000])}
    for text, x in sizes.items():
        for fill, what, within in _FILLS:
            if abs(abs(x) / fill - 1) <= within:
                return e.facts.add(
                    f"the input holds {text}, {what}: a fill value or memory that nobody wrote, no measurement; a square of it is inf, and "
                    "inf - inf is nan, in bfloat16 and float32 as well as in float16",
                    "measured",
                    x,
                    "in the input",
                )
    return ""


def _of_data(fact: Fact) -> bool:
    return fact.quantity.kind == "input" or (fact.quantity.kind == "range" and bool(_DATA.search(fact.label)))


def _missing(e: Evidence) -> str:
    for found in _MISSING.finditer(e.told[:20_000]):
        before, after = e.told[max(0, found.start() - 60) : found.start()], e.told[found.end() : found.end() + 30]
        if found["n"] or not (_NONE.search(before) or _NONE_AFTER.search(after)):
            return e.facts.add(
                f"told: `{' '.join(found[0].split())[:100]}`; one nan in a batch makes its loss nan, and one step with it every weight",
                "stated",
            )
    return ""
