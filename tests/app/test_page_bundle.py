"""The built page as a file: what it must and must not hold, without a browser."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

PAGE = (files("kaiming_mcp") / "app" / "signal.html").read_text(encoding="utf-8")
PACKAGE = json.loads((Path(__file__).parents[2] / "app" / "package.json").read_text(encoding="utf-8"))
MARKUP = re.sub(r"<script>.*?</script>|<style>.*?</style>|<!--.*?-->", "", PAGE, flags=re.DOTALL)


def test_the_page_loads_nothing() -> None:
    assert not re.search(r"\b(src|href|srcset|action|data)=", MARKUP)
    assert not re.search(r"@import|url\((?!data:)", PAGE[PAGE.index("<style>") : PAGE.index("</style>")])
    assert "default-src 'none'" in MARKUP
    assert "connect-src 'none'" in MARKUP


def test_there_is_one_place_for_a_document_and_one_script() -> None:
    assert PAGE.count("<!-- picture -->") == 1
    assert PAGE.count("<script>") == PAGE.count("</script>") == 1
    assert PAGE.index("<!-- picture -->") < PAGE.index("<script>")


@pytest.mark.parametrize("name", PACKAGE["dependencies"])
def test_what_is_bundled_is_named_with_its_version_and_licence(name: str) -> None:
    notice = PAGE[PAGE.rindex("<!--") :]
    assert f"{name} {PACKAGE['dependencies'][name]}" in notice
    assert "MIT License" in notice
    assert "Apache License" in notice


def test_versions_are_exact() -> None:
    for version in (PACKAGE["dependencies"] | PACKAGE["devDependencies"]).values():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    lock = (Path(__file__).parents[2] / "app" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock, (
        "the lock file names a registry: npm config set omit-lockfile-registry-resolved true"
    )
