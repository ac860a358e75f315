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
_RESIDUAL = re.compile(
    r"residual|innovation|increment|\bchange|tendenc|correction|differen|mismatch|discrepan|minus|x ?- ?r\b|error"
)
_FILLING = frozenset("of the a an is and with has have its are for to in on".split())
_COMMON = frozenset({"mean", "model", "input", "value", "output", "prediction", "forecast", "now", "last"})
"""Words of a name that tell no reference from another."""
FEWEST_STEPS = 10
_MODEL = re.compile(
    r"\b(?:our|we|my|u-?net|network|cnn|transformer|lstm|gru|rnn|gnn|mlp|tcn|xgboost|lightgbm|random forest|neural|trained|ml)\b"
)
_MODEL_ALONE = re.compile(r"^(?:the |current |existing |best |ml )*model(?:'s)?$|\bof (?:the )?model$")
"""The model, with nothing said of which: the one that is trained."""
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
    kind: Literal["share", "goal", "floor", "aside"] = "share"
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


def errors_of(stated: list[Stated], reference: str = "") -> list[Stated]:
    """Root mean square errors of references, in the order of the text; a mean absolute error as that of a Gaussian.

    A model's error is none, unless the model is what was named as the `reference`.
    """
    found: list[Stated] = []
    for s in stated:
        if (
            s.wish
            or (_of_model(s) and not named(s.subject, reference))
            or _OF_TRAINING.search(s.subject)
            or s.value <= 0
        ):
            continue
        of_rest = bool(_RESIDUAL.search(s.subject))
        if (s.kind == "rmse" and "noise" not in s.subject) or (s.kind == "spread" and of_rest):
            found.append(Stated("rmse", s.value, s.unit, s.subject))
        elif s.kind == "mae":
            found.append(Stated("rmse", s.value / GAUSSIAN_MAE, s.unit, f"{s.subject} (from the MAE, Gaussian)"))
        elif s.kind == "mse" or (s.kind == "variance" and of_rest):
            found.append(Stated("rmse", math.sqrt(s.value), s.unit, s.subject))
    return found


def error_of(stated: list[Stated], reference: str = "") -> Stated | None:
    """The error of the reference: the one whose words name it, else the first."""
    found = errors_of(stated, reference)
    return next((s for s in found if named(s.subject, reference)), next(iter(found), None))


def estimates(
    stated: list[Stated],
    horizon: Horizon | None,
    reference: str = "",
    denoising: bool = False,
    steps: int | None = None,
) -> list[Estimate]:
    """Everything that the stated numbers decide, the most direct first; in `denoising` stated noise is the input's."""
    noise = first(stated, "noise") if denoising else None
    laws = (
        _direct(stated, reference),
        _persistence(stated, horizon),
        _correlated(stated),
        _noisy(stated),
        _noise_of_input(stated, noise),
        () if noise else _bounds(stated, reference),
        _skill(stated, reference),
        _drift(stated, steps),
    )
    return [e for law in laws for e in law]


def named(subject: str, reference: str) -> bool:
    """Whether the words of a number hold a telling word of the reference."""
    words = {w for w in re.findall(r"[a-z0-9]{3,}", reference.lower()) if w not in _FILLING | _COMMON}
    return any(w in subject.lower() for w in words)


def _of_model(s: Stated) -> bool:
    return bool(_MODEL.search(s.subject) or _MODEL_ALONE.search(s.subject))


def _skill(stated: list[Stated], reference: str) -> Iterator[Estimate]:
    """A model's own error beside the reference's."""
    error = error_of(stated, reference)
    models = (s for s in stated if s.kind == "rmse" and not s.wish and s.value > 0 and _of_model(s))
    model = next((s for s in models if not named(s.subject, reference) and not _RESIDUAL.search(s.subject)), None)
    if error is None or model is None or not _same_unit(error, model) or "MAE" in error.subject:
        return
    values = {"model": model.value, "error": error.value, "unit": _u(error)}
    yield Estimate("skill", 1 - (model.value / error.value) ** 2, kind="aside", values=values)


def _drift(stated: list[Stated], steps: int | None) -> Iterator[Estimate]:
    """A bias of one step, fed back over many."""
    bias, spread = first(stated, "bias"), spread_of(stated)
    if bias is None or steps is None or steps < FEWEST_STEPS:
        return
    total = bias.value * steps
    of = f", {number(total / spread.value)} of the spread" if spread is not None and _same_unit(bias, spread) else ""
    yield Estimate(
        "drift", total, kind="aside", values={"bias": bias.value, "unit": _u(bias), "steps": steps, "of": of}
    )


def _noise_of_input(stated: list[Stated], noise: Stated | None) -> Iterator[Estimate]:
    """Noise that is to be removed is what the input leaves."""
    spread = spread_of(stated)
    if noise is not None and spread is not None and _same_unit(noise, spread):
        ratio = (spread.value / noise.value) ** 2
        shown = f"{number(ratio)} (noise {number(noise.value)} against a spread of {number(spread.value)})"
        yield Estimate(
            "snr", 1 / ratio, 1 / (1 + ratio), ratio / (1 + ratio), reference="noisy-input", values={"shown": shown}
        )


def _direct(stated: list[Stated], reference: str) -> list[Estimate]:
    spread, found = spread_of(stated), list[Estimate]()
    for error in errors_of(stated, reference)[:3] if spread else ():
        if spread is None or not _same_unit(spread, error):
            continue
        subject = re.sub(r"\([^()]*\)", " ", error.subject)
        whose = " ".join(w for w in subject.split() if w not in _FILLING and not w.startswith("("))[-40:]
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
    said = [s for s in stated if not s.wish and not _of_model(s)]
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
        told = spread_of(stated)
        # A spread below 1 is one of values between 0 and 1, the peak.
        own = told.value if told is not None and told.value < 1 and not told.unit else None
        values = {
            "peak": peak.value,
            "error": error,
            "of": number(own) if own else "0.25 of the peak, usual in photographs,",
        }
        assumed = "" if own else "spread 0.25 of the peak"
        yield Estimate("psnr", (error / (own or USUAL_SPREAD)) ** 2, assumed=assumed, values=values)


def _bounds(stated: list[Stated], reference: str) -> Iterator[Estimate]:
    """What noise and a goal say about the residual."""
    error, noise, spread = error_of(stated, reference), first(stated, "noise"), spread_of(stated)
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
