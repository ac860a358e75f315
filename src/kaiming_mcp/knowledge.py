"""Knowledge as data: lists of entries under `principles/`, recognised by their words in what a person wrote.

A list is a YAML file of mappings with an `id`; each kind of entry is a typed form. Every fault names
the file, the entry and the field, so that a domain expert can extend a list without touching code.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kaiming_mcp.library import YAML_LOADER, ContentError

LONGEST_READ = 20_000
"""Characters of a text that are searched for words."""


class Entry(BaseModel):
    """One entry of a list; `sources` are keys of sources.yaml, none where it is general knowledge."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str
    sources: tuple[str, ...] = ()


class Worded(Entry):
    """An entry that words in a text speak for; they match at word starts, in any case."""

    words: tuple[str, ...] = Field(min_length=1)

    def found(self, text: str) -> tuple[str, ...]:
        """Its words that stand in a lower-case text, each once."""
        return tuple(dict.fromkeys(pattern(self.words).findall(text)))


E = TypeVar("E", bound=Entry)  # Python 3.11 has no type parameter syntax
W = TypeVar("W", bound=Worded)


def spoken_for(entries: tuple[W, ...], text: str) -> list[W]:
    """The entries whose words stand in a text, the most words first; of equals, the order of the file."""
    said = text[:LONGEST_READ].lower()
    counted = [(len(e.found(said)), e) for e in entries]
    return [e for count, e in sorted(counted, key=lambda pair: -pair[0]) if count]


@cache
def pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """The words as one expression, matched at word starts, the longest first."""
    ordered = sorted(words, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(re.escape(w.lower()) for w in ordered)})")


def read_entries(path: Path, form: type[E], sources: set[str]) -> tuple[E, ...]:
    """A list of entries, validated.

    Raises:
        ContentError: the file is missing, breaks its form, repeats an id, or names an unknown source.
    """
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), YAML_LOADER)
        listed = TypeAdapter(list[dict[str, Any]]).validate_python(raw)
    except FileNotFoundError as error:
        raise ContentError(f"{path.name}: the file is missing from {path.parent.name}/") from error
    except yaml.YAMLError as error:
        raise ContentError(f"{path.name}: not valid YAML: {error}") from error
    except ValidationError as error:
        raise ContentError(f"{path.name}: a list of mappings was expected") from error
    found: list[E] = []
    for each in listed:
        name = each.get("id", "(no id)")
        try:
            entry = form.model_validate(each)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ContentError(f"{path.name}: {name}.{where}: {first['msg']}") from error
        if entry.id in {e.id for e in found}:
            raise ContentError(f"{path.name}: id {entry.id!r} stands twice")
        wrong = sorted(set(entry.sources) - sources)
        if wrong:
            raise ContentError(f"{path.name}: {name}.sources: {wrong[0]!r} is not in sources.yaml")
        found.append(entry)
    return tuple(found)
