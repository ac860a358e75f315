"""What docs/ shows is what the commands print and draw."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import pytest
from measure_sigmoid8 import OUT, gradient_norms
from pages import COPIES, DOCS, PICTURES, commands, plots, run

from kaiming_mcp.architecture.notation import read_notation
from kaiming_mcp.signal.initialization_words import parse_initialization
from kaiming_mcp.signal.trace import trace

TOLD = ("tour.md", "numerics.md", "notation.md", "extending.md")
EXCERPT = re.compile(r"<!-- excerpt: (.+?) -->\n```\n(.*?)\n```\n<!-- end of excerpt -->", re.DOTALL)


def _text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


EXCERPTS = [(page.name, *found) for page in sorted(DOCS.glob("*.md")) for found in EXCERPT.findall(_text(page.name))]


@cache
def _printed(command: str) -> str:
    return run(shlex.split(command))


@pytest.mark.parametrize(
    ("page", "command", "excerpt"), EXCERPTS, ids=[f"{page}-{at}" for at, (page, *_) in enumerate(EXCERPTS)]
)
def test_an_excerpt_is_a_part_of_what_its_command_prints(page: str, command: str, excerpt: str) -> None:
    assert f"\n{excerpt}\n" in f"\n{_printed(command)}\n"
    assert shlex.split(command) in commands(DOCS / page)  # a reader sees the command too


@pytest.mark.parametrize("page", TOLD)
def test_every_command_of_a_page_is_held_by_an_excerpt_or_a_picture(page: str) -> None:
    held = [shlex.split(command) for name, command, _ in EXCERPTS if name == page]
    for words in commands(DOCS / page):
        assert words in held or words in plots().values(), words
    assert _text(page).count("<!-- excerpt:") == len(held)


@pytest.mark.parametrize("picture", sorted(plots()), ids=lambda path: path.name)
def test_a_picture_is_what_its_command_draws(picture: Path, tmp_path: Path) -> None:
    words = list(plots()[picture])
    again = tmp_path / picture.name
    words[words.index("-o") + 1] = str(again)
    run(words)
    assert again.read_text(encoding="utf-8") == picture.read_text(encoding="utf-8")


def test_the_screenshot_is_the_one_that_the_page_is_tested_with() -> None:
    for copy, original in COPIES.items():
        assert copy.read_bytes() == original.read_bytes()


def test_every_picture_is_shown_and_made_by_a_command() -> None:
    there = {path for path in PICTURES.iterdir() if path.is_file()}
    assert there == plots().keys() | COPIES.keys()
    for picture in there:
        assert f"](pictures/{picture.name})" in _text("tour.md")


def test_the_examples_of_the_notation_page_are_read() -> None:
    examples = re.findall(r"```kaiming\n(.*?)```", _text("notation.md"), re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        (network,) = read_notation(example).networks
        assert trace(network, parse_initialization("he"), 32).stations


def test_the_measured_gradients_are_those_of_the_run_that_is_named() -> None:
    written = [float(line.split(",")[1]) for line in OUT.read_text(encoding="utf-8").splitlines()[1:]]
    assert written == pytest.approx(gradient_norms(), rel=0.005)  # three digits are written
