"""Numbers as people write them: 1,000 and 1e-3 and 10^5, 5 % and 3,2 %, 50k, 20 ms, 256x256.

Every pattern has bounded repeats, so that reading is linear in the text, whatever it holds.
"""

from __future__ import annotations

import math
import re

from kaiming_mcp.diagnosis.generative.rates import numerals, per_time, repeated, timed

NUMBER = (
    r"(\d{1,3}(?:,\d{3})+(?:\.\d{1,9})?|\d{1,15}(?:[.,]\d{1,15})?(?:e[+-]?\d{1,3}|\s?[x×*]\s?10\^-?\d{1,2}|\^\d{1,2})?)"
)
SCALE = r"(?:\s?(k|m|b|thousand|million|billion)\b)?"
PERCENT = r"(\d{1,3}(?:[.,]\d{1,9})?)\s?(?:%|percent|per cent)"
SHARE = rf"(?:{PERCENT}|\b(0?[.,]\d{{1,9}})\b)"
TIME = rf"{NUMBER}\s?(ns|nanoseconds?|us|µs|μs|microseconds?|ms|msec|milliseconds?|s|sec|secs|seconds?|min|mins|minutes?|h|hours?)\b"
IS = r"\s{0,2}(?:score|value|ratio)?\s{0,2}(?:of|=|:|is|was|at|about|around|≈|~|reaches|gets|only|below|above|size)?\s{0,2}(?:of|=|about|only)?\s{0,2}"
"""Words between the name of a quantity and its number."""
NEAR = r"[^.;%\n]{0,40}?"
_SCALES = {"": 1.0, "k": 1e3, "m": 1e6, "thousand": 1e3, "million": 1e6, "billion": 1e9, "b": 1e9}
_SECONDS = (
    ("ns", 1e-9), ("nano", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("μs", 1e-6), ("micro", 1e-6), ("ms", 1e-3), ("milli", 1e-3),
    ("min", 60.0), ("s", 1.0), ("h", 3600.0),
)  # fmt: skip
_PERIODS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0, "week": 604800.0, "month": 2629800.0, "year": 31557600.0}
_GRID = re.compile(r"\b(\d{1,7}(?:\s?[x×*]\s?\d{1,7}){1,4})\b")
_COUNTED = re.compile(
    rf"{NUMBER}{SCALE}[\s-]+(?:[a-z-]{{1,20}}\s+){{0,1}}?(variables?|channels?|bands|features?|parameters?|numbers?|values?|dimensions|"
    r"dims|atoms|residues|tokens|frames|sensors|points|particles|pixels|voxels|frequencies|wavelengths|bins|coefficients|genes|"
    r"joints|electrodes|leads|stations|columns|instants|time points|lead times|receivers|shots|microphones|antennas|detectors|sites|wells|fractions|elements|angles|thicknesses|coordinates|positions|lengths|radii|widths|heights|displacements|velocities|forces|torques|amplitudes|samples long|dimensional|dim)\b"
)
_PARTS = re.compile(
    rf"{NUMBER}\s(?:[a-z-]{{1,20}}\s)?(?:actions|waypoints|poses|steps|tokens|positions|residues|atoms|points|joints)\s(?:of|with|each of|x|in)\s"
    rf"{NUMBER}\s?(?:d\b|[a-z-]{{0,20}}\s?(?:joints|numbers|values|dimensions|coordinates|variables|features|angles|torques|components))"
)
_SINGULAR = re.compile(
    r"\b(\d{1,4})-(lead|channel|band|variable|sensor|electrode|joint|station|parameter|feature|antenna|detector)\b"
)
_CHAIN = re.compile(r"\b\d{1,7}\s[a-z-]{2,15}(?:\s?[x×]\s?\d{1,7}(?:\s[a-z-]{2,15}){0,2}){1,4}")
"""12 variables x 721x1440, 5 shots x 70 receivers x 1000 time steps."""
_FRAMES = re.compile(
    rf"(?:{NUMBER}[\s-]+|\b(?:the|a|one|single|next|last|previous|current)\s)(?:[a-z-]{{1,20}}\s){{0,2}}"
    r"frames?\b"
)
_WHOLE = frozenset({"values", "numbers", "value", "number", "dimensions", "dims", "dim", "dimensional", "coefficients"})
"""Units that count all of a sample."""
_LENGTH = re.compile(
    rf"(?:length|window|lookback|history|context)\s(?:of\s|=\s?)?(?:length\s)?{NUMBER}\b(?!\s?(?:variables|channels|hours|days|weeks|months|years|minutes|seconds|ms|s\b))"
)
_HORIZON = re.compile(
    rf"(?:next|future|horizon(?: of)?|following|coming|upcoming|ahead|rollout of|over)\s+(?:the\s+)?(?:next\s+)?{NUMBER}[\s-]+"
    r"(steps?|time ?steps|frames|hours|days|weeks|months|minutes|tokens|stages|calls|seconds|values|points)"
)
_STEPS = re.compile(
    rf"{NUMBER}[\s-]+(?:autoregressive |rollout |time |reasoning |tool )?(steps|timesteps|stages|calls|tokens|iterations|hops|agents)\b"
)
_SAMPLER_STEP = re.compile(
    r"(?:denois|diffusion|sampl|reverse|ddim|ddpm|euler|ode|langevin|gradient|training|solver)\w{0,12}\s{1,3}$"
)


def value(text: str) -> float:
    """A written number; 0 where it is too large for a float."""
    plain = text.replace(" ", "").replace("×", "x").replace("*", "x")
    if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", plain):
        return float(plain.replace(",", ""))
    base, _, exponent = plain.replace(",", ".").partition("x10")
    if exponent:
        return _finite(float(base) * 10 ** float(exponent.lstrip("^")))
    if "^" in base:
        root, _, power = base.partition("^")
        return _finite(math.exp(min(float(power) * math.log(max(float(root), 1e-300)), 700.0)))
    return _finite(float(base))


def scaled(text: str, unit: str | None) -> float:
    """A number with k, M, million behind it."""
    return value(text) * _SCALES[unit or ""]


def share(percent: str | None, fraction: str | None) -> float | None:
    """A share from the groups of SHARE; None outside (0, 1)."""
    found = value(percent) / 100 if percent else float((fraction or "0").replace(",", "."))
    return found if 0 < found < 1 else None


def seconds(text: str, unit: str) -> float:
    """A duration in seconds from the groups of TIME."""
    return value(text) * next(factor for start, factor in _SECONDS if unit.startswith(start))


def period(text: str, unit: str) -> float:
    """A span such as 4 years or 6 hours, in seconds."""
    return value(text) * next((s for name, s in _PERIODS.items() if unit.startswith(name)), 1.0)


def clock(s: float) -> str:
    """Seconds as a person reads them."""
    for factor, unit in (
        (31557600.0, "years"),
        (86400.0, "days"),
        (3600.0, "h"),
        (60.0, "min"),
        (1.0, "s"),
        (1e-3, "ms"),
    ):
        if s >= factor:
            shown = f"{s / factor:.3g}"
            return f"{shown} {unit.removesuffix('s') if shown == '1' and len(unit) > 2 else unit}"
    return f"{s * 1e6:.3g} µs"


def counted(count: float, unit: str) -> str:
    """1 value, 2,880 values."""
    return f"{round(count):,} {unit}{'' if round(count) == 1 else 's'}"


def size(text: str) -> int | None:
    """Number of values in "12 variables x 721x1440", "18 frames of 128x128", "60 numbers per hour for 2 days"; None where none is told."""
    text = _SINGULAR.sub(r"\1 \2s", numerals(text))
    chain = _CHAIN.search(text)
    if chain:
        return _bounded(math.prod(int(n) for n in re.findall(r"\d{1,7}", chain[0])))
    grids = [math.prod(int(n) for n in re.findall(r"\d{1,7}", g)) for g in _GRID.findall(text)]
    # A chunk of 100 actions of 14 joints.
    parts = None if grids else _PARTS.search(text)
    if parts:
        return _bounded(value(parts[1]) * value(parts[2]))
    total = float(max(grids, default=1))
    inside = _GRID.sub(" ", text)
    over_time = timed(inside)
    if over_time is None and per_time(inside):
        return None
    if over_time is not None:
        total, inside = total * over_time[0], over_time[1]
    elif not grids and (each := repeated(inside)):
        return _bounded(each)
    # The same count of one thing said twice, a 12-lead ECG with 12 leads, counts once.
    counts = list(dict.fromkeys((scaled(n, k), unit) for n, k, unit in _COUNTED.findall(inside)))
    whole = [n for n, unit in counts if unit in _WHOLE]
    if whole and not grids and over_time is None:
        return 1 if max(whole) == 1 else _bounded(max(whole))
    for count, _ in counts[:3]:
        total *= max(count, 1)
    steps = None if over_time else horizon(inside)
    if steps is None and not grids and not over_time and (length := _LENGTH.search(inside)):
        steps = _count(value(length[1]))
    if steps and not any(unit in {"frames", "tokens", "values", "points", "samples long"} for _, unit in counts):
        total *= steps
    return _bounded(total)


def framed(target: str, condition: str) -> int | None:
    """Values of frames that only the other text gives a size: 18 frames, after 6 frames of 256x256; None otherwise."""
    x, y, known = _FRAMES.search(numerals(target)), _FRAMES.search(numerals(condition)), size(condition)
    if x is None or y is None or known is None or _GRID.search(target):
        return None
    each = known / max(value(y[1] or "1"), 1)
    return _bounded(value(x[1] or "1") * each) if each > 1 and each == round(each) else None


def horizon(text: str) -> int | None:
    """Steps that are to be predicted or composed; the steps of a sampler are none."""
    ahead = _HORIZON.search(text)
    if ahead:
        return _count(value(ahead[1]))
    for found in _STEPS.finditer(text):
        unlike = re.search(
            r"(?:denois|diffusion|sampl|reverse|ddim|ddpm|euler|ode|langevin|train|solver|gradient)", found[0]
        )
        if not unlike and not _SAMPLER_STEP.search(text[max(0, found.start() - 25) : found.start()]):
            return _count(value(found[1]))
    return None


def first(pattern: re.Pattern[str], text: str) -> str:
    """The whole first match, without the space around it."""
    found = pattern.search(text)
    return found[0].strip() if found else ""


def _bounded(total: float) -> int | None:
    return round(total) if 1 < total < 1e15 else None


def _count(number: float) -> int | None:
    return round(number) if 1 < number < 1e9 else None


def _finite(number: float) -> float:
    return number if math.isfinite(number) and abs(number) < 1e18 else 0.0


def numbers(found: re.Match[str]) -> list[str]:
    """The groups of a match that are numbers."""
    return [g for g in found.groups() if g and g[0].isdigit()]


def positive(pattern: re.Pattern[str], text: str) -> float | None:
    """The number of the first match; None where it is 0."""
    found = pattern.search(text)
    number = value(numbers(found)[0]) if found and numbers(found) else 0.0
    return number if number > 0 else None


def whole(pattern: re.Pattern[str], text: str) -> int | None:
    """The same as a whole number of at least 1."""
    number = positive(pattern, text)
    return round(number) if number is not None and 1 <= number < 1e9 else None
