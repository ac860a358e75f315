"""`path:` arguments: what is read under a root, and every way to try to leave it."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

from kaiming_mcp import confined as module
from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.library import library
from kaiming_mcp.replies.critique import critique_text
from kaiming_mcp.replies.trace import trace_text
from kaiming_mcp.roots import LARGEST, Root, Source, allow, is_file_name, resolve
from kaiming_mcp.server import create_server

ERAS = pytest.mark.parametrize("mode", ["auto", "legacy"])
TEXTS = Path(__file__).parents[1] / "data" / "model_texts"
PRINTED = (TEXTS / "01_repr_plain_mlp20_relu.txt").read_text("utf-8")
NOTATION = "repeat 20 { linear 64 64 ; relu }"
SECRET = "linear 31337 31337 ; the secret outside"
posix = pytest.mark.skipif(os.name == "nt", reason="links, FIFOs and devices as POSIX has them")
by_descriptor = pytest.mark.skipif(not module.BY_DESCRIPTOR, reason="names relative to a directory")


@pytest.fixture(params=[True, False], ids=["by descriptor", "by name"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of opening: where names can be opened relative to a directory, and where not."""
    if request.param and not module.BY_DESCRIPTOR:
        pytest.skip("this system opens by name only")
    monkeypatch.setattr(module, "BY_DESCRIPTOR", request.param)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one network, beside a directory that nobody allowed."""
    (tmp_path / "project" / "models").mkdir(parents=True)
    (tmp_path / "project" / "models" / "net.py").write_text(NOTATION, encoding="utf-8")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "net.py").write_text(SECRET, encoding="utf-8")
    return tmp_path / "project"


def _read(path: str, *directories: Path, argument: str = "architecture") -> Source:
    return resolve(f"path:{path}", tuple(allow(str(d)) for d in directories), argument)


def _refused(path: str, *directories: Path) -> str:
    begun = time.perf_counter()
    with pytest.raises(ReadError) as caught:
        _read(path, *directories)
    message = str(caught.value)
    assert time.perf_counter() - begun < 5
    assert message.startswith("`architecture`: ")
    assert "Example: path:models/net.py" in message
    assert SECRET not in message
    return message


def test_pasted_text_is_returned_as_it_is() -> None:
    for text in (NOTATION, "", " a path: of thought", "path: /data\nloss: 3", PRINTED):
        assert resolve(text, (), "architecture") == Source(text)


def test_no_directory_is_allowed_by_default() -> None:
    with pytest.raises(ReadError, match=r"`measurements`: 'run/probe\.json' is not read: no directory.*--root DIR"):
        resolve("path:run/probe.json", (), "measurements", "path:run/probe.json")


@pytest.mark.usefixtures("way")
def test_a_file_is_found_under_each_root_in_order_and_by_its_absolute_path(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "late.txt").write_text("relu", encoding="utf-8")
    (other / "models").mkdir()
    (other / "models" / "net.py").write_text("tanh", encoding="utf-8")
    for path in ("models/net.py", "./models//net.py", " models/net.py ", str(project / "models" / "net.py")):
        assert _read(path, project, other).text == NOTATION
    assert _read("models/net.py", other, project).text == "tanh"
    assert _read("late.txt", project, other).text == "relu"
    assert resolve("PATH: late.txt", (allow(str(other)),), "architecture").text == "relu"


@pytest.mark.usefixtures("way")
def test_an_absolute_path_is_read_under_the_innermost_of_nested_roots(project: Path) -> None:
    inner = project / ".cache"
    inner.mkdir()
    (inner / "net.txt").write_text("gelu", encoding="utf-8")
    assert "hidden" in _refused(str(inner / "net.txt"), project)
    assert _read(str(inner / "net.txt"), project, inner).text == "gelu"


@pytest.mark.usefixtures("way")
def test_the_fragment_is_split_off_unless_a_file_really_has_that_name(project: Path) -> None:
    found = _read("models/net.py#Net", project)
    assert (found.text, found.fragment) == (NOTATION, "Net")
    (project / "models" / "net.py#Net").write_text("named so", encoding="utf-8")
    assert "text kind" in _refused("models/net.py#Net", project)
    (project / "models" / "run#3.txt").write_text("third", encoding="utf-8")
    assert (_read("models/run#3.txt", project).text, _read("models/run#3.txt", project).fragment) == ("third", "")
    assert _read("models/run#3.txt#Gen", project).fragment == "Gen"


@pytest.mark.usefixtures("way")
def test_a_reference_can_be_sent_again_until_the_file_changes(project: Path) -> None:
    first = _read("models/net.py#Net", project)
    assert re.fullmatch(r"path:models/net\.py#Net@[0-9a-f]{8}", first.reference)
    again = resolve(first.reference, (allow(str(project)),), "architecture")
    assert (again.text, again.fragment) == (NOTATION, "Net")
    (project / "models" / "net.py").write_text("relu", encoding="utf-8")
    assert "has changed" in _refused(first.reference.removeprefix("path:"), project)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (NOTATION.encode("utf-8-sig"), NOTATION),
        ("gelu é\r\nrelu".encode("utf-16"), "gelu é\nrelu"),
        (b"\xfe\xff" + "relu".encode("utf-16-be"), "relu"),
        (b"", ""),
    ],
)
def test_marks_and_line_ends_are_taken_off(project: Path, data: bytes, text: str) -> None:
    (project / "net.txt").write_bytes(data)
    assert _read("net.txt", project).text == text


@pytest.mark.parametrize(
    "data", [b"\x80\x04\x95", b"PK\x03\x04\0\0", b"linear 3 4\0", b"\xff\xfe\0", "relu".encode("utf-32")]
)
@pytest.mark.usefixtures("way")
def test_what_is_no_text_is_refused(project: Path, data: bytes) -> None:
    (project / "weights").write_bytes(data)
    assert re.search("binary|UTF-8", _refused("weights", project))


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors", "key.pem", "page.html"])
def test_other_suffixes_are_refused_with_those_that_are_read(project: Path, name: str) -> None:
    (project / name).write_text(NOTATION, encoding="utf-8")
    assert ".jsonl" in _refused(name, project)


@pytest.mark.parametrize("name", [".env", ".git/config", ".ssh/id_rsa", "models/.secret.txt"])
@pytest.mark.usefixtures("way")
def test_hidden_names_are_refused_also_behind_a_link(project: Path, name: str) -> None:
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text("TOKEN=1", encoding="utf-8")
    assert "hidden" in _refused(name, project)
    (project / "open.txt").symlink_to(name)
    assert "hidden" in _refused("open.txt", project)


def test_the_code_cells_of_a_notebook_are_read(project: Path) -> None:
    cells: list[dict[str, Any]] = [
        {"cell_type": "markdown", "source": ["# A net"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "import torch"]},
        {"cell_type": "code", "source": "%%bash\nrm -rf models"},
        {"cell_type": "code", "source": "x = 7 \\\n  % 3\n!ls"},
    ]
    (project / "net.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    assert _read("net.ipynb", project).text == "# %matplotlib inline\nimport torch\n\nx = 7 \\\n  % 3\n# !ls"
    for broken in ("{}", "[]", "[" * 100_000, '{"cells": 3}', '{"cells": [3]}', "no json"):
        (project / "net.ipynb").write_text(broken, encoding="utf-8")
        assert "notebook" in _refused("net.ipynb", project)


@posix
@pytest.mark.usefixtures("way")
def test_a_size_beyond_the_cap_is_refused_before_it_is_read(project: Path) -> None:
    with (project / "huge.log").open("wb") as huge:
        huge.truncate(1 << 40)
    (project / "full.log").write_bytes(b"a" * LARGEST)
    (project / "over.log").write_bytes(b"a" * (LARGEST + 1))
    assert "too large" in _refused("huge.log", project)
    assert "too large" in _refused("over.log", project)
    assert len(_read("full.log", project).text) == LARGEST


@posix
def test_a_file_that_grows_while_it_is_read_is_cut_at_the_cap(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = project / "grow.log"
    growing.write_text("step 1", encoding="utf-8")
    measured = os.fstat

    def then_grows(descriptor: int) -> os.stat_result:
        found = measured(descriptor)
        growing.write_bytes(b"a" * (2 * LARGEST))
        return found

    monkeypatch.setattr(module.os, "fstat", then_grows)
    assert "too large" in _refused("grow.log", project)


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../outside/net.py",
        "models/../../outside/net.py",
        "models/..",
        "/../outside/net.py",
        "models/../models/net.py",
    ],
)
def test_climbing_is_refused_wherever_it_stands(project: Path, path: str) -> None:
    assert "`..`" in _refused(path, project)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("", "names no file"),
        ("   ", "names no file"),
        ("a" * 300, "does not exist"),
        ("a/" * 400, "does not exist"),
        ("a" * 5000, "at most 1,000"),
        ("net.py\0.txt", "control character"),
        ("net\r.py", "control character"),
        ("\ud800.py", "control character"),
        ("models\\net.py", "forward slashes"),
        ("C:/models/net.py", "Windows path"),
        ("\\\\server\\share\\net.py", "Windows path"),
        ("~/models/net.py", "not filled in"),
        ("$HOME/net.py", "not filled in"),
        ("%USERPROFILE%/net.py", "not filled in"),
        ("%2e%2e/outside/net.py", "does not exist"),
        ("models/net.py/more", "does not exist"),
        ("/etc/passwd", "outside the allowed"),
        ("//etc/passwd", "outside the allowed"),
        ("file:///etc/passwd", "does not exist"),
    ],
)
@pytest.mark.usefixtures("way")
def test_a_path_that_cannot_be_right_is_explained(project: Path, path: str, part: str) -> None:
    assert part in _refused(path, project)


@pytest.mark.usefixtures("way")
def test_strange_names_are_literal(project: Path) -> None:
    names = [
        "my net.txt",
        "%2e%2e.txt",
        "$HOME.txt",
        "~net.txt",
        "a..b.txt",
        "naïve.txt",
        "🧠.txt",
        "net@2.txt",
        "-n.txt",
    ]
    for name in names:
        (project / name).write_text(name, encoding="utf-8")
        assert _read(name, project).text == name


@by_descriptor
@pytest.mark.parametrize(("stored", "sent"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_are_found_composed_or_decomposed(project: Path, stored: Any, sent: Any) -> None:
    (project / unicodedata.normalize(stored, "modèle")).mkdir()
    (project / unicodedata.normalize(stored, "modèle/réseau.txt")).write_text("relu", encoding="utf-8")
    assert _read(unicodedata.normalize(sent, "modèle/réseau.txt"), project).text == "relu"


@pytest.mark.usefixtures("way")
def test_a_directory_names_the_text_files_in_it(project: Path) -> None:
    for i in range(14):
        (project / "models" / f"n{i:02}.txt").write_text("x", encoding="utf-8")
    for other in ("w.pt", ".env", "line\nbreak.txt"):
        (project / "models" / other).write_text("x", encoding="utf-8")
    said = _refused("models", project)
    assert "is a directory. Text files in it: n" in said.replace("net.py, ", "")
    assert "and 5 more" in said
    assert not re.search(r"w\.pt|\.env|break|models/n0", said)
    assert "none" in _refused(".", project)


@pytest.mark.usefixtures("way")
def test_a_missing_file_names_the_nearest_at_most_three(project: Path) -> None:
    assert "Nearest: path:models/net.py." in _refused("models/nett.py", project)
    assert "path:models/net.py" in _refused("net.py", project)
    assert "path:models/net.py" in _refused("/home/me/elsewhere/models/net.py", project)
    for i in range(9):
        (project / f"net{i}.py").write_text("x", encoding="utf-8")
    assert _refused("net_.py", project).split(" Example")[0].count("path:") == 3
    assert "Nearest" not in _refused("zzzzzzzz.log", project)


def test_looking_for_near_names_is_bounded(project: Path) -> None:
    for i in range(60):
        (project / f"d{i}").mkdir()
        for j in range(60):
            (project / f"d{i}" / f"f{j}.txt").touch()
    begun = time.perf_counter()
    _refused("f100.txt", project)
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize("sent", ["models/net.py", "net.txt", " run.log ", "models/gan.py#Gen"])
def test_a_name_without_the_prefix_is_recognised_to_say_so(sent: str) -> None:
    assert is_file_name(sent)


@pytest.mark.parametrize(
    "sent", [NOTATION, "relu", "", "a deep network", "linear 3 4", "scale 0.5", "net.pt", "x." * 9_000]
)
def test_a_network_is_not_taken_for_a_file_name(sent: str) -> None:
    assert not is_file_name(sent)


@posix
@pytest.mark.usefixtures("way")
def test_links_inside_the_root_are_followed_in_every_form(project: Path) -> None:
    (project / "relative.py").symlink_to("models/net.py")
    (project / "absolute.py").symlink_to(project / "models" / "net.py")
    (project / "directory").symlink_to("models")
    (project / "deep" / "er").mkdir(parents=True)
    (project / "deep" / "er" / "up.py").symlink_to("../../directory/../models/./net.py")
    (project / "chain0.py").symlink_to("deep/er/up.py")
    for i in range(9):
        (project / f"chain{i + 1}.py").symlink_to(f"chain{i}.py")
    for path in ("relative.py", "absolute.py", "directory/net.py", "deep/er/up.py", "chain9.py"):
        assert _read(path, project).text == NOTATION


@posix
@pytest.mark.usefixtures("way")
def test_links_out_of_the_root_are_never_followed(project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    links = {
        "file.py": outside / "net.py",
        "up.py": Path("../outside/net.py"),
        "folder": outside,
        "root": Path("/"),
        "self": Path("/proc/self"),
        "in_and_out.py": Path("models/../../outside/net.py"),
        "around.py": project / ".." / "outside" / "net.py",
        "device": Path("/dev/zero"),
        "prefix.py": Path(f"{project}-not/net.py"),
        "sibling.py": Path("../project/../outside/net.py"),
    }
    for name, target in links.items():
        (project / name).symlink_to(target)
    (project / "chain.py").symlink_to("file.py")
    for name in links:
        tail = {"folder": "/net.py", "root": f"{outside}/net.py", "self": "/environ"}.get(name, "")
        assert "leads out" in _refused(name + tail, project)
    assert "leads out" in _refused("chain.py", project)
    assert "leads out" in _refused("folder", project)


@by_descriptor
def test_a_link_out_says_the_same_whether_its_target_exists(project: Path, tmp_path: Path) -> None:
    (project / "there.py").symlink_to(tmp_path / "outside" / "net.py")
    (project / "gone.py").symlink_to(tmp_path / "outside" / "no.py")
    assert _refused("there.py", project).replace("there", "gone") == _refused("gone.py", project)


@posix
@pytest.mark.usefixtures("way")
def test_loops_and_dangling_links_are_refused(project: Path) -> None:
    (project / "a.py").symlink_to("b.py")
    (project / "b.py").symlink_to("a.py")
    (project / "me").symlink_to("me/me/me")
    (project / "dangling.py").symlink_to("models/no.py")
    for path in ("a.py", "me/net.py"):
        assert re.search("links|regular|exist", _refused(path, project))
    assert "does not exist" in _refused("dangling.py", project)


@posix
@pytest.mark.usefixtures("way")
def test_fifos_sockets_and_devices_are_refused_at_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(project / "pipe.txt")
    monkeypatch.chdir(project)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.txt")
        for name in ("pipe.txt", "socket.txt"):
            assert "regular file" in _refused(name, project)
    try:
        os.mknod(project / "zero.txt", stat.S_IFCHR | 0o666, os.makedev(1, 5))
    except OSError:
        return
    assert "regular file" in _refused("zero.txt", project)


@posix
@pytest.mark.usefixtures("way")
def test_an_unreadable_file_is_said_to_be_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "closed.txt").write_text("x", encoding="utf-8")
    (project / "closed.txt").chmod(0)
    opening = os.open

    def as_another_user(path: Any, *rest: Any, **more: Any) -> int:
        if str(path).endswith("closed.txt"):
            raise PermissionError(13, "Permission denied")
        return opening(path, *rest, **more)

    if os.geteuid() == 0:
        monkeypatch.setattr(module.os, "open", as_another_user)
    assert "Permission denied" in _refused("closed.txt", project)


@posix
def test_a_root_may_be_a_link_and_is_read_where_it_led_at_start(project: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(project)
    root = allow(str(tmp_path / "link"))
    assert root == Root(tmp_path / "link", Path(os.path.realpath(project)))
    for path in ("models/net.py", str(tmp_path / "link" / "models" / "net.py"), str(project / "models" / "net.py")):
        assert resolve(f"path:{path}", (root,), "architecture").text == NOTATION
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    assert resolve("path:models/net.py", (root,), "architecture").text == NOTATION


@by_descriptor
def test_a_root_that_is_removed_or_replaced_after_the_start_is_not_read(project: Path, tmp_path: Path) -> None:
    root = allow(str(project / "models"))

    def refused() -> str:
        with pytest.raises(ReadError) as caught:
            resolve("path:net.py", (root,), "architecture")
        return str(caught.value)

    (project / "models").rename(tmp_path / "moved")
    assert "removed, replaced" in refused()
    (project / "models").symlink_to(tmp_path / "outside")
    assert "removed, replaced" in refused()
    (project / "models").unlink()
    project.rmdir()
    project.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "outside").rename(tmp_path / "elsewhere" / "models")
    assert "removed, replaced" in refused()


def _swapping(project: Path, outside: Path, what: str) -> Callable[[], None]:
    """One exchange of the directory (or the file in it) for a link to its namesake outside, and back."""
    target = project / what
    aside, wanted = project / "aside", outside / Path(what).relative_to("models")

    def swap() -> None:
        target.rename(aside)
        target.symlink_to(wanted)
        target.unlink()
        aside.rename(target)

    return swap


@by_descriptor
@pytest.mark.parametrize("what", ["models", "models/net.py"])
def test_a_race_between_check_and_use_never_leaves_the_root(project: Path, tmp_path: Path, what: str) -> None:
    swap, done, roots = _swapping(project, tmp_path / "outside", what), threading.Event(), (allow(str(project)),)

    def swap_on() -> None:
        while not done.is_set():
            swap()

    racer = threading.Thread(target=swap_on)
    racer.start()
    seen: set[str] = set()
    tries, deadline = 0, time.monotonic() + 2
    try:
        while tries < 5_000 and time.monotonic() < deadline:
            tries += 1
            try:
                seen.add(resolve("path:models/net.py", roots, "architecture").text)
            except ReadError as error:
                assert SECRET not in str(error)
    finally:
        done.set()
        racer.join()
    assert seen <= {NOTATION}
    assert tries > 1


@posix
@pytest.mark.parametrize("what", ["models", "models/net.py", "fifo"])
@pytest.mark.usefixtures("way")
def test_an_exchange_right_after_the_check_is_noticed(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    target = project / ("models/net.py" if what == "fifo" else what)
    opening, left = os.open, [True]

    def exchange_first(path: Any, *rest: Any, **more: Any) -> int:
        if left and Path(str(path)).name in (target.name, "net.py"):
            left.clear()
            target.rename(project / "aside")
            if what == "fifo":
                os.mkfifo(target)
            else:
                target.symlink_to(tmp_path / "outside" / Path(what).relative_to("models"))
        return opening(path, *rest, **more)

    monkeypatch.setattr(module.os, "open", exchange_first)
    _refused("models/net.py", project)
    assert not left


def test_no_descriptor_is_left_open(project: Path) -> None:
    if not Path("/proc/self/fd").exists():
        pytest.skip("counts descriptors in /proc")
    (project / "out.py").symlink_to("../outside/net.py")
    os.mkfifo(project / "pipe.txt")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("models/net.py", "models", "no.py", "out.py", "pipe.txt", "models/net.py/x", "a" * 300, ".x"):
        for _ in range(3):
            try:
                _read(path, project)
            except ReadError:
                continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before


PIECES = [
    "..",
    ".",
    "",
    "models",
    "net.py",
    "folder",
    "up.py",
    "pipe.txt",
    "~",
    "$HOME",
    "\\",
    "C:",
    "%2e%2e",
    "#Net",
    "é",
]


@posix
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=7).map("/".join)))
def test_no_path_does_anything_but_read_inside_or_refuse(project: Path, tmp_path: Path, path: str) -> None:
    if not (project / "folder").exists():
        (project / "folder").symlink_to(tmp_path / "outside")
        (project / "up.py").symlink_to("../outside/net.py")
        os.mkfifo(project / "pipe.txt")
    assume("\n" not in f"path:{path}".strip())
    try:
        assert _read(path, project).text == NOTATION
    except ReadError as error:
        assert SECRET not in str(error)


@posix
@pytest.mark.parametrize("given_root", ["/", "//", "/usr/..", "/proc", "/sys", "/dev", "/proc/self"])
def test_a_root_that_holds_the_whole_machine_is_refused(given_root: str) -> None:
    with pytest.raises(ValueError, match=r"whole machine|not an existing"):
        allow(given_root)


@pytest.mark.parametrize("given_root", ["", " ", "/no/such/place", "${workspaceFolder}", "~", __file__])
def test_a_root_that_is_no_directory_is_refused(given_root: str) -> None:
    with pytest.raises(ValueError, match=r"is not an existing directory \((it is|No such)"):
        allow(given_root)


@pytest.mark.parametrize(
    "command",
    [("--root", "/"), ("serve", "--http", "--root=/"), ("serve", "--root="), ("try", "x", "--root", "${work}")],
)
def test_a_wrong_root_ends_the_start_with_two(command: tuple[str, ...]) -> None:
    done = _run(*command)
    assert done.returncode == 2
    assert re.search("whole machine|not an existing directory", done.stderr)
    assert "Traceback" not in done.stderr
    assert not done.stdout


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kaiming_mcp", *arguments]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False
    )


@pytest.mark.parametrize("order", [("--root", "DIR", "try"), ("--root", "/usr", "try", "--root=DIR")])
def test_try_takes_roots_before_and_after_its_name(project: Path, order: tuple[str, ...]) -> None:
    arguments = [a.replace("DIR", str(project)) for a in order]
    done = _run(*arguments, "critique_architecture", "architecture=path:models/net.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("**Verdict.**")


def _text(result: Any) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, types.TextContent))


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """A root with printed models, and a link out of it."""
    (tmp_path / "texts").mkdir()
    for name in ("01_repr_plain_mlp20_relu.txt", "08_repr_dcgan_pair.txt", "03_repr_resnet18.txt"):
        (tmp_path / "texts" / name[3:]).write_bytes((TEXTS / name).read_bytes())
    (tmp_path / "secret.txt").write_text(SECRET, encoding="utf-8")
    (tmp_path / "texts" / "out.txt").symlink_to("../secret.txt")
    return tmp_path / "texts"


@ERAS
@pytest.mark.parametrize("tool", ["critique_architecture", "trace_signal"])
async def test_a_client_sends_a_path_and_gets_what_the_pasted_text_gives(texts: Path, mode: Any, tool: str) -> None:
    async with Client(create_server((allow(str(texts)),)), mode=mode) as client:
        pasted = await client.call_tool(tool, {"architecture": PRINTED})
        named = await client.call_tool(tool, {"architecture": "path:repr_plain_mlp20_relu.txt"})
    assert not named.is_error
    assert named.structured_content == pasted.structured_content


@ERAS
@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("path:out.txt", "leads out"),
        ("path:../secret.txt", "`..`"),
        ("path:repr_resnet_18.txt", "Nearest: path:repr_resnet18.txt"),
        ("path:repr_dcgan_pair.txt#Critic", "Generator, Discriminator"),
        ("path:.", "Text files in it: out.txt, repr_dcgan_pair.txt"),
    ],
)
async def test_a_client_is_told_why_a_path_is_refused(texts: Path, mode: Any, path: str, part: str) -> None:
    async with Client(create_server((allow(str(texts)),)), mode=mode) as client:
        for tool in ("critique_architecture", "trace_signal"):
            result = await client.call_tool(tool, {"architecture": path})
            assert result.is_error
            assert result.structured_content is None
            assert part in _text(result)
            assert "`architecture`" in _text(result)
            assert "Example: path:" in _text(result)
            assert SECRET not in _text(result)


@ERAS
async def test_without_a_root_a_client_is_told_how_to_allow_one(mode: Any) -> None:
    async with Client(create_server(), mode=mode) as client:
        result = await client.call_tool("critique_architecture", {"architecture": "path:models/net.py"})
        bare = await client.call_tool("critique_architecture", {"architecture": "models/net.py"})
        described = {t.name: t.input_schema["properties"] for t in (await client.list_tools()).tools}
    assert result.is_error
    assert "--root DIR" in _text(result)
    assert "send path:models/net.py" in _text(bare)
    for tool in ("critique_architecture", "trace_signal"):
        assert "path:" in described[tool]["architecture"]["description"]


def test_a_fragment_picks_the_network(texts: Path) -> None:
    roots = (allow(str(texts)),)
    second = critique_text(library(), "path:repr_dcgan_pair.txt#Discriminator", "3x64x64", roots=roots)
    first = critique_text(library(), "path:repr_dcgan_pair.txt", "100x1x1", roots=roots)
    networks = [json.loads(scaffold.request)["args"]["architecture"] for scaffold in (second, first)]
    assert networks[0].startswith("input 3x64x64")
    assert networks[0] != networks[1]


def test_a_request_line_keeps_the_notation_or_for_a_long_network_path_and_digest(texts: Path) -> None:
    roots = (allow(str(texts)),)
    short = critique_text(library(), "path:repr_plain_mlp20_relu.txt", roots=roots)
    assert json.loads(short.request)["args"]["architecture"].startswith("linear 784 256")
    for form in (critique_text, trace_text):
        whole = form(library(), "path:repr_resnet18.txt", "3x224x224", roots=roots)
        request = json.loads(whole.request)
        assert re.fullmatch(r"path:repr_resnet18\.txt#@[0-9a-f]{8}", request["args"]["architecture"])
        again = form(library(), **request["args"], roots=roots)
        assert json.loads(again.request) == request


@pytest.mark.filterwarnings("default::ResourceWarning")
@ERAS
async def test_a_real_process_reads_below_its_root_only(texts: Path, mode: Any) -> None:
    server = StdioServerParameters(command=sys.executable, args=["-m", "kaiming_mcp", "--root", str(texts)])
    with anyio.fail_after(60):
        async with Client(server, mode=mode) as client:
            named = await client.call_tool("critique_architecture", {"architecture": "path:repr_plain_mlp20_relu.txt"})
            leaving = await client.call_tool("critique_architecture", {"architecture": "path:out.txt"})
            missing = await client.call_tool("critique_architecture", {"architecture": "path:net.py"})
    assert "1.64e-15" in _text(named)
    assert "leads out" in _text(leaving)
    assert missing.is_error


@ERAS
async def test_a_prompt_reads_a_file_too_and_answers_a_wrong_path_with_invalid_params(mode: Any, project: Path) -> None:
    async with Client(create_server((allow(str(project)),)), mode=mode) as client:
        found = await client.get_prompt("review_network", {"architecture": "path:models/net.py"})
        assert "parameters" in str(found.messages[0].content)
        with pytest.raises(MCPError, match="does not exist") as refused:
            await client.get_prompt("review_network", {"architecture": "path:models/nothing.py"})
    assert refused.value.code == types.INVALID_PARAMS
