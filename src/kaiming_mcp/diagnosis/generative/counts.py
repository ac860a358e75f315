"""How many training samples there are, in the user's own unit.

A number glued to a letter, a point or a name (x4, 28.42, CIFAR-10) counts nothing, and "4 slices of photos" counts slices.
"""

from __future__ import annotations

import re

from kaiming_mcp.diagnosis.generative.quantities import NUMBER, SCALE, scaled

_SAMPLES = re.compile(
    rf"(?<![\w.,])(?<![a-z]-){NUMBER}{SCALE}[\s-]+(?:(?!(?:of|from|in|for|per|with|to)\s)[\w-]+\s+){{0,2}}?(samples|pairs|examples|images|sequences|structures|patients|molecules|"
    r"trajectories|simulations|runs|records|cases|scans|demonstrations|documents|rows|series|designs|videos|"
    r"observations|measurements|compounds|proteins|events|snapshots|clips|subjects|recordings|slices|volumes|spectra|"
    r"complexes|crystals|reactions|games|episodes|days|storms|galaxies|customers|utterances|sentences|papers|cells|plants|"
    r"sites|materials|mammograms|questions|prompts|pages|experiments|photos|smiles|notes|compositions|"
    r"alloys|specimens|trips|scenes|models|flights|visits|wells|users|tiles|songs|fields|pedestrians|vehicles|agents|paintings|people|persons|households|articles|reviews|stores|shops)\b"
)
_DAYS = frozenset(
    {
        "people",
        "persons",
        "agents",
        "vehicles",
        "stores",
        "shops",
        "days",
        "sites",
        "storms",
        "games",
        "questions",
        "cells",
        "models",
        "wells",
        "users",
        "fields",
        "scenes",
    }
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
_DRAWN = re.compile(
    r"\b(?:min\w{0,4}|best|top|[am]?ade|fde|draw\w*|mean|average)\s(?:of|over|from)\s$|\b(?:computed|evaluated|calculated|sampled?|generated?|drawn|fid)\s(?:with|from|on|over|using|at)?\s?$"
)
"""The best of 20 samples are drawn, not learned from."""
_OUTPUTS = frozenset({"samples", "images", "molecules", "structures", "sequences", "videos"})
_SCORED = re.compile(r"\b(?:fid|fvd|generat\w*|sampling|sampled?|drawn?|draws?)\b[^.;\n]{0,50}$")
"""What is generated and scored in the problem is not learned from."""
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
        and not _DRAWN.search(text[max(0, m.start() - 24) : m.start()])
        and not (apart and m[3] in _OUTPUTS and _SCORED.search(text[max(0, m.start() - 60) : m.start()]))
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
