"""The example in CONTRIBUTING for a domain expert is one that loads and is found by its words."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from kaiming_mcp.diagnosis.science.subjects import load_sciences, recognise
from kaiming_mcp.library import content_root, library

ROOT = Path(__file__).parents[2]


def test_the_subject_shown_for_a_domain_expert_needs_no_code(tmp_path: Path) -> None:
    shown = re.search(r"```yaml\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    assert shown
    shutil.copytree(content_root() / "science", tmp_path / "science")
    (tmp_path / "science" / "subjects" / "new.yaml").write_text(shown[1], encoding="utf-8")
    known = load_sciences(tmp_path / "science", set(library().sources))
    found = recognise("", "predict the well level of an aquifer from rain", known)
    assert found.subject is not None
    assert found.subject.id == "groundwater"
