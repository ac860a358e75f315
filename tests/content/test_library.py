"""The content: complete, cited, graded; a fault is named by file and field."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from kaiming_mcp.headings import SECTIONS
from kaiming_mcp.library import PRINCIPLE_IDS, REASONING_IDS, ContentError, content_root, library, load
from kaiming_mcp.pages import principle_page

EVERYTHING = [*library().principles.values(), *library().reasoning.values()]


def test_five_principles_and_three_patterns_are_there() -> None:
    assert tuple(library().principles) == PRINCIPLE_IDS
    assert tuple(library().reasoning) == REASONING_IDS


@pytest.mark.parametrize("principle", EVERYTHING, ids=lambda p: p.id)
def test_a_page_has_every_section_and_enough_graded_quotations(principle: object) -> None:
    page = library().find(getattr(principle, "id"))  # noqa: B009 - parametrized over typed values
    assert page is not None
    assert tuple(page.sections) == SECTIONS
    assert len(page.quotes) >= (3 if page.kind == "principle" else 2)
    assert re.search(r"\d", page.sections["Evidence"])
    assert re.search(r"^1\. ", page.sections["Questions to ask"], re.MULTILINE)
    for quote in page.quotes:
        assert quote.locator
        assert "he said" not in quote.attribution.lower()
        assert "," in principle_page(library(), page)


@pytest.mark.parametrize(
    ("situation", "first"),
    [
        ("design", "simplicity-in-complexity"),
        ("gradients", "activation-aware-initialization"),
        ("generative", "generative-models-as-universal-solvers"),
        ("science", "ai-as-a-common-language"),
    ],
)
def test_each_situation_begins_with_its_principle(situation: str, first: str) -> None:
    assert library().for_situation(situation)[0].id == first  # pyright: ignore[reportArgumentType] - Literal


def test_the_common_errors_are_corrected() -> None:
    residual = principle_page(library(), library().principles["residual-learning"])
    assert re.search(r"3\.57 % \(test\) is a six-model ensemble", residual)
    assert "unlikely to be caused by vanishing gradients" in residual
    init = principle_page(library(), library().principles["activation-aware-initialization"])
    assert re.search(r"22[- ]layer", init)


def test_no_known_false_quotation_is_in_the_library() -> None:
    for page in EVERYTHING:
        for quote in page.quotes:
            assert not re.search(r"simple.*alleviat\w* (the )?vanishing", quote.text.lower())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(content_root(), tmp_path / "principles")
    return tmp_path / "principles"


FAULTS = [
    (
        "residual-learning.md",
        "source: he-2015-resnet",
        "source: nobody-1900",
        r"residual-learning\.md: source 'nobody-1900'",
    ),
    ("residual-learning.md", "    locator: '§1'\n", "", r"residual-learning\.md: quotes\.1\.locator"),
    ("residual-learning.md", "## Rationale", "## Rational", r"residual-learning\.md: section"),
    ("residual-learning.md", "title: Residual Learning\n", "", r"residual-learning\.md: title"),
    ("residual-learning.md", "grade: primary", "grade: certain", r"residual-learning\.md: quotes\.0\.grade"),
    ("residual-learning.md", "id: residual-learning", "id: other", r"residual-learning\.md: id 'other'"),
    ("residual-learning.md", "[@he-2016-identity-mappings]", "[@unheard-of]", r"source 'unheard-of'"),
    ("sources.yaml", "year: 2015", "year: soon", r"sources\.yaml: .*year"),
    ("sources.yaml", "kind: paper", "kind: rumour", r"sources\.yaml: .*kind"),
    ("residual-learning.md", "---\n", "", r"front matter"),
]


@pytest.mark.parametrize(("name", "old", "new", "expected"), FAULTS)
def test_a_fault_is_named_by_file_and_field(copy: Path, name: str, old: str, new: str, expected: str) -> None:
    path = copy / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ContentError, match=expected):
        load(copy)


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "reasoning" / "abstraction-stack.md").unlink()
    with pytest.raises(ContentError, match=r"abstraction-stack\.md: the file is missing"):
        load(copy)


def test_a_quotation_of_more_than_forty_words_is_refused(copy: Path) -> None:
    path = copy / "residual-learning.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("We explicitly reformulate", "word " * 40 + "We explicitly reformulate"), encoding="utf-8"
    )
    with pytest.raises(ContentError, match="more than 40 words"):
        load(copy)
