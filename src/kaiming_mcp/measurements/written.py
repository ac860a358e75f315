"""JSON and printed Python values as data, every number as the text that was written."""

from __future__ import annotations

import json
import re
from typing import Any, cast

from kaiming_mcp.measurements.value import Value, number


class Digits(str):
    """A number of a document as it was written, so that its rounding is seen."""


def loads(text: str) -> Any:
    """A document with its numbers as text; ValueError where it is none."""
    try:
        return json.loads(text, parse_float=Digits, parse_int=Digits, parse_constant=Digits)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


_DECODER = json.JSONDecoder(parse_float=Digits, parse_int=Digits, parse_constant=Digits)
_QUOTED = re.compile(r"'((?:[^'\\\n]|\\.)*+)'(?=\s*[:,}\]])")
_PYTHON = (
    (re.compile(r"\b(?:np\.|numpy\.|jnp\.)?(?:float(?:16|32|64)|int(?:32|64))\(([^()]{1,40})\)"), r"\1"),
    (re.compile(r"\b(?:tensor|[Aa]rray|Tensor|DeviceArray)\(([^()\[\],]{1,40})(?:,[^()]{0,80})?\)"), r"\1"),
    (re.compile(r"\bfloat\(\"?(nan|-?inf)\"?\)"), r"\1"),
    (re.compile(r"(?<=[:\[,\s-])nan\b"), "NaN"),
    (re.compile(r"(?<=[:\[,\s-])inf\b"), "Infinity"),
    (re.compile(r"(?<=[:\[,\s-])(\d++)\.(?=[\s,}\]])"), r"\1.0"),
    (re.compile(r"\bNone\b"), "null"),
    (re.compile(r"\bTrue\b"), "true"),
    (re.compile(r"\bFalse\b"), "false"),
    (re.compile(r",(?=\s*[}\]])"), ""),
)  # fmt: skip


def from_python(text: str) -> str:
    """A printed Python dict or list in the words of JSON."""
    text = _QUOTED.sub(lambda m: json.dumps(m[1]), text)
    for pattern, to in _PYTHON:
        text = pattern.sub(to, text)
    return text


def document(text: str, start: int = 0) -> tuple[Any, int]:
    """The document that begins at `start`, and where it ends; ValueError where none does."""
    try:
        return _DECODER.raw_decode(text, start)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def numbers_of(item: Any) -> list[Value] | None:
    """The numbers of a list of nothing else, or None."""
    if not isinstance(item, list):
        return None
    values = [value_of(x) for x in cast(list[Any], item)]
    return cast(list[Value], values) if all(values) else None


def value_of(item: Any) -> Value | None:
    """The number that an item is, or None."""
    if isinstance(item, Digits):
        return number("-inf" if item == "-Infinity" else item)
    if isinstance(item, str) and len(item) < 40 and re.match(r"\s*[-+<>~]?\s?(?:\d|\.\d|nan\b|inf\b)", item, re.I):
        return number(item)
    return None
