"""fastmcp's client, which negotiates and decodes by itself, lists and calls everything over both transports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from everything import FAULTS, PROMPTS, TOOLS
from live import STDIO, served

pytestmark = [pytest.mark.tools, pytest.mark.filterwarnings("default::ResourceWarning")]

DEADLINE_SECONDS = 120


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with served() as at:
        yield at


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_everything_is_listed_and_every_part_answers(url: str, transport: str, mode: str) -> None:
    fastmcp = pytest.importorskip("fastmcp", reason="fastmcp is not installed: make tools")
    from fastmcp.client.transports import StdioTransport  # pyright: ignore[reportMissingImports] - of the extra `tools`

    target: Any = url if transport == "http" else StdioTransport(STDIO[0], STDIO[1:])
    with anyio.fail_after(DEADLINE_SECONDS):
        async with fastmcp.Client(target, mode=mode) as client:
            assert {tool.name for tool in await client.list_tools()} == set(TOOLS)
            assert {prompt.name for prompt in await client.list_prompts()} == set(PROMPTS)
            assert await client.list_resource_templates()
            for name, arguments in TOOLS.items():
                result = await client.call_tool(name, arguments)
                assert result.content[0].text, name
                assert result.structured_content, name
                # Built from the output schema: a schema that could not be understood gives no data.
                assert result.data is not None, name
            for name, arguments in FAULTS.items():
                refused = await client.call_tool(name, arguments, raise_on_error=False)
                assert refused.is_error, name
                assert refused.content[0].text, name
            for name, arguments in PROMPTS.items():
                assert (await client.get_prompt(name, arguments)).messages[0].content.text, name
            for resource in await client.list_resources():
                (part,) = await client.read_resource(resource.uri)
                assert part.text, resource.uri
