"""Bearer tokens: made once, kept as hashes, revoked by taking their line away."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import anyio
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from team_server import call, headers_of, in_memory, running

from kaiming_mcp.serving.tokens import EXAMPLE, Entry, TokenFile, TokenFileError, new_token, read_entries

MESSAGE = call("read_principle", {"id": "residual-learning"})


def _file(tmp_path: Path, *entries: Entry) -> Path:
    path = tmp_path / "tokens"
    _replace(path, "\n".join(entry.line() for entry in entries))
    return path


def _replace(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


async def _name(tokens: TokenFile, token: str) -> str | None:
    found = await tokens.verify_token(token)
    return found.client_id if found else None


async def _status(client: httpx2.AsyncClient, token: str | None, era: str = "modern") -> int:
    bearer = {} if token is None else {"Authorization": f"Bearer {token}"}
    return (await client.post("/mcp", json=MESSAGE, headers={**headers_of(MESSAGE, era), **bearer})).status_code


async def test_each_token_has_its_name(tmp_path: Path) -> None:
    (alice, first), (bob, second) = new_token("alice"), new_token("bob@example.org", "2099-01-01")
    tokens = TokenFile(_file(tmp_path, first, second))
    assert tokens.load() == 2
    assert [await _name(tokens, token) for token in (alice, bob, "", alice[:-1], first.digest)] == [
        "alice",
        "bob@example.org",
        None,
        None,
        None,
    ]


async def test_a_name_may_have_two_tokens_while_they_are_exchanged(tmp_path: Path) -> None:
    made = [new_token("alice") for _ in range(2)]
    tokens = TokenFile(_file(tmp_path, *(entry for _, entry in made)))
    assert [await _name(tokens, token) for token, _ in made] == ["alice", "alice"]


def test_a_token_is_long_random_and_not_in_its_line() -> None:
    made = {new_token("alice")[0] for _ in range(100)}
    assert len(made) == 100
    token, entry = new_token("alice", "2030-12-31")
    assert len(token) >= 43
    assert token not in entry.line()
    assert read_entries(entry.line()) == [entry]


async def test_the_token_goes_no_further_than_the_check(tmp_path: Path) -> None:
    token, entry = new_token("alice")
    found = await TokenFile(_file(tmp_path, entry)).verify_token(token)
    assert found is not None
    assert token not in repr(found)


async def test_a_token_works_until_the_end_of_its_last_day(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    days = (today - timedelta(days=1), today + timedelta(days=1))
    made = [new_token(f"until-{day}", day.isoformat()) for day in (*days, date.max)]
    tokens = TokenFile(_file(tmp_path, *(entry for _, entry in made)))
    assert [await _name(tokens, token) for token, _ in made] == [None, f"until-{days[1]}", "until-9999-12-31"]
    assert made[1][1].ends_at == datetime(days[1].year, days[1].month, days[1].day, tzinfo=UTC).timestamp() + 86_400


async def test_a_revoked_token_is_refused_without_a_restart(tmp_path: Path, era: str) -> None:
    (alice, first), (bob, second) = new_token("alice"), new_token("bob")
    path = _file(tmp_path, first, second)
    async with in_memory(tokens=TokenFile(path)) as client:
        assert [await _status(client, token, era) for token in (alice, bob)] == [200, 200]
        _replace(path, first.line())
        assert [await _status(client, token, era) for token in (alice, bob)] == [200, 401]
        _replace(path, f"{first.line()}\n{second.line()}")
        assert [await _status(client, token, era) for token in (alice, bob)] == [200, 200]


async def test_a_change_within_the_tick_of_the_clock_of_files_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same size, same inode, same times: as when a file is written twice at once."""
    (alice, first), (bob, second) = new_token("aaaa"), new_token("bbbb")
    path = _file(tmp_path, first)
    tokens = TokenFile(path)
    assert await _name(tokens, alice)
    before = path.stat()
    path.write_text(second.line(), encoding="utf-8")
    monkeypatch.setattr(Path, "stat", lambda _: before)
    assert [await _name(tokens, token) for token in (alice, bob)] == [None, "bbbb"]


async def test_a_file_that_stays_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token, entry = new_token("alice")
    path = _file(tmp_path, entry)
    hour = path.stat().st_mtime - 3600
    os.utime(path, (hour, hour))
    tokens = TokenFile(path)
    # The time of the change of its times stays; so the clock goes on instead.
    now = datetime.now(UTC).timestamp()
    monkeypatch.setattr("kaiming_mcp.serving.tokens.time.time", lambda: now + 60)
    assert await _name(tokens, token) == "alice"
    monkeypatch.setattr(Path, "read_text", None)
    assert await _name(tokens, token) == "alice"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("alice", "no hash"),
        ("alice sha256:abc", "no hash"),
        ("sha256:" + "0" * 64, "a name has"),
        ("al ice sha256:" + "0" * 64, "no hash"),
        ("alice sha256:" + "0" * 64 + " tomorrow", "the last day"),
        ("alice sha256:" + "0" * 64 + " 2030-12-31 more", "the last day"),
        ("\0", "a name has"),
    ],
)
async def test_a_broken_line_keeps_everyone_out_until_it_is_mended(
    tmp_path: Path, text: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    token, entry = new_token("alice")
    path = _file(tmp_path, entry)
    tokens = TokenFile(path)
    assert await _name(tokens, token) == "alice"
    _replace(path, f"# people\n{entry.line()}\n{text}\n")
    with caplog.at_level(logging.INFO):
        assert [await _name(tokens, token) for _ in range(3)] == [None] * 3
    (told,) = caplog.records
    assert told.levelname == "ERROR"
    assert told.__dict__["reason"].startswith(f"line 3: {fault}")
    assert told.__dict__["reason"].endswith(EXAMPLE)
    _replace(path, entry.line())
    assert await _name(tokens, token) == "alice"


async def test_a_missing_file_keeps_everyone_out_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token, entry = new_token("alice")
    path = _file(tmp_path, entry)
    tokens = TokenFile(path)
    assert await _name(tokens, token) == "alice"
    path.unlink()
    assert [await _name(tokens, token) for _ in range(3)] == [None] * 3
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    _replace(path, entry.line())
    assert await _name(tokens, token) == "alice"
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"# " + b"x" * 5_000_000])
def test_a_file_that_is_no_list_of_tokens_is_refused_at_the_start(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(content)
    with pytest.raises(TokenFileError, match="tokens: "):
        TokenFile(path).load()
    with pytest.raises(TokenFileError, match="no regular file"):
        TokenFile(tmp_path).load()


@given(st.text())
def test_no_line_breaks_the_reader_and_none_is_quoted(text: str) -> None:
    try:
        read_entries(text)
    except ValueError as error:
        rest = str(error).partition(": ")[2]
        assert rest.endswith(EXAMPLE)
        assert len(rest) < 250  # of fixed words only


async def test_a_call_without_a_good_token_is_challenged(tmp_path: Path) -> None:
    token, entry = new_token("alice")
    async with in_memory(tokens=TokenFile(_file(tmp_path, entry))) as client:
        for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {token}"}):
            refused = await client.post("/mcp", json=MESSAGE, headers={**headers_of(MESSAGE), **header})
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Bearer ")
            assert refused.json()["error"]["data"] == {"reason": "token", "status": 401}
        assert await _status(client, token) == 200
        # The scheme is a word in any case.
        header = {"Authorization": f"bearer {token}"}
        assert (await client.post("/mcp", json=MESSAGE, headers={**headers_of(MESSAGE), **header})).status_code == 200


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_real_client_calls_with_a_token_and_is_told_without(tmp_path: Path, mode: str) -> None:
    token, entry = new_token("alice")
    with running("--token-file", str(_file(tmp_path, entry))) as server, anyio.fail_after(60):
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(server.url, http_client=http), mode=mode) as client,  # pyright: ignore[reportArgumentType] - a Literal
        ):
            assert not (await client.call_tool("read_principle", {"id": "residual-learning"})).is_error
        told = pytest.RaisesExc(MCPError, match="Authorization: Bearer TOKEN")
        with pytest.RaisesGroup(told, flatten_subgroups=True):
            async with Client(streamable_http_client(server.url), mode="legacy"):
                pass
        assert server.event(lambda told: told.get("status") == 200)["client"] == "alice"
        assert server.event(lambda told: told.get("status") == 401)["outcome"] == "refused: token"
        assert token not in "".join(server.lines)


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "kaiming_mcp", "token", *arguments]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)


async def test_the_command_prints_the_line_to_stdout_and_the_token_once_to_stderr(tmp_path: Path) -> None:
    done = _make("alice", "--last-day", "2099-12-31")
    assert done.returncode == 0
    path = tmp_path / "tokens"
    path.write_text(done.stdout, encoding="utf-8")
    (token,) = [word for word in done.stderr.split() if word.startswith("kaiming_")]
    assert await _name(TokenFile(path), token) == "alice"


@pytest.mark.parametrize(
    ("arguments", "part"), [(("al ice",), "a name has"), (("alice", "--last-day", "soon"), "2030-12-31")]
)
def test_the_command_refuses_what_the_file_would_not_take(arguments: tuple[str, ...], part: str) -> None:
    done = _make(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert part in done.stderr
    assert "Traceback" not in done.stderr
