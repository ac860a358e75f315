"""The fields of an answer, in the ways models write them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiming_mcp.checking.answer import read_answer

NAMES = ["invariant", "era_test", "decision"]
TEXTS = {"invariant": "E[x²] is 0.8 [F3]", "era_test": "false if it stays at 3", "decision": "use He\nand measure"}


@pytest.mark.parametrize(
    "text",
    [
        "**invariant**: {invariant}\n**era_test**: {era_test}\n**decision**: {decision}",
        "**Invariant:** {invariant}\n\n**Era test:** {era_test}\n\n**Decision:** {decision}",
        "- **invariant**: {invariant}\n- **era_test**: {era_test}\n- **decision**: {decision}",
        "## Invariant\n{invariant}\n\n## Era-Test\n{era_test}\n\n## Decision\n{decision}",
        "1. `invariant`: {invariant}\n2. `era_test`: {era_test}\n3. `decision`: {decision}",
        "1. *Fundamental symmetry* → **invariant**: {invariant}\n2. *Era* → **era_test**: {era_test}\n"
        "3. *Decide* → **decision**: {decision}",
        "invariant = {invariant}\nera_test = {era_test}\ndecision = {decision}",
    ],
)
def test_labelled_fields_are_found_however_they_are_marked(text: str) -> None:
    answer = read_answer(f"Here is the answer.\n\n{text.format(**TEXTS)}", NAMES)
    assert answer.fields == TEXTS
    assert answer.rest == "Here is the answer."


@pytest.mark.parametrize("form", ["{}", "```json\n{}\n```", '{{"answer": {}}}'])
def test_json_is_read_plain_fenced_or_inside_one_object(form: str) -> None:
    assert read_answer(form.format(json.dumps(TEXTS)), NAMES).fields == TEXTS


def test_lists_and_objects_of_json_become_text() -> None:
    answer = read_answer('{"decision": ["use He", {"predicted": 1.0}], "other": "rest"}', NAMES)
    assert answer.fields == {"decision": "use He\npredicted: 1.0"}
    assert answer.rest == "rest"


@pytest.mark.parametrize("text", ["", "…", "TODO", "n/a", "**-**", "?", "to be filled in"])
def test_a_placeholder_is_a_missing_field(text: str) -> None:
    assert read_answer(f"**decision**: {text}\n**invariant**: none of the two is conserved", NAMES).missing("decision")
    assert not read_answer("**invariant**: none of the two is conserved", NAMES).missing("invariant")


@given(st.text())
def test_any_text_is_an_answer(text: str) -> None:
    answer = read_answer(text, NAMES)
    assert set(answer.fields) <= set(NAMES)
