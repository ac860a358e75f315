"""The checks of the fuzz tests see what they are for."""

from __future__ import annotations

import pytest
from fuzz_checks import CANARY, FOLDERS, leak, must_be_answered

import kaiming_mcp


@pytest.mark.parametrize(
    "answer",
    [
        'Traceback (most recent call last):\\n  File \\"x.py\\"',
        "Internal server error",
        f"cannot open {kaiming_mcp.__file__}",
        f"cannot open {min(FOLDERS, key=len)}x",
        "got <kaiming_mcp.scaffold.Fact object at 0x7f62565944d0>",
        "expected <class 'str'>",
        f"class Net: {CANARY}",
        "see https://errors.pydantic.dev/2.14/v/missing",
    ],
)
def test_a_leak_is_seen_unless_it_was_sent(answer: str) -> None:
    assert leak(answer, b"something else")
    assert leak(answer, answer.encode()) is None


def test_an_honest_answer_is_no_leak() -> None:
    assert leak('{"text": "<b> is not a layer; path:nets/net.py holds no class \'Net\'"}', b"") is None


@pytest.mark.parametrize(
    ("body", "id"),
    [
        (b'{"jsonrpc": "2.0", "id": 1, "method": "x"}', 1),
        (b'{"id": "a", "method": 5}', "a"),
        (b'{"id": "a\\ud800", "method": 5}', "a?"),
        (b'{"id": true, "method": "x"}', None),
        (b'{"id": 1}', None),
        (b"[1]", None),
        (b'{"id": 1, "method"', None),
    ],
)
def test_it_is_known_which_lines_have_an_answer(body: bytes, id: object) -> None:
    assert must_be_answered(body) == id
