"""The answer of a model, field by field: JSON, or Markdown in any of the ways models write labelled fields."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

DEEPEST = 6
_FENCE = re.compile(r"^\s*```[a-z]*\s*\n(.*?)\n\s*```\s*$", re.DOTALL | re.IGNORECASE)
_EMPTY = re.compile(
    r"[\s*_`.…\-–—]*(?:todo|tbd|n/?a|none|unknown|fill in|to be filled(?: in)?|\?+)?[\s*_`.…\-–—]*", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Text by field, in the order of the form; `rest` stands in no field, `whole` is everything."""

    fields: dict[str, str]
    rest: str
    whole: str

    def missing(self, name: str) -> bool:
        """Whether a field is absent or holds no more than a placeholder."""
        return _EMPTY.fullmatch(self.fields.get(name, "")[:80]) is not None


def read_answer(text: str, names: Iterable[str]) -> Answer:
    """The fields of an answer, by the names of the form; case, spaces and underscores are one."""
    wanted = list(names)
    body = fenced[1] if (fenced := _FENCE.match(text)) else text
    given = _json(body)
    if given is not None:
        return _of_object(given, wanted)
    return _of_markdown(body, wanted)


def _json(text: str) -> dict[str, Any] | None:
    if not text.strip().startswith("{"):
        return None
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return raw if isinstance(raw, dict) else None  # pyright: ignore[reportUnknownVariableType] - JSON is untyped


def _of_object(given: dict[str, Any], wanted: list[str]) -> Answer:
    """Fields at the top, or inside one object such as {"answer": {…}}."""
    for value in (given, *given.values()):
        if not isinstance(value, dict):
            continue
        inner: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType] - JSON is untyped
        keys = {_key(str(k)): k for k in inner}
        if any(_key(n) in keys for n in wanted):
            fields = {n: _flat(inner[keys[_key(n)]]) for n in wanted if _key(n) in keys}
            rest = "\n".join(_flat(v) for k, v in inner.items() if _key(str(k)) not in {_key(n) for n in wanted})
            return Answer(fields, rest, _flat(given))
    return Answer({}, _flat(given), _flat(given))


def _flat(value: Any, depth: int = 0) -> str:
    if isinstance(value, str):
        return value
    if depth < DEEPEST and isinstance(value, dict):
        return "\n".join(f"{k}: {_flat(v, depth + 1)}" for k, v in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    if depth < DEEPEST and isinstance(value, list):
        return "\n".join(_flat(v, depth + 1) for v in value)  # pyright: ignore[reportUnknownVariableType] - JSON is untyped
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _of_markdown(text: str, wanted: list[str]) -> Answer:
    """A label begins a field: a heading, a list item or a line with the name, marked or with a colon after it."""
    fields: dict[str, list[str]] = {}
    rest: list[str] = []
    here = rest
    labels = {_key(n): n for n in wanted}
    for line in text.splitlines():
        name, tail = _label(line, labels)
        if name:
            here = fields.setdefault(name, [])
            here.append(tail)
        else:
            here.append(line)
    return Answer({n: "\n".join(fields[n]).strip() for n in wanted if n in fields}, "\n".join(rest).strip(), text)


def _label(line: str, labels: dict[str, str]) -> tuple[str, str]:
    """The field that a line begins, and what stands behind the label; "" for a line inside a field."""
    row = re.fullmatch(r"\s*\|\s*(?P<name>[^|]{1,40}?)\s*\|(?P<tail>.*?)\|?\s*", line)
    bare = re.match(
        r"\s{0,8}(?:[-*+•>]\s+|#{1,6}\s*|\(?\d{1,2}[.)]\s+)*(?P<marks>[*_`\"]*)(?P<name>[A-Za-z][\w \-/]{0,40}?)"
        r"(?P<close>[*_`\"]*)\s*(?P<colon>[:：=]|\s[–—-]\s|$)(?P<after>[*_`\"]*)(?P<tail>.*)",
        line,
    )
    for found in (row, bare):
        if found and (name := labels.get(_key(found["name"].strip('*_`" ')))):
            return name, found["tail"].strip()
    step = re.match(
        r"\s{0,8}(?:[-*+]\s+|\d{1,2}[.)]\s+)?[*_]*[\w ]{3,40}[*_]*\s*(?:→|->)\s*[*_`]*(?P<name>\w+)[*_`]*\s*[:：]?"
        r"(?P<tail>.*)",
        line,
    )
    if step and (name := labels.get(_key(step["name"]))):
        return name, step["tail"].strip()
    return "", ""


def _key(name: str) -> str:
    return re.sub(r"[\s_\-/]+", "", name).lower()
