"""The content: principles, reasoning patterns, sources and guides, loaded once and validated.

Content lives in Markdown and YAML under `principles/`; this module only reads it. Every fault is
reported with the file and the field, so that an editor of the content needs no code to mend it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from kaiming_mcp.headings import SECTIONS, Situation

LONGEST_QUOTE_WORDS = 40
YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's safe loader where PyYAML was built with it: content loads ten times faster."""
Grade = Literal["primary", "secondary"]
_CITATION = re.compile(r"\[@([a-z0-9-]+)\]")


class ContentError(ValueError):
    """A content file breaks a rule; the message names the file and the field."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Source(_Strict):
    """One entry of the bibliography."""

    title: Text
    authors: Text
    year: int = Field(ge=1900, le=2100)
    kind: Literal["paper", "talk", "slides", "course", "news", "code", "docs"]
    locator: Text
    he: Literal["first", "middle", "last", "instructor", "speaker", "subject", "none"]
    venue: str = ""
    note: str = ""


class Quote(_Strict):
    """Somebody's exact words, with the place and how surely they are his or theirs."""

    text: Text
    source: Text
    locator: Text
    grade: Grade
    attribution: Text


class Principle(_Strict):
    """A core principle or a reasoning pattern, with its sections by heading."""

    id: Text
    title: Text
    claim: Annotated[Text, StringConstraints(max_length=240)]
    situations: dict[Situation, int]
    quotes: tuple[Quote, ...] = Field(min_length=2)
    measurement: Text
    sources: tuple[Text, ...]
    sections: dict[str, str]
    kind: Literal["principle", "reasoning"]

    @property
    def uri(self) -> str:
        """Address of the resource."""
        folder = "principles" if self.kind == "principle" else "reasoning"
        return f"kaiming://{folder}/{self.id}"


class Library(_Strict):
    """All content, in the order of the index."""

    principles: dict[str, Principle]
    reasoning: dict[str, Principle]
    sources: dict[str, Source]
    guides: dict[str, str]

    def find(self, name: str) -> Principle | None:
        """The principle or pattern with that id."""
        return self.principles.get(name) or self.reasoning.get(name)

    def for_situation(self, situation: Situation) -> tuple[Principle, ...]:
        """Principles and patterns that serve a situation, first the one to begin with."""
        everything = [*self.principles.values(), *self.reasoning.values()]
        serving = [p for p in everything if situation in p.situations]
        return tuple(sorted(serving, key=lambda p: p.situations[situation]))


PRINCIPLE_IDS = (
    "residual-learning",
    "activation-aware-initialization",
    "generative-models-as-universal-solvers",
    "simplicity-in-complexity",
    "ai-as-a-common-language",
)
REASONING_IDS = ("fundamental-symmetry", "abstraction-stack", "historical-eras")
GUIDE_IDS = ("index", "formats", "layer-notation")


def content_root() -> Path:
    """Folder of the content: inside the installed package, or at the top of a checkout."""
    packaged = Path(__file__).parent / "principles"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "principles"


@cache
def library() -> Library:
    """The content of this installation, read once."""
    return load(content_root())


def load(root: Path) -> Library:
    """Read and validate a content folder.

    Raises:
        ContentError: a file is missing or breaks a rule.
    """
    sources = _sources(root / "sources.yaml")
    principles = {i: _principle(root / f"{i}.md", "principle", sources) for i in PRINCIPLE_IDS}
    reasoning = {i: _principle(root / "reasoning" / f"{i}.md", "reasoning", sources) for i in REASONING_IDS}
    guides = {i: _read(root / "guide" / f"{i}.md") for i in GUIDE_IDS}
    return Library(principles=principles, reasoning=reasoning, sources=sources, guides=guides)


def _sources(path: Path) -> dict[str, Source]:
    raw = _yaml(path, _read(path))
    try:
        return TypeAdapter(dict[str, Source]).validate_python(raw)
    except ValidationError as error:
        raise _named(path, error) from error


def _principle(path: Path, kind: Literal["principle", "reasoning"], sources: dict[str, Source]) -> Principle:
    text = _read(path)
    parts = text.split("---\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise ContentError(f"{path.name}: front matter between two lines of --- is missing")
    front: dict[str, Any] = _yaml(path, parts[1])
    sections = _sections(path, parts[2])
    try:
        principle = Principle.model_validate({**front, "sections": sections, "kind": kind})
    except ValidationError as error:
        raise _named(path, error) from error
    _check(path, principle, sources)
    return principle


def _sections(path: Path, body: str) -> dict[str, str]:
    pieces = re.split(r"^## (.+)$", body, flags=re.MULTILINE)
    found = {title.strip(): text.strip() for title, text in zip(pieces[1::2], pieces[2::2], strict=True)}
    if tuple(found) != SECTIONS:
        missing = [s for s in SECTIONS if s not in found] or [s for s in found if s not in SECTIONS]
        raise ContentError(f"{path.name}: section {missing[:1] or list(found)} is missing, unknown or misplaced")
    empty = next((title for title, text in found.items() if not text), None)
    if empty:
        raise ContentError(f"{path.name}: section {empty!r} is empty")
    return found


def _check(path: Path, principle: Principle, sources: dict[str, Source]) -> None:
    if principle.id != path.stem:
        raise ContentError(f"{path.name}: id {principle.id!r} is not the file's name")
    for i, quote in enumerate(principle.quotes):
        if len(quote.text.split()) > LONGEST_QUOTE_WORDS:
            raise ContentError(f"{path.name}: quotes[{i}].text has more than {LONGEST_QUOTE_WORDS} words")
    cited = {q.source for q in principle.quotes}
    for text in principle.sections.values():
        cited |= set(_CITATION.findall(text))
    for key in sorted(cited | set(principle.sources)):
        if key not in sources:
            raise ContentError(f"{path.name}: source {key!r} is not in sources.yaml")
    if cited != set(principle.sources):
        odd = sorted(cited ^ set(principle.sources))
        raise ContentError(f"{path.name}: sources: {odd[0]!r} is cited but not listed, or listed but not cited")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").replace("\r\n", "\n")
    except FileNotFoundError as error:
        raise ContentError(f"{path.name}: the file is missing from {path.parent.name}/") from error
    except UnicodeDecodeError as error:
        raise ContentError(f"{path.name}: not UTF-8 text") from error


def _yaml(path: Path, text: str) -> Any:
    try:
        value = yaml.load(text, YAML_LOADER)
    except yaml.YAMLError as error:
        raise ContentError(f"{path.name}: not valid YAML: {error}") from error
    if not isinstance(value, dict):
        raise ContentError(f"{path.name}: a mapping was expected")
    return value  # pyright: ignore[reportUnknownVariableType] - YAML is untyped; pydantic types it next


def _named(path: Path, error: ValidationError) -> ContentError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return ContentError(f"{path.name}: {where}: {first['msg']}")
