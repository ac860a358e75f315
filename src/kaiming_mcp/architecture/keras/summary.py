"""Keras's model.summary(), read: rows become a graph, the graph the tree, and every parameter is accounted for."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.graph import Vertex, to_tree
from kaiming_mcp.architecture.ir import (
    Activation,
    Assumption,
    Conv,
    Difference,
    Embedding,
    Layer,
    Network,
    Node,
    Opaque,
    Origin,
    Reading,
    Recurrent,
    Sequence,
    Shape,
)
from kaiming_mcp.architecture.keras.calls import chain, connect
from kaiming_mcp.architecture.keras.classes import is_model, is_single, keeps_shape
from kaiming_mcp.architecture.keras.inputs import first_input, to_shape
from kaiming_mcp.architecture.keras.joins import cross_attention, joined
from kaiming_mcp.architecture.keras.kernels import Step
from kaiming_mcp.architecture.keras.layers import to_node
from kaiming_mcp.architecture.keras.notes import CONFIG, guesses, hidden_activations, listed
from kaiming_mcp.architecture.keras.rows import Block, channels_first, completed, nested, usual_activation
from kaiming_mcp.architecture.keras.table import EXAMPLE, Dims, Row, Table, looks_like_keras_summary, parse
from kaiming_mcp.architecture.keras.words import is_join
from kaiming_mcp.architecture.parameters import total_parameters

__all__ = ["looks_like_keras_summary", "read_keras_summary"]

_KERNEL = re.compile(r"Conv\dD|^(?:Max|Average)Pooling\dD")


def read_keras_summary(text: str) -> Reading:
    """Read one or several tables of model.summary().

    Raises:
        ReadError: no row of such a table is here, or the text is too large.
    """
    tables = parse(text)
    if not tables:
        raise ReadError(
            "No row of a Keras table was found. Expected the output of model.summary(): in each row a layer's name "
            f"and class, its output shape and its parameters. Example:\n{EXAMPLE}"
        )
    return Reading("keras-summary", tuple(_Converter(table).network() for table in tables))


class _Converter:
    """Converts one table; collects what it hides on the way."""

    def __init__(self, table: Table) -> None:
        rows, self.open_classes = completed(table)
        self.table = replace(table, rows=rows)
        self.first = channels_first(rows)
        self.blocks = nested(rows)
        self.differences = Counter[str]()
        self.assumptions = list[Assumption]()
        self.vertices = list[Vertex]()
        self.nodes = list[Node]()
        self.input: Shape | None = None
        self.inputs: dict[int, Shape] = {}
        self.names = Counter(block.row.name for block in self.blocks)
        self.usual = usual_activation(rows)
        rows = [block.row for block in self.blocks]
        self.wiring = connect(rows, lambda row: not is_single(row.cls)) if table.connected else chain(rows)

    def network(self) -> Network:
        output = self._output(self._graph())
        tree = to_tree(self.vertices, output)
        self._balance()
        self._remark()
        own = (Difference(count, reason) for reason, count in self.differences.items() if count)
        return Network(
            self.table.name,
            tree.root if not isinstance(tree.root, Layer) else Sequence((tree.root,)),
            self.input or self._taken(output),
            (*hidden_activations(self.vertices), *self.assumptions, *guesses(self.nodes), *tree.assumptions),
            (*own, *tree.differences),
            len(self.table.rows),
            stated=self.table.total,
        )

    def _taken(self, place: int) -> Shape | None:
        """The input on the path to the output, by the first inputs of each vertex."""
        while self.vertices[place].inputs:
            place = self.vertices[place].inputs[0]
        return self.inputs.get(place)

    def assume(self, statement: str, settle: str = CONFIG) -> None:
        self.assumptions.append(Assumption(statement, settle))

    def dims(self, row: Row, tensor: int = 0) -> Dims | None:
        """A printed output shape, channels last; None where it is not known."""
        if not row.shapes:
            return None
        dims = row.shapes[tensor] if tensor < len(row.shapes) else row.shapes[0]
        return (*dims[1:], dims[0]) if self.first and len(dims) > 2 else dims

    def row(self, call: int) -> Row:
        """The row of a call."""
        return self.blocks[self.wiring.calls[call].row].row

    def _graph(self) -> list[int]:
        """A vertex (or a few) for each call; where the value of each call stands."""
        places = list[int]()
        known = dict[int, Node]()
        takers = (call for at, call in enumerate(self.wiring.calls) if self.row(at).cls == "Embedding")
        tokens = {i for call in takers for i, _ in call.inputs}
        for at, call in enumerate(self.wiring.calls):
            block = self.blocks[call.row]
            row = block.row
            if row.cls == "InputLayer":
                places.append(self._vertex(Vertex(None)))
                if shape := to_shape(self.dims(row), tokens=at in tokens):
                    self.inputs[places[-1]] = shape
                self._differ(row, 0)
                continue
            before = [places[i] for i, _ in call.inputs] or [self._vertex(Vertex(None))]
            step = self._step(row, call.inputs)
            join = joined(step, before)
            if join is not None:
                places.append(self._vertex(join))
                self._differ(row, 0, call.number)
                continue
            if row.cls == "MultiHeadAttention" and len(set(before)) > 1:
                found = cross_attention(step, before, len(self.vertices), self._key(call.row))
                if found:
                    self.vertices += found
                    places.append(len(self.vertices) - 1)
                    continue
            node = known.get(call.row) or self._node(block, step)
            known[call.row] = node
            if call.number == 0:
                self.nodes.append(node)
            if row.cls == "MultiHeadAttention":
                before = before[:1]
            elif isinstance(node, Layer) and isinstance(node.op, Recurrent) and len(before) > 1:
                self.assume(f"the first states of {row.name} come from another layer; that path is not followed")
                before = before[:1]
            places.append(self._vertex(Vertex(node, tuple(before), self._key(call.row))))
        return places

    def _key(self, at: int) -> str:
        """What tells the weights of a row apart: its name, unless another row has it too."""
        name = self.blocks[at].row.name
        return name if self.names[name] == 1 else f"{name} (row {at + 1})"

    def _vertex(self, vertex: Vertex) -> int:
        self.vertices.append(vertex)
        return len(self.vertices) - 1

    def _step(self, row: Row, inputs: list[tuple[int, int]]) -> Step:
        """What a row says, with the shapes that reach it; zeros put round an image belong to what takes it."""
        shapes = [self.dims(self.row(i), tensor) for i, tensor in inputs] or [None]
        out, padding = self.dims(row), ()
        into = shapes[0]
        if inputs and _KERNEL.search(row.cls) and self.row(inputs[0][0]).cls.startswith("ZeroPadding"):
            behind = self.wiring.calls[inputs[0][0]].inputs
            plain = self.dims(self.row(behind[0][0]), behind[0][1]) if behind else None
            if plain and into and len(plain) == len(into):
                padding = tuple(max(0, (b or 0) - (a or b or 0)) for a, b in zip(plain[:-1], into[:-1], strict=True))
                into = plain
        return Step(row.name, row.cls, into, out, row.parameters or 0, padding, tuple(shapes[1:]))

    def _node(self, block: Block, step: Step) -> Node:
        row = block.row
        if block.inner:
            return self._model(block, step)
        if row.parameters is None or is_model(row.cls):
            origin = Origin(row.line, f"{row.name} ({row.cls})")
            return Layer(Opaque(row.cls, "", row.parameters), row.name, origin)
        begins = not self.nodes and not self.inputs and self.input is None and step.into is None
        if begins and keeps_shape(row.cls):
            step = step._replace(into=step.out)
        made = to_node(step, row.line)
        if begins:
            made = self._first(made, step, row.line)
        if isinstance(made[0].op, Opaque) and made[0].op.name == "Activation" and self.usual and _has_places(step.out):
            made = [replace(made[0], op=Activation(self.usual), basis="assumed")]
        node = made[0] if len(made) == 1 else Sequence(tuple(made), row.name)
        self._differ(row, total_parameters(node))
        return node

    def _first(self, made: list[Layer], step: Step, line: int) -> list[Layer]:
        """The first layer of a model that does not print its input, and that input."""
        op = made[0].op
        dims = first_input(op, step)
        self.input = to_shape(dims, tokens=isinstance(op, Embedding))
        if not isinstance(op, Conv) or dims is None:
            return made
        sides = " x ".join("?" if size is None else str(size) for size in dims)
        self.assume(
            f"the input is not printed: {sides}, channels last, is what fits the first layer, {step.name}",
            "model.input_shape",
        )
        return [replace(layer, basis="assumed") for layer in to_node(step._replace(into=dims), line)]

    def _model(self, block: Block, step: Step) -> Sequence:
        """A nested model, row after row: the table does not print its connections."""
        steps, into = list[Node](), step.into
        for child in block.inner:
            row, out = child.row, self.dims(child.row)
            if row.cls == "InputLayer":
                into = out if into is None else into
                self._differ(row, 0)
                if not self.nodes and not self.inputs and step.into is None:
                    self.input = to_shape(out)
                continue
            steps.append(self._node(child, Step(row.name, row.cls, into, out, row.parameters or 0)))
            into = out
        held = sum(child.row.parameters or 0 for child in block.inner)
        self._differ(block.row, held)
        if block.row.cls != "Sequential":
            self.assume(
                f"{block.row.name} ({block.row.cls}): its layers are taken in the order printed; the table does not "
                "show what is connected to what inside",
                f"the summary() of {block.row.name} itself",
            )
        return Sequence(tuple(steps), block.row.name)

    def _differ(self, row: Row, held: int, number: int = 0) -> None:
        """Explain what a row counts and its layers do not hold."""
        gap = (row.parameters if row.parameters is not None else held) - held
        if number or not gap:
            return
        if "BatchNorm" in row.cls:
            reason = "moving mean and variance of BatchNormalization: Keras counts them, training does not change them"
        elif gap < 0:
            reason = f"{row.cls} has one bias vector in Keras; the layer is counted with two, as in PyTorch"
        else:
            reason = f"weights of {row.name} ({row.cls}) outside of its layers"
        self.differences[reason] += gap

    def _balance(self) -> None:
        """The stated total against the rows: what no row lists, or what several share."""
        rows = [block.row for block in self.blocks]
        if self.table.total is None or any(row.parameters is None for row in rows):
            lost = [row.name for row in rows if row.parameters is None]
            if self.table.total is not None:
                gap = self.table.total - sum(row.parameters or 0 for row in rows)
                self.differences[f"layers whose count the table does not show: {listed(lost)}"] += gap
            return
        gap = self.table.total - sum(row.parameters or 0 for row in rows)
        reason = "weights of the model that no row lists" if gap > 0 else "weights that several rows share"
        self.differences[reason] += gap

    def _output(self, places: list[int]) -> int:
        """The last call whose value nothing takes."""
        calls = self.wiring.calls
        taken = {i for call in calls for i, _ in call.inputs}
        ends = [at for at in range(len(calls)) if at not in taken and self.row(at).cls != "InputLayer"]
        if not ends:
            return places[-1]
        ends.sort(key=lambda at: calls[at].row)
        if len(ends) > 1:
            others = [self.row(at).name for at in ends[:-1]]
            self.assume(
                f"several outputs: the network is followed to {self.row(ends[-1]).name}, not to {listed(others)}",
                "the layer notation for each output",
            )
        return places[ends[-1]]

    def _remark(self) -> None:
        """What had to be guessed to follow the table."""
        wiring = self.wiring
        wide = "model.summary(line_length=200), in a window as wide"
        joins = [block.row.name for block in self.blocks if is_join(block.row)]
        if joins and not self.table.connected:
            self.assume(f"there is no column 'Connected to', so what {listed(joins)} join is not known", wide)
        if self.open_classes:
            self.assume(f"the classes of {listed(row.name for row in self.open_classes)} are cut off", wide)
        if wiring.guessed:
            self.assume(
                f"{wiring.guessed} names under 'Connected to' are cut off and fit several layers: the latest one that "
                "was not used yet was taken",
                wide,
            )
        if wiring.missing:
            self.assume(
                f"{listed(wiring.missing)} stand under 'Connected to' and in no row: taken as inputs",
                "the whole summary",
            )
        if wiring.unconnected:
            self.assume(
                f"{wiring.unconnected} rows have no connection that could be followed: each comes after the row before",
                wide,
            )
        if not self.table.connected and any(not row.shapes for row in self.table.rows):
            self.assume(
                "the rows of a subclassed model stand in the order in which its layers were made, and were taken as "
                "a chain; where shapes are not printed, layers stay unread",
                "the call() of the model",
            )


def _has_places(dims: Dims | None) -> bool:
    """Whether the value has positions: gates, whose function is another, have none."""
    return dims is not None and any(size != 1 for size in dims[:-1])
