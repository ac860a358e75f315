"""What an expression may stand for when source is followed without being run."""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from kaiming_mcp.architecture.torch_repr import Module


@dataclass(eq=False, slots=True)
class Unknown:
    """A value that the text does not tell; `text` is how it is written there."""

    text: str


@dataclass(frozen=True, slots=True)
class Known:
    """Something of a library by its full name: torch.nn.Linear, math.sqrt, or a module such as torch.nn."""

    name: str


@dataclass(eq=False, slots=True)
class Items:
    """A list, a tuple, or the tensors that torch.stack joins."""

    values: list[Value]
    kind: Literal["list", "tuple", "stack"] = "list"


@dataclass(eq=False, slots=True)
class Table:
    """A dictionary with known keys."""

    values: dict[Value, Value]


@dataclass(frozen=True, slots=True)
class Tensor:
    """The value that a vertex of the graph holds.

    `heads` were laid apart by a reshape, and `split` is the number of parts that an index takes one of; this is
    part `index` of parts in the proportion of `sizes`; `flipped` marks exchanged last axes.
    """

    vertex: int
    heads: int = 0
    split: int = 0
    index: int = 0
    sizes: tuple[int, ...] = ()
    flipped: bool = False


@dataclass(frozen=True, slots=True)
class Scores:
    """q k^T on its way to a softmax; `scale` is None while the text hides it."""

    query: Tensor
    key: Tensor
    scale: float | None = 1.0
    causal: bool = False
    soft: bool = False


@dataclass(eq=False, slots=True)
class Parameter:
    """An nn.Parameter, or a constant tensor (not `trained`); `source` is the parameter that arithmetic began with.

    `shape` is None where a size is not known; the values at the start are `fill`, or normal with `std`. `causal`
    marks a triangle of ones, `tokens` whole numbers drawn at random.
    """

    shape: tuple[int, ...] | None
    fill: float | None = None
    std: float | None = None
    trained: bool = True
    causal: bool = False
    tokens: bool = False
    source: Parameter | None = None
    line: int = 0
    path: str = ""

    @property
    def count(self) -> int:
        """How many numbers train; 0 where that is not known."""
        return math.prod(self.shape) if self.trained and self.shape is not None else 0


@dataclass(frozen=True, slots=True)
class Weight:
    """The weight or bias of a layer; `changed` after arithmetic on it, `part` for a slice of it."""

    owner: Object
    name: str
    changed: bool = False
    part: bool = False


@dataclass(eq=False, slots=True)
class Class:
    """A class of the text."""

    name: str
    bases: tuple[Value, ...]
    members: dict[str, Value]
    fields: tuple[str, ...]
    line: int


@dataclass(eq=False, slots=True)
class Function:
    """A function of the text and the names that it sees; `owner` is the class that defines it."""

    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope
    defaults: dict[str, Value]
    owner: Class | None = None
    kind: Literal["plain", "static", "class", "property"] = "plain"


@dataclass(eq=False, slots=True)
class Object:
    """An instance. `base` is the class of the library that it is or extends ("" for none), such as torch.nn.Linear;
    `printed` what print() would show of a layer, `arguments` what it was made with."""

    cls: Class | None
    base: str = ""
    attributes: dict[str, Value] = field(default_factory=dict[str, "Value"])
    printed: Module | None = None
    arguments: dict[str, Value] = field(default_factory=dict[str, "Value"])
    path: str = ""
    line: int = 0

    @property
    def title(self) -> str:
        """The name of its class."""
        return self.cls.name if self.cls else self.base.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Bound:
    """A function with its first arguments: a method, functools.partial, or super()."""

    target: Value
    arguments: tuple[Value, ...] = ()
    named: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True, slots=True)
class Method:
    """`receiver.name` of a value that is no instance of a class of the text."""

    receiver: Value
    name: str


@dataclass(frozen=True, slots=True)
class Super:
    """super() inside a method: the same instance, seen from the class after `after`."""

    instance: Object
    after: Class


Value = (
    int
    | float
    | str
    | None
    | Unknown
    | Known
    | Items
    | Table
    | Tensor
    | Scores
    | Parameter
    | Weight
    | Class
    | Function
    | Object
    | Bound
    | Method
    | Super
)


@dataclass(eq=False, slots=True)
class Scope:
    """Names, and the scope around."""

    names: dict[str, Value]
    outer: Scope | None = None
    owner: Class | None = None
    instance: Value = None

    def find(self, name: str) -> Value:
        """The value of a name.

        Raises:
            KeyError: no scope knows it.
        """
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        raise KeyError(name)


class Call(NamedTuple):
    """Arguments of a call, and where it stands."""

    values: list[Value]
    named: dict[str, Value]
    line: int = 0
    text: str = ""

    def get(self, at: int, name: str, default: Value = None) -> Value:
        """An argument by position or by name."""
        return self.values[at] if at < len(self.values) else self.named.get(name, default)

    def every(self) -> list[Value]:
        """All arguments."""
        return [*self.values, *self.named.values()]


def number(value: Value) -> float | None:
    """A known number, booleans excluded."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def whole(value: Value) -> int | None:
    """A known whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def tuple_of(values: list[Value]) -> Items:
    """Values as a tuple."""
    return Items(values, "tuple")


def written(value: Value, deep: int = 0) -> str:
    """A value as print() would show it among the arguments of a layer."""
    match value:
        case Items() if deep > 3:
            return "..."
        case Items():
            inner = ", ".join(written(v, deep + 1) for v in value.values[:20])
            return f"[{inner}]" if value.kind == "list" else f"({inner}{',' * (len(value.values) == 1)})"
        case Unknown():
            return value.text
        case Known():
            return value.name.rpartition(".")[2]
        case Object():
            return value.title
        case Class() | Function():
            return value.name
        case int() | float() | None | str():
            return str(value)[:1000]
        case Tensor() | Scores():
            return "tensor"
        case _:
            return type(value).__name__.lower()
