"""The .mcpb bundle, checked and packed by the official tool, and run as a host runs it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp import Client, StdioServerParameters
from smoke import converse

from kaiming_mcp import __version__

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "tests" / "tools" / "node_modules"
MCPB = MODULES / ".bin" / "mcpb"
LIBRARY = MODULES / "@anthropic-ai" / "mcpb" / "dist" / "index.js"
UV = Path(sys.executable).parent / "uv"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.tools,
    pytest.mark.skipif(NODE is None or not MCPB.exists(), reason="@anthropic-ai/mcpb is not installed (make tools)"),
]


@dataclass(frozen=True)
class Bundle:
    """The packed file, and where a host unpacked it."""

    packed: Path
    unpacked: Path

    def launch(self, chosen: dict[str, Any]) -> tuple[str, list[str]]:
        """What the official library makes of the manifest for a person's choices; uv by its place, if it is there."""
        values = json.dumps({"manifest": self._manifest(), "extensionPath": str(self.unpacked), "userConfig": chosen})
        script = (
            f"const {{ getMcpConfigForManifest: made }} = await import({json.dumps(LIBRARY.as_uri())});"
            f"const given = {{ systemDirs: {{}}, pathSeparator: '/', ...{values} }};"
            "console.log(JSON.stringify(await made(given)));"
        )
        config = json.loads(_run(str(NODE), "--input-type=module", "--eval", script))
        assert config["command"] == "uv"
        place = config["args"].index("kaiming-mcp")
        assert config["args"][:place] == ["run", "--directory", str(self.unpacked)]
        if UV.exists():
            return str(UV), config["args"]
        return sys.executable, ["-m", "kaiming_mcp", *config["args"][place + 1 :]]

    def _manifest(self) -> dict[str, Any]:
        return json.loads((self.unpacked / "manifest.json").read_text(encoding="utf-8"))

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of this clone: uv makes its own environment in the bundle, else its own source is put in front."""
        own = ("PYTHON", "VIRTUAL_ENV", "KAIMING", "COVERAGE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        return kept if UV.exists() else {**kept, "PYTHONPATH": str(self.unpacked / "src")}


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    return done.stdout


@pytest.fixture(scope="module")
def bundle() -> Iterator[Bundle]:
    with tempfile.TemporaryDirectory(prefix="kaiming-bundle-") as place:
        told = _run(str(ROOT / "bundle" / "pack.sh"), place)
        assert "Manifest schema validation passes!" in told
        (packed,) = Path(place).glob("*.mcpb")
        _run(str(MCPB), "unpack", str(packed), str(Path(place, "unpacked")))
        yield Bundle(packed, Path(place, "unpacked"))


def test_the_bundle_is_named_by_its_version_and_holds_the_source_alone(bundle: Bundle) -> None:
    assert bundle.packed.name == f"kaiming-mcp-{__version__}.mcpb"
    assert bundle.packed.stat().st_size < 3_000_000
    with zipfile.ZipFile(bundle.packed) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {
        "manifest.json", "pyproject.toml", "README.md", "LICENSE", "src", "principles", "examples"
    }  # fmt: skip
    for stray in ("__pycache__", ".pyc", "node_modules", ".venv", "uv.lock", "server/lib"):
        assert not [name for name in names if stray in name]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_unpacked_bundle_is_a_server(bundle: Bundle, tmp_path: Path, mode: Literal["auto", "legacy"]) -> None:
    command, arguments = bundle.launch({})
    await converse(command, arguments, tmp_path, bundle.environment, mode)


async def test_the_directories_that_a_person_chooses_may_be_read_and_no_others(bundle: Bundle, tmp_path: Path) -> None:
    for name in ("one", "two words"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name[:3]}.txt").write_text("linear 3 4 ; relu ; linear 4 2", encoding="utf-8")
    command, arguments = bundle.launch({"directories": [str(tmp_path / "one"), str(tmp_path / "two words")]})
    server = StdioServerParameters(command=command, args=arguments, cwd=tmp_path, env=bundle.environment)
    async with Client(server) as client:
        for path in ("path:one.txt", "path:two.txt"):
            assert not (await client.call_tool("critique_architecture", {"architecture": path})).is_error
        outside = await client.call_tool("critique_architecture", {"architecture": "path:../three.txt"})
        assert outside.is_error


def test_the_official_tool_refuses_a_wrong_manifest(tmp_path: Path) -> None:
    manifest = json.loads((ROOT / "bundle" / "manifest.json").read_text(encoding="utf-8"))
    for broken in ({**manifest, "manifest_version": "0.3"}, {**manifest, "directories": []}):
        (tmp_path / "manifest.json").write_text(json.dumps(broken), encoding="utf-8")
        done = subprocess.run([MCPB, "validate", tmp_path], capture_output=True, cwd=ROOT, timeout=60, check=False)
        assert done.returncode != 0
