"""Coverage of one interval at several leads: whether the spread grows as the error does."""

from __future__ import annotations

import re
from statistics import NormalDist

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.quantities import PERCENT, value
from kaiming_mcp.diagnosis.generative.supply import Found
from kaiming_mcp.diagnosis.principles import GENERATIVE
from kaiming_mcp.scaffold import number

_AT = re.compile(
    rf"{PERCENT}\s(?:at|for|on|after|in)\s(?:the\s)?((?:first|last|second|third|final)\s(?:step|hour|day|week|lead|frame)|"
    r"(?:step|lead|hour|day|week|horizon|frame)\s(?:time\s)?\d{1,4}|\d{1,4}[- ](?:step|hour|day|week|frame)s?)"
)
_NOMINAL = re.compile(
    r"\b(\d{2})\s?%\s*(?:prediction |confidence |credible |central )?(?:interval|band|coverage|quantile)"
)
APART = 0.05
"""Difference of two coverages below which leads are not told apart."""


def read_leads(text: str) -> tuple[tuple[str, float], ...]:
    """(lead, share covered), in the order of the text, where coverage is spoken of."""
    if "cover" not in text and "contain" not in text:
        return ()
    return tuple((m[2], value(m[1]) / 100) for m in _AT.finditer(text) if 0 < value(m[1]) < 100)


def add_leads(text: str, ids: Found, facts: Facts) -> list[Draft]:
    """The fact and the finding, where two leads are covered differently."""
    told, nominal = read_leads(text), _NOMINAL.search(text)
    if len(told) < 2 or nominal is None or abs(told[0][1] - told[-1][1]) < APART:
        return []
    level = int(nominal[1]) / 100
    (near, first), (far, last) = told[0], told[-1]
    quantile = NormalDist().inv_cdf
    wider = [quantile((1 + level) / 2) / quantile((1 + share) / 2) for share in (first, last)]
    ids["calibration"] = facts.add(
        f"{level:.0%} intervals cover {first:.2g} at {near} and {last:.2g} at {far}: the width must grow {number(wider[0])} and {number(wider[1])} times (Gaussian)",
        "computed",
        wider[1],
        "x width",
        "ratio of normal quantiles",
    )
    return [
        Draft(
            "high",
            GENERATIVE,
            "The spread does not grow with the lead as the error does"
            if last < first
            else "The spread grows faster than the error",
            (ids["calibration"],),
            "let the samples feed on themselves in training (sampled prefixes), or predict the horizon jointly; until then widen by lead on a calibration set.",
            "coverage and error over spread at each lead on held-out series: flat after the change; on true prefixes at every lead it tells feedback from "
            "missing noise.",
            weight=6.2,
        )
    ]
