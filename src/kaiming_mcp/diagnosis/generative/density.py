"""Printed numbers of likelihoods, latents and trials: a negative NLL, the scale of latents, a rate over few trials."""

from __future__ import annotations

import math
import re

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.quantities import PERCENT, value
from kaiming_mcp.diagnosis.generative.supply import Found
from kaiming_mcp.diagnosis.principles import GENERATIVE
from kaiming_mcp.scaffold import number

LEVELS = 8.0
"""Bits of an image value of 256 levels that is scaled to a range of 1."""
_NLL = re.compile(
    r"(?:\bnll\b|negative log[- ]likelihood|(?:nll |likelihood )?loss(?:es)?)[^.;,\d-]{0,30}?(-\d{1,9}(?:\.\d{1,6})?)\b"
)
_EIGHT_BIT = re.compile(r"cifar|imagenet|celeb|lsun|mnist|8-?bit|\bimages?\b")
_SCALE = re.compile(r"scale[ _]factor[^.;,\d]{0,40}?(0?\.\d{1,6})")
_TRIALS = re.compile(
    rf"{PERCENT}\s(?:\w+\s){{0,2}}?(?:over|of|in|on|from|out of)\s(?:the\s)?(\d{{1,5}})\s(?:evaluation |test |real |real-world )?(?:episodes|trials|rollouts|runs|attempts|roll-outs)"
)


def add_density(text: str, size_x: int | None, ids: Found, facts: Facts) -> list[Draft]:
    """Facts by name in `ids`; findings where a number says what is wrong."""
    _scale(text, ids, facts)
    _rate(text, ids, facts)
    draft = _negative(text, size_x, ids, facts)
    return [draft] if draft else []


def _negative(text: str, size_x: int | None, ids: Found, facts: Facts) -> Draft | None:
    found = _NLL.search(text)
    if found is None or not size_x or size_x < 2:
        return None
    bits = float(found[1]) / size_x / math.log(2)
    image = bool(_EIGHT_BIT.search(text))
    said = f"NLL {float(found[1]):g} over {size_x:,} values is {number(bits * math.log(2))} nats a value = {number(bits)} bits; a density may exceed 1, so its NLL may be negative"
    if image:
        said += f"; with 256 levels scaled to a range of 1 that is {number(bits + LEVELS)} bits/dim"
    ids["nll"] = facts.add(said, "computed", bits, "bits a value", "NLL / (D ln 2); + 8 for 256 levels in a range of 1")
    if not image or bits + LEVELS > 0:
        return None
    return Draft(
        "high",
        GENERATIVE,
        "No code of 256 levels is shorter than 0 bits",
        (ids["nll"],),
        "add uniform noise of one level to every value (dequantisation), and check that log|det| is divided by the same number of values as the rest of the "
        "loss; without noise the density grows without bound on the levels.",
        "bits/dim on held-out data with the noise: between 2 and 5 for natural images; without it, it falls for as long as one trains.",
        weight=6,
    )


def _scale(text: str, ids: Found, facts: Facts) -> None:
    found = _SCALE.search(text)
    s = float(found[1]) if found else 0.0
    if not 0.01 < s < 1:
        return
    ids["scale"] = facts.add(
        f"a scale factor of {s:g} belongs to latents of standard deviation 1/{s:g} = {number(1 / s)}, and brings them to 1; any value is right that does",
        "computed",
        1 / s,
        "standard deviation",
        "factor = 1 / std of the latents",
    )


def _rate(text: str, ids: Found, facts: Facts) -> None:
    found = _TRIALS.search(text)
    if found is None:
        return
    p, n = value(found[1]) / 100, int(found[2])
    if not 0 < p <= 1 or n < 2:
        return
    near = min(max(p, 1 / (n + 1)), n / (n + 1))
    half = 1.96 * math.sqrt(near * (1 - near) / n)
    ids["rate"] = facts.add(
        f"{p:.0%} of {n:,} trials is known to ± {half:.2g} (95 %); two rates over as many must differ by {1.41 * half:.2g}",
        "computed",
        half,
        "rate",
        "binomial",
    )
