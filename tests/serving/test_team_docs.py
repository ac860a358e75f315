"""docs/team-server.md is true: its commands, settings, statuses, names and lines."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import httpx2
import pytest
from team_server import INITIALIZE, Running, call, headers_of

from kaiming_mcp import cli
from kaiming_mcp.roots import ROOTS_VARIABLE
from kaiming_mcp.serving.admission import _too_many
from kaiming_mcp.serving.hosts import host_pattern
from kaiming_mcp.serving.settings import TABLE, read_settings
from kaiming_mcp.serving.tokens import read_entries

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "team-server.md").read_text(encoding="utf-8")


def _blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def _commands() -> list[list[str]]:
    """The words of every command of ours, without what the shell does."""
    lines = [line for block in _blocks("sh") for line in block.splitlines() if "kaiming-mcp " in line]
    return [shlex.split(line.split("kaiming-mcp ", 1)[1].split(">>")[0]) for line in lines]


def test_every_command_is_one_that_the_program_takes() -> None:
    commands = _commands()
    assert len(commands) >= 5
    for words in commands:
        parser = cli._parser(words)  # pyright: ignore[reportPrivateUsage] - what the command line is held against
        options = parser.parse_args(words)
        if options.command == "serve":
            read_settings(vars(options), {})


def test_every_flag_and_variable_exists() -> None:
    flags = {s.flag for s in TABLE} | {"--http", "--last-day", "--transport", "--header"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE)) <= flags
    assert set(re.findall(r"KAIMING_[A-Z_]+", PAGE)) <= {s.variable for s in TABLE} | {ROOTS_VARIABLE}


def test_every_setting_that_clients_feel_is_told_of() -> None:
    untold = {"--host", "--port", "--workers", "--log-level", "--log-format", "--telemetry"}
    assert {s.flag for s in TABLE} - untold <= set(re.findall(r"--[a-z][a-z-]+", PAGE))


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", PAGE):
        assert (ROOT / "docs" / target).exists(), target


def test_host_patterns_are_ones() -> None:
    table = PAGE[PAGE.index("| you write |") :].split("\n\n")[0]
    for row in table.splitlines()[2:]:
        for pattern in re.findall(r"`([^`]+)`", row.split("|")[1]):
            assert host_pattern(pattern)


def test_the_line_of_a_token_is_one() -> None:
    (line,) = re.findall(r"^alice sha256:.*$", PAGE, re.MULTILINE)
    assert read_entries(re.sub(r"sha256:\S+", "sha256:" + "0" * 64, line))


def test_the_refusal_is_what_a_client_gets() -> None:
    shown = next(json.loads(block) for block in _blocks("json") if "jsonrpc" in block)
    assert shown == json.loads(_too_many(600, 1.5).error())


async def test_the_line_of_the_log_has_the_fields_of_a_real_one(server: Running) -> None:
    shown = next(json.loads(block) for block in _blocks("json") if '"time"' in block)
    message = call("read_principle", {"id": "residual-learning"})
    async with httpx2.AsyncClient() as client:
        answer = await client.post(server.url, json=message, headers=headers_of(message))
    told = server.event(lambda told: told.get("request_id") == answer.headers["x-request-id"])
    assert [key for key in shown if key != "client"] == list(told)


@pytest.mark.tools
def test_the_proxy_of_the_page_passes_calls_on(server: Running, tmp_path: Path) -> None:
    """nginx with the block of the page, but for TLS and the ports."""
    nginx = shutil.which("nginx")
    if nginx is None:
        pytest.skip("nginx is not installed")
    (block,) = _blocks("nginx")
    block = block.replace("listen 443 ssl;", f"listen unix:{tmp_path}/front.sock;")
    block = re.sub(r" *ssl_certificate.*\n", "", block).replace("127.0.0.1:8000", server.root.removeprefix("http://"))
    paths = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"daemon off; pid {tmp_path}/pid; error_log stderr warn; events {{}}\n"
        f"http {{ access_log off; {paths}\n{block}}}",
        encoding="utf-8",
    )
    subprocess.run([nginx, "-t", "-c", str(config)], check=True, capture_output=True, timeout=30)
    proxy = subprocess.Popen([nginx, "-c", str(config)], stderr=subprocess.PIPE)
    try:
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=f"{tmp_path}/front.sock", retries=20)) as client:
            message = call("read_principle", {"id": "residual-learning"})
            for era in ("modern", "legacy"):
                answer = client.post("http://localhost/mcp", json=message, headers=headers_of(message, era))
                assert answer.status_code == 200
                assert "Residual" in answer.text
            foreign = client.post(
                "http://kaiming.example.org/mcp", json=INITIALIZE, headers=headers_of(INITIALIZE, "legacy")
            )
            assert foreign.status_code == 421
    finally:
        proxy.terminate()
        proxy.wait(10)
        if proxy.stderr is not None:
            proxy.stderr.close()
