"""The parameter account: what the printed modules hold, the true total, and every difference."""

from __future__ import annotations

from dataclasses import dataclass

from kaiming_mcp.architecture.ir import Difference, Network, Opaque, layers
from kaiming_mcp.architecture.parameters import total_parameters


@dataclass(frozen=True, slots=True)
class Account:
    """`printed` in the modules of the text, `total` in the model; `unknown` modules may hold more.

    `stated` is the total that the text itself gives, `closed` what is in `closed_modules` modules that the text counts
    without a look inside.
    """

    printed: int
    total: int
    differences: tuple[Difference, ...]
    unknown: tuple[str, ...]
    stated: int | None = None
    closed: int = 0
    closed_modules: int = 0


def account(network: Network) -> Account:
    """Add up a network; positive differences are hidden from the text, negative ones counted twice."""
    held = total_parameters(network.root)
    hidden = sum(d.count for d in network.differences if d.layered)
    apart = sum(d.count for d in network.differences if not d.layered)
    unknown = dict.fromkeys(
        f"{layer.op.name}({layer.op.arguments})"[:60]
        for layer, _ in layers(network.root)
        if isinstance(layer.op, Opaque) and layer.op.parameters is None
    )
    counted = [
        (layer.op.parameters, times)
        for layer, times in layers(network.root)
        if isinstance(layer.op, Opaque) and layer.op.parameters
    ]
    return Account(
        held - hidden,
        held + apart,
        network.differences,
        tuple(unknown),
        network.stated,
        sum(count * times for count, times in counted),
        sum(times for _, times in counted),
    )
