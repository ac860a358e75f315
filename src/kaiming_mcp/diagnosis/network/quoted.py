"""Which quotation belongs to which finding: chosen by what both speak of, and none where none fits."""

from __future__ import annotations

import re

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.relevance import named_quote
from kaiming_mcp.library import Library
from kaiming_mcp.scaffold import Quotation

EXPONENTIAL = "magnifying the magnitudes of input signals exponentially"
RECTIFIER = "particularly considers the rectifier nonlinearities"
DEPTH_SCALES = "depth scales that naturally limit"
_WORDS = (
    (r"does not fit (relu|leaky_relu|prelu|rrelu)", RECTIFIER),
    (r"does not fit|in the hidden layers|no gain can hold|gates multiply|Residual sums without", EXPONENTIAL),
    (r"ignores the input", DEPTH_SCALES),
    (r"Deep plain stack:", "not overly deep"),
    (r"Multiplicative operations on the skip|multiplied by a constant", "Multiplicative manipulations"),
    (r"One-layer residual", "only a single layer"),
    (r"never negative", "last BN where"),
    (r"Batch statistics over", "your BN usage is correct"),
)
"""A finding's title, and words of the quotation that speaks of the same."""


def quotations(faults: list[Draft], library: Library, most: int = 2) -> list[Quotation]:
    """Those that belong to the first findings."""
    found: dict[str, Quotation] = {}
    for draft in faults[:3]:
        words = next((words for pattern, words in _WORDS if re.search(pattern, draft.title)), "")
        quote = named_quote(library, words)
        if quote is not None:
            found.setdefault(quote.text, quote)
    return [*found.values()][:most]
