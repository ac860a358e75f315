"""Settings as people write them: JSON, YAML, command-line flags, argparse, keyword arguments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from kaiming_mcp.diagnosis.simplify.reading.text import NUMBER, number_of

MOST_SETTINGS, DEEPEST = 400, 12
_SCALAR = rf"{NUMBER}|true|false|yes|no|on|off|none|null|\"[^\"]{{0,60}}\"|'[^']{{0,60}}'|[A-Za-z_][\w./-]{{0,40}}"
_YAML = re.compile(
    rf"^(\s*)(-\s+)?[\"']?([A-Za-z_][\w.-]{{0,48}})[\"']?\s*:(?:\s*({_SCALAR}))?\s*,?\s*(?:#.*)?$", re.IGNORECASE
)
_ADD = re.compile(r"add_argument\(\s*['\"]--?([\w-]+)['\"](?:.*?default\s*=\s*([^,)\s]+))?")
_FLAG = re.compile(r"(?<![\w-])--([A-Za-z][\w-]*)(?:(?:=|[ \t]+)(?!-)([^\s\\]+))?")
_KEYWORD = re.compile(
    rf"(?<![\w.'\"\[])([A-Za-z_]\w*)(?:\s*:\s*\w+)?\s*=(?!=)\s*({NUMBER}|True|False|None|'[^']{{0,60}}'|\"[^\"]{{0,60}}\")(?![\w.(])"
)
_DASHED = re.compile(
    rf"^\s*(?:[-*]\s+)?([A-Za-z_][\w]{{0,30}}(?:[ _-][A-Za-z]\w{{0,20}}){{0,2}})\s*[=:]\s*({NUMBER})\s*%?\s*$"
)
OFF = {"false", "0", "0.0", "none", "null", "off", "no", "disabled", "", "0e0", "~"}


@dataclass(frozen=True, slots=True)
class Setting:
    """A key with its path of parent keys, its value as written ("" for none), and its line."""

    path: tuple[str, ...]
    value: str
    line: int

    @property
    def key(self) -> str:
        """The last name of the path."""
        return self.path[-1]

    @property
    def number(self) -> float | None:
        """The value where it is a number."""
        return number_of(self.value) if re.fullmatch(NUMBER, self.value) else None

    @property
    def off(self) -> bool:
        """Whether the value switches it off."""
        return self.value.lower() in OFF


def settings_of(text: str) -> tuple[list[Setting], set[int]]:
    """Every setting, and the lines that hold nothing else (a call with keywords holds more)."""
    document = _document(text)
    if document is not None:
        found = list(_flat(document, (), text))[:MOST_SETTINGS]
        return found, set(range(1, text.count("\n") + 2))
    found: list[Setting] = []
    used: set[int] = set()
    parents: list[tuple[int, str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if len(found) >= MOST_SETTINGS:
            break
        read, whole = _of_line(line, number, parents)
        found += [s for s in read if s.path[-1]]
        if whole:
            used.add(number)
    return found, used


def _of_line(line: str, number: int, parents: list[tuple[int, str]]) -> tuple[list[Setting], bool]:
    added = _ADD.search(line)
    if added:
        switch = "store_true" in line
        return [
            Setting((added[1].replace("-", "_"),), (added[2] or ("" if not switch else "false")).strip("'\""), number)
        ], True
    flags = _FLAG.findall(line)
    if flags:
        return [Setting((key.replace("-", "_"),), value.strip("'\",") or "true", number) for key, value in flags], True
    yaml = _YAML.match(line)
    if yaml:
        depth = len(yaml[1]) + (2 if yaml[2] else 0)
        while parents and parents[-1][0] >= depth:
            parents.pop()
        path = (*(p for _, p in parents), yaml[3])
        if yaml[4] is None:
            parents.append((depth, yaml[3]))
            return [], False
        return [Setting(path, yaml[4].strip("'\""), number)], True
    dashed = _DASHED.match(line)
    if dashed:
        return [Setting((dashed[1],), dashed[2], number)], True
    return [Setting((key,), value.strip("'\""), number) for key, value in _KEYWORD.findall(line)], False


def _document(text: str) -> Any:
    body = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```").strip()
    if not body.startswith("{"):
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _flat(item: Any, path: tuple[str, ...], text: str) -> Iterator[Setting]:
    if len(path) > DEEPEST:
        return
    if isinstance(item, dict):
        for key, value in cast(dict[str, Any], item).items():
            yield from _flat(value, (*path, str(key)), text)
    elif isinstance(item, list):
        values = cast(list[Any], item)
        if values and all(isinstance(v, str) for v in values):
            for v in values:
                yield Setting((*path, str(v)), "true", _line(text, str(v)))
        elif values and all(isinstance(v, dict) for v in values):
            for v in values:
                yield from _named(cast(dict[str, Any], v), path, text)
    elif path:
        shown = "" if item is None else str(item).lower() if isinstance(item, bool) else str(item)
        yield Setting(path, shown, _line(text, path[-1]))


def _named(entry: dict[str, Any], path: tuple[str, ...], text: str) -> Iterator[Setting]:
    """{"name": "kl", "weight": 0.1} is the setting kl = 0.1 of its list."""
    name = next((entry[k] for k in ("name", "type", "id", "loss", "module") if isinstance(entry.get(k), str)), None)
    if name is None:
        yield from _flat(entry, path, text)
        return
    weight = next(
        (entry[k] for k in ("weight", "coef", "lambda", "value", "p") if isinstance(entry.get(k), int | float)), None
    )
    yield Setting((*path, str(name)), "true" if weight is None else str(weight), _line(text, str(name)))


def _line(text: str, word: str) -> int:
    at = text.find(word)
    return text.count("\n", 0, at) + 1 if at >= 0 else 1
