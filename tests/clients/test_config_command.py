"""`kaiming-mcp config`: each snippet against the client's documented form, and the server that it starts."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import jsonschema
import pytest
from mcp import Client as McpClient
from mcp import StdioServerParameters

from kaiming_mcp.clients.command import print_config
from kaiming_mcp.clients.launch import Launch, contained, installed, rooted
from kaiming_mcp.clients.options import add_options
from kaiming_mcp.clients.snippet import entry, snippet
from kaiming_mcp.clients.table import CLIENTS, SERVER, Client, find

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "tests" / "data" / "schemas"
EXAMPLES = ROOT / "examples"
LOCAL = rooted(Launch("/opt/kaiming/bin/kaiming-mcp", ()), ["/home/me/project"])
WINDOWS = rooted(Launch(r"C:\Users\Zoë Q\kaiming\Scripts\kaiming-mcp.exe", ()), [r"C:\nets\new \"one\""[:-1]])
client_of_each = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.id)


def _parsed(client: Client, text: str) -> Any:
    match client.form:
        case "json":
            return json.loads(text)
        case "toml":
            return tomllib.loads(text)
        case "shell":
            return shlex.split(text)


def _check(name: str, value: Any) -> None:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(value)


def _started(client: Client, text: str) -> list[str]:
    """The words of the command that a client would run."""
    parsed = _parsed(client, text)
    if client.form == "shell":
        return parsed[parsed.index("--") + 1 :]
    server = parsed[client.key][SERVER]
    return [server["command"], *server["args"]]


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command within this process, at the top of the clone."""

    def called(*arguments: str, cwd: Path = ROOT) -> Done:
        monkeypatch.chdir(cwd)
        parser = argparse.ArgumentParser()
        add_options(parser)
        code = print_config(parser.parse_args(arguments))
        out, err = capsysbinary.readouterr()
        return Done(code, out.decode("utf-8"), err.decode("utf-8"))

    return called


@client_of_each
@pytest.mark.parametrize("options", [(), ("--root", "examples"), ("--docker",), ("--docker", "--root", "/srv/nets")])
def test_what_is_printed_has_the_clients_documented_form(run: Run, client: Client, options: tuple[str, ...]) -> None:
    done = run(client.id, *options)
    assert done.returncode == 0, done.stderr
    _check(client.id, _parsed(client, done.stdout))
    assert 1 <= len(done.stderr.splitlines()) <= 2
    assert client.docs in done.stderr
    assert client.file(sys.platform) in done.stderr


@client_of_each
def test_the_server_is_named_by_an_absolute_path_and_reads_nothing_unless_told(run: Run, client: Client) -> None:
    program, *arguments = _started(client, run(client.id).stdout)
    assert Path(program).is_absolute()
    assert Path(program).is_file()
    assert "--root" not in arguments
    rooted_at = _started(client, run(client.id, "--root", "../principles", cwd=EXAMPLES).stdout)
    assert rooted_at[-2:] == ["--root", str(ROOT / "principles")]


@client_of_each
def test_a_container_is_hardened_sees_only_what_is_mounted_and_has_neither_terminal_nor_name(
    run: Run, client: Client
) -> None:
    words = _started(client, run(client.id, "--docker", "--root", "/srv/a", "--root", "/srv/b").stdout)
    image = words.index("kaiming-mcp")
    options = words[1:image]
    assert PurePosixPath(words[0].replace("\\", "/")).name.startswith("docker")
    assert options[0] == "run"
    assert {"-i", "--rm", "--read-only", "--cap-drop=all", "--network=none"} <= set(options)
    assert not [o for o in options if o in ("-t", "-it", "-ti", "--tty") or o.startswith("--name")]
    assert [o for o in options if o.endswith(":ro")] == ["/srv/a:/models/1:ro", "/srv/b:/models/2:ro"]
    assert words[image + 1 :] == ["--root", "/models/1", "--root", "/models/2"]


async def test_the_printed_command_starts_a_server_that_reads_below_the_root(run: Run) -> None:
    program, *arguments = _started(find("zed"), run("zed", "--root", "examples").stdout)
    async with McpClient(StdioServerParameters(command=program, args=arguments)) as client:
        found = await client.call_tool("critique_architecture", {"architecture": "path:plain_mlp20.txt"})
    assert not found.is_error


WRONG = {
    "VS Code takes servers, not mcpServers": ("vscode", {"mcpServers": {"k": {"type": "stdio", "command": "/k"}}}),
    "VS Code wants the type": ("vscode", {"servers": {"k": {"command": "/k"}}}),
    "Zed takes context_servers": ("zed", {"mcpServers": {"k": {"command": "/k"}}}),
    "Zed's command is a string": ("zed", {"context_servers": {"k": {"command": {"path": "/k"}}}}),
    "Claude Desktop takes mcpServers": ("claude-desktop", {"servers": {"k": {"command": "/k"}}}),
    "Cursor wants the type": ("cursor", {"mcpServers": {"k": {"command": "/k"}}}),
    "Windsurf's remote key is no command": ("windsurf", {"mcpServers": {"k": {"serverUrl": "http://localhost/mcp"}}}),
    "Gemini CLI knows no transport": ("gemini-cli", {"mcpServers": {"k": {"command": "/k", "transport": "stdio"}}}),
    "Codex's key has an underscore": ("codex", {"mcpServers": {"k": {"command": "/k"}}}),
    "Codex knows no type": ("codex", {"mcp_servers": {"k": {"command": "/k", "type": "stdio"}}}),
    "Claude Code wants -- before the command": ("claude-code", ["claude", "mcp", "add", "k", "/k", "--root", "/x"]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_the_schemas_refuse_a_wrong_snippet(wrong: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        _check(*WRONG[wrong])


def test_no_client_takes_a_snippet_with_anothers_key() -> None:
    pairs = [(w, r) for w in CLIENTS for r in CLIENTS if w.form == r.form == "json" and w.key != r.key]
    assert len(pairs) == 18
    for writer, reader in pairs:
        with pytest.raises(jsonschema.ValidationError):
            _check(reader.id, json.loads(snippet(writer, LOCAL)))


@client_of_each
def test_windows_paths_and_every_letter_come_back_as_they_were(client: Client) -> None:
    odd = Launch(r"C:\Program Files\a'b\x.exe", ("--root", "D:\\nächste\\\x7f\ttab", r"C:\ends with\ ".strip()))
    for launch in (WINDOWS, odd):
        text = snippet(client, launch, windows=False)
        assert _started(client, text) == [launch.command, *launch.args]


def test_a_command_is_quoted_for_the_shell_of_the_system() -> None:
    line = snippet(find("claude-code"), WINDOWS, windows=True)
    assert '-- "C:\\Users\\Zoë Q\\kaiming\\Scripts\\kaiming-mcp.exe" --root' in line
    assert "'" not in line
    assert "'/a b/k'" in snippet(find("claude-code"), Launch("/a b/k", ()), windows=False)


def test_the_script_is_named_where_there_is_one_and_else_the_interpreter() -> None:
    python = PurePosixPath("/v/bin/python3")
    assert installed(PurePosixPath("/u/bin/kaiming-mcp"), python, lambda _: True) == Launch("/u/bin/kaiming-mcp", ())
    module = PurePosixPath("/v/lib/kaiming_mcp/__main__.py")
    assert installed(module, python, lambda path: path.parent.name == "bin") == Launch("/v/bin/kaiming-mcp", ())
    assert installed(module, python, lambda _: False) == Launch("/v/bin/python3", ("-m", "kaiming_mcp"))
    shell = PureWindowsPath(r"C:\v\Scripts\kaiming-mcp")  # as pip's launcher gives it, without .exe
    exe = PureWindowsPath(r"C:\v\Scripts\python.exe")
    assert installed(shell, exe, lambda path: path.suffix == ".exe").command == r"C:\v\Scripts\kaiming-mcp.exe"
    module = PureWindowsPath(r"C:\v\Lib\kaiming_mcp\__main__.py")
    assert installed(module, exe, lambda path: path.suffix == ".exe").command == r"C:\v\Scripts\kaiming-mcp.exe"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("vs-code",), ("'vs-code'", "Did you mean 'vscode'?")),
        (("emacs",), ("'emacs'", "Known: claude-desktop, claude-code")),
        (("zed", "--root", "${workspaceFolder}"), ("Zed does not fill in", "--root /home/me/project")),
        (("vscode", "--root", "${userHome}"), ("VS Code does not fill in",)),
        (("zed", "--root", "no/such/place"), ("no/such/place", "--root")),
        (("zed", "--root", "/"), ("whole machine",)),
        (("zed", "--docker", "--root", "here"), ("'here' is relative",)),
        (("zed", "--docker", "--root", "/"), ("whole machine",)),
        (("zed", "--docker", "--root", "C:\\"), ("whole machine",)),
        (("zed", "--docker", "--root", "/a:b"), ("colon",)),
    ],
)
def test_a_wrong_argument_is_refused_with_what_to_give_instead(
    run: Run, arguments: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


@pytest.mark.parametrize("name", ["vscode", "cursor"])
def test_the_open_project_is_named_by_the_variable_of_its_client(run: Run, name: str) -> None:
    client = find(name)
    local = run(name, "--root", "${workspaceFolder}")
    assert _arguments(client, local.stdout)[-2:] == ["--root", "${workspaceFolder}"]
    mounted = _arguments(client, run(name, "--docker", "--root", "${workspaceFolder}").stdout)
    assert "${workspaceFolder}:/models:ro" in mounted
    assert mounted[-2:] == ["--root", "/models"]


def _arguments(client: Client, text: str) -> list[str]:
    return _started(client, text)[1:]


def test_a_windows_directory_is_mounted_with_its_drive(run: Run) -> None:
    done = run("zed", "--docker", "--root", r"C:\Users\me\nets")
    assert r"C:\Users\me\nets:/models:ro" in _started(find("zed"), done.stdout)


def test_the_installed_command_prints_the_snippet_alone_in_utf8_and_takes_a_root_before_it(tmp_path: Path) -> None:
    named = tmp_path / "nächste"
    named.mkdir()
    line = [sys.executable, "-m", "kaiming_mcp", "--root", str(named), "config", "codex", "--root", "principles"]
    plain = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(line, capture_output=True, cwd=ROOT, env=plain, timeout=60, check=True)
    words = _started(find("codex"), done.stdout.decode("utf-8"))
    assert [w for w in words if w.startswith("/")][-2:] == [str(named), str(ROOT / "principles")]
    assert b"config.toml" in done.stderr


def test_an_entry_is_what_the_snippet_holds() -> None:
    for client in CLIENTS:
        if client.form != "shell":
            held = _parsed(client, snippet(client, contained(["/a"])))[client.key][SERVER]
            assert held == entry(client, contained(["/a"]))
