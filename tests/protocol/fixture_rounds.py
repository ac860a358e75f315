"""Fixtures that ask the client for something and are called again with the answer (2026-07-28), as a table.

The product asks for nothing. They show that what the server adds to the SDK's calls (unknown tools, arguments and
prompts refused by name) lets such results, their state and their errors through.
"""

from __future__ import annotations

from typing import Any

import mcp_types as types
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError

Round = dict[str, types.InputRequest]


def _elicit(message: str, field: str, kind: str = "string") -> types.InputRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


def _sample(question: str) -> types.InputRequest:
    message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text=question))
    return types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=100))


NAME, CONFIRM = _elicit("What is your name?", "name"), _elicit("Please confirm", "ok", "boolean")
ROUNDS: dict[str, list[Round]] = {
    "test_input_required_result_elicitation": [{"user_name": NAME}],
    "test_input_required_result_sampling": [{"capital_question": _sample("What is the capital of France?")}],
    "test_input_required_result_list_roots": [{"client_roots": types.ListRootsRequest()}],
    "test_input_required_result_request_state": [{"confirm": CONFIRM}],
    "test_input_required_result_tampered_state": [{"confirm": CONFIRM}],
    "test_input_required_result_multiple_inputs": [
        {"user_name": NAME, "greeting": _sample("Generate a greeting"), "client_roots": types.ListRootsRequest()}
    ],
    "test_input_required_result_multi_round": [
        {"step1": _elicit("Step 1: What is your name?", "name")},
        {"step2": _elicit("Step 2: What is your favorite color?", "color")},
    ],
    "test_streaming_elicitation": [{"user_name": NAME}],
}


def asked(rounds: list[Round], ctx: Context[Any, Any]) -> types.InputRequiredResult | None:
    """What to ask next; the state, which the SDK seals, counts the rounds that were answered."""
    done = int(ctx.request_state or 0)
    answers = ctx.input_responses or {}
    if done < len(rounds) and set(rounds[done]) <= set(answers):
        done += 1
    if done == len(rounds):
        return None
    return types.InputRequiredResult(input_requests=rounds[done], request_state=str(done))


def add_rounds(server: MCPServer) -> None:
    """The tools of the table, and the few whose rounds depend on the client."""
    for name, rounds in ROUNDS.items():
        _add(server, name, rounds)

    @server.tool(structured_output=False)
    def test_input_required_result_capabilities(ctx: Context[Any, Any]) -> str | types.InputRequiredResult:
        """Asks only for what the client says it can do."""
        can = ctx.client_capabilities
        able = (
            {"name": NAME}
            if can and can.elicitation
            else {"question": _sample("Hello?")}
            if can and can.sampling
            else {}
        )
        return asked([able], ctx) or "done"

    @server.tool(structured_output=False)
    def test_missing_capability(ctx: Context[Any, Any]) -> str:
        """Needs a client that samples."""
        if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
            wanted = types.ClientCapabilities(sampling=types.SamplingCapability())
            data = types.MissingRequiredClientCapabilityErrorData(required_capabilities=wanted)
            code = types.MISSING_REQUIRED_CLIENT_CAPABILITY
            raise MCPError(code, "sampling is needed", data.model_dump(mode="json", by_alias=True, exclude_none=True))
        return "done"

    @server.prompt()
    def test_input_required_result_prompt(ctx: Context[Any, Any]) -> str | types.InputRequiredResult:
        """Asks for the context first."""
        return asked([{"user_context": _elicit("What context should the prompt use?", "context")}], ctx) or "done"

    _ = test_input_required_result_capabilities, test_missing_capability, test_input_required_result_prompt


def _add(server: MCPServer, name: str, rounds: list[Round]) -> None:
    @server.tool(name=name, structured_output=False)
    def answer(ctx: Context[Any, Any]) -> str | types.InputRequiredResult:
        """Asks, and ends when everything was answered."""
        return asked(rounds, ctx) or f"state-ok {sorted(ctx.input_responses or {})}"

    _ = answer
