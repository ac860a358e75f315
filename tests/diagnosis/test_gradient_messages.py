"""Messages as people post them, code, log and prose mixed: the mechanism, the size, and advice that must not appear.

Three and more of each kind of look-alike, and forty healthy runs, stand in tests/data/gradient_messages.yaml.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from kaiming_mcp.library import library
from kaiming_mcp.replies.gradients import diagnose_text
from kaiming_mcp.scaffold import Scaffold

DATA = Path(__file__).parents[1] / "data" / "gradient_messages.yaml"
MESSAGES: dict[str, dict[str, Any]] = {m["id"]: m for m in yaml.safe_load(DATA.read_text(encoding="utf-8"))}
ARGUMENTS = ("symptom", "architecture", "measurements", "training")


@cache
def answer(name: str) -> Scaffold:
    return diagnose_text(library(), **{key: MESSAGES[name].get(key, "") for key in ARGUMENTS})


@pytest.mark.parametrize("name", MESSAGES)
def test_each_message_gets_its_mechanism_within_its_size(name: str) -> None:
    scaffold = answer(name)
    assert scaffold.mechanism in MESSAGES[name]["expect"], (scaffold.verdict, scaffold.explanations)
    assert len(json.dumps(scaffold.structured(), ensure_ascii=False)) <= 8_000


@pytest.mark.parametrize("name", [name for name, m in MESSAGES.items() if "wrong" in m])
def test_no_message_gets_the_wrong_advice(name: str) -> None:
    scaffold = answer(name)
    advice = " ".join([scaffold.first_change.partition(" Predicted:")[0], *(f.remedy for f in scaffold.findings)])
    assert not re.search(MESSAGES[name]["wrong"], advice), advice


def test_three_messages_of_each_kind_and_forty_healthy_runs_are_held() -> None:
    kinds = Counter(m["expect"][0] for m in MESSAGES.values())
    assert {kind: n for kind, n in kinds.items() if n < 2} == {}
    assert len(kinds) == 22
    assert kinds["nothing_wrong"] >= 40
