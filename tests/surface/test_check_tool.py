"""check_answer and the prompts over the wire, in both eras of the protocol."""

from __future__ import annotations

import json

import mcp_types as types
import pytest
from eras import in_both_eras
from mcp import Client

from kaiming_mcp.examples import EXAMPLES
from kaiming_mcp.replies.check import LONGEST_ANSWER, REPEATABLE
from kaiming_mcp.scaffold import number

CALL = {"architecture": "repeat 20 { linear 256 256 ; relu } ; linear 256 10", "input": "256"}


def _text(result: types.CallToolResult) -> str:
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


async def _request(client: Client) -> str:
    result = await client.call_tool("critique_architecture", CALL)
    assert result.structured_content
    return str(result.structured_content["request"])


@in_both_eras
async def test_the_last_line_of_the_text_is_the_request_that_the_structure_holds(client: Client) -> None:
    result = await client.call_tool("critique_architecture", CALL)
    assert result.structured_content
    assert _text(result).rstrip().splitlines()[-1] == f"- Request: `{result.structured_content['request']}`"


@in_both_eras
async def test_text_and_structure_of_a_check_agree(client: Client) -> None:
    answer = "**invariant**: the gradient ratio is 2.74e-3 [F4]\n**decision**: use He"
    result = await client.call_tool("check_answer", {"answer": answer, "request": await _request(client)})
    assert not result.is_error
    assert result.structured_content
    kinds = [f["kind"] for f in result.structured_content["findings"]]
    assert {"missing", "contradiction", "unquantified", "remedy without a test"} <= set(kinds)
    text = _text(result)
    for finding in result.structured_content["findings"]:
        assert finding["kind"] in text
        assert finding.get("expected", "") in text


@in_both_eras
async def test_an_altered_argument_is_named_and_numbers_are_not_compared(client: Client) -> None:
    line = json.loads(await _request(client))
    line["args"]["input"] = "512"
    call = {"answer": "**invariant**: 2.74e-16 [F4]", "request": json.dumps(line)}
    text = _text(await client.call_tool("check_answer", call))
    assert "altered argument: `input`" in text
    assert "contradiction" not in text
    assert "not compared" in text


@pytest.mark.parametrize(
    ("answer", "request_line", "part"),
    [
        ("", "", "`answer` is empty"),
        ("x" * (LONGEST_ANSWER + 1), "", "at most"),
        ("**decision**: y", "no line", "`request`: no JSON object"),
        ("**decision**: y", '{"tool": "critique_archtecture", "args": {}}', "did you mean 'critique_architecture'"),
        ("**decision**: y", '{"tool": "check_answer"}', "no scaffold comes from"),
    ],
)
@in_both_eras
async def test_a_wrong_call_says_what_to_send(client: Client, answer: str, request_line: str, part: str) -> None:
    result = await client.call_tool("check_answer", {"answer": answer, "request": request_line})
    assert result.is_error
    assert part in _text(result)


@in_both_eras
async def test_without_a_request_only_the_library_is_held_against_the_answer(client: Client) -> None:
    answer = "He et al. write: “depth is nothing but patience with gradients”. See (Okafor et al., 2021)."
    text = _text(await client.call_tool("check_answer", {"answer": answer}))
    assert "quotation" in text
    assert "unknown source" in text
    assert "missing" not in text


@pytest.mark.parametrize(
    ("problem", "part"),
    [
        ("the gradients of my 20 layers vanish: fc1 2e-9, fc2 5e-8, fc3 1e-6, fc4 3e-5, fc5 8e-4", "true_decay"),
        ("forecast rainfall for the next 18 frames, several futures are possible", "p(x|y)"),
        ("classify galaxies from images of 3 surveys, 200,000 galaxies", "Common language"),
        ("L = L_rec + 0.1 L_kl + 0.5 L_adv, EMA teacher, three stages: what can go?", "without any ablation"),
        ("repeat 30 { linear 256 256 ; relu }", "does not fit relu"),
    ],
)
@in_both_eras
async def test_thinking_begins_with_what_the_server_establishes(client: Client, problem: str, part: str) -> None:
    result = await client.get_prompt("think_like_kaiming", {"problem": problem})
    (message,) = result.messages
    assert isinstance(message.content, types.TextContent)
    assert part in message.content.text
    assert "# What the server established" in message.content.text


@in_both_eras
async def test_the_prompt_for_a_science_changes_with_the_field(client: Client) -> None:
    texts: list[str] = []
    for field, problem in (("astronomy", "classify galaxies"), ("medicine", "find pneumonia on chest X-rays")):
        result = await client.get_prompt("bring_ai_to_science", {"field": field, "problem": problem})
        texts.append(str(result.messages[0].content))
    assert "sky" in texts[0]
    assert "hospital" in texts[1]
    assert "hospital" not in texts[0]


@pytest.mark.parametrize("tool", sorted(REPEATABLE))
@in_both_eras
async def test_an_answer_to_each_tool_is_held_against_its_recomputed_facts(client: Client, tool: str) -> None:
    call = json.loads(EXAMPLES[tool])
    scaffold = (await client.call_tool(tool, call)).structured_content
    assert scaffold
    fact = next(f for f in scaffold["established"] if f.get("value", 0) > 1e-3 and f.get("unit") != "draws")
    shown = number(fact["value"])
    sound = "\n\n".join(
        f"**{field['name']}**: It is {shown} [{fact['id']}]; measured again, it is given up above a factor of 3."
        for field in scaffold["answer_form"]
    )
    passed = await client.call_tool("check_answer", {"answer": sound, "request": scaffold["request"]})
    assert passed.structured_content
    assert "findings" not in passed.structured_content, _text(passed)
    wrong = sound.replace(f"It is {shown}", f"It is {number(1.37 * fact['value'])}", 1)
    caught = await client.call_tool("check_answer", {"answer": wrong, "request": scaffold["request"]})
    assert caught.structured_content
    assert [f["kind"] for f in caught.structured_content["findings"]] == ["contradiction"]
