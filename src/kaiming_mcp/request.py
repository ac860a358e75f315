"""The request line of a scaffold: a call in short form that lets anyone recompute its facts.

`{"tool": …, "args": {…}, "facts": "8 hex digits", "sums": "name:4 hex digits …"}`: `facts` is a digest of the
values, `sums` of each argument, so that an altered one can be named. Facts that the short form of a network
does not give again (it holds no names of layers and no second reading) are listed under `except`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kaiming_mcp.printable import UNSEEN
from kaiming_mcp.scaffold import Fact

LONGEST_LINE = 1500
UNREPEATABLE = frozenset({"draws"})
"""Units of facts that depend on the time a machine takes."""

_UNSHOWN = re.compile(f"`|{UNSEEN.pattern}")
Facts = Sequence[Fact]


class RequestError(ValueError):
    """The text is no request line; the message says what one looks like."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request line, taken apart; `args` is empty where the line would have been too long."""

    tool: str
    args: dict[str, Any]
    facts: str
    sums: dict[str, str]
    apart: frozenset[str]

    @property
    def altered(self) -> list[str]:
        """Names of arguments whose sum does not fit, that were added, or that are missing."""
        if not self.sums:
            return []
        now = _sums(self.args)
        return [name for name in dict.fromkeys([*self.sums, *now]) if now.get(name) != self.sums.get(name)]


def request_line(tool: str, args: Mapping[str, Any], facts: Facts, again: Callable[[], Facts] | None = None) -> str:
    """The line for a call; `again` recomputes the facts from `args` where these are not the call's own."""
    given = {k: v for k, v in args.items() if v not in ("", 0, False)}
    whole = {
        "tool": tool,
        "args": given,
        "facts": digest(facts),
        "sums": " ".join(f"{k}:{v}" for k, v in _sums(given).items()),
    }
    alone = _line({"tool": tool, "facts": digest(facts)})
    if len(_line(whole)) > LONGEST_LINE:
        return alone
    apart = [f.id for f in facts if f.unit in UNREPEATABLE]
    if again is not None:
        apart += _apart(facts, again())
    if apart:
        whole["facts"] = digest([f for f in facts if f.id not in apart])
        whole["except"] = " ".join(apart)
    line = _line(whole)
    return line if len(line) <= LONGEST_LINE else alone


def read_request(text: str) -> Request:
    """The request of a line, also inside backquotes or after a label.

    Raises:
        RequestError: no JSON object with a tool stands in the text.
    """
    start, end = text.find("{"), text.rfind("}")
    try:
        raw = json.loads(text[start : end + 1]) if 0 <= start < end else None
    except (ValueError, RecursionError):
        raw = None
    if not isinstance(raw, dict):
        raise RequestError("no JSON object was found")
    line = cast(dict[str, Any], raw)
    tool, args, sums = line.get("tool"), line.get("args", {}), line.get("sums", "")
    if not isinstance(tool, str) or not isinstance(args, dict) or not isinstance(sums, str):
        raise RequestError("`tool` must be a name, `args` an object, `sums` a text")
    return Request(
        tool,
        cast(dict[str, Any], args),
        str(line.get("facts", "")),
        {name: total for name, _, total in (part.partition(":") for part in sums.split())},
        frozenset(str(line.get("except", "")).split()),
    )


def digest(facts: Facts) -> str:
    """Eight hex digits over the repeatable values, to six digits each."""
    return _hash("\n".join(f"{name} {value}" for name, value in _values(facts).items()), 8)


def _values(facts: Facts) -> dict[str, str]:
    return {f.id: f"{f.value:.6g} {f.unit}" for f in facts if f.value is not None and f.unit not in UNREPEATABLE}


def _apart(facts: Facts, again: Facts) -> list[str]:
    """Ids whose value differs in the two computations, or stands in one of them only."""
    first, second = _values(facts), _values(again)
    return [name for name in dict.fromkeys([*first, *second]) if first.get(name) != second.get(name)]


def _sums(args: Mapping[str, Any]) -> dict[str, str]:
    return {name: _hash(str(value), 4) for name, value in args.items()}


def _hash(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


def _line(content: Mapping[str, Any]) -> str:
    # Where it is shown it stands in ticks, on a terminal perhaps: neither may be ended by what is in it.
    written = json.dumps(content, ensure_ascii=False)
    return _UNSHOWN.sub(lambda found: json.dumps(found[0])[1:-1] if found[0] != "`" else "\\u0060", written)
