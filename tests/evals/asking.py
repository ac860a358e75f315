"""The questions of evals/, and a client that counts its calls and can bend what the server answers."""

from __future__ import annotations

import codecs
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mcp_types as types
from mcp import Client

EVALS = Path(__file__).parents[2] / "evals"
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")
FENCED = re.compile(r"^```\n(.*?)\n```$", re.MULTILINE | re.DOTALL)

Bend = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Question:
    """One task; `pasted` holds the fenced blocks of its text."""

    name: str
    situation: str
    text: str
    answer: str
    pasted: tuple[str, ...]


def questions() -> tuple[Question, ...]:
    """Every qa_pair of the file, in order."""
    pairs = ET.parse(EVALS / "questions.xml").getroot().findall("qa_pair")
    return tuple(_question(pair) for pair in pairs)


def _question(pair: ET.Element) -> Question:
    text, answer = (pair.findtext(tag) or "" for tag in ("question", "answer"))
    return Question(pair.attrib["name"], pair.attrib["situation"], text, answer, tuple(FENCED.findall(text)))


_KNOWN: dict[tuple[str, str], Any] = {}
"""What the server has answered: it is stateless, so one answer serves every derivation."""


@dataclass(slots=True)
class Asking:
    """Calls in order; the answer of call number `at` is bent."""

    client: Client
    bend: Bend | None = None
    at: int = -1
    calls: list[str] = field(default_factory=list[str])

    async def tool(self, name: str, **arguments: Any) -> Any:
        """The structured content of a call.

        Raises:
            ValueError: the server refused the call.
        """
        key = (name, json.dumps(arguments, sort_keys=True))
        if key not in _KNOWN:
            result = await self.client.call_tool(name, arguments)
            if result.is_error:
                raise ValueError(f"{name}: {result.content}")
            _KNOWN[key] = result.structured_content
        return self._told(name, _KNOWN[key])

    async def resource(self, uri: str) -> str:
        """The text of a resource."""
        if (uri, "") not in _KNOWN:
            (part,) = (await self.client.read_resource(uri)).contents
            assert isinstance(part, types.TextResourceContents)
            _KNOWN[uri, ""] = part.text
        return self._told(uri, _KNOWN[uri, ""])

    def _told(self, call: str, content: Any) -> Any:
        self.calls.append(call)
        return self.bend(content) if self.bend and self.at == len(self.calls) - 1 else content


def value(result: Any, unit: str) -> float:
    """The value of the first fact with this unit.

    Raises:
        LookupError: no fact has it.
    """
    for fact in result["established"]:
        if fact.get("unit") == unit:
            return fact["value"]
    raise LookupError(unit)


def said(result: Any, pattern: str) -> tuple[str, ...]:
    """The groups of a pattern in anything that the result says.

    Raises:
        LookupError: nothing matches.
    """
    found = re.search(pattern, "\n".join(strings(result)))
    if found is None:
        raise LookupError(pattern)
    return found.groups()


def number(text: str) -> float:
    """A number as the server prints it."""
    return float(text.replace(",", ""))


def strings(part: Any) -> list[str]:
    """Every text in a result, in order."""
    if isinstance(part, str):
        return [part]
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return [text for one in inner for text in strings(one)]


def scaled(factor: float) -> Bend:
    """Every number of a result times the factor, in values and in sentences."""

    def bend(part: Any) -> Any:
        if isinstance(part, str):
            return NUMBER.sub(lambda n: f"{number(n.group()) * factor:.6g}", part)
        if isinstance(part, int | float) and not isinstance(part, bool):
            return part * factor
        return _each(part, bend)

    return bend


def reworded(part: Any) -> Any:
    """Other letters in every text of a result, its numbers as they were."""
    return codecs.encode(part, "rot13") if isinstance(part, str) else _each(part, reworded)


def _each(part: Any, bend: Bend) -> Any:
    if isinstance(part, dict):
        return {key: bend(one) for key, one in part.items()}
    return [bend(one) for one in part] if isinstance(part, list) else part
