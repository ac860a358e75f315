"""The README's Install section is what the table says, and its buttons install what `config` prints."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from kaiming_mcp.clients.buttons import BUTTONS
from kaiming_mcp.clients.launch import contained
from kaiming_mcp.clients.readme import BEGIN, END, written
from kaiming_mcp.clients.snippet import entry
from kaiming_mcp.clients.table import CLIENTS, SERVER, find

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
INSTALL = README[README.index("## Install") : README.index("## Files instead of pasting")]


def _links(host: str) -> list[dict[str, str]]:
    """The queries of the links to a host, each argument once."""
    urls = [urlsplit(url) for url in re.findall(r"\]\((https://[^)\s]+)\)", INSTALL)]
    found = [parse_qs(url.query, strict_parsing=True) for url in urls if url.hostname == host and url.query]
    assert all(len(values) == 1 for query in found for values in query.values())
    return [{name: values[0] for name, values in query.items()} for query in found]


def test_the_section_is_what_make_readme_writes() -> None:
    assert written(README) == README, "run `make readme`"


def test_a_readme_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="make readme"):
        written(README.replace(BEGIN, ""))
    with pytest.raises(ValueError, match="make readme"):
        written(README.replace(END, ""))


def test_vs_codes_button_carries_the_entry_as_json() -> None:
    (query,) = _links("insiders.vscode.dev")
    assert query["name"] == SERVER
    _check("vscode", json.loads(query["config"]))


def test_cursors_button_carries_the_entry_in_base64() -> None:
    (query,) = _links("cursor.com")
    assert query["name"] == SERVER
    _check("cursor", json.loads(base64.b64decode(query["config"], validate=True)))


def _check(name: str, carried: Any) -> None:
    assert carried == entry(find(name), contained(()))
    assert carried["command"] == "docker"
    assert "--network=none" in carried["args"]


def test_what_a_button_needs_is_said_beside_it() -> None:
    line = next(i for i, text in enumerate(INSTALL.splitlines()) if "insiders.vscode.dev" in text)
    said = INSTALL.splitlines()[line - 1]
    assert "Docker" in said
    assert "docker build -t kaiming-mcp ." in said
    assert {"vscode", "cursor"} == set(BUTTONS)


def test_every_client_has_its_own_fold_and_the_command_lists_it() -> None:
    folds = re.findall(r"<details><summary><b>(.+?)</b></summary>", INSTALL)
    assert folds == [*(client.title for client in CLIENTS), "Docker"]
    assert INSTALL.count("<details>") == INSTALL.count("</details>")
    listed = INSTALL[: INSTALL.index(BEGIN)]
    for client in CLIENTS:
        assert f"`{client.id}`" in listed


def test_the_warnings_that_others_users_paid_for_are_there() -> None:
    plain = " ".join(INSTALL.split())
    assert "Never add `-t`" in plain
    assert "`--name`" in plain
    assert "programs with a window do not see your shell's PATH" in plain
    assert "leave it out and it reads none" in plain


def test_the_privacy_policy_says_what_a_directory_asks_for() -> None:
    policy = INSTALL[INSTALL.index("### Privacy Policy") :]
    for topic in ("Collection", "Use and\nstorage", "Sharing", "Retention", "Contact"):
        assert f"*{topic}*" in policy
