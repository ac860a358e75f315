"""Controls write their value where it stands in the notation, and change that one thing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import POST_NORM, PRINTED, TRACED, traced

from kaiming_mcp.architecture.ir import Activation, Layer, Network, Node, Norm, Repeat, Residual, Sequence, layers, walk
from kaiming_mcp.architecture.notation_writer import normalise, write_notation
from kaiming_mcp.architecture.read import read_architecture
from kaiming_mcp.architecture.rewrite import transform
from kaiming_mcp.picture.controls import NONE, applied, controls
from kaiming_mcp.picture.model import Control
from kaiming_mcp.signal.initialization_words import parse_initialization

STEPS = [
    "linear 16 16",
    "conv 8 8 k3 nobias",
    "relu",
    "leaky_relu 0.3",
    "tanh",
    "batchnorm 16",
    "layernorm 16 eps 1e-06",
    "rmsnorm 16",
    "groupnorm 4 16",
    'unknown "Relu { linear ; relu }"',
    "dropout 0.1",
    "upsample 2.0 linear",
    "attention 16 heads 2 extra 3",
    "concat { linear 16 16 } { relu ; linear 16 16 }",
]


def _blocks(inner: st.SearchStrategy[list[str]]) -> st.SearchStrategy[list[str]]:
    body = inner.map(" ; ".join)
    return st.lists(
        st.one_of(
            st.sampled_from(STEPS),
            st.tuples(st.integers(2, 30), body).map(lambda p: f"repeat {p[0]} {{ {p[1]} }}"),
            body.map("residual {{ {} }}".format),
            body.map("residual scale 0.3 {{ {} }}".format),
            body.map("residual {{ {} }} shortcut {{ linear 16 16 }}".format),
        ),
        min_size=1,
        max_size=5,
    )


NETWORKS = st.recursive(st.lists(st.sampled_from(STEPS), min_size=1, max_size=4), _blocks, max_leaves=6).map(
    lambda steps: " ; ".join(["linear 16 16", *steps])
)


def _read(text: str) -> Network:
    return read_architecture(text).networks[0]


def _written(text: str) -> tuple[str, list[Control]]:
    network = _read(text)
    notation = write_notation(network)
    names = [layer.op.name for layer, _ in layers(network.root) if isinstance(layer.op, Activation)]
    return notation, controls(notation, "he", names[0] if names else "")


@settings(max_examples=150, deadline=None)
@given(NETWORKS)
def test_the_same_value_in_its_place_gives_the_same_network(text: str) -> None:
    notation, found = _written(text)
    whole = applied(notation, [(c, c.value) for c in found])
    assert normalise(_read(whole).root) == normalise(_read(notation).root)
    for control in found:
        for (start, end), template in zip(control.spans, control.templates or ["{}"] * len(control.spans), strict=True):
            assert notation[start:end] == template.replace("{}", control.value)


@settings(max_examples=150, deadline=None)
@given(NETWORKS)
def test_another_value_gives_the_network_with_that_one_change(text: str) -> None:
    notation, found = _written(text)
    root = _read(notation).root
    for control in found:
        for value, expected in _changes(control, root):
            changed = _read(applied(notation, [(control, value)])).root
            assert normalise(changed) == normalise(expected), (control.label, value)


def _changes(control: Control, root: Node) -> Iterator[tuple[str, Node]]:
    """A new value, and the network as the change of its tree makes it."""
    match control.kind:
        case "activation":
            old = next(one.op for one, _ in layers(_read(control.value).root) if isinstance(one.op, Activation))
            yield "gelu", transform(root, lambda n: _swapped(n, old, Activation("gelu")))
        case "scale":
            old = float(control.value)
            yield (
                "0.125",
                transform(root, lambda n: replace(n, scale=0.125) if isinstance(n, Residual) and n.scale == old else n),
            )
        case "norm" if control.value != NONE:
            kind = control.value.partition("norm")[0]
            groups = int(control.value.partition(" ")[2] or 1)
            bare = transform(root, lambda n: _without(n, kind, groups))
            yield NONE, bare
        case "depth":
            yield "31", _deeper(root, control)
        case _:
            return


def _swapped(node: Node, old: Activation, new: Activation) -> Node:
    return replace(node, op=new) if isinstance(node, Layer) and node.op == old else node


def _without(node: Node, kind: str, groups: int) -> Node:
    gone = isinstance(node, Layer) and isinstance(node.op, Norm) and (node.op.kind, node.op.groups) == (kind, groups)
    return Sequence(()) if gone else node


def _deeper(root: Node, control: Control) -> Node:
    """The repeat of the control with another count: repeats in the order of their word in the text."""
    place = int(control.label.split()[1]) - 1
    shown = [n for n, _ in walk(root) if isinstance(n, Repeat)]
    kept = sorted(range(len(shown)), key=lambda i: -shown[i].count)[:6]
    target = shown[sorted(kept)[place]]

    def change(node: Node) -> Node:
        return replace(node, count=31) if isinstance(node, Repeat) and node.path == target.path else node

    return transform(root, change)


def test_a_norm_is_put_before_each_hidden_nonlinearity_and_taken_out_again() -> None:
    _, picture = traced("plain")
    assert picture.call is not None
    norm = next(c for c in picture.controls if c.kind == "norm")
    assert norm.value == NONE
    changed = applied(picture.call.architecture, [(norm, "rmsnorm")])
    assert changed == "repeat 20 { linear 64 64 ; rmsnorm ; relu }"
    (norm,) = [c for c in controls(write_notation(_read(changed)), "he", "relu") if c.kind == "norm"]
    assert norm.value == "rmsnorm"
    assert _read(applied(write_notation(_read(changed)), [(norm, NONE)])).root == _read(picture.call.architecture).root


def test_all_controls_at_once_change_all_they_name() -> None:
    notation, found = _written("repeat 20 { residual { linear 64 64 ; relu ; linear 64 64 } }")
    new = {"depth": "3", "activation": "tanh", "scale": "1/sqrt(20)", "norm": "layernorm"}
    text = applied(notation, [(c, new[c.kind]) for c in found if c.kind in new])
    assert text == "repeat 3 { residual scale 1/sqrt(20) { linear 64 64 ; layernorm ; tanh ; linear 64 64 } }"


@pytest.mark.parametrize("name", PRINTED)
def test_every_choice_of_a_printed_network_can_be_read(name: str) -> None:
    for network in read_architecture(PRINTED[name].read_text("utf-8")).networks:
        notation = write_notation(network)
        names = [layer.op.name for layer, _ in layers(network.root) if isinstance(layer.op, Activation)]
        for control in controls(notation, "he", names[0] if names else ""):
            for choice in control.choices:
                if control.kind == "initialization":
                    parse_initialization(choice)
                else:
                    _read(applied(notation, [(control, choice)]))


@pytest.mark.parametrize("name", TRACED)
def test_the_controls_of_a_picture_fit_its_own_call(name: str) -> None:
    _, picture = traced(name)
    assert picture.call is not None
    text = picture.call.architecture
    assert {"initialization"} <= {c.kind for c in picture.controls}
    assert _read(applied(text, [(c, c.value) for c in picture.controls])).root == _read(text).root
    shown = next(c for c in picture.controls if c.kind == "initialization")
    assert shown.value == picture.call.initialization
    assert shown.value in shown.choices


def test_scales_that_differ_have_a_control_each() -> None:
    notation, found = _written(
        "residual scale 0.5 { linear 8 8 } ; residual { linear 8 8 } ; residual { linear 8 8 ; relu }"
    )
    scales = [c for c in found if c.kind == "scale"]
    assert [(c.value, len(c.spans), len(c.insert)) for c in scales] == [("1", 0, 2), ("0.5", 1, 0)]
    assert applied(notation, [(scales[0], "2")]).count("scale 2") == 2


def test_words_inside_a_quoted_text_are_no_statements() -> None:
    notation, found = _written('unknown "relu ; repeat 9 { linear }" ; linear 8 8 ; relu')
    assert [c.kind for c in found if c.kind == "depth"] == []
    (activation,) = [c for c in found if c.kind == "activation"]
    assert activation.spans == [(len(notation) - 4, len(notation))]


def test_post_norm_blocks_have_one_norm_control() -> None:
    _, found = _written(POST_NORM)
    (norm,) = [c for c in found if c.kind == "norm"]
    assert (norm.value, len(norm.spans)) == ("layernorm", 2)
