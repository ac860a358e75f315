"""What a line from the client says: messages, or why it is refused.

A refusal is written only where the id of a request can be read. JSON-RPC 2.0 would have an error with `id: null` for
the rest, but the schema of MCP knows no such id: clients report it as a broken server, and some close the connection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import mcp_types as types
from pydantic import ValidationError

from kaiming_mcp.serving import REFUSED
from kaiming_mcp.serving.stdio.lines import ENDS, LONGEST_LINE, Overlong

_ID = rb'"id"\s*:\s*(-?\d{1,18}|"(?:[^"\\]|\\.)*")\s*'
_JSONRPC = rb'"jsonrpc"\s*:\s*"2\.0"\s*'
_ID_FIRST = re.compile(rb"\s*\{\s*(?:" + _JSONRPC + rb",\s*)?" + _ID + rb",")
_ID_LAST = re.compile(rb",\s*" + _ID + rb"(?:,\s*" + _JSONRPC + rb")?\}\s*$")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Refused:
    """A request that cannot be passed on, with the answer to it."""

    answer: types.JSONRPCError


@dataclass(frozen=True)
class Unreadable:
    """Something that has no id to answer to."""

    reason: str


Read = types.JSONRPCMessage | Refused | Unreadable


def read(line: bytes | Overlong) -> Iterator[Read]:
    """The messages of a line: one, none of an empty line, several of a batch."""
    if isinstance(line, Overlong):
        yield _refused(
            _id_at_the_ends(line.head, line.tail),
            types.INVALID_REQUEST,
            f"A message of more than {LONGEST_LINE:,} bytes is not read. Send a shorter text, or start the server with "
            "--root DIR, put the text into a file below that directory and send path:FILE.",
        )
        return
    line = line.removeprefix(_BYTE_ORDER_MARK).strip()
    if not line:
        return
    # Bytes that are not UTF-8 cost a character, not the request.
    text = line.decode("utf-8", "replace")
    try:
        yield types.jsonrpc_message_adapter.validate_json(text, by_name=False)
    except ValidationError:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            yield _refused(_id_at_the_ends(line, line), types.PARSE_ERROR, "The message is not valid JSON.")
            return
        for one in cast("list[Any]", value) if isinstance(value, list) else [value]:
            yield _read_value(one, batch=isinstance(value, list))


def turned_away(request: types.JSONRPCRequest) -> Refused:
    """The answer to a request for which there is no room."""
    text = "Too many calls are waiting. Send it again when some of them have been answered or cancelled."
    error = types.ErrorData(code=REFUSED, message=text, data={"reason": "busy"})
    return Refused(types.JSONRPCError(jsonrpc="2.0", id=request.id, error=error))


def _read_value(value: Any, batch: bool) -> Read:
    request = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    # Without a method it is the answer to something, and an answer to that would meet another request's id.
    id = request.get("id") if "method" in request else None
    if batch:
        return _refused(id, types.INVALID_REQUEST, "Batches are not served: send each message on a line of its own.")
    try:
        # What the strict reader refuses in JSON that Python reads: half of a surrogate pair, left by a cut text.
        whole = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        return types.jsonrpc_message_adapter.validate_json(whole, by_name=False)
    except (ValueError, RecursionError):
        return _refused(
            id,
            types.INVALID_REQUEST,
            'Not a JSON-RPC 2.0 request. Example: {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}',
        )


def _refused(id: Any, code: int, message: str) -> Refused | Unreadable:
    if isinstance(id, bool) or not isinstance(id, (int, str)):
        return Unreadable(message)
    return Refused(types.JSONRPCError(jsonrpc="2.0", id=id, error=types.ErrorData(code=code, message=message)))


def _id_at_the_ends(head: bytes, tail: bytes) -> int | str | None:
    found = _ID_FIRST.match(head[:ENDS]) or _ID_LAST.search(tail[-ENDS:])
    if found is None:
        return None
    try:
        return json.loads(found[1])
    except ValueError:
        return None
