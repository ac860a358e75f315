"""Whether doing nothing is the zero point of a block's parameters, and what forbids it."""

from __future__ import annotations

from kaiming_mcp.diagnosis.residual.block.model import Block

_HOW = {
    "norm": "gamma = 0 in the last norm",
    "positive": "last weights at zero (though F can only add, never take away)",
    "scale": "its scale at zero",
}


def zero_case(block: Block) -> str:
    """The limit case F = 0 in words."""
    if not block.sums and block.kept and block.moment is None:
        return f"skips fit round pairs of the {block.kept} layers that keep their size, not round the whole"
    against = _against(block)
    how = _HOW.get(block.ends, "last weights at zero")
    stages = "; where the size changes a projection is needed" if any(o.resizes for o in block.kinds) else ""
    if against:
        return f"doing nothing is not the zero point: {'; '.join(dict.fromkeys(against))}{stages}"
    if block.sums:
        return f"doing nothing is the zero point: {how} gives y = x{stages}"
    return f"x fits F(x) in size: with an identity skip and {how} doing nothing becomes the zero point"


def _against(block: Block) -> list[str]:
    found: list[str] = []
    if not block.fits and (not block.sums or not block.kinds):
        found.append(f"the size changes ({block.change}), so x cannot be added as it is")
    for o in block.kinds:
        if not o.resizes and not (o.kind == "scale" and o.factor == 1):
            found.append(o.kind.replace("-", " ") + " on the skip" + (f" ({o.detail})" if o.detail else ""))
    for a in block.after:
        kind, _, name = a.partition(" ")
        keeps = " (identity up to the scale)" if kind == "norm-after" else ""
        if kind == "activation-after" and name.startswith("relu"):
            keeps = " (identity only where x >= 0)"
        found.append(f"{'x ' * (kind == 'scale-after')}{name} after the add{keeps}")
    if block.ends == "never zero":
        found.append("a last nonlinearity of the branch that is never zero")
    return found
