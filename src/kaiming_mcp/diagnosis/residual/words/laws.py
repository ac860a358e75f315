"""Shares that follow from numbers a person states, by closed form.

Persistence of a stationary series leaves 2(1 - rho), scaled by rho 1 - rho² (AR(1): rho(h) = rho^h). An input with
independent noise leaves 1/SNR, shrunk by SNR/(1+SNR) 1/(1+SNR). A reference of correlation rho and relative spread v
leaves 1 + v² - 2 rho v, after b R + a 1 - rho².
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from kaiming_mcp.diagnosis.residual.words.said import TIME_UNITS, Horizon, Kind, Stated
from kaiming_mcp.scaffold import number

GAUSSIAN_MAE = math.sqrt(2 / math.pi)
"""Mean absolute value of a Gaussian over its standard deviation."""
USUAL_SPREAD = 0.25
"""Standard deviation of photographs over their peak."""
_RESIDUAL = re.compile(r"residual|innovation|increment|correction|differen|mismatch|discrepan|minus|x ?- ?r\b|error")
_FILLING = frozenset("of the a an is and with has have its are for to in on".split())
_MODEL = re.compile(r"\b(?:our|we|my|u-?net|network|cnn|transformer|lstm|neural|trained|ml)\b")
_OF_TRAINING = re.compile(r"train|test|valid|top-?\d|classif|layer")
_NOT_TARGET = re.compile(r"noise|input|feature|prior|init|weight|activation|seed|ensemble")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share that follows from stated numbers; `scaled` is what b R + a leaves, with that b."""

    law: str
    """The id of its sentence in words.yaml, filled with `values`."""
    share: float
    scaled: float | None = None
    slope: float | None = None
    assumed: str = ""
    kind: Literal["share", "goal", "floor"] = "share"
    told: str = ""
    """The condition it holds for."""
    reference: str = ""
    """The id of the kind of reference that the law speaks of; empty for the one at hand."""
    values: dict[str, Any] = field(default_factory=dict[str, Any], compare=False)


def first(stated: list[Stated], *kinds: Kind, wish: bool = False) -> Stated | None:
    """The first number of that kind, above zero; of the goals instead with `wish`."""
    return next((s for s in stated if s.kind in kinds and s.value > 0 and s.wish is wish), None)


def spread_of(stated: list[Stated]) -> Stated | None:
    """The standard deviation of the target."""
    for s in stated:
        of_target = not _RESIDUAL.search(s.subject) and not _NOT_TARGET.search(s.subject)
        if s.kind in ("spread", "variance") and of_target and s.value > 0 and not s.wish:
            return Stated("spread", math.sqrt(s.value) if s.kind == "variance" else s.value, s.unit, s.subject)
    return None


def errors_of(stated: list[Stated]) -> list[Stated]:
    """Root mean square errors of references, in the order of the text; a mean absolute error as that of a Gaussian."""
    found: list[Stated] = []
    for s in stated:
        if s.wish or _MODEL.search(s.subject) or _OF_TRAINING.search(s.subject) or s.value <= 0:
            continue
        of_rest = bool(_RESIDUAL.search(s.subject))
        if (s.kind == "rmse" and "noise" not in s.subject) or (s.kind == "spread" and of_rest):
            found.append(Stated("rmse", s.value, s.unit, s.subject))
        elif s.kind == "mae":
            found.append(Stated("rmse", s.value / GAUSSIAN_MAE, s.unit, f"{s.subject} (from the MAE, Gaussian)"))
        elif s.kind == "mse" or (s.kind == "variance" and of_rest):
            found.append(Stated("rmse", math.sqrt(s.value), s.unit, s.subject))
    return found


def estimates(stated: list[Stated], horizon: Horizon | None) -> list[Estimate]:
    """Everything that the stated numbers decide, the most direct first."""
    laws = (_direct(stated), _persistence(stated, horizon), _correlated(stated), _noisy(stated), _bounds(stated))
    return [e for law in laws for e in law]


def _direct(stated: list[Stated]) -> list[Estimate]:
    spread, found = spread_of(stated), list[Estimate]()
    for error in errors_of(stated)[:3] if spread else ():
        if spread is None or not _same_unit(spread, error):
            continue
        whose = " ".join(w for w in error.subject.split() if w not in _FILLING and not w.startswith("("))[-40:]
        values = {
            "whose": whose or "the reference",
            "error": error.value,
            "error_unit": _u(error),
            "spread": spread.value,
            "spread_unit": _u(spread),
        }
        assumed = "Gaussian errors" if "MAE" in error.subject else ""
        share = (error.value / spread.value) ** 2
        found.append(Estimate("direct", share, assumed=assumed, told=whose, values=values))
    left = next((s.value for s in stated if s.kind == "left" and 0 < s.value <= 1), None)
    if not found and left:
        return [Estimate("stated", left)]
    return sorted(found, key=lambda e: e.share)


def _persistence(stated: list[Stated], horizon: Horizon | None) -> Iterator[Estimate]:
    given = next((s for s in stated if s.kind == "autocorrelation" and -1 < s.value < 1), None)
    memory = first(stated, "memory")
    how, limit, unit = "", None, "lags"
    if given is not None:
        steps = 1.0
        if horizon is not None and given.lag:
            steps = horizon.count / given.lag
        elif horizon is not None and horizon.count > 1 and horizon.unit in ("step", "frame"):
            steps = horizon.count
        rho = given.value if steps == 1 else max(given.value, 0.0) ** steps
        if given.value > 0:
            limit = math.log(0.5) / math.log(given.value) * (given.lag or 1)
        unit = f"{horizon.unit}s" if horizon else unit
        how = f" (AR(1): {number(given.value)}^{number(steps)})" if steps != 1 else ""
    elif memory is not None and horizon is not None:
        scale = TIME_UNITS.get(memory.unit.lower().rstrip("s")) or TIME_UNITS.get(memory.unit.lower())
        lead = horizon.seconds if scale else horizon.count
        if lead is None:
            return
        rho, limit, unit = math.exp(-lead / (memory.value * (scale or 1))), math.log(2) * memory.value, memory.unit
        how = f" (exp(-lead/{number(memory.value)} {memory.unit}), AR(1))"
    else:
        return
    beyond = f"; beyond a lead of {number(limit or 0)} {unit or 'steps'} (if AR(1)) it leaves more than the mean does"
    values = {"rho": rho, "how": how, "limit": beyond if limit else ""}
    assumed = "AR(1)" if how else ""
    yield Estimate("persistence", 2 * (1 - rho), 1 - rho**2, rho, assumed, reference="persistence", values=values)


def _correlated(stated: list[Stated]) -> Iterator[Estimate]:
    rho = next((s.value for s in stated if s.kind == "correlation" and abs(s.value) < 1), None)
    if rho is not None:
        yield Estimate("correlation", 2 * (1 - rho), 1 - rho**2, rho, "equal spreads", values={"rho": rho})
    said = [s for s in stated if not s.wish and not _MODEL.search(s.subject)]
    r2 = next((s.value for s in said if s.kind == "r2" and s.value <= 1), None)
    if r2 is not None:
        yield Estimate("explained", 1 - r2, 1 - r2, values={"r2": r2})


def _noisy(stated: list[Stated]) -> Iterator[Estimate]:
    """An input with noise, at up to three ratios of signal to noise, or with a peak ratio."""
    ratios = [s for s in stated if s.kind == "snr"]
    decibels = any(s.unit.lower() == "db" for s in ratios)
    for s in ratios[:3]:
        decibel = decibels or s.value <= 0
        ratio = 10 ** (min(max(s.value, -300), 300) / 10) if decibel else s.value
        shown = f"{s.value:g} dB" if decibel else f"{s.value:g} (as a power ratio)"
        slope, values = ratio / (1 + ratio), {"shown": shown}
        scaled = 1 / (1 + ratio)
        yield Estimate("snr", 1 / ratio, scaled, slope, "", "share", f"at {shown}", "noisy-input", values)
    peak = next((s for s in stated if s.kind == "psnr" and 0 < s.value < 150 and not s.wish), None)
    if peak is not None and not _MODEL.search(peak.subject):
        error = 10 ** (-peak.value / 20)
        values = {"peak": peak.value, "error": error}
        yield Estimate("psnr", (error / USUAL_SPREAD) ** 2, assumed="spread 0.25 of the peak", values=values)


def _bounds(stated: list[Stated]) -> Iterator[Estimate]:
    """What noise and a goal say about the residual."""
    error, noise, spread = next(iter(errors_of(stated)), None), first(stated, "noise"), spread_of(stated)
    if noise and error and _same_unit(noise, error):
        share = (noise.value / error.value) ** 2
        rest = "nothing is left to learn" if share >= 1 else f"at most {number(1 - share)} of it can be learned"
        values = {"noise": noise.value, "unit": _u(noise), "rest": rest}
        yield Estimate("noise-of-rest", share, kind="floor", values=values)
    elif noise and spread and _same_unit(noise, spread):
        values = {"noise": noise.value, "unit": _u(noise)}
        yield Estimate("noise-of-all", (noise.value / spread.value) ** 2, kind="goal", values=values)
    goal = first(stated, "rmse", "mae", wish=True)
    if goal and error and _same_unit(goal, error) and goal.value != error.value:
        needed = 1 - (goal.value / (GAUSSIAN_MAE if goal.kind == "mae" else 1) / error.value) ** 2
        values = {"goal": goal.value, "unit": _u(goal)}
        yield Estimate("goal" if needed > 0 else "goal-met", max(needed, 0.0), kind="goal", values=values)


def _same_unit(a: Stated, b: Stated) -> bool:
    return not a.unit or not b.unit or a.unit.lower().rstrip("s") == b.unit.lower().rstrip("s")


def _u(s: Stated) -> str:
    return f" {s.unit}" if s.unit and s.unit != "%" else ""
