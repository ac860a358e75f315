"""What is gathered while source is followed: the graph, what was assumed, and how much work is left."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.graph import Join, Vertex
from kaiming_mcp.architecture.ir import (
    Assumption,
    Conv,
    Difference,
    Layer,
    Linear,
    Node,
    Op,
    Opaque,
    Origin,
    Reshape,
    Shape,
)
from kaiming_mcp.architecture.source.remarks import OVERWRITTEN
from kaiming_mcp.architecture.source.values import (
    Call,
    Class,
    Function,
    Object,
    Parameter,
    Scope,
    Tensor,
    Value,
)

MOST_STEPS, MOST_VERTICES, DEEPEST_CALLS, MOST_ITEMS = 200_000, 5_000, 60, 10_000
LARGEST_NUMBER, LONGEST_STRING = 10**12, 10_000
EXAMPLE = (
    "class Net(nn.Module): with __init__ and forward, and a line such as model = Net(hidden=256) for arguments "
    "without a default"
)


class Follower(Protocol):
    """Follows functions and calls; what the parts of the reader need from one another."""

    machine: Machine
    globals: Scope

    def call(self, value: Value, call: Call) -> Value:
        """Call any value."""
        ...

    def run(self, function: Function, call: Call, instance: Object | None = None) -> Value:
        """Run a function of the text."""
        ...

    def evaluate(self, node: ast.expr, scope: Scope) -> Value:
        """The value of an expression."""
        ...

    def execute(self, body: Sequence[ast.stmt], scope: Scope) -> Signal | None:
        """Run statements; the signal that ended them early, if any."""
        ...

    def attribute(self, value: Value, name: str, line: int, text: str) -> Value:
        """value.name."""
        ...


class Signal(NamedTuple):
    """What ends a block early: return, break or continue."""

    kind: Literal["return", "break", "continue"]
    value: Value = None


@dataclass(slots=True)
class Machine:
    """The state of one reading. `vertices` is None outside of every forward.

    For Keras, `symbolic` marks a graph that begins with keras.Input, `shapes` the sizes that leave a vertex, `keys`
    the names of layers, `inner` models that another one calls, and `channels_first` that its windows have their
    channels before the positions. `replaced` holds the vertices that a layer overwrote in place, with what stands there
    now and the line, `copied` those of which the text has a clone.
    """

    lines: list[str]
    vertices: list[Vertex] | None = None
    steps: int = 0
    depth: int = 0
    symbolic: bool = False
    shapes: dict[int, tuple[int | None, ...] | None] = field(default_factory=dict[int, "tuple[int | None, ...] | None"])
    keys: dict[Object, str] = field(default_factory=dict[Object, str])
    inner: set[Object] = field(default_factory=set[Object])
    channels_first: bool = False
    building: int = 0
    assumptions: dict[Assumption, None] = field(default_factory=dict[Assumption, None])
    used: set[Object | Parameter] = field(default_factory=set["Object | Parameter"])
    cuts: dict[tuple[int, tuple[int, ...]], list[int]] = field(
        default_factory=dict[tuple[int, tuple[int, ...]], list[int]]
    )
    replaced: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    copied: set[int] = field(default_factory=set[int])
    differences: list[Difference] = field(default_factory=list[Difference])
    tied: list[tuple[Object, Object]] = field(default_factory=list[tuple[Object, Object]])
    started: dict[tuple[Object, str], str] = field(default_factory=dict[tuple[Object, str], str])
    criteria: dict[str, None] = field(default_factory=dict[str, None])
    examples: dict[Object, Shape] = field(default_factory=dict[Object, Shape])
    instances: list[Object] = field(default_factory=list["Object"])
    made: set[Class] = field(default_factory=set[Class])

    @property
    def matters(self) -> bool:
        """Whether a model is being built or followed, and not some other code of the text."""
        return self.building > 0 or (self.vertices is not None and not self.symbolic)

    def step(self, line: int) -> None:
        """Count one step.

        Raises:
            ReadError: the budget is used up.
        """
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise ReadError(
                f"Line {line}: the source takes more than {MOST_STEPS:,} steps to follow. "
                f"Send the model alone, without the training loop. Expected {EXAMPLE}."
            )

    def assume(self, statement: str, settle: str) -> None:
        """Note what the text does not say."""
        if len(self.assumptions) < 100:
            self.assumptions[Assumption(statement, settle)] = None

    def source(self, line: int) -> str:
        """A line of the text, shortened."""
        text = self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""
        return text if len(text) <= 120 else text[:119] + "…"

    def origin(self, line: int) -> Origin:
        """Where a layer stands in the text."""
        return Origin(line, self.source(line))

    def add(self, content: Node | Join | None, inputs: tuple[int, ...] = (), key: str = "") -> Tensor:
        """One more vertex of the graph.

        Raises:
            ReadError: the graph is too large.
        """
        assert self.vertices is not None
        if len(self.vertices) >= MOST_VERTICES:
            raise ReadError(
                f"forward() takes more than {MOST_VERTICES:,} operations. Send one block, or the layer notation "
                "with `repeat`, e.g. repeat 100 { linear 64 64 ; relu }"
            )
        self.vertices.append(Vertex(content, inputs, key))
        return Tensor(len(self.vertices) - 1)

    def layer(self, op: Op, call: Call, *inputs: Tensor, path: str = "", key: str = "") -> Tensor:
        """An operation that the text writes as a call."""
        at = tuple(dict.fromkeys(self.settled(t).vertex for t in inputs))
        return self.add(Layer(op, path, self.origin(call.line)), at, key)

    def opaque(self, name: str, arguments: str, call: Call, *inputs: Tensor) -> Tensor:
        """An operation without parameters whose meaning is not known."""
        return self.layer(Opaque(name, " ".join(arguments.split())[:200], 0), call, *inputs)

    def join(self, join: Join, *inputs: Tensor) -> Tensor:
        """Several tensors that meet."""
        return self.add(join, tuple(self.settled(t).vertex for t in inputs))

    def settled(self, tensor: Tensor) -> Tensor:
        """The tensor; a part of a projection's output becomes a projection of its own."""
        if not tensor.sizes:
            return self._now(tensor)
        parts = self.cuts.get((tensor.vertex, tensor.sizes)) or self._cut(tensor.vertex, tensor.sizes)
        if not parts:
            name = f"part {tensor.index + 1} of {len(tensor.sizes)}"
            return self.add(Layer(Opaque(name, "", 0)), (tensor.vertex,))
        return Tensor(parts[tensor.index], tensor.heads, 0, 0, (), tensor.flipped)

    def overwrite(self, tensor: Tensor, by: Tensor, line: int) -> None:
        """A layer that works in place: every name of the tensor now means what the layer gave."""
        if not tensor.sizes and tensor.vertex not in self.copied and tensor.vertex != by.vertex:
            self.replaced[tensor.vertex] = by.vertex, line

    def _now(self, tensor: Tensor) -> Tensor:
        found = self.replaced.get(tensor.vertex)
        if found is None:
            return tensor
        self.assume(
            f"line {found[1]}: a layer with inplace=True {OVERWRITTEN}: it is then the layer's output (a skip that "
            "starts there is not the identity)",
            "inplace=False, if the input itself is meant",
        )
        return self._now(replace(tensor, vertex=found[0]))

    def is_cut(self, tensor: Tensor) -> bool:
        """Whether parts of this vertex are projections of their own already."""
        return any(vertex == tensor.vertex for vertex, _ in self.cuts)

    def _cut(self, at: int, sizes: tuple[int, ...]) -> list[int]:
        assert self.vertices is not None
        whole = self.vertices[at]
        layer = whole.content
        if not isinstance(layer, Layer) or any(at in v.inputs for v in self.vertices[at + 1 :]):
            return []
        op, unit = layer.op, sum(sizes)
        if isinstance(op, Linear) and op.out_features % unit == 0:
            pieces = [replace(op, out_features=op.out_features // unit * size) for size in sizes]
        elif isinstance(op, Conv) and op.groups == 1 and op.out_channels % unit == 0:
            pieces = [replace(op, out_channels=op.out_channels // unit * size) for size in sizes]
        else:
            return []
        self.vertices[at] = Vertex(Layer(Reshape("identity"), layer.path, layer.origin), whole.inputs)
        found = list[int]()
        for i, piece in enumerate(pieces):
            key = f"{whole.key}[{i}]" if whole.key else ""
            found.append(self.add(replace(layer, op=piece), whole.inputs, key).vertex)
        self.cuts[at, sizes] = found
        return found

    def use(self, parameter: Parameter) -> int:
        """Mark a parameter as used in forward; the number of values of it that train, once for each network."""
        held = parameter.source or parameter
        first = held not in self.used
        self.used.add(held)
        return held.count if first else 0
