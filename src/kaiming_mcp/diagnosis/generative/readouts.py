"""What logs and forecasting libraries print beside a score: coverage by quantile, MASE, KL of a latent, perplexity of codes."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from statistics import NormalDist

from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.facts import Facts
from kaiming_mcp.diagnosis.generative.quantities import IS, NUMBER, positive, value
from kaiming_mcp.diagnosis.principles import GENERATIVE
from kaiming_mcp.scaffold import number

__all__ = ["COLLAPSE", "OFF", "Readouts", "add_readouts", "naive_is_better", "read_readouts"]

OFF = 0.03
"""Difference of a coverage from its level from which it is told where the number of cases is not."""
COLLAPSED = 0.1
"""Nats of KL below which a latent is taken as unused, a rule of thumb."""
COLLAPSE = "posterior collapse"
_LEVELS = re.compile(
    r"coverage\s?[\[({]\s?(0?\.\d{1,4})\s?[\])}][\"']?\s{0,3}[:=]\s{0,3}(0?\.\d{1,18}|1(?:\.0{1,18})?|0)\b"
)
_MASE = re.compile(rf"\bmase{IS}{NUMBER}")
_KL = re.compile(
    r"(?<![a-z])kl(?![a-z])(?!\s?(?:weight|coefficient|annealing|penalty of|factor))(?:[ _-](?:loss|term|divergence|cost|part|value))?"
    r"[^;\n]{0,40}?(zero\b|vanish|negligible|(?<![\d.,e-])\d{1,6}(?:\.\d{1,9})?(?:e-?\d{1,3})?(?![\d%]))"
)
_RESTORED = re.compile(
    r"\b(?:perfect|good|excellent|sharp|accurate|faithful|great)\w{0,2} (?:\w+ )?reconstruct|reconstruct\w*\b[^.;,\n]{0,25}\b(?:perfect|very good|great|well|fine|sharp|excellent|accurate)"
)
_PERPLEXITY = re.compile(rf"perplexity\b[^.;\n\d]{{0,40}}?{NUMBER}")
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Readouts:
    """None or empty where the text does not say; levels are (quantile, share of outcomes below it)."""

    levels: tuple[tuple[float, float], ...] = ()
    mase: float | None = None
    kl: float | None = None
    perplexity: float | None = None
    restored: bool = False
    """Whether inputs are said to be reconstructed well."""

    @property
    def unused(self) -> bool:
        """Whether the KL says that a latent carries next to nothing; a good reconstruction says that it is a mean or weighted."""
        return self.kl is not None and self.kl < COLLAPSED and not self.restored

    @property
    def central(self) -> tuple[float, float] | None:
        """(level, actual share) of the widest interval between a quantile and its mirror."""
        below = dict(self.levels)
        for q in sorted(below):
            mirror = next((p for p in below if math.isclose(p, 1 - q, abs_tol=1e-9)), None)
            if q < 0.5 and mirror is not None:
                return 1 - 2 * q, max(below[mirror] - below[q], 0.0)
        return None

    @property
    def shifted(self) -> bool:
        """Whether the median does not halve the outcomes."""
        middle = dict(self.levels).get(0.5)
        return middle is not None and abs(middle - 0.5) > OFF

    @property
    def off(self) -> bool:
        """Whether an interval or the median holds another share than it says."""
        return self.shifted or (self.central is not None and abs(self.central[1] - self.central[0]) > OFF)


def read_readouts(text: str) -> Readouts:
    """All of them, from a lower-case text."""
    kl = _KL.search(text)
    told = tuple((float(q), float(share)) for q, share in _LEVELS.findall(text))
    return Readouts(
        levels=told,
        mase=positive(_MASE, text),
        kl=None if kl is None else value(kl[1]) if kl[1][0].isdigit() and "e-" not in kl[1] else _small(kl[1]),
        perplexity=positive(_PERPLEXITY, text),
        restored=_RESTORED.search(text) is not None,
    )


def _small(words: str) -> float:
    return float(words) if words[0].isdigit() else 0.0


def add_readouts(said: Readouts, codebook: int | None, facts: Facts) -> dict[str, str]:
    """Record what they say; the ids by name."""
    found: dict[str, str] = {}
    if said.off:
        found["calibration"] = facts.add(
            _coverage(said), "computed", _actual(said), "share", "differences of coverages"
        )
    if said.mase is not None:
        side = "worse" if said.mase > 1 else "better"
        text = f"MASE {number(said.mase)}: the absolute error is {number(said.mase)} x that of the naive forecast, {side} than no model"
        found["naive"] = facts.add(text, "computed", said.mase, "x naive error", "definition of MASE")
    if said.kl is not None and said.unused:
        text = f"with a KL of {number(said.kl) if said.kl else 'about 0'} nats the latent knows no more than that of x"
        found["kl"] = facts.add(text, "computed", said.kl, "nats", "I(x; z) <= E KL(q(z|x) || p(z))")
    elif said.kl is not None and said.restored and said.kl < COLLAPSED:
        text = f"a KL of {number(said.kl)} nats cannot carry an input that is restored well: as printed it is a mean over the latent's values, or weighted"
        found["kl"] = facts.add(text, "computed", said.kl, "nats as printed", "I(x; z) <= E KL(q(z|x) || p(z))")
    if said.perplexity is not None and codebook and 1 <= said.perplexity <= codebook:
        used, whole = math.log2(said.perplexity), math.log2(codebook)
        text = (
            f"perplexity {number(said.perplexity)} of {codebook:,} codes is {used:.3g} of {whole:.3g} bits a token ({used / whole:.0%}); "
            "taken over one batch it is bounded by the tokens in the batch"
        )
        found["codes"] = facts.add(text, "computed", used, "bits", "log2 of the perplexity")
    return found


def naive_is_better(said: Readouts, ids: dict[str, str]) -> Draft | None:
    """A MASE above 1: the naive forecast is better than the model."""
    if said.mase is None or said.mase <= 1:
        return None
    return Draft(
        "high",
        GENERATIVE,
        "The naive forecast is better than the model",
        (ids["naive"],),
        "use the (seasonal) naive forecast until a model beats it; look first for a wrong scale, frequency or alignment of the series.",
        "MASE on the same windows: the naive forecast has about 1, a model that learned anything has less.",
        weight=6,
    )


def _actual(said: Readouts) -> float:
    return said.central[1] if said.central is not None else dict(said.levels)[0.5]


def _coverage(said: Readouts) -> str:
    parts: list[str] = []
    if said.central is not None:
        level, actual = said.central
        q = (1 - level) / 2
        parts.append(
            f"{actual:.3g} of the outcomes lie between the {q:.3g} and {1 - q:.3g} quantiles, {level:.3g} would be right"
        )
        if abs(actual - level) > OFF:
            parts[0] += ": too narrow" if actual < level else ": too wide"
        if 0 < actual < 1 and abs(actual - level) > OFF:
            factor = _NORMAL.inv_cdf((1 + level) / 2) / _NORMAL.inv_cdf((1 + actual) / 2)
            parts[0] += f" by {factor:.3g} (Gaussian, centred)"
    if said.shifted:
        middle = dict(said.levels)[0.5]
        side = "high" if middle > 0.5 else "low"
        parts.append(f"{middle:.3g} lie below the median forecast, 0.5 would be right: it is too {side}")
    return "; ".join(parts)
