"""A transformer block by its parts, whatever its class and its children are called.

Attention, a feed-forward part that returns the width it takes, and one norm more than there are attentions: that is
the block of Vaswani et al. 2017, and nothing else has these parts. Two such parts with norms of their own are a mixer's
(Tolstikhin et al. 2021). Whether a norm stands before or behind its branch
is told by the order printed, or else by a final norm in the model.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from kaiming_mcp.architecture.blocks.block import Block, applied
from kaiming_mcp.architecture.ir import Activation, Linear, Node, Sequence
from kaiming_mcp.architecture.torch_modules import to_layer
from kaiming_mcp.architecture.torch_repr import Module

Role = Literal["norm", "attention", "feed", "linear", "act", "drop", "sublayers", "other"]

_ATTENTION = re.compile(r"\w*(?:attention|attn|multi_?head|mha)\w*", re.IGNORECASE)
_FEED = re.compile(r"\w*(?:ffn?|feed_?forward|ffwd|mlp|channel_?mix\w*)(?:_?\d|_?layer|_?net)?", re.IGNORECASE)
_NORM = re.compile(r"\w*Norm(?:1d|2d)?")
_BEHIND = re.compile(r"(?:\w*D[Ee][Tt][Rr]|XLNet|Funnel)\w*")
"""Post-norm all the same: with a final norm (facebookresearch/detr), or with norms inside (xlnet, funnel)."""
_DROP = re.compile(r"\w*Dropout\w*|\w*DropPath|StochasticDepth|Identity|NoneType")


class _Parts(NamedTuple):
    """Names of the children of each role, in the order printed."""

    norms: list[str]
    attentions: list[str]
    feeds: list[list[str]]
    drops: list[str]
    order: list[Role]


def is_transformer_block(module: Module) -> bool:
    """Whether the children are the parts of a transformer block and nothing else."""
    return _parts(module) is not None


def _parts(module: Module) -> _Parts | None:
    roles: list[tuple[Module, Role]] = [(child, _role(child)) for child in module.children]
    found: dict[Role, list[Module]] = {}
    for child, role in roles:
        found.setdefault(role, []).append(child)
    attentions, feeds, linears = found.get("attention", []), found.get("feed", []), found.get("linear", [])
    if "other" in found or len(attentions) > 2 or any(c.copies > 1 for c in module.children):
        return None
    mixer = not attentions and len(feeds) == 2 and not linears
    if not (mixer or (attentions and (len(feeds), len(linears)) in ((1, 0), (0, 2)))):
        return None
    if not all(_returns_width([c]) for c in feeds) or (linears and not _returns_width(linears)):
        return None
    norms, outer = found.get("norm", []), found.get("sublayers", [])
    inside = all(map(_begins_with_norm, (*attentions, *feeds))) and bool(feeds) and not _BEHIND.fullmatch(module.cls)
    wrapped = (
        len(outer) == 1 and not norms and not mixer and sum(c.copies for c in outer[0].children) == len(attentions) + 1
    )
    whole = len(norms) == len(attentions) + 1 and not mixer
    if bool(outer) != wrapped or not (wrapped or whole or (not norms and inside)):
        return None
    acts = [c.name for c in found.get("act", [])]
    feed = [[c.name] for c in feeds] or [[linears[0].name, *acts, linears[1].name]]
    order: list[Role] = [role for _, role in roles if role in ("norm", "attention", "feed", "linear")]
    drops = [c.name for c in found.get("drop", [])]
    return _Parts([c.name for c in norms], [c.name for c in attentions], feed, drops, order)


def _role(child: Module) -> Role:
    if not child.children:
        if _NORM.fullmatch(child.cls):
            return "norm"
        if _DROP.fullmatch(child.cls):
            return "drop"
        op = to_layer(child, "").op
        return "linear" if isinstance(op, Linear) else "act" if isinstance(op, Activation) else "other"
    if _ATTENTION.fullmatch(child.cls) or (_ATTENTION.fullmatch(child.name) and child.cls != "Sequential"):
        return "attention"
    if child.cls == "ModuleList":
        return "sublayers" if all(_only_norm(c) for c in child.children) else "other"
    named = _FEED.fullmatch(child.cls) or _FEED.fullmatch(child.name) or child.cls == "Sequential"
    return "feed" if named and len(_linears([child])) >= 2 else "other"


def _only_norm(child: Module) -> bool:
    """A wrapper round a sublayer: a norm and perhaps a dropout."""
    roles = [_role(c) for c in child.children]
    return roles.count("norm") == 1 and set(roles) <= {"norm", "drop"}


def _linears(modules: list[Module]) -> list[Linear]:
    found, stack = list[Linear](), modules[::-1]
    while stack:
        module = stack.pop()
        op = to_layer(module, "").op if not module.children else None
        found += [op] if isinstance(op, Linear) else []
        stack.extend(module.children[::-1])
    return found


def _returns_width(modules: list[Module]) -> bool:
    """Whether some layer leads out of the width that enters and some layer leads back to it."""
    found = _linears(modules)
    width = found[0].in_features
    return found[0].out_features != width and any(op.out_features == width for op in found[1:])


def _begins_with_norm(module: Module) -> bool:
    """Whether a norm is printed first inside; one printed last may stand behind an add in there."""
    while module.children:
        module = module.children[0]
    return _NORM.fullmatch(module.cls) is not None


def build(block: Block) -> Node:
    """Each branch with its norm before or behind it, and an add round it."""
    parts = _parts(block.module)
    assert parts is not None
    branches = [*([name] for name in parts.attentions), *parts.feeds]
    outer = next((n for n, c in block.children.items() if _role(c) == "sublayers"), "")
    norms = block.inside(outer).each() if outer else []
    pre, why = _placement(block, parts, bool(outer))
    steps, told = list[Node](), list[str]()
    for i, branch in enumerate(branches):
        block.context.width = block.width or block.context.width
        norm = norms[i : i + 1] or block.steps(*parts.norms[i : i + 1])
        name = parts.norms[i] if parts.norms else f"{outer}.{i}.norm" if outer else ""
        inner, last = block.steps(*branch), branch[-1]
        if not name:
            steps.append(block.residual(inner, name=last))
            told.append(f"x + {applied(branch)}")
        elif pre:
            steps.append(block.residual([*norm, *inner], name=last))
            told.append(f"x + {applied([name, *branch])}")
        else:
            steps += [block.residual(inner, name=last), *norm]
            told.append(f"{name}(x + {applied(branch)})")
    block.used.update(parts.drops)
    block.context.assume(
        f"{block.module.cls}: {', then '.join(told)}: the parts are a transformer block's{why}; its adds are not shown",
        f"the forward() of {block.module.cls}",
    )
    return Sequence(tuple(steps), block.path)


def _placement(block: Block, parts: _Parts, wrapped: bool) -> tuple[bool, str]:
    """Whether the norms stand before their branches, and by what that is told."""
    if not parts.norms and not wrapped:
        return True, ", with norms of its own in each"
    if parts.order[:2] == ["norm", "attention"]:
        return True, ", its norms printed before them"
    if _BEHIND.fullmatch(block.module.cls):
        return False, ", and this family normalizes behind each add"
    final = block.context.final_norm
    pre = block.context.choose(
        final, f"{block.module.cls} has its norms {'behind' if final else 'before'} its branches"
    )
    if pre != final:
        return pre, ", in the other order"
    return pre, f", and {'a' if final else 'no'} final norm makes {'pre' if final else 'post'}-norm likelier"
