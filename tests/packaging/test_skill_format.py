"""The skill, written to a directory, against the reference library of the Agent Skills format."""

from __future__ import annotations

from pathlib import Path

import pytest

from kaiming_mcp.library import library
from kaiming_mcp.skill import NAME, ROOT, skill_files

pytestmark = pytest.mark.tools


def test_the_reference_library_finds_no_fault(tmp_path: Path) -> None:
    skills_ref = pytest.importorskip("skills_ref", reason="skills-ref is not installed (make tools)")
    folder = tmp_path / NAME
    for uri, text in skill_files(library()).items():
        file = folder / uri.removeprefix(f"{ROOT}/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert skills_ref.validate(folder) == []
    folder = folder.rename(tmp_path / "another-name")
    assert skills_ref.validate(folder)
