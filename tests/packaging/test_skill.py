"""The skill over MCP (SEP-2640): the form of Agent Skills, digests that hold, references and quotations that exist."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
import yaml
from mcp import Client
from mcp.shared.exceptions import MCPError
from pydantic import ConfigDict

from kaiming_mcp import library as content
from kaiming_mcp.library import ContentError, Library, library
from kaiming_mcp.server import create_server
from kaiming_mcp.skill import NAME, ROOT, URI, frontmatter, skill_files

FILES = skill_files(library())
BODY = FILES[URI].split("---\n", 2)[2]


class Answer(types.Result):
    """The result of a method that the SDK does not know, with every field kept."""

    model_config = ConfigDict(extra="allow")


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> Any:
    return request.param


async def _ask(client: Client, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    request = types.Request[dict[str, Any] | None, str](method=method, params=params)
    return (await client.session.send_request(request, Answer)).model_dump(by_alias=True)


def test_the_front_matter_keeps_the_rules_of_the_format() -> None:
    head = frontmatter(FILES[URI])
    assert set(head) <= {"name", "description", "license", "compatibility", "metadata", "allowed-tools"}
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", head["name"])
    assert len(head["name"]) <= 64
    assert head["name"] == URI.split("/")[-2]
    assert 1 <= len(head["description"]) <= 1024
    assert "Use when" in head["description"]
    assert all(isinstance(value, str) for value in head["metadata"].values())


def test_the_skill_is_long_enough_to_say_something_and_short_enough_to_load() -> None:
    tokens = len(FILES[URI]) / 4
    assert 2_500 < tokens < 5_000
    assert len(FILES[URI].splitlines()) < 500
    assert max(len(text) for uri, text in FILES.items() if uri != URI) / 4 < 5_000
    assert len(FILES) <= 512


def test_every_reference_is_a_file_of_the_skill_one_level_deep_and_every_file_is_referred_to() -> None:
    targets = set(re.findall(r"\]\(([^)]+)\)", BODY))
    assert {f"{ROOT}/{target}" for target in targets} == set(FILES) - {URI}
    assert all(re.fullmatch(r"references/[a-z-]+\.md", target) for target in targets)


async def test_the_tools_it_names_are_the_servers() -> None:
    async with Client(create_server()) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
    assert set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", BODY)) == tools


def test_each_principle_comes_with_claim_number_limits_and_page() -> None:
    held = library()
    for page in [*held.principles.values(), *held.reasoning.values()]:
        part = BODY[BODY.index(f"### [{page.title}](references/{page.id}.md)") :].split("\n### ")[0]
        assert page.claim in part
        assert page.measurement in part
        limits = re.findall(r"^- (?!“)(.+)$", part, re.MULTILINE)
        assert len(limits) == 2
        assert all(limit in " ".join(page.sections["When it does not apply"].split()) for limit in limits)


def test_quotations_are_from_the_library_with_their_grade() -> None:
    held = library()
    known = {q.text: q.grade for p in [*held.principles.values(), *held.reasoning.values()] for q in p.quotes}
    quoted = re.findall(r"“([^”]+)” \(.+?; (primary|secondary)\)", BODY)
    assert len(quoted) == BODY.count("“") == 8
    for text, grade in quoted:
        assert known[text] == grade
    overview = (content.content_root() / "skill.md").read_text(encoding="utf-8")
    assert not re.search(r"[“”„«»]", overview)


def test_citations_stand_in_its_sources() -> None:
    sources = FILES[f"{ROOT}/references/sources.md"]
    cited = set(re.findall(r"\[@([a-z0-9-]+)\]", BODY))
    assert cited
    for key in cited:
        assert f"[@{key}]" in sources


async def test_its_files_are_listed_and_read_in_both_eras(mode: Any) -> None:
    async with Client(create_server(), mode=mode) as client:
        listed = {str(r.uri): r for r in (await client.list_resources()).resources}
        for uri, text in FILES.items():
            assert listed[uri].mime_type == "text/markdown"
            (part,) = (await client.read_resource(uri)).contents
            assert isinstance(part, types.TextResourceContents)
            assert part.text == text
        head = frontmatter(FILES[URI])
        assert (listed[URI].name, listed[URI].description) == (NAME, head["description"])
        with pytest.raises(MCPError) as refused:
            await client.read_resource(f"{ROOT}/references/none.md")
        assert mode == "legacy" or refused.value.error.code == types.INVALID_PARAMS


async def test_the_extension_is_declared_and_its_manifest_holds(mode: Any) -> None:
    async with Client(create_server(), mode=mode) as client:
        if mode == "auto":  # capabilities of extensions are of the newer era
            assert (client.server_capabilities.extensions or {}).get("io.modelcontextprotocol/skills") == {}
        answer = await _ask(client, "skills/list", {})
        (skill,) = answer["skills"]
        assert (await _ask(client, "skills/get", {"uri": URI}))["skill"] == skill
        assert answer["ttlMs"] > 0
        assert answer["cacheScope"] == "public"
        assert mode == "legacy" or answer["resultType"] == "complete"
        assert skill["uri"] == URI
        listed = [file["uri"] for file in skill["resources"]]
        assert listed == list(FILES)
        for file in skill["resources"]:
            (part,) = (await client.read_resource(file["uri"])).contents
            assert isinstance(part, types.TextResourceContents)
            data = part.text.encode("utf-8")
            assert file["size"] == len(data)
            assert file["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
            if file["uri"] == URI:
                assert yaml.safe_load(part.text.split("---\n")[1]) == skill["frontmatter"]


async def test_an_unknown_skill_is_refused_by_name(mode: Any) -> None:
    async with Client(create_server(), mode=mode) as client:
        with pytest.raises(MCPError, match=re.escape("skill://other/SKILL.md")) as refused:
            await _ask(client, "skills/get", {"uri": "skill://other/SKILL.md"})
        assert refused.value.error.code == types.INVALID_PARAMS


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (("name: kaiming-he", "name: Kaiming_He"), "name"),
        (("name: kaiming-he", "name: somebody"), "somebody"),
        (("license: MIT", "licence: MIT"), "licen"),
        (("---\nname", "name"), "front matter"),
    ],
)
def test_a_broken_overview_is_refused_with_its_file_and_field(
    change: tuple[str, str], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (content.content_root() / "skill.md").read_text(encoding="utf-8")
    (tmp_path / "skill.md").write_text(text.replace(*change, 1), encoding="utf-8")
    held: Library = library()
    monkeypatch.setattr("kaiming_mcp.skill.content_root", lambda: tmp_path)
    with pytest.raises(ContentError, match=r"skill\.md") as refused:
        skill_files(held)
    assert part in str(refused.value)
