"""The product's own server with what the conformance suite asks for by name: `fixture_server.py serve --http`.

The suite calls tools, prompts and resources of fixed names to see every kind of content and of error. They are added to
`create_server()`, so that what answers is the server that users run: its overrides, its settings, its transports.
"""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import Annotated, Any

import anyio
import mcp_types as types
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, UserMessage
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.resources import BinaryResource, TextResource
from pydantic import Field

from kaiming_mcp import server as product

BETWEEN_NOTES_SECONDS = 0.05
"""What the suite asks for between two progress notes; nothing waits for it to pass."""


def _pixel() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    row = zlib.compress(b"\x00\xff\x00\x00")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", row) + chunk(b"IEND", b"")


def _silence() -> bytes:
    samples = bytes(8)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    data = struct.pack("<4sI", b"data", len(samples)) + samples
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data), b"WAVE") + form + data


PNG, WAV = base64.b64encode(_pixel()).decode(), base64.b64encode(_silence()).decode()
IMAGE = types.ImageContent(type="image", data=PNG, mime_type="image/png")


def _embedded(uri: str, text: str, mime_type: str = "text/plain") -> types.EmbeddedResource:
    contents = types.TextResourceContents(uri=uri, text=text, mime_type=mime_type)
    return types.EmbeddedResource(type="resource", resource=contents)


def add_tools(server: MCPServer) -> None:
    """A tool for each kind of content, one that fails and one that reports progress."""
    tool = server.tool(structured_output=False)

    def test_simple_text() -> str:
        """Returns text."""
        return "This is a simple text response for testing."

    def test_image_content() -> list[types.ContentBlock]:
        """Returns an image."""
        return [IMAGE]

    def test_audio_content() -> list[types.ContentBlock]:
        """Returns sound."""
        return [types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")]

    def test_embedded_resource() -> list[types.ContentBlock]:
        """Returns a resource inside the result."""
        return [_embedded("test://embedded-resource", "This is an embedded resource content.")]

    def test_multiple_content_types() -> list[types.ContentBlock]:
        """Returns text, an image and a resource."""
        said = types.TextContent(type="text", text="Multiple content types test:")
        data = json.dumps({"test": "data", "value": 123})
        return [said, IMAGE, _embedded("test://mixed-content-resource", data, "application/json")]

    def test_error_handling() -> str:
        """Always fails."""
        raise ToolError("This tool intentionally returns an error for testing")

    async def test_tool_with_progress(ctx: Context[Any, Any]) -> str:
        """Reports progress three times."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100, f"{done} of 100")
            await anyio.sleep(BETWEEN_NOTES_SECONDS)
        return "done"

    def test_logging_tool() -> str:
        """Logs to stderr alone, as all tools here do."""
        return "nothing is logged over the protocol"

    def test_headers(name: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Name"})]) -> str:
        """Takes an argument that stands in a header too."""
        return name

    for function in (
        test_simple_text,
        test_image_content,
        test_audio_content,
        test_embedded_resource,
        test_multiple_content_types,
        test_error_handling,
        test_tool_with_progress,
        test_logging_tool,
        test_headers,
    ):
        tool(function)


def add_schema_tool(server: MCPServer) -> None:
    """A tool whose schema holds what only JSON Schema 2020-12 has, to see that the listing keeps it."""

    @server.tool(name="json_schema_2020_12_tool", structured_output=False)
    def strange(name: str = "") -> str:
        """Has a schema with definitions, compositions and conditions."""
        return name

    text = {"type": "string"}
    street = {"$anchor": "addressDef", "type": "object", "properties": {"street": text, "city": text}}
    by = {"contactMethod": {"type": "string", "enum": ["phone", "email"]}, "phone": text, "email": text}
    registered = server._tool_manager.get_tool("json_schema_2020_12_tool")
    assert registered is not None
    registered.parameters = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": street},
        "properties": {"name": text, "address": {"$ref": "#/$defs/address"}, **by},
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    }
    _ = strange


def add_resources(server: MCPServer) -> None:
    """Text, bytes, and a template."""
    text = "This is the content of the static text resource."
    server.add_resource(
        TextResource(uri="test://static-text", name="text", description="Text", mime_type="text/plain", text=text)
    )
    server.add_resource(
        BinaryResource(
            uri="test://static-binary", name="binary", description="Bytes", mime_type="image/png", data=_pixel()
        )
    )

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def test_template(id: str) -> str:
        """Says which id was asked for."""
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    _ = test_template


def add_prompts(server: MCPServer) -> None:
    """Prompts without and with arguments, with a resource and with an image."""

    def test_simple_prompt() -> str:
        """Takes nothing."""
        return "This is a simple prompt for testing."

    def test_prompt_with_arguments(
        arg1: Annotated[str, Field(description="First")], arg2: Annotated[str, Field(description="Second")]
    ) -> str:
        """Takes two arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    def test_prompt_with_embedded_resource(
        resourceUri: Annotated[str, Field(description="URI")],  # noqa: N803 - the suite's name
    ) -> list[UserMessage]:
        """Embeds a resource."""
        resource = _embedded(resourceUri, "Embedded resource content for testing.")
        return [UserMessage(resource), UserMessage("Please process the embedded resource above.")]

    def test_prompt_with_image() -> list[UserMessage]:
        """Holds an image."""
        return [UserMessage(IMAGE), UserMessage("Please analyze the image above.")]

    for function in (
        test_simple_prompt,
        test_prompt_with_arguments,
        test_prompt_with_embedded_resource,
        test_prompt_with_image,
    ):
        server.prompt()(function)


def main() -> None:
    """The command line of the product, on a server that has the fixtures too."""
    plain = product.create_server

    def with_fixtures(*arguments: Any, **settings: Any) -> product.KaimingServer:
        from fixture_rounds import add_rounds

        server = plain(*arguments, **settings)
        for add in (add_tools, add_schema_tool, add_resources, add_prompts, add_rounds):
            add(server)
        return server

    product.create_server = with_fixtures
    from kaiming_mcp.cli import main as run

    run()


if __name__ == "__main__":
    main()
