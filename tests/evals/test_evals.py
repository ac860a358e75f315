"""evals/: every answer comes out of the real server, and both files have the form that they promise."""

from __future__ import annotations

import re
from collections import Counter
from typing import get_args

import pytest
import yaml
from asking import EVALS, Asking, Question, questions, reworded, scaled
from derivations import DERIVATIONS, Derivation
from mcp import Client

from kaiming_mcp.headings import Situation
from kaiming_mcp.server import create_server

QUESTIONS = {question.name: question for question in questions()}
MESSAGES = yaml.safe_load((EVALS / "messages.yaml").read_text("utf-8"))
BENDS = tuple(scaled(factor) for factor in (1.3, 1 / 1.3, 1e3, 1e-3))
BY_WORD = {("alive_but_blind", 0), ("alive_but_blind", 1), ("misquoted", 0), ("misquoted", 1), ("survey_of_leakage", 0)}
"""Calls that give a word (which mechanism, which sentence, which source) and not a number."""
each_derivation = pytest.mark.parametrize("derive", DERIVATIONS, ids=lambda derive: derive.__name__)


def _question(derive: Derivation) -> Question:
    return QUESTIONS[derive.__name__]


@each_derivation
async def test_the_answer_comes_out_of_the_server_in_more_than_one_call(derive: Derivation) -> None:
    async with Client(create_server()) as client:
        ask = Asking(client)
        assert await derive(ask, _question(derive)) == _question(derive).answer
        assert len(ask.calls) >= 2


@each_derivation
async def test_another_number_or_word_in_any_one_call_gives_another_answer(derive: Derivation) -> None:
    question = _question(derive)
    async with Client(create_server()) as client:
        plain = Asking(client)
        await derive(plain, question)
        for at in range(len(plain.calls)):
            bends = (reworded,) if (question.name, at) in BY_WORD else BENDS
            answers = {await _answered(derive, Asking(client, bend, at), question) for bend in bends}
            assert answers != {question.answer}, plain.calls[at]


async def _answered(derive: Derivation, ask: Asking, question: Question) -> str:
    try:
        return await derive(ask, question)
    except (LookupError, ValueError, AssertionError) as nothing:
        return repr(nothing)


def test_there_are_twenty_questions_five_for_each_situation() -> None:
    assert len(questions()) == len(QUESTIONS) == 20
    assert Counter(q.situation for q in questions()) == dict.fromkeys(get_args(Situation), 5)
    assert [derive.__name__ for derive in DERIVATIONS] == list(QUESTIONS)
    assert len({q.answer for q in questions()}) == 20


@pytest.mark.parametrize("question", questions(), ids=lambda q: q.name)
def test_a_question_has_one_short_answer_and_does_not_hold_it(question: Question) -> None:
    assert re.fullmatch(r"\S{1,40}", question.answer)
    assert not re.search(rf"(?<![\w.]){re.escape(question.answer)}(?![\w]|\.\d)", question.text)
    assert question.text.count("```") == 2 * len(question.pasted)
    assert question.text == question.text.strip()


async def test_the_derivations_use_every_tool_and_a_resource() -> None:
    called: set[str] = set()
    async with Client(create_server()) as client:
        for derive in DERIVATIONS:
            ask = Asking(client)
            await derive(ask, _question(derive))
            called.update(ask.calls)
        names = {tool.name for tool in (await client.list_tools()).tools}
    assert names <= called
    assert any(call.startswith("kaiming://") for call in called)


async def test_forty_messages_choose_tools_that_exist_or_none() -> None:
    async with Client(create_server()) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
    chosen = Counter(entry["tool"] for entry in MESSAGES)
    assert len(MESSAGES) == len({entry["message"] for entry in MESSAGES}) == 40
    assert set(chosen) == {*names, "none"}
    assert min(chosen.values()) >= 2
    assert chosen["none"] >= 8
    for entry in MESSAGES:
        assert set(entry) <= {"message", "tool", "tempting"}
        assert 0 < len(entry["message"]) <= 500
        if "tempting" in entry:
            assert entry["tempting"].split(";")[0] in names - {entry["tool"]}


def test_some_messages_tempt_and_none_gives_its_tool_away() -> None:
    assert sum("tempting" in entry for entry in MESSAGES) >= 8
    for entry in MESSAGES:
        assert entry["tool"] not in entry["message"]
