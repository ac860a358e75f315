"""Host and Origin: only listed ones are answered, in any spelling that HTTP allows, and the answer says what to set."""

from __future__ import annotations

import json

import httpx2
import pytest
from team_server import INITIALIZE, call, headers_of, in_memory, running

from kaiming_mcp.serving.hosts import (
    LOOPBACK_HOSTS,
    LOOPBACK_ORIGINS,
    host_pattern,
    is_host_allowed,
    is_loopback,
    is_origin_allowed,
    one_origin,
    origin_pattern,
)
from kaiming_mcp.serving.settings import Settings

PROXIED = Settings(host="0.0.0.0", allowed_hosts=("kaiming.example.org",))


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:8000"]
)
def test_loopback_names_are_answered_with_any_port_or_none(host: str) -> None:
    assert is_host_allowed(host, LOOPBACK_HOSTS)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "localhost:evil.example",
        "localhost:8000.evil.example",
        "localhost:8000@evil.example",
        "127.0.0.1.evil.example:80",
        "[::1].evil.example",
        "localhost:",
        "localhost:8000,evil.example",
        "localhost evil.example",
    ],
)
def test_what_only_looks_like_loopback_is_not_answered(host: str) -> None:
    assert not is_host_allowed(host, LOOPBACK_HOSTS)


@pytest.mark.parametrize(
    ("pattern", "answered", "refused"),
    [
        ("Kaiming.Example.org", ["kaiming.example.org", "KAIMING.example.ORG"], ["kaiming.example.org:8000"]),
        ("kaiming:8000", ["kaiming:8000"], ["kaiming", "kaiming:80001", "kaiming:800"]),
        ("kaiming:*", ["kaiming", "kaiming:1", "kaiming:65535"], ["kaiming2", "my-kaiming:1"]),
        ("2001:DB8::0001", ["[2001:db8::1]"], ["2001:db8::1", "[2001:db8::1]:80"]),
        ("[2001:db8::1]:*", ["[2001:db8::1]", "[2001:db8::1]:80"], ["[2001:db8::2]"]),
        ("*", ["anything.example", "any:1", "even nonsense", ""], []),
    ],
)
def test_a_pattern_stands_for_what_it_says(pattern: str, answered: list[str], refused: list[str]) -> None:
    allowed = [host_pattern(pattern)]
    assert [host for host in answered if not is_host_allowed(host, allowed)] == []
    assert [host for host in refused if is_host_allowed(host, allowed)] == []


@pytest.mark.parametrize(
    "text", ["", " ", "https://x.example", "x.example/mcp", "a b", "*.example.org", "x:port", "[::1"]
)
def test_what_is_no_host_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - settings tell the rest
        host_pattern(text)


@pytest.mark.parametrize(
    ("pattern", "answered", "refused"),
    [
        (
            "https://App.example.org/",
            ["https://app.example.org"],
            ["http://app.example.org", "https://app.example.org:1"],
        ),
        (
            "http://localhost:*",
            ["http://localhost", "http://localhost:3000"],
            ["https://localhost", "null", "localhost"],
        ),
        ("vscode-webview://abc", ["vscode-webview://abc"], ["vscode-webview://abd"]),
        ("*", ["https://anywhere.example", "null"], []),
    ],
)
def test_an_origin_has_its_scheme_too(pattern: str, answered: list[str], refused: list[str]) -> None:
    allowed = [origin_pattern(pattern)]
    assert [origin for origin in answered if not is_origin_allowed(origin, allowed)] == []
    assert [origin for origin in refused if is_origin_allowed(origin, allowed)] == []


@pytest.mark.parametrize("text", ["app.example.org", "https://", "https://a/b", "null", "https://a b"])
def test_what_is_no_origin_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - settings tell the rest
        origin_pattern(text)


@pytest.mark.parametrize("text", ["*", "https://app.example.org:*"])
def test_pages_that_read_answers_are_named_one_by_one(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - settings tell the rest
        one_origin(text)


def test_loopback_addresses_are_known() -> None:
    assert [is_loopback(a) for a in ("127.0.0.1", "127.9.9.9", "::1", "localhost")] == [True] * 4
    assert [is_loopback(a) for a in ("0.0.0.0", "::", "10.0.0.1", "kaiming.example.org")] == [False] * 4
    assert all(
        is_origin_allowed(f"{s}://{h}:5173", LOOPBACK_ORIGINS)
        for s in ("http", "https")
        for h in ("localhost", "[::1]")
    )


async def _status(client: httpx2.AsyncClient, era: str, **headers: str) -> int:
    sent = {**headers_of(INITIALIZE if era == "legacy" else call("read_principle", {}), era), **headers}
    message = INITIALIZE if era == "legacy" else call("read_principle", {})
    return (await client.post("/mcp", json=message, headers=sent)).status_code


async def test_only_listed_hosts_and_origins_are_answered(era: str) -> None:
    async with in_memory(PROXIED) as client:
        assert await _status(client, era, Host="kaiming.example.org") == 200
        assert await _status(client, era, Host="localhost") == 200
        assert await _status(client, era, Host="evil.example") == 421
        assert await _status(client, era, Host="kaiming.example.org", Origin="https://evil.example") == 403
        assert await _status(client, era, Host="kaiming.example.org", Origin="http://localhost:5173") == 200


async def test_an_unlisted_host_or_origin_is_told_what_to_set() -> None:
    async with in_memory() as client:
        host = (await client.post("/mcp", headers={"Host": "kaiming.example.org:8000"})).json()["error"]["message"]
        origin = (await client.post("/mcp", headers={"Origin": "https://app.example.org"})).json()["error"]["message"]
    assert "--allowed-host kaiming.example.org:8000 or KAIMING_ALLOWED_HOSTS=kaiming.example.org:8000" in host
    assert "--allowed-origin https://app.example.org or KAIMING_ALLOWED_ORIGINS=https://app.example.org" in origin


async def test_the_check_comes_before_the_body_and_whatever_the_sdk_would_check() -> None:
    async with in_memory() as client:
        refused = await client.post("/mcp", content=b"x" * 5_000_000, headers={"Host": "evil.example"})
    assert refused.status_code == 421


async def test_every_host_is_answered_where_that_is_asked_for_and_the_log_warns() -> None:
    with running("--host", "0.0.0.0", "--allowed-host", "*") as server:
        port = server.address[1]
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert await _status(client, "modern", Host="anything.example") == 200
        warnings = [told["event"] for told in map(json.loads, server.lines) if told["level"] == "warning"]
    assert any("--allowed-host '*'" in warning for warning in warnings)
    assert any("--token-file" in warning for warning in warnings)


async def test_it_listens_on_ipv6() -> None:
    with running("--host", "::1") as server:
        assert server.url.startswith("http://[::1]:")
        async with httpx2.AsyncClient(base_url=server.root) as client:
            assert await _status(client, "modern") == 200
