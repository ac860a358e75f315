"""Whether a target is a number with a unit: distance in m, delay [s], remaining minutes, power_W."""

from __future__ import annotations

import re

__all__ = ["has_unit"]

_UNIT = (
    r"(?:m|mm|cm|km|nm|um|µm|metres?|meters?|ft|feet|miles|s|ms|sec|min|mins|hrs|seconds|minutes|hours|days|years|kg|g|mg|tonnes|k|kelvin|°c|°|degrees(?: c)?|celsius|"
    r"rad|radians|hz|khz|mhz|pa|kpa|hpa|mpa|gpa|bar|mmhg|ev|mev|gev|kcal|kj|j|w|kw|mw|gw|kwh|mwh|mv|ma|ml|mmol|mol|ppm|ppb|db|"
    r"usd|eur|dollars|euros|m/s|km/h|mm/h|g/l|mg/dl|mmol/l|mol/l|mg/l|kg/m3|w/m2|kcal/mol|kj/mol|m3|m²|m2|m³|bpm|counts/s|log units)"
)
_TOLD_IN = rf"(?:\bin {_UNIT}(?![\w/])|[\[(]\s?{_UNIT}\s?[\])])"
_SPELLED_UNIT = (
    r"(?:seconds|minutes|hours|days|metres|meters|kilometres|kilometers|millimetres|kilograms|grams|tonnes|litres|degrees|kelvin|watts|kilowatts|"
    r"megawatts|volts|amperes|pascals|joules|dollars|euros|decibels)"
)
_MEASURED = re.compile(rf"{_TOLD_IN}|(?<![\d.] )(?<![\d.])\b{_SPELLED_UNIT}\b|_{_UNIT}\b")
_CATEGORY = re.compile(
    r"\b(?:whether|class|classes|label|labels|category|categories|yes or no|one of|grade|more than|less than|above|below)\b"
)
_GUESSED = re.compile(rf"\b(?:predict|estimate|regress|forecast|infer|measure)\w{{0,4}}\b[^.;\n]{{0,60}}?{_TOLD_IN}")


def has_unit(target: str, problem: str) -> bool:
    """Whether x is told as a number with a unit: in the target, or where there is none after a verb in the problem."""
    if target:
        return bool(_MEASURED.search(target)) and not _CATEGORY.search(target)
    return bool(_GUESSED.search(problem))
