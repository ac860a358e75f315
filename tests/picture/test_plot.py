"""`kaiming-mcp plot` and `try` as processes: files for a paper or a pull request, colours for a terminal."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from networks import DECAY, PLAIN, PRINTED, drawn, named_by_a_script, traced

from kaiming_mcp.picture.model import Picture
from kaiming_mcp.picture.page import SLOT, embedded, page
from kaiming_mcp.picture.terminal import COLORS, coloured, wants_color
from kaiming_mcp.plot import add_options, plot

COMMAND = [sys.executable, "-m", "kaiming_mcp"]
posix = pytest.mark.skipif(os.name == "nt", reason="a pseudo-terminal is POSIX")


def _run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], input=given, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False
    )


class Page(HTMLParser):
    """What a browser makes of a page: its scripts by id, and every tag."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags = list[tuple[str, dict[str, str | None]]]()
        self.held = dict[str, str]()
        self.title = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = dict(attrs).get("id") or tag

    def handle_data(self, data: str) -> None:
        self.held[self._inside] = self.held.get(self._inside, "") + data

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._inside = ""


def test_a_printed_network_is_written_as_svg(tmp_path: Path) -> None:
    out = tmp_path / "resnet.svg"
    done = _run("plot", str(PRINTED["03_repr_resnet18"]), "--input", "3x224x224", "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}: ResNet: 21 weighted layers, relu, PyTorch default\n"
    assert ElementTree.parse(out).getroot().get("role") == "img"


def test_measurements_of_a_network_are_written_as_a_page_with_the_document_inside(tmp_path: Path) -> None:
    net, log, out = tmp_path / "net.txt", tmp_path / "log.csv", tmp_path / "out.html"
    net.write_text("repeat 19 { linear 64 64 ; relu } ; linear 64 10")
    log.write_text(DECAY)
    done = _run("plot", str(log), "--architecture", str(net), "--training", "SGD lr 0.1", "-o", str(out))
    assert done.returncode == 0, done.stderr
    found = Page(out.read_text("utf-8"))
    document = json.loads(found.held["picture"])
    arguments = {"architecture": net.read_text(), "measurements": DECAY, "training": "SGD lr 0.1"}
    assert document == drawn("diagnose_gradients", **arguments)[1].document()
    assert document["tool"] == "diagnose_gradients"
    assert f"<title>{document['title']}</title>" in out.read_text("utf-8")


def test_a_network_from_stdin_is_drawn_in_the_dark(tmp_path: Path) -> None:
    out = tmp_path / "out.svg"
    done = _run("plot", "-", "-o", str(out), "--initialization", "he", "--theme", "dark", given=PLAIN)
    assert done.returncode == 0, done.stderr
    assert "#16191d" in out.read_text("utf-8")


def _here(*arguments: str, given: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code of the command run in this process."""
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    parser = argparse.ArgumentParser()
    add_options(parser)
    return plot(parser.parse_args(arguments))


def test_measurements_alone_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.svg"
    assert _here("-", "-o", str(out), given=DECAY, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out == f"{out}: 20 measured layers\n"


def test_a_png_is_written_or_what_it_lacks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.PNG"
    code = _here("-", "-o", str(out), given=PLAIN, monkeypatch=monkeypatch)
    if code == 0:
        assert out.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    else:
        assert "no font was found" in capsys.readouterr().err


def test_a_png_without_the_extra_names_it_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert _here("-", "-o", str(tmp_path / "out.png"), given=PLAIN, monkeypatch=monkeypatch) == 1
    assert "pip install 'kaiming-mcp[plot]'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "given", "parts"),
    [
        (("-", "-o", "out.pdf"), PLAIN, ("-o", "'out.pdf'", ".html, .svg or .png", "Example: -o signal.svg")),
        (("-", "-o", "out"), PLAIN, (".html, .svg or .png",)),
        (("missing.txt", "-o", "out.svg"), "", ("missing.txt", "No such file", "Example: kaiming-mcp plot")),
        (("-", "-o", "no/such/place/out.svg"), PLAIN, ("-o", "cannot be written")),
        (("-", "-o", "out.svg"), "only prose here", ("No network was recognised",)),
        (("-", "-o", "out.svg", "--initialization", "magic"), PLAIN, ("`initialization`", "magic")),
        (("-", "-o", "out.svg", "--architecture", "none.txt"), DECAY, ("none.txt",)),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_what_was_expected(
    arguments: tuple[str, ...],
    given: str,
    parts: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _here(*arguments, given=given, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert all(part in said.err for part in parts), said.err
    assert list(tmp_path.iterdir()) == []


def test_the_page_needs_no_network_and_holds_the_document_exactly() -> None:
    _, picture = traced("residual")
    found = Page(page(picture))
    assert json.loads(found.held["picture"]) == picture.document()
    assert Picture.model_validate_json(found.held["picture"]) == picture
    for tag, attributes in found.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base"}, tag
        assert not (attributes.get("src") or "").startswith(("http", "//")), attributes
    policy = next(a["content"] or "" for t, a in found.tags if t == "meta" and "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert SLOT not in page(picture)


def test_no_tag_can_begin_or_end_in_the_document() -> None:
    _, picture = drawn("diagnose_gradients", measurements=named_by_a_script())
    assert "<" not in embedded(picture)
    found = Page(page(picture))
    assert "<script>alert(1)</script>" in [p["name"] for p in json.loads(found.held["picture"])["places"]]
    assert [t for t, _ in found.tags].count("script") == 2
    assert ("b", {}) not in found.tags


def _in_a_terminal(*arguments: str, **environment: str) -> str:
    """What a person sees who runs a command in a terminal."""
    import pty

    leader, follower = pty.openpty()
    shown = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=follower, stdout=follower, stderr=subprocess.DEVNULL,
        env={**shown, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment},
    )  # fmt: skip
    os.close(follower)
    seen = bytearray()
    try:
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(leader)
    return seen.decode().replace("\r\n", "\n")


TRY = ("try", "trace_signal", f"architecture={PLAIN}")
_COLOR = re.compile(r"\x1b\[[\d;]*m")


@posix
def test_a_terminal_shows_where_the_signal_vanishes_by_colour_and_by_shape() -> None:
    seen = _in_a_terminal(*TRY)
    bars = next(line for line in seen.splitlines() if line.startswith("gradient"))
    marks = seen.splitlines()[seen.splitlines().index(bars) + 1]
    assert bars.index(COLORS["vanishes"]) < bars.index(COLORS["holds"])
    assert _COLOR.sub("", marks).split()[0] == "▼" * 18
    assert "below a tenth" in marks
    piped = _run(*TRY).stdout
    assert "\x1b" not in piped
    assert "▼" not in piped
    without = [line for line in _COLOR.sub("", seen).splitlines() if "▼" not in line]
    assert without == piped.splitlines()


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_that_were_not_told_otherwise() -> None:
    usual = {"TERM": "xterm", "WT_SESSION": "1"}
    assert wants_color(Terminal(), usual)
    assert not wants_color(Terminal(), {**usual, "NO_COLOR": "1"})
    assert not wants_color(Terminal(), {**usual, "TERM": "dumb"})
    assert not wants_color(io.StringIO(), usual)


def test_what_explodes_is_marked_upwards_and_what_holds_has_no_marks() -> None:
    scaffold, picture = drawn(
        "trace_signal", architecture="repeat 20 { linear 64 64 ; relu }", initialization="he gain 1.3"
    )
    text = coloured(scaffold.picture, picture)
    assert COLORS["explodes"] in text
    assert "▲ above ten times" in text
    scaffold, picture = drawn("trace_signal", architecture="repeat 20 { linear 64 64 ; relu }", initialization="he")
    text = coloured(scaffold.picture, picture)
    assert _COLOR.sub("", text) == scaffold.picture
    assert COLORS["holds"] in text
    assert COLORS["vanishes"] not in text


def test_measured_lines_are_coloured_too_and_other_lines_are_left_alone() -> None:
    scaffold, picture = drawn("diagnose_gradients", measurements=DECAY)
    text = f"- ▁▂▃ of somebody else\n{scaffold.picture}\nend"
    lines = coloured(text, picture).splitlines()
    assert lines[0] == "- ▁▂▃ of somebody else"
    assert lines[-1] == "end"
    assert COLORS["vanishes"] in lines[1]
