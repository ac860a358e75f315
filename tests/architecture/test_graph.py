"""Data-flow graphs to trees: skips, nests, dense concatenations, shared layers, attention, tangles."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaiming_mcp.architecture.account import account
from kaiming_mcp.architecture.graph import DEEPEST, Join, JoinKind, Tree, Vertex, to_tree
from kaiming_mcp.architecture.ir import Activation, Attention, Layer, Linear, Network, Node, Opaque, layers
from kaiming_mcp.architecture.notation_writer import write_notation

INPUT = Vertex(None)


def _linear(into: int, out: int, *inputs: int, key: str = "") -> Vertex:
    return Vertex(Layer(Linear(into, out)), inputs, key)


def _act(*inputs: int) -> Vertex:
    return Vertex(Layer(Activation("relu")), inputs)


def _join(kind: JoinKind, *inputs: int, scales: tuple[float, ...] = ()) -> Vertex:
    return Vertex(Join(kind, scales), inputs)


def _written(tree: Tree) -> str:
    return write_notation(Network("net", tree.root))


def _total(tree: Tree) -> int:
    return account(Network("net", tree.root, differences=tree.differences)).total


def test_a_chain_is_a_sequence() -> None:
    tree = to_tree([INPUT, _linear(8, 8, 0), _act(1), _linear(8, 2, 2)], 3)
    assert _written(tree) == "linear 8 8 ; relu ; linear 8 2"
    assert tree.differences == ()


def test_a_sum_with_the_trunk_is_a_residual() -> None:
    tree = to_tree([INPUT, _linear(8, 8, 0), _act(1), _join("add", 2, 0), _linear(8, 2, 3)], 4)
    assert _written(tree) == "residual { linear 8 8 ; relu } ; linear 8 2"


def test_a_sum_of_two_branches_keeps_the_lighter_one_as_the_shortcut() -> None:
    steps = [INPUT, _linear(8, 4, 0), _act(1), _linear(4, 4, 2), _linear(8, 4, 0), _join("add", 3, 4)]
    assert _written(to_tree(steps, 5)) == "residual { linear 8 4 ; relu ; linear 4 4 } shortcut { linear 8 4 }"


def test_factors_on_a_sum_scale_the_branch_or_the_trunk() -> None:
    branch = to_tree([INPUT, _linear(8, 8, 0), _join("add", 0, 1, scales=(1.0, 0.1))], 2)
    trunk = to_tree([INPUT, _linear(8, 8, 0), _join("add", 0, 1, scales=(0.5, 0.1))], 2)
    assert _written(branch) == "residual scale 0.1 { linear 8 8 }"
    assert _written(trunk) == "residual scale 0.1 { linear 8 8 } shortcut { multiply 0.5 }"


def test_nested_skips_fork_at_the_last_value_that_every_path_passes() -> None:
    # A U-Net: the outer skip joins what the inner one returns.
    steps = [
        INPUT,
        _linear(8, 8, 0),  # 1: encoder, joined at the end
        _linear(8, 8, 1),  # 2: inner encoder
        _linear(8, 8, 2),  # 3: bottom
        _join("concat", 2, 3),
        _linear(16, 8, 4),
        _join("concat", 1, 5),
        _linear(16, 2, 6),
    ]
    expected = (
        "linear 8 8 ; concat { identity } { linear 8 8 ; concat { identity } { linear 8 8 } ; linear 16 8 } linear 16 2"
    )
    assert " ".join(_written(to_tree(steps, 7)).split()) == expected


def test_dense_concatenations_grow_one_layer_at_a_time() -> None:
    steps = [INPUT, _linear(8, 4, 0), _join("concat", 0, 1), _linear(12, 4, 2), _join("concat", 0, 1, 3)]
    steps += [_linear(16, 4, 4), _join("concat", 0, 1, 3, 5), _linear(20, 2, 6)]
    tree = to_tree(steps, 7)
    assert _total(tree) == 9 * 4 + 13 * 4 + 17 * 4 + 21 * 2
    assert tree.differences == ()
    assert " ".join(_written(tree).split()) == (
        "concat { identity } { linear 8 4 } ; concat { identity } { linear 12 4 } "
        "concat { identity } { linear 16 4 } ; linear 20 2"
    )


def test_a_layer_used_twice_counts_once() -> None:
    steps = [INPUT, _linear(8, 8, 0, key="fc"), _act(1), _linear(8, 8, 2, key="fc")]
    tree = to_tree(steps, 3)
    assert _total(tree) == 72
    assert "fc" in tree.differences[0].reason


def test_a_value_that_two_branches_need_counts_once() -> None:
    # 1 feeds both 2 and the last sum, and 2 and 3 meet: no tree has each vertex once.
    steps = [INPUT, _linear(8, 8, 0), _linear(8, 8, 1), _join("add", 0, 1), _linear(8, 8, 3), _join("add", 2, 4)]
    assert _total(to_tree(steps, 5)) == 3 * 72


def test_parameters_beside_the_path_are_accounted_for() -> None:
    tree = to_tree([INPUT, _linear(8, 8, 0), _linear(8, 3, 1, key="aux"), _linear(8, 2, 1)], 3)
    assert _total(tree) == 72 + 27 + 18
    assert [(d.count, "aux" in d.reason) for d in tree.differences] == [(27, True)]


def test_two_inputs_are_joined_from_the_beginning() -> None:
    tree = to_tree([INPUT, INPUT, _linear(8, 4, 0), _linear(6, 4, 1), _join("concat", 2, 3), _linear(8, 1, 4)], 5)
    assert _written(tree) == "concat { linear 8 4 } { linear 6 4 } ; linear 8 1"


def test_a_gate_is_a_product() -> None:
    tree = to_tree([INPUT, _linear(8, 8, 0), _act(1), _join("multiply", 0, 2)], 3)
    assert _written(tree) == "product { identity } { linear 8 8 ; relu }"


def _attention(tree: Tree) -> Attention:
    (found,) = [layer.op for layer, _ in layers(tree.root) if isinstance(layer.op, Attention)]
    return found


def test_separate_projections_and_the_output_become_one_attention() -> None:
    attend = Vertex(Join("attend", heads=4, causal=True), (1, 2, 3))
    tree = to_tree([INPUT, _linear(64, 64, 0), _linear(64, 16, 0), _linear(64, 16, 0), attend, _linear(64, 64, 4)], 5)
    assert _attention(tree) == Attention(64, 4, 16, causal=True)
    assert _total(tree) == 2 * 65 * 64 + 2 * 65 * 16


def test_a_fused_projection_becomes_a_packed_attention() -> None:
    steps = [INPUT, _linear(64, 192, 0), Vertex(Join("attend", heads=8), (1, 1, 1)), _linear(64, 64, 2), _act(3)]
    tree = to_tree(steps, 4)
    assert _attention(tree) == Attention(64, 8, packed=True)
    assert _total(tree) == 65 * 192 + 65 * 64


def test_attention_without_its_projections_stays_unknown_and_keeps_its_parameters() -> None:
    steps = [INPUT, INPUT, _linear(64, 64, 0), _linear(32, 64, 1), Vertex(Join("attend"), (2, 3, 3))]
    tree = to_tree(steps, 4)
    assert any(isinstance(layer.op, Opaque) for layer, _ in layers(tree.root))
    assert _total(tree) == 65 * 64 + 33 * 64


def test_branches_nested_without_end_are_laid_out_in_order() -> None:
    depth = DEEPEST + 50
    steps = [INPUT, *(_linear(8, 8, i) for i in range(depth))]
    for i in range(depth):
        steps.append(_join("concat", depth - i, depth + i))
        steps[-1] = replace(steps[-1], inputs=(depth - i - 1, len(steps) - 2))
    tree = to_tree(steps, len(steps) - 1)
    assert "tangled" in tree.assumptions[0].statement
    assert _total(tree) == depth * 72


@st.composite
def _graphs(draw: st.DrawFn) -> list[Vertex]:
    steps = [INPUT]
    for i in range(draw(st.integers(1, 25))):
        at = st.integers(0, len(steps) - 1)
        if draw(st.booleans()):
            steps.append(
                _linear(8, 8, draw(at), key=f"fc{draw(st.integers(0, 30))}" if draw(st.booleans()) else f"n{i}")
            )
        else:
            kind: JoinKind = draw(st.sampled_from(["add", "concat", "multiply", "attend"]))
            steps.append(Vertex(Join(kind), tuple(draw(st.lists(at, min_size=1, max_size=4)))))
    return steps


@given(_graphs())
def test_whatever_the_graph_the_parameters_add_up(steps: list[Vertex]) -> None:
    tree = to_tree(steps, len(steps) - 1)
    assert _total(tree) == 72 * len({v.key for v in steps if isinstance(v.content, Layer)})


@pytest.mark.parametrize("kind", ["add", "concat", "multiply"])
def test_a_join_of_one_value_is_that_value(kind: JoinKind) -> None:
    node: Node = to_tree([INPUT, _linear(8, 8, 0), _join(kind, 1)], 2).root
    assert _written(Tree(node)) == "linear 8 8"


def test_what_no_input_reaches_is_a_constant_beside_the_sum() -> None:
    table = Vertex(Layer(Opaque("pos_embed", "", 80)), (), "pos_embed")
    steps = [INPUT, _linear(8, 8, 0), table, _join("add", 1, 2, scales=(0.5, 1.0)), _linear(8, 2, 3)]
    tree = to_tree(steps, 4)
    assert _written(tree) == "linear 8 8 ; multiply 0.5 ; linear 8 2"
    assert [(d.count, "pos_embed" in d.reason) for d in tree.differences] == [(80, True)]
    assert _total(tree) == 72 + 18 + 80
