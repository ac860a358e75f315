"""How many training samples there are, in the user's own unit."""

from __future__ import annotations

import re

from kaiming_mcp.diagnosis.generative.quantities import NUMBER, SCALE, scaled

_SAMPLES = re.compile(
    rf"{NUMBER}{SCALE}[\s-]+(?:[\w-]+\s+){{0,2}}?(samples|pairs|examples|images|sequences|structures|patients|molecules|"
    r"trajectories|simulations|runs|records|cases|scans|demonstrations|documents|rows|series|designs|videos|"
    r"observations|measurements|compounds|proteins|events|snapshots|clips|subjects|recordings|slices|volumes|spectra|"
    r"complexes|crystals|reactions|games|episodes|days|storms|galaxies|customers|utterances|sentences|papers|cells|plants|"
    r"sites|materials|mammograms|questions|prompts|pages|experiments|photos|smiles|notes|compositions|"
    r"alloys|specimens|trips|scenes|models|flights|visits|wells|users|tiles|songs|fields)\b"
)
_DAYS = frozenset(
    {"days", "sites", "storms", "games", "questions", "cells", "models", "wells", "users", "fields", "scenes"}
)
"""Units that count samples only where the data are spoken of."""
_CADENCE = re.compile(
    r"\b(?:(\d{1,3})[- ]?)?(minutely|hourly|daily|weekly|monthly|yearly|annual)\b|"
    r"\b(\d{1,3})[- ](second|minute|hour|day)(?=s?[- ](?:records|data|intervals|values|steps|resolution|sampling|averages))"
)
_EVERY = {
    **{
        "minutely": 60.0,
        "hourly": 3600.0,
        "daily": 86400.0,
        "weekly": 604800.0,
        "monthly": 2629800.0,
        "yearly": 31557600.0,
    },
    **{"annual": 31557600.0, "second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0},
}
_INTERVAL = re.compile(r"[\s-]?(?:s|sec|second|min|minute|h|hour|day)s?[\s-]")
_TEST_ONLY = re.compile(r"\b(?:test|held[- ]out|validation)\b")
_N = re.compile(rf"\bn\s*=\s*{NUMBER}{SCALE}")


def read_samples(problem: str, data: str, whole: str, span: float | None) -> tuple[int | None, str]:
    """(count, unit): as the data are described, else the problem, else a span of data at a stated cadence."""
    samples, unit = _samples(data)
    if samples is None:
        samples, unit = _samples(problem, _DAYS)
    if samples is None:
        samples, unit = _recorded(whole, span), "records"
    return samples, unit if samples else ""


def _samples(text: str, apart: frozenset[str] = frozenset()) -> tuple[int | None, str]:
    """(the largest count of training samples, its unit)."""
    found = [
        (scaled(m[1], m[2]), m[3])
        for m in _SAMPLES.finditer(text)
        if m[3] not in apart
        and not _INTERVAL.match(text, m.end(1))
        and not _TEST_ONLY.search(text[max(0, m.start() - 12) : m.end()])
    ]
    named = _N.search(text)
    if named:
        found.append((scaled(named[1], named[2]), ""))
    largest, unit = max(found, default=(0.0, ""))
    return (round(min(largest, 1e15)), unit) if largest >= 1 else (None, "")


def _recorded(text: str, span: float | None) -> int | None:
    """Records in a span of data at a stated cadence: 40 years of daily data, 1979-2018 6-hourly."""
    cadence = _CADENCE.search(text)
    if not cadence or not span:
        return None
    every = _EVERY[cadence[2] or cadence[4]] * max(int(cadence[1] or cadence[3] or 1), 1)
    count = span / every
    return round(count) if 1 <= count < 1e12 else None
