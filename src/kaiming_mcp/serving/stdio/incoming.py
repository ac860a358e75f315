"""What a line from the client says.

A refusal is written only where the id of a request can be read. JSON-RPC 2.0 would have an error with `id: null` for
the rest, but the schema of MCP knows no such id: clients report it as a broken server, and some close the connection.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import mcp_types as types

from kaiming_mcp.serving.messages import Read, messages, unserved
from kaiming_mcp.serving.stdio.lines import ENDS, LONGEST_LINE, Overlong

_ID = rb'"id"\s*:\s*(-?\d{1,18}|"(?:[^"\\]|\\.)*")\s*'
_JSONRPC = rb'"jsonrpc"\s*:\s*"2\.0"\s*'
_ID_FIRST = re.compile(rb"\s*\{\s*(?:" + _JSONRPC + rb",\s*)?" + _ID + rb",")
_ID_LAST = re.compile(rb",\s*" + _ID + rb"(?:,\s*" + _JSONRPC + rb")?\}\s*$")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read(line: bytes | Overlong) -> Iterator[Read]:
    """The messages of a line: one, none of an empty line, several of a batch."""
    if isinstance(line, Overlong):
        yield unserved(
            _id_at_the_ends(line.head, line.tail),
            types.INVALID_REQUEST,
            f"A message of more than {LONGEST_LINE:,} bytes is not read. Send a shorter text, or start the server with "
            "--root DIR, put the text into a file below that directory and send path:FILE.",
        )
    elif line := line.removeprefix(_BYTE_ORDER_MARK).strip():
        yield from messages(line, lambda text: _id_at_the_ends(text, text))


def _id_at_the_ends(head: bytes, tail: bytes) -> int | str | None:
    found = _ID_FIRST.match(head[:ENDS]) or _ID_LAST.search(tail[-ENDS:])
    if found is None:
        return None
    try:
        return json.loads(found[1])
    except ValueError:
        return None
