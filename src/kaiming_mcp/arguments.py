"""The arguments of a call as its tool declares them, whatever a model or host made of them on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def as_declared(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Text where text is declared, and nothing where a null or an empty text stands for what was left out.

    Models write `784` for the text `"784"`, hosts hand on a text that looks like JSON as what it holds, and both fill
    in optional arguments with null. Numbers and truth values that come as text are the SDK's to read.
    """
    required = schema.get("required", ())
    given: dict[str, Any] = {}
    for name, value in arguments.items():
        declared = schema["properties"][name]
        text = declared["type"] == "string"
        nothing = value is None or (value == "" and not (text and "enum" not in declared))
        if name in required or not nothing:
            given[name] = _as_text(value) if text and value is not None else value
    return given


def _as_text(value: Any) -> str:
    match value:
        case str():
            return value
        case [str(), *_] if all(isinstance(line, str) for line in value):
            return "\n".join(value)
        case _:
            return json.dumps(value, ensure_ascii=False)
