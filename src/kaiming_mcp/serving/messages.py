"""What a text from the client says: messages, or why it is refused; the same on both transports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import mcp_types as types
from pydantic import ValidationError

from kaiming_mcp.serving import REFUSED


@dataclass(frozen=True)
class Unserved:
    """What cannot be passed on, with the answer to it; its id is None where no request has one to answer to."""

    answer: types.JSONRPCError


Read = types.JSONRPCMessage | Unserved


def is_message(text: bytes) -> bool:
    """Whether the SDK reads it as it stands."""
    try:
        types.jsonrpc_message_adapter.validate_json(text, by_name=False)
    except ValidationError:
        return False
    return True


def messages(text: bytes, id_in: Callable[[bytes], int | str | None] = lambda _: None) -> Iterator[Read]:
    """The messages of a text: one, or several of a batch; `id_in` looks for an id in what is no JSON."""
    # Bytes that are not UTF-8 cost a character, not the request.
    string = text.decode("utf-8", "replace")
    try:
        yield types.jsonrpc_message_adapter.validate_json(string, by_name=False)
    except ValidationError:
        try:
            value = json.loads(string)
        except (ValueError, RecursionError):
            yield unserved(id_in(text), types.PARSE_ERROR, "The message is not valid JSON.")
            return
        for one in cast("list[Any]", value) if isinstance(value, list) else [value]:
            yield _read_value(one, batch=isinstance(value, list))


def turned_away(request: types.JSONRPCRequest) -> Unserved:
    """The answer to a request for which there is no room."""
    text = "Too many calls are waiting. Send it again when some of them have been answered or cancelled."
    return unserved(request.id, REFUSED, text, {"reason": "busy"})


def unserved(id: Any, code: int, message: str, data: Any = None) -> Unserved:
    """A refusal to whatever stands where the id of a request should be."""
    known = id if isinstance(id, int | str) and not isinstance(id, bool) else None
    error = types.ErrorData(code=code, message=message, data=data)
    return Unserved(types.JSONRPCError(jsonrpc="2.0", id=known, error=error))


def _read_value(value: Any, batch: bool) -> Read:
    request = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    # Without a method it is the answer to something, and an answer to that would meet another request's id.
    id = request.get("id") if "method" in request else None
    if batch:
        return unserved(id, types.INVALID_REQUEST, "Batches are not served: send each message by itself.")
    try:
        # What the strict reader refuses in JSON that Python reads: half of a surrogate pair, left by a cut text.
        whole = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        return types.jsonrpc_message_adapter.validate_json(whole, by_name=False)
    except (ValueError, RecursionError):
        return unserved(
            id,
            types.INVALID_REQUEST,
            'Not a JSON-RPC 2.0 request. Example: {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}',
        )
