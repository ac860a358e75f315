"""Numeric columns of a pasted table: CSV with a header (comma, semicolon, tab) or a JSON list of objects."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_TEXT = 2_000_000


def read_columns(text: str, fewest: int) -> dict[str, NDArray[np.float64]]:
    """The columns in which every row holds a number, by name; none where there are fewer rows than `fewest`."""
    if len(text) > LARGEST_TEXT:
        return {}
    rows = _json_rows(text) or _csv_rows(text, fewest)
    if len(rows) < fewest:
        return {}
    names = [n for n in rows[0] if n and all(_is_number(r.get(n)) for r in rows)]
    return {str(n).strip(): np.array([float(r[n]) for r in rows]) for n in names}


def _json_rows(text: str) -> list[dict[str, Any]]:
    start = text.find("[")
    if start < 0 or "{" not in text[start : start + 200]:
        return []
    try:
        raw = json.loads(text[start : text.rfind("]") + 1])
    except (ValueError, RecursionError):
        return []
    return [r for r in raw if isinstance(r, dict)] if isinstance(raw, list) else []  # pyright: ignore[reportUnknownVariableType] - JSON


def _csv_rows(text: str, fewest: int) -> list[dict[str, Any]]:
    lines = [line for line in text.splitlines() if line.strip()]
    head = next((i for i, line in enumerate(lines) if _delimiter(line) and not _numeric(line)), None)
    if head is None:
        return []
    mark = _delimiter(lines[head])
    width = lines[head].count(mark)
    body = [line for line in lines[head + 1 :] if line.count(mark) == width and _numeric(line)]
    if len(body) < fewest:
        return []
    try:
        return [dict(r) for r in csv.DictReader(io.StringIO("\n".join([lines[head], *body])), delimiter=mark)]
    except csv.Error:
        return []


def _delimiter(line: str) -> str:
    return next((mark for mark in ("\t", ";", ",") if mark in line), "")


def _numeric(line: str) -> bool:
    return _is_number(line.replace(";", ",").replace("\t", ",").split(",")[0])


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        return math.isfinite(float(value))
    except (ValueError, OverflowError):
        return False
