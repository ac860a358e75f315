"""A residual block as it stands, and the network that it belongs to, with its depth and what training showed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kaiming_mcp.architecture.ir import Network
from kaiming_mcp.diagnosis.residual.block.depth import Blocks, Trained
from kaiming_mcp.diagnosis.residual.block.trunk import Map
from kaiming_mcp.scaffold import Basis
from kaiming_mcp.signal.initialization import Initialization


@dataclass(frozen=True, slots=True)
class OnSkip:
    """An operation on the skip path: an id of principles/residual/skips.yaml, its factor where that is a number."""

    kind: str
    detail: str = ""
    factor: float | None = None
    resizes: bool | None = None
    """Whether it stands where the size changes; None where that is not said."""


@dataclass(frozen=True, slots=True)
class Block:
    """One residual block; `sums` copies of it were read. Moments are at initialization, for an input of q = 1."""

    shown: str
    basis: Basis
    sums: int = 1
    layers: int | None = None
    on_skip: tuple[OnSkip, ...] = ()
    after: tuple[str, ...] = ()
    """What follows the add: ids of skips.yaml with names, such as `norm-after layer`."""
    after_factor: float = 1.0
    branch_factor: float | None = 1.0
    """The constant on the branch, contained in `moment` too; None where it is a symbol without a value."""
    moment: float | None = None
    degree: float | None = None
    """d ln E[F²] / d ln q: 0 for a normalised branch, 1 for one that scales with x."""
    mean: float = 0.0
    """Mean of F over its root mean square: a branch of one sign adds up coherently."""
    normed: bool | None = None
    ends: str = ""
    """`norm`, `layer`, `positive`, `never zero`, `scale`, or the name of a nonlinearity."""
    width: tuple[int | None, int | None] = (None, None)
    """Features that enter and leave the branch."""
    strided: bool = False
    inner: str = ""
    kept: int = 0
    """Of a stack without a skip, the weighted layers in a row that keep width and size."""

    @property
    def kinds(self) -> tuple[OnSkip, ...]:
        """One operation of each kind on the skip, apart by whether the size changes there."""
        found: dict[tuple[str, bool], OnSkip] = {}
        for o in self.on_skip:
            found.setdefault((o.kind, bool(o.resizes)), o)
        return tuple(found.values())

    @property
    def fits(self) -> bool:
        """Whether x can be added to F(x) as it is, as far as the sizes are known."""
        into, out = self.width
        return not self.strided and (not into or not out or into == out)

    @property
    def change(self) -> str:
        """How the size changes."""
        into, out = self.width
        return f"{into} to {out} features" if into and out and into != out else "fewer positions"

    @property
    def post_norm(self) -> bool:
        """Whether a norm follows the add."""
        return any(a.startswith("norm-after") for a in self.after)

    @property
    def skip(self) -> float:
        """Product of the constants and gates on the skip."""
        return math.prod(o.factor for o in self.kinds if o.factor is not None)

    @property
    def map(self) -> Map | None:
        """The block as a map of the second moment, without what follows the add but for constants."""
        if self.moment is None:
            return None
        degree = 0.0 if self.degree is None else min(max(self.degree, 0.0), 1.0)
        return Map(self.skip, self.moment, degree, self.after_factor)


@dataclass(slots=True)
class Asked:
    """A block, as read or as described, with its depth and what training showed."""

    blocks: list[Block]
    candidate: Block | None
    """The stack that a skip could be put round, where the network has none."""
    depth: Blocks | None
    trained: Trained | None
    transformer: bool = False
    network: Network | None = None
    init: Initialization | None = None
    init_told: str = ""
    given: bool = False
    """Whether the initialization was given, by the user or in the text."""
    moment_told: str = ""
    """What the words say of a described branch; empty where a scale-keeping one was taken."""

    @property
    def block(self) -> Block | None:
        """The block that counts: the most frequent one, or the stack that may get a skip."""
        return self.blocks[0] if self.blocks else self.candidate

    @property
    def sums(self) -> int:
        """Sums of the text."""
        return sum(b.sums for b in self.blocks)

    @property
    def count(self) -> int:
        """Sums in a row; 0 where that is not known."""
        return self.depth.count if self.depth is not None else self.sums if self.sums > 2 else 0

    @property
    def times(self) -> int:
        """Copies of the text that make up the depth; 1 where the text is the whole network."""
        return max(1, self.count // self.sums) if self.sums else 1

    @property
    def added(self) -> float | None:
        """Sum of a² over all branches; None where a moment is not known."""
        block = self.block
        if block is None or block.moment is None or any(b.moment is None for b in self.blocks):
            return None
        if self.count != self.sums * self.times:
            return self.count * block.moment
        return sum(b.sums * (b.moment or 0.0) for b in self.blocks) * self.times
