"""The request line: facts recomputed from it are those of the scaffold, and an altered argument is named."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kaiming_mcp.library import library
from kaiming_mcp.replies.critique import critique_text
from kaiming_mcp.replies.trace import trace_text
from kaiming_mcp.request import LONGEST_LINE, RequestError, digest, read_request
from kaiming_mcp.scaffold import Scaffold

DATA = Path(__file__).parents[1] / "data"


def _stored(name: str) -> Iterator[str]:
    """Every text of a stored collection, whatever its nesting."""
    waiting: list[Any] = [json.loads(gzip.decompress((DATA / name).read_bytes()))]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict) and isinstance(item.get("text"), str):
            yield item["text"]
        elif isinstance(item, dict) and "texts" in item:
            yield from item["texts"].values()
        elif isinstance(item, dict) and isinstance(item.get("config"), dict):
            yield json.dumps(item["config"])
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item


def _again(scaffold: Scaffold) -> Scaffold:
    return critique_text(library(), **read_request(scaffold.request).args)


@pytest.mark.parametrize(
    ("name", "every"),
    [
        ("printed_models.json.gz", 6),
        ("torch_tables.json.gz", 5),
        ("hf_configs.json.gz", 30),
        ("keras_tables.json.gz", 6),
    ],
)
def test_facts_recomputed_from_the_short_form_are_those_of_the_scaffold(name: str, every: int) -> None:
    compared = given = 0
    for text in list(_stored(name))[::every]:
        first = critique_text(library(), text)
        if first.needs:
            continue
        request = read_request(first.request)
        assert len(first.request) <= LONGEST_LINE
        if not request.args:
            continue
        lasting = [f for f in _again(first).established if f.id not in request.apart]
        assert digest(lasting) == request.facts
        assert not request.altered
        values = {f.id: f.value for f in first.established if f.value is not None}
        given += len(values)
        compared += len(values.keys() - request.apart)
    assert compared >= 0.85 * given > 0


def test_a_trace_is_recomputed_without_its_simulation() -> None:
    first = trace_text(library(), "repeat 8 { linear 64 64 ; tanh }", "64", simulate=True)
    request = read_request(first.request)
    second = trace_text(library(), request.args["architecture"], request.args["input"])
    assert digest(second.established) == request.facts


@pytest.mark.parametrize("name", ["architecture", "input", "initialization"])
def test_an_altered_argument_is_named(name: str) -> None:
    line = json.loads(critique_text(library(), "repeat 8 { linear 64 64 ; relu }", "64", initialization="he").request)
    for altered in (line["args"][name] + " ", "xavier", None):
        args = {k: v for k, v in line["args"].items() if k != name} | ({name: altered} if altered else {})
        assert read_request(json.dumps({**line, "args": args})).altered == [name]
    added = {**line["args"], "batch": 4}
    assert read_request(json.dumps({**line, "args": added})).altered == ["batch"]


def test_spaces_order_and_a_label_do_not_alter_a_request() -> None:
    line = json.loads(critique_text(library(), "repeat 8 { linear 64 64 ; relu }", "64", initialization="he").request)
    turned = {k: line[k] for k in reversed(line)} | {"args": {k: line["args"][k] for k in reversed(line["args"])}}
    assert read_request(f"Request: `{json.dumps(turned, indent=2)}`").altered == []


@pytest.mark.parametrize(
    "text", ["", "no json", "[1, 2]", '{"args": {}}', '{"tool": 3}', "{" * 5000, '{"tool": "x", "args": 1}']
)
def test_what_is_no_request_line_is_refused(text: str) -> None:
    with pytest.raises(RequestError):
        read_request(text)
