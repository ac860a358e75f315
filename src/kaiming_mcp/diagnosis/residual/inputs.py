"""The arguments as typed values: the columns measured, the block with its depth."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kaiming_mcp.architecture.ir import Attention, Network
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.residual.block.depth import Blocks, Trained, read_blocks, read_trained
from kaiming_mcp.diagnosis.residual.block.formula import read_formula
from kaiming_mcp.diagnosis.residual.block.model import Asked
from kaiming_mcp.diagnosis.residual.block.prose import TRANSFORMER, BlockWords, read_block_words, with_words
from kaiming_mcp.diagnosis.residual.block.reader import blocks_of, candidate
from kaiming_mcp.diagnosis.residual.columns.measure import SEASONS, Measured, Said, measure
from kaiming_mcp.diagnosis.residual.columns.roles import assign
from kaiming_mcp.diagnosis.residual.columns.table import Table
from kaiming_mcp.diagnosis.residual.known import Known
from kaiming_mcp.diagnosis.residual.words.laws import first
from kaiming_mcp.diagnosis.residual.words.spoken import Spoken
from kaiming_mcp.signal.initialization import Initialization

MOST_LAG = 10_000
_SERIES = re.compile(
    r"\b(?:time series|series|forecast|nowcast|ahead|lead time|horizon|hourly|daily|monthly|weekly|per (?:hour|day|month)|"
    r"next[- ](?:day|hour|step|week|month)|tomorrow|autocorrelat\w*)"
)
_CADENCE = re.compile(r"\b(?:(hour|month|week|quarter)ly|(dai)ly)\b")


@dataclass(frozen=True, slots=True)
class Request:
    """The arguments, with the network where `mapping` holds one.

    `init_told` is the initialization in words, `init_words` the argument or what the text says (empty: assumed),
    `unread` why a text that looked like layers was read as prose, `jotted` whether its layers stand between words.
    """

    mapping: str
    reference: str
    data: str
    depth: int
    network: Network | None = None
    init: Initialization | None = None
    init_told: str = ""
    init_words: str = ""
    unread: str = ""
    jotted: bool = False

    @property
    def words(self) -> str:
        """What of `mapping` is to be read as words."""
        return self.mapping if self.network is None or self.jotted else ""


def measured(table: Table, request: Request, spoken: Spoken, prose: str) -> Measured:
    """Everything that the columns tell.

    Raises:
        NotMeasuredError: they hold nothing to measure.
    """
    words = prose.lower()
    roles = assign(table, request.reference, words)
    series = bool(_SERIES.search(words)) or bool(roles.time)
    cadence = _CADENCE.search(words)
    unit = (cadence[1] or "day") if cadence else ""
    ahead, noise = spoken.horizon, first(list(spoken.stated), "noise")
    in_rows = ahead is not None and 1 < ahead.count < MOST_LAG and ahead.unit in ("step", "frame", unit)
    said = Said(
        " ".join([words, *table.numbers]).lower(),
        series,
        round(ahead.count) if ahead is not None and in_rows else 1,
        SEASONS.get(unit) if series else None,
        noise.value if noise else None,
        any(k.id == "counts" for k in spoken.kinds),
    )
    return measure(table, roles, said)


def asked_of(request: Request, prose: str, lists: Known) -> tuple[Asked, BlockWords]:
    """The block of a network, of a formula or of the words, and what the words say of it."""
    formula = read_formula(request.mapping) if request.network is None else None
    words, trained = read_block_words(prose, lists, formula is not None), read_trained(prose)
    if request.network is not None and request.init is not None:
        return _of_network(request, request.network, request.init, trained), words
    if not words.about:
        return Asked([], None, None, trained), words
    block = with_words(formula, words) if formula is not None or words.described else None
    depth = Blocks(request.depth) if request.depth else read_blocks(prose, block.layers if block else None)
    transformer = bool(TRANSFORMER.search(prose.lower()))
    return Asked([block] if block else [], None, depth, trained, transformer, moment_told=words.told), words


def _of_network(request: Request, network: Network, init: Initialization, trained: Trained | None) -> Asked:
    # A text of one or two sums is one block of the network; a longer one is the network.
    times = max(request.depth, 1) if sum(n for _, n in structure.residuals(network.root)) <= 2 else 1
    blocks = blocks_of(network, init, times)
    sums = sum(b.sums for b in blocks) * times
    depth = Blocks(sums) if sums > 1 else None
    if not blocks and request.depth:
        depth = Blocks(request.depth, structure.weighted(network.root) * request.depth)
    stack = None if blocks else candidate(network, init)
    transformer = structure.count(network.root, Attention) > 0
    given = bool(request.init_words)
    return Asked(blocks, stack, depth, trained, transformer, network, init, request.init_told, given)
