"""Second findings beside the verdict: what is worth a line although it is not the cause."""

from __future__ import annotations

from itertools import pairwise

from kaiming_mcp.architecture.ir import Conv, Linear, layers
from kaiming_mcp.diagnosis.draft import Draft
from kaiming_mcp.diagnosis.gradients.evidence import Evidence
from kaiming_mcp.diagnosis.gradients.held_out import rise
from kaiming_mcp.diagnosis.gradients.runs import idle_clip
from kaiming_mcp.diagnosis.network import structure
from kaiming_mcp.diagnosis.principles import SIMPLE

NARROW = 8
"""A width this many times below that of the next layer is a bottleneck of rank."""


def side_findings(e: Evidence, mechanism: str) -> list[Draft]:
    """What else is there: layers without a gradient, an idle clip, and, unless nothing is wrong, a bottleneck."""
    found = (
        [] if mechanism in ("structural_zero", "print_zeros", "underflow_half", "dead_relu") else _silent(e, mechanism)
    )
    found += [] if mechanism == "clip_never_binds" else _idle(e)
    found += _overfit(e, mechanism)
    return found + ([] if mechanism == "nothing_wrong" else _bottleneck(e))


def _silent(e: Evidence, mechanism: str) -> list[Draft]:
    """Single layers that get no gradient beside others that do: frozen, or not reached by the loss."""
    frozen, unreached = e.listed("frozen"), [*e.without_gradient, *e.listed("no_gradient")]
    zeros = () if mechanism == "true_decay_backward" else e.zeros.exact
    names = list(dict.fromkeys((*frozen, *unreached, *zeros)))
    if not names or (not e.zeros.live and not frozen and not unreached):
        return []
    shown = ", ".join(f"`{name}`" for name in names[:4]) + (", …" if len(names) > 4 else "")
    why = "requires_grad is False" if frozen else "None: the loss does not reach them" if unreached else "exactly 0"
    fact = e.facts.add(f"no gradient in {shown} ({why})", "measured", len(names), "parameters")
    return [
        Draft(
            "low",
            SIMPLE,
            f"no gradient in {shown} ({why})",
            (fact,),
            "If that is not meant, set requires_grad, look for detach(), and put them into the optimizer; if it is, leave them.",
            "gradients of these parameters after one step, printed with %.3e",
            "their gradients become numbers; those of the other layers stay as they are",
        )
    ]


def _overfit(e: Evidence, mechanism: str) -> list[Draft]:
    """A validation loss that rises from its least while the training loss falls on, where the verdict is another."""
    found = rise(e) if mechanism != "nothing_wrong" else None
    if found is None:
        return []
    fact = e.facts.add(found.shown, "measured", found.last.value.x, "validation loss")
    return [
        Draft(
            "medium",
            SIMPLE,
            f"overfitting: {found.shown}",
            (fact,),
            found.change,
            "validation loss at every epoch, over 3 seeds",
            f"a validation loss of {found.least.value.text}, that of the best time",
        )
    ]


def _idle(e: Evidence) -> list[Draft]:
    idle = idle_clip(e)
    if idle is None:
        return []
    return [
        Draft(
            "note",
            SIMPLE,
            "a clip that never binds",
            (idle.fact,),
            "Nothing: it guards against a jump and changes no step until one comes.",
            "fraction of steps in which the norm before clipping exceeds the clip",
            "the loss stays the same to the last digit without it",
        )
    ]


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
