"""The pages of docs/ are true: their links lead somewhere, and the tests that they name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [*(ROOT / "docs").glob("*.md"), ROOT / "SECURITY.md"])


@pytest.mark.parametrize("page", PAGES)
def test_links_and_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert ((ROOT / page).parent / target).exists(), target
    for path in re.findall(r"`((?:tests|src|deploy|benchmarks|principles)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: str) -> None:
    for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / page).read_text(encoding="utf-8")):
        assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), name


def test_every_complaint_names_a_test() -> None:
    rows = [r for r in (ROOT / "docs/complaints.md").read_text(encoding="utf-8").splitlines() if r.startswith("| ")]
    complaints = [row for row in rows if not row.startswith("| complaint |")]
    assert len(complaints) >= 38
    for row in complaints:
        assert "::test_" in row.rsplit("|", 2)[1], row
