"""One table of settings: flags, variables, help and pages agree, and a wrong value is told."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from team_server import COMMAND, running

from kaiming_mcp.roots import ROOTS_VARIABLE
from kaiming_mcp.serving.settings import (
    TABLE,
    Setting,
    SettingError,
    Settings,
    add_options,
    misspelt,
    read_settings,
)

ROOT = Path(__file__).parents[2]
SEVERAL = {"allowed_hosts": "a.example,b.example:8000", "trusted_proxies": "10.0.0.0/8, ::1"}
WRONG = {
    "port": "80000",
    "allowed_hosts": "https://kaiming.example.org",
    "allowed_origins": "app.example.org",
    "cors_origins": "*",
    "trusted_proxies": "proxy.example.org",
    "max_body_bytes": "4 MiB",
    "rate_limit": "-1",
    "rate_burst": "0",
    "max_in_flight": "many",
    "max_queued": "1.5",
    "max_connections": "0",
    "request_timeout": "inf",
    "receive_timeout": "0",
    "keep_alive": "nan",
    "drain_seconds": "-5",
    "grace_seconds": "soon",
    "workers": "all",
    "log_level": "loud",
    "log_format": "xml",
    "telemetry": "perhaps",
}
"""A value that each setting refuses; the address, the file and what else is any text are not here."""


def _options(*arguments: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return vars(parser.parse_args(arguments))


def _named(name: str) -> Setting:
    return next(setting for setting in TABLE if setting.name == name)


def test_without_options_and_variables_the_defaults_hold() -> None:
    assert read_settings(_options(), {}) == Settings()


@pytest.mark.parametrize("setting", TABLE, ids=lambda s: s.name)
def test_every_setting_is_read_from_its_variable_and_its_flag_wins(setting: Setting) -> None:
    local = {} if setting.name == "host" else {"KAIMING_HOST": "127.0.0.2"}
    hosts = {"KAIMING_ALLOWED_HOSTS": "x.example"} if setting.name == "host" else {}
    environment = {setting.variable: setting.example, **local, **hosts}
    by_variable = getattr(read_settings(_options(), environment), setting.name)
    given = [setting.flag] if setting.name == "telemetry" else [setting.flag, setting.example]
    by_flag = getattr(read_settings(_options(*given), {**local, **hosts}), setting.name)
    assert by_variable == by_flag
    # Any wrong variable shows that it is not even looked at.
    wrong = WRONG.get(setting.name, "")
    assert (
        getattr(read_settings(_options(*given), {setting.variable: wrong, **local, **hosts}), setting.name) == by_flag
    )


@pytest.mark.parametrize("name", SEVERAL)
def test_lists_are_separated_by_commas_in_variables_and_by_flags_on_the_line(name: str) -> None:
    setting = _named(name)
    parts = [part.strip() for part in SEVERAL[name].split(",")]
    by_variable = read_settings(_options(), {setting.variable: SEVERAL[name]})
    by_flags = read_settings(_options(*(word for part in parts for word in (setting.flag, part))), {})
    assert by_variable == by_flags
    assert len(getattr(by_variable, name)) == 2


def test_the_switch_of_a_variable_can_be_turned_off_by_a_flag() -> None:
    assert read_settings(_options("--no-telemetry"), {"KAIMING_TELEMETRY": "on"}).telemetry is False


@pytest.mark.parametrize(
    ("name", "place"),
    # The flag of the switch has no value that could be wrong.
    [(name, place) for name in WRONG for place in ("flag", "variable") if (name, place) != ("telemetry", "flag")],
)
def test_a_wrong_value_is_refused_with_its_name_and_an_example(name: str, place: str) -> None:
    setting = _named(name)
    options = _options(f"{setting.flag}={WRONG[name]}") if place == "flag" else _options()
    environment = {setting.variable: WRONG[name]} if place == "variable" else {}
    with pytest.raises(SettingError) as refused:
        read_settings(options, environment)
    where = getattr(setting, place)
    example = f"{where}{' ' if place == 'flag' else '='}{setting.example}"
    assert str(refused.value) == f"{where} {WRONG[name]!r}: expected {setting.kind.expected}, such as {example}"


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_variable_is_as_none(text: str) -> None:
    assert read_settings(_options(), {"KAIMING_PORT": text}).port == 8000


def test_the_address_that_kubernetes_leaves_in_a_variable_is_no_port() -> None:
    assert read_settings(_options(), {"KAIMING_PORT": "tcp://10.3.0.1:8000"}).port == 8000


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "kaiming.example.org"])
def test_listening_beyond_loopback_needs_allowed_hosts_and_says_what_to_set(host: str) -> None:
    with pytest.raises(SettingError) as refused:
        read_settings(_options("--host", host), {})
    for part in (
        f"--host {host}",
        "--allowed-host kaiming.example.org",
        "KAIMING_ALLOWED_HOSTS=",
        "--allowed-host '*'",
    ):
        assert part in str(refused.value)
    assert read_settings(_options("--host", host, "--allowed-host", "kaiming.example.org"), {}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_allowed_hosts(host: str) -> None:
    assert read_settings(_options("--host", host), {}).is_local


def test_a_variable_that_is_nearly_a_setting_is_told() -> None:
    given = [
        "KAIMING_ALLOWED_HOST",
        "KAIMING_PORT",
        "KAIMING_ROOT",
        "KAIMING_SERVICE_HOST",
        "KAIMING_PORT_8000_TCP",
        "HOME",
    ]
    assert misspelt(given) == {"KAIMING_ALLOWED_HOST": "KAIMING_ALLOWED_HOSTS", "KAIMING_ROOT": ROOTS_VARIABLE}


def _command(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "", "PYTHONUTF8": "1", **variables}
    command = [sys.executable, "-m", "kaiming_mcp", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False, env=environment
    )


@pytest.mark.parametrize(
    ("arguments", "variables", "parts"),
    [
        (["--port", "x"], {}, ["--port 'x'", "--port 8000"]),
        ([], {"KAIMING_RATE_LIMIT": "fast"}, ["KAIMING_RATE_LIMIT 'fast'", "KAIMING_RATE_LIMIT=600"]),
        (["--host", "0.0.0.0"], {}, ["--allowed-host"]),
        (["--token-file", "/no/such/file"], {}, ["/no/such/file: No such file"]),
        (["--telemetry"], {"OTEL_TRACES_EXPORTER": "jaeger"}, ["OTEL_TRACES_EXPORTER 'jaeger'", "otlp"]),
        ([], {"KAIMING_ROOTS": "/no/such/directory"}, ["KAIMING_ROOTS", "/no/such/directory"]),
    ],
)
def test_a_setting_that_cannot_be_used_ends_the_command_with_status_2(
    arguments: list[str], variables: dict[str, str], parts: list[str]
) -> None:
    done = _command("serve", "--http", "--port", "0", *arguments, **variables)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    for part in parts:
        assert part in done.stderr


def test_allowed_directories_are_read_from_their_variable_and_the_flag_wins() -> None:
    call = ("try", "critique_architecture", "architecture=path:plain_mlp20.txt")
    directories = os.pathsep.join([str(ROOT / "evals"), str(ROOT / "examples")])
    assert _command(*call, KAIMING_ROOTS=directories).returncode == 0
    assert "no directory is allowed" in _command(*call).stderr
    other = _command("--root", str(ROOT / "evals"), *call, KAIMING_ROOTS=directories)
    assert "does not exist in an allowed directory" in other.stderr


def test_a_port_in_use_is_told_without_a_traceback() -> None:
    with running() as server:
        done = _command("serve", "--http", "--port", str(server.address[1]))
    assert done.returncode == 2
    assert f"--port {server.address[1]}: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_shows_every_setting_with_its_variable_and_default() -> None:
    helped = re.sub(r"\s+", " ", _command("serve", "--help", COLUMNS="200").stdout)
    for setting in TABLE:
        assert setting.flag in helped
        assert re.search(rf"{setting.variable}; default: {re.escape(setting.default)}\)", helped), setting.name
    assert ROOTS_VARIABLE in helped


def test_the_readme_lists_every_setting_with_its_variable_default_and_meaning() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    table = readme[readme.index("## Configuration") : readme.index("## Troubleshooting")]
    rows = [line for line in table.splitlines() if line.startswith("| `--")]
    assert rows[:-1] == [f"| `{s.flag}` | `{s.variable}` | {s.default} | {s.help} |" for s in TABLE]
    assert rows[-1].startswith(f"| `--root` | `{ROOTS_VARIABLE}` | none | ")


def test_defaults_are_safe() -> None:
    settings = Settings()
    assert settings.is_local
    assert settings.rate_limit
    assert settings.trusted_proxies == settings.cors_origins == settings.allowed_hosts == ()
    assert settings.telemetry is False
    assert replace(settings, host="0.0.0.0").is_local is False
    assert COMMAND[-1] == "0"
