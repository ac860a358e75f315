"""The server through a real client in memory, in both protocol eras."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from eras import in_both_eras
from mcp import Client
from mcp.shared.exceptions import MCPError

from kaiming_mcp import __version__
from kaiming_mcp.server import INSTRUCTIONS

PRINTED = (Path(__file__).parents[1] / "data" / "model_texts" / "01_repr_plain_mlp20_relu.txt").read_text("utf-8")


def _text(result: Any) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, types.TextContent))


@in_both_eras
async def test_the_server_names_itself_and_its_version(client: Client) -> None:
    assert client.server_info is not None
    assert client.server_info.name == "kaiming-mcp"
    assert client.server_info.version == __version__
    assert client.instructions == INSTRUCTIONS


@in_both_eras
async def test_a_critique_gives_text_and_structure_with_the_same_verdict(client: Client) -> None:
    result = await client.call_tool("critique_architecture", {"architecture": PRINTED})
    assert result.structured_content is not None
    assert result.structured_content["verdict"] in _text(result)
    assert "1.64e-15" in _text(result)


@in_both_eras
async def test_json_pasted_as_text_arrives_as_text(client: Client) -> None:
    result = await client.call_tool("critique_architecture", {"architecture": '{"name": "bert"}'})
    assert not result.is_error
    assert "JSON" in _text(result)
    result = await client.call_tool("critique_architecture", {"architecture": '{"model_type": "bert"}'})
    assert "109,482,240 parameters" in _text(result)


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("critique_architecture", {}, "Missing argument 'architecture'"),
    ("critique_architecture", {"architectur": "linear 3 4"}, "Did you mean 'architecture'"),
    ("critique_architecture", {"architecture": "linear 3 4", "depth": 3}, "Unknown argument 'depth'"),
    ("critique_architecture", {"architecture": "linear 3 4", "batch": "many"}, "'batch'"),
    ("critique_architecture", {"architecture": "linear 3 4", "batch": -1}, "`batch`"),
    ("critique_architecture", {"architecture": "linear 3 4", "input": "big"}, "`input`"),
    ("critique_architecture", {"architecture": "linear 3 4", "initialization": "magic"}, "`initialization`"),
    ("critique_architecture", {"architecture": "linear 3 4 ; convv 3 4 k3"}, "did you mean 'conv'"),
    ("read_principle", {"id": "residual-lerning"}, "Did you mean 'residual-learning'"),
    ("read_principle", {"situation": "cooking"}, "`situation`"),
    ("read_principle", {"id": "residual-learning", "section": "zzz"}, "`section`"),
    ("reframe_as_generative", {"problem": "x", "samples_per_query": -3}, "`samples_per_query`"),
    ("reframe_as_generative", {"problem": "x", "metrics": "MSE"}, "Did you mean 'metric'"),
]


@pytest.mark.parametrize(("name", "arguments", "part"), WRONG)
@in_both_eras
async def test_an_error_names_the_argument_and_shows_a_valid_one(
    client: Client, name: str, arguments: dict[str, Any], part: str
) -> None:
    result = await client.call_tool(name, arguments)
    assert result.is_error
    assert result.structured_content is None
    assert part in _text(result)
    assert re.search(r"xample|Known|one of|such as|e\.g\.", _text(result))
    assert not (await client.call_tool("read_principle", {})).is_error


@in_both_eras
async def test_prose_gets_a_short_reply_that_says_what_to_send(client: Client) -> None:
    result = await client.call_tool("critique_architecture", {"architecture": "a deep network with many layers"})
    assert not result.is_error
    assert len(_text(result)) / 4 <= 300
    assert "print(model)" in _text(result)
    assert "repeat 8" in _text(result)


@in_both_eras
async def test_an_unknown_tool_is_invalid_params(client: Client) -> None:
    with pytest.raises(MCPError) as caught:
        await client.call_tool("critique_architectures", {})
    assert caught.value.error.code == types.INVALID_PARAMS
    assert "critique_architecture" in caught.value.error.message


@in_both_eras
async def test_every_resource_is_listed_one_by_one_and_can_be_read(client: Client) -> None:
    resources = (await client.list_resources()).resources
    uris = {str(r.uri) for r in resources}
    assert {"kaiming://principles", "kaiming://sources", "kaiming://guide"} <= uris
    assert {"kaiming://guide/formats", "kaiming://guide/layer-notation"} <= uris
    assert sum(u.startswith("kaiming://principles/") for u in uris) == 5
    assert sum(u.startswith("kaiming://reasoning/") for u in uris) == 3
    (page,) = [r for r in resources if str(r.uri).startswith("ui://")]
    for resource in [r for r in resources if r is not page]:
        script = str(resource.uri).startswith("kaiming://probes/")
        assert resource.mime_type == ("text/x-python" if script else "text/markdown")
        assert resource.description
        (part,) = (await client.read_resource(resource.uri)).contents
        assert isinstance(part, types.TextResourceContents)
        assert part.text.startswith('"""' if script else ("#", "---\nname: "))


@in_both_eras
async def test_templates_are_completed_and_read(client: Client) -> None:
    templates = {t.uri_template for t in (await client.list_resource_templates()).resource_templates}
    assert templates == {
        "kaiming://principles/{id}",
        "kaiming://reasoning/{id}",
        "kaiming://sources/{key}",
        "kaiming://probes/{name}",
    }
    ref = types.ResourceTemplateReference(type="ref/resource", uri="kaiming://principles/{id}")
    found = await client.complete(ref, {"name": "id", "value": "res"})
    assert found.completion.values == ["residual-learning"]
    (part,) = (await client.read_resource("kaiming://sources/he-2015-resnet")).contents
    assert isinstance(part, types.TextResourceContents)
    assert "1512.03385" in part.text
    prompt = types.PromptReference(type="ref/prompt", name="bring_ai_to_science")
    assert "physics" in (await client.complete(prompt, {"name": "field", "value": "phy"})).completion.values


@in_both_eras
async def test_an_unknown_resource_is_refused_with_what_is_known(client: Client) -> None:
    with pytest.raises(MCPError, match="residual-learning"):
        await client.read_resource("kaiming://principles/residual")


PROMPTS: dict[str, dict[str, str]] = {
    "think_like_kaiming": {"problem": "my loss is stuck and gradients vanish"},
    "review_network": {"architecture": "repeat 20 { linear 64 64 ; relu }"},
    "debug_gradients": {"symptom": "first layers do not move"},
    "formulate_generatively": {"problem": "forecast the next 24 hours, several futures are possible"},
    "bring_ai_to_science": {"field": "chemistry", "problem": "predict reaction yields"},
}


@in_both_eras
async def test_prompts_embed_the_principle_and_what_was_established(client: Client) -> None:
    assert {p.name for p in (await client.list_prompts()).prompts} == set(PROMPTS)
    for name, arguments in PROMPTS.items():
        result = await client.get_prompt(name, arguments)
        text = "\n".join(m.content.text for m in result.messages if isinstance(m.content, types.TextContent))
        assert "## Questions to ask" in text or "Questions" in text
        assert "call the tool" not in text.lower()
        assert len(text) > 2000
    review = await client.get_prompt("review_network", PROMPTS["review_network"])
    assert "does not fit relu" in str(review.messages[0].content)


@in_both_eras
async def test_a_principle_is_read_by_id_by_situation_and_by_section(client: Client) -> None:
    whole = _text(await client.call_tool("read_principle", {"id": "residual-learning"}))
    assert "six-model ensemble" in whole
    part = _text(await client.call_tool("read_principle", {"id": "residual-learning", "section": "quotations"}))
    assert "primary" in part
    assert "## Rationale" not in part
    served = _text(await client.call_tool("read_principle", {"situation": "gradients"}))
    assert served.index("Activation-Aware") < served.index("Residual Learning")
    assert "kaiming://principles/residual-learning" in _text(await client.call_tool("read_principle", {}))


@in_both_eras
async def test_many_calls_at_once_are_all_answered(client: Client) -> None:
    import anyio

    answers: list[bool] = []

    async def one(width: int) -> None:
        call = await client.call_tool(
            "critique_architecture", {"architecture": f"repeat 30 {{ linear {width} {width} ; gelu }}"}
        )
        answers.append(not call.is_error)

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            for width in range(8, 40):
                group.start_soon(one, width)
    assert answers == [True] * 32


@in_both_eras
async def test_what_a_class_tells_is_said_even_where_sizes_are_left_out(client: Client) -> None:
    text = "TransformerEncoder((layers): ModuleList((0-11): 12 x TransformerEncoderLayer(...)))"
    result = await client.call_tool("critique_architecture", {"architecture": text})
    assert "12 layers start with equal weights" in _text(result)
    assert len(_text(result)) < 1_200
