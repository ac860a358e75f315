"""The page of the MCP App in a real Chromium: every test of the *.test.mjs files beside this one, run once by Node.

The page is driven by playwright-core, the host that shows it uses the official library, and the server behind is real.
`make app-screenshots` renews the pictures that the page is compared with.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FILES = sorted(HERE.glob("*.test.mjs"))
NAMES = [(file.name, name) for file in FILES for name in re.findall(r'^test\("(.+?)", ', file.read_text("utf-8"), re.M)]
NEEDED = {
    "Node": shutil.which("node"),
    f"Chromium ({CHROMIUM})": shutil.which(CHROMIUM),
    "playwright-core (make tools)": (ROOT / "tests/tools/node_modules/playwright-core").is_dir(),
    "the packages of app/ (make app)": (ROOT / "app/node_modules/esbuild").is_dir(),
}
MISSING = [name for name, found in NEEDED.items() if not found]

pytestmark = [pytest.mark.tools, pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")]


@dataclass(frozen=True)
class Ran:
    """What Node said of each test; empty where it passed."""

    faults: dict[str, str]
    said: list[str]


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    report = tmp_path_factory.mktemp("app") / "report.xml"
    done = subprocess.run(
        [
            "node",
            "--test",
            "--test-reporter=junit",
            f"--test-reporter-destination={report}",
            "--test-reporter=tap",
            "--test-reporter-destination=stdout",
            *map(str, FILES),
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "KAIMING_PYTHON": sys.executable, "CHROMIUM": CHROMIUM},
        timeout=600,
        check=False,
    )
    assert report.exists(), done.stderr
    cases = ElementTree.parse(report).iter("testcase")
    faults = {case.attrib["name"]: "\n".join(part.text or "" for part in case.iter("failure")) for case in cases}
    said = [
        line.removeprefix("# ") for line in done.stdout.splitlines() if re.match(r"# .*( ms from|of the pixels)", line)
    ]
    return Ran(faults, said)


@pytest.mark.parametrize(("file", "name"), NAMES, ids=[name for _, name in NAMES])
def test_the_page(ran: Ran, file: str, name: str) -> None:
    assert name in ran.faults, f"{file} did not get to it: {[f for f in ran.faults.values() if f][:1]}"
    assert not ran.faults[name], ran.faults[name]


def test_figures_are_told(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(ran.said) + "\n")
    assert any("1,000 layers" in line for line in ran.said)


def test_the_bundle_is_what_its_sources_build(tmp_path: Path) -> None:
    built = tmp_path / "signal.html"
    subprocess.run(["node", str(ROOT / "app/build.mjs"), str(built)], check=True, capture_output=True, timeout=120)
    assert built.read_bytes() == (ROOT / "src/kaiming_mcp/app/signal.html").read_bytes(), "run `make app` and commit"


def test_the_sources_of_the_page_are_strictly_typed() -> None:
    tsc = ROOT / "app/node_modules/.bin/tsc"
    done = subprocess.run(
        [str(tsc), "--project", str(ROOT / "app")], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
