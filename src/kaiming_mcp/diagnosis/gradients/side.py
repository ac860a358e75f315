"""Second findings beside the verdict: what is worth a line although it is not the cause."""

from __future__ import annotations

from itertools import pairwise

from kaiming_mcp.architecture.ir import Conv, Linear, layers
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.principles import SIMPLE

NARROW = 8
"""A width this many times below that of the next layer is a bottleneck of rank."""


def side_findings(e: Evidence, mechanism: str) -> list[Draft]:
    """Structural findings of the network, unless nothing is wrong."""
    return [] if mechanism == "nothing_wrong" else _bottleneck(e)


def _bottleneck(e: Evidence) -> list[Draft]:
    root = e.subject.network.root if e.subject else None
    weighted = [la for la, _ in layers(root) if isinstance(la.op, Linear | Conv)] if root is not None else []
    for layer, after in pairwise(weighted[:-1]):
        width, then = structure.width_out(layer.op), structure.width_out(after.op)
        if width and then and width * NARROW <= then:
            fact = e.facts.add(
                f"{structure.cite(layer)} leaves {width} features, and the next layer makes {then} of them",
                "read",
                width,
                "features",
            )
            return [
                Draft(
                    "medium",
                    SIMPLE,
                    f"a bottleneck of {width} features in front of {then}",
                    (fact,),
                    f"let this layer put out {then} features.",
                    "training loss with the wide layer at equal steps, 3 seeds",
                    f"rank of what follows from at most {width} per position to {then}",
                )
            ]
    return []
