"""The network in a text that may also be prose; a class whose sizes are arguments is read with usual ones."""

from __future__ import annotations

import re
from dataclasses import dataclass

from kaiming_mcp.architecture.errors import ReadError
from kaiming_mcp.architecture.ir import Network, Opaque
from kaiming_mcp.architecture.read import NotAnArchitectureError, read_architecture
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.residual.block.usual import USUAL_WIDTH, with_usual

_CODE = re.compile(r"[{}]|\bnn\.|\(\d+\):|^[ \t]*+(?:class|def) |self\.", re.MULTILINE)
_SYMBOLS = re.compile(r"(\w+): no value in the text for ([\w, ]+);")
_USUAL = {"p": 0.1, "drop": 0.1, "dropout": 0.1, "heads": 4, "num_heads": 4, "n_heads": 4, "nhead": 4} | {
    "k": 3, "kernel": 3, "kernel_size": 3, "stride": 1
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """The network, or why a text that looks like layers was read as prose.

    `assumed` names the sizes taken; `jotted` says that the layers stand between words that count as well.
    """

    network: Network | None = None
    unread: str = ""
    assumed: str = ""
    jotted: bool = False


def read_block(text: str, fragment: str = "") -> Found:
    """The first network of a text; none where it is prose.

    Raises:
        ReadError: the text is code or layer notation, and breaks its rules.
    """
    try:
        reading = read_architecture(text, fragment)
    except NotAnArchitectureError:
        return Found()
    except ReadError as fault:
        if _CODE.search(text):
            raise
        return Found(unread=str(fault).split(". Example", maxsplit=1)[0])
    network = reading.networks[0]
    match = next((m for a in network.assumptions if (m := _SYMBOLS.match(a.statement))), None)
    hidden = structure.count(network.root, Opaque)
    if "shorthand" in reading.format or not hidden:
        return Found(network, jotted="shorthand" in reading.format)
    if match is None:
        network, told = with_usual(network)
        return Found(network, assumed=told)
    call = ", ".join(f"{n}={_USUAL.get(n.lower(), USUAL_WIDTH)}" for n in re.findall(r"\w+", match[2]))
    try:
        filled = read_architecture(f"{text}\n\nmodel = {match[1]}({call})", fragment).networks[0]
    except ReadError:
        return Found(network)
    seen = structure.count(filled.root, Opaque) < hidden
    return Found(filled, assumed=f", {call} taken") if seen else Found(network)
