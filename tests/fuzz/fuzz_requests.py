"""Random requests: real ones, and what is left of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import fuzz_texts as texts
from fuzz_values import mutated, mutated_bytes, mutated_text, text, value
from served import ENVELOPE

from kaiming_mcp.examples import EXAMPLES

HEAVY_SHARE = 0.01
"""Whole real inputs, which take most of the time."""
METHODS = (
    "initialize ping tools/list tools/call prompts/list prompts/get resources/list resources/read server/discover "
    "resources/templates/list completion/complete logging/setLevel resources/subscribe resources/unsubscribe "
    "subscriptions/listen tasks/get sampling/createMessage roots/list elicitation/create notifications/initialized "
    "notifications/cancelled notifications/progress notifications/roots/list_changed rpc.discover"
).split()
PROMPTS = ("think_like_kaiming", "review_network", "debug_gradients", "formulate_generatively", "bring_ai_to_science")
URIS = (
    "kaiming://principles",
    "kaiming://principles/residual-learning",
    "kaiming://principles/{id}",
    "kaiming://principles/..%2F..%2Fetc%2Fpasswd",
    "kaiming://principles/%00",
    "kaiming://principles/%zz",
    "kaiming://principles/../sources",
    "kaiming://principles//",
    "kaiming://reasoning/abstraction-stack",
    "kaiming://sources/he-2015-rectifiers",
    "kaiming://sources/{key}",
    "kaiming://probes/signal",
    "kaiming://probes/__init__",
    "kaiming://guide/formats",
    "kaiming://guide/index?x={y}",
    "skill://kaiming-he/SKILL.md",
    "skill://kaiming-he/../../x",
    "ui://kaiming/signal.html",
    "file:///etc/passwd",
    "http://127.0.0.1/",
    "",
    "kaiming:",
    "://",
    "kaiming://[::1",
)


@dataclass(frozen=True)
class Message:
    """One message to send, as it goes over the wire."""

    body: bytes
    id: int | str


class Requests:
    """Draws messages, all of them the same for the same seed."""

    def __init__(self, seed: int, modern: bool) -> None:
        self.draw = Random(seed)
        self._modern = modern

    def next(self, id: int | str) -> Message:
        """The next message; whatever asks for an answer carries that id, unless the id itself is broken."""
        draw = self.draw
        message = {"jsonrpc": "2.0", "id": id, **self._request()}
        chance = draw.random()
        if chance < 0.05:
            del message["id"]
        elif chance < 0.3:
            message = mutated(draw, message)
        body = _json(message)
        if draw.random() < 0.1:
            body = mutated_bytes(draw, body)
        return Message(body, id)

    def _request(self) -> dict[str, Any]:
        draw = self.draw
        make = draw.choices(
            (self._call, self._real_call, self._prompt, self._resource, self._completion, self._method),
            (33, 100 * HEAVY_SHARE, 16, 18, 14, 18),
        )[0]
        method, params = make()
        if self._modern and draw.random() < 0.97:
            params = {**params, "_meta": ENVELOPE if draw.random() < 0.9 else mutated(draw, ENVELOPE)}
        return {"method": method, "params": params}

    def _method(self) -> tuple[str, dict[str, Any]]:
        draw = self.draw
        method = draw.choice(METHODS) if draw.random() < 0.8 else text(draw)
        if method == "notifications/cancelled":
            # Never of a request that a test waits for.
            return method, {"requestId": draw.choice(("nothing", None, 1.5, [], {}))}
        names = (
            "name",
            "uri",
            "cursor",
            "arguments",
            "level",
            "taskId",
            "protocolVersion",
            "capabilities",
            "progressToken",
        )
        return method, {name: value(draw) for name in draw.sample(names, draw.randrange(4))}

    def _call(self) -> tuple[str, dict[str, Any]]:
        draw = self.draw
        name = draw.choice(list(EXAMPLES))
        arguments: dict[str, Any] = json.loads(EXAMPLES[name])
        for key, usual in arguments.items():
            if draw.random() < 0.5:
                arguments[key] = draw.choice(
                    (partial(mutated, draw, usual), partial(value, draw), partial(text, draw))
                )()
        if name == "trace_signal":
            # A simulation takes seconds.
            arguments["simulate"] = draw.choice((False, "false", "x", None, 0))
        if draw.random() < 0.2:
            arguments = mutated(draw, arguments)
            if isinstance(arguments, dict):
                arguments.pop("simulate", None)
        if draw.random() < 0.05:
            name = mutated_text(draw, name)
        return "tools/call", {"name": name, "arguments": arguments}

    def _real_call(self) -> tuple[str, dict[str, Any]]:
        draw = self.draw
        match draw.randrange(4):
            case 0:
                architecture = mutated_text(draw, draw.choice(texts.architectures()))
                name = draw.choice(("critique_architecture", "trace_signal"))
                return "tools/call", {"name": name, "arguments": {"architecture": architecture}}
            case 1:
                given = mutated_text(draw, draw.choice(texts.measurements()))
                return "tools/call", {
                    "name": "diagnose_gradients",
                    "arguments": {"symptom": "?", "measurements": given},
                }
            case 2:
                symptom = mutated_text(draw, draw.choice(texts.messages()))
                return "tools/call", {"name": "diagnose_gradients", "arguments": {"symptom": symptom}}
            case _:
                answer = mutated_text(draw, draw.choice(texts.answers()))
                asked = mutated_text(draw, answer.splitlines()[-1]) if answer else ""
                return "tools/call", {"name": "check_answer", "arguments": {"answer": answer, "request": asked}}

    def _prompt(self) -> tuple[str, dict[str, Any]]:
        draw = self.draw
        names = ("problem", "architecture", "symptom", "field", text(draw)[:30])
        arguments = {name: draw.choice((text, value))(draw) for name in draw.sample(names, draw.randrange(4))}
        return "prompts/get", {"name": draw.choice((*PROMPTS, text(draw)[:50])), "arguments": arguments}

    def _resource(self) -> tuple[str, dict[str, Any]]:
        draw = self.draw
        uri = draw.choice(URIS)
        return "resources/read", {"uri": uri if draw.random() < 0.5 else mutated_text(draw, uri)}

    def _completion(self) -> tuple[str, dict[str, Any]]:
        draw = self.draw
        ref = draw.choice(
            (
                {"type": "ref/prompt", "name": draw.choice(PROMPTS)},
                {"type": "ref/resource", "uri": draw.choice(URIS)},
                value(draw),
            )
        )
        argument = {"name": draw.choice(("id", "key", "field", "problem", text(draw)[:20])), "value": text(draw)[:100]}
        return "completion/complete", {"ref": ref, "argument": argument}


def _json(message: Any) -> bytes:
    """As JSON that keeps half surrogate pairs as escapes, and NaN as Python writes it."""
    return json.dumps(message).encode()
